"""Funding of the perpetuals, hourly, and the exchange's own sum of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deribit_warehouse.dataset import Dataset, Window, calendar_months, milliseconds
from deribit_warehouse.tables import FUNDING_RATE

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

log = logging.getLogger(__name__)


def load(exchange: Exchange, connection: Connection, window: Window, provenance: Provenance) -> tuple[Ingested, int]:
    """Stores the hours that end in (begins, ends] and then the exchange's own sum of them, calendar month by month, a
    transaction each: (Ingested, requests)."""
    from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable
    from deribit_warehouse.warehouse.funding import record_checksum, store_funding

    asked = window.begins_ms, window.ends_ms
    funding = exchange.funding(window.instrument, *asked)
    if len(funding.out_of_window):
        log.warning("%s: %d hours came that were not asked for", window.instrument, len(funding.out_of_window))
    columns = [funding.interest_1h, funding.interest_8h, funding.index_price, funding.prev_index_price]
    with connection.transaction():
        loaded = store_funding(
            connection, window.listed_id, funding.timestamp, columns, provenance, funding.duplicate, asked
        )
    months = [
        (milliseconds(begins), milliseconds(ends)) for begins, ends in calendar_months(window.begins, window.ends)
    ]
    for month in months:
        try:
            value = exchange.funding_value(window.instrument, *month)
        except ExchangeUnavailable:
            raise
        except ExchangeError as error:
            # the hours stand without it: what it says is a warning
            log.warning("%s: the exchange's own sum of the funding could not be asked: %s", window.instrument, error)
        else:
            with connection.transaction():
                record_checksum(connection, window.listed_id, *month, value)
    return loaded, funding.requests + len(months)


FUNDING_RATES = Dataset(
    name="funding_rates", keys=("instrument", "ts"), day="ts", ts_is_end=True, table=FUNDING_RATE, load=load,
    references=("perpetuals_ohlcv", "futures_ohlcv"),
)  # fmt: skip
