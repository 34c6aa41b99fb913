"""Publication: what is published stays until something newer has passed, what is found bad leaves at once with what was
computed from it, and what was published at a moment can be asked."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, pairwise

import numpy as np
import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deribit_warehouse.dataset import Table
from deribit_warehouse.datasets import BASIS_SPREAD, DATASETS, INDEX_PRICES
from deribit_warehouse.tables import BASIS_DAY, CANDLE_DAY, FUNDING_RATE, INDEX_DAY
from deribit_warehouse.warehouse import publication, validations
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from tests.warehouse.days import COLUMNS, FIRST, Candles, Warehouse, Watched, at, trading

SECOND = FIRST + timedelta(days=1)
BEGINS, ENDS = at(FIRST), at(FIRST, 2880)
PAST = at(FIRST, 2881)  # an hour of funding ends at the end of its day
HOURS = [at(FIRST, 60 * k) for k in range(1, 49)]
PERPETUAL, FUTURE, INDEX = "BTC-PERPETUAL", "BTC-28MAR25", "btc_usd"
COMPUTED = (INDEX_PRICES, BASIS_SPREAD)
TABLES = (CANDLE_DAY, FUNDING_RATE, INDEX_DAY, BASIS_DAY)

CANDLE = "ts, open, high, low, close, volume, cost, traded, fresh"
# the index beside a basis is always today's: it is no part of the pair that was published
BASIS = (
    "instrument, ts, future_close, perpetual_close, basis, basis_fraction, days_to_expiry, annualised, structure, "
    "traded, fresh, coin, perpetual, expires_at, day, validation_id"
)
QUESTIONS = {
    "perpetual": (CANDLE, "candle", "instrument", "candles", PERPETUAL),
    "future": (CANDLE, "candle", "instrument", "candles", FUTURE),
    "funding": ("*", "funding_rates", "instrument", "funding", PERPETUAL),
    "index": ("*", "index_prices", "index_name", "index_price", INDEX),
    "basis": (BASIS, "basis_spread", "instrument", "basis", FUTURE),
}
"""Columns, view, the view's column of a subject, function and subject."""

Shown = dict[str, list[tuple]]


@dataclass
class World:
    """A perpetual, a future and funding over two days. Only the first day is ever changed."""

    warehouse: Warehouse
    perpetual_id: int
    future_id: int
    perpetual: Candles = field(default_factory=lambda: trading(BEGINS, ENDS, seed=1))
    future: Candles = field(default_factory=lambda: trading(BEGINS, ENDS, seed=2, level=50_200.0))
    hours: np.ndarray = field(default_factory=lambda: 50_000.0 + np.arange(48))

    def load_funding(self, *hours: int, plus: float = 0.0) -> None:
        """Loads hours (0..47), all when none is named, with another index than before."""
        asked = list(hours or range(48))
        self.hours = self.hours.copy()
        self.hours[asked] += plus
        columns = np.stack([np.full(48, 1e-5), np.full(48, 8e-5), self.hours, self.hours - 1])
        self.warehouse.funding(self.perpetual_id, [HOURS[k] for k in asked], columns[:, asked])

    def load_perpetual(self, seed: int) -> Candles:
        """Loads the perpetual's first day with other values."""
        changed = trading(BEGINS, at(FIRST, 1440), seed=seed, level=50_010.0)
        assert self.warehouse.candles(self.perpetual_id, changed) == Ingested(corrected=1)
        return changed

    def load_future(self, seed: int) -> Candles:
        changed = trading(BEGINS, at(FIRST, 1440), seed=seed, level=50_210.0)
        assert self.warehouse.candles(self.future_id, changed) == Ingested(corrected=1)
        return changed

    def publish_inputs(self) -> None:
        self.warehouse.publish(self.perpetual_id, self.future_id)
        self.warehouse.publish_funding(self.perpetual_id)

    def compute(self) -> list[int]:
        return [self.warehouse.compute(dataset) for dataset in COMPUTED]

    def computed(self) -> None:
        """Computes what is due and publishes it."""
        for dataset in COMPUTED:
            self.warehouse.compute(dataset)
            self.warehouse.decide(dataset)

    def day(self, instrument_id: int, day=FIRST) -> tuple:
        """The newest version of an instrument's day."""
        return next(v for v in self.warehouse.newest(instrument_id) if v[1] == day)

    def hour(self, k: int) -> tuple:
        """The newest version of hour k (0..47)."""
        return newest(self.warehouse, FUNDING_RATE, f"ts = '{HOURS[k]}'")[0]

    def shown(self) -> Shown:
        """What the views show, in order of time."""
        return {
            name: self.warehouse.rows(f"SELECT {columns} FROM {view} WHERE {key} = %s ORDER BY ts", subject)
            for name, (columns, view, key, _, subject) in QUESTIONS.items()
        }

    def as_of(self, moment: datetime | None) -> Shown:
        """What the functions answer, in the order they answer it."""
        return {
            name: self.warehouse.rows(
                f"SELECT {columns} FROM {function}(%s, %s, %s, as_of => %s)", subject, BEGINS, PAST, moment
            )
            for name, (columns, _, _, function, subject) in QUESTIONS.items()
        }


def newest(warehouse: Warehouse, table: Table, where: str = "true") -> list[tuple]:
    key = ", ".join(table.key)
    return warehouse.rows(
        f"SELECT {key}, max(version_id) FROM store.{table.name} WHERE {where} GROUP BY {key} ORDER BY {key}"
    )


def states(warehouse: Warehouse, table: Table, where: str = "true") -> list[str]:
    """The states of versions, the oldest first."""
    return [
        s for (s,) in warehouse.rows(f"SELECT state FROM store.{table.name} WHERE {where} ORDER BY version_id")
    ]  # fmt: skip


def of_first(warehouse: Warehouse, table: Table) -> list[str]:
    return states(warehouse, table, f"day = '{FIRST}'")


def block(warehouse: Warehouse, table: Table, versions: list[tuple]) -> int:
    validation_id = warehouse.validation(outcome="blocked")
    with warehouse.connection.transaction():
        publication.block(warehouse.connection, table, validation_id, versions)
    return validation_id


def publish(warehouse: Warehouse, table: Table, versions: list[tuple], notes=()) -> int:
    validation_id = warehouse.validation()
    with warehouse.connection.transaction():
        return publication.publish(warehouse.connection, table, validation_id, versions, notes)


def now(warehouse: Warehouse) -> datetime:
    return warehouse.value("SELECT clock_timestamp()")


