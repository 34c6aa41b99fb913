"""What goes wrong, as rows of store.incident: opened, folded, resolved, acknowledged, and what of it is to be told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection

from . import sql

WAITING = "waiting"
"""What stands of an incident for tasks that wait: it is over for them when the view `waiting` has none."""

MAX_NOTE = 500
"""Characters of a name or a note of whoever acknowledges."""


class Fingerprint(NamedTuple):
    """What makes two faults one incident.

    kind: failure, blocked, quarantine, warning, wait; watch: of whatever is looked at from time to time (freshness, a
    disk). rule: the rule that is broken, or the kind of error. instruments: the group concerned, as BTC; "": all.
    """

    kind: str
    dataset: str
    rule: str
    instruments: str = ""


def observe(
    connection: Connection, fingerprint: Fingerprint, words: str, *, level: str = "error",
    stands: Collection[str] = ("",), dag_id: str = "", run_id: str = "",
) -> int:  # fmt: skip
    """Opens an incident, or folds this into the one that is open (or was, and nobody was told of its end yet), in the
    caller's transaction; returns its id. The message is sent after the commit (alerts.send_due_messages).

    words: lines for people. level: error, warning or notice. stands: what has to be well again before it is over (see
    recover).
    """
    sql.run(connection, "incidents/reopen", **fingerprint._asdict())
    return sql.row(
        connection, "incidents/observe", **fingerprint._asdict(), level=level, words=words, dag_id=dag_id,
        run_id=run_id, stands=sorted(stands),
    )["incident_id"]  # fmt: skip


def note(
    connection: Connection, fingerprint: Fingerprint, words: str, *, level: str = "notice", dag_id: str = "",
    run_id: str = "",
) -> int:  # fmt: skip
    """Keeps something that is told once and needs no end; the fingerprint's kind counts for nothing. Returns its id."""
    return sql.row(
        connection, "incidents/note", **fingerprint._asdict(), level=level, words=words, dag_id=dag_id, run_id=run_id
    )["incident_id"]


def keep_past(
    connection: Connection, fingerprint: Fingerprint, words: str, *, opened_at: datetime, resolved_at: datetime,
    times: int, told_at: datetime | None, level: str = "error", dag_id: str = "", run_id: str = "",
) -> None:  # fmt: skip
    """Keeps an incident that was over before it could be kept, in the caller's transaction; a second time does nothing.

    times: how often it was seen. told_at: when somebody was told of it last; None: nobody was.
    """
    sql.run(
        connection, "incidents/keep_past", **fingerprint._asdict(), level=level, words=words, dag_id=dag_id,
        run_id=run_id, opened_at=opened_at, resolved_at=resolved_at, times=times, told_at=told_at,
    )  # fmt: skip


def recover(
    connection: Connection, kinds: Collection[str], dataset: str, *, rule: str | None = None,
    instruments: str | None = None, part: str | None = None,
) -> None:  # fmt: skip
    """Says that something is well again, in the caller's transaction; an incident of which nothing is left is over.

    rule, instruments: None: any. part: what is well of what stands: a name as it stands, or an interval (see interval)
    with all that lies in it; None: all.
    """
    sql.run(
        connection,
        "incidents/recover",
        kinds=sorted(kinds),
        dataset=dataset,
        rule=rule,
        instruments=instruments,
        part=part,
    )


def settle_findings(connection: Connection, dataset: str) -> None:
    """Ends what a dataset's suite found and no open finding says any more."""
    sql.run(connection, "incidents/settle_findings", dataset=dataset)


def settle_waits(connection: Connection) -> None:
    """Ends, for the tasks that waited, what none waits for any more."""
    sql.run(connection, "incidents/settle_waits", part=WAITING)


def unsettled(connection: Connection) -> bool:
    """Whether any incident is open, or has yet to be told."""
    return sql.row(connection, "incidents/unsettled")["unsettled"]


def blocked_intervals(connection: Connection, dag_id: str, run_id: str) -> list[tuple[datetime, datetime]]:
    """The intervals, [begins, ends), that a run's gate has blocked."""
    found = sql.rows(connection, "incidents/blocked_intervals", dag_id=dag_id, run_id=run_id)
    return [(row["begins"], row["ends"]) for row in found]


def interval(begins: datetime, ends: datetime) -> str:
    """An interval (UTC) as it stands in an incident."""
    return f"{begins:%Y-%m-%dT%H:%M}/{ends:%Y-%m-%dT%H:%M}"


def claim(connection: Connection, *, calm: timedelta, remind: timedelta | None) -> list[dict[str, Any]]:
    """Takes the incidents that the next message is about, in a transaction of the caller's that has to be committed
    before it is sent: rows of store.incident with `news` (opened, again or recovered, the same of all) and `now`.

    calm: an end is told when it has lasted so long. remind: how often is told of what goes on; None: not again.
    """
    return sql.rows(connection, "incidents/claim", calm=calm, remind=remind)


def mark_notified(connection: Connection, incident_ids: Sequence[int], news: str) -> None:
    """Records that the message about what was claimed went out. Without that it can be claimed again after two
    minutes."""
    sql.run(connection, "incidents/mark_notified", incident_ids=list(incident_ids), news=news)


def prune(connection: Connection, before: datetime) -> int:
    """Deletes incidents that were over before an instant and of whose end somebody was told, in the caller's
    transaction: how many."""
    return sql.run(connection, "incidents/prune", before=before)


def acknowledge(
    connection: Connection, incident_id: int, by: str, note: str | None = None, *, resolve: bool = False
) -> dict[str, Any]:
    """Somebody has seen an open incident: nobody is reminded of it any more, unless more of it comes to stand. A
    warning is over with that, and with `resolve` anything. Returns the row. Raises ValueError, in words for whoever
    typed it."""
    if not 0 < incident_id < 2**63:
        raise ValueError(f"{incident_id} is no incident's number")
    for what, text in (("name", by), ("note", note or "")):
        if len(text) > MAX_NOTE or not text.isprintable():
            raise ValueError(f"the {what} has to be a line of at most {MAX_NOTE} printable characters")
    found = sql.rows(
        connection, "incidents/acknowledge", incident_id=incident_id, by=by, note=note or None, resolve=resolve
    )
    if not found:
        raise ValueError(f"there is no open incident {incident_id}")
    return found[0]


def acknowledge_at(dsn: str, incident_id: int, by: str, note: str | None, *, resolve: bool) -> dict[str, Any]:
    """acknowledge(), on the database of a loader's dsn."""
    with psycopg.connect(dsn, options="-c timezone=UTC") as connection:
        return acknowledge(connection, incident_id, by, note, resolve=resolve)


def open_now(connection: Connection) -> list[dict[str, Any]]:
    """What is open, oldest first: rows of the view `incidents`."""
    return sql.rows(connection, "incidents/open")


def open_incidents(dsn: str) -> list[dict[str, Any]]:
    """open_now(), on the database of a reader's dsn."""
    with psycopg.connect(dsn, options="-c timezone=UTC") as connection:
        return open_now(connection)
