"""Linear contracts: sixty perpetuals and over thirty dated futures in USDC and USDT, with every oddity a catalogue may
have.

Known are only the first funding months of the seventeen in `_FIRST_FUNDING` and the months of extreme funding marked
so in `_EXTRA`; all else is invented: prices from 1e-5 to 4,000, ticks, sizes, ends. The oddities, one of each, all
within weeks of the trait `linear_oddities`; the names of the dated ones are those of its usual value, 2026-09-24:

| contract            | what is odd about it                                                             |
|---------------------|----------------------------------------------------------------------------------|
| ALGO_USDC-PERPETUAL | delisted: gone from the live host's list, on the history host's                  |
| ICP_USDC-PERPETUAL  | dead but listed: its chart goes on flat at volume 0, its funding stops           |
| LUNA_USDC-PERPETUAL | listed twice, half a day later under another id                                  |
| XAUT_USDC-PERPETUAL | follows the index of PAXG, as PAXG's own perpetual does                          |
| TSLAX_USDC-PERPETUAL| an equity with trading hours: weekdays from 13:30 to 20:00 UTC                   |
| SOL_USDC-25SEP26    | expires half a minute after 08:00: the first of SOL to expire after that day     |
| POL_USDC-25DEC26    | a future whose coin has no perpetual                                             |
| BTC_USDT, ETH_USDT  | all that USDT had: delisted, so it has no future any more; EURR never had one    |
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import floor, log10

import numpy as np

from .listings import DAY, HOUR, MINUTE, NEVER, Listing, at_eight, expiry_name, settlement_class


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


# USD, about which the price wanders for ever.
PRICES = {
    "PAXG": 4000.0, "TAO": 380.0, "BNB": 900.0, "BCH": 520.0, "AAVE": 240.0, "LTC": 95.0, "SOL": 170.0, "ZEC": 260.0,
    "TSLAX": 410.0, "AVAX": 24.0, "LINK": 17.0, "UNI": 8.0, "DOT": 4.2, "ATOM": 4.6, "ETC": 19.0, "FIL": 2.4,
    "ICP": 5.1, "NEAR": 2.6, "APT": 4.4, "SUI": 3.3, "TRUMP": 7.7, "HYPE": 38.0, "TON": 2.9, "XRP": 2.6, "OP": 0.71,
    "ARB": 0.42, "INJ": 12.0, "TIA": 1.6, "SEI": 0.28, "ADA": 0.78, "ALGO": 0.22, "HBAR": 0.21, "XLM": 0.36,
    "VET": 0.023, "TRX": 0.33, "DOGE": 0.23, "POL": 0.24, "SAND": 0.27, "MANA": 0.31, "GALA": 0.016, "CHZ": 0.041,
    "CRV": 0.78, "LDO": 1.1, "ENA": 0.58, "ONDO": 0.9, "WLD": 1.2, "JUP": 0.48, "STX": 0.63, "RUNE": 1.2, "FET": 0.6,
    "WIF": 0.8, "FARTCOIN": 0.7, "PENGU": 0.029, "LUNA": 0.15, "LUNC": 0.00006, "FLOKI": 0.00009, "SHIB": 0.0000123,
    "BONK": 0.0000234, "PEPE": 0.00001,
}  # fmt: skip
# Known: the month in which the funding of each begins.
_FIRST_FUNDING = {
    "2022-03": ("SOL", "XRP", "ADA", "AVAX", "DOT"),
    "2022-04": ("UNI", "DOGE", "LINK", "BCH", "LTC", "TRX", "NEAR", "ALGO"),
    "2024-10": ("BNB",),
    "2024-12": ("PAXG",),
    "2025-01": ("TRUMP",),
}
_BORN = {coin: _ms(f"{month}-15T09:00:21") for month, coins in _FIRST_FUNDING.items() for coin in coins}
_BORN_LATER = _ms("2025-03-11T08:12:05")
_NO_PERPETUAL = ("POL",)
# Mean rates of eight hours in a month. All are known.
_EXTRA = {
    "NEAR_USDC-PERPETUAL": ("2023-04-01", "2023-05-01", 0.0120),
    "UNI_USDC-PERPETUAL": ("2024-02-01", "2024-03-01", -0.0061),
    "DOGE_USDC-PERPETUAL": ("2023-03-01", "2023-04-01", -0.0057),
    "BTC_USDT-PERPETUAL": ("2024-04-13T00:00", "2024-04-13T08:00", -0.005165),
}
_EXTRA_OF_ITS_MONTH = "TRUMP_USDC-PERPETUAL", 0.0120  # invented, in the month of the oddities
# In ms after the day of the oddities began: most of them in two days, so that a rehearsal meets them at once.
DELISTED = 16 * HOUR
DIED = DAY + 13 * HOUR
FIRST_LIFE_ENDED, SECOND_LIFE_BEGAN = 20 * HOUR, DAY + 9 * HOUR + 30 * MINUTE + 12_000
USDT_ENDED = -35 * DAY + 8 * HOUR
_DATED = ("BTC", "ETH", "SOL", "XRP")
_FIRST_DATED_EXPIRY = date(2026, 8, 1)


def listings(*, since: int, until: int, oddities: int) -> list[Listing]:
    """All of them but the perpetuals of BTC and ETH in USDC, listed before `until` and not ended before `since`.
    oddities: the first instant of the day of the oddities, ms."""
    every = (*_perpetuals(oddities), *_dated(until, oddities))
    found = [listing for listing in every if listing.listed < until and listing.ends > since]
    return [replace(listing, listed=max(listing.listed, since)) for listing in found]


def _perpetuals(oddities: int) -> list[Listing]:
    made = []
    for place, coin in enumerate(sorted(set(PRICES) - set(_NO_PERPETUAL))):
        born = _BORN.get(coin, _BORN_LATER)
        listing = _linear(f"{coin}_USDC-PERPETUAL", coin, "perpetual", born, NEVER, 5000 + place)
        if coin == "ALGO":
            listing = replace(listing, expires=oddities + DELISTED)
        if coin == "ICP":
            listing = replace(listing, ended=oddities + DIED)
        if coin == "LUNA":
            made.append(replace(listing, expires=oddities + FIRST_LIFE_ENDED))
            listing = replace(listing, listed=oddities + SECOND_LIFE_BEGAN, number=5900)
        if coin == "TSLAX":
            listing = replace(listing, underlying="equity", opening=(13 * 60 + 30, 20 * 60))
        made.append(listing)
    xaut = _linear("XAUT_USDC-PERPETUAL", "PAXG", "perpetual", _BORN_LATER, NEVER, 5901)
    made.append(replace(xaut, coin="XAUT", index_of="PAXG"))
    for coin, number in (("BTC", 5902), ("ETH", 5903)):
        born, ended = _ms("2023-06-01T09:00:10"), oddities + USDT_ENDED
        made.append(replace(_linear(f"{coin}_USDT-PERPETUAL", coin, "perpetual", born, ended, number), quote="USDT"))
    return made


def _dated(until: int, oddities: int) -> list[Listing]:
    made, day = [], _FIRST_DATED_EXPIRY
    last = _day(until) + timedelta(days=366)
    while day <= last:
        settles = settlement_class(day)
        if settles and settles[0] == "month":
            for coin in _DATED:
                number = 700_000 + (day - date(2018, 1, 1)).days * 4 + _DATED.index(coin)
                listed = at_eight(day) - settles[1] * DAY + 15_000
                made.append(_linear(f"{coin}_USDC-{expiry_name(day)}", coin, "month", listed, at_eight(day), number))
        day += timedelta(days=1)
    late = f"SOL_USDC-{expiry_name(_monthly_expiry(_day(oddities)))}"
    made = [replace(one, expires=one.expires + 30_000) if one.name == late else one for one in made]
    alone = _monthly_expiry(_day(oddities) + timedelta(days=92))
    name, listed = f"POL_USDC-{expiry_name(alone)}", at_eight(alone) - 92 * DAY
    made.append(_linear(name, "POL", "month", listed, at_eight(alone), 799_999))
    return made


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def _monthly_expiry(day: date) -> date:
    """The first day from this one on on which monthly or quarterly contracts expire."""
    while (settlement_class(day) or ("",))[0] != "month":
        day += timedelta(days=1)
    return day


def _linear(name: str, coin: str, period: str, listed: int, expires: int, number: int) -> Listing:
    price = {"BTC": 80_000.0, "ETH": 3_000.0}.get(coin) or PRICES[coin]
    tick = _power_of_ten(floor(log10(price * 3e-4)))
    contract = _power_of_ten(-floor(log10(price)))  # worth 1 to 10 USD
    return Listing(name, coin, True, period, listed, expires, tick, contract, number)


def _power_of_ten(exponent: int) -> float:
    """As a decimal would be read: 1e-05 is not ten to the power of -5.0 in floats."""
    return float(f"1e{exponent}")


def index_steps(coin: str) -> int:
    """In how many parts of a USD its index is told: six figures."""
    return 10 ** max(2, 5 - floor(log10(PRICES[coin])))


def open_at(listing: Listing, minutes: np.ndarray) -> np.ndarray:
    """Which minutes (since 1970) are in the contract's trading hours."""
    assert listing.opening, "asked of contracts that have trading hours"
    opens, closes = listing.opening
    weekday = (minutes // 1440 + 3) % 7  # 1970 began on a Thursday
    return (weekday < 5) & (minutes % 1440 >= opens) & (minutes % 1440 < closes)


def extra_interest(name: str, hours: np.ndarray, oddities: int) -> np.ndarray | float:
    """What an hour (told by its end, since 1970) paid beyond the usual."""
    if name in _EXTRA:
        begins, ends, eight_hours = _EXTRA[name]
    elif name == _EXTRA_OF_ITS_MONTH[0]:
        first = _day(oddities).replace(day=1)
        begins, ends = str(first), str((first + timedelta(days=31)).replace(day=1))
        eight_hours = _EXTRA_OF_ITS_MONTH[1]
    else:
        return 0.0
    return np.where((hours > _ms(begins) // HOUR) & (hours <= _ms(ends) // HOUR), eight_hours / 8, 0.0)
