"""Every listed option, every five minutes: mark, mark volatility, quotes, open interest, volume, and its underlying.

**Source.** `get_book_summary_by_currency` with `kind=option`, one request a currency: the whole chain. It says what is
now, and can't be asked for later. It has no greeks: they are calculated from it. Then `ticker` of some 20 options a
currency, others at every beat, so that all come round: what the exchange says of each is compared with the chain and
with what is calculated from it (view `options_sample`). A ticker that does not answer costs the snapshot nothing.

**Grain.** One row a currency, beat and expiry, in arrays over its options; the view has a row an option. `ts` is the
exchange's clock (`creation_timestamp`), never the run's; the beat is the one that clock says.

**Schedule.** Every `DERIBIT_SNAPSHOT_MINUTES` (5), without catchup: plan, load, publish, in a pool and with a share of
the request rate of their own, beside whatever history loads.

**Late data.** There is none. A run that starts late is stamped with the time it was told, and belongs to that beat;
what is stored of a beat already stays. A beat that was missed is a gap for good: the views `snapshot_gaps` and
`coverage` show it, and the next snapshot's validation names it (rule `beats-complete`).

**When it fails.** The exchange is waited for for two minutes, then the run fails and the next beat is the retry: there
is nothing to clear. An expiry without mark volatilities, or with values that can't be, is held back whole; options that
the catalogue does not have are stored, and named once it was read without them.
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
    batches = pipeline.plan.override(**pipeline.SNAPSHOT_TASK)(OPTIONS_CHAIN)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.SNAPSHOT_TASK)
    loaded = load.partial(dataset=OPTIONS_CHAIN).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=OPTIONS_CHAIN.validation_pool,
        outlets=[pipeline.asset(OPTIONS_CHAIN)],
        **pipeline.SNAPSHOT_TASK,
    )
    published = publish(OPTIONS_CHAIN, loaded)
    chain([loaded, published], pipeline.complete())


options_chain()