def named_and_held(warehouse: Warehouse) -> int:
    """How many versions are shown that rest on one that is held back."""
    return warehouse.value(
        "SELECT count(*) FROM store.candle_day c JOIN ("
        "  SELECT instrument_id, day, future_version_id, state FROM store.basis_day"
        "  UNION ALL SELECT perpetual_id, day, perpetual_version_id, state FROM store.basis_day"
        "  UNION ALL SELECT perpetual_id, day, perpetual_version_id, state FROM store.index_day"
        ") AS x(instrument_id, day, version_id, shown) USING (instrument_id, day, version_id) "
        "WHERE c.state = 'held' AND x.shown = 'published'"
    )


@pytest.fixture
def world(warehouse) -> World:
    """Everything loaded, nothing published."""
    perpetual_id = warehouse.instrument(PERPETUAL, BEGINS)
    future_id = warehouse.instrument(FUTURE, BEGINS, at("2025-03-28", 480))
    world = World(warehouse, perpetual_id, future_id)
    warehouse.candles(perpetual_id, world.perpetual)
    warehouse.candles(future_id, world.future)
    world.load_funding()
    return world


@pytest.fixture
def published(world) -> World:
    """Everything published, computed and published."""
    world.publish_inputs()
    world.computed()
    return world


# --- a story ----------------------------------------------------------------------------------------------------


def values(candles: Candles, changed: Candles | None = None) -> list[tuple]:
    """Two days as the arrays say them, the first one replaced."""
    columns = candles.columns.T.tolist()
    return [tuple(row) for row in (changed.columns.T.tolist() if changed else columns[:1440]) + columns[1440:]]


def seen(shown: Shown, name: str) -> list[tuple]:
    """open, high, low, close, volume, cost of what is shown."""
    return [row[1:7] for row in shown[name]]


def basis(shown: Shown) -> list[float]:
    return [row[4] for row in shown["basis"]]


def close(candles: Candles, changed: Candles | None = None) -> list[float]:
    return [row[3] for row in values(candles, changed)]


def difference(future: list[float], perpetual: list[float]) -> list[float]:
    return [f - p for f, p in zip(future, perpetual, strict=True)]


def prices(shown: Shown) -> list[float]:
    return [row[2] for row in shown["index"]]


def index_of(perpetual: list[float], hours: np.ndarray) -> list[float]:
    """The hour where it is known (not NaN), else the perpetual."""
    known = {60 * k + 59: price for k, price in enumerate(hours.tolist()) if price == price}
    return [known.get(i, price) for i, price in enumerate(perpetual)]


def without(hours: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.arange(48) == k, np.nan, hours)


class Story:
    """What the views showed after each step, and the moment after it."""

    def __init__(self, world: World):
        self.world = world
        self.steps: list[tuple[str, datetime, Shown]] = []

    def step(self, name: str) -> Shown:
        shown = self.world.shown()
        self.steps.append((name, now(self.world.warehouse), shown))
        return shown

    def check(self) -> None:
        for name, moment, shown in self.steps:
            answered = self.world.as_of(moment)
            for what, rows in shown.items():
                assert answered[what] == rows, f"{what} after: {name}"


def test_what_was_shown_at_every_step_can_be_asked_at_the_end(world):
    w, story = world.warehouse, Story(world)
    perpetual, future, hours = world.perpetual, world.future, world.hours
    nothing = dict.fromkeys(QUESTIONS, [])
    assert story.step("loaded") == nothing

    world.publish_inputs()
    shown = story.step("published")
    assert (seen(shown, "perpetual"), seen(shown, "future")) == (values(perpetual), values(future))
    assert [(row[1], row[4]) for row in shown["funding"]] == list(zip(HOURS, hours, strict=True))
    assert shown["index"] == shown["basis"] == []

    world.compute()
    assert story.step("computed") == shown, "nothing is shown before it has passed"
    for dataset in COMPUTED:
        assert w.decide(dataset) == 2
    shown = story.step("computed and published")
    assert prices(shown) == index_of(close(perpetual), hours)
    assert basis(shown) == difference(close(future), close(perpetual))

    assert w.hold(CANDLE_DAY, [world.day(world.perpetual_id)]) == 1
    held = story.step("a day of the perpetual taken back")
    assert seen(held, "perpetual") == values(perpetual)[1440:]
    assert (held["future"], held["funding"]) == (shown["future"], shown["funding"])
    for computed in ("index", "basis"):
        assert held[computed] == shown[computed][1440:]

    assert w.publish(world.perpetual_id) == 1
    waived = story.step("waived")
    assert waived == held | {"perpetual": shown["perpetual"]}, "what was computed from it has to be computed again"
    world.computed()
    shown = story.step("waived and computed")
    assert prices(shown) == index_of(close(perpetual), hours)
    assert basis(shown) == difference(close(future), close(perpetual))

    changed = world.load_perpetual(seed=11)
    assert story.step("loaded again") == shown
    assert w.publish(world.perpetual_id) == 1
    superseded = story.step("superseded")
    assert seen(superseded, "perpetual") == values(perpetual, changed)
    assert superseded == shown | {"perpetual": superseded["perpetual"]}, "the old basis stays until the new one passed"
    world.computed()
    shown = story.step("superseded and computed")
    assert prices(shown) == index_of(close(perpetual, changed), hours)
    assert basis(shown) == difference(close(future), close(perpetual, changed))

    world.load_future(seed=12)
    world.load_funding(3, plus=7)
    block(w, CANDLE_DAY, [world.day(world.future_id)])
    block(w, FUNDING_RATE, [world.hour(3)])
    assert story.step("inputs blocked") == shown
    world.publish_inputs()
    republished = story.step("the same published after all")
    world.compute()
    for dataset in COMPUTED:
        block(w, dataset.table, newest(w, dataset.table, f"day = '{FIRST}'"))
    assert story.step("what was computed blocked") == republished
    assert (republished["index"], republished["basis"]) == (shown["index"], shown["basis"])
    for dataset in COMPUTED:
        assert w.decide(dataset) == 1
    shown = story.step("what was computed published after all")
    assert prices(shown) == index_of(close(perpetual, changed), world.hours) != prices(republished)

    assert w.hold(FUNDING_RATE, [world.hour(3)]) == 1
    held = story.step("an hour taken back")
    assert [row[1] for row in held["funding"]] == HOURS[:3] + HOURS[4:]
    assert held["index"] == shown["index"][1440:]
    assert held["basis"] == shown["basis"]
    world.computed()
    shown = story.step("computed without the hour")
    assert prices(shown) == index_of(close(perpetual, changed), without(world.hours, 3))
    assert w.publish_funding(world.perpetual_id) == 1
    story.step("the hour waived")
    world.computed()
    shown = story.step("computed with it again")
    assert prices(shown) == index_of(close(perpetual, changed), world.hours)

    world.load_funding(3, plus=1)
    world.publish_inputs()
    before = story.step("the hour superseded")
    world.compute()
    w.decide(INDEX_PRICES, passed=False, days=[FIRST])
    assert story.step("the index computed from it held back") == before

    for table in (INDEX_DAY, BASIS_DAY):
        w.hold(table, newest(w, table, "state = 'published'"))
    assert story.step("index and basis taken back") == before | {"index": [], "basis": []}
    for dataset in COMPUTED:
        w.decide(dataset)
    shown = story.step("index and basis waived")
    assert prices(shown) == index_of(close(perpetual, changed), world.hours)
    assert basis(shown) == [row[4] for row in before["basis"]]

    assert len({tuple(map(str, s.values())) for _, _, s in story.steps}) >= 12, "the steps differ"
    assert world.as_of(None) == shown
    story.check()


