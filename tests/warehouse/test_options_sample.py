"""The chain against the tickers of a sample: everybody's turn comes, what is true agrees, and what is not is named."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.datasets import OPTIONS_CHAIN, options_chain
from deribit_warehouse.exchange.tickers import GREEKS, INPUTS
from deribit_warehouse.warehouse import snapshots
from deribit_warehouse.warehouse.ingestion import Ingested
from deribit_warehouse.warehouse.snapshots import turn
from tests.warehouse.days import Warehouse, truncate
from tests.warehouse.test_options_chain import BEAT, NOON, publish, seen, take, told

SERIES = "BTC-28MAR25"
STRIKES = (70_000, 80_000, 88_000, 90_000, 100_000, 120_000)


@given(
    st.sets(st.text("ABC-012", min_size=1, max_size=6), max_size=90), st.integers(1, 30), st.integers(0, 10**7),
    st.sampled_from([60, 300, 3600]),
)  # fmt: skip
def test_everybodys_turn_comes(names, most, number, seconds):
    """Whatever beat one begins with, after ceil(n / most) of them every option was asked, and no beat asks for more."""
    beats = -(-len(names) // most)
    turns = [
        turn(list(names), datetime.fromtimestamp((number + n) * seconds, UTC), seconds, most) for n in range(beats)
    ]
    assert sorted(name for each in turns for name in each) == sorted(names), "each once"
    assert all(len(each) <= most for each in turns)
    beat = datetime.fromtimestamp(number * seconds, UTC)
    assert turn(sorted(names, reverse=True), beat, seconds, most) == turn(sorted(names), beat, seconds, most)


def option(strike: int, side: str = "C", iv: float = 43.23, price: float = 0.05, told_at: datetime = NOON) -> dict:
    return told(f"{SERIES}-{strike}-{side}", told_at, mark_iv=iv, mark_price=price)


def ticker(warehouse: Warehouse, row: dict, **changed) -> dict:
    """What the exchange would say of a row two seconds later: the greeks of what it marks it at, but for `changed`."""
    now = row["creation_timestamp"] + 2000
    inputs = {name: row[name] for name in INPUTS}
    kind = {"C": "call", "P": "put"}[row["instrument_name"][-1]]
    strike = float(row["instrument_name"].split("-")[2])
    days = (datetime(2025, 3, 28, 8, tzinfo=UTC) - datetime.fromtimestamp(now / 1000, UTC)) / timedelta(days=1)
    [greeks] = warehouse.rows(
        f"SELECT {', '.join(GREEKS)} FROM black_76(%s, %s, %s, %s, %s, true)",
        kind, strike, row["underlying_price"], row["mark_iv"], days,
    )  # fmt: skip
    said = dict(zip(GREEKS, (round(each, 5) for each in greeks), strict=True))
    greeks_changed = {name: changed.pop(name) for name in GREEKS if name in changed}
    return {"instrument_name": row["instrument_name"], "timestamp": now, **inputs, **changed} | {
        "greeks": said | greeks_changed
    }


def sampled(warehouse: Warehouse, rows: list[dict], **changed: dict) -> dict:
    """The profile's row of a chain of one expiry that was sampled; changed: by a name what its ticker says instead."""
    tickers = {
        row["instrument_name"]: ticker(warehouse, row, **changed.get(row["instrument_name"], {})) for row in rows
    }
    assert take(warehouse, rows, tickers=tickers) == Ingested(added=1)
    return seen(warehouse)[SERIES]


def test_a_true_chain_agrees_and_says_with_what(warehouse):
    rows = [option(strike, side) for strike in STRIKES for side in "CP"]
    row = sampled(warehouse, rows)
    assert (row["sampled"], row["chain_apart"], row["greeks_apart"]) == (1, None, None)
    publish(warehouse)
    found = warehouse.rows(
        "SELECT s.currency, s.beat, s.instrument, s.ticker_ts - s.ts, s.ticker_mark_iv::real, s.ticker_vega - s.vega, "
        "s.delta - g.delta, s.chain_apart "
        "FROM options_sample s JOIN options_greeks g USING (currency, beat, instrument)"
    )
    assert len(found) == len(rows)
    for currency, beat, _, apart, iv, vega, delta, differs in found:
        assert (currency, beat, apart, iv, differs) == ("BTC", NOON, timedelta(seconds=2), 43.23, None)
        assert abs(vega) < 1e-3 and delta == 0, "the chain's own greeks"


