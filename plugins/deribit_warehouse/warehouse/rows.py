"""A dataset stored by rows: a row a key and version, as its table declares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from psycopg import Connection

from deribit_warehouse.dataset import Table

from . import sql
from .ingestion import Ingested, Provenance, lock


def store_rows(
    connection: Connection, table: Table, columns: Mapping[str, Iterable[Any]], provenance: Provenance
) -> Ingested:
    """Adds the rows that differ from what is stored, in the caller's transaction.

    columns: each column of the table's key and values, all of one length; times as UTC datetimes. NaN is kept: what it
    means a rule says. Running it twice, or twice at once, changes nothing more.
    """
    names = [*table.key, *table.values]
    lock(connection, provenance)
    connection.execute(sql.composed("rows/stage", table))
    with connection.cursor().copy(sql.composed("rows/copy", table)) as copy:
        for row in zip(*(columns[name] for name in names), strict=True):
            copy.write_row(row)
    [merged] = sql.fetch(connection, sql.composed("rows/merge", table), provenance.values())
    return Ingested(**merged)


def instants(ms: np.ndarray) -> list[datetime]:
    """Milliseconds, int64, as UTC datetimes."""
    return [datetime.fromtimestamp(each / 1000, UTC) for each in ms.tolist()]
