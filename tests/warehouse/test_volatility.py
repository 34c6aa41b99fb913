"""The volatility index in the store: a dataset by rows, with versions like any other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deribit_warehouse.datasets import VOLATILITY_INDEX
from deribit_warehouse.datasets.volatility_index import VOLATILITY_INDEX_HOUR
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.catalogue import record_collected, windows
from deribit_warehouse.warehouse.completion import COLUMNS, summary
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from deribit_warehouse.warehouse.profiles import profile
from deribit_warehouse.warehouse.rows import store_rows
from tests.warehouse.days import FIRST, HOST, Warehouse, at

HOURS, NEXT = [at(FIRST, 60 * n) for n in range(24)], at(FIRST, 1440)


def store(warehouse: Warehouse, hours=HOURS, level: float = 50.0, duplicate=(), currency: str = "BTC") -> Ingested:
    n = len(hours)
    columns = {
        "currency": [currency] * n, "ts": hours, "open": [level] * n, "high": [level + 1] * n, "low": [level - 1] * n,
        "close": [level + 0.5] * n, "duplicate": [hour in duplicate for hour in hours],
    }  # fmt: skip
    with warehouse.connection.transaction():
        return store_rows(
            warehouse.connection, VOLATILITY_INDEX_HOUR, columns, Provenance("volatility_index", currency, HOST, "run")
        )


def publish(warehouse: Warehouse) -> int:
    return warehouse.decide_rows(VOLATILITY_INDEX)


@pytest.fixture
def only_btc(monkeypatch):
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")


def validate(warehouse: Warehouse, begins=HOURS[0], ends=NEXT):
    """What a run says of an interval."""
    return warehouse.validate(VOLATILITY_INDEX, begins, ends)


def seen(warehouse: Warehouse, begins=HOURS[0], ends=NEXT, currencies=("BTC",)) -> list[dict]:
    with warehouse.connection.transaction():
        found = profile(warehouse.connection, VOLATILITY_INDEX, begins, ends, currencies=list(currencies))
    return found.to_dict("records")


def test_equal_rows_write_nothing_and_corrections_are_versions(warehouse):
    assert store(warehouse) == Ingested(added=24)
    written = warehouse.rows("SELECT ctid, xmin, * FROM store.volatility_index ORDER BY ts")
    assert store(warehouse) == Ingested(unchanged=24)
    assert warehouse.rows("SELECT ctid, xmin, * FROM store.volatility_index ORDER BY ts") == written
    assert publish(warehouse) == 24 and publish(warehouse) == 0
    before = warehouse.value("SELECT clock_timestamp()")

    assert store(warehouse, HOURS[:2], 60) == Ingested(corrected=2)
    assert store(warehouse, HOURS[:1], 61) == Ingested(corrected=1), "what nobody has seen goes"
    assert warehouse.value("SELECT count(*) FROM store.volatility_index") == 26
    assert warehouse.value("SELECT max(open) FROM volatility_index") == 50, "it is shown when it has passed"
    assert publish(warehouse) == 2
    asked = "SELECT open FROM volatility('BTC', %s, %s, as_of => %s) LIMIT 2"
    span = at(FIRST), at(FIRST, 1440)
    assert warehouse.rows(asked, *span, None) == [(61.0,), (60.0,)]
    assert warehouse.rows(asked, *span, before) == [(50.0,), (50.0,)]
    corrected = warehouse.rows(
        "SELECT dataset, instrument, day, ts, field, old, new, corrected_at > %s FROM corrections ORDER BY ts, field",
        before,
    )
    assert corrected == [
        ("volatility_index", "BTC", FIRST, hour, field, 50 + above, level + above, True)
        for hour, level in zip(HOURS, (61, 60), strict=False)
        for field, above in (("close", 0.5), ("high", 1), ("low", -1), ("open", 0))
    ]  # fmt: skip
    assert warehouse.hold(VOLATILITY_INDEX_HOUR, warehouse.newest_of(VOLATILITY_INDEX)[:1]) == 1
    assert warehouse.value("SELECT count(*) FROM volatility_index") == 23
    gone = publication.prune(warehouse.connection, warehouse_now(warehouse) + timedelta(days=1), [VOLATILITY_INDEX])
    assert gone == {"volatility_index": 2}


def warehouse_now(warehouse: Warehouse):
    return warehouse.value("SELECT clock_timestamp()")


def test_what_should_be_there_is_every_hour_from_the_first_on(warehouse):
    store(warehouse, [*HOURS[:5], *HOURS[6:], at(FIRST, 90)], duplicate=[HOURS[7]])
    rows = seen(warehouse)
    assert len(rows) == 25 and sum(row["rows_expected"] for row in rows) == 24
    assert [row["ts"] for row in rows if row["missing"]] == [HOURS[5]]
    assert [row["ts"] for row in rows if not row["on_the_hour"]] == [at(FIRST, 90)]
    assert [row["ts"] for row in rows if row["duplicate"]] == [HOURS[7]]
    assert all(row["bounds_hold"] for row in rows if not row["missing"])
    # nothing is expected before the first one that was told, nor of a currency that has none
    assert seen(warehouse, at("2021-03-23"), at("2021-03-25")) == [] == seen(warehouse, currencies=["USDC"])
    # of one that nothing was told of yet: from the first there may be
    first = at("2021-03-24")
    assert next(row["ts"] for row in seen(warehouse, at("2021-03-23"), at("2021-03-25"), ["ETH"])) == first
    assert seen(warehouse, at("2021-02-01"), at("2021-03-01"), ["ETH"]) == []


def test_a_finding_of_the_hour_that_begins_at_midnight_is_of_the_day_it_begins(warehouse, only_btc):
    store(warehouse, duplicate=[HOURS[0]])
    assert validate(warehouse).decision.outcome == "quarantined"
    said = "SELECT instrument, day, ts, rule FROM quarantined"
    assert warehouse.rows(said) == [("BTC", FIRST, HOURS[0], "hours-not-doubled")]
    store(warehouse, HOURS[:1])
    assert validate(warehouse).decision.outcome == "passed"
    assert warehouse.rows(said) == [], "what is right now closes it"


def test_an_hour_of_nulls_is_held_back(warehouse, only_btc):
    """The exchange's null is NaN in the store, which no bound is broken by."""
    store(warehouse)
    store(warehouse, HOURS[3:4], level=float("nan"))
    assert [row["ts"] for row in seen(warehouse) if row["values_unknown"]] == HOURS[3:4]
    decision = validate(warehouse).decision
    assert [(f.key, f.rule) for f in decision.quarantined] == [(("BTC", HOURS[3]), "values-known")]
    assert warehouse.value("SELECT count(*) FROM volatility_index") == 23


