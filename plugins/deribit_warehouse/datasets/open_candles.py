"""Candles of one instrument of days that are not closed yet, as both datasets of candles are collected live."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Window

if TYPE_CHECKING:
    import numpy as np
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)

MINUTE = 60_000  # ms
SETTLED_AFTER = 5 * MINUTE
"""How long before the end of what is asked for a minute that does not come may still come: the chart is behind the
clock by what nobody knows. Older ones are missing."""


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the minutes of a window, in one transaction: (Ingested, requests).

    Nothing is asked where another run is at the same instrument: it does the same. The lock is held from before the
    question until the answer is stored, so that of two answers the later one counts.
    """
    from deribit_warehouse.warehouse.day_arrays import store_open_candles
    from deribit_warehouse.warehouse.ingestion import Ingested, try_lock

    with connection.transaction():
        if not try_lock(connection, provenance):
            log.info("%s: another run is at it", window.subject)
            return Ingested(), 0
        candles = exchange.candles(window.instrument, window.begins_ms, window.ends_ms, prompt=True)
        answered_until = settled_until(candles.present, candles.start, candles.end)
        stored = store_open_candles(connection, window.listed_id, candles, provenance, answered_until)
    if stored.corrected:
        log.warning("%s: the exchange corrected %d minutes", window.subject, stored.corrected)
    return stored, candles.requests


def settled_until(present: np.ndarray, start: int, end: int) -> int:
    """Until when the exchange has answered for the minutes [start, end), ms: to the end of the newest that came, or to
    SETTLED_AFTER before the end. present: bool, shape (minutes,)."""
    newest = present.nonzero()[0]
    told = start + (int(newest[-1]) + 1) * MINUTE if len(newest) else start
    return max(told, end - SETTLED_AFTER, start)
