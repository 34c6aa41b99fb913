"""From when to when something is expected: by the catalogue and the ends that were found, in plans, profiles and
coverage alike; and what was never loaded is named."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD, DATASETS, INDEX_PRICES, LIVE, SETTLEMENTS
from deribit_warehouse.datasets.settlements import NUMBERS, SETTLEMENT
from deribit_warehouse.warehouse import lifetimes
from deribit_warehouse.warehouse.catalogue import record_collected, record_listed, record_reading
from deribit_warehouse.warehouse.funding import perpetuals_without_start, record_start
from deribit_warehouse.warehouse.ingestion import Provenance, record_fetched
from deribit_warehouse.warehouse.rows import store_rows
from tests.warehouse.days import (
    FIRST,
    HOST,
    Warehouse,
    at,
    basis_profile,
    candle_profile,
    candle_windows,
    funding_profile,
    funding_windows,
    index_profile,
    index_proxies,
    ms,
    trading,
)

APRIL = date(2025, 4, 1)
USDC = {"quote": "USDC", "settlement": "USDC"}
# what is compared with the candles of a perpetual or computed from them, and those themselves
OF_CANDLES = "dataset NOT IN ('volatility_index', 'delivery_prices', 'settlements')"


def coverage(warehouse: Warehouse, dataset: str, *columns: str) -> list[tuple]:
    return warehouse.rows(
        f"SELECT {', '.join(columns)} FROM coverage "
        "WHERE dataset = %s AND month < '2025-06-01' ORDER BY instrument, month",
        dataset,
    )


def unloaded(warehouse: Warehouse) -> dict[tuple[str, date], list[str]]:
    return {
        (d, m): names
        for d, m, names in warehouse.rows(f"SELECT * FROM unloaded WHERE month < '2025-06-01' AND {OF_CANDLES}")
    }


def test_an_expiry_and_a_listing_off_the_minute_are_whole_minutes_everywhere(warehouse):
    second = timedelta(seconds=1)
    future = warehouse.instrument("BTC-2MAR25", at(FIRST, 10) + 7 * second, at(FIRST, 1920) + 30 * second)
    [life] = candle_windows(
        warehouse.connection, perpetual=False, currencies=["BTC"], begins=at(FIRST), ends=at(FIRST, 2880)
    )
    assert (life.instrument_id, life.begins, life.ends) == (future, at(FIRST, 10), at(FIRST, 1920))
    profile = candle_profile(
        warehouse.connection, perpetual=False, currencies=["BTC"], begins=at(FIRST), ends=at(FIRST, 2880)
    )
    assert profile.expected_minutes.tolist() == [1430, 480]
    assert coverage(warehouse, "futures_ohlcv", "minutes") == [(1910,)]


@pytest.mark.parametrize("expires", [at(FIRST, -60), at(FIRST)])
def test_a_life_of_no_length_is_none(warehouse, expires):
    warehouse.instrument("BTC-1MAR25", at(FIRST), expires)
    assert candle_windows(
        warehouse.connection, perpetual=False, currencies=["BTC"], begins=at("2025-02-01"), ends=at(APRIL)
    ) == []  # fmt: skip
    assert warehouse.rows(f"SELECT * FROM coverage WHERE {OF_CANDLES}") == []


def test_nothing_is_expected_of_a_perpetual_after_its_end_and_what_came_stays_out(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    hours = [at(FIRST, 60 * k) for k in range(1, 49)]
    warehouse.funding(perpetual, hours, np.ones((4, 48)))
    warehouse.delist(perpetual, at(FIRST, 600), at(FIRST, 600))

    interval = {"currencies": ["BTC"], "begins": at(FIRST), "ends": at(APRIL)}
    for life in (
        *candle_windows(warehouse.connection, perpetual=True, **interval),
        *funding_windows(warehouse.connection, **interval),
    ):
        assert (life.begins, life.ends) == (at(FIRST), at(FIRST, 600))
    later = interval | {"begins": at(APRIL), "ends": at("2025-05-01")}
    assert candle_windows(warehouse.connection, perpetual=True, **later) == []
    assert funding_windows(warehouse.connection, **later) == []

    profile = candle_profile(warehouse.connection, perpetual=True, **interval)
    assert profile.expected_minutes.tolist() == [600]
    assert funding_profile(warehouse.connection, **interval).ts.tolist() == hours[:10]
    assert funding_profile(warehouse.connection, **later).empty
    assert coverage(warehouse, "perpetuals_ohlcv", "month", "minutes") == [(FIRST, 600)]
    assert coverage(warehouse, "funding_rates", "month", "minutes") == [(FIRST, 10)]
    assert coverage(warehouse, "index_prices", "month", "minutes") == [(FIRST, 600)]
    assert index_proxies(warehouse.connection, ["BTC"]) == {}, "its index is not asked for any more"


@pytest.mark.parametrize(("last_hour", "hours"), [(at(FIRST, 540), 9), (None, 0)])
def test_no_hour_is_expected_after_the_last_one_that_was_funded(warehouse, last_hour, hours):
    """A perpetual may go on trading for a while, and may never have had funding."""
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    record_start(warehouse.connection, perpetual, at(FIRST, 60))
    lifetimes.record_delisting(warehouse.connection, perpetual, at(FIRST, 2000), last_hour, "silence")
    interval = {"currencies": ["BTC"], "begins": at(FIRST), "ends": at(APRIL)}
    assert len(funding_profile(warehouse.connection, **interval)) == hours
    assert [life.ends for life in funding_windows(warehouse.connection, **interval)] == [last_hour] * bool(hours)
    assert sum(m for (m,) in coverage(warehouse, "funding_rates", "minutes")) == hours
    assert coverage(warehouse, "perpetuals_ohlcv", "minutes") == [(2000,)]


def test_what_was_never_loaded_is_expected_missing_and_named(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    record_start(warehouse.connection, perpetual, at(APRIL, 600))
    april, life = 30 * 1440, 27 * 1440 + 480
    assert coverage(warehouse, "perpetuals_ohlcv", "minutes", "missing")[:2] == [(31 * 1440,) * 2, (april,) * 2]
    assert coverage(warehouse, "funding_rates", "month", "minutes", "missing")[0] == (APRIL, 30 * 24 - 9, 30 * 24 - 9)
    assert coverage(warehouse, "index_prices", "minutes", "missing")[0] == (31 * 1440,) * 2
    assert coverage(warehouse, "basis_spread", "instrument", "minutes", "missing") == [("BTC-28MAR25", life, life)]
    assert coverage(warehouse, "futures_ohlcv", "instrument", "minutes") == [("BTC-28MAR25", life)]
    assert unloaded(warehouse).keys() == {
        ("perpetuals_ohlcv", FIRST), ("perpetuals_ohlcv", APRIL), ("perpetuals_ohlcv", date(2025, 5, 1)),
        ("futures_ohlcv", FIRST), ("funding_rates", APRIL), ("funding_rates", date(2025, 5, 1)),
    }  # fmt: skip
    assert unloaded(warehouse)["futures_ohlcv", FIRST] == ["BTC-28MAR25"]

    # one that is published, and one that is held back, is not unloaded
    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440)))
    assert ("perpetuals_ohlcv", FIRST) in unloaded(warehouse), "nobody has validated it"
    warehouse.publish(perpetual)
    assert ("perpetuals_ohlcv", FIRST) not in unloaded(warehouse)
    warehouse.rows(
        "INSERT INTO store.quarantine (validation_id, dataset, subject, day, rule, severity) "
        "VALUES (%s, 'futures_ohlcv', 'BTC-28MAR25', '2025-03-28', 'minutes-complete', 'critical') RETURNING 1",
        warehouse.validation(),
    )
    assert ("futures_ohlcv", FIRST) not in unloaded(warehouse)


def test_what_the_exchange_has_answered_there_is_none_of_is_not_unloaded(warehouse):
    """A future that is listed on a month's last day and first traded on the next is no reason to run that month again
    and again; what was asked for in part, was never asked for, or was taken back, is."""
    last_day, listed = FIRST + timedelta(days=30), 904
    future = warehouse.instrument("BTC-4APR25", at(last_day, listed), at("2025-04-04", 480))
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(last_day, listed))
    record_start(warehouse.connection, perpetual, at(last_day, 960))
    march, april = ("futures_ohlcv", FIRST), ("futures_ohlcv", APRIL)

    def answered(instrument_id: int, what: str, begins: int, ends: int) -> set[tuple[str, date]]:
        with warehouse.connection.transaction():
            record_fetched(warehouse.connection, instrument_id, what, ms(at(last_day, begins)), ms(at(last_day, ends)))
        return {(dataset, month) for dataset, month in unloaded(warehouse) if month < date(2025, 5, 1)}

    of_perpetual = {(d, m) for d in ("perpetuals_ohlcv", "funding_rates") for m in (FIRST, APRIL)}
    assert answered(future, "candles", listed, 1439) == {march, april} | of_perpetual, "one minute was not asked for"
    assert answered(future, "open candles", listed, 1440) == {march, april} | of_perpetual, "live is no closed month"
    assert answered(future, "candles", listed, 1440) == {april} | of_perpetual
    assert answered(perpetual, "candles", listed, 1440) == {april} | of_perpetual - {("perpetuals_ohlcv", FIRST)}
    assert answered(perpetual, "funding", 900, 1440) == {april} | {m for m in of_perpetual if m[1] == APRIL}
    assert coverage(warehouse, "futures_ohlcv", "month", "minutes", "missing")[0] == (FIRST, 536, 536), "it lacks them"

    # what was stored and taken back since, as for an end that is undone, is not there though it was asked for
    warehouse.candles(future, trading(at(APRIL), at("2025-04-04", 480)))
    warehouse.publish(future)
    assert april not in answered(perpetual, "candles", 0, 0)
    warehouse.delist(future, at(last_day, 1000), at(last_day, 1000).replace(minute=0))
    clip(warehouse)
    warehouse.rows("DELETE FROM store.delisting RETURNING 1")
    assert april in answered(perpetual, "candles", 0, 0)


def test_a_currency_that_is_new_makes_its_months_unloaded_from_the_start_of_history(warehouse):
    warehouse.instrument("BTC_USDC-PERPETUAL", at("2025-01-01"), **USDC)
    record_collected(warehouse.connection, "BTC", ["BTC"], at("2025-02-01"))
    assert unloaded(warehouse) == {} and warehouse.rows(f"SELECT * FROM coverage WHERE {OF_CANDLES}") == []
    record_collected(warehouse.connection, "USDC", ["BTC", "USDC"], at(APRIL))
    assert list(unloaded(warehouse)) == [("perpetuals_ohlcv", APRIL), ("perpetuals_ohlcv", date(2025, 5, 1))]


def test_funding_nobody_has_found_is_missing_and_not_green(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at(FIRST, 30))
    assert coverage(warehouse, "funding_rates", "minutes", "missing")[0] == (744, 744)


def test_the_open_month_is_not_expected_yet(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    assert warehouse.value("SELECT max(month) FROM coverage") == warehouse.value(
        "SELECT (date_trunc('month', now(), 'UTC') - interval '1 month')::date"
    )


def test_coverage_counts_each_dataset_once_whatever_is_waiting(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    future = warehouse.instrument("BTC-3MAR25", at(FIRST), at(FIRST, 2880))
    for instrument_id in (perpetual, future):
        warehouse.candles(instrument_id, trading(at(FIRST), at(FIRST, 2880)).without(7))
        warehouse.publish(instrument_id)
        warehouse.candles(instrument_id, trading(at(FIRST), at(FIRST, 1440), seed=9))  # waits to be validated
    hours = [at(FIRST, 60 * k) for k in range(1, 25)]
    warehouse.funding(perpetual, hours, np.ones((4, 24)))
    warehouse.publish_funding(perpetual)
    warehouse.funding(perpetual, hours[:2], np.full((4, 2), 2.0))
    for dataset in (BASIS_SPREAD, INDEX_PRICES):
        warehouse.compute(dataset)
        warehouse.decide(dataset, days=[FIRST])
    columns = "present", "published_minutes"
    for dataset, wanted in {
        "perpetuals_ohlcv": (2880, 2879), "futures_ohlcv": (2880, 2879), "funding_rates": (24, 24),
        "index_prices": (1439, 1439), "basis_spread": (2879, 1439),
    }.items():  # fmt: skip
        assert coverage(warehouse, dataset, *columns)[0] == wanted, dataset
    # and where each version came from, waiting ones included
    versions = "SELECT dataset, count(*), count(*) FILTER (WHERE state = 'published'), count(ts) FROM provenance"
    assert warehouse.rows(f"{versions} WHERE host <> '' AND loaded_at <= now() GROUP BY 1 ORDER BY 1") == [
        ("basis_spread", 2, 1, 0), ("funding_rates", 26, 24, 26), ("futures_ohlcv", 3, 2, 0), ("index_prices", 1, 1, 0),
        ("perpetuals_ohlcv", 3, 2, 0),
    ]  # fmt: skip


# --- the perpetual of a day ----------------------------------------------------------------------------------------


def successors(warehouse: Warehouse) -> tuple[int, int, int]:
    """A perpetual that ends on the second day, one of the same kind on the same index from the first day on, and a
    future that outlives the change; four days of each, published."""
    old = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    new = warehouse.instrument("BTC-PERPETUAL-2", at(FIRST, 60))
    future = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    warehouse.delist(old, at(FIRST, 2880), at(FIRST, 2880))
    for instrument_id, begins, ends in ((old, 0, 2880), (new, 60, 5760), (future, 0, 5760)):
        warehouse.candles(instrument_id, trading(at(FIRST, begins), at(FIRST, ends), seed=instrument_id))
        warehouse.publish(instrument_id)
    return old, new, future


def test_a_future_has_one_perpetual_a_day_chosen_by_time(warehouse):
    old, new, _future = successors(warehouse)
    days = [FIRST + timedelta(days=n) for n in range(4)]
    wanted = list(zip(days, (old, old, new, new), strict=True))

    profile = candle_profile(
        warehouse.connection, perpetual=False, currencies=["BTC"], begins=at(FIRST), ends=at(FIRST, 5760)
    )
    assert profile.day.tolist() == days
    assert warehouse.pending(BASIS_SPREAD) == 4
    assert warehouse.compute(BASIS_SPREAD) == 4
    assert warehouse.rows("SELECT day, perpetual_id FROM store.basis_day ORDER BY day") == wanted
    warehouse.decide(BASIS_SPREAD)
    assert warehouse.value("SELECT count(*) FROM basis_spread") == 5760
    assert warehouse.rows("SELECT DISTINCT perpetual FROM basis_spread ORDER BY 1") == [
        ("BTC-PERPETUAL",), ("BTC-PERPETUAL-2",),
    ]  # fmt: skip
    assert warehouse.pending(BASIS_SPREAD) == 0

    # the end is undone: the older one stays, and what was measured against the other is pending again
    warehouse.rows("DELETE FROM store.delisting RETURNING 1")
    assert coverage(warehouse, "basis_spread", "minutes") == [(27 * 1440 + 480,)]


def test_an_index_has_one_perpetual_a_day_chosen_by_time(warehouse):
    old, new, _ = successors(warehouse)
    warehouse.compute(INDEX_PRICES)
    assert warehouse.rows("SELECT day, perpetual_id FROM store.index_day ORDER BY day") == [
        (FIRST + timedelta(days=n), perpetual) for n, perpetual in enumerate((old, old, new, new))
    ]
    assert index_proxies(warehouse.connection, ["BTC"]) == {"btc_usd": "BTC-PERPETUAL-2"}
    months = coverage(warehouse, "index_prices", "month", "minutes")
    assert [(month, sum(m for at_, m in months if at_ == month)) for month in (FIRST, APRIL)] == [
        (FIRST, 31 * 1440), (APRIL, 30 * 1440),
    ]  # fmt: skip


def test_the_true_hours_are_published_without_a_day_of_the_perpetual(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    hours, columns = [at(FIRST, 60 * k) for k in range(1, 25)], np.ones((4, 24))
    columns[2] = 50_000 + np.arange(24)
    warehouse.funding(perpetual, hours, columns)
    warehouse.publish_funding(perpetual)

    def pending() -> int:
        return warehouse.pending(INDEX_PRICES)

    assert pending() == 0, "the perpetual's day may still come"
    warehouse.validation("perpetuals_ohlcv", outcome="quarantined")
    assert pending() == 1
    warehouse.compute(INDEX_PRICES)
    [row] = index_profile(warehouse.connection, begins=FIRST, ends=APRIL).to_dict("records")
    assert (row["minutes"], row["expected_minutes"], row["missing_minutes"], row["true_minutes"]) == (24, 24, 0, 24)
    warehouse.decide(INDEX_PRICES)
    assert warehouse.rows("SELECT ts, price, source FROM index_prices WHERE price IS NOT NULL ORDER BY ts") == [
        (hour - timedelta(minutes=1), price, "funding_history") for hour, price in zip(hours, columns[2], strict=True)
    ]
    assert pending() == 0

    # the perpetual's day comes after all
    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440)))
    warehouse.publish(perpetual)
    assert pending() == 1
    warehouse.compute(INDEX_PRICES)
    warehouse.decide(INDEX_PRICES)
    assert dict(warehouse.rows("SELECT source, count(*) FROM index_prices GROUP BY 1")) == {
        "funding_history": 24, "perpetual_proxy": 1416,
    }  # fmt: skip


# --- what is stored beyond a life ----------------------------------------------------------------------------------


def clip(warehouse: Warehouse) -> dict[str, int]:
    """Takes back what lies beyond the lifetimes: how many versions of which dataset."""
    validation_id = warehouse.validation("instruments")
    with warehouse.connection.transaction():
        beyond = lifetimes.beyond(warehouse.connection, (*DATASETS, *LIVE))
        lifetimes.take_back(warehouse.connection, validation_id, beyond, "run", (*DATASETS, *LIVE))
    return {dataset: len(rows) for dataset, rows in beyond.items()}


def test_what_is_stored_outside_a_life_that_was_learned_later_leaves_the_views(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    future = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    candles = trading(at(FIRST), at(FIRST, 3 * 1440), seed=4).without(100, 700)
    for instrument_id in (perpetual, future):
        warehouse.candles(instrument_id, candles)
        warehouse.publish(instrument_id)
    hours = [at(FIRST, 60 * k) for k in range(1, 73)]
    warehouse.funding(perpetual, hours, np.ones((4, 72)))
    warehouse.publish_funding(perpetual)
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for dataset in (BASIS_SPREAD, INDEX_PRICES):
        warehouse.compute(dataset)
        warehouse.decide(dataset)
    assert warehouse.value("SELECT count(*) FROM basis_spread") == 3 * 1440
    published_at = warehouse.value("SELECT clock_timestamp()")

    assert clip(warehouse) == {}
    warehouse.delist(perpetual, at(FIRST, 1440 + 600), at(FIRST, 1440 + 600))
    assert clip(warehouse) == {"perpetuals_ohlcv": 2, "funding_rates": 72 - 34}
    assert clip(warehouse) == {}, "once is enough"

    shown = warehouse.rows("SELECT ts, close FROM perpetuals_ohlcv ORDER BY ts")
    assert [ts for ts, _ in shown] == [at(FIRST, minute) for minute in range(2040)]
    assert [close for _, close in shown] == [
        close if there else None for close, there in zip(candles.close[:2040], candles.present, strict=False)
    ]
    stored = (
        "SELECT present, expected, state FROM provenance WHERE dataset = 'perpetuals_ohlcv' ORDER BY version_id, day"
    )
    assert warehouse.rows(stored) == [
        (1438, 1440, "published"), (1440, 1440, "held"), (1440, 1440, "held"), (600, 600, "published"),
    ]  # fmt: skip
    was = "SELECT count(*) FROM candles('BTC-PERPETUAL', %s, %s, as_of => %s)"
    assert warehouse.value(was, at(FIRST), at(APRIL), published_at) == 3 * 1440
    # what was computed from the day that was cut left with it, and is computed again from what is left of it
    for dataset in (BASIS_SPREAD, INDEX_PRICES):
        assert warehouse.rows(f"SELECT DISTINCT day FROM {dataset.name}") == [(days[0],)]
        assert warehouse.pending(dataset) == 1 == warehouse.compute(dataset)
        warehouse.decide(dataset)
    assert warehouse.value("SELECT max(ts) FROM funding_rates") == at(FIRST, 2040)
    assert warehouse.rows("SELECT day, count(basis) FROM basis_spread GROUP BY 1 ORDER BY 1") == [
        (days[0], 1438), (days[1], 600),
    ]  # fmt: skip
    assert warehouse.rows("SELECT day, count(*) FROM index_prices GROUP BY 1 ORDER BY 1") == [
        (days[0], 1440), (days[1], 600),
    ]  # fmt: skip
    assert coverage(warehouse, "perpetuals_ohlcv", "minutes", "published_minutes") == [(2040, 1438 + 600)]
    for dataset in ("index_prices", "basis_spread"):
        assert coverage(warehouse, dataset, "published_minutes") == [(1438 + 600,)]

    # no minute is missed that nobody lived
    rows = basis_profile(warehouse.connection, begins=days[1], ends=APRIL).to_dict("records")
    assert [(r["day"], r["expected_minutes"], r["missing_basis_minutes"]) for r in rows] == [(days[1], 600, 0)]
    [row] = index_profile(warehouse.connection, begins=days[1], ends=APRIL).to_dict("records")
    assert (row["day"], row["expected_minutes"], row["missing_minutes"]) == (days[1], 600, 0)


def test_a_listing_that_is_corrected_takes_back_what_came_before_it(warehouse):
    future = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    warehouse.candles(future, trading(at(FIRST), at(FIRST, 3 * 1440)))
    warehouse.publish(future)
    warehouse.rows("UPDATE store.instrument SET listed_at = %s RETURNING 1", at(FIRST, 1440 + 90))
    assert clip(warehouse) == {"futures_ohlcv": 2}
    assert warehouse.rows("SELECT min(ts), count(*) FROM futures_ohlcv") == [(at(FIRST, 1530), 2880 - 90)]
    # an expiry before the listing: there was no life at all
    warehouse.rows("UPDATE store.instrument SET expires_at = %s RETURNING 1", at(FIRST))
    assert clip(warehouse) == {"futures_ohlcv": 2}
    assert warehouse.rows("SELECT * FROM futures_ohlcv") == []


def settle(warehouse: Warehouse, instrument_id: int, days: list[date], type: str = "settlement") -> None:
    """Settlements of an instrument, one a day, not validated yet."""
    columns = {
        "instrument_id": [instrument_id] * len(days), "day": days, "type": [type] * len(days),
        "settled_at": [at(day, 480) for day in days], **{name: [1.0] * len(days) for name in NUMBERS},
        "duplicate": [False] * len(days),
    }  # fmt: skip
    with warehouse.connection.transaction():
        store_rows(
            warehouse.connection, SETTLEMENT, columns, Provenance("settlements", f"{instrument_id}", HOST, "run")
        )


def test_settlements_after_the_end_of_a_lifetime_are_taken_back(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    future = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    days = [FIRST + timedelta(days=n) for n in range(1, 6)]
    for instrument_id in (perpetual, future):
        settle(warehouse, instrument_id, days)
    warehouse.decide_rows(SETTLEMENTS)
    settle(warehouse, perpetual, [days[-1] + timedelta(days=1)])  # waits to be validated
    published_at = warehouse.value("SELECT clock_timestamp()")
    assert clip(warehouse) == {}

    warehouse.delist(perpetual, at(days[2], 600), at(days[2], 600))
    assert clip(warehouse) == {"settlements": 3}, "two were published"
    assert clip(warehouse) == {}, "once is enough"
    shown = "SELECT instrument, settled_at::date FROM settlements ORDER BY 1 DESC, 2"
    left = [("BTC-PERPETUAL", day) for day in days[:3]] + [("BTC-28MAR25", day) for day in days]
    assert warehouse.rows(shown) == left
    was = "SELECT count(*) FROM store.settlement WHERE shown @> store.as_of(%s)"
    assert warehouse.value(was, published_at) == 10

    # an expiry before the listing: there was no life at all
    warehouse.rows(
        "UPDATE store.instrument SET expires_at = %s WHERE instrument_id = %s RETURNING 1", at(FIRST), future
    )
    assert clip(warehouse) == {"settlements": 5}
    assert warehouse.rows(shown) == left[:3]


def test_an_end_is_news_once_and_can_be_undone(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    warehouse.instrument("ETH-PERPETUAL", at(FIRST), at(APRIL), base="ETH")
    connection = warehouse.connection
    assert [p["instrument"] for p in lifetimes.open_perpetuals(connection, ["BTC", "ETH"])] == ["BTC-PERPETUAL"]
    assert lifetimes.record_delisting(connection, perpetual, at(FIRST, 60), None, "silence")
    assert not lifetimes.record_delisting(connection, perpetual, at(FIRST, 60), None, "silence")
    assert [p["ends_at"] for p in lifetimes.open_perpetuals(connection, ["BTC"])] == [at(FIRST, 60)]
    assert lifetimes.undo_delisting(connection, perpetual) and not lifetimes.undo_delisting(connection, perpetual)
    assert coverage(warehouse, "perpetuals_ohlcv", "minutes")[0] == (31 * 1440,)


def test_what_the_live_host_lists_no_more_is_told_from_what_it_lists(warehouse):
    """And of that, and of what is inactive, what is stored last: the exchange may not know it any more."""
    connection = warehouse.connection
    names = ["A-PERPETUAL", "B-PERPETUAL", "C-PERPETUAL"]
    ids = {name: warehouse.instrument(name, at(FIRST)) for name in names}

    def read(listed: list[str], *, host: str = "live", expired: bool = False) -> list[str]:
        with connection.transaction():
            record_reading(connection, "BTC", "future", len(listed), "run", host=host, expired=expired)
            if (host, expired) == ("live", False):
                record_listed(connection, "BTC", listed)
        return [p["instrument"] for p in lifetimes.open_perpetuals(connection, ["BTC"]) if p["is_listed"]]

    def seen(name: str) -> dict:
        return next(p for p in lifetimes.open_perpetuals(connection, ["BTC"]) if p["instrument"] == name)

    def over() -> list[str]:
        return [p["instrument"] for p in perpetuals_without_start(connection, ["BTC"]) if p["ended"]]

    assert read([], host="history", expired=True) == names and over() == [], "its list was not read yet"
    assert read(names[:2]) == names[:2] and over() == names[2:]
    assert read([], expired=True) == names[:2], "a list of expired ones says nothing of that"
    assert read(names[:1]) == names[:1] and over() == names[1:]
    assert read(names[:2]) == names[:2], "it is listed again"
    assert read([]) == [], "there is none any more"
    assert [seen(name)["listed_until"] is None for name in names] == [False, False, True]
    assert seen("A-PERPETUAL")["listed_until"] == seen("B-PERPETUAL")["listed_until"] < warehouse.value("SELECT now()")
    read(names)
    assert len({seen(name)["listed_until"] for name in names}) == 1
    warehouse.rows("UPDATE store.instrument SET is_active = false WHERE instrument = 'B-PERPETUAL' RETURNING 1")
    assert seen("B-PERPETUAL")["is_listed"] and not seen("B-PERPETUAL")["is_active"] and over() == ["B-PERPETUAL"]
    warehouse.delist(ids["A-PERPETUAL"], at(APRIL), at(APRIL))
    assert over() == names[:2]

    def stored(name: str) -> tuple:
        return seen(name)["stored_hour"], seen(name)["stored_trade"]

    assert stored("B-PERPETUAL") == (None, None)
    untraded = dict.fromkeys(("volume", "cost"), np.zeros(2880))
    warehouse.candles(ids["B-PERPETUAL"], trading(at(FIRST, 1440), at(FIRST, 4320)).but(**untraded))
    assert stored("B-PERPETUAL") == (None, None), "there was no trade"
    warehouse.candles(
        ids["B-PERPETUAL"], trading(at(FIRST), at(FIRST, 1440), traded=0).setting(700, volume=1, cost=5e4)
    )
    warehouse.funding(ids["B-PERPETUAL"], [at(FIRST, 60), at(FIRST, 120)], np.ones((4, 2)))
    assert stored("B-PERPETUAL") == (at(FIRST, 120), at(FIRST, 701))
    read([])
    assert stored("B-PERPETUAL") == (at(FIRST, 120), at(FIRST, 701))
    assert stored("C-PERPETUAL") == (None, None)
