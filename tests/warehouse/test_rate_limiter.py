"""The limiter: every process of every machine draws from one bucket, and no second holds more than its rate."""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from itertools import chain

import hypothesis
import psycopg
import pytest
from hypothesis import given as whatever
from hypothesis.strategies import floats, integers, lists, none, one_of, sampled_from, tuples

from deribit_warehouse.warehouse.rate_limiter import (
    LIVE_ONLY_BEGINS,
    LIVE_ONLY_SECONDS,
    WINDOW_MARGIN,
    RateLimiter,
    shares,
    window,
)
from deribit_warehouse.warehouse.sql import statement

RATE = 50.0
PROCESSES = 8
REQUESTS = 20  # each: 160 together, a little over three windows


def draw(dsn: str, ready, drawn) -> None:
    """In a process of its own, once all are ready: puts the slot each request may go out at, by the shared clock.

    It does not sleep, so that what is counted is what was reserved and not how busy the machine is.
    """
    slots = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        rate_limiter = RateLimiter(
            connection, {"history": RATE}, sleep=lambda seconds: slots.append(time.time() + seconds)
        )
        ready.wait(60)
        for _ in range(REQUESTS):
            rate_limiter("history")
    drawn.put(slots)


def given(connection) -> list[float]:
    """The newest slots given away, in seconds, oldest first."""
    [(slots,)] = connection.execute(
        "SELECT ARRAY(SELECT extract(epoch FROM m)::float8 FROM unnest(slots) AS m) FROM store.rate_limit"
    )
    return slots


def open_at(connection, slot: float) -> None:
    """The whole window was given away at a slot: the next request may go out one window later."""
    connection.execute(
        "INSERT INTO store.rate_limit VALUES ('history', array_fill(to_timestamp(%s), ARRAY[%s]))", (slot, int(RATE))
    )


def holds(slots: list[float], rate: float) -> bool:
    """Whether no stretch as long as the window holds more than it may. 1 ms: two clocks."""
    most, seconds = window(rate)
    slots = sorted(slots)
    return all(later - first >= seconds - 0.001 for first, later in zip(slots, slots[most:], strict=False))


def test_five_lists_of_the_catalogue_may_be_asked_at_once_and_then_one_in_ten_seconds(market):
    """Counted by what is reserved, not by waiting: no 50 seconds hold more than the exchange's slower limit allows."""
    away = []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"instruments": 0.1}, sleep=away.append, clock=lambda: 0.0)
        for _ in range(12):
            rate_limiter("instruments")
    assert max(away[:5]) == 0.0
    assert all(49 < seconds < 51 for seconds in away[5:10]) and all(99 < seconds < 101 for seconds in away[10:])


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
        slots = sorted(chain.from_iterable(drawn.get(timeout=60) for _ in processes))
        for process in processes:
            process.join(30)
    total = PROCESSES * REQUESTS
    assert len(slots) == total
    # the k-th goes out when the windows before it have gone by (1 ms: two clocks)
    assert all(slot >= opens + k // most * seconds - 0.001 for k, slot in enumerate(slots))
    # and not much later: all of what is allowed was given away
    assert slots[-1] <= opens + (total - 1) // most * seconds + 0.1


def test_a_reserved_moment_is_waited_for(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"history": 5.0})
        began = time.monotonic()
        for _ in range(6):
            rate_limiter("history")
        assert time.monotonic() - began >= window(5.0)[1] - 0.001


@pytest.mark.parametrize("rate", [0.5, 1.0, 7.5, 15.0, 20.0, 50.0])
def test_no_second_holds_more_than_the_rate(market, rate):
    most, seconds = window(rate)
    assert seconds >= 1 + WINDOW_MARGIN and most / (seconds - WINDOW_MARGIN) <= rate
    waits, slots = [], []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"history": rate}, sleep=waits.append)
        for _ in range(3 * most + 1):
            rate_limiter("history")
            slots.append(given(connection)[-1])
            assert len(given(connection)) <= most, "older slots are forgotten"
    assert slots == sorted(slots) and holds(slots, rate)
    assert waits[0] == 0 and all(wait >= 0 for wait in waits)
    assert slots[-1] - slots[0] == pytest.approx(3 * seconds, abs=0.5), "no more is held back than has to be"


