"""The end of an open day: it is loaded whole, by its history."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import get_current_context, task

from deribit_warehouse.dataset import Dataset

from .interval import configuration


@task
def close_yesterday(dataset: Dataset) -> None:
    """Starts the dataset's history DAG for the day before the one this run is of (UTC), unless that was done before."""
    # in the task, because it costs a DAG file half a second to import
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    context = get_current_context()
    configuration(context)
    today = context["dag_run"].run_after.date()
    day = today - timedelta(days=1)
    TriggerDagRunOperator(
        task_id=context["ti"].task_id, trigger_dag_id=dataset.dag_id, trigger_run_id=f"close__{day}",
        conf={"from": str(day), "to": str(today)}, logical_date=None, skip_when_already_exists=True,
        openlineage_inject_parent_info=False,  # a run of history refuses a configuration that has more than a range
    ).execute(context)  # fmt: skip
