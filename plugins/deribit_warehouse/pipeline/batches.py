"""What mapped tasks are made of: as many windows or months as are worth a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], cost: Callable[[T], int], worth: int) -> list[list[T]]:
    """Items in their order, in batches that cost about `worth` and about the same, so that no task is started for a
    remainder: each ends with the item that brings it to its share of what is left."""
    left = list(items)
    costs = [cost(item) for item in left]
    found: list[list[T]] = []
    while left:
        total = sum(costs)
        share = total / max(1, round(total / worth))
        number = 1 + sum(so_far < share for so_far in accumulate(costs[:-1]))
        found.append(left[:number])
        left, costs = left[number:], costs[number:]
    return found


def label(names: list[str]) -> str:
    """How a batch reads in the grid: its only name, or its first and last."""
    if len(names) <= 2:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({len(names)})"
