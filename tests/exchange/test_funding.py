"""Funding: every hour the exchange holds, page edges included, and where its history begins."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.exchange import funding
from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.funding import HOUR, RATES, collect, first_hour, last_hour, read_page
from tests.exchange.fake_exchange import FakeExchange, rates

BORN = 1_534_244_400_000

hours = st.sets(st.integers(0, 60)).map(lambda chosen: {BORN + n * HOUR for n in chosen})
# Bounds on the hour and beside it: the window is (start, end], and callers may end at "now".
instant = st.tuples(st.integers(-5, 65), st.sampled_from([0, 0, 1, HOUR - 1])).map(lambda p: BORN + p[0] * HOUR + p[1])
bounds = st.tuples(instant, instant).map(lambda pair: tuple(sorted(pair)))


def pages_of(width: int):
    return patch.object(funding, "PAGE", width * HOUR)


def assert_exact(got, existing, start, end):
    want = sorted(hour for hour in existing if start < hour <= end)
    assert got.timestamp.dtype == np.int64 and got.timestamp.tolist() == want
    for name in RATES:
        column = getattr(got, name)
        assert column.dtype == np.float64
        assert column.tolist() == [rates(hour)[name] for hour in want]
    grid = range(-(-(start + 1) // HOUR) * HOUR, end + 1, HOUR)
    assert got.missing(start, end).tolist() == [hour for hour in grid if hour not in existing]
    assert not len(got.duplicate) and not len(got.out_of_window)


@given(hours, bounds, st.integers(1, 70), st.integers(0, 20))
def test_any_window_and_any_page_give_exactly_what_exists(existing, window, width, spare):
    fake = FakeExchange(hours=existing, limit=width + spare)
    with pages_of(width):
        got = collect(fake.ask, "BTC-PERPETUAL", *window)
    assert_exact(got, existing, *window)
    assert got.requests == len(fake.asked)


@given(hours, bounds, st.integers(1, 70))
def test_no_page_is_asked_twice_without_need(existing, window, width):
    fake = FakeExchange(hours=existing)
    with pages_of(width):
        collect(fake.ask, "BTC-PERPETUAL", *window)
    needed = 0
    for left in range(window[0] + 1, window[1] + 1, width * HOUR):
        right = min(left + width * HOUR, window[1] + 1)
        page = range(-(-left // HOUR) * HOUR, right, HOUR)
        sent = [hour for hour in page if hour in existing]
        if page:  # a piece of an hour may hold no hour's end
            leading_gap = not sent or sent[0] > page[0]
            later_gap = bool(sent) and len(sent) < len([hour for hour in page if hour >= sent[0]])
            needed += 1 + leading_gap + later_gap
    assert len(fake.asked) == needed


@given(hours, bounds, st.integers(1, 70), st.data())
def test_a_fault_that_passes_is_not_recorded_as_missing(existing, window, width, data):
    lost = data.draw(st.sets(st.sampled_from(sorted(existing)))) if existing else set()
    fake = FakeExchange(hours=existing, once_lost=lost)
    with pages_of(width):
        got = collect(fake.ask, "BTC-PERPETUAL", *window)
    assert_exact(got, existing, *window)


def test_trap_1_two_years_come_whole_though_an_answer_holds_31_days():
    start, end = BORN, BORN + 2 * 365 * 24 * HOUR
    fake = FakeExchange(hours=range(start + HOUR, end + HOUR, HOUR))
    assert_exact(collect(fake.ask, "BTC-PERPETUAL", start, end), set(fake.hours), start, end)
    assert len(fake.asked) == 24


def test_trap_2_no_row_is_lost_at_a_page_edge():
    """Each page starts at the last timestamp of the one before, for its own window is open there."""
    start, end = BORN, BORN + 3 * 744 * HOUR
    fake = FakeExchange(hours=range(start + HOUR, end + HOUR, HOUR))
    got = collect(fake.ask, "BTC-PERPETUAL", start, end)
    assert len(got.timestamp) == 3 * 744 and not len(got.missing(start, end))
    assert fake.asked == [(start + n * 744 * HOUR, start + (n + 1) * 744 * HOUR) for n in range(3)]


def test_rows_off_the_hour_are_kept_for_the_gate_to_judge():
    late = BORN + HOUR + 7
    got = collect(FakeExchange(hours=[BORN + HOUR, late, BORN + 2 * HOUR]).ask, "BTC-PERPETUAL", BORN, BORN + 2 * HOUR)
    assert got.timestamp.tolist() == [BORN + HOUR, late, BORN + 2 * HOUR]


def test_doubled_and_foreign_rows_are_named_and_null_becomes_nan():
    def one(hour, rate):
        return {"timestamp": hour} | dict.fromkeys(RATES, rate)

    result = [one(BORN + 2 * HOUR, 2), one(BORN + HOUR, None), one(BORN + 2 * HOUR, 9), one(BORN, 5)]
    got = collect(lambda method, params, read: read(result), "BTC-PERPETUAL", BORN, BORN + 2 * HOUR)
    assert got.timestamp.tolist() == [BORN + HOUR, BORN + 2 * HOUR]
    assert np.isnan(got.interest_1h[0]) and got.interest_1h[1] == 2.0
    assert got.duplicate.tolist() == [BORN + 2 * HOUR]
    assert got.out_of_window.tolist() == [BORN]


def test_a_row_may_leave_out_what_the_index_was_before():
    """The documentation of one client has prev_index_price as optional; the very first row's is null where it comes."""
    row = {"timestamp": BORN + HOUR, "interest_1h": 0.0, "interest_8h": 0.0, "index_price": 5000.0}
    timestamp, values = read_page([row, row | {"timestamp": BORN + 2 * HOUR, "prev_index_price": 5000.0}])
    assert timestamp.tolist() == [BORN + HOUR, BORN + 2 * HOUR]
    previous = values[RATES.index("prev_index_price")]
    assert np.isnan(previous[0]) and previous[1] == 5000.0


