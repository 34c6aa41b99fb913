"""Quotes as of now: tickers and book summaries of futures, and of options with their greeks.

Options are priced by Black (1976) on the future of the same expiry with an invented smile. Greeks are of this moment
only, as on the exchange.
"""

from __future__ import annotations

from copy import copy
from math import exp, floor, log10
from statistics import NormalDist
from typing import TypeVar

import numpy as np

from .clock import Clock
from .listings import DAY, Listing
from .market import Market
from .noise import seed_of, uniform, value_noise
from .options import OptionChain
from .replay import Replay

_YEAR = 365 * DAY
Source = TypeVar("Source", bound=Market | Replay)


def standing(source: Source, now_ms: int) -> Source:
    """The same market with a clock that stands at an instant (ms); that of the given one goes on."""
    still = copy(source)
    still.clock = Clock(now_ms)
    return still


def _today(source: Market | Replay, listing: Listing) -> dict:
    """What the last 24 hours were: last, high, low, price_change (percent), volume (coin), volume_usd."""
    now = source.now_ms
    candles = source.candles(listing.name, now - DAY, now)
    if not candles["close"].size:
        return {"last": None, "high": None, "low": None, "price_change": None, "volume": 0.0, "volume_usd": 0.0}
    first, last = float(candles["open"][0]), float(candles["close"][-1])
    return {
        "last": last,
        "high": float(candles["high"].max()),
        "low": float(candles["low"].min()),
        "price_change": round((last / first - 1) * 100, 4),
        "volume": round(float(candles["volume"].sum()), 8),
        "volume_usd": round(float(candles["cost"].sum()), 2),
    }


def _index(source: Market | Replay, coin: str, now: int) -> float:
    return float(source.index(coin, now)[0])


def _mark(source: Market | Replay, listing: Listing) -> float:
    """The mark price: here the close of the minute that is under way."""
    closes = source.candles(listing.name, source.now_ms - 10 * 60_000, source.now_ms)["close"]
    return float(closes[-1]) if closes.size else _index(source, listing.priced_as, source.now_ms)


