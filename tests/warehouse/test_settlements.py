"""Settlements in the store: a dataset by rows, expected at every 08:00 UTC of a lifetime."""

from __future__ import annotations

from datetime import date, timedelta

import orjson
import psycopg
import pytest

from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import DELIVERY_PRICES, SETTLEMENTS
from deribit_warehouse.datasets.settlements import NUMBERS, SETTLEMENT, load
from deribit_warehouse.exchange import Exchange
from deribit_warehouse.warehouse import sql
from deribit_warehouse.warehouse.catalogue import windows
from deribit_warehouse.warehouse.completion import summary
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from deribit_warehouse.warehouse.profiles import profile
from deribit_warehouse.warehouse.rows import store_rows
from tests.exchange.scripted import result, serving
from tests.warehouse.days import FIRST, HOST, Warehouse, at, nodes

DAYS = [FIRST + timedelta(days=n) for n in range(31)]
MONTH = at(FIRST), at("2025-04-01")
VALUES = {
    "position": 1e6, "mark_price": 80_010.0, "index_price": 80_000.0, "profit_loss": -2.0, "session_profit_loss": 3e4,
    "funding": None,
}  # fmt: skip


def store(
    warehouse: Warehouse, instrument_id: int, days=DAYS, *, type="settlement", duplicate=False, **changed
) -> Ingested:
    values = VALUES | changed
    columns = {
        "instrument_id": [instrument_id] * len(days), "day": days, "type": [type] * len(days),
        "settled_at": [at(day, 480) + timedelta(milliseconds=65) for day in days], "duplicate": [duplicate] * len(days),
        **{name: [values[name]] * len(days) for name in NUMBERS},
    }  # fmt: skip
    with warehouse.connection.transaction():
        return store_rows(
            warehouse.connection, SETTLEMENT, columns, Provenance("settlements", f"{instrument_id}", HOST, "run")
        )


def perpetual(warehouse: Warehouse, listed=None) -> int:
    return warehouse.instrument("BTC-PERPETUAL", listed or at("2018-08-14", 625))


def dated(warehouse: Warehouse) -> int:
    return warehouse.instrument("BTC-7MAR25", at("2025-03-03", 480) + timedelta(seconds=20), at("2025-03-07", 480))


def seen(warehouse: Warehouse, begins=MONTH[0], ends=MONTH[1], currencies=("BTC",)) -> list[dict]:
    with warehouse.connection.transaction():
        found = profile(warehouse.connection, SETTLEMENTS, begins, ends, currencies=list(currencies))
    return found.to_dict("records")


def validate(warehouse: Warehouse, begins, ends):
    """What a run says of an interval."""
    return warehouse.validate(SETTLEMENTS, begins, ends)


@pytest.mark.recorded
def test_the_recorded_bodies_come_through_client_store_gate_and_view(warehouse, recorded):
    """Five days of the perpetual, and the delivery of a future with that day's delivery price."""
    body, currency, prices = (
        orjson.loads((recorded / "responses" / name).read_bytes())
        for name in ("settlements_instrument.json", "settlements_currency.json", "delivery_prices.json")
    )
    delivery = currency["settlements"][0]
    perpetual_id = perpetual(warehouse)
    future_id = warehouse.instrument("BTC-20SEP26", at("2026-09-19", 481), at("2026-09-20", 480))
    with warehouse.connection.transaction():
        store_rows(
            warehouse.connection, DELIVERY_PRICES.table,
            {"index_name": ["btc_usd"], "day": [date(2026, 9, 20)], "price": [prices["data"][0]["delivery_price"]],
             "duplicate": [False]},
            Provenance("delivery_prices", "btc_usd", HOST, "run"),
        )  # fmt: skip
    begins, ends = at("2026-09-16"), at("2026-09-21")
    source = Provenance("settlements", "an instrument", HOST, "run")
    first = {"settlements": [delivery], "continuation": None}
    # the recorded answer has a continuation, and a row older than it there is none in this test
    last = {"settlements": [], "continuation": None}
    with (
        serving(result(body), result(last), result(first)) as (url, asked),
        Exchange(url, url, lambda _: None) as exchange,
    ):
        for id_, name, rows in ((perpetual_id, "BTC-PERPETUAL", 5), (future_id, "BTC-20SEP26", 1)):
            window = Window(name, name, id_, begins, ends, 1)
            changed, _ = load(exchange, warehouse.connection, window, source)
            assert changed == Ingested(added=rows)
    assert "search_start_timestamp=1789948799999" in asked[0] and body["continuation"] in asked[1]
    validated = validate(warehouse, begins, ends)
    assert (validated.decision.outcome, validated.published) == ("passed", 6)
    shown = warehouse.rows(
        "SELECT instrument, type, extract(epoch FROM settled_at) * 1000, position, mark_price, index_price, "
        "profit_loss, session_profit_loss, funding FROM settlements ORDER BY instrument, settled_at DESC"
    )
    fields = ("instrument_name", "type", "timestamp", "position", "mark_price", "index_price", "profit_loss")
    fields = (*fields, "session_profit_loss", "funding")
    assert shown == [tuple(row.get(name) for name in fields) for row in (delivery, *body["settlements"])]


