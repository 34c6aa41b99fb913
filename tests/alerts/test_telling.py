"""From Airflow's callbacks to the channels, with a market database that remembers."""

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest

from deribit_warehouse.alerts import away, callbacks
from deribit_warehouse.alerts.callbacks import notify_failure, notify_news, notify_quarantine, on_task_well
from deribit_warehouse.alerts.messages import QuarantinedKey, RunReport
from deribit_warehouse.warehouse import incidents, validations, watched
from deribit_warehouse.warehouse.incidents import Fingerprint
from deribit_warehouse.warehouse.watched import Finding

RUN_ID = "scheduled__2024-03-01T00:00:00+00:00"
SINCE, UNTIL = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
BAD = {"task_id": "load", "map_index": 0, "label": "BTC", "error": "BadResponse: no ticks"}
ENDED = QuarantinedKey("ICP_USDC-PERPETUAL", SINCE.date(), "listed-though-delisted", "warning", "nothing since")


@pytest.fixture
def memory(market, monkeypatch):
    monkeypatch.setenv("DERIBIT_CALM_MINUTES", "0")

    @contextmanager
    def memory():
        with psycopg.connect(market.dsn(), options="-c timezone=UTC") as connection:
            yield connection

    return memory


@pytest.fixture
def run(monkeypatch):
    """A function that makes the context of a run's last task, with the states of the others."""

    def run(states, *, last="publish", catchup=True, params=("from", "to"), run_id=RUN_ID):
        monkeypatch.setattr(callbacks, "_states", lambda dag, run_id: states)
        dag = SimpleNamespace(dag_id="deribit_futures_ohlcv", catchup=catchup, params=params)
        dag_run = SimpleNamespace(
            dag_id="deribit_futures_ohlcv", run_id=run_id, data_interval_start=SINCE, data_interval_end=UNTIL
        )
        ti = SimpleNamespace(dag_id=dag.dag_id, run_id=run_id, task_id=last, map_index=-1)
        task = SimpleNamespace(downstream_task_ids={"complete"} if last == "publish" else {"publish", "complete"})
        return {"dag": dag, "dag_run": dag_run, "run_id": run_id, "ti": ti, "task": task, "reason": "task_failure"}

    return run


def knows(**rows):
    return lambda dag_id, run_id: rows


FAILED = {("load", 0): "failed", ("publish", -1): "success"}
WELL = {("load", 0): "success", ("publish", -1): "running", ("complete", -1): None}


def subjects(webhook) -> list[str]:
    return [request.get_json()["subject"] for request in webhook.requests]


def test_a_run_that_airflow_strands_is_told(run, memory, webhook, market):
    """Airflow says of it what it says of one that took too long: no task that failed, and no interval."""
    states = {("load", 0): "success", ("publish", -1): "upstream_failed", ("complete", -1): None}
    context = run(states) | {"reason": "all_tasks_deadlocked"}
    notify_failure({name: context[name] for name in ("dag", "run_id", "reason")}, knows(), memory)
    told = webhook.only()
    assert told["subject"].startswith("futures_ohlcv: run failed, since ")
    [incident] = told["incidents"]
    assert incident["words"] == ["No task of the run could be scheduled any more."]
    assert (told["level"], told["dag_id"], told["run_id"]) == ("error", "deribit_futures_ohlcv", RUN_ID)
    assert market.rows("SELECT kind, dataset, rule, level, state FROM incidents") == [
        ("failure", "futures_ohlcv", "run failed", "error", "open")
    ]
    # a run that an asset has started has no interval, and has not done the work of the stranded one
    other = run(WELL, run_id="asset_triggered__1")
    other["dag_run"].data_interval_start = other["dag_run"].data_interval_end = None
    on_task_well(other, memory=memory)
    assert len(subjects(webhook)) == 1 and not any("next run tries again" in note for note in told["notes"])
    on_task_well(run(WELL), memory=memory)
    assert subjects(webhook)[1].startswith("Over: futures_ohlcv: run failed; ")


def test_three_failures_and_a_recovery_are_two_messages(run, memory, webhook):
    for _ in range(3):
        notify_failure(run(FAILED), knows(failures=[BAD]), memory)
    [told] = subjects(webhook)
    assert told.startswith("futures_ohlcv: run failed with BadResponse, since ")
    on_task_well(run(WELL, last="load"), memory=memory)
    on_task_well(run(WELL | {("load", 0): "running"}), memory=memory)
    on_task_well(run(FAILED), memory=memory)
    assert len(subjects(webhook)) == 1, "it was not the end, or did not go well"
    on_task_well(run(WELL), memory=memory)
    on_task_well(run(WELL), memory=memory)
    [_, over] = subjects(webhook)
    assert over.startswith("Over: futures_ohlcv: run failed with BadResponse; ") and over.endswith("seen 3 times")


