"""Sets the history going in Airflow and waits for it, as a person at the UI would: clear, unpause, watch, report.

A start asks what is missing now, whatever an earlier one left: what failed is run again, months the catalogue expects
and nobody loaded are run, and everything is unpaused. The newest closed month comes first where many are to come.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deribit_warehouse.dataset import Lists, dag_id_of
from stack import StackError
from stack.api import AirflowApi, parse_time
from stack.services import none_failed
from stack.settings import Stack

CATALOGUE = dag_id_of("instruments")
DATA_DOCS = dag_id_of("data_docs")
NEWEST_MONTH = "newest_month__"
LIVE, RETENTION = "live", "retention"
"""The tags of DAGs that collect days which are not over, and of those that delete what is old."""
POLL_SECONDS = 3
LOADED_POLL_SECONDS = 1
"""How often it looks once all is loaded: then nobody but this command waits for the API server."""
PLAIN_LINE_SECONDS = 15
IDLE_POLLS = 5
"""After so many looks at which all was loaded and nothing of a dataset was going on, nobody will compute what is
pending of it by himself."""
UNUSED_BY_HISTORY = {"read_options"}
"""Tasks of the catalogue's run whose lists nothing of the history asks for."""
FUTURES = {"read_futures"}
"""Tasks of the catalogue's run whose lists of what has expired are needed by dated futures, and not by perpetuals."""
PERPETUALS = ("discover_funding_starts", "find_delistings")
"""Tasks of the catalogue's run that ask about perpetuals one by one, the second after the first. The history does
without what they could not find: of a perpetual whose first hour of funding is not known all hours since its listing
are asked for, and what lies after an end that is found later is taken back."""
AFTERWARDS = {"clip_to_lifetimes", "check_catalogue", "complete"}
"""What comes after all these in the catalogue's run."""
CATALOGUE_GRACE_SECONDS = 10
"""How long the scheduler has for making the catalogue's run of today by itself, once that DAG is unpaused."""


@dataclass(frozen=True)
class Progress:
    """Runs of one DAG. waiting counts those that are still to be scheduled."""

    dag: str
    kind: str | None
    done: int
    active: int
    failed: int
    waiting: int

    @property
    def finished(self) -> bool:
        return not self.active and not self.waiting and (self.done + self.failed > 0 or self.kind != "history")


def create_pools(api: AirflowApi, pools: dict[str, int]) -> None:
    for name, slots in pools.items():
        api.set_pool(name, slots, "One slot is one task; made by stack/catchup.py")


def wait_for_dags(stack: Stack, api: AirflowApi, seconds: float = 300) -> list[dict]:
    """All DAGs, once every file under dags/ has been read. Raises StackError naming the files that can't be."""
    files = {path.name for path in (stack.root / "dags").glob("*.py")}
    deadline = time.monotonic() + seconds
    while True:
        dags = api.dags()
        missing = files - {dag["fileloc"].rsplit("/", 1)[-1] for dag in dags}
        if any(dag["dag_id"] == CATALOGUE for dag in dags) and not missing:
            return dags
        if errors := api.import_errors():
            said = "; ".join(f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors)
            raise StackError(f"Airflow can't import {len(errors)} DAG file(s): {said}")
        none_failed(stack)
        if time.monotonic() > deadline:
            raise StackError(
                f"Airflow has read no DAG from {', '.join(sorted(missing)) or CATALOGUE} in {seconds:.0f} s. "
                f"The log is {stack.logs / 'dag-processor.log'}"
            )
        time.sleep(0.5)


# what tasks wait for now: rows of deribit_warehouse.warehouse.completion.waiting()
Waits = Callable[[], list[dict[str, Any]]]

# why the history can't do with these lists of futures yet: deribit_warehouse.warehouse.completion.behind()
Behind = Callable[[Lists], list[str]]


