"""Book summaries: every row that can be read, whatever lies beside it; options as the decimals they were sent as."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.exchange import option_series
from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.summaries import VALUES, reader

STAMP = 1_789_939_036_004


def told(name: str = "BTC-PERPETUAL", **changed) -> dict:
    row = {
        "instrument_name": name, "creation_timestamp": STAMP, "mark_price": 80_831.57, "bid_price": 80_836.5,
        "ask_price": 80_837.0, "last": 80_832.5, "open_interest": 787_799_210, "volume": 3099.91787897,
        "estimated_delivery_price": 80_815.88, "mid_price": 80_836.75, "base_currency": "BTC",
    }  # fmt: skip
    return row | changed


def option(name: str = "BTC-16JAN26-82000-C", **changed) -> dict:
    priced = {"mark_iv": 43.23, "underlying_price": 88_728.94666667, "underlying_index": "SYN.BTC-16JAN26"}
    return told(name, **(priced | changed))


@pytest.mark.recorded
def test_the_recorded_answer_is_read_row_by_row(recorded):
    rows = json.loads(recorded("responses/book_summary_future.json").read_text())
    found = reader("BTC", "future")(rows)
    assert found.instruments == sorted(row["instrument_name"] for row in rows) and not found.unreadable
    by_name = {row["instrument_name"]: row for row in rows}
    for place, name in enumerate(found.instruments):
        assert found.timestamp[place] == by_name[name]["creation_timestamp"]
        for field in VALUES:
            value = found.values[field][place]
            assert (None if math.isnan(value) else value) == by_name[name].get(field), (name, field)
    perpetual = found.instruments.index("BTC-PERPETUAL")
    assert found.values["funding_8h"][perpetual] == 1.583e-05
    assert np.isnan(found.values["funding_8h"]).sum() == len(rows) - 1, "of dated futures there is none"


def test_what_is_null_absent_or_unknown_costs_nothing():
    found = reader("BTC", "future")([told(bid_price=None, ask_price=None, a_new_field={"x": [1]})])
    assert math.isnan(found.values["bid_price"][0]) and math.isnan(found.values["funding_8h"][0])
    assert found.values["mark_price"].tolist() == [80_831.57] and found.underlying_index == [""]
    none = reader("SOL", "future")([])
    assert none.instruments == [] and none.timestamp.dtype == np.int64 and none.values["mark_price"].shape == (0,)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (told(mark_price="80831.57"), "mark_price is '80831.57', not a number"),
        (told(mark_price=True), "mark_price is True, not a number"),
        (told(volume=10**400), "out of range"),
        (told(creation_timestamp=None), "creation_timestamp is None"),
        (told(creation_timestamp=1.5), "creation_timestamp is 1.5"),
        (told(creation_timestamp=1), "creation_timestamp is 1"),
        (told("BTC'; DROP"), "instrument_name is"),
        (told(None), "instrument_name is None"),
        (told(underlying_index=["x"]), "underlying_index is"),
        (option(), "it is not the name of a future"),
        ([], "it is list, not an object"),
        (told("ETH-PERPETUAL"), "more than once"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_costs_no_other(row, said):
    found = reader("BTC", "future")([told("ETH-PERPETUAL"), row, told("SOL-PERPETUAL")])
    assert found.instruments == ["ETH-PERPETUAL", "SOL-PERPETUAL"]
    [(subject, cause)] = found.unreadable
    assert said in cause and len(subject) <= 60 and subject.isascii()


def test_one_row_with_another_time_does_not_move_the_answers():
    rows = [told(f"BTC-{n}JAN26", creation_timestamp=STAMP + n) for n in range(1, 6)]
    rows.append(told("BTC-9JAN26", creation_timestamp=STAMP + 10**10))
    assert reader("BTC", "future")(rows).made_at == STAMP + 4


@pytest.mark.parametrize("result", [None, {}, "x", [1, 2], [told("BTC-16JAN26-82000-C")]])
def test_what_is_no_answer_about_futures_is_refused(result):
    with pytest.raises(Malformed, match="book summar"):
        reader("BTC", "future")(result)


def test_a_chain_is_split_by_expiry_calls_first():
    names = [
        "BTC-16JAN26-82000-P", "BTC-16JAN26-82000-C", "BTC-16JAN26-9000-C", "BTC-1FEB26-82000-C",
        "XRP_USDC-21SEP26-1d25-P", "XRP_USDC-21SEP26-1d3-P", "XRP_USDC-21SEP26-1d25-C",
    ]  # fmt: skip
    series, unreadable = option_series.split(reader("X", "option")([option(name) for name in names]))
    assert [(one.name, one.instruments) for one in series] == [
        ("BTC-16JAN26", [names[2], names[1], names[0]]),
        ("BTC-1FEB26", [names[3]]),
        ("XRP_USDC-21SEP26", [names[6], names[4], names[5]]),
    ]
    assert [f"{one.expires_at:%Y-%m-%d %H:%M%z}" for one in series] == [
        "2026-01-16 08:00+0000", "2026-02-01 08:00+0000", "2026-09-21 08:00+0000",
    ]  # fmt: skip
    assert not unreadable
    assert series[0].values["underlying_price"].tolist() == [88_728.94666667] * 3
    assert series[0].underlying_index == ["SYN.BTC-16JAN26"] * 3


@pytest.mark.parametrize(
    "row",
    [
        option("BTC-99JAN26-82000-C"), option("BTC-16JAN26-8x-C"), option("BTC-16XYZ26-82000-C"),
        option("A-C"), option("btc-16JAN26-82000-C"), option("BTC-16JAN26-82000-C-C"),
    ],
)  # fmt: skip
def test_what_is_no_option_is_left_out_and_named(row):
    series, unreadable = option_series.split(reader("BTC", "option")([option(), row]))
    assert [one.instruments for one in series] == [["BTC-16JAN26-82000-C"]]
    assert [subject for subject, _ in unreadable] == [row["instrument_name"]]


decimals = st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 6)).map(lambda p: float(f"{p[0]}e-{p[1]}"))


def read_back(values: np.ndarray) -> list[float | None]:
    whole, scale, odd = option_series.scaled(values)
    assert all(one is None or other is None for one, other in zip(whole, odd, strict=True))
    assert all(one is None or abs(one) < 2**53 for one in whole) and 0 <= scale <= option_series.DECIMALS
    return [
        other if one is None else float(one) / 10.0**scale for one, other in zip(whole, odd, strict=True)
    ]  # fmt: skip


@given(st.lists(decimals | st.none(), max_size=30))
def test_numbers_read_back_as_the_decimals_they_were_sent_as(sent):
    values = np.array([math.nan if one is None else one for one in sent], dtype=np.float64)
    assert read_back(values) == sent
    assert set(option_series.scaled(values)[2]) <= {None}, "as whole numbers, all of them"


@given(st.lists(st.floats(allow_nan=True) | decimals, max_size=10))
def test_whatever_number_comes_is_kept_as_it_is(sent):
    assert read_back(np.array(sent, dtype=np.float64)) == [None if one != one else one for one in sent]


def test_the_client_asks_for_a_currency_and_kind(exchange_at, httpserver):
    httpserver.expect_request(
        "/api/v2/public/get_book_summary_by_currency", query_string={"currency": "BTC", "kind": "future"}
    ).respond_with_json({"jsonrpc": "2.0", "result": [told()]})
    assert exchange_at(httpserver.url_for("/")).summaries("BTC", "future").instruments == ["BTC-PERPETUAL"]
