"""When things run and what every DAG has in common."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetAlias, AssetAny, AssetOrTimeSchedule, CronDataIntervalTimetable, Param

from deribit_warehouse import settings
from deribit_warehouse.alerts import notify_failure, on_task_failure
from deribit_warehouse.dataset import PREFIX, Dataset
from deribit_warehouse.datasets import INSTRUMENTS

if TYPE_CHECKING:
    from airflow.sdk import Context

MONTHLY_TIMETABLE = CronDataIntervalTimetable("0 0 1 * *", timezone="UTC")
"""A run a calendar month, after it has closed; its data interval is the month."""


def record_task_failure(context: Context) -> None:
    """Task-level on_failure_callback: keeps why a task failed for good, for the run's one message."""
    on_task_failure(context, record=_record)


def _record(**failure: Any) -> None:
    from deribit_warehouse.warehouse.validations import record_run_failure

    from .connections import market

    with market() as connection, connection.transaction():
        record_run_failure(connection, **failure)


DEFAULT_ARGS = {
    "owner": "market-data",
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(minutes=30),
    "on_failure_callback": record_task_failure,
}
"""default_args of every DAG. The exchange client retries a request itself; these retries are for the rest."""

RANGE_PARAMS = {
    "from": Param(None, type=["null", "string"], format="date", title="From", description="First day (UTC)"),
    "to": Param(
        None, type=["null", "string"], format="date", title="To", description="First day that is left out (UTC)"
    ),
}
"""Parameters of a run that is started by hand. Empty: a history DAG's data interval, if the run was given a
logical date; else whatever is pending at all."""


def history_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the monthly history DAGs have in common: a run a month with catchup; and, where the dataset is compared with
    others, one when something of it that waited for them can be validated, and one with every catalogue, which comes
    daily, for what nothing else has started.

    How many months run at once each says itself: the futures are most of the work, and every run that is open costs the
    scheduler time in every round. They begin with the month of the first there may be of the dataset."""
    first = settings.history_from()
    if dataset.since:
        first = max(first, dataset.since.replace(day=1))
    return {
        "dag_id": dataset.dag_id,
        "schedule": monthly_or(ready(dataset), asset(INSTRUMENTS)) if dataset.references else MONTHLY_TIMETABLE,
        "start_date": first,
        "catchup": True,
        "params": RANGE_PARAMS,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": notify_failure,
    }


def calendar_dag_args(dag_id: str, cron: str) -> dict[str, Any]:
    """What the DAGs have in common that follow the clock and never make up for the past, a run at a time."""
    return {
        "dag_id": dag_id,
        "schedule": CronDataIntervalTimetable(cron, timezone="UTC"),
        "start_date": settings.history_from(),
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": notify_failure,
    }


def snapshot_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the DAGs of snapshots have in common: a run a beat and never one for a beat that is over. Two at a time: a
    run that hangs must not cost the next beat, too; and it is given up before the one after that."""
    beat = timedelta(seconds=settings.snapshot_seconds())
    minutes = settings.snapshot_seconds() // 60
    return {
        **calendar_dag_args(dataset.dag_id, "0 * * * *" if minutes == 60 else f"*/{minutes} * * * *"),
        "max_active_runs": 2,
        "dagrun_timeout": max(2 * beat, timedelta(minutes=5)),
    }


SNAPSHOT_TASK = {"retries": 1, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=4)}
"""Of the tasks of a snapshot's run, beside what DEFAULT_ARGS says: who is later is of another beat."""


def live_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the DAGs of live minutes have in common: a run a minute, just after it has ended, and never one for a minute
    that is over: each begins where the last one has ended. Two at a time: a run whose scheduler died must not cost the
    next minute, too; and it is given up soon."""
    return {
        **calendar_dag_args(dataset.dag_id, "* * * * *"),
        "max_active_runs": 2,
        "dagrun_timeout": timedelta(minutes=3),
    }


LIVE_TASK = {
    "retries": 0, "execution_timeout": timedelta(seconds=50), "weight_rule": "absolute", "priority_weight": 100,
}  # fmt: skip
"""Of the tasks of a live run, beside what DEFAULT_ARGS says: the next minute is the retry, and nothing goes before
it."""


def derived_dag_args(dataset: Dataset, *inputs: Dataset, catchup: bool = True) -> dict[str, Any]:
    """What the DAGs computed from published data have in common: a run a month, and one whenever one of these inputs is
    published, one at a time: what is published while one runs starts one more, and not one each. catchup: whether past
    months have runs of their own, too; not where one run computes all there are."""
    return {
        "dag_id": dataset.dag_id,
        "schedule": monthly_or(*map(asset, inputs)),
        "start_date": settings.history_from(),
        "catchup": catchup,
        "max_active_runs": 1,
        "params": RANGE_PARAMS,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": notify_failure,
    }


def monthly_or(*assets: Asset) -> AssetOrTimeSchedule:
    """A run a month, and one whenever there is an event of any of these."""
    return AssetOrTimeSchedule(timetable=MONTHLY_TIMETABLE, assets=AssetAny(*assets))


READY = AssetAlias(f"{PREFIX}ready", group="deribit")
"""Stands among a publishing task's outlets for the ready() of whichever datasets waited for what it has published."""


def ready(dataset: Dataset) -> Asset:
    """The asset that says something of a dataset that waited for another one can be validated."""
    return Asset(name=f"{dataset.dag_id}_ready", uri=dataset.ready_uri, group="deribit")


def asset(dataset: Dataset) -> Asset:
    """The asset that says a dataset has published something."""
    return Asset(name=dataset.dag_id, uri=dataset.uri, group="deribit")


def set_label(context: Context, label: str) -> None:
    """Says how a mapped task reads in the grid, where its map_index_template is "{{ label }}"."""
    cast("dict[str, Any]", context)["label"] = label  # Airflow's type of a context knows its own keys only


def complete() -> EmptyOperator:
    """The end of a run: never executed, but not reached when a load failed, which makes the run failed."""
    return EmptyOperator(task_id="complete")