def test_nothing_was_published_before_the_first_validation(published, market):
    """Whoever reads may ask."""
    before = published.warehouse.value("SELECT min(validated_at) FROM store.validation") - timedelta(microseconds=1)
    assert published.as_of(before) == dict.fromkeys(QUESTIONS, [])
    asked = "SELECT count(*) FROM candles(%s, %s, %s, as_of => %s)"
    moment = now(published.warehouse)
    assert market.value(asked, PERPETUAL, BEGINS, ENDS, moment) == 2880
    assert market.value(asked, PERPETUAL, BEGINS, ENDS, before) == 0


# --- what is published stays ------------------------------------------------------------------------------------


KNOWN = {"candles": "close", "funding": "interest_1h", "index_price": "price", "basis": "basis"}
"""The functions that readers ask, and the column that says whether a row knows something."""


def counted(warehouse: Warehouse) -> Counter:
    """Known minutes (funding: hours) that are shown, by view or function, subject and day."""
    answered = [
        (f"{function}()", subject, day, n)
        for _, _, _, function, subject in QUESTIONS.values()
        for day, n in warehouse.rows(
            f"SELECT ts::date::text, count({KNOWN[function]}) FROM {function}(%s, %s, %s) GROUP BY 1",
            subject, BEGINS, PAST,
        )
    ] + [
        ("funding_between()", PERPETUAL, "both", n)
        for [n] in warehouse.rows(
            "SELECT hours_expected - hours_missing FROM funding_between(%s, %s, %s)", PERPETUAL, BEGINS, PAST
        )
    ]  # fmt: skip
    return Counter({key: n for *key, n in answered for key in [tuple(key)]}) + Counter({
        key: n
        for *key, n in warehouse.rows(
            "SELECT 'candle', instrument, day::text, count(close) FROM candle GROUP BY 2, 3 "
            "UNION ALL SELECT 'funding_rates', instrument, ts::text, count(*) FROM funding_rates GROUP BY 2, 3 "
            "UNION ALL SELECT 'index_prices', index_name, day::text, count(price) FROM index_prices GROUP BY 2, 3 "
            "UNION ALL SELECT 'basis_spread', instrument, day::text, count(basis) FROM basis_spread GROUP BY 2, 3"
        )
        for key in [tuple(key)]
    })  # fmt: skip


class Watch:
    """Fails when something that was shown is gone after a call."""

    def __init__(self, warehouse: Warehouse):
        self.warehouse = warehouse
        self.counted = counted(warehouse)

    def __call__(self, call, *arguments, **named):
        answer = call(*arguments, **named)
        now = counted(self.warehouse)
        lost = {key: (n, now[key]) for key, n in self.counted.items() if now[key] < n}
        assert not lost, f"gone after {call.__name__}"
        self.counted = now
        return answer


def test_the_watch_sees_what_is_gone(published):
    watch = Watch(published.warehouse)
    assert sum(n for (source, *_), n in watch.counted.items() if not source.endswith("()")) == 4 * 2880 + 48
    functions = {function for _, _, _, function, _ in QUESTIONS.values()} | {"funding_between"}
    answered = {function: 0 for function in functions}
    for (source, *_), n in watch.counted.items():
        if source.endswith("()"):
            answered[source.removesuffix("()")] += n
    assert answered == {
        "candles": 2 * 2880, "funding": 48, "index_price": 2880, "basis": 2880, "funding_between": 48,
    }  # fmt: skip
    with pytest.raises(AssertionError, match="gone after hold"):
        watch(published.warehouse.hold, CANDLE_DAY, [published.day(published.future_id)])


def test_no_minute_is_lost_on_the_way_to_a_newer_one(published):
    w, watch = published.warehouse, Watch(published.warehouse)
    for n, outcome in enumerate(("fails", "is blocked", "passes", "fails", "passes")):
        for load, table, version in (
            (published.load_perpetual, CANDLE_DAY, lambda: published.day(published.perpetual_id)),
            (published.load_future, CANDLE_DAY, lambda: published.day(published.future_id)),
        ):
            watch(load, seed=100 + 10 * n)
            watch(w.hold, table, [version()])  # a new version that broke a rule: what is published is not found bad
            watch(published.compute)
            watch(load, seed=101 + 10 * n)
            watch(block, w, table, [version()])
            watch(published.compute)
            watch(publish, w, table, [version()])
        watch(published.load_funding, 0, 5, 23, plus=1)
        watch(block, w, FUNDING_RATE, [published.hour(k) for k in (0, 5, 23)])
        watch(w.publish_funding, published.perpetual_id)
        for dataset in COMPUTED:
            assert watch(w.compute, dataset) == 1
            assert watch(w.compute, dataset) == 0
            if outcome == "is blocked":
                watch(block, w, dataset.table, newest(w, dataset.table, "state = 'pending'"))
            else:
                watch(w.decide, dataset, passed=outcome == "passes", days=[FIRST])
    assert (watch(published.compute), watch(published.publish_inputs)) == ([0, 0], None)
    latest = published.shown()
    assert basis(latest)[:1440] == difference(
        [row[4] for row in latest["future"]][:1440], [row[4] for row in latest["perpetual"]][:1440]
    )


