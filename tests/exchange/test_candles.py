"""Candles: exactly what exists, named exactly where not, whatever the exchange leaves out."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.exchange import candles
from deribit_warehouse.exchange.candles import COLUMNS, HOUR, MINUTE, collect, last_trade, read_page
from deribit_warehouse.exchange.errors import Malformed
from tests.exchange.fake_exchange import FakeExchange, candle

DAY = 1_440 * MINUTE
BORN = 1_534_242_300_000 // MINUTE * MINUTE

minutes = st.sets(st.integers(0, 60)).map(lambda chosen: {BORN + n * MINUTE for n in chosen})
bounds = st.tuples(st.integers(-5, 65), st.integers(-5, 65)).map(
    lambda pair: tuple(BORN + n * MINUTE for n in sorted(pair))
)


def pages_of(width: int):
    return patch.object(candles, "PAGE", width * MINUTE)


def assert_exact(got, existing, start, end):
    """`got` holds the existing minutes of [start, end) with their values, and names all others as missing."""
    grid = range(start, end, MINUTE)
    assert got.present.tolist() == [tick in existing for tick in grid]
    assert got.missing.tolist() == [tick for tick in grid if tick not in existing]
    for name in COLUMNS:
        column = getattr(got, name)
        assert column.dtype == np.float64
        want = [candle(tick)[name] if tick in existing else np.nan for tick in grid]
        np.testing.assert_array_equal(column, want)
    for name in ("duplicate", "misaligned", "out_of_window", "out_of_order"):
        assert getattr(got, name).dtype == np.int64
        assert not len(getattr(got, name)), name


@given(minutes, bounds, st.integers(1, 70), st.integers(1, 70))
def test_any_window_any_page_and_any_limit_give_exactly_what_exists(existing, window, width, limit):
    fake = FakeExchange(existing, limit=limit)
    with pages_of(width):
        got = collect(fake.ask, "BTC-PERPETUAL", *window)
    assert_exact(got, existing, *window)
    assert got.requests == len(fake.asked)


@given(minutes, bounds, st.integers(1, 70))
def test_a_page_is_asked_again_only_for_what_it_lacked(existing, window, width):
    fake = FakeExchange(existing)
    with pages_of(width):
        collect(fake.ask, "BTC-PERPETUAL", *window)
    needed = 0
    for left in range(*window, width * MINUTE):
        page = range(left, min(left + width * MINUTE, window[1]), MINUTE)
        sent = [tick for tick in page if tick in existing]
        leading_gap = not sent or sent[0] > page[0]
        later_gap = bool(sent) and len(sent) < len([tick for tick in page if tick >= sent[0]])
        needed += 1 + leading_gap + later_gap
    assert len(fake.asked) == needed
    for asked in set(fake.asked):
        held = any(asked[0] <= tick <= asked[1] for tick in existing)
        assert fake.asked.count(asked) == 1 or not held, "a page that held rows was asked twice"


@given(minutes, bounds, st.integers(1, 70), st.data())
def test_a_fault_that_passes_is_not_recorded_as_missing(existing, window, width, data):
    lost = data.draw(st.sets(st.sampled_from(sorted(existing)))) if existing else set()
    fake = FakeExchange(existing, once_lost=lost)
    with pages_of(width):
        got = collect(fake.ask, "BTC-PERPETUAL", *window)
    assert_exact(got, existing, *window)


def test_trap_3_a_month_comes_whole_through_pages_of_5000():
    start, end = BORN, BORN + 30 * DAY
    fake = FakeExchange(range(start, end, MINUTE))
    assert_exact(collect(fake.ask, "BTC-PERPETUAL", start, end), set(fake.minutes), start, end)
    assert len(fake.asked) == 9
    assert max(right - left for left, right in fake.asked) <= 5_000 * MINUTE


def test_trap_3_the_first_candle_survives_an_exchange_that_drops_it_at_start():
    start, end = BORN, BORN + 10 * MINUTE
    fake = FakeExchange(range(BORN - 5 * MINUTE, end, MINUTE), first_lost=True)
    assert_exact(collect(fake.ask, "BTC-PERPETUAL", start, end), set(fake.minutes), start, end)
    assert len(fake.asked) == 1


def test_trap_3_a_full_page_that_begins_late_is_split():
    """Fewer rows a call than agreed: every answer is full, its older tail gone without a word."""
    start, end = BORN, BORN + 5_000 * MINUTE
    fake = FakeExchange(range(start, end, MINUTE), limit=1_000)
    assert_exact(collect(fake.ask, "BTC-PERPETUAL", start, end), set(fake.minutes), start, end)
    assert len(fake.asked) == 5


def test_gaps_are_confirmed_through_an_exchange_that_cuts_its_answers_short():
    """Two minutes lost by a passing fault, further apart than one answer reaches."""
    start, end = BORN, BORN + 5_000 * MINUTE
    lost = [BORN + 1_500 * MINUTE, BORN + 4_500 * MINUTE]
    fake = FakeExchange(range(start, end, MINUTE), limit=1_000, once_lost=lost)
    assert_exact(collect(fake.ask, "BTC-PERPETUAL", start, end), set(fake.minutes), start, end)


def test_trap_4_the_fill_after_expiry_stays_outside_the_window():
    expiry = BORN + 100 * MINUTE
    fake = FakeExchange(range(BORN, expiry + 500 * MINUTE, MINUTE))
    got = collect(fake.ask, "BTC-27JUN25", BORN, expiry)
    assert len(got.present) == 100 and got.present.all()
    assert not len(got.out_of_window), "rows past the expiry were even asked for"


def test_an_empty_stretch_is_confirmed_once_and_named():
    fake = FakeExchange()
    got = collect(fake.ask, "BTC-PERPETUAL", BORN, BORN + 3 * MINUTE)
    assert_exact(got, set(), BORN, BORN + 3 * MINUTE)
    assert len(fake.asked) == 2


def test_an_empty_window_asks_nothing():
    fake = FakeExchange()
    assert_exact(collect(fake.ask, "BTC-PERPETUAL", BORN, BORN), set(), BORN, BORN)
    assert not fake.asked


@pytest.mark.parametrize(("start", "end"), [(BORN + 1, BORN + MINUTE), (BORN, BORN + 1), (BORN + MINUTE, BORN)])
def test_bounds_off_the_minute_or_backward_are_refused(start, end):
    with pytest.raises(ValueError, match="BTC-PERPETUAL.*2018-08-14T10:25:00"):
        collect(FakeExchange().ask, "BTC-PERPETUAL", start, end)


def test_numpy_bounds_are_taken():
    fake = FakeExchange([BORN])
    assert collect(fake.ask, "BTC-PERPETUAL", np.int64(BORN), np.int64(BORN + MINUTE)).present.all()


def chart(ticks, **columns):
    """A chart result with ticks as given and 1.0 in every column not given."""
    plain = {name: [1.0] * len(ticks) for name in COLUMNS}
    return {"status": "ok" if ticks else "no_data", "ticks": ticks} | plain | columns


def answering(*results):
    """An `ask` that gives one result after the other, the last one for ever."""
    left = list(results)

    def ask(method, params, read):
        return read(left.pop(0) if len(left) > 1 else left[0])

    return ask


def test_a_doubled_minute_is_named_and_its_first_row_kept():
    ticks = [BORN, BORN + MINUTE, BORN + MINUTE, BORN + 2 * MINUTE]
    got = collect(answering(chart(ticks, close=[1.0, 2.0, 9.0, 3.0])), "BTC-PERPETUAL", BORN, BORN + 3 * MINUTE)
    assert got.close.tolist() == [1.0, 2.0, 3.0]
    assert got.duplicate.tolist() == [BORN + MINUTE]
    assert got.present.all() and not len(got.out_of_order)


def test_a_minute_sent_again_when_a_gap_is_confirmed_is_not_doubled_and_keeps_its_first_value():
    first = chart([BORN, BORN + 2 * MINUTE], close=[1.0, 3.0])
    again = chart([BORN + MINUTE, BORN + 2 * MINUTE], close=[2.0, 9.0])
    gappy = chart([BORN, BORN + 2 * MINUTE, BORN + 4 * MINUTE], close=[1.0, 3.0, 5.0])
    got = collect(answering(first, again), "BTC-PERPETUAL", BORN, BORN + 3 * MINUTE)
    assert got.close.tolist() == [1.0, 2.0, 3.0]
    assert not len(got.duplicate)
    got = collect(answering(gappy, chart([BORN + 2 * MINUTE], close=[9.0])), "BTC-PERPETUAL", BORN, BORN + 5 * MINUTE)
    assert got.close[2] == 3.0
    assert not len(got.duplicate)


def test_ticks_off_the_minute_outside_and_out_of_order_are_named_and_kept_out():
    ticks = [BORN + MINUTE, BORN, BORN + 2 * MINUTE + 500, BORN + 3 * MINUTE, BORN - MINUTE]
    got = collect(answering(chart(ticks), chart([])), "BTC-PERPETUAL", BORN, BORN + 3 * MINUTE)
    assert got.present.tolist() == [True, True, False]
    assert got.misaligned.tolist() == [BORN + 2 * MINUTE + 500]
    assert got.out_of_window.tolist() == [BORN - MINUTE, BORN + 3 * MINUTE]
    assert got.out_of_order.tolist() == [BORN - MINUTE, BORN]
    assert got.missing.tolist() == [BORN + 2 * MINUTE]


def test_a_null_value_is_present_and_nan_and_infinity_is_left_to_the_gate():
    got = collect(
        answering(chart([BORN, BORN + MINUTE], close=[None, 1], high=[float("inf"), 2.0])),
        *("BTC-PERPETUAL", BORN, BORN + 2 * MINUTE),
    )
    assert got.present.all() and not len(got.missing)
    assert np.isnan(got.close[0]) and got.close[1] == 1.0
    assert got.high[0] == np.inf


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        (None, "not an object"),
        ([], "not an object"),
        ({"status": "ok"}, "ticks is absent"),
        ({"status": "ok", "ticks": []}, "open is absent"),
        (chart([BORN], status="late"), "status is 'late'"),
        (chart([BORN], status=None), "status is None"),
        (chart([BORN], status="no_data"), "'no_data' over 1 rows"),
        (chart([BORN], close=["1.5"]), r"close\[0\] is '1.5'"),
        (chart([BORN], close=[True]), r"close\[0\] is True"),
        (chart([BORN], close=[[1.0]]), r"close\[0\] is \[1.0\]"),
        (chart([BORN], close=1.0), "close is float, not a list"),
        (chart([BORN], close=[1.0, 2.0]), "unequal lengths.*'close': 2"),
        (chart([BORN], volume=[]), "unequal lengths.*'volume': 0"),
        (chart([BORN], close=[10**400]), "close holds a number out of range"),
        (chart([str(BORN)]), r"ticks\[0\] is '1534242300000'"),
        (chart([float(BORN)]), r"ticks\[0\] is 1534242300000.0"),
        (chart([None]), r"ticks\[0\] is None"),
        (chart([2**63]), "ticks holds a number out of range"),
    ],
)
def test_a_page_of_another_form_is_refused(result, cause):
    with pytest.raises(Malformed, match=cause):
        read_page(result)


def chart_of(traded: dict[int, float], asked: list, *, hours: dict[int, float] | None = None):
    """An exchange whose chart has a bucket at each of these ticks, of that volume; hours: other ones by the hour."""
    buckets = {"1D": traded, "60": traded if hours is None else hours}

    def ask(method, params, read):
        traded = buckets[params["resolution"]]
        asked.append((method, params["resolution"], params["start_timestamp"] + 1, params["end_timestamp"] + 1))
        columns = {name: [5.0] * len(traded) for name in COLUMNS} | {"volume": list(traded.values())}
        return read({"status": "ok" if traded else "no_data", "ticks": list(traded), **columns})

    return ask


def test_the_last_trade_is_the_end_of_the_last_hour_with_volume():
    asked: list = []
    traded = {n * HOUR: volume for n, volume in enumerate([1.0, 2.0, 0.0, 0.5, 0.0, 0.0])}
    assert last_trade(chart_of(traded, asked), "SOL_USDC-PERPETUAL", HOUR, 9 * HOUR) == 4 * HOUR
    assert asked == [("get_tradingview_chart_data", "60", HOUR, 9 * HOUR)]
    assert last_trade(chart_of(traded, asked), "SOL_USDC-PERPETUAL", HOUR, 3 * HOUR + 1) == 3 * HOUR + 1


@pytest.mark.parametrize("flat", [{}, {2 * HOUR: 0.0, 3 * HOUR: 0.0}, {0: 1.0, 5 * HOUR: 1.0}])
def test_a_dead_chart_is_no_trade_and_neither_is_what_lies_outside(flat):
    assert last_trade(chart_of(flat, []), "SOL_USDC-PERPETUAL", HOUR, 5 * HOUR) is None


@pytest.mark.parametrize(
    ("day", "hours", "ends"),
    [
        (10 * DAY + 8 * HOUR, [-1, 0, 2], 10 * DAY + 11 * HOUR),
        (399 * DAY + 8 * HOUR, [1], 399 * DAY + 10 * HOUR),  # the day is not over yet
        (10 * DAY + 8 * HOUR, [], 11 * DAY + 8 * HOUR),  # the two charts disagree
    ],
)
def test_of_a_long_time_the_last_day_with_a_trade_is_looked_for_and_the_hour_in_it(day, hours, ends):
    asked: list = []
    chart = chart_of({day - DAY: 3.0, day: 1.0}, asked, hours={day + n * HOUR: 1.0 for n in hours})
    assert last_trade(chart, "SOL_USDC-PERPETUAL", DAY, 400 * DAY) == ends
    assert [resolution for _, resolution, *_ in asked] == ["1D", "60"]
    assert all(DAY <= begins < until <= 400 * DAY for *_, begins, until in asked)


def test_of_a_long_time_without_a_trade_no_hour_is_asked_for():
    asked: list = []
    assert last_trade(chart_of({10 * DAY: 0.0}, asked), "SOL_USDC-PERPETUAL", DAY, 400 * DAY) is None
    assert [resolution for _, resolution, *_ in asked] == ["1D"]
