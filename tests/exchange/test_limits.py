"""An answer takes no more memory and no more time than its method is given, whatever is sent and however."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import orjson
import pytest

from deribit_warehouse.datasets import FUTURES_LIVE
from deribit_warehouse.exchange import BadResponse, ExchangeUnavailable
from deribit_warehouse.exchange.http_client import MAX_ANSWER_TIMES
from deribit_warehouse.exchange.limits import LIMITS, MB, PROMPT, Limits, limits_of
from tests.exchange.scripted import PRICE, reply, result, serving, stalled

PEAK = 60 * MB  # of what Python allocates meanwhile; the default limit is 8 MB


def dripping(head: bytes, drop: bytes, end: bytes):
    """Sends `head`, then 400 drops that take 8 seconds together, then `end`, which completes a right answer."""

    def send(handler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        for _ in range(400):
            handler.wfile.write(drop)
            if handler.server.released.wait(0.02):
                return
        handler.wfile.write(end)

    return send


def endless(head: bytes, block: bytes):
    """Sends `head` and then `block` until nobody reads on, or 1 GB was sent."""

    def send(handler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        for _ in range(10**9 // len(block)):
            handler.wfile.write(block)

    return send


OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"result": {"index_price": 88537.0}}'
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(dripping(b"HTTP/1.1 200 ", b"O", b"\r\n\r\n" + BODY), id="status line"),
        pytest.param(dripping(OK + b"X: ", b"x", b"\r\n\r\n" + BODY), id="header"),
        pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"\r\n" + BODY), id="go on"),
        pytest.param(dripping(OK + b"\r\n", b" ", BODY), id="body"),
        pytest.param(dripping(CHUNKED, b"1\r\n \r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), id="chunks"),
        pytest.param(dripping(CHUNKED, b"0", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), id="size of a chunk"),
        pytest.param(dripping(CHUNKED + b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY), b"X: x\r\n", b"\r\n"), id="trailer"),
    ],
)
def test_a_byte_now_and_then_ends_at_the_deadline(exchange_at, slow):
    def limits(method):
        return Limits(silence=5, total=0.3)

    with serving(slow) as (url, _):
        with pytest.raises(ExchangeUnavailable, match=r"not complete after 0\.3 s.*Run the task again"):
            exchange_at(url, limits=limits, attempts=1).index_price("btc_usd")


def test_an_answer_that_does_not_begin_ends_at_the_deadline_too(exchange_at):
    def silent(handler):
        handler.server.released.wait(8)
        PRICE(handler)

    with serving(silent) as (url, _):
        with pytest.raises(ExchangeUnavailable, match=r"not complete after 0\.3 s"):
            exchange_at(url, limits=lambda method: Limits(total=0.3), attempts=1).index_price("btc_usd")


def test_a_slow_answer_is_asked_again_but_not_for_all_attempts(exchange_at):
    """Six times two minutes would hold a slot of the executor for as long."""
    slow = dripping(OK + b"\r\n", b" ", BODY)
    limits = lambda method: Limits(total=1.0)  # noqa: E731 (a busy machine is late by some tenths)
    with serving(slow, PRICE) as (url, asked):
        assert exchange_at(url, limits=limits).index_price("btc_usd") == 88537.0
    with serving(slow) as (url, asked):
        with pytest.raises(ExchangeUnavailable, match=r"not complete after 1 s.*after 2 attempts"):
            exchange_at(url, limits=limits).index_price("btc_usd")
        assert len(asked) == 2


SPACES = b" " * 65_536


@pytest.mark.parametrize(
    "long",
    [
        pytest.param(endless(OK + b"\r\n", SPACES), id="body"),
        pytest.param(endless(OK + b"Content-Length: 1000000000\r\n\r\n", SPACES), id="with a length"),
        pytest.param(endless(CHUNKED, b"10000\r\n" + SPACES + b"\r\n"), id="chunks"),
        pytest.param(endless(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\n \r\n"), id="names of chunks"),
        pytest.param(endless(CHUNKED + b"0\r\n", b"X: x\r\n" * 10_000), id="trailers"),
        pytest.param(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000), id="go on"),
        pytest.param(endless(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 3_000), id="empty gzips"),
        pytest.param(
            endless(OK + b"Content-Encoding: deflate\r\n\r\n" + b"\x78\x9c", b"\x00\x00\x00\xff\xff" * 10_000),
            id="empty blocks",
        ),
        pytest.param(reply(500, b"x" * MB), id="an error's page"),
    ],
)
def test_an_endless_answer_ends_at_the_limit(exchange_at, long):
    with serving(long) as (url, _):
        exchange = exchange_at(url, attempts=1, limits=lambda method: Limits(size=MB // 2))
        tracemalloc.start()
        with pytest.raises(BadResponse, match="larger than 0.5 MB"):
            exchange.index_price("btc_usd")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < PEAK


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(SPACES) for _ in range(size // len(SPACES))), packer.flush()])


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        pytest.param("gzip", gzip.compress(b" " * 10 * MB) * 60, id="600 MB"),
        pytest.param("x-gzip", gzip.compress(b" " * 100 * MB), id="one member"),
        pytest.param("deflate", deflated(100 * MB), id="deflate"),
    ],
)
def test_a_small_body_that_grows_ends_at_the_limit(exchange_at, encoding, bomb):
    assert len(bomb) < MB
    with serving(reply(200, bomb, Content_Encoding=encoding)) as (url, asked):
        exchange = exchange_at(url, attempts=2)
        tracemalloc.start()
        with pytest.raises(BadResponse, match="larger than 8 MB.*after 2 attempts"):
            exchange.index_price("btc_usd")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(asked) == 2
    assert peak < PEAK


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_read(exchange_at, encoding):
    with serving(reply(200, gzip.compress(BODY), Content_Encoding=encoding)) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 1


@pytest.mark.parametrize("body", [zlib.compress(BODY), zlib.compress(BODY)[2:-4]], ids=["zlib", "raw"])
def test_deflate_is_read_in_both_of_its_forms(exchange_at, body):
    with serving(reply(200, body, Content_Encoding="deflate")) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip, gzip", gzip.compress(gzip.compress(BODY, mtime=0), mtime=0)),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY), mtime=0)),
        ("identity, gzip", gzip.compress(BODY, mtime=0)),
        ("br", BODY),
        ("zstd", BODY),
        ("whatever", BODY),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",  # a gzip holds the second it was made in
)
def test_any_other_encoding_is_refused_and_asked_again(exchange_at, encoding, body):
    with serving(reply(200, body, Content_Encoding=encoding), PRICE) as (url, asked):
        assert exchange_at(url).index_price("btc_usd") == 88537.0
        assert len(asked) == 2
    with serving(reply(200, body, Content_Encoding=encoding)) as (url, asked):
        with pytest.raises(BadResponse, match="neither gzip nor deflate"):
            exchange_at(url).index_price("btc_usd")


def test_more_rows_than_a_page_has_are_refused(exchange_at):
    chart = {"status": "ok"} | {key: [1] * 20_001 for key in "ticks open high low close volume cost".split()}
    with serving(result(chart)) as (url, _):
        with pytest.raises(BadResponse, match="more than 20,000 rows"):
            exchange_at(url, attempts=1).candles("BTC-PERPETUAL", 0, 60_000)


def test_more_values_than_rows_have_are_refused_before_they_are_parsed(exchange_at):
    """A list costs two bytes to send and more than fifty to keep."""
    body = b'{"result": [' + b"[[[[]]]]," * 800_000 + b"0]}"
    with serving(reply(200, body)) as (url, _):
        exchange = exchange_at(url, attempts=1)
        tracemalloc.start()
        with pytest.raises(BadResponse, match="more than 20,000 rows"):
            exchange.index_price("btc_usd")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < PEAK


def test_a_page_of_the_exchange_is_well_within_its_limits():
    """A chart of 5,001 rows of the longest numbers, and the history host's catalogue of options."""
    chart = {key: [123456.123456789] * 5_001 for key in "ticks open high low close volume cost".split()}
    page, catalogue = limits_of("get_tradingview_chart_data"), limits_of("get_instruments")
    assert len(orjson.dumps(chart)) * 5 < page.size and page.rows > 5_001 * 3
    assert catalogue.size > 150_000 * 900 and catalogue.rows > 150_000 * 2
    assert catalogue.silence >= 300  # a slow list of 90 MB may take minutes to its first byte
    assert all(limits.silence <= limits.total for limits in [*LIMITS.values(), page])