NAME = f"{SERIES}-90000-C"


@pytest.mark.parametrize(
    ("changed", "column", "said"),
    [
        ({"vega": 0.48, "delta": 83.0}, "greeks_apart", "delta 83, calculated 0.4"),
        ({"gamma": 0.5}, "greeks_apart", "gamma 0.5, calculated "),
        ({"vega": -13.4}, "greeks_apart", "vega -13.4, calculated "),
        ({"theta": 0.0}, "greeks_apart", "theta 0, calculated -"),
        ({"rho": 0.0}, "greeks_apart", "rho 0, calculated "),
        ({"mark_iv": 71.5}, "chain_apart", "volatility 43.23, ticker 71.5"),
        ({"underlying_price": 3300.0}, "chain_apart", "underlying 88728.94666667, ticker 3300"),
        ({"mark_price": 0.085}, "chain_apart", "mark 0.05, ticker 0.085"),
        ({"delta": -0.5}, "chain_apart", "delta 0.4"),
        ({"vega": 0.48}, "chain_apart", "vega "),
    ],
)
def test_what_was_swapped_is_named(warehouse, changed, column, said):
    row = sampled(warehouse, [option(strike) for strike in STRIKES], **{NAME: changed})
    assert row[column].startswith(f"{NAME}: {said}") and ";" not in row[column], "that one alone"


def test_another_coins_volatilities_are_named(warehouse):
    """The chain's are those of another coin, whose tickers are true."""
    rows = [option(strike) for strike in STRIKES]
    tickers = {row["instrument_name"]: ticker(warehouse, row) for row in rows}
    take(warehouse, [row | {"mark_iv": 71.5} for row in rows], tickers=tickers)
    row = seen(warehouse)[SERIES]
    assert row["chain_apart"].count("volatility 71.5, ticker 43.23") == 5 and "and 1 more" in row["chain_apart"]
    assert row["greeks_apart"] is None
    assert publish(warehouse) == 1


def test_moments_that_are_far_apart_are_not_compared(warehouse):
    rows = [option(strike) for strike in STRIKES]
    later = {row["instrument_name"]: {"timestamp": row["creation_timestamp"] + 61_000, "mark_iv": 90.0} for row in rows}
    assert sampled(warehouse, rows, **later)["chain_apart"] is None


def test_a_ticker_that_does_not_answer_costs_nothing_but_itself(warehouse):
    rows = [option(strike) for strike in STRIKES]
    tickers = {row["instrument_name"]: ticker(warehouse, row) for row in rows[:2]}
    tickers[rows[2]["instrument_name"]] = {"instrument_name": "ETH-28MAR25-1-C"}
    assert take(warehouse, rows, tickers=tickers) == Ingested(added=1)
    row = seen(warehouse)[SERIES]
    assert (row["sampled"], row["chain_apart"]) == (2 / 6, None)
    assert publish(warehouse) == 1
    assert warehouse.value("SELECT count(*) FROM options_sample") == 2


def test_where_no_ticker_answers_that_is_said_once_a_currency(warehouse):
    rows = [told(f"BTC-{day}MAR25-80000-C") for day in (14, 21, 28)]
    take(warehouse, rows)
    found = seen(warehouse)
    assert {series: row["sampled"] for series, row in found.items()} == {
        "BTC-14MAR25": 0, "BTC-21MAR25": None, "BTC-28MAR25": None
    }  # fmt: skip
    assert warehouse.rows("SELECT asked, places, tickers FROM store.option_sample") == [(3, [], [])]
    publish(warehouse)
    assert warehouse.rows("SELECT * FROM options_sample") == []


def test_what_is_stored_already_is_not_sampled_again(warehouse):
    rows = [option(strike) for strike in STRIKES]
    sampled(warehouse, rows)
    written = warehouse.rows("SELECT ctid, xmin, * FROM store.option_sample")
    assert take(warehouse, rows) == Ingested(unchanged=1)
    assert warehouse.rows("SELECT ctid, xmin, * FROM store.option_sample") == written


def test_asking_ends_when_its_time_is_over(warehouse, monkeypatch):
    monkeypatch.setattr(options_chain, "SAMPLE_SECONDS", -1)
    assert sampled(warehouse, [option(strike) for strike in STRIKES])["sampled"] == 0


