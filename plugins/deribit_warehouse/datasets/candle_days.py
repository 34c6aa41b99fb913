"""Candles of one instrument, as both datasets of candles are loaded."""

from __future__ import annotations

from deribit_warehouse.dataset import Window


def load(exchange, connection, window: Window, provenance) -> tuple:
    """Stores the candles of a window, in one transaction: (Ingested, requests)."""
    from deribit_warehouse.warehouse.candles import store_candles

    candles = exchange.candles(window.instrument, window.begins_ms, window.ends_ms)
    with connection.transaction():
        return store_candles(connection, window.instrument_id, candles, provenance), candles.requests
