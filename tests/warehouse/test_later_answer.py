"""Of two answers of the exchange the later one counts, in whatever order the runs that got them would store them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime, timedelta
from time import monotonic, sleep
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest

from deribit_warehouse.dataset import Dataset, Window
from deribit_warehouse.datasets import (
    DELIVERY_PRICES,
    FUNDING_LIVE,
    FUNDING_RATES,
    FUTURES_OHLCV,
    INDEX_MINUTES,
    PERPETUALS_OHLCV,
    SETTLEMENTS,
    VOLATILITY_INDEX,
)
from deribit_warehouse.datasets.settlements import NUMBERS
from deribit_warehouse.exchange.funding import Funding
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance, lock_months, try_lock_months
from deribit_warehouse.warehouse.sql import statement
from tests.warehouse.days import FIRST, HOST, Candles, at, ms, trading

DAY = at(FIRST), at(FIRST, 1440)
NONE = np.empty(0, np.int64)
OLDER, LATER = 50_000.0, 50_001.0
WAITS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def funding(price: float) -> Funding:
    """The hour that ends at 01:00, with this index."""
    hour, one = np.array([ms(at(FIRST, 60))], np.int64), np.array([price])
    return Funding("BTC-PERPETUAL", hour, one / 1e9, one / 1e8, one, one, NONE, NONE, 1)


def settlement(price: float) -> SimpleNamespace:
    return SimpleNamespace(
        timestamp=np.array([ms(at(FIRST, 480))], np.int64), type=["settlement"], duplicate=np.array([False]),
        bankruptcies=0, requests=1, **{name: np.array([price]) for name in NUMBERS},
    )  # fmt: skip


def delivery(price: float) -> SimpleNamespace:
    day = np.array([(FIRST - date(1970, 1, 1)).days], np.int64)
    return SimpleNamespace(day=day, price=np.array([price]), duplicate=NONE, requests=1)


def volatility(price: float) -> SimpleNamespace:
    prices = {name: np.array([price]) for name in ("open", "high", "low", "close")}
    return SimpleNamespace(timestamp=np.array([ms(at(FIRST))], np.int64), duplicate=NONE, requests=1, **prices)


def candles(price: float) -> Candles:
    return trading(*DAY, seed=1).setting(7, close=price)


def chart(price: float) -> SimpleNamespace:
    return SimpleNamespace(timestamp=np.array([ms(at(FIRST, 8))], np.int64), index_price=np.array([price]))


STORED = "SELECT {} FROM store.{} ORDER BY version_id DESC LIMIT 1"
ASKED = {
    "funding": (FUNDING_RATES, "funding", funding, STORED.format("index_price", "funding_rate")),
    "perpetuals": (PERPETUALS_OHLCV, "candles", candles, STORED.format("close[8]", "candle_day")),
    "futures": (FUTURES_OHLCV, "candles", candles, STORED.format("close[8]", "candle_day")),
    "settlements": (SETTLEMENTS, "settlements", settlement, STORED.format("mark_price", "settlement")),
    "delivery prices": (DELIVERY_PRICES, "delivery_prices", delivery, STORED.format("price", "delivery_price")),
    "volatility index": (VOLATILITY_INDEX, "volatility", volatility, STORED.format("close", "volatility_index")),
    "index minutes": (INDEX_MINUTES, "funding_chart", chart, STORED.format("price[8]", "index_chart_day")),
}


class Exchange:
    """It says of what is asked what it is told to say; meanwhile something may happen."""

    def __init__(self, method: str, answer: object, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.method, self.answer, self.meanwhile = method, answer, meanwhile

    def __getattr__(self, name: str) -> Callable:
        if name == "funding_value":
            return lambda *_: 0.0
        assert name == self.method

        def asked(*_: object) -> object:
            self.meanwhile()
            return self.answer

        return asked


def load(
    connection: psycopg.Connection, dataset: Dataset, exchange: Exchange, instrument_id: int, *,
    begins: datetime = DAY[0], ends: datetime = DAY[1],
) -> Ingested:  # fmt: skip
    window = Window("BTC-PERPETUAL", "BTC-PERPETUAL", instrument_id, begins, ends, 1)
    assert dataset.load
    return dataset.load(exchange, connection, window, Provenance(dataset.versions_of, window.subject, HOST, "run"))[0]


@pytest.fixture
def perpetual(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", at("2025-02-20"))


@pytest.fixture
def other(market):
    """Another run's connection."""
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield connection


@pytest.fixture
def run():
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit


