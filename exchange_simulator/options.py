"""Options: a ladder of calls and puts around the index, one for each expiry the dated futures have. They settle in
their coin; those on a linear future in USDC.

The whole set is some 100,000 rows, so a chain keeps only its strikes; rows are made when they are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from .listings import Listing, history_row, instrument_row, state_at

_SHAPE = {"day": (0.01, 10), "week": (0.025, 16), "month": (0.05, 18)}  # step as a share of the index, strikes a side
_TICK = {"BTC": 0.0005, "ETH": 0.0005}
_CONTRACT = {"BTC": (0.1, 25), "ETH": (1.0, 250)}  # smallest trade, smallest block trade
_LINEAR_CONTRACT = (1.0, 100)


@dataclass(frozen=True, slots=True)
class OptionChain:
    """All options of one coin and expiry. Times are ms, strikes ascending, whole multiples of 10^-digits USD."""

    coin: str
    future: Listing
    strikes: tuple[int, ...]
    digits: int = 0

    @property
    def currency(self) -> str:
        """The currency they are listed under, which is the one they settle and are quoted in."""
        return self.future.currency

    @property
    def tick(self) -> float:
        """Of their prices: in coin, of linear ones in USDC."""
        return self.future.tick if self.future.linear else _TICK[self.coin]

    @property
    def listed(self) -> int:
        return self.future.listed

    @property
    def expires(self) -> int:
        return self.future.expires

    def usd(self, strike: int) -> float:
        """A strike in USD."""
        return strike / 10**self.digits

    def names(self) -> Iterator[tuple[str, int, str]]:
        """(name, strike, C or P) of each option. A name says 1d25 for 1.25."""
        for strike in self.strikes:
            said = str(strike)
            if self.digits:
                said = f"{strike / 10**self.digits:.{self.digits}f}".rstrip("0").rstrip(".").replace(".", "d")
            yield f"{self.future.name}-{said}-C", strike, "C"
            yield f"{self.future.name}-{said}-P", strike, "P"

    def rows(self, now: int, *, history: bool = False, more: dict | None = None) -> list[dict]:
        """`get_instruments` rows, of the live or the history host, with `more` fields."""
        shared = self._shared(now, history) | (more or {})
        return [
            shared
            | {
                "option_type": "call" if side == "C" else "put",
                "strike": self.usd(strike),
                "instrument_name": name,
                "instrument_id": self._number(place),
            }
            for place, (name, strike, side) in enumerate(self.names())
        ]

    def rows_json(self, now: int, *, history: bool = False, more: dict | None = None) -> bytes:
        """The same rows as the inside of a JSON array: a hundred thousand dicts would take seconds."""
        shared = orjson.dumps(self._shared(now, history) | (more or {}))[:-1].decode()
        rows = (
            f'{shared},"option_type":"{"call" if side == "C" else "put"}","strike":{self.usd(strike)},'
            f'"instrument_name":"{name}","instrument_id":{self._number(place)}}}'
            for place, (name, strike, side) in enumerate(self.names())
        )
        return ",".join(rows).encode()

    def _number(self, place: int) -> int:
        return self.future.number * 1000 + place

    def _shared(self, now: int, history: bool) -> dict:
        smallest, smallest_block = _LINEAR_CONTRACT if self.future.linear else _CONTRACT[self.coin]
        row = instrument_row(self.future, now)
        for name in ("future_type", "instrument_name", "instrument_id", "max_leverage", "max_non_default_leverage"):
            del row[name]
        row |= {
            "kind": "option",
            "quote_currency": self.currency,
            "quote_currency_uuid": row["quote_currency_uuid" if self.future.linear else "base_currency_uuid"],
            "contract_size": 1.0,
            "min_trade_amount": smallest,
            "tick_size": self.tick,
            "tick_size_steps": [] if self.future.linear else [{"above_price": 0.005, "tick_size": 0.0005}],
            "taker_commission": 0.0003,
            "maker_commission": 0.0003,
            "max_liquidation_commission": 0.0075,
            "block_trade_min_trade_amount": smallest_block,
            "block_trade_tick_size": 0.0001,
            "state": state_at(self.listed, self.expires, now),
        }
        return history_row(row) if history else row


def chain_of(future: Listing, index: float, *, dense: bool = False) -> OptionChain:
    """The options that share a future's expiry: strikes around the index (USD) at its listing; dense: as many as
    it takes to have 115,000 expired ones of BTC."""
    share, each_side = _SHAPE[future.period]
    if dense:
        share, each_side = share / 2, each_side * 4
    # of a coin of a few USD the steps are parts of one
    digits = max(0, 2 - int(math.log10(index))) if index * share < 1 else 0
    step = _round_step(index * share * 10**digits)
    middle = round(index * 10**digits / step) * step
    strikes = (middle + place * step for place in range(-each_side, each_side + 1))
    return OptionChain(future.coin, future, tuple(strike for strike in strikes if strike > 0), digits)


def _round_step(wanted: float) -> int:
    """The largest of 1, 2, 5, 10, 20, 50 ... that is not above `wanted`; at least 1."""
    decade = 10 ** int(math.log10(max(wanted, 1)))
    return max(factor * decade for factor in (1, 2, 5) if factor * decade <= max(wanted, 1))