def test_a_new_version_of_an_hour_that_fails_leaves_the_index(published):
    """The hour that is published was not found bad, and nothing was computed from the other one."""
    w, watch = published.warehouse, Watch(published.warehouse)
    watch(published.load_funding, 3, plus=1000)
    assert watch(w.hold, FUNDING_RATE, [published.hour(3)]) == 0


def test_an_index_computed_before_a_version_of_an_hour_outlives_it(published):
    """As a basis outlives a version of the perpetual that was published after it and is taken back."""
    w = published.warehouse
    before = published.shown()
    published.load_perpetual(seed=7)
    published.load_funding(3, plus=1000)
    published.publish_inputs()
    w.hold(CANDLE_DAY, [published.day(published.perpetual_id)])
    assert published.shown()["basis"] == before["basis"]
    assert published.shown()["index"] == before["index"]
    w.hold(FUNDING_RATE, [published.hour(3)])
    assert published.shown()["index"] == before["index"], "it was computed from the hour as it was before"


def test_a_load_with_fewer_minutes_or_none_takes_nothing_away(published):
    w, watch = published.warehouse, Watch(published.warehouse)
    fewer = published.perpetual.without(slice(0, 700), 1439, slice(1440, 2880))
    assert watch(w.candles, published.perpetual_id, fewer) == Ingested(kept=1)
    watch(published.publish_inputs)
    assert watch(published.compute) == [0, 0]


# --- what is found bad leaves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["perpetual", "future", "hour"])
def test_an_input_takes_its_day_along_in_the_same_transaction(published, market, which):
    w, before = published.warehouse, published.shown()
    table, version, gone = {
        "perpetual": (CANDLE_DAY, published.day(published.perpetual_id), {"perpetual", "index", "basis"}),
        "future": (CANDLE_DAY, published.day(published.future_id), {"future", "basis"}),
        "hour": (FUNDING_RATE, published.hour(23), {"funding", "index"}),  # the day's last: it ends at midnight
    }[which]
    after = before | {name: before[name][1440:] for name in gone}
    if which == "hour":
        after["funding"] = before["funding"][:23] + before["funding"][24:]
    validation_id = w.validation()
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as other:
        with w.connection.transaction():
            assert publication.hold(w.connection, table, validation_id, [version], DATASETS) == (1, 1)
            assert published.shown() == after, "within the transaction"
            beside = World(Warehouse(other), published.perpetual_id, published.future_id)
            assert beside.shown() == before, "nobody else sees half of it"
    assert published.shown() == after
    assert named_and_held(w) == 0
    assert [of_first(w, t) for t in (INDEX_DAY, BASIS_DAY)] == [
        ["withdrawn" if name in gone else "published"] for name in ("index", "basis")
    ]
    assert states(w, INDEX_DAY, f"day = '{SECOND}'") == states(w, BASIS_DAY, f"day = '{SECOND}'") == ["published"]
    assert w.hold(table, [version]) == 0
    assert published.shown() == after


@pytest.mark.parametrize("was", ["pending", "blocked", "held"])
@pytest.mark.parametrize("which", ["perpetual", "future", "hour"])
def test_what_waits_when_its_input_is_taken_back_is_published_by_no_waiver(world, was, which):
    w = world.warehouse
    world.publish_inputs()
    assert world.compute() == [2, 2]
    waiting = {dataset: newest(w, dataset.table, f"day = '{FIRST}'") for dataset in COMPUTED}
    for dataset, versions in waiting.items():
        if was == "blocked":
            block(w, dataset.table, versions)
        elif was == "held":
            w.hold(dataset.table, versions)
    if which == "hour":
        rests = [INDEX_PRICES]
        w.hold(FUNDING_RATE, [world.hour(0)])
    else:
        rests = [BASIS_SPREAD] if which == "future" else list(COMPUTED)
        w.hold(CANDLE_DAY, [world.day(world.perpetual_id if which == "perpetual" else world.future_id)])
    for dataset in rests:
        assert of_first(w, dataset.table) == ["withdrawn"]
        assert publish(w, dataset.table, waiting[dataset]) == 0
        assert publish(w, dataset.table, waiting[dataset]) == 0
        assert w.decide(dataset, days=[FIRST]) == 0
        assert of_first(w, dataset.table) == ["withdrawn"]
    shown = world.shown()
    assert [name for dataset, name in ((INDEX_PRICES, "index"), (BASIS_SPREAD, "basis")) if dataset in rests
            and shown[name]] == []  # fmt: skip

    world.publish_inputs()
    for dataset in rests:
        assert w.compute(dataset) == 1
        assert of_first(w, dataset.table) == ["pending"], "what was withdrawn and never shown is gone"
        assert newest(w, dataset.table, f"day = '{FIRST}'") != waiting[dataset]
        assert w.decide(dataset, days=[FIRST]) == 1
    assert named_and_held(w) == 0


def test_an_input_published_again_brings_back_nothing_by_itself(published):
    w, before = published.warehouse, published.shown()
    w.hold(CANDLE_DAY, [published.day(published.perpetual_id)])
    w.publish(published.perpetual_id)
    assert published.shown()["basis"] == before["basis"][1440:]
    assert [w.pending(dataset) for dataset in COMPUTED] == [1, 1]
    assert published.compute() == [1, 1]
    assert of_first(w, BASIS_DAY) == of_first(w, INDEX_DAY) == ["withdrawn", "pending"]
    assert published.compute() == [0, 0]
    for dataset in COMPUTED:
        w.decide(dataset)
    assert basis(published.shown()) == basis(before)
    assert prices(published.shown()) == prices(before)


# --- at the same time -------------------------------------------------------------------------------------------


@contextmanager
def beside(market, call):
    """Runs call(connection) in a transaction on a connection of its own in a thread; joins it at the end."""
    failures = []

    def run() -> None:
        try:
            with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
                with connection.transaction():
                    call(connection)
        except Exception as error:  # a thread's error is not pytest's
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)
        assert not thread.is_alive()
        assert failures == []


def record(connection, dataset: str) -> int:
    return validations.record_validation(
        connection, dataset=dataset, dag_id="dag", run_id="run", begins=BEGINS, ends=ENDS, outcome="passed",
        suite=dataset, rows=1, expected=1, missing=0, blocked_because=[], result=None,
    )  # fmt: skip


