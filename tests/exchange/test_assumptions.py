"""Each assumption against an exchange that is as assumed, and against one with a single trait changed."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from deribit_warehouse import check
from deribit_warehouse.exchange.assumptions import (
    ASSUMPTIONS,
    BURST_CALLS,
    DAY,
    HOUR,
    LINEAR,
    MINUTE,
    NEEDED,
    SETTLEMENTS,
    Rejected,
    Unanswered,
    fields,
)
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange, Refusal
from exchange_simulator.traits import Traits
from tests.exchange.fake_exchange import row as fake_row

NOW = 1_789_939_037_426  # 2026-09-20T21:17:17Z
OLD = 1_577_836_800_000  # 2020-01-01: what the charts of two questions are older than, and of no other
COLUMNS = ("ticks", "open", "high", "low", "close", "volume", "cost")


class Protocol:
    """Asks the simulator's protocol in this process; `trait` may change every result on its way."""

    answered = 1

    def __init__(self, exchange: Exchange, trait=None, admitted: int = BURST_CALLS):
        self.exchange, self.trait, self.admitted = exchange, trait, admitted

    def __call__(self, host, method, **params):
        answer = self.answer(host, method, params)
        if isinstance(answer, Refusal):
            raise Rejected(str(answer))
        return answer

    def answer(self, host, method, params):
        try:
            text = {name: str(value) for name, value in params.items()}
            result = self.exchange.answer(method, text, history=host == "history").result
        except Refusal as refusal:
            result = refusal
        else:
            result = orjson.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))
        return self.trait(host, method, params, result) if self.trait else result

    def error(self, host, method, **params):
        answer = self.answer(host, method, params)
        return answer.error if isinstance(answer, Refusal) else {}

    def burst(self, times, host, method, **params):
        return [at < self.admitted for at in range(times)]

    def clock(self, host, method):
        now = self(host, method)
        return NOW - 20, now, NOW + 20


