"""Candles as instrument-days: a row an instrument and UTC day, the minutes in arrays."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

import numpy as np
from psycopg import Connection

from . import sql
from .arrays import HEADER, TRAILER, bits, boolean, float8, float8_array, int2, int4
from .ingestion import Ingested, Provenance, lock, record_fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60_000
DAY = 86_400_000
EPOCH_2000 = 10_957  # Postgres counts days from 2000-01-01
COLUMNS = ("open", "high", "low", "close", "volume", "cost")
LEAST, MOST = 1e-50, 1e50  # of what store.price lets through
DEFECTS = ("duplicate", "misaligned", "out_of_order", "out_of_window")


class Candles(Protocol):
    """A whole window of one instrument on the minute grid [start, end), ms.

    open, high, low, close (quote currency), volume (coin), cost (USD): float64 of shape (minutes,); present: bool
    of the same shape; duplicate, misaligned, out_of_order, out_of_window: the ticks (ms) that were wrong on the way.
    """

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def low(self) -> np.ndarray: ...
    @property
    def high(self) -> np.ndarray: ...
    @property
    def close(self) -> np.ndarray: ...
    @property
    def volume(self) -> np.ndarray: ...
    @property
    def cost(self) -> np.ndarray: ...
    @property
    def present(self) -> np.ndarray: ...


def store_candles(connection: Connection, instrument_id: int, candles: Candles, provenance: Provenance) -> Ingested:
    """Adds the instrument-days of a window that differ from what is stored, in the caller's transaction.

    The window must lie on whole minutes and reach to the ends of its days wherever the instrument lived there,
    so that a day is always validated whole. Running it twice, or twice at once, changes nothing more.
    """
    lock(connection, provenance)
    sql.run(connection, "load/stage_candle_day")
    with connection.cursor().copy(sql.statement("load/copy_candle_day")) as copy:
        copy.write(HEADER)
        for row in _days(instrument_id, candles):
            copy.write(row)
        copy.write(TRAILER)
    record_fetched(connection, instrument_id, "candles", candles.start, candles.end)
    return Ingested(**sql.row(connection, "load/merge_candle_day", **provenance.values()))


def fresh_minutes(candles: Candles) -> np.ndarray:
    """Which minutes had trades at the candle's own prices: bool of shape (minutes,).

    Volume and cost may come from trades that are not in open, high, low and close (legs of combos and blocks), and then
    those are old: fresh is volume x low - t <= cost <= volume x high + t, with t the larger of 1 USD (cost is rounded
    to it) and 2 bp of cost. 1,898 of 1,909 recorded minutes with trades are.
    """
    volume, cost = candles.volume, candles.cost
    with np.errstate(over="ignore", invalid="ignore"):
        t = np.maximum(1.0, 2e-4 * cost)
        inside = (volume * candles.low - t <= cost) & (cost <= volume * candles.high + t)
    return candles.present & (volume > 0) & np.isfinite(cost) & inside


def _days(instrument_id: int, candles: Candles) -> Iterator[bytes]:
    start, end = candles.start, candles.end
    columns = [getattr(candles, name) for name in COLUMNS]
    fresh = fresh_minutes(candles)
    # as Postgres compares: NaN is more than any number
    traded = candles.present & ~(candles.volume <= 0)
    calculable = ~candles.present | (candles.close > LEAST) & (candles.close < MOST)
    # a tick outside the window counts against the window's nearest day
    defects = [np.clip(getattr(candles, name), start, end - 1) // DAY for name in DEFECTS]
    for day in range(start // DAY, (end - 1) // DAY + 1):
        begins, ends = max(start, day * DAY), min(end, (day + 1) * DAY)
        minutes = slice((begins - start) // MINUTE, (ends - start) // MINUTE)
        n = minutes.stop - minutes.start
        missing = ~candles.present[minutes]
        counts = [min(int((ticks == day).sum()), 32_767) for ticks in defects]
        if missing.all() and not any(counts):
            continue  # nothing was received of this day: it is missing because it is not there
        first = (begins - day * DAY) // MINUTE
        marks = np.zeros((2, 1440), bool)
        marks[:, first : first + n] = fresh[minutes], traded[minutes]
        with np.errstate(over="ignore", invalid="ignore"):
            turnover = float(np.nansum(candles.cost[minutes], where=~missing))
        yield b"".join((
            struct.pack("!h", 19), int4(instrument_id), int4(day - EPOCH_2000), int2(first),
            int2(n), int2(n - int(missing.sum())), *map(int2, counts),
            *(float8_array(column[minutes], missing) for column in columns), *map(bits, marks),
            boolean(bool(calculable[minutes].all())), float8(turnover),
        ))  # fmt: skip
