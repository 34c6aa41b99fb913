"""What is in the warehouse, computed from it: nobody writes a completion report by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel

from deribit_warehouse.dataset import Dataset, Lists

from . import sql
from .catalogue import lists_read
from .freshness import freshness

COLUMNS = (
    "dataset", "instruments", "rows", "coverage_percent", "missing_minutes", "validation", "bytes_a_row",
)  # fmt: skip
"""Of the summary, in the order they are shown in."""

CONDITIONS = ("available", "degraded", "pending", "missing")
"""Of a dataset's day, the best first (view dataset_condition)."""

ACCEPTANCE = (
    (
        "AC-007",
        "every minute of all futures from 2019 on is present, or missing with a reason",
        "report/acceptance/ac_007",
    ),
    ("AC-008", "a basis for every timestamp of every contract", "report/acceptance/ac_008"),
    ("AC-009", "futures storage at most 1.5 GB", "report/acceptance/ac_009"),
    ("AC-010", "funding present for the whole history", "report/acceptance/ac_010"),
    ("AC-011", "index prices for 100 % of 1-minute intervals", "report/acceptance/ac_011"),
)
"""The criteria the warehouse is accepted by: number, text, and the statement that says whether it is met."""


def summary(dsn: str, datasets: Iterable[Dataset]) -> list[dict[str, Any]]:
    """A row a dataset: dataset, instruments, rows, coverage_percent, missing_minutes (funding: hours), validation (how
    many intervals' newest outcome was what), bytes_a_row with indexes and TOAST."""
    with psycopg.connect(dsn) as connection:
        covered = {row.pop("dataset"): row for row in sql.rows(connection, "report/coverage")}
        outcomes = {row["dataset"]: row["validation"] for row in sql.rows(connection, "report/outcomes")}
        found = []
        for dataset in datasets:
            if not dataset.table:
                continue
            stored = sql.row(connection, f"datasets/{dataset.sql}/summary", **dataset.parameters)
            if stored["rows"] or dataset.name in covered:
                known = {"coverage_percent": None, "missing_minutes": 0} | stored | covered.get(dataset.name, {})
                known |= {"dataset": dataset.name, "validation": outcomes.get(dataset.name)}
                found.append({column: known[column] for column in COLUMNS})
        return found


def completion_report(connection: Connection, datasets: Iterable[Dataset]) -> dict[str, Any]:
    """Everything in the completion report, read from one consistent state, rows as dicts:

    database: made_at, hosts, currencies, collected_from, bytes, catalogue_read_at. acceptance: criterion, text,
    passed, expected, found, observed, query (the statement that said so). datasets: a row each that has a table: rows
    and bytes that are published, days by condition, coverage_percent, its span. stretches: see report/stretches.sql.
    freshness, pending, quarantine, outages and last_runs: as the statements of these names say them.

    The connection must not be in a transaction; it is left outside of one.
    """
    level, read_only = connection.isolation_level, connection.read_only
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        with connection.transaction():
            stretches = sql.rows(connection, "report/stretches")
            return {
                "database": sql.row(connection, "report/database"),
                "acceptance": [
                    {"criterion": criterion, "text": text, **_answer(connection, name), "query": sql.statement(name)}
                    for criterion, text, name in ACCEPTANCE
                ],
                "datasets": [
                    _of_dataset(sql.row(connection, f"datasets/{dataset.sql}/summary", **dataset.parameters), dataset,
                                [each for each in stretches if each["dataset"] == dataset.name])
                    for dataset in datasets if dataset.table
                ],
                "stretches": [each for each in stretches if each["condition"] != "available" or each["reason"]],
                "freshness": freshness(connection),
                "pending": sql.rows(connection, "report/pending"),
                "quarantine": sql.rows(connection, "report/quarantine"),
                "outages": sql.rows(connection, "report/outages"),
                "last_runs": sql.rows(connection, "report/last_runs"),
            }  # fmt: skip
    finally:
        connection.isolation_level, connection.read_only = level, read_only


def _answer(connection: Connection, name: str) -> dict[str, Any]:
    """What a criterion's statement answers: run as it is shown, without a binding that % would mean something to."""
    [answer] = sql.fetch(connection, sql.statement(name), None)
    return answer