def until_it_waits_or_ends(market, begun: Future) -> None:
    deadline = monotonic() + 20
    while not begun.done() and not market.value(WAITS):
        assert monotonic() < deadline, "it neither waits nor ends"
        sleep(0.02)


@pytest.mark.parametrize("what", ASKED)
def test_who_asks_later_stores_later(warehouse, market, perpetual, other, run, what):
    """While the exchange tells one run the older answer, another run of the same begins."""
    dataset, method, told, stored = ASKED[what]
    begun: list[Future] = []

    def begin() -> None:
        begun.append(run(load, other, dataset, Exchange(method, told(LATER)), perpetual))
        until_it_waits_or_ends(market, begun[0])

    changed = load(warehouse.connection, dataset, Exchange(method, told(OLDER), begin), perpetual)
    assert changed == Ingested(added=1)
    assert begun[0].result(20) == Ingested(corrected=1)
    assert warehouse.value(stored) == LATER


@pytest.mark.parametrize("what", [what for what, (dataset, *_) in ASKED.items() if dataset.table])
def test_what_a_load_records_as_answered_is_what_the_expected_data_name(warehouse, perpetual, what):
    """So coverage knows of an empty month whether the exchange was asked for it, and a closing which days are open."""
    dataset, method, told, _ = ASKED[what]
    load(warehouse.connection, dataset, Exchange(method, told(LATER)), perpetual)
    recorded = warehouse.rows("SELECT what FROM store.fetched")
    expected = statement(f"datasets/{dataset.sql}/expected")
    named = f"SELECT DISTINCT fetched_as FROM ({expected}) AS e WHERE fetched_as IS NOT NULL"
    assert warehouse.rows(named) == recorded


HOUR = "SELECT index_price FROM store.funding_rate ORDER BY version_id DESC LIMIT 1"


def test_history_asks_for_an_hour_after_live_has_stored_it(warehouse, market, perpetual, other, run):
    begun: list[Future] = []

    def begin() -> None:
        begun.append(run(load, other, FUNDING_RATES, Exchange("funding", funding(LATER)), perpetual))
        until_it_waits_or_ends(market, begun[0])

    live = Exchange("funding", funding(OLDER), begin)
    assert load(warehouse.connection, FUNDING_LIVE, live, perpetual) == Ingested(added=1)
    assert begun[0].result(20) == Ingested(corrected=1)
    assert warehouse.value(HOUR) == LATER


def test_live_leaves_an_hour_that_history_asks_for_to_its_next_run(warehouse, perpetual, other):
    left: list[Ingested] = []

    def fail() -> None:
        raise AssertionError("the exchange is asked")

    def begin() -> None:
        left.append(load(other, FUNDING_LIVE, Exchange("funding", funding(LATER), fail), perpetual))

    history = Exchange("funding", funding(OLDER), begin)
    assert load(warehouse.connection, FUNDING_RATES, history, perpetual) == Ingested(added=1)
    assert left == [Ingested()]
    assert load(other, FUNDING_LIVE, Exchange("funding", funding(LATER)), perpetual) == Ingested(corrected=1)
    assert warehouse.value(HOUR) == LATER


def test_an_exchange_that_is_away_keeps_nobody_waiting(warehouse, perpetual, other):
    def away() -> None:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError):
        load(warehouse.connection, FUNDING_RATES, Exchange("funding", None, away), perpetual)
    assert load(other, FUNDING_LIVE, Exchange("funding", funding(LATER)), perpetual) == Ingested(added=1)


def test_a_lock_is_of_the_months_that_are_asked_for(warehouse, other):
    """So a history that is loaded year by year, several years at once, waits for nothing."""
    told = Provenance("funding_rates", "BTC-PERPETUAL", HOST, "run")

    def free(begins: datetime, ends: datetime, told: Provenance = told) -> bool:
        with warehouse.connection.transaction():
            return try_lock_months(warehouse.connection, told, begins, ends)

    march, april = at("2025-03-01"), at("2025-04-01")
    with other.transaction():
        lock_months(other, told, march, april)
        assert not free(march, april) and not free(april - timedelta(minutes=1), april + timedelta(days=40))
        assert not free(march - timedelta(days=40), march + timedelta(seconds=1))
        assert free(april, april + timedelta(days=30)) and free(march - timedelta(days=365), march)
        assert free(march, april, Provenance("funding_rates", "ETH-PERPETUAL", HOST, "run"))
        assert free(march, april, Provenance("settlements", "BTC-PERPETUAL", HOST, "run"))
    assert free(march, april)
