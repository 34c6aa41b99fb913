"""The roll calendar: in a market made by hand, where it is known which contract is held on which day."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import psycopg
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD, ROLL_CALENDAR
from deribit_warehouse.tables import CANDLE_DAY, ROLL
from deribit_warehouse.warehouse.ingestion import record_fetched
from deribit_warehouse.warehouse.profiles import profile
from tests.warehouse.days import Candles, Warehouse, at, ms

BEGIN, END = date(2025, 3, 10), date(2025, 4, 5)
MARCH, JUNE, SEPTEMBER, DECEMBER = "BTC-28MAR25", "BTC-27JUN25", "BTC-26SEP25", "BTC-26DEC25"
EXPIRIES = {
    MARCH: at("2025-03-28", 480), JUNE: at("2025-06-27", 480), SEPTEMBER: at("2025-09-26", 480),
    DECEMBER: at("2025-12-26", 480), "BTC-14MAR25": at("2025-03-14", 480), "BTC-25APR25": at("2025-04-25", 480),
    "BTC-30MAY25": at("2025-05-30", 480), "BTC-4APR25": at("2025-04-04", 480), "BTC-11APR25": at("2025-04-11", 480),
}  # fmt: skip
LEVELS = {name: 50_000.0 + 1_000 * place for place, name in enumerate(sorted(EXPIRIES, key=EXPIRIES.get))}
SHOWN = (
    "SELECT day, from_contract, to_contract FROM roll_calendar "
    "WHERE rule = %s AND eligible = %s AND rank = %s ORDER BY day"
)
TRADED = (10, 700, 1400)
LISTED = at("2025-03-01")


def trading_days(
    name: str, begins: date, ends: date, *, volume: float = 1.0, traded: tuple[int, ...] = TRADED, minutes: int = 1440
) -> Candles:
    """Days of a contract, to its expiry: a price that rises by a dollar a minute of the day, and as many dollars traded
    in some minutes whatever it is, all fresh. minutes: how long a window of one day is."""
    length = (ends - begins) // timedelta(days=1) * 1440 if minutes == 1440 else minutes
    length = min(length, int((EXPIRIES[name] - at(begins)).total_seconds() // 60))
    minute = np.arange(length) % 1440
    close = LEVELS[name] + minute.astype(float)
    cost = np.where(np.isin(minute, traded), volume * 1e6, 0.0)
    return Candles.of(
        ms(at(begins)), ms(at(begins, length)), present=np.ones(length, bool), open=close, high=close, low=close,
        close=close, volume=cost / close, cost=cost,
    )  # fmt: skip


def days(begins: date, ends: date) -> list[date]:
    return [begins + timedelta(days=n) for n in range((ends - begins).days)]


class Futures:
    """Futures of BTC that live from before BEGIN on, and their days; a series is (rule, eligible, rank)."""

    def __init__(self, warehouse: Warehouse):
        self.warehouse = warehouse
        self.ids: dict[str, int] = {}

    def contract(self, name: str, *, listed: datetime = LISTED, stored: bool = True) -> int:
        self.ids[name] = self.warehouse.instrument(name, listed, EXPIRIES[name])
        if stored:
            self.days(name, max(BEGIN, listed.date()), END)
        return self.ids[name]

    def days(self, name: str, begins: date, ends: date, **what) -> None:
        self.warehouse.candles(self.ids[name], trading_days(name, begins, ends, **what))
        record_fetched(self.warehouse.connection, self.ids[name], "candles", ms(at(begins)), ms(at(ends)))

    def day(self, name: str, day: date, **what) -> None:
        self.days(name, day, day + timedelta(days=1), **what)

    def publish(self) -> None:
        self.warehouse.publish(*self.ids.values())

    def hold(self, name: str, day: date) -> int:
        return self.warehouse.hold(
            CANDLE_DAY, [v for v in self.warehouse.newest(self.ids[name]) if v[1] == day]
        )  # fmt: skip

    def rolled(self) -> int:
        """Computes what is due and publishes it; returns how many rolls were computed."""
        computed = self.warehouse.compute(ROLL_CALENDAR)
        self.warehouse.decide(ROLL_CALENDAR)
        return computed

    def rolls(self, rule="expiry", eligible="quarterly", rank=0) -> list[tuple]:
        return self.warehouse.rows(SHOWN, rule, eligible, rank)

    def held(self, rule="expiry", eligible="quarterly", rank=0) -> dict[date, str]:
        return dict(self.warehouse.rows(
            "SELECT day, contract FROM held_contracts WHERE rule = %s AND eligible = %s AND rank = %s",
            rule, eligible, rank,
        ))  # fmt: skip

    def prices(self, day: date, rule="expiry", rank=0) -> tuple:
        [found] = self.warehouse.rows(
            "SELECT price_at, from_close, to_close, difference, ratio FROM roll_calendar "
            "WHERE day = %s AND rule = %s AND eligible = 'quarterly' AND rank = %s",
            day, rule, rank,
        )  # fmt: skip
        return found

    def profile(self) -> dict[tuple, dict]:
        with self.warehouse.connection.transaction():
            found = profile(self.warehouse.connection, ROLL_CALENDAR, at(BEGIN), at(END, 1440), currencies=["BTC"])
        assert not found[["follows", "held_in_time", "unfounded", "unpriced", "lead_unpriced"]].isna().any().any()
        return {(r["instrument"], r["rule"], r["eligible"], r["rank"]): r for r in found.to_dict("records")}


@pytest.fixture
def futures(warehouse) -> Futures:
    return Futures(warehouse)


@pytest.fixture
def quarterly(futures) -> Futures:
    """Three quarterly contracts, all traded alike."""
    for name in (MARCH, JUNE, SEPTEMBER):
        futures.contract(name)
    futures.publish()
    return futures


ROLL_DAY = date(2025, 3, 23)
"""Five days before that of the expiry of MARCH."""


def test_by_expiry_a_contract_is_left_five_days_before(quarterly):
    assert quarterly.rolled() > 0
    assert quarterly.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)]
    assert quarterly.rolls(rank=1) == [(BEGIN, None, JUNE), (ROLL_DAY, JUNE, SEPTEMBER)]
    assert quarterly.rolls(rank=2) == [(BEGIN, None, SEPTEMBER)], "from then on there is no third"
    held = quarterly.held()
    # known to the last day with candles
    assert held == {day: MARCH if day < ROLL_DAY else JUNE for day in days(BEGIN, END)}
    assert quarterly.held(rank=2) == dict.fromkeys(days(BEGIN, ROLL_DAY), SEPTEMBER)


def test_by_volume_without_a_larger_one_the_last_whole_day_is_the_last(quarterly):
    quarterly.rolled()
    assert quarterly.rolls("volume") == [(BEGIN, None, MARCH), (date(2025, 3, 28), MARCH, JUNE)]


def test_by_volume_the_roll_comes_the_day_after_and_never_goes_back(quarterly):
    quarterly.day(JUNE, date(2025, 3, 15), volume=2.0)
    quarterly.day(MARCH, date(2025, 3, 16), volume=50.0)
    quarterly.day(SEPTEMBER, date(2025, 3, 20), volume=9.0)
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.rolls("volume") == [
        (BEGIN, None, MARCH), (date(2025, 3, 16), MARCH, JUNE), (date(2025, 3, 21), JUNE, SEPTEMBER),
    ]  # fmt: skip
    assert quarterly.rolls("volume", rank=1)[1:] == [(date(2025, 3, 16), JUNE, SEPTEMBER)]
    assert quarterly.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)], "the calendar knows no volume"


def test_a_volume_that_is_not_published_decides_nothing(quarterly):
    quarterly.day(JUNE, date(2025, 3, 15), volume=2.0)
    quarterly.publish()
    quarterly.hold(MARCH, date(2025, 3, 15))
    quarterly.rolled()
    assert quarterly.rolls("volume")[1:] == [(date(2025, 3, 28), MARCH, JUNE)]


def test_the_next_contract_is_compared_not_the_farthest(quarterly):
    """One block trade in a far contract must not take the series there for half a year."""
    quarterly.day(SEPTEMBER, date(2025, 3, 15), volume=99.0)
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.rolls("volume")[1:] == [(date(2025, 3, 28), MARCH, JUNE)]


def test_what_is_eligible(futures):
    for name in EXPIRIES:
        futures.contract(name)
    futures.publish()
    futures.rolled()
    assert futures.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)]
    assert futures.rolls(eligible="monthly") == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, "BTC-25APR25")]
    assert futures.rolls(eligible="all") == [
        (BEGIN, None, MARCH), (ROLL_DAY, MARCH, "BTC-4APR25"), (date(2025, 3, 30), "BTC-4APR25", "BTC-11APR25"),
    ], "BTC-14MAR25 had four days left from the first day on"  # fmt: skip
    assert futures.rolls("volume", "all")[0] == (BEGIN, None, "BTC-14MAR25")


def test_a_contract_is_held_from_the_day_after_its_listing_and_nothing_earlier_displaces_one(futures):
    futures.contract("BTC-11APR25")
    futures.contract("BTC-4APR25", listed=at("2025-03-13", 600))
    futures.contract(JUNE, listed=at("2025-03-20"))
    futures.publish()
    futures.rolled()
    assert futures.rolls(eligible="all") == [(BEGIN, None, "BTC-11APR25")], "an earlier expiry is no way back"
    assert futures.rolls(eligible="all", rank=1) == [(date(2025, 3, 20), None, JUNE)], "listed at midnight: a whole day"


def test_a_rank_without_a_contract_is_a_gap(futures):
    futures.contract(MARCH)
    futures.contract(JUNE)
    futures.contract(SEPTEMBER, listed=at("2025-03-26", 60))
    futures.publish()
    futures.rolled()
    assert futures.rolls(rank=1) == [(BEGIN, None, JUNE), (date(2025, 3, 27), JUNE, SEPTEMBER)]
    held = futures.held(rank=1)
    assert [held.get(day) for day in days(date(2025, 3, 22), date(2025, 3, 28))] == [JUNE, *[None] * 4, SEPTEMBER]


def test_the_price_is_of_the_last_minute_before_the_roll_that_is_fresh_in_both(quarterly):
    quarterly.day(MARCH, date(2025, 3, 22), traded=(5, 600, 900, 1439))
    quarterly.day(JUNE, date(2025, 3, 22), traded=(5, 600, 899, 1438))
    # what comes after is not known yet
    quarterly.day(MARCH, ROLL_DAY, traded=(0, 1))
    quarterly.day(JUNE, ROLL_DAY, traded=(0, 1))
    quarterly.publish()
    quarterly.rolled()
    near, far = LEVELS[MARCH] + 600, LEVELS[JUNE] + 600
    assert quarterly.prices(ROLL_DAY) == (at("2025-03-22", 600), near, far, far - near, far / near)


@pytest.mark.parametrize("minute", [0, 1439])
def test_the_first_and_the_last_minute_of_a_day_count(quarterly, minute):
    quarterly.day(MARCH, date(2025, 3, 22), traded=(minute,))
    quarterly.day(JUNE, date(2025, 3, 22), traded=(minute,))
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.prices(ROLL_DAY)[0] == at("2025-03-22", minute)


def test_legs_that_are_never_fresh_together_have_no_price(quarterly):
    quarterly.day(JUNE, date(2025, 3, 22), traded=(11, 701))
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.prices(ROLL_DAY) == (None,) * 5
    assert quarterly.rolls()[1:] == [(ROLL_DAY, MARCH, JUNE)], "it rolls all the same"
    found = quarterly.profile()
    assert {key[1:]: (row["unpriced"], row["lead_unpriced"]) for key, row in found.items() if key[0] == JUNE} == {
        ("expiry", "quarterly", 0): (1, 1), ("expiry", "monthly", 0): (1, 1), ("expiry", "all", 0): (1, 0),
    } | {("volume", eligible, 0): (0, 0) for eligible in ("quarterly", "monthly", "all")} | {
        (rule, eligible, 1): (0, 0) for rule in ("expiry", "volume") for eligible in ("quarterly", "monthly", "all")
    }  # fmt: skip


def test_nothing_is_shown_before_it_was_validated(quarterly):
    assert quarterly.warehouse.pending(ROLL_CALENDAR) > 0
    computed = quarterly.warehouse.compute(ROLL_CALENDAR)
    assert computed > 0 and quarterly.rolls() == []
    assert quarterly.warehouse.decide(ROLL_CALENDAR) == computed
    assert quarterly.warehouse.pending(ROLL_CALENDAR) == 0


def test_computing_again_writes_nothing(quarterly):
    quarterly.rolled()
    written = quarterly.warehouse.rows(
        "SELECT xmin, * FROM store.roll ORDER BY version_id, instrument_id, rule, eligible, rank"
    )
    assert quarterly.rolled() == 0
    assert quarterly.warehouse.rows(
        "SELECT xmin, * FROM store.roll ORDER BY version_id, instrument_id, rule, eligible, rank"
    ) == written  # fmt: skip


def test_a_part_is_computed_where_it_is_asked_for(quarterly):
    assert quarterly.warehouse.compute(ROLL_CALENDAR, date(2025, 3, 23), date(2025, 3, 24)) > 0
    assert quarterly.warehouse.value("SELECT array_agg(DISTINCT day) FROM store.roll") == [ROLL_DAY]


def test_a_corrected_leg_is_a_new_version_and_the_old_one_stays_until_that_has_passed(quarterly):
    quarterly.rolled()
    before = quarterly.prices(ROLL_DAY)
    then = quarterly.warehouse.value("SELECT clock_timestamp()")
    quarterly.day(JUNE, date(2025, 3, 22), traded=(700,))
    assert quarterly.warehouse.pending(ROLL_CALENDAR) == 0, "what nobody validated changes nothing"
    quarterly.publish()
    # the three quarterly sets hold the same contracts here: rank 0 of the calendar, and that of rank 1 which left JUNE
    assert quarterly.warehouse.compute(ROLL_CALENDAR) == 6
    assert quarterly.prices(ROLL_DAY) == before
    quarterly.warehouse.decide(ROLL_CALENDAR)
    near, far = LEVELS[MARCH] + 700, LEVELS[JUNE] + 700
    after = (at("2025-03-22", 700), near, far, far - near, far / near)
    assert quarterly.prices(ROLL_DAY) == after
    as_of = "SELECT price_at, from_close, to_close, difference, ratio FROM rolls('BTC', as_of => %s) WHERE day = %s"
    assert quarterly.warehouse.rows(as_of, then, ROLL_DAY) == [before]
    assert quarterly.warehouse.rows(as_of, None, ROLL_DAY) == [after]


def test_a_corrected_volume_moves_the_roll(quarterly):
    quarterly.day(JUNE, date(2025, 3, 15), volume=2.0)
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.rolls("volume")[1:] == [(date(2025, 3, 16), MARCH, JUNE)]
    quarterly.day(JUNE, date(2025, 3, 15), volume=0.5)
    quarterly.day(JUNE, date(2025, 3, 19), volume=2.0)
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.rolls("volume")[1:] == [(date(2025, 3, 20), MARCH, JUNE)], "it is one roll, moved"
    assert quarterly.warehouse.pending(ROLL_CALENDAR) == 0


@pytest.mark.parametrize("leg", [MARCH, JUNE])
def test_a_day_that_is_taken_back_takes_its_rolls_with_it(quarterly, leg):
    quarterly.rolled()
    others = quarterly.rolls("volume")
    assert quarterly.hold(leg, date(2025, 3, 22)) == 1
    assert quarterly.rolls() == [(BEGIN, None, MARCH)]
    assert quarterly.rolls("volume") == others, "what it did not rest on stays"
    held = quarterly.held()
    assert ROLL_DAY not in held, "the last contract is not held beyond its time"
    assert quarterly.warehouse.pending(ROLL_CALENDAR) > 0, "the calendar says that it rolled, whatever it cost"
    quarterly.rolled()
    assert quarterly.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)]
    assert quarterly.prices(ROLL_DAY) == (None,) * 5
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.prices(ROLL_DAY)[0] == at("2025-03-22", 1400)


@pytest.mark.parametrize("already_rolled", [False, True])
def test_without_either_leg_the_day_before_it_rolls_without_a_price(quarterly, already_rolled):
    """Otherwise nothing would be held for a quarter, though every day of it is published."""
    if already_rolled:
        quarterly.rolled()
    for leg in (MARCH, JUNE, SEPTEMBER):
        quarterly.hold(leg, date(2025, 3, 22))
    assert quarterly.rolled() > 0
    assert quarterly.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)]
    assert quarterly.prices(ROLL_DAY) == (None,) * 5
    assert quarterly.held() == {day: MARCH if day < ROLL_DAY else JUNE for day in days(BEGIN, END)}
    linked = "SELECT bool_and(linked) FROM store.rolls_of(NULL) WHERE from_contract IS NOT NULL"
    assert quarterly.warehouse.value(linked)
    asked = "SELECT DISTINCT contract FROM continuous_futures('BTC', %s, %s, adjustment => 'ratio') WHERE close > 0"
    assert quarterly.warehouse.rows(asked, at(BEGIN), at(END)) == [(JUNE,)], "what was before has no price"
    assert (quarterly.rolled(), quarterly.warehouse.pending(ROLL_CALENDAR)) == (0, 0), "it is computed once"
    assert all(row["follows"] and row["held_in_time"] for row in quarterly.profile().values())
    quarterly.publish()
    quarterly.rolled()
    assert quarterly.prices(ROLL_DAY)[0] == at("2025-03-22", 1400), "the price comes with the day"


def test_a_leg_that_is_published_after_the_roll_is_enough(quarterly):
    """The one that is left: it is traded to its expiry, and of the one that is taken nothing passes yet."""
    for day in days(date(2025, 3, 22), END):
        quarterly.hold(JUNE, day)
    quarterly.hold(MARCH, date(2025, 3, 22))
    quarterly.rolled()
    assert quarterly.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)]


def test_without_either_leg_from_the_day_before_on_a_roll_is_left_as_it_is(quarterly):
    """As while a history is loaded: of what is not there yet nothing is said."""
    quarterly.rolled()
    for day in days(date(2025, 3, 22), END):
        for leg in (MARCH, JUNE):
            quarterly.hold(leg, day)
    quarterly.rolled()
    assert quarterly.rolls() == [(BEGIN, None, MARCH)]
    assert (quarterly.rolled(), quarterly.warehouse.pending(ROLL_CALENDAR)) == (0, 0)


def test_a_roll_whose_day_before_is_still_to_be_loaded_waits_for_it(futures):
    """The newest month comes before the rest of a history; nobody is told that its rolls have no price."""
    for name in (MARCH, JUNE, SEPTEMBER):
        futures.contract(name, stored=False)
        futures.days(name, ROLL_DAY, END)
    futures.publish()
    futures.rolled()
    assert (ROLL_DAY, MARCH, JUNE) not in futures.rolls()
    for name in (MARCH, JUNE, SEPTEMBER):
        futures.days(name, BEGIN, ROLL_DAY)
    futures.publish()
    futures.rolled()
    assert (ROLL_DAY, MARCH, JUNE) in futures.rolls()
    assert futures.prices(ROLL_DAY)[0] == at("2025-03-22", 1400)


def test_a_publication_that_is_killed_before_it_commits_leaves_the_old_state_whole(quarterly, market):
    """And the same run again brings the rows of one that nobody killed."""
    quarterly.rolled()
    quarterly.day(JUNE, date(2025, 3, 22), traded=(700,))
    quarterly.publish()
    brought = (
        "SELECT instrument_id, rule, eligible, rank, state, day, from_instrument_id, from_version_id, to_version_id, "
        "price_at, from_close, to_close FROM store.roll ORDER BY 1, 2, 3, 4, version_id"
    )

    def everything() -> list[list[tuple]]:
        """Every row with the transaction that wrote it, in some order that stays."""
        asked = "SELECT ctid, xmin, t.* FROM store.{} t ORDER BY ctid".format
        return [quarterly.warehouse.rows(asked(table)) for table in ("roll", "ingestion", "validation")]

    before = everything()
    with psycopg.connect(market.dsn()) as never_killed, never_killed.transaction(force_rollback=True):
        assert computed_and_published(never_killed) == 6
        wanted = never_killed.execute(brought).fetchall()
    victim = psycopg.connect(market.dsn())
    with pytest.raises(psycopg.OperationalError), victim.transaction():
        assert computed_and_published(victim) == 6
        quarterly.warehouse.rows("SELECT pg_terminate_backend(%s, 5000)", victim.info.backend_pid)
    assert everything() == before
    assert quarterly.prices(ROLL_DAY)[0] == at("2025-03-22", 1400)
    with psycopg.connect(market.dsn()) as again:
        assert computed_and_published(again) == 6
    assert quarterly.warehouse.rows(brought) == wanted
    assert quarterly.prices(ROLL_DAY)[0] == at("2025-03-22", 700)


def computed_and_published(connection: psycopg.Connection) -> int:
    """What a run does in one transaction, which the caller ends."""
    run = Warehouse(connection)
    return run.compute(ROLL_CALENDAR) and run.decide(ROLL_CALENDAR)


def test_a_decision_that_is_taken_back_is_taken_on_another_day(quarterly):
    quarterly.day(JUNE, date(2025, 3, 15), volume=2.0)
    quarterly.day(JUNE, date(2025, 3, 17), volume=2.0)
    quarterly.publish()
    quarterly.rolled()
    quarterly.hold(JUNE, date(2025, 3, 15))
    assert quarterly.rolls("volume") == [(BEGIN, None, MARCH)]
    quarterly.rolled()
    assert quarterly.rolls("volume")[1:] == [(date(2025, 3, 18), MARCH, JUNE)]


def test_a_contract_that_a_correction_leaves_out_is_in_no_view(futures):
    futures.contract("BTC-4APR25")
    futures.contract("BTC-11APR25", stored=False)
    futures.contract("BTC-25APR25")
    futures.publish()
    futures.rolled()
    past = date(2025, 3, 30)
    assert futures.rolls(eligible="all") == [(BEGIN, None, "BTC-4APR25"), (past, "BTC-4APR25", "BTC-11APR25")]
    # its listing is learned to have come too late
    futures.warehouse.connection.execute(
        "UPDATE store.instrument SET listed_at = %s WHERE instrument = 'BTC-11APR25'", [at("2025-03-30", 60)]
    )
    futures.rolled()
    assert futures.rolls(eligible="all") == [(BEGIN, None, "BTC-4APR25"), (past, "BTC-4APR25", "BTC-25APR25")]
    assert futures.warehouse.pending(ROLL_CALENDAR) == 0
    futures.warehouse.connection.execute(
        "UPDATE store.instrument SET listed_at = %s WHERE instrument = 'BTC-11APR25'", [at("2025-03-01")]
    )
    futures.rolled()
    assert futures.rolls(eligible="all")[1][2] == "BTC-11APR25", "and comes back"


def test_earlier_history_that_comes_later_moves_the_beginning(futures):
    for name in (MARCH, JUNE):
        futures.contract(name, stored=False)
        futures.days(name, date(2025, 3, 24), END)
    futures.publish()
    futures.rolled()
    assert futures.rolls() == [(date(2025, 3, 24), None, JUNE)]
    for name in (MARCH, JUNE):
        futures.days(name, BEGIN, date(2025, 3, 24))
    futures.publish()
    futures.rolled()
    assert futures.rolls() == [(BEGIN, None, MARCH), (ROLL_DAY, MARCH, JUNE)]


def test_families_do_not_mix(futures, warehouse):
    futures.contract(MARCH)
    futures.contract(JUNE)
    other = warehouse.instrument("BTC_USDC-27JUN25", at("2025-03-01"), EXPIRIES[JUNE], quote="USDC", settlement="USDC")
    warehouse.candles(other, trading_days(JUNE, BEGIN, END, volume=99.0))
    futures.ids["BTC_USDC-27JUN25"] = other
    futures.publish()
    futures.rolled()
    asked = "SELECT day, to_contract FROM rolls('BTC', 'volume', quote_currency => %s)"
    assert warehouse.rows(asked, "USD") == [(BEGIN, MARCH), (date(2025, 3, 28), JUNE)]
    assert warehouse.rows(asked, "USDC") == [(BEGIN, "BTC_USDC-27JUN25")]


def test_the_profile_says_what_is_good(quarterly):
    quarterly.rolled()
    found = quarterly.profile()
    assert len(found) == quarterly.warehouse.value("SELECT count(*) FROM store.roll")
    row = found[JUNE, "expiry", "quarterly", 0]
    assert (row["follows"], row["held_in_time"], row["unfounded"], row["unpriced"]) == (True, True, False, 0)
    assert (row["day"], row["days_later"], row["price_minutes"]) == (ROLL_DAY, 91.0, 40.0)
    assert row["price_distance"] == pytest.approx((LEVELS[JUNE] + 1400) / (LEVELS[MARCH] + 1400) - 1)
    assert all(r["follows"] and r["held_in_time"] and not r["unfounded"] for r in found.values())


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("day = '2025-03-20'", {"unfounded": True}),
        ("day = '2025-06-26'", {"held_in_time": False}),
        ("from_instrument_id = instrument_id", {"follows": False, "days_later": 0.0}),
        ("to_close = to_close * 3", {"price_distance": None}),
    ],
)
def test_the_profile_sees_what_is_wrong(quarterly, change, wrong):
    quarterly.rolled()
    before = quarterly.profile()[JUNE, "expiry", "quarterly", 0]
    quarterly.warehouse.connection.execute(
        f"UPDATE store.roll SET {change} "
        "WHERE rule = 'expiry' AND eligible = 'quarterly' AND rank = 0 AND instrument_id = %s",
        [quarterly.ids[JUNE]],
    )
    with quarterly.warehouse.connection.transaction():
        found = profile(quarterly.warehouse.connection, ROLL_CALENDAR, at(BEGIN), at("2025-07-01"), currencies=["BTC"])
    [row] = found.query(
        f"instrument == '{JUNE}' and rule == 'expiry' and eligible == 'quarterly' and rank == 0"
    ).to_dict("records")
    for column, value in wrong.items():
        assert row[column] != before[column]
        assert value is None or row[column] == value


def test_coverage_counts_days_with_a_contract(quarterly):
    quarterly.rolled()
    quarterly.warehouse.decide(ROLL_CALENDAR, passed=False, days=[ROLL_DAY])
    asked = (
        "SELECT minutes, present, published_minutes FROM coverage "
        "WHERE dataset = 'roll_calendar' AND instrument = %s AND month = '2025-03-01'"
    )
    march = quarterly.warehouse.rows(asked, "BTC/USD/BTC/reversed expiry quarterly")
    # from the listing on; from the first candle on; and without the roll of the 23rd nothing after it
    assert march == [(31, 22, 13)]


def test_a_typing_error_is_no_empty_answer(warehouse):
    for wrong in ("rule => 'expiri'", "eligible => 'weekly'", "rank => 3", "rank => NULL"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=wrong.split()[0]):
            warehouse.rows(f"SELECT * FROM rolls('BTC', {wrong})")


def test_a_roll_is_no_input_of_the_basis(quarterly):
    """What is taken back of a roll takes nothing else with it."""
    quarterly.rolled()
    quarterly.warehouse.decide(ROLL_CALENDAR, passed=False)
    assert quarterly.rolls() == []
    assert quarterly.warehouse.compute(ROLL_CALENDAR) == 0, "it was validated: it waits for other input"
    assert quarterly.warehouse.value("SELECT count(*) FROM store.candle_day WHERE state <> 'published'") == 0
    assert BASIS_SPREAD.table != ROLL
