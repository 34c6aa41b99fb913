from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"
HISTORY = ("deribit_perpetuals_ohlcv", "deribit_futures_ohlcv", "deribit_funding_rates")
YEARLY = ("deribit_funding_rates",)
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


def months() -> list[datetime]:
    """The first of every closed month since FROM."""
    found, month = [], datetime.fromisoformat(FROM).replace(tzinfo=UTC)
    while (past := (month + timedelta(days=31)).replace(day=1)) <= datetime.now(UTC):
        found.append(month)
        month = past
    return found
