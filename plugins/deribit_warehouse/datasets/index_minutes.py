"""The true index, minute by minute, which the exchange sends for the last eight hours only. It is validated as a part
of index_prices."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Dataset, Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the minutes of the index that a perpetual's funding chart has, in one transaction that begins before it is
    asked for, so that of two charts the later one counts: (Ingested, requests)."""
    from deribit_warehouse.warehouse.index import store_chart
    from deribit_warehouse.warehouse.ingestion import lock

    with connection.transaction():
        lock(connection, provenance)  # whatever the window, a chart has the last eight hours
        chart = exchange.funding_chart(window.instrument)
        stored = store_chart(connection, chart.timestamp, chart.index_price, provenance)
    log.info("%s: %d points, %s", window.subject, len(chart.timestamp), stored)
    return stored, 1


INDEX_MINUTES = Dataset(
    name="index_minutes", load=load, snapshot=True, catalogue="", bucket="live",
    # the next run, four hours later, receives most of the same eight hours
    patience=timedelta(hours=1),
)  # fmt: skip
