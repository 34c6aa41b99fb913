"""The ends of lifetimes that the catalogue leaves open, and versions that are stored outside a lifetime."""

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
    """Perpetuals without an end in the catalogue: instrument_id, instrument, label, listed_at; ends_at, the end that
    was detected, or None; is_listed, whether the live host lists it, and listed_until, when it last did, or None;
    is_active, whether no host calls it inactive. Of one that is not listed, or not active: stored_hour and
    stored_trade, the ends of the last hour of funding and of the last minute with a trade that are stored, or None.
    Times are UTC."""
    return sql.rows(connection, "lifetimes/open_perpetuals", currencies=currencies)


def record_delisting(
    connection: Connection, instrument_id: int, ends_at: datetime, last_hour: datetime | None, reason: str
) -> bool:
    """Records the end of a lifetime that was detected, and its newest hour of funding if there is one (both UTC).
    Returns whether that changed anything."""
    return bool(sql.run(
        connection, "lifetimes/record_delisting", instrument_id=instrument_id, ends_at=ends_at, last_hour=last_hour,
        reason=reason,
    ))  # fmt: skip


def undo_delisting(connection: Connection, instrument_id: int) -> bool:
    """Removes the detected end of a lifetime. Returns whether there was one."""
    return bool(sql.run(connection, "lifetimes/undo_delisting", instrument_id=instrument_id))


def beyond(connection: Connection, datasets: Sequence[Dataset]) -> dict[str, list[dict[str, Any]]]:
    """The stored versions that lie outside the lifetimes as they are known now: {name of a dataset: versions}.

    A version is a dict of instrument (its label), subject, the values of its table's key, version_id, is_published and
    `at`, an instant (UTC) of the data. For a dataset that is stored in arrays it also has n, the number of minutes of
    the day that lie within the lifetime, and `first`, the minute of the day at which these begin.

    datasets: all there are, live ones included: the live minutes of a day are shown wherever no closed day is, so they
    have to leave with it. Until the caller's transaction ends, no one else decides on versions, and nothing is loaded
    for these instruments.
    """
    decide_alone(connection)
    found = _beyond(connection, datasets)
    for subject in sorted({row["subject"] for rows in found.values() for row in rows}):
        for dataset in datasets:
            if dataset.load and dataset.table:
                lock_subject(connection, dataset.versions_of, subject)
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
    """Takes back the versions that lie outside the lifetimes, in the caller's transaction, with what was computed from
    them. For a day that lies outside only in part, a version is added that is cut to the lifetime; it is published if
    the day was, because all that is left of it has passed.

    found: what beyond() returned. datasets: as there.
    """
    # what is computed when it is read, of minutes of open days, leaves by itself
    stored = [dataset for dataset in datasets if not dataset.live]
    for dataset in datasets:
        table, rows = dataset.table, found.get(dataset.name)
        if table is None or not rows:
            continue
        versions = [(*(row[column] for column in table.key), row["version_id"]) for row in rows]
        # noted as compared with nothing, so that it is validated again if it should lie within a lifetime again
        notes = [(None,) * len(table.noted)] * len(versions) if table.noted else []
        hold(connection, table, validation_id, versions, stored, notes)
        # published versions first: those that are not published are newer
        for is_published in (True, False):
            if cut := [row for row in rows if row.get("n") and row["is_published"] == is_published]:
                sql.run(
                    connection, f"datasets/{dataset.sql}/cut", is_published=is_published, validation_id=validation_id,
                    run_id=run_id, instrument_ids=[row["instrument_id"] for row in cut],
                    days=[row["day"] for row in cut], version_ids=[row["version_id"] for row in cut],
                    firsts=[row["first"] for row in cut], ns=[row["n"] for row in cut],
                )  # fmt: skip
