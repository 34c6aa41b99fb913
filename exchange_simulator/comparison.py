"""Value by value: does a warehouse hold what the exchange says?

Asked of the market itself, not of the API: whatever paging, parsing, storing and reading may do to a value shows.
`rows` runs an SQL statement with its values as a reader of the warehouse and returns its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from .listings import DAY, MINUTE, Listing
from .market import Market

Rows = Callable[..., list[tuple]]


def _sent(*columns: str) -> str:
    """Selects columns of numbers as their own bytes, one after the other in time's order, a NULL as NaN: one by one,
    millions of values would take Python longer than they took to load."""
    return ", ".join(f"string_agg(float8send(coalesce({column}, 'NaN')), '' ORDER BY ts)" for column in columns)


_TICK = "date_part('epoch', ts) * 1000"
_MARKS = "traded::integer::float8", "fresh::integer::float8"
CANDLES = f"""
    SELECT {_sent(_TICK, "open", "high", "low", "close", "volume", "cost", *_MARKS)}
    FROM candles(%s, %s, %s) WHERE open IS NOT NULL
"""
FUNDING = f"""
    SELECT {_sent(_TICK, "interest_1h", "interest_8h", "index_price", "prev_index_price")} FROM funding_rates
    WHERE instrument = ANY(%s) AND ts > %s AND ts <= %s
"""
BASIS = f"""
    SELECT {_sent(_TICK, "basis", "basis_fraction", "days_to_expiry", "annualised", *_MARKS)}
    FROM basis(%s, %s, %s) WHERE basis IS NOT NULL
"""
# a charted minute is the index too, and there is no telling from the market which minutes were charted
_SOURCES = [f"(source = '{source}')::integer::float8" for source in ("perpetual_proxy", "funding_chart")]
INDEX = f"""
    SELECT {_sent(_TICK, "price", *_SOURCES)}
    FROM index_price(%s, %s, %s) WHERE price IS NOT NULL
