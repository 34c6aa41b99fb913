"""The true index: its price now, and its last eight hours minute by minute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .candles import MINUTE
from .errors import Malformed, iso, shown
from .parsing import numbers, rows, timestamps


@dataclass(frozen=True, eq=False)
class IndexMinutes:
    """The index behind `instrument_name`. timestamp: int64 ms, ascending and unique; index_price: USD, finite.

    Both of shape (points,). dropped: points that came without a finite price.
    """

    instrument_name: str
    timestamp: np.ndarray
    index_price: np.ndarray
    dropped: int


def read_chart(result: Any, instrument_name: str) -> IndexMinutes:
    """The points of get_funding_chart_data. Raises Malformed, also where several points came and none has a price on
    a whole minute: the store keeps no other ones, and what it does not keep is gone after eight hours."""
    points = result.get("data") if isinstance(result, dict) else result
    columns = rows(points, "funding chart", ("timestamp", "index_price"))
    timestamp = timestamps(columns["timestamp"], "funding chart timestamp")
    price = numbers(columns["index_price"], "funding chart index_price")
    finite = np.isfinite(price)
    if len(timestamp) > 1 and not (finite & (timestamp % MINUTE == 0)).any():
        newest = f"the newest at {iso(int(timestamp.max()))}"
        raise Malformed(f"none of {len(timestamp)} points of the funding chart has a price on a whole minute, {newest}")
    timestamp, first = np.unique(timestamp[finite], return_index=True)
    return IndexMinutes(instrument_name, timestamp, price[finite][first], int((~finite).sum()))


def read_price(result: Any) -> float:
    """The price of get_index_price, USD. Raises Malformed."""
    price: Any = result.get("index_price") if isinstance(result, dict) else None
    if type(price) not in (int, float) or not math.isfinite(price):
        raise Malformed(f"index_price is {shown(price)}, not a finite number")
    return float(price)
