"""Funding of days that are not closed yet: what is asked for, what is stored, and what an hour is checked against."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import DATASETS, FUNDING_LIVE, FUNDING_RATES, LIVE
from deribit_warehouse.datasets.funding_rates import HOUR, SETTLED_AFTER, load, load_open, settled_until
from deribit_warehouse.exchange.funding import Funding
from deribit_warehouse.tables import FUNDING_RATE
from deribit_warehouse.warehouse import publication, watched
from deribit_warehouse.warehouse.catalogue import windows
from deribit_warehouse.warehouse.completion import due
from deribit_warehouse.warehouse.day_arrays import store_open_candles
from deribit_warehouse.warehouse.funding import record_start
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance, record_fetched
from deribit_warehouse.warehouse.profiles import profile
from tests.warehouse.days import FIRST, HOST, MINUTE, Warehouse, at, ms, trading

OPENED = at("2025-02-20")
MONTH = at(FIRST)
NONE = np.empty(0, np.int64)
LEVEL = 50_000.0


def told(hours: list[datetime], index: float = LEVEL, **changed: float) -> Funding:
    """What the exchange says of some hours: the same in each."""
    values = {"interest_1h": 1e-5, "interest_8h": 8e-5, "index_price": index, "prev_index_price": index} | changed
    columns = {name: np.full(len(hours), value) for name, value in values.items()}
    timestamp = np.array([ms(hour) for hour in hours], np.int64)
    return Funding("BTC-PERPETUAL", timestamp, **columns, duplicate=NONE, out_of_window=NONE, requests=1)


def hours(begins: datetime, ends: datetime) -> list[datetime]:
    """The ends of the hours in (begins, ends]."""
    return [begins + n * timedelta(hours=1) for n in range(1, (ms(ends) - ms(begins)) // HOUR + 1)]


class Open(Warehouse):
    """A perpetual with funding since the begin of February, and two dated futures."""

    def listed(self) -> int:
        self.perpetual = self.instrument("BTC-PERPETUAL", OPENED)
        record_start(self.connection, self.perpetual, OPENED + timedelta(hours=1))
        return self.perpetual

    def asked(self, begins: datetime, ends: datetime, what: str = "funding") -> None:
        record_fetched(self.connection, self.perpetual, what, ms(begins), ms(ends))

    def load(self, begins: datetime, ends: datetime, answer: Funding | None = None, *, whole: bool = False) -> Ingested:
        """Loads a window as live does, or whole as the history does, from an exchange that says this."""
        window = Window("BTC-PERPETUAL", "BTC-PERPETUAL", self.perpetual, begins, ends, 1)
        answer = answer or told(hours(begins, ends))
        exchange = SimpleNamespace(funding=lambda *_: answer, funding_value=lambda *_: 0.25)
        dataset = FUNDING_RATES if whole else FUNDING_LIVE
        assert dataset.load is (load if whole else load_open)
        provenance = Provenance(dataset.versions_of, "BTC-PERPETUAL", HOST, "run")
        return dataset.load(exchange, self.connection, window, provenance)[0]

    def minutes(self, instrument_id: int, begins: datetime, ends: datetime, *, level: float = LEVEL) -> None:
        candles = trading(begins, ends, seed=instrument_id, level=level, traded=0.9)
        with self.connection.transaction():
            store_open_candles(
                self.connection, instrument_id, candles, Provenance("live", "x", HOST, "run"), candles.end
            )

    def plan(self, now: datetime) -> list[tuple]:
        found = windows(self.connection, FUNDING_LIVE, now - FUNDING_LIVE.overlap, now, currencies=["BTC"])
        return [(each.subject, each.begins, each.ends, each.requests) for each in found]

    def planned(self, now: datetime) -> tuple[datetime, datetime]:
        [(subject, begins, ends, requests)] = self.plan(now)
        assert (subject, requests) == ("BTC-PERPETUAL", 1)
        return begins, ends

    def profiled(self, begins: datetime, ends: datetime, dataset=FUNDING_LIVE):
        return profile(self.connection, dataset, begins, ends, currencies=["BTC"])

    def decided(self, begins: datetime, ends: datetime, *, passed: bool = True) -> int:
        """Decides on what live validates of an interval, as its run does; how many versions changed."""
        rows = [row for row in self.profiled(begins, ends).itertuples() if row.version_id == row.version_id]
        rows = [row for row in rows if row.waits_for is None]
        keys = [(row.instrument_id, row.ts, int(row.version_id)) for row in rows]
        notes = [(row.reference, int(row.compared_with)) for row in rows]
        validation_id = self.validation("funding_live")
        with self.connection.transaction():
            if passed:
                return publication.publish(self.connection, FUNDING_RATE, validation_id, keys, notes)
            return publication.hold(self.connection, FUNDING_RATE, validation_id, keys, [], notes)[0]

    def closed(self, day: datetime) -> None:
        """The perpetual's candles of a day are loaded whole."""
        self.candles(self.perpetual, trading(day, day + timedelta(days=1), seed=self.perpetual, level=LEVEL))
        self.asked(day, day + timedelta(days=1), "candles")


