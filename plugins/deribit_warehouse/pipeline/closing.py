"""The end of open days: they are loaded whole, by their history."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.dataset import Dataset

from .connections import market
from .interval import configuration

ASKED_AGAIN = timedelta(days=2)
"""How much of the days that are over every night asks for: the last one, and the one before it again. That one was
asked for minutes after its end: what the chart did not have yet then, or told otherwise later, would be left to the
month's run."""


@task
def close_days(dataset: Dataset) -> None:
    """Starts the dataset's history DAG for the days that are over and not closed, unless that was done before: a run
    from the first one of the month to the day before the one this run is of (UTC), and the last ASKED_AGAIN days in any
    case.

    One run, because the history asks for days in between that are closed in as many requests, and writes nothing of
    them. Months before are loaded by their own runs.
    """
    # in the task, because it costs a DAG file half a second to import
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    from deribit_warehouse.warehouse import open_days

    context = get_current_context()
    configuration(context)
    today = context["dag_run"].run_after.date()
    yesterday = today - timedelta(days=1)
    with market() as connection:
        first = open_days.first_unclosed(
            connection, dataset, yesterday.replace(day=1), today, currencies=settings.currencies()
        )
    newest = today - ASKED_AGAIN
    begins = min(first or newest, newest)
    TriggerDagRunOperator(
        task_id=context["ti"].task_id, trigger_dag_id=dataset.dag_id, trigger_run_id=f"close__{yesterday}",
        conf={"from": str(begins), "to": str(today)}, logical_date=None, skip_when_already_exists=True,
        openlineage_inject_parent_info=False,  # a run of history refuses a configuration that has more than a range
    ).execute(context)  # fmt: skip
