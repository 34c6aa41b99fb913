"""Days that are not closed yet: what is stored of them, minute by minute, and that the views show them as one with the
closed days."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deribit_warehouse.datasets import BASIS_SPREAD, DATASETS, FUTURES_LIVE, LIVE, PERPETUALS_LIVE
from deribit_warehouse.datasets.open_candles import SETTLED_AFTER, settled_until
from deribit_warehouse.tables import CANDLE_DAY, OPEN_CANDLE
from deribit_warehouse.warehouse import open_days, publication, watched
from deribit_warehouse.warehouse.catalogue import windows
from deribit_warehouse.warehouse.day_arrays import store_open_candles
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance, lock, record_fetched, try_lock
from deribit_warehouse.warehouse.profiles import profile

from .days import FIRST, HOST, MINUTE, Candles, Warehouse, at, ms, trading
from .test_summaries import publish as publish_summaries
from .test_summaries import take, told

OPENED = at("2025-02-20")
EXPIRY = at("2025-06-27", 480)
BEGINS, ENDS = at(FIRST), at(FIRST, 1440)
HOUR = timedelta(hours=1)
LEGS = {"BTC-PERPETUAL": (None, 1), "BTC-27JUN25": (EXPIRY, 2), "BTC-28MAR25": (at("2025-03-28", 480), 3)}


class Live(Warehouse):
    """A perpetual and two dated futures, whose minutes arrive one after the other."""

    def listed(self) -> dict[str, int]:
        return {name: self.instrument(name, OPENED, expires) for name, (expires, _) in LEGS.items()}

    def minutes(self, instrument_id: int, candles: Candles, *, until: datetime | None = None) -> Ingested:
        told = Provenance("live", f"{instrument_id}", HOST, "run")
        with self.connection.transaction():
            return store_open_candles(
                self.connection, instrument_id, candles, told, ms(until) if until else candles.end
            )

    def newest_minutes(self, *names_or_ids: int) -> list[tuple]:
        return self.rows(
            "SELECT instrument_id, ts, max(version_id) FROM store.open_candle "
            "WHERE instrument_id = ANY(%s) GROUP BY 1, 2 ORDER BY 1, 2",
            list(names_or_ids),
        )

    def show(self, *ids: int) -> int:
        validation_id, versions = self.validation("live"), self.newest_minutes(*ids)
        with self.connection.transaction():
            return publication.publish(self.connection, OPEN_CANDLE, validation_id, versions)

    def take_back(self, instrument_id: int, ts: datetime) -> tuple[int, int]:
        validation_id = self.validation("live")
        versions = [v for v in self.newest_minutes(instrument_id) if v[1] == ts]
        with self.connection.transaction():
            return publication.hold(self.connection, OPEN_CANDLE, validation_id, versions, DATASETS)

    def profiled(self, dataset, begins: datetime, ends: datetime, *, waiting: bool = False):
        return profile(self.connection, dataset, begins, ends, currencies=["BTC", "USDC"], waiting=waiting)


@pytest.fixture
def live(market):
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Live(connection)


def day_of(name: str, *, begins: datetime = BEGINS, ends: datetime = ENDS) -> Candles:
    return trading(begins, ends, seed=LEGS[name][1], traded=0.7)


SHOWN = {
    "perpetuals_ohlcv": "instrument, ts, open, high, low, close, volume, cost, traded, fresh, day",
    "futures_ohlcv": "instrument, ts, open, high, low, close, volume, cost, traded, fresh, day",
    "basis_spread": "instrument, ts, future_close, perpetual_close, basis, basis_fraction, days_to_expiry, annualised, "
    "structure, traded, fresh, index_price, index_basis, index_annualised, coin, perpetual, expires_at, day",
    "term_structure": "*",
    "basis_constant_maturity": "*",
    "candles('BTC-27JUN25', '2025-02-28', '2025-03-03')": "*",
    "candles('BTC-27JUN25', '2025-03-01 10:00:20', '2025-03-01 10:59:40')": "*",
    "candle_at('2025-03-01 17:23:45')": "*",
    "term_structure_at('BTC', '2025-03-01 17:23:45')": "*",
    "constant_maturity('BTC', '2025-03-01 01:00', '2025-03-01 02:00')": "*",
    "basis('BTC-28MAR25', '2025-03-01 10:00', '2025-03-01 11:00')": "ts, basis, annualised, traded, fresh",
}


def all_shown(live: Live) -> dict[str, list[tuple]]:
    return {source: sorted(live.rows(f"SELECT {columns} FROM {source}"), key=repr) for source, columns in SHOWN.items()}


def test_a_day_reads_the_same_while_it_is_open_and_when_it_is_closed(live):
    ids = live.listed()
    for name, instrument_id in ids.items():
        live.minutes(instrument_id, day_of(name))
    assert all(rows == [] for rows in all_shown(live).values()), "nothing unvalidated is read"
    assert live.show(*ids.values()) == 3 * 1440
    while_open = all_shown(live)
    assert {len(rows) for rows in while_open.values()} >= {1440, 2880, 60, 59, 3, 2}
    assert any(row[0] == "BTC" for row in while_open["basis_constant_maturity"])
    for name, instrument_id in ids.items():
        live.candles(instrument_id, day_of(name))
    assert all_shown(live) == while_open, "loaded is not published"
    assert live.publish(*ids.values()) == 3
    assert all_shown(live) == while_open, "the closed candles, and the basis of the open ones"
    assert live.compute(BASIS_SPREAD) == 2 and live.decide(BASIS_SPREAD) == 2
    assert all_shown(live) == while_open
    with live.connection.transaction():
        live.connection.execute("DELETE FROM store.open_candle")
    assert all_shown(live) == while_open, "it was the closed day that was shown"


def test_beside_the_basis_of_an_open_day_stands_the_index_of_its_summaries(live):
    ids = live.listed()
    for name, instrument_id in ids.items():
        live.minutes(instrument_id, day_of(name))
    live.show(*ids.values())
    for minute, price, late in ((1, 90_000.0, 5), (601, 91_000.0, 2), (602, 92_000.0, 40), (1440, 93_000.0, 3)):
        moment = at(FIRST, minute) + timedelta(seconds=late)
        take(live, moment, rows=[told("BTC-28MAR25", moment, estimated_delivery_price=1.0),
                                 told("BTC-PERPETUAL", moment, estimated_delivery_price=price)])  # fmt: skip
    known = (
        "SELECT ts, index_price, index_basis = future_close - index_price FROM {} WHERE index_price IS NOT NULL "
        "AND instrument = 'BTC-27JUN25' ORDER BY ts"
    )
    minute = "term_structure_at('BTC', '2025-03-01 10:00:20')"
    assert live.rows(known.format("basis_spread")) == [], "nothing unvalidated is read"
    publish_summaries(live)
    # the price at the END of a minute; what was told half a minute after it says nothing of it
    of_minutes = [(at(FIRST, 0), 90_000.0, True), (at(FIRST, 600), 91_000.0, True), (at(FIRST, 1439), 93_000.0, True)]
    assert live.rows(known.format("basis_spread")) == of_minutes
    assert live.rows(known.format(minute)) == of_minutes[1:2]
    assert live.rows("SELECT ts, price, true FROM index_prices ORDER BY ts") == of_minutes

    # the day's index is published before its basis: it counts then, and nothing else does
    live.connection.execute(
        "WITH v AS (INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
        "VALUES ('index_prices', 'btc_usd', 'h', 'r', 1, 0, 0) RETURNING version_id) "
        "INSERT INTO store.index_day (index_name, day, version_id, state, validation_id, perpetual_id, hourly, "
        "minutes, compared_hours) SELECT 'btc_usd', %(day)s, version_id, 'published', %(validation)s, %(perpetual)s, "
        "array_fill(NULL::float8, ARRAY[24]), array_fill(NULL::float8, ARRAY[601]) || 95000 || "
        "array_fill(NULL::float8, ARRAY[838]), 0 FROM v",
        {"day": FIRST, "validation": live.validation("index_prices"), "perpetual": ids["BTC-PERPETUAL"]},
    )
    assert live.rows(known.format("basis_spread")) == [(at(FIRST, 601), 95_000.0, True)]


def test_a_closed_day_that_is_held_back_leaves_the_live_minutes(live):
    [perpetual, *_] = live.listed().values()
    live.minutes(perpetual, day_of("BTC-PERPETUAL"))
    live.show(perpetual)
    shown = live.rows("SELECT ts, close FROM perpetuals_ohlcv ORDER BY ts")
    wrong = day_of("BTC-PERPETUAL").setting(7, close=1.0)
    live.candles(perpetual, wrong)
    live.publish(perpetual)
    assert live.rows("SELECT ts, close FROM perpetuals_ohlcv ORDER BY ts") != shown
    live.hold(CANDLE_DAY, live.newest(perpetual))
    assert live.rows("SELECT ts, close FROM perpetuals_ohlcv ORDER BY ts") == shown
    assert live.rows("SELECT ts, close FROM candles('BTC-PERPETUAL', '2025-03-01', '2025-03-02')") == shown


def test_days_come_in_the_order_of_time_whichever_are_open(live):
    [perpetual, future, _] = live.listed().values()
    days = [day_of("BTC-PERPETUAL", begins=BEGINS + timedelta(days=n), ends=ENDS + timedelta(days=n)) for n in range(4)]
    for n, day in enumerate(days):
        for instrument_id in (perpetual, future):
            (live.minutes if n % 2 else live.candles)(instrument_id, day)
    live.show(perpetual, future), live.publish(perpetual, future)
    live.compute(BASIS_SPREAD), live.decide(BASIS_SPREAD)
    for function in (
        "candles('BTC-27JUN25', '2025-03-01', '2025-03-05')",
        "basis('BTC-27JUN25', '2025-03-01', '2025-03-05')",
    ):
        found = [ts for [ts] in live.rows(f"SELECT ts FROM {function}")]
        assert found == [BEGINS + timedelta(minutes=n) for n in range(4 * 1440)], function


def test_what_is_taken_back_leaves_at_once_with_its_basis(live):
    ids = live.listed()
    for name, instrument_id in ids.items():
        live.minutes(instrument_id, day_of(name, ends=at(FIRST, 10)))
    live.show(*ids.values())
    assert live.value("SELECT count(*) FROM basis_spread") == 20
    assert live.take_back(ids["BTC-PERPETUAL"], at(FIRST, 4)) == (1, 1)
    assert live.value("SELECT count(*) FROM perpetuals_ohlcv") == 9
    assert live.value("SELECT count(*) FROM basis_spread") == 18
    assert live.rows("SELECT * FROM term_structure_at('BTC', '2025-03-01 00:04')") == []


def test_what_was_shown_at_a_moment_can_be_asked(live):
    ids = live.listed()
    for name, instrument_id in ids.items():
        live.minutes(instrument_id, day_of(name, ends=at(FIRST, 10)))
    live.show(*ids.values())
    then = live.value("SELECT max(validated_at) FROM store.validation")
    ask = "SELECT ts, close FROM candles('BTC-27JUN25', '2025-03-01', '2025-03-02', as_of => %s)"
    before = live.rows(ask, then)
    basis = "SELECT ts, basis FROM basis('BTC-27JUN25', '2025-03-01', '2025-03-02', as_of => %s)"
    basis_before = live.rows(basis, then)
    assert len(before) == len(basis_before) == 10
    live.minutes(
        ids["BTC-27JUN25"], day_of("BTC-27JUN25", ends=at(FIRST, 10)).setting(3, close=51_000.0, high=51_000.0)
    )
    live.show(ids["BTC-27JUN25"])
    live.take_back(ids["BTC-PERPETUAL"], at(FIRST, 5))
    assert live.rows(ask, then) == before and live.rows(basis, then) == basis_before
    now = live.value("SELECT max(validated_at) FROM store.validation")
    assert live.rows(ask, now)[3] == (at(FIRST, 3), 51_000.0) and len(live.rows(basis, now)) == 9


# -- what is stored --------------------------------------------------------------------------------------------------


def test_of_two_answers_the_later_one_counts_and_an_equal_one_writes_nothing(live):
    [perpetual, *_] = live.listed().values()
    first = day_of("BTC-PERPETUAL", ends=at(FIRST, 60))
    assert live.minutes(perpetual, first) == Ingested(added=60)
    live.show(perpetual)
    written = live.rows("SELECT ctid, xmin FROM store.open_candle")
    assert live.minutes(perpetual, first) == Ingested(unchanged=60)
    assert live.rows("SELECT ctid, xmin FROM store.open_candle") == written
    told = first.setting(59, volume=first.volume[59] + 1).cut(at(FIRST, 30), at(FIRST, 60))
    assert live.minutes(perpetual, told) == Ingested(corrected=1, unchanged=29)
    assert live.value("SELECT volume FROM perpetuals_ohlcv WHERE ts = %s", at(FIRST, 59)) == first.volume[59]
    assert live.show(perpetual) == 1
    corrected = live.rows("SELECT dataset, instrument, ts, field, old, new FROM corrections")
    assert corrected == [
        ("perpetuals_live", "BTC-PERPETUAL", at(FIRST, 59), "volume", first.volume[59], first.volume[59] + 1)
    ]
    # what came once stays, though a later answer has it no more
    assert live.minutes(perpetual, told.without(3)) == Ingested(unchanged=29)
    assert live.value("SELECT count(*) FROM perpetuals_ohlcv") == 60


def test_an_instrument_that_another_run_is_at_is_left_to_it(live, market):
    told = Provenance("perpetuals_live", "BTC-PERPETUAL", HOST, "run")
    with psycopg.connect(market.dsn()) as other, live.connection.transaction():
        lock(other, told)
        assert not try_lock(live.connection, told)
        assert try_lock(live.connection, Provenance("futures_live", "BTC-PERPETUAL", HOST, "run"))
        other.rollback()
        assert try_lock(live.connection, told)


@given(
    present=st.lists(st.booleans(), min_size=0, max_size=30).map(lambda found: np.array(found, bool)),
    start=st.integers(0, 10**6).map(lambda minute: minute * MINUTE),
)
def test_only_the_last_minutes_that_did_not_come_stay_open(present, start):
    end = start + len(present) * MINUTE
    until = settled_until(present, start, end)
    assert start <= until <= end and (until - start) % MINUTE == 0
    assert not present[(until - start) // MINUTE :].any(), "nothing that came is asked for as if it had not"
    assert end - until <= SETTLED_AFTER, "what is older is missing"


# -- what is asked for -----------------------------------------------------------------------------------------------


def planned(live: Live, dataset, now: datetime) -> list[tuple]:
    found = windows(live.connection, dataset, now - HOUR, now, currencies=["BTC"])
    assert all(window.requests == 1 and window.ends - window.begins <= 6 * HOUR for window in found)
    return [(window.subject, window.begins, window.ends) for window in found]


def test_the_first_run_begins_with_the_month_and_with_the_last_hour(live):
    live.instrument("BTC-PERPETUAL", OPENED)
    now = at("2025-03-09", 605)
    assert planned(live, PERPETUALS_LIVE, now) == [
        ("BTC-PERPETUAL", now - HOUR, now), ("BTC-PERPETUAL", at("2025-03-01"), at("2025-03-01", 360)),
    ]  # fmt: skip
    # on the first of a month yesterday is open, too
    now = at("2025-03-01", 5)
    assert planned(live, PERPETUALS_LIVE, now)[1] == ("BTC-PERPETUAL", at("2025-02-28"), at("2025-02-28", 360))


def test_days_that_are_closed_are_not_asked_for_and_an_outage_is_the_oldest_first(live):
    perpetual = live.instrument("BTC-PERPETUAL", OPENED)
    live.candles(perpetual, trading(BEGINS, at(FIRST, 2 * 1440)))
    live.publish(perpetual)
    now = at("2025-03-04", 100)
    assert planned(live, PERPETUALS_LIVE, now)[1][1] == at("2025-03-03")
    record_fetched(live.connection, perpetual, "open candles", ms(at("2025-03-03")), ms(at("2025-03-03", 900)))
    record_fetched(live.connection, perpetual, "open candles", ms(at("2025-03-03", 950)), ms(now))
    assert planned(live, PERPETUALS_LIVE, now) == [
        ("BTC-PERPETUAL", now - HOUR, now), ("BTC-PERPETUAL", at("2025-03-03", 900), at("2025-03-03", 950)),
    ]  # fmt: skip


def test_nothing_older_is_asked_for_while_much_waits_to_be_validated(live):
    perpetual = live.listed()["BTC-PERPETUAL"]
    now = at("2025-03-20", 720)
    older = lambda: [each for each in planned(live, PERPETUALS_LIVE, now) if each[1] != now - HOUR]  # noqa: E731
    waiting = trading(at("2025-03-10"), at("2025-03-16", 1359), seed=1, traded=0.7)
    live.minutes(perpetual, waiting)
    assert len(older()) == 1, "9,999 minutes"
    live.minutes(perpetual, trading(at("2025-03-16", 1359), at("2025-03-16", 1360), seed=2, traded=1.0))
    assert older() == []
    assert planned(live, PERPETUALS_LIVE, now) == [("BTC-PERPETUAL", now - HOUR, now)], "the newest is, all the same"
    live.show(perpetual)
    assert len(older()) == 1


def test_a_contract_is_asked_for_from_its_listing_to_its_last_minute(live):
    live.instrument("BTC-PERPETUAL", OPENED)
    live.instrument("BTC-7MAR25", at("2025-03-05", 485), at("2025-03-07", 480))
    assert planned(live, FUTURES_LIVE, at("2025-03-05", 485)) == []
    assert planned(live, FUTURES_LIVE, at("2025-03-05", 486)) == [
        ("BTC-7MAR25", at("2025-03-05", 485), at("2025-03-05", 486))
    ]
    found = planned(live, FUTURES_LIVE, at("2025-03-07", 490))
    assert found[0] == ("BTC-7MAR25", at("2025-03-07", 430), at("2025-03-07", 480))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_was_answered_for_each_run_leaves_less_open_until_nothing_is(live, data):
    """Windows are never longer than allowed, never ask twice but for the last hour, and cover all there is."""
    with live.connection.transaction():
        live.connection.execute("DELETE FROM store.fetched")
    perpetual = live.value("SELECT min(instrument_id) FROM store.instrument") or live.instrument(
        "BTC-PERPETUAL", OPENED
    )
    now = at("2025-03-03") + timedelta(minutes=data.draw(st.integers(0, 2879)))
    first = at("2025-03-01")
    answered = set()
    for begins, length in data.draw(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 900)), max_size=6)):
        since, until = first + timedelta(minutes=begins), min(first + timedelta(minutes=begins + length), now)
        if since < until:
            record_fetched(live.connection, perpetual, "open candles", ms(since), ms(until))
            answered |= set(range(ms(since), ms(until), MINUTE))
    wanted = set(range(ms(first), ms(now), MINUTE))
    for _ in range(40):
        found = planned(live, PERPETUALS_LIVE, now)
        assert found[0] == ("BTC-PERPETUAL", now - HOUR, now) and len(found) <= 2
        older = [set(range(ms(begins), ms(ends), MINUTE)) for _, begins, ends in found[1:]]
        assert all(not minutes & answered and min(minutes) == min(wanted - answered) for minutes in older)
        for _, begins, ends in found:
            record_fetched(live.connection, perpetual, "open candles", ms(begins), ms(ends))
            answered |= set(range(ms(begins), ms(ends), MINUTE))
        if not older:
            break
    assert wanted <= answered


# -- what is validated -----------------------------------------------------------------------------------------------


def broken(live: Live, dataset, begins: datetime, ends: datetime) -> list[tuple]:
    """(instrument, minute of the day, rule, severity) of every rule that a row breaks."""
    from deribit_warehouse import settings as ours
    from deribit_warehouse.quality.suites import read_suite
    from deribit_warehouse.quality.validate import validate

    suite = read_suite(ours.EXPECTATIONS / f"{dataset.suite}.json").keyed(dataset.keys)
    found = validate(live.profiled(dataset, begins, ends), suite, keys=dataset.keys, run_name="test").broken
    assert all(rule.keys for rule in found if rule.severity == "critical")
    return sorted(
        (instrument, round((ts - at(FIRST)).total_seconds() / 60), rule.rule, rule.severity)
        for rule in found for instrument, ts in rule.keys
    )  # fmt: skip


def market_of_two_hours(live: Live) -> dict[str, int]:
    """Faultless minutes of all three, at levels that a coin's contracts have."""
    ids = live.listed()
    for name, instrument_id in ids.items():
        live.minutes(instrument_id, day_of(name, ends=at(FIRST, 120)))
    return ids


