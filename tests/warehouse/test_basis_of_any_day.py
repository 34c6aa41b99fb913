"""Whatever is open, closed, corrected or held back of some days: the view, basis() and term_structure_at() show the
basis that plain arithmetic makes of the minutes that are published, and as_of shows it again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deribit_warehouse.datasets import BASIS_SPREAD
from deribit_warehouse.tables import BASIS_DAY, CANDLE_DAY, OPEN_CANDLE
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.day_arrays import fresh_minutes

from .days import FIRST, Candles, at, trading
from .test_open_candles import OPENED, Live, live

__all__ = ["live"]  # a fixture
DAYS = [FIRST, FIRST + timedelta(days=1)]
BEGIN, MINUTES = 472, 16  # of each day
PERPETUAL = "BTC-PERPETUAL"
# the first one has a day left in the middle of the minutes of the first day
EXPIRES = {"BTC-2MAR25": at(FIRST + timedelta(days=1), BEGIN + 8), "BTC-27JUN25": at("2025-06-27", 480)}
COLUMNS = (
    "ts, future_close, perpetual_close, basis, basis_fraction, days_to_expiry, annualised, structure, traded, fresh, "
    "index_price, coin, perpetual, expires_at, day, validation_id"
)
CURVE = "ts, instrument, future_close, perpetual_close, basis, days_to_expiry, annualised, traded, fresh"

LEGS = [PERPETUAL, *EXPIRES]
# what is told of a leg's day: which minutes there are, by bit, which closes are no price, and a seed for the rest
told = st.tuples(
    st.integers(1, 2**MINUTES - 1),
    st.dictionaries(st.integers(0, MINUTES - 1), st.sampled_from([0.0, math.nan]), max_size=2),
    st.integers(0, 99),
)
days, legs = st.sampled_from(DAYS), st.sampled_from(LEGS)
tell = st.tuples(st.just("tell"), days, st.fixed_dictionaries(dict.fromkeys(LEGS, told)))
close = st.tuples(st.just("close"), days, st.sets(legs, min_size=2), st.integers(0, 99), st.booleans())
any_step = st.one_of(
    tell,
    close,
    st.tuples(st.just("pair")),
    st.tuples(st.just("hold_day"), days, legs),
    st.tuples(st.just("hold_minute"), days, legs, st.integers(0, MINUTES - 1)),
)
steps = st.tuples(tell, close, any_step, any_step, any_step, any_step)


@dataclass(frozen=True)
class Minute:
    """A published minute of a leg. validation_id: the one that published it."""

    close: float
    traded: bool
    fresh: bool
    validation_id: int

    @property
    def price(self) -> float | None:
        return self.close if 1e-50 < self.close < 1e50 else None


Leg = dict[datetime, Minute]
DayOf = tuple[str, date]


@dataclass
class Published:
    """What is published, and what basis that comes to. closed: the version and its minutes; pairs: two of these and the
    validation that published the pair."""

    closed: dict[DayOf, tuple[int, Leg]] = field(default_factory=dict)
    pairs: dict[DayOf, tuple[tuple[int, Leg], tuple[int, Leg], int]] = field(default_factory=dict)
    open: dict[DayOf, Leg] = field(default_factory=dict)

    def basis(self, name: str) -> list[tuple]:
        return [row for day in DAYS for row in self.of_day(name, day)]

    def of_day(self, name: str, day: date) -> list[tuple]:
        if pair := self.pairs.get((name, day)):
            (_, future), (_, perpetual), validation_id = pair
            minutes = window(name, day)
        else:
            future, perpetual, validation_id = self.open.get((name, day), {}), self.open.get((PERPETUAL, day), {}), None
            minutes = [ts for ts in window(name, day) if ts in future and ts in perpetual]
        return [row(name, ts, future.get(ts), perpetual.get(ts), validation_id) for ts in minutes]


def window(name: str, day: date) -> list[datetime]:
    """The minutes of an instrument's day that are told of."""
    minutes = [at(day, BEGIN + n) for n in range(MINUTES)]
    return [ts for ts in minutes if name == PERPETUAL or ts < EXPIRES[name]]


