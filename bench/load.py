"""A month of every dated future, from the exchange's JSON to committed rows, beside the ways there are.

The ceiling is `psql \\copy` of a text file made beforehand into a bare table without a key: nothing is read, checked,
compared or indexed. Airflow's hook gets its rows as tuples made beforehand, so it is spared the parsing, too.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from stack import postgres

from . import market_data
from .database import Server
from .market_data import Window
from .metric import Metric, seconds

MONTH = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
WRITERS = (1, 2, 4, 8)
RUNS = 3
HOOK_ROWS = 50_000
COLUMNS = ("instrument_id", "ts", "open", "high", "low", "close", "volume", "cost")
BARE = (
    "CREATE TABLE public.{} (instrument_id integer, ts timestamptz, open float8, high float8, low float8, close float8,"
    " volume float8, cost float8{})"
)

Part = list[tuple[Window, dict[int, bytes], int]]  # a writer's contracts: the window, its pages, the instrument's id


def run(server: Server, days: int = 31) -> Iterator[Metric]:
    """days: how much of the month is loaded."""
    source = market_data.market()
    begins = MONTH[0]
    contracts = [
        window
        for window in market_data.listed_between(source, begins, begins.replace(day=days) if days < 31 else MONTH[1])
        if not window.listing.perpetual
    ]  # fmt: skip
    minutes = sum(window.minutes for window in contracts)
    with server.market("bench_load") as database:
        with server.connect(database) as connection:
            ids = market_data.register(connection, [window.listing for window in contracts])
        work = [(w, market_data.bodies(source, w), ids[w.listing.name]) for w in contracts]
        with server.connect(database, "market_owner") as owner:
            owner.execute(BARE.format("bare", ""))
            owner.execute(BARE.format("keyed", ", PRIMARY KEY (instrument_id, ts)"))
        yield Metric("load: rows", minutes, "rows")
        yield from through_us_and_psql(server, database, work, minutes)
        yield from each_alone(server, database, work, minutes)
        yield from through_the_hook(server, database, work)


def through_us_and_psql(server: Server, database: str, work: Part, minutes: int) -> Iterator[Metric]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for writers in WRITERS:
            parts = shared_out(work, writers)
            files = [text_file(part, Path(folder) / f"{at}.txt") for at, part in enumerate(parts)]
            times: dict[str, list[float]] = {"ceiling": [], "fresh": [], "rerun": []}
            written = 0
            for _ in range(RUNS):  # in turns, so that a busy moment of the machine meets all three
                empty(server, database, "public.bare")
                times["ceiling"].append(at_once([partial(copy, server, database, file) for file in files]))
                empty(server, database, "store.ingestion, store.candle_day")
                times["fresh"].append(at_once([partial(load, server, database, part) for part in parts]))
                server.checkpoint()
                before = changes(server, database)
                times["rerun"].append(at_once([partial(load, server, database, part) for part in parts]))
                written = max(written, changes(server, database) - before)
            rate = {name: minutes / median(taken) for name, taken in times.items()}
            compared: dict[str, Any] = {
                "unit": "rows/s",
                "baseline": rate["ceiling"],
                "note": f"psql \\copy, {writers} at once",
            }
            named = f"{writers} writer{'s' if writers > 1 else ''}"
            yield Metric(f"load: ours, {named}, fresh", rate["fresh"], **compared, ratio_at_least=0.8)
            yield Metric(
                f"load: ours, {named}, unchanged rerun", rate["rerun"], "rows/s", rate["fresh"], "our fresh load",
                ratio_at_least=1,
            )  # fmt: skip
            if writers == 1:
                yield Metric("load: rows the unchanged reruns wrote", written, "rows", at_most=0)


def each_alone(server: Server, database: str, work: Part, minutes: int) -> Iterator[Metric]:
    """What a fresh load is made of, each by itself: no load can be faster than its slowest part."""
    empty(server, database, "store.ingestion, store.candle_day")
    load(server, database, work)
    uncompressed = ", ".join(f"ALTER COLUMN {name} SET STORAGE EXTERNAL" for name in COLUMNS[2:])
    with server.connect(database, "market_owner") as owner:
        with owner.cursor().copy("COPY store.candle_day TO STDOUT (FORMAT binary)") as copied:
            days = b"".join(copied)
        for table in ("days_compressed", "days_plain"):
            owner.execute(
                f"CREATE TABLE public.{table} (LIKE store.candle_day INCLUDING STORAGE INCLUDING COMPRESSION)"
            )
        owner.execute(f"ALTER TABLE public.days_plain {uncompressed}")

    def read() -> None:
        for window, sent, _ in work:
            market_data.read(window, sent)

    def copy_days(table: str) -> None:
        with server.connect(database, "market_owner") as owner, owner.cursor() as cursor:
            with cursor.copy(f"COPY public.{table} FROM STDIN (FORMAT binary)") as copying:
                copying.write(days)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = text_file(work, Path(folder) / "all.txt")
        parts = {
            "ceiling": lambda: copy(server, database, file),
            "reading the pages": read,
            "COPY of the arrays": lambda: copy_days("days_compressed"),
            "COPY of the arrays, compression off": lambda: copy_days("days_plain"),
        }
        times: dict[str, list[float]] = {name: [] for name in parts}
        for _ in range(RUNS):
            for name, part in parts.items():
                empty(server, database, "public.bare, public.days_compressed, public.days_plain")
                times[name].append(seconds(part, 1))
    each = {name: median(taken) / minutes * 1e6 for name, taken in times.items()}
    ceiling = each.pop("ceiling")
    for name, microseconds in each.items():
        yield Metric(f"load: {name} alone", microseconds, "µs a row", ceiling, "psql \\copy, 1 at once")


def through_the_hook(server: Server, database: str, work: Part) -> Iterator[Metric]:
    os.environ |= {
        "AIRFLOW_HOME": str(server.stack.home / "airflow"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW_CONN_BENCH": json.dumps({
            "conn_type": "postgres", "host": postgres.host(server.stack), "schema": database,
            "login": "market_owner", "password": server.credentials.market_owner,
        }),
    }  # fmt: skip
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    hook = PostgresHook(postgres_conn_id="bench")
    rows = list(islice((row for item in work for row in tuples(*item)), HOOK_ROWS))
    part = work[:1]
    while sum(window.minutes for window, _, _ in part) < HOOK_ROWS and len(part) < len(work):
        part = work[: len(part) + 1]
    ours = sum(window.minutes for window, _, _ in part) / seconds(
        lambda: load(server, database, part), RUNS, lambda: empty(server, database, "store.ingestion, store.candle_day")
    )

    def insert() -> None:
        hook.insert_rows("bare", rows, COLUMNS, commit_every=10_000)

    def upsert() -> None:
        hook.upsert_rows("keyed", rows, list(COLUMNS), ["instrument_id", "ts"], commit_every=10_000)

    for name, work_, before in (
        ("insert_rows, bare table", insert, lambda: empty(server, database, "public.bare")),
        ("upsert_rows, fresh", upsert, lambda: empty(server, database, "public.keyed")),
        ("upsert_rows, unchanged rerun", upsert, lambda: None),
    ):
        rate = len(rows) / seconds(work_, RUNS, before)
        yield Metric(f"load: PostgresHook.{name}", rate, "rows/s", ours, "ours, the same contracts, fresh")


def shared_out(work: Part, writers: int) -> list[Part]:
    """The contracts in parts of about equal size, the largest first to the smallest part."""
    parts: list[Part] = [[] for _ in range(writers)]
    for item in sorted(work, key=lambda item: -item[0].minutes):
        min(parts, key=lambda part: sum(window.minutes for window, _, _ in part)).append(item)
    return parts


def at_once(works: list[Callable[[], None]]) -> float:
    """Seconds from when all of the processes are ready to when the last one is done."""
    forking = multiprocessing.get_context("fork")  # the pages are shared as they are, not sent
    ready, ends = forking.Barrier(len(works) + 1), forking.SimpleQueue()

    def one(work: Callable[[], None]) -> None:
        ready.wait()
        work()
        ends.put(time.monotonic())  # one clock for all processes

    processes = [forking.Process(target=one, args=(work,)) for work in works]
    for process in processes:
        process.start()
    ready.wait()
    began = time.monotonic()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a writer failed; what it said is above")
    return max(ends.get() for _ in works) - began


def load(server: Server, database: str, part: Part) -> None:
    """Our path: the connection, the JSON, the comparison, the commit; one transaction a contract."""
    with server.connect(database) as connection:
        connection.commit()
        for window, sent, instrument_id in part:
            market_data.store(connection, instrument_id, window, market_data.read(window, sent))


def copy(server: Server, database: str, file: Path) -> None:
    columns = ", ".join(COLUMNS)
    subprocess.run(
        [postgres.binaries() / "psql", "--quiet", "--no-psqlrc", server.dsn(database, "market_owner"), "--command",
         f"\\copy public.bare ({columns}) from '{file}'"],
        check=True,
    )  # fmt: skip


def tuples(window: Window, sent: dict[int, bytes], instrument_id: int) -> Iterator[tuple]:
    candles = market_data.read(window, sent)
    columns = [getattr(candles, name).tolist() for name in COLUMNS[2:]]
    for minute, *values in zip(range(window.begins, window.ends, market_data.MINUTE), *columns, strict=True):
        yield (instrument_id, datetime.fromtimestamp(minute / 1000, UTC), *values)


def text_file(part: Part, path: Path) -> Path:
    with path.open("w") as file:
        for item in part:
            file.writelines("\t".join(map(str, row)) + "\n" for row in tuples(*item))
    return path


def empty(server: Server, database: str, tables: str) -> None:
    with server.connect(database, "market_owner") as owner:
        owner.execute(f"TRUNCATE {tables} CASCADE")
    server.checkpoint()


def changes(server: Server, database: str) -> int:
    """How many rows of the store were ever inserted, updated or deleted, as Postgres counts them."""
    with server.connect(database, "postgres") as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(0.2)  # a backend that has just gone hands its numbers in
        [[count]] = connection.execute(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_all_tables WHERE schemaname = 'store'"
        ).fetchall()
    return count
