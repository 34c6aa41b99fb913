"""The limiter that all processes share, as the exchange sees it: eight processes at once, each asking for pages."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier

import psycopg

from deribit_warehouse.exchange import Exchange
from deribit_warehouse.exchange.candles import PAGE
from deribit_warehouse.warehouse.rate_limiter import RateLimiter
from exchange_simulator.process import running

from .database import Server
from .fetch import CANDLES, PERPETUAL
from .market_data import NOW
from .metric import Metric

ALLOWED = 20  # requests a second
PROCESSES, PAGES = 8, 40  # each: 320 requests, some 17 seconds' worth


def run(server: Server) -> Iterator[Metric]:
    spawn = multiprocessing.get_context("spawn")
    options = ("--now", NOW.isoformat(), "--requests-per-second", str(ALLOWED), "--burst", "100000")
    with server.market("bench_rate_limit") as database, running(*options) as exchange:
        ready = spawn.Barrier(PROCESSES)
        given = (server.dsn(database), exchange.live_url, exchange.history_url, ready)
        processes = [spawn.Process(target=ask, args=given) for _ in range(PROCESSES)]
        exchange.reset()
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        stats = exchange.stats()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a process that asked did not end well; what it said is above")
    # the first window may be full at once: what comes after it is what goes on for hours
    rate = (stats["requests"] - ALLOWED) / (stats["last_request"] - stats["first_request"])
    yield Metric("rate_limit: 8 processes at once", stats["requests"], "requests")
    yield Metric("rate_limit: busiest second", stats["busiest_second"], "requests", ALLOWED, "allowed", at_most=ALLOWED)
    yield Metric("rate_limit: rate", rate, "requests/s", ALLOWED, "allowed", ratio_at_least=0.9)
    yield Metric("rate_limit: refused", stats["refused"], "requests", at_most=0)


def ask(dsn: str, live: str, history: str, ready: Barrier) -> None:
    """In a process of its own: pages of candles as a load task asks for them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"public": ALLOWED})
        with Exchange(live, history, rate_limiter=rate_limiter) as client:
            ready.wait(60)
            for page in range(PAGES):
                begins = CANDLES[0] + page * PAGE
                client.candles(PERPETUAL, begins, begins + PAGE)