@pytest.fixture
def live(market):
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Open(connection)


# -- what is asked for -----------------------------------------------------------------------------------------------


def test_the_first_run_begins_with_the_month_and_later_ones_a_day_ago(live):
    live.listed()
    now = at("2025-03-09", 605)
    assert live.planned(now) == (MONTH, at("2025-03-09", 600))
    live.asked(MONTH, at("2025-03-09", 540))
    assert live.planned(now) == (at("2025-03-08", 600), at("2025-03-09", 600))
    # on the first of a month yesterday is open, too
    assert live.planned(at("2025-03-01", 62)) == (at("2025-02-28"), at("2025-03-01", 60))


def test_an_outage_is_asked_for_from_its_first_hour_on(live):
    live.listed()
    live.asked(MONTH, at("2025-03-03", 600))
    live.asked(at("2025-03-05"), at("2025-03-09"))
    assert live.planned(at("2025-03-09", 62)) == (at("2025-03-03", 600), at("2025-03-09", 60))


def test_what_a_run_left_undecided_is_asked_for_and_validated_again(live):
    live.listed()
    live.load(MONTH, at("2025-03-05"))
    assert live.planned(at("2025-03-09", 62))[0] == MONTH
    live.rows("UPDATE store.funding_rate SET state = 'published' WHERE ts <= %s RETURNING 1", at("2025-03-04", 120))
    live.asked(MONTH, at("2025-03-09", 60))
    assert live.planned(at("2025-03-09", 62))[0] == at("2025-03-04", 120)


def test_funding_is_asked_for_from_its_first_hour_to_its_last(live):
    live.listed()
    live.rows("UPDATE store.funding_start SET first_hour = %s RETURNING 1", at("2025-03-08", 180))
    assert live.planned(at("2025-03-09", 62)) == (at("2025-03-08", 120), at("2025-03-09", 60))
    live.delist(live.perpetual, at("2025-03-08", 601), at("2025-03-08", 600))
    assert live.planned(at("2025-03-09", 62)) == (at("2025-03-08", 120), at("2025-03-08", 600))
    assert live.planned(at("2025-03-12", 62)) == (at("2025-03-08", 120), at("2025-03-08", 600)), "nobody was asked"
    live.asked(at("2025-03-08", 120), at("2025-03-08", 600))
    assert live.plan(at("2025-03-12", 62)) == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_was_answered_for_one_run_asks_for_all_that_is_open_and_no_more_than_that_and_a_day(live, data):
    with live.connection.transaction():
        live.connection.execute("DELETE FROM store.fetched")
    if not live.value("SELECT count(*) FROM store.instrument"):
        live.listed()
    now = MONTH + timedelta(minutes=data.draw(st.integers(1, 20 * 1440)))
    last = now.replace(minute=0)
    wanted = set(hours(MONTH if now >= MONTH + timedelta(days=1) else at("2025-02-28"), last))
    for begins, length in data.draw(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), max_size=5)):
        one = MONTH + timedelta(hours=begins)
        two = min(one + timedelta(hours=length), last)
        if one < two:
            live.asked(one, two)
            wanted -= set(hours(one, two))
    begins, ends = live.planned(now)
    found = set(hours(begins, ends))
    assert ends == last and wanted <= found
    assert set(hours((now - timedelta(days=1)).replace(minute=0), last)) <= found
    assert begins == min([hour - timedelta(hours=1) for hour in wanted] + [(now - timedelta(days=1)).replace(minute=0)])


