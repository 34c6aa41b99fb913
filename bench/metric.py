"""What a benchmark hands over, and how a time is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Metric:
    """One measured number. `baseline` is another number in the same unit, `note` says of what.

    `at_least` and `at_most` bound `value`, `ratio_at_least` and `ratio_at_most` value / baseline; at most one of them
    is given. Without a value the metric could not be measured here, and `note` says why.
    """

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    note: str = ""
    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.value is not None and self.baseline else None

    @property
    def target(self) -> str | None:
        if self.at_least is not None:
            return f"at least {self.at_least:,g}"
        if self.at_most is not None:
            return f"at most {self.at_most:,g}"
        if self.ratio_at_least is not None:
            return f"ratio at least {self.ratio_at_least:g}"
        if self.ratio_at_most is not None:
            return f"ratio at most {self.ratio_at_most:g}"
        return None

    @property
    def met(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.ratio is None:
            return False
        if self.ratio_at_least is not None:
            return self.ratio >= self.ratio_at_least
        return self.ratio_at_most is not None and self.ratio <= self.ratio_at_most

    def row(self) -> dict:
        """The object in results.json."""
        keys = ("name", "value", "unit", "baseline", "ratio", "target", "met", "note")
        return {key: getattr(self, key) for key in keys}


def seconds(work: Callable[[], object], runs: int = 5, before: Callable[[], object] = lambda: None) -> float:
    """The median time of several runs; `before` prepares each and is not timed."""
    taken = []
    for _ in range(runs):
        before()
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


def processor_in_turn(one: Callable[[], object], other: Callable[[], object], runs: int) -> tuple[float, float]:
    """The median seconds of this process' processor that each of two takes, after one time each that does not count; in
    turn, so that a machine that becomes slower does so for both."""

    def spent(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    pairs = [(spent(one), spent(other)) for _ in range(runs + 1)][1:]
    return median(first for first, _ in pairs), median(second for _, second in pairs)
