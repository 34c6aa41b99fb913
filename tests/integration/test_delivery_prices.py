"""The delivery prices through their DAG, day by day as the exchange says them."""

from __future__ import annotations

import numpy as np
import pytest

from exchange_simulator import comparison
from exchange_simulator.listings import DAY, HOUR
from exchange_simulator.settlements import delivery_prices

from .rehearsal import bounds, ms


def test_every_day_is_the_exchanges(pipeline, market, young_source):
    assert pipeline.run("instruments") == "success"
    for after in ("2018-11-01", "2019-07-01"):
        assert pipeline.run("delivery_prices", after) == "success"
    for month, days in (("2018-10", 31), ("2019-06", 30)):
        window = map(ms, bounds(month))
        assert comparison.delivery_price(young_source, market.rows, "btc_usd", *window) == days
    assert market.value("SELECT count(*) FROM delivery_prices") == 31 + 30, "and no other"
    assert market.rows("SELECT * FROM quarantined") == []
    # again: not a row is written
    written = market.rows("SELECT ctid, xmin FROM store.delivery_price")
    assert pipeline.run("delivery_prices", "2019-07-01") == "success"
    assert market.rows("SELECT ctid, xmin FROM store.delivery_price") == written


def test_what_a_future_is_delivered_at_is_what_its_last_price_goes_to(young_source):
    """In the simulated market as in the real one: an expiry is worth the average of the index before it."""
    dated = [one for one in young_source.listings() if not one.perpetual and one.coin == "BTC"]
    expired = [one for one in dated if one.expires < young_source.now_ms]
    assert len(expired) > 20
    for future in expired:
        assert future.expires % DAY == 8 * HOUR
        [delivered] = delivery_prices(young_source, "BTC", np.array([future.expires // DAY]))
        last = young_source.candles(future, future.expires - HOUR, future.expires)["close"][-1]
        assert last == pytest.approx(delivered, rel=0.01)