def test_faultless_minutes_break_no_rule(live):
    market_of_two_hours(live)
    for dataset in (PERPETUALS_LIVE, FUTURES_LIVE):
        rows = live.profiled(dataset, BEGINS, at(FIRST, 120))
        assert len(rows) == 120 * (1 if dataset is PERPETUALS_LIVE else 2)
        assert [each for each in broken(live, dataset, BEGINS, at(FIRST, 120)) if each[3] == "critical"] == []


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"close": 0.0}, "prices-positive"),
        ({"open": np.nan}, "values-finite"),
        ({"high": 1.0}, "high-low-bound"),
        ({"volume": -1.0}, "amounts-not-negative"),
        ({"cost": 0.0, "volume": 5.0}, "cost-with-volume"),
        ({"cost": 5e7, "volume": 5.0}, "cost-matches-price"),
        ({"cost": 0.0, "volume": 0.0, "high": 60_000.0}, "untraded-flat"),
    ],
)
def test_a_bad_minute_is_named_and_no_other_one(live, changed, rule):
    ids = market_of_two_hours(live)
    for name, dataset in (("BTC-PERPETUAL", PERPETUALS_LIVE), ("BTC-27JUN25", FUTURES_LIVE)):
        live.minutes(ids[name], day_of(name, ends=at(FIRST, 120)).setting(119, **changed))
        found = [each for each in broken(live, dataset, BEGINS, at(FIRST, 120)) if each[3] == "critical"]
        assert (name, 119, rule, "critical") in found
        assert {each[:2] for each in found} == {(name, 119)}


