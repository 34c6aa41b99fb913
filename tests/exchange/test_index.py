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
