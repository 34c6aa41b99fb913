"""Tickers of options: the exchange's own greeks, of one option an answer, with what it calculated them from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import Malformed, shown
from .instruments import FIRST, LAST

INPUTS = ("mark_price", "mark_iv", "underlying_price")
GREEKS = ("delta", "gamma", "vega", "theta", "rho")
VALUES = (*INPUTS, *GREEKS)


@dataclass(frozen=True)
class OptionTicker:
    """What an option is at now.

    timestamp: ms, the exchange's clock. values: of each of VALUES the number that was sent, all of them finite:
    mark_price in the settlement currency, mark_iv in percent a year, underlying_price in USD; delta a fraction, gamma
    per USD, vega in USD a volatility point, theta in USD a day, rho in USD a percent of interest.
    """

    instrument: str
    timestamp: int
    values: dict[str, float]


def reader(instrument: str) -> Callable[[Any], OptionTicker]:
    """Reads an answer of `ticker` about an option. The reader raises Malformed where the answer is of another
    instrument or a number is missing."""

    def read(result: Any) -> OptionTicker:
        if not isinstance(result, dict):
            raise Malformed(f"the ticker is {type(result).__name__}, not an object")
        name, stamp, greeks = (result.get(key) for key in ("instrument_name", "timestamp", "greeks"))
        if name != instrument:
            raise Malformed(f"the ticker is of {shown(name)}")
        if type(stamp) is not int or not FIRST <= stamp <= LAST:
            raise Malformed(f"timestamp is {shown(stamp)}")
        if not isinstance(greeks, dict):
            raise Malformed(f"greeks is {shown(greeks)}, not an object")
        told = {key: result.get(key) for key in INPUTS} | {key: greeks.get(key) for key in GREEKS}
        return OptionTicker(instrument, stamp, {key: number(key, value) for key, value in told.items()})

    return read


def number(key: str, value: Any) -> float:
    """A number of an answer as a float32 can hold it, which is how a sample is kept: what is too small is 0. Raises
    Malformed for what is none or too large."""
    if type(value) not in (int, float) or not abs(value) <= 1e30:
        raise Malformed(f"{key} is {shown(value)}, not a number")
    return float(value) if abs(value) >= 1e-30 else 0.0
