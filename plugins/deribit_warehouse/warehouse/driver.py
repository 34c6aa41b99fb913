"""What every statement relies on, set on a connection that somebody else has opened."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from .sql import run


class WrongDriver(RuntimeError):
    """The connection is not one of psycopg 3."""


def ready(connection: Any) -> Connection:
    """The same connection with rows as tuples, times in UTC and the other settings of session.sql, in transactions
    that the caller ends. Raises WrongDriver, which says what to install."""
    if not isinstance(connection, Connection):
        raise WrongDriver(
            f"the market database is reached with {type(connection).__module__.partition('.')[0]}, and this package "
            "needs psycopg 3: pip install 'psycopg[binary]' 'SQLAlchemy>=2', with which Airflow's PostgresHook uses it"
        )
    connection.row_factory, connection.cursor_factory = tuple_row, Cursor
    connection.autocommit = True  # what is set in a transaction is lost when it is rolled back
    run(connection, "session")
    connection.autocommit = False
    return connection
