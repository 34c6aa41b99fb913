"""The catalogue of instruments, and the windows that plans are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from psycopg import Connection

from deribit_warehouse.dataset import Dataset, Lists, Window

from . import sql
from .ingestion import lock_subject


def store_instruments(connection: Connection, rows: Iterable[Sequence]) -> tuple[int, int]:
    """Merges one reading of the catalogue, in the caller's transaction, and returns (added, changed).

    rows: tuples in the order of catalogue/stage.sql; times as UTC datetimes, a perpetual's expiry as
    'infinity'. Nothing is ever deleted.
    """
    lock_subject(connection, "instruments", "the catalogue")
    sql.run(connection, "catalogue/stage")
    with connection.cursor().copy(sql.statement("catalogue/copy")) as copy:
        for row in rows:
            copy.write_row(row)
    merged = sql.row(connection, "catalogue/merge")
    return merged["added"], merged["changed"]


def record_reading(
    connection: Connection, currency: str, kind: str, instruments: int, run_id: str, *, host: str, expired: bool,
    unreadable: Iterable[tuple[str, str]] = (),
) -> None:  # fmt: skip
    """Records that `host` sent the listed or expired instruments of a currency and kind, and which of the rows could
    not be read: (subject, cause)."""
    question = {"currency": currency, "kind": kind, "host": host, "expired": expired}
    sql.run(connection, "catalogue/record_reading", **question, instruments=instruments, run_id=run_id)
    rows = list(unreadable)
    sql.run(
        connection, "catalogue/record_unreadable", **question,
        subjects=[r[0] for r in rows], causes=[r[1] for r in rows],
    )  # fmt: skip


def record_listed(connection: Connection, currency: str, perpetuals: Iterable[str]) -> None:
    """Records the names of all perpetuals that the live host lists in a currency, in the transaction that records the
    reading of that list: what it does not name is listed no more."""
    sql.run(connection, "catalogue/record_listed", currency=currency, instruments=sorted(perpetuals))


def record_collected(connection: Connection, currency: str, currencies: list[str], since: datetime) -> None:
    """Records that a currency is collected from an instant on, and that only the configured currencies are."""
    sql.run(connection, "catalogue/record_collected", currency=currency, currencies=currencies, since=since)


def record_refusal(
    connection: Connection, currency: str, kind: str, cause: str, *, host: str, expired: bool
) -> None:  # fmt: skip
    """Records that `host` refused the listed or expired instruments of a currency and kind, or sent what can't be read.
    It stands until they are read (record_reading)."""
    question = {"currency": currency, "kind": kind, "host": host, "expired": expired}
    sql.run(connection, "catalogue/record_refusal", **question, cause=cause[:MAX_CAUSE])


MAX_CAUSE = 500
"""Characters of a cause that are kept; the task's log has the rest."""


def list_name(currency: str, kind: str, *, host: str, expired: bool) -> str:
    """A list of the catalogue for people."""
    return f"{currency} {kind}s, {'expired' if expired else 'listed'}, {host} host"


class ListsRead(NamedTuple):
    """Currencies by what became of their lists of futures since an instant.

    read: those of which all were. refused: those of which the exchange refused one since, or sent it in a form that
    can't be read, and which and why, as a sentence. awaited: those of which one was neither read nor refused; another
    one may have been refused.
    """

    read: list[str]
    refused: dict[str, str]
    awaited: list[str]


def lists_read(connection: Connection, currencies: list[str], since: datetime, lists: Lists) -> ListsRead:
    """Which of these currencies the catalogue knows as of an instant or later, as far as these lists say."""
    found = ListsRead([], {}, [])
    rows = sql.rows(connection, "catalogue/lists", currencies=currencies, since=since, expired=lists == "all")
    for currency, of_currency in groupby(rows, itemgetter("currency")):
        told = list(of_currency)
        causes = [
            f"{list_name(currency, 'future', host=row['host'], expired=row['expired'])}: {row['refused']}"
            for row in told if row["refused"]
        ]  # fmt: skip
        if causes:
            found.refused[currency] = "; ".join(causes)
        if not all(row["is_read"] or row["refused"] for row in told):
            found.awaited.append(currency)
        elif not causes:
            found.read.append(currency)
    return found


def unlisted(connection: Connection, currencies: list[str]) -> list[tuple[str, list[str]]]:
    """The currencies whose newest summary names futures or perpetuals that the catalogue lacks, or knows only as ended,
    and those: (currency, names), whose list was read longest ago first. One that was read within two minutes is left
    out, and all are while somebody waits to read the catalogue."""
    found = sql.rows(connection, "catalogue/unlisted", currencies=currencies)
    return [(row["currency"], row["names"]) for row in found]


def windows(
    connection: Connection, dataset: Dataset, begins: datetime, ends: datetime, *, currencies: list[str]
) -> list[Window]:
    """The windows to load of a dataset in an interval: each instrument's part or parts of it, clipped to its life."""
    values = {"from": begins, "to": ends, "currencies": currencies, **dataset.parameters}
    return [Window(**row) for row in sql.rows(connection, f"datasets/{dataset.sql}/plan", **values)]
