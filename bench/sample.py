"""A sample of a stored history, value by value: of every contract its first day, its last and one between, of every
perpetual all funding and a day a month; and the basis of the same days."""

from __future__ import annotations

import random
from collections.abc import Iterator

from exchange_simulator import comparison
from exchange_simulator.listings import DAY, Listing
from exchange_simulator.market import Market

from .metric import Metric


def compared(market: Market, rows: comparison.Rows, first: int, past: int) -> Iterator[Metric]:
    """Compares what a warehouse keeps of [first, past) (ms, midnights) with what the market says. Raises Different."""
    drawn = random.Random(2018)
    minutes = hours = basis = 0
    for listing in market.listings():
        begins, ends = max(first, listing.listed), min(past, listing.expires)
        if listing.linear or begins >= ends:
            continue
        for day in days(listing, begins, ends, drawn):
            minutes += comparison.candles(market, rows, listing.name, day, day + DAY)
            if not listing.perpetual:
                basis += comparison.basis(market, rows, listing.name, day, day + DAY)
        if listing.perpetual:
            hours += comparison.funding(market, rows, listing.name, begins, ends)
    yield Metric("sample: minutes, as the exchange says", minutes, "minutes")
    yield Metric("sample: minutes of basis, as they follow from it", basis, "minutes")
    yield Metric("sample: hours of funding, as the exchange says", hours, "hours")


def days(listing: Listing, begins: int, ends: int, drawn: random.Random) -> list[int]:
    """Midnights (ms) of the days to compare."""
    days = list(range(begins // DAY * DAY, ends, DAY))
    between = len(days) // 30 if listing.perpetual else 1
    return sorted({days[0], days[-1], *drawn.sample(days, min(len(days), between))})
