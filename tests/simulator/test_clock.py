"""The clock: it may be set while the exchange runs, run faster than ours, and what the exchange says goes with it."""

from __future__ import annotations

import math

import pytest
import requests

from exchange_simulator.app import Simulator
from exchange_simulator.clock import Clock
from exchange_simulator.limits import Limits
from exchange_simulator.listings import DAY, MINUTE
from exchange_simulator.market import Market
from exchange_simulator.process import running
from exchange_simulator.protocol import Exchange
from exchange_simulator.traits import Traits

from .conftest import NOW, Host

NAME = "BTC-PERPETUAL"


def test_the_walls_clock_runs_ahead_by_its_skew_and_a_set_one_at_its_speed():
    seconds = [1000.0]
    clock = Clock(skew_ms=250, wall=lambda: seconds[0])
    assert clock.now_ms == 1_000_250 and clock.report()["speed"] == 1
    clock.set(NOW, speed=30)
    seconds[0] += 2
    assert clock.now_ms == NOW + 60_000
    clock.set(speed=0)
    seconds[0] += 50
    assert clock.now_ms == NOW + 60_000 and clock.report()["speed"] == 0
    clock.now_ms = NOW
    assert clock.now_ms == NOW


@pytest.mark.parametrize("speed", [-1, math.inf, math.nan])
def test_no_clock_runs_backwards_or_endlessly_fast(speed):
    with pytest.raises(ValueError, match="speed"):
        Clock(NOW).set(speed=speed)


def host_at(now_ms: int, **traits) -> Host:
    market = Market(("BTC",), now_ms=now_ms, since_ms=NOW - 60 * DAY, traits=Traits(**traits))
    return Host(Simulator(Exchange(market), Limits(1e6, 1e6)).app())


def test_a_minute_closes_when_the_clock_passes_its_end():
    live = host_at(NOW)
    minute = NOW // MINUTE * MINUTE
    before = live.chart(NAME, minute - MINUTE, minute)
    assert before["ticks"] == [minute - MINUTE, minute]
    told = live.client.post("/simulator/clock", json={"now": minute + MINUTE, "speed": 0}).json()
    assert told["now_ms"] == live.get("get_time") == minute + MINUTE
    after = live.chart(NAME, minute - MINUTE, minute)
    assert after["volume"][0] == before["volume"][0] and after["volume"][1] > before["volume"][1]
    assert live.chart(NAME, minute - MINUTE, minute) == after, "it is closed"


def test_what_is_listed_and_what_expires_goes_with_the_clock():
    live = host_at(NOW)
    names = {row["instrument_name"] for row in live.get("get_book_summary_by_currency", currency="BTC", kind="future")}
    live.client.post("/simulator/clock", json={"now": NOW + 8 * DAY, "speed": 0})
    later = {row["instrument_name"] for row in live.get("get_book_summary_by_currency", currency="BTC", kind="future")}
    assert names - later and later - names


def test_a_clock_that_no_one_can_set_is_refused():
    live = host_at(NOW)
    for wrong in ([], {"when": 1}, {"speed": -1}, {"now": "soon"}, {"speed": None}):
        response = live.client.post("/simulator/clock", json=wrong)
        assert response.status_code == 400 and response.json()["error"], wrong
    assert live.client.get("/simulator/clock").json()["now_ms"] == NOW


def test_the_chart_may_lag_behind_the_summary():
    late, live = (host_at(NOW, chart_lag_ms=lag) for lag in (2 * MINUTE, 0))
    minute = NOW // MINUTE * MINUTE
    assert live.chart(NAME, minute - 5 * MINUTE, NOW)["ticks"][-1] == minute
    assert late.chart(NAME, minute - 5 * MINUTE, NOW)["ticks"][-1] == minute - 2 * MINUTE
    summary = {"currency": "BTC", "kind": "future"}
    assert late.get("get_book_summary_by_currency", **summary) == live.get("get_book_summary_by_currency", **summary)


def test_a_running_exchange_is_set_and_sped_up():
    with running("--now", "2026-09-20T12:00:30", "--speed", "600", "--from", "2026-09-01") as exchange:
        first = exchange.clock(speed=0)
        assert first > 1_789_905_630_000, "it ran from there on"
        assert exchange.clock() == first
        assert exchange.clock("2026-09-20T13:00:00") == 1_789_909_200_000
        with pytest.raises(requests.HTTPError):
            exchange.clock(speed=-1)
