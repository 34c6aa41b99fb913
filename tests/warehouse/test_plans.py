"""How Postgres goes about the questions users and tasks ask: by key, however much is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg
import pytest

from deribit_warehouse.warehouse.sql import statement
from tests.warehouse.days import at

DAYS, FUTURES = 1_000, 60
MOMENT = "'2024-06-15 12:34+00'"
MONTH = {"from": datetime(2024, 6, 1, tzinfo=UTC), "to": datetime(2024, 6, 8, tzinfo=UTC)}
FUNDING = {"currencies": ["BTC"], "outages_from": [], "outages_to": []}
PROVENANCE = dict.fromkeys(("dataset", "subject", "host", "run_id"), "plan")
BIG = {"candle_day", "basis_day", "funding_rate", "index_day"}

# a future lives a hundred days; one minute a day is enough to plan on
FILL = (
    """INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
       VALUES ('d', 's', 'h', 'r', 1, 0, 0)""",
    """INSERT INTO store.validation
           (dataset, dag_id, run_id, interval_from, interval_to, outcome, suite, rows_checked, result)
       VALUES ('d', 'd', 'r', now(), now(), 'passed', 's', 1, '{}')""",
    """INSERT INTO store.candle_day
       SELECT i.instrument_id, d::date, 1, 'published', 1, '{[1,)}', NULL, NULL,
              754, 1, 1, 0, 0, 0, 0, a, a, a, a, a, a,
              repeat('1', 1440)::bit(1440), repeat('1', 1440)::bit(1440), true, 1
       FROM store.instrument i CROSS JOIN (SELECT ARRAY[50000.5::float8] AS a) AS v
       CROSS JOIN LATERAL generate_series(
           i.listed_at, least(i.expires_at, i.listed_at + %(days)s * interval '1 day') - interval '1 day',
           interval '1 day') AS d""",
    """INSERT INTO store.basis_day SELECT c.instrument_id, c.day, 1, 'published', 1, '{[1,)}', 1, f.perpetual_id, 1, 1
       FROM store.candle_day c JOIN store.future f USING (instrument_id)
       JOIN store.candle_day p ON p.instrument_id = f.perpetual_id AND p.day = c.day""",
    """INSERT INTO store.index_day
       SELECT 'btc_usd', c.day, 1, 'published', 1, '{[1,)}', c.instrument_id, 1, 1, 1,
              array_fill(1.5::float8, ARRAY[24]), NULL, 24, 0, 0, 0
       FROM store.candle_day c JOIN store.instrument i USING (instrument_id) WHERE i.settlement_period = 'perpetual'""",
    """INSERT INTO store.funding_rate
       SELECT i.instrument_id, h, 1, 'published', 1, '{[1,)}', NULL, NULL, 0, 0, 1, 1, false
       FROM store.instrument i
       CROSS JOIN LATERAL generate_series(i.listed_at, i.listed_at + %(days)s * interval '1 day', '1 hour') AS h
       WHERE settlement_period = 'perpetual'""",
    """INSERT INTO store.funding_start
       SELECT instrument_id, listed_at FROM store.instrument WHERE settlement_period = 'perpetual'""",
)


@pytest.fixture(scope="module")
def stored(shared_warehouse, postgres, module_market):
    """A thousand days of a perpetual and sixty futures, published."""
    shared_warehouse.instrument("BTC-PERPETUAL", at("2022-01-01"))
    first = at("2022-01-01")
    for n in range(FUTURES):
        listed = first + (at("2022-01-01") - at("2021-12-16")) * n
        shared_warehouse.instrument(f"BTC-{n}", listed, listed + (at("2022-04-11") - first))
    for each in FILL:
        shared_warehouse.connection.execute(each, {"days": DAYS} if "%" in each else None)
    with psycopg.connect(postgres.dsn(module_market.name), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        # a function with a setting keeps its plan to itself
        connection.execute("ALTER FUNCTION term_structure_at RESET ALL")
    assert shared_warehouse.value("SELECT count(*) FROM store.candle_day") > 6_000
    assert shared_warehouse.value(f"SELECT count(*) FROM term_structure_at('BTC', {MOMENT})") > 5
    return shared_warehouse.connection


def scans(connection, query: str, values=None) -> list[str]:
    """The big tables a query reads from end to end."""
    [[plan]] = connection.execute(f"EXPLAIN (FORMAT JSON) {query}", values).fetchall()
    plan = plan if isinstance(plan, list) else json.loads(plan)

    def walk(node: dict):
        if node["Node Type"] == "Seq Scan" or ("Index" in node["Node Type"] and "Index Cond" not in node):
            yield node.get("Relation Name")
        for child in node.get("Plans", ()):
            if node["Node Type"] != "Limit":  # the first row in the index's order is not a scan
                yield from walk(child)

    return sorted(BIG & set(walk(plan[0]["Plan"])))


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * FROM term_structure_at('BTC', {MOMENT})",
        f"SELECT * FROM candle_at({MOMENT})",
        "SELECT * FROM candles('BTC-55', '2024-06-01', '2024-06-08')",
        "SELECT * FROM basis('BTC-55', '2024-06-01', '2024-06-08')",
        "SELECT * FROM constant_maturity('BTC', '2024-06-01', '2024-06-02')",
        "SELECT * FROM basis_spread WHERE day = '2024-06-15'",
        "SELECT * FROM basis_spread WHERE instrument = 'BTC-55'",
        "SELECT * FROM index_prices WHERE day = '2024-06-15'",
        "SELECT * FROM futures_ohlcv WHERE instrument = 'BTC-55' AND day = '2024-06-15'",
        "SELECT * FROM funding_rates WHERE instrument = 'BTC-PERPETUAL' AND ts = '2024-06-15'",
    ],
)
def test_users_questions_are_answered_by_key(stored, query):
    assert scans(stored, query) == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("datasets/candles/profile", {"perpetual": False, "currencies": ["BTC"]}),
        ("datasets/candles/profile", {"perpetual": True, "currencies": ["BTC"]}),
        ("datasets/funding_rates/profile", FUNDING | {"open": False}),
        ("datasets/funding_rates/profile", FUNDING | {"open": True}),
        ("datasets/basis_spread/profile", {}),
        ("datasets/basis_spread/compute", PROVENANCE),
        ("datasets/index_prices/compute", PROVENANCE),
        ("datasets/index_prices/profile", {}),
        ("datasets/index_live/profile", {"currencies": ["BTC"]}),
        ("report/last_term_structure", {}),
    ],
)
def test_tasks_questions_are_answered_by_key(stored, name, values):
    assert scans(stored, statement(name), values | MONTH) == []
