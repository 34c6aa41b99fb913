"""Between loaded and published: a suite validates the interval's profile, and what passed is published by the
transaction that recorded the outcome."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from deribit_warehouse import settings
from deribit_warehouse.dataset import VALIDATION_POOL, Dataset, Table
from deribit_warehouse.datasets import DATASETS

from .connections import market
from .dag_defaults import READY, ready
from .interval import interval_of, midnight

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pandas import DataFrame
    from psycopg import Connection

    from deribit_warehouse.quality.validate import Decision, Validation

log = logging.getLogger(__name__)

CATCHUP_MONTHS = 6
"""Of a catchup every so many months those are started that wait for what it brings."""


# in the pool of its dataset (datasets.POOLS says why)
@task(pool=VALIDATION_POOL, trigger_rule=TriggerRule.ALL_DONE, retries=1, multiple_outputs=False)
def publish(dataset: Dataset, loaded: Any) -> list[dict[str, Any]]:
    """Validates what is stored of the run's interval and publishes what passed.

    Runs when every load is done, failed ones included: what they did not bring is missing, is named, and does not
    hold back the rest. A run without an interval takes the months with days that wait and can be validated, one after
    the other, each in a transaction of its own. Returns {validation_id, outcome, rows, waiting, quarantined, published}
    of each interval. Fails for good when the suite blocks one; then nothing of that is published. Skipped when there is
    nothing to validate, or all of it waits, or nothing came of it: so its asset starts no run that has nothing to do.
    """
    context = get_current_context()
    interval = interval_of(dataset, context)
    if interval:
        require_all_loads(context)
    outcomes, blocked, changes, told = [], [], 0, False
    for begins, ends in [interval] if interval else pending_months(dataset, context):
        with market() as connection, connection.transaction():
            validated = validate_and_publish(connection, dataset, context, begins, ends, only_fetched=interval is None)
        if validated is None:
            continue
        changes += validated.changes
        told = told or bool(validated.decision.quarantined or validated.decision.warnings)
        outcomes.append(validated.summary())
        blocked += [f"{begins:%Y-%m-%d} to {ends:%Y-%m-%d}: {why}" for why in validated.decision.blocked_because]
    if blocked:
        raise blocked_error(dataset, blocked)
    if told:
        notify_quarantine(context)
    if changes:
        tell_who_waits(dataset, context, interval)
    if not outcomes or not (interval or changes):
        raise AirflowSkipException(
            f"nothing of {dataset.name} was decided: there is nothing, or it waits (view pending), or all is as it was"
        )
    return outcomes


def tell_who_waits(dataset: Dataset, context: Context, interval: tuple[datetime, datetime] | None) -> None:
    """An event for every dataset of which something waited for this one and can be validated now.

    Of a catchup's runs only each sixth month's and the newest month's do that: the run it starts validates all that
    waits, and one for each month of years would take their slots and cost more than the months themselves.
    """
    from deribit_warehouse.warehouse import publication

    if interval and context["dag_run"].run_type == "scheduled":
        ended = interval[1]
        if ended.month % CATCHUP_MONTHS and datetime.now(UTC) - ended > timedelta(days=31):
            return
    waiting = [other for other in DATASETS if dataset.name in other.references]
    with market() as connection:
        due = [other for other in waiting if publication.pending(connection, other)]
    for other in due:
        log.info("something of %s can be validated now", other.name)
        context["outlet_events"][READY].add(ready(other))


def pending_months(dataset: Dataset, context: Context) -> list[tuple[datetime, datetime]]:
    """The months, [begins, ends), that a run without an interval validates: those it has validated before, if it is
    tried again or was cleared, and those with days that wait and can be validated; started by hand, also those with
    what a validation has blocked, and with what was only loaded."""
    from deribit_warehouse.warehouse import publication, validations

    dag_run = context["dag_run"]
    with market() as connection:
        before = validations.run_intervals(connection, dataset.name, dag_run.dag_id, dag_run.run_id)
        months = publication.pending(connection, dataset, by_hand=dag_run.run_type == "manual")
    if dataset.references:  # its profile says what the exchange was asked for: the month is validated as a whole
        whole = [(m["month"], (m["month"] + timedelta(days=31)).replace(day=1)) for m in months]
    else:
        whole = [(m["first_day"], m["last_day"] + timedelta(days=1)) for m in months]
    return list(dict.fromkeys([*before, *((midnight(first), midnight(past)) for first, past in whole)]))


@dataclass(frozen=True)
class Validated:
    """What came of an interval. changes: versions that were published, taken back or held back by it."""

    validation_id: int
    decision: Decision
    rows: int
    waiting: int
    published: int
    changes: int

    def summary(self) -> dict[str, Any]:
        """As an XCom shows it."""
        return {
            "validation_id": self.validation_id, "outcome": self.decision.outcome, "rows": self.rows,
            "waiting": self.waiting, "quarantined": len(self.decision.quarantined_keys), "published": self.published,
        }  # fmt: skip


def validate_and_publish(
    connection: Connection,
    dataset: Dataset,
    context: Context,
    begins: datetime,
    ends: datetime,
    *,
    only_fetched: bool = False,
) -> Validated | None:
    """Validates what is stored of [begins, ends) and decides on its versions, in the caller's transaction. None: there
    is nothing to validate.

    What is compared with something that has to be loaded first is left out: it stays as it is until that comes.
    only_fetched: so is what the exchange was never asked for, which is no finding where nobody wanted it.
    """
    from deribit_warehouse.quality.suites import read_outages
    from deribit_warehouse.warehouse import profiles, publication

    publication.share_decisions(connection)
    outages = [(o.start, o.end) for o in read_outages(settings.EXPECTATIONS / "known_outages.json")]
    profile = profiles.profile(connection, dataset, begins, ends, currencies=settings.currencies(), outages=outages)
    waiting = 0
    if dataset.references:
        if only_fetched:
            profile = profile[profile.was_fetched]
        for awaited, rows in profile.waits_for.value_counts().items():
            log.warning("%s: %d rows from %s to %s wait for %s", dataset.name, rows, begins, ends, awaited)
            waiting += int(rows)
        left = profile[profile.waits_for.notna()].itertuples(index=False)
        publication.wait(connection, dataset.table, version_keys(list(left), dataset.table))
        profile = profile[profile.waits_for.isna()].drop(columns=["waits_for", "was_fetched"]).reset_index(drop=True)
    if profile.empty:
        log.info("nothing of %s is there to validate from %s to %s", dataset.name, begins, ends)
        return None
    validation, decision = validate_profile(dataset, profile, context, begins, ends)
    if decision.quarantined_keys and not decision.blocked_because:
        publication.exclude_computation(connection, dataset.table, DATASETS)
    validation_id = record_validation(connection, dataset, profile, context, begins, ends, validation, decision)
    published, changes = decide_versions(connection, dataset, validation_id, profile, decision)
    log.info(
        "%s from %s to %s: %s; %d rows validated, %d newly published, %d quarantined", dataset.name, begins, ends,
        decision.outcome, len(profile), published, len(decision.quarantined_keys),
    )  # fmt: skip
    return Validated(validation_id, decision, len(profile), waiting, published, changes)


def require_all_loads(context: Context) -> None:
    """Raises AirflowFailException when Airflow's database has lost a load of the run: Airflow takes those that are left
    for all, so the gate would validate, and call green, what was never loaded."""
    ti = context["ti"]
    planned = max(1, len(ti.xcom_pull(task_ids="plan") or ()))  # without a batch Airflow keeps one row, skipped
    there = ti.get_ti_count(dag_id=ti.dag_id, task_ids=["load"], run_ids=[ti.run_id])
    if there < planned:
        raise AirflowFailException(
            f"Airflow's database has lost {planned - there} of the run's {planned} loads; clear the run, all its tasks"
        )


def validate_profile(
    dataset: Dataset, profile: DataFrame, context: Context, begins: datetime, ends: datetime
) -> tuple[Validation, Decision]:
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
    connection: Connection, dataset: Dataset, profile: DataFrame, context: Context, begins: datetime, ends: datetime,
    validation: Validation, decision: Decision,
) -> int:  # fmt: skip
    """Records a validation and its findings in the caller's transaction; returns the validation's id."""
    from deribit_warehouse.quality.suites import day_of
    from deribit_warehouse.quality.validate import Finding, brief_result, stored_result
    from deribit_warehouse.warehouse import validations

    dag_run = context["dag_run"]
    # a snapshot is validated every few minutes
    kept = brief_result if dataset.snapshot else stored_result
    validation_id = validations.record_validation(
        connection, dataset=dataset.name, dag_id=dag_run.dag_id, run_id=dag_run.run_id, begins=begins, ends=ends,
        outcome=decision.outcome, suite=validation.suite, suite_digest=validation.suite_digest, rows=validation.rows,
        expected=int(profile.rows_expected.sum()), missing=int(profile.rows_missing.sum()),
        blocked_because=decision.blocked_because,
        result=kept(validation, decision, interval_from=begins.isoformat(), interval_to=ends.isoformat(),
                    dag_id=dag_run.dag_id, run_id=dag_run.run_id),
    )  # fmt: skip
    days = {key_of(row, dataset): day_of(getattr(row, dataset.day)) for row in profile.itertuples(index=False)}
    validations.record_findings(
        connection, validation_id, dataset.name,
        # a validation of days has seen all of each; one of snapshots nothing of the day but these
        seen={(key[0], day, key[1] if dataset.snapshot else None) for key, day in days.items()},
        findings=[
            (f.key[0], days[f.key], f.key[1] if dataset.day == "ts" else None, f.rule, f.severity, str(f.observed),
             f.waived_reason)
            for f in (*decision.quarantined, *decision.waived, *decision.warnings) if isinstance(f, Finding)
        ],
    )  # fmt: skip
    return validation_id


def key_of(row: Any, dataset: Dataset) -> tuple:
    """What names a row of a dataset's profile."""
    return tuple(getattr(row, key) for key in dataset.keys)


