"""The market database, opened from Airflow's connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from deribit_warehouse import priority, settings

if TYPE_CHECKING:
    from psycopg import Connection


@contextmanager
def market() -> Iterator[Connection]:
    """A connection to the market database, through the provider's hook. Commits are the caller's.

    What the statements rely on is set on it, whatever the extras of the Airflow connection say. Raises WrongDriver
    when the hook doesn't use psycopg 3, and whatever connecting raises.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from deribit_warehouse.warehouse.driver import ready

    with closing(PostgresHook(postgres_conn_id=settings.MARKET).get_conn()) as opened:
        connection = ready(opened)
        priority.share(connection)
        yield connection
