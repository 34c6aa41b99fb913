"""What a start asks of Airflow's REST API, answered by Airflow's own API server over a database of its own: the other
tests of stack/catchup.py play it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from stack import catchup

from .conftest import HISTORY as DAGS
from .conftest import months


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
