"""Old runs go, and catchup goes on where it was: with Airflow's own API server, scheduler and cleaning command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stack import clean

from .conftest import months

DAG = "deribit_futures_ohlcv"
NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=30)


def make_run(run_id: str, kind: str, *, logical_date: datetime | None, ended: datetime, state: str = "success") -> None:
    """A run of DAG that started and ended at an instant, whatever its logical date is."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.timetables.base import DataInterval
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        interval = logical_date and DataInterval(logical_date, (logical_date + timedelta(days=31)).replace(day=1))
        run = SerializedDagModel.get_dag(DAG, session=session).create_dagrun(
            run_id=run_id, run_type=DagRunType(kind), state=state, session=session, logical_date=logical_date,
            run_after=ended, triggered_by=DagRunTriggeredByType.TEST, data_interval=interval,
        )  # fmt: skip
        run.start_date, run.end_date = ended, None if state == "running" else ended


def next_month() -> datetime | None:
    """The month that the scheduler makes a run of next."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        return session.get(DagModel, DAG).next_dagrun_data_interval_start


@pytest.fixture
def history(api):
    """Every month but the newest two was run 60 days ago in its turn; then the first one was cleared and ran again, an
    asset rang, and somebody started a run by hand."""
    long_ago = NOW - timedelta(days=60)
    done = months()[:-2]
    for place, month in enumerate(done):
        again = timedelta(days=1) if place == 0 else timedelta(0)
        make_run(f"scheduled__{month:%Y-%m}", "scheduled", logical_date=month, ended=long_ago + again)
    for place in range(150):  # more than a page
        make_run(
            f"asset__{place}", "asset_triggered", logical_date=None, ended=long_ago + timedelta(days=2, minutes=place)
        )
    make_run("manual__old", "manual", logical_date=None, ended=long_ago + timedelta(days=3))
    make_run("manual__running", "manual", logical_date=None, ended=long_ago, state="running")
    make_run("asset__new", "asset_triggered", logical_date=None, ended=NOW - timedelta(days=1))
    return [f"scheduled__{month:%Y-%m}" for month in done]


def left() -> set[str]:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return set(session.scalars(select(DagRun.run_id).where(DagRun.dag_id == DAG)))


def test_what_catchup_goes_on_from_stays_and_the_rest_goes(api, history, parse_history):
    parse_history()
    assert next_month() == months()[-2]
    assert clean.clean_runs(api, BEFORE) == 151
    assert left() == {*history, "manual__running", "asset__new"}
    parse_history()
    assert next_month() == months()[-2], "no month is loaded again and none is left out"
    assert clean.clean_runs(api, BEFORE) == 0


def test_airflows_own_cleaning_of_runs_would_load_months_again(api, history, parse_history):
    """Which is why it isn't used for them. Where this fails Airflow has mended it."""
    from airflow.utils.db_cleanup import run_cleanup

    run_cleanup(clean_before_timestamp=BEFORE, table_names=["dag_run"], confirm=False, skip_archive=True)
    assert left() == {"asset__new"}
    parse_history()
    assert next_month() == months()[0]


def test_of_a_dag_without_a_past_the_newest_run_stays(api, history, monkeypatch):
    monkeypatch.setattr(clean, "belongs_to_history", lambda dag: False)
    make_run("asset__newest", "asset_triggered", logical_date=None, ended=NOW)
    # and of any other DAG, of which tests before may have left runs
    assert clean.clean_runs(api, NOW + timedelta(days=1)) >= len(history) + 152
    assert left() == {"asset__newest", "manual__running"}


def test_every_dag_that_catches_up_belongs_to_the_history(every_dag):
    from stack.catchup import belongs_to_history

    for dag in every_dag:
        if dag.catchup:
            assert belongs_to_history({"tags": [{"name": tag} for tag in dag.tags]}), dag.dag_id


def test_the_tables_that_airflow_cleans_name_no_run(airflow_database):
    """Its command takes what it is told, and cleans the tables that hang on those as well: these have none."""
    from airflow.utils.db_cleanup import _effective_table_names

    names, _ = _effective_table_names(table_names=list(clean.TABLES))
    assert sorted(names) == sorted(clean.TABLES)


def test_airflow_cleans_them_as_it_is_told(api, history):
    import sqlalchemy
    from airflow.cli.cli_parser import get_parser
    from airflow.utils.session import create_session

    with create_session() as session:
        for dttm in (BEFORE - timedelta(days=1), BEFORE + timedelta(days=1)):
            session.execute(sqlalchemy.text("INSERT INTO log (dttm, event) VALUES (:at, 'tried here')"), {"at": dttm})
    before = left()
    arguments = get_parser().parse_args(clean.cleaning(BEFORE))
    arguments.func(arguments)
    with create_session() as session:
        query = sqlalchemy.text("SELECT count(*) FROM log WHERE event = 'tried here'")
        assert session.scalar(query) == 1
        archives = sqlalchemy.text("SELECT count(*) FROM pg_class WHERE relname LIKE '\\_airflow\\_deleted%'")
        assert session.scalar(archives) == 0
        session.execute(sqlalchemy.text("DELETE FROM log WHERE event = 'tried here'"))
    assert left() == before
