"""How many of the recorded rows break each rule, through store, profile and suite."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import orjson
import pytest

from bench.recorded import rates

pytestmark = pytest.mark.recorded


def test_of_the_recorded_rows_only_the_five_holes_break_a_critical_rule(warehouse, recorded):
    found = list(rates(warehouse.connection, recorded))
    assert {rate.dataset: rate.rows for rate in found} == {
        "perpetuals_ohlcv": 110, "futures_ohlcv": 800, "funding_rates": 4416,
    }  # fmt: skip
    broken = [(rate.dataset, rate.rule, rate.broken) for rate in found if rate.severity == "critical" and rate.broken]
    assert broken == [("funding_rates", "hours-complete", 5)]
    silent = {"cost-matches-price-usual", "spike-seen", "eight-hours-add-up", "eight-hour-rate-usual", "index-chained"}
    assert not [rate for rate in found if rate.rule in silent and rate.broken]


def test_the_recorded_perpetual_is_where_the_delivery_price_is(recorded):
    """What the bound of level-agrees rests on where the delivery price stands in for the index."""
    told = {
        date.fromisoformat(row["date"]): row["delivery_price"]
        for row in orjson.loads((recorded / "responses/delivery_prices.json").read_bytes())["data"]
    }
    bars = orjson.loads((recorded / "responses/tradingview_chart.json").read_bytes())
    # a bar of a day begins at 08:00 UTC, and its close is the price at the next one
    closes = {
        (datetime.fromtimestamp(tick / 1000, UTC) + timedelta(days=1)).date(): close
        for tick, close in zip(bars["ticks"], bars["close"], strict=True)
    }
    apart = [abs(closes[day] / price - 1) for day, price in told.items()]
    assert len(apart) == 5 and 0.0006 < max(apart) < 0.0007

    rows = orjson.loads((recorded / "funding_btc_perpetual.json").read_bytes())["rows"]
    moves = [
        abs(later["index_price"] / row["index_price"] - 1)
        for row, later in pairwise(rows)
        if later["timestamp"] - row["timestamp"] == 3_600_000
    ]
    assert len(moves) == 4405 and 0.03 < max(moves) < 0.035
