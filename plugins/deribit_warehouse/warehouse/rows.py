"""A dataset stored by rows: a row a key and version, as its table declares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

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
    connection.execute(_composed("rows/stage", table))
    with connection.cursor().copy(_composed("rows/copy", table)) as copy:
        for row in zip(*(columns[name] for name in names), strict=True):
            copy.write_row(row)
    [merged] = sql.fetch(connection, _composed("rows/merge", table), provenance.values())
    return Ingested(**merged)


def instants(ms: np.ndarray) -> list[datetime]:
    """Milliseconds, int64, as UTC datetimes."""
    return [datetime.fromtimestamp(each / 1000, UTC) for each in ms.tolist()]


def _composed(name: str, table: Table) -> Composed:
    """A statement of include/sql/rows for a table."""

    def listed(columns: Iterable[str], alias: str = "") -> Composed:
        return SQL(", ").join([Identifier(alias, c) if alias else Identifier(c) for c in columns])

    types = {**table.key, **table.values}
    return SQL(sql.statement(name)).format(
        table=Identifier("store", table.name), stage=Identifier(f"{table.name}_stage"),
        definition=SQL(", ").join([SQL("{} {}").format(Identifier(c), SQL(t)) for c, t in types.items()]),
        columns=listed(types), key=listed(table.key), values=listed(table.values),
        values_of_s=listed(table.values, "s"), values_of_t=listed(table.values, "t"),
        same_t_o=SQL(" AND ").join([SQL("{} = {}").format(Identifier("t", c), Identifier("o", c)) for c in table.key]),
    )  # fmt: skip
