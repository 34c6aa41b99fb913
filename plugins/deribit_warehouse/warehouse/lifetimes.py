"""Where lifetimes end that the catalogue leaves open, and what is stored beyond the end of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from deribit_warehouse.dataset import Dataset

from . import sql
from .ingestion import lock_subject
from .publication import decide_alone, hold


def open_perpetuals(connection: Connection, currencies: list[str]) -> list[dict[str, Any]]:
    """Perpetuals the catalogue knows no end of: instrument_id, instrument, listed_at and ends_at, the end that was
    found (UTC) or None."""
    return sql.rows(connection, "lifetimes/open_perpetuals", currencies=currencies)


def record_delisting(
    connection: Connection, instrument_id: int, ends_at: datetime, last_hour: datetime | None, reason: str
) -> bool:
    """Keeps where a lifetime was found to end, and its newest funded hour if there is one; whether that is news."""
    return bool(sql.run(
        connection, "lifetimes/record_delisting", instrument_id=instrument_id, ends_at=ends_at, last_hour=last_hour,
        reason=reason,
    ))  # fmt: skip


def undo_delisting(connection: Connection, instrument_id: int) -> bool:
    """Opens a lifetime again; whether it had an end."""
    return bool(sql.run(connection, "lifetimes/undo_delisting", instrument_id=instrument_id))


def beyond(connection: Connection, datasets: Sequence[Dataset]) -> dict[str, list[dict[str, Any]]]:
    """What is stored outside the lifetimes as they are known now: {name of a dataset: versions}.

    A version has the label of its instrument, its subject, the values of its table's key, version_id, is_published and
    `at`, an instant (UTC) that it tells of; a day of arrays also n, how many of its minutes lie within the lifetime,
    from minute `first` of the day on.

    datasets: all there are. Until the caller's transaction ends nobody decides on versions, and nothing of these
    instruments is loaded.
    """
    decide_alone(connection)
    found = _beyond(connection, datasets)
    for subject in sorted({row["subject"] for rows in found.values() for row in rows}):
        for dataset in datasets:
            if dataset.load and dataset.table:
                lock_subject(connection, dataset.name, subject)
    return _beyond(connection, datasets) if found else found


def _beyond(connection: Connection, datasets: Sequence[Dataset]) -> dict[str, list[dict[str, Any]]]:
    found = {
        dataset.name: sql.rows(connection, f"datasets/{dataset.sql}/beyond", **dataset.parameters)
        for dataset in datasets if dataset.has_lifetimes
    }  # fmt: skip
    return {name: rows for name, rows in found.items() if rows}


def take_back(
    connection: Connection, validation_id: int, found: Mapping[str, list[dict[str, Any]]], run_id: str,
    datasets: Sequence[Dataset],
) -> None:  # fmt: skip
    """Takes back what lies outside the lifetimes, in the caller's transaction, with what was computed from it. Of a day
    of arrays that lies outside in part a version is added that is cut to the lifetime, published where the day was:
    all that is left of it has passed.

    found: of beyond(). datasets: all there are.
    """
    for dataset in datasets:
        table, rows = dataset.table, found.get(dataset.name)
        if table is None or not rows:
            continue
        versions = [(*(row[column] for column in table.key), row["version_id"]) for row in rows]
        # compared with nothing: should it lie within a lifetime again, it is to be validated
        notes = [(None,) * len(table.noted)] * len(versions) if table.noted else []
        hold(connection, table, validation_id, versions, datasets, notes)
        # what is not published is newer
        for is_published in (True, False):
            if cut := [row for row in rows if row.get("n") and row["is_published"] == is_published]:
                sql.run(
                    connection, f"datasets/{dataset.sql}/cut", is_published=is_published, validation_id=validation_id,
                    run_id=run_id, instrument_ids=[row["instrument_id"] for row in cut],
                    days=[row["day"] for row in cut], version_ids=[row["version_id"] for row in cut],
                    firsts=[row["first"] for row in cut], ns=[row["n"] for row in cut],
                )  # fmt: skip
