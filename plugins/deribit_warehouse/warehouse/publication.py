"""Publication: the same columns in every table (state, validation_id, shown), and the same statements for all of them.

What is published stays visible until something newer has passed. What is found bad leaves at once, and with it what was
computed from it. Replaced versions are kept for a time, so that what was published at a moment can be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from deribit_warehouse.datasets import DATASETS, Dataset, Table

from . import sql
from .ingestion import Provenance, lock_subject

Version = tuple[Any, ...]
"""The values of a table's key and version_id."""


def publish(
    connection: Connection, table: Table, validation_id: int, versions: Sequence[Version],
    notes: Sequence[tuple[Any, ...]] = (),
) -> int:  # fmt: skip
    """Publishes versions that passed, in the caller's transaction; returns how many were not published before.

    notes: for each version the values of table.noted, what a validation says of it beside its state; of versions that
    were published before they are brought up to date. A version that is older than what is published, or was replaced
    since it was validated, is left alone.
    """
    values = _values(table, versions, notes or [(None,) * len(table.noted)] * len(versions))
    published = _run(connection, "publication/publish", table, validation_id=validation_id, **values)
    if notes:
        _run(connection, "publication/note", table, **values)
    return published


def hold(connection: Connection, table: Table, validation_id: int, versions: Sequence[Version]) -> int:
    """Holds versions back that broke a rule, in the caller's transaction; returns how many were published until now.

    What was computed from those leaves the views with them. The caller's transaction excludes every computation from
    here to its end.
    """
    if not versions:
        return 0
    exclude_computation(connection)
    statement = _composed("publication/hold", table)
    with connection.cursor() as cursor:
        [taken_back] = cursor.execute(
            statement, {**_values(table, versions), "validation_id": validation_id}
        ).fetchone()
    for dataset in DATASETS:
        if dataset.computed:
            sql.run(connection, f"{dataset.sql}/withdraw", validation_id=validation_id)
    return taken_back


def block(connection: Connection, table: Table, validation_id: int, versions: Sequence[Version]) -> None:
    """Says which validation blocked the interval that versions lie in, in the caller's transaction: they stay pending,
    but nothing takes them up again by itself."""
    _run(connection, "publication/block", table, validation_id=validation_id, **_values(table, versions))


def compute(
    connection: Connection, dataset: Dataset, begins: date | None, ends: date | None, provenance: Provenance
) -> int:
    """Adds a version for every day in [begins, ends) (None: all there are) whose published inputs are not those of its
    newest version; returns how many. In the caller's transaction, which excludes every other computation and every
    taking back of inputs to its end."""
    exclude_computation(connection)
    return sql.run(
        connection, f"{dataset.sql}/compute", **provenance.values(), **{"from": begins, "to": ends}
    )  # fmt: skip


def pending(
    connection: Connection, table: Table, begins: date | None = None, ends: date | None = None, *,
    blocked: bool = False, again: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Months (month, first_day, last_day, days) with versions that wait to be validated, oldest first.

    begins, ends: days [begins, ends) or None. blocked: also those that a validation blocked. again: all that have
    versions, whether they wait or not.
    """
    values = {"from": begins, "to": ends, "blocked": blocked, "again": again}
    return sql.fetch(connection, _composed("publication/pending", table), values)


def prune(connection: Connection, kept_from: datetime) -> dict[str, int]:
    """Deletes what was replaced before an instant, in the caller's transaction: {dataset's table: versions}. What was
    published before it can't be asked any more."""
    exclude_computation(connection)
    sql.run(connection, "publication/retain", kept_from=kept_from)
    # what was computed goes first: an input is kept as long as something names it
    tables = {d.table.name: d.table for d in sorted(DATASETS, key=lambda d: not d.computed) if d.table}
    return {name: _run(connection, "publication/prune", table, kept_from=kept_from) for name, table in tables.items()}


def exclude_computation(connection: Connection) -> None:
    """One transaction at a time computes from published versions or takes them back: neither misses the other."""
    lock_subject(connection, "publication", "computed")


def _run(connection: Connection, name: str, table: Table, **values: Any) -> int:
    with connection.cursor() as cursor:
        return cursor.execute(_composed(name, table), values).rowcount


def _values(table: Table, versions: Sequence[Version], notes: Sequence[tuple] = ()) -> dict[str, list]:
    columns = [*table.key, "version_id"]
    values = {f"{column}s": [v[i] for v in versions] for i, column in enumerate(columns)}
    return values | {f"{column}s": [n[i] for n in notes] for i, column in enumerate(table.noted)}


def _composed(name: str, table: Table) -> Composed:
    """A statement of include/sql/publication for a table."""
    noted = table.noted if name in ("publication/publish", "publication/note") else {}
    types = {**table.key, "version_id": "bigint", **noted}

    def listed(columns, alias: str = "") -> Composed:
        return SQL(", ").join([Identifier(alias, c) if alias else Identifier(c) for c in columns])

    def same(one: str, other: str) -> Composed:
        return SQL(" AND ").join([SQL("{} = {}").format(Identifier(one, c), Identifier(other, c)) for c in table.key])

    def noted_from(alias: str, lead: str) -> Composable:
        if not noted:
            return SQL("")
        return SQL(lead) + SQL(", ").join([SQL("{} = {}").format(Identifier(c), Identifier(alias, c)) for c in noted])

    arrays = SQL(", ").join([SQL("{}::{}[]").format(Placeholder(f"{c}s"), SQL(t)) for c, t in types.items()])
    return SQL(sql.statement(name)).format(
        table=Identifier("store", table.name), key=listed(table.key), columns=listed(types), arrays=arrays,
        noted_of_k=SQL(", ") + listed(noted, "k") if noted else SQL(""),
        noted_from_p=noted_from("p", ", "), noted_from_k=noted_from("k", ""),
        noted_t=listed(noted, "t"), noted_k=listed(noted, "k"),
        same_t_p=same("t", "p"), same_t_b=same("t", "b"), same_t_k=same("t", "k"), same_n_t=same("n", "t"),
        unnamed=_unnamed(table),
    )  # fmt: skip


def _unnamed(table: Table) -> Composable:
    """Where a version is named by nothing that was computed from it."""
    if not table.named_in:
        return SQL("true")
    columns = [*table.key, "version_id"]
    return SQL("NOT EXISTS (SELECT FROM {} c WHERE {})").format(
        Identifier("store", table.named_in),
        SQL(" AND ").join([SQL("{} = {}").format(Identifier("c", c), Identifier("t", c)) for c in columns]),
    )
