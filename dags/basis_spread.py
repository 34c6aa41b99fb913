"""The basis of every dated future, minute by minute: against the perpetual, and against the true index where it is
known.

**Source.** The published days of `futures_ohlcv` and `perpetuals_ohlcv`; the true index of `index_prices` where it is
known.

**Grain.** One row a future and UTC day says which two versions were paired and judged; the view `basis_spread`
computes every minute from exactly those: basis (USD), fraction, days to expiry from the minute's end, annualised
(simple, 365 days; NULL under one day), contango or backwardation, and `traded`, because the close of a minute without
a trade is stale. `term_structure` and `basis_constant_maturity` (30, 90, 180 days) read from it.

**Schedule.** Rung by the assets of both inputs, and monthly with catchup; what is computed is asked of the data: every
published futures day whose perpetual day is published and whose pair was not judged on the versions published now, in
the run's month when the calendar started it. A month whose inputs are not published yet has nothing to do; their
assets ring when they are, and a lost or doubled event costs nothing. A backfill, or a run with `from` and `to`,
computes a range again.

**Late data.** A republished input hides the pair at once (missing, not wrong) and makes it due.

**When it fails.** Nothing is half-published; the same days are due again. Days that break a rule are held back one by
one.
"""

from airflow.sdk import AssetOrTimeSchedule, chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import BASIS, FUTURES, PERPETUALS


@dag(
    **pipeline.derived_dag_args(BASIS),
    schedule=AssetOrTimeSchedule(
        timetable=pipeline.MONTHLY, assets=pipeline.asset(FUTURES) | pipeline.asset(PERPETUALS)
    ),
    doc_md=__doc__,
    tags=["deribit", "basis", "derived"],
)
def basis_spread():
    judge = pipeline.judge.override(outlets=[pipeline.asset(BASIS)])
    judged = judge.partial(dataset=BASIS).expand(window=pipeline.due(BASIS))
    chain([judged, pipeline.tell(judged)], pipeline.complete())


basis_spread()
