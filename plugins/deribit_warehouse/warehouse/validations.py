"""What the gate found, kept: validations and findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from psycopg import Connection
from psycopg.types.json import Jsonb

from . import sql


def record_validation(
    connection: Connection, *, dataset: str, dag_id: str, run_id: str, begins: datetime, ends: datetime, outcome: str,
    suite: str, rows: int, expected: int, missing: int, blocked_because: list[str], result: dict | None,
    suite_digest: str | None = None,
) -> int:  # fmt: skip
    """Keeps one validation and returns its id. expected, missing: minutes (funding: hours) as the profile saw them.
    result: what Great Expectations said; None where no suite was run, or where it held in every point and that is all
    there is to keep. suite_digest: of the suite's content."""
    return sql.row(
        connection, "quality/record_validation", dataset=dataset, dag_id=dag_id, run_id=run_id, outcome=outcome,
        suite=suite, suite_digest=suite_digest, rows=rows, minutes=expected, missing=missing,
        blocked_because=blocked_because, result=None if result is None else Jsonb(result),
        **{"from": begins, "to": ends},
    )["validation_id"]  # fmt: skip


def record_findings(
    connection: Connection, validation_id: int, dataset: str, *,
    seen: Iterable[tuple[str, date, datetime | None]], findings: Iterable[Sequence], open_days_of: Iterable[str] = (),
) -> None:  # fmt: skip
    """Replaces what was open for the keys a validation has seen by what it found, and closes what the datasets
    open_days_of had found of them.

    seen: (subject, day, ts) of every row validated; ts None: whatever was open for the day is looked at again. What is
    found again of an instant is the same finding and stays one row.
    findings: tuples (subject, day, ts or None, rule, severity, observed, waived_reason or None).
    """
    keys = list(seen)
    with connection.cursor().copy(sql.statement("quality/copy_findings")) as copy:
        for finding in findings:
            copy.write_row((validation_id, dataset, *finding))
    columns = {name: [key[i] for key in keys] for i, name in enumerate(("subjects", "days", "instants"))}
    sql.run(connection, "quality/carry_on_findings", validation_id=validation_id, dataset=dataset, **columns)
    sql.run(
        connection, "quality/close_findings", validation_id=validation_id, datasets=[dataset, *open_days_of], **columns
    )


def close_earlier_findings(connection: Connection, validation_id: int, dataset: str) -> int:
    """Closes all a dataset's findings but those of a validation that looked at everything; returns how many."""
    return sql.run(connection, "quality/close_earlier_findings", validation_id=validation_id, dataset=dataset)


def record_run_failure(
    connection: Connection, *, dag_id: str, run_id: str, task_id: str, map_index: int, label: str, error: str
) -> None:
    """Keeps what a task that failed for good said, for the run's one message."""
    sql.run(
        connection, "quality/record_run_failure", dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index,
        label=label, error=error,
    )  # fmt: skip


def run_report_rows(connection: Connection, dag_id: str, run_id: str) -> dict[str, list]:
    """What a run left behind: failures, quarantined and warnings (dicts), blocked (sentences). A finding is known when
    an earlier validation had said the same of the same key."""
    findings = sql.rows(connection, "quality/run_findings", dag_id=dag_id, run_id=run_id)
    named = [f for f in findings if f["rule"] is not None]
    blocked = {f["validation_id"]: f["blocked_because"] for f in findings}
    return {
        "failures": sql.rows(connection, "quality/run_failures", dag_id=dag_id, run_id=run_id),
        "blocked": [why for reasons in blocked.values() for why in reasons],
        "quarantined": [f for f in named if f["severity"] == "critical"],
        "warnings": [f for f in named if f["severity"] != "critical"],
    }


def run_intervals(connection: Connection, dag_id: str, run_id: str) -> dict[str, list[tuple[datetime, datetime]]]:
    """The intervals, [begins, ends), that a run has validated, by dataset, oldest first."""
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for row in sql.rows(connection, "quality/run_intervals", dag_id=dag_id, run_id=run_id):
        found.setdefault(row["dataset"], []).append((row["begins"], row["ends"]))
    return found
