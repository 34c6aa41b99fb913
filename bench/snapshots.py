"""What snapshots take in the store: the futures' summaries of a day, an instrument and beat, as they come and folded;
and what is kept of the validation of a snapshot with which nothing was wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection

from deribit_warehouse import settings
from deribit_warehouse.dataset import Dataset, Window
from deribit_warehouse.datasets import INSTRUMENT_SUMMARIES
from deribit_warehouse.exchange.summaries import Summaries, reader
from deribit_warehouse.quality.suites import read_suite
from deribit_warehouse.quality.validate import brief_result, decide, validate
from deribit_warehouse.warehouse import profiles, publication, snapshots, validations
from deribit_warehouse.warehouse.ingestion import Provenance
from exchange_simulator.market import Market
from exchange_simulator.quotes import book_summaries

from .database import Server
from .market_data import HOST, listed_between, market, ms, register
from .metric import Metric

DAY = datetime(2026, 11, 1, tzinfo=UTC)
BEATS = 1440
"""A minute each, the last ones of the day."""
Record = Callable[[Connection, datetime, datetime], int]
"""Records a validation of [begins, ends) that everything has passed, and returns its id."""

WAITING: LiteralString = "SELECT {}, version_id FROM store.{} WHERE state = 'pending'"
SIZE: LiteralString = "SELECT sum(pg_total_relation_size(('store.' || name)::regclass)) FROM unnest(%s::text[]) AS name"
STORED: LiteralString = """
    SELECT sum(cardinality(instruments)) FROM store.instrument_summary JOIN store.roster USING (roster_id)
"""


class Simulated:
    """What a dataset of snapshots asks of an exchange, from an invented market."""

    def __init__(self, source: Market) -> None:
        self.source = source

    def summaries(self, currency: str, kind: str) -> Summaries:
        return reader(currency, kind)(book_summaries(self.source, currency, kind))


def run(server: Server, beats: int = BEATS) -> Iterator[Metric]:
    exchange = Simulated(market())
    midnight = DAY + timedelta(days=1)
    # the newest day is never folded: one beat of the next
    moments = [midnight - n * timedelta(minutes=1) for n in range(beats, -1, -1)]
    with server.market("bench_snapshots") as database, server.connect(database, autocommit=True) as connection:
        register(connection, [each.listing for each in listed_between(exchange.source, DAY, midnight, coins=("BTC",))])
        load(connection, INSTRUMENT_SUMMARIES, exchange, moments[0])
        record, outcome = recorder(connection, moments[0])
        store_beats(server, database, connection, INSTRUMENT_SUMMARIES, exchange, moments, record)
        taken = stored(connection)
        yield Metric(
            "snapshots: a summary, an instrument and beat", size(connection, "instrument_summary", "roster") / taken,
            "bytes", note=f"{taken:,} of {len(moments):,} beats, with indexes",
        )  # fmt: skip
        yield Metric(
            "snapshots: validation of a beat", size(connection, "validation") / len(moments) / 1000, "KB", at_most=1,
            note=f"{len(moments):,} that {outcome}, with indexes",
        )  # fmt: skip
        with connection.transaction():
            snapshots.fold(connection, INSTRUMENT_SUMMARIES, midnight)
        folded = taken - stored(connection)
        yield Metric(
            "snapshots: the same summaries, folded to a day",
            size(connection, "summary_day", "summary_series") / folded, "bytes",
            note=f"{folded:,} of {beats:,} beats, with indexes",
        )  # fmt: skip


def load(connection: Connection, dataset: Dataset, exchange: Any, beat: datetime) -> None:
    """Loads the snapshot of BTC at a beat, as its run does."""
    exchange.source.now_ms = ms(beat)
    assert dataset.load is not None
    window = Window("BTC", "BTC", None, beat, beat, 1)
    dataset.load(exchange, connection, window, Provenance(dataset.name, "BTC", HOST, "bench"))


def store_beats(
    server: Server, database: str, connection: Connection, dataset: Dataset, exchange: Any, beats: Sequence[datetime],
    record: Record,
) -> None:  # fmt: skip
    """Loads and publishes the snapshots of BTC at beats that are evenly apart. What a publication leaves behind is
    freed once an hour: autovacuum, which looks every minute, would see to it sooner."""
    table = dataset.versions
    hourly = timedelta(hours=1) // (beats[1] - beats[0])
    with server.connect(database, "market_owner", autocommit=True) as owner:
        for n, beat in enumerate(beats):
            load(connection, dataset, exchange, beat)
            validation_id = record(connection, beat, beat)
            with connection.transaction():
                waiting = connection.execute(WAITING.format(", ".join(table.key), table.name)).fetchall()
                publication.publish(connection, table, validation_id, waiting)
            if n % hourly == hourly - 1:
                owner.execute(f"VACUUM ANALYZE store.{table.name}")


def recorder(connection: Connection, beat: datetime) -> tuple[Record, str]:
    """What records the validation of a beat's summaries as the gate does, and its outcome. They are validated here,
    once: of the next beats the suite would say the same, and would take some tenths of a second for each."""
    dataset = INSTRUMENT_SUMMARIES
    suite = read_suite(settings.EXPECTATIONS / f"{dataset.suite}.json").keyed(dataset.keys)
    profile = profiles.profile(connection, dataset, beat, beat, currencies=["BTC"])
    found = validate(profile, suite, keys=list(suite.keys), run_name="bench")
    decision = decide(found, waivers=[], tolerated_share=suite.tolerated_share)

    def record(connection: Connection, begins: datetime, ends: datetime) -> int:
        with connection.transaction():
            return validations.record_validation(
                connection, dataset=dataset.name, dag_id=dataset.dag_id, run_id=f"scheduled__{begins.isoformat()}",
                begins=begins, ends=ends, outcome=decision.outcome, suite=found.suite, suite_digest=found.suite_digest,
                rows=found.rows, expected=int(profile.rows_expected.sum()), missing=int(profile.rows_missing.sum()),
                blocked_because=decision.blocked_because, result=brief_result(found, decision),
            )  # fmt: skip

    return record, decision.outcome


def stored(connection: Connection) -> int:
    """How many instruments the summaries have that are rows of a beat, all beats together."""
    [[instruments]] = connection.execute(STORED).fetchall()
    return int(instruments)


def size(connection: Connection, *tables: str) -> int:
    """The bytes that tables of the store take, with their indexes and what is kept out of line."""
    [[size]] = connection.execute(SIZE, [list(tables)]).fetchall()
    return int(size)
