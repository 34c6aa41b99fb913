"""The invented market: prices, trades and funding as pure functions of (instrument, minute).

Nothing is stored and nothing depends on what was asked before, so two windows that overlap agree value for value. The
one exception is meant: the bucket the clock is in is still changing, as on the exchange.

An instrument's price is the index times a premium: small for a perpetual, `exp(rate * time to expiry)` for a dated
future, where the rate wanders over months between contango and backwardation. A minute trades or does not; one that
does not is flat at the last traded close. To find that close in O(1), the first minute of every block of 64 trades,
as does the first of all, so no look back is longer than a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from . import linear
from .clock import Clock
from .listings import DAY, HOUR, MINUTE, Listing, futures_of, perpetual
from .noise import hashed, seed_of, uniform, value_noise
from .options import OptionChain, chain_of
from .price_shocks import PRICE_SHOCKS, PriceShock
from .traits import Traits

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


# Hours that end in them are missing from every funding history, or pay what the exchange pays at most.
FUNDING_HOLE = (_ms("2020-08-27T00:00"), _ms("2020-08-27T08:00"))
AT_CAP = (_ms("2020-03-13T00:00"), _ms("2020-03-13T12:00"))
RATE_AT_CAP = -0.00493 / 8  # of an hour
# BTC-PERPETUAL moved in other steps than today's.
TICK_BEFORE = ("BTC-PERPETUAL", _ms("2019-01-30"), _ms("2019-06-07"), 0.25)


def _anchors(coin: str) -> tuple[np.ndarray, np.ndarray]:
    if coin not in _LEVELS:
        return np.zeros(1), np.log([linear.PRICES[coin]])
    quarters = [_ms(f"{year}-{month:02}-01") for year in range(2018, 2027) for month in (1, 4, 7, 10)]
    years = [_ms(f"{year}-01-01") for year in (2027, 2028, 2029)]
    return np.array(quarters + years) / MINUTE, np.log(_LEVELS[coin])


class Market:
    """The invented exchange. All times are ms since 1970, prices USD, volumes coin, costs USD, rates fractions.

    `now_ms` freezes the `clock`; None is the wall clock. `since_ms` is the day the exchange opened: contracts that
    expired before are unknown and those listed before count as listed then (default 2018-08-01). `traits`: how it
    behaves; `candles`, `funding` and `index` say what is true of it, and what should be published therefore.
    """

    def __init__(
        self,
        currencies: Sequence[str] = ("BTC", "ETH"),
        now_ms: int | None = None,
        since_ms: int = _ms("2018-08-01"),
        traits: Traits | None = None,
    ) -> None:
        unknown = set(currencies) - set(_LEVELS)
        if unknown:
            raise ValueError(f"no prices are made for {sorted(unknown)}: choose from {sorted(_LEVELS)}")
        self.traits = traits = traits or Traits()
        self.currencies = tuple(currencies)
        self.since_ms = since_ms
        self.clock = Clock(now_ms, skew_ms=traits.clock_skew_ms)
        coins = {*currencies, *(linear.PRICES if traits.linear_world else ())}
        self._anchors = {coin: _anchors(coin) for coin in coins}
        # The clock may run on for years: contracts listed later are known already and not shown yet.
        until = self.now_ms + 2 * 366 * DAY
        dated = [
            future
            for coin in currencies
            for future in futures_of(
                coin, since=since_ms, until=until,
                late_listings=traits.late_listings, late_first_candles=traits.late_first_candles,
            )
        ]  # fmt: skip
        usdc = [perpetual(coin, linear=True, since=since_ms) for coin in currencies]
        if traits.linear_world:
            usdc += linear.listings(since=since_ms, until=until, oddities=traits.linear_oddities)
        self._every = [*(perpetual(coin, since=since_ms) for coin in currencies), *dated, *usdc]
        self._lives: dict[str, list[Listing]] = {}
        for listing in sorted(self._every, key=lambda listing: listing.listed):
            self._lives.setdefault(listing.name, []).append(listing)
        linear_dated = [one for one in usdc if not one.perpetual and one.coin in coins]
        self._chains = self._option_chains(dated + (linear_dated if traits.linear_options else []))

    # -- what is listed ------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """What the clock says. Setting it freezes it."""
        return self.clock.now_ms

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self.clock.now_ms = now_ms

    def listings(self) -> list[Listing]:
        """Perpetuals and dated futures listed by now, the expired ones too."""
        now = self.now_ms
        return [listing for listing in self._every if listing.listed <= now]

    def listing(self, instrument_name: str) -> Listing | None:
        """One of them, the newest of that name, or None if there is (not yet) such a name."""
        found = self.listings_of(instrument_name)
        return found[-1] if found else None

    def listings_of(self, instrument_name: str) -> list[Listing]:
        """All that ever had a name, in the order of their listing."""
        now = self.now_ms
        return [listing for listing in self._lives.get(instrument_name, []) if listing.listed <= now]

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

    def _option_chains(self, dated: list[Listing]) -> list[OptionChain]:
        chains = []
        for coin in dict.fromkeys(future.coin for future in dated):
            futures = sorted((future for future in dated if future.coin == coin), key=lambda future: future.listed)
            levels = self.index(coin, np.array([future.listed for future in futures]))
            chains += [
                chain_of(future, level, dense=self.traits.dense_options)
                for future, level in zip(futures, levels.tolist(), strict=True)
            ]
        return sorted(chains, key=lambda chain: (chain.currency, chain.coin, chain.expires))

    # -- prices --------------------------------------------------------------------------------------------------

    def index(self, currency: str, instants_ms: np.ndarray | int) -> np.ndarray:
        """The index of a coin in USD at each instant (ms), to two decimals, or to six figures where it is under a
        hundred: float64 of the same length."""
        instants = np.atleast_1d(np.asarray(instants_ms, dtype=np.int64))
        minute = instants // MINUTE
        before, after = self._level(currency, minute), self._level(currency, minute + 1)
        steps = 100 if currency in _LEVELS else linear.index_steps(currency)
        return np.rint((before + (after - before) * ((instants - minute * MINUTE) / MINUTE)) * steps) / steps

    def _level(self, coin: str, minutes: np.ndarray) -> np.ndarray:
        """The unrounded index at the start of each minute."""
        at, level = self._anchors[coin]
        log = np.interp(minutes, at, level)
        for period in _PERIODS:
            amplitude = _MINUTE_MOVE.get(coin, 6e-4) * period**0.5
            log += amplitude * value_noise(seed_of(f"index {coin} {period}"), minutes, period)
        for shock in self._shocks(coin, minutes):
            log += shock.factor(minutes)
        return np.exp(log)

    def _shocks(self, coin: str, minutes: np.ndarray) -> list[PriceShock]:
        """Those that touch the minutes (ascending or a few)."""
        if not (self.traits.crashes and minutes.size):
            return []
        return [
            one for one in PRICE_SHOCKS if coin in one.coins and one.touches(int(minutes.min()), int(minutes.max()))
        ]

    def _fair(self, listing: Listing, minutes: np.ndarray) -> np.ndarray:
        """The unrounded fair price of a contract at the start of each minute."""
        premium = 2e-4 * value_noise(seed_of(f"premium {listing.name}"), minutes, 97)
        if not listing.perpetual:
            years = (listing.expires // MINUTE - minutes) / _YEAR_MINUTES
            months = value_noise(seed_of(f"rate {listing.coin}"), minutes, 90 * 1440)
            weeks = value_noise(seed_of(f"weekly rate {listing.coin}"), minutes, 17 * 1440)
            # Far contracts answer less than in proportion: a year ahead is a few percent from the index.
            premium += (0.03 + 0.055 * months + 0.02 * weeks) * years / (1 + 0.6 * years)
        return self._level(listing.priced_as, minutes) * np.exp(premium)

    def candles(self, instrument: str | Listing, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
        """The 1-minute candles whose tick is in [start_ms, end_ms], inside the life [minute of the first trade, end).

        Columns volume, ticks, open, low, high, cost, close: ticks int64 ms, the others float64. Not truncated, not
        filled after the end. The minute the clock is in is the candle so far. KeyError for an unknown name.
        """
        listing = self._called(instrument)
        now = self.now_ms
        first = max(-(-start_ms // MINUTE), listing.first_minute)
        last = min(end_ms // MINUTE, now // MINUTE, listing.past_minute - 1)
        if last < first:
            return {name: np.zeros(0, np.int64 if name == "ticks" else np.float64) for name in COLUMNS}
        begin = max(first - first % _BLOCK, listing.first_minute)
        minutes = np.arange(begin, last + 1)
        columns = self._candles(listing, minutes, first - begin)
        if last == now // MINUTE:
            _only_so_far(listing, columns, (now - last * MINUTE) / MINUTE, self.traits.linear_cost_unit)
        if listing.opening:
            kept = linear.open_at(listing, columns["ticks"] // MINUTE)
            columns = {name: column[kept] for name, column in columns.items()}
        return columns

    def closes(self, listing: Listing, minutes: np.ndarray) -> np.ndarray:
        """The close of each of some minutes (since 1970, ascending, none of them the one the clock is in), NaN where
        there is no candle: float64 of the same length."""
        found = np.full(minutes.size, np.nan)
        there = (minutes >= listing.first_minute) & (minutes < listing.past_minute)
        if listing.opening:
            there &= linear.open_at(listing, minutes)
        if there.any():
            asked = minutes[there]
            begins = np.maximum(asked - asked % _BLOCK, listing.first_minute)
            # each from where the last traded close is known to the minute after it, one behind the other
            stretches = np.concatenate([np.arange(a, b + 2) for a, b in zip(begins, asked, strict=True)])
            places = np.cumsum(asked - begins + 2) - 2
            found[there] = self._candles(listing, stretches, 0)["close"][places]
        return found

    def _called(self, instrument: str | Listing) -> Listing:
        listing = instrument if isinstance(instrument, Listing) else self.listing(instrument)
        if listing is None:
            raise KeyError(f"{instrument}: no such instrument is listed")
        return listing

    def _candles(self, listing: Listing, minutes: np.ndarray, warm_up: int) -> dict[str, np.ndarray]:
        """Candles of consecutive minutes; the first `warm_up` only serve to know the last traded close."""
        bits = hashed(seed_of(f"trades {listing.name}"), minutes)
        byte = bits.view(np.uint8).reshape(-1, 8)  # independent fields of one hash (little endian)
        kind = "linear" if listing.linear else "perpetual" if listing.perpetual else "dated"
        share_untraded, least, most = _ACTIVITY[kind]
        if self.traits.quiet_futures and not listing.perpetual:
            share_untraded = _UNTRADED[listing.period]

        traded = (bits & np.uint64(0xFFFF)) >= np.uint64(share_untraded * 65536)
        anchor = (minutes % _BLOCK == 0) | (minutes == listing.first_minute)
        traded |= anchor

        tick = _tick_at(listing, minutes) if self.traits.tick_changes else listing.tick
        fair = self._fair(listing, np.append(minutes, minutes[-1] + 1))
        before, after = fair[:-1] / tick, fair[1:] / tick
        spread = 1e-4 * before / 256  # trades are up to half a basis point beside the fair price
        opened = np.rint(before + (byte[:, 2] - 127.5) * spread)
        closed = np.rint(after + (byte[:, 3] - 127.5) * spread)
        high = np.maximum(opened, closed) + np.rint(_WICKS[byte[:, 4]] * before)
        low = np.minimum(opened, closed) - np.rint(_WICKS[byte[:, 5]] * before)

        # Minutes whose prices are their own; of the others a few have trades, which no price shows.
        legs = self._only_legs(listing, minutes) & traded & ~anchor
        priced = traded & ~legs
        source = np.maximum.accumulate(np.where(priced, np.arange(minutes.size), 0))[warm_up:]
        quiet = ~priced[warm_up:]
        last_close = _price(closed, tick)[source]
        columns = {}
        for name, column in (("open", opened), ("low", low), ("high", high), ("close", closed)):
            column = _price(column, tick)[warm_up:]
            column[quiet] = last_close[quiet]
            columns[name] = column
        dice = bits[warm_up:].view(np.uint16)[3::4] / 65536.0
        amount = np.floor(least * np.exp(dice * np.log(most / least))) * traded[warm_up:]
        average = (columns["open"] + columns["low"] + columns["high"] + columns["close"]) / 4
        if (legs := legs[warm_up:]).any():
            beside = 0.003 * (dice * 2 - 1) ** 5
            average[legs] = ((fair[:-1] + fair[1:])[warm_up:] / 2 * np.exp(beside))[legs]
        columns["ticks"] = minutes[warm_up:] * MINUTE
        columns |= _volume_and_cost(listing, amount, average, self.traits.linear_cost_unit)
        return {name: columns[name] for name in COLUMNS}

    def _only_legs(self, listing: Listing, minutes: np.ndarray) -> np.ndarray:
        """Minutes in which a dated future only trades as a leg of a combo or a block, if it trades."""
        if not self.traits.legs or listing.perpetual:
            return np.zeros(minutes.size, bool)
        share = np.full(minutes.size, 0.012)
        for shock in self._shocks(listing.coin, minutes):
            share[shock.extreme(minutes)] = 0.3
        return uniform(seed_of(f"legs {listing.name}"), minutes) < share

    # -- funding -------------------------------------------------------------------------------------------------

    def first_funding_ms(self, instrument: str | Listing) -> int:
        """The timestamp of the first funding row: the end of the first full hour after the birth, and not before
        the exchange began to keep funding."""
        return max(-(-self._called(instrument).listed // HOUR) * HOUR + HOUR, self.traits.funding_begins)

    def funding(
        self, instrument: str | Listing, start_ms: int, end_ms: int, newest: int | None = None
    ) -> dict[str, np.ndarray]:
        """Hourly funding rows with timestamp in (start_ms, end_ms], all of them or only the `newest`.

        Columns timestamp (int64 ms, the END of the hour), index_price (USD), interest_8h, interest_1h (fractions,
        positive = longs pay), prev_index_price, which is NaN in the very first row. interest_8h is what a position
        held over the eight newest hours has paid, of what it was worth at their start: prev_index_price of the
        oldest times the sum of interest_1h / prev_index_price; over fewer hours in the first seven rows. Empty for
        anything but a perpetual, and after its end. KeyError for an unknown name.
        """
        hours, prices, hourly, eight_hours = self._funding(instrument, start_ms, end_ms, newest)
        previous = prices[:-1].copy()
        if self.traits.first_prev_index_null:
            previous[hours * HOUR == self.first_funding_ms(instrument)] = np.nan
        columns = {
            "timestamp": hours * HOUR,
            "index_price": prices[1:],
            "interest_8h": eight_hours,
            "interest_1h": hourly,
            "prev_index_price": previous,
        }
        if self.traits.funding_hole:
            kept = ~_ends_in(FUNDING_HOLE, hours)
            columns = {name: column[kept] for name, column in columns.items()}
        return columns

    def funding_value(self, instrument: str | Listing, start_ms: int, end_ms: int) -> float:
        """What a position held from start_ms to end_ms has paid, as a fraction of its worth at the start: the hours
        that end in (start_ms, end_ms], weighted by the index as interest_8h is. 0.0 without such an hour."""
        _, prices, hourly, _ = self._funding(instrument, start_ms, end_ms)
        if not self.traits.value_weighted:
            return float(hourly.sum())
        return float(prices[0] * np.sum(hourly / prices[:-1])) if hourly.size else 0.0

    def _funding(
        self, instrument: str | Listing, start_ms: int, end_ms: int, newest: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The hours that end in (start_ms, end_ms], since 1970; the index at the start of the first and the end of
        each; interest_1h and interest_8h of each."""
        listing = self._called(instrument)
        born = self.first_funding_ms(listing) // HOUR
        last = min(end_ms, self.now_ms, listing.ends) // HOUR
        first = max(start_ms // HOUR + 1, born)
        if newest is not None:
            first = max(first, last - newest + 1)
        hours = np.arange(first, last + 1 if listing.perpetual else first)
        if not hours.size:
            return hours, np.zeros(1), np.zeros(0), np.zeros(0)
        since = np.arange(first - 7, last + 1)
        hourly = self._interest(listing, since) * (since >= born)
        prices = self.index(listing.priced_as, np.arange(first - 8, last + 1) * HOUR)
        paid = hourly / prices[:-1] if self.traits.eight_hours_weighted else hourly
        eight_hours = np.zeros(hours.size)
        for age in range(7, -1, -1):
            eight_hours += paid[7 - age : 7 - age + hours.size]
        if self.traits.eight_hours_weighted:
            eight_hours *= prices[np.maximum(hours - 8, born - 1) - (first - 8)]
        return hours, prices[7:], hourly[7:], eight_hours

    def _interest(self, listing: Listing, hours: np.ndarray) -> np.ndarray:
        rate = np.full(hours.shape, 1.2e-5)
        for period, amplitude in ((700, 2.5e-5), (61, 2.5e-5), (7, 1.5e-5), (1, 5e-6)):
            rate = rate + amplitude * value_noise(seed_of(f"funding {listing.name} {period}"), hours, period)
        # Within a band around zero nobody pays, as on the exchange.
        rate = np.sign(rate) * np.maximum(np.abs(rate) - 5e-6, 0)
        rate = np.clip(rate, -FUNDING_CAP, FUNDING_CAP) + 0.0
        if self.traits.linear_world:
            rate += linear.extra_interest(listing.name, hours, self.traits.linear_oddities)
        if self.traits.funding_at_cap and not listing.linear:
            rate[_ends_in(AT_CAP, hours)] = RATE_AT_CAP
        if self.traits.funding_hole:
            rate[_ends_in(FUNDING_HOLE, hours)] = 0.0
        return rate


def _ends_in(window: tuple[int, int], hours: np.ndarray) -> np.ndarray:
    """Which hours, told by their end, lie in a window of ms."""
    start, end = window
    return (hours > start // HOUR) & (hours <= end // HOUR)


# Share of minutes without a trade, and the range of contracts traded in one that has some.
_ACTIVITY = {"perpetual": (0.0133, 80, 60_000), "dated": (0.5, 4, 6_000), "linear": (0.3, 20, 9_000)}
_UNTRADED = {"month": 0.62, "week": 0.8, "day": 0.93}


def _tick_at(listing: Listing, minutes: np.ndarray) -> float | np.ndarray:
    """The tick of each minute, or of all."""
    name, start, end, tick = TICK_BEFORE
    then = (minutes >= start // MINUTE) & (minutes < end // MINUTE)
    return np.where(then, tick, listing.tick) if listing.name == name and then.any() else listing.tick


def _price(units: np.ndarray, tick: float | np.ndarray) -> np.ndarray:
    """A new array. 1/20 is exact where 0.05 is not; ticks that changed are."""
    return units / round(1 / tick) if isinstance(tick, float) and tick < 1 else units * tick


def _volume_and_cost(
    listing: Listing, amount: np.ndarray, average: np.ndarray, cost_unit: float
) -> dict[str, np.ndarray]:
    """Inverse contracts are counted in USD, linear ones in coin; the other side follows from the average price, a
    linear one's cost in whole `cost_unit`s of USD."""
    if listing.linear:
        volume = amount / round(1 / listing.contract) if listing.contract < 1 else amount * listing.contract
        units = round(1 / cost_unit)
        return {"volume": volume, "cost": np.rint(volume * average * units) / units}
    cost = amount * listing.contract
    return {"volume": np.rint(cost / average * 1e8) / 1e8, "cost": cost}


def _only_so_far(listing: Listing, columns: dict[str, np.ndarray], share: float, cost_unit: float) -> None:
    """Cut the last candle down to what has happened by now: `share` of its minute, from 0 to 1."""
    opened, closed, volume = (float(columns[name][-1]) for name in ("open", "close", "volume"))
    if volume == 0:
        return
    price = opened + round((closed - opened) / listing.tick * share) * listing.tick
    price = round(price, 10)
    columns["close"][-1] = price
    columns["high"][-1] = max(opened, price)
    columns["low"][-1] = min(opened, price)
    traded = columns["volume"][-1:] / listing.contract if listing.linear else columns["cost"][-1:] / listing.contract
    amount = np.maximum(np.floor(traded * share), 1)
    for name, value in _volume_and_cost(listing, amount, np.array([(opened + price) / 2]), cost_unit).items():
        columns[name][-1] = value[0]
