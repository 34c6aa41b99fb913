"""`get_tradingview_chart_data`, as the exchange answers it.

[start, end] counts bucket starts; only the newest 5,001 rows come, silently; minutes after an end are filled with
flat candles for ever. Coarser resolutions are made from minutes, a day from 08:00 UTC as on the exchange.
"""

from __future__ import annotations

import numpy as np

from .listings import MINUTE, Listing
from .market import COLUMNS, Market
from .replay import Replay

RESOLUTIONS = {name: int(name) for name in "1 3 5 10 15 30 60 120 180 360 720".split()} | {"1D": 1440}
_OFFSET = {1440: 480}  # minutes after midnight that a bucket starts
_AT_ONCE = 500_000  # minutes aggregated at a time, to bound the memory


def chart(source: Market | Replay, instrument_name: str, start_ms: int, end_ms: int, minutes: int = 1) -> dict:
    """The columns of one answer, without `status`; `minutes` is the resolution. Empty where there is nothing. Of two
    contracts of one name each has its own time."""
    newest = source.traits.chart_rows
    listings = source.listings_of(instrument_name)
    past = [later.listed // MINUTE * MINUTE for later in listings[1:]] + [end_ms + 1]
    pieces = [
        _chart(source, one, start_ms, min(end_ms, until - 1), minutes)
        for one, until in zip(listings, past, strict=True)
    ]
    return {name: np.concatenate([piece[name] for piece in pieces])[-newest:] for name in COLUMNS}


def _chart(source: Market | Replay, listing: Listing, start_ms: int, end_ms: int, minutes: int) -> dict:
    newest = source.traits.chart_rows
    width, offset = minutes * MINUTE, _OFFSET.get(minutes, 0) * MINUTE
    first = max(-(-(start_ms - offset) // width), (listing.first_minute * MINUTE - offset) // width)
    last = (min(end_ms, _told_until(source)) - offset) // width
    if listing.opening is None:  # otherwise there are fewer rows than buckets
        first = max(first, last - newest + 1)
    pieces = []
    per_piece = max(_AT_ONCE // minutes, 1)
    for begin in range(first, last + 1, per_piece):
        until = min(begin + per_piece, last + 1)
        columns = _minutes(source, listing, begin * width + offset, until * width + offset - MINUTE)
        pieces.append(columns if minutes == 1 else _aggregated(columns, width, offset))
    if not pieces:
        pieces = [_minutes(source, listing, 0, -1)]
    columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in COLUMNS}
    if not source.traits.chart_fill:
        columns = {name: column[columns["volume"] > 0] for name, column in columns.items()}
    return columns


def _told_until(source: Market | Replay) -> int:
    """ms: what is younger the chart does not have yet."""
    return source.now_ms - source.traits.chart_lag_ms


def _minutes(source: Market | Replay, listing: Listing, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
    """Candles, and after the end the fill: flat at the last close, volume and cost 0."""
    columns = source.candles(listing, start_ms, end_ms)
    begin = max(start_ms, listing.past_minute * MINUTE)
    end = min(end_ms, _told_until(source))
    if begin > end or not source.traits.fill_after_end:
        return columns
    last = (listing.past_minute - 1) * MINUTE
    close = source.candles(listing, last, last)["close"][-1]
    ticks = np.arange(-(-begin // MINUTE), end // MINUTE + 1) * MINUTE
    fill = {"ticks": ticks} | {name: np.zeros(ticks.size) for name in ("volume", "cost")}
    fill |= {name: np.full(ticks.size, close) for name in ("open", "low", "high", "close")}
    return {name: np.concatenate([columns[name], fill[name]]) for name in COLUMNS}


def _aggregated(columns: dict[str, np.ndarray], width: int, offset: int) -> dict[str, np.ndarray]:
    if not columns["ticks"].size:
        return columns
    bucket = (columns["ticks"] - offset) // width
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    ends = np.append(starts[1:], bucket.size) - 1
    return {
        "volume": np.rint(np.add.reduceat(columns["volume"], starts) * 1e8) / 1e8,
        "ticks": bucket[starts] * width + offset,
        "open": columns["open"][starts],
        "low": np.minimum.reduceat(columns["low"], starts),
        "high": np.maximum.reduceat(columns["high"], starts),
        "cost": np.rint(np.add.reduceat(columns["cost"], starts) * 1e4) / 1e4,
        "close": columns["close"][ends],
    }
