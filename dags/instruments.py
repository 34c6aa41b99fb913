"""The catalogue of instruments: every perpetual, dated future and option of the collected currencies.

**Source.** `get_instruments`, asked of both hosts: the live host lists what trades and about a day of what has
expired, the history host everything that expired since 2016. Names are never inferred from a calendar.

**Grain.** One row an instrument, with listing, expiry, tick and contract size, the host that told it last, when it
was first seen and when it last changed. An instrument the exchange stops listing stays.

**Schedule.** Daily, and once at the start. The history DAGs wait for a reading that is younger than their interval.

**Late data.** A day's listings are in the next reading; a changed expiry or state updates the row.

**When it fails.** Nothing is lost, the next run reads everything again. A name whose day is not its expiry, a life of
no length or an unknown kind is told in one message and kept: the catalogue holds nothing back.
"""

from airflow.sdk import CronDataIntervalTimetable, chain, dag

from deribit import pipeline, settings
from deribit.datasets import INSTRUMENTS


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=settings.history_from(),
    catchup=False,
    max_active_runs=1,
    default_args=pipeline.DEFAULTS,
    on_failure_callback=pipeline.tell_failure,
    doc_md=__doc__,
    tags=["deribit", "catalogue"],
)
def instruments():
    read = pipeline.read_catalogue.expand(currency=settings.currencies(), kind=["future", "option"])
    checked = pipeline.check_catalogue.override(outlets=[pipeline.asset(INSTRUMENTS)])(read)
    chain(read, [pipeline.discover_funding_starts(read), checked])


instruments()
