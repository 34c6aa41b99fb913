"""A chain of 1,500 options, as large as that of one coin: its greeks, and the volatilities of its quotes; and a day of
beats of such a chain in the store: what an option takes, and its greeks as they are read from it. What an option takes
is asked of a smaller chain, too, with as many strikes an expiry as the exchange's had when it was recorded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, LiteralString

from psycopg import Connection

from deribit_warehouse.datasets import OPTIONS_CHAIN
from deribit_warehouse.exchange.summaries import Summaries, reader
from deribit_warehouse.exchange.tickers import OptionTicker
from deribit_warehouse.exchange.tickers import reader as ticker_reader
from exchange_simulator.market import Market
from exchange_simulator.quotes import book_summaries, option_tickers
from exchange_simulator.traits import Traits

from .database import Server
from .market_data import ms, validation
from .metric import Metric, seconds
from .snapshots import DAY, Simulated, size, store_beats

# twelve expiries of half a day to a year, strikes of 40 % to 250 % of the forward, calls and puts, a smile, a spread
CHAIN = """
    CREATE TEMPORARY TABLE chain AS
    SELECT c.*, g.price, g.price * 0.97 AS bid_price, g.price * 1.03 AS ask_price
    FROM (SELECT option_type, 65000 * exp(ln(0.4) + n * ln(2.5 / 0.4) / 62) AS strike,
                 65000 * (1 + 0.0002 * days) AS forward, 45 + 30 * abs(n - 31) / 31 AS iv, days AS days_to_expiry
          FROM unnest(ARRAY[0.5, 1.5, 2.5, 3.5, 8, 15, 22, 40, 68, 131, 222, 313]::float8[]) AS days
          CROSS JOIN generate_series(0, 62) AS n CROSS JOIN unnest(ARRAY['call', 'put']) AS option_type LIMIT 1500) AS c
    CROSS JOIN LATERAL black_76(c.option_type, c.strike, c.forward, c.iv, c.days_to_expiry, true) AS g
"""
GREEKS = """
    SELECT c.strike, g.* FROM chain AS c
    CROSS JOIN LATERAL black_76(c.option_type, c.strike, c.forward, c.iv, c.days_to_expiry, true) AS g
"""
VOLATILITIES = """
    SELECT c.strike, b.iv, a.iv FROM chain AS c
    CROSS JOIN LATERAL implied_volatility(c.option_type, c.strike, c.forward, c.bid_price, c.days_to_expiry, true) AS b
    CROSS JOIN LATERAL implied_volatility(c.option_type, c.strike, c.forward, c.ask_price, c.days_to_expiry, true) AS a
"""

BEAT = timedelta(minutes=5)
BEATS = timedelta(days=1) // BEAT
RECORDED = (17, 14, 24, 14, 18, 17, 36, 28, 52, 44, 40, 22)
"""Strikes of each expiry, the nearest first, in the chain recorded on 2025-12-30 (the mean of BTC's and ETH's): 54
options an expiry."""
FROM_THE_STORE: dict[str, LiteralString] = {
    "greeks_at() of one beat of a day, as rows in Python": """
        SELECT instrument, strike, delta, gamma, vega, theta, rho FROM greeks_at('BTC', '2026-11-01 12:00+00')
    """,
    "options_greeks of one beat of a day, as rows in Python": """
        SELECT instrument, strike, delta, gamma, vega, theta, rho FROM options_greeks
        WHERE currency = 'BTC' AND beat = '2026-11-01 12:00+00'
    """,
}
STORED: LiteralString = """
    SELECT sum(cardinality(instruments)), count(*) FROM store.option_chain JOIN store.roster USING (roster_id)
