"""Answers that look right and are wrong: another coin's prices, another unit, another coin's funding, a number no
market has. None is published, nor is anything that would follow from it, and what is held back is what is wrong, not
its honest neighbours; without a third source to settle it, the two that disagree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from .rehearsal import long, ms, slow

MONTH, AFTER = date(2019, 6, 1), "2019-07-01"
MINUTE, DAY = 60_000, 86_400_000
PRICES = ("open", "high", "low", "close")
ANOTHER_COIN, HUGE = date(2019, 6, 5), date(2019, 6, 15)
ANOTHER_FUNDING = (date(2019, 6, 10), date(2019, 6, 11))


@pytest.fixture
def lying(monkeypatch):
    """The exchange client, with answers that are wrong on some days. Yields a list to put the attacked future into."""
    from deribit_warehouse.exchange import Exchange

    true_candles, true_funding, attacked = Exchange.candles, Exchange.funding, []

    def candles(self, name, start, end):
        found = true_candles(self, name, start, end)
        columns = {column: getattr(found, column).copy() for column in (*PRICES, "volume", "cost")}
        of_day = lambda day: slice(max(0, (ms(day) - start) // MINUTE), max(0, (ms(day) + DAY - start) // MINUTE))  # noqa: E731
        if name == "BTC-PERPETUAL":
            other = true_candles(self, "ETH-PERPETUAL", ms(ANOTHER_COIN), ms(ANOTHER_COIN) + DAY)
            for column in columns:
                columns[column][of_day(ANOTHER_COIN)] = getattr(other, column)
            columns["close"][of_day(HUGE).start + 700] = 1e308
        elif name == "ETH-PERPETUAL":
            for column in (*PRICES, "cost"):
                columns[column] *= 10
        elif name in attacked:
            columns["cost"][of_day(HUGE).start + 700] = columns["volume"][of_day(HUGE).start + 700] = 1e308
        return replace(found, **columns)

    def funding(self, name, start, end):
        found = true_funding(self, name, start, end)
        if name != "BTC-PERPETUAL":
            return found
        other = true_funding(self, "ETH-PERPETUAL", start, end)
        wrong = (found.timestamp > ms(ANOTHER_FUNDING[0])) & (found.timestamp <= ms(ANOTHER_FUNDING[1]) + DAY)
        rates = ("interest_1h", "interest_8h", "index_price", "prev_index_price")
        return replace(found, **{r: np.where(wrong, getattr(other, r), getattr(found, r)) for r in rates})

    monkeypatch.setattr(Exchange, "candles", candles)
    monkeypatch.setattr(Exchange, "funding", funding)
    return attacked


@slow
def test_what_is_wrong_is_held_back_and_its_neighbours_are_not(open_pipeline, market, young_exchange, lying):
    pipeline = open_pipeline(market, young_exchange)
    assert pipeline.run("instruments") == "success"
    [[future]] = market.rows(
        "SELECT instrument FROM store.instrument WHERE kind = 'future' AND settlement_period = 'month' "
        "AND base_currency = 'BTC' "
        "AND listed_at < '2019-06-01' AND expires_at > '2019-07-01' ORDER BY expires_at LIMIT 1"
    )
    lying.append(future)
    for dag in ("futures_ohlcv", "perpetuals_ohlcv", "funding_rates"):
        assert pipeline.run(dag, AFTER) == "success"

    days = {MONTH + timedelta(days=n) for n in range(30)}
    assert held_back(market) == {
        ("perpetuals_ohlcv", "BTC-PERPETUAL", ANOTHER_COIN), ("perpetuals_ohlcv", "BTC-PERPETUAL", HUGE),
        *(("perpetuals_ohlcv", "ETH-PERPETUAL", day) for day in days),
        *(("funding_rates", "BTC-PERPETUAL", day) for day in ANOTHER_FUNDING),
        ("futures_ohlcv", future, HUGE),
    }  # fmt: skip

    assert set(market.rows("SELECT DISTINCT instrument, day FROM perpetuals_ohlcv")) == {
        ("BTC-PERPETUAL", day) for day in days - {ANOTHER_COIN, HUGE}
    }
    hours = dict(market.rows("SELECT instrument, count(*) FROM funding_rates GROUP BY instrument"))
    assert hours == {"BTC-PERPETUAL": 28 * 24, "ETH-PERPETUAL": 30 * 24}
    published = set(market.rows("SELECT DISTINCT instrument, day FROM futures_ohlcv"))
    stored = set(market.rows(
        "SELECT instrument, day FROM store.candle_day JOIN store.instrument USING (instrument_id) "
        "WHERE settlement_period <> 'perpetual'"
    ))  # fmt: skip
    assert published == stored - {(future, HUGE)}
    assert {name[:3] for name, _ in published} == {"BTC", "ETH"}

    said = market.value(
        "SELECT min(observed) FROM quarantined WHERE rule = 'level-agrees' AND instrument = 'ETH-PERPETUAL'"
    )
    assert "the perpetual's candle says" in said and "the index in its funding" in said and "the futures" in said

    for dag in COMPUTED:
        assert pipeline.run(dag, AFTER) == "success"
    # without its perpetual's day an index has its true hours, without its funding the perpetual's minutes
    of_both, of_hours, of_minutes = {"funding_history": 24, "perpetual_proxy": 1416}, {"funding_history": 24}, 1440
    wrong = dict.fromkeys((ANOTHER_COIN, HUGE), of_hours)
    wrong |= dict.fromkeys(ANOTHER_FUNDING, {"perpetual_proxy": of_minutes})
    assert indexed(market, "btc_usd") == dict.fromkeys(days, of_both) | wrong
    assert indexed(market, "eth_usd") == dict.fromkeys(days, of_hours)
    assert set(market.rows("SELECT DISTINCT instrument, day FROM basis_spread")) == {
        (name, day) for name, day in published if name.startswith("BTC") and day not in (ANOTHER_COIN, HUGE)
    }


COMPUTED = ("index_prices", "basis_spread")


def indexed(market, index_name: str) -> dict[date, dict[str, int]]:
    """Of each day how many minutes of the index are published, by their source."""
    found: dict[date, dict[str, int]] = {}
    for day, source, minutes in market.rows(
        "SELECT day, source, count(*) FROM index_prices WHERE index_name = %s AND price IS NOT NULL GROUP BY 1, 2",
        index_name,
    ):
        found.setdefault(day, {})[source] = minutes
    return found


@pytest.fixture
def tenfold(monkeypatch):
    """The exchange client, with ten times the prices of some contracts on a day. Yields {name: day}, to be filled."""
    from deribit_warehouse.exchange import Exchange

    true_candles, wrong = Exchange.candles, {}

    def candles(self, name, start, end):
        found = true_candles(self, name, start, end)
        if name not in wrong:
            return found
        ticks = start + np.arange(len(found.close)) * MINUTE
        factor = np.where((ticks >= ms(wrong[name])) & (ticks < ms(wrong[name]) + DAY), 10, 1)
        return replace(found, **{column: getattr(found, column) * factor for column in (*PRICES, "cost")})

    monkeypatch.setattr(Exchange, "candles", candles)
    return wrong


def held_back(market) -> set[tuple]:
    return set(market.rows("SELECT DISTINCT dataset, instrument, day FROM quarantined"))


@long
def test_before_there_was_funding_the_two_that_disagree_are_held_back(pipeline, market, tenfold):
    """The perpetual is the guilty one, and nothing is there to say so: the futures of its day stay out with it."""
    day = tenfold["BTC-PERPETUAL"] = date(2019, 3, 13)
    assert pipeline.run("instruments") == "success"
    for dag in ("futures_ohlcv", "perpetuals_ohlcv", "funding_rates", *COMPUTED):
        assert pipeline.run(dag, "2019-04-01") == "success"

    futures = {name for [name] in market.rows(
        "SELECT instrument FROM store.candle_day JOIN store.instrument USING (instrument_id) "
        "WHERE day = %s AND settlement_period <> 'perpetual'", day,
    )}  # fmt: skip
    assert len(futures) > 2
    assert held_back(market) == {
        ("perpetuals_ohlcv", "BTC-PERPETUAL", day), *(("futures_ohlcv", name, day) for name in futures),
    }  # fmt: skip
    others = {date(2019, 3, 1) + timedelta(days=n) for n in range(31)} - {day}
    for view in ("perpetuals_ohlcv", "futures_ohlcv", "basis_spread"):
        assert {shown for [shown] in market.rows(f"SELECT DISTINCT day FROM {view}")} == others, view
    assert indexed(market, "btc_usd") == dict.fromkeys(others, {"perpetual_proxy": 1440})


@long
def test_of_linear_coins_the_dated_futures_settle_it_where_there_are_any(
    open_pipeline, market, linear_exchange, tenfold, monkeypatch
):
    monkeypatch.setenv("DERIBIT_CURRENCIES", "USDC")
    monkeypatch.setattr("deribit_warehouse.settings.history_from", lambda: datetime(2026, 9, 1, tzinfo=UTC))
    pipeline = open_pipeline(market, linear_exchange)
    day = tenfold["SOL_USDC-PERPETUAL"] = tenfold["DOGE_USDC-PERPETUAL"] = date(2026, 9, 28)
    assert pipeline.run("instruments", "2026-10-01") == "success"
    market.rows(
        "WITH gone AS (DELETE FROM store.funding_start s USING store.instrument i "
        "WHERE i.instrument_id = s.instrument_id AND i.instrument NOT LIKE ALL (%s)), "
        "alive AS (DELETE FROM store.delisting) DELETE FROM store.instrument WHERE instrument NOT LIKE ALL (%s) "
        "RETURNING 1", *2 * [["SOL_USDC-%", "DOGE_USDC-%"]], role="market_loader",
    )  # fmt: skip
    for dag in ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates", *COMPUTED):
        assert pipeline.run(dag, "2026-10-01") == "success"

    assert held_back(market) == {
        ("perpetuals_ohlcv", "SOL_USDC-PERPETUAL", day),
        ("perpetuals_ohlcv", "DOGE_USDC-PERPETUAL", day), ("funding_rates", "DOGE_USDC-PERPETUAL", day),
    }  # fmt: skip
    assert indexed(market, "sol_usdc")[day] == {"funding_history": 24}
    assert day not in indexed(market, "doge_usdc")
    others = {date(2026, 9, 21) + timedelta(days=n) for n in range(10)} - {day}
    assert {shown for [shown] in market.rows("SELECT DISTINCT day FROM basis_spread")} == others
    assert day in {shown for [shown] in market.rows("SELECT DISTINCT day FROM futures_ohlcv")}


@slow
@pytest.mark.parametrize(
    ("comes_first", "wrong", "month", "after", "unreferenced"),
    [
        # the day of the listing has no candles before 08:00
        ("perpetuals_ohlcv", date(2018, 8, 20), date(2018, 8, 1), "2018-09-01", 1),
        ("delivery_prices", date(2019, 4, 15), date(2019, 4, 1), "2019-05-01", 0),
    ],
)
def test_before_there_is_an_index_a_day_on_another_coins_level_does_not_outlive_the_delivery_price(
    pipeline, market, monkeypatch, comes_first, wrong, month, after, unreferenced
):
    """No future is stored of the month: without the delivery price nothing says which level is the true one."""
    from deribit_warehouse.exchange import Exchange

    true_candles = Exchange.candles

    def candles(self, name, start, end):
        found = true_candles(self, name, start, end)
        minutes = start + MINUTE * np.arange(len(found.close))
        factor = np.where((minutes >= ms(wrong)) & (minutes < ms(wrong) + DAY), 0.05, 1)
        return replace(found, **{column: getattr(found, column) * factor for column in (*PRICES, "cost")})

    monkeypatch.setattr(Exchange, "candles", candles)
    begins = max(month, date(2018, 8, 14))
    days = {begins + timedelta(days=n) for n in range((date.fromisoformat(after) - begins).days)}
    shown = "SELECT DISTINCT day FROM perpetuals_ohlcv"
    counted = "SELECT unreferenced_days FROM coverage WHERE dataset = 'perpetuals_ohlcv' AND month = %s"
    assert pipeline.run("instruments") == "success"
    assert pipeline.run("funding_rates", after) == "success"
    assert pipeline.run(comes_first, after) == "success"
    if comes_first == "perpetuals_ohlcv":
        assert {day for [day] in market.rows(shown)} == days, "nothing contradicts it"
        of_the_index = int(date(2019, 4, 30) in days)
        assert market.value(counted, month) == len(days) - of_the_index
    [other] = {"perpetuals_ohlcv", "delivery_prices"} - {comes_first}
    assert pipeline.run(other, after) == "success"

    assert {day for [day] in market.rows(shown)} == days - {wrong}
    assert market.value(counted, month) == unreferenced
    assert market.rows("SELECT dataset, instrument, day, rule FROM quarantined WHERE severity = 'critical'") == [
        ("perpetuals_ohlcv", "BTC-PERPETUAL", wrong, "level-agrees")
    ]
