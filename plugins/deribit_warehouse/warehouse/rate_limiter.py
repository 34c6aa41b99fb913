"""The request limiter all processes share, kept in Postgres so that it holds across machines too."""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg import Connection

from .sql import run, statement

WINDOW_MARGIN = 0.085
"""Seconds that a window of requests is longer than the second it is allowed in: what one request may be late on its way
to the exchange, and the next ones not, before the exchange sees one too many in a second."""

LATE_TOLERANCE = 0.02
"""Seconds a request may go out after its slot: it must leave most of WINDOW_MARGIN to the way."""


BURSTS = {"instruments": 5}
"""Requests of a bucket that may go out at once, one after a longer pause where it isn't named. The catalogue's is the
smaller one of the exchange's two descriptions of that limit (the other is 50); each list of it is one request."""


def window(rate: float, burst: int = 1) -> tuple[int, float]:
    """How many requests may go out in a stretch of how many seconds, so that no such stretch holds more than the rate
    (requests a second) allows, or than the burst where that is more."""
    most = max(burst, int(rate))
    return most, max(1.0, most / rate) + WINDOW_MARGIN


class RateLimiter:
    """Blocks until a request of a bucket may go out.

    connection: an autocommit connection of its own (a slot must not wait for, or vanish with, a transaction).
    rates: requests a second by bucket, for all processes together: the most that any second may hold, but for BURSTS.
    Whoever was kept from using its slot by more than LATE_TOLERANCE moves it to the present, so that those who come
    after see when it really went out. What every answer of the database takes is not lateness: it delays all requests
    alike. Raises KeyError for a bucket without a rate.
    """

    def __init__(
        self,
        connection: Connection,
        rates: dict[str, float],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.rates = rates
        self.sleep = sleep
        self.clock = clock
        asked = clock()
        run(connection, "limiter/commit_without_waiting")
        self.fastest_answer = clock() - asked

    def __call__(self, bucket: str) -> None:
        most, seconds = window(self.rates[bucket], BURSTS.get(bucket, 1))
        reserve_slot, bound = statement("limiter/reserve_slot"), {"bucket": bucket, "most": most, "window": seconds}
        move_slot = statement("limiter/move_slot")
        slot = None
        while True:
            asked = self.clock()
            if slot and (moved_slot := self.connection.execute(move_slot, {"bucket": bucket, "slot": slot}).fetchone()):
                (slot,), delay = moved_slot, 0.0
            else:
                [(slot, delay)] = self.connection.execute(reserve_slot, bound).fetchall()
            self.fastest_answer = min(self.fastest_answer, self.clock() - asked)
            self.sleep(delay)
            if self.clock() - asked - self.fastest_answer - delay <= LATE_TOLERANCE:
                return
