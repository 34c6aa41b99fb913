"""A metric and its target; two works whose processor time is compared."""

from __future__ import annotations

import pytest

from bench.metric import Metric, processor_in_turn


@pytest.mark.parametrize(
    ("target", "said", "met"),
    [
        ({"at_least": 4}, "at least 4", True), ({"at_least": 5}, "at least 5", False),
        ({"at_most": 4}, "at most 4", True), ({"at_most": 3}, "at most 3", False),
        ({"ratio_at_least": 0.5}, "ratio at least 0.5", True), ({"ratio_at_least": 0.6}, "ratio at least 0.6", False),
        ({"ratio_at_most": 0.5}, "ratio at most 0.5", True), ({"ratio_at_most": 0.4}, "ratio at most 0.4", False),
        ({}, None, None),
    ],
)  # fmt: skip
def test_a_target_is_said_and_held_against(target, said, met):
    metric = Metric("gate: processor", 4, "s", 8, **target)
    assert (metric.target, metric.met) == (said, met)


def test_a_ratio_to_nothing_meets_no_target():
    assert not Metric("gate: processor", 4, "s", 0, ratio_at_most=0.5).met
    assert Metric("gate: processor", None, "s", 8, ratio_at_most=0.5).met is None


def test_what_is_compared_runs_in_turn_and_the_first_time_does_not_count(monkeypatch):
    clock, order = [0.0], []

    def work(name: str, took: list[float]):
        def once() -> None:
            order.append(name)
            clock[0] += took.pop(0)

        return once

    monkeypatch.setattr("bench.metric.time.process_time", lambda: clock[0])
    less, more = work("less", [50, 1, 9, 2]), work("more", [90, 4, 4, 30])
    assert processor_in_turn(less, more, 3) == (2, 4)
    assert order == 4 * ["less", "more"]
