"""What waits for what it is compared with, what is validated again when that changes, and that it all comes to rest.

Three sources say what a coin's level is: the perpetual, the index in its funding, the dated futures. Whatever the order
in which they are loaded, the same is published in the end.
"""

from __future__ import annotations

import json
import shutil
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest

from deribit_warehouse.datasets import DATASETS, FUNDING_RATES, FUTURES_OHLCV, PERPETUALS_OHLCV
from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.completion import due, pending
from tests.warehouse.conftest import empty
from tests.warehouse.days import FIRST, at, trading
from tests.warehouse.test_levels import BORN, ENDS, Coin, times

SOURCES = {"perpetual": PERPETUALS_OHLCV, "index": FUNDING_RATES, "futures": FUTURES_OHLCV}
MONTH = at(FIRST), at("2025-04-01")


class World(Coin):
    """A coin, and the runs that validate what is stored of it."""

    def load(self, source: str, factor: float = 1, *, validated: bool = True) -> None:
        """Stores a day of one source at a multiple of the true level, and has it looked at, as a run does."""
        self.store(**(dict.fromkeys(SOURCES) | {source: factor}))
        if validated:
            self.validate(SOURCES[source])

    def validate(self, dataset, begins=MONTH[0], ends=MONTH[1], only_fetched=True):
        """As a run does that an asset has started."""
        from deribit_warehouse.pipeline.validate_and_publish import validate_and_publish

        context = {"dag_run": SimpleNamespace(dag_id=dataset.dag_id, run_id="run")}
        connection = self.warehouse.connection
        with connection.transaction():
            return validate_and_publish(connection, dataset, context, begins, ends, only_fetched=only_fetched)

    def settle(self) -> int:
        """Validates what can be until nothing can; how many times it took."""
        for done in range(10):
            with self.warehouse.connection.transaction():
                ready = [d for d in SOURCES.values() if publication.pending(self.warehouse.connection, d)]
            if not ready:
                return done
            for dataset in ready:
                self.validate(dataset)
        raise AssertionError("what waits is never settled")

    def said(self) -> dict[str, set]:
        """Of each source the states its newest versions are in."""
        state = "CASE WHEN state = 'pending' AND validation_id IS NOT NULL THEN 'blocked' ELSE state::text END"
        newest = f"SELECT DISTINCT ON (instrument_id, {{0}}) instrument_id, {state} FROM store.{{1}} " \
                 "ORDER BY instrument_id, {0}, version_id DESC"  # fmt: skip
        days = self.warehouse.rows(newest.format("day", "candle_day"))
        return {
            "perpetual": {state for id_, state in days if id_ == self.perpetual},
            "index": {state for _, state in self.warehouse.rows(newest.format("ts", "funding_rate"))},
            "futures": {state for id_, state in days if id_ != self.perpetual},
        }

    def published(self) -> tuple[list[tuple], list[tuple]]:
        """Every candle and every hour of funding that readers see, without the validation that published it."""
        candles = "SELECT instrument, ts, open, high, low, close, volume, cost, traded, fresh FROM candle ORDER BY 1, 2"
        hours = "SELECT instrument, ts, interest_1h, interest_8h, index_price, prev_index_price FROM funding_rates"
        return self.warehouse.rows(candles), self.warehouse.rows(f"{hours} ORDER BY 1, 2")

    def held(self) -> set[str]:
        """The sources that are held back, which of one day is a blocked interval; all else is published."""
        said = self.said()
        assert all(states in ({"held"}, {"blocked"}, {"published"}) for states in said.values()), said
        return {source for source, states in said.items() if states != {"published"}}


LEVELS = {"level-agrees", "near-reference", "minutes-complete", "rows-present"}
"""The rules that matter here: with all of them most of the time is Great Expectations'."""


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    """The reviewed suites, with these rules alone."""
    from deribit_warehouse import settings

    folder = tmp_path_factory.mktemp("suites") / "expectations"
    shutil.copytree(settings.EXPECTATIONS, folder)
    for dataset in SOURCES.values():
        file = folder / f"{dataset.name}.json"
        suite = json.loads(file.read_text())
        suite["expectations"] = [each for each in suite["expectations"] if each["meta"]["rule"] in LEVELS]
        file.write_text(json.dumps(suite))
    return folder


