"""How soon a minute is published after it has closed, beside the whole history and every snapshot.

    sh stack/run dev python -m bench.live [--minutes 30] [--day-from 15] [--from 2018-08-01] [--rate 15] [--keep]

Starts a stack of its own in a temporary folder, with a history that uses its share of the rate all the time, measures
how fast that is alone, then lets live begin beside it, and measures so many minutes. A minute counts from its end, by
the clock of the exchange, to the commit that showed it to readers first; one that the exchange has and no reader was
shown counts as infinite. Everything runs in one group of processes with the memory of a small server and no swap, where
the machine lets us make one.

Then a second stack, on which nothing but live runs, says what a day of it costs: see live_day.py.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
from rich.console import Console

from deribit_warehouse.datasets import DATASETS, FUTURES_LIVE, INSTRUMENT_SUMMARIES, LIVE, PERPETUALS_LIVE
from exchange_simulator import comparison
from exchange_simulator.comparison import Rows, instant
from exchange_simulator.listings import MINUTE
from exchange_simulator.market import Market
from stack.services import none_failed

from . import live_day, machine
from .__main__ import WIDTH, table
from .live_stack import LiveStack, temporary_stack
from .memory_group import MemoryGroup
from .metric import Metric
from .whole_history import CURRENCIES, OF_SNAPSHOTS, Memory

RESULTS = Path(__file__).with_name("results-live.json")
LIVE_SHARE = 0.2
MEMORY = 3_500_000_000
DAGS = [dataset.dag_id for dataset in (PERPETUALS_LIVE, FUTURES_LIVE)]
"""Those with a run a minute."""
ALONE = timedelta(minutes=5)
"""For how long the history is measured before live begins."""
SETTLED = 120
"""Seconds after the measured time in which its last minutes may still be published."""
NOT_HISTORY = ("get_time", "get_instruments", *OF_SNAPSHOTS)
"""What history does not ask, or asks without counting it against its share."""

Minutes = dict[tuple[str, int], float]
"""When readers were shown a candle, or a snapshot, for the first time, by instrument (or currency) and start (or beat),
all in ms."""
Delays = dict[str, list[tuple[int, float]]]
"""By what it is of, the start in ms of each minute (or beat) that was due, and how many seconds after its end it was
shown: infinite if it was not."""
CANDLES = ("perpetuals", "futures", "basis")
"""What is there a minute after another; a snapshot that was missed never comes."""
BY_THE_MINUTE = (*CANDLES, INSTRUMENT_SUMMARIES.name)
"""What readers expect within seconds: the summaries bring the index, the mark price and the open interest."""

PUBLISHED = """
    SELECT i.instrument, (extract(epoch FROM o.ts) * 1000)::bigint,
           (extract(epoch FROM pg_xact_commit_timestamp(v.xmin)) * 1000)::float8
    FROM (SELECT instrument_id, ts, min(lower(shown)) AS validation_id FROM store.open_candle
          WHERE ts >= %s AND ts < %s AND NOT isempty(shown) GROUP BY instrument_id, ts) AS o
    JOIN store.validation v USING (validation_id) JOIN store.instrument i USING (instrument_id)
"""
BEATS = """
    SELECT s.currency, (extract(epoch FROM s.beat) * 1000)::bigint,
           (extract(epoch FROM pg_xact_commit_timestamp(v.xmin)) * 1000)::float8
    FROM (SELECT currency, beat, min(lower(shown)) AS validation_id FROM store.{}
          WHERE beat >= %s AND beat < %s AND NOT isempty(shown) GROUP BY currency, beat) AS s
    JOIN store.validation v USING (validation_id)
