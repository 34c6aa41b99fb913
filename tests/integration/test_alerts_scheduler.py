"""Runs through Airflow's own scheduler, executor and DAG processor, without a market database: one message for all of
them, whatever failed in each; one whose task lost its row; and tasks that wait."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .rehearsal import slow

ROOT = Path(__file__).parents[2]
TOKEN, HOOK = "T0AAAA/B0BBBB/slacktokenslacktoken", "/hooks/webhooksecretwebhooksecret"

DAGS = """
import json, os, time
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowRescheduleException

from deribit_warehouse.alerts import collect, notify_failure, notify_quarantine, on_task_failure

RECORDS = Path(os.environ["ALERT_RECORDS"])
ONCE = dict(
    schedule="@once", start_date=datetime(2024, 3, 1), catchup=True, is_paused_upon_creation=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=0)},  # a busy machine may fail to start a task
)


def record(**what):
    with RECORDS.open("a") as file:
        file.write(json.dumps(what) + "\\n")


def facts(dag_id, run_id):
    return {"failures": [row for row in map(json.loads, RECORDS.open()) if row["dag_id"] == dag_id]}


def held_back(dag_id, run_id):
    key = {"instrument": "BTC-29MAR24", "day": "2024-03-07", "rule": "doubled", "severity": "critical"}
    return {"quarantined": [key]}


@dag(**ONCE, on_failure_callback=partial(notify_failure, facts=facts))
def failing():
    @task(
        map_index_template="{{ task.op_kwargs['batch'] }}",
        retries=1,
        retry_delay=timedelta(seconds=0),
        on_failure_callback=partial(on_task_failure, record=record),
    )
    def load(batch):
        if batch != "good":
            raise RuntimeError(f"no candles for {batch} {{{{ 7 * 7 }}}}")

    @task
    def publish():
        raise AssertionError("must not run")

    load.expand(batch=["BTC-PERPETUAL", "good", "ETH-PERPETUAL", "SOL-PERPETUAL"]) >> publish()


@dag(**ONCE, on_failure_callback=notify_failure)
def quarantining():
    @task
    def gate():
        notify_quarantine(collect(get_current_context(), held_back))

    gate()


@dag(**ONCE, on_failure_callback=partial(notify_failure, facts=facts))
def stranded():
    @task
    def load():
        until = time.monotonic() + 120
        while not (RECORDS.parent / "row_lost").exists():
            assert time.monotonic() < until
            time.sleep(0.2)

    @task
    def lost():
        raise AssertionError("must not run")

    @task(trigger_rule="all_done", pool="default_pool")
    def gate():
        raise AssertionError("must not run")

    load() >> lost() >> gate()


@dag(**ONCE)
def waiting():
    @task
    def wait(name):
        asked = RECORDS.parent / name
        with asked.open("a") as file:
            file.write(f"{time.time()} {get_current_context()['ti'].try_number}\\n")
        if len(asked.read_text().splitlines()) < 2:
            raise AirflowRescheduleException(datetime.now(timezone.utc) + timedelta(seconds=15))

    wait.expand(name=["mapped"])
    wait.override(task_id="alone")("alone")


failing()
quarantining()
stranded()
waiting()
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def airflow(tmp_path, httpserver):
    """A whole Airflow on an empty home; yields its home. Mail points to a closed port, Slack and webhook to us."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "alerting.py").write_text(DAGS)
    (tmp_path / "records").touch()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ALERT_RECORDS": str(tmp_path / "records"),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        "AIRFLOW_CONN_DERIBIT_ALERTS_SMTP": json.dumps(
            {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": free_port(),
                "password": "mailpasswordmailpassword",
                "extra": {
                    "disable_ssl": True,
                    "disable_tls": True,
                    "from_email": "a@example.com",
                    "to": "b@example.com",
                },
            }
        ),
        "AIRFLOW_CONN_DERIBIT_ALERTS_SLACK": json.dumps(
            {"conn_type": "slackwebhook", "host": httpserver.url_for("/services"), "password": TOKEN}
        ),
        "AIRFLOW_CONN_DERIBIT_ALERTS_WEBHOOK": json.dumps({"conn_type": "http", "host": httpserver.url_for(HOOK)}),
    }
    with (tmp_path / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            ["airflow", "standalone"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield tmp_path
        finally:
            family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
            if family:
                os.killpg(process.pid, signal.SIGTERM)
                _, alive = psutil.wait_procs(family[1:], timeout=10)
                for member in alive:
                    member.kill()
                process.kill()
                process.wait(timeout=10)


def states(home):
    """The runs' states by DAG, once Airflow has made its database."""
    try:
        with sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True, timeout=10) as database:
            return dict(database.execute("SELECT dag_id, state FROM dag_run"))
    except sqlite3.OperationalError:
        return {}


