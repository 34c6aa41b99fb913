"""What was published and is found bad later leaves the views; hours that came twice, or off the hour, are seen."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from deribit_warehouse.tables import CANDLE_DAY, FUNDING_RATE
from deribit_warehouse.warehouse.funding import record_start, store_funding
from deribit_warehouse.warehouse.ingestion import Provenance
from tests.warehouse.days import FIRST, HOST, at, funding_profile, ms, trading


def test_a_withheld_day_leaves_the_views_and_can_be_published_again(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 2880)))
    assert warehouse.publish(perpetual) == 2
    [first, _] = sorted(warehouse.newest(perpetual))
    assert warehouse.hold(CANDLE_DAY, [first]) == 1
    assert warehouse.hold(CANDLE_DAY, [first]) == 0
    assert warehouse.value("SELECT count(DISTINCT day) FROM perpetuals_ohlcv") == 1
    assert warehouse.value("SELECT count(*) FROM store.candle_day") == 2
    assert warehouse.publish(perpetual) == 1
    assert warehouse.value("SELECT count(DISTINCT day) FROM perpetuals_ohlcv") == 2


def test_a_withheld_hour_leaves_the_view(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    warehouse.funding(perpetual, [at(FIRST, 60), at(FIRST, 120)], np.ones((4, 2)))
    assert warehouse.publish_funding(perpetual) == 2
    [version] = warehouse.rows(
        "SELECT instrument_id, ts, version_id FROM store.funding_rate WHERE ts = %s", at(FIRST, 120)
    )
    assert warehouse.hold(FUNDING_RATE, [version]) == 1
    assert warehouse.rows("SELECT ts FROM funding_rates") == [(at(FIRST, 60),)]


def store(warehouse, perpetual, minutes, duplicate=()) -> None:
    hours = np.array([ms(at(FIRST, minute)) for minute in minutes], np.int64)
    with warehouse.connection.transaction():
        record_start(warehouse.connection, perpetual, at(FIRST, 60))
        store_funding(
            warehouse.connection, perpetual, hours, list(np.ones((4, len(hours)))),
            Provenance("funding_rates", "BTC-PERPETUAL", HOST, "load"),
            np.array([ms(at(FIRST, minute)) for minute in duplicate], np.int64),
        )  # fmt: skip


def profile(warehouse):
    with warehouse.connection.transaction():
        return funding_profile(
            warehouse.connection, currencies=["BTC"], begins=at(FIRST), ends=at(FIRST) + timedelta(hours=3)
        )


def test_an_hour_that_came_twice_is_marked_until_it_comes_once(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    store(warehouse, perpetual, (60, 120, 180), duplicate=[120])
    assert profile(warehouse).duplicate.tolist() == [False, True, False]
    store(warehouse, perpetual, (60, 120, 180))
    assert profile(warehouse).duplicate.tolist() == [False, False, False]
    assert warehouse.value("SELECT count(*) FROM store.funding_rate") == 3


def test_a_row_off_the_hour_goes_when_the_exchange_tells_it_no_more(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    store(warehouse, perpetual, (60, 127, 180))
    seen = profile(warehouse)
    assert seen.on_the_hour.tolist() == [True, True, False, True]
    assert seen.present.tolist() == [True, False, True, True]
    store(warehouse, perpetual, (60, 120, 180))
    assert profile(warehouse).on_the_hour.tolist() == [True, True, True]