# -- what is stored --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 24), unique=True).map(sorted), st.integers(0, 59))
def test_answered_for_is_what_came_and_what_is_older_than_the_exchange_may_take(came, late):
    begins, ends = 0, 24 * HOUR
    stamps = np.array([n * HOUR for n in came] + ([24 * HOUR + late * MINUTE] if late else []), np.int64)
    funding = told([]).__class__("x", stamps, *[stamps.astype(float)] * 4, NONE, NONE, 1)
    until = settled_until(funding, begins, ends)
    newest = 24 if late else max(came, default=0)
    assert until == max(newest * HOUR, ends - SETTLED_AFTER) and until % HOUR == 0


def test_what_the_exchange_does_not_have_yet_stays_open(live):
    live.listed()
    ends = at("2025-03-02", 600)
    live.load(MONTH, ends, told(hours(MONTH, ends)[:-1]))
    assert live.rows("SELECT upper(windows) FROM store.fetched WHERE what = 'funding'") == [(at("2025-03-02", 540),)]
    assert live.planned(at("2025-03-02", 662))[0] == MONTH  # the hours wait to be decided on
    live.load(at("2025-03-02", 540), ends)
    assert live.rows("SELECT windows::text FROM store.fetched WHERE what = 'funding'") == [
        ('{["2025-03-01 00:00:00+00","2025-03-02 10:00:00+00")}',)
    ]


def test_the_month_writes_nothing_where_it_says_what_live_said_and_a_correction_where_it_does_not(live):
    live.listed()
    ends = at("2025-03-03")
    live.asked(MONTH, ends, "open candles")
    assert live.load(MONTH, ends) == Ingested(added=48)
    assert live.decided(MONTH, ends) == 48
    before = live.rows("SELECT ctid::text, xmin::text FROM store.funding_rate ORDER BY 1")
    assert live.load(MONTH, ends, whole=True) == Ingested(unchanged=48)
    assert live.rows("SELECT ctid::text, xmin::text FROM store.funding_rate ORDER BY 1") == before
    assert live.value("SELECT count(*) FROM store.funding_checksum") == 1, "the exchange's own sum is of what is closed"
    corrected = told(hours(MONTH, ends))
    corrected.interest_1h[5] = 2e-5
    assert live.load(MONTH, ends, corrected, whole=True) == Ingested(corrected=1, unchanged=47)
    assert live.value("SELECT count(*) FROM funding_rates") == 48, "it stays until something newer has passed"
    assert live.decide_rows(FUNDING_RATES) == 1
    assert live.rows("SELECT dataset, ts, field, old, new FROM corrections") == [
        ("funding_rates", at(FIRST, 360), "interest_1h", 1e-5, 2e-5)
    ]
    [(_, missing, paid)] = live.rows(
        "SELECT hours_expected, hours_missing, funding_sum FROM funding_between('BTC-PERPETUAL', %s, %s)", MONTH, ends
    )
    assert missing == 0 and paid == pytest.approx(49e-5)


# -- what is validated -----------------------------------------------------------------------------------------------