"""
SNAPSHOTS = {dataset.name: dataset.versions.name for dataset in DATASETS if dataset.beat}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--minutes", type=int, default=30, help="how many are measured beside the history; 0: none")
    parser.add_argument("--day-from", type=int, default=15, metavar="MINUTES", help="of live alone, of which a day is "
                        "reckoned, best a multiple of 5: of the checkpoints and the chains; 0: none")  # fmt: skip
    parser.add_argument("--from", dest="first_day", default="2018-08-01", metavar="YYYY-MM-DD")
    parser.add_argument("--rate", type=float, default=15, help="requests a second it may send; the simulator allows 20")
    parser.add_argument("--keep", action="store_true", help="leave the stack running, to look into it")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    for line in machine.description("18, embedded"):
        console.print(line)
    metrics: list[Metric] = []
    for minutes, measure in ((asked.minutes, beside_history), (asked.day_from, alone)):
        if minutes:
            found = measure(asked)
            console.print(table(found))
            metrics += found
            RESULTS.write_bytes(orjson.dumps([metric.row() for metric in metrics], option=orjson.OPT_INDENT_2) + b"\n")


def a_stack(asked: argparse.Namespace) -> AbstractContextManager[LiveStack]:
    return temporary_stack(
        keep=asked.keep, DERIBIT_REQUESTS_PER_SECOND=str(asked.rate), DERIBIT_LIVE_SHARE=str(LIVE_SHARE),
        DERIBIT_CURRENCIES=",".join(CURRENCIES),
    )  # fmt: skip


def beside_history(asked: argparse.Namespace) -> list[Metric]:
    group = MemoryGroup.make(MEMORY)
    with a_stack(asked) as stack:
        memory = Memory(stack.placed)
        memory.start()
        stack.start(asked.first_day, group)
        metrics = [*measured(stack, asked.minutes, asked.rate), *held(memory, group)]
    if group and not asked.keep:
        group.remove()
    return metrics


def alone(asked: argparse.Namespace) -> list[Metric]:
    with a_stack(asked) as stack:
        return list(live_day.measured(stack, CURRENCIES, asked.day_from))


def measured(stack: LiveStack, minutes: int, rate: float) -> list[Metric]:
    """Measures the history alone, lets live begin, waits until so many minutes are over, reckons how late each was."""
    stack.simulator.reset()
    wait_until(stack, datetime.now(UTC) + ALONE)
    rate_alone = of_history(stack.simulator.stats()) / ALONE.total_seconds()
    stack.collect_live()
    # whatever Airflow needs until it has noticed is no minute's fault
    begins = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    ends = begins + timedelta(minutes=minutes)
    wait_until(stack, begins)
    stack.simulator.reset()
    loading = wait_until(stack, ends)
    stats = stack.simulator.stats()
    live_requests = requests_of_live(stack, begins, ends)
    wait_until(stack, ends + timedelta(seconds=SETTLED))
    # the first minute that closes in the measured time begins before it
    first, past = ms(begins) - MINUTE, ms(ends) - MINUTE
    market = Market(CURRENCIES)
    seconds = (ends - begins).total_seconds()
    rate_beside = (of_history(stats) - live_requests) / seconds
    [[runs, failed]] = stack.airflow_rows(
        "SELECT count(*), count(*) FILTER (WHERE state = 'failed') FROM dag_run "
        "WHERE dag_id = ANY(%s) AND run_after >= %s AND run_after < %s", DAGS, begins, ends,
    )  # fmt: skip
    [[rows, size]] = stack.airflow_rows(
        "SELECT sum(n_live_tup)::bigint, pg_database_size(current_database()) FROM pg_stat_user_tables"
    )
    return [
        *late(delays(market, stack.rows, first, past)),
        *as_said(market, stack.rows, first, past),
        Metric("live: runs of live", runs, "runs", note=f"{failed} failed"),
        Metric("live: history beside it", round(loading / 60, 1), "minutes", minutes, "measured", ratio_at_least=1),
        Metric("live: rate of the history alone", rate_alone, "requests/s", rate * (1 - LIVE_SHARE), "its share"),
        Metric("live: rate of the history beside live", rate_beside, "requests/s", rate_alone, "before live began",
               ratio_at_least=1 - LIVE_SHARE),
        Metric("live: rate of live minutes", live_requests / seconds, "requests/s", rate * LIVE_SHARE, "live's share"),
        Metric("live: requests refused", stats["refused"], "", at_most=0),
        Metric("live: busiest second", stats["busiest_second"], "requests", rate, "allowed", at_most=rate),
        Metric("live: Airflow's own database", rows, "rows", note=f"{size / 1e6:,.0f} MB"),
    ]  # fmt: skip


def wait_until(stack: LiveStack, moment: datetime) -> float:
    """Returns at a moment how many seconds of the time until then the history was being loaded. Raises StackError when
    a service is down for good."""
    loading, then = 0.0, time.time()
    while (left := moment.timestamp() - time.time()) > 0:
        time.sleep(min(left, 2))
        none_failed(stack.placed)
        now = time.time()
        loading += (now - then) * stack.loads_history
        then = now
    return loading


def of_history(stats: dict) -> int:
    """How many requests the simulator counted that may be history's: those of live minutes are among them."""
    return sum(count for method, count in stats["by_method"].items() if method not in NOT_HISTORY)


