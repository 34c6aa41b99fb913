"""Waiting for something that will come: the exchange is unavailable, or the catalogue was not read recently enough.

A task that waits ends its process, and the scheduler starts it again after a while. It holds no slot of a pool or of
the executor meanwhile, and uses up no attempt. What it has to remember (since when it waits, what it has finished) is
kept in the market database, by Airflow's id of the attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NoReturn

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from deribit_warehouse import settings
from deribit_warehouse.alerts import notify_waiting
from deribit_warehouse.alerts.messages import EXCHANGE

from .connections import market

log = logging.getLogger(__name__)

MIN_DELAY, MAX_DELAY = timedelta(minutes=1), timedelta(minutes=10)
"""Bounds of the delay before the next try, which is as long as the task has waited already. The upper bound is how long
a task may go on waiting after the cause is gone. The lower one is longer than the scheduler needs to notice that a
process has ended: it would fail a task that is due again before that, as killed from outside."""

NOTIFY_AFTER = timedelta(minutes=15)
"""A wait that takes longer is reported, once for all tasks that wait for the same thing."""

MAX_CAUSE = 500
"""Characters of a cause that are kept; the task's log has the rest."""


def wait(awaited: str, cause: str, *, bound: timedelta | None = None, finished: Collection[int] = ()) -> NoReturn:
    """Ends the task's process and has it started again after a while; what it did so far stays.

    awaited: what the task waits for, as a part of a sentence ("the exchange"); a wait for the same thing is reported
    once for all tasks. cause: why it waits, for people. bound: how long to wait, counted from the first time, by
    default settings.longest_wait(). finished: ids that finished_before_waiting() returns when the task is started
    again. Raises AirflowFailException when the bound is over.
    """
    raise AirflowFailException(reschedule(awaited, cause, bound=bound, finished=finished))


def reschedule(
    awaited: str, cause: str, *, bound: timedelta | None = None, finished: Collection[int] = (), notify: bool = True
) -> str:
    """As wait(), but returns a sentence when the bound is over, which says what was waited for and since when. notify:
    whether a long wait is reported."""
    from deribit_warehouse.warehouse import waits

    bound = settings.longest_wait() if bound is None else min(bound, settings.longest_wait())
    context = get_current_context()
    ti = context["ti"]
    tasks = 0
    with market() as connection, connection.transaction():
        since, now = waits.wait(
            connection, ti.id, awaited, dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index, label=str(context.get("label") or ""),
            cause=cause[:MAX_CAUSE], finished=finished,
        )  # fmt: skip
        over = now - since >= bound
        if over:
            waits.resume(connection, ti.id)
        else:
            next_at = now + max(min(now - since, MAX_DELAY, since + bound - now), MIN_DELAY)
            waits.set_next(connection, ti.id, awaited, next_at)
            if notify and now - since >= NOTIFY_AFTER:
                tasks = waits.claim_notification(connection, awaited)
    if over:
        return f"waited for {awaited} since {since:%Y-%m-%d %H:%M} UTC, for {duration(bound)} in vain: {cause}"
    log.warning(
        "waiting for %s since %s UTC, asked again at %s UTC, given up at %s UTC: %s",
        awaited, clock(since), clock(next_at), clock(since + bound), cause,
    )  # fmt: skip
    if tasks:
        notify_waiting(context, awaited, since=since, until=since + bound, tasks=tasks, cause=cause)
    raise AirflowRescheduleException(next_at)


def finished_before_waiting() -> set[int]:
    """The ids that the task's attempt recorded as finished when it began to wait."""
    from deribit_warehouse.warehouse import waits

    context = get_current_context()
    if not context.get("task_reschedule_count"):
        return set()
    with market() as connection:
        return waits.finished(connection, context["ti"].id)


@contextmanager
def waits_for_exchange(bound: timedelta | None = None) -> Iterator[None]:
    """Wraps a task: when the exchange is unavailable (ExchangeUnavailable) the task waits, and when it gets through the
    record of its wait is deleted.

    bound: as in wait().
    """
    from deribit_warehouse.exchange import ExchangeUnavailable

    try:
        yield
    except AirflowRescheduleException:
        raise
    except ExchangeUnavailable as error:
        wait(EXCHANGE, str(error), bound=bound)
    except Exception:
        _forget()
        raise
    else:
        _forget()


def _forget() -> None:
    from deribit_warehouse.warehouse import waits

    context = get_current_context()
    if context.get("task_reschedule_count"):
        with market() as connection, connection.transaction():
            waits.resume(connection, context["ti"].id)


def clock(instant: datetime) -> str:
    """An instant (UTC) for people, to the second, without the zone."""
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def duration(length: timedelta) -> str:
    """A length of time as a person says it, rounded to minutes."""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    parts = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in ((hours, "hour"), (minutes, "minute")) if n]
    return " ".join(parts) or "less than a minute"
