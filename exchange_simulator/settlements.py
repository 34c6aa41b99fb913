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


def settlements(source: Market | Replay, listing: Listing, eights: np.ndarray) -> list[dict]:
    """The rows of a contract's settlements at 08:00 UTC of some days (ms, ascending), in the recorded rows' order of
    fields."""
    minutes = eights // MINUTE
    index = source.index(listing.priced_as, eights)
    mark = source.closes(listing, minutes - 1)
    mark = np.where(np.isnan(mark), index, mark)
    delivered = (eights + MINUTE > listing.expires) & (not listing.perpetual)
    if delivered.any():
        index[delivered] = mark[delivered] = delivery_prices(source, listing.priced_as, eights[delivered] // DAY)
    late, profit, session = (
        uniform(seed_of(f"{what} {listing.name}"), minutes) for what in ("late", "profit", "session")
    )
    position = open_interest(listing.name, eights, 5e8 if listing.perpetual else 2e7)
    return [
        {
            "position": int(position[n]),
            "timestamp": int(eights[n]) + 40 + int(late[n] * 800),
            "type": "delivery" if delivered[n] else "settlement",
            "index_price": float(index[n]),
            "instrument_name": listing.name,
            "mark_price": float(mark[n]),
            "profit_loss": float(profit[n] - 0.5) * 10,
            "session_profit_loss": float(session[n]) * 1e5,
        }
        for n in range(eights.size)
    ]
