from pathlib import Path

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"


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
