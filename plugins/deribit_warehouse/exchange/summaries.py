"""Book summaries: the present state of every listed future or option of a currency, in one answer.

The exchange makes new ones about every two seconds and puts the time on each row (`creation_timestamp`). They can't be
requested later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import Malformed
from .instruments import FIRST, LAST, NAME, WORD, UnreadableRow, shown

VALUES = (
    "mark_price", "bid_price", "ask_price", "last", "open_interest", "volume", "estimated_delivery_price",
    "current_funding", "funding_8h", "mark_iv", "underlying_price", "interest_rate",
)  # fmt: skip
"""The numbers that are read of a row, by the exchange's names. Which of them a row has depends on its kind."""

OPTION_SIDES = ("-C", "-P")


@dataclass(frozen=True, eq=False)
class Summaries:
    """The rows of one answer that could be read, in the order of their names.

    instruments: their names, each once. timestamp: int64 ms of the same length, the exchange's clock, each row's own.
    values: for each of VALUES a float64 array of that length, NaN where the exchange sent null or nothing, such as a
    bid where nobody bids or the funding of a dated future. Prices are in the quote currency (of an option that settles
    in its coin: that coin), mark_iv and interest_rate as sent (percent a year, fraction), fundings fractions,
    open_interest in USD of a reversed future and in coin of anything else, volume of 24 hours in coin;
    estimated_delivery_price is the index in USD. underlying_index: for each the name of the future or index that an
    option is priced on, "" where there is none. unreadable: for each row that was left out, its name (or place) and a
    sentence that says why.
    """

    currency: str
    instruments: list[str]
    timestamp: np.ndarray
    values: dict[str, np.ndarray]
    underlying_index: list[str]
    unreadable: list[tuple[str, str]]

    @property
    def made_at(self) -> int:
        """When the answer was made, ms: the median of the times of its rows, so that a single wrong one has no effect.
        Raises IndexError if there is no row."""
        return int(np.sort(self.timestamp)[len(self.timestamp) // 2])


def reader(currency: str, kind: str) -> Callable[[Any], Summaries]:
    """Reads an answer of get_book_summary_by_currency about a kind ("future" or "option").

    Unknown fields are ignored, and a field that is null or absent is NaN. A row that can't be read, is of another kind
    or comes twice is left out and listed in `unreadable`, so that it does not cost the hundreds of other rows. The
    reader raises Malformed if that concerns every row.
    """

    def read(result: Any) -> Summaries:
        if not isinstance(result, list):
            raise Malformed(f"the book summaries are {type(result).__name__}, not a list")
        found: dict[str, tuple[int, str, list[float]]] = {}
        unreadable = []
        for at, row in enumerate(result):
            try:
                name, stamp, underlying, told = summary(row, at, kind)
                if name in found:
                    raise UnreadableRow(row, at, "it came more than once; the first is kept")
                found[name] = stamp, underlying, told
            except UnreadableRow as error:
                unreadable.append((error.subject, str(error)))
        if unreadable and not found:
            subject, cause = unreadable[0]
            raise Malformed(f"none of {len(unreadable)} book summaries can be read; the first, {subject}: {cause}")
        names = sorted(found)
        numbers = np.array([found[name][2] for name in names], dtype=np.float64).reshape(len(names), len(VALUES))
        return Summaries(
            currency=currency,
            instruments=names,
            timestamp=np.array([found[name][0] for name in names], dtype=np.int64),
            values=dict(zip(VALUES, numbers.T, strict=True)),
            underlying_index=[found[name][1] for name in names],
            unreadable=unreadable,
        )

    return read


def summary(row: Any, at: int, kind: str) -> tuple[str, int, str, list[float]]:
    """One row: its name, its time in ms, its underlying and its VALUES. Raises UnreadableRow."""
    if not isinstance(row, dict):
        raise UnreadableRow(row, at, f"it is {type(row).__name__}, not an object")
    name, stamp, underlying = (row.get(key) for key in ("instrument_name", "creation_timestamp", "underlying_index"))
    if type(name) is not str or not NAME.fullmatch(name):
        raise UnreadableRow(row, at, f"instrument_name is {shown(name)}")
    if name.endswith(OPTION_SIDES) != (kind == "option"):
        raise UnreadableRow(row, at, f"it is not the name of a {kind}")
    if type(stamp) is not int or not FIRST <= stamp <= LAST:
        raise UnreadableRow(row, at, f"creation_timestamp is {shown(stamp)}")
    if underlying is not None and (type(underlying) is not str or not WORD.fullmatch(underlying)):
        raise UnreadableRow(row, at, f"underlying_index is {shown(underlying)}")
    numbers = []
    for key in VALUES:
        value = row.get(key)
        if value is not None and type(value) not in (int, float):
            raise UnreadableRow(row, at, f"{key} is {shown(value)}, not a number")
        try:
            numbers.append(np.nan if value is None else float(value))
        except OverflowError:
            raise UnreadableRow(row, at, f"{key} is {shown(value)}, out of range") from None
    return name, stamp, underlying or "", numbers
