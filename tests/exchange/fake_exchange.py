"""The exchange in a page, with its traps: what it holds is given, what it answers follows the measured rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import parse_qsl

from werkzeug import Request, Response

MINUTE, HOUR = 60_000, 3_600_000
COLUMNS = ("open", "high", "low", "close", "volume", "cost")
RATES = ("interest_1h", "interest_8h", "index_price", "prev_index_price")


def candle(tick: int) -> dict[str, float]:
    """A candle that can be told from every other one by each of its values."""
    n = tick // MINUTE
    return {name: 1000.0 * (at + 1) + n % 9973 + 0.5 for at, name in enumerate(COLUMNS)}


def rates(hour: int) -> dict[str, float]:
    n = hour // HOUR
    return {name: (at + 1) * 1e-6 * (n % 9973) for at, name in enumerate(RATES)}


class FakeExchange:
    """Holds candles at `minutes` and funding at `hours` (ms), and answers with the newest `limit` rows of a window.

    once_lost: rows left out of the first answer they belong to, and sent in the next one: a fault that passes.
    first_lost: the first candle is missing when it begins exactly at start_timestamp, as one report saw it.
    """

    def __init__(
        self,
        minutes: Iterable[int] = (),
        hours: Iterable[int] = (),
        *,
        limit: int | None = None,
        once_lost: Iterable[int] = (),
        first_lost: bool = False,
        listed: Iterable[dict] = (),
        expired: Iterable[dict] = (),
    ):
        self.minutes, self.hours = sorted(minutes), sorted(hours)
        self.chart_limit, self.funding_limit = limit or 5_001, limit or 744
        self.to_lose, self.first_lost = set(once_lost), first_lost
        self.catalogue = {"false": list(listed), "true": list(expired)}
        self.asked: list[tuple[int, int]] = []
        self.methods: list[str] = []

    def ask(self, method, params, read):
        """What transport.Host.ask does, without the way there."""
        return read(self.result(method, dict(params)))

    def respond(self, request: Request) -> Response:
        """The same over HTTP, for pytest-httpserver."""
        params = dict(parse_qsl(request.query_string.decode()))
        result = self.result(request.path.rpartition("/")[2], params)
        body = {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}
        return Response(json.dumps(body), content_type="application/json")

    def result(self, method, params):
        self.methods.append(method)
        if "start_timestamp" in params:
            window = int(params.pop("start_timestamp")), int(params.pop("end_timestamp"))
            self.asked.append(window)
            return getattr(self, method)(*window, **params)
        return getattr(self, method)(**params)

    def get_tradingview_chart_data(self, start, end, instrument_name, resolution):
        assert resolution == "1"
        ticks = [tick for tick in self.minutes if start <= tick <= end]  # trap 3: closed on both sides
        if self.first_lost and ticks and ticks[0] == start:
            ticks = ticks[1:]
        ticks = self.lose(ticks[-self.chart_limit :])
        columns = {name: [candle(tick)[name] for tick in ticks] for name in COLUMNS}
        return {"status": "ok" if ticks else "no_data", "ticks": ticks} | columns

    def get_funding_rate_history(self, start, end, instrument_name):
        wide = end - start > self.funding_limit * HOUR  # trap 1: start is ignored then
        hours = [hour for hour in self.hours if (wide or start < hour) and hour <= end]  # trap 2: open at its start
        return [{"timestamp": hour} | rates(hour) for hour in self.lose(hours[-self.funding_limit :])]

    def get_instruments(self, currency, kind, expired):
        return self.catalogue[expired]

    def lose(self, rows: list[int]) -> list[int]:
        lost = self.to_lose & set(rows)
        self.to_lose -= lost
        return [row for row in rows if row not in lost]


def row(name: str, created: int, expires: int, **more) -> dict:
    """A row of get_instruments, in short."""
    return {
        "instrument_name": name,
        "kind": "future",
        "base_currency": "BTC",
        "settlement_period": "perpetual" if expires == 32_503_708_800_000 else "month",
        "creation_timestamp": created,
        "expiration_timestamp": expires,
    } | more
