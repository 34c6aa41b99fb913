"""Replaced versions of what was published are kept for a set time, and old option chains thinned where that is set.

**Source.** The market database. A corrected day becomes a new version and the one it replaces is kept for
`DERIBIT_KEEP_SUPERSEDED_DAYS` (400), so that what was published at any moment since then can be asked: the functions
`candles`, `funding` and others (data dictionary) take `as_of`, and the view `corrections` lists the values that
changed of what is loaded.

**Grain.** A version of an instrument-day, an hour of funding or volatility, a delivery price or settlement, a day of an
index or a pair of the basis.
What is published, what waits, what is held back without a newer version, and what a published basis or index was
computed from stays. Of option chains that are older than `DERIBIT_THIN_CHAINS_DAYS` (0: all are kept) the first
snapshot of each hour stays. Live minutes of a day are deleted a week after it, when it is shown as a closed day; how
many of them were the same is kept (view `live_days`).

**Schedule.** Daily. A moment before the time that is kept is an error from then on, never an answer with fewer rows.

**Late data.** Does not concern it.

**When it fails.** Nothing is deleted; the next run deletes it.
"""

from datetime import timedelta

from airflow.sdk import dag

from deribit_warehouse import pipeline


@dag(
    **pipeline.calendar_dag_args("deribit_retention", "30 1 * * *"),
    dagrun_timeout=timedelta(hours=2),
    doc_md=__doc__,
    tags=["deribit", "retention"],
)
def retention() -> None:
    pipeline.prune_versions()
    pipeline.prune_open_days()
    pipeline.thin_snapshots()


retention()
