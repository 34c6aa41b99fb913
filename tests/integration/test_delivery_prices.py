"""The delivery prices through their DAG, day by day as the exchange says them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from exchange_simulator.listings import at_eight
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange, Parameters

NOW = datetime(2019, 7, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def told():
    """index -> what the exchange says of every day, in one answer."""
    exchange = Exchange(Market(now_ms=round(NOW.timestamp() * 1000)))
    return lambda index_name: {
        date.fromisoformat(row["date"]): row["delivery_price"]
        for row in exchange.get_delivery_prices(Parameters({"index_name": index_name, "count": "1000"}), False)["data"]
    }


def test_every_day_is_the_exchanges(pipeline, market, told):
    assert pipeline.run("instruments") == "success"
    for after in ("2018-11-01", "2019-07-01"):
        assert pipeline.run("delivery_prices", after) == "success"
    everything = told("btc_usd")
    wanted = [
        (day, price) for day, price in sorted(everything.items()) if (day.year, day.month) in {(2018, 10), (2019, 6)}
    ]
    assert len(wanted) == 31 + 30
    shown = "SELECT day, price FROM delivery_prices WHERE index_name = 'btc_usd' ORDER BY day"
    assert market.rows(shown) == wanted
    assert market.rows("SELECT DISTINCT ts::time, index_name FROM delivery_prices") == [
        (datetime(2019, 1, 1, 8).time(), "btc_usd")
    ]
    assert market.rows("SELECT * FROM quarantined") == []
    # again: not a row is written
    written = market.rows("SELECT ctid, xmin FROM store.delivery_price")
    assert pipeline.run("delivery_prices", "2019-07-01") == "success"
    assert market.rows("SELECT ctid, xmin FROM store.delivery_price") == written


def test_what_a_future_is_delivered_at_is_what_its_last_price_goes_to(told):
    """In the simulated market as in the real one: an expiry is worth the average of the index before it."""
    market = Market(now_ms=round(NOW.timestamp() * 1000))
    expired = [
        one for one in market.listings() if not one.perpetual and one.coin == "BTC" and one.expires < market.now_ms
    ]
    prices = told("btc_usd")
    assert len(expired) > 20
    for future in expired:
        day = datetime.fromtimestamp(future.expires / 1000, UTC).date()
        assert at_eight(day) == future.expires
        last = market.candles(future, future.expires - 3_600_000, future.expires)["close"][-1]
        assert last == pytest.approx(prices[day], rel=0.01)
