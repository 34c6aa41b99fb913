"""The recorded rows through client, store and gate: how many break each rule, and that what passes comes out as it was
sent. The candles, their basis and half a year of funding go through the DAGs (tests/integration/test_recorded.py)."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import orjson
import pytest

from bench.recorded import rates
from deribit_warehouse.datasets import FUNDING_RATES, PERPETUALS_LIVE, PERPETUALS_OHLCV
from deribit_warehouse.exchange import candles, funding
from deribit_warehouse.pipeline.validate_and_publish import validate_and_publish
from deribit_warehouse.settings import EXPECTATIONS
from deribit_warehouse.warehouse.day_arrays import store_candles, store_open_candles
from deribit_warehouse.warehouse.ingestion import Provenance, record_fetched
from tests.warehouse.days import DAY, HOST, at, ms

pytestmark = pytest.mark.recorded
PRICES = ("open", "high", "low", "close")
RATES = ("interest_1h", "interest_8h", "index_price", "prev_index_price")
CONTEXT = {"dag_run": SimpleNamespace(dag_id="recorded", run_id="recorded")}


def test_of_the_recorded_rows_only_the_five_holes_break_a_critical_rule(warehouse, recorded):
    found = list(rates(warehouse.connection, recorded))
    assert {rate.dataset: rate.rows for rate in found} == {
        "instruments": 1030, "perpetuals_ohlcv": 420, "futures_ohlcv": 2978, "funding_rates": 4416, "basis_spread": 800,
        "settlements": 6, "delivery_prices": 5, "volatility_index": 15, "instrument_summaries": 1, "options_chain": 24,
    }  # fmt: skip
    broken = [(rate.dataset, rate.rule, rate.broken) for rate in found if rate.severity == "critical" and rate.broken]
    assert broken == [("funding_rates", "hours-complete", 5)]
    silent = {"cost-matches-price-usual", "spike-seen", "eight-hours-add-up", "eight-hour-rate-usual", "index-chained"}
    assert not [rate for rate in found if rate.rule in silent and rate.broken]


def test_the_recorded_perpetual_is_where_the_delivery_price_is(recorded):
    """What the bound of level-agrees rests on where the delivery price stands in for the index."""
    told = {
        date.fromisoformat(row["date"]): row["delivery_price"]
        for row in orjson.loads((recorded / "responses/delivery_prices.json").read_bytes())["data"]
    }
    bars = orjson.loads((recorded / "responses/tradingview_chart.json").read_bytes())
    # a bar of a day begins at 08:00 UTC, and its close is the price at the next one
    closes = {
        (datetime.fromtimestamp(tick / 1000, UTC) + timedelta(days=1)).date(): close
        for tick, close in zip(bars["ticks"], bars["close"], strict=True)
    }
    apart = [abs(closes[day] / price - 1) for day, price in told.items()]
    assert len(apart) == 5 and 0.0006 < max(apart) < 0.0007

    rows = orjson.loads((recorded / "funding_btc_perpetual.json").read_bytes())["rows"]
    moves = [
        abs(later["index_price"] / row["index_price"] - 1)
        for row, later in pairwise(rows)
        if later["timestamp"] - row["timestamp"] == 3_600_000
    ]
    assert len(moves) == 4405 and 0.03 < max(moves) < 0.035


def test_no_recorded_minute_moved_as_far_as_the_bounds_of_a_move(recorded):
    """What is quoted where move-possible is explained; the days it names are recorded elsewhere."""
    with (recorded / "candles_1m.csv").open() as file:
        moves = [float(row["high"]) / float(row["low"]) - 1 for row in csv.DictReader(file)]
    assert len(moves) == 3398 and f"{max(moves):.2%}" == "0.94%"
    bounds = {
        each["meta"]["rule"]: each["kwargs"]["max_value"]
        for each in orjson.loads((EXPECTATIONS / "perpetuals_ohlcv.json").read_bytes())["expectations"]
        if each["kwargs"].get("column") == "largest_move"
    }
    assert bounds.keys() == {"move-usual", "move-possible"} and max(moves) < min(bounds.values())


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def answering(result):
    """Asks an exchange that has one answer."""
    return lambda method, parameters, read: read(result)


def inverse_chart(recorded) -> dict:
    return orjson.loads((recorded / "responses" / "http_get_tradingview_chart_data.json").read_bytes())["result"]


def linear_chart(recorded) -> dict:
    """Its cost was not recorded, and is taken as volume at the close, which is what cost of linear contracts is."""
    with (recorded / "responses" / "btc_usdc_perp_1m_2023-07-14_ccxt21062.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns: dict = {name: [float(row[name]) for row in rows] for name in (*PRICES, "volume")}
    columns["cost"] = [volume * close for volume, close in zip(columns["volume"], columns["close"], strict=True)]
    return {"status": "ok", "ticks": [int(row["ticks"]) for row in rows], **columns}


@pytest.mark.parametrize(
    ("name", "chart", "kind", "minutes", "fresh"),
    [
        ("BTC-PERPETUAL", inverse_chart, {}, 5, 5),
        ("BTC_USDC-PERPETUAL", linear_chart, {"quote": "USDC", "settlement": "USDC"}, 20, 8),
    ],
)
def test_recorded_minutes_pass_the_gate_one_by_one(warehouse, recorded, monkeypatch, name, chart, kind, minutes, fresh):
    result = chart(recorded)
    start, end = result["ticks"][0], result["ticks"][-1] + 60_000
    found = candles.collect(answering(result), name, start, end)
    perpetual = warehouse.instrument(name, at("2018-08-14"), **kind)
    monkeypatch.setenv("DERIBIT_CURRENCIES", kind.get("settlement", "BTC"))
    with warehouse.connection.transaction():
        provenance = Provenance(PERPETUALS_LIVE.name, name, HOST, "recorded")
        store_open_candles(warehouse.connection, perpetual, found, provenance, end)
        validated = validate_and_publish(warehouse.connection, PERPETUALS_LIVE, CONTEXT, instant(start), instant(end))
    assert (validated.published, validated.decision.quarantined_keys) == (minutes, [])
    shown = warehouse.rows(
        f"SELECT ts, {', '.join(PRICES)}, volume, cost FROM candles(%s, %s, %s)", name, instant(start), instant(end)
    )
    sent = zip(*(result[column] for column in ("ticks", *PRICES, "volume", "cost")), strict=True)
    assert shown == [(instant(tick), *values) for tick, *values in sent]
    assert warehouse.value("SELECT count(*) FROM perpetuals_ohlcv WHERE fresh") == fresh


def test_where_the_exchange_recorded_no_data_each_minute_is_missing_and_nothing_is_shown(
    warehouse, recorded, monkeypatch
):
    body = (recorded / "responses" / "chart_no_data_2026-08-04.json").read_bytes()
    start = ms(at("2026-08-04"))
    found = candles.collect(answering(orjson.loads(body)["result"]), "BTC-PERPETUAL", start, start + DAY)
    perpetual = warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    with warehouse.connection.transaction():
        provenance = Provenance(PERPETUALS_OHLCV.name, "BTC-PERPETUAL", HOST, "recorded")
        assert store_candles(warehouse.connection, perpetual, found, provenance).added == 0
        # of its funding nothing was recorded: there is nothing to check a price against
        record_fetched(warehouse.connection, perpetual, "funding", start, start + DAY)
        validated = validate_and_publish(
            warehouse.connection, PERPETUALS_OHLCV, CONTEXT, at("2026-08-04"), at("2026-08-05")
        )
    assert validated and (validated.rows, validated.published) == (1, 0)
    assert warehouse.rows("SELECT expected, missing FROM validations") == [(1440, 1440)]
    assert warehouse.value("SELECT count(*) FROM perpetuals_ohlcv") == 0


def test_a_recorded_page_of_funding_passes_the_gate(warehouse, recorded, monkeypatch):
    rows = orjson.loads((recorded / "responses" / "funding_rate_history.json").read_bytes())
    start, end = rows[0]["timestamp"] - 3_600_000, rows[-1]["timestamp"]
    found = funding.collect(answering(rows), "BTC-PERPETUAL", start, end)
    perpetual = warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    hours, columns = [instant(int(ts)) for ts in found.timestamp], [getattr(found, name) for name in RATES]
    warehouse.funding(perpetual, hours, columns)
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    with warehouse.connection.transaction():
        # of its candles nothing was recorded: there is nothing to check the index against
        record_fetched(warehouse.connection, perpetual, "candles", start // DAY * DAY, -(-end // DAY) * DAY)
        validated = validate_and_publish(warehouse.connection, FUNDING_RATES, CONTEXT, instant(start), instant(end))
    assert (validated.published, validated.decision.quarantined_keys) == (len(rows), [])
    shown = warehouse.rows(f"SELECT ts, {', '.join(RATES)} FROM funding_rates ORDER BY ts")
    assert shown == [(instant(row["timestamp"]), *(row[name] for name in RATES)) for row in rows]
