"""How long what nobody reads any more is kept, and how large the rest is."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime, timedelta

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from deribit_warehouse import settings
from deribit_warehouse.datasets import DATASETS, LIVE

from .connections import market

log = logging.getLogger(__name__)


@task(multiple_outputs=False)
def prune_versions() -> dict[str, int]:
    """Deletes versions that were replaced longer ago than settings.keep_superseded(): {table: versions}."""
    from deribit_warehouse.warehouse import publication

    kept_from = datetime.now(UTC) - settings.keep_superseded()
    with market() as connection:
        pruned = publication.prune(connection, kept_from, [*DATASETS, *LIVE])
    log.info("replaced versions are kept since %s; deleted: %s", f"{kept_from:%Y-%m-%d %H:%M} UTC", pruned)
    return pruned


KEEP_OPEN = timedelta(days=7)
"""How long the minutes that live brought of a day are kept beside the closed day, for who wants to see what differs."""


@task
def compare_open_days() -> int:
    """Compares what live said with the closed days, where that was not done yet: days of instruments. What was
    otherwise is a note, one a day; the next run of any DAG tells of it."""
    from deribit_warehouse.warehouse import open_days

    dag_run = get_current_context()["dag_run"]
    with market() as connection:
        days = open_days.compare(connection, datetime.now(UTC).date(), dag_id=dag_run.dag_id, run_id=dag_run.run_id)
    log.info("live minutes of %d instrument-days were compared with the closed ones", days)
    return days


# it compares by itself what it deletes: a younger day of which that fails keeps nothing
@task(trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
def prune_open_days() -> dict[str, int]:
    """Counts what live said of days that were closed longer than KEEP_OPEN ago, keeps what was otherwise, and deletes
    the rest: {days, minutes}, days of instruments and versions of their minutes."""
    from deribit_warehouse.warehouse import open_days

    dag_run = get_current_context()["dag_run"]
    before = (datetime.now(UTC) - KEEP_OPEN).date()
    with market() as connection:
        days, minutes = open_days.forget(connection, before, dag_id=dag_run.dag_id, run_id=dag_run.run_id)
    log.info(
        "live minutes of days before %s that are closed were deleted: %d of %d instrument-days", before, minutes, days
    )
    return {"days": days, "minutes": minutes}


@task(multiple_outputs=False)
def prune_records() -> dict[str, int]:
    """Deletes findings that were closed, and failures that were recorded, longer ago than settings.keep_records(), and
    load records and validations that are older and that nothing names: {table: rows}."""
    from deribit_warehouse.warehouse import housekeeping

    before = datetime.now(UTC) - settings.keep_records()
    with market() as connection:
        pruned = housekeeping.prune_records(connection, before)
    log.info("findings, failures, load records and validations of before %s; deleted: %s", f"{before:%Y-%m-%d}", pruned)
    return pruned


@task
def prune_incidents() -> int:
    """Deletes incidents that were over longer ago than settings.keep_incidents(): how many."""
    from deribit_warehouse.warehouse import incidents

    before = datetime.now(UTC) - settings.keep_incidents()
    with market() as connection, connection.transaction():
        pruned = incidents.prune(connection, before)
    log.info("incidents that were over before %s were deleted: %d", f"{before:%Y-%m-%d}", pruned)
    return pruned


@task
def measure_storage() -> None:
    """Notes how large the market database and its tables are, and what it may grow to: settings.disk_limit(), or what
    is free where Postgres lies. Unknown where neither can be told."""
    from deribit_warehouse.warehouse import housekeeping

    folder = settings.database_folder()
    free = shutil.disk_usage(folder).free if folder else None
    with market() as connection, connection.transaction():
        housekeeping.measure(connection, limit_bytes=settings.disk_limit(), free_bytes=free)


FOLD_AFTER = timedelta(days=7)
"""How long snapshots stay as they came: until nothing is decided on any more that is compared with them."""


@task(multiple_outputs=False)
def fold_snapshots() -> dict[str, int]:
    """Stores the days of snapshots that are over since FOLD_AFTER as arrays over their beats, of the datasets that say
    how: {dataset: beats}. A day at a time, so that nobody who decides waits for long."""
    from deribit_warehouse.warehouse import snapshots

    before = (datetime.now(UTC) - FOLD_AFTER).replace(hour=0, minute=0, second=0, microsecond=0)
    total = {}
    for dataset in DATASETS:
        if dataset.folded:
            total[dataset.name] = 0
            while True:
                with market() as connection, connection.transaction():
                    beats = snapshots.fold(connection, dataset, before)
                if not beats:
                    break
                total[dataset.name] += beats
    log.info("beats of days before %s that were folded: %s", before.date(), total)
    return total


@task(multiple_outputs=False)
def thin_snapshots() -> dict[str, int]:
    """Keeps one snapshot an hour of what is older than settings.thin_snapshots_after(), of the datasets that may be
    thinned: {dataset: rows deleted}. Skipped while all are kept."""
    from deribit_warehouse.warehouse import snapshots

    age = settings.thin_snapshots_after()
    if age is None:
        raise AirflowSkipException("every snapshot is kept (DERIBIT_THIN_CHAINS_DAYS)")
    before = (datetime.now(UTC) - age).replace(minute=0, second=0, microsecond=0)
    deleted = {}
    for dataset in DATASETS:
        if dataset.thinned:
            with market() as connection:
                deleted[dataset.name] = snapshots.thin(connection, dataset, before)
    log.info("of snapshots before %s one an hour is kept; rows deleted: %s", f"{before:%Y-%m-%d %H:%M} UTC", deleted)
    return deleted