def run_catalogue(stack: Stack, api: AirflowApi, console: Console, behind: Behind, waits: Waits) -> None:
    """Everything else asks the catalogue which instruments lived, so it has to have been read.

    behind() asks the database what has to be read. What an earlier reading came to does not matter, unless it is the
    newest and failed: then there is another one. Raises StackError when that fails, too, and what is listed is not
    known; what waits for the catalogue goes on waiting. A reading that waits for the exchange is waited for as far as
    everything needs it: where only the rest of it (needless) is left to do, or failed, that is told, and the history
    goes on: what needs that rest waits for it.
    """
    api.unpause(CATALOGUE)
    newest = api.runs(dag=CATALOGUE, newest=1)
    if newest and newest[0]["state"] == "success" and not behind("all"):
        return
    started = last_line = time.monotonic()
    past = {run["dag_run_id"] for run in api.runs("success", "failed", dag=CATALOGUE)}
    triggered = False
    while True:
        active = api.count(CATALOGUE, "queued", "running")
        over = [run for run in api.runs("success", "failed", dag=CATALOGUE) if run["dag_run_id"] not in past]
        if any(run["state"] == "success" for run in over):
            break
        if over and not active:
            failed = run_failed(stack, api, over[0])
            tasks = {task["task_id"] for task in api.failed_tasks(CATALOGUE, over[0]["dag_run_id"])}
            if causes := behind("listed"):
                advice = "Check DERIBIT_CURRENCIES, and that the connections point at the right hosts."
                raise StackError("\n".join(["The listed futures could not be read:", *causes, advice, str(failed)]))
            if not tasks or tasks - UNUSED_BY_HISTORY - FUTURES - set(PERPETUALS):
                raise failed
            note = f"{_left(tasks)} could not be read. The history goes on without."
            console.print(f"{note}\n{failed}", soft_wrap=True, markup=False)
            return
        if active and not behind("listed") and (left := needless(api)):
            note = f"{left} are still to be read{_waiting(waits())}. The history begins without."
            console.print(note, soft_wrap=True, markup=False)
            return
        if not (active or over or triggered) and time.monotonic() - started > CATALOGUE_GRACE_SECONDS:
            api.trigger(CATALOGUE)
            triggered = True
        none_failed(stack)
        if time.monotonic() - last_line > PLAIN_LINE_SECONDS:
            last_line = time.monotonic()
            line = f"{last_line - started:5.0f} s  reading the catalogue{_waiting(waits())}"
            console.print(line, soft_wrap=True, markup=False)
        time.sleep(1)
    console.print(f"The catalogue of instruments is there ({time.monotonic() - started:.0f} s)")


def needless(api: AirflowApi) -> str:
    """What the catalogue's run under way still has to do, if the history can begin without, as the begin of a sentence:
    lists of options; lists of futures, once all that are left are waited for; what is asked of each perpetual, once it
    was asked and some are waited for. Else empty."""
    runs = api.runs("queued", "running", dag=CATALOGUE, newest=1)
    tasks = [task for run in runs for task in api.unfinished_tasks(CATALOGUE, run["dag_run_id"])]
    names = {task["task_id"] for task in tasks}
    if names - UNUSED_BY_HISTORY - FUTURES - set(PERPETUALS) - AFTERWARDS:
        return ""
    if futures := [task["state"] for task in tasks if task["task_id"] in FUTURES]:
        return _left(names & (FUTURES | UNUSED_BY_HISTORY)) if {*futures} == {"up_for_reschedule"} else ""
    waiting = {task["task_id"] for task in tasks if task["state"] == "up_for_reschedule"}
    if (first := next((name for name in PERPETUALS if name in names), None)) is None:
        return _left(names & UNUSED_BY_HISTORY) if "clip_to_lifetimes" not in names else ""
    return _left({first} | names & UNUSED_BY_HISTORY) if first in waiting else ""


