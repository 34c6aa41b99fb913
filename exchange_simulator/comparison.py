"""Value by value: does a warehouse hold what the exchange says?

Asked of the market itself, not of the API: whatever paging, parsing, storing and reading may do to a value shows.
`rows` runs an SQL statement with its values as a reader of the warehouse and returns its rows.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial

import numpy as np

from . import volatility as model
from .listings import DAY, HOUR, MINUTE, Listing
from .market import Market
from .quotes import book_summaries, standing
from .settlements import delivery_prices, settlements

Rows = Callable[..., list[tuple]]


def _sent(*columns: str, by: str = "ts") -> str:
    """Selects columns of numbers as their own bytes, one after the other in time's order, a NULL as NaN: one by one,
    millions of values would take Python longer than they took to load."""
    return ", ".join(f"string_agg(float8send(coalesce({column}, 'NaN')), '' ORDER BY {by})" for column in columns)


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
# what a minute of the index is known from, by its place among these
HISTORY, CHART, SUMMARY, PROXY = range(1, 5)
_SOURCE = "array_position('{funding_history,funding_chart,summary,perpetual_proxy}'::text[], source)::float8"
INDEX = f"""
    SELECT {_sent(_TICK, "price", _SOURCE)}
    FROM index_price(%s, %s, %s) WHERE price IS NOT NULL
"""
_BEAT, _TOLD_AT = (f"(extract(epoch FROM {column}) * 1000)::float8" for column in ("beat", "ts"))
SAMPLES = f"""
    SELECT {_sent(_BEAT, _TOLD_AT, by="beat")} FROM summaries(%s, %s, %s)
"""
VOLATILITY = "SELECT ts, open, high, low, close FROM volatility(%s, %s, %s) ORDER BY ts"
DELIVERY_PRICES = "SELECT ts, day, price FROM delivery_price(%s, %s, %s) ORDER BY ts"
SETTLEMENTS = """
    SELECT settled_at, day, type, position, mark_price, index_price, profit_loss, session_profit_loss, funding
    FROM settlement(%s, %s, %s) ORDER BY settled_at
"""
ROLLS = """
    SELECT rule, eligible, rank, day, from_contract, to_contract, price_at, from_close, to_close, from_turnover,
           to_turnover
    FROM roll_calendar WHERE coin = %s AND day >= %s AND day < %s AND from_contract IS NOT NULL
    ORDER BY rule, eligible, rank, day
