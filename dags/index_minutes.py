"""The true index, minute by minute, collected before the exchange forgets it.

**Source.** `get_funding_chart_data` with `length=8h`, the only 1-minute series of the true index the exchange gives.
It reaches back eight hours and can't be asked for later.

**Grain.** One array of 1,440 minutes an index and UTC day, laid beside the hourly index and the proxy by the DAG
`deribit_index_prices`.

**Schedule.** Every four hours, so that one missed run costs nothing.

**Late data.** A minute told again replaces what was known of it.

**When it fails.** Each index is asked for alone, and again for an hour; the next run is told the same eight hours.
Minutes older than eight hours are gone for good and are shown by the proxy, labelled as such.
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
