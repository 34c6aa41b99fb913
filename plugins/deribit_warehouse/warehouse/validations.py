"""What the gate found, kept: validations, findings, and the publication of what passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from . import sql


def record_validation(
    connection: Connection, *, dataset: str, dag_id: str, run_id: str, begins: datetime, ends: datetime, outcome: str,
    suite: str, rows: int, expected: int, missing: int, blocked_because: list[str], result: dict,
) -> int:  # fmt: skip
    """Keeps one validation and returns its id. expected, missing: minutes (funding: hours) as the profile saw them."""
    return sql.row(
        connection, "quality/record_validation", dataset=dataset, dag_id=dag_id, run_id=run_id, outcome=outcome,
        suite=suite, rows=rows, minutes=expected, missing=missing, blocked_because=blocked_because,
        result=Jsonb(result),
        **{"from": begins, "to": ends},
    )["validation_id"]  # fmt: skip


def record_findings(
    connection: Connection, validation_id: int, dataset: str, *,
    seen: Iterable[tuple[str, date]], findings: Iterable[Sequence],
) -> None:  # fmt: skip
    """Replaces what was open for the keys a validation has seen by what it found.

    seen: (subject, day) of every row validated. findings: tuples (subject, day, ts or None, rule, severity,
    observed, waived_reason or None).
    """
    keys = list(seen)
    with connection.cursor().copy(sql.statement("quality/copy_findings")) as copy:
        for finding in findings:
            copy.write_row((validation_id, dataset, *finding))
    sql.run(
        connection, "quality/close_findings", validation_id=validation_id, dataset=dataset,
        subjects=[k[0] for k in keys], days=[k[1] for k in keys],
    )  # fmt: skip


def close_earlier_findings(connection: Connection, validation_id: int, dataset: str) -> int:
    """Closes all a dataset's findings but those of a validation that looked at everything; returns how many."""
    return sql.run(connection, "quality/close_earlier_findings", validation_id=validation_id, dataset=dataset)


def publish_candles(
    connection: Connection,
    validation_id: int,
    versions: list[tuple[int, date, int]],
    references: list[str | None] | None = None,
) -> int:
    """Publishes versions (instrument_id, day, version_id) that passed; returns how many were not published before.

    references: what the level of each was checked against, None where a waiver let the day pass unchecked; of versions
    that were published before it is brought up to date. Left out: nothing is known of any.
    """
    values = {
        "instrument_ids": [v[0] for v in versions], "days": [v[1] for v in versions],
        "version_ids": [v[2] for v in versions], "what": references or [None] * len(versions),
    }  # fmt: skip
    published = sql.run(connection, "quality/publish_candles", validation_id=validation_id, **values)
    if references:
        sql.run(connection, "quality/mark_references", **values)
    return published


def publish_funding(connection: Connection, validation_id: int, versions: list[tuple[int, datetime, int]]) -> int:
    """Publishes versions (instrument_id, hour end, version_id) that passed; returns how many were not published
    before."""
    return sql.run(
        connection, "quality/publish_funding", validation_id=validation_id, instrument_ids=[v[0] for v in versions],
        hours=[v[1] for v in versions], version_ids=[v[2] for v in versions],
    )  # fmt: skip


def hold_candles(connection: Connection, versions: list[tuple[int, date, int]]) -> int:
    """Takes back published versions (instrument_id, day, version_id) that are held back now; returns how many were."""
    return sql.run(
        connection, "quality/hold_candles", instrument_ids=[v[0] for v in versions], days=[v[1] for v in versions],
        version_ids=[v[2] for v in versions],
    )  # fmt: skip


def hold_funding(connection: Connection, versions: list[tuple[int, datetime, int]]) -> int:
    """Takes back published versions (instrument_id, hour end, version_id) that are held back now; returns how many."""
    return sql.run(
        connection, "quality/hold_funding", instrument_ids=[v[0] for v in versions], hours=[v[1] for v in versions],
        version_ids=[v[2] for v in versions],
    )  # fmt: skip


def publish_index(connection: Connection, validation_id: int, validated: list[tuple[str, date, bool]]) -> int:
    """Says which index days (index_name, day, passed) were looked at; returns how many changed."""
    return sql.run(
        connection, "index/publish", validation_id=validation_id, subjects=[j[0] for j in validated],
        days=[j[1] for j in validated], passed=[j[2] for j in validated],
    )  # fmt: skip


def publish_basis(connection: Connection, validation_id: int, validated: list[tuple[int, date, bool]]) -> int:
    """Says which pairs (instrument_id, day, passed) were looked at; returns how many changed."""
    return sql.run(
        connection, "basis/publish", validation_id=validation_id, instrument_ids=[j[0] for j in validated],
        days=[j[1] for j in validated], passed=[j[2] for j in validated],
    )  # fmt: skip


def pending_months(
    connection: Connection, dataset: str, begins: date | None, ends: date | None, *, again: bool
) -> list[dict[str, Any]]:
    """Months (month, first_day, last_day, days) of a derived dataset that wait to be computed, oldest first.

    dataset: index_prices or basis_spread. begins, ends: bounds [begins, ends) or None. again: also what was validated
    already.
    """
    statement = {"index_prices": "index/pending", "basis_spread": "basis/pending"}[dataset]
    return sql.rows(connection, statement, again=again, **{"from": begins, "to": ends})


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
