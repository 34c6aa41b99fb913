"""Outages are found in what traded: nothing for minutes on end, of all that is collected and published."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import numpy as np
import psycopg
import pytest

from deribit_warehouse import settings
from tests.warehouse.days import FIRST, Candles, at, trading

NEXT = FIRST + timedelta(days=1)
UNTIL = FIRST + timedelta(days=3)


def busy(begins: datetime, ends: datetime, *, seed: int = 0, traded: float = 1.1) -> Candles:
    return trading(begins, ends, seed=seed, traded=traded)


def silent(candles: Candles, begins: datetime, ends: datetime) -> Candles:
    """The same with nothing traded from begins to before ends, as the exchange fills it: the last close, volume 0."""
    first, past = (int((each.timestamp() * 1000 - candles.start) // 60_000) for each in (begins, ends))
    volume, cost = candles.volume.copy(), candles.cost.copy()
    volume[first:past] = cost[first:past] = 0.0
    return candles.but(volume=volume, cost=cost)


def outages(warehouse, shortest: int = 5) -> list[tuple]:
    return warehouse.rows("SELECT begins, ends, minutes, instruments, unpublished FROM store.outages(%s)", shortest)


@pytest.fixture
def btc(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", at(FIRST))


@pytest.fixture
def eth(warehouse) -> int:
    return warehouse.instrument("ETH-PERPETUAL", at(FIRST), base="ETH")


def test_an_outage_over_midnight_is_one(warehouse, btc, eth):
    begins, ends = at(FIRST, 1430), at(NEXT, 7)
    for seed, instrument in enumerate((btc, eth)):
        warehouse.candles(instrument, silent(busy(at(FIRST), at(UNTIL), seed=seed), begins, ends))
    warehouse.publish(btc, eth)
    assert outages(warehouse) == [(begins, ends, 17, 2, 0)]
    assert outages(warehouse, 17) == [(begins, ends, 17, 2, 0)] and outages(warehouse, 18) == []
    [row] = warehouse.rows("SELECT * FROM exchange_outages")
    assert row == (begins, ends, 17, 2, 0, 0.0, None, None)


def test_whatever_trades_ends_it_a_dated_future_too(warehouse, btc, eth):
    future = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    begins, ends = at(FIRST, 600), at(FIRST, 640)
    for seed, instrument in enumerate((btc, eth, future)):
        candles = silent(busy(at(FIRST), at(NEXT), seed=seed), begins, ends)
        if instrument == future:
            volume = candles.volume.copy()
            volume[610] = 0.5
            candles = candles.but(volume=volume)
        warehouse.candles(instrument, candles)
    warehouse.publish(btc, eth, future)
    assert outages(warehouse) == [(begins, at(FIRST, 610), 10, 3, 0), (at(FIRST, 611), ends, 29, 3, 0)]


def test_a_future_alone_says_nothing(warehouse):
    future = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    warehouse.candles(future, silent(busy(at(FIRST), at(NEXT)), at(FIRST, 100), at(FIRST, 200)))
    warehouse.publish(future)
    assert outages(warehouse) == []


def test_a_day_that_is_not_published_is_unknown(warehouse, btc):
    """Nothing is in it, and nothing goes through it."""
    begins, ends = at(FIRST, 1400), at(FIRST + timedelta(days=2), 60)
    for day in (FIRST, NEXT, FIRST + timedelta(days=2)):  # a version each
        whole = silent(busy(at(FIRST), at(UNTIL)), begins, ends)
        warehouse.candles(btc, whole.cut(at(day), at(day, 1440)))
    versions = [key for key in warehouse.newest(btc) if key[1] != NEXT]
    validation_id = warehouse.validation()
    from deribit_warehouse.tables import CANDLE_DAY
    from deribit_warehouse.warehouse import publication

    with warehouse.connection.transaction():
        publication.publish(warehouse.connection, CANDLE_DAY, validation_id, versions)
    assert [(row[0], row[1]) for row in outages(warehouse)] == [
        (begins, at(NEXT)), (at(FIRST + timedelta(days=2)), ends)
    ]  # fmt: skip
    warehouse.publish(btc)
    assert [(row[0], row[1]) for row in outages(warehouse)] == [(begins, ends)]


def test_who_is_not_published_may_have_traded_and_is_counted(warehouse, btc, eth):
    begins, ends = at(FIRST, 600), at(FIRST, 640)
    for instrument in (btc, eth):
        warehouse.candles(instrument, silent(busy(at(FIRST), at(NEXT)), begins, ends))
    warehouse.publish(btc)
    assert outages(warehouse) == [(begins, ends, 40, 1, 1)]


def test_minutes_before_the_listing_and_after_the_end_are_no_outage(warehouse):
    instrument = warehouse.instrument("BTC-PERPETUAL", at(FIRST, 300))
    warehouse.candles(instrument, busy(at(FIRST, 300), at(FIRST, 1000)))
    warehouse.publish(instrument)
    assert outages(warehouse) == []


def test_minutes_that_are_missing_everywhere_are_without_a_trade(warehouse, btc):
    warehouse.candles(btc, busy(at(FIRST), at(NEXT)).without(slice(700, 720)))
    warehouse.publish(btc)
    assert outages(warehouse) == [(at(FIRST, 700), at(FIRST, 720), 20, 1, 0)]


def test_where_minutes_are_often_quiet_a_stretch_has_to_be_longer(warehouse, btc):
    """As in the exchange's first years, when half of the minutes were: what chance brings is not listed."""
    candles = busy(at(FIRST), at(UNTIL), traded=0.5)
    quiet = candles.volume == 0
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]]))))[::2]
    assert runs.max() >= 8, "otherwise nothing is tried here"
    warehouse.candles(btc, silent(candles, at(NEXT, 600), at(NEXT, 630)))
    warehouse.publish(btc)
    [(begins, ends, *_)] = outages(warehouse)
    assert begins <= at(NEXT, 600) and ends >= at(NEXT, 630) and ends - begins < timedelta(minutes=50)