def test_a_minute_that_did_not_come_is_missing_and_one_before_the_first_trade_is_not(live):
    ids = live.listed()
    live.minutes(ids["BTC-PERPETUAL"], day_of("BTC-PERPETUAL", ends=at(FIRST, 120)).without(50))
    live.minutes(ids["BTC-27JUN25"], day_of("BTC-27JUN25", ends=at(FIRST, 120)).without(slice(0, 90)))
    assert broken(live, PERPETUALS_LIVE, BEGINS, at(FIRST, 120)) == [
        ("BTC-PERPETUAL", 50, "minutes-complete", "critical")
    ]
    found = broken(live, FUTURES_LIVE, BEGINS, at(FIRST, 120))
    early = {("minutes-explained", "info"), ("first-candle-soon", "warning")}  # it was listed nine days before
    assert {each[2:] for each in found if each[1] < 90} == early
    # of what nobody was asked nothing is said
    assert len(live.profiled(PERPETUALS_LIVE, BEGINS, ENDS)) == 120


def test_the_minute_after_a_bad_one_is_compared_with_the_one_before_it(live):
    ids = market_of_two_hours(live)
    perpetual = ids["BTC-PERPETUAL"]
    whole = day_of("BTC-PERPETUAL", ends=at(FIRST, 121))
    wrong = whole.setting(119, **{name: 0.01 * getattr(whole, name)[119] for name in ("open", "high", "low", "close")})
    live.minutes(perpetual, wrong.cut(BEGINS, at(FIRST, 120)))
    assert {each[1] for each in broken(live, PERPETUALS_LIVE, BEGINS, at(FIRST, 120))} == {119}
    live.take_back(perpetual, at(FIRST, 119))
    live.minutes(perpetual, wrong)
    found = broken(live, PERPETUALS_LIVE, BEGINS, at(FIRST, 121))
    assert {each[1] for each in found if each[3] == "critical"} == {119}


