"""A question that many ask: asked once, kept for a while, and never waited for long."""

from __future__ import annotations

import asyncio
import time
from threading import Event

import pytest

from deribit_warehouse.health import Probe


class Question:
    def __init__(self, answer: object = "yes") -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> object:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_an_answer_is_kept_and_then_asked_for_again():
    question = Question()
    probe = Probe(question, "no", keeps=0.2)

    async def ask() -> list[object]:
        first = [await probe.answer() for _ in range(50)]
        await asyncio.sleep(0.3)
        question.answer = "still"
        return [*first, await probe.answer()]

    assert asyncio.run(ask()) == ["yes"] * 50 + ["still"]
    assert question.asked == 2


def test_many_at_once_are_one_question():
    question = Question()
    probe = Probe(lambda: (time.sleep(0.2), question())[1], "no")

    async def ask() -> list[object]:
        return await asyncio.gather(*(probe.answer() for _ in range(50)))

    assert asyncio.run(ask()) == ["yes"] * 50
    assert question.asked == 1


@pytest.mark.parametrize("error", [ValueError("a secret"), TimeoutError("a secret")])
def test_what_it_raises_is_the_other_answer_kept_too_and_logged_once(error, caplog):
    question = Question(error)
    probe = Probe(question, "no", keeps=0.05)

    async def ask() -> list[object]:
        found = [await probe.answer(), await probe.answer()]
        await asyncio.sleep(0.1)
        return [*found, await probe.answer()]

    assert asyncio.run(ask()) == ["no"] * 3
    assert question.asked == 2
    assert len(caplog.records) == 1 and "secret" not in caplog.text


def test_who_never_answers_is_waited_for_once_and_keeps_one_thread():
    never, asked = Event(), []
    probe = Probe(lambda: (asked.append(1), never.wait(60))[1], "no", keeps=0, patience=0.1)

    async def ask() -> list[object]:
        return [await probe.answer() for _ in range(3)]

    try:
        assert asyncio.run(ask()) == ["no"] * 3
        assert len(asked) == 1
    finally:
        never.set()


def test_it_serves_one_event_loop_after_another():
    probe = Probe(Question(), "no", keeps=0)
    assert [asyncio.run(probe.answer()) for _ in range(3)] == ["yes"] * 3