def test_a_message_that_no_channel_took_is_sent_by_the_next_run(run, memory, webhook, httpserver, market):
    httpserver.clear()
    webhook.answers("no", 500)
    notify_failure(run(FAILED), knows(failures=[BAD]), memory)
    assert market.rows("SELECT notified_at, state FROM incidents") == [(None, "open")]
    httpserver.clear()
    webhook.answers(status=204)
    with psycopg.connect(market.dsn()) as connection:
        connection.execute("UPDATE store.incident SET telling_at = telling_at - interval '3 minutes'")
    on_task_well(run(FAILED), memory=memory)  # of whatever DAG, however it went
    assert [subject.startswith("futures_ohlcv: run failed") for subject in subjects(webhook)] == [True]
    assert market.value("SELECT notified_at IS NOT NULL FROM incidents")


def test_the_exchange_is_back_for_who_asked_it(run, memory, webhook, market):
    away = [BAD | {"error": "ExchangeUnavailable: 11051 system maintenance"}]
    for _ in range(2):
        notify_failure(run(FAILED, catchup=False), knows(failures=away), memory)
    [told] = subjects(webhook)
    assert told.startswith("the exchange in maintenance, since ")
    assert market.rows("SELECT kind, times FROM incidents") == [("wait", 2)]
    on_task_well(run(WELL | {("load", 0): "skipped"}, catchup=False), asks=["load"], memory=memory)
    assert len(subjects(webhook)) == 1, "it asked for nothing"
    on_task_well(run(WELL, catchup=False), asks=["load"], memory=memory)
    assert subjects(webhook)[1].startswith("Over: the exchange in maintenance; lasted ")


@pytest.mark.parametrize("catchup", [True, False])
def test_an_instrument_without_an_answer_is_not_the_exchange_that_is_away(run, memory, webhook, market, catchup):
    said = "1 of 9 instruments were not loaded (waited for instruments without an answer since 08:00 UTC): "
    left = [BAD | {"error": f"AirflowFailException: {said}B-PERPETUAL: ExchangeUnavailable: code 13888"}]
    notify_failure(run(FAILED, catchup=catchup), knows(failures=left), memory)
    [told] = subjects(webhook)
    assert told.startswith("futures_ohlcv: run failed with ExchangeUnavailable, since ")
    assert market.rows("SELECT kind FROM incidents") == [("failure",)]


def validated(memory, minute: int, outcome: str) -> str:
    """Records what the gate of a run said of its minute; returns the run's id."""
    begins, run_id = SINCE + timedelta(minutes=minute), f"minute {minute}"
    with memory() as connection:
        validations.record_validation(
            connection, dataset="futures_ohlcv", dag_id="deribit_futures_ohlcv", run_id=run_id, begins=begins,
            ends=begins + timedelta(minutes=1), outcome=outcome, suite="s", rows=1, expected=1, missing=0,
            blocked_because=["it raised"] if outcome == "blocked" else [], result=None,
        )  # fmt: skip
    return run_id


BLOCKED = {("load", 0): "success", ("publish", -1): "failed"}


def test_a_blocked_minute_that_no_run_takes_again_is_over_with_the_next_that_passes(run, memory, webhook, market):
    live = {"catchup": False, "params": ()}
    for minute in range(3):
        run_id = validated(memory, minute, "blocked")
        notify_failure(run(BLOCKED, run_id=run_id, **live), knows(blocked=["it raised"]), memory)
        if minute == 0:
            incidents.acknowledge_at(market.dsn(), 1, "night.shift", None, resolve=False)
    assert market.rows("SELECT stands, times, grown_at < acknowledged_at FROM store.incident") == [([""], 3, True)]
    on_task_well(run(WELL, run_id="looked at nothing", **live), memory=memory)
    assert market.rows("SELECT state FROM incidents") == [("acknowledged",)]
    on_task_well(run(WELL, run_id=validated(memory, 3, "passed"), **live), memory=memory)
    begun, over = subjects(webhook)
    assert "blocked" in begun and over.startswith("Over: ") and over.endswith("seen 3 times")


