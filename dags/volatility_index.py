"""The volatility index (DVOL) of BTC and ETH, hourly, from its first hour on.

**Source.** `get_volatility_index_data` of the live host with a resolution of an hour. One answer has the newest 1,000
rows of its window, and a continuation if there are more. What proves that nothing is missing is the rows that came.

**Grain.** One row a currency and hour; `ts` is the START of the hour. `open`, `high`, `low`, `close` are percent a
year: the volatility of the next thirty days that options are priced with. An hour's open need not be the close before
it.

**Schedule.** A run for each year that is over and each month of this one, with catchup, from the month of the first
hour (2021-03-24) on: plan, load, publish, the year in a transaction. There are no instruments, so no catalogue is
waited for. Backfills, and runs by hand, as for perpetuals.

**Late data.** A corrected hour becomes a new version; the published one stays until the new one has passed.

**When it fails.** The task waits for the exchange as for perpetuals. A missing hour is reported (rule
`hours-complete`), and the others are published; clear the load when the exchange has it.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import VOLATILITY_INDEX


@dag(
    **pipeline.history_dag_args(VOLATILITY_INDEX),
    max_active_runs=1,
    doc_md=__doc__,
    tags=["deribit", "volatility", "history"],
)
def volatility_index() -> None:
    batches = pipeline.plan(VOLATILITY_INDEX)
    loaded = pipeline.load.partial(dataset=VOLATILITY_INDEX).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=VOLATILITY_INDEX.validation_pool, outlets=[pipeline.asset(VOLATILITY_INDEX)]
    )
    published = publish(VOLATILITY_INDEX, loaded)
    chain([loaded, published], pipeline.complete())


volatility_index()
