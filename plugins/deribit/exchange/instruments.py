"""The catalogue: what is or was listed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .errors import Malformed, iso

log = logging.getLogger(__name__)

NEVER = 32_503_708_800_000  # ms: year 3000, how the exchange writes that a perpetual doesn't expire


@dataclass(frozen=True)
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
    tick_size: float | None
    contract_size: float | None
    created: int
    expires: int | None
    strike: float | None
    option_type: str | None
    state: str | None
    is_active: bool | None
    host: str


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
    """One row of get_instruments. Raises Malformed naming the row if name, kind, creation or expiration is unusable."""
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
        settlement_period=value("settlement_period", str),
        instrument_type=value("instrument_type", str),
        price_index=value("price_index", str),
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


def merge(*catalogues: Iterable[Instrument]) -> list[Instrument]:
    """One instrument a name, the first catalogue's word over the next one's, in the order first met."""
    merged: dict[str, Instrument] = {}
    for one in (one for catalogue in catalogues for one in catalogue):
        kept = merged.setdefault(one.instrument_name, one)
        if (kept.created, kept.expires) != (one.created, one.expires):
            log.warning(
                "%s is listed twice: %s by the %s host is kept over %s by the %s host",
                *(kept.instrument_name, life(kept), kept.host, life(one), one.host),
            )
    return list(merged.values())


def life(one: Instrument) -> str:
    return f"{iso(one.created)} to {'ever' if one.expires is None else iso(one.expires)}"