@whatever(
    rate=floats(0.5, 40),
    steps=lists(tuples(floats(0, 1.5), one_of(none(), tuples(integers(0, 50), floats(0, 1)))), min_size=5, max_size=60),
)
@hypothesis.settings(max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_it_holds_however_requests_come_and_whoever_is_late(market, rate, steps):
    """A step: time goes by (all slots are moved into the past), a request is reserved, and perhaps one of those that
    still wait oversleeps."""
    most, _ = window(rate)
    ago, reserved = 0.0, []  # reserved: slots as if none had been moved

    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rules = RateLimiter(connection, {"history": rate}).rules("history")

        def pass_by(more: float) -> None:
            nonlocal ago
            connection.execute(
                "UPDATE store.rate_limit SET slots = ARRAY("
                "SELECT m - make_interval(secs => %s) FROM unnest(slots) WITH ORDINALITY AS u(m, i) ORDER BY i)",
                [more],
            )
            ago += more

        connection.execute("DELETE FROM store.rate_limit")
        for pause, late in steps:
            pass_by(pause)
            slot, _ = connection.execute(statement("limiter/reserve_slot"), rules).fetchone()
            reserved.append(slot.timestamp() + ago)
            waiting = [at for at, slot in enumerate(reserved) if slot > time.time() + ago]
            if late and waiting:
                which, oversleeps = waiting[late[0] % len(waiting)], late[1]
                pass_by(reserved[which] + oversleeps - time.time() - ago)
                missed = datetime.fromtimestamp(reserved[which] - ago, UTC)
                [kept] = connection.execute("SELECT slots FROM store.rate_limit").fetchone()
                missed = min(kept, key=lambda slot: abs(slot - missed))  # floats are good to a microsecond
                if abs(missed.timestamp() + ago - reserved[which]) > 1e-4:
                    del reserved[which]  # forgotten, a whole window waits behind it: it is not used
                    continue
                [moved] = connection.execute(statement("limiter/move_slot"), {**rules, "slot": missed}).fetchone()
                reserved[which] = moved.timestamp() + ago
            assert len(given(connection)) <= most, "older slots are forgotten"
            assert given(connection) == sorted(given(connection))
    assert holds(reserved, rate)


@whatever(total=floats(1, 60), live_share=floats(0, 0.9))
def test_what_is_shared_is_never_more_than_all_and_live_gets_its_share_of_a_minute(total, live_share):
    rates, rush = shares(total, live_share)
    assert rates["history"] + rates["live"] == pytest.approx(total)
    if not rush:
        assert rates["live"] == pytest.approx(total * live_share)
        return
    assert rush == {"history": 0, "live": total}
    assert rates["live"] >= 1 and rates["live"] == int(rates["live"])
    _, seconds = window(total)
    rests = (LIVE_ONLY_SECONDS + seconds) / 60
    # a whole request a second is the least that live keeps outside of the rush
    assert rates["history"] * (1 - rests) >= min(total * (1 - live_share), (total - 1) * (1 - rests)) - 1e-9


def test_a_rush_costs_the_history_no_more_than_a_share_without_one():
    total, live_share = 15.0, 0.2
    rates, rush = shares(total, live_share)
    assert rush and rates == {"history": 13, "live": 2}
    most, seconds = window(total * (1 - live_share))
    in_a_minute = 60 / seconds * most
    most, seconds = window(rates["history"])
    assert (60 - LIVE_ONLY_SECONDS - seconds) / seconds * most > in_a_minute
    assert shares(15, 0.07)[1] == shares(9, 0.5)[1] == {}, (
        "the rush is more than live's share, or too much for the rest"
    )


@whatever(
    rates=tuples(integers(10, 40), floats(0.15, 0.8)),
    starts=floats(0, 60),
    steps=lists(tuples(sampled_from(["history", "live"]), integers(1, 30), floats(0, 12)), min_size=3, max_size=8),
)
@hypothesis.settings(max_examples=20, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_no_second_holds_more_than_all_whoever_asks_in_the_rush_or_out_of_it(market, rates, starts, steps):
    """A step: so many requests of a bucket at once, then time goes by. By a clock of the test's own."""
    total, live_share = rates
    now = 1_700_000_040.0 + starts  # a minute begins at the first of these
    given_away = {"history": [], "live": []}
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        limiter = RateLimiter(connection, *shares(float(total), live_share))
        for bucket, requests, pause in steps:
            rules = limiter.rules(bucket)
            kept = max(rules["most"], rules["rush_most"] or 0)
            for _ in range(requests):
                slots = [datetime.fromtimestamp(slot, UTC) for slot in given_away[bucket][-kept:]]
                [slot] = connection.execute(
                    "SELECT extract(epoch FROM store.next_slot(%(slots)s::timestamptz[], %(at)s, %(most)s::integer,"
                    " %(window)s, %(rush_most)s::integer, %(rush_window)s, %(rush_from)s, %(rush_to)s))::float8",
                    {**rules, "slots": slots, "at": datetime.fromtimestamp(now, UTC)},
                ).fetchone()
                given_away[bucket].append(slot)
            now += pause
    assert all(slots == sorted(slots) for slots in given_away.values())
    assert holds(given_away["history"] + given_away["live"], total)
    if limiter.rush:
        apart = window(total)[1]
        since = [(slot - LIVE_ONLY_BEGINS + apart) % 60 for slot in given_away["history"]]
        assert all(second >= LIVE_ONLY_SECONDS + apart - 1e-3 or second > 60 - 1e-3 for second in since), (
            "the rush is live's"
        )


def test_in_the_rush_live_asks_for_every_instrument_at_once(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        limiter = RateLimiter(connection, *shares(15.0, 0.2))

        def slots(bucket: str, second: float, requests: int) -> list[float]:
            found: list[datetime] = []
            begins = datetime(2026, 10, 1, 12, tzinfo=UTC)
            for _ in range(requests):
                rules = {**limiter.rules(bucket), "slots": found, "at": begins + timedelta(seconds=second)}
                found += connection.execute(
                    "SELECT store.next_slot(%(slots)s::timestamptz[], %(at)s, %(most)s::integer, %(window)s,"
                    " %(rush_most)s::integer, %(rush_window)s, %(rush_from)s, %(rush_to)s)",
                    rules,
                ).fetchone()
            return [(slot - begins).total_seconds() for slot in found]

        assert slots("live", 1, 30)[-1] == pytest.approx(1 + 1.085), "30 at 15 a second"
        late = pytest.approx([30, 30, 31.085, 31.085, 32.17])
        assert slots("live", 30, 5) == late, "what its share leaves of the minute"
        windows = pytest.approx([3 + n // 2 * 1.085 for n in range(2, 7)])
        assert slots("live", 3, 20)[15:] == windows, "no window is shared"
        assert slots("history", 3, 15) == pytest.approx([4.5] * 13 + [5.585] * 2)
        assert slots("history", 59.95, 1) == pytest.approx([64.5])
        assert slots("history", 59.9, 1) == pytest.approx([59.9])


def test_a_slot_is_not_moved_into_the_rush_or_out_of_it(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        for bucket in ("history", "live"):
            moved, second = [], time.time() % 60
            # the rush lies around the present, or a while before it; the slot that was missed is two seconds old
            for begins, ends in ((-3, 3), (-3, -1), (-1, 3), (-9, -5)):
                connection.execute("DELETE FROM store.rate_limit")
                connection.execute(
                    "INSERT INTO store.rate_limit VALUES (%s, ARRAY[clock_timestamp() - interval '2 s'])", [bucket]
                )
                [(slot,)] = connection.execute("SELECT slots[1] FROM store.rate_limit").fetchall()
                bound = {"bucket": bucket, "slot": slot, "rush_from": second + begins, "rush_to": second + ends}
                moved.append(connection.execute(statement("limiter/move_slot"), bound).fetchone() is not None)
            assert moved == [True, False, False, True], bucket


def test_who_could_not_ask_catches_up_within_the_window(market):
    waits = []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"history": 10.0}, sleep=waits.append)
        open_at(connection, time.time() - 3600)
        for _ in range(12):
            rate_limiter("history")
    assert waits[:10] == [0] * 10, "an hour of silence is worth one window"
    assert all(wait > 0.5 for wait in waits[10:])


def test_buckets_are_apart_and_an_unknown_one_is_refused(market):
    waits = []
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rates = {"history": 0.1, "live": 0.1}
        rate_limiter = RateLimiter(connection, rates, sleep=waits.append, clock=lambda: 0.0)
        rate_limiter("history")
        rate_limiter("live")
        assert waits == [0, 0]
        with pytest.raises(KeyError):
            rate_limiter("options")


def oversleeping_once(connection, meanwhile=lambda: None):
    """A pacer whose first sleep takes 0.1 s too long, by its own clock, and the list of its sleeps."""
    now, slept = [0.0], []

    def sleep(seconds):
        if not slept:
            now[0] += 0.1
            meanwhile()
        now[0] += seconds
        slept.append(seconds)

    return RateLimiter(connection, {"history": RATE}, sleep=sleep, clock=lambda: now[0]), slept


def test_who_was_kept_from_its_moment_moves_it_to_the_present(market):
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter, slept = oversleeping_once(connection, meanwhile=lambda: time.sleep(0.05))
        before = time.time()
        rate_limiter("history")
        assert slept == [0, 0], "it goes out at once"
        [slot] = given(connection)
        assert slot >= before + 0.05, "the others see when it went out"
        rate_limiter("history")
        assert len(slept) == 3 and len(given(connection)) == 2, "who keeps its slot asks once"


def test_a_missed_moment_that_is_forgotten_is_no_moment(market):
    """So late that a whole window was given away after it: then another is taken."""
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        others = RateLimiter(connection, {"history": RATE}, sleep=lambda seconds: None)
        rate_limiter, slept = oversleeping_once(
            connection, meanwhile=lambda: [others("history") for _ in range(int(RATE))]
        )
        rate_limiter("history")
        assert slept[0] == 0 and slept[1] > 0.5


def test_an_answer_that_is_always_slow_is_no_lateness(market):
    """A database 0.2 s away delays every request alike; what exceeds the fastest answer is late."""
    ticks, slept = iter([0, 0.2, 1, 1.2, 1.2, 2, 2.2, 2.2, 3, 3.4, 3.4, 4, 4.2, 4.2]), []

    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"history": 1e6}, sleep=slept.append, clock=lambda: next(ticks))
        rate_limiter("history")
        rate_limiter("history")
        assert len(slept) == 2
        rate_limiter("history")
        assert len(slept) == 4, "the third answer took 0.4 s and its slot is moved"


def test_the_very_first_answer_can_be_late(market):
    """What an answer takes is known from before the first request."""
    ticks, slept = iter([0, 0.01, 1, 1.2, 1.2, 2, 2.01, 2.01]), []

    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"history": 1e6}, sleep=slept.append, clock=lambda: next(ticks))
        rate_limiter("history")
        assert len(slept) == 2
