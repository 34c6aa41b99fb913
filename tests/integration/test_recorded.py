"""The recorded exchange data, through the DAGs, to the figures computed straight from the recording."""

from __future__ import annotations

import csv
import itertools
import json
from datetime import UTC, datetime

import pytest

from .rehearsal import slow

pytestmark = pytest.mark.recorded


def instant(ms: str | int) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


@slow
def test_the_recorded_candles_and_their_basis_come_out_of_the_dags(open_pipeline, market, replayed_exchange, recorded):
    pipeline = open_pipeline(market, replayed_exchange)
    assert pipeline.run("instruments") == "success"
    for after in ("2026-01-01", "2026-02-01", "2026-03-01"):
        # of the funding nothing is recorded, but the perpetual waits until it was asked for
        for dag in ("funding_rates", "perpetuals_ohlcv", "futures_ohlcv"):
            assert pipeline.run(dag, after) == "success"
    assert pipeline.run("basis_spread", "2026-03-01") == "success"

    computed = {
        (instrument, ts): values
        for instrument, ts, *values in market.rows(
            "SELECT instrument, ts, future_close, perpetual_close, basis, basis_fraction, days_to_expiry, annualised, "
            "traded FROM basis_spread"
        )
    }
    with (recorded / "basis_reference.csv").open() as file:
        reference = list(csv.DictReader(file))
    assert len(reference) == 2978
    columns = ("future_close", "perpetual_close", "basis", "basis_fraction", "days_to_expiry", "annualised")
    for row in reference:
        *values, traded = computed[row["instrument_name"], instant(row["tick_ms"])]
        for column, value in zip(columns, values, strict=True):
            # empty: under one day to expiry
            expected = pytest.approx(float(row[column]), rel=1e-12, abs=0) if row[column] else None
            assert value == expected, (column, row)
        assert str(traded) == row["traded"], row

    stored = {(instrument, ts): tuple(values) for instrument, ts, *values in market.rows(
        "SELECT instrument, ts, open, high, low, close, volume, cost FROM candle WHERE traded OR volume = 0"
    )}  # fmt: skip
    with (recorded / "candles_1m.csv").open() as file:
        candles = list(csv.DictReader(file))
    assert len(candles) == 3398
    for row in candles:
        sent = tuple(float(row[column]) for column in ("open", "high", "low", "close", "volume", "cost"))
        assert stored[row["instrument_name"], instant(row["tick_ms"])] == sent


@slow
def test_the_recorded_funding_sums_up_and_its_five_holes_are_named(open_pipeline, market, replayed_exchange, recorded):
    hours = [row["timestamp"] for row in json.loads((recorded / "funding_btc_perpetual.json").read_text())["rows"]]
    holes = [instant(a + 3_600_000) for a, b in itertools.pairwise(hours) if b - a == 7_200_000]
    assert len(holes) == 5
    pipeline = open_pipeline(market, replayed_exchange)
    assert pipeline.run("instruments") == "success"
    for month in range(6, 12):
        for dag in ("funding_rates", "perpetuals_ohlcv"):
            assert pipeline.run(dag, f"2025-{month:02}-01") == "success"

    [(rows, total)] = market.rows(
        "SELECT count(*), sum(interest_1h ORDER BY ts) FROM funding_rates WHERE instrument = 'BTC-PERPETUAL'"
    )
    assert rows == 4411
    assert total == pytest.approx(0.03615633060544346, rel=1e-14)

    named = market.rows("SELECT ts, rule FROM quarantined WHERE dataset = 'funding_rates' ORDER BY ts")
    assert [(ts, rule) for ts, rule in named] == [(hole, "hours-complete") for hole in holes]
