"""Every level against the other sources of it: who is held back when two of them disagree."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from deribit_warehouse.datasets import INDEX_PRICES, SETTLEMENTS
from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse.funding import record_checksum
from deribit_warehouse.warehouse.index import store_chart
from deribit_warehouse.warehouse.ingestion import Provenance, record_fetched
from deribit_warehouse.warehouse.profiles import profile
from deribit_warehouse.warehouse.publication import publish
from tests.warehouse import test_delivery_prices as deliveries
from tests.warehouse.days import FIRST, HOST, Candles, at, candle_profile, funding_profile, index_profile, ms, trading

BORN = at("2024-01-01")
ENDS = at(FIRST, 1440)
DAY = {"currencies": ["BTC"], "begins": at(FIRST), "ends": ENDS}
COLUMNS = ("open", "high", "low", "close", "cost")


def times(candles: Candles, factor: float) -> Candles:
    return candles.but(**{name: getattr(candles, name) * factor for name in COLUMNS})


class Coin:
    """A coin with a perpetual and two futures listed; what is stored of them is each test's."""

    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.perpetual = warehouse.instrument("BTC-PERPETUAL", BORN)
        self.futures = [warehouse.instrument(f"BTC-{n}MAR25", BORN, at(f"2025-03-{n}", 480)) for n in (21, 28)]

    def store(
        self, *, perpetual: float | None = 1, index: float | None = 1, futures: float | None = 1,
        delivery: float | None = None,
    ) -> None:  # fmt: skip
        """Stores a day of each at a multiple of the true level, nothing where it is None."""
        if perpetual is not None:
            self.warehouse.candles(self.perpetual, times(trading(at(FIRST), ENDS, seed=1), perpetual))
        if futures is not None:
            for n, future in enumerate(self.futures):
                day = trading(at(FIRST), ENDS, seed=2 + n, level=50_500)
                self.warehouse.candles(future, times(day, futures))
        if index is not None:
            hours = [at(FIRST, 60 * k) for k in range(1, 25)]
            columns = np.stack([np.full(24, 1e-5), np.full(24, 8e-5), *np.full((2, 24), 50_000.0 * index)])
            self.warehouse.funding(self.perpetual, hours, columns)
            self.asked("funding")
        if delivery is not None:
            deliveries.store(self.warehouse, [FIRST], 50_000.0 * delivery)

    def referenced(self) -> set[tuple[str, str]]:
        """What the level of each instrument that is stored is checked against."""
        rows = [candle_profile(self.warehouse.connection, perpetual=kind, **DAY) for kind in (True, False)]
        return {(row.instrument, row.reference) for each in rows for row in each.itertuples() if row.minutes}

    def asked(self, what: str) -> None:
        with self.warehouse.connection.transaction():
            record_fetched(self.warehouse.connection, self.perpetual, what, ms(at(FIRST)), ms(ENDS))

    def held_back(self) -> set[str]:
        """Which of the three would be held back for their level."""
        connection = self.warehouse.connection
        [perpetual] = candle_profile(connection, perpetual=True, **DAY).to_dict("records")
        futures = candle_profile(connection, perpetual=False, **DAY).to_dict("records")
        hours = funding_profile(connection, **DAY).to_dict("records")
        held = {"perpetual"} if said(perpetual) else set()
        held |= {"index"} if any(map(said, hours)) else set()
        return held | ({"futures"} if any((future["reference_distance"] or 0) > 0.5 for future in futures) else set())


def said(row: dict) -> str | None:
    """What the profile says of a disagreement; where it says nothing pandas may have NaN."""
    words = row["level_disagreement"]
    return words if isinstance(words, str) else None


@pytest.fixture
def coin(warehouse) -> Coin:
    return Coin(warehouse)


@pytest.mark.parametrize("wrong", [0.05, 0.1, 0.6, 1.3, 10, 30])
@pytest.mark.parametrize("guilty", ["perpetual", "index"])
def test_of_three_the_one_that_is_wrong_is_held_back(coin, guilty, wrong):
    coin.store(**{guilty: wrong})
    assert coin.held_back() == {guilty}


