"""The volatility index (DVOL) of a currency, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any

import numpy as np

from .errors import Malformed, iso, shown
from .hourly import HOUR, Table, absent, ms
from .http_client import Request
from .pagination import cover, windows
from .parsing import numbers, timestamps

PAGE = 1_000 * HOUR  # one answer holds the newest 1,000 rows of its window, and a continuation where there are more
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class Volatility:
    """The volatility index of `currency`, one row an hour the exchange sent.

    timestamp: int64, ms, ascending: the START of the hour. open, high, low, close: percent a year, float64, NaN where
    null was sent. All of shape (rows,). duplicate, out_of_window: int64, ms, rows that came twice in an answer (the
    first is kept) or outside the window asked (dropped). requests: how many were answered.
    """

    currency: str
    timestamp: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    duplicate: np.ndarray
    out_of_window: np.ndarray
    requests: int


def collect(request: Request, currency: str, start: int, end: int) -> Volatility:
    """The hours that begin in [start, end), ms. The continuation of an answer says whether there is more, but as for
    every other page, what proves that nothing is missing is the rows that came."""
    start, end = index(start), index(end)
    if start > end:
        raise ValueError(f"volatility of {currency}: [{iso(start)}, {iso(end)}) runs backward")
    table = Table(len(PRICES))

    def page(left: int, right: int) -> int | None:
        params = {
            "currency": currency, "start_timestamp": left, "end_timestamp": right - 1, "resolution": "3600",
        }  # fmt: skip
        timestamp, values = request("get_volatility_index_data", params, read_page)
        return table.place(timestamp, values, left, right)

    for left, right in windows(start, end, PAGE):
        cover(page, partial(absent, table.seen, left, right), left, right, HOUR)
    timestamp, values = table.sorted()
    return Volatility(
        currency,
        timestamp,
        **dict(zip(PRICES, values, strict=True)),
        duplicate=ms(table.duplicate),
        out_of_window=ms(table.out_of_window),
        requests=table.answers,
    )


def read_page(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps, int64 ms of shape (rows,), and PRICES, float64 of shape (4, rows). Raises Malformed."""
    data = result.get("data") if isinstance(result, dict) else None
    if not isinstance(data, list):
        raise Malformed(f"volatility data is {'absent' if data is None else type(data).__name__}, not a list")
    for at, row in enumerate(data):
        if not isinstance(row, list) or len(row) != 1 + len(PRICES):
            raise Malformed(f"volatility data[{at}] is {shown(row)}, not a time and {len(PRICES)} numbers")
    columns = [[row[n] for row in data] for n in range(1 + len(PRICES))]
    values = [numbers(column, f"volatility {name}") for name, column in zip(PRICES, columns[1:], strict=True)]
    return timestamps(columns[0], "volatility timestamp"), np.stack(values)
