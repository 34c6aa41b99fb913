"""The invented market is a function of (instrument, minute) and keeps the exchange's rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange_simulator.listings import DAY, HOUR, MINUTE
from exchange_simulator.market import COLUMNS, FUNDING_CAP, Market

NOW = 1_789_939_037_426
MARKET = Market(now_ms=NOW)
MOVING, LATER = Market(("BTC",), now_ms=NOW), Market(("BTC",), now_ms=NOW + DAY)
NAMES = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC-27MAR20", "ETH-25DEC20", "BTC-25DEC26", "BTC_USDC-PERPETUAL")


@st.composite
def windows(draw) -> tuple[str, int, int]:
    """(instrument, start ms, end ms): up to a day and a half in or around its life, often over an end of it."""
    name = draw(st.sampled_from(NAMES))
    listing = MARKET.listing(name)
    edges = [listing.listed, min(listing.expires, NOW)]
    anywhere = st.integers(listing.listed - DAY, min(listing.expires, NOW) + DAY)
    near = st.sampled_from(edges).flatmap(lambda edge: st.integers(edge - 3 * HOUR, edge + 3 * HOUR))
    start = draw(anywhere | near)
    return name, start, start + draw(st.integers(0, 36 * HOUR))


@given(windows(), st.integers(0, 3000), st.integers(0, 3000))
@settings(max_examples=120)
def test_a_candle_does_not_depend_on_the_window_around_it(window, before, after):
    name, start, end = window
    narrow = MARKET.candles(name, start, end)
    wide = MARKET.candles(name, start - before * MINUTE, end + after * MINUTE)
    inside = (wide["ticks"] >= start) & (wide["ticks"] <= end)
    for column in COLUMNS:
        np.testing.assert_array_equal(narrow[column], wide[column][inside])


@given(windows())
@settings(max_examples=60)
def test_candles_are_whole_and_consistent(window):
    name, start, end = window
    listing = MARKET.listing(name)
    c = MARKET.candles(name, start, end)
    first, last = max(start, listing.first_minute * MINUTE), min(end, NOW, listing.expires - MINUTE)
    expected = np.arange(-(-first // MINUTE), last // MINUTE + 1) * MINUTE
    np.testing.assert_array_equal(c["ticks"], expected)
    assert (c["low"] > 0).all()
    assert (c["low"] <= np.minimum(c["open"], c["close"])).all()
    assert (c["high"] >= np.maximum(c["open"], c["close"])).all()
    untraded = c["volume"] == 0
    np.testing.assert_array_equal(untraded, c["cost"] == 0)
    for column in ("open", "low", "high"):
        np.testing.assert_array_equal(c[column][untraded], c["close"][untraded])
    follows = np.flatnonzero(untraded[1:]) + 1  # the first row's predecessor was not asked for
    np.testing.assert_array_equal(c["close"][follows], c["close"][follows - 1])
    # Volume is rounded to 8 decimals, or cost to 4 where the contract counts coin.
    slack_of_cost = 0.51e-8 * c["high"] + (0.51e-4 if listing.linear else 0)
    assert (c["cost"] <= c["volume"] * c["high"] + slack_of_cost)[~untraded].all()
    assert (c["cost"] >= c["volume"] * c["low"] - slack_of_cost)[~untraded].all()
    counted = c["volume"] if listing.linear else c["cost"]
    np.testing.assert_allclose(counted / listing.contract, np.rint(counted / listing.contract), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_prices_are_whole_ticks_as_a_decimal_would_be_written(name):
    listing = MARKET.listing(name)
    end = min(listing.expires, NOW)
    for price in MARKET.candles(name, end - 5 * HOUR, end)["close"].tolist():
        assert price == round(round(price / listing.tick) * listing.tick, 2)


def test_about_half_of_the_futures_minutes_and_one_percent_of_the_perpetuals_are_untraded():
    def untraded(name: str) -> float:
        return float((MARKET.candles(name, NOW - 60 * DAY, NOW)["volume"] == 0).mean())

    assert 0.45 < untraded("BTC-25DEC26") < 0.55
    assert 0.010 < untraded("BTC-PERPETUAL") < 0.017


def test_two_markets_agree_and_coins_do_not_depend_on_each_other():
    other = Market(("ETH",), now_ms=NOW + 400 * DAY)
    window = ("ETH-PERPETUAL", NOW - 10 * HOUR, NOW - 2 * MINUTE)
    for column in COLUMNS:
        np.testing.assert_array_equal(MARKET.candles(*window)[column], other.candles(*window)[column])
    assert other.listing("BTC-PERPETUAL") is None


@given(st.integers(0, 40 * 24 * 60), st.lists(st.integers(0, 59_999), min_size=2, max_size=5, unique=True))
@settings(max_examples=40)
def test_the_open_minute_grows_into_the_closed_one(minutes_ago, instants):
    tick = NOW // MINUTE * MINUTE - minutes_ago * MINUTE
    name = "BTC-25DEC26"
    closed = {column: values[-1] for column, values in LATER.candles(name, tick, tick).items()}
    volume = 0.0
    for instant in sorted(instants):
        MOVING.now_ms = tick + instant
        candle = {column: values[-1] for column, values in MOVING.candles(name, tick, NOW + DAY).items()}
        assert candle["ticks"] == tick
        assert candle["open"] == closed["open"]
        assert closed["low"] <= candle["low"] <= candle["close"] <= candle["high"] <= closed["high"]
        assert volume <= candle["cost"] <= closed["cost"]
        volume = candle["cost"]


def test_half_way_through_a_minute_half_of_it_has_been_traded():
    minutes = [NOW // MINUTE * MINUTE - ago * MINUTE for ago in range(30)]
    for tick in minutes:
        closed = LATER.candles("BTC-PERPETUAL", tick, tick)
        MOVING.now_ms = tick + MINUTE // 2
        candle = MOVING.candles("BTC-PERPETUAL", tick, tick)
        assert candle["cost"][0] == closed["cost"][0] // 20 * 10  # contracts of 10 USD, rounded down
        MOVING.now_ms = tick + MINUTE
        assert MOVING.candles("BTC-PERPETUAL", tick, tick) == closed


def test_futures_stay_within_a_few_percent_of_the_perpetual_in_contango_and_in_backwardation():
    lowest, highest = 0.0, 0.0
    for listing in MARKET.listings():
        if listing.coin == "BTC" and listing.expires - listing.listed > 300 * DAY:
            middle = (listing.listed + min(listing.expires, NOW)) // 2
            future = MARKET.candles(listing.name, middle, middle + DAY)["close"]
            perpetual = MARKET.candles("BTC-PERPETUAL", middle, middle + DAY)["close"]
            basis = future / perpetual - 1
            lowest, highest = min(lowest, basis.min()), max(highest, basis.max())
    assert -0.07 < lowest < -0.005
    assert 0.01 < highest < 0.07


@pytest.mark.parametrize(("coin", "least", "most"), [("BTC", 3_000, 125_000), ("ETH", 80, 4_900)])
def test_the_index_is_plausible_and_moves_at_every_scale(coin, least, most):
    hours = np.arange(1_514_764_800_000, NOW, HOUR)
    index = MARKET.index(coin, hours)
    assert least < index.min() and index.max() < most
    minutes = MARKET.index(coin, NOW - np.arange(1000) * MINUTE)
    moves = np.abs(np.diff(np.log(minutes)))
    assert 0.5e-4 < np.median(moves) < 10e-4
    assert moves.max() < 0.01


@given(st.lists(st.integers(1_514_764_800_000, NOW), min_size=1, max_size=50))
@settings(max_examples=40)
def test_the_index_may_be_asked_in_any_order(instants):
    alone = [float(MARKET.index("BTC", instant)[0]) for instant in instants]
    assert MARKET.index("BTC", np.array(instants)).tolist() == alone


BORN = {"BTC-PERPETUAL": 1534242287000, "ETH-PERPETUAL": 1552568454000, "BTC_USDC-PERPETUAL": 1649232024000}


@pytest.mark.parametrize(("name", "birth"), BORN.items())
def test_a_perpetual_starts_in_the_minute_of_its_birth(name, birth):
    assert MARKET.candles(name, 0, birth + DAY)["ticks"][0] == birth // MINUTE * MINUTE


@pytest.mark.parametrize("name", BORN)
def test_funding_is_kept_from_the_first_full_hour_and_not_before_2019_04_30(name):
    rows = MARKET.funding(name, 0, NOW)
    first, birth = int(rows["timestamp"][0]), BORN[name]
    if birth < MARKET.traits.funding_begins:
        assert first == 1556618400000  # 2019-04-30T10:00Z
    else:
        assert first % HOUR == 0 and HOUR < first - birth <= 2 * HOUR
    assert np.flatnonzero(np.isnan(rows["prev_index_price"])).tolist() == [0]


def test_funding_is_hourly_bounded_and_adds_up_weighted_by_the_index():
    rows = MARKET.funding("BTC-PERPETUAL", 0, NOW)
    assert (np.diff(rows["timestamp"]) == HOUR).all()
    assert rows["timestamp"][-1] == NOW // HOUR * HOUR
    assert np.abs(rows["interest_1h"]).max() <= FUNDING_CAP
    assert np.abs(rows["interest_8h"]).max() < 0.005
    np.testing.assert_array_equal(rows["prev_index_price"][1:], rows["index_price"][:-1])
    np.testing.assert_array_equal(rows["index_price"], MARKET.index("BTC", rows["timestamp"]))
    assert (rows["interest_1h"] < 0).any() and (rows["interest_1h"] > 0).any()
    later = {name: column[1:] for name, column in rows.items()}  # the first row does not say what the index was before
    paid = np.convolve(later["interest_1h"] / later["prev_index_price"], np.ones(8), "valid")
    np.testing.assert_allclose(later["interest_8h"][7:], paid * later["prev_index_price"][:-7], atol=1e-15)


def test_the_funding_value_is_that_of_the_hours_that_end_in_the_window():
    rows = MARKET.funding("BTC-PERPETUAL", NOW - 800 * HOUR, NOW)
    start, end = int(rows["timestamp"][20]), int(rows["timestamp"][764])
    inside = slice(21, 765)
    paid = rows["prev_index_price"][21] * np.sum(rows["interest_1h"][inside] / rows["prev_index_price"][inside])
    assert MARKET.funding_value("BTC-PERPETUAL", start, end) == pytest.approx(paid, rel=1e-12)
    trailing = MARKET.funding_value("BTC-PERPETUAL", end - 8 * HOUR, end)
    assert trailing == pytest.approx(rows["interest_8h"][764], rel=1e-12)
    assert MARKET.funding_value("BTC-PERPETUAL", 0, MARKET.traits.funding_begins - 1) == 0
    first = MARKET.funding("BTC-PERPETUAL", 0, MARKET.traits.funding_begins)["interest_1h"][0]
    assert MARKET.funding_value("BTC-PERPETUAL", 0, MARKET.traits.funding_begins) == pytest.approx(first, rel=1e-12)


@given(st.integers(-100, 60_000), st.integers(0, 900))
@settings(max_examples=60)
def test_funding_windows_are_half_open_and_independent(hour, length):
    born = MARKET.first_funding_ms("ETH-PERPETUAL")
    start = born + hour * HOUR
    everything = MARKET.funding("ETH-PERPETUAL", 0, NOW)
    inside = (everything["timestamp"] > start) & (everything["timestamp"] <= start + length * HOUR)
    window = MARKET.funding("ETH-PERPETUAL", start, start + length * HOUR)
    for column, values in window.items():
        np.testing.assert_array_equal(values, everything[column][inside])


def test_dated_futures_pay_no_funding_and_unknown_names_are_refused():
    assert MARKET.funding("BTC-25DEC26", 0, NOW)["timestamp"].size == 0
    with pytest.raises(KeyError, match="BTC-1JAN20"):
        MARKET.candles("BTC-1JAN20", 0, NOW)
    with pytest.raises(ValueError, match="XRP"):
        Market(("XRP",))


def test_a_later_opening_day_clips_every_life():
    since = NOW - 40 * DAY
    young = Market(now_ms=NOW, since_ms=since)
    assert all(listing.expires > since and listing.listed >= since for listing in young.listings())
    assert young.candles("BTC-PERPETUAL", 0, NOW)["ticks"][0] == -(-since // MINUTE) * MINUTE - MINUTE
    assert young.listing("BTC-27MAR20") is None