def ms(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000


@pytest.fixture(scope="module")
def exchange():
    return Exchange(Market(now_ms=NOW))


def test_an_exchange_is_as_assumed(exchange):
    results = check.check_assumptions(Protocol(exchange))
    assert broken(results) == set()
    assert len(results) == len(ASSUMPTIONS) == len({one.name for one in ASSUMPTIONS})


def charts(change):
    """A trait of the 1-minute charts: change(params, columns) returns the columns."""

    def trait(host, method, params, result):
        if method != "get_tradingview_chart_data" or isinstance(result, Refusal) or not result["ticks"]:
            return result
        return change(params, result)

    return trait


def rows(select):
    """A trait that sends only some rows: select(params, columns) returns the places of those that come."""

    def change(params, result):
        kept = select(params, result)
        return result | {name: [result[name][at] for at in kept] for name in COLUMNS}

    return charts(change)


def of(method, change, host="live"):
    """A trait of one method: change(params, result) returns the result."""

    def trait(asked, name, params, result):
        return change(params, result) if (asked, name) == (host, method) else result

    return trait


def without(*keys):
    return lambda params, found: [{key: row[key] for key in row if key not in keys} for row in found]


def every(key, change):
    """A change of one key of every row."""
    return lambda params, found: [row | {key: change(row[key])} if key in row else row for row in found]


def kind(asked, change):
    """A change of the answers about one kind of instrument, "future" or "option"."""
    return lambda params, found: change(params, found) if params["kind"] == asked else found


def filled(params, result):
    """Untraded minutes stand a little above the close before."""
    flat = [volume == 0 for volume in result["volume"]]
    moved = {
        name: [value * 1.01 if one else value for value, one in zip(result[name], flat, strict=True)]
        for name in ("open", "high", "low", "close")
    }
    return result | moved


def after_the_end(params, result):
    """The last ten minutes of an expired contract have volume: those after its expiry."""
    if "PERPETUAL" in params["instrument_name"]:
        return result
    return result | {"volume": result["volume"][:-10] + [1.0] * 10, "cost": result["cost"][:-10] + [1.0] * 10}


def funding(start, end):
    """Funding of another window: the ends of the asked one moved by so many hours."""
    return lambda params, found: [
        row for row in found
        if params["start_timestamp"] + start * HOUR < row["timestamp"] <= params["end_timestamp"] + end * HOUR
    ]  # fmt: skip


def coin_cost(params, result):
    return result | {"cost": result["volume"]}


TRAITS = {
    "a clock that is off": (of("get_time", lambda params, now: now + 60_000), {"clock"}),
    "history rows without a style": (
        of("get_instruments", without("instrument_type", "future_type"), "history"), {"history-rows"},
    ),
    "history rows with the expiry under another name": (
        of("get_instruments", lambda params, found: [
            {"expiry" if key == "expiration_timestamp" else key: row[key] for key in row} for row in found
        ], "history"),
        {"history-rows", "history-depth", "expired-chart", "fill", "after-expiry", "old-expired"},
    ),
    "a history host that is a month deep": (
        of("get_instruments", lambda params, found: [
            row for row in found if row["expiration_timestamp"] > NOW - 30 * 24 * HOUR
        ], "history"),
        {"history-depth"},
    ),
    "pages of a thousand": (rows(lambda params, result: range(len(result["ticks"]))[-1000:]), {"chart-page"}),
    "the oldest rows of a window": (
        rows(lambda params, result: range(len(result["ticks"]))[:4000]), {"chart-page"},
    ),
    "a chart whose end is left out": (
        rows(lambda params, result: [at for at, tick in enumerate(result["ticks"]) if tick < params["end_timestamp"]]),
        {"chart-edges"},
    ),
    "a chart whose first candle is left out": (
        rows(lambda params, result: [
            at for at, tick in enumerate(result["ticks"]) if tick > params["start_timestamp"]
        ]),
        {"chart-edges"},
    ),
    "a chart that rounds its ends": (
        charts(lambda params, result: result | {"ticks": [tick + MINUTE for tick in result["ticks"]]}),
        {"chart-page", "chart-window", "chart-edges", "expired-chart", "after-expiry", "old-minutes", "old-expired"},
    ),
    "an empty window that is ok": (
        of("get_tradingview_chart_data", lambda params, result: result if isinstance(result, Refusal) or result["ticks"]
           else result | {"status": "ok"}),
        {"chart-empty"},
    ),
    "another word for an unknown name": (
        of("get_tradingview_chart_data", lambda params, result: Refusal(-32602, "no such instrument", "instrument_name")
           if isinstance(result, Refusal) else result),
        {"unknown-name"},
    ),
    "nothing of an expired contract": (
        of("get_tradingview_chart_data", lambda params, result: result if "PERPETUAL" in params["instrument_name"]
           else Refusal(-32602, "instrument is not open", "instrument_name")),
        {"expired-chart", "fill", "after-expiry", "unknown-name", "old-expired"},
    ),
    "minutes that are left out when nothing was traded": (
        rows(lambda params, result: [
            at for at in range(len(result["ticks"])) if result["volume"][at] or "PERPETUAL" in params["instrument_name"]
        ]),
        {"expired-chart", "old-expired"},
    ),
    "fill that is not flat": (charts(filled), {"fill"}),
    "trades after the end": (charts(after_the_end), {"after-expiry"}),
    "cost in coin": (charts(coin_cost), {"cost", "linear-cost", "old-minutes", "old-expired"}),
    "funding pages of a hundred": (
        of("get_funding_rate_history", lambda params, found: found[-100:]), {"funding-page"},
    ),
    "a funding window that is closed at its start": (
        of("get_funding_rate_history", lambda params, found: [
            {**found[0], "timestamp": params["start_timestamp"]}, *found
        ] if params["end_timestamp"] - params["start_timestamp"] == 3 * HOUR else found),
        {"funding-window"},
    ),
    "a funding window that is open at its end": (
        of("get_funding_rate_history", lambda params, found: [
            row for row in found if row["timestamp"] < params["end_timestamp"]
        ]),
        {"funding-page", "funding-window"},
    ),
    "funding that begins a day later": (
        of("get_funding_rate_history", lambda params, found: found if params["start_timestamp"] > 1.6e12 else []),
        {"funding-begins"},
    ),
    "columns of funding that are swapped": (
        of("get_funding_rate_history", lambda params, found: [
            row | {"interest_1h": row["interest_8h"], "interest_8h": row["interest_1h"]} for row in found
        ]),
        {"eight-hours", "checksum", "linear-checksum"},
    ),
    "a checksum of the plain sum": (
        of("get_funding_rate_value", lambda params, value: value * 1.1), {"checksum", "linear-checksum"},
    ),
    "a checksum of linear perpetuals that is neither sum": (
        of("get_funding_rate_value", lambda params, value: value * 1.1 if params["instrument_name"] == LINEAR
           else value),
        {"linear-checksum"},
    ),
    "no checksum at all": (
        of("get_funding_rate_value", lambda params, value: Refusal(-32601, status=404)),
        {"checksum", "linear-checksum"},
    ),
    "an index chart of 5 minutes": (
        of("get_funding_chart_data", lambda params, result: result | {"data": result["data"][::5]}), {"index-minutes"},
    ),
    "volatility pages of 500": (
        of("get_volatility_index_data", lambda params, result: result | {"data": result["data"][-500:]}),
        {"volatility-page"},
    ),
    "volatility without a continuation": (
        of("get_volatility_index_data", lambda params, result: result | {"continuation": None}), {"volatility-page"},
    ),
    "volatility stamped with the end of its hour": (
        of("get_volatility_index_data", lambda params, result: result | {
            "data": [[at + HOUR, *values] for at, *values in result["data"]]
        }),
        {"volatility-page"},
    ),
    "a volatility that is null": (
        of("get_volatility_index_data", lambda params, result: result | {
            "data": [[*row[:4], None] for row in result["data"]]
        }),
        {"volatility-page"},
    ),
    "delivery prices with the oldest first": (
        of("get_delivery_prices", lambda params, result: result | {"data": result["data"][::-1]}), {"delivery-page"},
    ),
    "delivery pages of a hundred": (
        of("get_delivery_prices", lambda params, result: result | {"data": result["data"][:100]}), {"delivery-page"},
    ),
    "delivery prices of the month before": (
        of("get_delivery_prices", lambda params, result: result | {
            "data": result["data"][30:], "records_total": len(result["data"]) - 30,
        }),
        {"delivery-page"},
    ),
    "delivery prices under another name": (
        of("get_delivery_prices", lambda params, result: result | {
            "data": [{"date": row["date"], "price": row["delivery_price"]} for row in result["data"]]
        }),
        {"delivery-page"},
    ),
    "settlements that begin with the newest, whatever is asked": (
        of(SETTLEMENTS, lambda params, result: result | {"settlements": [
            row | {"timestamp": row["timestamp"] + 2 * DAY} for row in result["settlements"]
        ]}),
        {"settlement-rows"},
    ),
    "settlements at midnight": (
        of(SETTLEMENTS, lambda params, result: result | {"settlements": [
            row | {"timestamp": row["timestamp"] - 8 * HOUR} for row in result["settlements"]
        ]}),
        {"settlement-rows"},
    ),
    "settlements without a position": (
        of(SETTLEMENTS, lambda params, result: result | {
            "settlements": without("position")(params, result["settlements"])
        }),
        {"settlement-rows"},
    ),
    "settlements without a continuation": (
        of(SETTLEMENTS, lambda params, result: result | {"continuation": None}), {"settlement-rows"},
    ),
    "summaries of futures without the index": (
        of("get_book_summary_by_currency", kind("future", without("estimated_delivery_price"))), {"future-summaries"},
    ),
    "summaries of perpetuals without funding": (
        of("get_book_summary_by_currency", kind("future", without("funding_8h"))), {"future-summaries"},
    ),
    "summaries of options without a volatility": (
        of("get_book_summary_by_currency", kind("option", without("mark_iv"))), {"option-summaries"},
    ),
    "summaries of options with volatilities as fractions": (
        of("get_book_summary_by_currency", kind("option", lambda params, found: [
            row | {"mark_iv": row["mark_iv"] / 100} for row in found
        ])),
        {"option-summaries"},
    ),
    "summaries of options without the price of what they are priced on": (
        of("get_book_summary_by_currency", kind("option", without("underlying_price"))), {"option-summaries"},
    ),
    "rows whose ids are texts": (
        of("get_instruments", every("instrument_id", str), "history"), {"history-rows", "same-contract"},
    ),
    "rows whose times are with a fraction": (
        of("get_instruments", every("creation_timestamp", float)), {"listed-rows"},
    ),
    "rows whose state of activity is a word": (
        of("get_instruments", every("is_active", str)), {"listed-rows"},
    ),
    "a row that was created after its expiry": (
        of("get_instruments", lambda params, found: [
            found[0] | {"creation_timestamp": found[0]["expiration_timestamp"] + 1}, *found[1:]
        ], "history"),
        {"history-rows"},
    ),
    "ids that are others on the history host": (
        of("get_instruments", every("instrument_id", lambda one: one + 1), "history"), {"same-contract"},
    ),
    "creations that are others on the history host": (
        of("get_instruments", every("creation_timestamp", lambda at: at - 1), "history"), {"same-contract"},
    ),
    "another word for what is crypto": (
        of("get_instruments", every("underlying_type", lambda _: "cryptocurrency")), {"underlying"},
    ),
    "ticks with a fraction": (
        charts(lambda params, result: result | {"ticks": [float(tick) for tick in result["ticks"]]}),
        {"chart-page", "chart-window", "chart-edges", "expired-chart", "fill", "after-expiry", "cost", "linear-cost",
         "old-minutes", "old-expired"},
    ),
    "prices as texts in old charts": (
        charts(lambda params, result: result | {"close": [str(price) for price in result["close"]]}
               if params["end_timestamp"] < OLD else result),
        {"old-minutes", "old-expired"},
    ),
    "no cost in 2018": (
        charts(lambda params, result: result | {"cost": [None] * len(result["cost"])}
               if params["end_timestamp"] < ms(2019) else result),
        {"old-minutes"},
    ),
    "a hole in 2018": (
        rows(lambda params, result: range(len(result["ticks"]))[
            params["end_timestamp"] < ms(2019) and len(result["ticks"]) == 60:
        ]),
        {"old-minutes"},
    ),
    "cost in coin in 2019": (
        charts(lambda params, result: coin_cost(params, result)
               if ms(2019) < params["end_timestamp"] < OLD else result),
        {"old-expired"},
    ),
    "volume of old contracts without a cost": (
        charts(lambda params, result: result | {"cost": [0.0] * len(result["cost"])}
               if ms(2019) < params["end_timestamp"] < OLD else result),
        {"old-expired"},
    ),
    "old contracts that are refused": (
        of("get_tradingview_chart_data", lambda params, result: Refusal(-32602, "instrument is not open", "name")
           if ms(2019) < params["end_timestamp"] < OLD else result),
        {"old-expired"},
    ),
    "funding whose times are with a fraction": (
        of("get_funding_rate_history", lambda params, found: [
            row | {"timestamp": float(row["timestamp"])} for row in found
        ]),
        {"funding-page", "funding-window", "funding-begins", "eight-hours", "checksum",
         "linear-checksum"},
    ),
    "funding without its index": (
        of("get_funding_rate_history", without("index_price")),
        {"funding-page", "funding-window", "funding-begins", "eight-hours", "checksum",
         "linear-checksum"},
    ),
    "an index chart that is seconds off the minutes": (
        of("get_funding_chart_data", lambda params, result: result | {"data": [
            row | {"timestamp": row["timestamp"] + 7_000} for row in result["data"]
        ]}),
        {"index-minutes"},
    ),
    "an index chart of which every fifth point is off the minute": (
        of("get_funding_chart_data", lambda params, result: result | {"data": [
            row | {"timestamp": row["timestamp"] + 7_000 * (at % 5 == 0)} for at, row in enumerate(result["data"])
        ]}),
        {"index-minutes"},
    ),
    "an index price that is null": (
        of("get_funding_chart_data", lambda params, result: result | {"data": [
            result["data"][0] | {"index_price": None}, *result["data"][1:]
        ]}),
        {"index-minutes"},
    ),
    "summaries without the time of the answer in whole milliseconds": (
        of("get_book_summary_by_currency", every("creation_timestamp", lambda at: at + 0.5)),
        {"future-summaries", "option-summaries"},
    ),
    "settlements of another instrument": (
        of(SETTLEMENTS, lambda params, result: result | {
            "settlements": every("instrument_name", lambda _: "ETH-PERPETUAL")(params, result["settlements"])
        }),
        {"settlement-rows"},
    ),
    "listed rows without an id": (of("get_instruments", without("instrument_id")), {"listed-rows"}),
}  # fmt: skip


@pytest.mark.parametrize("trait", TRAITS)
def test_one_trait_changed_is_named(exchange, trait):
    change, names = TRAITS[trait]
    assert broken(check.check_assumptions(Protocol(exchange, change))) == names


def test_every_assumption_is_broken_by_some_trait():
    named = set().union(*(names for _, names in TRAITS.values()))
    assert named | {"catalogue-limit"} == {one.name for one in ASSUMPTIONS}


def broken(results) -> set[str]:
    """The names of what does not hold; what could not be asked has no place in these tests."""
    return {one.name for one, result in results.items() if not result.holds}


@pytest.mark.parametrize(("admitted", "holds", "rate"), [(8, True, "1"), (4, True, "0.1"), (3, False, "0.1")])
def test_eight_in_a_row_tell_the_two_copies_of_the_limit_apart(exchange, admitted, holds, rate):
    results = {
        one.name: result for one, result in check.check_assumptions(Protocol(exchange, admitted=admitted)).items()
    }
    limit = results["catalogue-limit"]
    assert limit.holds == holds and limit.settings == {"DERIBIT_CATALOGUE_REQUESTS_PER_SECOND": rate}


def test_either_weighting_of_linear_funding_is_an_answer_and_it_is_said_which(exchange):
    def as_paid_in_usdc(params, value):
        if params["instrument_name"] != LINEAR:
            return value
        rows = exchange.source.funding(LINEAR, params["start_timestamp"], params["end_timestamp"])
        return float((rows["interest_1h"] * rows["prev_index_price"]).sum() / rows["prev_index_price"][0])

    def of_linear(trait=None):
        results = check.check_assumptions(Protocol(exchange, trait))
        assert broken(results) == set()
        [found] = [(one, result) for one, result in results.items() if one.name == "linear-checksum"]
        return check.lines(*found)

    [line] = of_linear()
    assert "weighted by index at the start / index of the hour, as of an inverse one" in line
    line, means = of_linear(of("get_funding_rate_value", as_paid_in_usdc))
    assert "weighted by index of the hour / index at the start" in line
    assert "it means:" in means and "funding_weighted is another sum" in means


def test_a_key_that_was_never_seen_and_one_that_is_gone_are_named():
    row = fake_row("BTC-27DEC24", 1_700_000_000_000, 1_735_286_400_000, future_type="reversed", moon_phase=3)
    row |= {"quote_currency": "USD", "instrument_id": 1}
    row.pop("price_index", None)
    assert set(NEEDED) <= row.keys()
    result = fields([row], "live")
    assert result.holds and "new: moon_phase" in result.seen and "price_index" in result.seen
    assert "without kind" in fields([{**row, "kind": None}], "live").seen
    strange = fields([{**row, "instrument_id": "1"}, row], "live")
    assert not strange.holds and "BTC-27DEC24: instrument_id is '1'" in strange.seen


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("name", "host"), [("instruments_future.json", "live"), ("history_host_instrument_2016.json", "history")]
)
def test_recorded_rows_have_what_is_needed_and_nothing_unknown(recorded, name, host):
    found = orjson.loads(recorded(f"responses/{name}").read_bytes())
    found = found.get("result", [found]) if isinstance(found, dict) else found
    result = fields(found, host)
    assert result.holds and "new:" not in result.seen, result.seen