@pytest.mark.parametrize(
    ("kind", "critical"),
    [({}, {("move-possible", "critical")}), ({"quote": "USDC", "settlement": "USDC"}, set())],
    ids=["settled in its coin", "linear"],
)
def test_a_minute_that_falls_by_more_than_half_is_held_back_where_no_crash_was_as_deep(live, kind, critical):
    perpetual = live.instrument("BTC-X", OPENED, **kind)
    whole = day_of("BTC-PERPETUAL", ends=at(FIRST, 120))
    fallen = {name: 0.4 * getattr(whole, name)[119] for name in ("open", "high", "low", "close", "cost")}
    live.minutes(perpetual, whole.setting(119, **fallen))
    found = {each[2:] for each in broken(live, PERPETUALS_LIVE, BEGINS, at(FIRST, 120)) if each[1] == 119}
    assert ("move-usual", "warning") in found
    assert {each for each in found if each[1] == "critical"} == critical


def test_a_spike_is_refuted_once_the_next_minute_is_there(live):
    ids = market_of_two_hours(live)
    whole = day_of("BTC-27JUN25", ends=at(FIRST, 121))
    high = {name: 1.2 * getattr(whole, name)[119] for name in ("open", "high", "low", "close")}
    wrong = whole.setting(119, volume=2.0, cost=2.0 * high["close"], **high).setting(118, volume=1.0)
    traded = day_of("BTC-PERPETUAL", ends=at(FIRST, 121)).setting(119, volume=1.0)
    live.minutes(ids["BTC-PERPETUAL"], traded)
    live.minutes(ids["BTC-27JUN25"], wrong.cut(BEGINS, at(FIRST, 120)))
    spikes = lambda ends: [each for each in broken(live, FUTURES_LIVE, BEGINS, ends) if "spike" in each[2]]  # noqa: E731
    assert spikes(at(FIRST, 120)) == []
    live.minutes(ids["BTC-27JUN25"], wrong)
    assert ("BTC-27JUN25", 119, "no-spike", "critical") in spikes(at(FIRST, 121))