@pytest.mark.parametrize("key", ["timestamp", "interest_1h", "interest_8h", "index_price"])
def test_a_row_without_anything_else_is_refused(key):
    row = {"timestamp": BORN + HOUR, "interest_1h": 0.0, "interest_8h": 0.0, "index_price": 5000.0}
    with pytest.raises(Malformed, match=f"has no {key}"):
        read_page([{name: row[name] for name in row if name != key}])


def test_a_backward_window_is_refused():
    with pytest.raises(ValueError, match="BTC-PERPETUAL.*runs backward"):
        collect(FakeExchange().ask, "BTC-PERPETUAL", BORN, BORN - 1)


@given(st.sets(st.integers(0, 3_000)), st.integers(-100, 3_100), st.integers(0, 3_100), st.integers(1, 100))
def test_the_first_funding_hour_is_found(chosen, after, span, limit):
    existing = {BORN + n * HOUR for n in chosen}
    not_before, not_after = BORN + after * HOUR, BORN + (after + span) * HOUR
    with pages_of(limit):
        found = first_hour(FakeExchange(hours=existing, limit=limit).ask, "BTC-PERPETUAL", not_before, not_after)
    assert found == min((hour for hour in existing if not_before <= hour <= not_after), default=None)


def test_the_first_funding_hour_of_a_decade_takes_few_requests():
    begun = BORN + 9_731 * HOUR
    fake = FakeExchange(hours=range(begun, begun + 70_000 * HOUR, HOUR))
    assert first_hour(fake.ask, "BTC-PERPETUAL", BORN, BORN + 79_000 * HOUR) == begun
    assert len(fake.asked) <= 10


def test_the_first_funding_hour_survives_an_answer_emptied_by_a_passing_fault():
    begun = BORN + 100 * HOUR
    fake = FakeExchange(
        hours=range(begun, begun + 9_000 * HOUR, HOUR), once_lost=range(begun, begun + 5_000 * HOUR, HOUR)
    )
    assert first_hour(fake.ask, "BTC-PERPETUAL", BORN, begun + 9_000 * HOUR) == begun


def test_a_wrongly_empty_answer_restarts_the_search_rather_than_walking_back_page_by_page():
    begun = BORN + 9_731 * HOUR
    # The rows of the first halving's answer, all left out of it.
    emptied = range(BORN + 38_000 * HOUR, BORN + 39_200 * HOUR, HOUR)
    fake = FakeExchange(hours=range(begun, begun + 70_000 * HOUR, HOUR), once_lost=emptied)
    assert first_hour(fake.ask, "BTC-PERPETUAL", BORN, BORN + 79_000 * HOUR) == begun
    assert 10 < len(fake.asked) <= 20


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        ({}, "funding is dict, not a list"),
        (None, "funding is absent"),
        ([3], r"funding\[0\] has no timestamp"),
        ([{"timestamp": BORN}], r"funding\[0\] has no interest_1h, interest_8h"),
        ([{"timestamp": BORN} | dict.fromkeys(RATES, "0.1")], r"funding interest_1h\[0\] is '0.1'"),
        ([{"timestamp": None} | dict.fromkeys(RATES, 0.1)], r"funding timestamp\[0\] is None"),
    ],
)
def test_rows_of_another_form_are_refused(result, cause):
    with pytest.raises(Malformed, match=cause):
        read_page(result)


@given(hours, bounds, st.integers(1, 70))
def test_the_last_hour_is_the_newest_there_is(existing, window, limit):
    fake = FakeExchange(hours=existing, limit=limit)
    start, end = window
    there = [hour for hour in existing if start <= hour <= end]
    assert last_hour(fake.ask, "BTC-PERPETUAL", start, end) == max(there, default=None)
    assert len(fake.asked) == (1 if there else 2)


def test_an_empty_answer_for_once_is_not_taken_for_no_funding():
    fake = FakeExchange(hours=[BORN], once_lost=[BORN])
    assert last_hour(fake.ask, "BTC-PERPETUAL", BORN, BORN + HOUR) == BORN
