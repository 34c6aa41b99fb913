"""Between loaded and published: a suite validates the interval's profile, and what passed is published by the
transaction that recorded the outcome."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from deribit_warehouse import settings
from deribit_warehouse.dataset import VALIDATION_POOL, Dataset, Table
from deribit_warehouse.datasets import DATASETS

from .connections import market
from .interval import interval_of

log = logging.getLogger(__name__)


# in the pool of its dataset (datasets.POOLS says why)
@task(pool=VALIDATION_POOL, trigger_rule=TriggerRule.ALL_DONE, retries=1, multiple_outputs=False)
def publish(dataset: Dataset, loaded) -> dict[str, Any]:
    """Validates what is stored of the run's interval and publishes what passed.

    Runs when every load is done, failed ones included: what they did not bring is missing, is named, and does not
    hold back the rest. Returns {validation_id, outcome, rows, quarantined, published}. Fails for good when the suite
    blocks the interval; then nothing of it is published. Skipped when nothing lived in the interval.
    """
    context = get_current_context()
    begins, ends = interval_of(dataset, context)
    require_all_loads(context)
    with market() as connection, connection.transaction():
        validation_id, decision, counts = validate_and_publish(connection, dataset, context, begins, ends)
    outcome = finish(dataset, validation_id, decision, **counts)
    if decision.quarantined or decision.warnings:
        notify_quarantine(context)
    return outcome


def validate_and_publish(connection, dataset: Dataset, context, begins: datetime, ends: datetime) -> tuple:
    """Validates what is stored of [begins, ends) and decides on its versions, in the caller's transaction: (validation
    id, decision, {rows, published}). Raises AirflowSkipException when there is nothing to validate."""
    from deribit_warehouse.quality.suites import read_outages
    from deribit_warehouse.warehouse import profiles, publication

    publication.share_decisions(connection)
    outages = [(o.start, o.end) for o in read_outages(settings.EXPECTATIONS / "known_outages.json")]
    profile = profiles.profile(connection, dataset, begins, ends, currencies=settings.currencies(), outages=outages)
    if profile.empty:
        raise AirflowSkipException(f"nothing of {dataset.name} is there to validate from {begins} to {ends}")
    validation, decision = validate_profile(dataset, profile, context, begins, ends)
    if decision.quarantined_keys and not decision.blocked_because:
        publication.exclude_computation(connection, dataset.table, DATASETS)
    validation_id = record_validation(connection, dataset, profile, context, begins, ends, validation, decision)
    published = decide_versions(connection, dataset, validation_id, profile, decision)
    return validation_id, decision, {"rows": len(profile), "published": published}


def require_all_loads(context) -> None:
    """Raises AirflowFailException when Airflow's database has lost a load of the run: Airflow takes those that are left
    for all, so the gate would validate, and call green, what was never loaded."""
    ti = context["ti"]
    planned = max(1, len(ti.xcom_pull(task_ids="plan") or ()))  # without a batch Airflow keeps one row, skipped
    there = ti.get_ti_count(dag_id=ti.dag_id, task_ids=["load"], run_ids=[ti.run_id])
    if there < planned:
        raise AirflowFailException(
            f"Airflow's database has lost {planned - there} of the run's {planned} loads; clear the run, all its tasks"
        )


def validate_profile(dataset: Dataset, profile, context, begins: datetime, ends: datetime) -> tuple:
    """What the dataset's suite says of a profile, and what is decided: (validation, decision). Asks no database."""
    from deribit_warehouse.quality.suites import read_suite, read_waivers
    from deribit_warehouse.quality.validate import decide, validate

    suite = read_suite(settings.EXPECTATIONS / f"{dataset.name}.json")
    run_name = f"{dataset.name} · {begins:%Y-%m-%d} to {ends:%Y-%m-%d} · {context['dag_run'].run_id}"
    validation = validate(profile, suite, keys=list(dataset.keys), run_name=run_name)
    return validation, decide(
        validation, waivers=read_waivers(settings.EXPECTATIONS / "waivers.json"), tolerated_share=suite.tolerated_share
    )


