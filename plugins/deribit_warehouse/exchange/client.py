"""The exchange as the pipeline uses it: a method for each question, which returns arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from . import candles, delivery, funding, index, instruments, settlements, summaries, tickers, volatility
from .candles import Candles
from .delivery import DeliveryPrices
from .funding import Funding
from .http_client import HttpClient
from .index import IndexMinutes
from .instruments import Reading
from .limits import LISTED, PROMPT, PROMPT_ATTEMPTS, Limits, limits_of
from .parsing import read_time
from .response import rows_of
from .settlements import Settlements
from .summaries import Summaries
from .tickers import OptionTicker
from .volatility import Volatility


class Exchange:
    """Deribit's public HTTP API. Make one a task, in the process that uses it, and close it (or use `with`).

    `rate_limiter` is called before every attempt with the exchange's meter, "public" or "instruments", and returns when
    a request may go out. `attempts`: tries a request before giving up on a fault that should pass. `limits`: what an
    answer of a method may take; `timeout` replaces two of them for every method: seconds to connect, and between two
    bytes. All times are UTC milliseconds since 1970.

    Every method raises RequestRejected, InstrumentNotFound, ExchangeUnavailable or BadResponse (see `errors`).
    """

    def __init__(
        self,
        live_url: str,
        history_url: str,
        rate_limiter: Callable[[str], None],
        *,
        timeout: tuple[float, float] | None = None,
        attempts: int = 6,
        sleep: Callable[[float], None] = time.sleep,
        limits: Callable[[str], Limits] = limits_of,
    ) -> None:
        if timeout:
            given, (connect, silence) = limits, timeout
            limits = lambda method: replace(given(method), connect=connect, silence=silence)  # noqa: E731
        self._live = HttpClient("live", live_url, rate_limiter, attempts=attempts, sleep=sleep, limits=limits)
        self._history = HttpClient("history", history_url, rate_limiter, attempts=attempts, sleep=sleep, limits=limits)
        self._prompt_request = partial(self._live.request, attempts=PROMPT_ATTEMPTS, limits=PROMPT)

    def instruments(self, currency: str, kind: str, *, expired: bool, host: str = "live") -> Reading:
        """What `host` ("live" or "history") lists (expired=False) or says has expired.

        The live host forgets an expired instrument after about a day, and the history host, which has them all, may
        learn of it later: so both are asked for those. The history host's list of open instruments is incomplete.
        """
        client = self._history if host == "history" else self._live
        params = {"currency": currency, "kind": kind, "expired": "true" if expired else "false"}
        return client.request("get_instruments", params, instruments.reader(client.name, kind), rows_of)

    def listed(self, currency: str, kind: str) -> Reading:
        """What the live host lists now, for somebody for whom nothing may wait: it is asked once, and for seconds."""
        params = {"currency": currency, "kind": kind, "expired": "false"}
        read = instruments.reader(self._live.name, kind)
        return self._live.request("get_instruments", params, read, rows_of, attempts=1, limits=LISTED)

    def now(self, *, prompt: bool = False) -> int:
        """The exchange's clock. prompt: as of candles()."""
        return (self._prompt_request if prompt else self._live.request)("get_time", {}, read_time)

    def candles(self, instrument_name: str, start: int, end: int, *, prompt: bool = False) -> Candles:
        """1-minute candles that begin in [start, end), both on whole minutes (ValueError otherwise). prompt: for who
        asks again in a minute: a request is given seconds, and few attempts.

        The exchange goes on sending flat candles after an expiry and may before a listing: clip the window to the
        instrument's lifetime. Nothing outside the window gets into the arrays.
        """
        request = self._prompt_request if prompt else self._live.request
        return candles.collect(request, instrument_name, start, end)

    def funding(self, instrument_name: str, start: int, end: int) -> Funding:
        """The funding of the hours that end in (start, end]."""
        return funding.collect(self._live.request, instrument_name, start, end)

    def funding_value(self, instrument_name: str, start: int, end: int) -> float:
        """What the funding of the hours that end in (start, end] came to, weighed by the index; one request."""
        return funding.value(self._live.request, instrument_name, start, end)

    def first_funding_hour(self, instrument_name: str, not_before: int, not_after: int) -> int | None:
        """The end of the earliest funded hour in [not_before, not_after], or None; about ten requests for a decade."""
        return funding.first_hour(self._live.request, instrument_name, not_before, not_after)

    def last_funding_hour(self, instrument_name: str, not_before: int, not_after: int) -> int | None:
        """The end of the newest funded hour in [not_before, not_after], or None; one request."""
        return funding.last_hour(self._live.request, instrument_name, not_before, not_after)

    def last_trade(self, instrument_name: str, start: int, end: int) -> int | None:
        """The end of the last hour in [start, end) with a trade, or None; one request, of more than 5,000 hours two.
        Flat candles of volume 0, which a dead chart goes on with, are no trade."""
        return candles.last_trade(self._live.request, instrument_name, start, end)

    def funding_chart(self, instrument_name: str) -> IndexMinutes:
        """The true index of the last eight hours, a point a minute. It can't be asked for later."""
        params = {"instrument_name": instrument_name, "length": "8h"}
        return self._live.request(
            "get_funding_chart_data", params, lambda result: index.read_chart(result, instrument_name)
        )

    def volatility(self, currency: str, start: int, end: int) -> Volatility:
        """The volatility index of the hours that begin in [start, end)."""
        return volatility.collect(self._live.request, currency, start, end)

    def delivery_prices(self, index_name: str, start: int, end: int) -> DeliveryPrices:
        """What contracts on an index were delivered at (08:00 UTC) in [start, end), a price a day."""
        return delivery.collect(self._live.request, index_name, start, end)

    def settlements(self, instrument_name: str, start: int, end: int) -> Settlements:
        """What was settled of an instrument in [start, end), once a day, its delivery included."""
        return settlements.collect(self._live.request, instrument_name, start, end)

    def summaries(self, currency: str, kind: str) -> Summaries:
        """What every listed instrument of a currency and kind ("future", perpetuals among them, or "option") is at now;
        one request. It can't be asked for later."""
        params = {"currency": currency, "kind": kind}
        return self._live.request("get_book_summary_by_currency", params, summaries.reader(currency, kind))

    def option_ticker(self, instrument_name: str) -> OptionTicker:
        """What one listed option is at now, with the exchange's own greeks. It is asked once: who samples options has
        others to ask, and a ticker that comes late is of another moment."""
        read = tickers.reader(instrument_name)
        return self._live.request("ticker", {"instrument_name": instrument_name}, read, attempts=1)

    def index_price(self, index_name: str) -> float:
        """The index now, USD."""
        return self._live.request("get_index_price", {"index_name": index_name}, index.read_price)

    def close(self) -> None:
        """Closes the connections of both hosts."""
        self._live.close()
        self._history.close()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
