"""What a minute of candles takes as it is stored, and in the exact encodings that plain SQL could still read.

A quarter of a BTC perpetual and of the dated future that lived through it. Prices as whole ticks; or the close as it
is and the other three as small differences from it, in ticks; the cost in contracts of 10 USD. The volume has no such
unit. The baseline of each is what is stored now. Bytes are those of the array values, compressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from psycopg import Connection

from . import market_data
from .database import Server
from .metric import Metric

WINDOW = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
TICK, CONTRACT = 0.5, 10  # BTC: USD

ENCODED = """
    CREATE TEMPORARY TABLE encoded AS
    SELECT i.settlement_period = 'perpetual' AS perpetual, c.n, c.open, c.high, c.low, c.close, c.volume, c.cost, e.*
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL (
        SELECT array_agg((m.o / {tick})::integer ORDER BY m.i) AS open_ticks,
               array_agg((m.h / {tick})::integer ORDER BY m.i) AS high_ticks,
               array_agg((m.l / {tick})::integer ORDER BY m.i) AS low_ticks,
               array_agg((m.c / {tick})::integer ORDER BY m.i) AS close_ticks,
               array_agg(((m.o - m.c) / {tick})::smallint ORDER BY m.i) AS open_from_close,
               array_agg(((m.h - greatest(m.o, m.c)) / {tick})::smallint ORDER BY m.i) AS high_above,
               array_agg(((m.l - least(m.o, m.c)) / {tick})::smallint ORDER BY m.i) AS low_below,
               array_agg((m.k / {contract})::integer ORDER BY m.i) AS contracts
        FROM unnest(c.open, c.high, c.low, c.close, c.cost) WITH ORDINALITY AS m(o, h, l, c, k, i)) AS e
"""
ENCODINGS = {
    "float8, as stored": "open high low close volume cost",
    "ticks and contracts": "open_ticks high_ticks low_ticks close_ticks volume contracts",
    "close, differences from it": "open_from_close high_above low_below close volume contracts",
    "close in ticks, differences": "open_from_close high_above low_below close_ticks volume contracts",
    "of it the volume": "volume",
}


def run(server: Server) -> Iterator[Metric]:
    source = market_data.market()
    contracts = market_data.listed_between(source, *WINDOW, coins=("BTC",))
    longest = max((w for w in contracts if not w.listing.perpetual), key=lambda w: w.minutes)
    with server.market("bench_storage") as database, server.connect(database) as connection:
        market_data.fill(connection, source, [longest, *(w for w in contracts if w.listing.perpetual)])
        connection.execute(ENCODED.format(tick=TICK, contract=CONTRACT))
        for perpetual, name in ((True, "perpetual"), (False, "dated future")):
            sizes = {encoding: size(connection, perpetual, columns) for encoding, columns in ENCODINGS.items()}
            stored = next(iter(sizes.values()))
            for encoding, taken in sizes.items():
                yield Metric(f"storage: {name}, {encoding}", taken, "B a minute", stored, "as stored")


def size(connection: Connection, perpetual: bool, columns: str) -> float:
    """Bytes a minute of these columns together."""
    bytes_ = " + ".join(f"pg_column_size({column})" for column in columns.split())
    statement = f"SELECT sum({bytes_})::float8 / sum(n) FROM encoded WHERE perpetual = %s"
    [[found]] = connection.execute(statement, [perpetual]).fetchall()
    return found
