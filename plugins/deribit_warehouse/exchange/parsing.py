"""JSON values to numpy arrays, refusing everything that only looks like a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import Malformed, shown

NUMBER: frozenset[type] = frozenset({float, int, type(None)})
WHOLE: frozenset[type] = frozenset({int})


def numbers(values: Any, what: str) -> np.ndarray:
    """A JSON list as float64, null as NaN. Raises Malformed: numpy alone would take "1.5" and true for numbers."""
    return _array(values, what, NUMBER, np.float64)


def timestamps(values: Any, what: str) -> np.ndarray:
    """A JSON list of whole milliseconds as int64. Raises Malformed."""
    return _array(values, what, WHOLE, np.int64)


def _array(values: Any, what: str, allowed: frozenset[type], dtype: type) -> np.ndarray:
    if not isinstance(values, list):
        raise Malformed(f"{what} is {'absent' if values is None else type(values).__name__}, not a list")
    strange = set(map(type, values)) - allowed
    if strange:
        at = next(i for i, value in enumerate(values) if type(value) in strange)
        raise Malformed(f"{what}[{at}] is {shown(values[at])}, not a number")
    try:
        return np.array(values, dtype=dtype)
    except OverflowError as error:
        raise Malformed(f"{what} holds a number out of range: {error}") from error


def read_time(result: Any) -> int:
    """The milliseconds of get_time. Raises Malformed."""
    return int(timestamps([result], "the time")[0])


def rows(values: Any, what: str, keys: tuple[str, ...]) -> dict[str, list[Any]]:
    """A JSON list of objects as a list a key. Raises Malformed naming the row that isn't an object or lacks a key."""
    if not isinstance(values, list):
        raise Malformed(f"{what} is {'absent' if values is None else type(values).__name__}, not a list")
    for at, row in enumerate(values):
        lacking = [key for key in keys if key not in row] if isinstance(row, dict) else list(keys)
        if lacking:
            raise Malformed(f"{what}[{at}] has no {', '.join(lacking)}: {shown(row)}")
    return {key: [row[key] for row in values] for key in keys}
