"""The invented market: prices, trades and funding as pure functions of (instrument, minute).

Nothing is stored and nothing depends on what was asked before, so two windows that overlap agree value for value. The
one exception is meant: the bucket the clock is in is still changing, as on the exchange.

An instrument's price is the index times a premium: small for a perpetual, `exp(rate * time to expiry)` for a dated
future, where the rate wanders over months between contango and backwardation. A minute trades or does not; one that
does not is flat at the last traded close. To find that close in O(1), the first minute of every block of 64 trades,
as does the first after a listing or an outage, so no look back is longer than a block.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from .listings import DAY, HOUR, MINUTE, Listing, futures_of, perpetual
from .noise import hashed, seed_of, value_noise
from .options import OptionChain, chain_of

COLUMNS = ("volume", "ticks", "open", "low", "high", "cost", "close")  # the exchange's order, without `status`
FUNDING_COLUMNS = ("timestamp", "index_price", "interest_8h", "interest_1h", "prev_index_price")
FUNDING_CAP = 0.0006  # of interest_1h, so that |interest_8h| stays under 0.005
_BLOCK = 64
_WICKS = 6e-4 * (np.arange(256) / 256) ** 4  # how far a candle reaches beyond its body: mostly hardly, at most 6 bp
_YEAR_MINUTES = 365 * 1440
# Quarter by quarter from 2018-01, then yearly from 2027: roughly where the coins were; the rest is noise.
_LEVELS = {
    "BTC": [
        13500, 7000, 6400, 6500, 3700, 4100, 10800, 8300, 7200, 6500, 9200, 10700, 29000, 58000, 34000, 46000, 46500,
        45000, 20000, 19400, 16600, 28300, 30500, 27000, 42500, 70000, 62000, 62000, 94000, 83000, 104000, 108000,
        88000, 70000, 74000, 81000, 85000, 88000, 90000,
    ],
    "ETH": [
        750, 400, 450, 225, 135, 142, 290, 176, 130, 133, 228, 355, 735, 1900, 2250, 3200, 3700, 3350, 1070, 1330,
        1200, 1820, 1920, 1680, 2300, 3550, 3400, 2550, 3350, 1830, 2500, 4100, 3000, 2100, 2300, 2500, 2600, 2700,
        2800,
    ],
}  # fmt: skip
_PERIODS = tuple(3**power for power in range(10))  # octaves of the index, a minute to a fortnight
_MINUTE_MOVE = {"BTC": 3.5e-4, "ETH": 4.5e-4}  # amplitude of the 1-minute octave; the others grow with sqrt(period)


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


# [from, to) without candles. Only the window of 2020-08-27 has known hours; those of the other two days are invented.
OUTAGES = (
    (_ms("2019-05-12T22:00"), _ms("2019-05-13T01:30")),
    (_ms("2020-08-27T05:15"), _ms("2020-08-27T09:27")),
    (_ms("2020-11-26T10:00"), _ms("2020-11-26T10:45")),
)


# The first funding row of BTC-PERPETUAL, which is months younger than the contract; of ETH-PERPETUAL it is inferred.
FUNDING_BEGAN = _ms("2019-04-30T10:00")


def _anchors(coin: str) -> tuple[np.ndarray, np.ndarray]:
    quarters = [_ms(f"{year}-{month:02}-01") for year in range(2018, 2027) for month in (1, 4, 7, 10)]
    years = [_ms(f"{year}-01-01") for year in (2027, 2028, 2029)]
    return np.array(quarters + years) / MINUTE, np.log(_LEVELS[coin])


class Market:
    """The invented exchange. All times are ms since 1970, prices USD, volumes coin, costs USD, rates fractions.

    `now_ms` freezes the clock; None is the wall clock. `since_ms` is the day the exchange opened: contracts that
    expired before are unknown and those listed before count as listed then (default 2018-08-01).
    """

    def __init__(
        self,
        currencies: Sequence[str] = ("BTC", "ETH"),
        now_ms: int | None = None,
        since_ms: int = _ms("2018-08-01"),
    ) -> None:
        unknown = set(currencies) - set(_LEVELS)
        if unknown:
            raise ValueError(f"no prices are made for {sorted(unknown)}: choose from {sorted(_LEVELS)}")
        self.currencies = tuple(currencies)
        self.since_ms = since_ms
        self._frozen = now_ms
        self._anchors = {coin: _anchors(coin) for coin in currencies}
        # The clock may run on for years: contracts listed later are known already and not shown yet.
        until = self.now_ms + 2 * 366 * DAY
        dated = [future for coin in currencies for future in futures_of(coin, since=since_ms, until=until)]
        self._listings = {
            listing.name: listing
            for listing in (
                *(perpetual(coin, since=since_ms) for coin in currencies),
                *dated,
                *(perpetual(coin, linear=True, since=since_ms) for coin in currencies),
            )
        }
        self._chains = self._option_chains(dated)

    # -- what is listed ------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The clock. Setting it freezes it."""
        return int(time.time() * 1000) if self._frozen is None else self._frozen

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self._frozen = now_ms

    def listings(self) -> list[Listing]:
        """Perpetuals and dated futures listed by now, the expired ones too."""
        now = self.now_ms
        return [listing for listing in self._listings.values() if listing.listed <= now]

    def listing(self, instrument_name: str) -> Listing | None:
        """One of them, or None if there is (not yet) such a name."""
        listing = self._listings.get(instrument_name)
        return listing if listing and listing.listed <= self.now_ms else None

    def option_chains(self) -> list[OptionChain]:
        """The options listed by now, an object an expiry, the expired ones too."""
        now = self.now_ms
        return [chain for chain in self._chains if chain.listed <= now]

    def instruments(self, kind: str | None = None) -> list[dict]:
        """Every instrument there ever was, as rows of `get_instruments`; `kind` is future, option or None for both."""
        now = self.now_ms
        rows = [listing.row(now) for listing in self.listings()] if kind in (None, "future") else []
        if kind in (None, "option"):
            rows += [row for chain in self.option_chains() for row in chain.rows(now)]
        return rows

    def outages(self) -> list[tuple[int, int]]:
        """[from, to) in ms: windows in which no instrument has candles."""
        return list(OUTAGES)

    def _option_chains(self, dated: list[Listing]) -> list[OptionChain]:
        chains = []
        for coin in self.currencies:
            futures = sorted((future for future in dated if future.coin == coin), key=lambda future: future.listed)
            levels = self.index(coin, np.array([future.listed for future in futures]))
            chains += [chain_of(future, level) for future, level in zip(futures, levels.tolist(), strict=True)]
        return sorted(chains, key=lambda chain: (chain.coin, chain.expires))

    # -- prices --------------------------------------------------------------------------------------------------

    def index(self, currency: str, instants_ms: np.ndarray | int) -> np.ndarray:
        """The index in USD, two decimals, at each instant (ms): float64 of the same length."""
        instants = np.atleast_1d(np.asarray(instants_ms, dtype=np.int64))
        minute = instants // MINUTE
        before, after = self._level(currency, minute), self._level(currency, minute + 1)
        return np.rint((before + (after - before) * ((instants - minute * MINUTE) / MINUTE)) * 100) / 100

    def _level(self, coin: str, minutes: np.ndarray) -> np.ndarray:
        """The unrounded index at the start of each minute."""
        at, level = self._anchors[coin]
        log = np.interp(minutes, at, level)
        for period in _PERIODS:
            amplitude = _MINUTE_MOVE[coin] * period**0.5
            log += amplitude * value_noise(seed_of(f"index {coin} {period}"), minutes, period)
        return np.exp(log)

    def _fair(self, listing: Listing, minutes: np.ndarray) -> np.ndarray:
        """The unrounded fair price of a contract at the start of each minute."""
        premium = 2e-4 * value_noise(seed_of(f"premium {listing.name}"), minutes, 97)
        if not listing.perpetual:
            years = (listing.expires // MINUTE - minutes) / _YEAR_MINUTES
            months = value_noise(seed_of(f"rate {listing.coin}"), minutes, 90 * 1440)
            weeks = value_noise(seed_of(f"weekly rate {listing.coin}"), minutes, 17 * 1440)
            # Far contracts answer less than in proportion: a year ahead is a few percent from the index.
            premium += (0.03 + 0.055 * months + 0.02 * weeks) * years / (1 + 0.6 * years)
        return self._level(listing.coin, minutes) * np.exp(premium)

    def candles(self, instrument_name: str, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
        """The 1-minute candles whose tick is in [start_ms, end_ms], inside the life [minute of listing, expiry).

        Columns volume, ticks, open, low, high, cost, close: ticks int64 ms, the others float64. Not truncated, not
        filled after expiry. The minute the clock is in is the candle so far. KeyError for an unknown name.
        """
        listing = self.listing(instrument_name)
        if listing is None:
            raise KeyError(f"{instrument_name}: no such instrument is listed")
        now = self.now_ms
        first = max(-(-start_ms // MINUTE), listing.first_minute)
        last = min(end_ms // MINUTE, now // MINUTE, listing.expires // MINUTE - 1)
        if last < first:
            return {name: np.zeros(0, np.int64 if name == "ticks" else np.float64) for name in COLUMNS}
        begin = max(first - first % _BLOCK, listing.first_minute)
        minutes = np.arange(begin, last + 1)
        columns = self._candles(listing, minutes, first - begin)
        if last == now // MINUTE:
            _only_so_far(listing, columns, (now - last * MINUTE) / MINUTE)
        for start, end in OUTAGES:
            ticks = columns["ticks"]
            if first * MINUTE < end and start <= last * MINUTE:
                kept = (ticks < start) | (ticks >= end)
                columns = {name: column[kept] for name, column in columns.items()}
        return columns

    def _candles(self, listing: Listing, minutes: np.ndarray, warm_up: int) -> dict[str, np.ndarray]:
        """Candles of consecutive minutes; the first `warm_up` only serve to know the last traded close."""
        tick, bits = listing.tick, hashed(seed_of(f"trades {listing.name}"), minutes)
        byte = bits.view(np.uint8).reshape(-1, 8)  # independent fields of one hash (little endian)
        kind = "linear" if listing.linear else "perpetual" if listing.perpetual else "dated"
        share_untraded, least, most = _ACTIVITY[kind]

        traded = (bits & np.uint64(0xFFFF)) >= np.uint64(share_untraded * 65536)
        traded |= minutes % _BLOCK == 0
        traded |= minutes == listing.first_minute
        for _, outage_end in OUTAGES:
            traded |= minutes == outage_end // MINUTE

        fair = self._fair(listing, np.append(minutes, minutes[-1] + 1)) / tick
        spread = 1e-4 * fair[:-1] / 256  # trades are up to half a basis point beside the fair price
        opened = np.rint(fair[:-1] + (byte[:, 2] - 127.5) * spread)
        closed = np.rint(fair[1:] + (byte[:, 3] - 127.5) * spread)
        high = np.maximum(opened, closed) + np.rint(_WICKS[byte[:, 4]] * fair[:-1])
        low = np.minimum(opened, closed) - np.rint(_WICKS[byte[:, 5]] * fair[:-1])

        source = np.maximum.accumulate(np.where(traded, np.arange(minutes.size), 0))[warm_up:]
        traded = traded[warm_up:]
        quiet = ~traded
        last_close = closed[source]
        columns = {}
        steps = round(1 / tick) if tick < 1 else None  # 1/20 is exact where 0.05 is not
        for name, column in (("open", opened), ("low", low), ("high", high), ("close", closed)):
            column = column[warm_up:].copy()
            column[quiet] = last_close[quiet]
            columns[name] = column / steps if steps else column * tick
        dice = bits[warm_up:].view(np.uint16)[3::4] / 65536.0
        amount = np.floor(least * np.exp(dice * np.log(most / least))) * traded
        average = (columns["open"] + columns["low"] + columns["high"] + columns["close"]) / 4
        columns["ticks"] = minutes[warm_up:] * MINUTE
        columns |= _volume_and_cost(listing, amount, average)
        return {name: columns[name] for name in COLUMNS}

    # -- funding -------------------------------------------------------------------------------------------------

    def first_funding_ms(self, instrument_name: str) -> int:
        """The timestamp of the first funding row: the end of the first full hour after the birth, and not before
        the exchange began to keep funding."""
        return max(-(-self._listings[instrument_name].listed // HOUR) * HOUR + HOUR, FUNDING_BEGAN)

    def funding(
        self, instrument_name: str, start_ms: int, end_ms: int, newest: int | None = None
    ) -> dict[str, np.ndarray]:
        """Hourly funding rows with timestamp in (start_ms, end_ms], all of them or only the `newest`.

        Columns timestamp (int64 ms, the END of the hour), index_price (USD), interest_8h, interest_1h (fractions,
        positive = longs pay), prev_index_price, which is NaN in the very first row. interest_8h is what a position
        held over the eight newest hours has paid, of what it was worth at their start: prev_index_price of the
        oldest times the sum of interest_1h / prev_index_price; over fewer hours in the first seven rows. Empty for
        anything but a perpetual. KeyError for an unknown name.
        """
        hours, prices, hourly, eight_hours = self._funding(instrument_name, start_ms, end_ms, newest)
        previous = prices[:-1].copy()
        previous[hours * HOUR == self.first_funding_ms(instrument_name)] = np.nan
        return {
            "timestamp": hours * HOUR,
            "index_price": prices[1:],
            "interest_8h": eight_hours,
            "interest_1h": hourly,
            "prev_index_price": previous,
        }

    def funding_value(self, instrument_name: str, start_ms: int, end_ms: int) -> float:
        """What a position held from start_ms to end_ms has paid, as a fraction of its worth at the start: the hours
        that end in (start_ms, end_ms], weighted by the index as interest_8h is. 0.0 without such an hour."""
        _, prices, hourly, _ = self._funding(instrument_name, start_ms, end_ms)
        return float(prices[0] * np.sum(hourly / prices[:-1])) if hourly.size else 0.0

    def _funding(
        self, instrument_name: str, start_ms: int, end_ms: int, newest: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The hours that end in (start_ms, end_ms], since 1970; the index at the start of the first and the end of
        each; interest_1h and interest_8h of each."""
        listing = self.listing(instrument_name)
        if listing is None:
            raise KeyError(f"{instrument_name}: no such instrument is listed")
        born = self.first_funding_ms(instrument_name) // HOUR
        last = min(end_ms, self.now_ms) // HOUR
        first = max(start_ms // HOUR + 1, born)
        if newest is not None:
            first = max(first, last - newest + 1)
        hours = np.arange(first, last + 1 if listing.perpetual else first)
        if not hours.size:
            return hours, np.zeros(1), np.zeros(0), np.zeros(0)
        since = np.arange(first - 7, last + 1)
        hourly = self._interest(listing, since) * (since >= born)
        prices = self.index(listing.coin, np.arange(first - 8, last + 1) * HOUR)
        paid = hourly / prices[:-1]
        eight_hours = np.zeros(hours.size)
        for age in range(7, -1, -1):
            eight_hours += paid[7 - age : 7 - age + hours.size]
        oldest = np.maximum(hours - 8, born - 1) - (first - 8)
        return hours, prices[7:], hourly[7:], eight_hours * prices[oldest]

    def _interest(self, listing: Listing, hours: np.ndarray) -> np.ndarray:
        rate = 1.2e-5
        for period, amplitude in ((700, 2.5e-5), (61, 2.5e-5), (7, 1.5e-5), (1, 5e-6)):
            rate = rate + amplitude * value_noise(seed_of(f"funding {listing.name} {period}"), hours, period)
        # Within a band around zero nobody pays, as on the exchange.
        rate = np.sign(rate) * np.maximum(np.abs(rate) - 5e-6, 0)
        return np.clip(rate, -FUNDING_CAP, FUNDING_CAP) + 0.0


# Share of minutes without a trade, and the range of contracts traded in one that has some.
_ACTIVITY = {"perpetual": (0.0133, 80, 60_000), "dated": (0.5, 4, 6_000), "linear": (0.3, 20, 9_000)}


def _volume_and_cost(listing: Listing, amount: np.ndarray, average: np.ndarray) -> dict[str, np.ndarray]:
    """Inverse contracts are counted in USD, linear ones in coin; the other side follows from the average price."""
    if listing.linear:
        volume = amount / round(1 / listing.contract)
        return {"volume": volume, "cost": np.rint(volume * average * 1e4) / 1e4}
    cost = amount * listing.contract
    return {"volume": np.rint(cost / average * 1e8) / 1e8, "cost": cost}


def _only_so_far(listing: Listing, columns: dict[str, np.ndarray], share: float) -> None:
    """Cut the last candle down to what has happened by now: `share` of its minute, from 0 to 1."""
    opened, closed, volume = (float(columns[name][-1]) for name in ("open", "close", "volume"))
    if volume == 0:
        return
    price = opened + round((closed - opened) / listing.tick * share) * listing.tick
    price = round(price, 4)
    columns["close"][-1] = price
    columns["high"][-1] = max(opened, price)
    columns["low"][-1] = min(opened, price)
    traded = columns["volume"][-1:] / listing.contract if listing.linear else columns["cost"][-1:] / listing.contract
    amount = np.maximum(np.floor(traded * share), 1)
    for name, value in _volume_and_cost(listing, amount, np.array([(opened + price) / 2])).items():
        columns[name][-1] = value[0]
