"""What grows with time and is not market data: findings that are closed, what failed tasks said, and load records and
validations that nothing names any more. And how large everything is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from . import publication, sql

OLD = {"quarantine": "housekeeping/prune_quarantine", "run_failure": "housekeeping/prune_run_failure"}
"""What takes away which record whatever names it, by its table; what they name comes after them."""

STATEMENTS = {"ingestion": "housekeeping/prune_ingestion", "validation": "housekeeping/prune_validation"}
"""What takes away which record, by its table."""

NAMED = {
    "one": "housekeeping/named_ids", "elements": "housekeeping/named_elements", "ranges": "housekeeping/named_ends",
}  # fmt: skip
"""What a column names, by the form that it has."""


def measure(connection: Connection, *, limit_bytes: int | None, free_bytes: int | None) -> None:
    """Notes today's sizes, in the caller's transaction (view storage).

    limit_bytes: what the database may grow to; None: as far as free_bytes, what is free where it lies; None: not known.
    """
    sql.run(connection, "housekeeping/measure", limit_bytes=limit_bytes, free_bytes=free_bytes)


def prune_records(connection: Connection, before: datetime) -> dict[str, int]:
    """Deletes findings that were closed and failures that were recorded before an instant, and load records and
    validations of before it that nothing names, in the caller's transaction: {table: rows}. Nobody decides on versions
    meanwhile.

    What names one is asked of the database itself, so that a new table is not forgotten.
    """
    publication.decide_alone(connection)
    pruned = {record: sql.run(connection, name, before=before) for record, name in OLD.items()}
    naming = sql.rows(connection, "housekeeping/naming")
    for record, name in STATEMENTS.items():
        named = SQL(" UNION ALL ").join(_named(row) for row in naming if row["named"] == record)
        with connection.cursor() as cursor:
            statement = SQL(sql.statement(name)).format(named=named)
            pruned[record] = cursor.execute(statement, {"before": before}).rowcount
    return pruned


def _named(naming: dict[str, Any]) -> Composed:
    form = sql.statement(NAMED[naming["form"]])
    return SQL(form).format(table=Identifier("store", naming["relation"]), column=Identifier(naming["referring"]))
