"""The volatility index (DVOL): with which volatility of the next thirty days options are priced, in percent a year."""

from __future__ import annotations

import numpy as np

from .listings import MINUTE
from .noise import seed_of, value_noise

BEGINS = 1_616_630_400_000
"""ms, 2021-03-25: there is none of any hour before."""

COLUMNS = ("open", "high", "low", "close")


def volatility_index(currency: str, starts: np.ndarray, step: int) -> dict[str, np.ndarray]:
    """Open, high, low and close (percent a year, two decimals) of the buckets of `step` ms that begin at `starts` (ms,
    whole multiples of step): float64 of the same length."""
    opened, closed = _level(currency, starts), _level(currency, starts + step)
    wick = 0.3 * np.abs(value_noise(seed_of(f"wick {currency}"), starts // step, 1))
    columns = (opened, np.maximum(opened, closed) + wick, np.minimum(opened, closed) - wick, closed)
    return {name: np.round(column, 2) for name, column in zip(COLUMNS, columns, strict=True)}


def _level(currency: str, at_ms: np.ndarray) -> np.ndarray:
    """Percent a year at each instant (ms), at least 30."""
    minutes = at_ms // MINUTE
    slow = value_noise(seed_of(f"volatility {currency}"), minutes, 40 * 1440)
    fast = value_noise(seed_of(f"fast volatility {currency}"), minutes, 360)
    return 60 + 22 * slow + 6 * fast
