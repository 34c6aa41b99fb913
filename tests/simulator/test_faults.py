"""Each fault does what its row in the table says, to what it names and to nothing else."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from exchange_simulator import faults
from exchange_simulator.listings import HOUR, MINUTE

START = 1_789_920_000_000
END = START + 59 * MINUTE
FROM, TO = START + 10 * MINUTE, START + 20 * MINUTE
NAME = "BTC-25DEC26"
PRICES = ("open", "low", "high", "close")


@pytest.fixture
def before(live):
    return live.chart(NAME, START, END)


def _with(live, kind: str, **more) -> dict:
    posted = live.faults({"kind": kind, "instrument": NAME, "from": FROM, "to": TO} | more)
    assert posted.status_code == 200, posted.text
    return live.chart(NAME, START, END)


def _changed(before: dict, after: dict) -> dict[str, list[int]]:
    """Row numbers that differ, by column."""
    return {
        name: [row for row, pair in enumerate(zip(before[name], after[name], strict=True)) if pair[0] != pair[1]]
        for name in before
        if name != "status" and before[name] != after[name]
    }


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("negative_price", set(PRICES)),
        ("zero_price", set(PRICES)),
        ("null_price", set(PRICES)),
        ("vanishing_price", {*PRICES, "volume", "cost"}),
        ("infinite", {"high", "close"}),
        ("high_below_low", {"high", "low"}),
        ("close_above_high", {"close"}),
        ("negative_volume", {"volume"}),
        ("negative_cost", {"cost"}),
        ("cost_times_100", {"cost"}),
        ("volume_without_cost", {"volume", "cost"}),
        ("untraded_not_flat", {"volume", "cost", "high", "low"}),
        ("stale_fill", set(PRICES)),
        ("half_volume", {"volume", "cost"}),
        ("spike", {*PRICES, "cost"}),
        ("far_from_index", {*PRICES, "cost"}),
        ("misaligned_minute", {"ticks"}),
        ("shuffled_order", {"ticks", "volume", "cost", *PRICES}),
    ],
)
def test_a_value_fault_changes_its_columns_in_its_minutes_only(live, before, kind, columns):
    changed = _changed(before, _with(live, kind))
    assert set(changed) == columns
    assert all(10 <= row < 20 for rows in changed.values() for row in rows)
    live.client.delete("/simulator/faults")
    assert live.chart(NAME, START, END) == before


def test_values_are_wrong_in_the_way_promised(live, before):
    hit = slice(10, 20)
    after = _with(live, "high_below_low")
    assert all(high < low for high, low in zip(after["high"][hit], after["low"][hit], strict=True))
    live.client.delete("/simulator/faults")
    after = _with(live, "close_above_high")
    assert all(close > high for close, high in zip(after["close"][hit], after["high"][hit], strict=True))
    live.client.delete("/simulator/faults")
    after = _with(live, "null_price")
    assert after["open"][hit] == [None] * 10
    live.client.delete("/simulator/faults")
    after = _with(live, "negative_volume")
    assert all(volume < 0 for volume in after["volume"][hit])
    live.client.delete("/simulator/faults")
    after = _with(live, "volume_without_cost")
    assert after["cost"][hit] == [0.0] * 10 and all(volume > 0 for volume in after["volume"][hit])
    live.client.delete("/simulator/faults")
    after = _with(live, "stale_fill")
    for row in range(10, 20):
        factor = 1.01 if before["volume"][row] == 0 else 1
        assert after["close"][row] == pytest.approx(before["close"][row] * factor)


def test_infinity_is_a_number_json_can_write(live):
    live.faults({"kind": "infinite", "instrument": NAME, "from": FROM, "to": FROM + MINUTE})
    asked = {"instrument_name": NAME, "start_timestamp": START, "end_timestamp": END, "resolution": "1"}
    text = live.ask("get_tradingview_chart_data", **asked).text
    assert text.count("1e999") == 2
    assert json.loads(text)["result"]["close"][10] == float("inf")


def test_a_spike_is_one_traded_minute_and_the_next_is_traded_too(live, before):
    changed = _changed(before, after := _with(live, "spike", **{"from": START, "to": END}))
    (row,) = changed["close"]
    assert after["close"][row] == before["close"][row] * 1.5
    assert before["volume"][row] > 0 and before["volume"][row + 1] > 0


def test_rows_too_many_too_few_and_out_of_place(live, before):
    ticks = before["ticks"]
    assert _with(live, "doubled_minute")["ticks"] == sorted(ticks + ticks[10:20])
    live.client.delete("/simulator/faults")
    assert _with(live, "missing_minutes")["ticks"] == ticks[:10] + ticks[20:]
    live.client.delete("/simulator/faults")
    assert _with(live, "shuffled_order")["ticks"] == ticks[:10] + ticks[10:20][::-1] + ticks[20:]
    live.client.delete("/simulator/faults")
    assert _with(live, "misaligned_minute")["ticks"][10] == ticks[10] + 7000
    live.client.delete("/simulator/faults")
    assert _with(live, "outside_window")["ticks"] == [START - MINUTE, *ticks]
    live.client.delete("/simulator/faults")
    assert _with(live, "first_missing", **{"from": 0})["ticks"] == ticks[1:]
    assert live.chart(NAME, START - 1, END)["ticks"] == ticks


def test_other_instruments_windows_and_resolutions_are_spared(live):
    others = [("ETH-25DEC26", START, END, "1"), (NAME, TO, END, "1"), (NAME, START, END, "5")]
    before = [live.chart(*one) for one in others]
    _with(live, "zero_price")
    assert [live.chart(*one) for one in others] == before


def test_a_window_may_be_written_as_text(live):
    rows = live.faults({"kind": "zero_price", "from": "2026-09-01", "to": "2026-09-02T00:00:00+00:00"}).json()
    assert (rows[0]["from"], rows[0]["to"]) == (1_788_220_800_000, 1_788_307_200_000)


def test_funding_faults(live):
    end = START // HOUR * HOUR
    good = live.funding("BTC-PERPETUAL", end - 24 * HOUR, end)
    window = {"from": end - 3 * HOUR, "to": end - HOUR}
    live.faults({"kind": "missing_hour"} | window)
    assert live.funding("BTC-PERPETUAL", end - 24 * HOUR, end) == good[:-4] + good[-2:]
    live.client.delete("/simulator/faults")
    live.faults({"kind": "funding_beyond_cap"} | window)
    bad = live.funding("BTC-PERPETUAL", end - 24 * HOUR, end)
    assert [row["interest_8h"] for row in bad[-4:-2]] == [0.16, 0.16] and bad[-2:] == good[-2:]
    live.client.delete("/simulator/faults")
    live.faults({"kind": "off_hour"} | window)
    bad = live.funding("BTC-PERPETUAL", end - 24 * HOUR, end)
    assert [row["timestamp"] % HOUR for row in bad[-5:]] == [0, 7 * MINUTE, 7 * MINUTE, 0, 0]


# -- transport -------------------------------------------------------------------------------------------------------


def test_summary_faults(live):
    asked = {"method": "get_book_summary_by_currency", "currency": "BTC", "kind": "future"}
    before = {row["instrument_name"]: row for row in live.get(**asked)}
    of_one = {"instrument": NAME, "param": "mark_price"}
    live.faults({"kind": "summary_negated", **of_one}, {"kind": "summary_null", "param": "open_interest"})
    rows = {row["instrument_name"]: row for row in live.get(**asked)}
    assert {row["open_interest"] for row in rows.values()} == {None}
    assert rows[NAME]["mark_price"] == -before[NAME]["mark_price"]
    assert rows["BTC-PERPETUAL"]["mark_price"] == before["BTC-PERPETUAL"]["mark_price"]
    live.faults({"kind": "summary_missing", "instrument": NAME})
    assert {row["instrument_name"] for row in live.get(**asked)} == set(before) - {NAME}


def test_ticker_faults(live):
    [name, other, *_] = (row["instrument_name"] for row in live.get("get_instruments", currency="BTC", kind="option"))
    before = live.get("ticker", instrument_name=name)
    untouched = live.get("ticker", instrument_name=other)
    live.faults({"kind": "ticker_doubled", "instrument": name, "param": "vega"})
    live.faults({"kind": "ticker_doubled", "instrument": name, "param": "mark_iv"})
    found = live.get("ticker", instrument_name=name)
    assert found["greeks"] == before["greeks"] | {"vega": 2 * before["greeks"]["vega"]}
    assert found["mark_iv"] == 2 * before["mark_iv"]
    assert live.get("ticker", instrument_name=other) == untouched


def test_an_error_code_comes_as_often_as_asked(live):
    live.faults({"kind": "error_code", "code": 10041, "times": 2})
    assert [live.ask("get_time").status_code for _ in range(3)] == [400, 400, 200]
    live.faults({"kind": "error_code", "code": -32602, "instrument": NAME, "reason": "instrument is not active"})
    assert live.ask("ticker", instrument_name="BTC-PERPETUAL").status_code == 200
    error = live.ask("ticker", instrument_name=NAME).json()["error"]
    assert error["data"] == {"reason": "instrument is not active", "param": "instrument_name"}


def test_maintenance_says_so_or_nothing_in_turn_until_it_is_over(live):
    live.faults({"kind": "maintenance", "times": 4})
    answers = [live.ask("get_time") for _ in range(5)]
    assert sorted(answer.status_code for answer in answers[:4]) == [400, 400, 502, 502]
    assert {answer.content for answer in answers if answer.status_code == 502} == {b""}
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 400} == {11051}
    assert answers[4].status_code == 200


def test_http_status_hits_the_named_method(live):
    live.faults({"kind": "http_status", "status": 502, "method": "ticker"})
    assert live.ask("get_time").status_code == 200
    refused = live.ask("ticker", instrument_name=NAME)
    assert refused.status_code == 502 and refused.headers["content-type"].startswith("text/html")


def test_a_share_of_the_calls_is_hit_here_and_there_and_no_other(live):
    posted = live.faults({"kind": "http_status", "method": "get_time", "times": 10_000, "share": 0.1})
    assert posted.status_code == 200, posted.text
    hit = [live.ask("get_time").status_code == 503 for _ in range(1000)]
    assert 60 < sum(hit) < 140
    assert 2 < sum(hit[:100]) < 25 and 2 < sum(hit[-100:]) < 25, "all the time"
    assert live.ask("ticker", instrument_name=NAME).status_code == 200
    for share in (0, 1.5):
        assert live.faults({"kind": "http_status", "share": share}).status_code == 400


def test_a_corrupt_body_is_no_json(live):
    live.faults({"kind": "corrupt"})
    response = live.ask("get_time")
    assert response.status_code == 200
    with pytest.raises(ValueError):
        response.json()
    assert live.get("get_time")


def test_latency_is_late_and_right(live):
    live.faults({"kind": "latency", "milliseconds": 120})
    response = live.ask("get_time")
    assert response.elapsed.total_seconds() > 0.11 and response.status_code == 200


def test_faults_are_listed_counted_and_refused_if_unknown(live):
    refused = live.faults({"kind": "zero_price"}, {"kind": "plague"})
    assert refused.status_code == 400 and "plague" in refused.json()["error"]
    assert live.client.get("/simulator/faults").json() == []  # all or none
    assert live.faults({"kind": "reset", "tines": 2}).status_code == 400
    live.faults({"kind": "http_status"}, {"kind": "zero_price"})
    assert [row["kind"] for row in live.client.get("/simulator/faults").json()] == ["http_status", "zero_price"]
    live.ask("get_time")
    assert live.client.get("/simulator/stats").json()["faults_by_kind"] == {"http_status": 1}
    assert live.client.delete("/simulator/faults").json() == []


def test_every_kind_is_in_the_tables():
    documented = set(re.findall(r"^\| (\w+) +\|", faults.__doc__, re.MULTILINE)) - {"kind"}
    assert documented == set(faults.KINDS)
    assert np.unique(faults.KINDS).size == len(faults.KINDS)
