"""The true index, minute by minute, collected before the exchange forgets it.

**Source.** `get_funding_chart_data` with `length=8h`, the only 1-minute series of the true index that the exchange
offers. It reaches back eight hours and can't be requested later.

**Grain.** One array of 1,440 minutes for each index and UTC day. The DAG `deribit_index_prices` combines it with the
hourly index and the proxy once the day is over; until then a minute that no summary told is shown from here, after the
next run of `deribit_perpetuals_live` has validated it (dataset `index_live`).

**Schedule.** Every four hours, so that one missed run costs nothing.

**Late data.** When a minute is received again, the newer value replaces the older one.

**When it fails.** Each index is requested by itself, and the task waits up to an hour for the exchange; the next run
still receives the minutes of the last eight hours. Older ones are lost, and what the summaries said is shown for them,
or the proxy, each labelled as such.
"""

from datetime import timedelta

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import INDEX_MINUTES


@dag(
    **pipeline.calendar_dag_args(INDEX_MINUTES.dag_id, "0 */4 * * *"),
    dagrun_timeout=timedelta(hours=2),
    doc_md=__doc__,
    tags=["deribit", "index", "collection"],
)
def index_minutes() -> None:
    batches = pipeline.plan(INDEX_MINUTES)
    load = pipeline.load.override(outlets=[pipeline.asset(INDEX_MINUTES)])
    loaded = load.partial(dataset=INDEX_MINUTES).expand(batch=batches)
    chain(loaded, pipeline.complete())


index_minutes()
