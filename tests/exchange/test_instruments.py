"""The catalogue: typed rows, tolerant of what may be absent, and what follows from the rest."""

from __future__ import annotations

import math

import msgspec
import orjson
import pytest

from deribit_warehouse.exchange import BadResponse, ExchangeUnavailable
from deribit_warehouse.exchange.errors import AttemptFailed, Malformed
from deribit_warehouse.exchange.instruments import NEVER, UnreadableRow, implied, instrument, reader
from deribit_warehouse.exchange.response import rows_of
from tests.exchange.fake_exchange import FakeExchange, row
from tests.exchange.scripted import error, result, serving

BORN, EXPIRY = 1_719_561_600_000, 1_735_300_800_000


def test_a_full_row_is_read():
    one = instrument(
        row(
            *("BTC-27DEC24-100000-C", BORN, EXPIRY),
            kind="option",
            instrument_id=345678,
            base_currency="BTC",
            quote_currency="BTC",
            settlement_currency="BTC",
            settlement_period="month",
            instrument_type="reversed",
            price_index="btc_usd",
            tick_size=0.0005,
            contract_size=1,
            strike=100000,
            option_type="call",
            state="open",
            is_active=True,
            counter_currency="USD",
        ),
        at=0,
        host="live",
    )
    assert (one.instrument_name, one.kind, one.exchange_id, one.host) == (
        "BTC-27DEC24-100000-C",
        "option",
        345678,
        "live",
    )
    assert (one.created, one.expires, one.strike, one.option_type) == (BORN, EXPIRY, 100000.0, "call")
    assert type(one.contract_size) is float and one.tick_size == 0.0005
    assert (one.state, one.is_active, one.settlement_period) == ("open", True, "month")
    assert (one.base_currency, one.quote_currency, one.settlement_currency) == ("BTC", "BTC", "BTC")
    assert (one.instrument_type, one.price_index) == ("reversed", "btc_usd")


def test_what_may_be_absent_is_none_and_a_perpetual_never_expires():
    one = instrument(row("BTC-PERPETUAL", BORN, NEVER, strike=None), at=0, host="history")
    assert one.expires is None
    assert {one.exchange_id, one.quote_currency, one.tick_size, one.strike, one.state, one.is_active} == {None}


ESSENTIAL = (
    "instrument_name",
    "kind",
    "base_currency",
    "settlement_period",
    "creation_timestamp",
    "expiration_timestamp",
)


@pytest.mark.parametrize("key", ESSENTIAL)
@pytest.mark.parametrize("value", ["absent", None, [1]])
def test_a_row_without_an_essential_key_is_named_with_the_key(key, value):
    broken = row("BTC-27DEC24", BORN, EXPIRY) | {key: value}
    if value == "absent":
        del broken[key]
    with pytest.raises(UnreadableRow, match=key) as caught:
        instrument(broken, at=7, host="live")
    assert caught.value.subject == ("row 7" if key == "instrument_name" else "BTC-27DEC24")


def test_a_key_that_has_another_name_is_missing_not_guessed():
    broken = row("BTC-27DEC24", BORN, EXPIRY)
    broken["expiry"] = broken.pop("expiration_timestamp")
    with pytest.raises(UnreadableRow, match="it has no expiration_timestamp"):
        instrument(broken, at=0, host="history")


BAD = {
    "another type": [{"tick_size": "0.5"}, {"instrument_id": 1.5}, {"is_active": 1}, {"strike": True}, {"state": 3}],
    "a name of another alphabet": [
        {"instrument_name": name} for name in ("", "BTC\x00", "BTC-\ud800", "B" * 1_000_000, "BTC 1", "БТЦ-1", "a#7")
    ],
    "a word of another alphabet": [{"state": "\x00"}, {"base_currency": ""}, {"price_index": "x" * 65}],
    "a number beyond its type": [
        {"instrument_id": 2**63}, {"instrument_id": -1}, {"strike": 10**400}, {"strike": math.inf},
        {"tick_size": math.nan}, {"contract_size": -1e16},
    ],
    "a time beyond any calendar": [
        {"expiration_timestamp": 10**18}, {"creation_timestamp": -1}, {"creation_timestamp": 10**400},
        {"expiration_timestamp": BORN}, {"creation_timestamp": EXPIRY + 1},
    ],
}  # fmt: skip


