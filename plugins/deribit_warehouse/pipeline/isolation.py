"""One instrument's trouble is its own: the others of a task are loaded, and the task then says which were not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException

from .waiting import EXCHANGE, reschedule

log = logging.getLogger(__name__)

REFUSED = "instruments the exchange refused"
REFUSED_FOR = timedelta(hours=1)
"""How long a final no for an instrument that is listed, or an answer nobody can read, is doubted: it is asked again a
few times in this time before the instrument's part of the interval is given up."""

UNANSWERED_LIMIT = 2
"""Instruments without an answer, one after the other, after which the exchange is taken to be away: to go on would use
up the task's time for each of the rest."""


class PerInstrument:
    """What became of each instrument of a task.

    finished: numbers of those that are done (their places in the batch), with those an earlier asking of the same
    attempt had done. failed: the error of each that is not, by name.
    """

    def __init__(self, finished: set[int] | None = None) -> None:
        self.finished = set(finished or ())
        self.failed: dict[str, Exception] = {}
        self._unanswered = 0

    @contextmanager
    def isolate(self, name: str, number: int | None = None) -> Iterator[None]:
        """Around an instrument's work. Whatever it raises is kept for finish(), but what is no instrument's fault: a
        lost database connection, a task that waits, or one that is being ended."""
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
            if isinstance(error, ExchangeError):
                log.error("%s was not loaded: %s", name, error)
            else:
                log.exception("%s was not loaded", name)
        else:
            self._unanswered = 0
            if number is not None:
                self.finished.add(number)

    @property
    def exchange_unavailable(self) -> bool:
        return self._unanswered >= UNANSWERED_LIMIT

    def finish(self, total: int, *, bound: timedelta | None = None) -> None:
        """Returns when nothing failed. What the exchange may still answer is waited for: as long as waiting.wait()
        does, or ``bound``, when it is away; REFUSED_FOR when it refused. Then raises naming each with its cause.

        total: how many instruments there are.
        """
        from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable

        if not self.failed:
            return
        of_the_exchange = {name: error for name, error in self.failed.items() if isinstance(error, ExchangeError)}
        unavailable = {name: error for name, error in of_the_exchange.items() if isinstance(error, ExchangeUnavailable)}
        waited = ""
        if unavailable:
            waited = reschedule(EXCHANGE, causes(unavailable), bound=bound, finished=self.finished)
        elif of_the_exchange:
            limit = REFUSED_FOR if bound is None else min(bound, REFUSED_FOR)
            waited = reschedule(REFUSED, causes(of_the_exchange), bound=limit, finished=self.finished, notify=False)
        message = f"{len(self.failed)} of {total} instruments were not loaded: {causes(self.failed)}"
        if waited:
            # another attempt would begin to wait anew
            raise AirflowFailException(f"{message} ({waited.partition(': ')[0]})")
        raise AirflowException(message)


def causes(failed: Mapping[str, Exception]) -> str:
    """Every name first, so that a message that is cut names them still; then each with its cause."""
    each = "; ".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed.items())
    return each if len(failed) == 1 else f"{', '.join(failed)}. {each}"


def connection_lost(error: Exception) -> bool:
    """Whether the database is gone, not only a statement refused."""
    from psycopg import InterfaceError, OperationalError

    if isinstance(error, InterfaceError):
        return True
    # without a state the server said nothing any more; 08 is a broken connection, 57P a server that goes or comes
    return isinstance(error, OperationalError) and (error.sqlstate is None or error.sqlstate.startswith(("08", "57P")))
