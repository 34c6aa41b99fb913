"""The memory of tasks that wait, because a waiting task has no process to remember anything."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from . import sql
from .ingestion import lock_subject


def wait(
    connection: Connection, attempt: UUID, awaited: str, *, dag_id: str, run_id: str, task_id: str, map_index: int,
    label: str, cause: str, finished: Collection[int],
) -> tuple[datetime, datetime]:  # fmt: skip
    """Remembers that an attempt has asked in vain; returns (since when it waits, now), UTC.

    finished: instrument ids the attempt need not ask for again.
    """
    found = sql.row(
        connection, "waiting/wait", attempt=attempt, awaited=awaited, dag_id=dag_id, run_id=run_id, task_id=task_id,
        map_index=map_index, label=label, cause=cause, finished=sorted(finished),
    )  # fmt: skip
    return found["since"], found["now"]


def set_next(connection: Connection, attempt: UUID, awaited: str, next_at: datetime) -> None:
    """Says when an attempt will ask again."""
    sql.run(connection, "waiting/set_next", attempt=attempt, awaited=awaited, next_at=next_at)


def claim_notification(connection: Connection, awaited: str) -> int:
    """How many tasks wait for this when nobody was told of it yet, else 0. Whoever gets a number has to tell."""
    lock_subject(connection, "waiting", awaited)
    found = sql.row(connection, "waiting/claim_notification", awaited=awaited)
    return 0 if found["notified"] else found["tasks"]


def finished(connection: Connection, attempt: UUID) -> set[int]:
    """The instrument ids an attempt was done with before it waited."""
    return {found["instrument_id"] for found in sql.rows(connection, "waiting/finished", attempt=attempt)}


def resume(connection: Connection, attempt: UUID) -> None:
    """Forgets what an attempt waited for."""
    sql.run(connection, "waiting/resume", attempt=attempt)
