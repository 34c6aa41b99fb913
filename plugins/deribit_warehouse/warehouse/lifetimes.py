"""Where lifetimes end that the catalogue leaves open, and what is stored beyond the end of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import CANDLE_DAY, FUNDING_RATE

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


def beyond(connection: Connection, datasets: Sequence[Dataset]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is stored beyond the lifetimes as they are known now: days that reach beyond (instrument, instrument_id,
    day, version_id, is_published, and how many minutes, n, from the minute first on, lie within) and hours of funding
    after the end of one (instrument, instrument_id, ts, version_id, is_published).

    datasets: all there are. Until the caller's transaction ends nobody decides on versions, and nothing of these
    instruments is loaded.
    """
    decide_alone(connection)
    found = _beyond(connection)
    for subject in sorted({row["subject"] for rows in found for row in rows}):
        for dataset in datasets:
            if dataset.load and dataset.table:
                lock_subject(connection, dataset.name, subject)
    return _beyond(connection) if any(found) else found


def _beyond(connection: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return sql.rows(connection, "lifetimes/days_beyond"), sql.rows(connection, "lifetimes/hours_beyond")


def take_back(
    connection: Connection, validation_id: int, days: list[dict[str, Any]], hours: list[dict[str, Any]], run_id: str,
    datasets: Sequence[Dataset],
) -> None:  # fmt: skip
    """Takes back what lies beyond the lifetimes, in the caller's transaction, with what was computed from it. A day
    that only reaches beyond gets a version that is cut, published where the day was: all that is left of it has passed.

    days, hours: of beyond(). datasets: all there are.
    """
    for table, column, found in ((CANDLE_DAY, "day", days), (FUNDING_RATE, "ts", hours)):
        versions = [(each["instrument_id"], each[column], each["version_id"]) for each in found]
        # compared with nothing: should it lie within a lifetime again, it is to be validated
        hold(connection, table, validation_id, versions, datasets, [(None,) * len(table.noted)] * len(versions))
    # what is not published is newer
    for is_published in (True, False):
        if cut := [d for d in days if d["n"] and d["is_published"] == is_published]:
            sql.run(
                connection, "lifetimes/cut_days", is_published=is_published, validation_id=validation_id, run_id=run_id,
                instrument_ids=[d["instrument_id"] for d in cut], days=[d["day"] for d in cut],
                version_ids=[d["version_id"] for d in cut], firsts=[d["first"] for d in cut], ns=[d["n"] for d in cut],
            )  # fmt: skip