@pytest.fixture
def world(warehouse, suites, monkeypatch) -> World:
    from deribit_warehouse import settings

    monkeypatch.setattr(settings, "EXPECTATIONS", suites)
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    return World(warehouse)


def waits(market) -> set[tuple[str, str | None]]:
    return {(row["dataset"], row["waits_for"]) for row in pending(market.dsn())}


@pytest.mark.parametrize("guilty", ["nobody", "perpetual"])
def test_whatever_comes_last_the_same_is_published(world, market, guilty):
    """All six orders: each of the three sources is the last one of two of them."""
    published = {}
    for order in permutations(SOURCES):
        empty(market)
        one = World(world.warehouse)
        for source in order:
            one.load(source, 10 if source == guilty else 1)
            one.settle()
        assert one.held() == {guilty} - {"nobody"}, order
        reference = dict(one.warehouse.rows("SELECT DISTINCT instrument_id, reference FROM store.candle_day"))
        assert reference[one.futures[0]] == ("index" if guilty == "perpetual" else "perpetual"), order
        assert reference[one.perpetual] == "index", order
        published[order] = one.published()
    first, *others = published.values()
    assert {order[-1] for order in published} == set(SOURCES)
    candles = 2 if guilty == "perpetual" else 3
    assert [len(rows) for rows in first] == [1440 * candles, 24], "an instrument's day of minutes, and a day of hours"
    for order, rows in zip(list(published)[1:], others, strict=True):
        assert rows == first, order


def test_what_waits_is_named_until_it_comes(world, market):
    index, candles = "funding_rates of BTC-PERPETUAL", "perpetuals_ohlcv of BTC-PERPETUAL"
    assert pending(market.dsn()) == []
    world.load("futures")
    assert world.settle() == 0 and waits(market) == {("futures_ohlcv", candles)}
    assert due(market.dsn(), DATASETS) == {}, "no run has anything to do"
    [row] = pending(market.dsn())
    assert (row["instruments"], row["days"], row["first_day"], row["last_day"]) == (2, 2, FIRST, FIRST)
    world.load("index")
    assert waits(market) == {("futures_ohlcv", candles), ("funding_rates", candles)}
    assert world.warehouse.value("SELECT count(*) FROM store.validation") == 0
    world.load("perpetual")
    assert waits(market) == {("futures_ohlcv", None), ("funding_rates", None)}
    assert due(market.dsn(), DATASETS) == {"futures_ohlcv": 2, "funding_rates": 1}
    world.settle()
    assert pending(market.dsn()) == [] and world.held() == set()

    world.warehouse.candles(world.perpetual, trading(at(FIRST, 1440), at(FIRST, 2880)))
    assert waits(market) == {("perpetuals_ohlcv", index)}, "its next day has no funding yet"


def test_what_is_being_loaded_is_left_to_the_run_that_loads_it(world, market):
    """It may be half of a month; a run by hand takes it, for the run that loaded it may be dead."""
    world.load("index", validated=False)
    world.load("perpetual", validated=False)
    assert waits(market) == {("funding_rates", None), ("perpetuals_ohlcv", None)}
    with world.warehouse.connection.transaction():
        for dataset in (FUNDING_RATES, PERPETUALS_OHLCV):
            assert publication.pending(world.warehouse.connection, dataset) == []
            assert len(publication.pending(world.warehouse.connection, dataset, by_hand=True)) == 1
    assert due(market.dsn(), DATASETS) == {"funding_rates": 1, "perpetuals_ohlcv": 1}


def test_two_that_disagree_are_held_until_a_third_settles_it(world, market):
    world.load("perpetual", 10)
    world.load("index")
    world.settle()
    assert world.said() == {"perpetual": {"blocked"}, "index": {"blocked"}, "futures": set()}
    world.load("futures")
    assert waits(market) == {("perpetuals_ohlcv", None), ("funding_rates", None)}
    world.settle()
    assert world.held() == {"perpetual"}


