"""The functions Airflow calls when something failed. None of them ever raises: a message must not change a run's state.

`notify_failure` is called by the DAG processor once a run, with the context of the task instance that failed last (or,
without one, with `dag`, `run_id` and `reason` alone). From there the other task instances' states can be asked, but not
why they failed, so a task records its own reason (`on_task_failure`) where `RunFacts` find it.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Protocol

from deribit_warehouse.alerts.channels import answer, describe, in_background, send
from deribit_warehouse.alerts.messages import FailedTask, QuarantinedKey, RunReport, Wait, render

log = logging.getLogger(__name__)

MAX_ERROR = 1000
"""Characters of an error that are recorded; the task's log has the rest."""

TIMEOUT = 20.0
"""Seconds the warehouse may take to say what it knows of a run; importing its hook alone took 9 on a busy machine."""

RunFacts = Callable[[str, str], Mapping[str, Any]]
"""facts(dag_id, run_id) -> {failures: [{task_id, map_index, label, error}], blocked: [str],
quarantined and warnings: [{instrument, day, ts, rule, severity, observed, known}]}; every key may be missing."""

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
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from deribit_warehouse.warehouse.driver import ready
    from deribit_warehouse.warehouse.validations import run_report_rows

    with closing(PostgresHook(postgres_conn_id="deribit_market").get_conn()) as connection:
        return run_report_rows(ready(connection), dag_id, run_id)


def notify_failure(context: Mapping[str, Any], facts: RunFacts = warehouse_facts) -> None:
    """DAG-level on_failure_callback: one message about a failed run."""
    try:
        send(render(collect(context, facts), _base_url()))
    except Exception as error:
        log.exception("A failed run could not be reported: %s", describe(error))


def notify_quarantine(report: RunReport) -> None:
    """One message about a run that goes on with keys held back, tasks failed or new warnings; none if nothing is new.

    The gate calls it last, after its transaction was committed. A gate that failed before has sent nothing, and after
    this nothing is left that could fail, so a retry does not send the message twice.
    """
    try:
        if report.is_new:
            send(render(report, _base_url()))
    except Exception as error:
        log.exception("A quarantine could not be reported: %s", describe(error))


def notify_waiting(
    context: Mapping[str, Any], awaited: str, *, since: datetime, until: datetime, tasks: int, cause: str
) -> None:
    """One message about something that is waited for (UTC times), sent by one of the tasks that wait for it."""
    try:
        dag_run = context["dag_run"]
        report = RunReport(
            dag_id=dag_run.dag_id, run_id=dag_run.run_id, interval=_interval(dag_run),
            waiting=[Wait(awaited, since, until, tasks, cause)],
        )  # fmt: skip
        send(render(report, _base_url()))
    except Exception as error:
        log.exception("A wait could not be reported: %s", describe(error))


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
        dag_id=dag.dag_id,
        run_id=run_id,
        interval=_interval(dag_run),
        failures=[recorded.get(task, FailedTask(*task)) for task in sorted(failed)],
        notes=notes,
        **known,
    )


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
        ts=row.get("ts"), known=bool(row.get("known")),
    )  # fmt: skip


def _failed_now(dag: Any, run_id: str) -> set[tuple[str, int]]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(dag_id=dag.dag_id, run_ids=[run_id]).get(run_id, {})
    failed = set()
    for name, state in states.items():
        if state != "failed":
            continue
        if dag.has_task(name):
            failed.add((name, -1))
        else:  # Airflow names a mapped task's instances task_id_0, task_id_1, …
            task_id, _, map_index = name.rpartition("_")
            failed.add((task_id, int(map_index)))
    return failed


def _last_failed(context: Mapping[str, Any]) -> set[tuple[str, int]]:
    ti = context.get("ti")
    if ti is None or context.get("reason") != "task_failure":
        return set()
    return {(ti.task_id, -1 if ti.map_index is None else ti.map_index)}


def _base_url() -> str:
    from airflow.sdk.configuration import conf

    return conf.get("api", "base_url", fallback=None) or "http://localhost:8080"
