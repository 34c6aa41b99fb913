"""The two hosts as ASGI applications: envelope, limits, faults and the `/simulator` desk around the protocol."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .faults import Fault, milliseconds
from .limits import Limits, Stats
from .noise import seed_of, uniform
from .protocol import BadRequest, Exchange, Refusal

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Simulator:
    """What both hosts share. `limit_status` is the HTTP status of `too_many_requests`: 429, 400 or 200."""

    def __init__(
        self, exchange: Exchange, limits: Limits | None = None, *, limit_status: int = 429, latency_ms: int = 0
    ) -> None:
        self.exchange, self.limits, self.stats = exchange, limits or Limits(), Stats()
        self.limit_status, self.latency_ms = limit_status, latency_ms
        self._calls, self._began = 0, time.monotonic()
        exchange.faults.served = self.stats.fault

    def app(self, *, history: bool = False) -> Starlette:
        """The live host's application, or the history host's."""

        async def public(request: Request) -> Response:
            return await self._public(request, history)

        return Starlette(
            routes=[
                Route("/api/v2/public/{method}", public),
                Route("/api/v2/{method:path}", self._unknown_method),
                Route("/simulator/stats", self._stats),
                Route("/simulator/stats/reset", self._reset, methods=["POST"]),
                Route("/simulator/faults", self._faults, methods=["GET", "POST", "DELETE"]),
                Route("/simulator/clock", self._clock, methods=["GET", "POST"]),
            ]
        )

    def _instead(self, began: int) -> Response | None:
        """What comes in place of an answer: a proxy's page, or the word of an exchange under maintenance."""
        traits = self.exchange.source.traits
        self._calls += 1
        since = time.monotonic() - self._began
        if 0 < traits.maintenance_after_s <= since < traits.maintenance_after_s + traits.maintenance_s:
            self.stats.fault("maintenance")
            return self._maintenance(began)
        if traits.proxy_pages and uniform(_PROXY, np.array([self._calls]))[0] < traits.proxy_pages:
            self.stats.fault("proxy_page")
            return _page(_PROXY_STATUSES[self._calls % len(_PROXY_STATUSES)])
        return None

    def _maintenance(self, began: int) -> Response:
        """The exchange's own word or an empty 502, in turn."""
        if self._calls % 2:
            return Response(status_code=502)
        return self._enveloped(began, error=Refusal(11051).error, status=400)

    def _enveloped(
        self, began: int, *, result: object = None, error: dict | None = None, status: int = 200
    ) -> Response:
        """The JSON-RPC envelope of a GET: no id, times in microseconds."""
        ended = self._microseconds()
        body: dict[str, object] = {"usOut": ended, "usIn": began, "usDiff": ended - began, "testnet": False}
        # The order of the keys is that of the recorded bodies.
        body |= {"jsonrpc": "2.0", "error": error} if error else {"result": result, "jsonrpc": "2.0"}
        return _json(body, status)

    def _microseconds(self) -> int:
        """The exchange's clock, as envelopes tell it."""
        return time.time_ns() // 1000 + self.exchange.source.traits.clock_skew_ms * 1000

    async def _public(self, request: Request, history: bool) -> Response:
        began, method = self._microseconds(), request.path_params["method"]
        if (response := self._instead(began)) is not None:
            return response
        if not self.limits.admits(method, time.monotonic()):
            self.stats.refused(method, time.time())
            return self._enveloped(began, error=Refusal(10028).error, status=self.limit_status)
        self.stats.accepted(method, time.time())
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1000)
        met = self.exchange.faults.on_call(method, request.query_params.get("instrument_name"))
        for fault in met:
            if fault.kind == "latency":
                await asyncio.sleep(fault.milliseconds / 1000)
            elif fault.kind == "reset":
                await _drop_connection(request.receive)
                return Response()  # nobody is there to read it
            elif fault.kind == "maintenance":
                return self._maintenance(began)
            elif fault.kind == "http_status":
                return _page(fault.status or 503)
            elif fault.kind == "error_code":
                return self._enveloped(began, error=_error_of(fault), status=fault.status or 400)
        candles = 0
        try:
            answer = self.exchange.answer(method, request.query_params, history)
            candles, response = answer.candles, self._enveloped(began, result=answer.result)
            if answer.patch:
                response = Response(answer.patch(bytes(response.body)), media_type="application/json")
        except Refusal as refusal:
            response = self._enveloped(began, error=refusal.error, status=refusal.status)
        except BadRequest:
            response = Response("Bad request", 400, media_type="text/plain")
        self.stats.answered(response.status_code, len(response.body), candles)
        for fault in met:
            if fault.kind == "corrupt":
                response = Response(
                    b'{"jsonrpc":"2.0","result":{' + response.body[:80:2], media_type="application/json"
                )
            elif fault.kind == "truncated":
                return _Truncated(response.body, response.status_code, media_type="application/json")
        return response

    async def _unknown_method(self, request: Request) -> Response:
        return self._enveloped(self._microseconds(), error=Refusal(-32601).error, status=404)

    async def _stats(self, request: Request) -> Response:
        return _json(self.stats.report())

    async def _reset(self, request: Request) -> Response:
        self.stats.reset()
        return _json(self.stats.report())

    async def _faults(self, request: Request) -> Response:
        faults = self.exchange.faults
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                return _json(faults.add(orjson.loads(await request.body())))
            except (ValueError, TypeError) as wrong:
                return _json({"error": str(wrong)}, 400)
        return _json(faults.rows())

    async def _clock(self, request: Request) -> Response:
        """What the clock says. POST {now: ms or ISO, speed: 1} sets it and lets it run; without now it goes on."""
        clock = self.exchange.source.clock
        if request.method == "POST":
            try:
                wanted = orjson.loads(await request.body())
                if not isinstance(wanted, dict) or wanted.keys() - {"now", "speed"}:
                    raise ValueError("send an object with now, speed, or both")
                now = wanted.get("now")
                clock.set(None if now is None else milliseconds(now), float(wanted.get("speed", 1.0)))
            except (ValueError, TypeError) as wrong:
                return _json({"error": str(wrong)}, 400)
        return _json(clock.report())


_PROXY = seed_of("proxy")
_PROXY_STATUSES = (403, 404, 502, 520)


def _page(status: int) -> Response:
    """What a proxy sends."""
    body = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
    return Response(body, status, media_type="text/html")


class _Truncated(Response):
    """Promises the whole body and sends half of it; the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        await _drop_connection(receive, abort=False)


async def _drop_connection(receive: Receive, *, abort: bool = True) -> None:
    """End the connection under an ASGI call, what was sent included if `abort`; return when it is gone."""
    cycle = getattr(receive, "__self__", None)  # only uvicorn's `receive` leads to a socket
    if cycle is None:
        raise ConnectionResetError("the simulated exchange dropped the connection")
    if abort:
        cycle.transport.abort()
    else:
        cycle.transport.close()
    while not cycle.disconnected:
        await asyncio.sleep(0.001)


def _error_of(fault: Fault) -> dict:
    if fault.code == -32602:
        return Refusal(-32602, fault.reason or "instrument not found", fault.param or "instrument_name").error
    return Refusal(fault.code, fault.reason, fault.param).error


def _json(content: object, status: int = 200) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, media_type="application/json")
