"""USDC-settled instruments, which are collected when the configuration says so: with a perpetual that is listed and
dead, one listed twice, two on one index, one with trading hours, and a future whose coin has no perpetual."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exchange_simulator.process import running

from .conftest import UNHURRIED
from .rehearsal import long

NOW, SINCE, WORLD = "2026-10-05T12:00:00", "2026-09-21T00:00:00", "linear_world=true"
AFTER, BEGINS, ENDS = "2026-10-01", 1_789_948_800_000, 1_790_812_800_000  # the last ten days of September 2026
DIED = datetime(2026, 9, 25, 13, tzinfo=UTC)  # the end of the hour of its last trade
KEPT = ("BTC_USDC-%", "SOL_USDC-%", "ALGO_%", "ICP_%", "LUNA_%", "PAXG_%", "XAUT_%", "TSLAX_%", "POL_%")


@pytest.fixture(scope="module")
def linear_exchange():
    with running("--now", NOW, "--from", SINCE, "--trait", WORLD, *UNHURRIED) as exchange:
        yield exchange


@long
def test_linear_contracts_with_every_oddity(open_pipeline, market, linear_exchange, monkeypatch):
    from exchange_simulator import comparison

    monkeypatch.setenv("DERIBIT_CURRENCIES", "USDC,EURR")
    monkeypatch.setattr("deribit_warehouse.settings.history_from", lambda: datetime(2026, 9, 1, tzinfo=UTC))
    told = []
    monkeypatch.setattr("deribit_warehouse.alerts.incidents.send", told.append)
    pipeline = open_pipeline(market, linear_exchange)

    assert pipeline.run("instruments", AFTER) == "success", "a currency without any future is an answer"
    ended = "SELECT instrument, ends_at FROM store.delisting JOIN store.instrument USING (instrument_id)"
    assert market.rows(ended) == [("ICP_USDC-PERPETUAL", DIED)]
    assert [m.subject for m in told if "ICP" in m.text] == ["instruments ICP: listed-though-delisted"]
    assert {d for [d] in market.rows("SELECT dataset FROM unloaded")} == {
        "perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "delivery_prices", "settlements",
    }, "a currency that is new makes its months pending"  # fmt: skip

    # the rest is one of each kind: sixty are no different, and take minutes
    market.rows(
        "WITH gone AS (DELETE FROM store.funding_start s USING store.instrument i "
        "WHERE i.instrument_id = s.instrument_id AND i.instrument NOT LIKE ALL (%s)) "
        "DELETE FROM store.instrument WHERE instrument NOT LIKE ALL (%s) RETURNING 1",
        list(KEPT), list(KEPT), role="market_loader",
    )  # fmt: skip
    # what underlies it the live host said as long as it was listed, and a catalogue that is read daily keeps it
    market.rows(
        "UPDATE store.instrument SET underlying_type = 'crypto' WHERE instrument LIKE 'ALGO%%' RETURNING 1",
        role="market_loader",
    )
    loaded = ("perpetuals_ohlcv", "funding_rates", "futures_ohlcv", "delivery_prices", "settlements", "index_minutes")
    for dag in (*loaded, "index_prices", "basis_spread", "roll_calendar"):
        assert pipeline.run(dag, AFTER) == "success", dag

    assert comparison.candles(source(), market.rows, "SOL_USDC-PERPETUAL", BEGINS, ENDS) == 10 * 1440
    # the last eight hours before the simulator's noon, a point a minute, of every index that lives
    charted = dict(market.rows(
        "SELECT index_name, count(minute) FROM store.index_chart_day CROSS JOIN unnest(price) AS p(minute) GROUP BY 1"
    ))  # fmt: skip
    assert charted["btc_usdc"] == charted["sol_usdc"] == 480 and "icp_usdc" not in charted
    # nothing of the dead one after its end, and nothing of it is held back or missed
    assert market.value("SELECT max(ts) FROM perpetuals_ohlcv WHERE instrument LIKE 'ICP%%'") < DIED
    assert market.value("SELECT max(ts) FROM index_prices WHERE index_name = 'icp_usdc'") < DIED
    assert market.value("SELECT max(ts) FROM funding_rates WHERE instrument LIKE 'ICP%%'") <= DIED
    held = {(d, name.split("_")[0]) for d, name in market.rows("SELECT DISTINCT dataset, instrument FROM quarantined")}
    assert {name for _, name in held} <= {"TSLAX"}, "what keeps trading hours is held back by name, and alone"
    # the delisted one ends where the catalogue says, and a name listed again has two lives
    assert market.value("SELECT max(ts) FROM perpetuals_ohlcv WHERE instrument LIKE 'ALGO%%'") == datetime(
        2026, 9, 24, 15, 59, tzinfo=UTC
    )
    lives = "SELECT count(DISTINCT instrument_id) FROM coverage JOIN store.instrument ON label = coverage.instrument "
    assert market.value(lives + "WHERE dataset = 'perpetuals_ohlcv' AND coverage.instrument LIKE 'LUNA%%'") == 2
    # of two perpetuals on one index one stands in, and each future has one perpetual
    assert market.rows("SELECT index_name, ts FROM index_prices GROUP BY 1, 2 HAVING count(*) > 1") == []
    assert market.rows("SELECT instrument, ts FROM basis_spread GROUP BY 1, 2 HAVING count(*) > 1") == []
    # a future whose coin has no perpetual is published, and no basis of it is missing
    assert market.value("SELECT count(*) FROM futures_ohlcv WHERE instrument LIKE 'POL%%'") > 0
    missed = market.rows(
        "SELECT dataset, instrument, minutes, published_minutes FROM coverage "
        "WHERE month = '2026-09-01' AND published_minutes < minutes AND instrument NOT LIKE ALL ('{TSLAX%%,tslax%%}')"
    )
    assert missed == []
    assert market.rows("SELECT * FROM coverage WHERE dataset = 'basis_spread' AND instrument LIKE 'POL%%'") == []
    left = "SELECT * FROM unloaded WHERE month = '2026-09-01' AND instruments <> '{TSLAX_USDC-PERPETUAL}'"
    assert market.rows(left) == []


def source():
    """The market of `linear_exchange`, in this process."""
    from exchange_simulator.market import Market
    from exchange_simulator.traits import Traits

    now, since = (round(datetime.fromisoformat(f"{at}Z").timestamp() * 1000) for at in (NOW, SINCE))
    return Market(["BTC", "ETH"], now, since, Traits().changed([WORLD]))
