"""Credits, and the counting of what was served."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_simulator.app import Simulator
from exchange_simulator.limits import Bucket, Limits, Stats
from exchange_simulator.protocol import Exchange


def test_a_rested_client_may_send_100_at_once_and_then_20_a_second():
    limits = Limits()
    assert [limits.admits("get_time", 0.0) for _ in range(101)] == [True] * 100 + [False]
    assert not limits.admits("get_time", 0.04)
    assert limits.admits("get_time", 0.05)
    assert sum(limits.admits("get_time", 0.05 + 1.0) for _ in range(200)) == 20


def test_the_catalogue_has_its_own_bucket():
    limits = Limits()
    assert [limits.admits("get_instruments", 0.0) for _ in range(51)] == [True] * 50 + [False]
    assert limits.admits("get_time", 0.0)
    assert limits.admits("get_instruments", 1.0)
    assert not limits.admits("get_instruments", 1.5)


@given(st.lists(st.floats(0, 0.5), max_size=300))
def test_a_bucket_never_gives_more_than_its_size_and_refill(pauses):
    bucket, now, given_out = Bucket(10, 4), 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.take(1, now)
        assert given_out <= 10 + 4 * now + 1e-6


@pytest.mark.parametrize("status", [429, 400, 200])
def test_an_exhausted_client_is_told_so(market, host_of, status):
    host = host_of(Simulator(Exchange(market), Limits(0, 2), limit_status=status).app())
    assert [host.ask("get_time").status_code for _ in range(3)] == [200, 200, status]
    refused = host.ask("get_time").json()
    assert refused["error"] == {"message": "too_many_requests", "code": 10028}
    assert "result" not in refused
    stats = host.client.get("/simulator/stats").json()
    assert (stats["requests"], stats["refused"], stats["busiest_second"]) == (2, 2, 2)


def test_the_busiest_second_slides():
    stats = Stats()
    for at in (10.0, 10.6, 10.9, 11.05, 11.5, 13.0):
        stats.accepted("get_time", at)
    assert stats.report()["busiest_second"] == 4  # 10.6 to 11.5
    assert (stats.report()["first_request"], stats.report()["last_request"]) == (10.0, 13.0)
    for _ in range(6):  # which the exchange counts in a bucket of their own
        stats.accepted("get_instruments", 14.0)
    assert (stats.report()["busiest_second"], stats.report()["requests"]) == (4, 12)
    assert stats.report()["first_by_method"] == {"get_time": 10.0, "get_instruments": 14.0}
    assert stats.report()["last_by_method"] == {"get_time": 13.0, "get_instruments": 14.0}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_busiest_second_is_the_most_in_any_window(pauses):
    stats, times, now = Stats(), [], 1000.0
    for pause in pauses:
        now += pause
        times.append(now)
        stats.accepted("get_time", now)
    busiest = max(sum(end - 1 < at <= end for at in times) for end in times)
    assert stats.report()["busiest_second"] == busiest


def test_stats_count_by_method_and_can_be_reset(live):
    live.chart("BTC-PERPETUAL", 1_700_000_000_000, 1_700_000_600_000)
    live.get("get_time")
    stats = live.client.get("/simulator/stats").json()
    assert stats["by_method"] == {"get_tradingview_chart_data": 1, "get_time": 1}
    assert stats["candles_served"] == 10
    assert stats["bytes_served"] > 500
    empty = live.client.post("/simulator/stats/reset").json()
    assert empty["requests"] == empty["candles_served"] == 0
