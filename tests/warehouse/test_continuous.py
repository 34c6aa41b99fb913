"""Continuous futures: candles joined by rolls, adjusted or not, against arithmetic on what went in."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deribit_warehouse.datasets import ROLL_CALENDAR
from tests.warehouse.days import Warehouse, at
from tests.warehouse.test_rolls import BEGIN, END, JUNE, LEVELS, MARCH, ROLL_DAY, SEPTEMBER, TRADED, Futures

FIRST_ROLL, SECOND_ROLL = date(2025, 3, 16), date(2025, 3, 21)
"""By volume: MARCH to JUNE, JUNE to SEPTEMBER."""


def asked(warehouse: Warehouse, begins=BEGIN, ends=END, *, rule="volume", adjustment="none", **more) -> list[tuple]:
    """(ts, contract, close, rolled) of the minutes from the beginning of a day to that of another."""
    given = {"rule": rule, "adjustment": adjustment} | more
    named = ", ".join(f"{name} => %s" for name in given)
    begins, ends = (at(each) if type(each) is date else each for each in (begins, ends))
    return warehouse.rows(
        f"SELECT ts, contract, close, rolled FROM continuous_futures('BTC', %s, %s, {named})",
        begins, ends, *given.values(),
    )  # fmt: skip


def contract_on(day: date) -> str:
    return MARCH if day < FIRST_ROLL else JUNE if day < SECOND_ROLL else SEPTEMBER


def traded_close(name: str, minute: int) -> float:
    return LEVELS[name] + minute


def filled(warehouse: Warehouse) -> Futures:
    futures = Futures(warehouse)
    for name in (MARCH, JUNE, SEPTEMBER):
        futures.contract(name)
    futures.day(JUNE, FIRST_ROLL - timedelta(days=1), volume=2.0)
    futures.day(SEPTEMBER, SECOND_ROLL - timedelta(days=1), volume=2.0)
    futures.publish()
    futures.rolled()
    assert futures.rolls("volume")[1:] == [(FIRST_ROLL, MARCH, JUNE), (SECOND_ROLL, JUNE, SEPTEMBER)]
    return futures


@pytest.fixture
def futures(warehouse) -> Futures:
    return filled(warehouse)


def test_without_adjustment_every_minute_is_the_contracts_own(futures):
    found = asked(futures.warehouse)
    wanted = []
    for n in range((END - BEGIN).days * 1440):
        day, minute = BEGIN + timedelta(days=n // 1440), n % 1440
        name = contract_on(day)
        wanted.append(
            (at(day, minute), name, traded_close(name, minute), day in (FIRST_ROLL, SECOND_ROLL) and not minute)
        )
    assert found == wanted


LAST = TRADED[-1]  # the minute of the day before that all are fresh in
DIFFERENCES = LEVELS[JUNE] - LEVELS[MARCH], LEVELS[SEPTEMBER] - LEVELS[JUNE]
RATIOS = (
    traded_close(JUNE, LAST) / traded_close(MARCH, LAST), traded_close(SEPTEMBER, LAST) / traded_close(JUNE, LAST),
)  # fmt: skip


@pytest.mark.parametrize("adjustment", ["difference", "ratio"])
def test_earlier_contracts_are_moved_by_every_roll_after_them(futures, adjustment):
    for ts, name, close, _ in asked(futures.warehouse, adjustment=adjustment):
        rolls_after = {MARCH: (0, 1), JUNE: (1,), SEPTEMBER: ()}[name]
        own = traded_close(name, ts.hour * 60 + ts.minute)
        if adjustment == "difference":
            assert close == own + sum(DIFFERENCES[k] for k in rolls_after)
        else:
            assert math.isclose(close, own * math.prod(RATIOS[k] for k in rolls_after), rel_tol=1e-12)


def test_no_roll_after_the_end_is_looked_at(futures):
    """So that a series asked for to the evening of a day is the one that was known then."""
    for adjustment in ("none", "difference", "ratio"):
        found = asked(futures.warehouse, ends=SECOND_ROLL, adjustment=adjustment)
        last = [row for row in found if row[1] == JUNE]
        assert last == [row for row in asked(futures.warehouse, ends=SECOND_ROLL) if row[1] == JUNE]
        assert {name for _, name, *_ in found} == {MARCH, JUNE}
    moved = asked(futures.warehouse, ends=at(SECOND_ROLL, 1), adjustment="difference")
    assert moved[0][2] == traded_close(MARCH, 0) + sum(DIFFERENCES), "a minute later it has rolled"


def test_a_part_of_the_range_is_adjusted_as_the_whole(futures):
    whole = {row[0]: row for row in asked(futures.warehouse, adjustment="ratio")}
    part = asked(futures.warehouse, at(FIRST_ROLL, -90), END, adjustment="ratio")
    assert part == [whole[ts] for ts, *_ in part] and len(part) == ((END - FIRST_ROLL).days * 24 * 60) + 90
    # the first row asked for is not the first after a roll, unless it is
    [row] = asked(futures.warehouse, at(FIRST_ROLL, 5), at(FIRST_ROLL, 6))
    assert row == (at(FIRST_ROLL, 5), JUNE, traded_close(JUNE, 5), False)
    [row] = asked(futures.warehouse, at(FIRST_ROLL), at(FIRST_ROLL, 1))
    assert row[3]


def test_all_prices_are_adjusted_and_no_amount(futures):
    columns = "open, high, low, close, volume, cost, traded, fresh"
    rows = "SELECT {} FROM continuous_futures('BTC', %s, %s, 'volume', adjustment => %s)"
    span = at(FIRST_ROLL, -10), at(FIRST_ROLL, 15)
    plain = futures.warehouse.rows(rows.format(columns), *span, "none")
    moved = futures.warehouse.rows(rows.format(columns), *span, "difference")
    for n, (before, after) in enumerate(zip(plain, moved, strict=True)):
        shift = DIFFERENCES[0] if n < 10 else 0
        assert after == (*(price + shift for price in before[:4]), *before[4:])
    own = futures.warehouse.rows(f"SELECT {columns} FROM candles(%s, %s, %s)", JUNE, at(FIRST_ROLL), span[1])
    assert plain[10:] == own


def test_before_a_roll_without_a_price_nothing_is_known(futures):
    futures.day(MARCH, FIRST_ROLL - timedelta(days=1), traded=(11,))
    futures.publish()
    futures.rolled()
    assert futures.prices(FIRST_ROLL, "volume") == (None,) * 5
    for adjustment in ("difference", "ratio"):
        found = asked(futures.warehouse, adjustment=adjustment)
        assert {close for _, name, close, _ in found if name == MARCH} == {None}
        assert None not in {close for _, name, close, _ in found if name != MARCH}
    assert None not in {close for _, _, close, _ in asked(futures.warehouse)}, "as it was traded it is known"


def test_before_a_roll_that_is_not_published_nothing_is_known(futures):
    futures.warehouse.decide(ROLL_CALENDAR, passed=False, days=[FIRST_ROLL])
    found = asked(futures.warehouse, adjustment="difference")
    assert [name for name, _ in pairwise(dict.fromkeys(name for _, name, *_ in found))] == [MARCH]
    assert {close for _, name, close, _ in found if name == MARCH} == {None}
    assert {name for _, name, *_ in found} == {MARCH, SEPTEMBER}


def test_a_missing_minute_is_a_row_of_nulls_and_a_day_that_is_not_published_none(futures):
    futures.hold(JUNE, FIRST_ROLL + timedelta(days=1))
    there = {ts.date() for ts, *_ in asked(futures.warehouse)}
    assert FIRST_ROLL in there and FIRST_ROLL + timedelta(days=1) not in there


def test_the_first_minute_after_a_roll_is_the_first_there_is(futures):
    futures.hold(JUNE, FIRST_ROLL)
    rolled = [ts for ts, _, _, rolled in asked(futures.warehouse) if rolled]
    assert rolled == [at(FIRST_ROLL, 1440), at(SECOND_ROLL)]


def test_what_was_shown_at_a_moment_can_be_asked(futures):
    before = asked(futures.warehouse, adjustment="difference")
    moment = futures.warehouse.value("SELECT clock_timestamp()")
    futures.day(JUNE, FIRST_ROLL - timedelta(days=1), volume=0.5)
    futures.publish()
    futures.rolled()
    assert futures.rolls("volume")[1:] == [(date(2025, 3, 28), MARCH, JUNE)]
    assert asked(futures.warehouse, adjustment="difference", as_of=moment) == before
    assert asked(futures.warehouse, adjustment="difference") != before


def test_by_expiry_and_by_rank(futures):
    found = asked(futures.warehouse, rule="expiry", rank=1)
    assert {(ts.date() >= ROLL_DAY, name) for ts, name, *_ in found} == {(False, JUNE), (True, SEPTEMBER)}


def test_a_typing_error_is_no_empty_answer(warehouse):
    wrongs = {"rule": "volumes"}, {"adjustment": "panama"}, {"eligible": "week"}, {"rank": 5}, {"adjustment": None}
    for wrong in wrongs:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=next(iter(wrong))):
            asked(warehouse, **wrong)


@pytest.mark.parametrize("wrong", [1e308, math.nan, math.inf, -1.0])
def test_a_waived_price_stops_nobody(futures, wrong):
    day = FIRST_ROLL - timedelta(days=3)
    futures.warehouse.connection.execute(
        "UPDATE store.candle_day SET close[100] = %s WHERE day = %s AND instrument_id = %s",
        [wrong, day, futures.ids[MARCH]],
    )
    found = {ts: close for ts, _, close, _ in asked(futures.warehouse, adjustment="ratio")}
    assert found[at(day, 99)] is None and found[at(day, 98)] is not None


@pytest.fixture(scope="module")
def shared(shared_warehouse) -> Futures:
    return filled(shared_warehouse)


minutes_of_range = st.integers(0, (END - BEGIN).days * 1440)


@settings(max_examples=25, deadline=None)
@given(bounds=st.tuples(minutes_of_range, minutes_of_range), adjustment=st.sampled_from(["difference", "ratio"]))
def test_an_adjusted_series_keeps_what_it_promises(shared, bounds, adjustment):
    """Within a contract changes in USD (difference) or returns (ratio) are its own; at a roll they are those of the new
    one, as if it had been held in the minute of the price already."""
    begins, ends = (at(BEGIN, minute) for minute in sorted(bounds))
    plain = asked(shared.warehouse, begins, ends)
    moved = asked(shared.warehouse, begins, ends, adjustment=adjustment)
    assert [row[:2] for row in moved] == [row[:2] for row in plain]
    assert len(plain) == (ends - begins) // timedelta(minutes=1), "one row a minute, whatever is held"
    if not plain:
        return
    own, adjusted = (np.array([row[2] for row in rows]) for rows in (plain, moved))
    names = [row[1] for row in plain]
    assert own[-1] == adjusted[-1], "the last contract has its own prices"
    for n, (near, far) in enumerate(pairwise(names)):
        if near == far:
            if adjustment == "difference":
                assert adjusted[n + 1] - adjusted[n] == own[n + 1] - own[n]
            else:
                assert math.isclose(adjusted[n + 1] / adjusted[n], own[n + 1] / own[n], rel_tol=1e-12)
        else:
            # the prices of both are of minute LAST, and both rise by a dollar a minute
            came = traded_close(far, 0) - traded_close(far, LAST)
            if adjustment == "difference":
                assert adjusted[n + 1] - (adjusted[n] - (1439 - LAST)) == pytest.approx(came, abs=1e-6)
