"""The state of waiting tasks, kept in the database because a waiting task has no process that could keep it."""

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
    """Records that an attempt has to wait; returns (the start of the wait, now), UTC.

    finished: numbers of what the attempt has finished and need not do again.
    """
    found = sql.row(
        connection, "waiting/wait", attempt=attempt, awaited=awaited, dag_id=dag_id, run_id=run_id, task_id=task_id,
        map_index=map_index, label=label, cause=cause, finished=sorted(finished),
    )  # fmt: skip
    return found["since"], found["now"]


def set_next(connection: Connection, attempt: UUID, awaited: str, next_at: datetime) -> None:
    """Records when an attempt will be started again."""
    sql.run(connection, "waiting/set_next", attempt=attempt, awaited=awaited, next_at=next_at)


def claim_notification(connection: Connection, awaited: str) -> int:
    """How many tasks wait for this if no message about it was sent yet, else 0. A caller that gets a number has to send
    the message."""
    lock_subject(connection, "waiting", awaited)
    found = sql.row(connection, "waiting/claim_notification", awaited=awaited)
    return 0 if found["notified"] else found["tasks"]


def finished(connection: Connection, attempt: UUID) -> set[int]:
    """The numbers of what an attempt had finished before it waited."""
    return {found["instrument_id"] for found in sql.rows(connection, "waiting/finished", attempt=attempt)}


def resume(connection: Connection, attempt: UUID) -> None:
    """Deletes the record of an attempt's wait."""
    sql.run(connection, "waiting/resume", attempt=attempt)