def kept(home):
    """What is kept for a market database that is away, and here is none, by the DAG that had to tell it."""
    file = home / "market_away.json"
    return {each["dag_id"]: each for each in json.loads(file.read_text())["later"]} if file.exists() else {}


def until(true, seconds, home):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s, {states(home)}:\n{(home / 'standalone.log').read_text()[-4000:]}")
        time.sleep(0.5)


@slow
@pytest.mark.scheduler
def test_runs_tell_once_on_every_channel_that_answers(airflow, httpserver):
    httpserver.expect_request(HOOK).respond_with_data("", status=204)
    httpserver.expect_request(f"/services/{TOKEN}").respond_with_data("ok")

    def told(path):
        return [request.get_json() for request, _ in httpserver.log if request.path == path]

    def a_row_is_lost():
        with sqlite3.connect(airflow / "airflow.db", timeout=10) as database:
            return database.execute(
                "DELETE FROM task_instance WHERE dag_id = 'stranded' AND task_id = 'lost' AND EXISTS "
                "(SELECT 1 FROM task_instance WHERE dag_id = 'stranded' AND task_id = 'load' AND state = 'running')"
            ).rowcount

    until(lambda: states(airflow).get("stranded") == "running" and a_row_is_lost(), 180, airflow)
    (airflow / "row_lost").touch()
    until(lambda: len(told(HOOK)) >= 1 and len(told(f"/services/{TOKEN}")) >= 1, 240, airflow)
    ended = {"failing": "failed", "quarantining": "success", "stranded": "failed", "waiting": "success"}
    until(lambda: states(airflow) == ended and len(kept(airflow)) == 3, 180, airflow)
    time.sleep(3)  # a second message would come now

    [message], [_] = told(HOOK), told(f"/services/{TOKEN}")
    assert message["subject"].startswith("the market database away, since ")
    assert message["dag_id"] in ended and message["dag_id"] != "waiting"
    found = kept(airflow)
    stranded = found["stranded"]["words"]
    assert stranded.endswith("No task of the run could be scheduled any more.")
    assert {dag_id: (each["fingerprint"], each["level"], each["stands"]) for dag_id, each in found.items()} == {
        "failing": (["failure", "failing", "RuntimeError", ""], "error", ["2024-03-01T00:00/2024-03-01T00:00"]),
        "quarantining": (["quarantine", "quarantining", "doubled", "BTC"], "warning", ["2024-03-07"]),
        # of which Airflow says nothing but its name
        "stranded": (["failure", "stranded", "run failed", ""], "error", [found["stranded"]["run_id"]]),
    }

    # asked again when they said and not before, and every time as the first attempt
    for name in ("mapped", "alone"):
        asked = [line.split() for line in (airflow / name).read_text().splitlines()]
        assert len(asked) == 2 and len({attempt for _, attempt in asked}) == 1
        first, again = (float(at) for at, _ in asked)
        assert again - first >= 15

    # the first line is the run's interval
    assert found["failing"]["words"].splitlines()[1:] == [
        f"load[{index}] {batch}: RuntimeError: no candles for {batch} {{{{ 7 * 7 }}}}"
        for index, batch in ((0, "BTC-PERPETUAL"), (2, "ETH-PERPETUAL"), (3, "SOL-PERPETUAL"))
    ]
    assert found["quarantining"]["words"].splitlines()[1:] == ["BTC-29MAR24 on 2024-03-07"]

    logs = "\n".join(path.read_text() for path in [*airflow.glob("logs/**/*.log"), airflow / "standalone.log"])
    assert logs.count("Alert channel deribit_alerts_smtp failed") >= 1
    for secret in ("mailpasswordmailpassword", TOKEN, HOOK.strip("/")):
        assert secret not in logs
