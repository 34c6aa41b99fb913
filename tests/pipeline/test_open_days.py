"""What a live run asks for, and which stretches of time it validates."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse import settings
from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import INSTRUMENT_SUMMARIES, OPTIONS_CHAIN
from deribit_warehouse.pipeline.dag_defaults import EARLY, snapshot_dag_args
from deribit_warehouse.pipeline.interval import interval_of, newest_minute
from deribit_warehouse.pipeline.load import BATCH_REQUESTS, in_batches, within
from deribit_warehouse.pipeline.publish import together

START = datetime(2026, 10, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
intervals = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 60)).map(
        lambda pair: (START + pair[0] * MINUTE, START + (pair[0] + pair[1]) * MINUTE)
    ),
    max_size=12,
)


def minutes_of(found: list[tuple[datetime, datetime]]) -> set[datetime]:
    return {begins + n * MINUTE for begins, ends in found for n in range((ends - begins) // MINUTE)}


@given(intervals)
def test_intervals_put_together_cover_the_same_and_lie_apart(given_ones):
    found = together(given_ones)
    assert minutes_of(found) == minutes_of(given_ones)
    assert found == sorted(found)
    assert all(one[1] < other[0] for one, other in pairwise(found))


def window(number: int, requests: int) -> Window:
    return Window(f"BTC-{number}", f"BTC-{number}", number, START, START + MINUTE, requests)


@pytest.fixture
def opens(monkeypatch):
    """Lets the tasks of a load open an exchange of a clock, seconds since 1970, and nothing else; returns it."""

    def open_with(clock):
        load = import_module("deribit_warehouse.pipeline.load")
        context = {"dag_run": SimpleNamespace(run_id="run", conf={}), "ti": SimpleNamespace(id=None)}
        for each in (load, import_module("deribit_warehouse.pipeline.waiting")):
            monkeypatch.setattr(each, "get_current_context", lambda: context)
        monkeypatch.setattr(load, "finished_before_waiting", set)
        monkeypatch.setattr(load, "base_url", lambda _: "http://exchange")
        opened = SimpleNamespace(now=lambda prompt=False: round(clock() * 1000))
        for name in ("exchange", "market"):
            monkeypatch.setattr(load, name, lambda *_: nullcontext(opened))
        return opened

    return open_with


costs = st.lists(st.integers(1, 9), max_size=40)


@given(costs, st.floats(0, 200))
def test_as_much_is_taken_as_may_be_asked_the_first_first_and_never_nothing(given_ones, requests):
    windows = [window(number, cost) for number, cost in enumerate(given_ones)]
    taken = within(windows, requests)
    assert taken == windows[: len(taken)]
    assert len(taken) >= min(1, len(windows))
    assert sum(each.requests for each in taken[1:]) <= requests
    left = windows[len(taken) :]
    assert not left or sum(each.requests for each in [*taken, left[0]]) > requests


@pytest.mark.parametrize("contracts", [3, 200])
def test_the_newest_minutes_do_not_wait_for_what_is_older(monkeypatch, opens, contracts):
    """A few of the older hours come with each run, however many there are and however much else is to be asked."""
    from deribit_warehouse.datasets import FUTURES_LIVE
    from deribit_warehouse.warehouse import catalogue

    module = import_module("deribit_warehouse.pipeline.load")
    now = START + timedelta(days=20)
    hour, six = timedelta(hours=1), timedelta(hours=6)
    newest = [Window(f"{n}", f"{n}", n, now - hour, now, 1) for n in range(contracts)]
    older = [Window(f"{n}", f"{n}", n, START, START + six, 1) for n in range(contracts)]
    monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "15")
    monkeypatch.setenv("DERIBIT_LIVE_SHARE", "0.2")
    opens(now.timestamp)
    monkeypatch.setattr(catalogue, "windows", lambda *_, **__: [*newest, *older])
    planned = [Window.unpacked(w) for batch in module.plan_open.function(FUTURES_LIVE) for w in batch["windows"]]
    # three a second: 25 s of the newest, 5 s of what is older
    assert planned == [*newest[:75], *older[:15]]


@given(costs)
def test_batches_hold_every_window_once_in_order_and_are_worth_a_task_each_the_last_one_too(given_ones):
    windows = [window(number, cost) for number, cost in enumerate(given_ones)]
    found = [[Window.unpacked(fields) for fields in batch["windows"]] for batch in in_batches(windows)]
    assert [each for batch in found for each in batch] == windows
    worth = [sum(each.requests for each in batch) for batch in found]
    # a window is at most nine requests here
    assert len(worth) < 2 or min(worth) > 3 / 4 * BATCH_REQUESTS - 9
    assert max(worth, default=0) < 3 / 2 * BATCH_REQUESTS


@pytest.mark.parametrize("patience", [timedelta(0), timedelta(minutes=40)])
def test_an_exchange_that_is_away_is_waited_for_as_long_as_the_plan_may(monkeypatch, patience):
    from deribit_warehouse.datasets import FUNDING_LIVE
    from deribit_warehouse.exchange import ExchangeUnavailable

    class Waits(Exception):
        pass

    def wait(awaited: str, cause: str, *, bound: timedelta) -> None:
        raise Waits(awaited, bound)

    def away(_: str) -> None:
        raise ExchangeUnavailable("away")

    module = import_module("deribit_warehouse.pipeline.load")
    monkeypatch.setattr(module, "get_current_context", lambda: {"dag_run": SimpleNamespace(conf={})})
    monkeypatch.setattr(module, "exchange", away)
    monkeypatch.setattr(import_module("deribit_warehouse.pipeline.waiting"), "wait", wait)
    with pytest.raises(Waits) as waits:
        module.plan_open.function(FUNDING_LIVE, patience)
    assert waits.value.args == ("the exchange", patience)


@pytest.mark.parametrize("wanted", [True, False])
def test_what_was_listed_since_is_in_the_catalogue_before_the_run_plans_where_that_is_wanted(
    monkeypatch, opens, wanted
):
    from deribit_warehouse.datasets import FUTURES_LIVE
    from deribit_warehouse.warehouse import catalogue

    module, done = import_module("deribit_warehouse.pipeline.load"), []
    opened = opens(START.timestamp)
    monkeypatch.setattr(module, "read_new_listings", lambda *given: done.append(given))
    monkeypatch.setattr(catalogue, "windows", lambda *_, **__: done.append("planned") or [])
    assert module.plan_open.function(FUTURES_LIVE, new_listings=wanted) == []
    assert done == [*([(opened, "run")] if wanted else []), "planned"]


@pytest.mark.parametrize(("second", "newest"), [(0, 0), (29.9, 0), (30, 1), (59.9, 1)])
def test_a_run_asks_for_the_minute_that_is_over_soon(second, newest):
    assert newest_minute(START + timedelta(seconds=second)) == START + newest * MINUTE


@pytest.mark.parametrize("minutes", [1, 5, 15, 60])
@pytest.mark.parametrize("dataset", [OPTIONS_CHAIN, INSTRUMENT_SUMMARIES])
def test_the_run_of_a_beat_begins_shortly_before_it_and_is_for_it(monkeypatch, dataset, minutes):
    import pendulum
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.interval import CronDataIntervalTimetable

    beat = timedelta(minutes=minutes)
    monkeypatch.setattr("deribit_warehouse.pipeline.dag_defaults.beat_of", lambda _: beat)
    arguments = snapshot_dag_args(dataset)
    timetable = CronDataIntervalTimetable(arguments["schedule"].expression, timezone="UTC")
    always, info, moments = TimeRestriction(pendulum.instance(START), None, catchup=True), None, []
    for _ in range(70):
        interval = info and info.data_interval
        info = timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=always)
        run = SimpleNamespace(run_after=info.run_after, conf={})
        begins, ends = interval_of(dataset, {"dag_run": run})
        assert begins == ends and ends - info.run_after == EARLY
        moments.append(datetime.fromtimestamp(ends.timestamp(), UTC))
    assert all((moment - START) % beat == timedelta(0) for moment in moments)
    assert all(later - earlier == beat for earlier, later in pairwise(moments))


@pytest.mark.parametrize(
    ("before", "waits"), [(20, 21), (0.5, 1.5), (0, 1), (-0.4, 0.6), (-1, 0), (-30, 0), (32, 0), (3600, 0)]
)
def test_a_load_that_began_early_waits_for_the_end_of_its_minute_by_the_clock_of_the_exchange(
    monkeypatch, before, waits
):
    module, slept = import_module("deribit_warehouse.pipeline.load"), []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=slept.append))
    clock = SimpleNamespace(now=lambda: round((START.timestamp() - before) * 1000))
    module.wait_for_end(clock, START)
    assert slept == ([pytest.approx(waits)] if waits else [])


@pytest.mark.parametrize(("seconds_each", "loaded"), [(0, 5), (10, 3), (100, 1)])
def test_a_live_load_asks_no_longer_than_it_may_and_leaves_the_rest_to_the_next_run(
    monkeypatch, opens, seconds_each, loaded
):
    from deribit_warehouse.datasets import FUTURES_LIVE
    from deribit_warehouse.warehouse.ingestion import Ingested

    module = import_module("deribit_warehouse.pipeline.load")
    clock, asked = [1000.0], []

    def load(exchange, connection, window, provenance):
        asked.append(window.subject)
        clock[0] += seconds_each
        return Ingested(), 1

    dataset = replace(FUTURES_LIVE, load=load)
    windows = [[f"BTC-{n}", f"BTC-{n}", n, 0, 60_000, 1] for n in range(5)]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    opens(lambda: 10_000)
    told = module.load.function(dataset, {"label": "", "windows": windows})
    assert asked == [f"BTC-{n}" for n in range(loaded)]
    assert (told["instruments"], told["requests"]) == (loaded, loaded)
    # of closed days all is loaded, however long it takes
    asked.clear()
    module.load.function(replace(dataset, live=False), {"label": "", "windows": windows})
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        (20, ["old 0", "old 1", "old 2", "new 0", "new 1"]),  # there is time for all that is older
        # and for two of them; the third has a part of the time after
        (7, ["old 0", "old 1", "new 0", "new 1", "old 2"]),
        (0, ["new 0", "new 1", "old 0", "old 1"]),  # the load begins late: no longer than a fifth of its time
    ],
)
def test_older_hours_are_asked_for_while_the_minute_is_not_over(monkeypatch, opens, before, asked):
    """Each answer takes three seconds."""
    from deribit_warehouse.datasets import FUTURES_LIVE
    from deribit_warehouse.warehouse.ingestion import Ingested

    module = import_module("deribit_warehouse.pipeline.load")
    ends = START + timedelta(days=3)
    clock, found, slept = [ends.timestamp() - before], [], []

    def load(exchange, connection, window, provenance):
        found.append((window.subject, clock[0] - ends.timestamp()))
        clock[0] += 3
        return Ingested(), 1

    def sleep(seconds):
        slept.append(seconds)
        clock[0] += seconds

    hour = timedelta(hours=1)
    windows = [Window(f"new {n}", f"new {n}", n, ends - hour, ends, 1) for n in range(2)]
    windows += [Window(f"old {n}", f"old {n}", n, START, START + 6 * hour, 1) for n in range(3)]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    opens(lambda: clock[0])
    packed = {"label": "", "windows": [each.packed() for each in windows]}
    told = module.load.function(replace(FUTURES_LIVE, load=load), packed)
    assert [subject for subject, _ in found] == asked
    assert told["requests"] == len(asked)
    newest = [since for subject, since in found if subject.startswith("new")]
    assert newest == [pytest.approx(max(1, -before)), pytest.approx(4)], "a second after the end, and not later"


@pytest.mark.parametrize(("seconds_each", "validated"), [(0, 5), (15, 2), (100, 1)])
def test_a_live_run_begins_no_further_stretch_once_its_time_is_over(monkeypatch, seconds_each, validated):
    from deribit_warehouse.datasets import FUTURES_LIVE

    module = import_module("deribit_warehouse.pipeline.publish")  # the package's own publish is the task
    clock, begun = [1000.0], []

    def validate_and_publish(connection, dataset, context, begins, ends, **_):
        begun.append(begins)
        clock[0] += seconds_each
        decision = SimpleNamespace(blocked_because=[])
        return SimpleNamespace(
            validation_id=1, decision=decision, has_findings=False, changes=1, summary=lambda: {"rows": 60}
        )

    hours = [(START + n * 60 * MINUTE, START + n * 60 * MINUTE + MINUTE) for n in range(4)]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    connection = SimpleNamespace(transaction=nullcontext)
    replaced = {
        "get_current_context": dict, "require_all_loads": lambda _: None, "planned_intervals": lambda _: hours,
        "market": lambda: nullcontext(connection), "validate_and_publish": validate_and_publish,
        "validate_computed": lambda *_: [], "notify_waiting_datasets": lambda *_: None,
    }  # fmt: skip
    for name, stand_in in replaced.items():
        monkeypatch.setattr(module, name, stand_in)
    outcomes = module.publish.function(FUTURES_LIVE, None)
    stretches = [*(begins for begins, _ in hours[::-1]), settings.history_from()]
    assert begun == stretches[:validated], "the newest first, and what waits from before as the last"
    assert len(outcomes) == validated
