"""The way there and back: what is asked again, what is final, how long is waited, and how it is told."""

from __future__ import annotations

import logging
import pickle
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from deribit_warehouse.exchange import (
    BadResponse,
    ExchangeError,
    ExchangeUnavailable,
    InstrumentNotFound,
    RequestRejected,
)
from deribit_warehouse.exchange.http_client import LONGEST_PAUSE, HttpClient, seconds
from tests.exchange.scripted import PRICE, bad_gzip, error, reply, reset, result, serving, stalled, truncated

NO_DATA = result({"status": "no_data"} | {key: [] for key in "ticks open high low close volume cost".split()})
DAY = 86_400_000
START = 1_767_052_800_000  # 2025-12-30

PASSING = [10028, 10040, 10041, 10047, 10048, 10066, 11050, 11051, 11094, 13028, 13503, 13888, 4711, -32000]
FINAL = [-32602, -32601, 10020, 13020, 13009]


@pytest.mark.parametrize("status", [200, 400, 429])
@pytest.mark.parametrize("code", PASSING)
def test_a_passing_code_is_asked_again_whatever_its_status(exchange_at, code, status):
    with serving(error(status, code), PRICE) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 2


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("code", FINAL)
def test_a_final_code_is_final_whatever_its_status(exchange_at, code, status):
    with serving(error(status, code, "Invalid params"), PRICE) as (url, asked):
        exchange = exchange_at(url)
        with pytest.raises(RequestRejected) as caught:
            exchange.index_price("btc_usd")
        assert len(asked) == 1 and not exchange.slept
    assert (caught.value.code, caught.value.http_status) == (code, status)


@pytest.mark.parametrize("reason", ["instrument not found", "instrument is not open", "instrument is not active"])
def test_an_instrument_that_is_gone_is_told_apart(exchange_at, reason):
    gone = error(400, -32602, "Invalid params", reason=reason, param="instrument_name")
    with serving(gone) as (url, asked):
        with pytest.raises(InstrumentNotFound, match=f"BTC-27JUN25.*{reason}.*catalogue"):
            exchange_at(url).candles("BTC-27JUN25", START, START + DAY)
        assert len(asked) == 1


def test_invalid_parameters_of_another_kind_are_refused_not_gone(exchange_at):
    with serving(error(400, -32602, "Invalid params", reason="wrong format", param="start_timestamp")) as (url, _):
        with pytest.raises(RequestRejected) as caught:
            exchange_at(url).index_price("btc_usd")
    assert type(caught.value) is RequestRejected


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", {"error": {"code": 4711, "message": "?"}}, {"error": "?"}])
def test_a_passing_status_is_asked_again_whatever_its_body(exchange_at, status, body):
    with serving(reply(status, body), PRICE) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 2


@pytest.mark.parametrize("code", [None, "10028", [10028], {}, True, -32602.0, 10**30, "-32602", [[[[]]]]])
def test_a_code_that_is_no_number_decides_nothing(exchange_at, code):
    with serving(reply(400, {"error": {"code": code, "message": code, "data": code}}), PRICE) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"Bad request"),  # the history host, asked for what it doesn't have
        (403, b"<html>blocked</html>"),
        (404, b"<html>no such page</html>"),
        (404, {"detail": "?"}),
        (401, {"error": "unauthorized"}),
        (400, {"error": {"code": 4711, "message": "?"}}),
        (204, b""),
        (206, {"jsonrpc": "2.0", "result": {"index_price": 1.0}}),
    ],
)
def test_an_answer_that_does_not_name_the_request_is_asked_again_and_unavailable_in_the_end(exchange_at, status, body):
    """One page of a proxy must not cost an instrument its month."""
    with serving(reply(status, body), PRICE) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 2
    with serving(reply(status, body)) as (url, asked):
        with pytest.raises(ExchangeUnavailable, match=f"HTTP {status}.*after 6 attempts.*check the connection's host"):
            exchange_at(url).index_price("btc_usd")
        assert len(asked) == 6


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(reset, id="reset"),
        pytest.param(truncated, id="truncated"),
        pytest.param(bad_gzip, id="bad gzip"),
        pytest.param(stalled, id="stalled"),
        pytest.param(reply(200, b'{"jsonrpc": "2.0", "result": {"index_pri'), id="cut JSON"),
        pytest.param(reply(400, b'{"jsonrpc": "2.0", "error": {"code": -326'), id="cut error"),
        pytest.param(reply(200, b"\xff\xfe\x00 no JSON"), id="bytes"),
        pytest.param(reply(200, b"[" * 100_000), id="bottomless"),
        pytest.param(reply(200, b""), id="empty"),
        pytest.param(reply(200, b"<html>maintenance</html>"), id="html"),
        pytest.param(reply(200, {"jsonrpc": "2.0"}), id="neither result nor error"),
        pytest.param(reply(200, []), id="list"),
        pytest.param(reply(200, {"error": "busy"}), id="error without a code"),
        pytest.param(result({}), id="result of another form"),
        pytest.param(result({"index_price": "88537"}), id="a string for a number"),
    ],
)
def test_a_fault_of_the_way_or_a_corrupt_page_is_asked_again(exchange_at, fault):
    with serving(fault, PRICE) as (url, asked):
        assert exchange_at(url, timeout=(1, 0.2)).index_price("btc_usd") == 88537.0
        assert len(asked) == 2


