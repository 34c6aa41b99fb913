"""The listing calendar and the rows of the catalogue."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from exchange_simulator.listings import DAY, NEVER, expiry_of
from exchange_simulator.market import Market
from exchange_simulator.quotes import book_summaries
from exchange_simulator.traits import Traits

NOW = 1_789_939_037_426


def test_every_name_is_unique_and_says_when_it_expires(market):
    listings = market.listings()
    assert len({listing.name for listing in listings}) == len(listings)
    assert len({listing.number for listing in listings}) == len(listings)
    for listing in listings:
        if not listing.perpetual:
            assert listing.expires == expiry_of(listing.name)
            assert datetime.fromtimestamp(listing.expires / 1000, UTC).hour == 8
            assert listing.listed < listing.expires
            assert "-0" not in listing.name


def test_there_are_four_hundred_dated_futures_a_coin(market):
    coins = Counter(listing.coin for listing in market.listings() if not listing.perpetual)
    assert coins["BTC"] > 400 and coins["ETH"] > 400


def test_a_date_belongs_to_its_longest_class(market):
    ahead = {
        listing.name: round((listing.expires - listing.listed) / DAY)
        for listing in market.listings()
        if listing.coin == "BTC" and not listing.perpetual
    }
    assert ahead["BTC-25SEP26"] == 364
    assert ahead["BTC-30OCT26"] == 92
    assert ahead["BTC-2OCT26"] == 22
    assert ahead["BTC-21SEP26"] == 4
    assert ahead["BTC-14JUN19"] == 15


def test_perpetuals_never_expire(market):
    perpetuals = {listing.name for listing in market.listings() if listing.expires == NEVER}
    assert perpetuals == {"BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL"}
    assert NEVER == 32_503_708_800_000


@pytest.mark.recorded
def test_the_open_futures_and_their_row_are_those_of_the_recorded_day(market, recorded):
    real = json.loads((recorded / "responses" / "instruments_future.json").read_text())
    ours = {
        listing.name: listing.row(NOW)
        for listing in market.listings()
        if listing.currency == "BTC" and listing.expires > NOW
    }
    assert set(ours) == {row["instrument_name"] for row in real}
    for row in real:
        mine = ours[row["instrument_name"]]
        assert list(mine) == list(row)
        assert {name: type(value) for name, value in mine.items()} == {name: type(row[name]) for name in row}
        for name in ("expiration_timestamp", "tick_size", "contract_size", "settlement_period", "kind", "state"):
            assert mine[name] == row[name], (row["instrument_name"], name)
        assert abs(mine["creation_timestamp"] - row["creation_timestamp"]) < 60_000


@pytest.mark.recorded
def test_the_history_host_tells_an_expired_future_in_the_fields_of_the_recorded_row(market, recorded):
    real = json.loads((recorded / "responses" / "history_host_instrument_2016.json").read_text())
    mine = market.listing("BTC-27MAR20").history_row(NOW)
    assert list(mine) == list(real)
    assert {name: type(value) for name, value in mine.items()} == {name: type(real[name]) for name in real}


def test_options_are_a_ladder_around_the_index(market):
    chains = market.option_chains()
    for chain in chains[:: len(chains) // 40]:
        index = float(market.index(chain.coin, chain.listed)[0])
        assert chain.strikes[0] < index < chain.strikes[-1]
        assert list(chain.strikes) == sorted(set(chain.strikes))
        assert orjson.loads(b"[" + chain.rows_json(NOW) + b"]") == chain.rows(NOW)
        archived = chain.rows(NOW, history=True)
        assert orjson.loads(b"[" + chain.rows_json(NOW, history=True) + b"]") == archived
        assert not {"instrument_type", "state", "max_leverage", "underlying_type"} & set(archived[0])
    assert 60_000 < sum(2 * len(chain.strikes) for chain in chains) < 120_000


@pytest.fixture(scope="module")
def world() -> Market:
    return Market(now_ms=NOW, since_ms=NOW - 60 * DAY, traits=Traits(linear_world=True, linear_options=True))


def test_options_on_linear_futures_settle_in_usdc(world):
    """Their strikes are where their coin is, of a cheap one in parts of a USD, as XRP_USDC-21SEP26-1d25-C has it."""
    chains = [chain for chain in world.option_chains() if chain.currency == "USDC"]
    assert {chain.coin for chain in chains} >= {"BTC", "ETH", "SOL", "XRP"}
    for chain in chains:
        rows = chain.rows(NOW)
        assert {(row["settlement_currency"], row["quote_currency"], row["base_currency"]) for row in rows} == {
            ("USDC", "USDC", chain.coin)
        }
        assert orjson.loads(b"[" + chain.rows_json(NOW) + b"]") == rows
        for row in rows:
            assert float(row["instrument_name"].split("-")[2].replace("d", ".")) == row["strike"]
        index = float(world.index(chain.coin, chain.listed)[0])
        assert chain.usd(chain.strikes[0]) < index < chain.usd(chain.strikes[-1])
    assert any("d" in name for chain in chains for name, _, _ in chain.names())


def test_a_linear_option_is_priced_in_usdc_on_its_future(world):
    rows = {row["instrument_name"]: row for row in book_summaries(world, "USDC", "option")}
    by_future = {row["instrument_name"]: row["mark_price"] for row in book_summaries(world, "USDC", "future")}
    assert len(rows) > 500
    for name, call in rows.items():
        if name.endswith("-C"):
            put, strike = rows[name[:-1] + "P"], float(name.split("-")[2].replace("d", "."))
            forward = call["underlying_price"]
            assert call["mark_price"] - put["mark_price"] == pytest.approx(forward - strike, abs=2e-4 + 1e-6 * forward)
            assert forward == pytest.approx(by_future[call["underlying_index"]], rel=1e-3)
            assert call["mark_iv"] == put["mark_iv"], "one surface"
