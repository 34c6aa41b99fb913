"""Validates the profile of stored versions with the dataset's suite, and publishes those that passed in the same
transaction that records the outcome."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from deribit_warehouse import settings
from deribit_warehouse.dataset import Dataset, Table
from deribit_warehouse.datasets import DATASETS, LIVE

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pandas import DataFrame
    from psycopg import Connection

    from deribit_warehouse.quality.validate import Decision, Validation

log = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Validated:
    """The result of validating [begins, ends). rows, waiting, published: numbers of profiled rows; changes: how many
    versions were newly published, taken back or held back."""

    validation_id: int
    begins: datetime
    ends: datetime
    decision: Decision
    rows: int
    waiting: int
    published: int
    changes: int

    @property
    def has_findings(self) -> bool:
        """Whether something is held back or warned about."""
        return bool(self.decision.quarantined or self.decision.warnings)

    def summary(self) -> dict[str, Any]:
        """The result as a dictionary for the task's XCom."""
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
    only_waiting: bool = False,
) -> Validated | None:
    """Validates what is stored of [begins, ends) and decides on its versions, in the caller's transaction. Returns None
    when there is nothing to validate.

    Rows that are compared with data that has to be loaded first are left out; their versions stay as they are until
    that data is there. only_fetched: rows that the exchange was never asked for are left out too, because missing data
    is no finding where nobody requested it. only_waiting: what waits to be validated alone, of a dataset with a
    backlog; the interval is then what that lies in.
    """
    from deribit_warehouse.quality.suites import read_outages
    from deribit_warehouse.warehouse import profiles, publication

    publication.share_decisions(connection)
    outages = [(o.start, o.end) for o in read_outages(settings.EXPECTATIONS / "known_outages.json")]
    profile = profiles.profile(
        connection, dataset, begins, ends, currencies=settings.currencies(), outages=outages, waiting=only_waiting
    )
    waiting = 0
    if dataset.references:
        if only_fetched:
            profile = profile[profile.was_fetched]
        for awaited, rows in profile.waits_for.value_counts().items():
            log.warning("%s: %d rows from %s to %s wait for %s", dataset.name, rows, begins, ends, awaited)
            waiting += int(rows)
        left = profile[profile.waits_for.notna()].itertuples(index=False)
        publication.wait(connection, dataset.versions, version_keys(list(left), dataset.versions))
        profile = profile[profile.waits_for.isna()].drop(columns=["waits_for", "was_fetched"]).reset_index(drop=True)
    if profile.empty:
        log.info("nothing of %s is there to validate from %s to %s", dataset.name, begins, ends)
        return None
    if only_waiting:
        begins, ends = profile.ts.min().to_pydatetime(), profile.ts.max().to_pydatetime() + MINUTE
    validation, decision = validate_profile(dataset, profile, context, begins, ends)
    if decision.quarantined_keys and not decision.blocked_because:
        publication.exclude_computation(connection, dataset.versions, DATASETS)
    validation_id = record_validation(connection, dataset, profile, context, begins, ends, validation, decision)
    published, changes = decide_versions(connection, dataset, validation_id, profile, decision)
    log.info(
        "%s from %s to %s: %s; %d rows validated, %d newly published, %d quarantined", dataset.name, begins, ends,
        decision.outcome, len(profile), published, len(decision.quarantined_keys),
    )  # fmt: skip
    return Validated(validation_id, begins, ends, decision, len(profile), waiting, published, changes)


def validate_computed(
    connection: Connection, computed_from: Dataset, context: Context, validated: Validated
) -> list[Validated]:
    """Validates what is computed from a dataset when it is read, as far as a validation of that dataset has completed
    or changed it, in the same transaction: so nobody reads what does not pass.

    What does not is held back; where the batch as a whole is broken (blocked), all of it. validated: of the dataset,
    whose versions are decided on by now.
    """
    from deribit_warehouse.warehouse import profiles, publication

    found = []
    begins, ends, validation_id = validated.begins, validated.ends, validated.validation_id
    for dataset in (each for each in LIVE if each.computed_from and computed_from.name in each.inputs):
        publication.compute_alone(connection, dataset, days_between(begins, ends))
        profile = profiles.profile(
            connection, dataset, begins, ends, currencies=settings.currencies(), validation_id=validation_id
        )
        if profile.empty:
            continue
        validation, decision = validate_profile(dataset, profile, context, begins, ends)
        its_id = record_validation(connection, dataset, profile, context, begins, ends, validation, decision)
        there = profile.dropna(subset=list(dataset.computed_from))
        held, blocked = set(decision.quarantined_keys), bool(decision.blocked_because)
        is_held = [blocked or key_of(row, dataset) in held for row in there.itertuples(index=False)]
        changes = publication.hold_computed(connection, dataset, validation_id, computed_keys(there, dataset), is_held)
        log.info(
            "%s from %s to %s: %s; %d rows validated, %d held back", dataset.name, begins, ends, decision.outcome,
            len(profile), sum(is_held),
        )  # fmt: skip
        found.append(Validated(its_id, begins, ends, decision, len(profile), 0, len(there) - sum(is_held), changes))
    return found


def days_between(begins: datetime, ends: datetime) -> list[date]:
    """The UTC days that [begins, ends) has a part of, in their order; that of a moment is one."""
    last = max(begins, ends - timedelta(microseconds=1)).date()
    return [begins.date() + timedelta(days=n) for n in range((last - begins.date()).days + 1)]


