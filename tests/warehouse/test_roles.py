"""Who may do what: the reader reads, the loader writes rows, nobody else does anything."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from tests.warehouse.days import FIRST, at, trading

CALLS = {
    "candles": "SELECT * FROM candles('BTC-PERPETUAL', '-infinity', 'infinity')",
    "candle_at": "SELECT * FROM candle_at(now())",
    "funding": "SELECT * FROM funding('BTC-PERPETUAL', '-infinity', 'infinity')",
    "volatility": "SELECT * FROM volatility('BTC', '-infinity', 'infinity')",
    "delivery_price": "SELECT * FROM delivery_price('btc_usd', '-infinity', 'infinity')",
    "settlement": "SELECT * FROM settlement('BTC-PERPETUAL', '-infinity', 'infinity')",
    "summaries": "SELECT * FROM summaries('BTC-PERPETUAL', '-infinity', 'infinity')",
    "chain_at": "SELECT * FROM chain_at('BTC', now())",
    "index_price": "SELECT * FROM index_price('btc_usd', '-infinity', 'infinity')",
    "basis": "SELECT * FROM basis('BTC-28MAR25', '-infinity', 'infinity')",
    "term_structure_at": "SELECT * FROM term_structure_at('BTC', now())",
    "constant_maturity": "SELECT * FROM constant_maturity('BTC', '-infinity', 'infinity')",
    "greeks_at": "SELECT * FROM greeks_at('BTC', now())",
    "black_76": "SELECT * FROM black_76('call', 68000, 65000, 55, 30, true)",
    "implied_volatility": "SELECT * FROM implied_volatility('call', 68000, 65000, 0.04, 30, true)",
    "funding_between": "SELECT * FROM funding_between('BTC-PERPETUAL', '2025-03-01', '2025-03-02')",
    "rolls": "SELECT * FROM rolls('BTC')",
    "continuous_futures": "SELECT * FROM continuous_futures('BTC', '2025-03-01', '2025-03-02')",
}


@pytest.fixture(scope="module")
def filled(shared_warehouse, module_market):
    perpetual = shared_warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    shared_warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440)))
    shared_warehouse.publish(perpetual)
    return module_market


def public(market, kind: str) -> list[str]:
    """The relations ('v') or functions ('f') that users see."""
    query = {
        "v": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' ORDER BY 1",
        "f": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    }[kind]
    return [name for (name,) in market.rows(query)]


def test_the_reader_reads_every_view_and_calls_every_function(filled):
    views = public(filled, "v")
    assert {"candle", "perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "index_prices", "basis_spread"} < set(views)
    with psycopg.connect(filled.dsn("market_reader")) as connection:
        for view in views:
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(view))).fetchall()
        assert sorted(CALLS) == public(filled, "f")
        for call in CALLS.values():
            connection.execute(call).fetchall()
        assert len(connection.execute(CALLS["candles"]).fetchall()) == 1440


def tables(market) -> list[str]:
    return [name for name, in market.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace IN ('public'::regnamespace, 'store'::regnamespace)"
    )]  # fmt: skip


def refused(market, role: str, statement: str) -> None:
    with psycopg.connect(market.dsn(role), autocommit=True) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)


def test_the_reader_writes_nothing(filled):
    assert len(tables(filled)) > 10
    for table in tables(filled):
        refused(filled, "market_reader", f"DELETE FROM {table}")
        refused(filled, "market_reader", f"INSERT INTO {table} DEFAULT VALUES")
    refused(filled, "market_reader", "UPDATE store.instrument SET host = ''")
    refused(filled, "market_reader", "TRUNCATE store.candle_day")


@pytest.mark.parametrize("role", ["market_loader", "market_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE store.mine (id integer)", "CREATE TABLE public.mine (id integer)", "CREATE SCHEMA mine",
        "ALTER TABLE store.instrument ADD COLUMN mine integer", "DROP TABLE store.candle_day", "DROP VIEW candle",
        "TRUNCATE store.candle_day", "CREATE INDEX ON store.candle_day (present)", "DROP FUNCTION candle_at",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DELETE FROM schema_migration",
    ],
)  # fmt: skip
def test_nobody_but_the_owner_changes_the_structure(filled, role, statement):
    refused(filled, role, statement)


def test_everybody_else_has_nothing(postgres, market_template):
    """PUBLIC appears in no list of rights, nor in what holds where there is no list."""
    with psycopg.connect(postgres.dsn(market_template, "market_owner")) as connection:
        for query in (
            "SELECT oid::regclass::text FROM pg_class, aclexplode(relacl) a WHERE a.grantee = 0 AND relnamespace IN "
            "('public'::regnamespace, 'store'::regnamespace)",
            "SELECT oid::regprocedure::text FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a "
            "WHERE a.grantee = 0 AND pronamespace IN ('public'::regnamespace, 'store'::regnamespace)",
            "SELECT nspname::text FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a "
            "WHERE a.grantee = 0 AND nspname IN ('public', 'store')",
            "SELECT datname::text FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a "
            "WHERE a.grantee = 0 AND datname = current_database()",
        ):
            assert connection.execute(query).fetchall() == [], query


def test_a_function_made_later_is_nobodys_by_default(module_market):
    with psycopg.connect(module_market.dsn("market_owner")) as connection:
        connection.execute("CREATE FUNCTION store.later() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        [acl] = connection.execute("SELECT proacl::text FROM pg_proc WHERE proname = 'later'").fetchone()
        connection.rollback()
    assert "market_reader=X" in acl and not acl.startswith("{=") and ",=" not in acl