def test_a_load_reads_the_rows_of_its_own_keys_however_many_wait(warehouse, market):
    """A catchup stores for minutes what its gate decides on at the end, and nothing says so to the planner: each window
    read all that waited."""
    store(warehouse, perpetual(warehouse))
    with psycopg.connect(market.postgres.dsn(market.name), autocommit=True) as owner:
        owner.execute("UPDATE store.settlement SET state = 'published'")
        owner.execute("ANALYZE store.settlement")
        owner.execute("UPDATE store.settlement SET state = 'pending'")
    long = [date(1990, 1, 1) + timedelta(days=n) for n in range(5_000)]
    store(warehouse, warehouse.instrument("BTC-1JAN30", at("2018-08-14"), at("2030-01-01", 480)), long)
    future_id = warehouse.instrument("BTC-25APR25", at("2018-08-14"), at("2025-04-25", 480))
    merged = sql.composed("rows/merge", SETTLEMENT).as_string(warehouse.connection)
    with warehouse.connection.transaction():
        warehouse.connection.execute(sql.composed("rows/stage", SETTLEMENT))
        warehouse.connection.execute(
            "INSERT INTO settlement_stage (instrument_id, day, type, settled_at, duplicate) "
            "SELECT %s, d, 'settlement', d, false FROM unnest(%s::date[]) AS d", (future_id, DAYS),
        )  # fmt: skip
        source = Provenance("settlements", f"{future_id}", HOST, "run").values()
        [[[plan]]] = warehouse.connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {merged}", source).fetchall()

    assert rows_read(plan["Plan"]) < 10 * len(DAYS)