def test_a_futures_minute_waits_for_its_perpetual_and_is_compared_with_it(live):
    ids = live.listed()
    future = day_of("BTC-27JUN25", ends=at(FIRST, 120))
    live.minutes(ids["BTC-27JUN25"], future)
    assert live.profiled(FUTURES_LIVE, BEGINS, at(FIRST, 120)).empty, "it can't be checked yet"
    live.minutes(ids["BTC-PERPETUAL"], day_of("BTC-PERPETUAL", begins=at(FIRST, 30), ends=at(FIRST, 40)))
    # from the perpetual's first minute to an hour after its last; wherever it is, for they are pending
    assert live.profiled(FUTURES_LIVE, at(FIRST, 119), at(FIRST, 120)).empty
    assert len(live.profiled(FUTURES_LIVE, BEGINS, at(FIRST, 120), waiting=True)) == 69
    doubled = {name: 2.1 * getattr(future, name)[35] for name in ("open", "high", "low", "close")}
    live.minutes(ids["BTC-27JUN25"], future.setting(35, volume=1.0, cost=doubled["close"], **doubled))
    found = broken(live, FUTURES_LIVE, BEGINS, at(FIRST, 120))
    assert ("BTC-27JUN25", 35, "near-reference", "critical") in found


def test_what_waits_elsewhere_is_taken_a_part_at_a_time_until_nothing_waits(live):
    ids = live.listed()
    for name, instrument_id in ids.items():
        # before the perpetual's first minute the futures can't be checked: they take nobody's place
        live.minutes(instrument_id, day_of(name).cut(at(FIRST, 300), ENDS) if name == "BTC-PERPETUAL" else day_of(name))
    last_hour, found = at(FIRST, 1380), []
    for _ in range(3):
        for waiting in (False, True):
            rows = live.profiled(FUTURES_LIVE, BEGINS if waiting else last_hour, ENDS, waiting=waiting)
            found.append((waiting, len(rows), None if rows.empty else rows.ts.min()))
            versions = list(zip(rows.instrument_id.tolist(), rows.ts.tolist(), rows.version_id.tolist(), strict=True))
            with live.connection.transaction():
                publication.publish(live.connection, OPEN_CANDLE, live.validation("live"), versions)
    # however much waits, the interval's own is not kept waiting by it, and is validated again as long as it lies in it
    assert found == [
        (False, 120, last_hour), (True, 2000, at(FIRST, 300)),
        (False, 120, last_hour), (True, 160, at(FIRST, 1300)),
        (False, 120, last_hour), (True, 0, None),
    ]  # fmt: skip