def test_a_blocked_month_that_a_run_can_take_again_is_over_when_it_passes(run, memory, webhook, market):
    derived = {"catchup": False}
    notify_failure(
        run(BLOCKED, run_id=validated(memory, 0, "blocked"), **derived), knows(blocked=["it raised"]), memory
    )
    on_task_well(run(WELL, run_id=validated(memory, 1, "passed"), **derived), memory=memory)
    assert market.rows("SELECT state FROM incidents") == [("open",)]
    on_task_well(run(WELL, run_id=validated(memory, 0, "passed"), **derived), memory=memory)
    assert market.rows("SELECT state FROM incidents") == [("resolved",)]


def test_a_quarantine_and_news(memory, webhook):
    held = QuarantinedKey("BTC-1", SINCE.date(), "doubled", "critical", 2)
    for _ in range(2):
        notify_quarantine(RunReport("deribit_futures_ohlcv", RUN_ID, (SINCE, UNTIL), quarantined=[held]), memory)
    notify_quarantine(RunReport("deribit_futures_ohlcv", RUN_ID), memory)
    notify_news(RunReport("deribit_instruments", RUN_ID, warnings=[ENDED]), memory)
    notify_news(RunReport("deribit_instruments", RUN_ID), memory)
    held_back, learned = subjects(webhook)
    assert held_back.startswith("futures_ohlcv BTC: held back by doubled, since ")
    assert learned == "instruments ICP: listed-though-delisted"


def test_what_the_watch_has_kept_is_told_by_the_next_run_of_any_dag(run, memory, webhook, market):
    found = [
        Finding(Fingerprint("watch", name, "stale", "BTC"), "error", "words", f"deribit_{name}")
        for name in ("perpetuals_live", "futures_live")
    ]
    for _ in range(3):
        watched.keep(market.dsn(), found, ())
        on_task_well(run(FAILED), memory=memory)
    assert len(subjects(webhook)) == 1
    for _ in range(2):
        watched.keep(market.dsn(), (), [finding.fingerprint for finding in found])
        on_task_well(run(WELL), memory=memory)
    begun, over = subjects(webhook)
    assert begun.startswith("2 datasets stale: futures_live, perpetuals_live, since ")
    assert over == "Over: 2 datasets stale: futures_live, perpetuals_live; lasted less than a minute"


def test_a_run_that_a_stop_has_interrupted_is_no_failure(run, memory, webhook, market):
    started = callbacks.services_started()
    assert started < datetime.now(UTC)
    given_up = {("plan", -1): "success", ("load", 0): "skipped", ("publish", -1): "skipped"}

    def fail(reason: str, begun: datetime) -> None:
        context = run(given_up, catchup=False) | {"reason": reason}
        context["dag_run"].start_date = begun
        notify_failure(context, knows(), memory)

    fail("timed_out", started - timedelta(seconds=5))
    assert subjects(webhook) == [] and market.rows("SELECT * FROM incidents") == []
    fail("timed_out", started + timedelta(seconds=5))
    [told] = subjects(webhook)
    assert told.startswith("futures_ohlcv: run failed, since ")
    fail("task_failure", started - timedelta(seconds=5))
    assert market.rows("SELECT kind, rule, times FROM incidents") == [("failure", "run failed", 2)]


@pytest.mark.parametrize(("hours", "known"), [(1, True), (25, False)])
def test_what_somebody_says_is_over_and_is_still_wrong_says_so(run, memory, webhook, market, hours, known):
    found = [Finding(Fingerprint("watch", "futures_live", "stale", "BTC"), "error", "words", "deribit_futures_live")]
    watched.keep(market.dsn(), found, ())
    on_task_well(run(WELL), memory=memory)
    [number] = [row[0] for row in market.rows("SELECT incident_id FROM incidents")]
    incidents.acknowledge_at(market.dsn(), number, "night.shift", None, resolve=True)
    with memory() as connection:
        connection.execute(
            "UPDATE store.incident SET acknowledged_at = resolved_at - %(ago)s, resolved_at = resolved_at - %(ago)s",
            {"ago": timedelta(hours=hours)},
        )
    for _ in range(2):  # it is seen at every look, and is told once
        watched.keep(market.dsn(), found, ())
        on_task_well(run(WELL), memory=memory)
    first, second = [request.get_json() for request in webhook.requests]
    said = [note for note in second["notes"] if "night.shift said at " in note and "it was still wrong" in note]
    assert len(said) == known and not any("night.shift" in note for note in first["notes"])
    # that a warning was seen is no word that it is over: the next one is another one
    with memory() as connection, connection.transaction():
        warned = Fingerprint("warning", "futures_ohlcv", "move-usual", "BTC")
        seen = incidents.observe(connection, warned, "words", level="notice")
        incidents.acknowledge(connection, seen, "night.shift")
        incidents.observe(connection, warned, "words", level="notice")
    on_task_well(run(WELL), memory=memory)
    assert not any("night.shift" in note for note in webhook.requests[-1].get_json()["notes"])


