"""The request limiter all processes share, kept in Postgres so that it holds across machines too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from psycopg import Connection

from deribit_warehouse.dataset import SETTLING

from .sql import run, statement

WINDOW_MARGIN = 0.085
"""Seconds that a window of requests is longer than the second it is allowed in: what one request may be late on its way
to the exchange, and the next ones not, before the exchange sees one too many in a second."""

LATE_TOLERANCE = 0.02
"""Seconds a request may go out after its slot: it must leave most of WINDOW_MARGIN to the way."""


BURSTS = {"instruments": 5}
"""Requests of a bucket that may go out at once, one after a longer pause where it isn't named. The catalogue's is the
smaller one of the exchange's two descriptions of that limit (the other is 50); each list of it is one request."""


LIVE_ONLY_SECONDS = 3.5
"""Seconds of each minute in which only live requests go out: the minute that has just ended is asked for then, of each
instrument, and everybody waits for it."""

LIVE_ONLY_BEGINS = SETTLING.total_seconds()
"""Seconds after the end of a minute at which its loads begin to ask, and with them the rush."""

LEAST_SHARED = 10.0
"""Requests a second below which there is no rush: a whole request a second is too much of them for the rest of it."""


def shares(total: float, live_share: float) -> tuple[dict[str, float], dict[str, float]]:
    """What the history and live may send of `total` requests a second, where live has a share (a fraction) of them:
    (requests a second by bucket, the same in the rush).

    In the rush all of them are live's. Outside of it live keeps what its share of the whole minute leaves of it, in
    whole requests a second, so the history goes on undisturbed and gets as much of a minute as it would without a
    rush. There is none where the rush is more than live's share.
    """
    _, seconds = window(total)
    rush = (LIVE_ONLY_SECONDS + seconds) / 60
    if live_share <= rush or total < LEAST_SHARED:
        return {"history": total * (1 - live_share), "live": total * live_share}, {}
    live = max(1.0, float(int(total * (live_share - rush) / (1 - rush))))
    return {"history": total - live, "live": live}, {"history": 0.0, "live": total}


def window(rate: float, burst: int = 1) -> tuple[int, float]:
    """How many requests may go out in a stretch of how many seconds, so that no such stretch holds more than the rate
    (requests a second) allows, or than the burst where that is more."""
    most = max(burst, int(rate))
    return most, max(1.0, most / rate) + WINDOW_MARGIN


def count_sent(connection: Connection, bucket: str, sent_at: list[int]) -> None:
    """Counts requests of a bucket that went out before there was a database to reserve a slot; sent_at: when, in
    milliseconds. Those that come wait for them as for any other."""
    if sent_at:
        run(connection, "limiter/count_sent", bucket=bucket, sent_at=sent_at)


class RateLimiter:
    """Blocks until a request of a bucket may go out.

    connection: an autocommit connection of its own (a slot must not wait for, or vanish with, a transaction).
    rates: requests a second by bucket, for all processes together: the most that any second may hold, but for BURSTS.
    rush: the same in the rush, of the buckets whose rate is another one then; 0 in one that has nothing.
    Whoever was kept from using its slot by more than LATE_TOLERANCE moves it to the present, so that those who come
    after see when it really went out. What every answer of the database takes is not lateness: it delays all requests
    alike. Raises KeyError for a bucket without a rate.
    """

    def __init__(
        self,
        connection: Connection,
        rates: Mapping[str, float],
        rush: Mapping[str, float] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.rates = rates
        self.rush = rush or {}
        self.sleep = sleep
        self.clock = clock
        asked = clock()
        run(connection, "limiter/commit_without_waiting")
        self.fastest_answer = clock() - asked

    def __call__(self, bucket: str) -> None:
        bound = self.rules(bucket)
        reserve_slot, move_slot = statement("limiter/reserve_slot"), statement("limiter/move_slot")
        slot = None
        while True:
            asked = self.clock()
            if slot and (moved_slot := self.connection.execute(move_slot, {**bound, "slot": slot}).fetchone()):
                (slot,), delay = moved_slot, 0.0
            else:
                [(slot, delay)] = self.connection.execute(reserve_slot, bound).fetchall()
            self.fastest_answer = min(self.fastest_answer, self.clock() - asked)
            self.sleep(delay)
            if self.clock() - asked - self.fastest_answer - delay <= LATE_TOLERANCE:
                return

    def rules(self, bucket: str) -> dict[str, Any]:
        """What the limiter's statements are bound to. In the rush, LIVE_ONLY_SECONDS of each minute, another rate
        counts than outside of it. No window of requests may lie in both, because it could then hold more than either
        rate allows: the buckets that have nothing in the rush stop a window before it begins, and live stops a window
        before it ends."""
        most, seconds = window(self.rates[bucket], BURSTS.get(bucket, 1))
        bound = {"bucket": bucket, "most": most, "window": seconds}
        if bucket not in self.rush:
            return {**bound, "rush_most": None, "rush_window": None, "rush_from": 0.0, "rush_to": 0.0}
        if not self.rush[bucket]:
            _, apart = window(max(self.rush.values()))
            begins, ends = LIVE_ONLY_BEGINS - apart, LIVE_ONLY_BEGINS + LIVE_ONLY_SECONDS
            return {**bound, "rush_most": 0, "rush_window": 0.0, "rush_from": begins, "rush_to": ends}
        most, seconds = window(self.rush[bucket])
        begins, ends = LIVE_ONLY_BEGINS, LIVE_ONLY_BEGINS + LIVE_ONLY_SECONDS - seconds
        return {**bound, "rush_most": most, "rush_window": seconds, "rush_from": begins, "rush_to": ends}
