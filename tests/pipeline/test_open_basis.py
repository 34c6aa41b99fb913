"""The basis of open days: validated with the leg that completes it, held back a minute at a time, and shown again."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Thread
from types import SimpleNamespace

import psycopg
import pytest

from deribit_warehouse.datasets import BASIS_LIVE, BASIS_SPREAD, FUTURES_LIVE, PERPETUALS_LIVE
from deribit_warehouse.pipeline.validate_and_publish import (
    Validated,
    days_between,
    validate_and_publish,
    validate_computed,
)
from deribit_warehouse.warehouse import open_days, publication

from ..warehouse.days import FIRST, MINUTE, at, ms
from ..warehouse.test_open_candles import BEGINS, Live, day_of, live

__all__ = ["live"]  # a fixture

CONTEXT = {"dag_run": SimpleNamespace(dag_id="deribit_futures_live", run_id="run")}
PERPETUAL, NEAR, FAR = "BTC-PERPETUAL", "BTC-28MAR25", "BTC-27JUN25"
NO_PRICE = {**dict.fromkeys(("open", "high", "low", "close"), 1e-60), "volume": 0.0, "cost": 0.0}
"""An untraded minute whose price is more than 0, and nothing to calculate with."""


def run(live: Live, dataset, minutes: int = 30, *, connection=None) -> list[Validated]:
    """Validates and publishes a leg of the day's first minutes, and the basis with it: what of the basis came of it."""
    connection = connection or live.connection
    with connection.transaction():
        return publish(connection, dataset, minutes)


def publish(connection, dataset, minutes: int) -> list[Validated]:
    validated = validate_and_publish(connection, dataset, CONTEXT, BEGINS, at(FIRST, minutes))
    assert validated
    return validate_computed(connection, dataset, CONTEXT, validated)


def load(live: Live, changed: dict | None = None, *, minutes: int = 30) -> dict[str, int]:
    """Stores the first minutes of the day of all three contracts. changed: of those named other candles."""
    ids = live.listed()
    for name, instrument_id in ids.items():
        live.minutes(instrument_id, (changed or {}).get(name) or first(name, minutes))
    return ids


def first(name: str, minutes: int = 30):
    return day_of(name, ends=at(FIRST, minutes))


def trades(name: str, minute: int, price: float | None = None):
    """A contract's first minutes, of which it trades in this one, at a price or the one it has."""
    told = first(name)
    price = told.close[minute] if price is None else price
    return told.setting(minute, volume=1.0, cost=price, open=price, high=price, low=price, close=price)


def quiet(name: str, minute: int):
    """A contract's first minutes, of which it does not trade in this one."""
    told = first(name)
    price = told.close[minute]
    return told.setting(minute, volume=0.0, cost=0.0, open=price, high=price, low=price)


def named(live: Live) -> list[tuple]:
    """(instrument, minute, rule) of what is held back of the basis."""
    held = live.rows("SELECT instrument, ts, rule FROM quarantined WHERE dataset = 'basis_live' ORDER BY 1, 2, 3")
    return [(instrument, minute_of(ts), rule) for instrument, ts, rule in held]


def missing(minute: int) -> list[tuple]:
    """The same where a minute of both futures has no basis."""
    rules = ("basis-complete", "basis-not-invented")
    return [(name, minute, rule) for name in (FAR, NEAR) for rule in rules]


def minute_of(ts: datetime) -> int:
    return (ms(ts) - ms(BEGINS)) // MINUTE


def shown(live: Live, *, at_: datetime | None = None, name: str = NEAR) -> list[int]:
    """The minutes of which there is a basis."""
    asked = live.rows("SELECT ts FROM basis(%s, '2025-03-01', '2025-03-02', as_of => %s) ORDER BY 1", name, at_)
    return [minute_of(ts) for [ts] in asked]


def outcomes(live: Live) -> list[tuple]:
    return live.rows(
        "SELECT outcome, rows_checked, result IS NULL FROM store.validation WHERE dataset = 'basis_live' ORDER BY 1"
    )


def test_a_basis_is_validated_once_with_its_later_leg_and_costs_a_row(live):
    load(live)
    assert run(live, PERPETUALS_LIVE) == []
    [validated] = run(live, FUTURES_LIVE)
    assert (validated.decision.outcome, validated.rows, validated.published, validated.changes) == ("passed", 60, 60, 0)
    assert run(live, FUTURES_LIVE) == run(live, PERPETUALS_LIVE) == [], "nothing is new"
    assert outcomes(live) == [("passed", 60, True)]
    assert live.value("SELECT count(*) FROM store.held_basis") == 0
    assert shown(live) == shown(live, name=FAR) == list(range(30))


def test_a_basis_whose_perpetual_comes_later_waits_for_it(live):
    load(live)
    assert run(live, FUTURES_LIVE) == [], "it is there, and nothing was decided"
    [validated] = run(live, PERPETUALS_LIVE)
    assert (validated.decision.outcome, validated.rows) == ("passed", 60)