def test_a_connection_refused_is_unavailable_in_the_end(exchange_at):
    with serving(PRICE) as (url, _):
        pass  # closed again: nobody listens there now
    exchange = exchange_at(url, attempts=3)
    with pytest.raises(ExchangeUnavailable, match=r"after 3 attempts") as caught:
        exchange.index_price("btc_usd")
    assert len(exchange.slept) == 2
    assert caught.value.http_status is None
    assert "Connection refused" in str(caught.value)


def test_a_page_that_stays_corrupt_is_a_bad_response_in_the_end(exchange_at):
    with serving(result({"status": "ok", "ticks": [1]})) as (url, asked):
        with pytest.raises(BadResponse, match="open is absent"):
            exchange_at(url, attempts=4).candles("BTC-PERPETUAL", START, START + DAY)
        assert len(asked) == 4


def test_an_error_names_instrument_window_host_cause_attempts_and_what_to_do(exchange_at):
    with serving(error(429, 10028, "too_many_requests")) as (url, asked):
        with pytest.raises(ExchangeUnavailable) as caught:
            exchange_at(url).candles("BTC-PERPETUAL", START, START + DAY)
    told = str(caught.value)
    for part in (
        *("get_tradingview_chart_data", "BTC-PERPETUAL", "2025-12-29T23:59:59.999Z", "2025-12-30T23:59:59.999Z"),
        *("live host", url, "429", "10028", "too_many_requests", "6 attempts"),
        *("lower DERIBIT_REQUESTS_PER_SECOND", "for get_instruments DERIBIT_CATALOGUE_REQUESTS_PER_SECOND"),
    ):
        assert part in told
    assert caught.value.method == "get_tradingview_chart_data"
    assert caught.value.params["instrument_name"] == "BTC-PERPETUAL"
    assert (caught.value.host, caught.value.code, caught.value.http_status) == ("live", 10028, 429)
    assert len(asked) == 6
    again = pickle.loads(pickle.dumps(caught.value))  # a task's error crosses processes
    assert str(again) == told and again.code == 10028


def test_the_error_code_of_the_last_answer_counts(exchange_at):
    with serving(error(429, 10028), reset, reply(503, b"")) as (url, _):
        with pytest.raises(ExchangeUnavailable) as caught:
            exchange_at(url).index_price("btc_usd")
    assert (caught.value.code, caught.value.http_status) == (None, 503)


def test_a_body_is_never_told_in_full(exchange_at, caplog):
    with serving(reply(503, b"x" * 100_000)) as (url, _):
        with caplog.at_level(logging.DEBUG, "deribit_warehouse"), pytest.raises(ExchangeUnavailable) as caught:
            exchange_at(url).index_price("btc_usd")
    assert len(str(caught.value)) < 1_000
    assert max(map(len, caplog.messages)) < 1_000


def test_the_log_counts_the_attempts_of_this_request(exchange_at, caplog):
    with serving(reply(502, b""), result([])) as (url, _):
        client = HttpClient("live", url, lambda meter: None, attempts=6, sleep=lambda seconds: None)
        client.request("get_time", {}, lambda found: found, attempts=2)
    assert any("attempt 1 of 2 failed" in told for told in caplog.messages)


def test_every_pause_is_logged_with_its_cause(exchange_at, caplog):
    with serving(error(400, 11051, "system_maintenance"), PRICE) as (url, _):
        exchange_at(url).index_price("btc_usd")
    assert [re.search(r"btc_usd.*live host.*attempt 1 of 6.*11051", told) is not None for told in caplog.messages] == [
        True
    ]


def test_pauses_grow_with_full_jitter(exchange_at):
    longest = [0.0] * 5
    with serving(reply(503, b"")) as (url, _):
        for _ in range(12):
            exchange = exchange_at(url)
            with pytest.raises(ExchangeUnavailable):
                exchange.index_price("btc_usd")
            longest = [max(pair) for pair in zip(longest, exchange.slept, strict=True)]
    for n, (slept, bound) in enumerate(zip(longest, [0.5, 1, 2, 4, 8], strict=True)):
        assert bound / 4 < slept <= bound, f"pause {n}"


