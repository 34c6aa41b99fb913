"""What a start asks of Airflow's REST API, answered by Airflow's own API server over a database of its own: the other
tests of stack/catchup.py play it."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from stack import catchup
from stack.api import AirflowApi
from stack.credentials import Credentials
from stack.settings import separate_environment, stack_of

from .conftest import HISTORY as DAGS
from .conftest import months


@pytest.fixture
def api(parse_history, tmp_path, monkeypatch):
    import uvicorn
    from airflow.api_fastapi.app import create_app
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "admin:admin")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(tmp_path / "passwords.json"))
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    made = Credentials.generate()
    (tmp_path / "passwords.json").write_text(f'{{"admin": "{made.admin}"}}')
    parse_history()
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id.in_(DAGS)))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(apps="core"), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield AirflowApi(replace(stack_of("demo", separate_environment(tmp_path, {})), port=port, public_port=port), made)
    server.should_exit = True
    thread.join(30)


def test_the_newest_month_is_started_once_and_early(api):
    now = datetime.now(UTC)
    assert catchup.newest_month_first(api, now) == months()[-1]
    assert catchup.newest_month_first(api, now + timedelta(minutes=5)) is None, "it is there"
    for dag in DAGS:
        [run] = api.runs(dag=dag)
        assert run["dag_run_id"] == f"newest_month__{months()[-1]:%Y-%m}" and run["run_type"] == "manual"
        interval = [datetime.fromisoformat(run[f"data_interval_{side}"]) for side in ("start", "end")]
        assert interval == [months()[-1], now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)]
        assert datetime.fromisoformat(run["logical_date"]) == months()[0] + timedelta(seconds=1)


def test_what_failed_and_what_was_never_loaded_is_queued_again(api, parse_history):
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.timetables.base import DataInterval
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import select

    states = ["failed", "success", "success", "running"]
    with create_session() as session:
        dag = SerializedDagModel.get_dag("deribit_futures_ohlcv", session=session)
        for month, state in zip(months(), states, strict=False):
            dag.create_dagrun(
                run_id=f"scheduled__{month.isoformat()}", run_type=DagRunType.SCHEDULED, state=state, session=session,
                logical_date=month, run_after=month, triggered_by=DagRunTriggeredByType.TEST,
                data_interval=DataInterval(month, (month + timedelta(days=31)).replace(day=1)),
            )  # fmt: skip
        session.get(DagModel, "deribit_futures_ohlcv").is_paused = True  # whatever another test did to it
    parse_history()
    lacking = [{"dataset": "futures_ohlcv", "month": date(m.year, m.month, 1)} for m in months()[1:]]
    notes = catchup.run_again(api, lacking[:1] + lacking[2:])
    assert notes == [
        "deribit_futures_ohlcv: 1 run that failed before",
        "deribit_futures_ohlcv: 1 run of months that lack an instrument",
    ]  # fmt: skip
    with create_session() as session:
        query = select(DagRun.state).where(DagRun.dag_id == "deribit_futures_ohlcv").order_by(DagRun.logical_date)
        assert [str(state) for state in session.scalars(query)] == ["queued", "queued", "success", "running"]
        assert session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == "deribit_futures_ohlcv"))
    catchup.unpause(api)
    assert not any(dag["is_paused"] for dag in api.dags() if dag["dag_id"] in DAGS)
