"""The delivery prices of the collected currencies' indexes, daily: what contracts that expire settle at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Dataset, Table, Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

DELIVERY_PRICE = Table(
    "delivery_price", {"index_name": "text", "day": "date"}, values={"price": "float8", "duplicate": "boolean"}
)  # fmt: skip


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the delivery prices of a window's days, in one transaction that begins before they are asked for:
    (Ingested, requests)."""
    import numpy as np

    from deribit_warehouse.warehouse.ingestion import lock_months
    from deribit_warehouse.warehouse.rows import store_rows

    with connection.transaction():
        lock_months(connection, provenance, window.begins, window.ends)
        found = exchange.delivery_prices(window.subject, window.begins_ms, window.ends_ms)
        columns = {
            "index_name": [window.subject] * len(found.day),
            "day": [datetime.fromtimestamp(day * 86_400, UTC).date() for day in found.day.tolist()],
            "price": found.price.tolist(), "duplicate": np.isin(found.day, found.duplicate).tolist(),
        }  # fmt: skip
        return store_rows(connection, DELIVERY_PRICE, columns, provenance), found.requests


DELIVERY_PRICES = Dataset(
    name="delivery_prices", keys=("index_name", "day"), table=DELIVERY_PRICE, load=load,
)  # fmt: skip
