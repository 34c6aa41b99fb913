"""The SQL statements: files in include/sql, named by their path without the ending. Each folder is named after the
purpose of its statements; datasets/ has a folder for each dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from deribit_warehouse.dataset import Table

FOLDER = Path(__file__).resolve().parents[3] / "include" / "sql"


@cache
def statement(name: str) -> LiteralString:
    """The text of a statement, such as ``day_arrays/merge``. Raises FileNotFoundError for an unknown name."""
    return (
        FOLDER / f"{name}.sql"
    ).read_text()  # the files are part of the program, so the text is as safe as a literal


def composed(name: str, table: Table) -> Composed:
    """A statement that is written once for all tables, with its fragments in braces filled in for this one and all
    names quoted.

    {table} and its {stage}; the columns of its {key} ({key_of_t}: those of t), of its {values}, of both ({sent}), and
    their {definition}; the {columns} of a version (key and version_id) and the {arrays} of parameters for them; the
    same with the noted columns ({noting}, {noting_arrays}); {beside}: the table of what is kept beside it;
    {same_x_y}: the keys of x and y are equal; {unnamed}: no computed version names this one.
    """

    def listed(columns: Iterable[str], alias: str = "") -> Composed:
        return SQL(", ").join([Identifier(alias, c) if alias else Identifier(c) for c in columns])

    def each(form: str, columns: Mapping[str, str], separator: str = ", ") -> Composed:
        """One fragment for each column: {c} stands for the column, {p} for its parameter and {t} for its type."""
        filled = [SQL(form).format(c=Identifier(c), p=Placeholder(f"{c}s"), t=SQL(t)) for c, t in columns.items()]
        return SQL(separator).join(filled)

    def same(one: str, other: str, columns: Mapping[str, str] = table.key) -> Composed:
        return each(f"{one}.{{c}} = {other}.{{c}}", columns, " AND ")

    version = {**table.key, "version_id": "bigint"}
    sent, noting = {**table.key, **table.values}, {**version, **table.noted}
    unnamed: Composable = SQL("true")
    if table.named_in:
        named = SQL("NOT EXISTS (SELECT FROM {} c WHERE {})")
        unnamed = named.format(Identifier("store", table.named_in), same("c", "t", version))
    return SQL(statement(name)).format(
        table=Identifier("store", table.name), stage=Identifier(f"{table.name}_stage"), key=listed(table.key),
        key_of_t=listed(table.key, "t"),
        values=listed(table.values), values_of_s=listed(table.values, "s"), values_of_t=listed(table.values, "t"),
        sent=listed(sent), definition=each("{c} {t}", sent),
        columns=listed(version), arrays=each("{p}::{t}[]", version),
        noting=listed(noting), noting_arrays=each("{p}::{t}[]", noting), noted_of_k=listed(table.noted, "k"),
        noted_of_t=listed(table.noted, "t"), and_noted_of_k=each(", k.{c}", table.noted, ""),
        and_noted_from_p=each(", {c} = p.{c}", table.noted, ""), noted_from_p=each("{c} = p.{c}", table.noted),
        same_t_p=same("t", "p"), same_t_b=same("t", "b"), same_t_k=same("t", "k"), same_t_o=same("t", "o"),
        same_t_s=same("t", "s"), same_n_t=same("n", "t"), unnamed=unnamed, beside=Identifier("store", table.beside),
    )  # fmt: skip


def wrapped(name: str, **parts: str) -> Composed:
    """A statement that contains others: each fragment in braces is replaced by the text of the statement given for
    it."""
    return SQL(statement(name)).format(**{part: SQL(statement(inner)) for part, inner in parts.items()})


def rows(connection: Connection, name: str, /, **values: Any) -> list[dict[str, Any]]:
    """Runs a statement with bound values and returns its rows, a dict each."""
    return fetch(connection, statement(name), values)


def fetch(
    connection: Connection, query: LiteralString | Composed, values: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Runs a query and returns its rows, a dict each. values: the values to bind; None: there are none, and a % in the
    query is a literal %."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()


def row(connection: Connection, name: str, /, **values: Any) -> dict[str, Any]:
    """Runs a statement and returns its first row. Raises LookupError when there is none."""
    found = rows(connection, name, **values)
    if not found:
        raise LookupError(f"{name} answered no row for {values}")
    return found[0]


def run(connection: Connection, name: str, /, **values: Any) -> int:
    """Runs a statement that returns no rows, and returns how many rows it changed."""
    with connection.cursor() as cursor:
        return cursor.execute(statement(name), values or None).rowcount


def in_slices(connection: Connection, most: int, delete: Callable[[], int]) -> int:
    """Repeats what deletes at most so many rows, each time in a transaction of its own, until it deletes fewer; returns
    how many it deleted in all. So whoever waits for a lock gets it in between, and what is ended half way has kept what
    was done. The caller has no transaction."""
    total = 0
    while True:
        with connection.transaction():
            deleted = delete()
        total += deleted
        if deleted < most:
            return total
