"""Proves that a window was covered, whatever the exchange leaves out of an answer.

Chart data and funding are answered with the newest rows of a window; the older ones are dropped silently. An answer may
also lack rows because of a temporary fault. So nothing counts as missing before it has been requested twice.
Windows here are half-open, [start, end) in ms.

A list that comes newest first, by offset, is different: its offsets count from the newest row, and newer rows may
arrive between two requests. Counted from the oldest row, by the number of rows the exchange reports, a row keeps its
place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from .errors import Malformed

Row = TypeVar("Row")
Part = Callable[[int], tuple[Sequence[Row], int]]  # asks from an offset on: rows, newest first, and how many there are
TRIES = 3  # for a list whose answers contradict each other, and for a part that brings nothing new
Page = Callable[[int, int], int | None]  # asks [start, end), keeps the rows, returns the oldest one's tick or None


def windows(start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """[start, end) in consecutive pieces of at most `width` ms."""
    for left in range(start, end, width):
        yield left, min(left + width, end)


def cover(page: Page, missing: Callable[[], np.ndarray], start: int, end: int, step: int) -> None:
    """Requests [start, end) until every tick of the grid of `step` ms was received or was absent from two answers.

    `missing` returns the ticks of the window that were not received yet, ascending.
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
    """Requests [start, end), then the part before the oldest row that came, until nothing lies before it.

    Returns how many answers had rows, and the tick of the oldest row (None: the window is empty).
    """
    answers, oldest = 0, None
    first = -(-start // step) * step
    while first < end and (found := page(start, end)) is not None:
        answers, oldest, end = answers + 1, found, found
    return answers, oldest


def newest_first(part: Part[Row], enough: Callable[[Row], bool], width: int) -> list[Row]:
    """The rows of a list from the newest one on, until one is `enough` or there is none older. Those that came since
    the first answer are not among them.

    Every part but the first begins with a row that is known. By its place counted from the oldest it has to be the row
    that was there before: so what comes in the meantime pushes nothing out of sight, and a row that an answer left out
    is noticed. An answer of fewer than `width` rows is trusted when the next one has been joined to it. Raises
    Malformed if answers contradict each other TRIES times, if fewer rows come than the exchange reports, or if the list
    grows by whole pages while it is read.
    """
    for _ in range(TRIES):
        rows = _newest_first(part, enough, width)
        if rows is not None:
            return rows
    raise Malformed(f"the answers about the list contradict each other, {TRIES} times")


def _newest_first(part: Part[Row], enough: Callable[[Row], bool], width: int) -> list[Row] | None:
    """newest_first(), once. None: the answers contradict each other: a row was not where it had been before, or more
    rows came than there were."""
    rows: list[Row] = []
    page, total = part(0)
    rows += page
    total_at_start = total  # row i is the one at place total_at_start - i, counted from the oldest
    verified_rows = len(rows) if len(rows) >= min(width, total_at_start) else 0
    empty_pages = 0  # how many in a row brought nothing new
    while len(rows) < total_at_start and not (verified_rows and enough(rows[verified_rows - 1])):
        if empty_pages == TRIES:
            raise Malformed(f"of {total_at_start} rows no more than the newest {len(rows)} came")
        offset = total - total_at_start + max(len(rows) - 1, 0)
        page, total = part(offset)
        begins = offset - (total - total_at_start)  # the row that the page has to begin with; below 0 a newer one
        if begins > max(len(rows) - 1, 0):
            return None  # rows were taken away
        known = page[max(-begins, 0) : len(rows) - begins]
        if list(known) != rows[max(begins, 0) :][: len(known)]:
            return None
        before = verified_rows, len(rows)
        if known:
            verified_rows = max(begins, 0) + len(known)
        rows += page[len(rows) - begins :]
        if len(page) >= min(width, total - offset):
            verified_rows = len(rows)
        empty_pages = empty_pages + 1 if (verified_rows, len(rows)) == before else 0
    return rows if len(rows) <= total_at_start else None