"""

PUBLISHED = {
    "candle": "SELECT count(*) FROM candle WHERE open IS NOT NULL AND ts >= %s AND ts < %s AND instrument <> ALL(%s)",
    "funding_rates": "SELECT count(*) FROM funding_rates WHERE ts > %s AND ts <= %s AND instrument <> ALL(%s)",
    "basis_spread": "SELECT count(*) FROM basis_spread WHERE basis IS NOT NULL AND ts >= %s AND ts < %s "
                    "AND instrument <> ALL(%s)",
    "index_prices": "SELECT count(*) FROM index_prices WHERE price IS NOT NULL AND ts >= %s AND ts < %s "
                    "AND index_name <> ALL(%s)",
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
    index_too: bool = True,
) -> dict[str, int]:
    """Compares all that is published in [first, past) (ms) of the contracts of these currencies but those left out by
    name; returns the rows of each view of PUBLISHED that was compared. Raises Different naming every contract that
    differs, and where a view has rows that the exchange never said."""
    compared = {"candle": True, "funding_rates": funding_too, "basis_spread": basis_too, "index_prices": index_too}
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
    unknown = {listing.index_name for listing in market.listings() if listing.name in left_out}
    for listing, begins, ends in _proxies(market, currencies) if index_too else ():
        begins, ends = max(first, begins), min(past, ends)
        if begins < ends and listing.index_name not in unknown:
            try:
                said["index_prices"] += index(market, rows, listing, begins, ends)
            except Different as different:
                differences.append(str(different))
    if differences:
        raise Different("; ".join(differences))
    for view, rows_said in said.items():
        names = unknown if view == "index_prices" else left_out
        [(published,)] = rows(PUBLISHED[view], instant(first), instant(past), list(names))
        if published != rows_said:
            raise Different(f"{view}: {published} rows are published, {rows_said} were said")
    return said


def candles(market: Market, rows: Rows, instrument: str | Listing, first: int, past: int) -> int:
    """Compares the published minutes of an instrument with first <= tick < past (ms); returns how many there are.
    Of a name that was listed twice, give the Listing and a window of its life. Raises Different."""
    name, said = _name(instrument), market.candles(instrument, first, past - MINUTE)
    columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
    expected = [*(said[each] for each in columns), said["volume"] > 0, is_fresh(said)]
    return _same(name, (*columns, "traded", "fresh"), rows(CANDLES, name, instant(first), instant(past)), expected)


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
    none = {"ticks": np.zeros(0, np.int64)} | dict.fromkeys(("low", "high", "close", "volume", "cost"), np.zeros(0))
    perpetual = market.candles(reference, first, past - MINUTE) if reference else none
    ticks, here, there = np.intersect1d(future["ticks"], perpetual["ticks"], return_indices=True)
    close, against = future["close"][here], perpetual["close"][there]
    days = (expires - ticks - MINUTE) / 86_400_000
    apart = close - against
    fraction = apart / against
    annualised = np.divide(fraction * 365, days, out=np.full(len(days), np.nan), where=days >= 1)
    traded, fresh = future["volume"][here] > 0, is_fresh(future)[here] & is_fresh(perpetual)[there]
    columns = ("ticks", "basis", "basis_fraction", "days_to_expiry", "annualised", "traded", "fresh")
    expected = [ticks, apart, fraction, days, annualised, traded, fresh]
    return _same(name, columns, rows(BASIS, name, instant(first), instant(past)), expected, within=1e-12)


def index(market: Market, rows: Rows, instrument: str | Listing, first: int, past: int) -> int:
    """Compares the published minutes of the index a perpetual stands in for with first <= tick < past (ms): at the ends
    of funded hours it is the index, elsewhere the perpetual's close, or the index where it was charted. Returns how
    many there are. Raises Different."""
    listing = instrument if isinstance(instrument, Listing) else market.listing(instrument)
    assert listing, f"{instrument} is what was published: the market lists it"
    minutes = np.arange(-(-first // MINUTE), -(-past // MINUTE))
    ends = (minutes + 1) * MINUTE
    funded = np.isin(ends, market.funding(listing, first, past)["timestamp"])
    said = market.candles(listing, first, past - MINUTE)
    close = np.full(len(minutes), np.nan)
    close[said["ticks"] // MINUTE - minutes[:1]] = said["close"]
    [(*kept, marks)] = rows(INDEX, listing.index_name, instant(first), instant(past))
    charted_at = np.frombuffer(kept[0] or b"", ">f8")[np.frombuffer(marks or b"", ">f8") == 1]
    charted = np.isin(minutes * MINUTE, charted_at)
    price = np.where(funded | charted, market.index(listing.priced_as, ends), close)
    known = ~np.isnan(price)
    expected = [(minutes * MINUTE)[known], price[known], ~(funded | charted)[known]]
    return _same(listing.index_name, ("ticks", "price", "source"), [tuple(kept)], expected)


def _proxies(market: Market, currencies: Collection[str]) -> Iterator[tuple[Listing, int, int]]:
    """Which perpetual of these currencies stands in for its index from when to when (ms): of several the oldest one,
    up to the end of its last day."""
    taken: dict[str, int] = {}
    perpetuals = [one for one in market.listings() if one.perpetual and one.currency in currencies]
    for one in sorted(perpetuals, key=lambda one: one.listed):
        begins = max(one.first_minute * MINUTE, taken.get(one.index_name, 0))
        if begins < one.past_minute * MINUTE:
            yield one, begins, one.past_minute * MINUTE
            taken[one.index_name] = -(-one.past_minute * MINUTE // DAY) * DAY


def is_fresh(said: dict[str, np.ndarray]) -> np.ndarray:
    """Which candles have trades at their own prices: cost is what volume at some price between low and high costs, but
    for a dollar it is rounded to, or 2 bp."""
    least, most = said["volume"] * said["low"], said["volume"] * said["high"]
    allowance = np.maximum(1.0, 2e-4 * said["cost"])
    return (said["volume"] > 0) & (least - allowance <= said["cost"]) & (said["cost"] <= most + allowance)


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
