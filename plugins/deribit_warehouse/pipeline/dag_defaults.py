"""The schedules of the DAGs, and the arguments and callbacks that they have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetAlias, AssetAny, AssetOrTimeSchedule, CronDataIntervalTimetable, Param

from deribit_warehouse import priority, settings
from deribit_warehouse.alerts import notify_failure, on_task_failure, on_task_well
from deribit_warehouse.dataset import EXCHANGE_POOL, LIVE_POOL, PREFIX, Dataset
from deribit_warehouse.datasets import INSTRUMENTS, by_name
from deribit_warehouse.timetable import YearsThenMonths

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.timetables.base import Timetable

MONTHLY = CronDataIntervalTimetable("0 0 1 * *", timezone="UTC")
"""A run a calendar month, after it has closed; its data interval is the month."""

YEARS_THEN_MONTHS = YearsThenMonths()
"""A run a calendar year that is over, then a run a month: each run costs Airflow the same, whatever it loads."""


def record_task_failure(context: Context) -> None:
    """Task-level on_failure_callback: keeps why a task failed for good, for the run's one message."""
    on_task_failure(context, record=_record)


def _record(**failure: Any) -> None:
    from deribit_warehouse.warehouse.validations import record_run_failure

    from .connections import market

    with market() as connection, connection.transaction():
        record_run_failure(connection, **failure)


def task_went_well(context: Context) -> None:
    """Task-level on_success_callback and on_skipped_callback: ends the incidents that a run which went well shows to be
    over."""
    tasks = context["dag"].task_dict
    on_task_well(context, asks=[name for name, task in tasks.items() if task.pool in (EXCHANGE_POOL, LIVE_POOL)])


MINUTE = timedelta(minutes=1)

EARLY = timedelta(seconds=30)
"""How long before a minute ends the run for it begins: what Airflow takes on a busy machine to plan it and to start the
process of its load, which then waits for the minute's end."""


def give_way(_: Context) -> None:
    """Task-level on_execute_callback: lets those go first on a busy machine that something waits for by the minute, and
    Airflow's own services (see priority)."""
    priority.give_way()


NOW: dict[str, Any] = {"on_execute_callback": None}
"""Of tasks that something waits for by the minute, beside what DEFAULT_ARGS says: they give way to none."""

FIRST: dict[str, Any] = {"weight_rule": "absolute", "priority_weight": 100, **NOW}
"""Of tasks that no other goes before."""

DEFAULT_ARGS = {
    "owner": "market-data",
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(minutes=30),
    "on_execute_callback": give_way,
    "on_failure_callback": record_task_failure,
    "on_success_callback": task_went_well,
    "on_skipped_callback": task_went_well,
}
"""default_args of every DAG. The exchange client retries a request itself; these retries are for the rest."""

RANGE_PARAMS = {
    "from": Param(None, type=["null", "string"], format="date", title="From", description="First day (UTC)"),
    "to": Param(
        None, type=["null", "string"], format="date", title="To", description="First day that is left out (UTC)"
    ),
}
"""Parameters of a run that is started by hand. If they are empty, the run covers the data interval (of a history DAG,
if it was given a logical date), or else whatever is pending."""


def history_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the history DAGs have in common: a run for each year that is over and for each month of this one, with
    catchup; and, where the dataset is compared with others, one when something of it that waited for them can be
    validated, and one with every catalogue, which comes daily, for what nothing else has started.

    How many runs are open at once is set in each DAG: the futures are most of the work, and every open run costs the
    scheduler time in each of its loops. The first run is that of the first month in which the dataset may have data."""
    first = settings.history_from()
    if dataset.since:
        first = max(first, dataset.since.replace(day=1))
    return {
        "dag_id": dataset.dag_id,
        "schedule": (
            schedule(YEARS_THEN_MONTHS, ready(dataset), asset(INSTRUMENTS)) if dataset.references else YEARS_THEN_MONTHS
        ),
        "start_date": first,
        "catchup": True,
        "params": RANGE_PARAMS,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": notify_failure,
    }


def calendar_dag_args(dag_id: str, cron: str) -> dict[str, Any]:
    """What the DAGs have in common that follow the clock: no catchup, and one run at a time."""
    return {
        "dag_id": dag_id,
        "schedule": CronDataIntervalTimetable(cron, timezone="UTC"),
        "start_date": settings.history_from(),
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": notify_failure,
    }


def by_hand_dag_args(dag_id: str) -> dict[str, Any]:
    """What the DAGs have in common that only people start, a run at a time. Who starts one looks at it: a run that
    fails is told to nobody else."""
    return {
        "dag_id": dag_id,
        "schedule": None,
        "start_date": settings.history_from(),
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": None,
    }


def snapshot_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the DAGs of snapshots have in common: one run a beat, EARLY before it, and none for a beat that is over. Two
    runs may overlap, so that one that hangs does not cost the next beat as well; it is ended two beats later, of beats
    of a minute after three minutes."""
    beat = beat_of(dataset)
    minutes = beat // MINUTE
    return {
        **calendar_dag_args(dataset.dag_id, early("59" if minutes == 60 else f"{minutes - 1}-59/{minutes}")),
        "max_active_runs": 2,
        "dagrun_timeout": max(2 * beat, 3 * MINUTE),
    }


