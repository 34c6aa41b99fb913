"""Settlements: every day the exchange holds, whatever a page holds, and a day that was left out once."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.exchange import BadResponse
from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.settlements import DAY, VALUES, collect, read_page

EIGHT = 8 * 3_600_000
BORN = round(datetime(2026, 9, 1, tzinfo=UTC).timestamp()) * 1000
NAME = "BTC-PERPETUAL"


def row(n: int, **changed) -> dict:
    return {
        "position": 1_000 + n, "timestamp": BORN + n * DAY + EIGHT + 65, "type": "settlement",
        "index_price": 80_000.0 + n, "instrument_name": NAME, "mark_price": 80_001.0 + n, "profit_loss": -2.5,
        "session_profit_loss": 3e5,
    } | changed  # fmt: skip


class Fake:
    """Answers as the exchange does: the newest rows at or before the start of the search, at most `limit`, and a
    continuation where there are more. `spoil` has the last word on an answer's rows."""

    def __init__(self, days, limit: int = 1_000, spoil=lambda number, rows: rows):
        self.rows = [row(n) for n in sorted(days, reverse=True)]
        self.limit, self.spoil, self.asked = limit, spoil, []

    def ask(self, method, params, reader):
        assert method == "get_last_settlements_by_instrument" and params["instrument_name"] == NAME
        assert 10 <= params["count"] <= 1_000
        self.asked.append(params)
        last = int(params["continuation"]) if "continuation" in params else params["search_start_timestamp"]
        there = [r for r in self.rows if r["timestamp"] <= last]
        count = min(self.limit, params["count"])
        more = str(there[count]["timestamp"]) if len(there) > count else None
        return reader({"continuation": more, "settlements": self.spoil(len(self.asked), there[:count])})


days = st.sets(st.integers(0, 60))
instant = st.tuples(st.integers(-3, 63), st.sampled_from([0, EIGHT, EIGHT + 65, EIGHT + 66])).map(
    lambda p: BORN + p[0] * DAY + p[1]
)
bounds = st.tuples(instant, instant).map(lambda pair: tuple(sorted(pair)))


@given(days, bounds, st.integers(1, 70))
def test_any_window_and_any_page_give_exactly_what_exists(existing, window, limit):
    fake = Fake(existing, limit)
    found = collect(fake.ask, NAME, *window)
    wanted = [row(n) for n in sorted(existing) if window[0] <= row(n)["timestamp"] < window[1]]
    assert found.timestamp.tolist() == [r["timestamp"] for r in wanted]
    assert found.type == ["settlement"] * len(wanted)
    for name in VALUES[:-1]:
        assert getattr(found, name).tolist() == [r[name] for r in wanted]
    assert all(x != x for x in found.funding.tolist()), "what is not sent is not known"
    assert not found.duplicate.any() and found.bankruptcies == 0 and found.requests == len(fake.asked)


@given(st.integers(3, 40), st.integers(2, 50), st.data())
def test_a_day_that_an_answer_leaves_out_is_asked_for_again(number_of_days, limit, data):
    bad, left_out = data.draw(st.integers(1, 5)), data.draw(st.integers(1, number_of_days - 2))
    gone = row(left_out)["timestamp"]

    def spoil(number: int, rows: list) -> list:
        return [r for r in rows if r["timestamp"] != gone] if number == bad else rows

    fake = Fake(range(number_of_days), limit, spoil)
    found = collect(fake.ask, NAME, BORN, BORN + 60 * DAY)
    assert len(found.timestamp) == number_of_days


def test_a_month_takes_one_request_and_no_window_none():
    fake = Fake(range(61))
    assert len(collect(fake.ask, NAME, BORN + 30 * DAY, BORN + 61 * DAY).timestamp) == 31
    assert len(fake.asked) == 1 and fake.asked[0]["search_start_timestamp"] == BORN + 61 * DAY - 1
    assert collect(fake.ask, NAME, BORN, BORN).requests == 0
    with pytest.raises(ValueError, match="runs backward"):
        collect(fake.ask, NAME, BORN + 1, BORN)


def test_what_is_doubled_is_named_and_a_delivery_is_another_thing_than_a_settlement():
    rows = [row(4, type="delivery"), row(4), row(3, timestamp=row(3)["timestamp"] + 9), row(3), row(2)]
    rows += [{"type": "bankruptcy", "timestamp": row(2)["timestamp"], "session_bankruptcy": 1.0, "socialized": 0.5}]
    found = collect(lambda method, params, reader: reader({"settlements": rows}), NAME, BORN, BORN + 9 * DAY)
    assert found.type == ["settlement", "settlement", "delivery", "settlement"]
    assert found.duplicate.tolist() == [False, True, False, False]
    assert found.timestamp.tolist()[1] == row(3)["timestamp"] + 9, "the newer is kept"
    assert (found.bankruptcies, found.requests) == (1, 1)


def test_a_continuation_that_leads_nowhere_is_an_error_that_names_the_instrument():
    def ask(method, params, reader):
        return reader({"settlements": [row(3), row(2)], "continuation": "again"})

    with pytest.raises(BadResponse, match="BTC-PERPETUAL: the continuation leads to nothing older than 2026-09-03"):
        collect(ask, NAME, BORN, BORN + 9 * DAY)
    # where the window has ended nobody follows it
    assert collect(ask, NAME, BORN + 3 * DAY, BORN + 9 * DAY).requests == 1


@pytest.mark.parametrize("end", [None, "", "absent"])
def test_the_last_answer_has_no_continuation_whichever_way_that_is_said(end):
    result = {"settlements": [row(1)]} | ({} if end == "absent" else {"continuation": end})
    assert read_page(result, NAME).continuation is None


def test_what_is_null_or_absent_is_not_known_and_what_is_new_is_no_matter():
    bare = {"timestamp": BORN, "type": "settlement", "mark_price": None, "something": {"new": 1}, "funding": -2.5e-6}
    page = read_page({"settlements": [bare]}, NAME)
    told = dict(zip(VALUES, page.values[:, 0].tolist(), strict=True))
    assert told.pop("funding") == -2.5e-6 and all(x != x for x in told.values())


@pytest.mark.parametrize(
    "result",
    [
        None, [], {}, {"settlements": None}, {"settlements": {}}, {"settlements": [1]}, {"settlements": [{}]},
        {"settlements": [row(1, type=None)]}, {"settlements": [row(1, timestamp="1")]},
        {"settlements": [row(1, timestamp=None)]}, {"settlements": [row(1, mark_price="80000")]},
        {"settlements": [row(1, instrument_name="ETH-PERPETUAL")]}, {"settlements": [row(1), row(2)]},
        {"settlements": [], "continuation": 5},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(result):
    with pytest.raises(Malformed):
        read_page(result, NAME)


@pytest.mark.recorded
def test_the_recorded_bodies_are_read(recorded):
    read = lambda name: orjson.loads(recorded(f"responses/{name}.json").read_bytes())  # noqa: E731
    page = read_page(read("settlements_instrument"), NAME)
    assert page.type == ["settlement"] * 5 and page.continuation.startswith("23nYDk")
    assert page.timestamp[0] == 1_789_891_200_065 and page.values[1, 0] == 80_317.84
    late = [at % DAY - EIGHT for at in page.timestamp.tolist()]
    assert late == [65, 83, 96, 61, 759], "ms after 08:00 UTC"
    of_currency = read_page(read("settlements_currency"))
    assert of_currency.type == ["delivery", *["exercise"] * 4], "options are told there, too"
    assert of_currency.values[1, 0] == of_currency.values[2, 0] == 80_321.21, "the delivery price of the day"
