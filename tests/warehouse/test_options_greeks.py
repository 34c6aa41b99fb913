"""The greeks of a chain: the view's own text over a chain that is made here."""

from __future__ import annotations

import math
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from deribit_warehouse.warehouse.sql import FOLDER

GREEKS = ("delta", "gamma", "vega", "theta", "rho")
TS = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """What the view asks of a row of options_chain; validation_id last, as the chain has it."""

    currency: str = "BTC"
    expires_at: datetime = TS + timedelta(days=30)
    ts: datetime = TS
    instrument: str = "BTC-31JAN26-90000-C"
    option_type: str = "call"
    strike: float = 90_000.0
    underlying_price: float = 88_000.0
    underlying: str = "SYN.BTC-31JAN26"
    mark_price: float = 0.045
    mark_iv: float | None = 50.0
    bid_price: float | None = 0.04
    ask_price: float | None = 0.05
    open_interest: float = 12.5
    settlement: str = "BTC"
    base_currency: str = "BTC"
    beat: datetime = TS
    series: str = "BTC-31JAN26"
    validation_id: int = 7


CHAIN = """
    CREATE SCHEMA made;
    SET LOCAL search_path TO made, public;
    CREATE TABLE chain (
        currency text, expires_at timestamptz, ts timestamptz, instrument text, option_type text, strike float8,
        underlying_price float8, underlying text, mark_price float8, mark_iv float8, bid_price float8, ask_price float8,
        open_interest float8, settlement text, base_currency text, beat timestamptz, series text, validation_id bigint);
    CREATE VIEW options_chain AS SELECT * FROM chain;
    CREATE FUNCTION chain_at(currency text, at timestamptz, as_of timestamptz DEFAULT NULL) RETURNS SETOF options_chain
    LANGUAGE sql STABLE AS $$
        SELECT c.* FROM options_chain c WHERE c.currency = chain_at.currency
        ORDER BY c.expires_at, c.series, c.strike, c.option_type $$;
"""


@pytest.fixture
def chain(module_market):
    """The view over a chain of its own, in a schema and a transaction that are gone afterwards."""
    with psycopg.connect(module_market.dsn("market_owner"), row_factory=psycopg.rows.dict_row) as connection:
        connection.execute(CHAIN)
        connection.execute((FOLDER / "views" / "18_options_greeks.sql").read_text())
        yield connection
        connection.rollback()


def greeks(chain: psycopg.Connection, *rows: Row) -> list[dict]:
    for row in rows:
        chain.execute(f"INSERT INTO chain VALUES ({', '.join(['%s'] * 18)})", astuple(row))
    return chain.execute("SELECT * FROM options_greeks").fetchall()


def black_76(chain: psycopg.Connection, row: Row, days: float, inverse: bool) -> dict:
    values = [row.option_type, row.strike, row.underlying_price, row.mark_iv, days, inverse]
    return chain.execute("SELECT * FROM black_76(%s, %s, %s, %s, %s, %s)", values).fetchone()


@pytest.mark.parametrize("option_type", ["call", "put"])
def test_a_rows_greeks_are_those_of_what_stands_in_it(chain, option_type):
    row = Row(option_type=option_type)
    [found] = greeks(chain, row)
    assert found["days_to_expiry"] == 30
    calculated = black_76(chain, row, 30.0, True)
    told = {name: value for name, value in asdict(row).items() if name != "series"}
    for name, value in (told | {name: calculated[name] for name in GREEKS}).items():
        assert found[name] == value, name


def test_what_settles_in_its_coin_is_priced_in_it_and_a_linear_one_in_usdc(chain):
    row = Row()
    linear = replace(row, currency="USDC", instrument="BTC_USDC-31JAN26-90000-C", settlement="USDC")
    in_coin, in_usdc = (black_76(chain, row, 30.0, inverse)["price"] for inverse in (True, False))
    found = greeks(chain, replace(row, bid_price=in_coin), replace(linear, bid_price=in_usdc))
    assert [each["bid_iv"] for each in found] == pytest.approx([50, 50], rel=1e-9)
    assert found[0]["delta"] == found[1]["delta"]


def test_bid_and_ask_have_volatilities_of_their_own(chain):
    [found] = greeks(chain, Row())
    assert 0 < found["bid_iv"] < found["ask_iv"] < math.inf
    assert found["bid_iv"] < 50 < found["ask_iv"]


def test_what_is_not_known_is_not_calculated(chain):
    nobody, unmarked, expired = greeks(
        chain, Row(bid_price=None, ask_price=0.0), Row(mark_iv=None), Row(expires_at=TS - timedelta(hours=1))
    )
    assert (nobody["bid_iv"], nobody["ask_iv"]) == (None, None) and nobody["delta"] > 0
    assert {unmarked[name] for name in GREEKS} == {None}
    assert unmarked["bid_iv"] > 0
    assert {expired[name] for name in (*GREEKS, "bid_iv", "ask_iv")} == {None}
    assert expired["days_to_expiry"] == -1 / 24


def test_the_volatilities_are_worked_out_only_where_they_are_asked_for(chain):
    def plan(columns: str) -> str:
        lines = chain.execute(f"EXPLAIN (VERBOSE) SELECT {columns} FROM options_greeks").fetchall()
        return "\n".join(line["QUERY PLAN"] for line in lines)

    assert "newton" in plan("bid_iv") and "newton" not in plan("instrument, delta, gamma, vega, theta, rho")
    assert "Function Scan" not in plan("*")


def test_the_chain_at_a_moment_is_by_expiry_and_strike(chain):
    rows = [
        Row(currency=currency, expires_at=TS + timedelta(days=days), option_type=option_type, strike=strike)
        for currency in ("ETH", "BTC") for days in (60, 30) for option_type in ("put", "call") for strike in (9e4, 8e4)
    ]  # fmt: skip
    greeks(chain, *rows)
    found = chain.execute("SELECT * FROM greeks_at('BTC', now())").fetchall()
    order = [(each["expires_at"], each["strike"], each["option_type"]) for each in found]
    assert len(order) == 8 and order == sorted(order)
    assert {each["currency"] for each in found} == {"BTC"} and all(each["delta"] for each in found)
