"""Value by value: does a warehouse hold what the exchange says?

Asked of the market itself, not of the API: whatever paging, parsing, storing and reading may do to a value shows.
`rows` runs an SQL statement with its values as a reader of the warehouse and returns its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import numpy as np

from .listings import MINUTE, Listing
from .market import Market

Rows = Callable[..., list[tuple]]


def _sent(*columns: str) -> str:
    """Selects columns of numbers as their own bytes, one after the other in time's order, a NULL as NaN: one by one,
    millions of values would take Python longer than they took to load."""
    return ", ".join(f"string_agg(float8send(coalesce({column}, 'NaN')), '' ORDER BY ts)" for column in columns)


_TICK = "date_part('epoch', ts) * 1000"
CANDLES = f"""
    SELECT {_sent(_TICK, "open", "high", "low", "close", "volume", "cost")} FROM candles(%s, %s, %s)
    WHERE open IS NOT NULL
"""
FUNDING = f"""
    SELECT {_sent(_TICK, "interest_1h", "interest_8h", "index_price", "prev_index_price")} FROM funding_rates
    WHERE instrument = ANY(%s) AND ts > %s AND ts <= %s
"""
BASIS = f"""
    SELECT {_sent(_TICK, "basis", "basis_fraction", "days_to_expiry", "annualised")} FROM basis(%s, %s, %s)
    WHERE basis IS NOT NULL
"""

PUBLISHED = {
    "candle": "SELECT count(*) FROM candle WHERE open IS NOT NULL AND ts >= %s AND ts < %s AND instrument <> ALL(%s)",
    "funding_rates": "SELECT count(*) FROM funding_rates WHERE ts > %s AND ts <= %s AND instrument <> ALL(%s)",
    "basis_spread": "SELECT count(*) FROM basis_spread WHERE basis IS NOT NULL AND ts >= %s AND ts < %s "
                    "AND instrument <> ALL(%s)",
}  # fmt: skip


class Different(AssertionError):
    """The warehouse says something else than the exchange; the message names instrument, column and first moment."""


def listed_between(market: Market, currencies: Collection[str], first: int, past: int) -> list[Listing]:
    """The contracts that settle in these currencies and have a minute in [first, past) (ms)."""
    return [
        listing
        for listing in market.listings()
        if listing.currency in currencies
        and listing.first_minute * MINUTE < past
        and listing.past_minute * MINUTE > first
    ]


def everything(
    market: Market,
    rows: Rows,
    currencies: Collection[str],
    first: int,
    past: int,
    *,
    left_out: Collection[str] = (),
    basis_too: bool = True,
    funding_too: bool = True,
) -> dict[str, int]:
    """Compares all that is published in [first, past) (ms) of the contracts of these currencies but those left out by
    name; returns the rows of each view of PUBLISHED that was compared. Raises Different naming every contract that
    differs, and where a view has rows that the exchange never said."""
    compared = {"candle": True, "funding_rates": funding_too, "basis_spread": basis_too}
    said = {view: 0 for view in PUBLISHED if compared[view]}
    differences = []
    for listing in listed_between(market, currencies, first, past):
        if listing.name in left_out:
            continue
        begins, ends = max(first, listing.first_minute * MINUTE), min(past, listing.past_minute * MINUTE)
        try:
            said["candle"] += candles(market, rows, listing, begins, ends)
            if listing.perpetual and funding_too:
                said["funding_rates"] += funding(market, rows, listing, begins, min(past, listing.ends))
            if not listing.perpetual and basis_too:
                said["basis_spread"] += basis(market, rows, listing, begins, ends)
        except Different as different:
            differences.append(str(different))
    if differences:
        raise Different("; ".join(differences))
    for view, rows_said in said.items():
        [(published,)] = rows(PUBLISHED[view], instant(first), instant(past), list(left_out))
        if published != rows_said:
            raise Different(f"{view}: {published} rows are published, {rows_said} were said")
    return said


def candles(market: Market, rows: Rows, instrument: str | Listing, first: int, past: int) -> int:
    """Compares the published minutes of an instrument with first <= tick < past (ms); returns how many there are.
    Of a name that was listed twice, give the Listing and a window of its life. Raises Different."""
    name, said = _name(instrument), market.candles(instrument, first, past - MINUTE)
    columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
    return _same(name, columns, rows(CANDLES, name, instant(first), instant(past)), [said[each] for each in columns])


def funding(market: Market, rows: Rows, instrument: str | Listing, first: int, last: int) -> int:
    """Compares the published hours of a perpetual that end in (first, last] (ms); returns how many there are.
    Raises Different."""
    name, said = _name(instrument), market.funding(instrument, first, last)
    columns = ("timestamp", "interest_1h", "interest_8h", "index_price", "prev_index_price")
    shown = [name, f"{name}#{instrument.number}"] if isinstance(instrument, Listing) else [name]
    return _same(name, columns, rows(FUNDING, shown, instant(first), instant(last)), [said[each] for each in columns])


def basis(market: Market, rows: Rows, instrument: str | Listing, first: int, past: int) -> int:
    """Compares the published basis of a future with first <= tick < past (ms) with what follows from the closes the
    exchange says, to 1e-12; returns how many minutes there are: none for a coin without a perpetual. Raises
    Different."""
    listing = market.listing(_name(instrument))
    assert listing, f"{instrument} is what was published: the market lists it"
    name, expires = listing.name, listing.expires
    future = market.candles(listing, first, past - MINUTE)
    reference = market.listing(f"{name.split('-')[0]}-PERPETUAL")
    none = {"ticks": np.zeros(0, np.int64), "close": np.zeros(0)}
    perpetual = market.candles(reference, first, past - MINUTE) if reference else none
    ticks, here, there = np.intersect1d(future["ticks"], perpetual["ticks"], return_indices=True)
    close, against = future["close"][here], perpetual["close"][there]
    days = (expires - ticks - MINUTE) / 86_400_000
    apart = close - against
    fraction = apart / against
    annualised = np.divide(fraction * 365, days, out=np.full(len(days), np.nan), where=days >= 1)
    columns = ("ticks", "basis", "basis_fraction", "days_to_expiry", "annualised")
    expected = [ticks, apart, fraction, days, annualised]
    return _same(name, columns, rows(BASIS, name, instant(first), instant(past)), expected, within=1e-12)


def _name(instrument: str | Listing) -> str:
    return instrument.name if isinstance(instrument, Listing) else instrument


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _same(name: str, columns: Sequence[str], kept: list[tuple], said: list[np.ndarray], within: float = 0.0) -> int:
    """kept: a row of columns as _sent() selects them. within: relative. A NULL equals NaN."""
    [sent] = kept
    stored = [np.frombuffer(column or b"", ">f8") for column in sent]
    if len(stored[0]) != len(said[0]):
        raise Different(f"{name}: {len(stored[0])} rows are kept, {len(said[0])} were said")
    for column, here, right in zip(columns, stored, said, strict=True):
        wrong = ~np.isclose(here, right, rtol=within, atol=0, equal_nan=True)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise Different(
                f"{name}: {int(wrong.sum())} values of {column} differ, the first at {instant(int(said[0][at]))}: "
                f"{here[at]} is kept, {right[at]} was said"
            )
    return len(stored[0])
