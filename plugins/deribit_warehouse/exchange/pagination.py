"""Proves that a window was covered, whatever the exchange leaves out of an answer.

Both chart data and funding answer with the newest rows of a window and drop the older ones without a word, and an
answer may lack rows because of a fault that passes. So nothing counts as missing before it was asked for twice.
Windows here are half-open, [start, end) in ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Page = Callable[[int, int], int | None]  # asks [start, end), keeps the rows, returns the oldest one's tick or None


def windows(start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """[start, end) in consecutive pieces of at most `width` ms."""
    for left in range(start, end, width):
        yield left, min(left + width, end)


def cover(page: Page, missing: Callable[[], np.ndarray], start: int, end: int, step: int) -> None:
    """Asks [start, end) until every tick of the grid of `step` ms is there or was left out of two answers.

    `missing` returns the ticks of the window not yet there, ascending.
    """
    answers, oldest = backwards(page, start, end, step)
    gaps = missing()
    if oldest is not None:
        gaps = gaps[gaps > oldest]  # those before the oldest row were asked for by themselves already
    if not len(gaps):
        return
    left, right = int(gaps[0]), min(int(gaps[-1]) + step, end)
    if answers > 1:  # this exchange cuts answers shorter than our pages
        backwards(page, left, right, step)
    else:
        page(left, right)


def backwards(page: Page, start: int, end: int, step: int) -> tuple[int, int | None]:
    """Asks [start, end), then what lies before the oldest row, until nothing does.

    Returns how many answers held rows, and the oldest row's tick (None: the window is empty).
    """
    answers, oldest = 0, None
    first = -(-start // step) * step
    while first < end and (found := page(start, end)) is not None:
        answers, oldest, end = answers + 1, found, found
    return answers, oldest
