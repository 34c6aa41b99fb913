"""The catalogue: typed rows, tolerant of what may be absent, and what follows from the rest."""

from __future__ import annotations

import pytest

from deribit.exchange import BadResponse
from deribit.exchange.errors import Malformed
from deribit.exchange.instruments import NEVER, implied, instrument, reader
from tests.unit.exchange.fake_exchange import FakeExchange, row

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
    assert {one.exchange_id, one.base_currency, one.tick_size, one.strike, one.state, one.is_active} == {None}


@pytest.mark.parametrize("key", ["instrument_name", "kind", "creation_timestamp", "expiration_timestamp"])
@pytest.mark.parametrize("value", ["absent", None, [1]])
def test_a_row_without_an_essential_key_is_refused_by_name(key, value):
    broken = row("BTC-27DEC24", BORN, EXPIRY) | {key: value}
    if value == "absent":
        del broken[key]
    with pytest.raises(Malformed, match=rf"row 7 \(.*{key}"):
        instrument(broken, at=7, host="live")


@pytest.mark.parametrize(
    "more", [{"tick_size": "0.5"}, {"instrument_id": 1.5}, {"is_active": 1}, {"strike": True}, {"state": 3}]
)
def test_a_value_of_another_type_is_refused(more):
    with pytest.raises(Malformed, match=rf"BTC-27DEC24.*{next(iter(more))}"):
        instrument(row("BTC-27DEC24", BORN, EXPIRY) | more, at=0, host="live")


@pytest.mark.parametrize("result", [None, {}, "rows", [3]])
def test_an_answer_of_another_form_is_refused(result):
    with pytest.raises(Malformed):
        reader("live", "future")(result)


def test_only_the_kind_asked_for_is_kept():
    rows = [row("BTC-27DEC24", BORN, EXPIRY), row("BTC-FS-27DEC24_PERP", BORN, EXPIRY, kind="future_combo")]
    assert [one.instrument_name for one in reader("live", "future")(rows)] == ["BTC-27DEC24"]


def test_trap_5_what_has_expired_is_asked_of_both_hosts_each_by_name(exchange_at, serve_fake):
    yesterday = row("BTC-20SEP26", BORN, EXPIRY)
    live = FakeExchange(listed=[row("BTC-PERPETUAL", BORN, NEVER)], expired=[yesterday])
    history = FakeExchange(listed=[], expired=[row("BTC-27JUN25", BORN, EXPIRY), yesterday])
    exchange = exchange_at(serve_fake(live), serve_fake(history))

    expired = exchange.instruments("BTC", "future", expired=True, host="history")
    assert [(one.instrument_name, one.host) for one in expired] == [
        ("BTC-27JUN25", "history"),
        ("BTC-20SEP26", "history"),
    ]
    expired = exchange.instruments("BTC", "future", expired=True)
    assert [(one.instrument_name, one.host) for one in expired] == [("BTC-20SEP26", "live")]
    assert [one.instrument_name for one in exchange.instruments("BTC", "future", expired=False)] == ["BTC-PERPETUAL"]
    assert history.methods == ["get_instruments"], "the history host is not asked for what is listed"


INVERSE = {"base_currency": "BTC", "quote_currency": "USD"}
LINEAR = {"base_currency": "UNI", "quote_currency": "USDC"}


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
    ],
)
def test_what_follows_from_a_row_is_only_what_is_certain(told, follows):
    assert implied(instrument(row("X-1", BORN, EXPIRY) | told, at=0, host="history")) == follows


def test_future_type_stands_in_for_instrument_type_and_an_endless_contract_is_a_perpetual():
    one = instrument(row("BTC-PERPETUAL", BORN, NEVER, future_type="reversed"), at=0, host="history")
    assert (one.instrument_type, one.settlement_period) == ("reversed", "perpetual")
    one = instrument(row("BTC-27JUN25", BORN, EXPIRY, future_type="linear", instrument_type="reversed"), 0, "live")
    assert (one.instrument_type, one.settlement_period) == ("reversed", None)


@pytest.mark.parametrize("kind", ["equity", "preipo", "something_new", None])
def test_underlying_types_are_kept_as_told_and_none_is_taken_for_crypto(kind):
    more = {} if kind is None else {"underlying_type": kind}
    assert instrument(row("X-1", BORN, EXPIRY, **more), at=0, host="live").underlying_type == kind


def test_a_catalogue_that_stays_broken_is_a_bad_response(exchange_at, serve_fake):
    fake = FakeExchange(listed=[row("BTC-27JUN25", BORN, None)])
    with pytest.raises(
        BadResponse, match="get_instruments BTC future listed.*row 0.*BTC-27JUN25.*expiration_timestamp"
    ):
        exchange_at(serve_fake(fake)).instruments("BTC", "future", expired=False)