"""


class Chain(Simulated):
    """A chain of 1,500 options: every other strike of the invented market's denser ladders."""

    def __init__(self) -> None:
        super().__init__(Market(now_ms=ms(DAY), traits=Traits(dense_options=True)))

    def rows(self, currency: str) -> list[dict]:
        # a call and a put of a strike stand side by side
        return [row for place, row in enumerate(book_summaries(self.source, currency, "option")) if place % 4 < 2]

    def summaries(self, currency: str, kind: str) -> Summaries:
        return reader(currency, kind)(self.rows(currency))

    def option_ticker(self, name: str) -> OptionTicker:
        [chain] = [chain for chain in self.source.option_chains() if chain.future.name == series(name)]
        [ticker] = option_tickers(self.source, chain, only=name)
        return ticker_reader(name)(ticker)


class RecordedChain(Chain):
    """A chain of as many expiries, and strikes of each, as were recorded, and with marks of eight decimals, as the
    exchange's are; the invented market says four."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(1)

    def rows(self, currency: str) -> list[dict]:
        listed: dict[str, list[dict]] = {}
        for row in book_summaries(self.source, currency, "option"):
            listed.setdefault(series(row["instrument_name"]), []).append(row)
        expires = {chain.future.name: chain.expires for chain in self.source.option_chains()}
        nearest = sorted(listed, key=expires.__getitem__)
        return [
            row | {"mark_price": round(row["mark_price"] + self.dice.uniform(0, 1e-4), 8)}
            for name, strikes in zip(nearest, RECORDED, strict=False)
            for row in thinned(listed[name], strikes)
        ]


def series(name: str) -> str:
    """What the names of an expiry's options begin with: BTC-26MAR27 of BTC-26MAR27-80000-C."""
    return name.rsplit("-", 2)[0]


def thinned(rows: list[dict], strikes: int) -> list[dict]:
    """The rows of so many of an expiry's strikes, evenly apart, from the first to the last. rows: by strike, a call and
    then its put."""
    last = len(rows) // 2 - 1
    places = (round(n * last / (strikes - 1)) for n in range(strikes))
    return [row for place in places for row in rows[2 * place : 2 * place + 2]]


def asked(connection: Connection, statement: LiteralString) -> list[tuple]:
    return connection.execute(statement).fetchall()


def run(server: Server, beats: int = BEATS) -> Iterator[Metric]:
    with server.market("bench_options") as database, server.connect(database, autocommit=True) as connection:
        connection.execute(CHAIN)
        connection.execute("ANALYZE chain")
        for name, statement, bound in (
            ("greeks of a chain, as rows in Python", GREEKS, 60),
            ("volatility of its bids and asks, as rows in Python", VOLATILITIES, None),
        ):
            yield timed(connection, name, statement, bound)
        yield day(server, database, connection, "an option and beat in the store, after a day", Chain(), beats)
        for name, statement in FROM_THE_STORE.items():
            yield timed(connection, name, statement, 60)
    with server.market("bench_options_as_recorded") as database:
        with server.connect(database, autocommit=True) as connection:
            name = "an option and beat of a chain with the recorded one's strikes"
            yield day(server, database, connection, name, RecordedChain(), beats)


def timed(connection: Connection, name: str, statement: LiteralString, bound: float | None) -> Metric:
    options = len(asked(connection, statement))
    took = seconds(partial(asked, connection, statement), 50)
    return Metric(f"options: {name}", took * 1000, "ms", at_most=bound, note=f"{options:,} options")


def day(server: Server, database: str, connection: Connection, name: str, exchange: Any, beats: int) -> Metric:
    """What an option takes after a day of beats, each loaded, sampled and published as its run does it."""
    moments = [DAY + n * BEAT for n in range(beats)]
    store_beats(server, database, connection, OPTIONS_CHAIN, exchange, moments, validation)
    [(options, rows)] = connection.execute(STORED).fetchall()
    taken = size(connection, "option_chain", "roster", "option_sample")
    return Metric(
        f"options: {name}", taken / int(options), "bytes", at_most=40,
        note=f"{options:,} options of {beats} beats, {options / rows:.0f} an expiry, with indexes and the sample of"
        " tickers",
    )  # fmt: skip
