"""Days that are collected live: which of them are to be closed; and of those that are closed, what live had said is
compared, kept where it was otherwise, and then deleted."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import psycopg
from psycopg import Connection

from deribit_warehouse.dataset import Dataset

from . import incidents, publication, sql
from .incidents import Fingerprint

OTHERWISE = Fingerprint("note", "close_day", "live-differs")
"""The note of a day that live had said otherwise than it was closed."""

KINDS = {"different": "differ", "missed": "live had missed", "only_live": "the closed day lacks"}
"""The counts of a day, and what is said of each."""

SHOWN = 3
"""Instruments that a note names, those with the most minutes first."""


def record_start(dsn: str, *, wanted: bool) -> None:
    """Records that a start, which begins now, is going to let live run (wanted), or that none is: from a day later on
    live is late where it has not begun. dsn: of a loader."""
    with psycopg.connect(dsn) as connection:
        sql.run(connection, "open_days/record_start", wanted=wanted)


def first_unclosed(
    connection: Connection, dataset: Dataset, begins: date, ends: date, *, currencies: list[str]
) -> date | None:
    """The first of the days [begins, ends), UTC, of which the history has not been answered for all of a dataset that
    is collected, or for the candles of the same instruments; None: it has for all of them. dataset: one of which it is
    recorded what was answered for (fetched_as in its expected.sql)."""
    first, past = (datetime.combine(day, time(), UTC) for day in (begins, ends))
    folder = f"datasets/{dataset.sql}"
    statement = sql.wrapped("open_days/first_unclosed", plan=f"{folder}/plan", expected=f"{folder}/expected")
    values = {"from": first, "to": past, "currencies": currencies, **dataset.parameters}
    return sql.fetch(connection, statement, values)[0]["day"]


def compare(connection: Connection, before: date, *, dag_id: str = "", run_id: str = "") -> int:
    """Counts what live had said of days before a day, beside closed days that it was not compared with yet (view
    live_days), a day a transaction: how many instrument-days. Where it was otherwise that is a note, in the same
    transaction, one a day. The caller has no transaction."""
    with connection.transaction():
        days = [row["day"] for row in sql.rows(connection, "open_days/uncompared", before=before)]
    compared = 0
    for day in days:
        with connection.transaction():
            compared += _compare(connection, day, dag_id, run_id)
    return compared


def _compare(connection: Connection, day: date, dag_id: str, run_id: str) -> int:
    """Counts a day, in the caller's transaction, and notes what is news: how many instruments."""
    counted = sql.rows(connection, "open_days/compare", day=day)
    if otherwise := [row for row in counted if row["is_news"]]:
        incidents.note(connection, OTHERWISE, "\n".join(_words(day, otherwise)), dag_id=dag_id, run_id=run_id)
    return len(counted)


def _words(day: date, rows: list[dict[str, Any]]) -> list[str]:
    """What differs of a day, in a few lines: in all, and of the instruments with the most. rows: those of compare.sql,
    with the most first."""
    values = "the values are in the view live_differences"
    if len(rows) == 1:
        return [f"{day}, {rows[0]['instrument']}: {_counts(rows[0])}", values]
    total = {kind: sum(row[kind] for row in rows) for kind in KINDS}
    lines = [f"{day}, {len(rows):,} instruments: {_counts(total)}"]
    lines += [f"{row['instrument']}: {_counts(row)}" for row in rows[:SHOWN]]
    more = [f"and {len(rows) - SHOWN:,} more"] if len(rows) > SHOWN else []
    return [*lines, *more, values]


def _counts(row: dict[str, Any]) -> str:
    return "minutes that " + ", that ".join(f"{words}: {row[kind]:,}" for kind, words in KINDS.items() if row[kind])


def forget(connection: Connection, before: date, *, dag_id: str = "", run_id: str = "") -> tuple[int, int]:
    """Deletes the live minutes of days before a day that are shown as closed days, candles and basis, a day a
    transaction, and keeps how far they were the same (view live_days), the minutes that were not (live_differences) and
    what was corrected while the day was open (corrections): (instrument-days, versions). What else was shown of them
    while they were open can't be asked any more: candles() and basis() refuse a moment before they were closed. dag_id,
    run_id: of a note, as of compare. The caller has no transaction."""
    compared, deleted = 0, 0
    while True:
        with connection.transaction():
            publication.decide_alone(connection)
            day = sql.row(connection, "open_days/oldest_replaced", before=before)["day"]
            if day is None:
                return compared, deleted
            compared += _compare(connection, day, dag_id, run_id)
            sql.run(connection, "open_days/keep_differences", day=day)
            sql.run(connection, "open_days/keep_corrections", day=day)
            sql.run(connection, "open_days/record_closed", day=day)
            deleted += sql.run(connection, "open_days/prune", day=day)
