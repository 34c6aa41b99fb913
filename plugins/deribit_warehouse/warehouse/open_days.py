"""Days that are collected live: which of them are to be closed; and of those that are closed, what live had said is
counted and then deleted."""

from __future__ import annotations

from datetime import date

import psycopg
from psycopg import Connection

from . import publication, sql


def record_start(dsn: str, *, wanted: bool) -> None:
    """Records that a start, which begins now, is going to let live run (wanted), or that none is: from a day later on
    live is late where it has not begun. dsn: of a loader."""
    with psycopg.connect(dsn) as connection:
        sql.run(connection, "open_days/record_start", wanted=wanted)


def first_unclosed(connection: Connection, begins: date, ends: date) -> date | None:
    """The first of the days [begins, ends) of which the history has not been answered for the candles of everything
    that is collected; None: it has for all of them."""
    return sql.row(connection, "open_days/first_unclosed", **{"from": begins, "to": ends})["day"]


def forget(connection: Connection, before: date) -> tuple[int, int]:
    """Deletes the live minutes of days before a day that are shown as closed days, candles and basis, a day a
    transaction, and keeps how far they were the same (view live_days): (instrument-days, versions). What was shown of
    them while they were open can't be asked any more: candles() and basis() refuse a moment before they were closed.
    The caller has no transaction."""
    compared, deleted = 0, 0
    while True:
        with connection.transaction():
            publication.decide_alone(connection)
            day = sql.row(connection, "open_days/oldest_replaced", before=before)["day"]
            if day is None:
                return compared, deleted
            compared += sql.run(connection, "open_days/compare", day=day)
            sql.run(connection, "open_days/record_closed", day=day)
            deleted += sql.run(connection, "open_days/prune", day=day)
