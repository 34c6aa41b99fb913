"""The whole history through the real Airflow scheduler against the simulator: how near the exchange it comes.

    sh stack/run dev python -m bench.whole_history [--from 2018-08-01] [--rate 20] [--keep]

Starts a stack of its own in a temporary folder, runs every month of every dataset, and prints wall clock, requests,
memory and storage beside what physics sets: the fewest requests that can fetch it, at the allowed rate. Then what the
processor did all the time, and which tasks there were.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import orjson
import psutil
import psycopg
from rich.console import Console

from deribit_warehouse.datasets import DATASETS, VOLATILITY_INDEX
from deribit_warehouse.exchange import candles, delivery, funding, volatility
from deribit_warehouse.warehouse.completion import summary
from exchange_simulator.limits import CATALOGUE
from stack import credentials, postgres
from stack.settings import Stack

from . import machine
from .__main__ import WIDTH, table
from .live_stack import temporary_stack
from .metric import Metric, seconds
from .sample import compared

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results-history.json")
CURRENCIES = ("BTC", "ETH")
BEAT = timedelta(minutes=5)
"""Of the option chains, and here of the summaries, too."""
LIVE_SHARE = 0.05
"""Of the rate, for the snapshots beside the history: a request a second, of which they need a few in five minutes."""
BYTES = {"perpetuals_ohlcv": 32, "futures_ohlcv": 20, "basis_spread": 8}
"""What a minute may take at most, indexes and TOAST included."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.whole_history", description=__doc__)
    parser.add_argument("--from", dest="first_day", default="2018-08-01", metavar="YYYY-MM-DD")
    parser.add_argument("--rate", type=float, default=20, help="requests a second the simulator allows")
    parser.add_argument("--keep", action="store_true", help="leave the stack running, to look into it")
    asked = parser.parse_args()
    with temporary_stack(
        keep=asked.keep, DERIBIT_REQUESTS_PER_SECOND=str(asked.rate), DERIBIT_LIVE_SHARE=str(LIVE_SHARE),
        DERIBIT_SUMMARY_MINUTES=f"{BEAT.total_seconds() / 60:.0f}",  # as the figures before were taken
        DERIBIT_CURRENCIES=",".join(CURRENCIES),
    ) as its_own:  # fmt: skip
        stack = its_own.placed
        memory = Memory(stack)
        memory.start()
        run = subprocess.run(
            [sys.executable, "-m", "stack", "demo", "--from", asked.first_day],
            cwd=ROOT, env=its_own.environment, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        memory.stop()
        processor = processor_seconds(stack)
        if run.returncode:
            sys.exit(run.stdout)
        report(asked, run.stdout, its_own.simulator.stats(), memory, processor, stack)


def report(
    asked: argparse.Namespace, printed: str, stats: dict, memory: Memory, processor: dict[str, float], stack: Stack
) -> None:
    ended = re.search(r"The history has run: .* in (\d+) s", printed)
    assert ended, "a start that succeeded says so"
    took = float(ended[1])
    fewest = fewest_requests(asked.first_day)
    bound = fewest / asked.rate
    beats = sum(stats["by_method"].get(method, 0) for method in OF_SNAPSHOTS)
    # while there was history to fetch, the catalogue before it left out, whose lists have a limit of their own
    pages = stats["by_method"].keys() - {*OF_SNAPSHOTS, CATALOGUE}
    fetched = sum(stats["by_method"][method] for method in pages)
    busy = max(stats["last_by_method"][m] for m in pages) - stats["first_by_method"]["get_tradingview_chart_data"]
    with psycopg.connect(database(stack, "market", "market_reader")) as connection:
        [(minutes, size)] = connection.execute(
            "SELECT sum(n), (SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relnamespace = 'store'::regnamespace AND relkind = 'r')::float8 FROM store.candle_day"
        ).fetchall()
        relations = connection.execute(
            "SELECT relname, pg_relation_size(oid), pg_indexes_size(oid), "
            "coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0), pg_total_relation_size(oid) FROM pg_class "
            "WHERE relnamespace = 'store'::regnamespace AND relkind = 'r' ORDER BY 5 DESC LIMIT 8"
        ).fetchall()
        [(unreferenced,)] = connection.execute(
            "SELECT count(*) FROM store.quarantine q JOIN store.future f ON f.instrument = q.subject "
            "JOIN store.instrument p ON p.instrument_id = f.perpetual_id "
            "WHERE q.rule = 'reference-known' AND q.day > p.listed_at"
        ).fetchall()
        [(taken, missed)] = connection.execute(
            "SELECT (SELECT count(DISTINCT (currency, beat)) FROM store.instrument_summary) + "
            "(SELECT count(DISTINCT (currency, beat)) FROM store.option_chain), "
            "(SELECT coalesce(sum(beats), 0) FROM snapshot_gaps)::integer"
        ).fetchall()
    stored = {
        row["dataset"]: row["bytes_a_row"] for row in summary(database(stack, "market", "market_reader"), DATASETS)
    }
    with psycopg.connect(database(stack, "airflow", "airflow")) as connection:
        tasks = connection.execute(
            "SELECT dag_id, task_id, count(*), avg(extract(epoch FROM end_date - start_date))::float8, "
            "avg(extract(epoch FROM start_date - queued_dttm))::float8 "
            "FROM task_instance WHERE state = 'success' AND pid IS NOT NULL GROUP BY 1, 2 ORDER BY 1, min(start_date)"
        ).fetchall()
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    for line in machine.description("18, embedded"):
        console.print(line)
    console.print(printed[printed.index("What is stored") : printed.index("Basis term structure")])
    peak, task = memory.peak / 2**20, memory.largest_task / 2**20
    snapshots = sum(1 for dataset in DATASETS if dataset.beat)
    due = snapshots * len(CURRENCIES) * int(took // BEAT.total_seconds())
    metrics = [
        Metric("history: wall clock", took, "s", bound, "fewest requests at the allowed rate", at_most=1.5 * bound),
        Metric("history: requests", stats["requests"] - beats, "", fewest, "each window in whole pages",
               at_most=1.05 * fewest),
        Metric("history: requests of snapshots", beats, "", note="which no history asks for"),
        Metric("history: requests refused", stats["refused"], "", at_most=0),
        Metric("history: busiest second", stats["busiest_second"], "requests", asked.rate, "allowed",
               at_most=asked.rate),
        Metric("history: rate while there was work", fetched / busy, "requests/s", asked.rate, "allowed",
               ratio_at_least=0.9),
        Metric("history: memory at the peak", peak, "MiB", 3072, "a 4 GB server, simulator excluded", at_most=3072),
        Metric("history: largest task", task, "MiB", 300, "private memory", at_most=300),
        Metric("history: minutes stored", minutes / 1e6, "million", 45, at_least=45),
        Metric("history: futures days validated before their perpetual was there", unreferenced, "days", at_most=0),
        Metric("history: snapshots missed", missed, "beats", taken, "taken meanwhile", at_most=0),
        Metric("history: snapshots taken", taken, "beats", due, "in so much time, of each dataset and currency",
               at_least=due),
        Metric("history: tasks", sum(count for _, _, count, *_ in tasks), ""),
        *questions(stack),
        *sampled(asked, stack),
        *(Metric(f"history: storage, {name}", float(stored[name]), "B a minute", at_most=most)
          for name, most in BYTES.items()),
        Metric("history: storage, everything", size / 1e6, "MB", 1500, "AC-009", at_most=1500),
        Metric("history: storage a minute", size / minutes, "B", 160, "the earlier project, perpetuals"),
        *(Metric(f"relation: {name}", total / 1e6, "MB",
                 note=f"table {rows / 1e6:,.1f}, indexes {indexes / 1e6:,.1f}, TOAST {toast / 1e6:,.1f}")
          for name, rows, indexes, toast, total in relations),
        *(Metric(f"processor: {role}", spent, "s", note=f"{spent / took / 2:.1%} of two cores")
          for role, spent in sorted(processor.items(), key=lambda each: -each[1])),
        *(Metric(f"task: {dag}.{name}", seconds_each, "s each",
                 note=f"{count} ran, {queued:.1f} s in the queue")
          for dag, name, count, seconds_each, queued in tasks),
    ]  # fmt: skip
    console.print(table(metrics))
    RESULTS.write_bytes(orjson.dumps([metric.row() for metric in metrics], option=orjson.OPT_INDENT_2) + b"\n")


def sampled(asked: argparse.Namespace, stack: Stack) -> list[Metric]:
    from exchange_simulator.market import Market

    with psycopg.connect(database(stack, "market", "market_reader"), autocommit=True) as connection:
        rows = lambda statement, *values: connection.execute(statement, values).fetchall()  # noqa: E731
        return list(compared(Market(), rows, *span(asked.first_day)))


def span(first_day: str) -> tuple[int, int]:
    """The closed months since a day, [first, past) in ms."""
    begins = datetime.fromisoformat(first_day).replace(tzinfo=UTC)
    ends = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(begins.timestamp() * 1000), int(ends.timestamp() * 1000)


def quiesce(stack: Stack) -> None:
    """What autovacuum would have done by the next day, and services that have nothing left to do."""
    with psycopg.connect(database(stack, "market", "market_owner"), autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE)")
    deadline = time.monotonic() + 120
    while psutil.cpu_percent(3) > 15 and time.monotonic() < deadline:
        pass


def questions(stack: Stack) -> list[Metric]:
    """What a reader asks of all that is stored now."""
    quiesce(stack)
    with psycopg.connect(database(stack, "market", "market_reader"), autocommit=True) as connection:

        def asked(statement: LiteralString, *values: Any) -> float:
            return seconds(lambda: connection.execute(statement, values).fetchall(), 5) * 1000

        [[instant]] = connection.execute(
            "SELECT max(day) - time '11:23' FROM store.basis_day WHERE state = 'published'"
        )
        [[name, begins, ends]] = connection.execute(
            "SELECT instrument, expires_at - interval '365 days', expires_at FROM store.future "
            "WHERE expires_at < %s ORDER BY expires_at - listed_at DESC, expires_at DESC LIMIT 1", [instant],
        )  # fmt: skip
        structure = "SELECT * FROM term_structure_at('BTC', %s)"
        year = "SELECT count(*), sum(annualised), max(ts) FROM basis(%s, %s, %s)"
        return [
            Metric("history: coverage of everything", asked("SELECT * FROM coverage"), "ms", at_most=100),
            Metric("history: term structure at an instant", asked(structure, instant), "ms", at_most=5),
            Metric("history: a year of one contract", asked(year, name, begins, ends), "ms", None, name, at_most=200),
        ]  # fmt: skip


OF_SNAPSHOTS = ("get_book_summary_by_currency", "ticker")
"""What snapshots ask: how often depends on how long it takes, not on what is loaded."""

AT_ONCE = 3
"""Runs that are open at once; where more are to come, a start asks for the newest closed month twice: first, and in its
turn (stack/catchup.py)."""


def fewest_requests(first_day: str) -> int:
    """The fewest pages that hold what the exchange has of the closed months since a day, each instrument in one go, and
    of the newest month once more."""
    begins, ends = span(first_day)
    newest = span(f"{datetime.fromtimestamp(ends / 1000 - 1, UTC):%Y-%m}-01")
    return pages(begins, ends) + (pages(*newest) if len(runs(begins, ends)) > AT_ONCE else 0)


def pages(begins: int, ends: int) -> int:
    """The fewest pages that hold [begins, ends), ms, each instrument in one go; what is a row a day is asked for a run
    at a time, and delivery prices from the newest day back to it."""
    from exchange_simulator.market import Market

    assert VOLATILITY_INDEX.since
    market = Market()
    hours = max(0, ends - max(begins, round(VOLATILITY_INDEX.since.timestamp() * 1000)))
    pages = len(market.currencies) * ceil(hours / volatility.PAGE)  # each has a volatility index
    for run in runs(begins, ends):
        pages += len(market.currencies) * ceil((ends - run) / (delivery.PAGE * delivery.DAY))
    for row in market.instruments("future"):
        if row["settlement_currency"] == "USDC":
            continue
        listed = row["creation_timestamp"] // candles.MINUTE * candles.MINUTE
        first, last = max(begins, listed), min(ends, row["expiration_timestamp"])
        pages += max(0, ceil((last - first) / candles.PAGE))
        pages += len(runs(first, last))  # its settlements
        if row["settlement_period"] == "perpetual":
            funded_from = max(first, market.first_funding_ms(row["instrument_name"]))
            pages += max(0, ceil((last - funded_from) / funding.PAGE))
    return pages


def runs(begins: int, ends: int) -> list[int]:
    """The beginnings of the runs that have a part of [begins, ends), ms: years that are over, months of this one."""
    if begins >= ends:
        return []
    first, last = np.array([begins, ends - 1], "datetime64[ms]").astype("datetime64[M]")
    months = np.arange(first, last + 1)
    this_year = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "Y").astype("datetime64[M]")
    kept = (months >= this_year) | (months == first) | (months == months.astype("datetime64[Y]"))
    return months[kept].astype("datetime64[ms]").astype(int).tolist()


def database(stack: Stack, name: str, role: str) -> str:
    return postgres.dsn(stack, credentials.load(stack.home), role, name)


ROLES = {
    "exchange_simulator": "simulator",
    "postgres: airflow": "Postgres, for Airflow",
    "postgres: market": "Postgres, for the warehouse",
    "postgres": "Postgres, the rest and connections that ended",
    "api_server": "Airflow's API server",
    "api-server": "Airflow's API server",
    "dag-processor": "DAG processor",
    "triggerer": "triggerer",
    "deribit_warehouse.watch": "watch",
    "airflow scheduler": "scheduler",
    "airflow worker": "tasks",
    "supervisord": "supervisord",
}


def processes(stack: Stack) -> list[psutil.Process]:
    """Everything a stack runs: what carries its mark, and what that has started (Postgres' backends write their title
    over theirs)."""
    parents, found = {}, []
    for process in psutil.process_iter():
        try:
            parents[process] = process.ppid()
            if process.environ().get("WAREHOUSE_STACK") == str(stack.home):
                found.append(process)
        except psutil.Error:
            continue
    ours = {process.pid for process in found}
    for process in found:
        children = [child for child, parent in parents.items() if parent == process.pid and child.pid not in ours]
        found += children
        ours |= {child.pid for child in children}
    return found


def processor_seconds(stack: Stack) -> dict[str, float]:
    """Processor seconds of everything a stack has run so far, by role. Children that ended count for their parent."""
    spent: dict[str, float] = {}
    for process in processes(stack):
        try:
            name, times = role(process), process.cpu_times()
        except psutil.Error:
            continue
        spent[name] = spent.get(name, 0.0) + times.user + times.system + times.children_user + times.children_system
    return spent


def role(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    return next((role for mark, role in ROLES.items() if mark in command), "other")


def prefer(process: psutil.Process) -> None:
    """The exchange is another machine: it doesn't wait for a core behind those who ask it. Only root may say so."""
    with suppress(psutil.AccessDenied):
        if process.nice() >= 0:
            process.nice(-15)


class Memory(threading.Thread):
    """The proportional memory of everything a stack runs, the simulator left out, every thirty seconds (asking costs
    processor time itself). Bytes."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.peak = self.largest_task = 0
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()
        self.join()

    def run(self) -> None:
        while not self.stopped.wait(30):
            total = 0
            for process in processes(self.stack):
                try:
                    name = role(process)
                    if name == "simulator":
                        prefer(process)
                        continue
                    memory = process.memory_full_info()
                except psutil.Error:
                    continue
                total += memory.pss
                if name == "tasks":
                    self.largest_task = max(self.largest_task, memory.uss)
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s in all")
