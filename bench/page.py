"""Writes the tables of docs/performance.md from what the benchmarks wrote last.

    sh stack/run dev python -m bench.page

A table stands between <!-- bench: NAME --> and <!-- /bench -->; NAME is the part of a metric's name before the colon.
Tables whose benchmark has not run here are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import orjson

from .__main__ import RESULTS, number
from .live import RESULTS as LIVE_RESULTS
from .soak import passed, results, state_folder
from .whole_history import RESULTS as HISTORY_RESULTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
SIZE = re.compile(r"growth ×(\d+): (.+)")
PHASE = re.compile(r"soak (\w+): (.+)")


def main() -> None:
    written = [file for file in (RESULTS, HISTORY_RESULTS, LIVE_RESULTS) if file.exists()]
    metrics = [metric for file in written for metric in orjson.loads(file.read_bytes())]
    metrics += results(passed(state_folder()))

    def filled(block: re.Match) -> str:
        opening, name, closing = block.groups()
        table = {"growth": growth, "soak": soak}.get(name, partial(plain, name))(metrics)
        return f"{opening}{table}{closing}" if table else block[0]

    PAGE.write_text(BLOCK.sub(filled, PAGE.read_text()))


def plain(name: str, metrics: list[dict]) -> str:
    """A row a metric; columns that nothing is in are left out."""
    mine = [metric for metric in metrics if metric["name"].startswith(f"{name}: ")]
    rows = [
        {
            "metric": metric["name"].removeprefix(f"{name}: "),
            "value": number(metric["value"]),
            "unit": metric["unit"],
            "baseline": number(metric["baseline"]),
            "ratio": "" if metric["ratio"] is None else f"{metric['ratio']:.2f}",
            "note": metric["note"],
            "target": metric["target"] or "",
            "met": {None: "", True: "yes", False: "**no**"}[metric["met"]],
        }
        for metric in mine
    ]
    used = [column for column in rows[0] if any(row[column] for row in rows)] if rows else []
    return markdown(used, ([row[column] for column in used] for row in rows)) if rows else ""


def growth(metrics: list[dict]) -> str:
    """A row a question, a column a size."""
    found: dict[str, dict[int, dict]] = {}
    for metric in metrics:
        if named := SIZE.fullmatch(metric["name"]):
            found.setdefault(named[2], {})[int(named[1])] = metric
    if not found:
        return ""
    sizes = sorted({size for by_size in found.values() for size in by_size})
    return markdown(
        ["metric", "unit", *(f"×{size}" for size in sizes), f"×{sizes[-1]} / ×1"],
        (
            [
                name,
                by_size[1]["unit"],
                *(number(by_size[size]["value"]) for size in sizes),
                f"{by_size[sizes[-1]]['ratio']:.2f}",
            ]
            for name, by_size in found.items()
        ),
    )


def soak(metrics: list[dict]) -> str:
    """A row a metric, a column a phase; empty where a phase says nothing of it."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for metric in metrics:
        if named := PHASE.fullmatch(metric["name"]):
            found.setdefault((named[2], metric["unit"]), {})[named[1]] = number(metric["value"])
    phases = list(dict.fromkeys(phase for by_phase in found.values() for phase in by_phase))
    rows = ([name, unit, *(by_phase.get(phase, "") for phase in phases)] for (name, unit), by_phase in found.items())
    return markdown(["metric", "unit", *phases], rows) if found else ""


def markdown(columns: list[str], rows: Iterable[list[str]]) -> str:
    words = {"metric", "unit", "note", "target", "met"}
    lines = [columns, ["---" if column in words else "---:" for column in columns], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
