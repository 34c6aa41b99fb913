"""Publication: the same columns in every table (state, validation_id, shown), and the same statements for all of them.

Published data stays visible until something newer has passed. Data that is found bad leaves at once, and with it what
was computed from it. Replaced versions are kept for a time, so that it can be queried what was published when.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import partial
from itertools import count
from typing import Any

from psycopg import Connection
from psycopg.errors import LockNotAvailable

from deribit_warehouse.dataset import Dataset, Table

from . import sql
from .ingestion import Provenance

log = logging.getLogger(__name__)

Version = tuple[Any, ...]
"""The values of a table's key and version_id."""

SLICE = 5_000
"""How many versions a transaction deletes at most, in which nobody publishes."""


def publish(
    connection: Connection, table: Table, validation_id: int, versions: Sequence[Version],
    notes: Sequence[tuple[Any, ...]] = (),
) -> int:  # fmt: skip
    """Publishes versions that passed, in the caller's transaction; returns how many were not published before.

    notes: for each version the values of table.noted, which a validation records besides its state; they are updated
    for versions that were decided on before, too. A version that is older than the published one, or was replaced since
    it was validated, is left alone.
    """
    values = _values(table, versions, notes or [(None,) * len(table.noted)] * len(versions))
    published = _run(connection, "publication/publish", table, validation_id=validation_id, **values)
    _note(connection, table, versions, notes)
    return published


def hold(
    connection: Connection, table: Table, validation_id: int, versions: Sequence[Version], datasets: Sequence[Dataset],
    notes: Sequence[tuple[Any, ...]] = (),
) -> tuple[int, int]:  # fmt: skip
    """Holds versions back that broke a rule, in the caller's transaction; returns how many were not held back before,
    and how many of those were published until now.

    What was computed from those leaves the views with them, in the order of the datasets (all there are). notes: as in
    publish().
    """
    if not versions:
        return 0, 0
    exclude_computation(connection, table, datasets)
    values = {**_values(table, versions), "validation_id": validation_id}
    [held] = sql.fetch(connection, sql.composed("publication/hold", table), values)
    for dataset in _computed_from(table, datasets):
        sql.run(connection, f"datasets/{dataset.sql}/withdraw", validation_id=validation_id, **dataset.parameters)
    _note(connection, table, versions, notes)
    return held["held"], held["taken_back"]


def block(
    connection: Connection, table: Table, validation_id: int, versions: Sequence[Version],
    notes: Sequence[tuple[Any, ...]] = (),
) -> None:  # fmt: skip
    """Records which validation blocked the interval of these versions, in the caller's transaction. They stay pending,
    but no run validates them again by itself until what they were compared with changes. notes: as in publish()."""
    _run(connection, "publication/block", table, validation_id=validation_id, **_values(table, versions))
    _note(connection, table, versions, notes)


def hold_computed(
    connection: Connection, dataset: Dataset, validation_id: int, rows: Sequence[tuple[Any, ...]],
    is_held: Sequence[bool],
) -> int:  # fmt: skip
    """Holds back what is computed when it is read and did not pass, or lets it go again, in the caller's transaction;
    returns how many rows that changes.

    rows: the values of dataset.computed_from. is_held: whether each is held back. validation_id: of the inputs.
    """
    values = {f"{column}s": [row[i] for row in rows] for i, column in enumerate(dataset.computed_from)}
    return sql.run(
        connection, f"datasets/{dataset.sql}/hold", validation_id=validation_id, is_held=list(is_held), **values,
        **dataset.parameters,
    )  # fmt: skip


def wait(connection: Connection, table: Table, versions: Sequence[Version]) -> None:
    """Records, in the caller's transaction, that pending versions wait for the data they are compared with."""
    if versions:
        _run(connection, "publication/wait", table, **_values(table, versions))


def compute(
    connection: Connection, dataset: Dataset, begins: date | None, ends: date | None, provenance: Provenance
) -> int:
    """Adds a version for every day in [begins, ends) (None: all there are) whose published inputs are not those of its
    newest version; returns how many. In the caller's transaction: until its end no input is taken back, and no other
    transaction computes this dataset."""
    share_decisions(connection)
    _lock(connection, "computation", shared=True)
    compute_alone(connection, dataset)
    values = {**provenance.values(), **dataset.parameters, "from": begins, "to": ends}
    return sql.run(connection, f"datasets/{dataset.sql}/compute", **values)


