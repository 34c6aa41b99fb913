"""The functions Airflow calls when something failed. None of them ever raises: a message must not change a run's state.

`notify_failure` is called by the DAG processor once a run, with the context of the task instance that failed last (or,
without one, with `dag`, `run_id` and `reason` alone). From there the other task instances' states can be asked, but not
why they failed, so a task records its own reason (`on_task_failure`) where `RunFacts` find it.

What is told is kept as incidents (alerts.incidents), which is what makes one message of many runs. While the market
database can't be reached that alone is told (alerts.away).
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import psutil

from deribit_warehouse.alerts import away
from deribit_warehouse.alerts.channels import answer, describe, in_background, send
from deribit_warehouse.alerts.incidents import (
    Memory,
    Observation,
    learned,
    observations,
    recover_run,
    remember,
    send_due_messages,
)
from deribit_warehouse.alerts.messages import FailedTask, QuarantinedKey, RunReport, Wait, render
from deribit_warehouse.market import market

log = logging.getLogger(__name__)

MAX_ERROR = 1000
"""Characters of an error that are recorded; the task's log has the rest."""

TIMEOUT = 20.0
"""Seconds the warehouse may take to say what it knows of a run; importing its hook alone took 9 on a busy machine."""

KEEPING = 10.0
"""Seconds it may take to keep a run's incidents. Where the database hangs, a callback takes TIMEOUT, this, and what
away.fold may take (its PATIENCE twice, and the channels'): the 50 after which Airflow's DAG processor kills it, unless
it is given more; the stack gives it 180. What was not told by then a later report tells."""

LAST = "complete"
"""The task at a run's end that is never executed (pipeline.complete)."""

WELL = ("success", "skipped", "removed")
"""States of tasks of which a run that went well consists."""

RunFacts = Callable[[str, str], Mapping[str, Any]]
"""facts(dag_id, run_id) -> {failures: [{task_id, map_index, label, error}], blocked: [str],
quarantined and warnings: [{dataset, instrument, day, ts, rule, severity, observed, known}]}; every key may be
missing."""

_REASONS = {
    "timed_out": "The run took longer than its dagrun_timeout; its unfinished tasks were skipped.",
    "all_tasks_deadlocked": "No task of the run could be scheduled any more.",
}


class Record(Protocol):
    """Keeps why a task failed, for the run's one message."""

    def __call__(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, label: str, error: str) -> object: ...


def on_task_failure(context: Mapping[str, Any], *, record: Record) -> None:
    """Task-level on_failure_callback (bind `record` with functools.partial): keep why this task failed for good.

    Airflow calls it when no retry is left, in the task's process. One whose process was killed leaves no record, or one
    without exception and label from the DAG processor; it is in the run's message all the same, without a reason.
    """
    try:
        ti = context["ti"]
        error = context.get("exception") or RuntimeError("the task's process was killed")
        record(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            label=getattr(ti, "rendered_map_index", None) or "",
            error=describe(error)[:MAX_ERROR],
        )
    except Exception as error:
        log.error("Why this task failed could not be recorded: %s", describe(error))


def warehouse_facts(dag_id: str, run_id: str) -> Mapping[str, Any]:
    """What the market database recorded of a run. Raises whatever connecting or asking raises."""
    from deribit_warehouse.warehouse.validations import run_report_rows

    with market() as connection:
        return run_report_rows(connection, dag_id, run_id)


def notify_failure(context: Mapping[str, Any], facts: RunFacts = warehouse_facts, memory: Memory = market) -> None:
    """DAG-level on_failure_callback: a failed run opens its incidents, or folds into those that are open. Nobody is
    told of one that a stop of the stack has interrupted: what it did not do the next run does, or can't be done any
    more."""
    try:
        if _was_interrupted(context):
            log.info("%s was interrupted by a stop, and its time was over at the next start", context["run_id"])
            return
        report = collect(context, facts)
        _remember_and_tell(report, observations(report, failed=True), memory)
    except Exception as error:
        log.exception("A failed run could not be reported: %s", describe(error))


def notify_quarantine(report: RunReport, memory: Memory = market) -> None:
    """The same of a run that goes on with keys held back, tasks failed or new warnings; nothing if nothing is new.

    The gate calls it last, after its transaction was committed. A gate that failed before has sent nothing, and after
    this nothing is left that could fail, so a retry does not send the message twice.
    """
    try:
        if report:
            _remember_and_tell(report, observations(report, failed=False), memory)
    except Exception as error:
        log.exception("A quarantine could not be reported: %s", describe(error))


