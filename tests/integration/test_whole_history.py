"""Months from the whole history, through the DAGs: what is stored is what the exchange says, value by value, whichever
of what is compared with each other was loaded last; and a month that is run again changes no row."""

from __future__ import annotations

import psycopg
import pytest

from exchange_simulator import comparison
from exchange_simulator.market import Market
from exchange_simulator.process import running

from .conftest import UNHURRIED, rows_as_they_lie
from .rehearsal import LONG, bounds, marked, ms

COMPUTED = ("index_prices", "basis_spread")
PERPETUALS_FIRST = ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates")
PERPETUALS_LAST = ("futures_ohlcv", "funding_rates", "perpetuals_ohlcv")
FUTURES_LAST = ("funding_rates", "perpetuals_ohlcv", "futures_ohlcv")

ORDERS = {
    "2018-08": PERPETUALS_FIRST,  # the first month; the perpetual is born on its 14th, among futures that are older
    "2019-05": PERPETUALS_LAST,  # the first whole month of funding; an outage over midnight cost no candle
    "2026-03": FUTURES_LAST,  # of today's size: the end of a quarter, and the first futures that live four days
}
BIRTH = "2018-08"


@pytest.fixture(scope="module")
def unlimited_exchange():
    """The simulator after the last of these months."""
    with running("--now", "2026-04-01T00:00:00", *UNHURRIED) as exchange:
        yield exchange


@pytest.fixture
def pipeline(open_pipeline, module_market, unlimited_exchange):
    pipeline = open_pipeline(module_market, unlimited_exchange)
    if not module_market.rows("SELECT FROM store.catalogue_reading"):  # 54,000 options: once is enough
        assert pipeline.run("instruments") == "success"
    return pipeline


@pytest.fixture(scope="module")
def exchange():
    """The same market, asked directly: what should have come through the client, the store and the gate."""
    return Market()


def published(market, month: str) -> dict[str, int]:
    """How many versions of a month are published, by the tables of what is loaded."""
    count = "SELECT count(*) FROM store.{} WHERE state = 'published' AND {} >= %s AND {} < %s"
    tables = {"candle_day": "day", "funding_rate": "ts - interval '1 microsecond'"}
    return {table: market.value(count.format(table, at, at), *bounds(month)) for table, at in tables.items()}


def collect(pipeline, month: str) -> None:
    """Runs the DAGs of a month in its order, unless a test before has. Nothing is published before what it is compared
    with first was asked for."""
    begins, ends = bounds(month)
    if pipeline.market.rows("SELECT FROM store.basis_day WHERE day >= %s AND day < %s LIMIT 1", begins, ends):
        return
    for dag in ORDERS[month]:
        if dag == "perpetuals_ohlcv":
            assert set(published(pipeline.market, month).values()) == {0}, "before the perpetuals were there"
        assert pipeline.run(dag, str(ends)) == "success", (dag, month)
    assert pipeline.market.rows("SELECT * FROM pending") == []
    for dag in COMPUTED:
        assert pipeline.run(dag, str(ends)) == "success", (dag, month)


@pytest.mark.parametrize(
    "month", [pytest.param(month, marks=() if month == BIRTH else marked(LONG, seconds=600)) for month in ORDERS]
)
def test_a_month_is_what_the_exchange_says(pipeline, module_market, exchange, month):
    collect(pipeline, month)
    begins, ends = bounds(month)
    with psycopg.connect(module_market.dsn("market_reader")) as connection:

        def rows(query: str, *values) -> list[tuple]:
            return connection.cursor(binary=True).execute(query, values).fetchall()

        views = ("candle", "funding_rates", *COMPUTED)
        said = comparison.everything(exchange, rows, ("BTC", "ETH"), ms(begins), ms(ends), views=views)
    assert said["candle"] > 200_000 and said["basis_spread"] > 100_000
    assert said["index_prices"] == module_market.value(
        "SELECT count(*) FROM perpetuals_ohlcv WHERE day >= %s AND day < %s AND close IS NOT NULL", begins, ends
    )
    assert said["funding_rates"] == (0 if month == BIRTH else 2 * 24 * (ends - begins).days)

    # and nothing else: nothing that waits, nothing held back, nothing missing
    for table in ("candle_day", "funding_rate"):
        assert module_market.value(f"SELECT count(*) FROM store.{table} WHERE state <> 'published'") == 0
    of_month = "SELECT DISTINCT {} WHERE day >= %s AND day < %s"
    quarantined = of_month.format("dataset, instrument, day FROM quarantined")
    assert module_market.rows(quarantined, begins, ends) == []
    explained = of_month.format("instrument, day FROM quality_findings") + " AND rule = 'minutes-explained'"
    assert module_market.rows(explained, begins, ends) == []


def test_a_second_run_of_a_month_changes_no_row(pipeline, module_market):
    collect(pipeline, BIRTH)
    begins, ends = map(str, bounds(BIRTH))
    # before there was funding a perpetual's level is checked against the futures, which its first run did not have yet
    assert pipeline.run("perpetuals_ohlcv", ends) == "success"

    before = rows_as_they_lie(module_market.rows)
    validations = module_market.value("SELECT max(validation_id) FROM validations")
    asked = {"from": begins, "to": ends}  # what is computed from other datasets isn't pending again by itself
    runs = dict.fromkeys(PERPETUALS_FIRST, {}) | dict.fromkeys(COMPUTED, asked)
    for dag, conf in runs.items():
        assert pipeline.run(dag, ends, **conf) == "success", dag
    assert rows_as_they_lie(module_market.rows) == before
    validated = module_market.rows("SELECT DISTINCT dataset FROM validations WHERE validation_id > %s", validations)
    with_rows = runs.keys() - {"funding_rates"}  # there was none in 2018
    assert {dataset for [dataset] in validated} == with_rows, "the second run validated all of it again"
