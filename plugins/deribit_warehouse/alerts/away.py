"""What is told while the market database keeps no incidents: it is away, refuses the login, or has no room.

Every run fails then, several a minute, and nobody is there to remember what was told of it. So a file in Airflow's home
remembers: that the database is away is told once, and once an hour while it lasts. A failure that the DAG's next run
mends is only counted; whatever else was seen is kept for later. The first run of any DAG that reaches the database puts
that in its place; and when nothing has failed by it for as long as an end has to last, all of it becomes one row of
store.incident, whose end is told as any other.

All processes of a machine share the file (those of the containers, too). Who changes it holds a lock on the file beside
it and replaces it as a whole, so one that is killed leaves it as it was before or after. Who tells says in it when it
begins to and when somebody was told, so where it is killed in between a later report tells it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deribit_warehouse import settings
from deribit_warehouse.alerts.channels import describe, send
from deribit_warehouse.alerts.incidents import Observation, keep
from deribit_warehouse.alerts.messages import DATABASE, Incident, RunReport, away_lines, render_incidents, subject_of

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

NAME = "market_away.json"
"""The file's name in Airflow's home."""

AGAIN = 3600.0
"""Seconds from one message to the next while it lasts."""

TELLING = 120.0
"""Seconds after which who began to tell and has not said that somebody was told counts as killed: as of an incident
(claim.sql)."""

PATIENCE = 5.0
"""Seconds to wait for whoever changes the file, before a run is told by itself."""

RULE = "away"


@dataclass(frozen=True)
class Away:
    """The database as it is away. Times are seconds since the epoch.

    since, seen: when a report could not be kept for the first and the last time; told: when somebody was told of it
    last, None: never; telling: when somebody began to tell of it, None: nobody does. dag_id, run_id, first: the first
    report, and its lines. cause: what the database answered last. untold: how many reports of each DAG came after the
    first. later: what has to be kept of all of them once that can be done.
    """

    since: float
    seen: float
    dag_id: str
    run_id: str
    first: list[str]
    cause: str
    told: float | None = None
    telling: float | None = None
    untold: dict[str, int] = field(default_factory=dict)
    later: list[dict[str, Any]] = field(default_factory=list)

    @property
    def times(self) -> int:
        return 1 + sum(self.untold.values())

    @property
    def words(self) -> str:
        return "\n".join(away_lines(self.cause, self.first, self.untold))


def fold(report: RunReport, observed: Collection[Observation], error: BaseException, base_url: str) -> None:
    """Counts a report that could not be kept, for `error`, and tells that the database is away where nobody was told,
    or for an hour. observed: what the report has to tell. Raises OSError where the file can't be changed."""
    now, cause = time.time(), describe(error)
    with _locked(PATIENCE) as file:
        away = _read(file)
        if away is None:
            lines = [line for each in observed for line in each.words.splitlines()]
            away = Away(now, now, report.dag_id, report.run_id, [f"First: {subject_of(report)}", *lines[:4]], cause)
        else:
            untold = away.untold | {report.dag_id: away.untold.get(report.dag_id, 0) + 1}
            away = replace(away, seen=now, cause=cause, untold=untold)
        away = replace(away, later=_with(away.later, report, observed))
        due = _is_due(away, now)
        _write(file, replace(away, telling=now) if due else away)
    if due:
        delivered = send(render_incidents([_incident(away)], base_url))
        try:
            with _locked(PATIENCE) as file:
                if (away := _read(file)) and away.telling == now:
                    # where no channel took it the next report is the next attempt
                    _write(file, replace(away, telling=None, told=away.told if delivered == [] else now))
        except OSError as error:  # the report is in the file, and was told
            log.error("That it was told could not be written down, so it is told again: %s", describe(error))


def settle(connection: Connection) -> None:
    """Keeps what could not be kept while the database was away, in a transaction of its own; and that it was, once it
    is over. Does nothing while another process does it, and raises nothing: whatever is wrong with the file keeps
    nobody from being told of the rest."""
    try:
        if _place().exists():
            with _locked(0) as file:
                _settle(connection, file)
    except BlockingIOError:
        pass
    except Exception as error:
        log.exception("What happened while the market database was away could not be kept yet: %s", describe(error))


def _settle(connection: Connection, file: Path) -> None:
    from deribit_warehouse.warehouse import incidents

    away = _read(file)
    if away is None:
        file.unlink(missing_ok=True)
        return
    over = away.seen <= time.time() - settings.calm().total_seconds()
    with connection.transaction():
        for each in away.later:
            fingerprint = incidents.Fingerprint(*each["fingerprint"])
            observation = Observation(fingerprint, each["level"], each["words"], each["stands"])
            keep(connection, observation, dag_id=each["dag_id"], run_id=each["run_id"])
        if over:
            incidents.keep_past(
                connection, incidents.Fingerprint("wait", DATABASE, RULE), away.words, dag_id=away.dag_id,
                run_id=away.run_id, opened_at=_instant(away.since), resolved_at=_instant(away.seen), times=away.times,
                told_at=_instant(away.told) if away.told else None,
            )  # fmt: skip
    if over:
        file.unlink()
    elif away.later:
        _write(file, replace(away, later=[]))


def _is_due(away: Away, now: float) -> bool:
    if away.telling is not None and away.telling > now - TELLING:
        return False
    if away.told is None:
        return True
    return settings.remind_after() is not None and away.told <= now - AGAIN


def _with(later: list[dict[str, Any]], report: RunReport, observed: Collection[Observation]) -> list[dict[str, Any]]:
    """What has to be kept later, in the order in which incidents are kept, with what this report adds to it."""
    found = {tuple(each["fingerprint"]): each for each in later}
    for one in observed:
        if one.fingerprint.kind == "failure" and "" in one.stands:
            continue  # the DAG's next run mends it
        stands = {*one.stands, *found.get(one.fingerprint, {}).get("stands", ())}
        found[one.fingerprint] = {
            "fingerprint": list(one.fingerprint), "level": one.level, "words": one.words, "stands": sorted(stands),
            "dag_id": report.dag_id, "run_id": report.run_id,
        }  # fmt: skip
    return [found[fingerprint] for fingerprint in sorted(found)]


def _incident(away: Away) -> Incident:
    """The incident that it will be, as far as it is known."""
    return Incident(
        incident_id=None, kind="wait", dataset=DATABASE, rule=RULE, instruments="", level="error", words=away.words,
        dag_id=away.dag_id, run_id=away.run_id, stands=[], opened_at=_instant(away.since), seen_at=_instant(away.seen),
        times=away.times, resolved_at=None, acknowledged_by=None, note=None, news="again" if away.told else "opened",
        now=_instant(away.seen), said_over_at=None, said_over_by=None,
    )  # fmt: skip


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _place() -> Path:
    return Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser() / NAME


@contextmanager
def _locked(patience: float) -> Iterator[Path]:
    """The file, while nobody else changes it. Raises BlockingIOError when it is not free in so many seconds."""
    file, deadline = _place(), time.monotonic() + patience
    with file.with_suffix(".lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)
        yield file


def _read(file: Path) -> Away | None:
    """What the file says; None where there is none, or none that can be read."""
    try:
        return Away(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        log.error("%s can't be read, so what it said is forgotten: %s", file, describe(error))
        return None


def _write(file: Path, away: Away) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(asdict(away)))
    new.replace(file)
