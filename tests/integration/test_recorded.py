"""The recorded exchange data, through the DAGs, to the figures computed straight from the recording."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

import pytest

pytestmark = pytest.mark.recorded


def instant(ms: str) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def test_the_recorded_basis_comes_out_of_the_dags(open_pipeline, market, replayed_exchange, recorded):
    pipeline = open_pipeline(market, replayed_exchange)
    assert pipeline.run("instruments") == "success"
    for after in ("2026-01-01", "2026-02-01", "2026-03-01"):
        for dag in ("perpetuals_ohlcv", "futures_ohlcv"):
            assert pipeline.run(dag, after) == "success"
    assert pipeline.run("basis_spread", "2026-03-01") == "success"

    computed = {
        (instrument, ts): values
        for instrument, ts, *values in market.rows(
            "SELECT instrument, ts, future_close, perpetual_close, basis, basis_fraction, days_to_expiry, annualised, traded "
            "FROM basis_spread"
        )
    }
    with (recorded / "basis_reference.csv").open() as file:
        reference = list(csv.DictReader(file))
    assert len(reference) == 2978
    columns = ("future_close", "perpetual_close", "basis", "basis_fraction", "days_to_expiry", "annualised")
    for row in reference:
        *values, traded = computed[row["instrument_name"], instant(row["tick_ms"])]
        expected = [float(row[column]) if row[column] else None for column in columns]
        assert values == pytest.approx(expected, rel=1e-12), row
        assert str(traded) == row["traded"], row


def test_the_recorded_candles_are_stored_as_they_were_sent(open_pipeline, market, replayed_exchange, recorded):
    pipeline = open_pipeline(market, replayed_exchange)
    assert pipeline.run("instruments") == "success"
    assert pipeline.run("futures_ohlcv", "2026-02-01") == "success"
    stored = {
        (instrument, ts): tuple(values)
        for instrument, ts, *values in market.rows("SELECT instrument, ts, open, high, low, close, volume, cost FROM futures_ohlcv")
    }
    begins, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    checked = 0
    with (recorded / "candles_1m.csv").open() as file:
        for row in csv.DictReader(file):
            ts = instant(row["tick_ms"])
            if begins <= ts < ends and "PERPETUAL" not in row["instrument_name"]:
                expected = tuple(float(row[c]) for c in ("open", "high", "low", "close", "volume", "cost"))
                assert stored[row["instrument_name"], ts] == expected
                checked += 1
    assert checked > 1000


def test_the_recorded_funding_sums_up_and_its_five_holes_are_named(open_pipeline, market, replayed_exchange):
    pipeline = open_pipeline(market, replayed_exchange)
    assert pipeline.run("instruments") == "success"
    for month in range(6, 12):
        assert pipeline.run("funding_rates", f"2025-{month:02}-01") == "success"

    [(rows, total)] = market.rows("SELECT count(*), sum(interest_1h ORDER BY ts) FROM funding_rates WHERE instrument = 'BTC-PERPETUAL'")
    assert rows == 4411
    assert total == pytest.approx(0.03615633060544346, rel=1e-14)

    named = market.rows("SELECT ts, rule FROM quarantined WHERE dataset = 'funding_rates' ORDER BY ts")
    hole = datetime(2025, 6, 1, 1, tzinfo=UTC)
    assert len(named) == 5
    assert {rule for _, rule in named} == {"hours-complete"}
    apart = {(b[0] - a[0]).total_seconds() / 86400 for a, b in zip(named, named[1:], strict=False)}
    assert hole.year == named[0][0].year and apart == {pytest.approx(31 + 1 / 24, abs=0.1)}
