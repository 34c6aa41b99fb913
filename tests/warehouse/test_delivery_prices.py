"""Delivery prices in the store: a dataset by rows, expected by the day, asked of the indexes that are collected."""

from __future__ import annotations

import re
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import DELIVERY_PRICES
from deribit_warehouse.datasets.delivery_prices import DELIVERY_PRICE, load
from deribit_warehouse.exchange import Exchange
from deribit_warehouse.warehouse.catalogue import record_collected, windows
from deribit_warehouse.warehouse.completion import summary
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from deribit_warehouse.warehouse.profiles import profile
from deribit_warehouse.warehouse.rows import store_rows
from tests.exchange.scripted import result, serving
from tests.warehouse.days import FIRST, HOST, Warehouse, at

DAYS = [FIRST + timedelta(days=n) for n in range(31)]
APRIL = at("2025-04-01")
MONTH = at(FIRST), APRIL


def store(
    warehouse: Warehouse, days=DAYS, price: float = 80_000.0, duplicate=(), index_name: str = "btc_usd"
) -> Ingested:
    columns = {
        "index_name": [index_name] * len(days), "day": days, "price": [price] * len(days),
        "duplicate": [day in duplicate for day in days],
    }  # fmt: skip
    with warehouse.connection.transaction():
        return store_rows(
            warehouse.connection, DELIVERY_PRICE, columns, Provenance("delivery_prices", index_name, HOST, "run")
        )


def seen(warehouse: Warehouse, begins=MONTH[0], ends=MONTH[1], currencies=("BTC",)) -> list[dict]:
    with warehouse.connection.transaction():
        found = profile(warehouse.connection, DELIVERY_PRICES, begins, ends, currencies=list(currencies))
    return found.to_dict("records")


def validate(warehouse: Warehouse, begins=MONTH[0], ends=MONTH[1]):
    """What a run says of an interval: Validated, or None where there is nothing."""
    return warehouse.validate(DELIVERY_PRICES, begins, ends)


@pytest.mark.recorded
def test_the_recorded_body_comes_through_client_store_gate_and_view(warehouse, recorded):
    """Five days of 2,614, which is all that was kept of it, from a server that slices them as the exchange does."""
    body = orjson.loads((recorded / "responses/delivery_prices.json").read_bytes())
    warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    warehouse.instrument("BTC-20SEP26", at("2026-09-16", 480), at("2026-09-20", 480))

    def answer(handler) -> None:
        [offset] = parse_qs(urlsplit(handler.path).query)["offset"]
        result(body | {"data": body["data"][int(offset) :]})(handler)

    begins, ends = at("2026-09-17"), at("2026-09-21")
    with serving(answer) as (url, asked), Exchange(url, url, lambda bucket: None) as exchange:
        window = Window("btc_usd", "btc_usd", None, begins, ends, 1)
        changed, requests = load(
            exchange, warehouse.connection, window, Provenance("delivery_prices", "btc_usd", url, "r")
        )
    assert changed == Ingested(added=4) and requests == 2
    assert [re.findall(r"offset=(\d+)", path) for path in asked] == [["0"], ["4"]]
    validated = validate(warehouse, begins, ends)
    assert (validated.decision.outcome, validated.published) == ("passed", 4)
    assert warehouse.rows("SELECT day, ts, price FROM delivery_prices ORDER BY ts DESC") == [
        (date.fromisoformat(row["date"]), at(row["date"], 480), row["delivery_price"]) for row in body["data"][:4]
    ]


