"""Candles of one instrument, as both datasets of candles are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the candles of a window, in one transaction that begins before they are asked for: (Ingested,
    requests)."""
    from deribit_warehouse.warehouse.day_arrays import store_candles
    from deribit_warehouse.warehouse.ingestion import lock_months

    with connection.transaction():
        lock_months(connection, provenance, window.begins, window.ends)
        candles = exchange.candles(window.instrument, window.begins_ms, window.ends_ms)
        return store_candles(connection, window.listed_id, candles, provenance), candles.requests
