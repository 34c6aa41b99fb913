"""The catalogue: what is or was listed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from .errors import Malformed, iso
from .response import parse

NEVER = 32_503_708_800_000  # ms: year 3000, how the exchange writes that a perpetual doesn't expire
UNDERLYING_SENT = 1_782_777_600_000  # ms, 2026-06-30: since then a contract may be of something else than a coin
COINS = ("BTC", "ETH")  # with inverse futures today
STRANGE = 3  # rows of a list none of which can be read: it is the list that is strange, and not a row of it


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listed contract, as `host` ("live" or "history") describes it. None: the exchange didn't say.

    created, expires: ms; expires is None for an instrument that never does. strike in USD, tick_size in the quote
    currency, contract_size in USD for reversed and in coin for linear instruments.
    """

    instrument_name: str
    exchange_id: int | None
    kind: str
    base_currency: str
    quote_currency: str | None
    settlement_currency: str | None
    settlement_period: str
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

    Every recorded row that has all of it (13 futures of BTC and ETH of 2026, one of 2016, 177 rows of SOL and 16
    linear perpetuals of 2022) obeys: a future quoted in USD and an option quoted in its own coin settle in the coin,
    on the index `<coin>_usd`; a future quoted in USDC settles in USDC, on `<coin>_usdc`; what settles in its coin is
    reversed and everything else linear. Of other quotes, and of an underlying that isn't crypto, nothing is certain;
    nor is it of a future in USD that was listed since there are such underlyings and doesn't say what its own is.
    """
    if one.underlying_type not in (None, "crypto"):
        return Implied(None, None, None)
    coin = one.base_currency.lower()
    settlement, index = None, None
    crypto = one.underlying_type is not None or one.created < UNDERLYING_SENT or one.base_currency in COINS
    quoted_in = "USD" if one.kind == "future" else one.base_currency
    if one.quote_currency == quoted_in and (crypto or one.kind != "future"):
        settlement, index = one.base_currency, f"{coin}_usd"
    elif one.quote_currency == "USDC" and one.kind == "future":
        settlement, index = "USDC", f"{coin}_usdc"
    settled = one.settlement_currency or settlement
    if settled is None:
        return Implied(settlement, None, index)
    return Implied(settlement, "reversed" if settled == one.base_currency else "linear", index)


@dataclass(frozen=True)
class Reading:
    """One answer of get_instruments: what could be read, and of what could not a subject and a sentence each.

    The subject is the instrument's name, cut and in ASCII, or the row's place where it has none.
    """

    instruments: list[Instrument]
    unreadable: list[tuple[str, str]]

    @property
    def perpetuals(self) -> list[str]:
        """The names of the perpetuals in it, and those in rows that can't be read: such a row may be of one."""
        read = [one.instrument_name for one in self.instruments if one.settlement_period == "perpetual"]
        return read + [subject for subject, _ in self.unreadable if NAME.fullmatch(subject)]


def reader(host: str, kind: str) -> Callable[[Any], Reading]:
    """Reads an answer of get_instruments by `host`, rows or their JSON, keeping instruments of `kind` only.

    A row that can't be read is left out and named: it must not cost us the thousands beside it, nor, where it is alone
    in a short list, the other lists. Where no row of STRANGE or more can be read, or none even has the key of a name,
    it is the form of the answer that isn't understood, and the reader raises Malformed.
    """

    def read(result: Any) -> Reading:
        if not isinstance(result, list):
            raise Malformed(f"the instruments are {type(result).__name__}, not a list")
        reading, named = Reading([], []), False
        for at, told in enumerate(result):
            try:
                row = parse(bytes(told)) if isinstance(told, msgspec.Raw) else told
                named |= isinstance(row, dict) and "instrument_name" in row
                if not another_kind(row):
                    reading.instruments.append(instrument(row, at, host))
            except (ValueError, RecursionError):
                reading.unreadable.append((f"row {at}", "it is no JSON that can be read"))
            except UnreadableRow as error:
                reading.unreadable.append((error.subject, str(error)))
        if reading.unreadable and not reading.instruments and (not named or len(reading.unreadable) >= STRANGE):
            subject, cause = reading.unreadable[0]
            raise Malformed(f"none of {len(reading.unreadable)} rows can be read; the first, {subject}: {cause}")
        return reading

    def another_kind(row: Any) -> bool:
        # Left out unread: a recorded combo has no expiration, and that must not cost us the futures beside it.
        found = row.get("kind") if isinstance(row, dict) else None
        return isinstance(found, str) and found != kind

    return read