@pytest.mark.parametrize("wrong", [0.05, 0.1, 10, 30])
def test_futures_that_are_wrong_are_held_back_alone(coin, wrong):
    coin.store(futures=wrong)
    assert coin.held_back() == {"futures"}


@pytest.mark.parametrize("crash", [0.82, 0.86, 1.2])
def test_a_crash_is_nobodys_fault(coin, crash):
    coin.store(perpetual=crash)
    assert coin.held_back() == set()


@pytest.mark.parametrize("missing", ["index", "futures", "perpetual"])
@pytest.mark.parametrize("wrong", [0.1, 10])
def test_without_a_third_both_are_held_back(coin, missing, wrong):
    first, _second = {"perpetual", "index", "futures"} - {missing}
    coin.store(**{missing: None, first: wrong})
    if missing == "perpetual":
        coin.asked("candles")
    connection = coin.warehouse.connection
    held = coin.held_back()
    if missing == "perpetual":
        # of the index every hour; a future is measured against the index then
        assert held == {"index", "futures"}
    elif missing == "index":
        assert held == {"perpetual", "futures"}
    else:
        assert held == {"perpetual", "index"}
        [row] = candle_profile(connection, perpetual=True, **DAY).to_dict("records")
        for words in ("the perpetual's candle says", "the index in its funding", "the futures nothing"):
            assert words in said(row)


def own_sum(coin: Coin, factor: float, hours: int = 24) -> None:
    """The exchange's own sum of the day's funding, at a multiple of what is stored; of the first hours of it."""
    with coin.warehouse.connection.transaction():
        ends = ms(at(FIRST, 60 * hours))
        record_checksum(coin.warehouse.connection, coin.perpetual, ms(at(FIRST)), ends, hours * 1e-5 * factor)


@pytest.mark.parametrize("wrong", [0.1, 10])
@pytest.mark.parametrize("factor", [-1, 0.5, 3])
def test_without_futures_the_exchanges_own_sum_convicts_the_funding_of_another_coin(coin, wrong, factor):
    coin.store(index=wrong, futures=None)
    own_sum(coin, factor)
    assert coin.held_back() == {"index"}


@pytest.mark.parametrize("factor", [1, 1.0026, 0.96])  # as is; holes in the records; a window of an hour more or less
@pytest.mark.parametrize("guilty", ["perpetual", "index"])
def test_a_sum_that_fits_clears_nobody(coin, guilty, factor):
    """Index prices that are all ten times too high have the same sum."""
    coin.store(**{guilty: 10}, futures=None)
    own_sum(coin, factor)
    assert coin.held_back() == {"perpetual", "index"}


def test_the_sum_says_nothing_of_hours_that_are_not_in_it(coin):
    coin.store(index=10, futures=None)
    own_sum(coin, 3, hours=12)
    assert "perpetual" in coin.held_back()
    rows = funding_profile(coin.warehouse.connection, **DAY).to_dict("records")
    assert all(map(said, rows)), "the index disagrees in every hour"


@pytest.mark.parametrize("factor", [1, 3])
def test_the_sum_convicts_nobody_where_the_level_agrees_or_futures_settle_it(coin, factor):
    coin.store()
    own_sum(coin, factor)
    assert coin.held_back() == set()
    coin.store(perpetual=10)
    assert coin.held_back() == {"perpetual"}


def test_a_price_nothing_traded_at_says_nothing_of_the_level(coin):
    """A chart that only carries an old price on: neither it nor the index is wrong for that."""
    coin.store(perpetual=None, futures=None)
    flat = {name: np.full(1440, 20_000.0) for name in ("open", "high", "low", "close")}
    still = trading(at(FIRST), ENDS).but(**flat, volume=np.zeros(1440), cost=np.zeros(1440))
    coin.warehouse.candles(coin.perpetual, still)
    assert coin.held_back() == set()
    assert set(funding_profile(coin.warehouse.connection, **DAY).reference) == {"none"}


