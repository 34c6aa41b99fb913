"""Options by their expiry: what the names say, and numbers as the decimals they were sent as."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from .summaries import Summaries

OPTION_NAME = re.compile(r"([A-Z0-9]+(?:_[A-Z0-9]+)?-\d{1,2}[A-Z]{3}\d\d)-(\d+(?:d\d+)?)-([CP])")
"""Series, strike (d stands for the decimal point: XRP_USDC-21SEP26-1d25-C), and whether it is a call or a put."""

EXPIRY_HOUR = 8
"""The hour (UTC) of the day in its name at which an option expires."""

DECIMALS = 10
LARGEST = 2**53
"""Up to here every whole number is a float64 of its own."""


@dataclass(frozen=True, eq=False)
class OptionSeries:
    """The options of one expiry that a snapshot has: calls by their strikes, then puts.

    name: what their names begin with. The rest as in Summaries, each of shape (options,).
    """

    name: str
    expires_at: datetime
    instruments: list[str]
    timestamp: np.ndarray
    values: dict[str, np.ndarray]
    underlying_index: list[str]


def split(found: Summaries) -> tuple[list[OptionSeries], list[tuple[str, str]]]:
    """A chain by expiries, in the order of their names, and what could not be read of it: (subject, cause); what has no
    option's name is left out and named."""
    unreadable = list(found.unreadable)
    members: dict[str, list[tuple[str, float, int]]] = defaultdict(list)
    expiries: dict[str, datetime] = {}
    for place, instrument in enumerate(found.instruments):
        parts = OPTION_NAME.fullmatch(instrument)
        if parts and (expires_at := expiry_of(parts[1])):
            expiries[parts[1]] = expires_at
            members[parts[1]].append((parts[3], float(parts[2].replace("d", ".")), place))
        else:
            unreadable.append((instrument, "it is not the name of an option"))
    series = []
    for name in sorted(members):
        at = [place for _, _, place in sorted(members[name])]
        series.append(
            OptionSeries(
                name=name,
                expires_at=expiries[name],
                instruments=[found.instruments[place] for place in at],
                timestamp=found.timestamp[at],
                values={field: numbers[at] for field, numbers in found.values.items()},
                underlying_index=[found.underlying_index[place] for place in at],
            )
        )
    return series, unreadable


def expiry_of(series: str) -> datetime | None:
    """When the options of a series expire: at 08:00 UTC of the day in its name. None: there is no such day."""
    try:
        return datetime.strptime(series.rpartition("-")[2], "%d%b%y").replace(hour=EXPIRY_HOUR, tzinfo=UTC)
    except ValueError:
        return None


def decimals_of(values: np.ndarray) -> np.ndarray:
    """With how many decimals each number is the decimal it was sent as: the fewest, 0 of NaN, -1 where DECIMALS do not
    do. Shape (n,), int."""
    found = np.where(np.isnan(values), 0, -1)
    for decimals in range(DECIMALS + 1):
        found[(found < 0) & whole_at(values, decimals)] = decimals
    return found


def whole_at(values: np.ndarray, decimals: int) -> np.ndarray:
    """Whether each number is a whole number of 10^-decimals, and reads back as itself when that is divided by
    10^decimals in float64, as the database does it."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.rint(values * 10.0**decimals)
        return (np.abs(whole) < LARGEST) & (whole / 10.0**decimals == values)


def exact(values: np.ndarray) -> np.ndarray:
    """Whether each number is NaN, or a decimal that can be kept beside the others: with the most decimals of any."""
    decimals = decimals_of(values)
    return np.isnan(values) | ((decimals >= 0) & whole_at(values, int(decimals.max(initial=0))))


def scaled(values: np.ndarray) -> tuple[list[int | None], int, list[float | None]]:
    """Numbers as whole multiples of 10^-scale, None where NaN; the scale, the fewest decimals that they need; and the
    numbers that are no decimal which can be kept so, each in its place, None elsewhere."""
    fit = exact(values)
    scale = int(decimals_of(values[fit]).max(initial=0))
    whole = np.rint(np.where(fit, values, np.nan) * 10.0**scale)
    odd = [None if kept else number for kept, number in zip(fit.tolist(), values.tolist(), strict=True)]
    return [None if number != number else int(number) for number in whole.tolist()], scale, odd
