import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.api import AirflowApi
from stack.credentials import Credentials
from stack.settings import separate_environment, stack_of

DAGS = Path(__file__).resolve().parents[2] / "dags"
HISTORY = ("deribit_perpetuals_ohlcv", "deribit_futures_ohlcv", "deribit_funding_rates")
FROM = "2025-02-01"


@pytest.fixture(scope="session")
def bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(DAGS))


@pytest.fixture(scope="session")
def every_dag(bag):
    return list(bag.dags.values())


@pytest.fixture(scope="session")
def every_task(every_dag):
    return [task for dag in every_dag for task in dag.tasks]


@pytest.fixture(scope="module")
def parse_history(airflow_database):
    """Parses the history DAGs, as from FROM on, into Airflow's database: what the DAG processor does every minute."""
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    bag = DagBag(str(DAGS))
    for each in (part for name in HISTORY for part in (bag.dags[name], *bag.dags[name].tasks)):
        each.start_date = datetime.fromisoformat(FROM).replace(tzinfo=UTC)
    dags = [LazyDeserializedDAG.from_dag(bag.dags[name]) for name in HISTORY]
    with create_session() as session:
        session.merge(DagBundleModel(name="newest"))

    def parse():
        with create_session() as session:
            update_dag_parsing_results_in_db("newest", None, dags, {}, None, set(), session)

    yield parse
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id.in_(HISTORY)))


@pytest.fixture
def api(parse_history, tmp_path, monkeypatch):
    """Airflow's REST API, of its own server over the tests' database, with the history parsed and no run of it."""
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
        session.execute(delete(DagRun).where(DagRun.dag_id.in_(HISTORY)))
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


def months() -> list[datetime]:
    """The first of every closed month since FROM."""
    found, month = [], datetime.fromisoformat(FROM).replace(tzinfo=UTC)
    while (past := (month + timedelta(days=31)).replace(day=1)) <= datetime.now(UTC):
        found.append(month)
        month = past
    return found
