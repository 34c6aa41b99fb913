"""Closes the days that are over: starts the history DAGs of the candles and the funding for them, whose closed days are
then shown in place of their live minutes.

**Source.** Runs of `deribit_funding_rates`, `deribit_perpetuals_ohlcv` and `deribit_futures_ohlcv`
(`close__2026-11-25`) with yesterday and the day before it as their range, and with the days of the month before them
from the first one on that is not closed: the same modules, rules and versions as those of a month. The index and the
basis follow by their assets.

**Grain.** A run of each of the three a day.

**Schedule.** Daily at 00:10 UTC, without catchup. The first run comes with the first start, and closes the month so
far; a day that was left out, because nothing ran or an instrument was not answered for, is in the next night's range.
The month's run then writes only what has changed since.

**Late data.** Each day is asked for in two nights: what the chart did not have yet ten minutes after its end, or told
otherwise since, comes with the second, which costs no more requests. Where a closed day differs from what live had
published, the view `live_differences` has both values, `live_days` counts them by day, and `deribit_retention` tells it
once; `live_index_days` counts those of the index, of which live has a sample and the closed day the minute's end.

**When it fails.** The days stay open and their live minutes are shown; the next night's run takes them up. Sooner:
clear the task or the run of the history that failed, or start the three DAGs with the first day as `from` and the one
after the last as `to`.
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
    pipeline.close_days.override(task_id="close_funding_rates")(FUNDING_RATES)
    pipeline.close_days.override(task_id="close_perpetuals_ohlcv")(PERPETUALS_OHLCV)
    pipeline.close_days.override(task_id="close_futures_ohlcv")(FUTURES_OHLCV)


close_day()
