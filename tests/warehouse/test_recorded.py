"""How many of the recorded rows break each rule, through store, profile and suite."""

from __future__ import annotations

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
