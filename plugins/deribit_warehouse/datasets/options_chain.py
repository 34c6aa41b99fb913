"""The option chain, beat by beat: mark, mark volatility, quotes, open interest and volume of every listed option."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
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
    beside="option_sample",
)  # fmt: skip

DAY_MS = 86_400_000

SAMPLE = 20
"""Options of a currency that are compared with their tickers at a beat: at the live share of the default rate seven
seconds, and all of 1,300 options in five and a half hours."""

SAMPLE_SECONDS = 15
"""How long tickers are asked for: the currency after it waits meanwhile, and what is asked later is of another moment.
Another three seconds are the most that one may take (exchange.limits)."""


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the chain of a currency as it is now, a row an expiry, in one transaction; then what the tickers of some
    of its options say, in another: (Ingested, requests). A chain that was stored before is not sampled: its moment is
    over. Raises BadResponse if there are options and none of them can be read."""
    from deribit_warehouse.exchange import BadResponse
    from deribit_warehouse.exchange.option_series import split
    from deribit_warehouse.warehouse.ingestion import Ingested
    from deribit_warehouse.warehouse.snapshots import beat_of, store_snapshot

    found = exchange.summaries(window.instrument, "option")
    series, unreadable = split(found)
    for subject, cause in unreadable:
        log.warning("the summary of %s was left out: %s", subject, cause)
    if not series and unreadable:
        subject, cause = unreadable[0]
        raise BadResponse(
            f"get_book_summary_by_currency {window.subject} option: none of {len(unreadable)} options can be read; "
            f"the first, {subject}: {cause}. {BadResponse.advice}"
        )
    if not series:
        log.info("%s: the exchange lists no option of it", window.subject)
        return Ingested(), 1
    seconds = settings.snapshot_seconds()
    beat = beat_of(found.made_at, seconds)
    parts = [row(each, [f"{subject}: {cause}" for subject, cause in unreadable]) for each in series]
    with connection.transaction():
        stored = store_snapshot(connection, OPTION_CHAIN, parts, provenance, beat=beat, seconds=seconds)
    log.info("%s: %d expiries of the beat %s: %s", window.subject, len(series), beat, stored)
    if stored.unchanged == len(series):
        return stored, 1
    return stored, 1 + sample(exchange, connection, window.subject, found.instruments, beat, seconds)


def sample(
    exchange: Exchange, connection: Connection, currency: str, instruments: Sequence[str], beat: datetime, seconds: int
) -> int:
    """Asks the tickers of the options whose turn it is at a beat, and stores what they say beside the chain; returns
    how many were asked. One that is refused, or away, or can't be read is left out: the chain is stored, and a rule
    says how many were answered."""
    from deribit_warehouse.exchange import ExchangeError
    from deribit_warehouse.exchange.tickers import VALUES, OptionTicker
    from deribit_warehouse.warehouse import sql
    from deribit_warehouse.warehouse.snapshots import turn

    names = turn(instruments, beat, seconds, SAMPLE)
    told: list[OptionTicker] = []
    failed: dict[str, ExchangeError] = {}
    until = time.monotonic() + SAMPLE_SECONDS
    for name in names:
        if time.monotonic() > until:
            break
        try:
            told.append(exchange.option_ticker(name))
        except ExchangeError as error:
            failed[name] = error
    if len(told) < len(names):
        causes = "; ".join(f"{name}: {error}" for name, error in list(failed.items())[:3])
        log.warning("%s: %d of %d tickers were answered in time. %s", currency, len(told), len(names), causes)
    # a clock that is off by more than a day is off by a day
    told_ms = [each.timestamp - round(beat.timestamp() * 1000) for each in told]
    with connection.transaction():
        sql.run(
            connection, "datasets/options_chain/record_sample", currency=currency, beat=beat, asked=len(names),
            instruments=[each.instrument for each in told], told_ms=[max(-DAY_MS, min(ms, DAY_MS)) for ms in told_ms],
            tickers=[[each.values[name] for each in told] for name in VALUES] if told else [],
        )  # fmt: skip
    return len(told) + len(failed)


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
    beat=settings.snapshot_seconds, thinned=True, catalogue="", bucket="live",
    # a load that waits longer would store the next beat
    patience=timedelta(minutes=2),
)  # fmt: skip