def test_one_wrong_hour_of_the_index_holds_back_that_hour(coin):
    coin.store()
    hours = [at(FIRST, 60 * k) for k in range(1, 25)]
    columns = np.stack([np.full(24, 1e-5), np.full(24, 8e-5), *np.full((2, 24), 50_000.0)])
    columns[2, 4] = 3_000.0
    coin.warehouse.funding(coin.perpetual, hours, columns)
    rows = funding_profile(coin.warehouse.connection, **DAY).to_dict("records")
    assert [k for k, row in enumerate(rows) if said(row)] == [4]
    assert coin.held_back() == {"index"}


def test_what_a_level_was_checked_against_is_said(coin):
    connection, warehouse = coin.warehouse.connection, coin.warehouse

    def said(perpetual: bool) -> tuple[str, str | None]:
        rows = candle_profile(connection, perpetual=perpetual, **DAY)
        [found] = set(zip(rows.reference, rows.waits_for, strict=True))
        return found

    warehouse.candles(coin.futures[0], trading(at(FIRST), ENDS, seed=2))
    warehouse.candles(coin.futures[1], trading(at(FIRST), ENDS, seed=3))
    assert said(False) == ("none", "perpetuals_ohlcv of BTC-PERPETUAL"), "it lived that day, and was never asked for"
    coin.store(perpetual=None, futures=None)
    assert said(False) == ("index", "perpetuals_ohlcv of BTC-PERPETUAL")
    assert set(funding_profile(connection, **DAY).waits_for) == {"perpetuals_ohlcv of BTC-PERPETUAL"}
    coin.store(index=None, futures=None)
    assert said(False) == ("perpetual", None)
    assert said(True) == ("index", None)
    hours = funding_profile(connection, **DAY)
    assert (set(hours.reference), set(hours.waits_for)) == ({"perpetual"}, {None})


@pytest.mark.parametrize("wrong", [1e308, 1e-308, 500_000.0, 3_000.0])
def test_one_wrong_minute_of_the_perpetual_holds_back_no_future(coin, wrong):
    coin.store()
    good = trading(at(FIRST), ENDS, seed=1)
    minute = next(i for i in range(700, 1440) if i % 60 != 59 and good.volume[i])
    coin.warehouse.candles(coin.perpetual, good.setting(minute, close=wrong))
    futures = candle_profile(coin.warehouse.connection, perpetual=False, **DAY)
    assert futures.reference_distance.max() < 0.1
    assert set(futures.reference) == {"perpetual"}
    coin.warehouse.candles(coin.futures[0], times(trading(at(FIRST), ENDS, seed=2, level=50_500), 2.5))
    assert candle_profile(coin.warehouse.connection, perpetual=False, **DAY).reference_distance.max() > 1


def test_before_there_was_funding_the_futures_stand_in(coin):
    connection = coin.warehouse.connection
    awaited = "funding_rates of BTC-PERPETUAL"

    def said() -> tuple[str, str | None]:
        [row] = candle_profile(connection, perpetual=True, **DAY).to_dict("records")
        return row["reference"], row["waits_for"]

    coin.store(index=None)
    assert said() == ("futures", awaited), "whether it has any was never asked"
    with connection.transaction():
        from deribit_warehouse.warehouse.funding import record_start

        record_start(connection, coin.perpetual, at(FIRST, 60))
    assert said() == ("futures", awaited)
    coin.asked("funding")
    assert said() == ("futures", None)


