"""Rows by the hour, collected from pages that may overlap, repeat themselves or lack some."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import numpy as np

HOUR = 3_600_000  # ms


@dataclass
class Table:
    """Rows of `width` numbers by timestamp, ms, while they are being collected."""

    width: int
    seen: dict[int, np.ndarray] = field(default_factory=dict)
    duplicate: set[int] = field(default_factory=set)
    out_of_window: set[int] = field(default_factory=set)
    answers: int = 0

    def place(self, timestamp: np.ndarray, values: np.ndarray, left: int, right: int) -> int | None:
        """Keeps the rows of [left, right) that aren't there yet; returns the oldest one's time, None without any."""
        self.answers += 1
        here: set[int] = set()
        for at, row in zip(timestamp.tolist(), values.T, strict=True):
            if not left <= at < right:
                self.out_of_window.add(at)
            elif at in here:
                self.duplicate.add(at)
            else:
                here.add(at)
                self.seen.setdefault(at, row)
        return min(here, default=None)

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Timestamps ascending, shape (rows,), and the numbers, shape (width, rows)."""
        timestamp = ms(self.seen)
        values = np.array([self.seen[at] for at in timestamp.tolist()], np.float64).reshape(-1, self.width)
        return timestamp, values.T


def ms(times: Iterable[int]) -> np.ndarray:
    return np.array(sorted(times), np.int64)


def absent(times: Container[int], left: int, right: int) -> np.ndarray:
    """The whole hours of [left, right) that aren't among `times`: int64 ms, ascending."""
    return ms(hour for hour in range(-(-left // HOUR) * HOUR, right, HOUR) if hour not in times)