def lost():
    raise psycopg.OperationalError("connection refused")


@pytest.fixture
def clock(monkeypatch):
    """The clock of a database that is away, which a test turns; it begins four hours ago."""
    clock = SimpleNamespace(now=time.time() - 4 * 3600)
    real = {"monotonic": time.monotonic, "sleep": time.sleep}
    monkeypatch.setattr(away, "time", SimpleNamespace(time=lambda: clock.now, **real))
    return clock


def fails(run, minute=0, **more):
    notify_failure(run(FAILED, run_id=f"minute {minute}", **{"catchup": False} | more), knows(failures=[BAD]), lost)


def test_without_a_memory_it_is_told_once_that_there_is_none_and_what_went_well_harms_nothing(run, webhook, caplog):
    for minute in range(5):
        fails(run, minute)
    [told] = [request.get_json() for request in webhook.requests]
    assert told["subject"].startswith("the market database away, since ")
    assert (told["news"], told["run_id"]) == ("opened", "minute 0")
    [incident] = told["incidents"]
    assert incident["incident_id"] is None and incident["words"] == [
        "OperationalError: connection refused",
        "First: deribit_futures_ohlcv from 2024-03-01: 1 task failed",
        "load[0] BTC: BadResponse: no ticks",
    ]
    on_task_well(run(WELL), memory=lost)
    on_task_well({}, memory=lost)
    assert caplog.text.count("What went well could not be told") == 2


def test_where_nothing_can_be_remembered_a_run_is_told_by_itself(run, webhook, nowhere):
    for _ in range(2):
        fails(run)
    assert subjects(webhook) == ["deribit_futures_ohlcv from 2024-03-01: 1 task failed"] * 2


def test_a_database_that_is_away_is_told_again_each_hour_and_once_when_it_is_back(
    run, memory, webhook, market, clock, monkeypatch
):
    monkeypatch.setenv("DERIBIT_CALM_MINUTES", "10")
    for minute in range(130):
        fails(run, minute)
        clock.now += 60
    begun, *still = subjects(webhook)
    assert begun.startswith("the market database away, since ")
    assert [text.partition(", since ")[0] for text in still] == 2 * ["Still: the market database away"]
    assert [text.rpartition(", ")[2] for text in still] == ["seen 61 times", "seen 121 times"]
    on_task_well(run(WELL), memory=memory)
    assert len(subjects(webhook)) == 3 and market.rows("SELECT * FROM incidents") == [], "it may not last"
    clock.now += 600
    for _ in range(2):
        on_task_well(run(WELL), memory=memory)
    assert subjects(webhook)[3:] == ["Over: the market database away; lasted 2 hours 9 minutes, seen 130 times"]
    said = webhook.requests[-1].get_json()["incidents"][0]["words"]
    assert "129 more were not told one by one: deribit_futures_ohlcv 129" in said
    assert market.rows("SELECT kind, dataset, rule, level, state, times FROM incidents") == [
        ("wait", "the market database", "away", "error", "resolved", 130)
    ]


def test_a_database_that_comes_and_goes_is_told_once(run, memory, webhook, clock, monkeypatch):
    monkeypatch.setenv("DERIBIT_CALM_MINUTES", "10")
    for minute in range(30):
        fails(run, minute)
        on_task_well(run(WELL), memory=memory)
        clock.now += 60
    assert len(subjects(webhook)) == 1
    clock.now += 600
    on_task_well(run(WELL), memory=memory)
    [_, over] = subjects(webhook)
    assert over == "Over: the market database away; lasted 29 minutes, seen 30 times"


@pytest.mark.parametrize(("hours", "told"), [("0", 1), ("24", 2)])
def test_who_wants_no_reminders_gets_none(run, webhook, clock, monkeypatch, hours, told):
    monkeypatch.setenv("DERIBIT_REMIND_HOURS", hours)
    for minute in range(0, 120, 30):
        fails(run, minute)
        clock.now += 1800
    assert len(subjects(webhook)) == told


