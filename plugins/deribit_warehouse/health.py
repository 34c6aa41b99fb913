"""A question that many ask and one thread answers: whatever becomes of what it asks, nobody waits long and nothing
piles up. The API server serves the tasks' heartbeats from the same process as its pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """Asks in a thread of its own, one at a time, and keeps the answer.

    ask: the question; what it raises is logged once, until it is something else. otherwise: the answer when it raises,
    or has not answered after `patience` seconds. keeps: for how many seconds an answer, that one too, is given again.
    """

    def __init__(
        self, ask: Callable[[], Answer], otherwise: Answer, *, keeps: float = 10, patience: float = 5
    ) -> None:  # fmt: skip
        self._ask, self._otherwise, self._keeps, self._patience = ask, otherwise, keeps, patience
        self._asking: Future[Answer] | None = None
        self._answer, self._until = otherwise, float("-inf")
        self._failed: str | None = None

    async def answer(self) -> Answer:
        """The answer that is kept, or a new one. Raises nothing."""
        if monotonic() < self._until:
            return self._answer
        if self._asking is None or self._asking.done():
            self._asking = in_thread(self._ask)
        try:
            # shielded: a caller that goes away takes the question from nobody else
            found = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._asking)), self._patience)
            self._failed = None
        except Exception as error:
            found = self._otherwise
            if (failed := type(error).__name__) != self._failed:
                log.warning("The market database could not be asked: %s", failed)
            self._failed = failed
        self._answer, self._until = found, monotonic() + self._keeps
        return found


def in_thread(ask: Callable[[], Answer]) -> Future[Answer]:
    """Runs it in a thread that keeps no process from ending, as those of an executor would."""
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except Exception as error:
            future.set_exception(error)

    Thread(target=run, daemon=True, name="probe").start()
    return future
