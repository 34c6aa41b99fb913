"""Index prices for every minute: the index itself where it is known, the perpetual as a labelled proxy elsewhere.

**Source.** The index at the end of every hour comes with the funding history; its minutes come from the funding
chart, which tells eight hours and no more (the DAG `index_minutes` asks every four). Everywhere else the close of the
perpetual stands in, and the row says so in `source`. How far the proxy is off is measured at every hour where both
are known (view `index_proxy_error`).

**Grain.** One row an index and UTC day in the store, one row a minute in the view `index_prices`; `ts` is the bucket
start, the price that of the bucket's END.

**Schedule.** Rung by the perpetuals', the funding's and the chart's assets, and monthly with catchup; what is computed
is asked of the data: every day of an index with a published day of its perpetual or a published hour of funding that
was not judged on the versions published now, in the run's month when the calendar started it. Of several perpetuals on
an index the older stands in until its life is over; a perpetual that is held back does not hold back the true hours. A
month whose inputs are not published yet has nothing to do; their assets ring when they are. A backfill, or a run with
`from` and `to`, computes a range again.

**Late data.** A republished input makes the day due; the next ring computes it.

**When it fails.** Nothing is half-published; the same days are due again.
"""

from airflow.sdk import AssetOrTimeSchedule, chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUNDING, INDEX, INDEX_CHART, PERPETUALS


@dag(
    **pipeline.derived_dag_args(INDEX),
    schedule=AssetOrTimeSchedule(
        timetable=pipeline.MONTHLY,
        assets=pipeline.asset(PERPETUALS) | pipeline.asset(FUNDING) | pipeline.asset(INDEX_CHART),
    ),
    doc_md=__doc__,
    tags=["deribit", "index", "derived"],
)
def index_prices():
    judge = pipeline.judge.override(outlets=[pipeline.asset(INDEX)])
    judged = judge.partial(dataset=INDEX).expand(window=pipeline.due(INDEX))
    chain([judged, pipeline.tell(judged)], pipeline.complete())


index_prices()
