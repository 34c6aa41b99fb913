"""Which minutes are fresh: on the recorded candles, in every view and function that says so."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD
from deribit_warehouse.warehouse.day_arrays import fresh_minutes
from tests.warehouse.days import COLUMNS, FIRST, MINUTE, Candles, at, trading

LISTED, UNTIL = at("2025-01-01"), at("2026-12-25", 480)


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def is_fresh(row: dict[str, float]) -> bool:
    t = max(1.0, 2e-4 * row["cost"])
    return row["volume"] > 0 and row["volume"] * row["low"] - t <= row["cost"] <= row["volume"] * row["high"] + t


@pytest.fixture
def candles(recorded) -> dict[str, dict[int, dict[str, float]]]:
    """The recorded candles by instrument and tick (ms)."""
    found: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
    with (recorded / "candles_1m.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["instrument_name"]][int(row["tick_ms"])] = {name: float(row[name]) for name in COLUMNS}
    return found


def window(minutes: dict[int, dict[str, float]]) -> Candles:
    """The days around some minutes, everything else missing."""
    begins, ends = min(minutes), max(minutes) + MINUTE
    present = np.zeros((ends - begins) // MINUTE, bool)
    columns = {name: np.full(len(present), np.nan) for name in COLUMNS}
    for ms, row in minutes.items():
        present[(ms - begins) // MINUTE] = True
        for name in COLUMNS:
            columns[name][(ms - begins) // MINUTE] = row[name]
    return Candles.of(begins, ends, present=present, **columns)


@pytest.mark.recorded
def test_of_the_recorded_minutes_with_trades_all_but_eleven_are_fresh(warehouse, market, candles):
    for name, minutes in candles.items():
        is_perpetual = name.endswith("PERPETUAL")
        instrument_id = warehouse.instrument(name, LISTED, None if is_perpetual else UNTIL, base=name[:3])
        warehouse.candles(instrument_id, window(minutes))
        warehouse.publish(instrument_id)
    shown = {
        (instrument, ts): (traded, fresh)
        for view in ("futures_ohlcv", "perpetuals_ohlcv")
        for instrument, ts, traded, fresh in market.rows(
            f"SELECT instrument, ts, traded, fresh FROM {view} WHERE close IS NOT NULL"
        )
    }
    assert shown == {
        (name, instant(ms)): (row["volume"] > 0, is_fresh(row))
        for name, minutes in candles.items() for ms, row in minutes.items()
    }  # fmt: skip
    assert len(shown) == 3398
    assert sum(traded for traded, _ in shown.values()) == 1909
    assert sum(fresh for _, fresh in shown.values()) == 1898


def test_a_minute_is_fresh_up_to_a_dollar_or_two_basis_points():
    at_100 = dict.fromkeys(("open", "high", "low", "close"), 100.0)
    cases = [
        ({"volume": 1.0, "cost": 101.0}, True), ({"volume": 1.0, "cost": 101.1}, False),
        ({"volume": 1.0, "cost": 99.0}, True), ({"volume": 1.0, "cost": 98.9}, False),
        ({"volume": 1000.0, "cost": 100_020.0}, True), ({"volume": 1000.0, "cost": 100_021.0}, False),
        ({"volume": 0.001, "cost": 0.0}, True), ({"volume": 0.1, "cost": 0.0}, False),
        ({"volume": 0.0, "cost": 0.0}, False), ({"volume": -1.0, "cost": -100.0}, False),
        ({"volume": np.nan, "cost": 100.0}, False), ({"volume": 1e308, "cost": np.inf}, False),
        ({"volume": 1e308, "low": 1e308, "high": 1e308, "cost": 1e308}, False),
    ]  # fmt: skip
    rows = [at_100 | case for case, _ in cases]
    columns = {name: np.array([row[name] for row in rows]) for name in COLUMNS}
    stored = Candles.of(0, len(rows) * MINUTE, present=np.ones(len(rows), bool), **columns)
    assert fresh_minutes(stored).tolist() == [wanted for _, wanted in cases]
    assert not fresh_minutes(stored.but(present=np.zeros(len(rows), bool))).any()


def stale(candles: Candles, minutes: list[int]) -> Candles:
    """The same with legs of combos in some minutes: cost half a per cent over the high."""
    for minute in minutes:
        high = candles.high[minute]
        candles = candles.setting(minute, volume=2.0, cost=2 * high * 1.005)
    return candles


def test_every_view_and_function_says_so_and_a_basis_is_fresh_in_both_legs(warehouse, market):
    # the two begin at different minutes of the day
    listed, ends = at(FIRST, 500), at(FIRST, 900)
    perpetual_id = warehouse.instrument("BTC-PERPETUAL", at(FIRST, 300))
    future_id = warehouse.instrument("BTC-28MAR25", listed, at("2025-03-28", 480))
    perpetual = stale(trading(at(FIRST, 300), ends, seed=1, traded=0.8), [250, 300])
    future = stale(trading(listed, ends, seed=2, traded=0.8), [10, 300])
    for instrument_id, candles in ((perpetual_id, perpetual), (future_id, future)):
        warehouse.candles(instrument_id, candles)
        warehouse.publish(instrument_id)
    warehouse.compute(BASIS_SPREAD, FIRST, FIRST + timedelta(days=1))
    warehouse.decide(BASIS_SPREAD)

    of_perpetual, of_future = fresh_minutes(perpetual), fresh_minutes(future)
    assert 0 < of_future.sum() < (future.volume > 0).sum()
    of_pair = of_future & of_perpetual[200:]
    assert not of_pair[[10, 50, 100, 300]].any()
    day = f"'{listed}', '{ends}'"
    for instrument, wanted in (("BTC-PERPETUAL", of_perpetual[200:]), ("BTC-28MAR25", of_future)):
        assert market.rows(f"SELECT fresh FROM candles('{instrument}', {day})") == [(bool(x),) for x in wanted]
        assert market.rows(
            "SELECT fresh FROM candle WHERE instrument = %s AND ts >= %s ORDER BY ts", instrument, listed
        ) == [(bool(x),) for x in wanted]
    for asked in (f"basis('BTC-28MAR25', {day})", "basis_spread", "term_structure"):
        assert market.rows(f"SELECT fresh FROM {asked} ORDER BY ts") == [(bool(x),) for x in of_pair]
    for minute in (10, 20, 50):
        instant = listed + timedelta(minutes=minute)
        assert market.value("SELECT fresh FROM term_structure_at('BTC', %s)", instant) == of_pair[minute]
        assert market.rows("SELECT instrument, fresh FROM candle_at(%s)", instant) == [
            ("BTC-28MAR25", of_future[minute]), ("BTC-PERPETUAL", of_perpetual[200 + minute]),
        ]  # fmt: skip
