"""The daily settlements of futures and perpetuals, and the deliveries of those that expire."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Dataset, Table, Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)

NUMBERS = ("position", "mark_price", "index_price", "profit_loss", "session_profit_loss", "funding")
SETTLEMENT = Table(
    "settlement", {"instrument_id": "integer", "day": "date", "type": "text"},
    values={"settled_at": "timestamptz", **dict.fromkeys(NUMBERS, "float8"), "duplicate": "boolean"},
)  # fmt: skip


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores what was settled in a window, in one transaction that begins before it is asked for: (Ingested,
    requests)."""
    from deribit_warehouse.warehouse.ingestion import lock_months
    from deribit_warehouse.warehouse.rows import instants, store_rows

    with connection.transaction():
        lock_months(connection, provenance, window.begins, window.ends)
        found = exchange.settlements(window.instrument, window.begins_ms, window.ends_ms)
        if found.bankruptcies:
            log.warning("%s: %d bankruptcies came, which are not kept", window.instrument, found.bankruptcies)
        settled_at = instants(found.timestamp)
        columns = {
            "instrument_id": [window.instrument_id] * len(settled_at),
            "day": [instant.date() for instant in settled_at],
            "type": found.type, "settled_at": settled_at, "duplicate": found.duplicate.tolist(),
            # a number that the exchange did not send is NULL
            **{name: [x if x == x else None for x in getattr(found, name).tolist()] for name in NUMBERS},
        }  # fmt: skip
        return store_rows(connection, SETTLEMENT, columns, provenance), found.requests


SETTLEMENTS = Dataset(name="settlements", keys=("instrument", "day", "type"), table=SETTLEMENT, load=load)
