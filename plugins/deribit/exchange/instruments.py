"""The catalogue: what is or was listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import Malformed

NEVER = 32_503_708_800_000  # ms: year 3000, how the exchange writes that a perpetual doesn't expire


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listed contract, as `host` ("live" or "history") describes it. None: the exchange didn't say.

    created, expires: ms; expires is None for an instrument that never does. strike in USD, tick_size in the quote
    currency, contract_size in USD for reversed and in coin for linear instruments.
    """

    instrument_name: str
    exchange_id: int | None
    kind: str
    base_currency: str | None
    quote_currency: str | None
    settlement_currency: str | None
    settlement_period: str | None
    instrument_type: str | None
    price_index: str | None
    underlying_type: str | None
    tick_size: float | None
    contract_size: float | None
    created: int
    expires: int | None
    strike: float | None
    option_type: str | None
    state: str | None
    is_active: bool | None
    host: str


class Implied(NamedTuple):
    """What follows from the rest of an instrument's row. None: nothing that is certain."""

    settlement_currency: str | None
    instrument_type: str | None
    price_index: str | None


def implied(one: Instrument) -> Implied:
    """What a row that doesn't say it means, for the history host's rows and those of 2021.

    Every recorded row that tells all of it (13 futures of BTC and ETH of 2026, one of 2016, 177 rows of SOL and 16
    linear perpetuals of 2022) obeys: a future quoted in USD and an option quoted in its own coin settle in the coin,
    on the index `<coin>_usd`; a future quoted in USDC settles in USDC, on `<coin>_usdc`; what settles in its coin is
    reversed and everything else linear. Of other quotes, and of an underlying that isn't crypto, nothing is certain.
    """
    if one.base_currency is None or one.underlying_type not in (None, "crypto"):
        return Implied(None, None, None)
    coin = one.base_currency.lower()
    settlement, index = None, None
    if one.quote_currency == ("USD" if one.kind == "future" else one.base_currency):
        settlement, index = one.base_currency, f"{coin}_usd"
    elif one.quote_currency == "USDC" and one.kind == "future":
        settlement, index = "USDC", f"{coin}_usdc"
    settled = one.settlement_currency or settlement
    if settled is None:
        return Implied(settlement, None, index)
    return Implied(settlement, "reversed" if settled == one.base_currency else "linear", index)


def reader(host: str, kind: str) -> Callable[[Any], list[Instrument]]:
    """Reads an answer of get_instruments by `host`, keeping instruments of `kind` only."""

    def read(result: Any) -> list[Instrument]:
        if not isinstance(result, list):
            raise Malformed(f"the instruments are {type(result).__name__}, not a list")
        return [instrument(row, at, host) for at, row in enumerate(result) if not another_kind(row)]

    def another_kind(row: Any) -> bool:
        # Left out unread: a recorded combo has no expiration, and that must not cost us the futures beside it.
        found = row.get("kind") if isinstance(row, dict) else None
        return isinstance(found, str) and found != kind

    return read


def instrument(row: Any, at: int, host: str) -> Instrument:
    """One row of get_instruments. Raises Malformed naming the row if name, kind, creation or expiration is unusable.

    Rows differ by host and year, so everything else may be absent: the history host tells no `instrument_type` and no
    `state` but `future_type`, rows of 2021 have no `instrument_id`. Keys that are not known here are ignored.
    """
    if not isinstance(row, dict):
        raise Malformed(f"instrument row {at} is {type(row).__name__}, not an object")
    named = f"instrument row {at} ({row.get('instrument_name')!r:.60})"

    def value(key: str, *types: type, essential: bool = False) -> Any:
        found = row.get(key)
        if type(found) in types or (found is None and not essential):
            return found
        raise Malformed(f"{named}: {key} is {found!r:.60}" if key in row else f"{named} has no {key}")

    def price(key: str) -> float | None:
        found = value(key, int, float)
        return None if found is None else float(found)

    expires = value("expiration_timestamp", int, essential=True)
    return Instrument(
        instrument_name=value("instrument_name", str, essential=True),
        exchange_id=value("instrument_id", int),
        kind=value("kind", str, essential=True),
        base_currency=value("base_currency", str),
        quote_currency=value("quote_currency", str),
        settlement_currency=value("settlement_currency", str),
        settlement_period=value("settlement_period", str) or ("perpetual" if expires >= NEVER else None),
        instrument_type=value("instrument_type", str) or value("future_type", str),
        price_index=value("price_index", str),
        underlying_type=value("underlying_type", str),
        tick_size=price("tick_size"),
        contract_size=price("contract_size"),
        created=value("creation_timestamp", int, essential=True),
        expires=None if expires >= NEVER else expires,
        strike=price("strike"),
        option_type=value("option_type", str),
        state=value("state", str),
        is_active=value("is_active", bool),
        host=host,
    )