def pending(
    connection: Connection, dataset: Dataset, begins: date | None = None, ends: date | None = None, *,
    by_hand: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Months (month, first_day, last_day, days) of a dataset with days that can be validated now, oldest first: what
    their newest version waited for is there, or it was compared with other versions than are stored now.

    begins, ends: days [begins, ends) or None. by_hand: include days that a validation blocked, and days that were
    loaded and not validated yet, which is normally done by the run that loads them.
    """
    values = {"dataset": dataset.name, "from": begins, "to": ends, "by_hand": by_hand}
    return sql.fetch(connection, sql.wrapped("publication/pending", pending=f"datasets/{dataset.sql}/pending"), values)


def months(
    connection: Connection, table: Table, begins: date | None = None, ends: date | None = None
) -> list[dict[str, Any]]:
    """Months (month, first_day, last_day, days) with versions in a table whose key has a day, whether they wait or not,
    oldest first. begins, ends: days [begins, ends) or None."""
    return sql.fetch(connection, sql.composed("publication/months", table), {"from": begins, "to": ends})


def prune(connection: Connection, kept_from: datetime, datasets: Iterable[Dataset]) -> dict[str, int]:
    """Deletes what was replaced before an instant, a slice a transaction: {dataset's table: versions}. What was
    published before it can't be asked any more, from before the first of it is deleted. The caller has no
    transaction."""
    with connection.transaction():
        decide_alone(connection)
        sql.run(connection, "publication/retain", kept_from=kept_from)
    # what was computed goes first: an input is kept as long as something names it
    tables = {dataset.table.name: dataset.table for dataset in reversed(list(datasets)) if dataset.table}

    def prune_slice(table: Table) -> int:
        decide_alone(connection)
        return _run(connection, "publication/prune", table, kept_from=kept_from, most=SLICE)

    return {name: sql.in_slices(connection, SLICE, partial(prune_slice, table)) for name, table in tables.items()}


def compute_alone(connection: Connection, dataset: Dataset, days: Iterable[date] | None = None) -> None:
    """Takes the lock of a computed dataset, to the end of the transaction. Who gets it reads in its next statement what
    everybody who had it before has committed: of two transactions that publish an input each, the later one sees
    both. days: of what is computed from inputs of the same moment, its locks of these days alone: so those who are at
    other days don't wait."""
    for name in [dataset.name] if days is None else [f"{dataset.name} {day}" for day in sorted(set(days))]:
        _lock(connection, name)


def share_decisions(connection: Connection) -> None:
    """Takes the shared lock of decisions, to the end of the transaction. A transaction that validates takes it before
    it reads the profile. Several may hold it, but not together with one that decides alone; Airflow's pools keep two of
    the same dataset apart."""
    _lock(connection, "decisions", shared=True)


def decide_alone(connection: Connection) -> None:
    """Takes the exclusive lock of decisions, to the end of the transaction. A transaction that takes back or deletes
    versions without having validated them takes it before it reads them.

    Who waits for it makes everybody wait behind it, live minutes too, for as long as the longest publication lasts. So
    it gives up after a second, leaves the others as much time, and asks again for twice as long.
    """
    for seconds in (2**n for n in count()):
        try:
            with connection.transaction():
                before = _set_lock_timeout(connection, f"{seconds}s")
                _lock(connection, "decisions")
                _set_lock_timeout(connection, before)
                return
        except LockNotAvailable:
            log.info("others publish: the lock of decisions is asked for again in %d s", seconds)
            time.sleep(seconds)


def _set_lock_timeout(connection: Connection, value: str) -> str:
    return sql.row(connection, "publication/lock_timeout", value=value)["before"]


def exclude_computation(connection: Connection, table: Table, datasets: Iterable[Dataset]) -> None:
    """Takes the exclusive lock of computation, to the end of the transaction, if something is computed from this table.
    A transaction that is going to take back such versions takes it, so that none is used for a computation meanwhile.
    It has to be taken before the validation is recorded, so that as_of shows them leaving when that validation says."""
    if _computed_from(table, datasets):
        _lock(connection, "computation")


def _computed_from(table: Table, datasets: Iterable[Dataset]) -> list[Dataset]:
    """The datasets that are computed from versions of a table, directly or not, in their order."""
    from_here: set[str] = {dataset.name for dataset in datasets if dataset.table == table}
    found = []
    for dataset in datasets:
        if from_here & set(dataset.inputs):
            from_here.add(dataset.name)
            found.append(dataset)
    return found


def _lock(connection: Connection, what: str, *, shared: bool = False) -> None:
    sql.rows(connection, "publication/lock", what=what, shared=shared)


def _run(connection: Connection, name: str, table: Table, **values: Any) -> int:
    with connection.cursor() as cursor:
        return cursor.execute(sql.composed(name, table), values).rowcount


def _note(connection: Connection, table: Table, versions: Sequence[Version], notes: Sequence[tuple[Any, ...]]) -> None:
    if notes:
        _run(connection, "publication/note", table, **_values(table, versions, notes))


def _values(table: Table, versions: Sequence[Version], notes: Sequence[tuple] = ()) -> dict[str, list]:
    columns = [*table.key, "version_id"]
    values = {f"{column}s": [v[i] for v in versions] for i, column in enumerate(columns)}
    return values | {f"{column}s": [n[i] for n in notes] for i, column in enumerate(table.noted)}
