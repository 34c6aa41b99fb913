"""One frozen market for all of the simulator's tests, and clients that speak to it without a socket."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from exchange_simulator.app import Simulator
from exchange_simulator.limits import Limits
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange

with warnings.catch_warnings():  # starlette would like a successor of httpx that is not pinned yet
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW = 1_789_939_037_426  # 2026-09-20T21:17:17.426Z, when the recorded catalogue was taken
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "recorded"


class Host:
    """A host of the exchange: `get` returns the parsed body, `ask` the response."""

    def __init__(self, app) -> None:
        self.client = TestClient(app)

    def ask(self, method: str, **parameters):
        return self.client.get(f"/api/v2/public/{method}", params=parameters)

    def get(self, method: str, **parameters):
        return self.ask(method, **parameters).json()["result"]

    def chart(self, instrument: str, start: int, end: int, resolution: str = "1") -> dict:
        return self.get(
            "get_tradingview_chart_data",
            instrument_name=instrument,
            start_timestamp=start,
            end_timestamp=end,
            resolution=resolution,
        )

    def funding(self, instrument: str, start: int, end: int) -> list[dict]:
        return self.get(
            "get_funding_rate_history", instrument_name=instrument, start_timestamp=start, end_timestamp=end
        )

    def faults(self, *wanted: dict):
        return self.client.post("/simulator/faults", json=list(wanted))


@pytest.fixture(scope="session")
def market() -> Market:
    return Market(now_ms=NOW)


@pytest.fixture
def simulator(market: Market) -> Simulator:
    return Simulator(Exchange(market), Limits(1e6, 1e6))


@pytest.fixture(scope="session")
def host_of():
    """Makes a Host of an application."""
    return Host


@pytest.fixture
def live(simulator: Simulator) -> Host:
    return Host(simulator.app())


@pytest.fixture
def history(simulator: Simulator) -> Host:
    return Host(simulator.app(history=True))


@pytest.fixture(scope="session")
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("no recorded data beside the project (../shared/data/recorded)")
    return RECORDED