def open_interest(name: str, instants: np.ndarray, scale: float) -> np.ndarray:
    """At each instant (ms), in the contract's own unit: float64 of the same length."""
    return np.floor(scale * (1.1 + value_noise(seed_of(f"open interest {name}"), instants // 3_600_000, 200)))


def _digits(listing: Listing) -> int:
    """Decimals of a mark price: two, and as many as the tick has where a price is a small part of a USD."""
    return max(2, -floor(log10(listing.tick)))


def future_ticker(source: Market | Replay, listing: Listing) -> dict:
    """The `ticker` of a perpetual or a dated future that is open. Its index is that of its timestamp."""
    now, today = source.now_ms, _today(source, listing)
    index = _index(source, listing.priced_as, now)
    digits = _digits(listing)
    mark = today["last"] or index
    ticker = {
        "timestamp": now,
        "state": "open",
        "stats": {
            "high": today["high"],
            "low": today["low"],
            "price_change": today["price_change"],
            "volume": today["volume"],
            "volume_usd": today["volume_usd"],
            "volume_notional": today["volume_usd"],
        },
        "index_price": index,
        "instrument_name": listing.name,
        "last_price": today["last"],
        "settlement_price": round(mark, digits),
        "min_price": round(mark * 0.985, digits),
        "max_price": round(mark * 1.015, digits),
        "open_interest": int(open_interest(listing.name, np.array([now]), 5e8 if listing.perpetual else 2e7)[0]),
        "mark_price": round(mark, digits),
    }
    if listing.perpetual:
        funding = source.funding(listing.name, 0, now, newest=1)
        rate = float(funding["interest_8h"][-1]) if funding["interest_8h"].size else 0.0
        ticker |= {"interest_value": rate * 100, "current_funding": rate / 8}
    ticker["estimated_delivery_price"] = index
    if listing.perpetual:
        ticker["funding_8h"] = rate
    return ticker | {
        "best_ask_price": round(mark + listing.tick, digits + 2),
        "best_bid_price": round(mark - listing.tick, digits + 2),
        "best_ask_amount": 250 * listing.contract,
        "best_bid_amount": 400 * listing.contract,
    }


def book_summaries(source: Market | Replay, currency: str, kind: str | None) -> list[dict]:
    """`get_book_summary_by_currency`: a row for each open instrument listed under a currency, all of one moment, as on
    the exchange."""
    now = source.now_ms
    source = standing(source, now)
    rows = []
    if kind in (None, "future"):
        rows += [
            _future_summary(source, listing)
            for listing in source.listings()
            if listing.currency == currency and listing.expires > now
        ]
    if kind in (None, "option"):
        rows += [
            _option_summary(ticker, chain)
            for chain in source.option_chains()
            if chain.currency == currency and chain.expires > now
            for ticker in option_tickers(source, chain)
        ]
    return rows


def _future_summary(source: Market | Replay, listing: Listing) -> dict:
    ticker = future_ticker(source, listing)
    today = ticker["stats"]
    summary = {
        "high": today["high"],
        "low": today["low"],
        "last": ticker["last_price"],
        "instrument_name": listing.name,
        "bid_price": ticker["best_bid_price"],
        "ask_price": ticker["best_ask_price"],
        "open_interest": ticker["open_interest"],
        "mark_price": ticker["mark_price"],
        "creation_timestamp": ticker["timestamp"],
        "estimated_delivery_price": ticker["estimated_delivery_price"],
        "price_change": today["price_change"],
        "volume": today["volume"],
        "base_currency": listing.coin,
        "quote_currency": listing.quoted_in,
        "volume_usd": today["volume_usd"],
        "volume_notional": today["volume_usd"],
        "mid_price": round((ticker["best_bid_price"] + ticker["best_ask_price"]) / 2, _digits(listing) + 2),
    }
    if listing.perpetual:
        summary |= {"funding_8h": ticker["funding_8h"], "current_funding": ticker["current_funding"]}
    return summary


def _option_summary(ticker: dict, chain: OptionChain) -> dict:
    bid, ask = ticker["best_bid_price"] or None, ticker["best_ask_price"] or None
    return {
        "high": ticker["stats"]["high"],
        "low": ticker["stats"]["low"],
        "last": ticker["last_price"],
        "instrument_name": ticker["instrument_name"],
        "bid_price": bid,
        "ask_price": ask,
        "open_interest": ticker["open_interest"],
        "mark_price": ticker["mark_price"],
        "creation_timestamp": ticker["timestamp"],
        "estimated_delivery_price": ticker["estimated_delivery_price"],
        "price_change": ticker["stats"]["price_change"],
        "volume": ticker["stats"]["volume"],
        "base_currency": chain.coin,
        "quote_currency": chain.currency,
        "volume_usd": ticker["stats"]["volume_usd"],
        "mid_price": round((bid + ask) / 2, 8) if bid and ask else None,
        "mark_iv": ticker["mark_iv"],
        "underlying_price": ticker["underlying_price"],
        "underlying_index": ticker["underlying_index"],
        "interest_rate": ticker["interest_rate"],
    }


def option_tickers(source: Market | Replay, chain: OptionChain, only: str | None = None) -> list[dict]:
    """The `ticker` of every option of a chain, or of the one named `only`. Prices are in coin, of linear options in
    USDC, volatilities in percent. Those of bid and ask are the ones their prices stand for; they are of the named one
    only, because a summary does not have them and each is looked for."""
    now = source.now_ms
    index, forward = _index(source, chain.coin, now), _mark(source, chain.future)
    names = [(name, strike, side) for name, strike, side in chain.names() if only in (None, name)]
    strikes = np.array([chain.usd(strike) for _, strike, _ in names])
    unit = forward if chain.future.linear else 1.0  # what a price of one coin is in the currency they are quoted in
    tick = chain.tick
    call = np.array([side == "C" for _, _, side in names])
    years = max(chain.expires - now, 1000) / _YEAR

    moneyness = np.log(strikes / forward)
    level = value_noise(seed_of(f"volatility {chain.coin}"), np.array([now // 60_000]), 40 * 1440)[0]
    volatility = 0.55 + 0.15 * level - 0.12 * moneyness + 0.5 * moneyness**2 / (1 + np.abs(moneyness) * 2)
    deviation = volatility * years**0.5
    d1 = -moneyness / deviation + deviation / 2
    density = np.exp(-(d1**2) / 2) / (2 * np.pi) ** 0.5
    price_of_call = forward * _normal(d1) - strikes * _normal(d1 - deviation)
    price = np.where(call, price_of_call, price_of_call - forward + strikes) / forward
    delta = np.where(call, _normal(d1), _normal(d1) - 1)
    gamma = density / (forward * deviation)
    vega = forward * density * years**0.5 / 100
    # of a day, or what is left of it, and never more than the option is worth
    decay = forward * density * volatility / (2 * years**0.5) / 365 * min(years * 365, 1)
    theta = -np.minimum(decay, np.maximum(price, 0) * forward)
    rho = np.where(call, 1, -1) * strikes * years * _normal(np.where(call, 1, -1) * (d1 - deviation)) / 100

    whole = np.array([strike for _, strike, _ in names], dtype=np.int64)
    dice = uniform(seed_of(f"quotes {chain.future.name}"), whole * 2 + call)
    price *= unit
    spread = tick + 0.02 * price
    rows = []

    def stands_for(quoted: float, place: int) -> float:
        """The volatility of a quoted price, in percent; 0.0 where there is none."""
        if not quoted or only is None:
            return 0.0
        return round(implied(quoted / unit, bool(call[place]), float(moneyness[place]), years) * 100, 2)

    for place, (name, _, _) in enumerate(names):
        mark, iv = round(max(float(price[place]), 0.0), 4), round(float(volatility[place]) * 100, 2)
        bid = max(np.floor((mark - spread[place]) / tick) * tick, 0.0) if dice[place] > 0.1 else 0.0
        ask = np.ceil((mark + spread[place]) / tick) * tick if dice[place] > 0.05 else 0.0
        traded = dice[place] > 0.6
        volume = round(float(dice[place]) * 12, 1) if traded else 0.0
        rows.append(
            {
                "timestamp": now,
                "state": "open",
                "stats": {
                    "high": mark if traded else None,
                    "low": mark if traded else None,
                    "price_change": 0.0 if traded else None,
                    "volume": volume,
                    "volume_usd": round(volume * mark * index / unit, 2),
                },
                "greeks": {
                    "delta": round(float(delta[place]), 5),
                    "gamma": round(float(gamma[place]), 5),
                    "vega": round(float(vega[place]), 5),
                    "theta": round(float(theta[place]), 5),
                    "rho": round(float(rho[place]), 5),
                },
                "index_price": index,
                "instrument_name": name,
                "last_price": mark if traded else None,
                "settlement_price": mark,
                "min_price": round(max(mark - 0.03 * unit, tick), 4),
                "max_price": round(mark + 0.03 * unit, 4),
                "open_interest": round(float(dice[place]) * 900, 1) if dice[place] > 0.2 else 0.0,
                "mark_price": mark,
                "interest_rate": 0.0,
                "estimated_delivery_price": index,
                "best_ask_price": round(float(ask), 4),
                "best_bid_price": round(float(bid), 4),
                "mark_iv": iv,
                "bid_iv": stands_for(round(float(bid), 4), place),
                "ask_iv": stands_for(round(float(ask), 4), place),
                "underlying_price": round(forward, 4),
                "underlying_index": chain.future.name,
                "best_ask_amount": round(1 + float(dice[place]) * 50, 1) if ask else 0.0,
                "best_bid_amount": round(1 + float(dice[place]) * 40, 1) if bid else 0.0,
            }
        )
    return rows


EXACT = NormalDist()
LARGEST_IV = 5.0
"""As a fraction a year: what a price that is too high for any stands for."""


def implied(price: float, call: bool, moneyness: float, years: float) -> float:
    """The volatility at which Black-76 gives a price, as a fraction a year, up to LARGEST_IV; 0.0 where the price is
    not above what exercising is worth. price: as a part of the forward. moneyness: ln(strike / forward)."""
    low, high = 0.0, LARGEST_IV
    if price <= max((1 if call else -1) * (1 - exp(moneyness)), 0.0):
        return 0.0
    for _ in range(40):  # to 5e-12
        middle = (low + high) / 2
        deviation = middle * years**0.5
        d1 = -moneyness / deviation + deviation / 2
        worth = EXACT.cdf(d1) - exp(moneyness) * EXACT.cdf(d1 - deviation)
        if (worth if call else worth - 1 + exp(moneyness)) < price:
            low = middle
        else:
            high = middle
    return high


def _normal(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution function (Abramowitz and Stegun 26.2.17, good to 1e-7)."""
    t = 1 / (1 + 0.2316419 * np.abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5 * series
    return np.where(x >= 0, 1 - upper, upper)