def test_a_sample_goes_with_its_snapshot(warehouse):
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    for n in range(3):
        rows = [option(strike, told_at=base + n * BEAT) for strike in STRIKES]
        take(warehouse, rows)
    publish(warehouse)
    assert warehouse.value("SELECT count(*) FROM store.option_sample") == 3
    assert snapshots.thin(warehouse.connection, OPTIONS_CHAIN, base + timedelta(hours=1)) == 2
    assert warehouse.rows("SELECT beat FROM store.option_sample") == [(base,)]


def test_a_sample_takes_a_kilobyte(warehouse, market):
    """With its index; names and numbers as the exchange has them."""
    truncate(market, "option_sample")
    names = [f"BTC-{day}25-{strike}-{side}" for day in ("14MAR", "25APR", "27JUN", "26SEP")
             for strike in range(60_000, 125_000, 1000) for side in "CP"]  # fmt: skip
    rows = [told(name, mark_iv=40 + n * 0.07, mark_price=round(0.2 / (n + 1), 4)) for n, name in enumerate(names)]
    for n in range(100):
        at = NOON + n * BEAT
        now = [row | {"creation_timestamp": round(at.timestamp() * 1000)} for row in rows]
        greeks = {"delta": 0.41234, "gamma": 0.00002, "vega": 83.01234, "theta": -41.98765, "rho": 19.87654}
        tickers = {
            row["instrument_name"]: row | {"timestamp": row["creation_timestamp"] + 317 * (k % 20), "greeks": {
                name: round(value * (1 + k / 97), 5) for name, value in greeks.items()}}
            for k, row in enumerate(now)
        }  # fmt: skip
        take(warehouse, now, tickers=tickers)
    assert warehouse.value("SELECT min(cardinality(places)) FROM store.option_sample") == 20
    [row, index] = (
        warehouse.value(f"SELECT pg_relation_size('store.{name}')") / 100
        for name in ("option_sample", "option_sample_pkey")
    )
    print(f"{row:.0f} bytes a sample, and {index:.0f} of index")
    assert row <= 1100


@pytest.mark.recorded
def test_every_recorded_ticker_agrees(warehouse, recorded, monkeypatch):
    """976 tickers of one moment, as a chain and as its sample: no true snapshot is warned of. The XRP and BTC ones of
    2026, too."""
    monkeypatch.setattr(options_chain, "SAMPLE", 2000)
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,USDC")
    with (recorded / "option_tickers_btc_20210211.csv").open() as file:
        rows = [
            row | {name: float(row[name]) for name in (*INPUTS, "index_price")}
            | {"timestamp": int(row["timestamp"]), "greeks": {name: float(row[f"greeks.{name}"]) for name in GREEKS}}
            for row in csv.DictReader(file)
        ]  # fmt: skip
    told_of = list({row["instrument_name"]: row for row in reversed(rows)}.values())
    recent = list(json.loads((recorded / "responses" / "option_tickers_sample.json").read_text()).values())
    for currency, tickers in {
        "BTC": told_of,
        "USDC": [each for each in recent if "_USDC" in each["instrument_name"]],
    }.items():
        rows = [
            told(each["instrument_name"], creation_timestamp=each["timestamp"],
                 estimated_delivery_price=each["index_price"], **{name: each[name] for name in INPUTS})
            for each in tickers
        ]  # fmt: skip
        take(warehouse, rows, currency, {each["instrument_name"]: each for each in tickers})
    found = seen(warehouse)
    apart = {(row["chain_apart"], row["greeks_apart"]) for row in found.values()}
    assert apart == {(None, None)}
    assert {row["sampled"] for row in found.values()} == {1, None}
    validated = warehouse.validate(OPTIONS_CHAIN, NOON, NOON)
    assert validated.published == validated.rows == len(found)
    assert warehouse.value("SELECT count(*) FROM options_sample") == len(told_of) + 1 > 480
    # and so say the greeks of the view: the exchange's own, to what the acceptance asks
    calculated = {
        name: greeks
        for name, *greeks in warehouse.rows("SELECT instrument, delta, vega, theta, rho FROM options_greeks")
    }
    assert calculated.keys() >= {each["instrument_name"] for each in told_of}
    for each in told_of:
        delta, vega, theta, rho = calculated[each["instrument_name"]]
        said = each["greeks"]
        assert abs(delta - said["delta"]) <= 1e-4, each["instrument_name"]
        for name, value, bound in (("vega", vega, 0.002), ("theta", theta, 0.025), ("rho", rho, 0.001)):
            assert abs(said[name]) < 1 or abs(value / said[name] - 1) <= bound, (each["instrument_name"], name)