def test_a_perpetual_far_from_its_futures_is_held_where_no_summary_says_the_index(live):
    ids = market_of_two_hours(live)
    whole = day_of("BTC-PERPETUAL", ends=at(FIRST, 120))
    double = {name: 2.0 * getattr(whole, name)[119] for name in ("open", "high", "low", "close")}
    live.minutes(ids["BTC-PERPETUAL"], whole.setting(119, volume=1.0, cost=double["close"], **double))
    found = broken(live, PERPETUALS_LIVE, BEGINS, at(FIRST, 120))
    assert ("BTC-PERPETUAL", 119, "level-agrees", "critical") in found


SUMMARY = """
    WITH r AS (
        INSERT INTO store.roster (digest, first_beat, instruments)
        VALUES (gen_random_uuid(), %(beat)s, '{BTC-27JUN25,BTC-PERPETUAL}') RETURNING roster_id
    ), v AS (
        INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
        VALUES ('instrument_summaries', 'BTC', 'h', 'r', 1, 0, 0) RETURNING version_id
    )
    INSERT INTO store.instrument_summary (currency, beat, version_id, roster_id, told_at, mark_price, index_price,
        bid_price, ask_price, last_price, open_interest, volume, current_funding, funding_8h, unreadable)
    SELECT 'BTC', %(beat)s, version_id, roster_id, ARRAY[%(beat)s::timestamptz], a, ARRAY[90000.0], a, a, a, a, a, a, a,
        '{}'
    FROM r, v, (SELECT ARRAY[1.0]::float8[] AS a) AS x
"""
"""A summary of two contracts whose index is at 90,000."""


