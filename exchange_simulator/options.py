"""Options: a ladder of calls and puts around the index, one for each expiry the dated futures have.

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


@dataclass(frozen=True, slots=True)
class OptionChain:
    """All options of one coin and expiry. Times are ms, strikes whole USD ascending."""

    coin: str
    future: Listing
    strikes: tuple[int, ...]

    @property
    def listed(self) -> int:
        return self.future.listed

    @property
    def expires(self) -> int:
        return self.future.expires

    def names(self) -> Iterator[tuple[str, int, str]]:
        """(name, strike, C or P) of each option."""
        for strike in self.strikes:
            yield f"{self.future.name}-{strike}-C", strike, "C"
            yield f"{self.future.name}-{strike}-P", strike, "P"

    def rows(self, now: int, *, history: bool = False, more: dict | None = None) -> list[dict]:
        """`get_instruments` rows, of the live or the history host, with `more` fields."""
        shared = self._shared(now, history) | (more or {})
        return [
            shared
            | {
                "option_type": "call" if side == "C" else "put",
                "strike": float(strike),
                "instrument_name": name,
                "instrument_id": self._number(place),
            }
            for place, (name, strike, side) in enumerate(self.names())
        ]

    def rows_json(self, now: int, *, history: bool = False, more: dict | None = None) -> bytes:
        """The same rows as the inside of a JSON array: a hundred thousand dicts would take seconds."""
        shared = orjson.dumps(self._shared(now, history) | (more or {}))[:-1].decode()
        rows = (
            f'{shared},"option_type":"{"call" if side == "C" else "put"}","strike":{strike}.0,'
            f'"instrument_name":"{name}","instrument_id":{self._number(place)}}}'
            for place, (name, strike, side) in enumerate(self.names())
        )
        return ",".join(rows).encode()

    def _number(self, place: int) -> int:
        return self.future.number * 1000 + place

    def _shared(self, now: int, history: bool) -> dict:
        smallest, smallest_block = _CONTRACT[self.coin]
        row = instrument_row(self.future, now)
        for name in ("future_type", "instrument_name", "instrument_id", "max_leverage", "max_non_default_leverage"):
            del row[name]
        row |= {
            "kind": "option",
            "quote_currency": self.coin,
            "quote_currency_uuid": row["base_currency_uuid"],
            "contract_size": 1.0,
            "min_trade_amount": smallest,
            "tick_size": _TICK[self.coin],
            "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
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
    step = _round_step(index * share)
    middle = round(index / step) * step
    strikes = (middle + place * step for place in range(-each_side, each_side + 1))
    return OptionChain(future.coin, future, tuple(strike for strike in strikes if strike > 0))


def _round_step(wanted: float) -> int:
    """The largest of 1, 2, 5, 10, 20, 50 ... that is not above `wanted`; at least 1."""
    decade = 10 ** int(math.log10(max(wanted, 1)))
    return max(factor * decade for factor in (1, 2, 5) if factor * decade <= max(wanted, 1))
