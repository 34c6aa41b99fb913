"""The recorded exchange: real minutes and funding rows, read from a directory and never copied.

The directory holds `candles_1m.csv` and `funding_btc_perpetual.json`. What was recorded comes back value for value.
Between recorded minutes, and after the last, minutes are flat at the previous recorded close with volume 0; before
the first they are flat at its open. Funding is the recorded rows and nothing else, holes included.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from .clock import Clock
from .listings import BIRTHS, DAY, MINUTE, Listing, dated_future, expiry_of, perpetual
from .market import COLUMNS, FUNDING_COLUMNS
from .options import OptionChain
from .traits import Traits


class Replay:
    """The same questions as `Market` answers, answered from recorded data. Times are ms, units as recorded.

    `now_ms` freezes the clock; None is one day after the last recorded minute. `traits` of the answers hold, those of
    the market don't: it is the recorded one. FileNotFoundError if a file is missing.
    """

    def __init__(self, directory: Path | str, now_ms: int | None = None, traits: Traits | None = None) -> None:
        directory = Path(directory)
        self.traits = traits or Traits()
        self._candles = _read_candles(directory / "candles_1m.csv")
        self._funding = _read_funding(directory / "funding_btc_perpetual.json")
        last_minute = max(int(columns["ticks"][-1]) for columns in self._candles.values())
        self.clock = Clock(last_minute + DAY if now_ms is None else now_ms)
        self._listings = {name: _listing(name, columns) for name, columns in self._candles.items()}
        coins = {listing.coin for listing in self._listings.values()}
        self.currencies = tuple(sorted(coins))
        self.since_ms = min(listing.listed for listing in self._listings.values())

    @property
    def now_ms(self) -> int:
        """What the clock says."""
        return self.clock.now_ms

    def listings(self) -> list[Listing]:
        """The recorded contracts that are listed by now."""
        return [listing for listing in self._listings.values() if listing.listed <= self.now_ms]

    def listing(self, instrument_name: str) -> Listing | None:
        listing = self._listings.get(instrument_name)
        return listing if listing and listing.listed <= self.now_ms else None

    def listings_of(self, instrument_name: str) -> list[Listing]:
        """The one contract of that name, or none."""
        listing = self.listing(instrument_name)
        return [listing] if listing else []

    def option_chains(self) -> list[OptionChain]:
        """None: no option candles were recorded."""
        return []

    def instruments(self, kind: str | None = None) -> list[dict]:
        return [listing.row(self.now_ms) for listing in self.listings()] if kind in (None, "future") else []

    def index(self, currency: str, instants_ms: np.ndarray | int) -> np.ndarray:
        """The perpetual's close at each instant (ms) as a stand-in: no index was recorded at every minute."""
        instants = np.atleast_1d(np.asarray(instants_ms, dtype=np.int64))
        recorded = self._candles[f"{currency}-PERPETUAL"]
        place = np.searchsorted(recorded["ticks"], instants, side="right") - 1
        return np.where(place < 0, recorded["open"][0], recorded["close"][np.maximum(place, 0)])

    def candles(self, instrument: str | Listing, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
        """As `Market.candles`: ticks in [start_ms, end_ms] inside the life of the contract, by now."""
        instrument_name = instrument.name if isinstance(instrument, Listing) else instrument
        listing = self.listing(instrument_name)
        if listing is None:
            raise KeyError(f"{instrument_name}: no such instrument was recorded")
        recorded = self._candles[instrument_name]
        first = max(-(-start_ms // MINUTE), listing.first_minute)
        last = min(end_ms // MINUTE, self.now_ms // MINUTE, listing.expires // MINUTE - 1)
        ticks = np.arange(first, max(last + 1, first)) * MINUTE
        place = np.searchsorted(recorded["ticks"], ticks, side="right") - 1
        before = place < 0
        place[before] = 0
        known = (recorded["ticks"][place] == ticks) & ~before
        flat = np.where(before, recorded["open"][0], recorded["close"][place])
        columns = {name: np.where(known, recorded[name][place], 0.0) for name in ("volume", "cost")}
        columns |= {name: np.where(known, recorded[name][place], flat) for name in ("open", "low", "high", "close")}
        columns["ticks"] = ticks
        return {name: columns[name] for name in COLUMNS}

    def recorded_candles(self, instrument_name: str) -> dict[str, np.ndarray]:
        """The minutes that were recorded, and none between them: columns as of candles(). KeyError for another name."""
        return self._candles[instrument_name]

    def closes(self, listing: Listing, minutes: np.ndarray) -> np.ndarray:
        """As `Market.closes`."""
        found = [self.candles(listing, minute * MINUTE, minute * MINUTE)["close"] for minute in minutes.tolist()]
        return np.array([close[0] if close.size else np.nan for close in found])

    def funding(
        self, instrument: str | Listing, start_ms: int, end_ms: int, newest: int | None = None
    ) -> dict[str, np.ndarray]:
        """As `Market.funding`: recorded rows with timestamp in (start_ms, end_ms], all or the `newest`."""
        instrument_name = instrument.name if isinstance(instrument, Listing) else instrument
        if self.listing(instrument_name) is None:
            raise KeyError(f"{instrument_name}: no such instrument was recorded")
        times = self._funding["timestamp"]
        known = self._funding["instrument_name"] == instrument_name
        end = int(np.searchsorted(times, min(end_ms, self.now_ms), side="right")) if known else 0
        start = int(np.searchsorted(times, start_ms, side="right"))
        if newest is not None:
            start = max(start, end - newest)
        return {name: self._funding[name][start : max(end, start)] for name in FUNDING_COLUMNS}

    def funding_value(self, instrument: str | Listing, start_ms: int, end_ms: int) -> float:
        """As `Market.funding_value`, of the recorded rows: where one is missing, so is its share."""
        rows = self.funding(instrument, start_ms, end_ms)
        before = np.where(np.isnan(rows["prev_index_price"]), rows["index_price"], rows["prev_index_price"])
        return float(before[0] * np.sum(rows["interest_1h"] / before)) if before.size else 0.0


def _listing(name: str, columns: dict[str, np.ndarray]) -> Listing:
    """Births of perpetuals are known; a dated future counts as listed at 00:00 UTC of its first recorded day."""
    coin = name.split("-")[0]
    if name in BIRTHS:
        return perpetual(coin)
    expires = expiry_of(name)
    listed = int(columns["ticks"][0]) // DAY * DAY
    day = datetime.fromtimestamp(expires / 1000, UTC).date()
    next_week = day + timedelta(days=7)
    return dated_future(coin, day, "week" if next_week.month == day.month else "month", listed)


def _read_candles(path: Path) -> dict[str, dict[str, np.ndarray]]:
    rows: dict[str, list[dict]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["instrument_name"], []).append(row)
    found = {}
    for name, recorded in rows.items():
        recorded.sort(key=lambda row: int(row["tick_ms"]))
        found[name] = {
            column: np.array([float(row[column]) for row in recorded]) for column in COLUMNS if column != "ticks"
        } | {"ticks": np.array([int(row["tick_ms"]) for row in recorded])}
    return found


def _read_funding(path: Path) -> dict:
    recorded = json.loads(path.read_text())
    rows = sorted(recorded["rows"], key=lambda row: row["timestamp"])
    return {"instrument_name": recorded["instrument_name"]} | {
        name: np.array([row[name] for row in rows]) for name in FUNDING_COLUMNS
    }