def compute_and_publish(connection) -> None:
    """As the publication of computed data does it: one transaction."""
    for dataset in COMPUTED:
        publication.compute(connection, dataset, None, None, Provenance(dataset.name, "all", "here", "run"))
        key = ", ".join(dataset.table.key)
        versions = connection.execute(
            f"SELECT {key}, max(version_id) FROM store.{dataset.table.name} WHERE state <> 'withdrawn' GROUP BY {key}"
        ).fetchall()
        publication.publish(connection, dataset.table, record(connection, dataset.name), versions)


def take_back_input(connection, version: tuple) -> tuple[int, int]:
    """As a validation that finds a published day bad: it waits for a computation first, and is recorded then."""
    publication.exclude_computation(connection, CANDLE_DAY, DATASETS)
    return publication.hold(
        connection, CANDLE_DAY, record(connection, "perpetuals_ohlcv"), [version], DATASETS
    )  # fmt: skip


def waits(connection) -> bool:
    """Whether somebody waits for a lock in this database."""
    return connection.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    ).fetchone()[0]


def wait_until_waiting(market, thread: threading.Thread) -> None:
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        for _ in range(500):
            if waits(connection):
                return
            thread.join(0.01)
    pytest.fail("it did not wait for the other transaction")


@pytest.mark.parametrize("first", ["the computation", "the taking back"])
def test_a_computation_and_a_taking_back_wait_for_each_other(world, market, first):
    w = world.warehouse
    world.publish_inputs()
    version = world.day(world.perpetual_id)

    def take_back(connection) -> None:
        assert take_back_input(connection, version) == (1, 1)

    one, other = (compute_and_publish, take_back) if first == "the computation" else (take_back, compute_and_publish)
    with psycopg.connect(market.dsn(), options="-c timezone=UTC") as connection:
        one(connection)
        with beside(market, other) as thread:
            wait_until_waiting(market, thread)
            connection.commit()
    assert named_and_held(w) == 0
    assert {row[1].date() for row in world.shown()["basis"]} == {SECOND}
    assert of_first(w, BASIS_DAY) == (["withdrawn"] if first == "the computation" else [])


def test_whatever_the_order_nothing_shown_rests_on_what_is_held(world, market):
    w, orders = world.warehouse, Counter()
    for n in range(10):
        world.publish_inputs()
        if n % 2:
            world.compute()
        version, ready = world.day(world.perpetual_id), threading.Barrier(2, timeout=30)

        def take_back(connection, version=version, ready=ready) -> None:
            ready.wait()
            take_back_input(connection, version)

        def compute(connection, ready=ready) -> None:
            ready.wait()
            compute_and_publish(connection)

        with beside(market, take_back), beside(market, compute):
            pass
        assert named_and_held(w) == 0
        assert {row[1].date() for row in world.shown()["basis"]} == {SECOND}
        orders[tuple(of_first(w, BASIS_DAY))] += 1
    assert sum(orders.values()) == 10


def test_what_a_computation_published_is_remembered_by_whoever_waited_for_it(world, market):
    """A validation finds something bad and waits for a computation that publishes in the meantime: what that published
    was shown until it was taken away, and can be asked."""
    world.publish_inputs()
    version = world.day(world.perpetual_id)
    ready, seen_by_all = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30)

    def take_back(connection) -> None:
        take_back_input(connection, version)
        ready.wait()
        seen_by_all.wait()  # until this transaction is over everybody sees what the other one published

    with psycopg.connect(market.dsn(), options="-c timezone=UTC") as computing:
        # a computation is under way
        publication.compute(computing, BASIS_SPREAD, SECOND, SECOND, Provenance("basis_spread", "all", "here", "run"))
        with beside(market, take_back) as thread:
            wait_until_waiting(market, thread)
            compute_and_publish(computing)
            computing.commit()
            ready.wait()
            there = world.shown()
            seen_by_all.wait()
    assert len(there["basis"]) == len(there["index"]) == 2880
    after, moment = world.shown(), now(world.warehouse)
    assert len(after["basis"]) == len(after["index"]) == 1440
    answered = world.as_of(moment)
    assert (answered["basis"], answered["index"]) == (after["basis"], after["index"])
    published_at = "SELECT max(validated_at) FROM store.validation WHERE dataset = 'basis_spread'"
    answered = world.as_of(world.warehouse.value(published_at))
    assert answered["basis"] == there["basis"]
    assert answered["index"] == there["index"]


def test_who_waits_to_decide_alone_keeps_nobody_waiting_for_long(warehouse, market):
    """A publication of years may last for minutes, and a live minute has to get past who waits for its end."""
    with psycopg.connect(market.dsn()) as long, psycopg.connect(market.dsn()) as live:
        publication.share_decisions(long)
        with beside(market, publication.decide_alone) as thread:
            wait_until_waiting(market, thread)
            live.execute("SET LOCAL lock_timeout = '20s'")
            publication.share_decisions(live)  # while `long` goes on
            assert thread.is_alive(), "it does not give up for good"
            live.commit()
            long.commit()


def test_a_transaction_that_decides_alone_waits_for_other_locks_as_long_as_any(warehouse):
    for before in ("0", "7s"):
        with warehouse.connection.transaction():
            warehouse.rows("SELECT set_config('lock_timeout', %s, true)", before)
            publication.decide_alone(warehouse.connection)
            assert warehouse.value("SELECT current_setting('lock_timeout')") == before


# --- corrections ------------------------------------------------------------------------------------------------

CORRECTED = (
    "SELECT dataset, instrument, day, ts, field, old, new, corrected_at, validation_id, old_version_id, new_version_id "
    "FROM corrections ORDER BY new_version_id, ts, field"
)


def few(first: int, n: int, **changed) -> Candles:
    """Minutes of a day, all alike."""
    columns = dict.fromkeys(COLUMNS, np.full(n, 100.0)) | changed
    return Candles.of(
        round(at(FIRST, first).timestamp() * 1000), round(at(FIRST, first + n).timestamp() * 1000),
        present=np.ones(n, bool), **columns,
    )  # fmt: skip


def validated(warehouse: Warehouse, table: Table, version_id: int) -> tuple:
    """When a version was published first, and by which validation."""
    [found] = warehouse.rows(
        f"SELECT validated_at, v.validation_id FROM store.{table.name} t JOIN store.validation v "
        "ON v.validation_id = lower(t.shown) WHERE t.version_id = %s LIMIT 1",
        version_id,
    )
    return found


