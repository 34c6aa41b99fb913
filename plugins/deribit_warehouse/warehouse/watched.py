"""What is looked at every minute, as incidents of the kind "watch": a dataset that stands still, a disk that fills
up."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import NamedTuple

import psycopg
from psycopg import Connection

from deribit_warehouse.dataset import Dataset

from . import freshness, incidents, sql
from .incidents import Fingerprint

STALE = "stale"
"""The rule of what is past its error target, by dataset and coin."""

FULL, FILLING = "nearly full", "filling up"
"""The rules of a disk of which little is left, and of one that will not last for long as it grows."""

RULES = (STALE, FULL, FILLING)

DISK = "the disk"
"""What an incident of it is filed under."""

MEASURED_DAYS = 7
"""Days for which growth has to have been measured before anything is concluded from it: a history that was loaded on
the first of them is no pace."""

ENOUGH = 1.25
"""How much more than what is too little has to be left for it to be over: what is free comes and goes."""

LOCK_SECONDS = 2


class Finding(NamedTuple):
    """Something that a look has seen to be wrong. words: lines for people. dag_id: the DAG it is about; "": none.
    told: whether something else says so already: an open incident, or what the dataset is computed from."""

    fingerprint: Fingerprint
    level: str
    words: str
    dag_id: str = ""
    told: bool = False


def stale(connection: Connection, datasets: Iterable[Dataset]) -> list[Finding]:
    """What is past its error target, a finding for each dataset and coin."""
    by_name = {dataset.name: dataset for dataset in datasets}
    rows = sql.rows(
        connection,
        "watched/stale",
        datasets=list(by_name),
        dag_ids=[dataset.dag_id for dataset in by_name.values()],
        waiting=incidents.WAITING,
    )
    stand_still = {(row["dataset"], row["coin"]) for row in rows}
    return [
        Finding(
            Fingerprint("watch", row["dataset"], STALE, row["coin"]),
            "error",
            _stale_words(row),
            row["dag_id"],
            row["told"] or any((needed, row["coin"]) in stand_still for needed in by_name[row["dataset"]].inputs),
        )
        for row in rows
    ]


def _stale_words(row: freshness.Row) -> str:
    names = ", ".join(row["behind"])
    such_as = f"{row['stale']} of {row['instruments']}, such as {names}" if row["stale"] > len(row["behind"]) else names
    newest = f"newest row {freshness.moment(row['newest'])}" if row["newest"] else "no row yet"
    return f"{such_as}\n{newest}; more was due at {freshness.moment(row['due_at'])}"


def disk(
    connection: Connection, open_now: Collection[Fingerprint], *, limit_bytes: int | None, free_bytes: int | None,
    least_bytes: int | None, least_days: float | None,
) -> list[Finding]:  # fmt: skip
    """Whether too little is left for the database: less than least_bytes, or than what least_days take at the growth of
    late (each None: never too little).

    limit_bytes: what the database may grow to; free_bytes: what is free where it lies; each None: not known. Where
    neither is, nothing is found. open_now: what has an open incident.
    """
    row = sql.row(connection, "watched/disk")
    rooms = []
    if limit_bytes is not None:
        rooms.append((max(0, limit_bytes - row["bytes"]), "of what it may have (DERIBIT_DISK_LIMIT_GB)"))
    if free_bytes is not None:
        rooms.append((free_bytes, "on the disk of Postgres"))
    if not rooms:
        return []
    left, of = min(rooms)
    words = f"{_gigabytes(left)} are left {of}; the database has {_gigabytes(row['bytes'])}"
    full, filling = (Fingerprint("watch", DISK, rule) for rule in (FULL, FILLING))

    def too_little(what: float, least: float, fingerprint: Fingerprint) -> bool:
        return what < least * (ENOUGH if fingerprint in open_now else 1)

    found = []
    if least_bytes is not None and too_little(left, least_bytes, full):
        found.append(Finding(full, "error", words))
    growth = row["growth_a_day"] or 0
    lasts = left / growth if growth > 0 and row["measured_days"] >= MEASURED_DAYS else math.inf
    if least_days is not None and too_little(lasts, least_days, filling):
        day = row["now"] + timedelta(days=lasts)
        pace = f"it grew by {_gigabytes(growth)} a day of late: full on {day:%Y-%m-%d}"
        found.append(Finding(filling, "warning", f"{words}\n{pace}"))
    return found


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"


def standing(connection: Connection) -> list[Fingerprint]:
    """What has an open incident."""
    return [Fingerprint(**row) for row in sql.rows(connection, "watched/standing", rules=list(RULES))]


def keep(dsn: str, seen: Iterable[Finding], over: Iterable[Fingerprint]) -> None:
    """Opens the incidents of what was seen, or folds it into those that are open, and ends what is over, in one
    transaction. The next run of any DAG sends what is to be told. dsn: of a loader. Raises psycopg.Error."""
    options = (
        f"-c timezone=UTC -c statement_timeout={freshness.STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"  # soon
    )
    with psycopg.connect(dsn, connect_timeout=freshness.CONNECT_SECONDS, options=options) as connection:
        for finding in sorted(seen):  # in one order, as everybody does
            incidents.observe(
                connection, finding.fingerprint, finding.words, level=finding.level, dag_id=finding.dag_id
            )
        for fingerprint in over:
            incidents.recover(
                connection, [fingerprint.kind], fingerprint.dataset, rule=fingerprint.rule,
                instruments=fingerprint.instruments,
            )  # fmt: skip
