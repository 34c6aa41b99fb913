"""Publication: what it writes ahead (WAL), and what kept versions cost those who read.

A month of BTC and ETH contracts. First it is loaded and published; then every day of it is loaded again with other
values and published again, so that each is superseded once; then it is validated again with nothing new. What is read
is timed before and after, from databases that were vacuumed. Last, every day of the perpetuals is published once more:
the basis has to stay in view all the while, from the versions it was validated on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import LiteralString

from psycopg import Connection

from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse import publication
from exchange_simulator.market import Market

from . import market_data
from .database import Server
from .market_data import Window
from .metric import Metric, seconds

MONTH = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
INSTANT = datetime(2026, 9, 17, 11, 23, tzinfo=UTC)
MIB = 1 << 20

READS = {
    "the month, five columns": (
        "SELECT count(*), sum(close), sum(volume), count(*) FILTER (WHERE traded), max(ts) FROM candle"
    ),
    "a contract's month": "SELECT count(*), sum(close), max(ts) FROM "
    "candles('BTC-PERPETUAL', '2026-09-01', '2026-10-01')",
    "one minute of all contracts": f"SELECT count(*), sum(close) FROM candle_at('{INSTANT:%Y-%m-%d %H:%M}+00')",
    "the basis of the month": "SELECT count(*), sum(annualised) FROM basis_spread WHERE day >= '2026-09-01'",
}
SHOWN = "SELECT count(basis) FROM basis_spread"


@dataclass(frozen=True)
class Month:
    """The contracts of the month, and their ids by name."""

    contracts: list[Window]
    ids: dict[str, int]


def run(server: Server) -> Iterator[Metric]:
    source = market_data.market()
    contracts = market_data.listed_between(source, *MONTH)
    with server.market("bench_publication") as database, server.connect(database) as connection:
        month = Month(contracts, market_data.register(connection, [window.listing for window in contracts]))
        loaded = written(connection, lambda: load(connection, source, month))
        published = written(connection, lambda: market_data.publish(connection, *MONTH))
        [[days, minutes]] = connection.execute("SELECT count(*), sum(present) FROM store.candle_day").fetchall()
        connection.rollback()
        yield Metric("publication: instrument-days", days, "days", note=f"{minutes:,} minutes")
        yield Metric("publication: WAL, loading them", loaded / MIB, "MiB")
        yield Metric("publication: WAL, publishing them and the basis", published / MIB, "MiB", at_most=5)
        before = reads(server, database)

        again = written(connection, lambda: load(connection, source, month, dearer=2))
        yield Metric("publication: WAL, loading every day again", again / MIB, "MiB", loaded / MIB, "the load")
        republished = written(connection, lambda: market_data.publish(connection, *MONTH))
        yield Metric("publication: WAL, publishing every day again", republished / MIB, "MiB", at_most=5)
        superseded = "SELECT count(*) FROM store.candle_day WHERE state = 'superseded'"
        [[kept]] = connection.execute(superseded).fetchall()
        yield Metric("publication: versions kept beside the published ones", kept, "days", days, "days")
        nothing = written(connection, lambda: publish_candles(connection, "published"))
        yield Metric("publication: WAL, validating it again unchanged", nothing / MIB, "MiB", at_most=0.1)
        after = reads(server, database)
        for question, time in after.items():
            yield Metric(
                f"publication: {question}, every day superseded once", time * 1000, "ms", before[question] * 1000,
                "before"
            )  # fmt: skip

        [[shown]] = connection.execute(SHOWN).fetchall()
        perpetuals = Month([window for window in contracts if window.listing.perpetual], month.ids)
        load(connection, source, perpetuals, dearer=3)
        publish_candles(connection)
        [[still]] = connection.execute(SHOWN).fetchall()
        yield Metric(
            "publication: basis minutes shown after every perpetual day was published again", still, "minutes", shown,
            "before", ratio_at_least=1,
        )  # fmt: skip


def load(connection: Connection, source: Market, month: Month, dearer: int = 1) -> None:
    """Every contract's days; their prices in proportion, so that no two loads are equal."""
    for window in month.contracts:
        columns = source.candles(window.listing.name, window.begins, window.ends - 1)
        priced = {name: columns[name] * (1 + (dearer - 1) / 1024) for name in ("open", "high", "low", "close", "cost")}
        market_data.store(
            connection, month.ids[window.listing.name], window, market_data.on_grid(window, columns | priced)
        )


def publish_candles(connection: Connection, state: str = "pending") -> None:
    """Publishes the candles that wait, or those that are published already, and computes nothing."""
    validation_id = market_data.validation(connection, *MONTH)
    passed = "SELECT instrument_id, day, version_id FROM store.candle_day WHERE state = %s"
    with connection.transaction():
        publication.publish(connection, CANDLE_DAY, validation_id, connection.execute(passed, [state]).fetchall())


def written(connection: Connection, work: Callable[[], object]) -> int:
    """Bytes of write-ahead log that work writes, copies of whole pages after a checkpoint included."""
    position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
    connection.commit()
    [[began]] = connection.execute(position).fetchall()
    connection.rollback()
    work()
    connection.commit()
    [[ended]] = connection.execute(position).fetchall()
    connection.rollback()
    return int(ended - began)


def fetched(reader: Connection, asked: LiteralString) -> list[tuple]:
    return reader.execute(asked).fetchall()


def reads(server: Server, database: str) -> dict[str, float]:
    """Seconds a question, medians, of a database that is vacuumed first."""
    with server.connect(database, "market_owner", autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE)")
    server.checkpoint()
    with server.connect(database, options="-c timezone=UTC", autocommit=True) as reader:
        return {question: seconds(partial(fetched, reader, asked), 9) for question, asked in READS.items()}
