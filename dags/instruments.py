"""The catalogue of instruments: every perpetual, dated future and option of the collected currencies.

**Source.** `get_instruments` of both hosts: the live host lists what is open and what has expired within about a day,
the history host everything that has expired since 2016. Names are never inferred from a calendar.

**Grain.** One row an instrument, with listing, expiry, tick and contract size, the host that sent its last change, when
it was first seen and when it last changed. An instrument that the exchange stops listing stays.

**Schedule.** Daily, and once at the start. The history DAGs wait until the lists they need were read after their
interval: those of perpetuals and funding what is listed, the others also what has expired. A list that is refused, or
can't be read, keeps nobody waiting where those of another currency were read.

**Late data.** New listings come with the next daily reading; a changed expiry or state updates the row. The exchange
may go on listing a delisted perpetual, with a flat chart. A perpetual without funding and without a trade for seven
days, while others have funding, counts as ended at its last hour with either. Where the exchange does not list it any
more, or calls it inactive, and does not know its name, what is stored of it decides. Funding that goes on keeps nothing
alive that left the list seven days ago: it ends with its last trade, or when it was last listed. That is reported once,
no data is expected after it, and it is undone when new data appears. When an end, an earlier expiry or a later listing
is learned later, versions that lie outside the lifetime are taken back, with what was computed from them; a day that
lies outside only in part is replaced at once by a version that is cut to the lifetime.

**When it fails.** The tasks wait for an unavailable exchange. Nothing is lost: each list is a task of its own, what was
read is kept, and a list that fails delays only what needs it: one of options nothing else, one of expired futures no
perpetual. An impossible row (no name, a strike of 10^400, an
expiry before the creation) is left out, and the rest is stored. A name that does not match its expiry, or a lifetime of
no length, is stored all the same. Both are findings, which are reported in one message when they are new and kept in
the view quality_findings: the catalogue holds nothing back.
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