def test_corrections_say_what_was_shown_and_what_replaced_it(warehouse):
    w = warehouse
    future = w.instrument(FUTURE, BEGINS, at("2025-03-28", 480))
    version_ids = []

    def load(candles: Candles) -> int:
        w.candles(future, candles)
        [(_, _, version_id)] = w.newest(future)
        version_ids.append(version_id)
        return version_id

    def correction(ts, name, old, new, old_version, new_version) -> tuple:
        moment, validation_id = validated(w, CANDLE_DAY, new_version)
        return ("futures_ohlcv", FUTURE, FIRST, at(FIRST, ts), name, old, new, moment, validation_id,
                old_version, new_version)  # fmt: skip

    one = load(few(10, 3).without(1))
    w.publish(future)
    assert w.rows(CORRECTED) == []

    two = load(few(10, 3).setting(2, close=101.0, volume=np.nan))
    assert w.rows(CORRECTED) == [], "not before it is published"
    w.publish(future)
    first = [
        *(correction(11, name, None, 100.0, one, two) for name in sorted(COLUMNS)),
        correction(12, "close", 100.0, 101.0, one, two),
    ]
    found = w.rows(CORRECTED)
    assert found[:-1] == first
    assert (found[-1][3:6], str(found[-1][6])) == ((at(FIRST, 12), "volume", 100.0), "nan")
    w.publish(future)
    assert len(w.rows(CORRECTED)) == 8, "publishing it again is no correction"

    load(few(10, 3).setting(0, close=55.0))  # held back, never shown
    w.hold(CANDLE_DAY, w.newest(future))
    assert len(w.rows(CORRECTED)) == 8
    load(few(10, 3).setting(0, close=66.0))  # blocked, never shown
    block(w, CANDLE_DAY, w.newest(future))
    assert len(w.rows(CORRECTED)) == 8

    w.hold(CANDLE_DAY, [(future, FIRST, two)])
    assert len(w.rows(CORRECTED)) == 8, "taken back, and nothing in its place yet"
    # it begins later and ends later: what it has not is gone, what was not there comes
    three = load(few(12, 4).setting(0, close=101.0, volume=np.nan))
    w.publish(future)
    by_minute = {10: (100.0, None), 11: (100.0, None), 13: (None, 100.0), 14: (None, 100.0), 15: (None, 100.0)}
    assert w.rows(CORRECTED)[8:] == [
        correction(minute, name, old, new, two, three)
        for minute, (old, new) in by_minute.items()
        for name in sorted(COLUMNS)
    ]
    assert states(w, CANDLE_DAY) == ["superseded", "held", "published"]
    w.hold(CANDLE_DAY, [(future, FIRST, three)])
    w.publish(future)
    assert len(w.rows(CORRECTED)) == 8 + 30, "taken back and waived is no correction"
    assert len(set(version_ids)) == 5


def test_corrections_of_funding(warehouse):
    w = warehouse
    perpetual = w.instrument(PERPETUAL, BEGINS)

    def load(*columns: float) -> int:
        w.funding(perpetual, [HOURS[23]], np.array([[c] for c in columns]))
        return newest(w, FUNDING_RATE)[0][-1]

    def correction(name, old, new, old_version, new_version) -> tuple:
        return ("funding_rates", PERPETUAL, FIRST, HOURS[23], name, old, new,
                *validated(w, FUNDING_RATE, new_version), old_version, new_version)  # fmt: skip

    load(9.0, 9.0, 9.0, 9.0)
    w.hold(FUNDING_RATE, newest(w, FUNDING_RATE))
    one = load(1.0, 2.0, 3.0, 4.0)
    w.publish_funding(perpetual)
    assert w.rows(CORRECTED) == [], "what never was shown is not corrected"
    two = load(1.0, 2.5, 3.0, 4.5)
    w.publish_funding(perpetual)
    first = [correction("interest_8h", 2.0, 2.5, one, two), correction("prev_index_price", 4.0, 4.5, one, two)]
    assert w.rows(CORRECTED) == first
    w.hold(FUNDING_RATE, newest(w, FUNDING_RATE))
    assert w.rows(CORRECTED) == first
    three = load(1.5, 2.5, 3.0, 4.5)
    assert w.rows(CORRECTED) == first
    w.publish_funding(perpetual)
    assert w.rows(CORRECTED) == [*first, correction("interest_1h", 1.0, 1.5, two, three)]


# --- replaced versions are deleted ------------------------------------------------------------------------------


def prune(warehouse: Warehouse, kept_from: datetime) -> dict[str, int]:
    """How many versions of each of TABLES go."""
    pruned = publication.prune(warehouse.connection, kept_from, DATASETS)
    return {table.name: pruned[table.name] for table in TABLES}


def test_what_was_replaced_longer_ago_is_deleted_and_the_rest_answers_as_before(published):
    w, story = published.warehouse, Story(published)
    story.step("published")
    for seed in (21, 22):
        published.load_perpetual(seed)
        published.load_funding(3, plus=1)
        published.publish_inputs()
        story.step("superseded")
        published.computed()
        story.step("superseded and computed")
    w.hold(CANDLE_DAY, [published.day(published.future_id)])
    story.step("taken back")
    published.load_future(seed=23)
    published.publish_inputs()
    published.computed()
    story.step("followed by another one")
    published.load_future(seed=24)
    story.check()
    of = f"instrument_id = {published.perpetual_id} AND day = '{FIRST}'"
    hour = f"ts = '{HOURS[3]}'"
    assert states(w, CANDLE_DAY, of) == states(w, FUNDING_RATE, hour) == ["superseded", "superseded", "published"]
    assert of_first(w, INDEX_DAY) == ["superseded", "superseded", "published"]
    assert of_first(w, BASIS_DAY) == ["superseded", "superseded", "withdrawn", "published"]

    assert prune(w, story.steps[0][1]) == {"candle_day": 0, "funding_rate": 0, "index_day": 0, "basis_day": 0}
    story.check()

    # after the second version was published, before what was computed from the first one was replaced
    _, kept_from, _ = story.steps[1]
    assert prune(w, kept_from) == {"candle_day": 0, "funding_rate": 1, "index_day": 0, "basis_day": 0}
    assert states(w, CANDLE_DAY, of)[0] == "superseded", "a basis of it can still be asked"
    story.steps = story.steps[1:]
    story.check()

    _, kept_from, _ = story.steps[1]
    assert prune(w, kept_from) == {"candle_day": 1, "funding_rate": 0, "index_day": 1, "basis_day": 1}
    earlier, story.steps = story.steps[0][1], story.steps[1:]
    story.check()
    for _, _, _, function, subject in QUESTIONS.values():
        with pytest.raises(psycopg.errors.DataException, match=f"{earlier:%Y-%m-%d %H:%M:%S}"):
            w.rows(f"SELECT * FROM {function}(%s, %s, %s, as_of => %s)", subject, BEGINS, PAST, earlier)

    assert prune(w, earlier) == {"candle_day": 0, "funding_rate": 0, "index_day": 0, "basis_day": 0}
    assert w.value("SELECT kept_from FROM store.retention") == kept_from, "never an earlier one again"

    last, waiting = story.steps[-1], published.day(published.future_id)
    prune(w, last[1])
    assert sorted(states(w, CANDLE_DAY)) == ["pending", *["published"] * 4]
    assert published.day(published.future_id) == waiting
    assert states(w, INDEX_DAY) == states(w, BASIS_DAY) == ["published"] * 2
    assert states(w, FUNDING_RATE) == ["published"] * 48
    assert published.shown() == last[2]
    story.steps = [last]
    story.check()


