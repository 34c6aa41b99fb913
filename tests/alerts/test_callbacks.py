"""What the callbacks make of the contexts Airflow hands them."""

import logging
from datetime import UTC, date, datetime
from functools import partial
from types import SimpleNamespace

import pytest

from deribit_warehouse.alerts import callbacks
from deribit_warehouse.alerts.callbacks import collect, notify_failure, notify_quarantine, on_task_failure
from deribit_warehouse.alerts.messages import FailedTask, QuarantinedKey, RunReport

RUN_ID = "scheduled__2024-03-01T00:00:00+00:00"
SINCE, UNTIL = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)


class Dag:
    dag_id = "deribit_futures_ohlcv"

    def has_task(self, task_id):
        return task_id in ("plan", "load", "publish", "load_2")


@pytest.fixture
def airflow_says(monkeypatch):
    """Puts a supervisor in this process that answers GetTaskStates, as a task's or the DAG processor's does."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult

    class Supervisor:
        def __init__(self, states):
            self.states = states

        def send(self, message):
            assert isinstance(message, GetTaskStates)
            assert (message.dag_id, message.run_ids) == ("deribit_futures_ohlcv", [RUN_ID])
            return TaskStatesResult(task_states={RUN_ID: self.states})

    def airflow_says(states):
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(states), raising=False)

    return airflow_says


def context(**more):
    ti = SimpleNamespace(dag_id="deribit_futures_ohlcv", run_id=RUN_ID, task_id="load", map_index=3)
    dag_run = SimpleNamespace(run_id=RUN_ID, data_interval_start=SINCE, data_interval_end=UNTIL)
    return {"dag": Dag(), "run_id": RUN_ID, "dag_run": dag_run, "ti": ti, "reason": "task_failure", **more}


def row(task_id, map_index, error="Timeout: 30 s", label="BTC-29MAR24"):
    return {"task_id": task_id, "map_index": map_index, "label": label, "error": error}


def knows(**rows):
    return lambda dag_id, run_id: rows


def unreachable(dag_id, run_id):
    raise ConnectionError("connection to 127.0.0.1 refused")


def test_airflow_says_which_tasks_failed_and_the_warehouse_why(airflow_says):
    airflow_says(
        {"plan": "success", "load_0": "failed", "load_1": "success", "load_10": "failed", "publish": "upstream_failed"}
    )
    odd = {"instrument": "BTC-1", "day": date(2024, 3, 1), "rule": "odd", "severity": "warning", "observed": "3"}
    warnings = [odd, {**odd, "known": True}]
    report = collect(context(), knows(failures=[row("load", 10)], blocked=["b"], warnings=warnings))
    assert report == RunReport(
        "deribit_futures_ohlcv",
        RUN_ID,
        (SINCE, UNTIL),
        failures=[FailedTask("load", 0), FailedTask("load", 10, "BTC-29MAR24", "Timeout: 30 s")],
        blocked=["b"],
        warnings=[QuarantinedKey("BTC-1", date(2024, 3, 1), "odd", "warning", "3")],
    )


@pytest.mark.parametrize(
    ("conf", "since"),
    [
        ({"from": "2024-02-10", "to": "2024-02-12"}, datetime(2024, 2, 10, tzinfo=UTC)),
        ({"from": "2024-02-10"}, SINCE), ({"from": 5, "to": []}, SINCE), (["from", "to"], SINCE), (None, SINCE),
    ],
)  # fmt: skip
def test_a_run_started_by_hand_for_a_range_is_about_that_range(airflow_says, conf, since):
    airflow_says({})
    dag_run = SimpleNamespace(run_id=RUN_ID, conf=conf, data_interval_start=SINCE, data_interval_end=UNTIL)
    assert collect(context(dag_run=dag_run), knows()).interval[0] == since


def test_a_task_that_failed_once_and_succeeded_since_is_not_told_again(airflow_says):
    airflow_says({"load_0": "success", "publish": "failed"})
    report = collect(context(), knows(failures=[row("load", 0)]))
    assert report.failures == [FailedTask("publish")]


def test_a_task_whose_own_name_ends_in_a_number_is_not_taken_for_a_mapped_one(airflow_says):
    airflow_says({"load_2": "failed"})
    assert collect(context(), knows()).failures == [FailedTask("load_2")]


def test_quarantined_rows_may_carry_more_than_is_told(airflow_says):
    airflow_says({})
    held = {"instrument": "BTC-1", "day": date(2024, 3, 2), "rule": "doubled", "severity": "critical", "observed": 2}
    report = collect(context(), knows(quarantined=[{**held, "validation_id": 7}]))
    assert report.quarantined == [QuarantinedKey(**held)]


def test_with_the_warehouse_unreachable_it_tells_what_airflow_knows_and_says_so(airflow_says):
    airflow_says({"load_0": "failed", "load_1": "failed"})
    report = collect(context(), unreachable)
    assert report.failures == [FailedTask("load", 0), FailedTask("load", 1)]
    [note] = report.notes
    assert "market database could not be asked (ConnectionError: connection to 127.0.0.1 refused)" in note


def test_a_warehouse_that_never_answers_is_not_waited_for(airflow_says, monkeypatch):
    import threading

    monkeypatch.setattr(callbacks, "TIMEOUT", 0.2)
    airflow_says({"publish": "failed"})
    never = threading.Event()
    report = collect(context(), lambda dag_id, run_id: never.wait(30))
    never.set()
    assert report.failures == [FailedTask("publish")]
    assert "no answer in time" in report.notes[0]


def test_malformed_rows_cost_their_details_and_not_the_message(airflow_says):
    airflow_says({"publish": "failed"})
    report = collect(context(), knows(quarantined=[{"instrument": "BTC-1"}]))
    assert report.failures == [FailedTask("publish")]
    assert "KeyError" in report.notes[0]


def test_with_airflow_mute_the_recorded_and_the_last_failure_are_told():
    report = collect(context(), knows(failures=[row("load", 1)]))
    assert report.failures == [FailedTask("load", 1, "BTC-29MAR24", "Timeout: 30 s"), FailedTask("load", 3)]
    assert "Airflow could not be asked" in report.notes[0]


def test_the_smallest_context_airflow_hands_out_is_enough(airflow_says):
    airflow_says({"load_0": "skipped"})
    report = collect({"dag": Dag(), "run_id": RUN_ID, "reason": "timed_out"}, knows())
    notes = [callbacks._REASONS["timed_out"]]
    assert report == RunReport("deribit_futures_ohlcv", RUN_ID, notes=notes, only_named=True)


def test_a_failed_run_is_told_once_whatever_failed(airflow_says, webhook, mailbox, nowhere):
    airflow_says({f"load_{index}": "failed" for index in range(500)})
    assert notify_failure(context(), knows(failures=[row("load", 7)])) is None
    assert webhook.only()["counts"]["failed"] == 500
    _, headers, html = mailbox.only()
    assert headers["Subject"] == "deribit_futures_ohlcv from 2024-03-01: 500 tasks failed"
    assert "load[7] BTC-29MAR24: Timeout: 30 s" in html
    assert "and 470 more" in html


def test_links_begin_with_airflows_own_address(airflow_says, webhook, monkeypatch):
    airflow_says({"publish": "failed"})
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    notify_failure(context(), knows())
    assert webhook.only()["links"]["Run"].startswith(
        "https://airflow.example.com/dags/deribit_futures_ohlcv/runs/scheduled__"
    )


def test_telling_never_raises(caplog):
    assert notify_failure({}) is None
    assert "could not be reported" in caplog.text


def test_a_quarantine_is_told_once(webhook, nowhere):
    held = [QuarantinedKey("BTC-1", date(2024, 3, day), "doubled", "critical", 2) for day in range(1, 20)]
    notify_quarantine(RunReport("deribit_futures_ohlcv", RUN_ID, (SINCE, UNTIL), quarantined=held))
    told = webhook.only()
    assert told["subject"] == "deribit_futures_ohlcv from 2024-03-01: 19 days of 1 instrument quarantined by 1 rule"
    assert told["details"][0]["lines"][0]["text"].startswith("BTC-1: doubled (critical) on 2024-03-01 and 18 more")


def test_nothing_to_tell_is_not_told(webhook):
    notify_quarantine(RunReport("deribit_futures_ohlcv", RUN_ID, notes=["the market database could not be asked"]))
    assert webhook.requests == []


def failed_task(**more):
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="load", map_index=2, rendered_map_index="BTC-PERPETUAL")
    return {"ti": ti, "exception": ValueError("no candles at 12:00"), **more}


def test_a_task_records_why_it_failed():
    records = []
    partial(on_task_failure, record=lambda **what: records.append(what))(failed_task())
    assert records == [
        {
            "dag_id": "d",
            "run_id": "r",
            "task_id": "load",
            "map_index": 2,
            "label": "BTC-PERPETUAL",
            "error": "ValueError: no candles at 12:00",
        }
    ]


def test_a_killed_and_unlabelled_task_is_recorded_too():
    records = []
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="publish", map_index=None)
    on_task_failure({"ti": ti}, record=lambda **what: records.append(what))
    assert records[0]["map_index"] == -1
    assert records[0]["label"] == ""
    assert "killed" in records[0]["error"]


def test_a_recorded_reason_holds_no_secret():
    from airflow.sdk.log import mask_secret

    mask_secret("passwordofmarket")
    records = []
    error = ConnectionError("postgresql://market_loader:passwordofmarket@db/market refused")
    on_task_failure(failed_task(exception=error), record=lambda **what: records.append(what))
    assert records[0]["error"] == "ConnectionError: postgresql://market_loader:***@db/market refused"


def test_a_reason_that_cannot_be_recorded_is_logged_and_harms_nothing(caplog):
    def record(**what):
        raise OSError("database down")

    caplog.set_level(logging.ERROR)
    on_task_failure(failed_task(), record=record)
    assert "could not be recorded: OSError: database down" in caplog.text