def broken(live: Open, begins: datetime, ends: datetime) -> list[tuple]:
    """(hour of the month, rule, severity) of every rule that a row breaks which waits for nothing."""
    from deribit_warehouse import settings as ours
    from deribit_warehouse.quality.suites import read_suite
    from deribit_warehouse.quality.validate import validate

    rows = live.profiled(begins, ends)
    rows = rows[rows.waits_for.isna() & rows.was_fetched].drop(columns=["waits_for", "was_fetched"])
    suite = read_suite(ours.EXPECTATIONS / f"{FUNDING_LIVE.suite}.json").keyed(FUNDING_LIVE.keys)
    found = validate(rows.reset_index(drop=True), suite, keys=list(FUNDING_LIVE.keys), run_name="test").broken
    return sorted(
        ((ms(ts) - ms(MONTH)) // HOUR, rule.rule, rule.severity) for rule in found for _, ts in rule.keys
    )  # fmt: skip


DAY_END = at(FIRST, 720)


def half_a_day(live: Open, funding: Funding | None = None) -> None:
    """The first half of a day: minutes of the perpetual and its funding."""
    live.listed()
    live.minutes(live.perpetual, MONTH, DAY_END)
    live.asked(MONTH, DAY_END, "open candles")
    live.load(MONTH, DAY_END, funding)


def test_faultless_hours_break_no_rule_and_those_to_come_are_not_missed(live):
    half_a_day(live)
    rows = live.profiled(MONTH, DAY_END)
    assert len(rows) == 12 and rows.waits_for.isna().all() and set(rows.reference) == {"perpetual"}
    assert rows.month_off.isna().all() and rows.checksum_off.isna().all()
    assert broken(live, MONTH, DAY_END) == []
    # the history says nothing of the day before it has its candles
    assert set(live.profiled(MONTH, DAY_END, FUNDING_RATES).waits_for) == {"perpetuals_ohlcv of BTC-PERPETUAL"}
    assert [row.ts for row in live.profiled(MONTH, at(FIRST, 840)).itertuples() if not row.was_fetched] == [
        at(FIRST, 780), at(FIRST, 840)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"interest_1h": np.nan}, "hourly-rate-known"),
        ({"interest_1h": 0.2}, "hourly-rate-inside-cap"),
        ({"interest_8h": 0.3}, "eight-hour-rate-inside-cap"),
        ({"index_price": 3_000.0}, "level-agrees"),
        ({"index_price": -1.0}, "index-positive"),
    ],
)
def test_a_bad_hour_is_named_and_no_other_one(live, changed, rule):
    funding = told(hours(MONTH, DAY_END))
    for name, value in changed.items():
        getattr(funding, name)[9] = value
    half_a_day(live, funding)
    found = [each for each in broken(live, MONTH, DAY_END) if each[2] == "critical"]
    assert (10, rule, "critical") in found and {each[0] for each in found} == {10}


def test_an_hour_that_did_not_come_is_missing_once_it_is_settled(live):
    funding = told([hour for hour in hours(MONTH, DAY_END) if hour != at(FIRST, 300)])
    half_a_day(live, funding)
    assert broken(live, MONTH, DAY_END) == [(5, "hours-complete", "critical")]


def test_an_hour_waits_for_the_minute_at_its_end_and_two_that_disagree_are_settled_by_the_futures(live):
    perpetual = live.listed()
    futures = [live.instrument(f"BTC-{n}MAR25", OPENED, at(f"2025-03-{n}", 480)) for n in (21, 28)]
    live.load(MONTH, at(FIRST, 180), told(hours(MONTH, at(FIRST, 180)), index=2 * LEVEL))
    assert set(live.profiled(MONTH, at(FIRST, 180)).waits_for) == {"perpetuals_live of BTC-PERPETUAL"}
    live.minutes(perpetual, MONTH, at(FIRST, 119))
    live.asked(MONTH, at(FIRST, 119), "open candles")
    assert live.profiled(MONTH, at(FIRST, 180)).waits_for.isna().tolist() == [True, False, False]
    [row] = live.profiled(MONTH, at(FIRST, 60)).itertuples()
    assert "the futures nothing" in row.level_disagreement, "without a third neither is believed"
    for future in futures:
        live.minutes(future, MONTH, at(FIRST, 119), level=2.02 * LEVEL)
    [row] = live.profiled(MONTH, at(FIRST, 60)).itertuples()
    assert row.level_disagreement is None, "it is the perpetual that is wrong"


def test_an_hour_nothing_traded_in_is_checked_against_the_futures_or_nothing(live):
    live.listed()
    live.asked(MONTH, DAY_END, "open candles")
    live.load(MONTH, DAY_END)
    assert set(live.profiled(MONTH, DAY_END).reference) == {"none"}
    future = live.instrument("BTC-28MAR25", OPENED, at("2025-03-28", 480))
    live.minutes(future, MONTH, DAY_END)
    assert set(live.profiled(MONTH, DAY_END).reference) == {"futures"}


