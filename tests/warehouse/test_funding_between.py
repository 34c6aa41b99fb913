"""Funding cumulated between two moments, by both definitions, against sums by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.tables import FUNDING_RATE
from exchange_simulator.market import Market
from tests.warehouse.days import FIRST, Warehouse, at, ms

BORN = at("2025-02-20")
HOURS = [at(FIRST, 60 * k) for k in range(1, 49)]  # hour ends of two days
ASKED = (
    "SELECT hours_expected, hours_missing, funding_sum, funding_sum_annualised, funding_weighted, "
    "funding_weighted_annualised FROM funding_between(%s, %s, %s, %s)"
)


def between(warehouse: Warehouse, begins, ends, *, name="BTC-PERPETUAL", as_of=None) -> tuple:
    [found] = warehouse.rows(ASKED, name, begins, ends, as_of)
    return found


def funding(n: int = 48, seed: int = 0) -> np.ndarray:
    """Rates of a few basis points and an index that moves by per cents, so that the two definitions differ."""
    random = np.random.default_rng(seed)
    index = 50_000 * np.exp(np.cumsum(random.standard_normal(n + 1) * 0.02))
    rate = random.standard_normal(n) * 1e-4
    return np.stack([rate, rate * 8, index[1:], index[:-1]])


def close(found, wanted) -> bool:
    return found is not None and math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-15)


@pytest.fixture
def perpetual(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", BORN)


def published(warehouse: Warehouse, perpetual: int, hours: list[datetime], columns: np.ndarray) -> None:
    warehouse.funding(perpetual, hours, columns)
    warehouse.publish_funding(perpetual)


def test_three_hours_by_hand(warehouse, perpetual):
    columns = np.array([[1e-4, -2e-4, 3e-4], [0.0] * 3, [110.0, 100.0, 125.0], [100.0, 110.0, 100.0]])
    published(warehouse, perpetual, HOURS[:3], columns)
    expected, missing, plain, plain_year, weighted, weighted_year = between(warehouse, at(FIRST), at(FIRST, 180))
    assert (expected, missing) == (3, 0)
    assert close(plain, 2e-4)
    assert close(plain_year, 2e-4 * 8760 / 3)
    by_hand = 100.0 * (1e-4 / 100.0 - 2e-4 / 110.0 + 3e-4 / 100.0)
    assert close(weighted, by_hand)
    assert close(weighted_year, by_hand * 8760 / 3)
    # from the second hour on a position is worth what the index was then
    assert close(between(warehouse, at(FIRST, 60), at(FIRST, 180))[4], 110.0 * (-2e-4 / 110.0 + 3e-4 / 100.0))


@pytest.mark.parametrize(("first", "past"), [(0, 48), (0, 1), (7, 31), (47, 48)])
def test_the_weighted_sum_is_what_the_exchange_says_a_position_has_paid(warehouse, perpetual, first, past):
    """get_funding_rate_value, of the simulated exchange."""
    exchange = Market(now_ms=ms(at("2025-03-09")))
    hours = exchange.funding("BTC-PERPETUAL", ms(at(FIRST)), ms(HOURS[-1]))
    names = ("interest_1h", "interest_8h", "index_price", "prev_index_price")
    published(warehouse, perpetual, HOURS, np.stack([hours[name] for name in names]))
    begins, ends = (at(FIRST, 60 * hour) for hour in (first, past))
    _, missing, plain, _, weighted, _ = between(warehouse, begins, ends)
    value = exchange.funding_value("BTC-PERPETUAL", ms(begins), ms(ends))
    assert missing == 0 and value != 0 and close(weighted, value)
    assert past - first == 1 or not close(plain, value), "it says nothing of which of the two it is"


def test_only_whole_hours_count(warehouse, perpetual):
    columns = funding()
    published(warehouse, perpetual, HOURS, columns)
    for begins, ends, first, past in (
        (30, 150, 1, 2),
        (1, 59, 0, 0),
        (60, 120, 1, 2),
        (0, 121, 0, 2),
        (119, 120, 0, 0),
    ):
        expected, missing, plain, _, weighted, _ = between(warehouse, at(FIRST, begins), at(FIRST, ends))
        assert (expected, missing) == (past - first, 0), (begins, ends)
        if past == first:
            assert (plain, weighted) == (None, None), "no hour is not a sum of nothing"
        else:
            assert close(plain, columns[0, first:past].sum())
    assert between(warehouse, at(FIRST, 600), at(FIRST)) == (0, 0, None, None, None, None)


def test_a_missing_hour_is_counted_and_left_out(warehouse, perpetual):
    columns = funding()
    kept = [k for k in range(48) if k not in (0, 7, 8)]
    published(warehouse, perpetual, [HOURS[k] for k in kept], columns[:, kept])
    warehouse.connection.execute("UPDATE store.funding_start SET first_hour = %s", [HOURS[0]])
    expected, missing, plain, plain_year, weighted, _ = between(warehouse, at(FIRST), at(FIRST, 2880))
    assert (expected, missing) == (48, 3)
    assert close(plain, columns[0, kept].sum())
    assert close(plain_year, columns[0, kept].sum() * 8760 / 45), "annualised by the hours that are there"
    assert weighted is None, "nobody says what a position was worth at the start"
    _, _, _, _, weighted, _ = between(warehouse, at(FIRST, 60), at(FIRST, 2880))
    assert close(weighted, columns[3, 1] * (columns[0, kept] / columns[3, kept]).sum())
    # the ninth hour and the one before it are missing: nothing says what the index was where it began
    assert between(warehouse, at(FIRST, 480), at(FIRST, 600))[4] is None


def test_the_index_at_the_start_may_be_told_by_the_hour_before(warehouse, perpetual):
    columns = funding()
    without = [k for k in range(48) if k != 5]
    published(warehouse, perpetual, [HOURS[k] for k in without], columns[:, without])
    expected, missing, plain, _, weighted, _ = between(warehouse, at(FIRST, 300), at(FIRST, 480))
    assert (expected, missing) == (3, 1)
    assert close(plain, columns[0, 6:8].sum())
    assert close(weighted, columns[2, 4] * (columns[0, 6:8] / columns[3, 6:8]).sum())


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0, -1.0])
def test_an_index_that_is_none_is_the_one_before_or_unknown(warehouse, perpetual, wrong):
    columns = funding()
    columns[3, 10] = wrong
    published(warehouse, perpetual, HOURS, columns)
    _, missing, _, _, weighted, _ = between(warehouse, at(FIRST), at(FIRST, 2880))
    start = np.concatenate([columns[3, :1], columns[2, :-1]])
    assert missing == 0
    assert close(weighted, columns[3, 0] * (columns[0] / start).sum())
    columns[2, 9] = wrong
    warehouse.funding(perpetual, HOURS, columns)
    warehouse.publish_funding(perpetual)
    expected, missing, plain, _, weighted, _ = between(warehouse, at(FIRST), at(FIRST, 2880))
    assert (expected, missing, weighted) == (48, 0, None)
    assert close(plain, columns[0].sum())


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_an_hour_without_a_rate_is_missing(warehouse, perpetual, wrong):
    columns = funding()
    columns[0, 3] = wrong
    published(warehouse, perpetual, HOURS, columns)
    expected, missing, plain, *_ = between(warehouse, at(FIRST), at(FIRST, 2880))
    assert (expected, missing) == (48, 1)
    assert close(plain, np.delete(columns[0], 3).sum())


def test_what_is_expected_is_the_lifetime_from_the_first_hour_on(warehouse, perpetual):
    columns = funding()
    published(warehouse, perpetual, HOURS, columns)
    assert between(warehouse, "-infinity", at(FIRST, 2880))[:2] == (48, 0), "not from the listing"
    assert between(warehouse, at(FIRST), at(FIRST, 4320))[:2] == (72, 24), "a day that was not loaded is missing"
    now = datetime.now(UTC)
    expected = between(warehouse, at(FIRST), "infinity")[0]
    assert expected in {(now - at(FIRST)) // timedelta(hours=1) + more for more in (0, 1)}, "not what is still to come"


def test_a_name_is_resolved_as_everywhere(warehouse, perpetual):
    published(warehouse, perpetual, HOURS, funding())
    warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    whole = between(warehouse, at(FIRST), at(FIRST, 2880))
    assert between(warehouse, at(FIRST), at(FIRST, 2880), name="BTC-PERPETUAL#1") == whole
    for other in ("BTC-28MAR25", "BTC-NONE", "BTC-PERPETUAL#9"):
        assert warehouse.rows(ASKED, other, at(FIRST), at(FIRST, 2880), None) == []


def test_what_it_came_to_at_a_moment_can_be_asked(warehouse, perpetual):
    before = warehouse.value("SELECT clock_timestamp()")
    columns = funding()
    published(warehouse, perpetual, HOURS, columns)
    first = warehouse.value("SELECT clock_timestamp()")
    columns[0, 4] += 1e-3
    published(warehouse, perpetual, HOURS, columns)
    second = warehouse.value("SELECT clock_timestamp()")
    warehouse.hold(FUNDING_RATE, warehouse.rows(
        "SELECT instrument_id, ts, version_id FROM store.funding_rate WHERE ts = %s AND state = 'published'", HOURS[4],
    ))  # fmt: skip
    asked = at(FIRST), at(FIRST, 2880)
    assert between(warehouse, *asked, as_of=before)[:3] == (48, 48, None)
    assert close(between(warehouse, *asked, as_of=first)[2], columns[0].sum() - 1e-3)
    assert close(between(warehouse, *asked, as_of=second)[2], columns[0].sum())
    expected, missing, plain, *_ = between(warehouse, *asked)
    assert (expected, missing) == (48, 1)
    assert close(plain, np.delete(columns[0], 4).sum())
    for name in ("BTC-PERPETUAL", "BTC-NONE"):
        with pytest.raises(psycopg.errors.DataException, match="is not known"):
            warehouse.rows(ASKED, name, *asked, datetime.now(UTC) + timedelta(days=1))


@pytest.fixture(scope="module")
def told(shared_warehouse) -> tuple[Warehouse, np.ndarray]:
    """Two days of hours, all there."""
    perpetual = shared_warehouse.instrument("ETH-PERPETUAL", BORN, base="ETH")
    published(shared_warehouse, perpetual, HOURS, columns := funding(seed=3))
    return shared_warehouse, columns


@given(minutes=st.lists(st.integers(0, 2880), min_size=2, max_size=2))
def test_any_range_is_what_its_hours_add_up_to(told, minutes):
    warehouse, columns = told
    begins, ends = sorted(minutes)
    first, past = -(-begins // 60), ends // 60
    found = between(warehouse, at(FIRST, begins), at(FIRST, ends), name="ETH-PERPETUAL")
    if first >= past:
        assert found == (0, 0, None, None, None, None)
        return
    rate, start = columns[0, first:past], columns[3, first:past]
    wanted = [rate.sum(), rate.mean() * 8760, start[0] * (rate / start).sum(), start[0] * (rate / start).mean() * 8760]
    assert found[:2] == (past - first, 0)
    assert all(map(close, found[2:], wanted)), (found, wanted)


@given(hours=st.lists(st.integers(0, 48), min_size=3, max_size=3, unique=True))
def test_adjoining_ranges_add_up(told, hours):
    warehouse, columns = told
    a, b, c = sorted(hours)
    whole, near, far = (
        between(warehouse, at(FIRST, 60 * x), at(FIRST, 60 * y), name="ETH-PERPETUAL")
        for x, y in ((a, c), (a, b), (b, c))
    )
    assert whole[0] == near[0] + far[0]
    assert close(whole[2], near[2] + far[2])
    assert close(whole[4], near[4] + far[4] * columns[3, a] / columns[3, b]), "the far one is worth what it was at b"