def test_retry_after_is_honoured(exchange_at):
    with serving(reply(429, b"", Retry_After="17"), PRICE) as (url, _):
        exchange = exchange_at(url)
        exchange.index_price("btc_usd")
    assert exchange.slept == [17.0]


def test_retry_after_in_all_its_forms():
    assert seconds(None) == seconds("") == seconds("soon") == seconds("-5") == 0.0
    assert seconds("120") == 120.0
    in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
    assert 58 < seconds(format_datetime(in_a_minute, usegmt=True)) <= 60
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize(
    "header",
    [
        *("²", "१२", "-1", "1e3", "5, 10", "[5]", "nan", "inf", "9" * 5000, "\x00", "Wed,,,", ",", " ", "0 0 0 0 0"),
        *("Wed, 21 Oct 99999999999 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 +99999999999"),
    ],
)
def test_a_malformed_retry_after_asks_for_no_pause_or_for_the_longest(header):
    assert seconds(header) in (0.0, float("inf"))


def test_an_absurd_retry_after_is_left_to_the_scheduler(exchange_at):
    with serving(reply(503, b"", Retry_After="86400"), PRICE) as (url, _):
        exchange = exchange_at(url)
        exchange.index_price("btc_usd")
    assert exchange.slept == [LONGEST_PAUSE]


def test_every_attempt_is_paced_by_the_meter_it_falls_under(exchange_at):
    paced = []
    with serving(reset, result([]), PRICE) as (url, _):
        exchange = exchange_at(url, rate_limiter=paced.append)
        exchange.instruments("BTC", "future", expired=False)
        exchange.index_price("btc_usd")
    assert paced == ["instruments", "instruments", "public"]


def test_a_pace_that_fails_is_heard_and_nothing_is_asked(exchange_at):
    def rate_limiter(bucket):
        raise RuntimeError("the limiter's database is away")

    with serving(PRICE) as (url, asked):
        with pytest.raises(RuntimeError, match="limiter"):
            exchange_at(url, rate_limiter=rate_limiter).index_price("btc_usd")
        assert not asked


def test_the_connection_is_kept_and_replaced_when_the_exchange_lets_it_expire(exchange_at):
    ports = set()

    def noting(handler):
        ports.add(handler.client_address[1])
        PRICE(handler)

    def last(handler):
        noting(handler)
        handler.close_connection = True  # as the exchange does after 15 minutes

    with serving(noting, noting, last, noting) as (url, _asked):
        exchange = exchange_at(url)
        for _ in range(3):
            exchange.index_price("btc_usd")
        assert len(ports) == 1
        exchange.index_price("btc_usd")
        assert len(ports) == 2


def test_an_url_that_cannot_be_asked_is_refused_at_once(exchange_at):
    exchange = exchange_at("www.deribit.com")
    with pytest.raises(RequestRejected, match="can't be made"):
        exchange.index_price("btc_usd")
    assert not exchange.slept


def test_no_attempt_at_all_is_refused(exchange_at):
    with pytest.raises(ValueError, match="attempts is 0"):
        exchange_at("http://127.0.0.1:1", attempts=0)


def test_nan_and_infinity_reach_the_grid_for_the_gate_to_judge(exchange_at):
    """1e999 and NaN aren't strict JSON; a page with one bad value still tells about its other minutes."""
    page = b'{"result": {"status": "ok", "ticks": [%d], "open": [1e999], "high": [NaN], "low": [null], "close": [4],'
    page = page % START + b'"volume": [5.5], "cost": [6]}}'
    with serving(reply(200, page)) as (url, asked):
        got = exchange_at(url).candles("BTC-PERPETUAL", START, START + 60_000)
        assert len(asked) == 1
    assert got.present.all()
    assert (got.open[0], got.close[0], got.volume[0], got.cost[0]) == (float("inf"), 4.0, 5.5, 6.0)
    assert got.high[0] != got.high[0] and got.low[0] != got.low[0]


def test_every_error_is_an_exchange_error():
    assert all(
        issubclass(one, ExchangeError)
        for one in (RequestRejected, InstrumentNotFound, ExchangeUnavailable, BadResponse)
    )


def test_a_fault_in_the_middle_of_a_window_costs_only_its_page(exchange_at):
    with serving(NO_DATA, reset, NO_DATA) as (url, asked):
        got = exchange_at(url).candles("BTC-PERPETUAL", START, START + DAY)
    assert len(got.missing) == 1_440
    assert len(asked) == 3 and len(set(asked)) == 1
