"""Why a DAG runs one gate at a time: what Airflow does when two tasks that ring the same two DAGs end together.

When the first test fails, Airflow has mended it, and the gates need no pools of their own.
"""

from __future__ import annotations

import uuid
from collections import namedtuple
from threading import Barrier, Thread

import psycopg
import pytest

Dag = namedtuple("Dag", "dag_id")
RUNG = [Dag("basis_spread"), Dag("index_prices")]

TABLES = """
    CREATE TABLE dag (dag_id varchar PRIMARY KEY);
    CREATE TABLE asset (id integer PRIMARY KEY);
    CREATE TABLE asset_dag_run_queue (
        asset_id integer REFERENCES asset, target_dag_id varchar REFERENCES dag, created_at timestamptz,
        PRIMARY KEY (asset_id, target_dag_id));
    INSERT INTO dag VALUES ('basis_spread'), ('index_prices');
    INSERT INTO asset VALUES (1);
"""


@pytest.fixture
def engine(postgres):
    """A database with the three tables of Airflow's that a ring touches."""
    import psycopg2
    from sqlalchemy import create_engine

    name = f"airflow_{uuid.uuid4().hex[:12]}"
    postgres.execute(f"CREATE DATABASE {name}")
    dsn = postgres.dsn(name, "postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLES)
    connect = lambda: psycopg2.connect(dsn, options="-c deadlock_timeout=10ms")  # noqa: E731
    engine = create_engine("postgresql+psycopg2://", creator=connect)
    yield engine
    engine.dispose()
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


def deadlocks(engine, orders: list[list[Dag]], rounds: int) -> int:
    """Two tasks end at the same time, so many times; how many of them a deadlock ended."""
    import airflow.models.dag  # noqa: F401  the table that the queue's refers to
    from airflow.assets.manager import AssetManager
    from psycopg2.errors import DeadlockDetected
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.orm import Session

    found, others, together = [], [], Barrier(2)

    def ends(order: list[Dag]) -> None:
        for _ in range(rounds):
            together.wait()
            with Session(engine) as session:
                try:
                    AssetManager._queue_dagruns_nonpartitioned_postgres(1, order, session)
                    session.commit()
                except OperationalError as error:
                    (found if isinstance(error.orig, DeadlockDetected) else others).append(error)
                except Exception as error:
                    others.append(error)
            if together.wait() == 0:
                with engine.begin() as connection:
                    connection.execute(text("DELETE FROM asset_dag_run_queue"))
            together.wait()

    tasks = [Thread(target=ends, args=(order,)) for order in orders]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert others == []
    return len(found)


def test_two_orders_deadlock_which_fails_the_task_for_good(engine):
    assert deadlocks(engine, [RUNG, RUNG[::-1]], rounds=200) > 0


def test_one_order_never_does(engine):
    assert deadlocks(engine, [RUNG, RUNG], rounds=200) == 0
