"""Closes yesterday: starts the history DAGs of the candles and the funding for it, whose closed day is then shown in
place of its live minutes.

**Source.** Runs of `deribit_funding_rates`, `deribit_perpetuals_ohlcv` and `deribit_futures_ohlcv` with yesterday as
their range (`close__2026-11-25`): the same modules, rules and versions as those of a month. The index and the basis
follow by their assets.

**Grain.** A run of each of the three a day.

**Schedule.** Daily at 00:10 UTC, without catchup: a day that was left out stays open, in its live minutes, until its
month is loaded. The month's run then writes only what has changed since.

**Late data.** Where the closed day differs from what live had published, the view `live_differences` has both values,
and `live_days` counts them by day.

**When it fails.** The day stays open and its live minutes are shown. Clear the task, or start the three DAGs with the
day as `from` and the next one as `to`, or leave it to the month's run.
"""

from datetime import timedelta

from airflow.sdk import dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUNDING_RATES, FUTURES_OHLCV, PERPETUALS_OHLCV


@dag(
    **pipeline.calendar_dag_args("deribit_close_day", "10 0 * * *"),
    dagrun_timeout=timedelta(hours=1),
    doc_md=__doc__,
    tags=["deribit", "live"],
)
def close_day() -> None:
    pipeline.close_yesterday.override(task_id="close_funding_rates")(FUNDING_RATES)
    pipeline.close_yesterday.override(task_id="close_perpetuals_ohlcv")(PERPETUALS_OHLCV)
    pipeline.close_yesterday.override(task_id="close_futures_ohlcv")(FUTURES_OHLCV)


close_day()
