"""The state of every perpetual and dated future at each beat: mark, index, open interest, volume, quotes and
funding."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from deribit_warehouse import settings
from deribit_warehouse.dataset import Dataset, Table, Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)

COLUMNS = {
    "mark_price": "mark_price", "index_price": "estimated_delivery_price", "bid_price": "bid_price",
    "ask_price": "ask_price", "last_price": "last", "open_interest": "open_interest", "volume": "volume",
    "current_funding": "current_funding", "funding_8h": "funding_8h",
}  # fmt: skip
"""The table's columns of numbers, and what the exchange calls them."""

INSTRUMENT_SUMMARY = Table(
    "instrument_summary", {"currency": "text", "beat": "timestamptz"},
    values={
        "roster_id": "integer", "told_at": "timestamptz[]", **dict.fromkeys(COLUMNS, "float8[]"),
        "unreadable": "text[]",
    },
)  # fmt: skip


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the present state of the futures of a currency, in one transaction: (Ingested, requests)."""
    from deribit_warehouse.warehouse.ingestion import Ingested
    from deribit_warehouse.warehouse.rows import instants
    from deribit_warehouse.warehouse.snapshots import alike, beat_of, known, store_snapshot

    found = exchange.summaries(window.instrument, "future")
    for subject, cause in found.unreadable:
        log.warning("the summary of %s was left out: %s", subject, cause)
    if not found.instruments:
        log.info("%s: the exchange lists no future of it", window.subject)
        return Ingested(), 1
    seconds = settings.summary_seconds()
    beat = beat_of(found.made_at, seconds)
    part = {
        "instruments": found.instruments, "told_at": alike(instants(found.timestamp)),
        "unreadable": [f"{subject}: {cause}" for subject, cause in found.unreadable],
        **{column: known(found.values[name].tolist()) for column, name in COLUMNS.items()},
    }  # fmt: skip
    with connection.transaction():
        stored = store_snapshot(connection, INSTRUMENT_SUMMARY, [part], provenance, beat=beat, seconds=seconds)
    log.info("%s: %d futures of the beat %s: %s", window.subject, len(found.instruments), beat, stored)
    return stored, 1


INSTRUMENT_SUMMARIES = Dataset(
    name="instrument_summaries", keys=("currency", "ts"), day="ts", table=INSTRUMENT_SUMMARY, load=load, snapshot=True,
    beat=settings.summary_seconds, folded=True, catalogue="", bucket="live",
    # a load that waits longer would store the next beat
    patience=timedelta(minutes=2),
)  # fmt: skip
