"""What every perpetual and dated future is at, every five minutes: mark, index, open interest, volume, quotes, funding.

**Source.** `get_book_summary_by_currency` with `kind=future`, one request a currency. It says what is now, and can't be
asked for later.

**Grain.** One row a currency and beat, in arrays over its instruments; the view has a row an instrument. `ts` is the
exchange's clock (`creation_timestamp`), never the run's; the beat is the one that clock says.

**Schedule.** Every `DERIBIT_SNAPSHOT_MINUTES` (5), without catchup: plan, load, publish, in a pool and with a share of
the request rate of their own, beside whatever history loads.

**Late data.** There is none. A run that starts late is stamped with the time it was told, and belongs to that beat;
what is stored of a beat already stays. A beat that was missed is a gap for good: the views `snapshot_gaps` and
`coverage` show it, and the next snapshot's validation names it (rule `beats-complete`).

**When it fails.** The exchange is waited for for two minutes, then the run fails and the next beat is the retry: there
is nothing to clear. A snapshot with values that can't be is held back whole; instruments that the catalogue does not
have are stored, and named once it was read without them.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import INSTRUMENT_SUMMARIES, LIVE_POOL


@dag(
    **pipeline.snapshot_dag_args(INSTRUMENT_SUMMARIES),
    doc_md=__doc__,
    tags=["deribit", "summaries", "snapshots"],
)
def instrument_summaries() -> None:
    batches = pipeline.plan.override(**pipeline.SNAPSHOT_TASK)(INSTRUMENT_SUMMARIES)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.SNAPSHOT_TASK)
    loaded = load.partial(dataset=INSTRUMENT_SUMMARIES).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=INSTRUMENT_SUMMARIES.validation_pool,
        outlets=[pipeline.asset(INSTRUMENT_SUMMARIES)],
        **pipeline.SNAPSHOT_TASK,
    )
    published = publish(INSTRUMENT_SUMMARIES, loaded)
    chain([loaded, published], pipeline.complete())


instrument_summaries()