"""

_OF_BOTH = {
    "mark_price": "mark_price", "index_price": "estimated_delivery_price", "bid_price": "bid_price",
    "ask_price": "ask_price", "last_price": "last", "open_interest": "open_interest", "volume": "volume",
}  # fmt: skip
FUTURE_FIELDS = _OF_BOTH | {"current_funding": "current_funding", "funding_8h": "funding_8h"}
OPTION_FIELDS = _OF_BOTH | {
    "mark_iv": "mark_iv", "underlying_price": "underlying_price", "underlying": "underlying_index",
    "interest_rate": "interest_rate", "settlement": "quote_currency", "base_currency": "base_currency",
}  # fmt: skip
"""The columns of the snapshots, and what the exchange calls them."""


def _snapshot(view: str, fields: Collection[str]) -> str:
    return f"""
        SELECT instrument, ts, {", ".join(fields)} FROM {view} WHERE currency = %s AND beat = %s
        ORDER BY instrument COLLATE "C"
    """


SUMMARIES, CHAIN = _snapshot("instrument_summaries", FUTURE_FIELDS), _snapshot("options_chain", OPTION_FIELDS)
NEWEST = {
    view: f"SELECT beat, ts FROM {view} WHERE currency = %s ORDER BY beat DESC LIMIT 1"
    for view in ("instrument_summaries", "options_chain")
}

# by day, too: of minutes only that is indexed
_OF_DAYS = "AND ts >= %s AND ts < %s AND day BETWEEN %s AND %s"
PUBLISHED = {
    "candle": f"SELECT count(*) FROM candle WHERE open IS NOT NULL {_OF_DAYS} AND instrument <> ALL(%s)",
    "funding_rates": "SELECT count(*) FROM funding_rates WHERE ts > %s AND ts <= %s AND instrument <> ALL(%s)",
    "basis_spread": f"SELECT count(*) FROM basis_spread WHERE basis IS NOT NULL {_OF_DAYS} AND instrument <> ALL(%s)",
    "index_prices": f"SELECT count(*) FROM index_prices WHERE price IS NOT NULL {_OF_DAYS} AND index_name <> ALL(%s)",
    "settlements":
        "SELECT count(*) FROM settlements WHERE settled_at >= %s AND settled_at < %s AND instrument <> ALL(%s)",
    "delivery_prices": "SELECT count(*) FROM delivery_prices WHERE ts >= %s AND ts < %s AND index_name <> ALL(%s)",
    "volatility_index": "SELECT count(*) FROM volatility_index WHERE ts >= %s AND ts < %s AND currency <> ALL(%s)",
}  # fmt: skip
"""How many rows of each view are published; see published()."""
WITH_A_PAST = (*PUBLISHED, "roll_calendar")
"""The views of what is compared of any stretch of time. Which rolls there have to be is for nobody here to say."""


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
    views: Collection[str] = WITH_A_PAST,
) -> dict[str, int]:
    """Compares all that is published in [first, past) (ms; whole days where rolls are compared) in these views, some of
    WITH_A_PAST, of the contracts of these currencies but those left out by name; returns how many rows of each view
    were compared. Raises Different naming everything that differs, and where a view of PUBLISHED has rows that the
    exchange never said. Of the index the days have to be closed: of open ones see sampled_index()."""
    assert set(views) <= set(WITH_A_PAST), "these have no past, or are not compared"
    unknown = {listing.index_name for listing in market.listings() if listing.name in left_out}
    said = dict.fromkeys(views, 0)
    differences = []
    for view, compare in _comparisons(market, rows, currencies, first, past, {*left_out, *unknown}):
        if view in said:
            try:
                said[view] += compare()
            except Different as different:
                differences.append(str(different))
    if differences:
        raise Different("; ".join(differences))
    for view in said:
        if view in PUBLISHED and (there := published(rows, view, first, past, {*left_out, *unknown})) != said[view]:
            raise Different(f"{view}: {there} rows are published, {said[view]} were said")
    return said


def _comparisons(
    market: Market, rows: Rows, currencies: Collection[str], first: int, past: int, left_out: Collection[str]
) -> Iterator[tuple[str, Callable[[], int]]]:
    """The view, and what compares a part of it: of each contract, index, currency and coin. left_out: names of
    contracts and of indexes."""
    for one in listed_between(market, currencies, first, past):
        if one.name in left_out:
            continue
        begins, ends = max(first, one.first_minute * MINUTE), min(past, one.past_minute * MINUTE)
        yield "candle", partial(candles, market, rows, one, begins, ends)
        if one.perpetual:
            yield "funding_rates", partial(funding, market, rows, one, begins, min(past, one.ends))
        else:
            yield "basis_spread", partial(basis, market, rows, one, begins, ends)
        # the last one comes a little after the end
        yield "settlements", partial(settlement, market, rows, one, begins, min(past, one.ends + MINUTE))
    for one, begins, ends in _proxies(market, currencies):
        begins, ends = max(first, begins), min(past, ends)
        if begins < ends and one.index_name not in left_out:
            yield "index_prices", partial(index, market, rows, one, begins, ends)
    for name, (begins, ends) in _index_days(market, currencies).items():
        begins, ends = max(first, begins), min(past, ends)
        if begins < ends and name not in left_out:
            yield "delivery_prices", partial(delivery_price, market, rows, name, begins, ends)
    for currency in market.currencies:
        if currency in currencies:
            yield "volatility_index", partial(volatility, market, rows, currency, first, past)
    for coin in sorted({one.coin for one in market.listings() if not one.perpetual and one.currency in currencies}):
        yield "roll_calendar", partial(rolls, market, rows, coin, first, past)


def published(rows: Rows, view: str, first: int, past: int, left_out: Collection[str] = ()) -> int:
    """How many rows a view of PUBLISHED has in [first, past), ms (of funding, whose hours are called by their end: in
    (first, past]), but for those of these instruments or indexes."""
    begins, ends = instant(first), instant(past)
    days = (begins.date(), ends.date()) if _OF_DAYS in PUBLISHED[view] else ()
    [(there,)] = rows(PUBLISHED[view], begins, ends, *days, list(left_out))
    return there


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
    listing = _listed(market, _name(instrument))
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
    """Compares the published minutes of the index a perpetual stands in for with first <= tick < past (ms), of closed
    days: at the ends of funded hours it is the index, elsewhere the perpetual's close. Where a chart or a summary is
    the source, which can't be told from the market, it is the index, too, that of the summary at the moment the
    summary was made. Returns how many there are. Raises Different."""
    listing = _listed(market, instrument)
    minutes = np.arange(-(-first // MINUTE), -(-past // MINUTE))
    ticks, ends = minutes * MINUTE, (minutes + 1) * MINUTE
    funded = np.isin(ends, market.funding(listing, first, past)["timestamp"])
    said = market.candles(listing, first, past - MINUTE)
    close = np.full(len(minutes), np.nan)
    close[said["ticks"] // MINUTE - minutes[:1]] = said["close"]
    kept = rows(INDEX, listing.index_name, instant(first), instant(past))
    kept_ticks, _, sources = _numbers(kept)
    charted, sampled = (np.isin(ticks, kept_ticks[sources == source]) for source in (CHART, SUMMARY))
    price = np.where(funded | charted, market.index(listing.priced_as, ends), close)
    price[sampled] = _sampled(market, rows, listing, ticks[sampled])
    source = np.select([charted, sampled, funded], [CHART, SUMMARY, HISTORY], PROXY)
    known = ~np.isnan(price)
    return _same(listing.index_name, ("ticks", "price", "source"), kept, [ticks[known], price[known], source[known]])


def sampled_index(market: Market, rows: Rows, instrument: str | Listing, first: int, past: int) -> int:
    """Compares the published minutes of the index a perpetual stands in for with first <= tick < past (ms) of which a
    summary is the source, as of all of an open day: each is the index at the moment the summary was made. Returns how
    many there are; an outage leaves gaps for good, so how many there have to be is for the caller to say. Raises
    Different."""
    listing = _listed(market, instrument)
    ticks, price, sources = _numbers(rows(INDEX, listing.index_name, instant(first), instant(past)))
    ticks, price = ticks[sources == SUMMARY].astype(np.int64), price[sources == SUMMARY]
    said = _sampled(market, rows, listing, ticks)
    return _compared(listing.index_name, ("ticks", "price"), [ticks, price], [ticks, said], _apart)


def known_index(rows: Rows, index_name: str, first: int, past: int) -> np.ndarray:
    """The published minutes of an index with first <= tick < past (ms) for which no perpetual stands in: int64, ms."""
    ticks, _, sources = _numbers(rows(INDEX, index_name, instant(first), instant(past)))
    return ticks[sources != PROXY].astype(np.int64)


def _sampled(market: Market, rows: Rows, listing: Listing, ticks: np.ndarray) -> np.ndarray:
    """The index at the moments at which the exchange made the perpetual's summaries of the ends of some minutes (ms,
    ascending), NaN where there is none: float64 of the same length."""
    said = np.full(len(ticks), np.nan)
    if len(ticks):
        window = int(ticks[0]), int(ticks[-1]) + 2 * MINUTE  # a summary may be made a while after the minute's end
        beats, made_at = _numbers(rows(SAMPLES, listing.name, *map(instant, window)))
        _, here, there = np.intersect1d(ticks + MINUTE, beats, return_indices=True)
        said[here] = market.index(listing.priced_as, made_at[there].astype(np.int64))
    return said


def volatility(market: Market, rows: Rows, currency: str, first: int, past: int) -> int:
    """Compares the published hours of a currency's volatility index with first <= start < past (ms); returns how many
    there are. Raises Different."""
    starts = np.arange(-(-max(first, model.BEGINS) // HOUR) * HOUR, min(past, market.now_ms + 1), HOUR)
    prices = model.volatility_index(currency, starts, HOUR)
    said = zip(map(instant, starts.tolist()), *(prices[name].tolist() for name in model.COLUMNS), strict=True)
    kept = rows(VOLATILITY, currency, instant(first), instant(past))
    return _same_rows(f"{currency} volatility", ("ts", *model.COLUMNS), kept, list(said))


def delivery_price(market: Market, rows: Rows, index_name: str, first: int, past: int) -> int:
    """Compares the published delivery prices of an index, which are of 08:00 UTC, with first <= that instant < past
    (ms); returns how many days there are. Raises Different."""
    coins = {listing.index_name: listing.priced_as for listing in market.listings()}
    eights = _eights(max(first, market.since_ms), min(past, market.now_ms + 1))
    prices = delivery_prices(market, coins[index_name], eights // DAY).tolist()
    said = [(at, at.date(), price) for at, price in zip(map(instant, eights.tolist()), prices, strict=True)]
    kept = rows(DELIVERY_PRICES, index_name, instant(first), instant(past))
    return _same_rows(index_name, ("ts", "day", "price"), kept, said)


def settlement(market: Market, rows: Rows, instrument: str | Listing, first: int, past: int) -> int:
    """Compares the published settlements of an instrument, and its delivery, that happened at first <= time < past
    (ms); returns how many there are. The exchange says nothing of what was paid as funding. Of a name that was listed
    twice, give the Listing and a window of its life. Raises Different."""
    listing = _listed(market, instrument)
    # each happens within a second after 08:00
    eights = _eights(max(first // DAY * DAY, listing.listed + 1), min(past, listing.ends + 1))
    columns = ("type", "position", "mark_price", "index_price", "profit_loss", "session_profit_loss")
    said = [
        (instant(row["timestamp"]), instant(row["timestamp"]).date(), *(row[name] for name in columns), None)
        for row in settlements(market, listing, eights)
        if first <= row["timestamp"] < min(past, market.now_ms + 1)
    ]
    kept = rows(SETTLEMENTS, listing.name, instant(first), instant(past))
    return _same_rows(listing.name, ("settled_at", "day", *columns, "funding"), kept, said)


def summaries(market: Market, rows: Rows, currency: str, beat: int) -> int:
    """Compares the published snapshot of a beat (ms) of the futures and perpetuals that settle in a currency with what
    the market says now: its clock has to stand where the exchange's stood. Returns how many there are. Raises
    Different."""
    kept = rows(SUMMARIES, currency, instant(beat))
    return _same_snapshot(market, currency, beat, "future", FUTURE_FIELDS, kept)


def chain(market: Market, rows: Rows, currency: str, beat: int) -> int:
    """As summaries(), of the options that are listed under a currency."""
    return _same_snapshot(market, currency, beat, "option", OPTION_FIELDS, rows(CHAIN, currency, instant(beat)))


def newest_snapshots(market: Market, rows: Rows, currencies: Collection[str]) -> dict[str, int]:
    """Compares the newest published snapshot of each of these currencies, of the futures and of the options, with what
    the market said at its moment; returns how many rows of each view were compared. Raises Different, also where there
    is none of what is listed."""
    said = dict.fromkeys(NEWEST, 0)
    for view, compare in zip(NEWEST, (summaries, chain), strict=True):
        for currency in currencies:
            taken = [tuple(map(milliseconds, row)) for row in rows(NEWEST[view], currency)]
            beat, made_at = taken[0] if taken else (market.now_ms, market.now_ms)
            said[view] += compare(standing(market, made_at), rows, currency, beat)
    return said


def _same_snapshot(
    market: Market, currency: str, beat: int, kind: str, fields: dict[str, str], kept: list[tuple]
) -> int:
    said = [
        (row["instrument_name"], instant(row["creation_timestamp"]), *(row.get(field) for field in fields.values()))
        for row in book_summaries(market, currency, kind)
    ]
    return _same_rows(f"{currency} at {instant(beat)}", ("instrument", "ts", *fields), kept, sorted(said))


def rolls(market: Market, rows: Rows, coin: str, first: int, past: int) -> int:
    """Compares the prices and turnovers of every published roll from one of a coin's futures to another, on the days
    [first, past) (ms, midnights), with the candles of both on the day before; returns how many there are. Which rolls
    there have to be does not follow from the market alone, so that is for the caller to say. Raises Different."""
    kept, said = [], []
    found = rows(ROLLS, coin, instant(first).date(), instant(past).date())
    for *which, day, left, taken, price_at, from_close, to_close, from_turnover, to_turnover in found:
        name = " ".join(map(str, (*which, day, left, taken)))
        priced = _rolled(market, day, left, taken)
        turnovers = from_turnover, to_turnover
        kept.append((name, price_at, from_close, to_close, *turnovers))
        said.append((name, *priced[:3], *map(_as_summed, turnovers, priced[3:])))
    columns = ("roll", "price_at", "from_close", "to_close", "from_turnover", "to_turnover")
    return _same_rows(f"rolls of {coin}", columns, kept, said)


def _rolled(market: Market, day: date, left: str, taken: str) -> tuple:
    """(price_at, from_close, to_close, from_turnover, to_turnover) of a roll: the last minute of the day before that is
    fresh in both contracts, their closes in it (USD; None without such a minute), and what each turned over on that day
    (USD; None without a candle)."""
    first = milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC)) - DAY
    near, far = (market.candles(name, first, first + DAY - MINUTE) for name in (left, taken))
    turnovers = (float(np.sum(leg["cost"])) if leg["cost"].size else None for leg in (near, far))
    common = np.intersect1d(near["ticks"][is_fresh(near)], far["ticks"][is_fresh(far)])
    if not common.size:
        return None, None, None, *turnovers
    closes = (float(leg["close"][np.searchsorted(leg["ticks"], common[-1])]) for leg in (near, far))
    return instant(int(common[-1])), *closes, *turnovers


def _as_summed(kept: float | None, said: float | None) -> float | None:
    """A sum as it was kept, if it is what was said but for the order in which it was added up."""
    return said if kept is None or said is None or not math.isclose(kept, said, rel_tol=1e-12) else kept


def _eights(first: int, past: int) -> np.ndarray:
    """Every 08:00 UTC in [first, past), ms."""
    return np.arange(-(-(first - 8 * HOUR) // DAY) * DAY + 8 * HOUR, past, DAY)


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


def _index_days(market: Market, currencies: Collection[str]) -> dict[str, tuple[int, int]]:
    """From which midnight to which one (ms) a contract of these currencies was listed on each index."""
    days: dict[str, tuple[int, int]] = {}
    for one in market.listings():
        if one.currency in currencies:
            begins, ends = one.listed // DAY * DAY, -(-one.past_minute * MINUTE // DAY) * DAY
            first, past = days.get(one.index_name, (begins, ends))
            days[one.index_name] = min(first, begins), max(past, ends)
    return days


def is_fresh(said: dict[str, np.ndarray]) -> np.ndarray:
    """Which candles have trades at their own prices: cost is what volume at some price between low and high costs, but
    for a dollar it is rounded to, or 2 bp."""
    least, most = said["volume"] * said["low"], said["volume"] * said["high"]
    allowance = np.maximum(1.0, 2e-4 * said["cost"])
    return (said["volume"] > 0) & (least - allowance <= said["cost"]) & (said["cost"] <= most + allowance)


def _listed(market: Market, instrument: str | Listing) -> Listing:
    listing = instrument if isinstance(instrument, Listing) else market.listing(instrument)
    assert listing, f"{instrument} is what was published: the market lists it"
    return listing


def _name(instrument: str | Listing) -> str:
    return instrument.name if isinstance(instrument, Listing) else instrument


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _same(name: str, columns: Sequence[str], kept: list[tuple], said: list[np.ndarray], within: float = 0.0) -> int:
    """kept: a row of columns as _sent() selects them. within: relative. A NULL equals NaN."""
    return _compared(name, columns, _numbers(kept), said, lambda here, right: _apart(here, right, within))


def _same_rows(name: str, columns: Sequence[str], kept: list[tuple], said: list[tuple]) -> int:
    """kept, said: rows of one order, of which the first value says which one it is. Only equal values are the same."""
    stored, right = (list(np.array(rows, object).reshape(len(rows), len(columns)).T) for rows in (kept, said))
    return _compared(name, columns, stored, right, operator.ne)


def _numbers(kept: list[tuple]) -> list[np.ndarray]:
    """The columns of a row as _sent() selects them: float64."""
    [sent] = kept
    return [np.frombuffer(column or b"", ">f8") for column in sent]


def _apart(here: np.ndarray, right: np.ndarray, within: float = 0.0) -> np.ndarray:
    return ~np.isclose(here, right, rtol=within, atol=0, equal_nan=True)


def _compared(
    name: str,
    columns: Sequence[str],
    kept: list[np.ndarray],
    said: list[np.ndarray],
    differ: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> int:
    """Returns how many rows there are. Of the first column the values are names or moments (numbers: in ms)."""
    if len(kept[0]) != len(said[0]):
        raise Different(f"{name}: {len(kept[0])} rows are kept, {len(said[0])} were said")
    for column, here, right in zip(columns, kept, said, strict=True):
        wrong = differ(here, right)
        if wrong.any():
            at = int(np.argmax(wrong))
            which = said[0][at]
            raise Different(
                f"{name}: {int(wrong.sum())} values of {column} differ, "
                f"the first at {which if isinstance(which, str | datetime) else instant(int(which))}: "
                f"{here[at]} is kept, {right[at]} was said"
            )
    return len(kept[0])
