"""Deribit's public methods over a market, without HTTP: parameters in, `result` out, or a `Refusal`.

Where the documentation and the recordings say nothing (the wording of some refusals, the spacing of the coarser index
charts) the choice here is an invention; tests should not lean on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import orjson

from . import quotes, settlements, volatility
from .chart import RESOLUTIONS, chart
from .faults import Faults
from .listings import DAY, HOUR, MINUTE, Listing, combo_rows, spot_rows
from .market import FUNDING_COLUMNS, Market
from .options import OptionChain
from .replay import Replay

NEWEST_VOLATILITY = 1000
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")
KINDS = ("future", "option", "spot", "future_combo", "option_combo")
MESSAGES = {
    10028: "too_many_requests",
    10040: "retry",
    10041: "settlement_in_progress",
    10047: "matching_engine_queue_full",
    10066: "too_many_concurrent_requests",
    11051: "system_maintenance",
    13888: "timed_out",
    10020: "invalid_or_unsupported_instrument",
    13009: "unauthorized",
    13020: "not_found",
    13028: "temporarily_unavailable",
    -32601: "Method not found",
    -32602: "Invalid params",
}
_MINUTE_POINTS = {"8h": (8 * HOUR, MINUTE), "24h": (DAY, 5 * MINUTE), "1m": (30 * DAY, HOUR)}
_INDEX_CHARTS = {  # how far back, and the distance of the points
    "1h": (HOUR, 6_000),
    "1d": (DAY, 10 * MINUTE),
    "2d": (2 * DAY, 20 * MINUTE),
    "1m": (30 * DAY, 4 * HOUR),
    "1y": (365 * DAY, DAY),
    "all": (None, DAY),
}
_VOLATILITY_STEPS = {"1": 1000, "60": MINUTE, "3600": HOUR, "43200": 12 * HOUR, "1D": DAY}


class Refusal(Exception):
    """An error the exchange answers with: `code` and `message`, and for wrong parameters `reason` and `param`."""

    def __init__(self, code: int, reason: str | None = None, param: str | None = None, status: int = 400) -> None:
        super().__init__(f"{code} {MESSAGES.get(code, 'error')}: {reason} ({param})")
        self.code, self.status = code, status
        self.error: dict = {"message": MESSAGES.get(code, "error")}
        if reason is not None:
            self.error["data"] = {"reason": reason, "param": param} if param else {"reason": reason}
        self.error["code"] = code


class BadRequest(Exception):
    """What the history host says to a method it does not serve: a bare `Bad request`, not JSON."""


@dataclass
class Answer:
    """`result` is whatever orjson can serialise; `patch` is applied to the serialised body (see faults)."""

    result: object
    candles: int = 0
    patch: Callable[[bytes], bytes] | None = None


class Parameters:
    """The query string of one call, read with the exchange's own complaints."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def text(self, name: str, choices: tuple[str, ...] | None = None, default: str | None = None) -> str:
        value = self._given.get(name, default)
        if value is None:
            raise Refusal(-32602, "value required", name)
        if choices is not None and value not in choices:
            raise Refusal(-32602, f"must be one of: {', '.join(choices)}", name)
        return value

    def optional(self, name: str, choices: tuple[str, ...]) -> str | None:
        return self.text(name, choices) if name in self._given else None

    def integer(self, name: str, default: int | None = None) -> int:
        text = self.text(name, default=None if default is None else str(default))
        try:
            return int(text)
        except ValueError:
            raise Refusal(-32602, "wrong format", name) from None

    def flag(self, name: str) -> bool:
        return self.text(name, ("true", "false"), default="false") == "true"