@pytest.mark.parametrize("none", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_value_that_is_none_is_counted(warehouse, none, value):
    store(warehouse)
    warehouse.rows(f"UPDATE store.volatility_index SET {none} = %s WHERE ts = %s RETURNING 1", value, HOURS[3])
    assert [row["values_unknown"] for row in seen(warehouse)] == [0] * 3 + [1] + [0] * 20


@pytest.mark.parametrize(
    ("begins", "ends", "wanted"),
    [
        ("2021-02-01", "2021-03-01", []),
        ("2021-03-01", "2021-04-01", [("BTC", "2021-03-24", 1), ("ETH", "2021-03-24", 1)]),
        ("2025-01-01", "2025-03-01", [("BTC", "2025-01-01", 2), ("ETH", "2025-01-01", 2)]),
    ],
)
def test_a_plan_is_a_window_a_currency(warehouse, begins, ends, wanted):
    found = windows(
        warehouse.connection, VOLATILITY_INDEX, at(begins), at(ends), currencies=["BTC", "ETH", "USDC"]
    )  # fmt: skip
    assert [(w.subject, w.begins, w.ends, w.requests) for w in found] == [
        (currency, at(first), at(ends), requests) for currency, first, requests in wanted
    ]


def test_the_report_says_how_much_of_it_is_there(warehouse, market):
    record_collected(warehouse.connection, "BTC", ["BTC"], at("2025-02-01"))
    warehouse.connection.commit()
    store(warehouse)
    publish(warehouse)
    [row] = summary(market.dsn("market_reader"), [VOLATILITY_INDEX])
    assert tuple(row) == COLUMNS, "they are printed in this order"
    assert (row["dataset"], row["instruments"], row["rows"]) == ("volatility_index", 1, 24)
    assert 0 < row["coverage_percent"] < 1 and row["missing_minutes"] > 10_000


def test_the_months_that_are_run_begin_with_the_first_hour_there_may_be(warehouse):
    """It stands in the module, for the DAG, and in a view, for the statements."""
    from deribit_warehouse.datasets import VOLATILITY_INDEX

    assert {first for [first] in warehouse.rows("SELECT first_hour FROM store.volatility_currency")} == {
        VOLATILITY_INDEX.since
    }
