"""What is in the warehouse, computed from it: nobody writes a completion report by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection

from deribit_warehouse.dataset import Dataset

from . import sql
from .catalogue import read_at

COLUMNS = (
    "dataset", "instruments", "rows", "coverage_percent", "missing_minutes", "validation", "bytes_a_row",
)  # fmt: skip
"""Of the summary, in the order they are shown in."""


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


def term_structure(dsn: str) -> list[dict[str, Any]]:
    """Every future in the last published minute, by perpetual and expiry: perpetual, ts, instrument, expires_at,
    days_to_expiry, closes and basis (USD), basis_fraction and annualised (fractions), structure, traded."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/last_term_structure")


def due(dsn: str, datasets: Iterable[Dataset]) -> dict[str, int]:
    """How many days of each dataset its next run has yet to compute from what is published, or to validate; empty when
    there are none. What waits for something else, or was blocked by a validation, is not among them."""
    with psycopg.connect(dsn) as connection:
        days = Counter({
            d.name: sql.row(connection, f"datasets/{d.sql}/due", **d.parameters)["days"] for d in datasets if d.computed
        })  # fmt: skip
        for row in sql.rows(connection, "report/pending"):
            if not row["waits_for"] and not row["blocked"]:
                days[row["dataset"]] += row["days"]
    return {name: number for name, number in days.items() if number}


def pending(dsn: str) -> list[dict[str, Any]]:
    """What is stored and waits to be validated: dataset, waits_for (what has to be loaded first, or None), blocked
    (whether a validation has blocked it), instruments, days, first_day, last_day."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/pending")


def behind(dsn: str, currencies: list[str]) -> list[str]:
    """The currencies whose futures were not read into the catalogue since the newest closed month ended."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with psycopg.connect(dsn) as connection:
        read = read_at(connection, currencies)
    return [currency for currency in currencies if currency not in read or read[currency] < month]


def unloaded(dsn: str) -> list[dict[str, Any]]:
    """The months of which the catalogue expects more than was ever loaded: dataset, month (its first day)."""
    with psycopg.connect(dsn) as connection:
        return sql.rows(connection, "report/unloaded")


def waiting(dsn: str) -> list[dict[str, Any]]:
    """What tasks wait for now, longest first: awaited, since, next_at (when it is asked again), tasks, cause."""
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
