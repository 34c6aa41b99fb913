"""A chain of 1,500 options, as large as that of one coin: its greeks, and the volatilities of its quotes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import LiteralString

from psycopg import Connection

from .database import Server
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
            options = len(asked(connection, statement))
            took = seconds(partial(asked, connection, statement), 50)
            yield Metric(f"options: {name}", took * 1000, "ms", at_most=bound, note=f"{options:,} options")
