"""Which contract a series holds on which day: what is true whatever was traded, and whatever of it is published."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.days import at
from tests.warehouse.test_rolls import (
    BEGIN,
    DECEMBER,
    END,
    EXPIRIES,
    JUNE,
    MARCH,
    SEPTEMBER,
    Futures,
    days,
    trading_days,
)

SPAN = days(BEGIN, END)
CONTRACTS = sorted(EXPIRIES, key=EXPIRIES.get)
LISTED_AT = {
    name: at(BEGIN - timedelta(days=5) + timedelta(days=3 * (place * 5 % 7)), 60 * place)
    for place, name in enumerate(CONTRACTS)
} | {DECEMBER: at("2025-03-01")}
"""In another order than they expire in, so that some come in between."""

STORED = [
    (name, day) for name in CONTRACTS for day in SPAN if LISTED_AT[name].date() <= day and at(day) < EXPIRIES[name]
]
ALWAYS = {(DECEMBER, SPAN[0]), (DECEMBER, SPAN[-1])}
"""So that every series begins and ends with the days there are."""

turnovers = st.binary(min_size=len(STORED), max_size=len(STORED)).map(
    lambda drawn: {
        key: 1.0 if key in ALWAYS else (1.0, 2.0, 3.0, 0.0, None)[byte % 5]
        for key, byte in zip(STORED, drawn, strict=True)
    }
)
"""What each day of each contract turned over; None: it is not published."""

few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def shared(shared_warehouse) -> Futures:
    """Every contract with a minute a day: what a test changes of it is rolled back."""
    market = Futures(shared_warehouse)
    for name in CONTRACTS:
        market.contract(name, listed=LISTED_AT[name], stored=False)
    for name, day in STORED:
        shared_warehouse.candles(market.ids[name], trading_days(name, day, day, traded=(0,), minutes=1))
    market.publish()
    return market


def chain(market: Futures, turnovers: dict[tuple[str, date], float | None]) -> list[tuple]:
    """(rule, eligible, rank, day, from, to) with these turnovers; None: the day is not published."""
    names = {instrument_id: name for name, instrument_id in market.ids.items()}
    keys = [(market.ids[name], day, value) for (name, day), value in turnovers.items()]
    with market.warehouse.connection.transaction(force_rollback=True):
        market.warehouse.connection.execute(
            "UPDATE store.candle_day c SET turnover = coalesce(k.turnover, 0), "
            "state = (CASE WHEN k.turnover IS NULL THEN 'held' ELSE 'published' END)::store.state "
            "FROM unnest(%s::integer[], %s::date[], %s::float8[]) AS k(instrument_id, day, turnover) "
            "WHERE (c.instrument_id, c.day) = (k.instrument_id, k.day)",
            [list(column) for column in zip(*keys, strict=True)],
        )
        found = market.warehouse.connection.execute(
            "SELECT rule, eligible, rank, day, from_instrument_id, instrument_id FROM store.roll_chain() "
            "ORDER BY 1, 2, 3, 4"
        ).fetchall()
    return [(*row[:4], names.get(row[4]), names[row[5]]) for row in found]


def series_of(found: list[tuple]) -> dict[tuple, list[tuple]]:
    of: dict[tuple, list[tuple]] = {}
    for *series, day, left, taken in found:
        of.setdefault(tuple(series), []).append((day, left, taken))
    return of


@few
@given(turnovers=turnovers)
def test_no_series_ever_rolls_back_and_each_holds_one_contract_a_day(shared, turnovers):
    held: dict[tuple, dict[date, str]] = {}
    for series, rolls in series_of(chain(shared, turnovers)).items():
        expiries = [EXPIRIES[taken] for _, _, taken in rolls]
        assert expiries == sorted(set(expiries)), f"{series} rolls forward only"
        moments = [day for day, _, _ in rolls]
        assert moments == sorted(set(moments)), f"{series} rolls once a day at most"
        assert rolls[0][1] is None
        assert all(a[2] == b[1] for a, b in pairwise(rolls)), f"{series} leaves what it has taken"
        ends = [*moments[1:], END]
        held[series] = {
            day: taken
            for (begins, _, taken), past in zip(rolls, ends, strict=True)
            for day in days(begins, past) if at(day, 1440) <= EXPIRIES[taken]
        }  # fmt: skip
    for (rule, eligible, rank), of_day in held.items():
        if rank == 0:
            assert list(of_day) == days(next(iter(of_day)), END), "no day without a contract"
        else:
            lower = held[rule, eligible, rank - 1]
            assert set(of_day) <= set(lower), "no rank without the one before it"
            assert all(EXPIRIES[lower[day]] <= EXPIRIES[taken] for day, taken in of_day.items())


@few
@given(turnovers=turnovers, place=st.integers(1, len(SPAN) - 1), other=st.sampled_from([None, 0.0, 5.0]))
def test_no_roll_knows_what_comes_after_the_day_before_it(shared, turnovers, place, other):
    """Whatever becomes of a day and those after it, the rolls up to the morning of that day are the same; where nothing
    of it is published (None), a series is not known on it."""
    morning = SPAN[place]
    changed = {key: other if key[1] >= morning else value for key, value in turnovers.items()}
    known = morning if other is not None else SPAN[place - 1]
    before = [roll for roll in chain(shared, turnovers) if roll[3] <= known]
    assert [roll for roll in chain(shared, changed) if roll[3] <= known] == before


@few
@given(turnovers=turnovers)
def test_by_expiry_volumes_say_nothing(shared, turnovers):
    plain = chain(shared, dict.fromkeys(turnovers, 1.0))
    assert [roll for roll in chain(shared, turnovers) if roll[0] == "expiry"] == [
        roll for roll in plain if roll[0] == "expiry"
    ]


@few
@given(turnovers=turnovers)
def test_by_volume_the_lead_moves_as_a_plain_walk_says(shared, turnovers):
    found = series_of(chain(shared, turnovers))["volume", "quarterly", 0]
    quarterly = [name for name in CONTRACTS if name in (MARCH, JUNE, SEPTEMBER, DECEMBER)]
    held, wanted = None, []
    for day in days(BEGIN, END):
        there = [name for name in quarterly if LISTED_AT[name] <= at(day) and EXPIRIES[name] >= at(day, 1440)]
        if not there:
            continue
        yesterday = day - timedelta(days=1)
        now = held if held in there else there[0]
        if held == now and there[-1] != now:
            following = there[there.index(now) + 1]
            mine, its = (turnovers.get((name, yesterday)) for name in (now, following))
            if None not in (mine, its) and its > mine:
                now = following
        if now != held:
            wanted.append((day, held, now))
            held = now
    assert found == wanted