def requests_of_live(stack: LiveStack, begins: datetime, ends: datetime) -> int:
    """What the loads of live data say that they asked. One that was killed says nothing."""
    said = stack.airflow_rows(
        "SELECT value FROM xcom WHERE dag_id = ANY(%s) AND task_id = 'load' AND key = 'return_value' "
        "AND timestamp >= %s AND timestamp < %s", [dataset.dag_id for dataset in LIVE], begins, ends,
    )  # fmt: skip
    values = [orjson.loads(value) if isinstance(value, str) else value for [value] in said]
    return sum(value["requests"] for value in values)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def delays(market: Market, rows: Rows, first: int, past: int) -> Delays:
    """How late what begins in [first, past), ms, was published. rows: asks as a reader."""
    shown = published(rows, PUBLISHED, first, past)
    perpetuals, futures = due(market, first, past)
    # the basis is there once both legs are
    legs = [((coin_of(name), start), (name, start)) for name, start in futures]
    both = [legs for legs in legs if legs[0] in set(perpetuals)]
    found: Delays = {
        "perpetuals": [(each[1], seconds_late(shown, each)) for each in perpetuals],
        "futures": [(each[1], seconds_late(shown, each)) for each in futures],
        "basis": [(each[0][1], max(seconds_late(shown, leg) for leg in each)) for each in both],
    }
    for dataset, stored in SNAPSHOTS.items():
        [[each]] = rows("SELECT seconds FROM store.snapshot_beat WHERE dataset = %s AND ends = 'infinity'", dataset)
        beats = range(-(-first // (each * 1000)) * each * 1000, past, each * 1000)
        taken = published(rows, BEATS.format(stored), first, past)
        found[dataset] = [(beat, seconds_late(taken, (one, beat), 0)) for one in CURRENCIES for beat in beats]
    return found


def late(found: Delays) -> list[Metric]:
    """How late it was, with the targets of what is there a minute after another."""
    return [
        metric
        for name, each in found.items()
        for metric in summed_up(f"live: {name}", [seconds for _, seconds in each], has_targets=name in BY_THE_MINUTE)
    ]


def coin_of(future: str) -> str:
    """The perpetual of a future."""
    return f"{future.split('-')[0]}-PERPETUAL"


def due(market: Market, first: int, past: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """(instrument, start in ms) of every minute of [first, past) that the exchange has: of perpetuals, and of dated
    futures."""
    found: dict[bool, list[tuple[str, int]]] = defaultdict(list)
    for listing in comparison.listed_between(market, CURRENCIES, first, past):
        starts = market.candles(listing, first, past - MINUTE)["ticks"].tolist()
        found[listing.perpetual] += [(listing.name, start) for start in starts]
    return found[True], found[False]


def published(rows: Rows, statement: str, first: int, past: int) -> Minutes:
    return {(name, start): shown for name, start, shown in rows(statement, instant(first), instant(past))}


def seconds_late(shown: Minutes, each: tuple[str, int], lasts: int = MINUTE) -> float:
    """Seconds from the end of a minute (of a beat, which lasts no time) until it was shown; infinite if it was not."""
    return (shown.get(each, math.inf) - each[1] - lasts) / 1000


def summed_up(name: str, seconds: list[float], *, has_targets: bool = False) -> list[Metric]:
    """The middle and the worst of delays in seconds, each of them one that occurred, and how many have no end."""
    if not seconds:
        return [Metric(f"{name}, p50", None, "s", note="nothing was due")]
    ordered = np.sort(seconds)
    missing = int(np.isinf(ordered).sum())
    targets: dict[str, float] = {"p50": 15, "p99": 45} if has_targets else {}
    return [
        *(Metric(f"{name}, {word}", float(ordered[math.ceil(share * len(ordered)) - 1]), "s", at_most=targets.get(word))
          for word, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("worst", 1))),
        Metric(f"{name}, missed", missing, "", note=f"of {len(ordered):,}", at_most=0),
    ]  # fmt: skip


def as_said(market: Market, rows: Rows, first: int, past: int) -> Iterable[Metric]:
    """Compares what is shown of [first, past), ms, with what the exchange says, value by value; what is missing is
    counted above. Raises Different."""
    same = whole = 0
    for listing in comparison.listed_between(market, CURRENCIES, first, past):
        whole += 1
        begins, ends = max(first, listing.first_minute * MINUTE), min(past, listing.past_minute * MINUTE)
        [[there]] = rows("SELECT count(*) FROM candles(%s, %s, %s)", listing.name, instant(begins), instant(ends))
        if there == len(market.candles(listing, begins, ends - MINUTE)["ticks"]):
            same += comparison.candles(market, rows, listing, begins, ends) > 0
    note = "listed; every minute is there, as the exchange says"
    yield Metric("live: instruments compared", same, "", whole, note, ratio_at_least=1)


def held(memory: Memory, group: MemoryGroup | None) -> Iterable[Metric]:
    """What it took of memory."""
    memory.stop()
    sampled = "every 30 s, the simulator left out"
    yield Metric("live: memory of the processes", memory.peak / 2**20, "MiB", note=sampled)
    limit = "its limit, without swap; page cache and simulator included"
    if group:
        yield Metric("live: memory of the group", group.peak / 2**20, "MiB", MEMORY / 2**20, limit)
        yield Metric("live: killed for want of memory", group.kills, "processes", at_most=0)
    else:
        why = "no control group could be made here, so nothing was limited"
        yield Metric("live: killed for want of memory", None, "processes", note=why, at_most=0)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s in all")
