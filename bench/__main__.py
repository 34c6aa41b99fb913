"""Runs every benchmark, prints a table and writes bench/results.json."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from . import machine
from .database import server
from .metric import Metric

BENCHMARKS = (
    "load",
    "storage",
    "publication",
    "fetch",
    "rate_limit",
    "queries",
    "coverage",
    "options",
    "snapshots",
    "validation",
    "growth",
)
RESULTS = Path(__file__).with_name("results.json")
WIDTH = 132


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="one benchmark; may be given again")
    parser.add_argument("--into", type=Path, default=RESULTS, help="where the metrics go (default bench/results.json)")
    arguments = parser.parse_args(given)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    progress = Console(stderr=True)
    metrics: list[Metric] = []
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    with server() as postgres:
        header = machine.description(postgres.version)
        for name in arguments.only or BENCHMARKS:
            progress.print(f"{name} ...")
            metrics += import_module(f"bench.{name}").run(postgres)
    took = time.monotonic() - began
    arguments.into.write_bytes(orjson.dumps([metric.row() for metric in metrics], option=orjson.OPT_INDENT_2) + b"\n")
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {took:.0f} s", highlight=False)
    for line in header:
        console.print(line, highlight=False)
    console.print(table(metrics))
    return 0


def table(metrics: list[Metric]) -> Table:
    shown = Table("metric", header_style="bold")
    for column in ("value", "unit", "baseline", "ratio"):
        shown.add_column(column, justify="left" if column == "unit" else "right", no_wrap=True)
    for column in ("note", "target", "met"):
        shown.add_column(column)
    for metric in metrics:
        shown.add_row(
            metric.name, number(metric.value), metric.unit, number(metric.baseline),
            "" if metric.ratio is None else f"{metric.ratio:.2f}", metric.note, metric.target or "",
            "" if metric.met is None else "yes" if metric.met else "NO",
        )  # fmt: skip
    return shown


def number(value: float | None) -> str:
    """Three digits that matter, and every digit of what is counted."""
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
