"""Things that go wrong on demand. `POST /simulator/faults` takes a JSON list of objects, each with a `kind`.

Transport faults hit the next matching call and are spent after `times` (default 1). `method` and `instrument` narrow
what matches; without them every public call does. With `share` (0 to 1) they hit that share of what matches, here and
there.

| kind        | more fields                | what the client sees                                                 |
|-------------|----------------------------|----------------------------------------------------------------------|
| latency     | milliseconds (1000)        | the right answer, late                                               |
| reset       |                            | the connection dropped before a byte came                            |
| truncated   |                            | a body that stops half way, shorter than its Content-Length          |
| corrupt     |                            | a whole body that is not JSON, status 200                            |
| http_status | status (503)               | that status with a bare HTML body, as a proxy sends                  |
| maintenance |                            | 11051 or an empty 502, in turn                                       |
| error_code  | code (11051), status (400) | that error; -32602 with reason (instrument not found) and param      |

Value faults change 1-minute candles whose tick is in [from, to) (ms or ISO, default always) of `instrument`
(default every one), in every answer until they are cleared.

| kind                | what becomes of the minutes                                                               |
|---------------------|-------------------------------------------------------------------------------------------|
| negative_price      | open, high, low, close negated                                                            |
| zero_price          | open, high, low, close 0                                                                  |
| null_price          | open, high, low, close null                                                               |
| vanishing_price     | untraded, open, high, low, close 1e-60: more than 0, and nothing to calculate with        |
| infinite            | close and high the literal 1e999                                                          |
| high_below_low      | high and low change places where they differ; where they don't, high is 1 % under low     |
| close_above_high    | close is 1 % above high                                                                   |
| negative_volume     | volume negated, or -1 where it was 0                                                      |
| negative_cost       | cost negated, or -1 where it was 0                                                        |
| cost_times_100      | cost a hundred times too large                                                            |
| volume_without_cost | cost 0; where nothing was traded, volume 1                                                |
| untraded_not_flat   | volume and cost 0, high 0.1 % above and low 0.1 % below the close                         |
| stale_fill          | untraded minutes flat at 1 % above the previous close                                     |
| half_volume         | half of what traded, volume and cost: as a minute is told before it is corrected          |
| spike               | one traded minute (the first in the window) x1.5, the next as before; cost goes along     |
| far_from_index      | every price x2; cost goes along, so that only the distance is wrong                       |
| doubled_minute      | each comes twice                                                                          |
| misaligned_minute   | ticks 7 s late                                                                            |
| missing_minutes     | they are not there                                                                        |
| shuffled_order      | they come in descending order                                                             |
| outside_window      | a row of the minute before the asked start comes first                                    |
| first_missing       | a candle that starts exactly at the asked start is left out (as one client reported)      |

Funding faults change the rows with timestamp in [from, to) in the same way.

| kind               | what becomes of the rows                                                                   |
|--------------------|--------------------------------------------------------------------------------------------|
| missing_hour       | they are not there                                                                         |
| funding_beyond_cap | interest_1h 0.02, interest_8h 0.16                                                         |
| off_hour           | timestamps 7 minutes late                                                                  |

Summary faults change the rows of book summaries of `instrument` (default every one); `param` is the field.

| kind               | what becomes of the rows                                                                   |
|--------------------|--------------------------------------------------------------------------------------------|
| summary_null       | the field is null                                                                          |
| summary_negated    | the field is negated                                                                       |
| summary_missing    | they are not there                                                                         |

Ticker faults change the tickers of `instrument` (default every option's).

| kind               | what becomes of the ticker                                                                 |
|--------------------|--------------------------------------------------------------------------------------------|
| ticker_doubled     | the field `param` of it or of its greeks is twice what it is                               |
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import orjson

from .listings import MINUTE, NEVER, Listing
from .noise import seed_of, uniform

TRANSPORT = ("latency", "reset", "truncated", "corrupt", "http_status", "maintenance", "error_code")
CANDLES = (
    "negative_price", "zero_price", "null_price", "vanishing_price", "infinite", "high_below_low", "close_above_high",
    "negative_volume", "negative_cost", "cost_times_100", "volume_without_cost", "untraded_not_flat", "stale_fill",
    "half_volume", "spike", "far_from_index", "doubled_minute", "misaligned_minute", "missing_minutes",
    "shuffled_order", "outside_window", "first_missing",
)  # fmt: skip
FUNDING = ("missing_hour", "funding_beyond_cap", "off_hour")
SUMMARIES = ("summary_null", "summary_negated", "summary_missing")
TICKERS = ("ticker_doubled",)
KINDS = TRANSPORT + CANDLES + FUNDING + SUMMARIES + TICKERS
_PRICES = ("open", "low", "high", "close")
_HITS = seed_of("faults")  # which calls a fault hits that hits a share of them
_INFINITE = 1.2345678901234e300  # stands in the column for a number JSON can write and a double can't hold
_FIELDS = {
    "kind", "method", "instrument", "times", "share", "from", "to", "milliseconds", "status", "code", "reason", "param",
}  # fmt: skip


@dataclass
class Fault:
    """One row of the tables above. `start` and `end` are ms; `times` is what a transport fault has left."""

    number: int
    kind: str
    method: str | None = None
    instrument: str | None = None
    times: int = 1
    share: float = 1.0
    start: int = 0
    end: int = NEVER
    milliseconds: int = 1000
    status: int | None = None
    code: int = 11051
    reason: str | None = None
    param: str | None = None

    def as_row(self) -> dict:
        row = {"number": self.number, "kind": self.kind, "instrument": self.instrument}
        if self.kind in TRANSPORT:
            return row | {"method": self.method, "times": self.times}
        return row | {"from": self.start, "to": self.end}


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)
        self._calls = 0
        self.served: Callable[[str], None] = lambda kind: None

    def add(self, wanted: list[dict]) -> list[dict]:
        """Take in a list as posted, all or none; ValueError says what is wrong with it."""
        if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
            raise ValueError("send a JSON list of objects, each with a kind")
        added = [self._fault(one) for one in wanted]
        self._faults += added
        return [fault.as_row() for fault in added]

    def clear(self) -> None:
        self._faults.clear()

    def rows(self) -> list[dict]:
        return [fault.as_row() for fault in self._faults]

    def _fault(self, one: dict) -> Fault:
        kind = one.get("kind")
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
        if unknown := set(one) - _FIELDS:
            raise ValueError(f"{kind}: no such field {', '.join(sorted(unknown))}; fields are {', '.join(_FIELDS)}")
        if not 0 < one.get("share", 1) <= 1:
            raise ValueError(f"{kind}: share is {one['share']}; it must be more than 0 and at most 1")
        given = {name: value for name, value in one.items() if name not in ("from", "to")}
        return Fault(
            next(self._numbers), **given, start=milliseconds(one.get("from", 0)), end=milliseconds(one.get("to", NEVER))
        )

    def on_call(self, method: str, instrument: str | None) -> list[Fault]:
        """The transport faults this call meets, each counted as used."""
        self._calls += 1
        met = [
            fault
            for fault in self._faults
            if fault.kind in TRANSPORT and fault.method in (None, method) and fault.instrument in (None, instrument)
            and (fault.share == 1 or uniform(_HITS, np.array([self._calls]))[0] < fault.share)
        ]  # fmt: skip
        for fault in met:
            fault.times -= 1
            self.served(fault.kind)
        self._faults = [fault for fault in self._faults if fault.kind not in TRANSPORT or fault.times > 0]
        return met

    def on_candles(
        self, listing: Listing, columns: dict, asked_start: int
    ) -> tuple[dict, Callable[[bytes], bytes] | None]:
        """The columns with what is wrong with them, and what must be done to the JSON text if that is needed."""
        patch = None
        for fault in self._on(listing, CANDLES):
            hit = (columns["ticks"] >= fault.start) & (columns["ticks"] < fault.end)
            if not hit.any():
                continue
            columns = {name: column.copy() for name, column in columns.items()}
            columns = _SPOILED[fault.kind](columns, hit, asked_start)
            self.served(fault.kind)
            if fault.kind == "infinite":
                patch = _write_infinity
        return columns, patch

    def on_funding(self, listing: Listing, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for fault in self._on(listing, FUNDING):
            hit = (columns["timestamp"] >= fault.start) & (columns["timestamp"] < fault.end)
            if not hit.any():
                continue
            columns = {name: column.copy() for name, column in columns.items()}
            if fault.kind == "missing_hour":
                columns = {name: column[~hit] for name, column in columns.items()}
            elif fault.kind == "funding_beyond_cap":
                columns["interest_1h"][hit], columns["interest_8h"][hit] = 0.02, 0.16
            else:
                columns["timestamp"][hit] += 7 * MINUTE
            self.served(fault.kind)
        return columns

    def on_summaries(self, rows: list[dict]) -> list[dict]:
        for fault in self._faults:
            if fault.kind not in SUMMARIES:
                continue
            hit = [fault.instrument in (None, row["instrument_name"]) for row in rows]
            if not any(hit):
                continue
            if fault.kind == "summary_missing":
                rows = [row for row, is_hit in zip(rows, hit, strict=True) if not is_hit]
            else:
                rows = [_with_field(row, fault) if is_hit else row for row, is_hit in zip(rows, hit, strict=True)]
            self.served(fault.kind)
        return rows

    def on_option_ticker(self, ticker: dict) -> dict:
        for fault in self._faults:
            if fault.kind not in TICKERS or fault.instrument not in (None, ticker["instrument_name"]):
                continue
            if fault.param in ticker["greeks"]:
                greeks = ticker["greeks"] | {fault.param: 2 * ticker["greeks"][fault.param]}
                ticker = ticker | {"greeks": greeks}
            else:
                ticker = ticker | {fault.param: 2 * ticker[fault.param]}
            self.served(fault.kind)
        return ticker

    def _on(self, listing: Listing, kinds: tuple[str, ...]) -> list[Fault]:
        return [fault for fault in self._faults if fault.kind in kinds and fault.instrument in (None, listing.name)]


def _with_field(row: dict, fault: Fault) -> dict:
    value = row.get(fault.param)
    return row | {fault.param: None if fault.kind == "summary_null" or value is None else -value}


def milliseconds(when: int | str) -> int:
    """ms since 1970 of ms or of an ISO time, UTC unless it says otherwise."""
    if isinstance(when, int):
        return when
    instant = datetime.fromisoformat(when)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


def _write_infinity(body: bytes) -> bytes:
    return body.replace(orjson.dumps(_INFINITE), b"1e999")


# -- what each kind does to the columns (already a copy) where `hit` is true -------------------------------------------


def _scaled(factor: float, *names: str) -> Callable:
    def spoil(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
        for name in names:
            columns[name][hit] *= factor
        return columns

    return spoil


def _set(value: float, *names: str) -> Callable:
    def spoil(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
        for name in names:
            columns[name][hit] = value
        return columns

    return spoil


def _negated(name: str) -> Callable:
    def spoil(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
        columns[name][hit] = np.where(columns[name][hit] == 0, -1.0, -columns[name][hit])
        return columns

    return spoil


def _rows(choose: Callable[[np.ndarray], np.ndarray]) -> Callable:
    """Keeps, repeats or reorders rows: `choose` maps `hit` to the row numbers to send."""

    def spoil(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
        chosen = choose(hit)
        return {name: column[chosen] for name, column in columns.items()}

    return spoil


def _high_below_low(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    high, low = columns["high"][hit], columns["low"][hit]
    columns["high"][hit], columns["low"][hit] = np.where(high == low, low * 0.99, low), high
    return columns


def _close_above_high(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    columns["close"][hit] = columns["high"][hit] * 1.01
    return columns


def _volume_without_cost(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    columns["volume"][hit & (columns["volume"] == 0)] = 1.0
    columns["cost"][hit] = 0.0
    return columns


def _untraded_not_flat(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    columns["volume"][hit] = columns["cost"][hit] = 0.0
    columns["high"][hit], columns["low"][hit] = columns["close"][hit] * 1.001, columns["close"][hit] * 0.999
    return columns


def _vanishing_price(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    return _set(1e-60, *_PRICES)(_set(0.0, "volume", "cost")(columns, hit, asked_start), hit, asked_start)


def _stale_fill(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    return _scaled(1.01, *_PRICES)(columns, hit & (columns["volume"] == 0), asked_start)


def _spike(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    traded = hit & (columns["volume"] > 0)
    # Where possible one that is followed by a traded minute: a fill after the spike would be wrong too.
    followed = traded & np.append(columns["volume"][1:] > 0, False)
    one = np.flatnonzero(followed if followed.any() else traded if traded.any() else hit)[:1]
    return _scaled(1.5, *_PRICES, "cost")(columns, one, asked_start)


def _misaligned(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    columns["ticks"][hit] += 7000
    return columns


def _shuffled(hit: np.ndarray) -> np.ndarray:
    order = np.arange(hit.size)
    order[hit] = order[hit][::-1]
    return order


def _outside_window(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    columns = _rows(lambda rows: np.insert(np.arange(rows.size), 0, 0))(columns, hit, asked_start)
    columns["ticks"][0] = (-(-asked_start // MINUTE) - 1) * MINUTE
    return columns


def _first_missing(columns: dict, hit: np.ndarray, asked_start: int) -> dict:
    keep = columns["ticks"] != asked_start
    return {name: column[keep] for name, column in columns.items()}


_SPOILED: dict[str, Callable[[dict, np.ndarray, int], dict]] = {
    "negative_price": _scaled(-1, *_PRICES),
    "zero_price": _set(0.0, *_PRICES),
    "null_price": _set(np.nan, *_PRICES),
    "vanishing_price": _vanishing_price,
    "infinite": _set(_INFINITE, "close", "high"),
    "high_below_low": _high_below_low,
    "close_above_high": _close_above_high,
    "negative_volume": _negated("volume"),
    "negative_cost": _negated("cost"),
    "cost_times_100": _scaled(100, "cost"),
    "volume_without_cost": _volume_without_cost,
    "untraded_not_flat": _untraded_not_flat,
    "stale_fill": _stale_fill,
    "half_volume": _scaled(0.5, "volume", "cost"),
    "spike": _spike,
    "far_from_index": _scaled(2, *_PRICES, "cost"),
    "doubled_minute": _rows(lambda hit: np.repeat(np.arange(hit.size), hit + 1)),
    "misaligned_minute": _misaligned,
    "missing_minutes": _rows(lambda hit: np.flatnonzero(~hit)),
    "shuffled_order": _rows(_shuffled),
    "outside_window": _outside_window,
    "first_missing": _first_missing,
}
