"""What `make status` and the end of `make demo` print of what waits."""

from __future__ import annotations

import io

import psycopg
import pytest
from rich.console import Console

from deribit_warehouse.datasets import VOLATILITY_INDEX
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.completion import pending
from stack import printing
from tests.warehouse.days import FIRST, Warehouse, at, trading
from tests.warehouse.test_volatility import store as store_volatility

HEAD = "What waits to be validated"


@pytest.fixture
def warehouse(market):
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Warehouse(connection)


def printed(market) -> str:
    console = Console(file=io.StringIO(), width=160)
    printing.print_pending(console, pending(market.dsn("market_reader")))
    return console.file.getvalue()


def row_of(market, dataset: str) -> list[str]:
    """The cells of the dataset's row."""
    [line] = [line for line in printed(market).splitlines() if dataset in line]
    return [cell.strip() for cell in line.replace("│", "|").strip(" |").split("|")]


def test_where_nothing_waits_nothing_is_printed(market):
    assert printed(market) == ""


def test_what_waits_is_printed_with_what_it_waits_for(market, warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 2 * 1440)))
    assert HEAD in printed(market)
    assert row_of(market, "perpetuals_ohlcv") == [
        "perpetuals_ohlcv", "1", "2", "2025-03-01", "2025-03-02", "funding_rates of BTC-PERPETUAL",
    ]  # fmt: skip


def test_what_was_loaded_waits_for_the_next_run_and_what_a_validation_blocked_for_one_by_hand(market, warehouse):
    warehouse.instrument("BTC-PERPETUAL", at(FIRST))  # by which the currency is collected
    store_volatility(warehouse)
    assert row_of(market, "volatility_index")[-1] == "the next run"
    blocked = warehouse.validation("volatility_index", outcome="blocked")
    with warehouse.connection.transaction():
        publication.block(
            warehouse.connection, VOLATILITY_INDEX.table, blocked, warehouse.newest_of(VOLATILITY_INDEX)
        )  # fmt: skip
    assert row_of(market, "volatility_index") == [
        "volatility_index", "1", "1", "2025-03-01", "2025-03-01", "a run by hand: a validation blocked it",
    ]  # fmt: skip
