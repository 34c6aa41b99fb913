"""The daily settlements of futures and perpetuals, and the deliveries of those that expire.

**Source.** `get_last_settlements_by_instrument` of the live host, from the newest row of the interval back, by its
continuation where one answer does not hold a month. A day without a row between two days with rows is requested twice.

**Grain.** One row an instrument, UTC day and type (`settlement`, or `delivery` at the end of a dated future);
`settled_at` is just after 08:00 UTC. `position` is in USD, of linear contracts in coin; profit and loss are in the
settlement currency, of all holders together. Bankruptcies, which belong to a currency and not to an instrument, and the
settlements of options are not kept.

**Schedule.** A run for each year that is over and each month of this one, with catchup: plan, load, publish, the year
in a transaction. As for dated futures, the plan waits until the catalogue has been read after the interval: what is
listed, and what has expired. Backfills, and runs by hand, as for perpetuals.

**Late data.** A corrected settlement becomes a new version; the published one stays until the new one has passed.

**When it fails.** The task waits for the exchange as for perpetuals. A day without a settlement is a warning (rule
`sessions-told`); it breaks a critical rule if there was a position before and after it (`sessions-complete`) or at the
expiry (`deliveries-complete`). Clear the load when the exchange has it.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import SETTLEMENTS


@dag(
    **pipeline.history_dag_args(SETTLEMENTS),
    max_active_runs=1,
    doc_md=__doc__,
    tags=["deribit", "settlements", "history"],
)
def settlements() -> None:
    batches = pipeline.plan(SETTLEMENTS)
    loaded = pipeline.load.partial(dataset=SETTLEMENTS).expand(batch=batches)
    publish = pipeline.publish.override(pool=SETTLEMENTS.validation_pool, outlets=[pipeline.asset(SETTLEMENTS)])
    published = publish(SETTLEMENTS, loaded)
    chain([loaded, published], pipeline.complete())


settlements()
