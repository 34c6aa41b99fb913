"""Live minutes through everything that goes wrong: four phases, each with a verdict of its own.

    sh stack/run dev python -m bench.soak [--phases beside,kills,outage,disk] [--minutes 30] [--from 2018-08-01]
                                          [--fresh] [--keep]

- beside: live beside the whole history, 2 % of the requests failing, minutes that are told wrong first and corrected,
  clocks of other time zones; and the days of this month that live has, closed by history
- kills: 2 % of the requests failing, a task's row gone from Airflow's database, and kill -9 of a task, the scheduler,
  the API server and Postgres
- outage: half of the time the exchange is in maintenance
- disk: the disk of the database fills up and is freed (a tmpfs: root alone can mount one)

Each lasts so many minutes, with what it has to wait for a little longer. When it is quiet again everything is held
against the exchange: no minute is missing, later than it may be or other than it says, none is there twice, the funding
and the index are what it says, every incident is over, and of each there was one message and one of its end. The index
may lack what could not come while something was away or killed, for it can't be asked for later. Then the phase has
passed, and is not run again until --fresh. One that can't be run here has not passed, and the others go on. What it
stands on stays in the state folder (WAREHOUSE_HOME/soak), so that a phase that fails can be looked into and run again.
At the end the minutes of every phase that has passed are put together: how late they were while nothing was away or
killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import orjson
import psutil
import psycopg
from psycopg import sql
from rich.console import Console

from deribit_warehouse.datasets import FUNDING_LIVE
from deribit_warehouse.warehouse.watched import DISK as THE_DISK
from deribit_warehouse.warehouse.watched import FULL
from exchange_simulator import comparison
from exchange_simulator.comparison import Different, instant
from exchange_simulator.listings import HOUR, MINUTE
from exchange_simulator.market import Market
from stack import StackError
from stack.install import warehouse_home
from stack.services import states, supervisor_pid

from . import machine
from .__main__ import WIDTH, table
from .live import CANDLES, DAGS, Delays, delays, ms, summed_up
from .live_stack import LiveStack, until
from .metric import Metric
from .soak_checks import (
    Failed,
    Seen,
    Told,
    as_the_exchange_says,
    corrections_counted,
    funding_as_the_exchange_says,
    in_time,
    incidents,
    index_as_the_exchange_said,
    live_was_right,
    nothing_doubled,
    told_once,
    undisturbed,
)
from .whole_history import CURRENCIES, role

ZONE = "Asia/Kathmandu"
"""A clock that is a quarter of an hour off every full hour of UTC, in which it is another day for hours."""

FAILING = {"kind": "http_status", "status": 502, "times": 1_000_000, "share": 0.02}
QUIET = 900
"""Seconds in which everything has to be well again. A worker that was killed is found out by Airflow after 120 and a
few, and its task tried again."""

CLOSING = "deribit_close_day"
"""Runs once at a start, and daily. It begins when live has something to be compared with."""

OUTAGE = 120
"""Seconds that an outage lasts at least, so that live meets it."""

LATE = 210
"""Seconds that a minute may be late, whatever fails or is killed: what was not answered comes with the next minute, and
what a killed scheduler had queued holds the one place to publish in until the next one finds it out, some 50 after the
kill; on two busy cores it takes as long to start. A run that is stranded keeps its place for three minutes, but there
are two places, and the next run has one."""

DISK = 1_500
"""MB of the disk that fills up: an empty database, two months, room for the journal, and more than is told of."""

DISK_LEAST = 0.2
"""GB: less of it left is told."""

TOLD = 600
"""Seconds in which the watch has seen that twice, and a run has said it."""

WHOLE = 3
"""Days that live has whole before they are closed, where so many are over. Beside a history it catches up by some ten
days an hour; what it has not by then history closes without it."""

CAUGHT_UP = 3600
"""Seconds in which live has so many, or history closes what is over."""

FULL_FOR = 30
"""Seconds that it is full at least."""

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

VERDICTS = "verdicts.json"

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phases", default=os.environ.get("PHASES") or ",".join(PHASES), metavar=",".join(PHASES))
    parser.add_argument("--minutes", type=float, default=os.environ.get("MINUTES") or 30, help="of each phase")
    parser.add_argument("--from", dest="first_day", default="2018-08-01", metavar="YYYY-MM-DD", help="of the history")
    parser.add_argument("--fresh", action="store_true", help="forget what has passed, and begin on empty databases")
    parser.add_argument("--keep", action="store_true", help="leave the stacks running, to look into them")
    asked = parser.parse_args()
    phases = asked.phases.split(",")
    if unknown := set(phases) - PHASES.keys():
        parser.error(f"no such phase: {', '.join(sorted(unknown))}; there are {', '.join(PHASES)}")
    folder = state_folder()
    os.environ["TZ"] = ZONE  # of whoever starts it; the services of a stack set their own
    os.umask(0o077)
    for line in machine.description("18, embedded"):
        console.print(line)
    with receiver(folder) as hook:
        soak = Soak(folder, asked.minutes, asked.first_day, hook)
        if asked.fresh:
            soak.forget()
        outcomes = []
        for name in phases:
            outcomes.append(soak.goes_through(name))
            if outcomes[-1] == FAILED:
                break
        console.print(table(list(together(passed(folder).values()))))
        if FAILED not in outcomes and not asked.keep:
            soak.stop()
        for stack in soak.running():
            console.print(f"{stack.left_running}\nThe same command goes on with it.", soft_wrap=True)
    return 0 if set(outcomes) == {PASSED} else 1


def state_folder() -> Path:
    return warehouse_home() / "soak"


def passed(folder: Path) -> dict[str, dict]:
    """What is kept in a state folder of each phase that has passed: for how many minutes, its metrics, how late each
    minute was, and when something was away or killed."""
    verdicts = folder / VERDICTS
    return orjson.loads(verdicts.read_bytes()) if verdicts.exists() else {}


@contextmanager
def receiver(folder: Path) -> Iterator[str]:
    """A webhook that writes down what each stack tells, a line a message (the path is its name; two databases give the
    same numbers to their incidents); yields its address, which is the same each time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = folder / "hook_port"

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with told(folder, self.path.strip("/")).open("ab") as out:
                out.write(body.replace(b"\n", b" ") + b"\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(kept.read_text()) if kept.exists() else 0), Hook)
    kept.write_text(str(server.server_port))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def told(folder: Path, name: str) -> Path:
    """The file of what a stack has told."""
    return folder / f"messages-{name}.jsonl"


class Soak:
    """What the phases have in common: two stacks, which are started when they are needed, and what has passed.

    Three phases share the first, on which the whole history is loaded; the second lies on a disk of its own.
    """

    def __init__(self, folder: Path, minutes: float, first_day: str, hook: str) -> None:
        self.folder, self.minutes, self.first_day, self.hook = folder, minutes, first_day, hook
        self.stacks: dict[str, LiveStack] = {}
        self.watched: Watched | None = None

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    def stack(self, name: str) -> LiveStack:
        """One of the two stacks, as it was left; not started by this."""
        if name not in self.stacks:
            settings = {
                "AIRFLOW_CONN_DERIBIT_ALERTS_WEBHOOK": json.dumps({"conn_type": "http", "host": f"{self.hook}{name}"}),
                "DERIBIT_CALM_MINUTES": "0",
                "DERIBIT_REQUESTS_PER_SECOND": "19",
                "DERIBIT_CURRENCIES": ",".join(CURRENCIES),
                "WAREHOUSE_MIN_FREE_GB": "0.5",
                "DERIBIT_DISK_LEAST_GB": str(DISK_LEAST),
            }
            self.stacks[name] = LiveStack(self.folder / name, **settings)
        return self.stacks[name]

    def started(self, name: str, first_day: str) -> LiveStack:
        """The same, running and collecting live."""
        stack = self.stack(name)
        running = states(stack.placed)
        if any(state != "RUNNING" for state in running.values()):
            stack.stop()
            running = {}
        if not running:
            console.print(f"Starting the stack {name}, history from {first_day}")
            stack.start(first_day)
            in_other_zones(stack)
        stack.simulator.faults()
        stack.collect_live(but=CLOSING)
        until("the first minute of live", lambda: stack.rows("SELECT FROM store.open_candle LIMIT 1"), 300)
        return stack

    def goes_through(self, name: str) -> str:
        """Runs a phase unless it has passed, and says what came of it: PASSED, FAILED or, where it can't be run here,
        so that nothing is known of it, SKIPPED."""
        before, phase = passed(self.folder), PHASES[name]
        if name in before and before[name]["minutes"] >= self.minutes:
            console.print(f"{name}: has passed")
            return PASSED
        console.print(f"{name}: {phase.what}, {self.minutes:g} minutes")
        try:
            metrics = list(phase.run(self))
        except Skipped as skipped:
            console.print(f"{name}: *** SKIPPED, nothing is known of it: {skipped} ***", style="bold red", markup=False)
            return SKIPPED
        except (Failed, Different, StackError, TimeoutError, psycopg.Error) as failed:
            console.print(f"{name}: FAILED: {failed}", style="bold red", markup=False)
            return FAILED
        console.print(table(metrics))
        console.print(f"{name}: passed")
        verdict = {"minutes": self.minutes, "metrics": [metric.row() for metric in metrics]}
        if self.watched:
            verdict |= {"delays": self.watched.delays, "disturbed": self.watched.disturbed}
        (self.folder / VERDICTS).write_bytes(orjson.dumps(before | {name: verdict}))
        return PASSED

    def messages(self, name: str) -> list[Told]:
        """What a stack has told, the oldest first."""
        kept = told(self.folder, name)
        return [Told.of(orjson.loads(line)) for line in kept.read_bytes().splitlines()] if kept.exists() else []

    def running(self) -> list[LiveStack]:
        return [stack for stack in self.stacks.values() if states(stack.placed)]

    def stop(self) -> None:
        for name, stack in self.stacks.items():
            stack.stop()
            if name == "disk":
                unmount(stack)

    def forget(self) -> None:
        for name in ("disk", "history"):
            self.stack(name).stop()
            unmount(self.stack(name))
            shutil.rmtree(self.folder / name)
            told(self.folder, name).unlink(missing_ok=True)
        (self.folder / VERDICTS).unlink(missing_ok=True)
        self.stacks.clear()


class Skipped(Exception):
    """A phase can't be run here; the message says why."""


@dataclass(frozen=True)
class Phase:
    what: str
    run: Callable[[Soak], Iterable[Metric]]


class Watched:
    """A stretch of time on a stack, and what is held against the exchange at its end."""

    def __init__(self, soak: Soak, name: str) -> None:
        soak.watched = self
        self.soak, self.name, self.stack = soak, name, soak.stack(name)
        self.delays: Delays = {}
        self.disturbed: list[tuple[float, float]] = []
        self.market = Market(CURRENCIES)
        self.begins = datetime.now(UTC)
        [(self.last_incident,)] = self.stack.rows("SELECT coalesce(max(incident_id), 0) FROM store.incident")
        self.messages_before = len(soak.messages(name))

    @property
    def first(self) -> int:
        """The start of the first minute that closes in it, ms."""
        return ms(self.begins) // MINUTE * MINUTE

    def disturbs(self, begins: float, ends: float) -> None:
        """Keeps that something was away or killed from one moment to another, s since the epoch, and had its effect for
        as long as a minute may be late then."""
        self.disturbed.append((begins, ends + LATE))

    def rest(self, of: float) -> None:
        """Waits until so many seconds have passed since it began."""
        time.sleep(max(0.0, self.begins.timestamp() + of - time.time()))

    def held(self, away: float = 0) -> Iterator[Metric]:
        """Waits until it is quiet, and says what holds then: of the half hour before it began, too, for which the first
        run of live has asked at the latest. away: seconds in which nothing could come. Raises Failed or
        comparison.Different."""
        ended = datetime.now(UTC)
        past = ms(ended) // MINUTE * MINUTE
        rows, first = self.stack.rows, self.first - HOUR // 2
        yield from self.until_whole(first, past)
        until("the end of what was wrong, told", self.settled, QUIET)
        yield Metric("until all was well and told", time.time() - ended.timestamp(), "s")
        yield from as_the_exchange_says(self.market, rows, first, past)
        yield from funding_as_the_exchange_says(self.market, rows, self.collects_since(), past)
        # the newest summary may be on its way
        yield from index_as_the_exchange_said(self.market, rows, self.first, past - MINUTE, self.disturbed)
        yield from nothing_doubled(rows, first, past)
        hours = (time.time() - self.begins.timestamp()) / 3600
        yield from told_once(self.incidents(), self.soak.messages(self.name)[self.messages_before :], hours)
        self.delays = delays(self.market, rows, self.first, past)
        yield from in_time(self.delays, LATE + away)
        seen = [one.kind for one in self.incidents()]
        yield from (Metric(f"incidents, {kind}", seen.count(kind), "") for kind in sorted(set(seen)))

    def until_whole(self, first: int, past: int) -> Iterator[Metric]:
        """Waits until every minute of [first, past), ms, is there. Raises comparison.Different if that never comes."""
        began, deadline = time.monotonic(), time.monotonic() + QUIET
        while True:
            try:
                list(as_the_exchange_says(self.market, self.stack.rows, first, past))
                break
            except (Different, psycopg.OperationalError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(2)
        yield Metric("until every minute was there", time.monotonic() - began, "s")

    def collects_since(self) -> int:
        """When the stack began to collect funding, ms."""
        [(began,)] = self.stack.airflow_rows(
            "SELECT min(start_date) FROM dag_run WHERE dag_id = %s", FUNDING_LIVE.dag_id
        )  # fmt: skip
        return ms(began or datetime.now(UTC))

    def incidents(self) -> list[Seen]:
        return incidents(self.stack.rows, self.last_incident)

    def settled(self) -> bool:
        """Whether nothing that has an end is wrong any more, and everything has been told."""
        [(untold,)] = self.stack.rows(
            "SELECT count(*) FROM store.incident WHERE incident_id > %s AND (told_at IS NULL "
            "OR resolved_at IS NOT NULL AND end_told_at IS NULL AND kind <> 'note')", self.last_incident,
        )  # fmt: skip
        return not untold and not any(one.goes_on for one in self.incidents())


def in_other_zones(stack: LiveStack) -> None:
    """Sets the clock of every session of the database, as somebody may have."""
    with psycopg.connect(stack.dsn("postgres", "postgres"), autocommit=True) as admin:
        for name in ("market_loader", "market_reader", "market_owner", "airflow"):
            admin.execute(sql.SQL("ALTER ROLE {} SET timezone TO {}").format(sql.Identifier(name), ZONE))


def beside(soak: Soak) -> Iterator[Metric]:
    if not days_that_are_over():
        raise Skipped("on the first of a month no day of it is over, so none can be closed")
    stack = soak.started("history", soak.first_day)
    stack.simulator.faults(FAILING)
    watched = Watched(soak, "history")
    told_wrong = told_wrong_first(stack, watched)
    watched.rest(soak.seconds)
    stack.simulator.faults()
    yield from watched.held()
    yield from corrections_counted(stack.rows, told_wrong, watched.begins)
    yield from closed_days(stack)
    catch_up(stack)


def told_wrong_first(stack: LiveStack, watched: Watched) -> list[tuple[str, datetime]]:
    """Has minutes told with half of what traded, until readers are shown them, and then as they were: (instrument,
    start) of each."""
    names = [f"{CURRENCIES[0]}-PERPETUAL", next(
        listing.name for listing in comparison.listed_between(watched.market, CURRENCIES, *2 * [ms(watched.begins)])
        if not listing.perpetual and listing.expires > ms(watched.begins) + 60 * MINUTE
    )]  # fmt: skip
    past = ms(watched.begins) // MINUTE * MINUTE
    first = past - 3 * MINUTE
    window = {"from": first, "to": past}
    stack.simulator.faults(FAILING, *({"kind": "half_volume", "instrument": name, **window} for name in names))
    wrong: dict[tuple[str, datetime], float] = {}
    for name in names:
        said = watched.market.candles(name, first, past - MINUTE)
        traded = zip(said["ticks"].tolist(), said["cost"].tolist(), strict=True)
        wrong |= {(name, instant(tick)): cost / 2 for tick, cost in traded if cost}

    def shown_wrong() -> bool:
        found = stack.rows(
            "SELECT instrument, ts, cost FROM candle WHERE instrument = ANY(%s) AND ts >= %s AND ts < %s AND day >= %s",
            names, instant(first), instant(past), instant(first).date(),
        )  # fmt: skip
        return {(name, ts): cost for name, ts, cost in found if (name, ts) in wrong} == wrong

    until("what is told wrong", shown_wrong, 300)
    stack.simulator.faults(FAILING)
    return list(wrong)


def days_that_are_over() -> list[datetime]:
    """Of this month. On its first there is none: the day before is the history's."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today.replace(day=number) for number in range(1, today.day)]


def closed_days(stack: LiveStack) -> Iterator[Metric]:
    """Has the days of this month that are over closed once live has some of them whole, and holds each of these against
    what live had said. Raises Failed."""
    market = Market(CURRENCIES)
    due_of = {day.date(): minutes_due(market, day) for day in days_that_are_over()}

    def whole() -> list[date]:
        shown = minutes_of_live(stack, due_of)
        return [day for day, due in due_of.items() if shown.get(day) == due]

    until("whole days from live", lambda: len(whole()) >= min(WHOLE, len(due_of)), CAUGHT_UP)
    days = whole()
    stack.api.unpause(CLOSING)
    closed = "SELECT count(*) FROM live_days WHERE day = ANY(%s)"
    due = sum(len(due_of[day]) for day in days)
    until("the same from history", lambda: stack.rows(closed, days) == [(due,)], CAUGHT_UP)
    same = sum(live_was_right(stack.rows, day, due_of[day].keys()) for day in days)
    yield Metric("minutes in which live was what history is", same, "minutes")
    yield Metric("days closed, and as live had said", len(days), "days", note=f"of {len(due_of)} that are over")


def minutes_due(market: Market, day: datetime) -> dict[str, int]:
    """How many candles the exchange has of each instrument of a day (its beginning, UTC)."""
    first, past = ms(day), ms(day + timedelta(days=1))
    return {
        listing.name: len(market.candles(listing, first, past - MINUTE)["ticks"])
        for listing in comparison.listed_between(market, CURRENCIES, first, past)
    }


def minutes_shown(stack: LiveStack, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """How many candles are published of each instrument of days, closed or open."""
    return counted(stack, "SELECT day, instrument, count(*) FROM candle WHERE day = ANY(%s) GROUP BY 1, 2", days)


def minutes_of_live(stack: LiveStack, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """How many of them live has brought, whether their day was closed since or not."""
    statement = (
        "SELECT o.day, i.instrument, count(*) FROM store.open_candle o JOIN store.instrument i USING (instrument_id) "
        "WHERE o.state = 'published' AND o.day = ANY(%s) GROUP BY 1, 2"
    )
    return counted(stack, statement, days)


def counted(stack: LiveStack, statement: str, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """What a statement counts by day and instrument."""
    found: dict[date, dict[str, int]] = {}
    for day, instrument, minutes in stack.rows(statement, list(days)):
        found.setdefault(day, {})[instrument] = minutes
    return found


def kills(soak: Soak) -> Iterator[Metric]:
    stack = soak.started("history", soak.first_day)
    stack.simulator.faults(FAILING)
    watched = Watched(soak, "history")
    # a row that is lost is found out last: when its run has taken too long
    lost: list[tuple[str, str]] = []
    blows = (lambda at: lose_row(at, lost), kill_task, lambda at: kill_service(at, "scheduler"),
             lambda at: kill_service(at, "Airflow's API server"), lambda at: kill_service(at, "Postgres"))  # fmt: skip
    for number, blow in enumerate(blows, 1):
        until("Postgres", lambda: answers(stack), 120)
        console.print(f"  {blow(stack)}")
        watched.disturbs(time.time(), time.time())
        watched.rest(number * soak.seconds / len(blows))
    stack.simulator.faults()
    until("the end of the run whose row was lost, told", lambda: failed_and_told(stack, *lost[0]), QUIET)
    yield from watched.held(added_up(soak.seconds, len(blows)))


def added_up(seconds: float, blows: int) -> float:
    """How many seconds more than LATE a minute may be late, of so many blows in so many seconds: where one comes sooner
    than the one before is healed they add up, as long as they last and up to one more healing."""
    return min(seconds, LATE) if seconds / blows < LATE else 0


def failed_and_told(stack: LiveStack, dag_id: str, run_id: str) -> bool:
    """Whether a run has failed, and an incident of its dataset says so: that of the run before it, where one was open,
    or one of its own."""
    if not answers(stack):
        return False
    ended = stack.airflow_rows(
        "SELECT end_date FROM dag_run WHERE dag_id = %s AND run_id = %s AND state = 'failed'", dag_id, run_id
    )  # fmt: skip
    seen = "SELECT FROM store.incident WHERE kind = 'failure' AND dataset = %s AND seen_at >= %s"
    return bool(ended) and bool(stack.rows(seen, dag_id.removeprefix("deribit_"), ended[0][0]))


def answers(stack: LiveStack) -> bool:
    """Whether the database can be asked."""
    try:
        return bool(stack.rows("SELECT 1"))
    except psycopg.OperationalError:
        return False


def kill_task(stack: LiveStack) -> str:
    """Kills the next task of a live DAG that runs."""
    running = "SELECT dag_id, task_id, pid FROM task_instance WHERE dag_id = ANY(%s) AND state = 'running' AND pid > 0"
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for dag, task, pid in stack.airflow_rows(running, DAGS):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return f"killed {dag}.{task}, process {pid}"
        time.sleep(0.05)
    raise Failed("no live task ran that could be killed")


def kill_service(stack: LiveStack, name: str) -> str:
    """Kills one of the processes that supervisord keeps. name: as whole_history.ROLES has it, or its begin."""
    supervisor = supervisor_pid(stack.placed)
    if not supervisor:
        raise Failed("supervisord is gone")
    for process in psutil.Process(supervisor).children():
        if role(process).startswith(name):
            process.kill()
            return f"killed {name}, process {process.pid}"
    raise Failed(f"{name} does not run")


def lose_row(stack: LiveStack, runs: list[tuple[str, str]]) -> str:
    """Deletes the row of the next load of live minutes from Airflow's database. Its run (dag_id, run_id) is added to
    runs."""
    deadline = time.monotonic() + 180
    with psycopg.connect(stack.dsn("airflow", "airflow"), autocommit=True) as connection:
        while time.monotonic() < deadline:
            lost = connection.execute(
                "DELETE FROM task_instance WHERE dag_id = ANY(%s) AND task_id = 'load' AND map_index >= 0 "
                "AND state IN ('scheduled', 'queued', 'running') RETURNING dag_id, run_id", [DAGS],
            ).fetchall()  # fmt: skip
            if lost:
                runs.append(lost[0])
                return f"deleted the load of {lost[0][0]}, {lost[0][1]}"
            time.sleep(0.05)
    raise Failed("no live load ran whose row could be deleted")


def outage(soak: Soak) -> Iterator[Metric]:
    stack = soak.started("history", soak.first_day)
    watched = Watched(soak, "history")
    stack.simulator.faults({"kind": "maintenance", "times": 1_000_000})
    watched.rest(max(soak.seconds / 2, OUTAGE))
    stack.simulator.faults()
    watched.disturbs(watched.begins.timestamp(), time.time())
    away = time.time() - watched.begins.timestamp()
    watched.rest(soak.seconds)
    yield from watched.held(away)
    outages = [one for one in watched.incidents() if one.dataset == "the exchange"]
    if len(outages) != 1:
        raise Failed(f"an outage is one incident, not {len(outages)}: {', '.join(map(str, outages))}")
    if failures := [one for one in watched.incidents() if one.kind == "failure"]:
        raise Failed(f"an outage is no failure of ours: {', '.join(map(str, failures))}")


def disk(soak: Soak) -> Iterator[Metric]:
    stack = soak.stack("disk")
    if not states(stack.placed):
        mount(stack)
    last_month = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    stack = soak.started("disk", f"{last_month:%Y-%m}-01")
    catch_up(stack)
    watched = Watched(soak, "disk")
    filler = stack.placed.home / "postgres" / "filler"
    least = round(DISK_LEAST * 1e9)
    if (free := shutil.disk_usage(filler.parent).free) < 2 * least:
        raise Failed(f"a disk of {DISK:,} MB is too small: {free / 1e6:,.0f} MB are left before anything fills it up")
    try:
        # first as far as has to be told: a database whose disk is full may not be able to keep an incident
        fill(filler, least // 2)
        until("what says that the disk is nearly full", lambda: nearly_full(watched), TOLD)
        full_since = time.time()
        written = fill(filler)
        console.print(f"  the disk is full: {written / 1e6:,.0f} MB of {DISK:,}")
        watched.rest(max(soak.seconds / 2, time.time() - watched.begins.timestamp() + FULL_FOR))
    finally:
        filler.unlink(missing_ok=True)
    console.print("  the disk is freed")
    began = time.monotonic()
    try:
        until("the database", lambda: answers(stack) and set(states(stack.placed).values()) == {"RUNNING"}, 300)
    except TimeoutError:
        down = {name: state for name, state in states(stack.placed).items() if state != "RUNNING"}
        raise Failed(f"the disk was freed 5 minutes ago, and these services do not run: {down}") from None
    yield Metric("until every service ran again", time.monotonic() - began, "s")
    away = time.time() - full_since
    watched.disturbs(full_since, time.time())
    watched.rest(soak.seconds)
    yield from watched.held(away)
    if len(alarms := nearly_full(watched)) != 1:
        raise Failed(f"a disk that fills up is one incident, not {len(alarms)}: {', '.join(map(str, alarms))}")


def catch_up(stack: LiveStack) -> None:
    """Returns once all of this month is there: closed by history what is over, which takes more of a journal than is
    left of a disk that is nearly full, and by live what there is of today, with its funding."""
    market, now = Market(CURRENCIES), datetime.now(UTC)
    stack.api.unpause(CLOSING)
    due = {day.date(): minutes_due(market, day) for day in days_that_are_over()}
    until("all days that are over", lambda: minutes_shown(stack, due) == due, CAUGHT_UP)
    midnight, past = ms(now.replace(hour=0, minute=0, second=0, microsecond=0)), ms(now) // HOUR * HOUR
    until("today", lambda: holds(as_the_exchange_says(market, stack.rows, midnight, past)), CAUGHT_UP)
    stack.api.trigger(FUNDING_LIVE.dag_id)  # hours that had no minutes would wait for the next hour's run
    until("the funding of today", lambda: holds(funding_as_the_exchange_says(market, stack.rows, past, past)), QUIET)


def holds(metrics: Iterable[Metric]) -> bool:
    """Whether what is held against the exchange comes to its end."""
    with suppress(Failed, Different):
        list(metrics)
        return True
    return False


def nearly_full(watched: Watched) -> list[Seen]:
    """The incidents that say so."""
    return [one for one in watched.incidents() if (one.dataset, one.rule) == (THE_DISK, FULL)]


def mount(stack: LiveStack) -> None:
    """Has the database of a stack lie on a small disk of its own. Raises Skipped where that can't be."""
    data = stack.placed.home / "postgres"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.path.ismount(data):
        return
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=0700", "tmpfs", str(data)]
    try:
        done = subprocess.run(words, text=True, capture_output=True)
    except OSError as error:
        raise Skipped(f"there is no mount here ({error})") from None
    if done.returncode:
        raise Skipped(f"a small disk could not be mounted: {done.stderr.strip()}")


def unmount(stack: LiveStack) -> None:
    data = stack.placed.home / "postgres"
    if os.path.ismount(data):
        subprocess.run(["umount", str(data)], check=True)
        # without its database nothing else of the stack means anything
        shutil.rmtree(stack.folder / "home")


def fill(file: Path, leave: int = 0) -> int:
    """Adds to a file until its disk is full, or so many bytes of it are left; returns its size in bytes."""
    block = bytes(1 << 20)
    with suppress(OSError), file.open("ab", buffering=0) as out:
        os.fchmod(out.fileno(), 0o644)  # a server that recovers opens whatever lies in its folder
        while shutil.disk_usage(file.parent).free > leave or not leave:
            out.write(block)
    return file.stat().st_size


def together(phases: Iterable[dict]) -> Iterator[Metric]:
    """How late the minutes of these phases were while nothing was away or killed, with the targets of live."""
    found = [undisturbed(one["delays"], one["disturbed"]) for one in phases if "delays" in one]
    minutes = {start for one in found for start, _ in one[CANDLES[0]]}
    for name in CANDLES:
        late = [seconds for one in found for _, seconds in one[name]]
        yield from summed_up(f"undisturbed: {name}", late, has_targets=True)
    yield Metric("undisturbed: minutes", len(minutes), "minutes")


def results(phases: dict[str, dict]) -> list[dict]:
    """The metrics of these phases, each with the name of its phase, and of all of them together."""
    if not phases:
        return []
    return [
        *(row | {"name": f"soak {name}: {row['name']}"} for name, one in phases.items() for row in one["metrics"]),
        *(metric.row() for metric in together(phases.values())),
    ]


PHASES = {
    "beside": Phase("live beside the whole history, 2 % of the requests failing, corrections", beside),
    "kills": Phase("a task's row lost, a task, the scheduler, the API server and Postgres killed", kills),
    "outage": Phase("the exchange away for half of the time", outage),
    "disk": Phase("the database's disk full, and freed", disk),
}


if __name__ == "__main__":
    sys.exit(main())
