"""Snapshots: data that the exchange sends only for the present, stored by beats. A beat is a full multiple of a number
of seconds. A row holds arrays with one element for each name of a roster, the stored list of instrument names.

A snapshot belongs to the beat that the exchange's clock shows, whichever run took it and when, so none is back-dated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from deribit_warehouse.dataset import Dataset, Table

from . import publication, sql
from .ingestion import Ingested, Provenance, lock
from .rows import store_rows

LEAD_MS = 10_000
"""How long before a beat a snapshot may have been made and still belong to it: the exchange makes a new one about every
two seconds, and a run that starts exactly at its beat receives the one before."""


def beat_of(told_at_ms: int, seconds: int) -> datetime:
    """The beat (UTC) of a snapshot that the exchange made at an instant (ms): the last full multiple of `seconds`, or
    the next one if that is less than LEAD_MS away."""
    return datetime.fromtimestamp((told_at_ms + LEAD_MS) // (seconds * 1000) * seconds, UTC)


def store_snapshot(
    connection: Connection, table: Table, parts: Sequence[Mapping[str, Any]], provenance: Provenance, *, beat: datetime,
    seconds: int,
) -> Ingested:  # fmt: skip
    """Adds a snapshot of a currency (the provenance's subject) in the caller's transaction: one row for each part.

    parts: the values of the table's columns except currency, beat and roster_id, and `instruments`, the names to which
    the elements of a part's arrays belong. seconds: from one beat to the next, as configured now. A row that is already
    stored for the beat stays, unless a validation holds it back. So running this twice, or twice at once, changes
    nothing more.
    """
    lock(connection, provenance)
    sql.run(connection, "snapshots/record_beat", dataset=provenance.dataset, beat=beat, seconds=seconds)
    own = {"currency": provenance.subject, "beat": beat}
    rows = [{**part, **own} for part in parts]
    known = sql.fetch(connection, sql.composed("snapshots/taken", table), {"subject": provenance.subject, "beat": beat})
    taken = {tuple(row.values()) for row in known}
    left = [row for row in rows if tuple(row[column] for column in table.key) not in taken]
    for row in left:
        roster = sql.row(connection, "snapshots/roster", instruments=row["instruments"], beat=beat)
        row["roster_id"] = roster["roster_id"]
    columns = {name: [row[name] for row in left] for name in (*table.key, *table.values)}
    return store_rows(connection, table, columns, provenance) + Ingested(unchanged=len(rows) - len(left))


def turn(names: Sequence[str], beat: datetime, seconds: int, most: int) -> list[str]:
    """Those of some instruments whose turn it is at a beat, at most `most`: every n-th by name, another one at the next
    beat, so that after n beats, n = ceil(instruments / most), each had its turn. seconds: from one beat to the next."""
    beats = -(-len(names) // most) or 1
    return sorted(names)[round(beat.timestamp()) // seconds % beats :: beats]


def thin(connection: Connection, dataset: Dataset, before: datetime) -> int:
    """Deletes the snapshots before a full hour except the fullest of each hour, and what was kept beside them, a day a
    transaction; returns the number of rows of snapshots. No series that was published in an hour is lost: where the
    fullest snapshot lacks one, the fullest that has it stays, too. What was published of these hours before now can't
    be asked any more: chain_at() refuses an earlier moment. The caller has no transaction."""
    deleted = 0
    while True:
        with connection.transaction():
            publication.decide_alone(connection)
            begins = sql.row(connection, "snapshots/first_unthinned", dataset=dataset.name, before=before)["begins"]
            if begins is None:
                return deleted
            next_day = begins.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            values = {
                "dataset": dataset.name, "from": begins.replace(minute=0, second=0, microsecond=0),
                "before": min(before, next_day),
            }  # fmt: skip
            with connection.cursor() as cursor:
                deleted += cursor.execute(sql.composed("snapshots/thin", dataset.versions), values).rowcount
            if dataset.versions.beside:
                connection.execute(
                    sql.composed("snapshots/drop_beside", dataset.versions), {"from": begins, "to": values["before"]}
                )
            sql.run(connection, "snapshots/record_thinned", **values)


def fold(connection: Connection, dataset: Dataset, before: datetime) -> int:
    """Stores the oldest day of before an instant that may be folded in its other form, in the caller's transaction;
    returns how many beats those were, 0 where there is no such day. The views show the same before and after, and so
    does what was published at any moment."""
    publication.decide_alone(connection)
    days = sql.rows(connection, f"datasets/{dataset.sql}/fold", before=before)
    return sum(day["beats"] for day in days)


def alike(values: Sequence[Any]) -> list[Any]:
    """The values as an array to store: reduced to one element if they are all the same."""
    return list(values[:1]) if len(set(values)) == 1 else list(values)


def known(values: Sequence[float]) -> list[float | None]:
    """The numbers as an array to store: NaN as NULL, and reduced to one element if they are all the same."""
    return alike([None if value != value else value for value in values])
