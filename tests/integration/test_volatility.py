"""The volatility index through its DAG, hour by hour as the exchange says it."""

from __future__ import annotations

import pytest

from exchange_simulator import comparison

from .rehearsal import ms


@pytest.fixture
def pipeline(open_pipeline, market, simulated_exchange, monkeypatch):
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH,USDC")
    return open_pipeline(market, simulated_exchange)


@pytest.mark.parametrize(
    ("after", "begins", "ends", "hours"),
    [("2021-04-01", "2021-03-25", "2021-04-01", 7 * 24), ("2026-11-01", "2026-10-01", "2026-11-01", 31 * 24)],
)
def test_every_hour_is_the_exchanges(pipeline, market, simulated_source, after, begins, ends, hours):
    assert pipeline.run("volatility_index", after) == "success"
    for currency in ("BTC", "ETH"):
        assert comparison.volatility(simulated_source, market.rows, currency, ms(begins), ms(ends)) == hours
    assert market.value("SELECT count(*) FROM volatility_index") == 2 * hours, "and no other"
    assert market.rows("SELECT * FROM quarantined") == []
    # again: not a row is written
    written = market.rows("SELECT ctid, xmin FROM store.volatility_index")
    assert pipeline.run("volatility_index", after) == "success"
    assert market.rows("SELECT ctid, xmin FROM store.volatility_index") == written


def test_a_month_before_there_was_one_is_nothing_to_do(pipeline, market):
    assert pipeline.run("volatility_index", "2021-03-01") == "success"
    assert market.rows("SELECT * FROM store.volatility_index") == market.rows("SELECT * FROM validations") == []
