"""The delivery prices of an index, day by day: what the contracts that expire at 08:00 UTC are settled at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import isnan
from operator import index
from typing import Any

import numpy as np

from .errors import BadResponse, Malformed, iso, shown
from .http_client import Request
from .pagination import newest_first
from .parsing import numbers, rows

PAGE = 1_000  # rows an answer may have, the most that may be asked for
DAY = 86_400_000  # ms

Price = tuple[int, float | None]  # days since 1970-01-01, and the price; None: null was sent


@dataclass(frozen=True, eq=False)
class DeliveryPrices:
    """The delivery prices of `index_name`, one row a day the exchange sent.

    day: int64, days since 1970-01-01, ascending. price: in the index's quote currency, float64, NaN where null was
    sent. Both of shape (rows,). duplicate: int64, days that came twice (the newer of the two places is kept). requests:
    how many were answered.
    """

    index_name: str
    day: np.ndarray
    price: np.ndarray
    duplicate: np.ndarray
    requests: int


def collect(request: Request, index_name: str, start: int, end: int) -> DeliveryPrices:
    """The days whose delivery (08:00 UTC) lies in [start, end), ms. They are read from the newest day back to the last
    one before the window, because a request takes only an offset. Raises BadResponse if a part of the list is missing,
    or answers contradict each other."""
    start, end = index(start), index(end)
    if start > end:
        raise ValueError(f"delivery prices of {index_name}: [{iso(start)}, {iso(end)}) runs backward")
    first, past = (-(-(instant - DAY // 3) // DAY) for instant in (start, end))
    requests = 0

    def part(offset: int) -> tuple[list[Price], int]:
        nonlocal requests
        params = {"index_name": index_name, "offset": offset, "count": PAGE}
        told = request("get_delivery_prices", params, read_page)
        requests += 1
        return told

    try:
        told = newest_first(part, lambda row: row[0] < first, PAGE) if first < past else []
    except Malformed as failure:
        raise BadResponse(
            f"get_delivery_prices {index_name}: {failure}. {BadResponse.advice}",
            method="get_delivery_prices", params={"index_name": index_name},
        ) from failure  # fmt: skip
    prices: dict[int, float | None] = {}
    duplicate = set()
    for day, price in told:
        if first <= day < past:
            if day in prices:
                duplicate.add(day)
            prices.setdefault(day, price)
    days = np.array(sorted(prices), np.int64)
    values = np.array([prices[day] for day in days.tolist()], np.float64)  # None becomes NaN
    return DeliveryPrices(index_name, days, values, np.array(sorted(duplicate), np.int64), requests)


def read_page(result: Any) -> tuple[list[Price], int]:
    """The rows of an answer, newest first, and how many there are in all. Raises Malformed."""
    if not isinstance(result, dict):
        raise Malformed(f"delivery prices are {shown(result)}, not an object")
    total = result.get("records_total")
    if type(total) is not int or total < 0:
        raise Malformed(f"delivery prices: records_total is {shown(total)}, not a number of rows")
    columns = rows(result.get("data"), "delivery prices", ("date", "delivery_price"))
    days = [_day(text, at) for at, text in enumerate(columns["date"])]
    if days != sorted(days, reverse=True):
        raise Malformed("delivery prices do not come newest first")
    prices = numbers(columns["delivery_price"], "delivery_price").tolist()
    return [(day, None if isnan(price) else price) for day, price in zip(days, prices, strict=True)], total


def _day(text: Any, at: int) -> int:
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise Malformed(f"delivery prices: date[{at}] is {shown(text)}, not a day") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // 86_400
