from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from deribit_warehouse.exchange import Exchange

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "recorded"


@pytest.fixture
def exchange_at():
    """Makes an Exchange for one or two URLs that neither waits nor paces. Its pauses are in `.slept`."""
    made: list[Exchange] = []

    def make(live_url: str, history_url: str | None = None, **options) -> Exchange:
        slept: list[float] = []
        options = {"sleep": slept.append, "rate_limiter": lambda bucket: None} | options
        rate_limiter = options.pop("rate_limiter")
        exchange = Exchange(live_url, history_url or live_url, rate_limiter, **options)
        exchange.slept = slept
        made.append(exchange)
        return exchange

    yield make
    for exchange in made:
        exchange.close()


@pytest.fixture
def recorded():
    """Path of a recorded file beside the project; the test is skipped where it isn't."""

    def find(name: str) -> Path:
        path = RECORDED / name
        if not path.exists():
            pytest.skip(f"the recorded data aren't here: {path} is missing")
        return path

    return find


@pytest.fixture
def serve_fake():
    """Serves a FakeExchange over HTTP; returns its URL."""
    servers: list[HTTPServer] = []

    def serve(fake) -> str:
        server = HTTPServer(host="127.0.0.1", port=0)
        server.expect_request(re.compile("^/api/v2/public/"), method="GET").respond_with_handler(fake.respond)
        server.start()
        servers.append(server)
        return server.url_for("/")

    yield serve
    for server in servers:
        server.stop()
        server.check()
