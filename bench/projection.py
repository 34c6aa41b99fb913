"""On paper: what all that Deribit lists would take, reckoned from what was measured here.

    sh stack/run dev python -m bench.projection

Reads what `make bench` and `make bench-history` wrote. Nothing of this was run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from deribit_warehouse.exchange.candles import MINUTE, PAGE

from .__main__ import RESULTS, WIDTH
from .whole_history import RESULTS as HISTORY_RESULTS

DAY = 1440


@dataclass(frozen=True)
class Case:
    """So many instruments for so many days each, stored at the bytes a minute that were measured for `like`."""

    name: str
    instruments: int
    days: int
    like: str

    @property
    def minutes(self) -> int:
        return self.instruments * self.days * DAY

    @property
    def requests(self) -> int:
        return self.instruments * ceil(self.days * DAY * MINUTE / PAGE)


CASES = (
    Case("130 linear perpetuals, a month", 130, 30, "perpetuals_ohlcv"),
    Case("130 linear perpetuals, a year", 130, 365, "perpetuals_ohlcv"),
    Case("6,000 options, a day", 6_000, 1, "futures_ohlcv"),
    Case("6,000 options, a month of the same ones", 6_000, 30, "futures_ohlcv"),
)


def main() -> None:
    measured = read(RESULTS) | read(HISTORY_RESULTS)
    rate = measured["history: rate while there was work"]
    speed = measured["validation: minutes of a month of all futures"] / measured["validation: profile and suite, warm"]
    table = Table("on paper", title=f"at {rate:.1f} requests/s; the gate at {speed / 1e6:.2f} million minutes/s")
    for column in ("million minutes", "requests", "minutes to fetch", "GB", "gate s"):
        table.add_column(column, justify="right")
    for case in CASES:
        table.add_row(
            case.name, f"{case.minutes / 1e6:,.1f}", f"{case.requests:,}", f"{case.requests / rate / 60:,.0f}",
            f"{case.minutes * measured[f'history: storage, {case.like}'] / 1e9:,.2f}", f"{case.minutes / speed:,.0f}",
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def read(results: Path) -> dict[str, float]:
    """Values by metric. Exits when the benchmark that writes them has not run."""
    if not results.exists():
        sys.exit(f"{results} is not there: make bench and make bench-history write what this is reckoned from.")
    return {metric["name"]: metric["value"] for metric in orjson.loads(results.read_bytes())}


if __name__ == "__main__":
    main()
