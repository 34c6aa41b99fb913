"""The limiter: every process of every machine draws from one bucket, and no second holds more than its rate."""

from __future__ import annotations

import multiprocessing
import time

import psycopg
import pytest

from deribit.warehouse.pace import Pacer

RATE = 50.0
PROCESSES = 8
REQUESTS = 20  # each: 160 together, a little over three seconds' worth


def draw(dsn: str, requests: int) -> list[tuple[float, float]]:
    """In a process of its own: for every request the moment it was let out at, by the clock all share, and its wait."""
    taken = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        pacer = Pacer(connection, {"history": RATE}, sleep=lambda seconds: taken.append([seconds]) or time.sleep(seconds))
        for _ in range(requests):
            pacer("history")
            taken[-1].append(time.time())
    return [(moment, wait) for wait, moment in taken]


def reserved(connection) -> float:
    """The next free moment of the bucket, in seconds."""
    return connection.execute("SELECT extract(epoch FROM next_at)::float8 FROM store.pace WHERE bucket = 'history'").fetchone()[0]


def test_eight_processes_share_a_bucket_evenly_and_use_it(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        # the bucket opens when everybody is ready: starting a process takes longer than all its requests
        opens = time.time() + 6
        connection.execute("INSERT INTO store.pace VALUES ('history', to_timestamp(%s))", (opens,))
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            drawn = sorted(sum(pool.starmap(draw, [(market.dsn(), REQUESTS)] * PROCESSES), []))
        total = PROCESSES * REQUESTS
        assert len(drawn) == total
        # every slot was given to one request: the bucket moved on by exactly the spacing of each, or, where nobody
        # asked in time, by a little more. At least nine tenths of the rate was used.
        moved = reserved(connection) - opens
        assert total / RATE - 0.001 <= moved <= total / RATE / 0.9
        moments = [moment for moment, _ in drawn]
        assert moments[0] >= opens - 0.001, "nobody goes before the bucket opens"
        # sleeping may be late, never early: by the k-th request at least k spacings have gone by (1 ms for the clocks)
        assert all(moment >= opens + k / RATE - 0.001 for k, moment in enumerate(moments))


@pytest.mark.parametrize("rate", [1.0, 7.0, 15.0, 50.0])
def test_reserved_moments_are_a_spacing_apart(market, rate):
    waits, moments = [], []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": rate}, sleep=waits.append)
        for _ in range(60):
            pacer("history")
            moments.append(reserved(connection))
    gaps = [b - a for a, b in zip(moments, moments[1:], strict=False)]
    assert min(gaps) >= 1 / rate - 1e-5  # seconds since 1970 in a float are good to a microsecond
    for first in range(len(moments) - int(rate)):
        assert moments[first + int(rate)] - moments[first] >= 1 - 1e-5, "a second holds more than the rate"
    assert waits[0] == 0 and all(wait >= 0 for wait in waits)
    assert waits[-1] > 0.5 * 59 / rate, "without sleeping, the queue grows"


def test_an_idle_bucket_saves_up_nothing(market):
    waits = []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": 10.0}, sleep=waits.append)
        pacer("history")
        connection.execute("UPDATE store.pace SET next_at = next_at - interval '1 hour'")
        for _ in range(3):
            pacer("history")
    assert waits[1] == 0 and waits[2] > 0.05 and waits[3] > 0.15


def test_buckets_are_apart_and_an_unknown_one_is_refused(market):
    waits = []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": 0.1, "live": 0.1}, sleep=waits.append)
        pacer("history")
        pacer("live")
        assert waits == [0, 0]
        with pytest.raises(KeyError):
            pacer("options")