@pytest.mark.parametrize("wrong", [0.05, 0.1, 0.6, 1.3, 10, 30])
def test_without_index_and_futures_the_delivery_price_says_which_level_it_is(coin, wrong):
    coin.store(index=None, futures=None, delivery=1)
    assert coin.held_back() == set() and coin.referenced() == {("BTC-PERPETUAL", "delivery")}
    coin.store(index=None, futures=None, perpetual=wrong)
    assert coin.held_back() == {"perpetual"}
    [row] = candle_profile(coin.warehouse.connection, perpetual=True, **DAY).to_dict("records")
    assert said(row).startswith("from 07:30 to 08:00 UTC the perpetual's candles say ")
    assert said(row).endswith(", the delivery price 50000, the futures nothing")
    assert row["index_distance"] == pytest.approx(max(wrong, 1 / wrong) - 1, rel=0.02)


@pytest.mark.parametrize("crash", [0.82, 0.86, 1.2])
def test_a_delivery_in_a_crash_is_nobodys_fault(coin, crash):
    coin.store(index=None, futures=None, delivery=crash)
    assert coin.held_back() == set()


@pytest.mark.parametrize("wrong", [0.05, 0.1, 10, 30])
@pytest.mark.parametrize("guilty", ["perpetual", "futures"])
def test_between_perpetual_and_futures_the_delivery_price_settles_the_day(coin, guilty, wrong):
    coin.store(index=None, **{guilty: wrong})
    assert coin.held_back() == {"perpetual", "futures"}
    coin.store(index=None, perpetual=None, futures=None, delivery=1)
    assert coin.held_back() == {guilty}
    futures = {f"BTC-{n}MAR25" for n in (21, 28)}
    assert coin.referenced() == (
        {("BTC-PERPETUAL", "futures"), *((future, "delivery") for future in futures)} if guilty == "perpetual"
        else {("BTC-PERPETUAL", "delivery"), *((future, "perpetual") for future in futures)}
    )  # fmt: skip


@pytest.mark.parametrize("wrong", [0.05, 0.1, 10, 30])
def test_a_delivery_price_that_is_wrong_holds_back_neither_of_two_that_agree(coin, wrong):
    coin.store(index=None, delivery=wrong)
    assert coin.held_back() == set()


@pytest.mark.parametrize("wrong", [0.1, 10])
def test_a_delivery_price_is_not_asked_where_the_funding_has_an_index(coin, wrong):
    coin.store(futures=None, delivery=wrong)
    assert coin.held_back() == set() and coin.referenced() == {("BTC-PERPETUAL", "index")}
    coin.store(perpetual=None, futures=None, index=wrong)
    assert coin.held_back() == {"perpetual", "index"}, "it settles nothing there either"


def test_on_the_first_day_of_the_funding_the_delivery_price_speaks_of_the_morning(coin):
    """A day whose level changes within it breaks move-possible; here nothing else would see it."""
    hours = [at(FIRST, 60 * k) for k in range(10, 25)]
    columns = np.stack([np.full(15, 1e-5), np.full(15, 8e-5), *np.full((2, 15), 50_000.0)])
    coin.warehouse.funding(coin.perpetual, hours, columns)
    morning = trading(at(FIRST), ENDS, seed=1)
    for name in COLUMNS:
        getattr(morning, name)[:540] *= 0.05
    coin.warehouse.candles(coin.perpetual, morning)
    assert coin.held_back() == set()
    coin.store(perpetual=None, index=None, futures=None, delivery=1)
    assert coin.held_back() == {"perpetual"}, "and no hour of the index is held back for it"


def test_a_row_of_funding_without_an_index_is_not_held_back_for_the_delivery_price(coin):
    coin.store(index=float("nan"), futures=None, delivery=10)
    assert coin.held_back() == {"perpetual"}


def test_a_perpetual_that_did_not_trade_before_the_delivery_is_not_compared_with_it(coin):
    coin.store(perpetual=None, index=None, futures=None, delivery=10)
    day = trading(at(FIRST), ENDS, seed=1)
    still = day.but(volume=day.volume.copy(), cost=day.cost.copy())
    for name in ("open", "high", "low", "close"):
        getattr(still, name)[450:480] = day.close[449]
    still.volume[450:480] = still.cost[450:480] = 0
    missing, born_later, ended = (
        day.without(slice(450, 480)),
        day.cut(at(FIRST, 480), ENDS),
        day.cut(at(FIRST), at(FIRST, 450)),
    )
    for candles in (still, missing, born_later, ended):
        coin.warehouse.candles(coin.perpetual, candles)
        assert coin.held_back() == set() and coin.referenced() == {("BTC-PERPETUAL", "none")}


