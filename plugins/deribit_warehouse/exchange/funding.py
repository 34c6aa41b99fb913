"""Hourly funding of one perpetual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any

import numpy as np

from .errors import Malformed, iso, shown
from .hourly import HOUR, Table, absent, ms
from .http_client import Request
from .pagination import cover, windows
from .parsing import numbers, rows, timestamps

PAGE = 744 * HOUR  # one answer holds the newest 744 rows at or before end_timestamp, whatever start_timestamp says
RATES = ("interest_1h", "interest_8h", "index_price", "prev_index_price")


@dataclass(frozen=True, eq=False)
class Funding:
    """Funding of `instrument_name`, one row an hour the exchange sent.

    timestamp: int64, ms, ascending: the END of the hour. interest_1h (that hour's rate) and interest_8h (the trailing
    eight hours): fractions, positive where longs pay. index_price, prev_index_price: USD. All float64 of shape
    (rows,), NaN where null was sent, or no prev_index_price. duplicate, out_of_window: int64, ms, rows that came twice
    in an answer (the first is kept) or outside the window asked (dropped). requests: how many were answered.
    """

    instrument_name: str
    timestamp: np.ndarray
    interest_1h: np.ndarray
    interest_8h: np.ndarray
    index_price: np.ndarray
    prev_index_price: np.ndarray
    duplicate: np.ndarray
    out_of_window: np.ndarray
    requests: int

    def missing(self, start: int, end: int) -> np.ndarray:
        """The whole hours in (start, end], ms, for which there is no row: int64 ms, ascending."""
        return absent(set(self.timestamp.tolist()), start + 1, end + 1)


def collect(request: Request, instrument_name: str, start: int, end: int) -> Funding:
    """The rows of the hours that end in (start, end], ms. Each page starts at the last timestamp of the one before:
    the exchange's own window is (start, end], so starting an hour later would lose a row at every page's edge."""
    start, end = index(start), index(end)
    if start > end:
        raise ValueError(f"funding of {instrument_name}: ({iso(start)}, {iso(end)}] runs backward")
    table = Table(len(RATES))

    def page(left: int, right: int) -> int | None:
        params = funding_params(instrument_name, left, right)
        timestamp, values = request("get_funding_rate_history", params, read_page)
        return table.place(timestamp, values, left, right)

    for left, right in windows(start + 1, end + 1, PAGE):
        cover(page, partial(absent, table.seen, left, right), left, right, HOUR)
    timestamp, values = table.sorted()
    return Funding(
        instrument_name,
        timestamp,
        **dict(zip(RATES, values, strict=True)),
        duplicate=ms(table.duplicate),
        out_of_window=ms(table.out_of_window),
        requests=table.answers,
    )


def first_hour(request: Request, instrument_name: str, not_before: int, not_after: int) -> int | None:
    """The earliest funding timestamp in [not_before, not_after], ms, or None if there is none.

    It is found by bisection: the answer to a window that ends at T has the newest rows at or before T, so an empty one
    means that the history begins later. This takes about ten requests for a decade.
    """

    not_before, not_after = index(not_before), index(not_after)

    def oldest(until: int) -> int | None:
        params = funding_params(instrument_name, not_before, until + 1)
        timestamp, _ = request("get_funding_rate_history", params, read_page)
        timestamp = timestamp[(timestamp >= not_before) & (timestamp <= until)]
        return int(timestamp.min()) if len(timestamp) else None

    earliest = oldest(not_after) or oldest(not_after)  # an empty answer may be a passing fault: asked twice
    if earliest is None:
        return None
    nothing_to = not_before - 1
    while True:
        while earliest - nothing_to > PAGE:
            middle = (nothing_to + earliest) // 2
            found = oldest(middle)
            nothing_to, earliest = (middle, earliest) if found is None else (nothing_to, found)
        # The final check covers all the time before: it also reveals that an empty answer was only a temporary fault.
        found = oldest(earliest - 1)
        if found is None:
            return earliest
        nothing_to = nothing_to if found > nothing_to else not_before - 1
        earliest = found


def last_hour(request: Request, instrument_name: str, not_before: int, not_after: int) -> int | None:
    """The newest funding timestamp in [not_before, not_after], ms, or None if there is none: one request, because an
    answer holds the newest rows of its window. An empty one may be a passing fault and is asked twice."""
    not_before, not_after = index(not_before), index(not_after)
    for _ in range(2):
        timestamp, _ = request(
            "get_funding_rate_history", funding_params(instrument_name, not_before, not_after + 1), read_page
        )
        timestamp = timestamp[(timestamp >= not_before) & (timestamp <= not_after)]
        if len(timestamp):
            return int(timestamp.max())
    return None


def value(request: Request, instrument_name: str, start: int, end: int) -> float:
    """The funding that a position held over (start, end], ms, has paid, as a fraction of its value at the start:
    prev_index_price of the first hour times the sum of interest_1h / prev_index_price. This is not the plain sum of
    interest_1h (in May 2025 the two were 10 % apart). That the window excludes its start is an assumption; for May
    2025, 744 hours, it agrees to 2e-7."""
    return request("get_funding_rate_value", funding_params(instrument_name, start + 1, end + 1), read_value)


def read_value(result: Any) -> float:
    """The number of get_funding_rate_value. Raises Malformed."""
    if type(result) not in (int, float) or not math.isfinite(result):
        raise Malformed(f"the funding value is {shown(result)}, not a finite number")
    return float(result)


def funding_params(instrument_name: str, left: int, right: int) -> dict[str, Any]:
    """The parameters of a request for the rows in [left, right) ms, which the exchange counts as (left - 1, right -
    1]."""
    return {"instrument_name": instrument_name, "start_timestamp": left - 1, "end_timestamp": right - 1}


def read_page(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps, int64 ms of shape (rows,), and RATES, float64 of shape (4, rows). Raises Malformed, but for a row
    without prev_index_price, which is NaN then."""
    columns = rows(result, "funding", ("timestamp", *RATES[:-1]))
    # one client has this key as optional: where it is absent, it is as unknown as where it is null
    columns["prev_index_price"] = [row.get("prev_index_price") for row in result]
    values = np.stack([numbers(columns[name], f"funding {name}") for name in RATES])
    return timestamps(columns["timestamp"], "funding timestamp"), values