def _of_dataset(published: dict[str, Any], dataset: Dataset, stretches: list[dict[str, Any]]) -> dict[str, Any]:
    """A dataset's row of the report, from what its summary says and its stretches of days."""
    days: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for each in stretches:
        days[each["condition"]] += each["days"]
        total.update({name: each[name] for name in ("expected", "published", "held", "pending", "missing")})
    changed = [each["last_modified"] for each in stretches if each["last_modified"]]
    with_rows = [each for each in stretches if each["published"]]
    return {
        "dataset": dataset.name, "instruments": published["instruments"], "rows": published["rows"],
        "bytes": round(published["rows"] * (published["bytes_a_row"] or 0)), "bytes_a_row": published["bytes_a_row"],
        "first_day": min((each["first_day"] for each in with_rows), default=None),
        "last_day": max((each["last_day"] for each in with_rows), default=None),
        "coverage_percent": 100 * total["published"] / total["expected"] if total["expected"] else None,
        **{name: total[name] for name in ("expected", "published", "held", "pending", "missing")},
        "days": {condition: days[condition] for condition in CONDITIONS},
        "last_modified": max(changed, default=None),
    }  # fmt: skip


def term_structure(dsn: str) -> list[dict[str, Any]]:
    """Every future in the last published minute, by perpetual and expiry: perpetual, ts, instrument, expires_at,
    days_to_expiry, closes and basis (USD), basis_fraction and annualised (fractions), structure, traded."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/last_term_structure")


def due(dsn: str, datasets: Collection[Dataset]) -> dict[str, int]:
    """How many days of each of these datasets its next run has yet to compute from what is published, or to validate;
    empty when there are none. What waits for something else, or was blocked by a validation, is not among them."""
    names = {dataset.name for dataset in datasets}
    with psycopg.connect(dsn) as connection:
        days = Counter({
            d.name: sql.row(connection, f"datasets/{d.sql}/due", **d.parameters)["days"] for d in datasets if d.computed
        })  # fmt: skip
        for row in sql.rows(connection, "report/pending"):
            if row["dataset"] in names and not row["waits_for"] and not row["blocked"]:
                days[row["dataset"]] += row["days"]
    return {name: number for name, number in days.items() if number}


def pending(dsn: str) -> list[dict[str, Any]]:
    """What is stored and waits to be validated: dataset, waits_for (what has to be loaded first, or None), blocked
    (whether a validation has blocked it), instruments, days, first_day, last_day."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/pending")


def behind(dsn: str, currencies: list[str], lists: Lists) -> list[str]:
    """Why the history can't do with these lists of futures yet, a sentence each: what was not read since the newest
    closed month ended. A list that the exchange refused since is done without, but where no currency's was read."""
    with psycopg.connect(dsn) as connection:
        found = lists_read(connection, currencies, this_month(), lists)
    left = [f"{currency} futures: not read since {this_month():%Y-%m-%d}" for currency in found.awaited]
    return left if found.read else [*found.refused.values(), *left]


def refused(dsn: str, currencies: list[str]) -> list[str]:
    """The lists of futures that the exchange refused, or sent in a form that can't be read, since the newest closed
    month ended, and why: a sentence a currency."""
    with psycopg.connect(dsn) as connection:
        return list(lists_read(connection, currencies, this_month(), "all").refused.values())


def this_month() -> datetime:
    """When it began, and the newest closed month ended."""
    return datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def fresh(dsn: str) -> list[dict[str, Any]]:
    """How fresh each dataset is (freshness.freshness)."""
    with psycopg.connect(dsn) as connection:
        return freshness(connection)


def unloaded(dsn: str) -> list[dict[str, Any]]:
    """Months for which the catalogue expects instruments that were never loaded: dataset, month (its first day)."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/unloaded")


def waiting(dsn: str) -> list[dict[str, Any]]:
    """What tasks wait for now, longest wait first: awaited, since, next_at (of the next try), tasks, cause."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/waiting")


def newest_validation(connection: Connection) -> int:
    """The id of the newest validation, 0 when there is none."""
    return sql.row(connection, "report/newest_validation")["validation_id"]


def validation_results(connection: Connection, keep: int, snapshots: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """The newest ``keep`` results of each dataset but those of snapshots, oldest first, as Great Expectations gave
    them."""
    found = sql.rows(connection, "report/validation_results", keep=keep, snapshots=list(snapshots))
    return (row["result"] for row in found)


def validated_days(connection: Connection, keep: int, snapshots: Iterable[str]) -> list[dict[str, Any]]:
    """What came of the newest ``keep`` days of each dataset of snapshots, oldest first: dataset, day, suite,
    validated_at (of the newest validation), outcomes (how many had each), rows, quarantined (rows held back), results
    (of the validations that kept one, oldest first)."""
    return sql.rows(connection, "report/validated_days", keep=keep, snapshots=list(snapshots))
