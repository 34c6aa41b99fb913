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


def draw(dsn: str, ready, drawn) -> None:
    """In a process of its own, once all are ready: puts the moment each request may go out at, by the shared clock.

    It does not sleep, so that what is counted is what was reserved and not how busy the machine is.
    """
    moments = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        pacer = Pacer(connection, {"history": RATE}, sleep=lambda seconds: moments.append(time.time() + seconds))
        ready.wait(60)
        for _ in range(REQUESTS):
            pacer("history")
    drawn.put(moments)


def reserved(connection) -> float:
    """The next free moment of the bucket, in seconds."""
    return connection.execute(
        "SELECT extract(epoch FROM next_at)::float8 FROM store.pace WHERE bucket = 'history'"
    ).fetchone()[0]


def test_eight_processes_share_a_bucket_evenly_and_use_it(market):
    spawn = multiprocessing.get_context("spawn")
    ready, drawn = spawn.Barrier(PROCESSES + 1), spawn.Queue()
    processes = [spawn.Process(target=draw, args=(market.dsn(), ready, drawn)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        while ready.n_waiting < PROCESSES:
            assert all(process.is_alive() for process in processes)
            time.sleep(0.05)
        opens = time.time() + 0.5  # so that all queue up before the first goes out
        connection.execute("INSERT INTO store.pace VALUES ('history', to_timestamp(%s))", (opens,))
        ready.wait(60)
        moments = sorted(sum((drawn.get(timeout=60) for _ in processes), []))
        for process in processes:
            process.join(30)
        moved = reserved(connection) - opens
    total = PROCESSES * REQUESTS
    assert len(moments) == total
    # each request moved the bucket on by one spacing, or by more where nobody had asked in time: no more than the rate
    # was given away, and at least nine tenths of it
    assert total / RATE - 1e-5 <= moved <= total / RATE / 0.9
    # the k-th goes out when k spacings have gone by, so no second holds more than the rate (1 ms: two clocks)
    assert all(moment >= opens + k / RATE - 0.001 for k, moment in enumerate(moments))


def test_a_reserved_moment_is_waited_for(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": RATE})
        began = time.monotonic()
        for _ in range(11):
            pacer("history")
        assert time.monotonic() - began >= 10 / RATE - 0.001


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


def test_who_was_kept_from_its_moment_takes_another(market):
    """The clock is the test's, the bucket the real one."""
    now, slept = [0.0], []

    def oversleeps_once(seconds):
        now[0] += seconds + (0.1 if not slept else 0.0)
        slept.append(seconds)

    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": RATE}, sleep=oversleeps_once, clock=lambda: now[0])
        opens = time.time() + 60
        connection.execute("INSERT INTO store.pace VALUES ('history', to_timestamp(%s))", (opens,))
        pacer("history")
        assert len(slept) == 2
        assert round((reserved(connection) - opens) * RATE) == 2
        pacer("history")
        assert len(slept) == 3, "who keeps its moment asks once"


def test_an_answer_that_is_always_slow_is_no_lateness(market):
    """A database 0.2 s away delays every request alike; what exceeds the fastest answer is late."""
    ticks, slept = iter([0, 0.2, 1, 1.2, 1.2, 2, 2.2, 2.2, 3, 3.4, 3.4, 4, 4.2, 4.2]), []

    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": 1e6}, sleep=slept.append, clock=lambda: next(ticks))
        pacer("history")
        pacer("history")
        assert len(slept) == 2
        pacer("history")
        assert len(slept) == 4, "the third answer took 0.4 s and its moment is let go"


def test_the_very_first_answer_can_be_late(market):
    """What an answer takes is known from before the first request."""
    ticks, slept = iter([0, 0.01, 1, 1.2, 1.2, 2, 2.01, 2.01]), []

    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": 1e6}, sleep=slept.append, clock=lambda: next(ticks))
        pacer("history")
        assert len(slept) == 2
