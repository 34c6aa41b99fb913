"""The request limiter all processes share, kept in Postgres so that it holds across machines too."""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg import Connection

from .sql import statement


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
        # a slot that is lost in a crash costs nothing, so nobody waits for the disk
        connection.execute("SET synchronous_commit = off")

    def __call__(self, bucket: str) -> None:
        spacing = 1 / self.rates[bucket]
        (seconds,) = self.connection.execute(
            statement("load/reserve_request"), {"bucket": bucket, "spacing": spacing}
        ).fetchone()
        self.sleep(seconds)