def rows_read(plan: dict) -> float:
    """How many rows a plan that was run has read of tables and of parts of the statement."""
    scans = [node for node in nodes(plan) if node["Node Type"].endswith("Scan")]
    return sum((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"] for scan in scans)


def test_a_year_is_validated_reading_each_row_a_few_times(warehouse):
    year = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    store(warehouse, perpetual(warehouse), [day for day in year if day.day != 15])
    profile = sql.statement("datasets/settlements/profile")
    asked = {"from": at("2024-01-01"), "to": at("2025-01-01"), "currencies": ["BTC"]}
    with warehouse.connection.transaction():
        [[[plan]]] = warehouse.connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {profile}", asked).fetchall()
    assert plan["Plan"]["Actual Rows"] == len(year)
    assert rows_read(plan["Plan"]) < 40 * len(year)


def test_equal_rows_write_nothing_and_corrections_are_versions(warehouse):
    id_ = perpetual(warehouse)
    assert store(warehouse, id_) == Ingested(added=31)
    written = warehouse.rows("SELECT ctid, xmin, * FROM store.settlement ORDER BY day")
    assert store(warehouse, id_) == Ingested(unchanged=31), "what is not known is equal to itself"
    assert warehouse.rows("SELECT ctid, xmin, * FROM store.settlement ORDER BY day") == written
    assert warehouse.rows("SELECT dataset, instrument, days, waits_for FROM pending") == [
        ("settlements", "BTC-PERPETUAL", 31, None)
    ]
    assert warehouse.decide_rows(SETTLEMENTS) == 31 and warehouse.decide_rows(SETTLEMENTS) == 0
    before = warehouse.value("SELECT clock_timestamp()")
    assert store(warehouse, id_, DAYS[:1], position=2e6, funding=0.5) == Ingested(corrected=1)
    assert warehouse.value("SELECT max(position) FROM settlements") == 1e6, "it is shown when it has passed"
    assert warehouse.decide_rows(SETTLEMENTS) == 1
    asked = "SELECT position, funding FROM settlement('BTC-PERPETUAL', %s, %s, as_of => %s) LIMIT 1"
    assert warehouse.rows(asked, *MONTH, None) == [(2e6, 0.5)] and warehouse.rows(asked, *MONTH, before) == [
        (1e6, None)
    ]
    assert warehouse.rows("SELECT instrument, day, field, old, new FROM corrections ORDER BY field") == [
        ("BTC-PERPETUAL", FIRST, "funding", None, 0.5), ("BTC-PERPETUAL", FIRST, "position", 1e6, 2e6),
    ]  # fmt: skip


def test_what_should_be_there_is_every_eight_o_clock_of_a_lifetime_and_the_delivery_at_its_end(warehouse):
    future = dated(warehouse)
    rows = seen(warehouse)
    assert [(row["day"].day, row["type"]) for row in rows] == [
        (4, "settlement"), (5, "settlement"), (6, "settlement"), (7, "delivery")
    ]  # fmt: skip
    assert all(row["missing"] and not row["hole"] and not row["undelivered"] for row in rows), "nobody may have held it"
    store(warehouse, future, [date(2025, 3, 4), date(2025, 3, 6)])
    assert [row["hole"] for row in seen(warehouse)] == [False, True, False, False]
    assert [row["undelivered"] for row in seen(warehouse)] == [False, False, False, True]
    store(warehouse, future, [date(2025, 3, 6)], position=0.0)
    assert not any(row["hole"] or row["undelivered"] for row in seen(warehouse)), "nobody held it any more"
    store(warehouse, future, [date(2025, 3, 5), date(2025, 3, 7)], type="delivery")
    rows = seen(warehouse)
    assert [(row["day"].day, row["type"]) for row in rows if row["delivery_misplaced"]] == [(5, "delivery")]
    assert sum(row["rows_expected"] for row in rows) == 4 and sum(row["rows_missing"] for row in rows) == 1
    assert seen(warehouse, currencies=["ETH"]) == []
    assert warehouse.rows("SELECT minutes, present FROM coverage WHERE dataset = 'settlements'") == [(4, 4)]


def test_a_hole_is_seen_over_the_edge_of_an_interval_and_so_is_a_move(warehouse):
    id_ = perpetual(warehouse)
    store(warehouse, id_, [date(2025, 2, 28)], mark_price=160_020.0)
    store(warehouse, id_, DAYS[1:])
    rows = seen(warehouse, ends=at(DAYS[3]))
    assert [row["hole"] for row in rows] == [True, False, False]
    assert [row["move"] for row in rows[1:]] == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("ends", [at("2025-03-10", 180), at("2025-03-10", 480), at("2025-03-10", 960)])
def test_an_end_at_any_hour_has_its_delivery_on_its_day_and_nothing_after(warehouse, ends):
    """A perpetual's, which may be found or be in the catalogue after days beyond it were loaded."""
    id_ = perpetual(warehouse)
    store(warehouse, id_, DAYS[:12])
    store(warehouse, id_, [ends.date()], type="delivery", mark_price=80_000.0)
    warehouse.delist(id_, ends)
    rows = seen(warehouse)
    assert [row["day"].day for row in rows if row["outlived"]] == [11, 12]
    assert not any(row["delivery_misplaced"] or row["missing"] for row in rows)
    assert sum(row["rows_expected"] for row in rows) == (9 if ends.hour == 3 else 10)


def test_a_number_that_is_none_is_counted_and_compared_with_nothing(warehouse):
    id_ = perpetual(warehouse)
    store(warehouse, id_, DAYS[:1], mark_price=None, position=float("nan"))
    store(warehouse, id_, DAYS[1:2], mark_price=float("inf"), index_price=1e308)
    store(warehouse, id_, DAYS[2:3])
    rows = seen(warehouse, ends=at(DAYS[3]))
    assert [row["values_unknown"] for row in rows] == [2, 1, 0]
    assert all(row["level_distance"] != row["level_distance"] for row in rows[:2])
    assert rows[2]["level_distance"] == pytest.approx(10 / 80_000)


def test_a_delivery_is_compared_with_the_newest_delivery_price(warehouse):
    future = dated(warehouse)
    store(warehouse, future, [date(2025, 3, 7)], type="delivery", mark_price=80_000.0)
    assert seen(warehouse)[-1]["delivery_off_index"] == 0 and seen(warehouse)[-1]["delivery_distance"] is None
    with warehouse.connection.transaction():
        store_rows(
            warehouse.connection, DELIVERY_PRICES.table,
            {"index_name": ["btc_usd"], "day": [date(2025, 3, 7)], "price": [88_000.0], "duplicate": [False]},
            Provenance("delivery_prices", "btc_usd", HOST, "run"),
        )  # fmt: skip
    assert seen(warehouse)[-1]["delivery_distance"] == pytest.approx(0.1)


def test_a_plan_is_a_window_an_instrument_of_whole_days(warehouse):
    perpetual(warehouse)
    dated(warehouse)
    found = windows(warehouse.connection, SETTLEMENTS, *MONTH, currencies=["BTC"])
    assert [(w.instrument, w.begins, w.ends, w.requests) for w in found] == [
        ("BTC-7MAR25", at("2025-03-03"), at("2025-03-08"), 1), ("BTC-PERPETUAL", *MONTH, 1)
    ]  # fmt: skip
    assert windows(warehouse.connection, SETTLEMENTS, *MONTH, currencies=["ETH"]) == []


def test_the_report_says_how_much_of_it_is_there(warehouse, market):
    id_ = perpetual(warehouse, at(FIRST))
    store(warehouse, id_)
    warehouse.decide_rows(SETTLEMENTS)
    [row] = [r for r in summary(market.dsn("market_reader"), [SETTLEMENTS]) if r["dataset"] == "settlements"]
    assert (row["instruments"], row["rows"]) == (1, 31) and 0 < row["coverage_percent"] < 100
    told = "SELECT minutes, present, missing, published_minutes FROM coverage WHERE dataset = %s AND month = %s"
    assert warehouse.rows(told, "settlements", FIRST) == [(31, 31, 0, 31)]
