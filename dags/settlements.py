"""The daily settlements of futures and perpetuals, and the deliveries of those that expire.

**Source.** `get_last_settlements_by_instrument` of the live host, from the newest row of the interval back, by its
continuation where one answer does not hold a month. A day between two others of which nothing came is asked for twice.

**Grain.** One row an instrument, UTC day and type (`settlement`, or `delivery` at the end of a dated future);
`settled_at` is just after 08:00 UTC. `position` is in USD, of linear contracts in coin; profit and loss are in the
settlement currency, of all holders together. Bankruptcies are a currency's, not an instrument's, and are not kept; nor
are options.

**Schedule.** A run for each year that is over and each month of this one, with catchup: plan, load, publish, a month in
a transaction. The plan waits for the catalogue. Backfills, and runs by hand,
as for perpetuals.

**Late data.** A corrected settlement becomes a new version; the published one stays until the new one has passed.

**When it fails.** The exchange is waited for as for perpetuals. A day without a settlement is named: a warning (rule
`sessions-told`), and more than that where there was a position before and after it (`sessions-complete`) or at the
expiry (`deliveries-complete`); clear the load when the exchange has it.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import SETTLEMENTS


@dag(
    **pipeline.history_dag_args(SETTLEMENTS, pipeline.YEARS_THEN_MONTHS),
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
