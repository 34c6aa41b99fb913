"""The request limiter all processes share, kept in Postgres so that it holds across machines too."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

from psycopg import Connection

from .sql import run, statement


class Pacer:
    """Blocks until a request of a bucket may go out.

    connection: an autocommit connection of its own (a slot must not wait for, or vanish with, a transaction).
    rates: requests a second by bucket, for all processes together.
    Raises KeyError for a bucket without a rate.
    """

    def __init__(self, connection: Connection, rates: dict[str, float], sleep: Callable[[float], None] = time.sleep):
        self.connection = connection
        self.rates = rates
        self.sleep = sleep
        run(connection, "load/commit_without_waiting")

    def __call__(self, bucket: str) -> None:
        spacing = ceil(1e6 / self.rates[bucket]) / 1e6  # Postgres counts microseconds; never one too few
        (seconds,) = self.connection.execute(
            statement("load/reserve_request"), {"bucket": bucket, "spacing": spacing}
        ).fetchone()
        self.sleep(seconds)
