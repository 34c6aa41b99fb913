"""The volatility index (DVOL) of BTC and ETH, hourly, from 2021-03-24: what options say of the next thirty days."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Dataset, Table, Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

VOLATILITY_INDEX_HOUR = Table(
    "volatility_index", {"currency": "text", "ts": "timestamptz"},
    values={**dict.fromkeys(("open", "high", "low", "close"), "float8"), "duplicate": "boolean"},
)  # fmt: skip


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the hours that begin in a window, in one transaction that begins before they are asked for: (Ingested,
    requests)."""
    import numpy as np

    from deribit_warehouse.warehouse.ingestion import lock_months
    from deribit_warehouse.warehouse.rows import instants, store_rows

    with connection.transaction():
        lock_months(connection, provenance, window.begins, window.ends)
        found = exchange.volatility(window.subject, window.begins_ms, window.ends_ms)
        columns = {
            "currency": [window.subject] * len(found.timestamp), "ts": instants(found.timestamp),
            "duplicate": np.isin(found.timestamp, found.duplicate).tolist(),
            **{name: getattr(found, name).tolist() for name in ("open", "high", "low", "close")},
        }  # fmt: skip
        return store_rows(connection, VOLATILITY_INDEX_HOUR, columns, provenance), found.requests


VOLATILITY_INDEX = Dataset(
    name="volatility_index", keys=("currency", "ts"), day="ts", table=VOLATILITY_INDEX_HOUR, load=load,
    since=datetime(2021, 3, 24, tzinfo=UTC),
    catalogue="",  # there is no instrument
)  # fmt: skip