class UnreadableRow(Exception):
    """One row can't be taken, and why. `subject`: how it is called, in at most 60 characters of ASCII."""

    def __init__(self, row: Any, at: int, cause: str) -> None:
        super().__init__(cause)
        name = row.get("instrument_name") if isinstance(row, dict) else None
        self.subject = ascii(name)[1:-1][:60] if isinstance(name, str) and name else f"row {at}"


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # the longest recorded name, a combo's, has 28 characters
WORD = re.compile(r"[ -~]{1,64}")
FIRST, LAST = 1_262_304_000_000, NEVER + 86_400_000  # ms, 2010 and the year 3000: no lifetime lies outside of them
LARGEST_ID = 2**63 - 1  # bigint
LARGEST = 1e15  # of a strike, a tick size or a contract size; a larger number is an error


def instrument(row: Any, at: int, host: str) -> Instrument:
    """One row of get_instruments. Raises UnreadableRow for what no instrument can be.

    Rows differ by host and year, so only name, kind, base currency, settlement period and lifetime are required: rows
    of the history host have no `instrument_type` and no `state` but `future_type`, rows of 2021 have no
    `instrument_id`. Keys that are not known here are ignored.
    """
    if not isinstance(row, dict):
        raise UnreadableRow(row, at, f"it is {type(row).__name__}, not an object")

    def refuse(key: str) -> UnreadableRow:
        return UnreadableRow(row, at, f"{key} is {shown(row[key])}" if key in row else f"it has no {key}")

    def word(key: str, form: re.Pattern[str] = WORD, *, essential: bool = False) -> Any:
        found: Any = row.get(key)
        if found is None and not essential:
            return None
        if type(found) is str and form.fullmatch(found):
            return sys.intern(found) if form is WORD else found
        raise refuse(key)

    def number(key: str, low: float, high: float, *types: type, essential: bool = False) -> Any:
        found: Any = row.get(key)
        if found is None and not essential:
            return None
        if type(found) in types and low <= found <= high:
            return found
        raise refuse(key)

    def price(key: str) -> float | None:
        found = number(key, -LARGEST, LARGEST, int, float)
        return None if found is None else float(found)

    created = number("creation_timestamp", FIRST, LAST, int, essential=True)
    expires = number("expiration_timestamp", FIRST, LAST, int, essential=True)
    if expires <= created:
        raise UnreadableRow(row, at, f"it expires {iso(expires)}, not after its creation {iso(created)}")
    endless = expires >= NEVER
    return Instrument(
        instrument_name=word("instrument_name", NAME, essential=True),
        exchange_id=number("instrument_id", 0, LARGEST_ID, int),
        kind=word("kind", essential=True),
        base_currency=word("base_currency", essential=True),
        quote_currency=word("quote_currency"),
        settlement_currency=word("settlement_currency"),
        settlement_period=word("settlement_period", essential=not endless) or "perpetual",
        instrument_type=word("instrument_type") or word("future_type"),
        price_index=word("price_index"),
        underlying_type=word("underlying_type"),
        tick_size=price("tick_size"),
        contract_size=price("contract_size"),
        created=created,
        expires=None if endless else expires,
        strike=price("strike"),
        option_type=word("option_type"),
        state=word("state"),
        is_active=active(row, at),
        host=host,
    )


def shown(value: Any) -> str:
    """A value for a message: in ASCII, and cut to 60 characters."""
    if type(value) is int and abs(value) > LARGEST_ID:
        return "an integer beyond 64 bits"
    return ascii(value)[:60]


def active(row: dict, at: int) -> bool | None:
    found = row.get("is_active")
    if found is None or type(found) is bool:
        return found
    raise UnreadableRow(row, at, f"is_active is {shown(found)}")
