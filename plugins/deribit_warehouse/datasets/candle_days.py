"""Candles of one instrument, as both datasets of candles are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the candles of a window, in one transaction: (Ingested, requests)."""
    from deribit_warehouse.warehouse.day_arrays import store_candles

    candles = exchange.candles(window.instrument, window.begins_ms, window.ends_ms)
    with connection.transaction():
        return store_candles(connection, window.listed_id, candles, provenance), candles.requests
