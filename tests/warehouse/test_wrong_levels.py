"""Prices that look right and are wrong, through profile, suite and gate: what is held back, what is published and what
follows from it. And prices that look wrong and are right: a crash."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD, FUNDING_RATES, FUTURES_OHLCV, INDEX_PRICES, PERPETUALS_OHLCV
from deribit_warehouse.warehouse.funding import record_checksum, record_start
from deribit_warehouse.warehouse.ingestion import record_fetched

from .days import FIRST, Candles, Warehouse, at, ms, trading

BORN = at("2024-01-01")
SECOND = FIRST + timedelta(days=1)
ENDS = at(FIRST, 2880)
LEVEL = 50_000.0
TRUE_HOURS = {"funding_history": 24}
OF_BOTH = TRUE_HOURS | {"perpetual_proxy": 1416}
PRICES = ("open", "high", "low", "close", "cost")


def scaled(candles: Candles, factor: float | np.ndarray) -> Candles:
    return candles.but(**{name: getattr(candles, name) * factor for name in PRICES})


def from_minute(first: int, past: int, factor: float) -> np.ndarray:
    """A factor for each minute of the two days: 1, and another one from a minute on to before another."""
    return np.where((np.arange(2880) >= first) & (np.arange(2880) < past), factor, 1)


class Coins:
    """Two days of some coins: their perpetuals, dated futures and funding, true but for what a test says."""

    def __init__(self, warehouse: Warehouse):
        self.warehouse = warehouse

    def store(
        self, coin: str, *, linear: bool, futures: int = 0, perpetual: float | np.ndarray = 1,
        index: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Adds a coin whose perpetual's candles are a multiple of the true ones. index: of each hour a multiple of the
        true one; None: its funding begins later."""
        kind = {"base": coin, "quote": "USDC", "settlement": "USDC"} if linear else {"base": coin}
        name, warehouse = f"{coin}_USDC" if linear else coin, self.warehouse
        perpetual_id = warehouse.instrument(f"{name}-PERPETUAL", BORN, **kind)
        warehouse.candles(perpetual_id, scaled(trading(at(FIRST), ENDS, seed=1), perpetual))
        for n in range(futures):
            future = warehouse.instrument(f"{name}-{21 + 7 * n}MAR25", BORN, at(f"2025-03-{21 + 7 * n}", 480), **kind)
            warehouse.candles(future, trading(at(FIRST), ENDS, seed=2 + n, level=1.01 * LEVEL))
        if index is None:
            with warehouse.connection.transaction():
                record_start(warehouse.connection, perpetual_id, at(FIRST, 4320))
        else:
            hours = [at(FIRST, 60 * k) for k in range(1, 49)]
            told = LEVEL * index
            columns = np.stack([np.full(48, 1e-5), np.full(48, 8e-5), told, np.concatenate([told[:1], told[:-1]])])
            warehouse.funding(perpetual_id, hours, columns)
        with warehouse.connection.transaction():
            for what in ("candles", "funding"):
                record_fetched(warehouse.connection, perpetual_id, what, ms(at(FIRST)), ms(ENDS))

    def validate(self, *datasets) -> None:
        for dataset in datasets:
            if dataset.inputs:
                self.warehouse.compute(dataset)
            self.warehouse.validate(dataset, at(FIRST), ENDS)

    def held_back(self) -> set[tuple[str, str, date]]:
        return set(self.warehouse.rows("SELECT DISTINCT dataset, instrument, day FROM quarantined"))

    def indexed(self, index_name: str) -> dict[date, dict[str, int]]:
        """Of each day how many minutes of the index are published, by their source."""
        found: dict[date, dict[str, int]] = {}
        for day, source, minutes in self.warehouse.rows(
            "SELECT day, source, count(*) FROM index_prices WHERE index_name = %s AND price IS NOT NULL GROUP BY 1, 2",
            index_name,
        ):
            found.setdefault(day, {})[source] = minutes
        return found

    def days(self, view: str) -> set[tuple[str, date]]:
        """What is published: each instrument's coin and day."""
        shown = self.warehouse.rows(f"SELECT DISTINCT instrument, day FROM {view}")
        return {(name.split("-")[0], day) for name, day in shown}


@pytest.fixture
def coins(warehouse) -> Coins:
    return Coins(warehouse)