def _left(tasks: set[str]) -> str:
    """What tasks of the catalogue read, as the begin of a sentence."""
    parts = ["lists of futures"] if tasks & FUTURES else []
    parts += ["lists of options"] if tasks & UNUSED_BY_HISTORY else []
    parts += ["first or last hours of single perpetuals"] if tasks & set(PERPETUALS) else []
    said = " and ".join(parts)
    return said[:1].upper() + said[1:]


def run_again(api: AirflowApi, unloaded: Iterable[dict[str, Any]]) -> list[str]:
    """Has run again what failed, and of months that have run those of which the catalogue expects more: a currency that
    is new. unloaded: rows {dataset, month}. Returns sentences.

    A whole run each time: the gate has to see what the load brings.
    """
    scheduled_to = {
        dag["dag_id"]: parse_time(dag["next_dagrun_data_interval_start"]) or datetime.max.replace(tzinfo=UTC)
        for dag in api.dags() if _kind(dag)
    }  # fmt: skip
    notes = []
    for dag in scheduled_to:
        cleared: set[str] = set()
        while failed := [
            r for r in api.runs("failed", dag=dag) if _of_the_history(r) and r["dag_run_id"] not in cleared
        ]:
            for run in failed:
                api.clear(dag, run["dag_run_id"])
                cleared.add(run["dag_run_id"])
        if cleared:
            notes.append(f"{dag}: {_runs(len(cleared))} that failed before")
    lacking: dict[str, set[str]] = {}
    for row in unloaded:
        month = datetime(row["month"].year, row["month"].month, 1, tzinfo=UTC)
        dag = dag_id_of(row["dataset"])
        made = api.run_of(dag, month) if month < scheduled_to.get(dag, month) else None
        if made and made["state"] == "success":  # a month that has no run yet, or an open one, comes by itself
            lacking.setdefault(dag, set()).add(made["dag_run_id"])
    for dag, runs in lacking.items():
        for run_id in sorted(runs):
            api.clear(dag, run_id)
        notes.append(f"{dag}: {_runs(len(runs))} of months that lack an instrument")
    return notes


def newest_month_first(api: AirflowApi, now: datetime) -> datetime | None:
    """Runs the newest closed month before the rest where more runs are to come than run at once; returns it.

    By hand, not by a backfill: catchup goes on from the newest scheduled or backfill run and would leave out every
    month before. Of tasks that could run the scheduler takes those of the earliest logical date, so the run's is a
    second into the month that catchup is at, which is no month's own. Catchup runs the newest month too, in its turn:
    it finds it loaded, writes nothing, and validates it beside the months before.
    """
    dags = [dag for dag in api.dags() if _kind(dag) == "history"]
    waiting = {dag["dag_id"]: _runs_waiting_of(dag, now) for dag in dags}
    if not dags or max(waiting.values()) <= max(dag["max_active_runs"] for dag in dags):
        return None
    ends = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begins = (ends - timedelta(days=1)).replace(day=1)
    run = {
        "dag_run_id": f"{NEWEST_MONTH}{begins:%Y-%m}",
        "data_interval_start": begins.isoformat(),
        "data_interval_end": ends.isoformat(),
        "note": "The newest closed month, before the rest of the history; made by stack/catchup.py",
    }
    made = []
    for dag in dags:
        if waiting[dag["dag_id"]] > 1:
            oldest = parse_time(dag["next_dagrun_data_interval_start"])
            assert oldest, "runs are waiting, and it is the first of them"
            early = oldest + timedelta(seconds=1)
            made.append(api.trigger(dag["dag_id"], **run, logical_date=early.isoformat()))
    return begins if any(made) else None


def _runs_waiting_of(dag: dict, now: datetime) -> int:
    begins, ends = dag["next_dagrun_data_interval_start"], dag["next_dagrun_data_interval_end"]
    return runs_waiting(parse_time(begins), parse_time(ends), now)


