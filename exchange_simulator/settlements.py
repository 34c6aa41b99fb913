"""What contracts are settled and delivered at, once a day at 08:00 UTC.

A delivery price is the average of the index over the half hour before, as on the exchange. Of the settlements the
prices agree with the market: the index at 08:00 and the close of the minute before it as the mark; a dated future's
last one is a delivery, at the delivery price. Position, and profit and loss, are invented.
"""

from __future__ import annotations

import numpy as np

from .listings import DAY, HOUR, MINUTE, Listing
from .market import Market
from .noise import seed_of, uniform
from .quotes import open_interest
from .replay import Replay


def delivery_prices(source: Market | Replay, coin: str, days: np.ndarray) -> np.ndarray:
    """The delivery price of each day (since 1970, int64 of any order), USD to the cent, of a coin of less than 1,000 to
    five digits: float64 of the same length."""
    half_hours = np.asarray(days)[:, None] * DAY + 8 * HOUR - np.arange(30, 0, -1) * MINUTE
    ascending, place = np.unique(half_hours.ravel(), return_inverse=True)
    prices = source.index(coin, ascending)[place].reshape(-1, 30).mean(axis=1)
    scale = 10.0 ** np.maximum(2, 4 - np.floor(np.log10(prices)))  # a coin of 1e-5 has a price, too
    return np.rint(prices * scale) / scale


def settlement(source: Market | Replay, listing: Listing, eight: int) -> dict:
    """The row of a contract's settlement at 08:00 UTC of a day (ms), in the recorded rows' order of fields."""
    minute = np.array([eight // MINUTE])
    delivered = not listing.perpetual and eight + MINUTE > listing.expires
    if delivered:
        index = mark = float(delivery_prices(source, listing.priced_as, np.array([eight // DAY]))[0])
    else:
        index = float(source.index(listing.priced_as, eight)[0])
        closes = source.candles(listing, eight - MINUTE, eight - 1)["close"]
        mark = float(closes[-1]) if closes.size else index
    late, profit, session = (
        float(uniform(seed_of(f"{what} {listing.name}"), minute)[0]) for what in ("late", "profit", "session")
    )
    return {
        "position": int(open_interest(listing.name, eight, 5e8 if listing.perpetual else 2e7)),
        "timestamp": eight + 40 + int(late * 800),
        "type": "delivery" if delivered else "settlement",
        "index_price": index,
        "instrument_name": listing.name,
        "mark_price": mark,
        "profit_loss": (profit - 0.5) * 10,
        "session_profit_loss": session * 1e5,
    }