@pytest.mark.parametrize("more", [more for rows in BAD.values() for more in rows], ids=lambda more: str(more)[:40])
def test_a_bad_row_is_left_out_and_named_and_the_rest_is_kept(more):
    good, bad = row("BTC-27DEC24", BORN, EXPIRY), row("BTC-3JAN25", BORN, EXPIRY) | more
    reading = reader("live", "future")([good, bad, 7, good | {"instrument_name": "BTC-10JAN25"}])
    assert [one.instrument_name for one in reading.instruments] == ["BTC-27DEC24", "BTC-10JAN25"]
    (subject, cause), (other, _) = reading.unreadable
    assert other == "row 2" and subject.isascii() and subject.isprintable() and len(subject) <= 60
    assert cause.isascii() and cause.isprintable() and len(cause) < 160


@pytest.mark.parametrize("result", [None, {}, "rows", [3], [{"name": "BTC-27DEC24"}, {"name": "BTC-3JAN25"}]])
def test_an_answer_of_another_form_is_refused(result):
    with pytest.raises(Malformed):
        reader("live", "future")(result)


def test_a_bad_row_that_is_alone_in_its_list_is_named_too():
    """The daily contract in the live host's list of what expired is such a row: it must not fail the other lists."""
    bad = row("BTC-27DEC24", BORN, EXPIRY) | {"strike": 10**400}
    combo = row("BTC-FS-27DEC24_PERP", BORN, EXPIRY, kind="future_combo")
    for rows in ([bad], [bad, combo], [bad, 7]):
        reading = reader("live", "future")(rows)
        assert reading.instruments == [] and reading.unreadable[0][0] == "BTC-27DEC24"
    with pytest.raises(Malformed, match="none of 3 rows"):
        reader("live", "future")([bad] * 3)


def test_no_row_is_an_answer():
    assert reader("live", "future")([]).instruments == []


def test_only_the_kind_asked_for_is_kept():
    rows = [row("BTC-27DEC24", BORN, EXPIRY), row("BTC-FS-27DEC24_PERP", BORN, EXPIRY, kind="future_combo")]
    assert [one.instrument_name for one in reader("live", "future")(rows).instruments] == ["BTC-27DEC24"]


def test_trap_5_what_has_expired_is_asked_of_both_hosts_each_by_name(exchange_at, serve_fake):
    yesterday = row("BTC-20SEP26", BORN, EXPIRY)
    live = FakeExchange(listed=[row("BTC-PERPETUAL", BORN, NEVER)], expired=[yesterday])
    history = FakeExchange(listed=[], expired=[row("BTC-27JUN25", BORN, EXPIRY), yesterday])
    exchange = exchange_at(serve_fake(live), serve_fake(history))

    expired = exchange.instruments("BTC", "future", expired=True, host="history")
    assert [(one.instrument_name, one.host) for one in expired.instruments] == [
        ("BTC-27JUN25", "history"),
        ("BTC-20SEP26", "history"),
    ]
    expired = exchange.instruments("BTC", "future", expired=True)
    assert [(one.instrument_name, one.host) for one in expired.instruments] == [("BTC-20SEP26", "live")]
    assert [one.instrument_name for one in exchange.instruments("BTC", "future", expired=False).instruments] == [
        "BTC-PERPETUAL"
    ]
    assert history.methods == ["get_instruments"], "the history host is not asked for what is listed"


INVERSE = {"base_currency": "BTC", "quote_currency": "USD"}
LINEAR = {"base_currency": "UNI", "quote_currency": "USDC"}
SOL = {"base_currency": "SOL", "quote_currency": "USD"}
LATE = {"creation_timestamp": 1_782_777_600_000, "expiration_timestamp": 1_785_484_800_000}  # listed on 2026-06-30


@pytest.mark.parametrize(
    ("told", "follows"),
    [
        (INVERSE, ("BTC", "reversed", "btc_usd")),
        (INVERSE | {"kind": "option"}, (None, None, None)),
        ({"base_currency": "BTC", "quote_currency": "BTC", "kind": "option"}, ("BTC", "reversed", "btc_usd")),
        (LINEAR, ("USDC", "linear", "uni_usdc")),
        ({"base_currency": "BTC", "quote_currency": "EURR"}, (None, None, None)),
        ({"base_currency": "BTC", "quote_currency": "EURR", "settlement_currency": "EURR"}, (None, "linear", None)),
        ({"base_currency": "TSLA", "quote_currency": "USDC", "underlying_type": "equity"}, (None, None, None)),
        ({}, (None, None, None)),
        ({"base_currency": "S", "quote_currency": "USDC"}, ("USDC", "linear", "s_usdc")),
        # since there are underlyings of other kinds, a future in USD may be of one
        (LATE | INVERSE, ("BTC", "reversed", "btc_usd")),
        (LATE | SOL, (None, None, None)),
        (LATE | SOL | {"underlying_type": "crypto"}, ("SOL", "reversed", "sol_usd")),
        (SOL, ("SOL", "reversed", "sol_usd")),
    ],
)
def test_what_follows_from_a_row_is_only_what_is_certain(told, follows):
    assert implied(instrument(row("X-1", BORN, EXPIRY) | told, at=0, host="history")) == follows


