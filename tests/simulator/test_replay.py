"""Recorded data come back value for value, with nothing invented but the fill."""

from __future__ import annotations

import csv
import itertools
import json

import pytest

from exchange_simulator.app import Simulator
from exchange_simulator.limits import Limits
from exchange_simulator.listings import DAY, HOUR, MINUTE
from exchange_simulator.market import COLUMNS
from exchange_simulator.protocol import Exchange
from exchange_simulator.replay import Replay

pytestmark = pytest.mark.recorded


@pytest.fixture(scope="module")
def replay(recorded) -> Replay:
    return Replay(recorded)


@pytest.fixture(scope="module")
def candles(recorded) -> list[dict]:
    with (recorded / "candles_1m.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def host(replay, host_of):
    return host_of(Simulator(Exchange(replay), Limits(1e6, 1e6)).app())


def test_every_recorded_minute_comes_back_exactly(replay, candles):
    assert len(candles) == 3398
    by_name: dict[str, list[dict]] = {}
    for row in candles:
        by_name.setdefault(row["instrument_name"], []).append(row)
    for name, rows in by_name.items():
        first, last = int(rows[0]["tick_ms"]), max(int(row["tick_ms"]) for row in rows)
        columns = replay.candles(name, first, last)
        for row in rows:
            place = (int(row["tick_ms"]) - first) // MINUTE
            for column in COLUMNS:
                key = "tick_ms" if column == "ticks" else column
                assert columns[column][place] == float(row[key]), (name, row["tick_ms"], column)


def test_between_and_around_recorded_minutes_nothing_is_traded(replay, candles):
    mine = sorted(
        (row for row in candles if row["instrument_name"] == "BTC-27MAR26"), key=lambda row: int(row["tick_ms"])
    )
    columns = replay.candles("BTC-27MAR26", 0, replay.now_ms)
    recorded = {int(row["tick_ms"]): row for row in mine}
    close = float(mine[0]["open"])
    for place, tick in enumerate(columns["ticks"].tolist()):
        if tick in recorded:
            close = float(recorded[tick]["close"])
        else:
            assert columns["volume"][place] == columns["cost"][place] == 0
            assert {columns[name][place] for name in ("open", "low", "high", "close")} == {close}
    listed = int(mine[0]["tick_ms"]) // DAY * DAY
    assert columns["ticks"][0] == listed == replay.listing("BTC-27MAR26").listed
    assert len(columns["ticks"]) == (replay.now_ms - listed) // MINUTE + 1


def test_lives_and_clock(replay, candles, recorded):
    assert replay.now_ms == max(int(row["tick_ms"]) for row in candles) + DAY
    assert replay.listing("BTC-PERPETUAL").listed == 1_534_242_287_000
    gone = replay.listing("BTC-2JAN26")
    assert gone.expires == 1_767_340_800_000
    assert replay.candles("BTC-2JAN26", 0, replay.now_ms)["ticks"][-1] == gone.expires - MINUTE
    early = Replay(recorded, now_ms=gone.expires - DAY)
    assert early.candles("BTC-2JAN26", 0, replay.now_ms)["ticks"][-1] == gone.expires - DAY
    assert early.listing("BTC-20FEB26") is None


def test_funding_is_the_recorded_rows_with_their_holes(host, recorded):
    real = json.loads((recorded / "funding_btc_perpetual.json").read_text())["rows"]
    found, end = [], real[-1]["timestamp"]
    while rows := host.funding("BTC-PERPETUAL", 0, end):
        found = rows + found
        end = rows[0]["timestamp"] - 1
    assert found == real
    holes = [a["timestamp"] + HOUR for a, b in itertools.pairwise(found)
             if b["timestamp"] - a["timestamp"] != HOUR]  # fmt: skip
    assert len(holes) == 5
    assert sum(row["interest_1h"] for row in found) == pytest.approx(0.03615633060544346, abs=1e-15)
    assert host.funding("ETH-PERPETUAL", 0, end) == []


def test_it_is_served_like_the_market(host, replay):
    names = {row["instrument_name"] for row in host.get("get_instruments", currency="BTC")}
    assert "BTC-PERPETUAL" in names and "BTC-25DEC26" in names and "BTC-2JAN26" not in names
    minute = 1_767_115_860_000
    perpetual = host.chart("BTC-PERPETUAL", minute, minute)
    assert perpetual["close"] == [88537.0]
    assert host.chart("BTC-27FEB26", minute, minute)["close"] == [89162.5]
    expires = replay.listing("BTC-2JAN26").expires
    assert len(host.chart("BTC-2JAN26", expires, expires + 4 * MINUTE)["ticks"]) == 5