def test_of_two_transactions_that_publish_a_leg_each_the_later_one_validates_the_basis(live, market):
    """Neither sees what the other one has not committed."""
    load(live)
    found: list[Validated] = []
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as other:
        later = Thread(target=lambda: found.extend(run(live, FUTURES_LIVE, connection=other)))
        with live.connection.transaction():
            assert publish(live.connection, PERPETUALS_LIVE, 30) == []
            later.start()
            later.join(0.5)
            while live.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 0:
                later.join(0.1)
                assert later.is_alive(), "it did not wait"
        later.join()
    assert [each.rows for each in found] == [60]


def test_who_is_at_another_day_is_not_waited_for(live, market):
    """A run that makes up for older hours does not keep the newest minutes from being shown."""
    load(live)
    live.connection.execute("SET lock_timeout = '5s'")
    with psycopg.connect(market.dsn(), autocommit=True) as other, other.transaction():
        publication.compute_alone(other, BASIS_LIVE, [FIRST - timedelta(days=1), FIRST + timedelta(days=1)])
        assert run(live, PERPETUALS_LIVE) == []
        assert [each.rows for each in run(live, FUTURES_LIVE)] == [60]


@pytest.mark.parametrize(
    ("begins", "ends", "days"),
    [(0, 60, [0]), (1380, 1440, [0]), (1380, 1441, [0, 1]), (1440, 1440, [1]), (0, 2881, [0, 1, 2])],
)
def test_an_interval_is_locked_by_the_days_that_it_has_a_part_of(begins, ends, days):
    expected = [FIRST + timedelta(days=n) for n in days]
    assert days_between(at(FIRST, begins), at(FIRST, ends)) == expected


def test_a_basis_that_is_no_number_is_held_back_though_both_legs_have_passed(live):
    # where nothing was traded no level is compared, and before the first minute there is none it could have moved from
    ids = load(
        live, {PERPETUAL: first(PERPETUAL).setting(0, **NO_PRICE), NEAR: quiet(NEAR, 0), FAR: first(FAR).without(0)}
    )
    assert run(live, PERPETUALS_LIVE) == []
    [validated] = run(live, FUTURES_LIVE)
    legs = "SELECT instrument FROM {} WHERE ts = %s"
    assert live.rows(legs.format("perpetuals_ohlcv"), BEGINS) == [(PERPETUAL,)]
    assert live.rows(legs.format("futures_ohlcv"), BEGINS) == [(NEAR,)]
    assert named(live) == [(NEAR, 0, "values-finite")]
    assert (validated.decision.outcome, validated.changes) == ("quarantined", 1)
    # from no price to a price is no move that there can be: of minute 1 the suites of the legs hold back both
    assert shown(live) == list(range(2, 30))
    for source in ("basis_spread", "term_structure", "basis_constant_maturity"):
        assert live.value(f"SELECT min(ts) FROM {source}") == at(FIRST, 2), source
    for function in ("term_structure_at('BTC', %s)", "constant_maturity('BTC', %s, '2025-03-01 00:01')"):
        assert live.rows(f"SELECT * FROM {function}", BEGINS) == [], function
    assert live.rows("SELECT instrument FROM term_structure_at('BTC', '2025-03-01 00:02')") == [(NEAR,), (FAR,)]

    # told otherwise it is another pair
    before = live.value("SELECT max(validated_at) FROM store.validation")
    live.minutes(ids[PERPETUAL], first(PERPETUAL))
    [validated] = run(live, PERPETUALS_LIVE)
    assert (validated.rows, validated.decision.outcome) == (1, "passed")
    assert [each.rows for each in run(live, FUTURES_LIVE)] == [2]
    assert named(live) == [] and shown(live) == list(range(30))
    assert shown(live, at_=before) == list(range(2, 30))
    # at no moment was there a basis of what was held back: not even between the validation of its leg and its own
    for [moment] in live.rows("SELECT validated_at FROM store.validation WHERE validated_at <= %s", before):
        assert 0 not in shown(live, at_=moment)


def test_a_minute_that_the_perpetual_lacks_has_no_basis_and_is_named(live):
    ids = load(live, {PERPETUAL: first(PERPETUAL).without(7)})
    run(live, PERPETUALS_LIVE)
    [validated] = run(live, FUTURES_LIVE)
    assert (validated.decision.outcome, validated.changes) == ("quarantined", 0), "there is nothing to hold back"
    assert named(live) == missing(7)
    assert [each.rows for each in run(live, FUTURES_LIVE)] == [2], "as long as it lies in the interval"
    assert named(live) == missing(7) and shown(live) == [*range(7), *range(8, 30)]
    live.minutes(ids[PERPETUAL], first(PERPETUAL))
    assert run(live, FUTURES_LIVE) == [], "it is there, and nothing was decided"
    run(live, PERPETUALS_LIVE)
    assert named(live) == [] and shown(live) == list(range(30))


