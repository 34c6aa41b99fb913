"""The methods as a client meets them, trap by trap."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from statistics import NormalDist

import numpy as np
import orjson
import pytest

from exchange_simulator.app import Simulator
from exchange_simulator.clock import Clock
from exchange_simulator.listings import DAY, HOUR, MINUTE
from exchange_simulator.market import COLUMNS, Market
from exchange_simulator.protocol import METHODS, Exchange, Parameters
from exchange_simulator.quotes import LARGEST_IV, book_summaries
from exchange_simulator.traits import Traits

NORMAL = NormalDist()
NOW = 1_789_939_037_426
LAST = NOW // MINUTE * MINUTE - MINUTE  # the newest closed minute


def test_the_envelope_is_that_of_a_get(live):
    body = live.ask("get_time").json()
    assert list(body) == ["usOut", "usIn", "usDiff", "testnet", "result", "jsonrpc"]
    assert body["testnet"] is False and body["jsonrpc"] == "2.0" and body["result"] == NOW
    assert body["usOut"] - body["usIn"] == body["usDiff"] >= 0
    assert body["usIn"] > 10**15
    assert live.get("status") == {"locked": "false"}


# -- chart data ------------------------------------------------------------------------------------------------------


def test_a_chart_has_both_ends_of_the_window_and_the_columns_in_order(live, market):
    chart = live.chart("BTC-PERPETUAL", LAST - 4999 * MINUTE, LAST)
    assert list(chart) == ["volume", "ticks", "status", "open", "low", "high", "cost", "close"]
    assert chart["status"] == "ok"
    assert chart["ticks"] == list(range(LAST - 4999 * MINUTE, LAST + 1, MINUTE))
    expected = market.candles("BTC-PERPETUAL", LAST - 4999 * MINUTE, LAST)
    for column in COLUMNS:
        assert chart[column] == expected[column].tolist()


def test_only_the_newest_5001_rows_come_and_nothing_says_so(live):
    chart = live.chart("BTC-PERPETUAL", LAST - 20_000 * MINUTE, LAST)
    assert chart["status"] == "ok"
    assert len(chart["ticks"]) == 5001
    assert chart["ticks"][0] == LAST - 5000 * MINUTE and chart["ticks"][-1] == LAST


def test_bounds_between_ticks_count_bucket_starts(live):
    assert live.chart("BTC-PERPETUAL", LAST - 1, LAST + 1)["ticks"] == [LAST]
    assert live.chart("BTC-PERPETUAL", LAST + 1, LAST + 2)["status"] == "no_data"


def test_the_bucket_of_now_is_there_and_none_after_it(live):
    assert live.chart("BTC-PERPETUAL", LAST, NOW + DAY)["ticks"] == [LAST, LAST + MINUTE]


def test_an_expired_future_answers_and_its_fill_goes_on(live, market):
    expires = market.listing("BTC-27MAR26").expires
    chart = live.chart("BTC-27MAR26", expires - 2 * MINUTE, expires + 3 * MINUTE)
    assert len(chart["ticks"]) == 6
    assert chart["volume"][2:] == chart["cost"][2:] == [0.0] * 4
    for column in ("open", "low", "high", "close"):
        assert chart[column][2:] == [chart["close"][1]] * 4
    assert len(live.chart("BTC-27MAR26", 0, NOW)["ticks"]) == 5001


def test_there_is_nothing_before_the_listing(live, market):
    listed = market.listing("BTC-PERPETUAL").listed
    empty = live.ask(
        "get_tradingview_chart_data",
        instrument_name="BTC-PERPETUAL",
        start_timestamp=0,
        end_timestamp=listed - 2 * MINUTE,
        resolution="1",
    )
    assert empty.status_code == 200
    assert empty.json()["result"] == {"status": "no_data"} | {column: [] for column in COLUMNS}
    assert live.chart("BTC-PERPETUAL", 0, listed)["ticks"] == [listed // MINUTE * MINUTE]


@pytest.mark.parametrize(
    ("resolution", "minutes"), [("3", 3), ("5", 5), ("60", 60), ("180", 180), ("720", 720), ("1D", 1440)]
)
def test_coarser_candles_are_made_of_minutes(live, resolution, minutes):
    chart = live.chart("BTC-25DEC26", LAST - 3 * DAY, LAST - 1 * DAY, resolution)
    fine = live.chart("BTC-25DEC26", chart["ticks"][0], chart["ticks"][0] + minutes * MINUTE - 1)
    assert len(fine["ticks"]) == minutes
    assert chart["open"][0] == fine["open"][0] and chart["close"][0] == fine["close"][-1]
    assert chart["high"][0] == max(fine["high"]) and chart["low"][0] == min(fine["low"])
    assert chart["volume"][0] == pytest.approx(sum(fine["volume"]), abs=1e-7)
    assert chart["cost"][0] == pytest.approx(sum(fine["cost"]))
    if resolution == "1D":
        assert chart["ticks"][0] % DAY == 8 * HOUR


@pytest.mark.parametrize(
    ("change", "reason", "param"),
    [
        ({"instrument_name": "BTC-1JAN20"}, "instrument not found", "instrument_name"),
        ({"start_timestamp": "soon"}, "wrong format", "start_timestamp"),
        ({"resolution": "7"}, None, "resolution"),
        ({"end_timestamp": None}, "value required", "end_timestamp"),
    ],
)
def test_wrong_parameters_are_refused_with_400(live, change, reason, param):
    asked = {"instrument_name": "BTC-PERPETUAL", "start_timestamp": 0, "end_timestamp": 1, "resolution": "1"} | change
    response = live.ask(
        "get_tradingview_chart_data", **{key: value for key, value in asked.items() if value is not None}
    )
    error = response.json()["error"]
    assert response.status_code == 400
    assert list(error) == ["message", "data", "code"]
    assert (error["code"], error["message"], error["data"]["param"]) == (-32602, "Invalid params", param)
    assert reason is None or error["data"]["reason"] == reason


@pytest.fixture(scope="module")
def recorded_bodies(recorded):
    return recorded / "responses"


def differences(ours: object, real: object, at: str = "result") -> list[str]:
    """Where a body of ours has other keys, another order of them, or other types than a recorded one. Of lists the
    first rows are held against each other; null says nothing of a type."""
    if ours is None or real is None:
        return []
    if isinstance(ours, dict) and isinstance(real, dict):
        if list(ours) != list(real):
            return [f"{at}: {list(ours)}, recorded {list(real)}"]
        return [found for name in real for found in differences(ours[name], real[name], f"{at}.{name}")]
    if isinstance(ours, list) and isinstance(real, list):
        return differences(ours[0], real[0], f"{at}[0]") if ours and real else []
    return [] if type(ours) is type(real) else [f"{at}: {type(ours).__name__}, recorded {type(real).__name__}"]


HOURS = {"start_timestamp": NOW - 30 * HOUR, "end_timestamp": NOW}
PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}
# Every method, asked so that it answers with rows; the file of its recorded result, or a result as the documentation
# and those who use it describe it; whether the history host answers it, too.
SERVED = {
    "get_book_summary_by_currency": ({"currency": "BTC", "kind": "future"}, "book_summary_future.json", True),
    "get_delivery_prices": ({"index_name": "btc_usd"}, "delivery_prices.json", True),
    "get_funding_chart_data": (
        PERPETUAL | {"length": "8h"},
        {"current_interest": 0.1, "interest_8h": 0.1, "data": [
            {"index_price": 0.1, "interest_8h": 0.1, "timestamp": 1}]}, False,
    ),
    "get_funding_rate_history": (PERPETUAL | HOURS, "funding_rate_history.json", False),
    "get_funding_rate_value": (PERPETUAL | HOURS, 0.1, False),
    "get_index_chart_data": ({"index_name": "btc_usd", "range": "1h"}, [[1, 0.1]], True),
    "get_index_price": ({"index_name": "btc_usd"}, {"index_price": 0.1, "estimated_delivery_price": 0.1}, True),
    "get_instrument": (PERPETUAL, "instruments_future.json", True),
    "get_instruments": ({"currency": "BTC", "kind": "future"}, "instruments_future.json", False),
    "get_last_settlements_by_instrument": (
        PERPETUAL | {"count": 5}, "settlements_instrument.json", True,
    ),
    "get_time": ({}, "http_get_time.json", True),
    "get_tradingview_chart_data": (PERPETUAL | HOURS | {"resolution": "60"}, "tradingview_chart.json", True),
    "get_volatility_index_data": (
        {"currency": "BTC", "resolution": "3600"} | HOURS, "volatility_index.json", True,
    ),
    "status": ({}, "status.json", True),
    "ticker": (PERPETUAL, "ticker_future.json", True),
}  # fmt: skip


def recorded_result(bodies, name: str) -> object:
    read = json.loads((bodies / name).read_text())
    return read["result"] if isinstance(read, dict) and "jsonrpc" in read else read


def test_every_method_is_held_against_something():
    assert SERVED.keys() == METHODS.keys()


@pytest.mark.recorded
@pytest.mark.parametrize("method", SERVED)
def test_an_answer_has_the_recorded_keys_and_types(live, history, recorded_bodies, method):
    parameters, expected, on_history = SERVED[method]
    real = recorded_result(recorded_bodies, expected) if isinstance(expected, str) else expected
    if method == "get_instrument":
        real = real[0]
    ours = live.get(method, **parameters)
    if method == "get_book_summary_by_currency":  # the recorded row is a dated future's; a perpetual's has more
        ours = [row for row in ours if "PERPETUAL" not in row["instrument_name"]]
    assert differences(ours, real) == []
    if on_history:
        there = history.get(method, **parameters)
        assert differences(there, live.get(method, **parameters)) == []
    elif method != "get_instruments":
        assert history.ask(method, **parameters).text == "Bad request"


@pytest.mark.recorded
def test_rows_of_the_catalogue_have_the_recorded_keys_and_types(live, history, recorded_bodies, market, host_of):
    real = recorded_result(recorded_bodies, "history_host_instrument_2016.json")
    for kind in ("future", "option"):
        ours = history.get("get_instruments", currency="BTC", kind=kind, expired="true")[0]
        without = ("future_type", "max_leverage") if kind == "option" else ()
        known = [name for name in real if name not in without]
        assert set(known) <= set(ours), kind
        assert differences({name: ours[name] for name in known}, {name: real[name] for name in known}) == []
    odd = host_of(Simulator(Exchange(Market(now_ms=NOW, traits=Traits.real()))).app())
    for kind in ("future_combo", "option_combo"):
        real = recorded_result(recorded_bodies, f"http_get_instruments_{kind}.json")
        ours = [{name: value for name, value in row.items() if name != "listing_stage"}
                for row in odd.get("get_instruments", currency="BTC", kind=kind)]  # fmt: skip
        assert differences(ours, real) == []
    real = recorded_result(recorded_bodies, "instruments_usdc_2021-07-22.json")
    ours = {row["instrument_name"]: row for row in odd.get("get_instruments", currency="USDC", kind="future")}
    for row in real:  # what was a whole number then is one now
        if row["instrument_name"] in ours:
            mine = ours[row["instrument_name"]]
            assert type(mine["contract_size"]) is type(mine["min_trade_amount"])
            if mine["contract_size"] >= 1:
                assert type(mine["contract_size"]) is int


@pytest.mark.recorded
def test_refusals_and_emptiness_are_the_recorded_bodies(live, recorded_bodies):
    real = json.loads((recorded_bodies / "chart_instrument_not_found_2026-08-04.json").read_text())
    window = {"start_timestamp": 1, "end_timestamp": 2, "resolution": "1"}
    ours = live.ask("get_tradingview_chart_data", instrument_name="BTC-1JAN20", **window).json()
    assert differences(ours, real, "body") == [] and ours["error"] == real["error"]
    real = json.loads((recorded_bodies / "chart_no_data_2026-08-04.json").read_text())
    ours = live.ask("get_tradingview_chart_data", instrument_name="BTC-PERPETUAL", **window).json()
    assert differences(ours, real, "body") == [] and ours["result"] == real["result"]


@pytest.mark.recorded
def test_an_option_is_quoted_in_the_recorded_keys(live, recorded_bodies):
    [name, *_] = (row["instrument_name"] for row in live.get("get_instruments", currency="BTC", kind="option"))
    real = recorded_result(recorded_bodies, "option_tickers_sample.json")["BTC-21SEP26-68000-C"]
    assert differences(live.get("ticker", instrument_name=name), real) == []


# -- funding ---------------------------------------------------------------------------------------------------------


def test_funding_is_half_open_newest_744_and_ignores_an_older_start(live):
    end = NOW // HOUR * HOUR
    rows = live.funding("BTC-PERPETUAL", end - 744 * HOUR, end)
    assert [row["timestamp"] for row in rows] == list(range(end - 743 * HOUR, end + 1, HOUR))
    assert live.funding("BTC-PERPETUAL", 0, end) == rows
    assert live.funding("BTC-PERPETUAL", end - HOUR, end) == rows[-1:]
    assert list(rows[0]) == ["timestamp", "index_price", "interest_8h", "interest_1h", "prev_index_price"]


def test_the_first_row_does_not_say_what_the_index_was_before(live, market):
    begins = market.traits.funding_begins
    [first, second] = live.funding("BTC-PERPETUAL", 0, begins + HOUR)
    assert first["timestamp"] == begins and first["prev_index_price"] is None
    assert second["prev_index_price"] == first["index_price"]
    assert list(first) == list(second)


def test_the_value_of_a_month_is_a_number_from_the_model_whatever_the_rows_say(live, market):
    month = {"instrument_name": "BTC-PERPETUAL", "start_timestamp": NOW - 30 * DAY, "end_timestamp": NOW}
    live.faults({"kind": "funding_beyond_cap", "instrument": "BTC-PERPETUAL"})
    value = live.get("get_funding_rate_value", **month)
    assert value == market.funding_value("BTC-PERPETUAL", NOW - 30 * DAY, NOW) != 0
    assert live.ask("get_funding_rate_value", **month | {"instrument_name": "BTC-25DEC26"}).status_code == 400


def test_funding_before_the_birth_is_empty_and_of_a_dated_future_refused(live):
    assert live.funding("ETH-PERPETUAL", 0, 1_552_568_454_000) == []
    refused = live.ask("get_funding_rate_history", instrument_name="BTC-25DEC26", start_timestamp=0, end_timestamp=NOW)
    assert refused.status_code == 400 and refused.json()["error"]["code"] == -32602


def test_the_history_host_has_no_funding(history):
    for method in ("get_funding_rate_history", "get_funding_rate_value", "get_funding_chart_data"):
        response = history.ask(method, instrument_name="BTC-PERPETUAL")
        assert (response.status_code, response.text) == (400, "Bad request")


def test_the_short_funding_chart_has_a_true_index_every_minute(live, market):
    chart = live.get("get_funding_chart_data", instrument_name="BTC-PERPETUAL", length="8h")
    assert set(chart) == {"current_interest", "interest_8h", "data"}
    times = [point["timestamp"] for point in chart["data"]]
    assert times == list(range(times[-1] - 479 * MINUTE, times[-1] + 1, MINUTE))
    assert times[-1] == NOW // MINUTE * MINUTE
    assert [point["index_price"] for point in chart["data"]] == market.index("BTC", np.array(times)).tolist()
    assert chart["interest_8h"] == live.funding("BTC-PERPETUAL", NOW - 2 * HOUR, NOW)[-1]["interest_8h"]


# -- the catalogue ---------------------------------------------------------------------------------------------------


def test_the_live_host_lists_open_contracts_and_a_day_of_expired_ones(live):
    rows = live.get("get_instruments", currency="any")
    assert all(row["state"] == "open" and row["is_active"] and row["expiration_timestamp"] > NOW for row in rows)
    futures = Counter(row["base_currency"] for row in rows if row["settlement_period"] != "perpetual"
                      and row["kind"] == "future")  # fmt: skip
    assert futures == {"BTC": 12, "ETH": 12}
    assert {row["kind"] for row in rows} == {"future", "option"}
    linear = live.get("get_instruments", currency="USDC")
    assert [row["instrument_name"] for row in linear] == ["BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL"]
    expired = live.get("get_instruments", currency="BTC", expired="true")
    assert expired
    assert all(NOW - DAY < row["expiration_timestamp"] <= NOW and not row["is_active"] for row in expired)


def test_the_history_host_lists_everything_expired_and_nothing_open(history, market):
    assert history.get("get_instruments", currency="any", expired="false") == []
    futures = history.get("get_instruments", currency="any", kind="future", expired="true")
    gone = {listing.name for listing in market.listings() if listing.expires <= NOW}
    assert {row["instrument_name"] for row in futures} == gone
    options = history.get("get_instruments", currency="ETH", kind="option", expired="true")
    assert len(options) > 20_000
    assert {row["base_currency"] for row in options} == {"ETH"}


def test_the_catalogue_moves_on_with_the_clock():
    market = Market(("BTC",), now_ms=NOW)
    exchange = Exchange(market)

    def names() -> set[str]:
        rows = json.loads(orjson.dumps(exchange.answer("get_instruments", {"kind": "future"}).result))
        return {row["instrument_name"] for row in rows}

    assert "BTC-21SEP26" in names() and "BTC-25SEP26" in names() and "BTC-1OCT26" not in names()
    market.now_ms = NOW + 7 * DAY
    assert "BTC-21SEP26" not in names() and "BTC-1OCT26" in names()


def test_one_instrument(live):
    assert live.get("get_instrument", instrument_name="BTC-27MAR20")["state"] == "archivized"
    option = live.get("get_instruments", currency="BTC", kind="option")[7]
    assert live.get("get_instrument", instrument_name=option["instrument_name"]) == option
    assert live.ask("get_instrument", instrument_name="BTC-27MAR20-1-C").status_code == 400


@pytest.mark.parametrize("kind", ["spot", "future_combo", "option_combo"])
def test_kinds_that_are_not_made_are_empty(live, kind):
    assert live.get("get_instruments", currency="BTC", kind=kind) == []


# -- the rest --------------------------------------------------------------------------------------------------------


def test_index_price_chart_and_deliveries(live, market):
    price = live.get("get_index_price", index_name="btc_usd")
    assert price == {"index_price": price["index_price"], "estimated_delivery_price": price["index_price"]}
    assert price["index_price"] == float(market.index("BTC", NOW)[0])
    points = live.get("get_index_chart_data", index_name="eth_usd", range="1h")
    assert len(points) == 600 and set(np.diff([at for at, _ in points])) == {6000}
    assert points[-1][1] == float(market.index("ETH", points[-1][0])[0])
    page = live.get("get_delivery_prices", index_name="btc_usd", offset=0, count=1000)
    rest = live.get("get_delivery_prices", index_name="btc_usd", offset=page["records_total"] - 5, count=1000)
    assert page["data"][0]["date"] == "2026-09-20" and len(page["data"]) == 1000
    assert len(rest["data"]) == 5 and rest["data"][-1]["date"] == "2018-08-01"


def test_a_coin_of_a_hundred_thousandth_of_a_dollar_is_delivered_at_a_price():
    from exchange_simulator.settlements import delivery_prices

    prices = delivery_prices(Market(traits=Traits().changed(["linear_world=true"])), "PEPE", np.arange(20_700, 20_800))
    assert (prices > 1e-6).all() and (prices < 1e-4).all() and len(set(prices.tolist())) > 90


def test_volatility_pages_by_continuation(live):
    asked = {"currency": "BTC", "start_timestamp": NOW - 100 * DAY, "resolution": "3600"}
    found, end = [], NOW
    while end is not None:
        page = live.get("get_volatility_index_data", end_timestamp=end, **asked)
        found = page["data"] + found
        end = page["continuation"]
        assert len(page["data"]) <= 1000
    assert np.diff([row[0] for row in found]).tolist() == [HOUR] * (len(found) - 1)
    assert len(found) == 2400
    assert all(low <= min(opened, closed) and high >= max(opened, closed) for _, opened, high, low, closed in found)


def test_settlements_page_by_continuation_and_end_with_the_delivery(live, market):
    asked = {"instrument_name": "BTC-27MAR20", "count": 7}
    page = live.get("get_last_settlements_by_instrument", **asked)
    found = page["settlements"]
    while page["continuation"]:
        page = live.get("get_last_settlements_by_instrument", continuation=page["continuation"], **asked)
        assert len(page["settlements"]) <= 7
        found += page["settlements"]
    future = market.listing("BTC-27MAR20")
    assert len(found) == (future.expires - future.listed) // DAY + 1
    assert [row["type"] for row in found] == ["delivery"] + ["settlement"] * (len(found) - 1)
    assert {row["timestamp"] % DAY - 8 * HOUR for row in found} <= set(range(1000))
    prices = {
        row["date"]: row["delivery_price"]
        for offset in (0, 1000, 2000)
        for row in live.get("get_delivery_prices", index_name="btc_usd", offset=offset, count=1000)["data"]
    }
    assert found[0]["mark_price"] == found[0]["index_price"] == prices["2020-03-27"]
    for row in found[1:]:
        at = row["timestamp"] // DAY * DAY + 8 * HOUR
        assert row["index_price"] == float(market.index("BTC", at)[0])
        assert row["mark_price"] == pytest.approx(row["index_price"], rel=0.2)
    deliveries = live.get("get_last_settlements_by_instrument", type="delivery", **asked)
    assert deliveries == {"continuation": None, "settlements": found[:1]}
    since = found[3]["timestamp"]
    earlier = live.get("get_last_settlements_by_instrument", search_start_timestamp=since, **asked)
    assert earlier["settlements"] == found[3:10]
    for wrong in ({"count": 0}, {"count": 1001}, {"continuation": "?"}, {"instrument_name": "none"}):
        assert live.ask("get_last_settlements_by_instrument", **(asked | wrong)).status_code == 400


def test_options_are_quoted_now_and_only_now(live):
    rows = live.get("get_book_summary_by_currency", currency="BTC", kind="option")
    listed = {row["instrument_name"] for row in live.get("get_instruments", currency="BTC", kind="option")}
    assert {row["instrument_name"] for row in rows} == listed
    traded = [row["volume"] > 0 for row in rows]
    assert any(traded) and [row["price_change"] is not None for row in rows] == traded
    call = next(name for name in sorted(listed) if name.endswith("-C"))
    ticker, put = (live.get("ticker", instrument_name=name) for name in (call, call[:-1] + "P"))
    assert ticker["greeks"]["delta"] - put["greeks"]["delta"] == pytest.approx(1, abs=2e-5)
    strike = int(call.split("-")[2])
    parity = (ticker["underlying_price"] - strike) / ticker["underlying_price"]
    assert ticker["mark_price"] - put["mark_price"] == pytest.approx(parity, abs=2e-4)
    gone = live.ask("ticker", instrument_name="BTC-27MAR26").json()["error"]
    assert gone["data"]["reason"] == "instrument is not open"


@pytest.mark.parametrize("kind", ["future", "option"])
def test_a_summary_is_of_one_moment_however_long_it_takes_to_make(kind):
    source, seconds = Market(now_ms=NOW), itertools.count(NOW // 1000)
    source.clock = Clock(wall=lambda: next(seconds))  # it goes on by a second whenever it is read
    rows = Exchange(source).get_book_summary_by_currency(Parameters({"currency": "BTC", "kind": kind}), False)
    [made_at] = {row["creation_timestamp"] for row in rows}
    assert {row["estimated_delivery_price"] for row in rows} == {source.index("BTC", made_at)[0]}
    assert rows == book_summaries(Market(now_ms=made_at), "BTC", kind)
    assert source.now_ms > made_at, "the exchange's clock goes on"


def black_76(side: str, strike: float, forward: float, volatility: float, years: float) -> float:
    """What an option is worth as a part of the forward."""
    deviation = volatility * years**0.5
    d1 = math.log(forward / strike) / deviation + deviation / 2
    call = NORMAL.cdf(d1) - strike / forward * NORMAL.cdf(d1 - deviation)
    return call if side == "C" else call - 1 + strike / forward


def test_the_volatilities_of_bid_and_ask_are_those_of_their_prices(live):
    """What each of them is worth by Black-76 is the price that is quoted, but for its rounding."""
    options = sorted(
        row["instrument_name"] for coin in ("BTC", "USDC")
        for row in live.get("get_book_summary_by_currency", currency=coin, kind="option")
    )  # fmt: skip
    found = Counter()
    for name in options[:: max(1, len(options) // 60)]:
        ticker, listed = live.get("ticker", instrument_name=name), live.get("get_instrument", instrument_name=name)
        side, forward, strike = name[-1], ticker["underlying_price"], listed["strike"]
        years = (listed["expiration_timestamp"] - ticker["timestamp"]) / (365 * DAY)
        unit = forward if listed["quote_currency"] == "USDC" else 1.0
        for quote in ("bid", "ask"):
            price, volatility = ticker[f"best_{quote}_price"] / unit, ticker[f"{quote}_iv"] / 100
            if not volatility:
                exercised = max((1 if side == "C" else -1) * (1 - strike / forward), 0.0)
                assert price <= exercised + 1e-6, "it stands for none"
            elif volatility < LARGEST_IV:
                below, above = (black_76(side, strike, forward, volatility + by, years) for by in (-6e-5, 6e-5))
                assert below - 1e-7 <= price <= above + 1e-7
                assert (volatility > ticker["mark_iv"] / 100) == (quote == "ask")
                found[quote] += 1
    assert min(found["bid"], found["ask"]) > 20


def test_any_is_refused_where_the_exchange_refuses_it(live):
    assert live.ask("get_book_summary_by_currency", currency="any").status_code == 400


@pytest.mark.parametrize("path", ["/api/v2/public/get_nothing", "/api/v2/private/buy"])
def test_unknown_methods_are_404(live, path):
    response = live.client.get(path)
    assert response.status_code == 404 and response.json()["error"]["code"] == -32601
