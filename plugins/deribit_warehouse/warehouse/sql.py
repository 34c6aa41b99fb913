"""The statements: files in include/sql, named by their path without the ending."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import Composed

FOLDER = Path(__file__).resolve().parents[3] / "include" / "sql"


@cache
def statement(name: str) -> LiteralString:
    """The text of a statement, such as ``load/merge_candle_day``. Raises FileNotFoundError for an unknown name."""
    return cast(LiteralString, (FOLDER / f"{name}.sql").read_text())


def rows(connection: Connection, name: str, /, **values: Any) -> list[dict[str, Any]]:
    """Runs a statement with bound values and returns its rows, a dict each."""
    return fetch(connection, statement(name), values)


def fetch(connection: Connection, query: LiteralString | Composed, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a statement's text, a dict each."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()


def row(connection: Connection, name: str, /, **values: Any) -> dict[str, Any]:
    """Runs a statement that answers with one row. Raises LookupError when there is none."""
    found = rows(connection, name, **values)
    if not found:
        raise LookupError(f"{name} answered no row for {values}")
    return found[0]


def run(connection: Connection, name: str, /, **values: Any) -> int:
    """Runs a statement that answers nothing and returns how many rows it touched."""
    with connection.cursor() as cursor:
        return cursor.execute(statement(name), values or None).rowcount