def test_of_linear_coins_the_guilty_are_held_back_and_their_neighbours_are_not(coins, monkeypatch):
    """Where there are dated futures they settle it; without any the perpetual and its index are both held back."""
    monkeypatch.setenv("DERIBIT_CURRENCIES", "USDC")
    true, tenfold = np.ones(48), from_minute(1440, 2880, 10)
    coins.store("SOL", linear=True, futures=2, perpetual=tenfold, index=true)
    coins.store("DOGE", linear=True, perpetual=tenfold, index=true)
    coins.store("XRP", linear=True, futures=1, index=true)
    coins.store("ADA", linear=True, index=true)
    coins.validate(PERPETUALS_OHLCV, FUTURES_OHLCV, FUNDING_RATES, INDEX_PRICES, BASIS_SPREAD)

    assert coins.held_back() == {
        ("perpetuals_ohlcv", "SOL_USDC-PERPETUAL", SECOND),
        ("perpetuals_ohlcv", "DOGE_USDC-PERPETUAL", SECOND), ("funding_rates", "DOGE_USDC-PERPETUAL", SECOND),
    }  # fmt: skip
    both = {(coin, day) for coin in ("SOL_USDC", "XRP_USDC") for day in (FIRST, SECOND)}
    assert coins.days("futures_ohlcv") == both
    assert coins.days("basis_spread") == both - {("SOL_USDC", SECOND)}
    assert coins.indexed("sol_usdc") == {FIRST: OF_BOTH, SECOND: TRUE_HOURS}
    assert coins.indexed("doge_usdc") == {FIRST: OF_BOTH}
    assert coins.indexed("xrp_usdc") == coins.indexed("ada_usdc") == dict.fromkeys((FIRST, SECOND), OF_BOTH)


def test_of_a_linear_coin_the_exchanges_own_sum_convicts_nobody(coins, monkeypatch):
    """It is not established how the index weighs its hours: an honest month in which the index moved by a fifth is off
    what is known of inverse ones by as much."""
    monkeypatch.setenv("DERIBIT_CURRENCIES", "USDC")
    index = np.concatenate([np.ones(12), np.full(36, 1.3)])
    tenfold = 10 * np.where(np.arange(2880) >= 720, 1.3, 1)
    coins.store("DOGE", linear=True, perpetual=tenfold, index=index)
    [[perpetual]] = coins.warehouse.rows("SELECT instrument_id FROM store.instrument")
    hours = np.concatenate([index[:1], index[:-1]])  # prev_index_price, relative
    other_way = 1e-5 * float(hours.sum() / hours[0])
    with coins.warehouse.connection.transaction():
        record_checksum(coins.warehouse.connection, perpetual, ms(at(FIRST)), ms(ENDS), other_way)
    coins.validate(PERPETUALS_OHLCV, FUNDING_RATES)
    assert coins.held_back() == {
        (dataset, "DOGE_USDC-PERPETUAL", day)
        for dataset in ("perpetuals_ohlcv", "funding_rates")
        for day in (FIRST, SECOND)
    }


def test_before_there_was_funding_the_two_that_disagree_are_held_back(coins, monkeypatch):
    """The perpetual is the guilty one, and nothing is there to say so: the futures of its day stay out with it."""
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH")
    coins.store("BTC", linear=False, futures=2, perpetual=from_minute(1440, 2880, 10))
    coins.store("ETH", linear=False, futures=2)
    coins.validate(PERPETUALS_OHLCV, FUTURES_OHLCV, FUNDING_RATES, INDEX_PRICES, BASIS_SPREAD)

    assert coins.held_back() == {
        ("perpetuals_ohlcv", "BTC-PERPETUAL", SECOND),
        ("futures_ohlcv", "BTC-21MAR25", SECOND), ("futures_ohlcv", "BTC-28MAR25", SECOND),
    }  # fmt: skip
    for view in ("perpetuals_ohlcv", "futures_ohlcv", "basis_spread"):
        assert coins.days(view) == {("BTC", FIRST), ("ETH", FIRST), ("ETH", SECOND)}, view
    assert coins.indexed("btc_usd") == {FIRST: {"perpetual_proxy": 1440}}
    assert coins.indexed("eth_usd") == dict.fromkeys((FIRST, SECOND), {"perpetual_proxy": 1440})


def test_a_fall_by_more_than_half_in_a_minute_is_published_where_no_crash_is_on_record(coins, monkeypatch):
    """The index falls with it. Of BTC and ETH, settled in their coin, it is known that no crash was as deep."""
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH,USDC")
    crash, index = from_minute(1440 + 700, 2880, 0.4), np.where(np.arange(48) >= 24 + 11, 0.4, 1)
    coins.store("BTC", linear=False, perpetual=crash, index=index)
    coins.store("ETH", linear=False, index=np.ones(48))
    coins.store("BTC", linear=True, perpetual=crash, index=index)
    coins.store("DOGE", linear=True, perpetual=crash, index=index)
    # from one hour's end to the next the index can't refute it, and there are no futures
    coins.store("ADA", linear=True, perpetual=from_minute(1440 + 605, 1440 + 640, 10), index=np.ones(48))
    decided = coins.warehouse.validate(PERPETUALS_OHLCV, at(FIRST), ENDS).decision

    assert {(each.key, each.rule) for each in decided.quarantined} == {
        (("BTC-PERPETUAL", SECOND), "move-possible"), (("ADA_USDC-PERPETUAL", SECOND), "move-possible"),
    }  # fmt: skip
    seen = {(each.key[0], each.rule) for each in decided.warnings}
    assert {(f"{coin}_USDC-PERPETUAL", "move-usual") for coin in ("BTC", "DOGE")} <= seen
    perpetuals = {"ETH", "BTC_USDC", "DOGE_USDC"}
    assert coins.days("perpetuals_ohlcv") == {
        *((coin, day) for coin in perpetuals for day in (FIRST, SECOND)), ("BTC", FIRST), ("ADA_USDC", FIRST),
    }  # fmt: skip
