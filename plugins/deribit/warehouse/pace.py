"""The request limiter all processes share, kept in Postgres so that it holds across machines too."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

from psycopg import Connection

from .sql import run, statement

TARDY = 0.03
"""Seconds a request may go out after its moment. Evenly spaced moments hold the rate in every second only as far as
they are kept: a request that comes later would share a second with those that follow it on time."""


class Pacer:
    """Blocks until a request of a bucket may go out.

    connection: an autocommit connection of its own (a slot must not wait for, or vanish with, a transaction).
    rates: requests a second by bucket, for all processes together.
    Whoever was kept from using its moment by more than TARDY lets it go and takes another. What every answer of the
    database takes is not lateness: it delays all requests alike.
    Raises KeyError for a bucket without a rate.
    """

    def __init__(
        self,
        connection: Connection,
        rates: dict[str, float],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.connection = connection
        self.rates = rates
        self.sleep = sleep
        self.clock = clock
        asked = clock()
        run(connection, "load/commit_without_waiting")
        self.fastest_answer = clock() - asked

    def __call__(self, bucket: str) -> None:
        spacing = ceil(1e6 / self.rates[bucket]) / 1e6  # Postgres counts microseconds; never one too few
        reserve, bound = statement("load/reserve_request"), {"bucket": bucket, "spacing": spacing}
        while True:
            asked = self.clock()
            (seconds,) = self.connection.execute(reserve, bound).fetchone()
            self.fastest_answer = min(self.fastest_answer, self.clock() - asked)
            self.sleep(seconds)
            if self.clock() - asked - self.fastest_answer - seconds <= TARDY:
                return