def snapshot_task(dataset: Dataset) -> dict[str, Any]:
    """Arguments of the tasks of a snapshot's run, in place of those in DEFAULT_ARGS: what takes longer than these allow
    would store the snapshot of another beat. Unlike a live minute a beat that is missed is lost, so there is one more
    attempt; and nothing goes before what has only a minute."""
    beat = beat_of(dataset)
    return {
        "retries": 1,
        "retry_delay": timedelta(seconds=5),
        "execution_timeout": min(beat - timedelta(seconds=10), 4 * MINUTE),
        **(FIRST if beat == MINUTE else NOW),
    }


def beat_of(dataset: Dataset) -> timedelta:
    """From one snapshot of a dataset to the next, as it is set. Raises ValueError for one without beats."""
    if dataset.beat is None:
        raise ValueError(f"{dataset.name} has no beats")
    return timedelta(seconds=dataset.beat())


def live_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the DAGs of live minutes have in common: a run a minute, EARLY before that ends, and never one for a minute
    that is over: each begins where the last one has ended. Two at a time: a run whose scheduler died must not cost the
    next minute, too; and it is given up soon."""
    return {
        **calendar_dag_args(dataset.dag_id, early("*")),
        "max_active_runs": 2,
        "dagrun_timeout": timedelta(minutes=3),
    }


LIVE_TASK = {"retries": 0, "execution_timeout": timedelta(seconds=55), **FIRST}
"""Of the tasks of a live run, beside what DEFAULT_ARGS says: the next minute is the retry, and nothing goes before
it."""


def early(minutes: str) -> str:
    """The cron expression, with seconds, of a run that begins EARLY before the end of these minutes of the hour."""
    return f"{minutes} * * * * {(MINUTE - EARLY).seconds}"


def hourly_dag_args(dataset: Dataset) -> dict[str, Any]:
    """What the DAGs have in common that collect the hours of open days: a run soon after each hour, one at a time,
    which is over before the next one."""
    return {**calendar_dag_args(dataset.dag_id, "2 * * * *"), "dagrun_timeout": timedelta(minutes=55)}


HOURLY_TASK = {
    "execution_timeout": timedelta(minutes=15), "weight_rule": "absolute", "priority_weight": 50,
}  # fmt: skip
"""Of the tasks of an hourly run, beside what DEFAULT_ARGS says: live minutes go before it, and the history does not."""

HOURLY_PATIENCE = timedelta(minutes=40)
"""How long an hourly run waits for an exchange that is away: longer than its maintenance takes."""


def derived_dag_args(dataset: Dataset, *inputs: Dataset) -> dict[str, Any]:
    """What the DAGs computed from published data have in common: a run whenever one of these inputs is published, one
    at a time: what is published while one runs starts one more, and not one each. One run computes all that is pending,
    so a past month has none of its own unless somebody backfills it; the newest has, so that backfills have months."""
    return {
        "dag_id": dataset.dag_id,
        "schedule": schedule(MONTHLY, *map(asset, inputs)),
        "start_date": settings.history_from(),
        "catchup": False,
        "max_active_runs": 1,
        "params": RANGE_PARAMS,
        "default_args": DEFAULT_ARGS,
        "on_failure_callback": notify_failure,
    }


def schedule(timetable: CronDataIntervalTimetable | Timetable, *assets: Asset) -> AssetOrTimeSchedule:
    """A run when the timetable says so, and one whenever there is an event of any of these."""
    # a timetable of one's own is of Airflow's core, which the SDK's type doesn't know
    return AssetOrTimeSchedule(timetable=cast("Any", timetable), assets=AssetAny(*assets))


READY = AssetAlias(f"{PREFIX}ready", group="deribit")
"""An outlet of the publishing tasks, which stands for the ready() assets of the datasets that waited for their data."""


def ready(dataset: Dataset) -> Asset:
    """The asset that is updated when a part of a dataset that waited for another dataset can be validated."""
    return Asset(name=f"{dataset.dag_id}_ready", uri=dataset.ready_uri, group="deribit")


def asset(dataset: Dataset) -> Asset:
    """The asset that is updated when a dataset has published something."""
    return Asset(name=dataset.dag_id, uri=dataset.uri, group="deribit")


def inlets(dataset: Dataset) -> list[Asset]:
    """The assets of what a dataset is computed from or compared with, for its publishing task: Airflow shows where it
    comes from. They start nothing, schedules do."""
    return [asset(by_name(name)) for name in (*dataset.inputs, *dataset.references)]


def set_label(context: Context, label: str) -> None:
    """Sets how a mapped task is shown in the grid; its map_index_template has to be "{{ label }}"."""
    cast("dict[str, Any]", context)["label"] = label  # Airflow's type of a context knows its own keys only


def complete() -> EmptyOperator:
    """The last task of a run. It does nothing, but it is not reached when a load failed, and so the run counts as
    failed."""
    # with a callback it would be executed
    return EmptyOperator(
        task_id="complete", on_execute_callback=None, on_success_callback=None, on_skipped_callback=None
    )