def test_what_no_next_run_mends_is_an_incident_as_soon_as_the_database_is_back(run, memory, webhook, market):
    for _ in range(2):
        fails(run, catchup=True)
    notify_news(RunReport("deribit_instruments", RUN_ID, warnings=[ENDED]), lost)
    assert len(subjects(webhook)) == 1
    on_task_well(run(FAILED), memory=memory)  # of whatever DAG, however it went
    assert sorted(text.partition(", since")[0] for text in subjects(webhook)[1:]) == [
        "Over: the market database away; lasted less than a minute, seen 3 times",
        "futures_ohlcv: run failed with BadResponse",
        "instruments ICP: listed-though-delisted",
    ]
    on_task_well(run(WELL), memory=memory)
    assert subjects(webhook)[-1].startswith("Over: futures_ohlcv: run failed with BadResponse; ")
    assert market.rows("SELECT * FROM incidents WHERE state <> 'resolved'") == []


def test_that_the_database_is_away_is_told_until_a_channel_takes_it(run, webhook, httpserver):
    httpserver.clear()
    webhook.answers("no", 500)
    fails(run)
    assert len(webhook.requests) == 1
    httpserver.clear()
    webhook.answers(status=204)
    for minute in (1, 2):
        fails(run, minute)
    [told] = [request.get_json() for request in webhook.requests]
    assert told["news"] == "opened" and told["incidents"][0]["times"] == 2


def test_that_the_database_is_away_is_told_again_where_who_told_it_was_killed(run, webhook, clock, monkeypatch):
    """As a message about an incident is, two minutes later; who wants no reminders would never hear of it."""
    monkeypatch.setenv("DERIBIT_REMIND_HOURS", "0")

    def killed(message):
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(away, "send", killed)
        fails(run)
    for minute in range(1, 5):
        clock.now += 60
        fails(run, minute)
    [told] = [request.get_json() for request in webhook.requests]
    assert told["news"] == "opened" and told["incidents"][0]["times"] == 3


@pytest.mark.parametrize("error", [psycopg.OperationalError("server closed the connection"), TimeoutError("no answer")])
def test_what_was_kept_before_the_database_went_is_not_kept_again(run, memory, webhook, market, monkeypatch, error):
    def goes(connection, base_url):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(callbacks, "send_due_messages", goes)
        notify_news(RunReport("deribit_instruments", RUN_ID, warnings=[ENDED]), memory)
    assert subjects(webhook) == []
    for _ in range(2):
        on_task_well(run(FAILED), memory=memory)  # of whatever DAG, however it went
    assert subjects(webhook) == ["instruments ICP: listed-though-delisted"]
    assert market.rows("SELECT kind, times FROM incidents") == [("note", 1)]


def test_what_can_not_be_told_by_our_own_fault_is_no_database_that_is_away(run, memory, webhook, market, monkeypatch):
    def broken(incidents, base_url):
        raise KeyError("words")

    with monkeypatch.context() as patched:
        patched.setattr("deribit_warehouse.alerts.incidents.render_incidents", broken)
        for _ in range(2):
            notify_failure(run(FAILED), knows(failures=[BAD]), memory)
            with memory() as connection:  # what it had begun to tell
                connection.execute("UPDATE store.incident SET telling_at = NULL")
    assert subjects(webhook) == ["deribit_futures_ohlcv from 2024-03-01: 1 task failed"] * 2
    on_task_well(run(FAILED), memory=memory)
    assert subjects(webhook)[2].startswith("futures_ohlcv: run failed with BadResponse, since ")
    assert market.rows("SELECT kind, dataset, times FROM incidents") == [("failure", "futures_ohlcv", 2)]


def test_what_is_kept_too_late_is_kept_once(run, memory, webhook, market, monkeypatch):
    """Who waited for it has it in the file by then."""
    from threading import Event

    monkeypatch.setattr(callbacks, "KEEPING", 0.2)
    given_up, ended = Event(), Event()

    @contextmanager
    def slow():
        try:
            with memory() as connection:
                given_up.wait(60)
                yield connection
        finally:
            ended.set()

    notify_news(RunReport("deribit_instruments", RUN_ID, warnings=[ENDED]), slow)
    given_up.set()
    assert ended.wait(60)
    on_task_well(run(FAILED), memory=memory)
    assert market.rows("SELECT kind, times FROM incidents WHERE kind = 'note'") == [("note", 1)]
    assert subjects(webhook).count("instruments ICP: listed-though-delisted") == 1