def notify_news(report: RunReport, memory: Memory = market) -> None:
    """One message about what a run has learned once and for all, which its warnings say."""
    try:
        if report.warnings:
            _remember_and_tell(report, learned(report), memory)
    except Exception as error:
        log.exception("What was learned could not be told: %s", describe(error))


def notify_waiting(
    context: Mapping[str, Any], awaited: str, *, since: datetime, until: datetime, tasks: int, cause: str,
    memory: Memory = market,
) -> None:  # fmt: skip
    """The same of something that is waited for (UTC times), said by one of the tasks that wait for it."""
    try:
        dag_run = context["dag_run"]
        report = RunReport(
            dag_id=dag_run.dag_id, run_id=dag_run.run_id, interval=_interval(dag_run),
            waiting=[Wait(awaited, since, until, tasks, cause)],
        )  # fmt: skip
        _remember_and_tell(report, observations(report, failed=False), memory)
    except Exception as error:
        log.exception("A wait could not be reported: %s", describe(error))


def on_task_well(context: Mapping[str, Any], *, asks: Collection[str] = (), memory: Memory = market) -> None:
    """Task-level on_success_callback and on_skipped_callback: what the end of a run that went well shows to be over is
    ended, and what nobody was told of yet is told.

    asks: the ids of the DAG's tasks that ask the exchange. Only the last task of a run does anything, and that is one
    question to the market database while nothing is open. A run's own on_success_callback would cost the DAG processor
    a process and a parse of the file for every run.
    """
    from deribit_warehouse.warehouse import incidents

    try:
        if not set(context["task"].downstream_task_ids) <= {LAST}:
            return
        with memory() as connection:
            away.settle(connection)
            if not incidents.unsettled(connection):
                return
            connection.rollback()
            states = _others(context)
            if all(state in WELL for state in states.values()):
                dag_run: Any = context["dag_run"]
                report = RunReport(
                    dag_id=dag_run.dag_id, run_id=dag_run.run_id, interval=_interval(dag_run),
                    catches_up=_catches_up(context), takes_ranges=_takes_ranges(context),
                )  # fmt: skip
                asked = any(task in asks and state == "success" for (task, _), state in states.items())
                recover_run(connection, report, asked_exchange=asked or context["ti"].task_id in asks)
            send_due_messages(connection, _base_url())
    except Exception as error:
        log.exception("What went well could not be told: %s", describe(error))


def _remember_and_tell(report: RunReport, observed: Collection[Observation], memory: Memory) -> None:
    """Keeps what a report has to tell and tells what nobody was told of yet. Where that can't be kept, it is told once
    that the market database is away; where not even that can be remembered, or no message be written, the report is
    sent as it is: better told twice than never."""
    import psycopg

    base_url, has_news = _base_url(), report.is_new or not report
    given_up = time.monotonic() + KEEPING

    def kept() -> None:
        with memory() as connection, connection.transaction():
            remember(connection, report, observed)
            if time.monotonic() > given_up:  # nobody waits any more: it is in the file by now
                raise TimeoutError("too late")

    try:
        answer(in_background(kept), KEEPING)
    except Exception as error:
        log.exception("Incidents could not be kept: %s", describe(error))
        if not has_news:
            return
        try:
            away.fold(report, observed, error, base_url)
        except Exception as failed:
            log.exception("Nor could that be remembered, so this run is told by itself: %s", describe(failed))
            send(render(report, base_url))
        return
    try:
        with memory() as connection:
            away.settle(connection)
            send_due_messages(connection, base_url)
    except (psycopg.Error, OSError) as error:
        log.exception("What was kept is told by a later run: %s", describe(error))
    except Exception as error:
        log.exception("What was kept could not be told, so this run is told by itself: %s", describe(error))
        if has_news:
            send(render(report, base_url))


def collect(context: Mapping[str, Any], facts: RunFacts = warehouse_facts) -> RunReport:
    """What is known of the context's run, from Airflow and from `facts`. Never raises.

    A source that can't be asked leaves a note in the report. Airflow alone says which tasks are failed now (recorded
    failures of tasks that succeeded since are left out), `facts` say why.
    """
    dag = context["dag"]
    dag_run: Any = context.get("dag_run")
    run_id = context.get("run_id") or dag_run.run_id
    asked = in_background(lambda: _known(facts(dag.dag_id, run_id)))

    notes = [_REASONS[context["reason"]]] if context.get("reason") in _REASONS else []
    try:
        failed = _failed_now(dag, run_id)
    except Exception as error:
        failed = None
        notes.append(f"Airflow could not be asked which tasks failed ({describe(error)}); the list may be incomplete.")
    try:
        recorded, known = answer(asked, TIMEOUT)
    except Exception as error:
        recorded, known = {}, {}
        unknown = f"The market database could not be asked ({describe(error)})"
        notes.append(f"{unknown}: reasons and quarantined keys are missing here.")
        log.error("%s about %s %s", unknown, dag.dag_id, run_id)

    if failed is None:
        failed = set(recorded) | _last_failed(context)
    return RunReport(
        catches_up=_catches_up(context),
        takes_ranges=_takes_ranges(context),
        only_named=dag_run is None,
        dag_id=dag.dag_id,
        run_id=run_id,
        interval=_interval(dag_run),
        failures=[recorded.get(task, FailedTask(*task)) for task in sorted(failed)],
        notes=notes,
        **known,
    )


