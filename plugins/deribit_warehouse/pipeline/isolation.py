"""Isolates the failures of single instruments: a task loads all the others, and then fails naming those that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException

from deribit_warehouse.alerts.messages import EXCHANGE

from .waiting import reschedule

log = logging.getLogger(__name__)

REFUSED = "instruments the exchange refused"
UNANSWERED = "instruments without an answer"
REFUSED_FOR = timedelta(hours=1)
"""How long a rejection of a listed instrument, an answer that can't be read, or none where others get theirs, is
retried, a few times, before the instrument's part of the interval is given up."""

UNANSWERED_LIMIT = 2
"""How many instruments in a row may be without an answer before the exchange counts as unavailable: waiting for the
answer of each of the rest would use up the task's time. Of live the exchange is asked for the time first."""


class PerInstrument:
    """Which instruments of a task were finished, and which failed.

    finished: the places in the batch of those that are finished, including those that the same attempt had finished
    before it waited. failed: the error of each of the others, by name.
    """

    def __init__(self, finished: set[int] | None = None) -> None:
        self.finished = set(finished or ())
        self.failed: dict[str, Exception] = {}
        self._unanswered = 0
        self._answered = bool(finished)
        self._clock_failed = False

    @contextmanager
    def isolate(self, name: str, number: int | None = None) -> Iterator[None]:
        """Wraps the work on one instrument. Any exception is kept for finish(), except those that do not concern the
        instrument: a lost database connection, a task that waits, or one that is being ended."""
        from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable

        try:
            yield
        except AirflowRescheduleException:
            raise
        except Exception as error:
            if connection_lost(error):
                raise
            self.failed[name] = error
            self._unanswered = self._unanswered + 1 if isinstance(error, ExchangeUnavailable) else 0
            self._answered |= isinstance(error, ExchangeError) and not self._unanswered
            if isinstance(error, ExchangeError):
                log.error("%s was not loaded: %s", name, error)
            else:
                log.exception("%s was not loaded", name)
        else:
            self._unanswered = 0
            self._answered = True
            if number is not None:
                self.finished.add(number)

    @property
    def exchange_unavailable(self) -> bool:
        """Whether so many instruments in a row had no answer that the exchange counts as unavailable."""
        return self._unanswered >= UNANSWERED_LIMIT

    def exchange_clock_fails(self, clock: Callable[[], int]) -> bool:
        """Asks the exchange for its time, unless it has failed to say it before; returns whether it fails. If it
        answers, the exchange is there and has no answer about single instruments, so the count of those begins
        anew."""
        from deribit_warehouse.exchange import ExchangeError

        if not self._clock_failed:
            try:
                clock()
            except ExchangeError:
                self._clock_failed = True
            else:
                self._unanswered, self._answered = 0, True
        return self._clock_failed

    def finish(
        self, total: int, clock: Callable[[], int], *, bound: timedelta | None = None, clock_alone_decides: bool = False
    ) -> None:
        """Returns if nothing failed. Otherwise the task waits, or fails naming each instrument and its cause:

        - The exchange is unavailable: the task waits, at most for `bound` (by default as long as waiting.wait() does).
        - The exchange rejected an instrument, or gave no answer about it while it answered about others: the task
          waits, at most for REFUSED_FOR or `bound`, whichever is shorter.
        - When such a wait is over: raises AirflowFailException, because another attempt would wait anew.
        - Anything else: raises AirflowException, so that the task is tried again.

        total: how many instruments the task has. clock: asks the exchange for its time, and raises ExchangeError where
        there is no answer. It is asked if the last instrument had no answer, to tell an outage from an instrument; a
        task that never waits (`bound` 0, because its next run comes in a minute) does not ask it, and takes it for an
        outage. clock_alone_decides: whether the exchange counts as unavailable only if its clock fails, however few
        instruments there are, and whatever `bound` is.
        """
        from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable

        if not self.failed:
            return
        of_the_exchange = {name: error for name, error in self.failed.items() if isinstance(error, ExchangeError)}
        unavailable = {name: error for name, error in of_the_exchange.items() if isinstance(error, ExchangeUnavailable)}
        waited = ""
        if clock_alone_decides:
            is_away = bool(self._unanswered) and self.exchange_clock_fails(clock)
        else:
            is_away = bool(unavailable) and (bound == timedelta(0) or self._is_away(clock))
        if is_away:
            waited = reschedule(EXCHANGE, causes(unavailable), bound=bound, finished=self.finished)
        elif of_the_exchange:
            awaited = UNANSWERED if unavailable else REFUSED
            limit = REFUSED_FOR if bound is None else min(bound, REFUSED_FOR)
            waited = reschedule(awaited, causes(of_the_exchange), bound=limit, finished=self.finished, notify=False)
        message = f"{len(self.failed)} of {total} instruments were not loaded"
        if waited:
            # final, because another attempt would start to wait from the beginning; what was waited for comes first,
            # because alerts ask for it where the text may be cut
            raise AirflowFailException(f"{message} ({waited.partition(': ')[0]}): {causes(self.failed)}")
        raise AirflowException(f"{message}: {causes(self.failed)}")

    def _is_away(self, clock: Callable[[], int]) -> bool:
        """Whether it is the exchange that gave no answer, and not a few of its instruments."""
        if self.exchange_unavailable or not self._answered:
            return True
        return bool(self._unanswered) and self.exchange_clock_fails(clock)


def causes(failed: Mapping[str, Exception]) -> str:
    """All names first, so that even a truncated message has them, then each name with its cause."""
    each = "; ".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed.items())
    return each if len(failed) == 1 else f"{', '.join(failed)}. {each}"


def connection_lost(error: Exception) -> bool:
    """Whether the database is gone, not only a statement refused."""
    from psycopg import InterfaceError, OperationalError

    if isinstance(error, InterfaceError):
        return True
    # without an SQLSTATE the server did not answer; 08 is a broken connection, 57P a server that stops or starts
    return isinstance(error, OperationalError) and (error.sqlstate is None or error.sqlstate.startswith(("08", "57P")))
