"""Which contracts there ever were, when they were listed, and the row `get_instruments` shows for each.

Dated futures expire at 08:00 UTC and are listed at 08:00 UTC some days ahead. A date belongs to its longest class:

| class     | dates                                  | listed ahead                     | settlement_period |
|-----------|----------------------------------------|----------------------------------|-------------------|
| quarterly | last Friday of March, June, Sept., Dec.| 364 days                         | month             |
| monthly   | last Friday of the other months        | 92 days                          | month             |
| weekly    | the other Fridays                      | 22 days (15 until 2020)          | week              |
| daily     | every other day since 2026-04-01       | 4 days                           | day               |

Births of BTC-PERPETUAL and ETH-PERPETUAL are the real ones; everything else is a plausible invention.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from .noise import seed_of, uniform

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NEVER = 32_503_708_800_000  # what the exchange gives as a perpetual's expiration
BIRTHS = {  # ms; the linear ones are invented
    "BTC-PERPETUAL": 1_534_242_287_000,
    "ETH-PERPETUAL": 1_552_568_454_000,
    "BTC_USDC-PERPETUAL": 1_649_232_024_000,
    "ETH_USDC-PERPETUAL": 1_649_232_031_000,
}
# Dated BTC futures are older than the perpetual, as on the exchange; ETH began with all of its contracts at once.
FIRST_DATED = {"BTC": 1_514_764_800_000, "ETH": BIRTHS["ETH-PERPETUAL"]}
FIRST_DAILY = date(2026, 4, 1)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# Inverse contracts: tick of the perpetual, tick of a dated future, contract in USD. Linear: tick, contract in coin.
_INVERSE = {"BTC": (0.5, 2.5, 10.0), "ETH": (0.05, 0.25, 1.0)}
_LINEAR = {"BTC": (0.5, 0.0001), "ETH": (0.05, 0.001)}


@dataclass(frozen=True, slots=True)
class Listing:
    """A perpetual or a dated future. Times are ms; prices move in whole `tick`s.

    `contract` is USD for inverse contracts and coin for linear ones. `waits`: minutes from the listing to the first
    trade. `ended`: when trading ended although the catalogue says nothing of it. `quote` and `index_of` say otherwise
    than USD, USDC and the coin itself; `opening` are the minutes of a weekday in which there is trading at all.
    """

    name: str
    coin: str
    linear: bool
    period: str
    listed: int
    expires: int
    tick: float
    contract: float
    number: int
    waits: int = 0
    ended: int | None = None
    quote: str | None = None
    index_of: str | None = None
    underlying: str = "crypto"
    opening: tuple[int, int] | None = None

    @property
    def perpetual(self) -> bool:
        return self.period == "perpetual"

    @property
    def quoted_in(self) -> str:
        return self.quote or ("USDC" if self.linear else "USD")

    @property
    def currency(self) -> str:
        """The currency it is listed under, which is the one it settles in."""
        return self.quoted_in if self.linear else self.coin

    @property
    def priced_as(self) -> str:
        """The coin whose index it follows."""
        return self.index_of or self.coin

    @property
    def index_name(self) -> str:
        return f"{self.priced_as.lower()}_{self.quoted_in.lower()}"

    @property
    def ends(self) -> int:
        """ms: the end of trading. What is told of it later is fill."""
        return self.expires if self.ended is None else min(self.ended, self.expires)

    @property
    def first_minute(self) -> int:
        """The minute (since 1970) of its first candle: that of its first trade."""
        return self.listed // MINUTE + self.waits

    @property
    def past_minute(self) -> int:
        """The minute after its last candle's: one that is not over when trading ends has none."""
        return self.ends // MINUTE

    def row(self, now: int) -> dict:
        """The live host's `get_instruments` row, with the real rows' fields in their order."""
        return instrument_row(self, now)

    def history_row(self, now: int) -> dict:
        """The same contract as the history host tells it."""
        return history_row(self.row(now))


def state_at(listed: int, expires: int, now: int) -> str:
    if now < expires:
        return "open"
    return "delivered" if now < expires + DAY else "archivized"


