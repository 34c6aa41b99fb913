"""Where lifetimes end that the catalogue leaves open, and what is stored beyond the end of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from deribit_warehouse.datasets import CANDLE_DAY, FUNDING_RATE

from . import sql
from .publication import hold


def open_perpetuals(connection: Connection, currencies: list[str]) -> list[dict[str, Any]]:
    """Perpetuals the catalogue knows no end of: instrument_id, instrument, listed_at and ends_at, the end that was
    found (UTC) or None."""
    return sql.rows(connection, "load/open_perpetuals", currencies=currencies)


def record_delisting(
    connection: Connection, instrument_id: int, ends_at: datetime, last_hour: datetime | None, reason: str
) -> bool:
    """Keeps where a lifetime was found to end, and its newest funded hour if there is one; whether that is news."""
    return bool(sql.run(
        connection, "load/record_delisting", instrument_id=instrument_id, ends_at=ends_at, last_hour=last_hour,
        reason=reason,
    ))  # fmt: skip


def undo_delisting(connection: Connection, instrument_id: int) -> bool:
    """Opens a lifetime again; whether it had an end."""
    return bool(sql.run(connection, "load/undo_delisting", instrument_id=instrument_id))


def days_beyond(connection: Connection) -> list[dict[str, Any]]:
    """Stored days that reach beyond the lifetimes as they are known now: instrument, instrument_id, day, version_id,
    is_published, and how many minutes (n, from the minute first on) lie within."""
    return sql.rows(connection, "load/days_beyond")


def hours_beyond(connection: Connection) -> list[dict[str, Any]]:
    """Hours of funding after the end of a lifetime: instrument, instrument_id, ts, version_id, is_published."""
    return sql.rows(connection, "load/hours_beyond")


def take_back(
    connection: Connection, validation_id: int, days: list[dict[str, Any]], hours: list[dict[str, Any]], run_id: str
) -> None:
    """Takes back what lies beyond the lifetimes, in the caller's transaction, with what was computed from it. A day
    that only reaches beyond gets a version that is cut, published where the day was: all that is left of it has passed.

    days, hours: of days_beyond and hours_beyond.
    """
    hold(connection, CANDLE_DAY, validation_id, [(d["instrument_id"], d["day"], d["version_id"]) for d in days])
    hold(connection, FUNDING_RATE, validation_id, [(h["instrument_id"], h["ts"], h["version_id"]) for h in hours])
    # what is not published is newer
    for is_published in (True, False):
        if cut := [d for d in days if d["n"] and d["is_published"] == is_published]:
            sql.run(
                connection, "load/cut_days", is_published=is_published, validation_id=validation_id, run_id=run_id,
                instrument_ids=[d["instrument_id"] for d in cut], days=[d["day"] for d in cut],
                version_ids=[d["version_id"] for d in cut], firsts=[d["first"] for d in cut], ns=[d["n"] for d in cut],
            )  # fmt: skip