def _of_the_history(run: dict) -> bool:
    """Whether a run belongs to the history, and not to somebody who started it by hand and knows why."""
    return run["run_type"] != "manual" or run["dag_run_id"].startswith(NEWEST_MONTH)


def unpause(api: AirflowApi, *, but: Collection[str] = ()) -> None:
    """Lets every DAG run, but for those with one of these tags, which lose nothing by beginning later. History waits
    for a catalogue that is behind by itself."""
    for dag in api.dags():
        if dag["is_paused"] and not {tag["name"] for tag in dag["tags"]} & set(but):
            api.unpause(dag["dag_id"])


def run_history(
    stack: Stack, api: AirflowApi, console: Console, due: Callable[[], dict[str, int]], waits: Waits
) -> list[StackError]:
    """Returns when all closed intervals have run and nothing that they have made possible is due: the runs that failed,
    as sentences. A failed run is told at once and keeps no other from running.

    due() and waits() ask the database: {dataset: days that its next run computes or validates}, and what tasks wait
    for. What is due and nobody does is triggered, while the rest goes on, and once after all is loaded. Raises
    StackError when a service is down for good.
    """
    started = last_line = time.monotonic()
    reported: dict[tuple[str, str], StackError] = {}
    triggered: set[str] = set()
    idle: dict[str, int] = {}
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        while True:
            progress = _progress(api)
            waiting = _waiting(waits())
            if console.is_terminal:
                live.update(_table(progress, time.monotonic() - started, waiting))
            elif time.monotonic() - last_line > PLAIN_LINE_SECONDS:
                last_line = time.monotonic()
                console.print(_line(progress, last_line - started) + waiting, soft_wrap=True, markup=False)
            failed = {
                (run["dag_id"], run["dag_run_id"]): run
                for one in progress if one.failed for run in api.runs("failed", dag=one.dag, newest=one.failed)
                if _of_the_history(run)
            }  # fmt: skip
            for key in failed.keys() - reported.keys():
                reported[key] = run_failed(stack, api, failed[key])
                console.print(str(reported[key]), soft_wrap=True, markup=False)
            none_failed(stack)
            loaded = all(one.finished for one in progress if one.kind == "history")
            if not loaded:
                triggered.clear()
            # Between an asset's event and the run it starts there is a moment when nothing seems to be going on.
            idle = {one.dag: idle.get(one.dag, 0) + 1 if loaded and one.finished else 0 for one in progress}
            quiet = min(idle.values())
            if quiet >= 2 or IDLE_POLLS in idle.values():
                days = due()
                # no event starts it, or an earlier start was interrupted between the event and the run
                left = {d for d in days.keys() - triggered if idle.get(dag_id_of(d), quiet) >= IDLE_POLLS}
                if quiet >= 2 and (not days or (quiet >= IDLE_POLLS and not left)):
                    break
                for dataset in left:
                    api.trigger(dag_id_of(dataset))
                triggered |= left
            time.sleep(LOADED_POLL_SECONDS if loaded else POLL_SECONDS)
    build_data_docs(stack, api)
    runs = sum(one.done for one in progress)
    console.print(f"The history has run: {runs} runs of {len(progress)} DAGs in {time.monotonic() - started:.0f} s")
    undone = [
        StackError(f"{number} days of {dataset} could be validated and were not.") for dataset, number in days.items()
    ]
    return [reported[key] for key in failed] + undone


def _waiting(waits: list[dict[str, Any]]) -> str:
    """What tasks wait for, as the end of a progress line: empty when nothing does."""
    return "".join(
        f"; {row['tasks']} waiting for {row['awaited']} since {row['since']:%H:%M} UTC, asked again at "
        f"{row['next_at']:%H:%M}: {row['cause'][:120]}"
        for row in waits
    )


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def build_data_docs(stack: Stack, api: AirflowApi) -> None:
    """The site is built every few minutes; whoever has waited for the history wants it now. Raises StackError."""
    api.trigger(DATA_DOCS)
    while api.count(DATA_DOCS, "queued", "running"):
        none_failed(stack)
        time.sleep(1)
    if (newest := api.runs(dag=DATA_DOCS, newest=1)) and newest[0]["state"] == "failed":
        raise run_failed(stack, api, newest[0])


