"""Index prices for every minute: the index itself where it is known, the perpetual as a labelled proxy elsewhere.

**Source.** The index at the end of every hour comes with the funding history; its minutes come from the funding chart,
which has the last eight hours only (the DAG `deribit_index_minutes` reads it every four). Where that has none it is
what the published summaries said (`deribit_instrument_summaries`). Everywhere else the close of the perpetual stands in
as a proxy, and the row says so in `source`. The error of the proxy is measured at every hour for which both are known
(view `index_proxy_error`).

**Grain.** One row an index and UTC day in the store, one row a minute in the view `index_prices`; `ts` is the bucket
start, the price that of the bucket's END. Of a day that is not published yet the view shows what the published
summaries say, and where they say nothing the chart, minute by minute as it was validated (dataset `index_live`).

**Schedule.** Triggered by the perpetuals', the funding's, the chart's and the catalogue's assets, and at the end of a
month. A run computes whatever is pending: every day of an index with a published day of its perpetual or a published
hour of funding that was not validated on the versions published now; no past month has a run of its own. Of several
perpetuals on an index the older stands in until its lifetime is over; a perpetual that is held back does not hold back
the true hours. A backfill of months, or a run with `from` and `to`, computes a range again.

**Late data.** A corrected input makes a new version of the day, which is pending; the published one stays until the new
one has passed. When a day of the perpetual, an hour of funding or a summary that is in it is taken back, the day is
taken back with it. A summary that is published later makes a new version of a day that lacks one of its minutes.

**When it fails.** Nothing is half-published; the same days are pending again. A blocked window leaves what was
published, and is validated again when its inputs change or somebody starts a run by hand.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUNDING_RATES, INDEX_MINUTES, INDEX_PRICES, INSTRUMENTS, PERPETUALS_OHLCV


@dag(
    **pipeline.derived_dag_args(INDEX_PRICES, PERPETUALS_OHLCV, FUNDING_RATES, INDEX_MINUTES, INSTRUMENTS),
    doc_md=__doc__,
    tags=["deribit", "index", "derived"],
)
def index_prices() -> None:
    publish = pipeline.publish_derived.override(
        pool=INDEX_PRICES.validation_pool,
        inlets=pipeline.inlets(INDEX_PRICES),
        outlets=[pipeline.asset(INDEX_PRICES)],
    )
    published = publish.partial(dataset=INDEX_PRICES).expand(batch=pipeline.windows(INDEX_PRICES))
    chain(published, pipeline.complete())


index_prices()