def _was_interrupted(context: Mapping[str, Any]) -> bool:
    """Whether a run's time was over while nothing ran: it began before these services did."""
    begun = getattr(context.get("dag_run"), "start_date", None)
    return context.get("reason") == "timed_out" and begun is not None and begun < services_started()


def services_started() -> datetime:
    """When the DAG processor was started, whose child calls these functions, and with it the scheduler."""
    return datetime.fromtimestamp(psutil.Process(os.getppid()).create_time(), UTC)


def _interval(dag_run: Any) -> tuple[datetime, datetime] | None:
    """What a run is about: the range it was started for by hand, else its data interval."""
    conf: Any = getattr(dag_run, "conf", None)
    since: datetime | None
    until: datetime | None
    try:
        since, until = (datetime.fromisoformat(conf[bound]).replace(tzinfo=UTC) for bound in ("from", "to"))
    except (TypeError, KeyError, ValueError):
        since, until = getattr(dag_run, "data_interval_start", None), getattr(dag_run, "data_interval_end", None)
    return (since, until) if since and until else None


def _known(rows: Mapping[str, Any]) -> tuple[dict[tuple[str, int], FailedTask], dict[str, list]]:
    failures = [
        FailedTask(row["task_id"], row["map_index"], row.get("label") or "", row.get("error") or "")
        for row in rows.get("failures", ())
    ]
    return {(failure.task_id, failure.map_index): failure for failure in failures}, {
        "blocked": [str(reason) for reason in rows.get("blocked", ())],
        "quarantined": [_key(row) for row in rows.get("quarantined", ())],
        # a warning is sent once: one that an earlier run found for the same key is not new
        "warnings": [_key(row) for row in rows.get("warnings", ()) if not row.get("known")],
    }


def _key(row: Mapping[str, Any]) -> QuarantinedKey:
    return QuarantinedKey(
        row["instrument"], row.get("day"), row["rule"], row["severity"], row.get("observed"),
        ts=row.get("ts"), known=bool(row.get("known")), dataset=row.get("dataset") or "",
    )  # fmt: skip


def _catches_up(context: Mapping[str, Any]) -> bool:
    return bool(getattr(context["dag"], "catchup", False))


def _takes_ranges(context: Mapping[str, Any]) -> bool:
    return "from" in (getattr(context["dag"], "params", None) or ())


def _failed_now(dag: Any, run_id: str) -> set[tuple[str, int]]:
    return {task for task, state in _states(dag, run_id).items() if state == "failed"}


def _others(context: Mapping[str, Any]) -> dict[tuple[str, int], str | None]:
    """The states of a run's tasks but this one and the one that is never executed."""
    ti = context["ti"]
    this = (ti.task_id, -1 if ti.map_index is None else ti.map_index)
    states = _states(context["dag"], ti.run_id)
    return {task: state for task, state in states.items() if task != this and task[0] != LAST}


def _states(dag: Any, run_id: str) -> dict[tuple[str, int], str | None]:
    """The state of every task of a run, by (task_id, map_index). Raises whatever asking Airflow raises."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = {}
    for name, state in RuntimeTaskInstance.get_task_states(dag_id=dag.dag_id, run_ids=[run_id]).get(run_id, {}).items():
        if dag.has_task(name):
            states[name, -1] = state
        else:  # Airflow names a mapped task's instances task_id_0, task_id_1, …
            task_id, _, map_index = name.rpartition("_")
            states[task_id, int(map_index)] = state
    return states


def _last_failed(context: Mapping[str, Any]) -> set[tuple[str, int]]:
    ti = context.get("ti")
    if ti is None or context.get("reason") != "task_failure":
        return set()
    return {(ti.task_id, -1 if ti.map_index is None else ti.map_index)}


def _base_url() -> str:
    from airflow.sdk.configuration import conf

    return conf.get("api", "base_url", fallback=None) or "http://localhost:8080"