def belongs_to_history(dag: dict) -> bool:
    """Whether Airflow makes runs of the past for a DAG, as the API tells of it."""
    return _kind(dag) is not None


def _kind(dag: dict) -> str | None:
    """history or derived; None for what does not belong to the history (live collection, the catalogue)."""
    tags = {tag["name"] for tag in dag["tags"]}
    return next((kind for kind in ("history", "derived") if kind in tags), None)


def _progress(api: AirflowApi) -> list[Progress]:
    """Where every DAG of the history stands, in as few requests as say it: the API server has the tasks to serve."""
    runs = api.runs_by_state()
    now = datetime.now(UTC)
    return [_progress_of(api, dag, runs.get(dag["dag_id"], {}), now) for dag in api.dags() if _kind(dag)]


def _progress_of(api: AirflowApi, dag: dict, runs: dict[str, int], now: datetime) -> Progress:
    name, kind = dag["dag_id"], _kind(dag)
    active, failed = runs.get("queued", 0) + runs.get("running", 0), runs.get("failed", 0)
    waiting = _runs_waiting_of(dag, now)
    if not active:
        waiting += api.queued_events(name)
    if kind == "derived" and failed:
        # What is driven by events makes good in a later run what an earlier one failed to do.
        failed = int(api.runs(dag=name, newest=1)[0]["state"] == "failed")
    return Progress(name, kind, runs.get("success", 0), active, failed, waiting)


def runs_waiting(start: datetime | None, end: datetime | None, now: datetime) -> int:
    """How many intervals, from the next one to be scheduled on, are closed by now: months, or years that are over and
    the months of this one. One that is longer than a month is of a DAG that takes years."""
    if start is None or end is None or end > now:
        return 0
    if end - start > timedelta(days=31):
        return now.year - start.year + now.month - 1
    return max(1, (now.year - start.year) * 12 + now.month - start.month)


def _table(progress: list[Progress], seconds: float, waiting: str = "") -> Table:
    caption = Text(waiting.removeprefix("; ")) if waiting else None
    table = Table(title=f"History, {seconds:.0f} s", title_justify="left", caption=caption, caption_justify="left")
    for column in ("DAG", "done", "of", "active", "failed"):
        table.add_column(column, justify="left" if column == "DAG" else "right")
    for one in progress:
        total = one.done + one.active + one.failed + one.waiting
        table.add_row(one.dag, str(one.done), str(total), str(one.active or ""), str(one.failed or ""))
    return table


def _line(progress: list[Progress], seconds: float) -> str:
    parts = (f"{p.dag} {p.done}/{p.done + p.active + p.failed + p.waiting}" for p in progress)
    return f"{seconds:5.0f} s  " + ", ".join(parts)


def run_failed(stack: Stack, api: AirflowApi, run: dict) -> StackError:
    """A sentence about a failed run: what, which task, its log, its page."""
    dag, run_id = run["dag_id"], run["dag_run_id"]
    page = f"{stack.address}/dags/{quote(dag)}/runs/{quote(run_id, safe='')}"
    tasks = api.failed_tasks(dag, run_id)
    lines = [f"A run failed: {dag}, {run_id}. The services go on; clear it at {page}"]
    for task in tasks[:5]:
        mapped = task["map_index"] >= 0
        log = stack.logs / "tasks" / f"dag_id={dag}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
        log = (log / f"map_index={task['map_index']}" if mapped else log) / f"attempt={task['try_number']}.log"
        label = f" [{task.get('rendered_map_index') or task['map_index']}]" if mapped else ""
        lines.append(f"  task {task['task_id']}{label}, log {log}")
    return StackError("\n".join(lines))
