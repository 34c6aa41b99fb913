"""The exchange client beside ccxt's, each downloading the same candles and the same funding from the simulator.

ccxt is paged as its manual says, from the last row on; its catalogue is read before the clock starts. Neither client is
paced: what is measured is the client and not the waiting. The simulator shares the machine with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from deribit_warehouse.exchange import Exchange
from exchange_simulator.process import Running, running

from .database import Server
from .market_data import MINUTE, NOW, ms
from .metric import Metric, seconds

HOUR = 60 * MINUTE
PERPETUAL, SYMBOL = "BTC-PERPETUAL", "BTC/USD:BTC"
CANDLES = ms(datetime(2025, 10, 1, tzinfo=UTC)), ms(datetime(2026, 10, 1, tzinfo=UTC))  # [begin, end)
FUNDING = ms(datetime(2024, 10, 1, tzinfo=UTC)), ms(datetime(2026, 10, 1, tzinfo=UTC))  # (begin, end]
RUNS = 3

Fetch = Callable[[], np.ndarray]  # brings everything and returns the ticks, ms


def run(server: Server) -> Iterator[Metric]:
    unlimited = ("--requests-per-second", "100000", "--burst", "100000")
    with running("--now", NOW.isoformat(), *unlimited) as exchange:
        theirs = ccxt_client(exchange)
        with Exchange(exchange.live_url, exchange.history_url, rate_limiter=lambda meter: None) as ours:
            yield from side_by_side(
                exchange, "a perpetual-year of candles", np.arange(*CANDLES, MINUTE),
                lambda: our_candles(ours), lambda: ccxt_candles(theirs),
            )  # fmt: skip
            yield from side_by_side(
                exchange, "two years of funding", np.arange(FUNDING[0] + HOUR, FUNDING[1] + 1, HOUR),
                lambda: our_funding(ours), lambda: ccxt_funding(theirs),
            )  # fmt: skip


def side_by_side(exchange: Running, what: str, expected: np.ndarray, ours: Fetch, theirs: Fetch) -> Iterator[Metric]:
    mine = measured(exchange, ours, expected)
    other = measured(exchange, theirs, expected)
    for name, unit, value, baseline, target in zip(
        ("time", "requests", "rows", "missing rows"), ("s", "requests", "rows", "rows"), mine, other,
        (None, None, None, 0), strict=True,
    ):  # fmt: skip
        yield Metric(f"fetch: {what}: {name}", value, unit, baseline, "ccxt", at_most=target)


def measured(exchange: Running, fetch: Fetch, expected: np.ndarray) -> tuple[float, int, int, int]:
    """Seconds (median), and of the last run requests, rows, and rows that are missing."""
    got: list[np.ndarray] = []
    took = seconds(lambda: got.append(fetch()), RUNS, before=exchange.reset)
    return took, exchange.stats()["requests"], len(got[-1]), len(np.setdiff1d(expected, got[-1]))


def our_candles(client: Exchange) -> np.ndarray:
    candles = client.candles(PERPETUAL, *CANDLES)
    return (candles.start + np.arange(len(candles.present)) * MINUTE)[candles.present]


def our_funding(client: Exchange) -> np.ndarray:
    return client.funding(PERPETUAL, *FUNDING).timestamp


def ccxt_client(exchange: Running) -> Any:
    """ccxt's Deribit client, its catalogue read."""
    import ccxt  # in its own lock, which only `make bench` installs

    client = ccxt.deribit({"enableRateLimit": False})
    client.urls["api"]["rest"] = exchange.live_url
    client.has["fetchCurrencies"] = False  # not a method the simulator has
    client.load_markets()
    return client


def ccxt_candles(client: Any) -> np.ndarray:
    begin, end = CANDLES
    rows = []
    while begin < end:
        page = client.fetch_ohlcv(SYMBOL, "1m", since=begin, limit=5000)
        if not page:
            break
        rows += page
        begin = page[-1][0] + MINUTE
    ticks = np.unique(np.array([row[0] for row in rows], np.int64))
    return ticks[ticks < end]


def ccxt_funding(client: Any) -> np.ndarray:
    begin, end = FUNDING[0] + 1, FUNDING[1]
    rows = []
    while begin <= end:
        page = client.fetch_funding_rate_history(SYMBOL, since=begin, limit=744)
        if not page:
            break
        rows += page
        begin = page[-1]["timestamp"] + 1
    ticks = np.unique(np.array([row["timestamp"] for row in rows], np.int64))
    return ticks[ticks <= end]
