"""The two ends of the pipeline, opened from Airflow's connections for the length of a task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deribit_warehouse import settings
from deribit_warehouse.market import market

if TYPE_CHECKING:
    from deribit_warehouse.exchange import Exchange

__all__ = ["base_url", "exchange", "market"]


@contextmanager
def exchange(bucket: str = "history") -> Iterator[Exchange]:
    """The exchange behind the two host connections, paced by the limiter that all processes share.

    bucket: which share of the request rate is used, "history" or "live". Raises OriginMismatch when the market
    database holds data of another exchange.
    """
    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.warehouse.ingestion import claim_origin
    from deribit_warehouse.warehouse.rate_limiter import RateLimiter, shares

    hosts = live, history = base_url(settings.LIVE_HOST), base_url(settings.HISTORY_HOST)
    rates, rush = shares(settings.requests_per_second(), settings.live_share())
    if not rates[bucket]:
        bucket = "history"  # nothing is kept back for live: it shares
    with market() as connection:
        with connection.transaction():
            claim_origin(connection, *hosts)
        connection.autocommit = True
        rate_limiter = RateLimiter(connection, {**rates, "instruments": settings.catalogue_rate()}, rush)
        # the exchange counts get_instruments apart from everything else, and so do we
        with Exchange(live, history, lambda meter: rate_limiter(bucket if meter == "public" else meter)) as opened:
            yield opened


def base_url(connection_id: str) -> str:
    """The base URL an Airflow connection of type http points at: https://www.deribit.com for instance. Raises
    SettingsError for a connection that is anything else than scheme, host and port (see settings.exchange_url)."""
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(connection_id)
    return settings.exchange_url(
        f"the connection {connection_id}",
        (connection.host or "").strip(),
        schema=(connection.schema or "").lower(),
        port=connection.port,
        login=bool(connection.login or connection.password),
        extras=(connection.extra or "").strip() not in ("", "{}", "null"),
    )