def test_future_type_stands_in_for_instrument_type_and_an_endless_contract_is_a_perpetual():
    one = instrument(row("BTC-PERPETUAL", BORN, NEVER, future_type="reversed"), at=0, host="history")
    assert (one.instrument_type, one.settlement_period) == ("reversed", "perpetual")
    one = instrument(row("BTC-27JUN25", BORN, EXPIRY, future_type="linear", instrument_type="reversed"), 0, "live")
    assert (one.instrument_type, one.settlement_period) == ("reversed", "month")


@pytest.mark.parametrize("kind", ["equity", "preipo", "something_new", None])
def test_underlying_types_are_kept_as_told_and_none_is_taken_for_crypto(kind):
    more = {} if kind is None else {"underlying_type": kind}
    assert instrument(row("X-1", BORN, EXPIRY, **more), at=0, host="live").underlying_type == kind


def test_a_catalogue_that_stays_broken_is_a_bad_response(exchange_at, serve_fake):
    fake = FakeExchange(listed=[row(name, BORN, None) for name in ("BTC-27JUN25", "BTC-26SEP25", "BTC-26DEC25")])
    with pytest.raises(
        BadResponse, match="get_instruments BTC future listed.*none of 3 rows.*BTC-27JUN25.*expiration_timestamp"
    ):
        exchange_at(serve_fake(fake)).instruments("BTC", "future", expired=False)


def test_rows_are_read_from_their_json_one_by_one_and_one_that_is_none_costs_only_itself():
    rows = [row("BTC-27DEC24", BORN, EXPIRY), row("BTC-3JAN25", BORN, EXPIRY), row("BTC-10JAN25", BORN, EXPIRY)]
    bad = [b'{"instrument_name":"BTC-\\ud800"}', b'{"instrument_name":"BTC-1","kind":"future","strike":1e400}', b"7"]
    told = b",".join([*(orjson.dumps(one) for one in rows), *bad])
    reading = reader("live", "future")(rows_of(200, b'{"usIn":1,"result":[' + told + b'],"jsonrpc":"2.0"}'))
    assert [one.instrument_name for one in reading.instruments] == ["BTC-27DEC24", "BTC-3JAN25", "BTC-10JAN25"]
    assert [subject for subject, _ in reading.unreadable] == ["BTC-\\ud800", "BTC-1", "row 5"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"},"result":[]}', 10028),
        (200, b'{"error":{"code":-32602,"message":"Invalid params"}}', -32602),
        (200, b'{"result":[{"instrument_name":"BTC', None),
        (502, b'{"result":[]}', None),
    ],
)
def test_an_answer_without_rows_is_judged_as_any_other(status, body, code):
    with pytest.raises(AttemptFailed) as caught:
        rows_of(status, body)
    assert caught.value.code == code


def test_an_error_that_is_null_does_not_cost_the_memory_of_all_rows_at_once():
    [told] = rows_of(200, b'{"jsonrpc":"2.0","error":null,"result":[{"instrument_name":"BTC-27DEC24"}]}')
    assert isinstance(told, msgspec.Raw)


def test_a_result_that_is_no_list_is_left_to_its_reader():
    assert rows_of(200, b'{"result":{"a":1}}') == {"a": 1}
    assert rows_of(200, b'{"result":[{"strike":NaN}]}')[0]["strike"] != 0


def test_what_is_listed_now_is_asked_once_and_waited_for_for_seconds(exchange_at, monkeypatch):
    from deribit_warehouse.exchange import http_client, limits

    listed = row("BTC-27DEC24", BORN, EXPIRY)
    with serving(result([listed])) as (url, asked):
        found = exchange_at(url).listed("BTC", "future")
        assert [one.instrument_name for one in found.instruments] == ["BTC-27DEC24"]
        assert "expired=false" in asked[0] and "kind=future" in asked[0] and "currency=BTC" in asked[0]
    granted = []
    send = http_client.Session.send
    monkeypatch.setattr(
        http_client.Session, "send", lambda *args: granted.append(args[-1]) or send(*args)
    )  # fmt: skip
    with serving(error(503, 13028)) as (url, asked):
        with pytest.raises(ExchangeUnavailable):
            exchange_at(url).listed("BTC", "future")
        assert len(asked) == 1
    assert granted == [limits.LISTED] and limits.LISTED.connect + limits.LISTED.total <= 12
