"""How fresh what is published is, and the one word a monitor is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import Connection

from . import sql

OK, LATE, STALE, UNKNOWN = "ok", "late", "stale", "unknown-database"
"""Of the whole database: everything is where it should be (or not due yet); something missed its warning target; its
error target; the database can't be asked, or collects nothing yet."""

HEALTHY = (OK, LATE)
"""The words with which nobody has to get up."""

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 4

Row = dict[str, Any]


def connected(dsn: str = "", *, seconds: int = STATEMENT_SECONDS, **parts: Any) -> Connection:
    """A connection that only reads and gives up soon, for what is asked every few seconds. dsn: a libpq connection
    string; parts: its parameters; seconds: the longest a statement may take. Raises psycopg.Error."""
    options = f"-c timezone=UTC -c default_transaction_read_only=on -c statement_timeout={seconds}s"
    return psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, options=options, **parts)


def freshness(connection: Connection) -> list[Row]:
    """A row a dataset: dataset, state, instruments (those that have not ended), late, stale and none_yet (how many of
    them), newest, oldest and published_at, behind (the three that are longest behind, or None)."""
    return sql.rows(connection, "report/freshness")


def word(rows: Iterable[Row]) -> str:
    """What a monitor is told of the datasets' rows: one of OK, LATE, STALE, UNKNOWN."""
    states = {row["state"] for row in rows}
    if not states:
        return UNKNOWN
    return STALE if "stale" in states else LATE if "late" in states else OK


def behind(rows: Iterable[Row]) -> str:
    """What is late or stale, a sentence a dataset; empty when nothing is. It holds no age, so it stays as it is until
    something changes."""
    return " ".join(
        f"{row['dataset']} {row['state']}: {row['late'] + row['stale']} of {row['instruments']}, longest "
        f"{', '.join(row['behind'])}; oldest row {moment(row['oldest'])}, newest {moment(row['newest'])}."
        for row in rows
        if row["behind"]
    )


def moment(at: Any) -> str:
    """A time in UTC to the minute; "none" for none."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "none"


def coverage(connection: Connection) -> list[Row]:
    """A row a dataset and one of the newest twelve closed months: instruments, expected, present, published, missing
    (minutes; of funding and others what they are counted in)."""
    return sql.rows(connection, "report/covered_months")


def condition(connection: Connection) -> list[Row]:
    """A row a dataset and one of the last 35 days of which something is expected: condition, expected, published, held,
    pending, missing, why."""
    return sql.rows(connection, "report/condition")
