"""Tickers of options: all of an answer's numbers or none of them, and asked once."""

from __future__ import annotations

import csv
import json

import pytest

from deribit_warehouse.exchange import BadResponse, ExchangeUnavailable, RequestRejected
from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.tickers import GREEKS, INPUTS, reader
from tests.exchange.scripted import error, reply, result, serving

NAME = "BTC-26MAR27-80000-C"


def told(**changed) -> dict:
    return {
        "instrument_name": NAME, "timestamp": 1_789_939_517_455, "mark_price": 0.1585, "mark_iv": 61.59,
        "underlying_price": 80_809.22, "underlying_index": "BTC-26MAR27", "state": "open",
        "greeks": {"delta": 0.6, "gamma": 0.00001, "vega": 142.30124, "theta": -13.4441, "rho": 131.82621},
    } | changed  # fmt: skip


@pytest.mark.recorded
def test_the_recorded_tickers_are_read_number_by_number(recorded, exchange_at):
    sent = list(json.loads(recorded("responses/option_tickers_sample.json").read_text()).values())
    assert len(sent) > 1
    with serving(*map(result, sent)) as (url, asked):
        exchange = exchange_at(url)
        for ticker in sent:
            found = exchange.option_ticker(ticker["instrument_name"])
            assert (found.instrument, found.timestamp) == (ticker["instrument_name"], ticker["timestamp"])
            assert found.values == {name: ticker[name] for name in INPUTS} | ticker["greeks"]
    assert asked[0] == f"/api/v2/public/ticker?instrument_name={sent[0]['instrument_name']}"
    with recorded("option_tickers_btc_20210211.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        numbers = {name: float(row[name]) for name in INPUTS} | {
            "greeks": {name: float(row[f"greeks.{name}"]) for name in GREEKS}
        }
        found = reader(row["instrument_name"])(row | numbers | {"timestamp": int(row["timestamp"])})
        assert found.values["vega"] == float(row["greeks.vega"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "list, not an object"),
        (told(instrument_name="ETH-26MAR27-4000-C"), "the ticker is of"),
        (told(instrument_name=None), "the ticker is of None"),
        (told(timestamp=1), "timestamp is 1"),
        (told(timestamp=True), "timestamp is True"),
        (told(greeks=None), "greeks is None"),
        (told(greeks={}), "delta is None"),
        (told(mark_iv=None), "mark_iv is None"),
        (told(mark_iv="61"), "mark_iv is '61'"),
        (told(mark_price=float("nan")), "mark_price is nan"),
        (told(underlying_price=float("inf")), "underlying_price is inf"),
        (told(underlying_price=10**400), "underlying_price is"),
    ],
)
def test_what_is_not_a_whole_ticker_is_none(answer, said):
    with pytest.raises(Malformed, match=said):
        reader(NAME)(answer)


def test_what_is_unknown_or_tiny_costs_nothing():
    found = reader(NAME)(told(a_new_field={"x": [1]}, greeks=told()["greeks"] | {"gamma": 1e-300, "vanna": 1.0}))
    assert found.values["gamma"] == 0 and set(found.values) == {*INPUTS, *GREEKS}


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (reply(503, b"away"), ExchangeUnavailable),
        (error(400, 10028, "too_many_requests"), ExchangeUnavailable),
        (error(400, -32602, "Invalid params", reason="instrument not found"), RequestRejected),
        (result(told(mark_iv=None)), BadResponse),
    ],
)
def test_a_ticker_is_asked_once(exchange_at, answer, raised):
    with serving(answer, result(told())) as (url, asked):
        exchange = exchange_at(url)
        with pytest.raises(raised):
            exchange.option_ticker(NAME)
        assert len(asked) == 1
        assert exchange.option_ticker(NAME).values["mark_iv"] == 61.59
