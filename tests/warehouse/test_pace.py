"""The limiter: every process of every machine draws from one bucket, and no second holds more than its rate."""

from __future__ import annotations

import multiprocessing
import time

import hypothesis
import psycopg
import pytest
from hypothesis import given as whatever
from hypothesis.strategies import floats, lists

from deribit.warehouse.pace import MARGIN, Pacer, window

RATE = 50.0
PROCESSES = 8
REQUESTS = 20  # each: 160 together, a little over three windows


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


def given(connection) -> list[float]:
    """The newest moments given away, in seconds, oldest first."""
    [(moments,)] = connection.execute(
        "SELECT ARRAY(SELECT extract(epoch FROM m)::float8 FROM unnest(moments) AS m) FROM store.pace"
    )
    return moments


def open_at(connection, moment: float) -> None:
    """The whole window was given away at a moment: the next request may go out one window later."""
    connection.execute(
        "INSERT INTO store.pace VALUES ('history', array_fill(to_timestamp(%s), ARRAY[%s]))", (moment, int(RATE))
    )


def holds(moments: list[float], rate: float) -> bool:
    """Whether no stretch as long as the window holds more than it may. 1 ms: two clocks."""
    most, seconds = window(rate)
    moments = sorted(moments)
    return all(later - first >= seconds - 0.001 for first, later in zip(moments, moments[most:], strict=False))


def test_eight_processes_share_a_bucket_and_use_it(market):
    spawn = multiprocessing.get_context("spawn")
    ready, drawn = spawn.Barrier(PROCESSES + 1), spawn.Queue()
    processes = [spawn.Process(target=draw, args=(market.dsn(), ready, drawn)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    most, seconds = window(RATE)
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        while ready.n_waiting < PROCESSES:
            assert all(process.is_alive() for process in processes)
            time.sleep(0.05)
        opens = time.time() + 0.5  # so that all queue up before the first goes out
        open_at(connection, opens - seconds)
        ready.wait(60)
        moments = sorted(sum((drawn.get(timeout=60) for _ in processes), []))
        for process in processes:
            process.join(30)
    total = PROCESSES * REQUESTS
    assert len(moments) == total
    # the k-th goes out when the windows before it have gone by (1 ms: two clocks)
    assert all(moment >= opens + k // most * seconds - 0.001 for k, moment in enumerate(moments))
    # and not much later: all of what is allowed was given away
    assert moments[-1] <= opens + (total - 1) // most * seconds + 0.1


def test_a_reserved_moment_is_waited_for(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": 5.0})
        began = time.monotonic()
        for _ in range(6):
            pacer("history")
        assert time.monotonic() - began >= window(5.0)[1] - 0.001


@pytest.mark.parametrize("rate", [0.5, 1.0, 7.5, 15.0, 20.0, 50.0])
def test_no_second_holds_more_than_the_rate(market, rate):
    most, seconds = window(rate)
    assert seconds >= 1 + MARGIN and most / (seconds - MARGIN) <= rate
    waits, moments = [], []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": rate}, sleep=waits.append)
        for _ in range(3 * most + 1):
            pacer("history")
            moments.append(given(connection)[-1])
            assert len(given(connection)) <= most, "older moments are forgotten"
    assert moments == sorted(moments) and holds(moments, rate)
    assert waits[0] == 0 and all(wait >= 0 for wait in waits)
    assert moments[-1] - moments[0] == pytest.approx(3 * seconds, abs=0.5), "no more is held back than has to be"


@whatever(rate=floats(0.2, 60), slower=floats(0.2, 60), pauses=lists(floats(0, 3), min_size=1, max_size=80))
@hypothesis.settings(
    deadline=None, max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_it_holds_however_the_requests_come(market, rate, pauses, slower):
    """Time goes by between requests (their moments are moved into the past), and the rate is changed on the way."""
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        connection.execute("DELETE FROM store.pace")
        for allowed in (rate, min(rate, slower)):
            moments, ago = [], 0.0
            pacer = Pacer(connection, {"history": allowed}, sleep=lambda seconds: None)
            for pause in pauses:
                connection.execute(
                    "UPDATE store.pace SET moments = ARRAY("
                    "SELECT m - make_interval(secs => %s) FROM unnest(moments) WITH ORDINALITY AS u(m, i) ORDER BY i)",
                    [pause],
                )
                ago += pause
                pacer("history")
                moments.append(given(connection)[-1] + ago)
            assert holds(moments, allowed)


def test_who_could_not_ask_catches_up_within_the_window(market):
    waits = []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        pacer = Pacer(connection, {"history": 10.0}, sleep=waits.append)
        open_at(connection, time.time() - 3600)
        for _ in range(12):
            pacer("history")
    assert waits[:10] == [0] * 10, "an hour of silence is worth one window"
    assert all(wait > 0.5 for wait in waits[10:])


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
        open_at(connection, time.time() + 60)
        pacer("history")
        assert len(slept) == 2
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
