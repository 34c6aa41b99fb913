"""What nobody reads any more is kept for a set time: replaced versions, records of loads and validations, incidents
that are over; and it is measured how large everything is.

**Source.** The market database. A corrected day becomes a new version, and the one it replaces is kept for
`DERIBIT_KEEP_SUPERSEDED_DAYS` (400), so that what was published at any time since then can be queried: the functions
`candles`, `funding` and others (data dictionary) take `as_of`, and the view `corrections` lists the values of loaded
data that changed. A load record or a validation that no version, no finding and no time that `as_of` can ask for refers
to any more is deleted after `DERIBIT_KEEP_RECORDS_DAYS` (90), a finding that long after it was closed, what a failed
task said that long after it failed, an incident `DERIBIT_KEEP_INCIDENTS_DAYS` (400) after it was over. The size of each
table becomes a row of the view `storage`, which says how long the disk lasts (`DERIBIT_DISK_LIMIT_GB`, or the free
space where Postgres lies).

**Grain.** A version of an instrument-day, an hour of funding or volatility, a delivery price or settlement, a day of an
index or a pair of the basis; a load, a validation; an incident; a table and day.
What is published, what waits, what is held back without a newer version, and what a published basis or index was
computed from stays. Of option chains that are older than `DERIBIT_THIN_CHAINS_DAYS` (0: all are kept) the
fullest snapshot of each hour stays, and another one where that lacks an expiry. Live minutes of a day are
compared with the closed day in the night after it, and where they were otherwise that is told once (a note, a day
each); they are deleted a week after it, when it is shown as a closed day. How many were the same is kept (view
`live_days`), of those that were not the values (`live_differences`), and what was corrected while the day was open
(`corrections`). Summaries of days that are over for a week are folded into a row an instrument and day
(`store.summary_day`): the views show the same.

**Schedule.** Daily. Asking for a time before that is an error from then on, never an answer with fewer rows.

**Late data.** Does not concern it.

**When it fails.** A part is deleted at a time: what was deleted stays so, and the next run deletes the rest. That a day
can't be compared keeps no older one's live minutes. A day that was not measured stays unmeasured.
"""

from datetime import timedelta

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline


@dag(
    **pipeline.calendar_dag_args("deribit_retention", "30 1 * * *"),
    dagrun_timeout=timedelta(hours=2),
    doc_md=__doc__,
    tags=["deribit", "retention"],
)
def retention() -> None:
    pipeline.prune_versions() >> pipeline.prune_records()
    compared, pruned = pipeline.compare_open_days(), pipeline.prune_open_days()
    compared >> pruned
    chain([compared, pruned], pipeline.complete())
    pipeline.prune_incidents()
    pipeline.thin_snapshots()
    pipeline.fold_snapshots()
    pipeline.measure_storage()


retention()
