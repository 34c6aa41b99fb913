"""Waiting for something that will come: the exchange is away, the catalogue is behind, a reference is not loaded yet.

A task that waits ends its process and is asked again by the scheduler after a while: it holds no slot of a pool or of
the executor and uses up no attempt. What it has to remember (since when, what it is done with) is kept in the market
database, by Airflow's id of the attempt.
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

from .connections import market

log = logging.getLogger(__name__)

EXCHANGE = "the exchange"
CATALOGUE = "the catalogue"

MIN_DELAY, MAX_DELAY = timedelta(minutes=1), timedelta(minutes=10)
"""Between two askings: as long as was waited already, within these. So nothing stands still for longer than that once
it could go on. The shortest is more than the scheduler takes to see that a process has ended: a task that is scheduled
again before that is failed, as killed from outside."""

NOTIFY_AFTER = timedelta(minutes=15)
"""A wait that takes longer is told, once for all tasks that wait for the same."""

MAX_CAUSE = 500
"""Characters of a cause that are kept; the task's log has the rest."""


def wait(awaited: str, cause: str, *, bound: timedelta | None = None, finished: Collection[int] = ()) -> NoReturn:
    """Ends the task's process and has it asked again after a while; what it did so far stays.

    awaited: what will come, in the words of a sentence ("the exchange"); tasks that say the same are told of once.
    cause: what was met, for people. bound: how long to wait from the first time on, by default
    settings.longest_wait(). finished: ids that remembered_as_finished() gives the task when it is asked again.
    Raises AirflowFailException when the bound is over.
    """
    raise AirflowFailException(reschedule(awaited, cause, bound=bound, finished=finished))


def reschedule(
    awaited: str, cause: str, *, bound: timedelta | None = None, finished: Collection[int] = (), notify: bool = True
) -> str:
    """As wait(), but returns a sentence when the bound is over: since when what was waited for. notify: whether a wait
    that takes long is told."""
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
    """What the task's attempt said it is done with when it began to wait."""
    from deribit_warehouse.warehouse import waits

    context = get_current_context()
    if not context.get("task_reschedule_count"):
        return set()
    with market() as connection:
        return waits.finished(connection, context["ti"].id)


@contextmanager
def waits_for_exchange(bound: timedelta | None = None) -> Iterator[None]:
    """Around a task: an exchange that is away (ExchangeUnavailable) is waited for, and a wait that is over is
    forgotten.

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
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def duration(length: timedelta) -> str:
    """A length of time as a person says it, rounded to minutes."""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    parts = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in ((hours, "hour"), (minutes, "minute")) if n]
    return " ".join(parts) or "less than a minute"
