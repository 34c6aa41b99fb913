"""The catalogue of instruments: every perpetual, dated future and option of the collected currencies.

**Source.** `get_instruments`, asked of both hosts: the live host lists what trades and about a day of what has
expired, the history host everything that expired since 2016. Names are never inferred from a calendar.

**Grain.** One row an instrument, with listing, expiry, tick and contract size, the host that told it last, when it
was first seen and when it last changed. An instrument the exchange stops listing stays.

**Schedule.** Daily, and once at the start. The history DAGs wait for a reading that is younger than their interval.

**Late data.** A day's listings are in the next reading; a changed expiry or state updates the row. A listed perpetual
may be dead, its chart going on flat: one without funding and without a trade for seven days, while others have funding,
has ended at its last hour of either. That is told once, nothing is expected after it, and it is undone when rows come.
What is stored outside a lifetime that was learned later (an end, an earlier expiry, a later listing) is taken back,
with what was computed from it; where a day only reaches beyond, a version that is cut takes its place at once.

**When it fails.** An exchange that is away is waited for. Nothing is lost: each list is a task of its own, what was
read is kept, and a list of options that fails keeps nothing waiting but itself. A row that no instrument can be (no
name, a strike of 10^400, an expiry before the creation) is left out, the rest is stored; a name whose day is not its
expiry, or a lifetime of no length, is stored all the same. Both are notes, told in one message when they are new and
kept in the view quality_findings: the catalogue holds nothing back.
"""

from airflow.sdk import XComArg, chain, dag

from deribit_warehouse import pipeline, settings
from deribit_warehouse.datasets import INSTRUMENTS, PERPETUALS_OHLCV


@dag(
    **pipeline.calendar_dag_args(INSTRUMENTS.dag_id, "0 0 * * *"),
    doc_md=__doc__,
    tags=["deribit", "catalogue"],
)
def instruments() -> None:
    def read(kind: str) -> XComArg:
        task = pipeline.read_catalogue.override(task_id=f"read_{kind}s").partial(kind=kind)
        return task.expand(currency=settings.currencies(), reading=pipeline.READINGS)

    futures, options = read("future"), read("option")
    # it starts the same DAGs as the perpetuals' asset: one at a time (see datasets.POOLS)
    check = pipeline.check_catalogue.override(
        pool=PERPETUALS_OHLCV.validation_pool, outlets=[pipeline.asset(INSTRUMENTS)]
    )
    started = pipeline.discover_funding_starts(futures)
    ended = pipeline.find_delistings(started)
    clipped = pipeline.clip_to_lifetimes(ended)
    checked = check(futures, options)
    chain(clipped, checked)  # the catalogue's asset has what follows from the lifetimes computed again
    chain([futures, options, started, ended, clipped, checked], pipeline.complete())


instruments()
