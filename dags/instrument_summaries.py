"""Every perpetual and dated future, every minute: mark, index, open interest, volume, quotes and funding.

**Source.** `get_book_summary_by_currency` with `kind=future`, one request a currency. It describes only the present,
and can't be requested later.

**Grain.** One row for each currency and beat (a full minute), in arrays over its instruments; the view has a row for
each instrument. `ts` is the time by the exchange's clock (`creation_timestamp`), never by the run's,
and it decides which beat a snapshot belongs to.

**Schedule.** Every `DERIBIT_SUMMARY_MINUTES` (1), without catchup and from the first start on, beside the loads of the
history: plan, load, publish, in a pool and with a share of the request rate of their own. A run begins 30 s before its
beat, and its load waits for that.

**Late data.** There is none. A run that starts late stores the time by the exchange's clock, and its snapshot belongs
to that beat; a snapshot that is already stored for the beat stays. A missed beat stays a gap: the views `snapshot_gaps`
and `coverage` show it. Three of them among the last sixty beats are reported by the validation of the next snapshot
(rule `beats-complete`), one or two by nobody.

**When it fails.** A task is tried once more; an exchange that is away fails the run at once (of beats longer than two
minutes it is waited for, two minutes at most), and the next beat is the retry: there is nothing to clear. A snapshot
with impossible values is held back as a whole. Instruments that are not in the catalogue are stored, and are reported
once the catalogue has been read without them.
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
    batches = pipeline.plan.override(**pipeline.snapshot_task(INSTRUMENT_SUMMARIES))(INSTRUMENT_SUMMARIES)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.snapshot_task(INSTRUMENT_SUMMARIES))
    loaded = load.partial(dataset=INSTRUMENT_SUMMARIES).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=INSTRUMENT_SUMMARIES.validation_pool,
        outlets=[pipeline.asset(INSTRUMENT_SUMMARIES)],
        **pipeline.snapshot_task(INSTRUMENT_SUMMARIES),
    )
    published = publish(INSTRUMENT_SUMMARIES, loaded)
    chain([loaded, published], pipeline.complete())


instrument_summaries()
