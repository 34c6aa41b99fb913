"""Where lifetimes end that the catalogue leaves open, and what is stored beyond the end of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from . import sql


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


def clip_to_lifetimes(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Brings what is stored back into the lifetimes as they are known now, in the caller's transaction. Returns, by
    instrument, the published days that were cut or taken back, and the published funding hours that were."""
    days = sql.rows(connection, "load/clip_days")
    hours = sql.rows(connection, "load/clip_funding")
    return {d["instrument"]: d["days"] for d in days}, {h["instrument"]: h["hours"] for h in hours}
