"""The true index: now, and the last eight hours."""

from __future__ import annotations

import numpy as np
import pytest

from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.index import read_chart, read_price

NOON = 1_767_096_000_000
MINUTE = 60_000


def point(tick, price):
    return {"timestamp": tick, "index_price": price, "interest_8h": 1e-6}


def test_points_come_in_order_once_and_finite():
    points = [point(NOON + MINUTE, 2.0), point(NOON, 1), point(NOON + MINUTE, 9.0), point(NOON + 2 * MINUTE, None)]
    got = read_chart({"data": points, "interest_8h": 1e-6}, "BTC-PERPETUAL")
    assert got.instrument_name == "BTC-PERPETUAL"
    assert got.timestamp.dtype == np.int64 and got.timestamp.tolist() == [NOON, NOON + MINUTE]
    assert got.index_price.dtype == np.float64 and got.index_price.tolist() == [1.0, 2.0]
    assert got.dropped == 1


@pytest.mark.parametrize(("late", "price"), [(7_000, 1.0), (0, None)])
def test_points_of_which_none_can_be_kept_are_told(late, price):
    """They would be gone after eight hours, while every run says how many points came."""
    points = [point(NOON + n * MINUTE + late, price) for n in range(480)]
    with pytest.raises(Malformed, match="none of 480 points.*whole minute.*2025-12-30T19:59"):
        read_chart({"data": points}, "BTC-PERPETUAL")
    assert len(read_chart({"data": [*points, point(NOON, 1.0)]}, "BTC-PERPETUAL").timestamp) > 0
    assert read_chart({"data": points[:1]}, "BTC-PERPETUAL").dropped == (price is None), "the newest alone may be so"


def test_no_points_are_no_minutes():
    got = read_chart({"data": []}, "BTC-PERPETUAL")
    assert not len(got.timestamp) and got.dropped == 0


@pytest.mark.parametrize(
    "result", [None, {}, {"data": None}, {"data": [{"timestamp": NOON}]}, {"data": [point(NOON, "1")]}, {"data": [3]}]
)
def test_a_chart_of_another_form_is_refused(result):
    with pytest.raises(Malformed, match="funding chart"):
        read_chart(result, "BTC-PERPETUAL")


@pytest.mark.parametrize(
    "result", [None, [], {}, *({"index_price": p} for p in (None, "1", True, float("nan"), 1e999))]
)
def test_a_price_that_is_none_is_refused(result):
    with pytest.raises(Malformed, match="not a finite number"):
        read_price(result)


def test_a_whole_price_is_a_float():
    assert type(read_price({"index_price": 88537})) is float
