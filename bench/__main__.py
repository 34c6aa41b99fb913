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
from .figure import Figure

BENCHMARKS = ("load", "storage", "fetch", "pace", "queries", "gate", "growth")
RESULTS = Path(__file__).with_name("results.json")
WIDTH = 132


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="one benchmark; may be given again")
    parser.add_argument("--into", type=Path, default=RESULTS, help="where the figures go (default bench/results.json)")
    arguments = parser.parse_args(given)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    progress = Console(stderr=True)
    figures: list[Figure] = []
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    with server() as postgres:
        header = machine.description(postgres.version)
        for name in arguments.only or BENCHMARKS:
            progress.print(f"{name} ...")
            figures += import_module(f"bench.{name}").run(postgres)
    took = time.monotonic() - began
    arguments.into.write_bytes(orjson.dumps([figure.row() for figure in figures], option=orjson.OPT_INDENT_2) + b"\n")
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {took:.0f} s", highlight=False)
    for line in header:
        console.print(line, highlight=False)
    console.print(table(figures))
    return 0


def table(figures: list[Figure]) -> Table:
    shown = Table("figure", header_style="bold")
    for column in ("value", "unit", "yardstick", "ratio"):
        shown.add_column(column, justify="left" if column == "unit" else "right", no_wrap=True)
    for column in ("against", "target", "met"):
        shown.add_column(column)
    for figure in figures:
        shown.add_row(
            figure.name, number(figure.value), figure.unit, number(figure.yardstick),
            "" if figure.ratio is None else f"{figure.ratio:.2f}", figure.against, figure.target or "",
            "" if figure.met is None else "yes" if figure.met else "NO",
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
