"""What `make status` and the end of `make demo` print of what waits."""

from __future__ import annotations

import io

import psycopg
import pytest
from rich.console import Console

from deribit_warehouse.datasets import VOLATILITY_INDEX
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.completion import pending
from stack import __main__ as command
from stack import catchup, postgres, printing
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


@pytest.fixture
def waiting_day(warehouse) -> str:
    """A day of the perpetual that waits for its funding, and what it waits for, as it is printed."""
    warehouse.candles(warehouse.instrument("BTC-PERPETUAL", at(FIRST)), trading(at(FIRST), at(FIRST, 1440)))
    return "funding_rates of BTC-PERPETUAL"


def test_status_says_what_waits(status, waiting_day):
    code, said = status()
    assert code == 0 and HEAD in said and waiting_day in said


@pytest.mark.parametrize("waits", [True, False])
def test_a_start_ends_with_what_waits(market, stack, credentials, monkeypatch, capsys, request, waits):
    """The end of `make demo`, without the Airflow that it has waited for."""
    said_of = request.getfixturevalue("waiting_day") if waits else "waits to be"
    for name in ("create_pools", "wait_for_dags", "run_catalogue", "unpause"):
        monkeypatch.setattr(catchup, name, lambda *ignored, **options: None)
    for name in ("newest_month_first", "run_again", "run_history"):
        monkeypatch.setattr(catchup, name, lambda *ignored: [])
    monkeypatch.setattr(command, "environment", lambda *ignored: {})
    monkeypatch.setattr(command, "console", Console(highlight=False, width=200))
    monkeypatch.setattr(postgres, "dsn", lambda stack, credentials, role, database: market.dsn(role))
    assert command.run(stack, credentials, None, FIRST) == []
    said = capsys.readouterr().out
    assert "What is stored" in said
    assert (HEAD in said) is waits and (said_of in said) is waits


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
