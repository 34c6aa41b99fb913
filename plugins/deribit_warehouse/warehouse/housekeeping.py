"""What grows with time and is not market data: findings that are closed, what failed tasks said, and load records and
validations that nothing names any more. And how large everything is."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from . import sql

OLD = {"quarantine": "housekeeping/prune_quarantine", "run_failure": "housekeeping/prune_run_failure"}
"""What takes away which record whatever names it, by its table; what they name comes after them."""

UNNAMED = {"ingestion": "housekeeping/unnamed_ingestion", "validation": "housekeeping/unnamed_validation"}
"""What finds the records that nothing names, by their table."""

STATEMENTS = {"ingestion": "housekeeping/prune_ingestion", "validation": "housekeeping/prune_validation"}
"""What takes away some of them, by their table."""

SLICE = 10_000
"""How many records a transaction deletes at most: for each Postgres looks into every table that refers to it."""

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
    validations of before it that nothing names, a slice a transaction: {table: rows}. The caller has no transaction.

    What names one is asked of the database itself, so that a new table is not forgotten. It is asked once, and without
    a lock of publication, because what nothing names is never named again: a row gets a record's number in the
    transaction that makes the record, or from a row that has it. Only rows that are published are copied from, by who
    shares the lock of decisions or has it alone; and rows that were published are deleted by who has it alone. So none
    goes before its copy is there. Until it is deleted such a row keeps its numbers, whatever is decided on it (shown).
    """
    pruned = {
        record: sql.in_slices(connection, SLICE, partial(sql.run, connection, name, before=before, most=SLICE))
        for record, name in OLD.items()
    }
    for record, name in STATEMENTS.items():
        with connection.transaction():
            _find_unnamed(connection, record, before)
        pruned[record] = sql.in_slices(connection, SLICE, partial(sql.run, connection, name, most=SLICE))
    return pruned


def _find_unnamed(connection: Connection, record: str, before: datetime) -> None:
    """Notes for this session which records of a table nothing names."""
    naming = sql.rows(connection, "housekeeping/naming")
    named = SQL(" UNION ALL ").join(_named(row) for row in naming if row["named"] == record)
    sql.run(connection, "housekeeping/stage_unnamed")
    sql.run(connection, "housekeeping/empty_unnamed")
    statement = SQL(sql.statement(UNNAMED[record])).format(named=named)
    connection.execute(statement, {"before": before})


def _named(naming: dict[str, Any]) -> Composed:
    form = sql.statement(NAMED[naming["form"]])
    return SQL(form).format(table=Identifier("store", naming["relation"]), column=Identifier(naming["referring"]))