def test_what_was_compared_with_a_corrected_version_is_validated_again(world, market):
    for source in SOURCES:
        world.load(source)
    world.settle()
    world.load("perpetual", 1.001)
    assert waits(market) == {("funding_rates", None), ("futures_ohlcv", None)}
    world.settle()
    assert world.held() == set()
    world.load("futures", 1.001)
    assert waits(market) == set(), "the perpetual agrees with its index: it never asked the futures"

    # and what is wrong now leaves
    world.load("index", 10)
    world.settle()
    assert world.held() == {"index"}
    world.load("index")
    world.settle()
    assert world.held() == set()


def test_an_hour_without_an_index_is_decided_on_when_the_futures_come(world, market):
    """The first day of the funding begins in its middle: what came before it the futures decide on."""
    hours = [at(FIRST, 60 * k) for k in range(13, 25)]
    columns = np.stack([np.full(12, 1e-5), np.full(12, 8e-5), *np.full((2, 12), 50_000.0)])
    world.warehouse.funding(world.perpetual, hours, columns)
    world.asked("funding")
    wrong = trading(at(FIRST), ENDS, seed=1)
    for name in ("open", "high", "low", "close", "cost"):
        getattr(wrong, name)[:720] *= 10
    world.warehouse.candles(world.perpetual, wrong.setting(719, high=1e6, low=1.0))
    world.validate(PERPETUALS_OHLCV)
    assert world.said()["perpetual"] == {"published"}, "nothing contradicts it"
    world.load("futures")
    assert ("perpetuals_ohlcv", None) in waits(market)
    world.settle()
    outcomes = "SELECT outcome FROM validations WHERE dataset = 'perpetuals_ohlcv' ORDER BY validation_id"
    assert [outcome for [outcome] in world.warehouse.rows(outcomes)] == ["passed", "blocked"], "its only day is wrong"


def test_a_day_without_a_reference_is_validated_again_when_a_delivery_price_comes_or_changes(world, market):
    """It doesn't wait: nobody knows whether the exchange has one. It says that it was checked against nothing."""
    with world.warehouse.connection.transaction():
        from deribit_warehouse.warehouse.funding import record_start

        record_start(world.warehouse.connection, world.perpetual, at("2025-04-30", 600))

    def said() -> tuple[str, str]:
        first, *others = world.warehouse.rows("SELECT state::text, reference FROM store.candle_day ORDER BY day")
        assert set(others) == {("published", "none")}
        return first

    # of twelve days one may be held back alone
    world.warehouse.candles(world.perpetual, trading(at(FIRST, 1440), at(FIRST, 12 * 1440)))
    world.load("perpetual", 0.05)
    assert said() == ("published", "none") and waits(market) == set()
    for factor, state in ((1, "held"), (0.05, "published"), (0.06, "published"), (1, "held")):
        world.store(perpetual=None, index=None, futures=None, delivery=factor)
        assert waits(market) == {("delivery_prices", None), ("perpetuals_ohlcv", None)}
        assert world.settle() == 1
        assert said() == (state, "delivery") and waits(market) == {("delivery_prices", None)}


def test_a_delivery_price_does_not_concern_what_its_index_has_settled(world, market):
    for source in SOURCES:
        world.load(source)
    world.settle()
    world.store(perpetual=None, index=None, futures=None, delivery=1)
    assert waits(market) == {("delivery_prices", None)}, "itself alone"


def test_what_was_taken_back_with_a_lifetime_is_validated_when_that_is_undone(world, market):
    for source in SOURCES:
        world.load(source)
    world.settle()
    versions = world.warehouse.newest(world.perpetual)
    nothing = [(None, None)] * len(versions)
    with world.warehouse.connection.transaction():
        validation_id = world.warehouse.connection.execute(
            "SELECT max(validation_id) FROM store.validation"
        ).fetchone()[0]
        publication.hold(world.warehouse.connection, CANDLE_DAY, validation_id, versions, DATASETS, nothing)
    assert ("perpetuals_ohlcv", None) in waits(market)
    world.settle()
    assert world.said()["perpetual"] == {"published"}


