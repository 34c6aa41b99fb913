"""A chain of 1,500 options, as large as that of one coin: its greeks, and the volatilities of its quotes; and a day of
beats of such a chain in the store: what an option takes, and its greeks as they are read from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, LiteralString

from psycopg import Connection

from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import OPTIONS_CHAIN
from deribit_warehouse.exchange.summaries import Summaries, reader
from deribit_warehouse.exchange.tickers import OptionTicker
from deribit_warehouse.exchange.tickers import reader as ticker_reader
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.ingestion import Provenance
from exchange_simulator.market import Market
from exchange_simulator.quotes import book_summaries, option_tickers
from exchange_simulator.traits import Traits

from .database import Server
from .market_data import HOST, ms, validation
from .metric import Metric, seconds

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

DAY = datetime(2026, 11, 1, tzinfo=UTC)
BEAT = timedelta(minutes=5)
FROM_THE_STORE: dict[str, LiteralString] = {
    "greeks_at() of one beat of a day, as rows in Python": """
        SELECT instrument, strike, delta, gamma, vega, theta, rho FROM greeks_at('BTC', '2026-11-01 12:00+00')
    """,
    "options_greeks of one beat of a day, as rows in Python": """
        SELECT instrument, strike, delta, gamma, vega, theta, rho FROM options_greeks
        WHERE currency = 'BTC' AND beat = '2026-11-01 12:00+00'
    """,
}
SIZE = """
    SELECT pg_total_relation_size('store.option_chain') + pg_total_relation_size('store.roster')
           + pg_total_relation_size('store.option_sample')
"""
WAITING = "SELECT currency, beat, series, version_id FROM store.option_chain WHERE state = 'pending'"


class Simulated:
    """What the dataset asks of an exchange, from the invented market with every other strike of its denser ladders."""

    def __init__(self) -> None:
        self.source = Market(now_ms=ms(DAY), traits=Traits(dense_options=True))

    def summaries(self, currency: str, kind: str) -> Summaries:
        rows = book_summaries(self.source, currency, kind)
        # a call and a put of a strike stand side by side
        return reader(currency, kind)([row for place, row in enumerate(rows) if place % 4 < 2])

    def option_ticker(self, name: str) -> OptionTicker:
        series = name.rsplit("-", 2)[0]
        [chain] = [chain for chain in self.source.option_chains() if chain.future.name == series]
        [ticker] = option_tickers(self.source, chain, only=name)
        return ticker_reader(name)(ticker)


def asked(connection: Connection, statement: LiteralString) -> list[tuple]:
    return connection.execute(statement).fetchall()


def run(server: Server) -> Iterator[Metric]:
    with server.market("bench_options") as database, server.connect(database, autocommit=True) as connection:
        connection.execute(CHAIN)
        connection.execute("ANALYZE chain")
        for name, statement, bound in (
            ("greeks of a chain, as rows in Python", GREEKS, 60),
            ("volatility of its bids and asks, as rows in Python", VOLATILITIES, None),
        ):
            yield timed(connection, name, statement, bound)
        options = store_day(server, database, connection)
        [[size]] = asked(connection, SIZE)
        yield Metric(
            "options: an option and beat in the store, after a day", size / options, "bytes", at_most=40,
            note=f"{options:,} options of {timedelta(days=1) // BEAT} beats, with indexes and the sample of tickers",
        )  # fmt: skip
        for name, statement in FROM_THE_STORE.items():
            yield timed(connection, name, statement, 60)


def timed(connection: Connection, name: str, statement: LiteralString, bound: float | None) -> Metric:
    options = len(asked(connection, statement))
    took = seconds(partial(asked, connection, statement), 50)
    return Metric(f"options: {name}", took * 1000, "ms", at_most=bound, note=f"{options:,} options")


def store_day(server: Server, database: str, connection: Connection) -> int:
    """A day of beats, each loaded, sampled and published as its run does it; returns how many options that were. What
    a publication leaves behind is freed once an hour: autovacuum, which looks every minute, would see to it sooner."""
    exchange: Any = Simulated()
    window = Window("BTC", "BTC", None, DAY, DAY, 1)
    assert OPTIONS_CHAIN.load is not None
    with server.connect(database, "market_owner", autocommit=True) as owner:
        for n in range(timedelta(days=1) // BEAT):
            moment = DAY + n * BEAT
            exchange.source.now_ms = ms(moment)
            OPTIONS_CHAIN.load(exchange, connection, window, Provenance(OPTIONS_CHAIN.name, "BTC", HOST, "bench"))
            validation_id = validation(connection, moment, moment)
            with connection.transaction():
                versions = connection.execute(WAITING).fetchall()
                publication.publish(connection, OPTIONS_CHAIN.versions, validation_id, versions)
            if n % 12 == 11:
                owner.execute("VACUUM ANALYZE store.option_chain")
        [[options]] = connection.execute(
            "SELECT sum(cardinality(r.instruments)) FROM store.option_chain JOIN store.roster r USING (roster_id)"
        ).fetchall()
    return int(options)