def record_validation(
    connection, dataset: Dataset, profile, context, begins: datetime, ends: datetime, validation, decision
) -> int:
    """Records a validation and its findings in the caller's transaction; returns the validation's id."""
    from deribit_warehouse.quality.suites import day_of
    from deribit_warehouse.quality.validate import Finding, stored_result
    from deribit_warehouse.warehouse import validations

    dag_run = context["dag_run"]
    validation_id = validations.record_validation(
        connection, dataset=dataset.name, dag_id=dag_run.dag_id, run_id=dag_run.run_id, begins=begins, ends=ends,
        outcome=decision.outcome, suite=validation.suite, rows=validation.rows,
        expected=int(profile.rows_expected.sum()), missing=int(profile.rows_missing.sum()),
        blocked_because=decision.blocked_because,
        result=stored_result(validation, decision, interval_from=begins.isoformat(), interval_to=ends.isoformat(),
                        dag_id=dag_run.dag_id, run_id=dag_run.run_id),
    )  # fmt: skip
    days = {key_of(row, dataset): day_of(getattr(row, dataset.day)) for row in profile.itertuples(index=False)}
    validations.record_findings(
        connection, validation_id, dataset.name,
        seen={(key[0], day) for key, day in days.items()},
        findings=[
            (f.key[0], days[f.key], f.key[1] if dataset.day == "ts" else None, f.rule, f.severity, str(f.observed),
             f.waived_reason)
            for f in (*decision.quarantined, *decision.waived, *decision.warnings) if isinstance(f, Finding)
        ],
    )  # fmt: skip
    return validation_id


def key_of(row, dataset: Dataset) -> tuple:
    """What names a row of a dataset's profile."""
    return tuple(getattr(row, key) for key in dataset.keys)


def decide_versions(connection, dataset: Dataset, validation_id: int, profile, decision) -> int:
    """Publishes the versions behind a profile's rows that passed and holds the others back, in the caller's
    transaction; returns how many were not published before. Of a blocked interval what is published stays as it is, and
    what is pending stays so until somebody asks for it or it changes."""
    from deribit_warehouse.warehouse import publication

    table = dataset.table
    if decision.blocked_because:
        rows = list(profile.itertuples(index=False))
        publication.block(connection, table, validation_id, version_keys(rows, table))
        return 0
    passed, held = partition_rows(profile, dataset, decision)
    taken_back = publication.hold(connection, table, validation_id, version_keys(held, table), DATASETS)
    published = publication.publish(
        connection, table, validation_id, version_keys(passed, table), notes(passed, table) if table.noted else ()
    )
    if taken_back:
        log.warning("%d published versions of %s broke a rule now and were taken back", taken_back, dataset.name)
    return published


def partition_rows(profile, dataset: Dataset, decision) -> tuple[list, list]:
    """The profile's rows that may be published, and those that are held back."""
    held = set(decision.quarantined_keys)
    rows = list(profile.itertuples(index=False))
    return [r for r in rows if key_of(r, dataset) not in held], [r for r in rows if key_of(r, dataset) in held]


def version_keys(rows: list, table: Table) -> list[tuple]:
    """The versions behind a profile's rows: the values of the table's key, and version_id. What is missing has none."""
    from pandas import notna

    there = (row for row in rows if notna(row.version_id))
    return [(*(getattr(row, column) for column in table.key), int(row.version_id)) for row in there]


def notes(rows: list, table: Table) -> list[tuple]:
    """What the profile says of those versions that is kept beside their state, in step with version_keys()."""
    from pandas import notna

    def noted(row) -> tuple:
        return tuple(value if notna(value) else None for value in (getattr(row, column) for column in table.noted))

    return [noted(row) for row in rows if notna(row.version_id)]


def finish(dataset: Dataset, validation_id: int, decision, *, rows: int, published: int) -> dict[str, Any]:
    """Says what came of it, after the commit; fails the task for good when the interval is blocked."""
    held = len(decision.quarantined_keys)
    log.info(
        "%s: %s; %d rows validated, %d newly published, %d quarantined",
        dataset.name,
        decision.outcome,
        rows,
        published,
        held,
    )
    if decision.blocked_because:
        raise AirflowFailException(
            f"{dataset.name} was blocked, nothing of it was published: " + "; ".join(decision.blocked_because)
        )
    return {
        "validation_id": validation_id,
        "outcome": decision.outcome,
        "rows": rows,
        "quarantined": held,
        "published": published,
    }


def notify_quarantine(context) -> None:
    """One message about a run that goes on with quarantined keys or new warnings; none when all of it was told before.
    A run in which a task has failed will fail, and its one message, told by the DAG's on_failure_callback, names them.
    """
    from deribit_warehouse import alerts

    report = alerts.collect(context)
    if not report.failures:
        alerts.notify_quarantine(report)
