"""Funding of the perpetuals, hourly, from the first hour the exchange has.

**Source.** `get_funding_rate_history` of the live host. One call returns at most 744 hours, silently the newest ones;
windows are half open, `(start, end]`, and the next page starts at the last timestamp. The first hour of a perpetual is
found by bisection, and recorded.

**Grain.** One row an instrument and hour; `ts` is the END of the hour. `interest_1h` is that hour's rate,
`interest_8h` the trailing eight hours; fractions, positive: longs pay. Sum `interest_1h`, never `interest_8h`.

**Schedule.** A run for each year that is over and each month of this one, with catchup: plan, load, publish, a month in
a transaction. Backfills, and runs by hand, as for perpetuals.

**Late data.** A corrected hour becomes a new version, published once it has passed; the published one stays until then.

**Level.** The index is checked against the perpetual's candles and, where the two disagree, against the dated futures.
An hour stays pending, and the view `pending` names its day, until the exchange has been asked for the candles of that
day (a run in which all hours wait skips `publish`); it is validated again when they are corrected. A run that an asset
starts does this, and loads nothing.

**When it fails.** The task waits for the exchange as for perpetuals. A missing hour is reported (rule
`hours-complete`), and the others are published; clear the load when the exchange has it.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUNDING_RATES


@dag(
    **pipeline.history_dag_args(FUNDING_RATES),
    max_active_runs=2,
    doc_md=__doc__,
    tags=["deribit", "funding", "history"],
)
def funding_rates() -> None:
    batches = pipeline.plan(FUNDING_RATES)
    loaded = pipeline.load.override(priority_weight=20).partial(dataset=FUNDING_RATES).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=FUNDING_RATES.validation_pool,
        inlets=pipeline.inlets(FUNDING_RATES),
        outlets=[pipeline.asset(FUNDING_RATES), pipeline.READY],
    )
    published = publish(FUNDING_RATES, loaded)
    chain([loaded, published], pipeline.complete())


funding_rates()
