"""The two ends of the pipeline, opened from Airflow's connections for the length of a task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deribit import settings

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit.exchange import Exchange

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?", re.ASCII | re.IGNORECASE)


@contextmanager
def market() -> Iterator[Connection]:
    """A connection to the market database, through the provider's hook. Commits are the caller's.

    What the statements rely on is set on it, whatever the extras of the Airflow connection say. Raises WrongDriver
    when the hook doesn't use psycopg 3.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from deribit.warehouse.driver import ready

    with closing(PostgresHook(postgres_conn_id=settings.MARKET).get_conn()) as connection:
        yield ready(connection)


@contextmanager
def exchange(bucket: str = "history") -> Iterator[Exchange]:
    """The exchange behind the two host connections, paced by the limiter that all processes share.

    bucket: which share of the request rate is used, "history" or "live". Raises OriginMismatch when the market
    database holds data of another exchange.
    """
    from deribit.exchange import Exchange
    from deribit.warehouse.loads import claim_origin
    from deribit.warehouse.pace import Pacer

    hosts = live, history = base_url(settings.LIVE_HOST), base_url(settings.HISTORY_HOST)
    rates = {"history": settings.history_rate(), "live": settings.live_rate()}
    if not rates[bucket]:
        bucket = "history"  # nothing is kept back for live: it shares
    with market() as connection:
        with connection.transaction():
            claim_origin(connection, *hosts)
        connection.autocommit = True
        pace = Pacer(connection, {**rates, "instruments": settings.catalogue_rate()})
        # the exchange counts get_instruments apart from everything else, and so do we
        with Exchange(live, history, lambda meter: pace(bucket if meter == "public" else meter)) as opened:
            yield opened


def base_url(connection_id: str) -> str:
    """The base URL an Airflow connection of type http points at: https://www.deribit.com for instance.

    Its scheme (https, where none is given), host and port are used. Anything else is a SettingsError, which doesn't
    show what is there: it may be a secret, and a URL gets into messages and provenance.
    """
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(connection_id)
    host, schema = (connection.host or "").strip(), (connection.schema or "").lower()
    try:
        parts = urlsplit(host if "://" in host else f"//{bracketed(host)}")
        port = parts.port
    except ValueError:
        raise _complaint(connection_id, "has a host that can't be read") from None
    held = {
        "a login": connection.login or connection.password or "@" in host,
        "a path": parts.path not in ("", "/") or schema not in ("", "http", "https"),
        "a query": "?" in host,
        "a fragment": "#" in host,
        "extras": (connection.extra or "").strip() not in ("", "{}", "null"),
    }
    if any(held.values()):
        raise _complaint(connection_id, f"holds {' and '.join(what for what in held if held[what])}")
    if not is_host(parts.hostname or "") or not host.isprintable():
        raise _complaint(connection_id, "has no host, or one that can't be read")
    scheme = parts.scheme or schema or "https"
    if scheme not in ("http", "https") or (schema and schema != scheme):
        raise _complaint(connection_id, "has a scheme that is neither http nor https, or two of them")
    if port is not None and connection.port and port != connection.port:
        raise _complaint(connection_id, "has two different ports")
    port = connection.port if port is None else port
    if port is not None and not 0 < port < 65536:
        raise _complaint(connection_id, "has a port that is none")
    return f"{scheme}://{bracketed(parts.hostname)}" + (f":{port}" if port else "")


def bracketed(host: str) -> str:
    """A host as it stands in a URL: an address of IPv6 in brackets."""
    return f"[{host}]" if is_ipv6(host) else host


def is_host(name: str) -> bool:
    return len(name) < 254 and (is_ipv6(name) or HOST_NAME.fullmatch(name) is not None)


def is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(IPv6Address(text))
    except ValueError:
        return False


def _complaint(connection_id: str, what: str) -> settings.SettingsError:
    return settings.SettingsError(
        f"the connection {connection_id} {what}; it must be scheme, host and port only, as https://www.deribit.com, "
        "without a login (what it holds is not shown here)"
    )