def validate_profile(
    dataset: Dataset, profile: DataFrame, context: Context, begins: datetime, ends: datetime
) -> tuple[Validation, Decision]:
    """Validates a profile with the dataset's suite and decides which rows may be published: (validation, decision).
    Uses no database."""
    from deribit_warehouse.quality.suites import read_suite, read_waivers
    from deribit_warehouse.quality.validate import decide, validate

    suite = read_suite(settings.EXPECTATIONS / f"{dataset.suite}.json").keyed(dataset.keys)
    # of live each minute is decided on by itself: what is bad is held back, and nothing else waits for it
    tolerated_share = 1.0 if dataset.live else suite.tolerated_share
    run_name = f"{dataset.name} · {begins:%Y-%m-%d} to {ends:%Y-%m-%d} · {context['dag_run'].run_id}"
    validation = validate(profile, suite, keys=list(dataset.keys), run_name=run_name)
    return validation, decide(
        validation, waivers=read_waivers(settings.EXPECTATIONS / "waivers.json"), tolerated_share=tolerated_share,
        ts_is_end=dataset.ts_is_end,
    )  # fmt: skip


def record_validation(
    connection: Connection, dataset: Dataset, profile: DataFrame, context: Context, begins: datetime, ends: datetime,
    validation: Validation, decision: Decision,
) -> int:  # fmt: skip
    """Records a validation and its findings in the caller's transaction; returns the validation's id.

    What is found of a day that history has decided on (is_closed, of what is live) is no finding: the closed day says
    it, and nobody would look at the minute again and close it.
    """
    from deribit_warehouse.quality.suites import day_of
    from deribit_warehouse.quality.validate import Finding, brief_result, stored_result
    from deribit_warehouse.warehouse import validations

    dag_run = context["dag_run"]
    kept = brief_result if dataset.brief else stored_result
    validation_id = validations.record_validation(
        connection, dataset=dataset.name, dag_id=dag_run.dag_id, run_id=dag_run.run_id, begins=begins, ends=ends,
        outcome=decision.outcome, suite=validation.suite, suite_digest=validation.suite_digest, rows=validation.rows,
        expected=int(profile.rows_expected.sum()), missing=int(profile.rows_missing.sum()),
        blocked_because=decision.blocked_because,
        result=kept(validation, decision, interval_from=begins.isoformat(), interval_to=ends.isoformat(),
                    dag_id=dag_run.dag_id, run_id=dag_run.run_id),
    )  # fmt: skip
    timed = dataset.day == "ts" or dataset.live
    rows = list(profile.itertuples(index=False))
    days = {key_of(row, dataset): day_of(getattr(row, dataset.day), ts_is_end=dataset.ts_is_end) for row in rows}
    closed = {key_of(row, dataset) for row in rows if getattr(row, "is_closed", False)}
    validations.record_findings(
        connection, validation_id, dataset.name,
        # a closed day has the last word: what was found of it while it was open is over
        open_days_of=[live.name for live in LIVE if live.suite == dataset.name],
        # a validation of days has looked at each day as a whole; one of snapshots or minutes only at these
        seen={(key[0], day, key[1] if dataset.brief else None) for key, day in days.items()},
        findings=[
            (f.key[0], days[f.key], f.key[1] if timed else None, f.rule, f.severity, str(f.observed), f.waived_reason)
            for f in (*decision.quarantined, *decision.waived, *decision.warnings)
            if isinstance(f, Finding) and f.key not in closed
        ],
    )  # fmt: skip
    return validation_id


def decide_versions(
    connection: Connection, dataset: Dataset, validation_id: int, profile: DataFrame, decision: Decision
) -> tuple[int, int]:
    """Publishes the versions behind a profile's rows that passed and holds the others back, in the caller's
    transaction. Returns how many versions were newly published, and how many were newly published or held back. In a
    blocked interval published versions stay published. Pending ones stay pending until somebody asks for them, or newer
    versions come, or the data they are compared with changes."""
    from deribit_warehouse.warehouse import publication

    table = dataset.versions
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


def key_of(row: Any, dataset: Dataset) -> tuple:
    """The key that identifies a row of a dataset's profile."""
    return tuple(getattr(row, key) for key in dataset.keys)


def version_keys(rows: list, table: Table) -> list[tuple]:
    """The versions behind a profile's rows: the values of the table's key, and version_id. Rows of missing data are
    left out, because they have no version."""
    from pandas import notna

    there = (row for row in rows if notna(row.version_id))
    return [(*(getattr(row, column) for column in table.key), int(row.version_id)) for row in there]


def computed_keys(profile: DataFrame, dataset: Dataset) -> list[tuple]:
    """What the rows of a profile of a dataset that is not stored are computed from, of rows that lack none of it."""
    columns = profile[list(dataset.computed_from)]
    # a version's number beside which one is missing has become a float
    return [tuple(int(v) if isinstance(v, float) else v for v in row) for row in columns.itertuples(index=False)]


def notes(rows: list, table: Table) -> list[tuple]:
    """The values of table.noted from the profile, one tuple for each version in the order of version_keys(); empty for
    a table without such columns."""
    from pandas import notna

    if not table.noted:
        return []

    def noted(row: Any) -> tuple:
        values = (getattr(row, column) for column in table.noted)
        # pandas makes floats of whole numbers beside which one is missing
        return tuple((int(v) if isinstance(v, float) else v) if notna(v) else None for v in values)

    return [noted(row) for row in rows if notna(row.version_id)]