def test_the_time_of_an_attempt_is_its_own(exchange_at):
    """The limiter's waiting and the attempts before are not counted."""
    with serving(reply(503, b""), PRICE) as (url, _):
        exchange = exchange_at(
            url,
            limits=lambda method: Limits(total=0.3),
            rate_limiter=lambda meter: time.sleep(0.2),
            sleep=lambda pause: None,
        )
        assert exchange.index_price("btc_usd") == 88537.0


MINUTES = {"instrument_name": "BTC-27JUN25", "start": 1_767_052_800_000, "end": 1_767_052_860_000}


@pytest.mark.parametrize(("answer", "attempts"), [(stalled, 2), (reply(502, b""), 3)])
@pytest.mark.parametrize("method", ["candles", "now"])
def test_what_is_asked_again_in_a_minute_is_given_seconds_and_few_attempts(
    exchange_at, monkeypatch, method, answer, attempts
):
    monkeypatch.setattr("deribit_warehouse.exchange.client.PROMPT", Limits(silence=0.2, total=0.2))
    with serving(answer) as (url, asked):
        exchange = exchange_at(url)
        with pytest.raises(ExchangeUnavailable, match=f"after {attempts} attempts"):
            exchange.candles(**MINUTES, prompt=True) if method == "candles" else exchange.now(prompt=True)
        assert len(asked) == attempts


def test_two_contracts_whose_charts_hang_leave_time_for_the_others():
    assert 2 * MAX_ANSWER_TIMES * PROMPT.total <= 0.7 * FUTURES_LIVE.asking.total_seconds()