def test_the_index_of_the_last_summary_says_what_a_perpetual_is_compared_with(live):
    ids = market_of_two_hours(live)
    live.connection.execute(SUMMARY, {"beat": at(FIRST, 100)})
    rows = live.profiled(PERPETUALS_LIVE, BEGINS, at(FIRST, 120)).set_index("ts")
    near = rows[(rows.index >= at(FIRST, 100)) & (rows.index < at(FIRST, 115))]
    assert set(near.reference) == {"index"} and set(rows.reference) == {"index", "futures"}
    traded = near[near.index_distance.notna()]
    assert (traded.index_distance > 0.5).all() and len(traded) > 5
    # the futures are with the perpetual: it is the index that is wrong
    assert traded.level_disagreement.isna().all() and ids


def test_live_minutes_are_fresh_within_minutes_and_nobody_is_late_who_never_ran_live(live):
    perpetual = live.listed()["BTC-PERPETUAL"]
    live.rows("UPDATE store.instrument SET first_seen_at = now() - interval '1 day' RETURNING 1")
    states = "SELECT state, newest FROM store.freshness WHERE dataset = 'perpetuals_live'"
    assert live.rows(states) == []
    now = live.value("SELECT date_trunc('minute', now())")
    hour = trading(now - HOUR, now, seed=1, traded=0.7)
    live.minutes(perpetual, hour)
    assert live.rows(states) == [("none yet", None)]
    assert live.show(perpetual) == 60
    assert live.rows(states) == [("fresh", now - timedelta(minutes=1))]
    for minutes, state in ((20, "late"), (40, "stale")):  # live was paused so long
        live.rows(
            "UPDATE store.open_candle SET state = 'held' WHERE ts >= now() - make_interval(mins => %s) RETURNING 1",
            minutes,
        )
        assert live.rows(states)[0][0] == state
    [found] = [each for each in watched.stale(live.connection, LIVE) if each.fingerprint.dataset == "perpetuals_live"]
    assert (found.fingerprint.instruments, found.dag_id, found.told) == ("BTC", "deribit_perpetuals_live", False)