def test_validating_again_what_has_not_changed_writes_nothing(world):
    for source in SOURCES:
        world.load(source)
    world.settle()
    written = "SELECT count(*), sum(hashtext(ctid::text || xmin::text)::bigint) FROM store.{}"
    before = [world.warehouse.rows(written.format(table)) for table in ("candle_day", "funding_rate")]
    for dataset in SOURCES.values():
        assert world.validate(dataset).changes == 0
    assert [world.warehouse.rows(written.format(table)) for table in ("candle_day", "funding_rate")] == before


def test_a_day_that_was_asked_for_and_is_not_there_is_named_with_those_that_waited(world):
    """The exchange has answered for two days, and had one: the other must not be forgotten with the wait."""
    two = trading(at(FIRST), at(FIRST, 2880), seed=1)
    world.warehouse.candles(world.perpetual, two.without(slice(1440, 2880)))
    world.load("index")
    world.validate(PERPETUALS_OHLCV)
    world.settle()
    assert world.said()["perpetual"] == {"published"}
    found = "SELECT instrument, day::text, rule FROM quarantined"
    assert world.warehouse.rows(found) == [], "its own funding is not there yet"
    hours = [at(FIRST, 60 * k) for k in range(25, 49)]
    world.warehouse.funding(
        world.perpetual, hours, np.stack([np.full(24, 1e-5), np.full(24, 8e-5), *np.full((2, 24), 5e4)])
    )
    with world.warehouse.connection.transaction():
        from deribit_warehouse.warehouse.ingestion import record_fetched
        from tests.warehouse.days import ms

        record_fetched(world.warehouse.connection, world.perpetual, "funding", ms(ENDS), ms(at(FIRST, 2880)))
    world.validate(PERPETUALS_OHLCV)
    named = world.warehouse.rows(found)
    assert ("BTC-PERPETUAL", "2025-03-02", "minutes-complete") in named
    assert {day for _, day, _ in named} == {"2025-03-02"}, "nobody asked for the rest of the month"


def test_what_a_validation_has_blocked_is_taken_up_when_what_it_is_compared_with_changes(world, market):
    for n in range(4, 14):  # so many days that a tenth of them is more than one
        world.warehouse.instrument(f"BTC-{n}MAR25", BORN, at(f"2025-03-{n:02}", 480))
    world.load("index")
    world.load("perpetual", 10)
    world.load("futures", 100)
    result = world.validate(FUTURES_OHLCV)
    assert result.decision.blocked_because and result.changes == 0
    [row] = [row for row in pending(market.dsn()) if row["dataset"] == "futures_ohlcv"]
    assert row["blocked"] and row["waits_for"] is None
    assert "futures_ohlcv" not in due(market.dsn(), DATASETS), "it would be blocked again at every event"
    with world.warehouse.connection.transaction():
        assert publication.pending(world.warehouse.connection, FUTURES_OHLCV) == []
        assert publication.pending(world.warehouse.connection, FUTURES_OHLCV, by_hand=True) != []
    world.load("index", 100)
    assert due(market.dsn(), DATASETS)["futures_ohlcv"] == 2
    world.settle()
    assert world.said()["futures"] == {"published"}


def test_what_lies_beyond_a_lifetime_waits_for_nothing(world, market):
    """It is in no profile, so no validation would ever settle it."""
    for source in SOURCES:
        world.load(source)
    world.settle()
    with world.warehouse.connection.transaction():
        world.warehouse.connection.execute(
            "UPDATE store.instrument SET expires_at = '2025-02-01' WHERE settlement_period <> 'perpetual'"
        )
    world.warehouse.candles(world.perpetual, times(trading(at(FIRST), ENDS, seed=1), 1.001))
    assert ("futures_ohlcv", None) not in waits(market)
    world.settle()
