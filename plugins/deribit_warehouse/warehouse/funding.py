"""Hourly funding: plain rows, a version each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from psycopg import Connection

from deribit_warehouse.tables import FUNDING_RATE

from . import sql
from .ingestion import Ingested, Provenance, record_fetched
from .rows import instants, store_rows


def store_funding(
    connection: Connection,
    instrument_id: int,
    timestamp: np.ndarray,
    columns: list[np.ndarray],
    provenance: Provenance,
    duplicate: np.ndarray | None = None,
    window: tuple[int, int] | None = None,
) -> Ingested:
    """Adds the hours that differ from what is stored, in the caller's transaction.

    timestamp: hour ends in ms, int64 of shape (hours,). columns: interest_1h, interest_8h (fractions),
    index_price, prev_index_price (USD), float64 of the same shape; NaN is kept and validated by the gate. duplicate:
    the hour ends (ms) that came more than once in an answer, which the gate refuses. window: (start, end], ms, that the
    exchange answered for in full.
    """
    twice = np.isin(timestamp, [] if duplicate is None else duplicate)
    values = [*(column.tolist() for column in columns), twice.tolist()]
    rows: dict[str, list[Any]] = {"instrument_id": [instrument_id] * len(timestamp), "ts": instants(timestamp)}
    stored = store_rows(
        connection, FUNDING_RATE, rows | dict(zip(FUNDING_RATE.values, values, strict=True)), provenance
    )  # fmt: skip
    sql.run(connection, "funding/drop_untold_hours")
    if window is not None:
        record_fetched(connection, instrument_id, "funding", *window)
    return stored


def record_checksum(connection: Connection, instrument_id: int, begins: int, ends: int, value: float) -> None:
    """Keeps what the exchange says the funding of (begins, ends], ms, came to (a fraction)."""
    window = {"begins": datetime.fromtimestamp(begins / 1000, UTC), "ends": datetime.fromtimestamp(ends / 1000, UTC)}
    sql.run(connection, "funding/record_checksum", instrument_id=instrument_id, value=value, **window)


def perpetuals_without_start(connection: Connection, currencies: list[str]) -> list[dict[str, Any]]:
    """Perpetuals whose first funding hour is not known: instrument_id, instrument, not_before (the instant to look
    from), and ended, whether it has ended, or the catalogue says that it is listed no more, or as inactive."""
    return sql.rows(connection, "funding/perpetuals_without_start", currencies=currencies)


def record_start(connection: Connection, instrument_id: int, first_hour: datetime) -> None:
    """Records the first hour (its end, UTC) the exchange has of a perpetual's funding."""
    sql.run(connection, "funding/record_start", instrument_id=instrument_id, first_hour=first_hour)
