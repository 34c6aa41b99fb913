"""1-minute candles of one instrument on a full grid of minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from operator import index
from typing import Any

import numpy as np

from .errors import Malformed, iso, shown
from .http_client import Request
from .pagination import cover, windows
from .parsing import numbers, timestamps

MINUTE = 60_000  # ms
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PAGE = 5_000 * MINUTE  # the exchange answers with the newest 5,001 rows and drops older ones silently
COLUMNS = ("open", "high", "low", "close", "volume", "cost")


@dataclass(frozen=True, eq=False)
class Candles:
    """Candles of `instrument_name` in [start, end), ms. Minute i of every array starts at start + i * 60,000.

    open, high, low, close (USD), volume (coin), cost (USD): float64, shape (minutes,), NaN where the minute is
    missing and where its value came as null. present: bool, shape (minutes,), True where the exchange sent the minute.
    duplicate, misaligned, out_of_window, out_of_order: int64, ascending ticks in ms that came twice in an answer (the
    first is kept), off the whole minute, outside the window asked, or after a later one. requests: how many were
    answered.
    """

    instrument_name: str
    start: int
    end: int
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    cost: np.ndarray
    present: np.ndarray
    duplicate: np.ndarray
    misaligned: np.ndarray
    out_of_window: np.ndarray
    out_of_order: np.ndarray
    requests: int

    @property
    def missing(self) -> np.ndarray:
        """The minutes not sent in two answers: int64 ms, ascending."""
        return self.start + np.flatnonzero(~self.present).astype(np.int64) * MINUTE


def collect(request: Request, instrument_name: str, start: int, end: int) -> Candles:
    """The candles of [start, end), page by page, each page's coverage proven. Both in ms, on whole minutes."""
    start, end = index(start), index(end)
    if start % MINUTE or end % MINUTE or start > end:
        raise ValueError(
            f"candles of {instrument_name}: [{iso(start)}, {iso(end)}) must run forward between whole minutes"
        )
    grid = Grid(start, end)

    def page(left: int, right: int) -> int | None:
        ticks, values = request("get_tradingview_chart_data", chart_params(instrument_name, left, right), read_page)
        return grid.place(ticks, values, left, right)

    for left, right in windows(start, end, PAGE):
        cover(page, partial(grid.missing, left, right), left, right, MINUTE)
    return Candles(
        instrument_name,
        start,
        end,
        **dict(zip(COLUMNS, grid.values, strict=True)),
        present=grid.present,
        duplicate=np.unique(np.concatenate(grid.duplicate)),
        misaligned=np.unique(np.concatenate(grid.misaligned)),
        out_of_window=np.unique(np.concatenate(grid.out_of_window)),
        out_of_order=np.unique(np.concatenate(grid.out_of_order)),
        requests=grid.answers,
    )


def last_trade(request: Request, instrument_name: str, start: int, end: int) -> int | None:
    """The end of the last hour in [start, end), ms, in which there was a trade, or None if there was none.

    One request, or two where an answer does not hold all hours: then the day (from 08:00 UTC) is looked for first.
    Where no hour of it has the trade that it has, it is the end of the day.
    """
    start, end = index(start), index(end)

    def last(resolution: str, width: int, left: int, right: int) -> int | None:
        params = chart_params(instrument_name, left, right) | {"resolution": resolution}
        ticks, values = request("get_tradingview_chart_data", params, read_page)
        traded = ticks[(ticks >= left) & (ticks < right) & (values[COLUMNS.index("volume")] > 0)]
        return min(int(traded.max()) + width, right) if len(traded) else None

    if end - start <= 5_000 * HOUR:
        return last("60", HOUR, start, end)
    day_ends = last("1D", DAY, start, end)
    if day_ends is None:
        return None
    return last("60", HOUR, day_ends - DAY, day_ends) or day_ends


def chart_params(instrument_name: str, left: int, right: int) -> dict[str, Any]:
    """Asks for the bucket starts in [left, right) ms.

    One report saw the first candle missing when it began exactly at start_timestamp; 1 ms earlier no other one fits.
    """
    return {
        "instrument_name": instrument_name,
        "start_timestamp": left - 1,
        "end_timestamp": right - 1,
        "resolution": "1",
    }


def read_page(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Ticks, int64 ms of shape (rows,), and COLUMNS, float64 of shape (6, rows). Raises Malformed."""
    if not isinstance(result, dict):
        raise Malformed(f"the chart is {type(result).__name__}, not an object")
    status = result.get("status")
    if status not in ("ok", "no_data"):
        raise Malformed(f"the chart's status is {shown(status)}, neither 'ok' nor 'no_data'")
    ticks = timestamps(result.get("ticks"), "ticks")
    columns = [numbers(result.get(name), name) for name in COLUMNS]
    lengths = {"ticks": len(ticks)} | {name: len(column) for name, column in zip(COLUMNS, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        raise Malformed(f"the chart's columns are of unequal lengths: {lengths}")
    if status == "no_data" and len(ticks):
        raise Malformed(f"the chart says 'no_data' over {len(ticks)} rows")
    return ticks, np.stack(columns)


@dataclass
class Grid:
    """The minutes of [start, end) while they are being collected."""

    start: int
    end: int
    answers: int = 0
    duplicate: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.int64)])
    misaligned: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.int64)])
    out_of_window: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.int64)])
    out_of_order: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.int64)])

    def __post_init__(self) -> None:
        minutes = (self.end - self.start) // MINUTE
        self.values = np.full((len(COLUMNS), minutes), np.nan)
        self.present = np.zeros(minutes, bool)

    def place(self, ticks: np.ndarray, values: np.ndarray, left: int, right: int) -> int | None:
        """Keeps the rows of [left, right) that aren't there yet; returns the oldest one's tick, None without any."""
        self.answers += 1
        inside = (ticks >= left) & (ticks < right)
        on_the_minute = ticks % MINUTE == 0
        self.out_of_window.append(ticks[~inside])
        self.misaligned.append(ticks[inside & ~on_the_minute])
        self.out_of_order.append(ticks[1:][ticks[1:] < ticks[:-1]])
        kept = np.flatnonzero(inside & on_the_minute)
        if not len(kept):
            return None
        unique, first, count = np.unique(ticks[kept], return_index=True, return_counts=True)
        self.duplicate.append(unique[count > 1])
        at, row = (unique - self.start) // MINUTE, kept[first]
        new = ~self.present[at]
        self.values[:, at[new]] = values[:, row[new]]
        self.present[at] = True
        return int(unique[0])

    def missing(self, left: int, right: int) -> np.ndarray:
        """The minutes of [left, right) not there: int64 ms, ascending."""
        here = slice((left - self.start) // MINUTE, (right - self.start) // MINUTE)
        return left + np.flatnonzero(~self.present[here]).astype(np.int64) * MINUTE