def test_an_outage_of_a_day_that_is_not_closed_is_found_and_stays_the_same_when_it_is(warehouse, btc, eth):
    """Of which one instrument may be closed before another."""
    begins, ends = at(FIRST, 1430), at(NEXT, 12)
    told = {btc: busy(at(FIRST), at(NEXT, 60), seed=0), eth: busy(at(FIRST), at(NEXT, 60), seed=1)}
    told = {instrument: silent(candles, begins, ends) for instrument, candles in told.items()}
    expected = [(begins, ends, 22, 2, 0)]
    for instrument, candles in told.items():
        warehouse.open_minutes(instrument, candles)
    assert outages(warehouse) == expected
    for instrument, candles in told.items():
        warehouse.candles(instrument, candles.cut(at(FIRST), at(NEXT)))
        assert outages(warehouse) == expected, "what is stored is not published"
        warehouse.publish(instrument)
        assert outages(warehouse) == expected


def test_minutes_of_an_open_day_that_are_not_published_are_unknown(warehouse, btc, eth):
    whole = silent(busy(at(FIRST), at(FIRST, 700)), at(FIRST, 600), at(FIRST, 640))
    warehouse.open_minutes(btc, whole.without(slice(620, 622)))
    warehouse.open_minutes(eth, whole.cut(at(FIRST), at(FIRST, 630)).without(slice(620, 622)))
    assert outages(warehouse) == [
        (at(FIRST, 600), at(FIRST, 620), 20, 2, 0),
        (at(FIRST, 622), at(FIRST, 640), 18, 2, 1),  # of the other one eight of these minutes are published
    ]
    held = "UPDATE store.open_candle SET state = 'held' WHERE ts < %s RETURNING 1"
    warehouse.rows(held, at(FIRST, 625))
    assert outages(warehouse) == [(at(FIRST, 625), at(FIRST, 640), 15, 2, 1)]


