"""What is looked at every minute, as incidents of the kind "watch": a dataset that stands still."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import psycopg
from psycopg import Connection

from deribit_warehouse.dataset import Dataset

from . import freshness, incidents, sql
from .incidents import Fingerprint

STALE = "stale"
"""The rule of what is past its error target, by dataset and coin."""

RULES = (STALE,)

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
