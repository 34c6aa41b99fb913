"""How long replaced versions are kept."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from airflow.sdk import task

from deribit_warehouse import settings
from deribit_warehouse.datasets import DATASETS

from .connections import market

log = logging.getLogger(__name__)


@task(multiple_outputs=False)
def prune_versions() -> dict[str, int]:
    """Deletes versions that were replaced longer ago than settings.keep_superseded(): {table: versions}."""
    from deribit_warehouse.warehouse import publication

    kept_from = datetime.now(UTC) - settings.keep_superseded()
    with market() as connection, connection.transaction():
        pruned = publication.prune(connection, kept_from, DATASETS)
    log.info("replaced versions are kept since %s; deleted: %s", f"{kept_from:%Y-%m-%d %H:%M} UTC", pruned)
    return pruned
