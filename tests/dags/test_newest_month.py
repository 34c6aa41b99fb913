"""The newest closed month may run first, by hand, and catchup leaves out no other: Airflow's own scheduler says which
runs it makes. A backfill of that month would end catchup, which is why the start makes none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .conftest import HISTORY as DAGS
from .conftest import months

NOW = datetime.now(UTC)


def scheduled(parse, kind: str, logical_date: datetime) -> dict[str, list[datetime]]:
    """First a run of the newest closed month, of a kind (manual, backfill) and logical date; then everything that the
    scheduler makes by itself, with a parse before each of its rounds: {dag: begin of each scheduled month}."""
    from airflow.jobs.scheduler_job_runner import Job, SchedulerJobRunner
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.timetables.base import DataInterval
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete, select, update

    newest = months()[-1]
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id.in_(DAGS)))
    parse()
    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.dag_id.in_(DAGS)).values(is_paused=False))
        for dag_id in DAGS:
            SerializedDagModel.get_dag(dag_id, session=session).create_dagrun(
                run_id=f"first__{kind}", run_type=DagRunType(kind), state=DagRunState.SUCCESS, session=session,
                logical_date=logical_date, run_after=datetime.now(UTC),
                triggered_by=DagRunTriggeredByType.TEST,
                data_interval=DataInterval(newest, (newest + timedelta(days=31)).replace(day=1)),
            )  # fmt: skip
    runner = SchedulerJobRunner(job=Job())
    for _ in range(len(months()) + 3):
        parse()
        with create_session() as session:
            due = [dag for dag in DagModel.dags_needing_dagruns(session)[0] if dag.dag_id in DAGS]
            runner._create_dag_runs(due, session)
            session.execute(
                update(DagRun).where(DagRun.dag_id.in_(DAGS), DagRun.state != DagRunState.SUCCESS)
                .values(state=DagRunState.SUCCESS)
            )  # fmt: skip
    with create_session() as session:
        found = session.execute(
            select(DagRun.dag_id, DagRun.data_interval_start)
            .where(DagRun.dag_id.in_(DAGS), DagRun.run_type == DagRunType.SCHEDULED)
            .order_by(DagRun.data_interval_start)
        ).all()
    return {dag: [begins for name, begins in found if name == dag] for dag in DAGS}


def test_after_a_run_by_hand_of_the_newest_month_catchup_leaves_out_no_month(parse_history):
    made = scheduled(parse_history, "manual", months()[0] + timedelta(seconds=1))
    assert made == dict.fromkeys(DAGS, years_then_months())
    assert len(months()) > 5 and len(months()) > len(years_then_months()) > 2


def years_then_months() -> list[datetime]:
    """The begins of the runs: the first month, each January, this year's months."""
    return [each for each in months() if each in (months()[0], each.replace(month=1)) or each.year == NOW.year]


def test_after_a_backfill_of_it_catchup_would_leave_out_all_the_others(parse_history):
    assert scheduled(parse_history, "backfill", months()[-1]) == dict.fromkeys(DAGS, [])
