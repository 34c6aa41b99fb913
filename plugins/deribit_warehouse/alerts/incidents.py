"""What a run has to tell, as incidents: a message when one opens, none while it is seen again, one when it is over.

A row of store.incident is committed before its message is sent, and says when it was: a message that no channel took,
or whose process was killed, is sent after a later run of any DAG (by `send_due_messages`, which takes whatever nobody
was told of).
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from deribit_warehouse import settings
from deribit_warehouse.alerts.channels import send
from deribit_warehouse.alerts.messages import (
    EXCHANGE,
    Incident,
    QuarantinedKey,
    RunReport,
    coin_of,
    failure_lines,
    finding_lines,
    render_incidents,
    wait_lines,
)
from deribit_warehouse.dataset import PREFIX

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.warehouse.incidents import Fingerprint

log = logging.getLogger(__name__)

PATIENCE = 25.0
"""Seconds after which no further message is begun: a DAG's callback is killed after 50. The next run tells the rest."""

ERROR = re.compile(r"\b(?!Airflow)((?:[A-Z]+[a-z0-9]+){2,6}|[A-Z]{2,10}Error)\b(?=: |$)")
"""What an error is called, where its text names it: RequestRejected, not the AirflowException around it."""

EXCHANGE_AWAY = re.compile(
    r"\A(?!.*\bwaited for instruments without an answer\b).*(\bExchangeUnavailable\b|\bwaited for the exchange\b)",
    re.DOTALL,
)
"""An error by which the exchange was away, and did not merely leave a few instruments without an answer."""

Memory = Callable[[], AbstractContextManager["Connection"]]
"""Opens a connection to the market database."""


class Observation(NamedTuple):
    """Something that a run has seen to be wrong: what warehouse.incidents.observe takes."""

    fingerprint: "Fingerprint"
    level: str
    words: str
    stands: Collection[str]


def dataset_of(dag_id: str) -> str:
    """A DAG's dataset; of one that has none, its id without the prefix."""
    return dag_id.removeprefix(PREFIX)


def observations(report: RunReport, *, failed: bool) -> list[Observation]:
    """What a run has to tell, an observation each. failed: whether the run failed, whatever it says of why.

    A blocked gate is one, whatever else failed. An exchange that is away is no fault of the DAG that met it: where the
    next run tries again by itself that is all there is to tell; where somebody has to clear the run, it is told, too.
    """
    from deribit_warehouse.warehouse.incidents import WAITING, Fingerprint

    dataset, found = dataset_of(report.dag_id), []
    lines = failure_lines(report)
    errors = [failure.error for failure in report.failures]
    if report.blocked:
        found.append(
            Observation(Fingerprint("blocked", dataset, "blocked"), "error",
                        "\n".join([*report.blocked[:3], *lines][:6]), [stands_of(report)])
        )  # fmt: skip
    elif failed or report.failures:
        away = bool(errors) and all(EXCHANGE_AWAY.search(error) for error in errors)
        if away:
            away_words = f"{report.dag_id}: {errors[0]}"
            found.append(_away(Fingerprint("wait", EXCHANGE, "away"), away_words, report.dag_id))
        if not away or report.catches_up:
            rule = _rule_of(errors) if errors else "run failed"
            found.append(
                Observation(Fingerprint("failure", dataset, rule), "error", "\n".join(lines), [stands_of(report)])
            )  # fmt: skip
    for kind, level, keys in (("quarantine", "warning", report.quarantined), ("warning", "notice", report.warnings)):
        for (of, rule, coin), same in _grouped(keys).items():
            days = {str(key.ts.date() if key.ts else key.day) for key in same}
            words = "\n".join(finding_lines(same))
            found.append(Observation(Fingerprint(kind, of or dataset, rule, coin), level, words, days))
    for wait in report.waiting:
        found.append(_away(Fingerprint("wait", wait.awaited, "away"), "\n".join(wait_lines(wait)), WAITING))
    return found


def _away(fingerprint: "Fingerprint", words: str, who: str) -> Observation:
    return Observation(fingerprint, "notice", words, [who])


def _order(observation: Observation) -> "Fingerprint":
    return observation.fingerprint


def _rule_of(errors: list[str]) -> str:
    """What the first error that says what it is called is called."""
    named = (ERROR.search(error) for error in errors)
    return next((found[1] for found in named if found), "task failed")