@pytest.mark.parametrize("passed", [True, False])
def test_once_a_day_is_closed_history_validates_its_hours_again_and_live_leaves_them_alone(live, passed):
    half_a_day(live)
    ends = at("2025-03-02")
    live.minutes(live.perpetual, DAY_END, ends)
    live.asked(MONTH, ends, "open candles")
    live.load(MONTH, ends)
    assert live.decided(MONTH, ends, passed=passed) == 24
    due = publication.pending(live.connection, FUNDING_RATES)
    assert due == []
    live.closed(MONTH)
    assert live.profiled(MONTH, ends).empty
    [month] = publication.pending(live.connection, FUNDING_RATES)
    assert (month["first_day"], month["days"]) == (FIRST, 1)
    # what is told otherwise since is decided on with the candles of the closed day
    later = told(hours(MONTH, ends))
    later.interest_1h[20] = 2e-5
    assert live.load(MONTH, ends, later).corrected == 1
    [row] = live.profiled(MONTH, ends).itertuples()
    assert (row.ts, row.reference, row.waits_for) == (at(FIRST, 21 * 60), "perpetual", None)
    assert live.decided(MONTH, ends) == 1


def test_an_hour_of_today_waits_for_the_live_minute_at_its_end_and_no_candles_that_nobody_can_load_yet(live, market):
    live.listed()
    today = live.value("SELECT date_trunc('day', now())")
    live.load(today - timedelta(hours=2), today + timedelta(hours=2))
    waits = "SELECT dataset, first_day, waits_for FROM pending ORDER BY first_day"
    yesterday = ("funding_rates", (today - timedelta(days=1)).date(), "perpetuals_ohlcv of BTC-PERPETUAL")
    live.asked(today, today + timedelta(hours=1), "open candles")
    assert live.rows(waits) == [yesterday, ("funding_live", today.date(), "perpetuals_live of BTC-PERPETUAL")]
    live.asked(today + timedelta(hours=1), today + timedelta(hours=2), "open candles")
    assert live.rows(waits) == [yesterday, ("funding_live", today.date(), None)]
    assert publication.pending(live.connection, FUNDING_RATES, by_hand=True) == []
    assert due(market.dsn(), DATASETS) == {}, "a start does not wait for what live does by the hour"
    live.decided(today, today + timedelta(hours=2))
    assert live.rows(waits) == [yesterday]


def test_funding_is_due_by_the_hour_where_live_brings_it(live):
    live.listed()
    live.rows("UPDATE store.instrument SET first_seen_at = now() - interval '90 days' RETURNING 1")
    states = "SELECT dataset, state FROM store.freshness WHERE starts_with(dataset, 'funding') ORDER BY 1 DESC"
    now = live.value("SELECT date_trunc('hour', now())")
    live.rows("UPDATE store.funding_start SET first_hour = %s RETURNING 1", now - timedelta(days=80))
    live.load(now - timedelta(days=5), now)
    live.publish_funding(live.perpetual)
    whole, hour = ("funding_rates", "fresh"), timedelta(hours=1)
    assert live.rows(states) == [whole], "live has not begun"
    live.asked(now + hour, now + 2 * hour, "open candles")
    assert live.rows(states) == [whole], "it has brought no hour yet"
    live.asked(now - timedelta(days=4), now, "open candles")
    assert live.rows(states) == [whole, ("funding_live", "fresh")]
    for behind, wanted in ((2, "late"), (6, "stale")):
        live.rows("UPDATE store.funding_rate SET state = 'held' WHERE ts > %s RETURNING 1", now - behind * hour)
        assert live.rows(states) == [whole, ("funding_live", wanted)]
    [found] = [each for each in watched.stale(live.connection, LIVE) if each.fingerprint.dataset == "funding_live"]
    assert (found.fingerprint.instruments, found.dag_id, found.told) == ("BTC", "deribit_funding_live", False)
