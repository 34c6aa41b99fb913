"""The delivery prices of the collected currencies' indexes, daily: what contracts that expire at 08:00 UTC settle at.

**Source.** `get_delivery_prices` of the live host. A request has no time, only an offset from the newest day; the
answer says how many days there are (`records_total`). The days are read from the newest one back to the interval, 1,000
days a request. Counted from the oldest, a day keeps its place when newer ones arrive, so that none is missed between
two pages.

**Grain.** One row an index and UTC day; the delivery is at 08:00 UTC. `price` is in the second currency of the index's
name. The indexes are those of the futures and perpetuals that the catalogue has of the collected currencies.

**Schedule.** A run for each year that is over and each month of this one, with catchup: plan, load, publish, the year
in a transaction. The plan waits for the catalogue, which says which indexes there are.
Backfills, and runs by hand, as for perpetuals.

**Late data.** A corrected price becomes a new version; the published one stays until the new one has passed.

**Level.** A price is checked against those of the days before it alone. Where the funding has no index at 08:00 the
level of the perpetuals is checked against it: their days are validated again when a price comes or is corrected.

**When it fails.** The task waits for the exchange as for perpetuals. A load whose answers contradict each other fails
and names the index: clear it. A day on which a contract expired and which has no price is reported (rule
`deliveries-priced`); clear the load when the exchange has it.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import DELIVERY_PRICES


@dag(
    **pipeline.history_dag_args(DELIVERY_PRICES),
    max_active_runs=1,
    doc_md=__doc__,
    tags=["deribit", "delivery", "history"],
)
def delivery_prices() -> None:
    batches = pipeline.plan(DELIVERY_PRICES)
    loaded = pipeline.load.partial(dataset=DELIVERY_PRICES).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=DELIVERY_PRICES.validation_pool, outlets=[pipeline.asset(DELIVERY_PRICES), pipeline.READY]
    )
    published = publish(DELIVERY_PRICES, loaded)
    chain([loaded, published], pipeline.complete())


delivery_prices()
