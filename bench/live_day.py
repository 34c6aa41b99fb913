"""What a day of live costs, where nothing but live runs: the write-ahead log, and what is stored.

A month of history has been loaded, the days of this month that are over are closed, and live has caught up. What is
written from then on is counted over some minutes and reckoned for the 1,440 of a day; so what comes daily (closing a
day, folding and deleting) is not in it, and what comes hourly only where an hour began in these minutes.

A file grows by pages, and not at all while it has room. So what is stored is not taken from the growth of files, but
is the rows that were inserted, less those deleted, each as large as a row of its table is on average: with its part of
the indexes, of what is kept out of line, and of the room that replaced rows have left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
from rich.console import Console

from deribit_warehouse.datasets import DATASETS
from deribit_warehouse.warehouse.completion import due
from exchange_simulator import comparison
from exchange_simulator.listings import MINUTE
from exchange_simulator.market import Market
from stack import catchup

from .live_stack import LiveStack, ask, until
from .metric import Metric

DAY = 1_440
"""Minutes."""
PATIENCE = 3600
"""Seconds in which the history has to be loaded, and again in which live has to catch up."""
DATABASES = {"market": "store", "airflow": "public"}
"""The schema of each whose tables are counted."""
TABLES = """
    SELECT relname, n_tup_ins - n_tup_del, n_live_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables
    WHERE schemaname = %s
"""


@dataclass(frozen=True)
class Counts:
    """What was written until a moment: of the write-ahead log its bytes and the whole pages in it; of each table, by
    (database, name), the rows that came to stay, those that are there, and its size in bytes; the bytes that the logs
    of tasks take on disk; and the seconds that all cores of the machine were busy with whatever ran on it."""

    wal: int
    pages: int
    tables: dict[tuple[str, str], tuple[int, int, int]]
    logs: int
    busy: float


def measured(stack: LiveStack, currencies: tuple[str, ...], minutes: int) -> Iterator[Metric]:
    """Starts a stack, waits until nothing is left to do on it but live, and measures so many minutes of that. Raises
    TimeoutError when that does not come."""
    last_month = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    stack.start(f"{last_month:%Y-%m}-01")
    until("the end of the history", stack.has_run_history, PATIENCE)
    stack.collect_live()
    catch_up(stack, currencies)
    # and what follows from the days that were closed
    ready = lambda: due(stack.dsn("market_loader", "market"), DATASETS)  # noqa: E731
    catchup.run_history(stack.placed, stack.api, Console(quiet=True), ready, list)
    for database in DATABASES:  # what autovacuum has still to do for the history is none of live's business
        with psycopg.connect(stack.dsn("postgres", database), autocommit=True) as admin:
            admin.execute("VACUUM (ANALYZE)")
    before = counted(stack)
    time.sleep(minutes * 60)
    yield from reckoned(before, counted(stack), minutes)


def catch_up(stack: LiveStack, currencies: tuple[str, ...]) -> None:
    """Waits until every minute of this month, and of yesterday, that is over now is published."""
    now = datetime.now(UTC)
    begins = min(now.replace(day=1), now - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    first, past = (int(at.timestamp()) * 1000 // MINUTE * MINUTE for at in (begins, now))
    market = Market(currencies)
    said = sum(
        len(market.candles(listing, first, past - MINUTE)["ticks"])
        for listing in comparison.listed_between(market, currencies, first, past)
    )
    until(
        f"the last of {said:,} minutes of this month",
        lambda: comparison.published(stack.rows, "candle", first, past) == said, PATIENCE,
    )  # fmt: skip


def counted(stack: LiveStack) -> Counts:
    [(wal, pages)] = ask(stack.dsn("postgres", "postgres"), "SELECT wal_bytes::bigint, wal_fpi FROM pg_stat_wal")
    tables = {
        (database, name): (came, there, size)
        for database, schema in DATABASES.items()
        for name, came, there, size in ask(stack.dsn("postgres", database), TABLES, schema)
    }
    processor = psutil.cpu_times()
    busy = sum(processor) - processor.idle - processor.iowait - processor.guest - processor.guest_nice  # twice in user
    return Counts(wal, pages, tables, on_disk(stack.placed.logs / "tasks"), busy)


def on_disk(folder: Path) -> int:
    """Bytes that the files below a folder take, whole blocks."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def reckoned(before: Counts, after: Counts, minutes: int) -> Iterator[Metric]:
    """What so many minutes make of a day."""
    times = DAY / minutes
    note = f"reckoned from {minutes} minutes"
    wal, pages = after.wal - before.wal, after.pages - before.pages
    busy, cores = (after.busy - before.busy) / minutes, psutil.cpu_count()
    yield Metric("day: processor, a minute", busy, "s", note=f"of {60 * cores} that {cores} cores have")
    yield Metric("day: write-ahead log, a minute", wal / minutes / 1e6, "MB", note=f"of {minutes} minutes")
    yield Metric("day: write-ahead log", wal * times / 1e6, "MB", note=f"{note}; {pages * times:,.0f} whole pages")
    for database in DATABASES:
        stored = {}
        for (where, name), (came, there, size) in after.tables.items():
            came -= before.tables.get((where, name), (0, 0, 0))[0]
            if where == database and came:
                each = size / max(there, abs(came))  # how many there are is Postgres' estimate
                stored[name] = Metric(
                    f"day: stored, {database}, {name}", came * times * each / 1e6, "MB",
                    note=f"{came * times:,.0f} rows, {each:,.0f} B each in the average of the table",
                )  # fmt: skip
        total = sum(one.value or 0 for one in stored.values())
        yield Metric(f"day: stored, {database}", total, "MB", note=note)
        ordered = sorted(stored.values(), key=lambda one: -(one.value or 0))
        yield from (one for one in ordered if (one.value or 0) > total / 100)
    yield Metric("day: logs of tasks", (after.logs - before.logs) * times / 1e6, "MB", note=note)
