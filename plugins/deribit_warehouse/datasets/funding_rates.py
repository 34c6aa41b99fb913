"""Funding of the perpetuals, hourly, and the exchange's own sum of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Dataset, Window, calendar_months, milliseconds
from deribit_warehouse.tables import FUNDING_RATE

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.exchange.funding import Funding
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)

HOUR = 3_600_000  # ms
SETTLED_AFTER = 2 * HOUR
"""How long before the end of what is asked for an hour that does not come may still come: nobody has published how soon
after its end the exchange has it. Older ones are missing."""


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the hours that end in (begins, ends] with the exchange's own sum of each calendar month of them, in one
    transaction, so that nobody compares the hours without it: (Ingested, requests). It begins before they are asked
    for: live asks for hours of the same months, and of two answers the later one counts.

    A sum that can't be had keeps no hour back, whatever the reason: the hours came, and what it says is a warning. A
    later load asks again."""
    from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable
    from deribit_warehouse.warehouse.funding import record_checksum
    from deribit_warehouse.warehouse.ingestion import lock_months

    months = [
        (milliseconds(begins), milliseconds(ends)) for begins, ends in calendar_months(window.begins, window.ends)
    ]
    sums, asked = {}, 0
    with connection.transaction():
        lock_months(connection, provenance, window.begins, window.ends)
        funding = exchange.funding(window.instrument, window.begins_ms, window.ends_ms)
        for month in months:
            asked += 1
            try:
                sums[month] = exchange.funding_value(window.instrument, *month)
            except ExchangeError as error:
                log.warning(
                    "%s: the exchange's own sum of the funding could not be asked: %s", window.instrument, error
                )
                if isinstance(error, ExchangeUnavailable):
                    break  # each of a year's months would be tried for minutes
        loaded = store(connection, window, funding, provenance, window.ends_ms)
        for month, value in sums.items():
            record_checksum(connection, window.listed_id, *month, value)
    return loaded, funding.requests + asked


def load_open(
    exchange: Exchange, connection: Connection, window: Window, provenance: Provenance
) -> tuple[Ingested, int]:
    """Stores the hours that end in (begins, ends] of days that are not closed, in one transaction: (Ingested,
    requests). What the exchange does not have yet of the last hours stays open; its own sum is asked of what is
    closed.

    Nothing is asked where another run is at the same months of the perpetual: what it does not bring is open still,
    and the next hour's run asks for it. Who waited would keep a place from the minutes' loads, for as long as the
    exchange does not answer the other.
    """
    from deribit_warehouse.warehouse.ingestion import Ingested, try_lock_months

    with connection.transaction():
        if not try_lock_months(connection, provenance, window.begins, window.ends):
            log.info("%s: another run is at it", window.subject)
            return Ingested(), 0
        funding = exchange.funding(window.instrument, window.begins_ms, window.ends_ms)
        answered_until = settled_until(funding, window.begins_ms, window.ends_ms)
        return store(connection, window, funding, provenance, answered_until), funding.requests


def settled_until(funding: Funding, begins: int, ends: int) -> int:
    """Until when the exchange has answered for the hours that end in (begins, ends], ms: to the newest that came, or to
    SETTLED_AFTER before the end."""
    newest = int(funding.timestamp[-1]) // HOUR * HOUR if len(funding.timestamp) else begins
    return max(newest, ends - SETTLED_AFTER, begins)


def store(
    connection: Connection, window: Window, funding: Funding, provenance: Provenance, answered_until: int
) -> Ingested:
    """Stores the hours of a window in the caller's transaction, and that the exchange has answered for it until then
    (ms)."""
    from deribit_warehouse.warehouse.funding import store_funding

    if len(funding.out_of_window):
        log.warning("%s: %d hours came that were not asked for", window.instrument, len(funding.out_of_window))
    columns = [funding.interest_1h, funding.interest_8h, funding.index_price, funding.prev_index_price]
    return store_funding(
        connection, window.listed_id, funding.timestamp, columns, provenance, funding.duplicate,
        (window.begins_ms, answered_until),
    )  # fmt: skip


FUNDING_RATES = Dataset(
    name="funding_rates", keys=("instrument", "ts"), day="ts", ts_is_end=True, table=FUNDING_RATE,
    parameters={"open": False}, load=load, catalogue="listed", references=("perpetuals_ohlcv", "futures_ohlcv"),
)  # fmt: skip

FUNDING_LIVE = Dataset(
    name="funding_live", suite="funding_rates", keys=("instrument", "ts"), day="ts", ts_is_end=True, table=FUNDING_RATE,
    sql="funding_rates", parameters={"open": True}, load=load_open, live=True, overlap=timedelta(days=1),
    asking=timedelta(minutes=10), versions_of="funding_rates", catalogue="", bucket="live", patience=timedelta(0),
    references=("perpetuals_live",),
)  # fmt: skip
"""The hours of days that are not closed yet, an hour after the other: the same versions, published earlier."""