@pytest.mark.parametrize("wrong", [1e308, 500_000.0, 3_000.0, float("nan")])
def test_one_wrong_minute_is_not_the_level_of_the_half_hour(coin, wrong):
    coin.store(perpetual=None, index=None, futures=None, delivery=1)
    coin.warehouse.candles(coin.perpetual, trading(at(FIRST), ENDS, seed=1).setting(479, close=wrong))
    assert coin.held_back() == set() and coin.referenced() == {("BTC-PERPETUAL", "delivery")}


@pytest.mark.parametrize("unknown", [float("nan"), 0.0, 1e308])
def test_a_delivery_price_that_is_none_says_nothing(coin, unknown):
    coin.store(index=None, futures=None, delivery=unknown)
    assert coin.held_back() == set() and coin.referenced() == {("BTC-PERPETUAL", "none")}


def test_a_future_that_has_no_price_at_the_delivery_is_not_said_to_be_compared_with_it(coin):
    coin.store(index=None, futures=None, perpetual=10, delivery=1)
    coin.warehouse.candles(coin.futures[0], trading(at(FIRST, 481), ENDS, seed=2, level=50_500))
    assert ("BTC-21MAR25", "perpetual") in coin.referenced() and coin.held_back() == {"perpetual", "futures"}


def test_a_day_with_nothing_to_check_it_against_is_published_and_counted(coin, market):
    warehouse = coin.warehouse
    warehouse.candles(coin.perpetual, trading(at(FIRST), ENDS, seed=1))
    [row] = candle_profile(warehouse.connection, perpetual=True, **DAY).to_dict("records")
    assert row["reference"] == "none"
    version = (row["instrument_id"], row["day"], row["version_id"])
    with warehouse.connection.transaction():
        assert publish(warehouse.connection, CANDLE_DAY, warehouse.validation(), [version], [("none", 0)]) == 1
    counted = "SELECT unreferenced_days FROM coverage WHERE dataset = 'perpetuals_ohlcv' AND month = %s"
    assert market.value(counted, FIRST) == 1
    with warehouse.connection.transaction():
        assert publish(warehouse.connection, CANDLE_DAY, warehouse.validation(), [version], [("index", 1)]) == 0
    assert market.value(counted, FIRST) == 0


def test_a_future_without_any_perpetual_is_not_one_whose_perpetual_is_not_stored(warehouse):
    kind = {"base": "SOL", "quote": "USDC", "settlement": "USDC"}
    lonely = warehouse.instrument("SOL_USDC-28MAR25", BORN, at("2025-03-28"), **kind)
    warehouse.candles(lonely, trading(at(FIRST), ENDS))
    [row] = candle_profile(warehouse.connection, perpetual=False, **DAY | {"currencies": ["USDC"]}).to_dict("records")
    assert row["reference"] == "none"


@pytest.mark.parametrize(("charted", "distance"), [(50_000.0, 0.01), (40_500.0, 0.25), (3_000.0, 15), (500_000.0, 8)])
def test_charted_minutes_are_checked_against_both(coin, charted, distance):
    coin.store(futures=None)
    warehouse = coin.warehouse
    warehouse.publish(coin.perpetual)
    warehouse.publish_funding(coin.perpetual)
    with warehouse.connection.transaction():
        points = np.array([ms(at(FIRST, minute)) for minute in range(601, 700)])
        store_chart(warehouse.connection, points, np.full(99, charted), Provenance("i", "btc_usd", HOST, "r"))
    warehouse.compute(INDEX_PRICES)
    with warehouse.connection.transaction():
        [row] = index_profile(warehouse.connection, begins=FIRST, ends=FIRST + timedelta(days=1)).to_dict("records")
    assert (row["chart_distance"] > 0.25) == (distance > 0.25)
    assert row["chart_distance"] <= max(distance * 1.2, 0.25)


