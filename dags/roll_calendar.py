"""When each series of dated futures rolls from one contract to the next, and at which prices.

**Source.** The published days of `futures_ohlcv` and the expiries of the catalogue.

**Grain.** One row a roll: the contract that is left and the one that is taken, the day from which on that is held, and
the closes of both in one minute that is fresh in both legs, the last one before the roll (view `roll_calendar`; the
contract of every day: `held_contracts`). There is a series for every family of futures (coin, quote, settlement, type),
rule (`expiry`, `volume`), set of eligible contracts (`quarterly`, `monthly`, `all`) and rank (0, 1, 2). Which contract
is held on a day is decided by what was known when the day before had ended. `continuous_futures` joins the candles by
it when it is read; an adjusted price is stored nowhere.

**Schedule.** With every catalogue, which comes daily, and at the end of a month. A run computes whatever is pending:
every roll that follows from what is published now and whose newest version says otherwise; no past month has a run of
its own, and a catchup of the candles does not start it with each of its months. A backfill of months, or a run with
`from` and `to`, validates a range again.

**Late data.** A corrected day, or one that came late, may move a roll, price it, or leave a contract out: each is a new
version of the roll, which is pending; the published one stays until that has passed. A day that is taken back takes the
rolls with it that it decided or priced.

**When it fails.** Nothing is half-published; the same rolls are pending again. Rolls that break a rule are held back
one by one. A blocked window leaves what was published, and is validated again when its inputs change or somebody starts
a run by hand.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import INSTRUMENTS, ROLL_CALENDAR


@dag(
    **pipeline.derived_dag_args(ROLL_CALENDAR, INSTRUMENTS),
    doc_md=__doc__,
    tags=["deribit", "futures", "derived"],
)
def roll_calendar() -> None:
    publish = pipeline.publish_derived.override(
        pool=ROLL_CALENDAR.validation_pool,
        inlets=pipeline.inlets(ROLL_CALENDAR),
        outlets=[pipeline.asset(ROLL_CALENDAR)],
    )
    published = publish.partial(dataset=ROLL_CALENDAR).expand(batch=pipeline.windows(ROLL_CALENDAR))
    chain(published, pipeline.complete())


roll_calendar()