STATES = "SELECT state FROM store.freshness WHERE dataset = 'perpetuals_live'"


def known_for_long(live: Live) -> int:
    perpetual = live.instrument("BTC-PERPETUAL", OPENED)
    live.rows("UPDATE store.instrument SET first_seen_at = now() - interval '30 days' RETURNING 1")
    return perpetual


def test_live_that_is_paused_is_stale_after_its_last_minutes_were_deleted_too(live):
    perpetual = known_for_long(live)
    live.minutes(perpetual, day_of("BTC-PERPETUAL"))
    live.show(perpetual)
    live.candles(perpetual, day_of("BTC-PERPETUAL"))
    live.publish(perpetual)
    assert live.rows(STATES) == [("stale",)]
    assert open_days.forget(live.connection, FIRST + timedelta(days=1)) == (1, 1440)
    assert live.rows(STATES) == [("stale",)]
    [found] = [each for each in watched.stale(live.connection, LIVE) if each.fingerprint.dataset == "perpetuals_live"]
    assert "no row yet; more was due at" in found.words


def test_live_that_loads_and_never_publishes_is_stale_within_its_time(live):
    perpetual = known_for_long(live)
    now = live.value("SELECT date_trunc('minute', now())")
    live.minutes(perpetual, trading(now - HOUR, now, seed=1, traded=0.7))
    found = live.rows(STATES)
    for minutes in (10, 40):  # since its first answer; the newest came just now
        live.rows("UPDATE store.ingestion SET loaded_at = now() - make_interval(mins => %s) RETURNING 1", minutes)
        record_fetched(live.connection, perpetual, "open candles", ms(now - HOUR), ms(now))
        found += live.rows(STATES)
    assert found == [("none yet",), ("late",), ("stale",)]


def test_a_contract_that_is_asked_for_and_has_not_traded_yet_is_not_late(live):
    perpetual = known_for_long(live)
    now = live.value("SELECT date_trunc('minute', now())")
    # as the last run left it, two minutes ago: the chart's last five minutes are open
    record_fetched(live.connection, perpetual, "open candles", ms(now - HOUR), ms(now - timedelta(minutes=7)))
    assert live.rows(STATES) == [("none yet",)]
