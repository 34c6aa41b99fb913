"""Days on which prices went where no easy market goes: what an index is multiplied by, minute for minute.

Highs and lows of the days are known (trait `crashes`), the minutes between them are invented, and so is it that
everything that is traded in a coin goes along.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True)
class PriceShock:
    """`path`: (minute since 1970, logarithm of the factor), ascending, from 0 back to 0."""

    coins: tuple[str, ...]
    path: tuple[tuple[int, float], ...]

    def factor(self, minutes: np.ndarray) -> np.ndarray:
        """The logarithm to add at the start of each minute."""
        at, log = zip(*self.path, strict=True)
        return np.interp(minutes, at, log, left=0.0, right=0.0)

    def touches(self, first: int, last: int) -> bool:
        """Whether minutes from first to last are in it."""
        return self.path[0][0] <= last and first <= self.path[-1][0]

    def extreme(self, minutes: np.ndarray) -> np.ndarray:
        """Whether a minute is within half an hour of the one minute of 14 %, if there is one."""
        steep = [at for (at, log), (then, gone) in pairwise(self.path) if then == at + 1 and gone - log < -0.1]
        return np.abs(minutes - steep[0]) <= 30 if steep else np.zeros(minutes.size, bool)


def _price_shock(coins: tuple[str, ...], begins: str, *path: tuple[float, float]) -> PriceShock:
    """path: (hours after `begins`, logarithm)."""
    since = datetime.fromisoformat(begins).replace(tzinfo=UTC)
    minutes = [(int((since + timedelta(hours=hours)).timestamp()) // 60, log) for hours, log in path]
    return PriceShock(coins, tuple(minutes))


_A_MINUTE = 1 / 60
PRICE_SHOCKS = (
    # high / low of the day that began at 08:00: 1.43
    _price_shock(("BTC",), "2019-10-25T08:00", (0, 0), (6, 0.02), (14, 0.12), (18, 0.33), (24, 0.2), (300, 0)),
    # 9,107, 7,713, 9,119: the index bug, and true trades
    _price_shock(
        ("BTC",), "2019-10-31T21:00", (0, 0), (_A_MINUTE, -0.15), (4 * _A_MINUTE, -0.166), (0.2, -0.01), (0.3, 0)
    ),
    # high / low of the day that began at 08:00: 2.07
    _price_shock(
        ("BTC", "ETH"), "2020-03-12T08:00", (0, 0), (2.5, -0.05), (2.8, -0.2), (4, -0.26), (15, -0.24), (15.5, -0.36),
        (17, -0.44), (18, -0.48), (18 + _A_MINUTE, -0.63), (18.8, -0.7), (19.2, -0.55), (20, -0.42), (30, -0.36),
        (100, -0.34), (450, -0.1), (800, 0),
    ),
    # high / low of the day that began at 08:00: 1.43
    _price_shock(
        ("BTC", "ETH"), "2021-05-19T08:00", (-20, 0), (0, -0.04), (4, -0.12), (5, -0.22), (5 + _A_MINUTE, -0.37),
        (5.3, -0.4), (6, -0.26), (10, -0.2), (24, -0.16), (500, 0),
    ),
)  # fmt: skip