def row(name: str, ts: datetime, future: Minute | None, perpetual: Minute | None, validation_id: int | None) -> tuple:
    """The columns of the view. validation_id: the pair's; None: of an open minute the later one of both legs."""
    f, p = future and future.price, perpetual and perpetual.price
    days = (EXPIRES[name] - ts).total_seconds() / 86_400 - 1 / 1440
    basis = f - p if f is not None and p is not None else None
    fraction = basis / p if basis is not None and p is not None else None
    annualised = fraction * 365 / days if fraction is not None and days >= 1 - 1e-9 else None
    structure = None if basis is None else "contango" if basis > 0 else "backwardation" if basis < 0 else "flat"
    fresh = future is not None and perpetual is not None and future.fresh and perpetual.fresh
    if validation_id is None:
        assert future and perpetual
        validation_id = max(future.validation_id, perpetual.validation_id)
    traded = future.traded if future and f is not None else None
    return (
        ts, f, p, basis, fraction, days, annualised, structure, traded, fresh,
        None, "BTC", PERPETUAL, EXPIRES[name], ts.date(), validation_id,
    )  # fmt: skip


def candles(name: str, day: date, present: int, wrong: dict[int, float], seed: int) -> Candles:
    """A leg's day; of a mask without any of its minutes the first one is there."""
    minutes = window(name, day)
    given = trading(minutes[0], minutes[-1] + timedelta(minutes=1), seed=seed, traded=0.7)
    there = np.array([present >> n & 1 for n in range(len(minutes))], bool)
    there[0] |= not there.any()
    return given.but(close=np.array([wrong.get(n, value) for n, value in enumerate(given.close)]), present=there)


def leg(given: Candles, validation_id: int, minutes: list[datetime]) -> Leg:
    rows = zip(minutes, given.present, given.close, given.volume, fresh_minutes(given), strict=True)
    return {
        ts: Minute(float(close), bool(volume > 0), bool(fresh), validation_id)
        for ts, there, close, volume, fresh in rows if there
    }  # fmt: skip