def decide_versions(
    connection: Connection, dataset: Dataset, validation_id: int, profile: DataFrame, decision: Decision
) -> tuple[int, int]:
    """Publishes the versions behind a profile's rows that passed and holds the others back, in the caller's
    transaction; returns how many were not published before, and that with how many were not held back before. Of a
    blocked interval what is published stays as it is, and what is pending stays so until somebody asks for it, or it
    changes, or what it is compared with does."""
    from deribit_warehouse.warehouse import publication

    table = dataset.table
    if decision.blocked_because:
        rows = list(profile.itertuples(index=False))
        publication.block(connection, table, validation_id, version_keys(rows, table), notes(rows, table))
        return 0, 0
    passed, held = partition_rows(profile, dataset, decision)
    newly_held, taken_back = publication.hold(
        connection, table, validation_id, version_keys(held, table), DATASETS, notes(held, table)
    )
    published = publication.publish(
        connection, table, validation_id, version_keys(passed, table), notes(passed, table)
    )  # fmt: skip
    if taken_back:
        log.warning("%d published versions of %s broke a rule now and were taken back", taken_back, dataset.name)
    return published, published + newly_held


def partition_rows(profile: DataFrame, dataset: Dataset, decision: Decision) -> tuple[list, list]:
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
    """What the profile says of those versions that is kept beside their state, in step with version_keys(); nothing for
    a table that keeps nothing."""
    from pandas import notna

    if not table.noted:
        return []

    def noted(row: Any) -> tuple:
        values = (getattr(row, column) for column in table.noted)
        # pandas makes floats of whole numbers beside which one is missing
        return tuple((int(v) if isinstance(v, float) else v) if notna(v) else None for v in values)

    return [noted(row) for row in rows if notna(row.version_id)]


def blocked_error(dataset: Dataset, because: list[str]) -> AirflowFailException:
    """What a publishing task fails with, for good, when the suite has blocked an interval."""
    return AirflowFailException(f"{dataset.name} was blocked, nothing of it was published: " + "; ".join(because))


def notify_quarantine(context: Context) -> None:
    """One message about a run that goes on with quarantined keys or new warnings; none when all of it was told before.
    A run in which a task has failed will fail, and its one message, told by the DAG's on_failure_callback, names them.
    """
    from deribit_warehouse import alerts

    report = alerts.collect(context)
    if not report.failures:
        alerts.notify_quarantine(report)
