"""The option chain, beat by beat: mark, mark volatility, quotes, open interest and volume of every listed option."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from deribit_warehouse import settings
from deribit_warehouse.dataset import Dataset, Table, Window

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.exchange.option_series import OptionSeries
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)

QUOTES = (
    "mark_price", "mark_iv", "bid_price", "ask_price", "last", "open_interest", "volume", "underlying_price",
    "estimated_delivery_price",
)  # fmt: skip
"""What the exchange calls the fields of the column quotes, in their order."""

OPTION_CHAIN = Table(
    "option_chain", {"currency": "text", "beat": "timestamptz", "series": "text"},
    values={
        "expires_at": "timestamptz", "roster_id": "integer", "told_at": "timestamptz[]", "quotes": "bigint[]",
        "scales": "smallint[]", "odd_quotes": "float8[]", "underlying": "text[]",
        "interest_rate": "float8[]", "unreadable": "text[]",
    },
)  # fmt: skip


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the chain of a currency as it is now, a row an expiry, in one transaction: (Ingested, requests)."""
    from deribit_warehouse.exchange.option_series import split
    from deribit_warehouse.warehouse.ingestion import Ingested
    from deribit_warehouse.warehouse.snapshots import beat_of, store_snapshot

    found = exchange.summaries(window.instrument, "option")
    series, unreadable = split(found)
    for subject, cause in unreadable:
        log.warning("the summary of %s was left out: %s", subject, cause)
    if not series:
        log.info("%s: the exchange lists no option of it", window.subject)
        return Ingested(), 1
    seconds = settings.snapshot_seconds()
    beat = beat_of(found.made_at, seconds)
    parts = [row(each, [f"{subject}: {cause}" for subject, cause in unreadable]) for each in series]
    with connection.transaction():
        stored = store_snapshot(connection, OPTION_CHAIN, parts, provenance, beat=beat, seconds=seconds)
    log.info("%s: %d expiries of the beat %s: %s", window.subject, len(series), beat, stored)
    return stored, 1


def row(one: OptionSeries, unreadable: list[str]) -> dict[str, Any]:
    """The table's row of one expiry. unreadable: a sentence for each row of the answer that could not be read; those
    whose name begins with this expiry are stored with it."""
    from deribit_warehouse.exchange.option_series import scaled
    from deribit_warehouse.warehouse.rows import instants
    from deribit_warehouse.warehouse.snapshots import alike, known

    quotes = [scaled(one.values[name]) for name in QUOTES]
    odd = [numbers for _, _, numbers in quotes]
    any_odd = any(number is not None for numbers in odd for number in numbers)
    return {
        "series": one.name, "instruments": one.instruments, "expires_at": one.expires_at,
        "told_at": alike(instants(one.timestamp)), "quotes": [whole for whole, _, _ in quotes],
        "scales": [scale for _, scale, _ in quotes],
        "odd_quotes": odd if any_odd else [], "underlying": alike(one.underlying_index),
        "interest_rate": known(one.values["interest_rate"].tolist()),
        "unreadable": [each for each in unreadable if each.startswith(f"{one.name}-")],
    }  # fmt: skip


OPTIONS_CHAIN = Dataset(
    name="options_chain", keys=("series", "ts"), day="ts", table=OPTION_CHAIN, load=load, snapshot=True,
    thinned=True, catalogue=False, bucket="live",
    # a load that waits longer would store the next beat
    patience=timedelta(minutes=2),
)  # fmt: skip