def _grouped(keys: list[QuarantinedKey]) -> dict[tuple[str, str, str], list[QuarantinedKey]]:
    """Keys by the dataset of their rule ("": the DAG's), the rule, and the coin."""
    groups: dict[tuple[str, str, str], list[QuarantinedKey]] = defaultdict(list)
    for key in keys:
        groups[key.dataset, key.rule, coin_of(key.instrument)].append(key)
    return dict(sorted(groups.items()))


def stands_of(report: RunReport) -> str:
    """What has to succeed before a run's failure is over: a run of its interval, where past intervals have runs of
    their own, or that run itself where only its id is known; else ("") the DAG's next run."""
    from deribit_warehouse.warehouse.incidents import interval

    if report.catches_up and report.only_named:
        return report.run_id
    if not report.catches_up or report.interval is None:
        return ""
    begins, ends = (bound.astimezone(UTC) for bound in report.interval)
    return interval(begins, ends)


def learned(report: RunReport) -> list[Observation]:
    """What a run has learned once and for all (its warnings): it is told, and has no end."""
    from deribit_warehouse.warehouse.incidents import Fingerprint

    dataset = dataset_of(report.dag_id)
    return [
        Observation(Fingerprint("note", of or dataset, rule, coin), "notice", "\n".join(finding_lines(same)), ())
        for (of, rule, coin), same in _grouped(report.warnings).items()
    ]


def remember(connection: "Connection", report: RunReport, observed: Collection[Observation]) -> None:
    """Keeps what a run has to tell, in the caller's transaction. What is folded is not told by itself."""
    from deribit_warehouse.warehouse import incidents

    blocked = []
    # of a DAG that takes no ranges each run has another interval: an interval of it would stand for ever
    if report.blocked and report.takes_ranges:
        blocked = incidents.blocked_intervals(connection, report.dag_id, report.run_id)
    # in one order, so that two runs at once don't wait for each other
    for observation in sorted(observed, key=_order):
        if observation.fingerprint.kind == "blocked" and blocked:
            observation = observation._replace(stands=[incidents.interval(*each) for each in blocked])
        keep(connection, observation, dag_id=report.dag_id, run_id=report.run_id)


def keep(connection: "Connection", observation: Observation, *, dag_id: str, run_id: str) -> None:
    """Opens the incident of an observation, or folds it into the one that is open, in the caller's transaction."""
    from deribit_warehouse.warehouse import incidents

    fingerprint, level, words, stands = observation
    if fingerprint.kind == "note":
        incidents.note(connection, fingerprint, words, level=level, dag_id=dag_id, run_id=run_id)
    else:
        incidents.observe(
            connection, fingerprint, words, level=level, stands=stands, dag_id=dag_id, run_id=run_id
        )  # fmt: skip


def recover_run(connection: "Connection", report: RunReport, *, asked_exchange: bool) -> None:
    """Ends what a run that went well shows to be over. asked_exchange: whether the exchange answered it."""
    from deribit_warehouse.warehouse import incidents, validations

    dataset = dataset_of(report.dag_id)
    with connection.transaction():
        for mended in (stands_of(report), report.run_id):
            incidents.recover(connection, ["failure"], dataset, part=mended)
        validated = validations.run_intervals(connection, report.dag_id, report.run_id)
        for begins, ends in validated.get(dataset, ()):
            part = incidents.interval(begins, ends) if report.takes_ranges else None
            incidents.recover(connection, ["blocked"], dataset, part=part)
        if asked_exchange:
            incidents.recover(connection, ["wait"], EXCHANGE, part=report.dag_id)
        for name in sorted({dataset, *validated}):
            incidents.settle_findings(connection, name)
        incidents.settle_waits(connection)


def send_due_messages(connection: "Connection", base_url: str) -> int:
    """Sends the messages that are due, one for what happened to incidents of one dataset and kind; returns how many
    messages went out.

    Each is sent after what it says was committed, and is marked as sent when a channel took it, or none is configured
    (then it is in the log). What no channel took is sent again by a later run; none of this raises for it.
    """
    from deribit_warehouse.warehouse import incidents

    deadline, sent = time.monotonic() + PATIENCE, 0
    calm, remind = settings.calm(), settings.remind_after()
    while time.monotonic() < deadline:
        with connection.transaction():
            rows = incidents.claim(connection, calm=calm, remind=remind)
        if not rows:
            break
        about = sorted((Incident.of(row) for row in rows), key=lambda incident: incident.incident_id or 0)
        delivered = send(render_incidents(about, base_url))
        if delivered is None or delivered:
            with connection.transaction():
                incidents.mark_notified(connection, [row["incident_id"] for row in rows], rows[0]["news"])
            sent += 1
    return sent
