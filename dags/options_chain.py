"""Every listed option, every five minutes: mark, mark volatility, quotes, open interest, volume, and its underlying.

**Source.** `get_book_summary_by_currency` with `kind=option`, one request a currency: the whole chain. It describes
only the present, and can't be requested later. It has no greeks: they are calculated from it. Then `ticker` of some 20
options a currency, others at every beat, so that all of them have their turn: what the exchange says of each is
compared with the chain and with what is calculated from it (view `options_sample`). A ticker that does not answer costs
the snapshot nothing.

**Grain.** One row for each currency, beat (a full multiple of five minutes) and expiry, in arrays over its options; the
view has a row for each option. `ts` is the time by the exchange's clock (`creation_timestamp`), never by the run's, and
it decides which beat a snapshot belongs to.

**Schedule.** Every `DERIBIT_SNAPSHOT_MINUTES` (5), without catchup: plan, load, publish, in a pool and with a share of
the request rate of their own, independent of the loads of the history. A run begins 30 s before its beat, and its load
waits for that.

**Late data.** There is none. A run that starts late stores the time by the exchange's clock, and its snapshot belongs
to that beat; a snapshot that is already stored for the beat stays. A missed beat stays a gap: the views `snapshot_gaps`
and `coverage` show it. Three of them among the last sixty beats are reported by the validation of the next snapshot
(rule `beats-complete`), one or two by nobody.

**When it fails.** The task waits two minutes for the exchange, then the run fails and the next beat is the retry: there
is nothing to clear. An expiry without mark volatilities, or with impossible values, is held back as a whole. Options
that are not in the catalogue are stored, and are reported once the catalogue has been read without them.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import LIVE_POOL, OPTIONS_CHAIN


@dag(
    **pipeline.snapshot_dag_args(OPTIONS_CHAIN),
    doc_md=__doc__,
    tags=["deribit", "options", "snapshots"],
)
def options_chain() -> None:
    batches = pipeline.plan.override(**pipeline.snapshot_task(OPTIONS_CHAIN))(OPTIONS_CHAIN)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.snapshot_task(OPTIONS_CHAIN))
    loaded = load.partial(dataset=OPTIONS_CHAIN).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=OPTIONS_CHAIN.validation_pool,
        outlets=[pipeline.asset(OPTIONS_CHAIN)],
        **pipeline.snapshot_task(OPTIONS_CHAIN),
    )
    published = publish(OPTIONS_CHAIN, loaded)
    chain([loaded, published], pipeline.complete())


options_chain()
