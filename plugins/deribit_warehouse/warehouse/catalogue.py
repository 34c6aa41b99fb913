"""The catalogue of instruments, and the windows that plans are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from psycopg import Connection

from deribit_warehouse.dataset import Dataset, Window

from . import sql
from .ingestion import lock_subject


def store_instruments(connection: Connection, rows: Iterable[Sequence]) -> tuple[int, int]:
    """Merges one reading of the catalogue, in the caller's transaction, and returns (added, changed).

    rows: tuples in the order of catalogue/stage.sql; times as UTC datetimes, a perpetual's expiry as
    'infinity'. Nothing is ever deleted.
    """
    lock_subject(connection, "instruments", "the catalogue")
    sql.run(connection, "catalogue/stage")
    with connection.cursor().copy(sql.statement("catalogue/copy")) as copy:
        for row in rows:
            copy.write_row(row)
    merged = sql.row(connection, "catalogue/merge")
    return merged["added"], merged["changed"]


def record_reading(
    connection: Connection, currency: str, kind: str, instruments: int, run_id: str, *, host: str, expired: bool,
    unreadable: Iterable[tuple[str, str]] = (),
) -> None:  # fmt: skip
    """Records that `host` sent the listed or expired instruments of a currency and kind, and which of the rows could
    not be read: (subject, cause)."""
    question = {"currency": currency, "kind": kind, "host": host, "expired": expired}
    sql.run(connection, "catalogue/record_reading", **question, instruments=instruments, run_id=run_id)
    rows = list(unreadable)
    sql.run(
        connection, "catalogue/record_unreadable", **question,
        subjects=[r[0] for r in rows], causes=[r[1] for r in rows],
    )  # fmt: skip


def record_listed(connection: Connection, currency: str, perpetuals: Iterable[str]) -> None:
    """Records the names of all perpetuals that the live host lists in a currency, in the transaction that records the
    reading of that list: what it does not name is listed no more."""
    sql.run(connection, "catalogue/record_listed", currency=currency, instruments=sorted(perpetuals))


def record_collected(connection: Connection, currency: str, currencies: list[str], since: datetime) -> None:
    """Records that a currency is collected from an instant on, and that only the configured currencies are."""
    sql.run(connection, "catalogue/record_collected", currency=currency, currencies=currencies, since=since)


def read_at(connection: Connection, currencies: list[str]) -> dict[str, datetime]:
    """When the futures of each currency were last read in full, from both hosts; one never read is absent."""
    return {r["currency"]: r["read_at"] for r in sql.rows(connection, "catalogue/age", currencies=currencies)}


def unlisted(connection: Connection, currencies: list[str]) -> list[tuple[str, list[str]]]:
    """The currencies whose newest summary names futures or perpetuals that the catalogue lacks, or knows only as ended,
    and those: (currency, names), whose list was read longest ago first. One that was read within two minutes is left
    out, and all are while somebody waits to read the catalogue."""
    found = sql.rows(connection, "catalogue/unlisted", currencies=currencies)
    return [(row["currency"], row["names"]) for row in found]


def windows(
    connection: Connection, dataset: Dataset, begins: datetime, ends: datetime, *, currencies: list[str]
) -> list[Window]:
    """The windows to load of a dataset in an interval: each instrument's part or parts of it, clipped to its life."""
    values = {"from": begins, "to": ends, "currencies": currencies, **dataset.parameters}
    return [Window(**row) for row in sql.rows(connection, f"datasets/{dataset.sql}/plan", **values)]