def test_no_transaction_deletes_more_versions_than_a_slice_and_who_publishes_gets_in_between(
    published, market, monkeypatch
):
    w = published.warehouse
    for seed in range(5):
        published.load_perpetual(seed)
        published.publish_inputs()
    monkeypatch.setattr(publication, "SLICE", 2)
    watched = Watched(w, market, "SELECT count(*) FROM store.candle_day")
    there = watched.connection.execute(watched.counted).fetchone()[0]
    pruned = publication.prune(watched, now(w), DATASETS)
    assert pruned["candle_day"] > 2
    steps = [before - after for before, after in pairwise([there, *watched.left])]
    assert sum(steps) == pruned["candle_day"] and max(steps) == 2


def test_what_is_pending_published_or_held_without_a_newer_one_is_kept(published):
    w = published.warehouse
    w.hold(CANDLE_DAY, [published.day(published.perpetual_id)])  # the newest: it may still be waived
    w.hold(FUNDING_RATE, [published.hour(40)])
    w.hold(BASIS_DAY, newest(w, BASIS_DAY, f"day = '{SECOND}'"))
    published.load_future(seed=31)
    block(w, CANDLE_DAY, [published.day(published.future_id)])
    before = {table.name: w.rows(f"SELECT xmin, * FROM store.{table.name} ORDER BY 2, 3, 4") for table in TABLES[:2]}
    assert prune(w, now(w)) == {"candle_day": 0, "funding_rate": 0, "index_day": 2, "basis_day": 1}, "withdrawn"
    for table in TABLES[:2]:
        assert w.rows(f"SELECT xmin, * FROM store.{table.name} ORDER BY 2, 3, 4") == before[table.name]
    assert states(w, BASIS_DAY) == ["held"]
    w.publish(published.perpetual_id)
    w.publish_funding(published.perpetual_id)
    published.computed()
    assert len(published.shown()["basis"]) == len(published.shown()["index"]) == 2880


def test_what_a_published_basis_or_index_names_is_kept_however_old(published):
    w, before = published.warehouse, published.shown()
    published.load_perpetual(seed=41)
    published.load_future(seed=42)
    published.publish_inputs()
    published.compute()
    for dataset in COMPUTED:
        w.decide(dataset, passed=False, days=[FIRST])
    assert prune(w, now(w)) == {"candle_day": 0, "funding_rate": 0, "index_day": 0, "basis_day": 0}
    assert published.shown()["basis"] == before["basis"]
    assert published.shown()["index"] == before["index"]
    for dataset in COMPUTED:
        w.decide(dataset)
    assert prune(w, now(w)) == {"candle_day": 2, "funding_rate": 0, "index_day": 1, "basis_day": 1}


def test_a_moment_that_can_not_be_told_is_an_error_also_where_nothing_is_left(published):
    """The last version of a computed day may be withdrawn, and is deleted: then no row is there to ask."""
    w, shown, moment = published.warehouse, published.shown(), now(published.warehouse)
    w.hold(CANDLE_DAY, [published.day(published.perpetual_id, day) for day in (FIRST, SECOND)])
    assert published.as_of(moment) == shown
    assert prune(w, now(w)) == {"candle_day": 0, "funding_rate": 0, "index_day": 2, "basis_day": 2}
    silent = []
    for name, (_, _, _, function, subject) in QUESTIONS.items():
        for asked in (moment, now(w) + timedelta(hours=1)):
            try:
                w.rows(f"SELECT * FROM {function}(%s, %s, %s, as_of => %s)", subject, BEGINS, PAST, asked)
            except psycopg.errors.DataException:
                continue
            silent.append((name, "deleted" if asked == moment else "in the future"))
    assert silent == [], "fewer rows than there were, and no error"


def test_the_future_is_not_known(published):
    tomorrow = now(published.warehouse) + timedelta(days=1)
    for _, _, _, function, subject in QUESTIONS.values():
        with pytest.raises(psycopg.errors.DataException, match=f"{tomorrow:%Y-%m-%d %H:%M:%S}.* is not known"):
            published.warehouse.rows(
                f"SELECT * FROM {function}(%s, %s, %s, as_of => %s)", subject, BEGINS, PAST, tomorrow
            )


# --- publishing again -------------------------------------------------------------------------------------------


def written(warehouse: Warehouse) -> dict[str, list[tuple]]:
    return {table.name: warehouse.rows(f"SELECT xmin, ctid, * FROM store.{table.name} ORDER BY ctid")
            for table in TABLES}  # fmt: skip


def test_publishing_again_what_is_unchanged_writes_nothing(published):
    w = published.warehouse
    days = newest(w, CANDLE_DAY)
    assert publish(w, CANDLE_DAY, days, [("index", 1)] * len(days)) == 0
    noted = written(w)
    assert {row[0] for row in w.rows("SELECT reference FROM store.candle_day")} == {"index"}
    before = published.shown()
    for table in TABLES:
        versions = newest(w, table)
        assert publish(w, table, versions) == 0
        assert publish(w, table, versions[::-1]) == 0
        assert publish(w, table, []) == 0
        block(w, table, versions)
    assert publish(w, CANDLE_DAY, days, [("index", 1)] * len(days)) == 0
    assert published.compute() == [0, 0]
    assert written(w) == noted
    assert publish(w, CANDLE_DAY, days[:1], [("futures", 2)]) == 0
    assert w.value("SELECT count(*) FROM store.candle_day WHERE reference = 'futures'") == 1
    assert published.shown() == before, "a note changes nothing that is shown"