def test_equal_rows_write_nothing_and_corrections_are_versions(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    assert store(warehouse) == Ingested(added=31)
    written = warehouse.rows("SELECT ctid, xmin, * FROM store.delivery_price ORDER BY day")
    assert store(warehouse) == Ingested(unchanged=31)
    assert warehouse.rows("SELECT ctid, xmin, * FROM store.delivery_price ORDER BY day") == written
    assert warehouse.rows("SELECT dataset, instrument, days, waits_for FROM pending") == [
        ("delivery_prices", "btc_usd", 31, None)
    ]
    assert warehouse.decide_rows(DELIVERY_PRICES) == 31 and warehouse.decide_rows(DELIVERY_PRICES) == 0
    before = warehouse.value("SELECT clock_timestamp()")
    assert store(warehouse, DAYS[:1], 81_000.0) == Ingested(corrected=1)
    assert warehouse.value("SELECT max(price) FROM delivery_prices") == 80_000, "it is shown when it has passed"
    assert warehouse.decide_rows(DELIVERY_PRICES) == 1
    asked = "SELECT price FROM delivery_price('btc_usd', %s, %s, as_of => %s) LIMIT 1"
    assert warehouse.rows(asked, *MONTH, None) == [(81_000.0,)] and warehouse.rows(asked, *MONTH, before) == [
        (80_000.0,)
    ]
    assert warehouse.rows("SELECT instrument, day, ts, field, old, new FROM corrections") == [
        ("btc_usd", FIRST, at(FIRST, 480), "price", 80_000.0, 81_000.0)
    ]


def test_what_should_be_there_is_every_day_from_the_first_on(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    warehouse.instrument("BTC-7MAR25", at("2025-02-20"), at("2025-03-07", 480))
    store(warehouse, [day for day in DAYS[2:] if day not in (date(2025, 3, 7), date(2025, 3, 9))], duplicate=[DAYS[3]])
    rows = seen(warehouse)
    assert [row["day"] for row in rows] == DAYS[2:], "nothing is expected before the first one that was told"
    assert [row["day"].day for row in rows if row["missing"]] == [7, 9]
    assert [row["day"].day for row in rows if row["delivery_unpriced"]] == [7]
    assert [row["day"] for row in rows if row["duplicate"]] == [DAYS[3]]
    assert all(row["move"] == 0 for row in rows[1:] if not row["missing"])
    assert seen(warehouse, currencies=["ETH"]) == []
    # 08:00 of the day decides which interval it is in
    assert [row["day"].day for row in seen(warehouse, at(DAYS[4], 480), at(DAYS[6], 480))] == [5, 6]
    assert [row["day"].day for row in seen(warehouse, at(DAYS[4], 481), at(DAYS[6], 481))] == [6, 7]


def test_a_price_is_held_to_the_one_before_also_over_the_edge_of_an_interval(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    store(warehouse, [date(2025, 2, 27)], 40_000.0)
    store(warehouse, DAYS[:2])
    store(warehouse, DAYS[2:3], 8_000.0)
    store(warehouse, DAYS[3:4], float("nan"))
    store(warehouse, DAYS[4:5], 1e308)
    rows = seen(warehouse)[:5]
    assert [row["move"] for row in rows[:3]] == pytest.approx([1.0, 0.0, 9.0])
    assert all(row["move"] != row["move"] for row in rows[3:]), "what is no price is compared with nothing"


def test_before_any_was_told_it_is_expected_from_the_first_there_may_be(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    assert [row["day"] for row in seen(warehouse, at("2019-07-01"), at("2019-08-01"))] == [
        date(2019, 7, 26) + timedelta(days=n) for n in range(6)
    ]
    [(begins,)] = warehouse.rows(
        "SELECT min(month) FROM coverage WHERE dataset = 'delivery_prices' AND instrument = 'btc_usd'"
    )
    [(days,)] = warehouse.rows("SELECT minutes FROM coverage WHERE dataset = 'delivery_prices' ORDER BY month LIMIT 1")
    assert (begins, days) == (date(2019, 7, 1), 6), "the profile and the coverage say the same"


@pytest.mark.parametrize(
    ("begins", "ends", "currencies", "wanted"),
    [
        ("2018-07-01", "2018-08-01", ["BTC"], []),
        ("2018-08-01", "2018-09-01", ["BTC"], [("btc_usd", "2018-08-14", "2018-09-01")]),
        ("2025-03-01", "2025-04-01", ["BTC", "USDC"],
         [("btc_usd", "2025-03-01", "2025-04-01"), ("sol_usdc", "2025-03-05", "2025-03-08")]),
        ("2025-04-01", "2025-05-01", ["USDC"], []),
    ],
)  # fmt: skip
def test_a_plan_is_a_window_an_index_that_the_catalogue_has(warehouse, begins, ends, currencies, wanted):
    warehouse.instrument("BTC-PERPETUAL", at("2018-08-14", 600))
    warehouse.instrument("BTC-28MAR25", at("2024-03-28"), at("2025-03-28", 480))
    usdc = {"base": "SOL", "quote": "USDC", "settlement": "USDC"}
    warehouse.instrument("SOL_USDC-7MAR25", at("2025-03-05"), at("2025-03-07", 480), **usdc)
    found = windows(warehouse.connection, DELIVERY_PRICES, at(begins), at(ends), currencies=currencies)
    assert [(w.subject, w.begins, w.ends) for w in found] == [(i, at(b), at(e)) for i, b, e in wanted]
    assert all(w.instrument_id is None and w.requests >= 1 for w in found)


def test_the_report_says_how_much_of_it_is_there(warehouse, market):
    warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    record_collected(warehouse.connection, "BTC", ["BTC"], at("2018-08-01"))
    warehouse.connection.commit()
    store(warehouse)
    warehouse.decide_rows(DELIVERY_PRICES)
    [row] = [r for r in summary(market.dsn("market_reader"), [DELIVERY_PRICES]) if r["dataset"] == "delivery_prices"]
    assert (row["instruments"], row["rows"]) == (1, 31) and 0 < row["coverage_percent"] < 100
    told = "SELECT minutes, present, missing, published_minutes FROM coverage WHERE dataset = %s AND month = %s"
    assert warehouse.rows(told, "delivery_prices", FIRST) == [(31, 31, 0, 31)]
    assert warehouse.rows("SELECT min(month) FROM unloaded WHERE dataset = 'delivery_prices'") == [(APRIL.date(),)]
