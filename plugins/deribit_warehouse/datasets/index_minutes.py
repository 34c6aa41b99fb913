"""The true index, minute by minute, which the exchange tells for eight hours and never again. It is validated with the
index it becomes part of."""

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
    """Keeps the minutes that a perpetual's funding chart still tells of its index, in one transaction: (Ingested,
    requests)."""
    from deribit_warehouse.warehouse.index import store_chart

    chart = exchange.funding_chart(window.instrument)
    with connection.transaction():
        stored = store_chart(connection, chart.timestamp, chart.index_price, provenance)
    log.info("%s: %d points, %s", window.subject, len(chart.timestamp), stored)
    return stored, 1


INDEX_MINUTES = Dataset(
    name="index_minutes", load=load, snapshot=True, catalogue=False, bucket="live",
    # the next run, four hours after this one, is told the same eight hours
    patience=timedelta(hours=1),
)  # fmt: skip
