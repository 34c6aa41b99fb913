"""What mapped tasks are made of: as many windows or months as are worth a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], cost: Callable[[T], int], worth: int) -> list[list[T]]:
    """Items in their order, in batches: each ends with the item whose cost brings it to `worth` or beyond."""
    found: list[list[T]] = []
    so_far = worth
    for item in items:
        if so_far >= worth:
            found.append([])
            so_far = 0
        found[-1].append(item)
        so_far += cost(item)
    return found


def label(names: list[str]) -> str:
    """How a batch reads in the grid: its only name, or its first and last."""
    if len(names) <= 2:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({len(names)})"