COMPARED = (
    "SELECT is_found, is_known, minutes, quiet_minutes, traded_minutes, unknown_minutes FROM outages_compared "
    "WHERE begins >= %s AND ends <= %s ORDER BY begins"
)


def test_a_known_outage_in_which_something_traded_is_listed_beside_what_was_found(warehouse):
    day = date(2019, 10, 31)  # known: 21:00 to 22:00
    asked = (COMPARED, at(day), at(day, 1440))
    assert warehouse.rows(*asked) == [(False, True, 60, 0, 0, 60)], "nothing is published of it"
    btc = warehouse.instrument("BTC-PERPETUAL", at(day))
    candles = busy(at(day), at(day, 1440))
    warehouse.candles(btc, silent(candles, at(day, 1000), at(day, 1010)))
    warehouse.publish(btc)
    untold = (True, False, 10, 10, 0, 0)
    assert warehouse.rows(*asked) == [untold, (False, True, 60, 0, 60, 0)]
    warehouse.candles(btc, silent(silent(candles, at(day, 1000), at(day, 1010)), at(day, 1270), at(day, 1400)))
    warehouse.publish(btc)
    assert warehouse.rows(*asked) == [untold, (True, True, 60, 50, 10, 0)]
    [(known, source)] = warehouse.rows(
        "SELECT known, source FROM outages_compared WHERE is_known AND begins >= %s AND ends <= %s", *asked[1:]
    )
    assert known.startswith("Index computed wrongly") and source


def test_of_an_open_day_what_traded_in_a_known_outage_is_counted_and_the_rest_is_unknown(warehouse):
    day = date(2019, 10, 31)
    btc = warehouse.instrument("BTC-PERPETUAL", at(day))
    warehouse.open_minutes(btc, silent(busy(at(day, 1200), at(day, 1300)), at(day, 1280), at(day, 1300)))
    assert warehouse.rows(COMPARED, at(day), at(day, 1440)) == [(True, True, 60, 20, 20, 20)]
    assert warehouse.value("SELECT count(*) FROM outages_compared WHERE is_known") == warehouse.value(
        "SELECT count(*) FROM store.known_outage"
    )


def test_what_the_exchange_told_of_is_named(warehouse):
    day = date(2020, 8, 27)
    btc = warehouse.instrument("BTC-PERPETUAL", at(day))
    quiet = silent(busy(at(day), at(day, 1440)), at(day, 316), at(day, 567))
    warehouse.candles(btc, silent(quiet, at(day, 1000), at(day, 1010)))
    warehouse.publish(btc)
    told, untold = warehouse.rows("SELECT minutes, known, source FROM exchange_outages")
    assert told[0] == 251 and "Trading halted from 05:15 to 09:27." in told[1]
    assert told[2].startswith("Rows of the exchange's funding history") or "own pages" in told[2]
    assert untold == (10, None, None)


def test_the_known_outages_are_those_of_the_reviewed_file(warehouse):
    from deribit_warehouse.quality.suites import read_outages

    known = [(o.start, o.end, o.reason, o.source) for o in read_outages(settings.EXPECTATIONS / "known_outages.json")]
    found = warehouse.rows("SELECT begins, ends, reason, source FROM store.known_outage ORDER BY begins, ends")
    assert sorted(found) == sorted(known) and known


def test_a_change_of_the_file_reaches_the_view_at_the_next_start(market, monkeypatch, tmp_path):
    """A quote in it stays a quote."""
    from deribit_warehouse.warehouse.migrations import VIEWS, migrate

    owner = market.dsn("market_owner")
    entry = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T01:00:00Z", "reason": "O'Brien's $$ day", "source": "x"}
    (tmp_path / "known_outages.json").write_text(json.dumps([entry]))
    monkeypatch.setattr(settings, "EXPECTATIONS", tmp_path)
    assert migrate(owner) == [VIEWS] and migrate(owner) == []
    with psycopg.connect(owner) as connection:
        assert connection.execute("SELECT reason FROM store.known_outage").fetchall() == [("O'Brien's $$ day",)]
    monkeypatch.undo()
    assert migrate(owner) == [VIEWS]
