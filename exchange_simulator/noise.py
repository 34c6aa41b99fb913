"""Random numbers that need no state: a number is a hash of (seed, counter), so any minute costs the same.

Everything the simulated market shows comes from here, which is why the same question always has the same answer,
in any process, in any order and for any window around it.
"""

from __future__ import annotations

import hashlib

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_27, _30, _31, _11 = (np.uint64(shift) for shift in (27, 30, 31, 11))


def seed_of(name: str) -> np.uint64:
    """A seed for anything that has a name."""
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))


def hashed(seed: np.uint64, counters: np.ndarray) -> np.ndarray:
    """splitmix64 of every counter (int64, may be negative): uint64, all 64 bits usable."""
    with np.errstate(over="ignore"):
        mixed = counters.astype(np.uint64)  # a copy, changed in place below
        mixed *= _STEP
        mixed += seed
        mixed ^= mixed >> _30
        mixed *= _MIX_1
        mixed ^= mixed >> _27
        mixed *= _MIX_2
        mixed ^= mixed >> _31
    return mixed


def uniform(seed: np.uint64, counters: np.ndarray) -> np.ndarray:
    """Independent numbers in [0, 1), one a counter."""
    return (hashed(seed, counters) >> _11) * 2.0**-53


def value_noise(seed: np.uint64, at: np.ndarray, period: int) -> np.ndarray:
    """Smooth noise in (-1, 1): a random value every `period` counters (int64), eased between them."""
    if period == 1:
        return uniform(seed, at) * 2 - 1
    if not at.size:
        return np.zeros(0)
    cell = at // period
    eased = (at - cell * period) / period
    eased *= eased * (3 - 2 * eased)
    first, last = int(cell.min()), int(cell.max())
    if last - first < at.size:  # dense: hash each lattice point once
        lattice = uniform(seed, np.arange(first, last + 2)) * 2 - 1
        cell -= first
        left, right = lattice[cell], lattice[1:][cell]
    else:
        left, right = uniform(seed, cell) * 2 - 1, uniform(seed, cell + 1) * 2 - 1
    right -= left
    right *= eased
    right += left
    return right