def test_an_answer_nobody_foresaw_breaks_only_what_reads_it(exchange):
    strange = of("get_funding_chart_data", lambda params, result: {"data": [{}, {"timestamp": "noon"}]})
    assert broken(check.check_assumptions(Protocol(exchange, strange))) == {"index-minutes"}


def test_nobody_there_ends_the_questions_at_once():
    class Silent(Protocol):
        answered, asked = 0, 0

        def clock(self, host, method):
            self.asked += 1
            raise Unanswered("connection refused")

    silent = Silent(None)
    results = check.check_assumptions(silent)
    assert silent.asked == 1 and all(isinstance(result, Unanswered) for result in results.values())


# The simulator's own traits, and what each of them means for what is assumed.
MARKET_TRAITS = {
    "chart_rows=4000": {"chart-page"},
    "chart_rows=10000": {"chart-page"},
    "chart_window=(]": {"chart-edges"},
    "chart_window=[)": {"chart-edges"},
    "chart_fill=off": {"chart-page", "expired-chart", "old-expired"},
    "fill_after_end=off": set(),
    "funding_rows=500": {"funding-page"},
    "funding_window=[]": {"funding-window"},
    "funding_begins=2018-08-14T12:00": {"funding-begins"},
    "first_prev_index_null=off": set(),
    "prev_index_as_null=off": set(),
    "value_window=[]": {"checksum", "linear-checksum"},
    "value_weighted=off": {"checksum", "linear-checksum"},
    "eight_hours_weighted=off": {"eight-hours"},
    "clock_skew_ms=90000": {"clock"},
    "linear_cost_unit=1.0": set(),
    "unknown_fields=on": set(),
}


@pytest.mark.parametrize("changed", MARKET_TRAITS)
def test_a_trait_of_the_market_itself_is_named(changed):
    traits = Traits().changed([changed])
    market = Market(("BTC", "ETH"), NOW + traits.clock_skew_ms, traits=traits)
    assert broken(check.check_assumptions(Protocol(Exchange(market)))) == MARKET_TRAITS[changed]


def test_the_market_that_is_shaped_like_the_real_one_is_as_assumed():
    market = Market(("BTC", "ETH"), NOW, traits=Traits.real())
    assert broken(check.check_assumptions(Protocol(Exchange(market)))) == set()
