"""Sets the history going in Airflow and waits for it, as a person at the UI would: unpause, watch, report."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from rich.console import Console
from rich.live import Live
from rich.table import Table

from stack import StackError
from stack.api import AirflowApi, moment
from stack.services import none_failed
from stack.settings import Stack

CATALOGUE = "instruments"
DATA_DOCS = "data_docs"
POLL_SECONDS = 3
PLAIN_LINE_SECONDS = 15


@dataclass(frozen=True)
class Progress:
    """Runs of one DAG. waiting counts the months that are still to be scheduled."""

    dag: str
    kind: str
    done: int
    active: int
    failed: int
    waiting: int

    @property
    def finished(self) -> bool:
        return not self.active and not self.waiting and (self.done > 0 or self.kind != "history")


def create_pools(api: AirflowApi, pools: dict[str, int]) -> None:
    for name, slots in pools.items():
        api.set_pool(name, slots, "One slot is one task; made by stack/history.py")


def wait_for_dags(stack: Stack, api: AirflowApi, seconds: float = 120) -> list[dict]:
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


def run_catalogue(stack: Stack, api: AirflowApi, console: Console, seconds: float = 900) -> None:
    """Everything else asks the catalogue which instruments lived, so it has to have run once."""
    api.unpause(CATALOGUE)
    started = time.monotonic()
    triggered = False
    while not api.count(CATALOGUE, "success"):
        if failed := api.runs("failed", dag=CATALOGUE, newest=1):
            raise run_failed(stack, api, failed[0])
        waited = time.monotonic() - started
        if not triggered and waited > 10 and not api.count(CATALOGUE):
            api.trigger(CATALOGUE)  # its schedule has nothing due right now
            triggered = True
        if waited > seconds:
            raise StackError(
                f"The catalogue has not finished in {seconds:.0f} s. Watch it at {stack.address}/dags/{CATALOGUE}"
            )
        none_failed(stack)
        time.sleep(1)
    console.print(f"The catalogue of instruments is there ({time.monotonic() - started:.0f} s)")


def run_history(stack: Stack, api: AirflowApi, console: Console, anything_due) -> None:
    """Unpauses every DAG and returns when all closed intervals have run and nothing derived from them is due.

    anything_due() asks the database. Raises StackError for a failed run; the services go on.
    """
    for dag in api.dags():
        if dag["is_paused"]:
            api.unpause(dag["dag_id"])
    started = last_line = time.monotonic()
    quiet = 0
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        while True:
            progress = _progress(api)
            if console.is_terminal:
                live.update(_table(progress, time.monotonic() - started))
            elif time.monotonic() - last_line > PLAIN_LINE_SECONDS:
                last_line = time.monotonic()
                console.print(_line(progress, last_line - started), soft_wrap=True)
            for one in progress:
                if one.failed:
                    raise run_failed(stack, api, api.runs("failed", dag=one.dag, newest=1)[0])
            none_failed(stack)
            # Between an asset's event and the run it starts there is a moment when nothing seems to be going on.
            quiet = quiet + 1 if all(one.finished for one in progress) and not anything_due() else 0
            if quiet == 2:
                break
            time.sleep(POLL_SECONDS)
    build_data_docs(stack, api)
    runs = sum(one.done for one in progress)
    console.print(f"The history has run: {runs} runs of {len(progress)} DAGs in {time.monotonic() - started:.0f} s")


def build_data_docs(stack: Stack, api: AirflowApi) -> None:
    """The site is built every few minutes; whoever has waited for the history wants it now. Raises StackError."""
    api.trigger(DATA_DOCS)
    while api.count(DATA_DOCS, "queued", "running"):
        none_failed(stack)
        time.sleep(1)
    if (newest := api.runs(dag=DATA_DOCS, newest=1)) and newest[0]["state"] == "failed":
        raise run_failed(stack, api, newest[0])


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
    waiting = months_waiting(
        moment(dag["next_dagrun_data_interval_start"]), moment(dag["next_dagrun_data_interval_end"]), now
    )
    if kind == "derived":
        if not active:
            waiting += api.queued_events(name)
        if failed:
            # What is driven by events makes good in a later run what an earlier one failed to do.
            failed = int(api.runs(dag=name, newest=1)[0]["state"] == "failed")
    return Progress(name, kind, runs.get("success", 0), active, failed, waiting)


def months_waiting(start: datetime | None, end: datetime | None, now: datetime) -> int:
    """How many monthly intervals, from the next one to be scheduled on, are closed by now."""
    if start is None or end is None or end > now:
        return 0
    return max(1, (now.year - start.year) * 12 + now.month - start.month)


def _table(progress: list[Progress], seconds: float) -> Table:
    table = Table(title=f"History, {seconds:.0f} s", title_justify="left")
    for column, side in (("DAG", "left"), ("done", "right"), ("of", "right"), ("active", "right"), ("failed", "right")):
        table.add_column(column, justify=side)
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
    for task in tasks:
        mapped = task["map_index"] >= 0
        log = stack.logs / "tasks" / f"dag_id={dag}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
        log = (log / f"map_index={task['map_index']}" if mapped else log) / f"attempt={task['try_number']}.log"
        label = f" [{task.get('rendered_map_index') or task['map_index']}]" if mapped else ""
        lines.append(f"  task {task['task_id']}{label}, log {log}")
    return StackError("\n".join(lines))
