"""The basis of every dated future, minute by minute: against the perpetual, and against the true index where it is
known.

**Source.** The published days of `futures_ohlcv` and `perpetuals_ohlcv`; the true index of `index_prices` where it is
known.

**Grain.** One row a future and UTC day says which two versions were paired and validated; the view `basis_spread`
computes every minute from exactly those: basis (USD), fraction, days to expiry from the minute's end, annualised
(simple, 365 days; NULL under one day), contango or backwardation, and `traded`, because the close of a minute without
a trade is stale. `term_structure` and `basis_constant_maturity` (30, 90, 180 days) read from it.

**Schedule.** Triggered by the assets of both inputs and of the catalogue, which says what is paired with what, and at
the end of a month. A run computes whatever is pending: every published futures day whose perpetual day is published and
whose pair was not validated on the versions published now. So a lost or doubled event costs nothing, and no past month
has a run of its own. A backfill of months, or a run with `from` and `to`, computes a range again.

**Late data.** A corrected input makes a new pair, which is pending; the published one stays, computed from the
versions it was validated on, until the new one has passed. When an input is taken back, the pair is taken back with it.

**When it fails.** Nothing is half-published; the same days are pending again. Days that break a rule are held back one
by one. A blocked window leaves what was published, and is validated again when its inputs change or somebody
starts a run by hand.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import BASIS_SPREAD, FUTURES_OHLCV, INSTRUMENTS, PERPETUALS_OHLCV


@dag(
    **pipeline.derived_dag_args(BASIS_SPREAD, FUTURES_OHLCV, PERPETUALS_OHLCV, INSTRUMENTS),
    doc_md=__doc__,
    tags=["deribit", "basis", "derived"],
)
def basis_spread() -> None:
    publish = pipeline.publish_derived.override(
        pool=BASIS_SPREAD.validation_pool,
        inlets=pipeline.inlets(BASIS_SPREAD),
        outlets=[pipeline.asset(BASIS_SPREAD)],
    )
    published = publish.partial(dataset=BASIS_SPREAD).expand(batch=pipeline.windows(BASIS_SPREAD))
    chain(published, pipeline.complete())


basis_spread()