def test_a_day_is_measured_by_the_busiest_of_the_thirty_before(warehouse):
    instrument_id = warehouse.instrument("BTC-PERPETUAL", BORN)
    for n in range(9):
        day = trading(at(FIRST, 1440 * n), at(FIRST, 1440 * (n + 1)), seed=n)
        warehouse.candles(instrument_id, day.but(volume=day.volume * 100, cost=day.cost * 100) if n == 8 else day)
    rows = candle_profile(warehouse.connection, perpetual=True, **DAY | {"ends": at(FIRST, 1440 * 9)})
    ratios = rows.turnover_ratio.tolist()
    assert all(ratio is None or np.isnan(ratio) for ratio in ratios[:7]), "a week has to be stored"
    assert 0.5 < ratios[7] < 2 and 50 < ratios[8] < 200


TYPED = at("2026-06-30")
STOCK = {"base": "TSLAX", "quote": "USDC", "settlement": "USDC"}


@pytest.mark.parametrize(
    ("listed", "coin", "others", "underlying"),
    [
        pytest.param(TYPED, {}, {}, "crypto", id="settles in its coin"),
        pytest.param(at("2026-06-29", 1439), STOCK, {}, "crypto", id="listed before there were others"),
        pytest.param(TYPED, STOCK, {}, "unknown", id="nothing is known of its coin"),
        pytest.param(TYPED, STOCK, {TYPED: None}, "unknown", id="nobody said it of any of its coin"),
        pytest.param(TYPED, STOCK, {TYPED: "crypto"}, "crypto", id="said of its coin"),
        pytest.param(TYPED, STOCK, {at("2026-01-01"): None}, "crypto", id="its coin is older than the others"),
        pytest.param(TYPED, STOCK, {TYPED: "equity"}, "unknown", id="its coin is none"),
        pytest.param(TYPED, STOCK, {TYPED: "equity", at("2026-01-01"): None}, "unknown", id="two things of one name"),
    ],
)
def test_what_nobody_said_to_be_crypto_is_taken_for_it_only_where_that_is_certain(
    warehouse, listed, coin, others, underlying
):
    """An expired future comes from the history host, whose rows don't say it: an equity's must not come in by that."""
    for n, (since, told) in enumerate(others.items()):
        warehouse.instrument(f"TSLAX_USDC-{n}", since, at("2026-12-25"), **STOCK, underlying=told)
    day = {"begins": at("2026-07-10"), "ends": at("2026-07-11")}
    currencies = [coin.get("settlement", "BTC")]
    warehouse.instrument("X-31JUL26", listed, at("2026-07-31", 480), **coin, underlying=None)
    futures = candle_profile(warehouse.connection, perpetual=False, currencies=currencies, **day)
    assert dict(zip(futures.instrument, futures.underlying_type, strict=True))["X-31JUL26"] == underlying
    settled = profile(warehouse.connection, SETTLEMENTS, currencies=currencies, **day)
    assert dict(zip(settled.instrument, settled.underlying_type, strict=True))["X-31JUL26"] == underlying


@pytest.mark.parametrize("told", ["equity", "preipo"])
def test_an_underlying_that_is_not_crypto_is_named(warehouse, told):
    """Its hours are not known: the rules of a market that never closes are not for it."""
    instrument_id = warehouse.instrument("TSLAX_USDC-PERPETUAL", BORN, **STOCK, underlying=told)
    warehouse.candles(instrument_id, trading(at(FIRST), ENDS))
    warehouse.funding(instrument_id, [at(FIRST, 60)], np.full((4, 1), 1.0))
    day = DAY | {"currencies": ["USDC"]}
    assert set(candle_profile(warehouse.connection, perpetual=True, **day).underlying_type) == {told}
    assert set(funding_profile(warehouse.connection, **day).underlying_type) == {told}