def test_a_minute_the_perpetual_was_not_asked_for_yet_is_waited_for(live):
    ids = live.listed()
    live.minutes(ids[PERPETUAL], first(PERPETUAL).cut(BEGINS, at(FIRST, 29)))
    live.minutes(ids[NEAR], first(NEAR))
    run(live, PERPETUALS_LIVE)
    [validated] = run(live, FUTURES_LIVE)
    assert (validated.rows, named(live)) == (29, [])
    live.minutes(ids[PERPETUAL], first(PERPETUAL))
    assert [each.rows for each in run(live, PERPETUALS_LIVE)] == [1]


def test_what_is_taken_back_leaves_no_basis_is_named_and_is_over_once_it_is_back(live):
    ids = load(live)
    run(live, PERPETUALS_LIVE), run(live, FUTURES_LIVE)
    live.take_back(ids[PERPETUAL], at(FIRST, 29))
    assert shown(live) == list(range(29))
    run(live, FUTURES_LIVE)
    assert named(live) == missing(29)
    run(live, PERPETUALS_LIVE)
    assert named(live) == [] and shown(live) == list(range(30))


def test_an_unusual_basis_is_named_and_shown(live):
    far = first(FAR)
    high = dict.fromkeys(("open", "high", "low", "close"), 1.3 * far.close[29])
    load(live, {FAR: far.setting(29, volume=1.0, cost=high["close"], **high), PERPETUAL: trades(PERPETUAL, 29)})
    run(live, PERPETUALS_LIVE)
    [validated] = run(live, FUTURES_LIVE)
    assert validated.decision.outcome == "warned" and named(live) == []
    rules = "SELECT rule FROM quality_findings WHERE dataset = 'basis_live' AND instrument = %s AND ts = %s"
    assert live.rows(rules, FAR, at(FIRST, 29)) == [("fraction-usual",)]
    assert shown(live, name=FAR) == list(range(30))


@pytest.fixture
def broken(monkeypatch):
    """The suite of the basis says that the batch as a whole is broken."""
    from dataclasses import replace

    from deribit_warehouse.quality import validate

    real = validate.decide

    def decide(validation, **more):
        decision = real(validation, **more)
        if validation.suite != BASIS_LIVE.suite:
            return decision
        return replace(decision, outcome="blocked", blocked_because=["keys-unique: for this test"])

    monkeypatch.setattr(validate, "decide", decide)
    return monkeypatch


def test_of_a_batch_that_is_broken_all_is_held_back_until_it_passes(live, broken):
    ids = load(live)
    run(live, PERPETUALS_LIVE)
    [validated] = run(live, FUTURES_LIVE)
    assert validated.decision.blocked_because and validated.changes == 60
    assert shown(live) == [] and live.value("SELECT count(*) FROM futures_ohlcv") == 60, "its legs are published"
    blocked_at = live.value("SELECT max(validated_at) FROM store.validation")
    broken.undo()
    # the same versions again: taken back, and published by the next validation
    for minute in (3, 4):
        live.take_back(ids[PERPETUAL], at(FIRST, minute))
    [validated] = run(live, PERPETUALS_LIVE)
    assert (validated.rows, validated.decision.outcome, validated.changes) == (4, "passed", 4)
    assert shown(live) == [3, 4] and shown(live, at_=blocked_at) == []
    now = live.value("SELECT max(validated_at) FROM store.validation")
    assert shown(live, at_=now) == [3, 4]


def test_a_closed_day_has_the_last_word_and_what_was_held_back_goes_with_its_minutes(live):
    ids = load(live, {PERPETUAL: first(PERPETUAL).setting(0, **NO_PRICE), NEAR: quiet(NEAR, 0), FAR: quiet(FAR, 0)})
    run(live, PERPETUALS_LIVE), run(live, FUTURES_LIVE)
    assert (NEAR, 0, "values-finite") in named(live)
    assert live.value("SELECT count(*) FROM store.held_basis") == 2
    for name, instrument_id in ids.items():
        live.candles(instrument_id, day_of(name))
    live.publish(*ids.values())
    live.compute(BASIS_SPREAD)
    with live.connection.transaction():
        assert validate_and_publish(live.connection, BASIS_SPREAD, CONTEXT, BEGINS, at(FIRST, 1440))
    assert named(live) == [] and shown(live) == list(range(1440))
    # live has its say no more
    live.minutes(ids[PERPETUAL], first(PERPETUAL))
    assert run(live, PERPETUALS_LIVE) == []
    open_days.forget(live.connection, at(FIRST, 1440).date())
    assert live.value("SELECT count(*) FROM store.held_basis") == 0
    assert live.value("SELECT count(*) FROM store.open_candle") == 0
