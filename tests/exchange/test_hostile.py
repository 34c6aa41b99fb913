"""Whatever answers, what comes out is a result or one of our errors, short and clean enough for an alert and a log."""

from __future__ import annotations

import json
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deribit_warehouse.exchange import BadResponse, Exchange, ExchangeError, ExchangeUnavailable, RequestRejected
from deribit_warehouse.exchange.errors import AttemptFailed, clean, iso, request_text, shown
from tests.exchange.scripted import PRICE, error, reply, result, serving

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([-32602, 10028, 13028, 2**63, 10**300, 1e308, float("nan"), float("inf"), -0.0]),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(["\x00", "\ud800", "\x1b[31m", "\u202e", "x" * 5_000, "a\nb", "result", "ok"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
members = st.fixed_dictionaries(
    {},
    optional={
        "result": values | st.fixed_dictionaries({"index_price": values}),
        "error": values | st.fixed_dictionaries({}, optional={"code": values, "message": values, "data": values}),
        "jsonrpc": values,
    },
)
bodies = st.one_of(
    st.binary(max_size=60),
    (members | values).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.integers(1, 3_000).map(lambda depth: b'{"result": ' + b"[" * depth + b"]" * depth + b"}"),
    st.integers(1, 2_000).map(lambda depth: b'{"error": {"code": ' + b"[" * depth + b"]" * depth + b"}}"),
    st.integers(1, 6_000).map(lambda digits: b'{"result": {"index_price": ' + b"9" * digits + b"}}"),
)
names = st.sampled_from(
    "Retry-After Content-Encoding Content-Length Content-Type Transfer-Encoding Location Set-Cookie Connection".split()
)
contents = st.one_of(
    st.sampled_from(
        ["²", "-1", "9" * 400, "gzip", "deflate, gzip", "chunked", "0", "7, 7", "7, 8", "http://[", "a;b=c;="]
    ),
    st.text(st.characters(max_codepoint=255), max_size=30),
)
statuses = st.integers(0, 999) | st.sampled_from([200, 200, 200, 302, 304, 400, 404, 429, 503, 99999])


@pytest.fixture(scope="module")
def answering():
    """A server that sends the bytes it holds and hangs up, and an exchange that asks it twice at most."""

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(server.answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with Exchange(url, url, lambda meter: None, attempts=2, sleep=lambda pause: None) as exchange:
        yield server, exchange
    server.shutdown()
    server.server_close()


def checked(exchange: Exchange) -> None:
    """Asks in each of the ways that are read differently."""
    for ask in (
        lambda: exchange.index_price("btc_usd"),
        lambda: exchange.now(),
        lambda: exchange.candles("BTC-PERPETUAL", 0, 60_000),
        lambda: exchange.funding("BTC-PERPETUAL", 0, 3_600_000),
    ):
        try:
            ask()
        except ExchangeError as error:
            told = str(error)
            assert told.isprintable() and len(told) < 1_500
            assert error.code is None or type(error.code) is int
            assert str(pickle.loads(pickle.dumps(error))) == told


ANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(status=statuses, headers=st.lists(st.tuples(names, contents), max_size=3), body=bodies)
@example(status=400, headers=[], body=b'{"error": {"code": [], "message": {}, "data": {"reason": [[]]}}}')
@example(status=429, headers=[("Retry-After", "²")], body=b"")
@example(status=302, headers=[("Location", "http://[\xff")], body=b"")
def test_every_answer_is_a_result_or_one_of_our_errors(answering, status, headers, body):
    server, exchange = answering
    head = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers)]
    server.answer = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
    checked(exchange)


@ANY
@given(answer=st.binary(max_size=200) | st.binary(max_size=60).map(lambda noise: b"HTTP/1.1 200 OK\r\n" + noise))
@example(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n")
@example(answer=b"\x1b[31m\x07" * 2_000)
@example(answer=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n")
def test_so_is_every_noise_in_place_of_an_answer(answering, answer):
    server, exchange = answering
    server.answer = answer
    checked(exchange)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_no_redirect_is_followed(exchange_at, status):
    """Another host would get the request, and its body would be taken for the exchange's."""
    with serving(PRICE) as (elsewhere, never):
        moved = reply(status, b"", Location=f"{elsewhere}/login?token=secret")
        with serving(moved, PRICE) as (url, asked):
            assert exchange_at(url).index_price("btc_usd") == 88537.0  # a proxy's page is asked again
            assert len(asked) == 2
        with serving(moved) as (url, asked):
            with pytest.raises(
                ExchangeUnavailable, match=f"HTTP {status}, a redirect to {elsewhere}/login,.*host"
            ) as caught:
                exchange_at(url).index_price("btc_usd")
            assert len(asked) == 6
        assert not never
    assert "secret" not in str(caught.value) and caught.value.http_status == status


def test_where_a_redirect_leads_is_told_cleanly(exchange_at):
    with serving(reply(302, b"", Location="http://user:secret@10.0.0.1/\x1b[2J" + "x" * 5_000)) as (url, _):
        with pytest.raises(ExchangeUnavailable) as caught:
            exchange_at(url).index_price("btc_usd")
    told = str(caught.value)
    assert "http://10.0.0.1/" in told and "secret" not in told and told.isprintable() and len(told) < 1_000


def test_no_login_of_the_machine_is_sent(exchange_at, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login operator password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    heads = []

    def noting(handler):
        heads.append({name.lower(): value for name, value in handler.headers.items()})
        PRICE(handler)

    with serving(noting) as (url, _):
        exchange_at(url).index_price("btc_usd")
    [head] = heads
    assert "authorization" not in head
    assert "deribit-warehouse" in head["user-agent"] and "market data" in head["user-agent"]
    assert head["accept-encoding"] == "gzip, deflate"


def test_a_proxy_of_the_environment_is_used_and_its_login_is_not_told(exchange_at, monkeypatch):
    with serving(PRICE) as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        assert exchange_at("http://exchange.example").index_price("btc_usd") == 88537.0
        assert asked == ["http://exchange.example/api/v2/public/get_index_price?index_name=btc_usd"]
    for broken in ("http://user:secret@127.0.0.1:1", "http://user:secret@127.0.0.1:port", "http://user:secret@[::1"):
        monkeypatch.setenv("http_proxy", broken)
        with pytest.raises(ExchangeError) as caught:
            exchange_at("http://exchange.example").index_price("btc_usd")
        failure: BaseException | None = caught.value
        while failure:
            assert "secret" not in str(failure)
            failure = failure.__cause__


def test_a_proxy_may_be_asked_to_tunnel(exchange_at, monkeypatch):
    """Its answer is read within the limits as well."""
    with serving(reply(403, b"\x1b[31mno")) as (proxy, _asked):
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ExchangeUnavailable) as caught:
            exchange_at("https://exchange.example").index_price("btc_usd")
    assert str(caught.value).isprintable()


def test_a_certificate_bundle_that_is_not_there_is_one_of_our_errors(exchange_at, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ExchangeUnavailable, match="/nowhere/ca.pem"):
        exchange_at("https://127.0.0.1:1").index_price("btc_usd")


def test_a_url_with_a_login_is_refused_and_not_shown():
    with pytest.raises(ValueError, match="live host holds a login") as caught:
        Exchange("https://user:secret@www.deribit.com", "https://history.deribit.com", lambda meter: None)
    assert "secret" not in str(caught.value)


def test_what_the_exchange_says_is_quoted_short_and_clean(exchange_at):
    strange = "\x1b[31mred\u202e\nnew line\x00\ud800" + "x" * 10_000
    with serving(error(400, -32602, strange, reason=strange)) as (url, _):
        with pytest.raises(RequestRejected) as caught:
            exchange_at(url).index_price("btc_usd\n\u202e")
    told = str(caught.value)
    assert told.isprintable() and len(told) < 1_000
    assert r"\x1b[31mred\u202e\nnew line\x00\ud800" in told


def test_a_head_that_can_not_be_parsed_is_not_logged(exchange_at, caplog):
    def garbled(handler):
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nno header\r\n" + b"\x1b[31mX\xff: y\r\n" * 2_000 + b"\r\n")
        handler.wfile.write(b'{"result": {"index_price": 88537.0}}')

    def many(handler):
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nno header\r\n" + b"x" * 60_000 + b"\r\n\r\n{}")

    for reply_ in (garbled, many):
        with serving(reply_, PRICE) as (url, _):
            assert exchange_at(url).index_price("btc_usd") == 88537.0
    for record in caplog.records:
        assert len(caplog.handler.format(record)) < 1_000 and record.getMessage().isprintable()


def test_a_reader_that_did_not_think_of_an_answer_is_no_raw_error(exchange_at):
    with serving(result({"index_price": int("9" * 400)})) as (url, asked):
        with pytest.raises(BadResponse, match="can't be read: OverflowError"):
            exchange_at(url).index_price("btc_usd")
        assert len(asked) == 6


def test_an_answer_whose_error_is_null_is_a_result(exchange_at):
    with serving(reply(200, {"jsonrpc": "2.0", "error": None, "result": {"index_price": 2.0}})) as (url, _):
        assert exchange_at(url).index_price("btc_usd") == 2.0


@given(st.text(st.characters(exclude_categories=())) | values)
def test_whatever_is_shown_is_short_and_printable(value):
    for told in (clean(value), shown(value)):
        assert told.isprintable() and len(told) < 200


def test_a_login_in_a_text_is_left_out():
    assert clean("can't reach http://user:pass@word@host:80/path") == "can't reach http://host:80/path"


def test_a_time_beyond_any_calendar_can_be_told():
    assert iso(0) == "1970-01-01T00:00:00Z"
    for beyond in (2**63, -(2**63), 10**30):
        assert str(beyond)[:10] in iso(beyond)
        assert str(beyond)[:10] in request_text("get", {"start_timestamp": beyond, "end_timestamp": beyond})


def test_an_attempts_failure_never_leaves():
    assert not issubclass(AttemptFailed, ExchangeError)