def test_an_older_version_than_the_published_one_is_never_published(published):
    w = published.warehouse
    older = {table: newest(w, table) for table in TABLES}
    published.load_perpetual(seed=51)
    published.load_future(seed=52)
    published.load_funding(plus=1)
    w.hold(CANDLE_DAY, older[CANDLE_DAY][:1])  # shown once, held back, and an older one than what comes
    published.publish_inputs()
    published.computed()
    before = written(w), published.shown()
    assert "held" in states(w, CANDLE_DAY) and "superseded" in states(w, FUNDING_RATE)
    for table, versions in older.items():
        assert publish(w, table, versions) == 0
        assert w.hold(table, [v for v in versions if v not in newest(w, table)]) == 0, "it is published no more"
    assert (written(w), published.shown()) == before
    both = [*older[CANDLE_DAY], *newest(w, CANDLE_DAY)]
    assert publish(w, CANDLE_DAY, both) == 0
    assert (written(w), published.shown()) == before


# --- any order of all of it -------------------------------------------------------------------------------------

names = count()
MINUTES = 4


@dataclass
class Version:
    """A version as the model knows it."""

    content: tuple[int, bool]
    state: str = "pending"
    was_shown: bool = False
    decided: int = -1
    blocked: bool = False


class Model:
    """One key, in plain words: what the store has to do."""

    def __init__(self):
        self.versions: list[Version] = []
        self.kept_from = -1

    def load(self, content: tuple[int, bool]) -> None:
        if self.versions:
            stored = self.versions[-1].content
            if content == stored or (content[1] and not stored[1]):
                return  # equal, or with fewer minutes
            self.versions = [v for v in self.versions if v.state not in ("pending", "held") or v.was_shown]
        self.versions.append(Version(content))

    def publish(self, i: int, moment: int) -> None:
        version = self.versions[i]
        if version.state in ("pending", "held") and not any(v.state == "published" for v in self.versions[i + 1 :]):
            for other in self.versions:
                if other.state == "published":
                    other.state, other.decided = "superseded", moment
            version.state, version.decided, version.was_shown = "published", moment, True

    def hold(self, i: int, moment: int) -> None:
        if self.versions[i].state in ("pending", "published"):
            self.versions[i].state, self.versions[i].decided = "held", moment

    def block(self, i: int) -> None:
        self.versions[i].blocked |= self.versions[i].state == "pending"

    def prune(self, moment: int) -> None:
        """moment: the one after which all is kept."""
        self.kept_from = max(self.kept_from, moment)
        last = self.versions[-1]
        self.versions = [
            v for v in self.versions
            if v.state not in ("held", "superseded") or (v.state == "held" and v is last)
            or (v.was_shown and v.decided > moment)
        ]  # fmt: skip

    def shown(self) -> tuple[int, bool] | None:
        return next((v.content for v in self.versions if v.state == "published"), None)


anything = st.one_of(
    st.tuples(st.just("load"), st.integers(0, 2), st.booleans()),
    st.tuples(st.sampled_from(["publish", "publish", "hold", "block"]), st.just(-1)),  # the newest
    st.tuples(st.sampled_from(["publish", "hold", "block"]), st.integers(0, 3)),
    st.tuples(st.just("prune"), st.integers(0, 20)),
)


def content_of(seed: int, hole: bool) -> Candles:
    candles = trading(BEGINS, at(FIRST, MINUTES), seed=seed)
    return candles.without(2) if hole else candles


def rows_of(content: tuple[int, bool] | None) -> list[tuple]:
    if content is None:
        return []
    candles = content_of(*content)
    return [
        tuple(row) if there else (None,) * 6
        for row, there in zip(candles.columns.T.tolist(), candles.present, strict=True)
    ]


@settings(max_examples=15)
@given(operations=st.lists(anything, min_size=4, max_size=14))
@example([("load", 0, False), ("publish", -1), ("hold", -1), ("publish", -1), ("load", 1, False), ("publish", -1),
          ("hold", 0), ("hold", -1), ("load", 2, False), ("block", -1), ("publish", 1), ("publish", -1),
          ("prune", 4), ("load", 0, False), ("hold", -1), ("prune", 20)])  # fmt: skip
def test_any_order_of_all_of_it_is_what_the_model_says(shared_warehouse, operations):
    w, model = shared_warehouse, Model()
    # what was deleted for one example is gone for the next one, too: each asks only for its own moments
    name = f"P{next(names)}-PERPETUAL"
    key = w.instrument(name, BEGINS, base=name)
    asked = f"SELECT {', '.join(COLUMNS)} FROM candles(%s, %s, %s, as_of => %s)"
    moments: list[datetime] = []
    past: list[tuple[int, bool] | None] = []

    def stored() -> list[tuple]:
        return w.rows(
            "SELECT instrument_id, day, version_id, state, validation_id IS NOT NULL FROM store.candle_day "
            "WHERE instrument_id = %s ORDER BY version_id", key,
        )  # fmt: skip

    for operation, *arguments in operations:
        moment = len(moments)
        if operation == "load":
            w.candles(key, content_of(*arguments))
            model.load(tuple(arguments))
        elif operation == "prune":
            if not moments or not model.versions:
                continue
            kept = min(arguments[0], moment - 1)
            prune(w, moments[kept])
            model.prune(kept)
        else:
            versions = stored()
            i = arguments[0] if arguments[0] >= 0 else len(versions) - 1
            if not 0 <= i < len(versions):
                continue
            version = versions[i][:3]
            if operation == "publish":
                publish(w, CANDLE_DAY, [version])
                model.publish(i, moment)
            elif operation == "hold":
                w.hold(CANDLE_DAY, [version])
                model.hold(i, moment)
            else:
                block(w, CANDLE_DAY, [version])
                model.block(i)
        assert [(state, decided) for *_, state, decided in stored()] == [
            (v.state, v.state != "pending" or v.blocked) for v in model.versions
        ]
        view = f"SELECT {', '.join(COLUMNS)} FROM candle WHERE instrument = %s ORDER BY ts"
        assert w.rows(view, name) == rows_of(model.shown())
        moments.append(now(w))
        past.append(model.shown())

    for i, (moment, content) in enumerate(zip(moments, past, strict=True)):
        if i < model.kept_from:
            with pytest.raises(psycopg.errors.DataException):
                w.rows(asked, name, BEGINS, ENDS, moment)
        else:
            assert w.rows(asked, name, BEGINS, ENDS, moment) == rows_of(content)