def _uuid(currency: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{currency.lower()}.exchange-simulator"))


def index_id(index_name: str) -> int:
    return 1_000_000 + int(seed_of(f"index {index_name}") % np.uint64(900_000))


def instrument_row(listing: Listing, now: int) -> dict:
    quote = listing.quoted_in
    # Recorded rows of linear contracts have whole numbers without a point.
    size = int(listing.contract) if listing.linear and listing.contract >= 1 else listing.contract
    style = "linear" if listing.linear else "reversed"
    block_minimum = {"BTC": 200_000, "ETH": 100_000}.get(listing.coin, 100_000)
    return {
        "tick_size_steps": [],
        "block_trade_tick_size": 0.01,
        "quote_currency": quote,
        "price_index": listing.index_name,
        "instrument_type": style,
        "future_type": style,
        "kind": "future",
        "max_leverage": 50 if listing.perpetual else 25,
        "underlying_type": listing.underlying,
        "product_group": listing.coin,
        "state": state_at(listing.listed, listing.expires, now),
        "expiration_timestamp": listing.expires,
        "contract_size": size,
        "min_trade_amount": size,
        "instrument_id": listing.number,
        "creation_timestamp": listing.listed,
        "base_currency_uuid": _uuid(listing.coin),
        "is_active": now < listing.expires,
        "lot_size": 1,
        "taker_commission": 0.00035,
        "tick_size": listing.tick,
        "block_trade_commission": 0.00025,
        "settlement_currency": listing.currency,
        "instrument_name": listing.name,
        "block_trade_min_trade_amount": block_minimum,
        "max_liquidation_commission": 0.01,
        "max_non_default_leverage": 5.0,
        "index_id": index_id(listing.index_name),
        "counter_currency": quote,
        "base_currency": listing.coin,
        "maker_commission": 0.00015,
        "settlement_period": listing.period,
        "quote_currency_uuid": _uuid(quote),
    }


# The fields of the one row of the history host that was recorded, in its order: none is instrument_type, state or
# underlying_type. An option's row, www's of 2022 cut down the same way, has no leverage but its strike and type.
_HISTORY_FIELDS = (
    "tick_size", "taker_commission", "settlement_period", "settlement_currency", "rfq", "quote_currency",
    "price_index", "min_trade_amount", "max_liquidation_commission", "max_leverage", "maker_commission", "kind",
    "is_active", "instrument_name", "instrument_id", "future_type", "expiration_timestamp", "creation_timestamp",
    "counter_currency", "contract_size", "block_trade_commission", "base_currency",
)  # fmt: skip


def history_row(row: dict) -> dict:
    """A `get_instruments` row of the live host in the history host's words."""
    known = row | {"rfq": False}
    return {name: known[name] for name in _HISTORY_FIELDS if name in known}


# The fields of the recorded rows of combos, in their order; those of a spot pair are taken for the same.
_COMBO_FIELDS = (
    "state", "price_index", "kind", "instrument_name", "maker_commission", "taker_commission", "instrument_type",
    "expiration_timestamp", "is_active", "creation_timestamp", "instrument_id", "tick_size", "contract_size",
    "base_currency", "quote_currency", "settlement_currency", "min_trade_amount", "settlement_period",
    "counter_currency", "tick_size_steps",
)  # fmt: skip


def combo_rows(kind: str, legs: list[Listing], now: int) -> list[dict]:
    """Rows of future_combo or option_combo over a coin's open dated futures: one a future."""
    rows = []
    for leg in legs:
        row = leg.row(now) | {"kind": kind, "instrument_id": leg.number + 50_000_000}
        if kind == "future_combo":
            row["instrument_name"] = f"{leg.coin}-FS-{leg.name.split('-')[1]}_PERP"
        else:
            strike = int(_INVERSE[leg.coin][1] * 20_000)
            row |= {"instrument_name": f"{leg.coin}-CS-{leg.name.split('-')[1]}-{strike}_{strike + strike // 10}",
                    "instrument_id": leg.number + 60_000_000, "quote_currency": leg.coin, "tick_size": 0.0001,
                    "contract_size": 1.0, "min_trade_amount": 0.1}  # fmt: skip
        rows.append({name: row[name] for name in _COMBO_FIELDS})
    return rows


def spot_rows(currency: str, now: int) -> list[dict]:
    """Rows of the spot pairs listed under a currency."""
    rows = []
    for place, base in enumerate(("BTC", "ETH")):
        if currency == base:
            continue
        pair = Listing(f"{base}_{currency}", base, True, "perpetual", BIRTHS["BTC_USDC-PERPETUAL"], NEVER, 0.5, 0.0001,
                       6000 + 10 * sum(currency.encode()) + place, quote=currency)  # fmt: skip
        row = pair.row(now) | {"kind": "spot", "instrument_type": "linear", "settlement_currency": currency}
        rows.append({name: row[name] for name in _COMBO_FIELDS if name not in ("settlement_period",)})
    return rows


def expiry_name(day: date) -> str:
    """27JUN25, 2JAN26: no leading zero."""
    return f"{day.day}{MONTHS[day.month - 1]}{day:%y}"


def expiry_of(name: str) -> int:
    """ms of 08:00 UTC on the date in `BTC-27JUN25`. ValueError for a name without one."""
    text = name.split("-")[1]
    day = date(2000 + int(text[-2:]), MONTHS.index(text[-5:-2]) + 1, int(text[:-5]))
    return at_eight(day)


def perpetual(coin: str, *, linear: bool = False, since: int = 0) -> Listing:
    """The perpetual of a coin, born when the real one was, or at `since` (ms) if that is later."""
    name = f"{coin}_USDC-PERPETUAL" if linear else f"{coin}-PERPETUAL"
    tick, contract = _LINEAR[coin] if linear else (_INVERSE[coin][0], _INVERSE[coin][2])
    number = 11 + 2 * sorted(_INVERSE).index(coin) + linear
    return Listing(name, coin, linear, "perpetual", max(BIRTHS[name], since), NEVER, tick, contract, number)


def dated_future(coin: str, day: date, period: str, listed: int) -> Listing:
    """A dated inverse future that expires at 08:00 UTC of `day`."""
    _, tick, contract = _INVERSE[coin]
    number = 100_000 + (day - date(2018, 1, 1)).days * 4 + sorted(_INVERSE).index(coin)
    return Listing(f"{coin}-{expiry_name(day)}", coin, False, period, listed, at_eight(day), tick, contract, number)


def futures_of(
    coin: str, *, since: int, until: int, late_listings: bool = False, late_first_candles: bool = False
) -> list[Listing]:
    """Every dated future of a coin listed before `until` and expiring after `since` (ms), by expiry.

    One listed before `since` counts as listed and traded at `since`: the exchange opened that day.
    """
    found = []
    opened = max(since, FIRST_DATED[coin])
    day = datetime.fromtimestamp(opened / 1000, UTC).date()
    last = datetime.fromtimestamp(until / 1000, UTC).date() + timedelta(days=366)
    while day <= last:
        settles = settlement_class(day)
        if settles and at_eight(day) > opened:
            period, ahead = settles
            # Real listings are some seconds after the hour.
            delay = 10 + int(_die(f"listed {coin}", day) * 30)
            # An eighth is late, 1 % as late as it gets.
            late = (_die(f"late {coin}", day) - 0.865) / 0.125 if late_listings else 0.0
            delay += int(min(max(late, 0.0), 1.0) * _LATEST)
            listed = max(at_eight(day) - ahead * DAY + delay * 1000, opened)
            if listed < until:
                future = dated_future(coin, day, period, listed)
                if late_first_candles and listed > opened:
                    die = _die(f"first trade {coin}", day) if late < 1 else 0.9999  # that is after midnight
                    future = replace(future, waits=first_wait(die))
                found.append(future)
        day += timedelta(days=1)
    return found


def first_wait(die: float) -> int:
    """Whole minutes from a listing to its first trade: 15 at the median, 132 at p90, 544 at most; die in [0, 1)."""
    return int(np.exp(np.interp(die, (0.0, 0.5, 0.9, 1.0), np.log((1.0, 15.0, 132.0, 545.0)))))


_LATEST = 7 * 3600 + 4 * 60 - 40  # seconds after 08:00 UTC that the latest listings happened: 15:04


def _die(name: str, day: date) -> float:
    return float(uniform(seed_of(name), np.array([day.toordinal()]))[0])


def at_eight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 8, tzinfo=UTC).timestamp()) * 1000


def settlement_class(day: date) -> tuple[str, int] | None:
    """(settlement_period, days listed ahead), or None where nothing expires."""
    if day.weekday() != 4:
        return ("day", 4) if day >= FIRST_DAILY else None
    if (day + timedelta(days=7)).month == day.month:
        return "week", 22 if day.year >= 2020 else 15
    return "month", 364 if day.month % 3 == 0 else 92
