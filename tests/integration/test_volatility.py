"""The volatility index through its DAG, hour by hour as the exchange says it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests


@pytest.fixture
def pipeline(open_pipeline, market, simulated_exchange, monkeypatch):
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH,USDC")
    return open_pipeline(market, simulated_exchange)


def told(exchange, currency: str, begins: datetime, ends: datetime) -> list[tuple]:
    """What the exchange says of the hours in [begins, ends), a day a request."""
    found = []
    day, last = (round(each.timestamp() * 1000) for each in (begins, ends))
    while day < last:
        answer = requests.get(
            f"{exchange.live_url}/api/v2/public/get_volatility_index_data", timeout=30,
            params={
                "currency": currency, "start_timestamp": day, "end_timestamp": day + 86_399_999, "resolution": 3600,
            },
        ).json()["result"]  # fmt: skip
        assert answer["continuation"] is None
        found += [(currency, datetime.fromtimestamp(ms / 1000, UTC), *prices) for ms, *prices in answer["data"]]
        day += 86_400_000
    return found


@pytest.mark.parametrize(
    ("after", "begins", "ends", "hours"),
    [("2021-04-01", "2021-03-25", "2021-04-01", 7 * 24), ("2026-11-01", "2026-10-01", "2026-11-01", 31 * 24)],
)
def test_every_hour_is_the_exchanges(pipeline, market, simulated_exchange, after, begins, ends, hours):
    assert pipeline.run("volatility_index", after) == "success"
    begins, ends = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (begins, ends))
    wanted = [row for currency in ("BTC", "ETH") for row in told(simulated_exchange, currency, begins, ends)]
    assert len(wanted) == 2 * hours
    shown = "SELECT currency, ts, open, high, low, close FROM volatility_index ORDER BY currency, ts"
    assert market.rows(shown) == wanted
    assert market.rows("SELECT * FROM quarantined") == []
    # again: not a row is written
    written = market.rows("SELECT ctid, xmin FROM store.volatility_index")
    assert pipeline.run("volatility_index", after) == "success"
    assert market.rows("SELECT ctid, xmin FROM store.volatility_index") == written


def test_a_month_before_there_was_one_is_nothing_to_do(pipeline, market):
    assert pipeline.run("volatility_index", "2021-03-01") == "success"
    assert market.rows("SELECT * FROM store.volatility_index") == market.rows("SELECT * FROM validations") == []