class Exchange:
    """One exchange behind both hosts. `answer` says what a method returns now."""

    def __init__(self, source: Market | Replay, faults: Faults | None = None) -> None:
        self.source = source
        self.faults = faults or Faults()
        self._catalogue: dict[tuple, bytes] = {}
        self._catalogue_of: tuple = ()
        self._summaries: dict[tuple, tuple[int, list[dict]]] = {}

    def answer(self, method: str, parameters: Mapping[str, str], history: bool = False) -> Answer:
        """The answer of the live host, or of the history host. Raises Refusal and BadRequest."""
        if method not in METHODS:
            raise Refusal(-32601, status=404)
        if history and method in _NOT_ON_HISTORY:
            raise BadRequest
        answer = METHODS[method](self, Parameters(parameters), history)
        return answer if isinstance(answer, Answer) else Answer(answer)

    # -- instruments ---------------------------------------------------------------------------------------------

    def get_instruments(self, given: Parameters, history: bool) -> orjson.Fragment:
        currency = given.text("currency", (*CURRENCIES, "any"), default="any")
        kind = given.optional("kind", KINDS)
        expired = given.flag("expired")
        now = self.source.now_ms
        futures, chains = self.source.listings(), self.source.option_chains()
        version = (
            len(futures),
            sum(listing.expires <= now for listing in futures),
            sum(listing.expires <= now - DAY for listing in futures),
        )
        if version != self._catalogue_of:
            self._catalogue, self._catalogue_of = {}, version

        traits = self.source.traits
        more = {"listing_stage": "regular"} if traits.unknown_fields else {}

        def shown(listed: Listing | OptionChain) -> bool:
            if not expired:
                # What the history host knows of open contracts is not all of them.
                return listed.expires > now and (not history or (traits.history_lists_open and listed.listed % 3 != 0))
            return listed.expires <= now and (history or listed.expires > now - DAY)

        def rows(under: str, of: str) -> bytes:
            """Serialised once and kept: the expired options of a coin are some 35 MB."""
            key = (history, under, of, expired)
            if key not in self._catalogue:
                poorer = history and traits.history_fields
                if of == "option":
                    listed = [chain for chain in chains if chain.currency == under and shown(chain)]
                    pieces = [chain.rows_json(now, history=poorer, more=more) for chain in listed]
                else:
                    found = [one for one in futures if one.currency == under and shown(one)]
                    if of == "future":
                        told = [one.history_row(now) if poorer else one.row(now) for one in found]
                    elif of == "spot":
                        told = [] if expired or history else spot_rows(under, now)
                    else:
                        legs = [one for one in found if not one.perpetual and not one.linear]
                        told = [] if history else combo_rows(of, legs, now)
                    pieces = [orjson.dumps(row | more) for row in told]
                self._catalogue[key] = b",".join(pieces)
            return self._catalogue[key]

        made = KINDS if traits.combos_and_spot else ("future", "option")
        kinds = [of for of in made if kind in (None, of)]
        currencies = CURRENCIES if currency == "any" else (currency,)
        bodies = [rows(under, of) for under in currencies for of in kinds]
        return orjson.Fragment(b"[" + b",".join(body for body in bodies if body) + b"]")

    def get_instrument(self, given: Parameters, history: bool) -> dict:
        name = given.text("instrument_name")
        listing = self.source.listing(name)
        if listing:
            return listing.row(self.source.now_ms)
        chain = self._chain_of(name)
        return next(row for row in chain.rows(self.source.now_ms) if row["instrument_name"] == name)

    def _listing(self, given: Parameters) -> Listing:
        listing = self.source.listing(given.text("instrument_name"))
        if listing is None:
            raise Refusal(-32602, "instrument not found", "instrument_name")
        return listing

    def _chain_of(self, name: str) -> OptionChain:
        future = name.rpartition("-")[0].rpartition("-")[0]
        for chain in self.source.option_chains():
            if chain.future.name == future and any(name == each for each, _, _ in chain.names()):
                return chain
        raise Refusal(-32602, "instrument not found", "instrument_name")

    # -- candles and funding -------------------------------------------------------------------------------------

    def get_tradingview_chart_data(self, given: Parameters, history: bool) -> Answer:
        listing = self._listing(given)
        start, end = given.integer("start_timestamp"), given.integer("end_timestamp")
        resolution = given.text("resolution", tuple(RESOLUTIONS))
        start, end = _as("[]", self.source.traits.chart_window, start, end)
        columns = chart(self.source, listing.name, start, end, RESOLUTIONS[resolution])
        patch = None
        if resolution == "1":
            columns, patch = self.faults.on_candles(listing, columns, start)
        rows = len(columns["ticks"])
        status = "ok" if rows else "no_data"
        result = {"volume": columns["volume"], "ticks": columns["ticks"], "status": status}
        result |= {name: columns[name] for name in ("open", "low", "high", "cost", "close")}
        return Answer(result, rows, patch)

    def get_funding_rate_history(self, given: Parameters, history: bool) -> list[dict]:
        listing = self._perpetual(given)
        start, end = given.integer("start_timestamp"), given.integer("end_timestamp")
        traits = self.source.traits
        start, end = _as("(]", traits.funding_window, start, end)
        rows = self._funding(listing.name, start, end, traits.funding_rows)
        rows = self.faults.on_funding(listing, rows)
        # NaN goes out as null: the first row's prev_index_price is.
        columns = [rows[name].tolist() for name in FUNDING_COLUMNS]
        sent = [dict(zip(FUNDING_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]
        if not traits.prev_index_as_null:
            for row in sent:
                if np.isnan(row["prev_index_price"]):
                    del row["prev_index_price"]
        return sent

    def _funding(self, name: str, start: int, end: int, newest: int) -> dict[str, np.ndarray]:
        """Of two contracts of one name each has its own time."""
        listings = [self.source.funding(one, start, end, newest=newest) for one in self.source.listings_of(name)]
        return {column: np.concatenate([part[column] for part in listings])[-newest:] for column in FUNDING_COLUMNS}

    def get_funding_rate_value(self, given: Parameters, history: bool) -> float:
        listing = self._perpetual(given)
        start, end = given.integer("start_timestamp"), given.integer("end_timestamp")
        start, end = _as("(]", self.source.traits.value_window, start, end)
        return sum(self.source.funding_value(one, start, end) for one in self.source.listings_of(listing.name))

    def get_funding_chart_data(self, given: Parameters, history: bool) -> dict:
        listing = self._perpetual(given)
        back, step = _MINUTE_POINTS[given.text("length", tuple(_MINUTE_POINTS))]
        now = self.source.now_ms
        hourly = self.source.funding(listing.name, now - back - HOUR, now)
        if not hourly["timestamp"].size:
            return {"current_interest": 0.0, "interest_8h": 0.0, "data": []}
        times = np.arange((now - back) // step + 1, now // step + 1) * step
        times = times[times >= hourly["timestamp"][0]]
        prices = self.source.index(listing.priced_as, times)
        interest = np.interp(times, hourly["timestamp"], hourly["interest_8h"])
        points = zip(prices.tolist(), interest.tolist(), times.tolist(), strict=True)
        return {
            "current_interest": float(hourly["interest_1h"][-1]),
            "interest_8h": float(hourly["interest_8h"][-1]),
            "data": [{"index_price": price, "interest_8h": rate, "timestamp": at} for price, rate, at in points],
        }

    def _perpetual(self, given: Parameters) -> Listing:
        listing = self._listing(given)
        if not listing.perpetual:
            raise Refusal(-32602, "instrument is not perpetual", "instrument_name")
        return listing

    # -- the index -----------------------------------------------------------------------------------------------

    def _coin(self, given: Parameters) -> str:
        names = {f"{coin.lower()}_{quote}": coin for coin in self.source.currencies for quote in ("usd", "usdc")}
        names |= {listing.index_name: listing.priced_as for listing in self.source.listings()}
        return names[given.text("index_name", tuple(names))]

    def get_index_price(self, given: Parameters, history: bool) -> dict:
        price = float(self.source.index(self._coin(given), self.source.now_ms)[0])
        return {"index_price": price, "estimated_delivery_price": price}

    def get_index_chart_data(self, given: Parameters, history: bool) -> list[list]:
        coin = self._coin(given)
        back, step = _INDEX_CHARTS[given.text("range", tuple(_INDEX_CHARTS))]
        now = self.source.now_ms
        first = self.source.since_ms if back is None else max(now - back, self.source.since_ms)
        times = np.arange(-(-first // step), now // step + 1) * step
        pairs = zip(times.tolist(), self.source.index(coin, times).tolist(), strict=True)
        return [[at, price] for at, price in pairs]

    def get_delivery_prices(self, given: Parameters, history: bool) -> dict:
        coin = self._coin(given)
        offset, count = given.integer("offset", 0), given.integer("count", 10)
        if not 1 <= count <= 1000 or offset < 0:
            raise Refusal(-32602, "must be from 1 to 1000" if offset >= 0 else "must not be negative", "count")
        newest = (self.source.now_ms - 8 * HOUR) // DAY
        oldest = -(-(self.source.since_ms - 8 * HOUR) // DAY)
        days = np.arange(newest - offset, max(newest - offset - count, oldest - 1), -1)
        rows = zip(days.tolist(), settlements.delivery_prices(self.source, coin, days), strict=True)
        return {
            "data": [
                {"date": f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}", "delivery_price": float(price)}
                for day, price in rows
            ],
            "records_total": max(int(newest - oldest + 1), 0),
        }

    def get_last_settlements_by_instrument(self, given: Parameters, history: bool) -> dict:
        """Once a day just after 08:00 UTC, the newest first; a continuation is the time of the next one."""
        name = self._listing(given).name
        kind = given.optional("type", ("settlement", "delivery", "bankruptcy"))
        count = given.integer("count", 20)
        if not 1 <= count <= 1000:
            raise Refusal(-32602, "must be from 1 to 1000", "count")
        now = self.source.now_ms
        last = min(now, given.integer("search_start_timestamp", now))
        if token := given.text("continuation", default=""):
            if not token.isalnum() or not token.startswith("s"):
                raise Refusal(-32602, "wrong format", "continuation")
            last = int(token[1:], 36)
        found: list[dict] = []
        for one in reversed(self.source.listings_of(name)):
            newest = (min(last, one.ends) - 8 * HOUR) // DAY * DAY + 8 * HOUR
            eights = np.arange(newest, one.listed, -DAY)
            # one of the newest may be later than what is asked for, and the next one after these is the continuation
            while eights.size and len(found) <= count:
                several, eights = eights[: count + 2 - len(found)], eights[count + 2 - len(found) :]
                rows = reversed(settlements.settlements(self.source, one, several[::-1]))
                found += [row for row in rows if row["timestamp"] <= last and kind in (None, row["type"])]
        if len(found) > count:
            token = f"s{np.base_repr(found[count]['timestamp'], 36)}"
            return {"continuation": token, "settlements": found[:count]}
        return {"continuation": None, "settlements": found}

    def get_volatility_index_data(self, given: Parameters, history: bool) -> dict:
        currency = given.text("currency", self.source.currencies)
        start, end = given.integer("start_timestamp"), given.integer("end_timestamp")
        step = _VOLATILITY_STEPS[given.text("resolution", tuple(_VOLATILITY_STEPS))]
        first = -(-max(start, volatility.BEGINS) // step)
        last = min(end, self.source.now_ms) // step
        newest = np.arange(max(first, last - NEWEST_VOLATILITY + 1), max(last, first - 1) + 1)
        columns = volatility.volatility_index(currency, newest * step, step)
        prices = (columns[name].tolist() for name in volatility.COLUMNS)
        candles = [list(row) for row in zip((newest * step).tolist(), *prices, strict=True)]
        more = bool(newest.size) and int(newest[0]) > first
        return {"data": candles, "continuation": int(newest[0] - 1) * step if more else None}

    # -- quotes --------------------------------------------------------------------------------------------------

    def ticker(self, given: Parameters, history: bool) -> dict:
        name = given.text("instrument_name")
        contract = self.source.listing(name) or self._chain_of(name)
        if contract.expires <= self.source.now_ms:
            raise Refusal(-32602, "instrument is not open", "instrument_name")
        if isinstance(contract, OptionChain):
            return self.faults.on_option_ticker(quotes.option_tickers(self.source, contract, only=name)[0])
        return quotes.future_ticker(self.source, contract)

    def get_book_summary_by_currency(self, given: Parameters, history: bool) -> list[dict]:
        currency = given.text("currency", CURRENCIES)
        kind = given.optional("kind", KINDS)
        # Republished every two seconds, as on the exchange.
        edition = self.source.now_ms // 2000
        kept, rows = self._summaries.get((currency, kind), (None, []))
        if kept != edition:
            rows = quotes.book_summaries(self.source, currency, kind)
            self._summaries[currency, kind] = edition, rows
        return self.faults.on_summaries(rows)

    # -- the server itself ---------------------------------------------------------------------------------------

    def get_time(self, given: Parameters, history: bool) -> int:
        return self.source.now_ms

    def status(self, given: Parameters, history: bool) -> dict:
        return {"locked": "false"}


def _as(model: str, said: str, start: int, end: int) -> tuple[int, int]:
    """A window of ms as the model counts it, of one as the exchange does: "(]" leaves out the start, and so on."""
    start += (said[0] == "(") - (model[0] == "(")
    end += (model[1] == ")") - (said[1] == ")")
    return start, end


_NOT_ON_HISTORY = ("get_funding_rate_history", "get_funding_rate_value", "get_funding_chart_data")
METHODS = {
    name: getattr(Exchange, name)
    for name in (
        "get_book_summary_by_currency",
        "get_delivery_prices",
        "get_funding_chart_data",
        "get_funding_rate_history",
        "get_funding_rate_value",
        "get_index_chart_data",
        "get_index_price",
        "get_instrument",
        "get_instruments",
        "get_last_settlements_by_instrument",
        "get_time",
        "get_tradingview_chart_data",
        "get_volatility_index_data",
        "status",
        "ticker",
    )
}