class Market(Live):
    """Takes steps, each decided on by a validation, and keeps what they make of what is published."""

    def begin(self) -> None:
        with self.connection.transaction():
            for table in ("open_candle", "basis_day", "candle_day"):
                self.connection.execute(f"DELETE FROM store.{table}")
        if not self.rows("SELECT FROM store.instrument LIMIT 1"):
            for name in (PERPETUAL, *EXPIRES):
                self.instrument(name, OPENED, EXPIRES.get(name))
        self.ids = dict(self.rows("SELECT instrument, instrument_id FROM store.instrument"))
        self.published = Published()
        # so that the perpetual doesn't begin in the days there are
        self.candles(self.ids[PERPETUAL], trading(at(FIRST) - timedelta(minutes=5), at(FIRST)))

    def decide_pending(self, table) -> int:
        key = ", ".join(table.key)
        validation_id = self.validation(table.name)
        versions = self.rows(f"SELECT {key}, version_id FROM store.{table.name} WHERE state = 'pending'")
        if versions:
            with self.connection.transaction():
                publication.publish(self.connection, table, validation_id, versions)
        return validation_id

    def tell(self, day: date, legs: dict[str, tuple]) -> None:
        given = {name: candles(name, day, *told) for name, told in legs.items()}
        for name, each in given.items():
            self.minutes(self.ids[name], each)
        changed = {
            (instrument_id, ts.astimezone(UTC))
            for instrument_id, ts in self.rows(
                "SELECT instrument_id, ts FROM store.open_candle WHERE state = 'pending'"
            )
        }
        validation_id = self.decide_pending(OPEN_CANDLE)
        for name, each in given.items():
            found = leg(each, validation_id, window(name, day))
            known = self.published.open.setdefault((name, day), {})
            known.update({ts: minute for ts, minute in found.items() if (self.ids[name], ts) in changed})
            assert all(same(known[ts].price, minute.price) for ts, minute in found.items() if ts in known)

    def close(self, day: date, names: set[str], seed: int, paired: bool) -> None:
        # the same minutes are missing each time: fewer would not replace more
        present = sum(1 << n for n in range(MINUTES) if n % 5 != DAYS.index(day))
        given = {name: candles(name, day, present, {6: 0.0, 7: math.nan}, seed + len(name)) for name in sorted(names)}
        for name, each in given.items():
            self.candles(self.ids[name], each)
        validation_id = self.decide_pending(CANDLE_DAY)
        for name, each in given.items():
            shown = self.rows(
                "SELECT version_id FROM store.candle_day WHERE instrument_id = %s AND day = %s AND state = 'published'",
                self.ids[name], day,
            )  # fmt: skip
            known = self.published.closed.get((name, day))
            if shown and (known is None or known[0] != shown[0][0]):
                self.published.closed[name, day] = shown[0][0], leg(each, validation_id, window(name, day))
        if paired:
            self.pair()

    def pair(self) -> None:
        closed, pairs = self.published.closed, self.published.pairs
        self.compute(BASIS_SPREAD)
        validation_id = self.decide_pending(BASIS_DAY)
        for name in EXPIRES:
            for day in DAYS:
                legs = closed.get((name, day)), closed.get((PERPETUAL, day))
                known = pairs.get((name, day))
                if legs[0] and legs[1] and (not known or (known[0][0], known[1][0]) != (legs[0][0], legs[1][0])):
                    pairs[name, day] = *legs, validation_id

    def hold_day(self, day: date, name: str) -> None:
        if (shown := self.published.closed.pop((name, day), None)) is None:
            return
        self.hold(CANDLE_DAY, [(self.ids[name], day, shown[0])])
        for key, pair in [*self.published.pairs.items()]:
            if day == key[1] and shown[0] in (pair[0][0], pair[1][0]):
                del self.published.pairs[key]

    def hold_minute(self, day: date, name: str, n: int) -> None:
        if self.published.open.get((name, day), {}).pop(at(day, BEGIN + n), None):
            self.take_back(self.ids[name], at(day, BEGIN + n))


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
    return one == other


def assert_same(found: list[tuple], wanted: list[tuple]) -> None:
    assert [row[0] for row in found] == [row[0] for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True)), (one, other)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, begins=st.integers(0, 3000), length=st.integers(0, 3000), seconds=st.integers(0, 86_400 * 2))
def test_the_basis_is_that_of_the_minutes_that_are_published(live, steps, begins, length, seconds):
    market = Market(live.connection)
    market.begin()
    remembered = []
    since, until = at(FIRST, begins), at(FIRST, begins + length)
    instant = at(DAYS[seconds % 2], BEGIN + seconds % MINUTES) + timedelta(seconds=seconds % 60)
    for step, *given_ones in steps:
        getattr(market, step)(*given_ones)
        moment = market.value("SELECT max(validated_at) FROM store.validation")
        curve = []
        for name in EXPIRES:
            wanted = market.published.basis(name)
            found = market.rows(f"SELECT {COLUMNS} FROM basis_spread WHERE instrument = %s ORDER BY ts", name)
            assert_same(found, wanted)
            found = market.rows(f"SELECT {COLUMNS} FROM basis(%s, %s, %s)", name, since, until)
            assert_same(found, [row for row in wanted if since <= row[0] < until])
            curve += [
                (row[0], name, *row[1:4], *row[5:7], *row[8:10])
                for row in wanted if row[0] <= instant < row[0] + timedelta(minutes=1)
            ]  # fmt: skip
            remembered.append((name, moment, wanted))
        assert_same(market.rows(f"SELECT {CURVE} FROM term_structure_at('BTC', %s)", instant), curve)
    for name, moment, wanted in remembered:
        found = market.rows(f"SELECT {COLUMNS} FROM basis(%s, '-infinity', 'infinity', as_of => %s)", name, moment)
        assert_same(found, wanted)
