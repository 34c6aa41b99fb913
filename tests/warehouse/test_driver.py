"""What the statements rely on holds on every connection, whatever the extras of the Airflow connection say."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg
import pytest

from deribit_warehouse.alerts.callbacks import warehouse_facts
from deribit_warehouse.pipeline import connections
from deribit_warehouse.warehouse.driver import WrongDriver

EXTRAS = {
    "cursor": "dictcursor",
    "options": "-c timezone=Asia/Tokyo -c datestyle=German -c intervalstyle=iso_8601 -c search_path=pg_catalog "
    "-c default_transaction_read_only=on -c default_transaction_isolation=serializable -c extra_float_digits=-10 "
    "-c statement_timeout=60000",
    "client_encoding": "LATIN1",
    "autocommit": True,
    "connect_timeout": 10,
}


@pytest.fixture
def market_with(market, monkeypatch):
    """Opens the market connection with these extras."""

    def point(extras: dict):
        monkeypatch.setenv(
            "AIRFLOW_CONN_DERIBIT_MARKET",
            json.dumps(
                {
                    "conn_type": "postgres",
                    "host": market.postgres.host,
                    "login": "market_loader",
                    "schema": market.name,
                    "extra": extras,
                }
            ),
        )
        return connections.market()

    return point


def shown(connection: psycopg.Connection) -> dict[str, str]:
    names = "TimeZone DateStyle IntervalStyle client_encoding search_path default_transaction_isolation".split()
    names += ["default_transaction_read_only", "extra_float_digits"]
    return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in names}


def test_extras_of_the_connection_do_not_reach_our_statements(market_with):
    with market_with({}) as plain:
        expected = shown(plain)
    with market_with(EXTRAS) as connection:
        assert not connection.autocommit
        assert shown(connection) == expected
        connection.rollback()
        assert shown(connection) == expected  # what is set in a transaction would be gone with it
        instant, third = connection.execute("SELECT '2024-05-01 00:00+00'::timestamptz, 1 / 3::float8").fetchone()
        assert instant == datetime(2024, 5, 1, tzinfo=UTC) and instant.utcoffset().total_seconds() == 0
        assert third == 1 / 3
        assert connection.execute("SELECT 'ř'").fetchone() == ("ř",)
        # what the statements don't rely on stays the installation's
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)


def test_an_alert_reads_the_same_way(market_with):
    with market_with(EXTRAS):
        assert warehouse_facts("futures_ohlcv", "no such run") is not None


def test_psycopg_2_under_the_hook_is_a_sentence(market_with, monkeypatch):
    from airflow.providers.postgres.hooks import postgres

    monkeypatch.setattr(postgres, "USE_PSYCOPG3", False)
    for extras in ({}, {"cursor": "realdictcursor"}):
        with pytest.raises(WrongDriver, match=r"reached with psycopg2.*pip install 'psycopg\[binary\]'"):
            with market_with(extras):
                pass
