"""The basis: every number of the view against plain arithmetic on the arrays that went in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD, INDEX_PRICES
from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse.completion import term_structure
from deribit_warehouse.warehouse.day_arrays import fresh_minutes
from deribit_warehouse.warehouse.index import store_chart
from deribit_warehouse.warehouse.ingestion import Provenance
from tests.warehouse.days import FIRST, HOST, Candles, Warehouse, at, basis_profile, minutes, ms, trading

END = FIRST + timedelta(days=3)
NEAR = at(FIRST + timedelta(days=2), 480)


def compute(warehouse: Warehouse, begins=FIRST, ends=END) -> list[dict]:
    warehouse.compute(BASIS_SPREAD, begins, ends)
    with warehouse.connection.transaction():
        return basis_profile(warehouse.connection, begins=begins, ends=ends).to_dict("records")


def publish(warehouse: Warehouse, *, passed=True) -> int:
    return warehouse.decide(BASIS_SPREAD, passed=passed)


def pending(warehouse: Warehouse) -> int:
    return warehouse.pending(BASIS_SPREAD)


def add(warehouse: Warehouse, name: str, listed: datetime, expires: datetime | None, candles: Candles, **kind) -> int:
    instrument_id = warehouse.instrument(name, listed, expires, **kind)
    warehouse.candles(instrument_id, candles)
    warehouse.publish(instrument_id)
    return instrument_id


@pytest.fixture
def pair(warehouse):
    """A future that lives two days and a perpetual born later than it: their ids and candles."""
    future = trading(at(FIRST, 200), NEAR, seed=1, level=50_200.0).without(300, slice(2000, 2004))
    perpetual = trading(at(FIRST, 500), at(FIRST, 4320), seed=2).without(400, slice(1600, 1603))
    perpetual_id = add(warehouse, "BTC-PERPETUAL", at(FIRST, 500), None, perpetual)
    future_id = add(warehouse, "BTC-3MAR25", at(FIRST, 200), NEAR, future)
    return future_id, future, perpetual_id, perpetual


def index(warehouse: Warehouse, perpetual_id: int, minutes: dict[int, float], hours: dict[int, float]) -> None:
    """Publishes an index of the charted minutes (by their end) and the hours (1..72) given."""
    points = np.array([ms(at(FIRST, minute)) for minute in minutes])
    with warehouse.connection.transaction():
        store_chart(
            warehouse.connection, points, np.array(list(minutes.values())), Provenance("i", "btc_usd", HOST, "r")
        )
    columns = np.zeros((4, len(hours)))
    columns[2] = list(hours.values())
    warehouse.funding(perpetual_id, [at(FIRST, 60 * k) for k in hours], columns)
    warehouse.publish_funding(perpetual_id)
    warehouse.compute(INDEX_PRICES, FIRST, END)
    warehouse.decide(INDEX_PRICES)


def close_at(candles: Candles, minute: int) -> float | None:
    i = minute - (candles.start - ms(at(FIRST))) // 60_000
    return float(candles.close[i]) if 0 <= i < len(candles.present) and candles.present[i] else None


def oracle(future: Candles, perpetual: Candles, expires: datetime, true: dict[int, float]) -> dict[datetime, tuple]:
    """Every minute of the future: (future, perpetual, basis, fraction, days, annualised, structure, index, index basis,
    index fraction, index annualised). true: the known index by the minute's end."""
    rows = {}
    first = (future.start - ms(at(FIRST))) // 60_000
    born = (perpetual.start - ms(at(FIRST))) // 60_000
    for minute in range(max(first, born), first + len(future.present)):
        f, p, x = close_at(future, minute), close_at(perpetual, minute), true.get(minute + 1)
        days = (expires - at(FIRST, minute + 1)).total_seconds() / 86_400

        def against(reference, f=f, days=days):
            if f is None or reference is None:
                return None, None, None
            fraction = (f - reference) / reference
            return f - reference, fraction, fraction * 365 / days if days >= 1 else None

        basis, fraction, annualised = against(p)
        structure = None if basis is None else "contango" if basis > 0 else "backwardation" if basis < 0 else "flat"
        rows[at(FIRST, minute)] = (f, p, basis, fraction, days, annualised, structure, x, *against(x))
    return rows


def fresh_in(candles: Candles) -> list[datetime]:
    return [ts for ts, fresh in zip(minutes(candles), fresh_minutes(candles), strict=True) if fresh]


VIEW = (
    "ts, future_close, perpetual_close, basis, basis_fraction, days_to_expiry, annualised, structure, "
    "index_price, index_basis, index_basis_fraction, index_annualised"
)


def assert_close(found: list[tuple], wanted: dict[datetime, tuple]) -> None:
    assert [row[0] for row in found] == list(wanted)
    for ts, *row in found:
        for got, want in zip(row, wanted[ts], strict=True):
            if isinstance(want, float):
                assert got is not None and math.isclose(got, want, rel_tol=1e-12, abs_tol=1e-12), (ts, row, wanted[ts])
            else:
                assert got == want, (ts, row, wanted[ts])


def test_every_minute_is_what_arithmetic_says(warehouse, pair):
    _future_id, future, perpetual_id, perpetual = pair
    charted = {minute: 50_000.0 + minute for minute in (501, 660, 1440, 1441, 2003, 2500)}
    hours = {k: 49_900.0 + k for k in range(9, 72) if k != 24}
    index(warehouse, perpetual_id, charted, hours)
    assert pending(warehouse) == 3
    compute(warehouse)
    assert warehouse.value("SELECT count(*) FROM basis_spread") == 0, "nothing is shown before it is validated"
    assert publish(warehouse) == 3
    assert pending(warehouse) == 0
    wanted = oracle(future, perpetual, NEAR, charted | {60 * k: price for k, price in hours.items()})
    assert_close(warehouse.rows(f"SELECT {VIEW} FROM basis_spread WHERE instrument = 'BTC-3MAR25' ORDER BY ts"), wanted)
    traded = warehouse.rows("SELECT ts, traded FROM basis_spread ORDER BY ts")
    volumes = [v > 0 if there else None for v, there in zip(future.volume, future.present, strict=True)]
    assert [t for _, t in traded] == volumes[300:], "from the perpetual's birth on"
    assert warehouse.rows("SELECT DISTINCT coin, perpetual, expires_at FROM basis_spread") == [
        ("BTC", "BTC-PERPETUAL", NEAR)
    ]


def test_a_perpetuals_first_day_counts_from_its_first_candle(warehouse):
    """BTC's and ETH's perpetuals were listed among futures that were older, and traded later: what lies between the
    listing and the first candle is no minute that a basis is missing of, whatever the futures have."""
    perpetual = trading(at(FIRST, 100), at(FIRST, 2880), seed=2).without(slice(0, 400), 650, slice(1340, 1350))
    add(warehouse, "BTC-PERPETUAL", at(FIRST, 100), None, perpetual)
    add(warehouse, "BTC-28MAR25", at("2025-02-01"), at("2025-03-28", 480), trading(at(FIRST), at(FIRST, 2880), seed=3))
    first, second = compute(warehouse, ends=FIRST + timedelta(days=2))
    counts = ("expected_minutes", "future_minutes", "basis_minutes", "missing_basis_minutes")
    assert [first[column] for column in counts] == [940, 940, 939, 1], "from 08:20 on, without a hole after it"
    assert [second[column] for column in counts] == [1440, 1440, 1430, 10], "a hole at midnight is one"
    publish(warehouse)
    shown = "SELECT min(ts), count(*), count(basis) FROM basis_spread WHERE day = %s"
    assert warehouse.rows(shown, FIRST) == [(at(FIRST, 500), 940, 939)]
    assert warehouse.rows(shown, FIRST + timedelta(days=1)) == [(at(FIRST, 1440), 1440, 1430)]


def test_signs_have_names(warehouse):
    flat = trading(at(FIRST), at(FIRST, 1440))
    add(warehouse, "BTC-PERPETUAL", at(FIRST), None, flat)
    moved = flat.but(close=flat.close + np.resize([1.0, 0.0, -1.0], 1440))
    add(warehouse, "BTC-28MAR25", at(FIRST), at("2025-03-28", 480), moved)
    compute(warehouse)
    publish(warehouse)
    names = [name for (name,) in warehouse.rows("SELECT structure FROM basis_spread ORDER BY ts")]
    assert names == ["contango", "flat", "backwardation"] * 480


def test_the_profile_sums_up_what_the_oracle_says(warehouse, pair):
    future_id, future, _perpetual_id, perpetual = pair
    wanted = oracle(future, perpetual, NEAR, {})
    minutes_fresh = set(fresh_in(future)) & set(fresh_in(perpetual))
    rows = compute(warehouse)
    assert [(r["instrument"], r["instrument_id"]) for r in rows] == [("BTC-3MAR25", future_id)] * 3
    for row in rows:
        of_day = [values for ts, values in wanted.items() if ts.date() == row["day"]]
        there = [m for m in of_day if m[0] is not None]
        based = [m for m in there if m[2] is not None]
        fresh = [wanted[ts] for ts in minutes_fresh if ts.date() == row["day"]]
        assert row["fresh_minutes"] == len(fresh) < len(based)
        assert row["expected_minutes"] == len(of_day)
        assert (row["future_minutes"], row["basis_minutes"]) == (len(there), len(based))
        assert (row["missing_basis_minutes"], row["not_finite_minutes"]) == (len(there) - len(based), 0)
        assert math.isclose(row["largest_fraction"], max(abs(m[3]) for m in fresh), rel_tol=1e-12)
        annualised = [abs(m[5]) for m in fresh if m[5] is not None]
        if annualised:
            assert math.isclose(row["largest_annualised"], max(annualised), rel_tol=1e-12)
        else:
            assert row["largest_annualised"] is None or math.isnan(row["largest_annualised"])


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_waived_perpetual_price_stops_nobody(warehouse, wrong):
    """A waiver publishes what a rule would hold back: one impossible price must not fail the statement for the rest."""
    perpetual = trading(at(FIRST), at(FIRST, 1440), seed=2)
    add(warehouse, "BTC-PERPETUAL", at(FIRST), None, perpetual.setting(700, close=wrong))
    future = trading(at(FIRST), at(FIRST, 1440), seed=3)
    add(warehouse, "BTC-28MAR25", at(FIRST), at("2025-03-28", 480), future)
    [row] = compute(warehouse)
    assert (row["not_finite_minutes"], row["basis_minutes"], row["missing_basis_minutes"]) == (1, 1440, 0)
    publish(warehouse)
    assert (
        warehouse.value("SELECT count(basis_fraction) FROM basis_spread WHERE basis_fraction BETWEEN -1 AND 1") == 1439
    )


def test_a_republished_input_leaves_the_pair_in_view_until_it_is_published_again(warehouse, pair):
    future_id, future, perpetual_id, perpetual = pair
    compute(warehouse)
    publish(warehouse)
    for instrument_id, candles in ((future_id, future), (perpetual_id, perpetual)):
        changed = candles.but(close=candles.close + 1, high=candles.high + 1).cut(at(FIRST, 1440), at(FIRST, 2880))
        warehouse.candles(instrument_id, changed)
        assert pending(warehouse) == 0
        assert warehouse.value("SELECT count(DISTINCT day) FROM basis_spread") == 3, (
            "what nobody validated changes nothing"
        )
        warehouse.publish(instrument_id)
        assert pending(warehouse) == 1
        before = warehouse.rows("SELECT * FROM basis_spread ORDER BY ts")
        compute(warehouse)
        assert warehouse.rows("SELECT * FROM basis_spread ORDER BY ts") == before
        assert publish(warehouse) == 1
        assert pending(warehouse) == 0
        assert warehouse.value("SELECT count(DISTINCT day) FROM basis_spread") == 3


def test_an_input_taken_back_hides_the_pair(warehouse, pair):
    compute(warehouse)
    publish(warehouse)
    [version] = [v for v in warehouse.newest(pair[2]) if v[1] == FIRST]
    warehouse.hold(CANDLE_DAY, [version])
    assert warehouse.value("SELECT min(day) FROM basis_spread") == FIRST + timedelta(days=1)
    assert warehouse.rows("SELECT * FROM basis('BTC-3MAR25', %s, %s)", at(FIRST), at(FIRST, 1440)) == []
    assert pending(warehouse) == 0, "there is nothing to compute it from"
    shown = "SELECT published_minutes FROM coverage WHERE dataset = 'basis_spread' AND month = %s"
    left = warehouse.value("SELECT sum(minutes) FROM store.basis_day WHERE day > %s", FIRST)
    assert warehouse.value(shown, FIRST) == left > 0, "what is not shown is not counted"


def test_computing_and_judging_again_writes_nothing(warehouse, pair):
    compute(warehouse)
    publish(warehouse)
    written = warehouse.rows("SELECT xmin, * FROM store.basis_day")
    compute(warehouse)
    assert publish(warehouse) == 0
    assert warehouse.rows("SELECT xmin, * FROM store.basis_day") == written
    assert publish(warehouse, passed=False) == 3
    assert warehouse.value("SELECT count(*) FROM basis_spread") == 0
    assert pending(warehouse) == 0, "it was validated: it waits for other input"


def test_only_published_days_of_both_are_paired(warehouse):
    perpetual_id = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    future_id = warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    warehouse.candles(perpetual_id, trading(at(FIRST), at(FIRST, 2880)))
    warehouse.candles(future_id, trading(at(FIRST), at(FIRST, 1440)))
    assert compute(warehouse) == []
    warehouse.publish(future_id)
    assert (compute(warehouse), pending(warehouse)) == ([], 0)
    warehouse.publish(perpetual_id)
    assert pending(warehouse) == 1
    assert [row["day"] for row in compute(warehouse)] == [FIRST]
    assert compute(warehouse, END, END + timedelta(days=9)) == []


def test_a_future_is_paired_with_the_perpetual_of_its_coin_and_settlement(warehouse, market):
    day = at(FIRST), at(FIRST, 1440)
    levels = {"BTC-PERPETUAL": 50_000.0, "BTC_USDC-PERPETUAL": 51_000.0, "ETH-PERPETUAL": 2_000.0}
    kinds = {"BTC": {}, "BTC_USDC": {"quote": "USDC", "settlement": "USDC"}, "ETH": {"base": "ETH"}}
    for n, (prefix, kind) in enumerate(kinds.items()):
        add(
            warehouse,
            f"{prefix}-PERPETUAL",
            at(FIRST),
            None,
            trading(*day, seed=n, level=levels[f"{prefix}-PERPETUAL"]),
            **kind,
        )
        add(
            warehouse,
            f"{prefix}-28MAR25",
            at(FIRST),
            at("2025-03-28", 480),
            trading(*day, seed=n, level=3_000.0),
            **kind,
        )
    compute(warehouse)
    publish(warehouse)
    assert sorted(warehouse.rows("SELECT DISTINCT instrument, perpetual, coin FROM basis_spread")) == [
        ("BTC-28MAR25", "BTC-PERPETUAL", "BTC"), ("BTC_USDC-28MAR25", "BTC_USDC-PERPETUAL", "BTC"),
        ("ETH-28MAR25", "ETH-PERPETUAL", "ETH"),
    ]  # fmt: skip
    curves = [row["perpetual"] for row in term_structure(market.dsn("market_reader"))]
    assert curves == ["BTC-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH-PERPETUAL"]


# --- curves -----------------------------------------------------------------------------------------------------

TERMS = {"BTC-7MAR25": 6, "BTC-25APR25": 55, "BTC-27JUN25": 118, "BTC-26SEP25": 209, "BTC-2MAR25": 1}


@pytest.fixture
def curve(warehouse):
    """Five futures over one day with a minute missing here and there: expiry and candles by instrument."""
    perpetual = trading(at(FIRST), at(FIRST, 1440), seed=50)
    add(warehouse, "BTC-PERPETUAL", at("2024-01-01"), None, perpetual)
    futures = {}
    for n, (name, days) in enumerate(TERMS.items()):
        expires = at(FIRST + timedelta(days=days), 480)
        candles = trading(at(FIRST), at(FIRST, 1440), seed=n, level=50_000.0 * (1 + 0.0002 * days)).without(n * 100)
        add(warehouse, name, at("2024-02-01"), expires, candles)
        futures[name] = expires, candles
    compute(warehouse)
    publish(warehouse)
    return perpetual, futures


def in_zone(warehouse: Warehouse, zone: str) -> None:
    warehouse.connection.execute("SELECT set_config('timezone', %s, false)", (zone,))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_the_term_structure_at_an_instant_is_the_views_minute(warehouse, curve, zone):
    in_zone(warehouse, zone)
    for minute, seconds in [(0, 0), (0, 59.9), (100, 30), (719, 0), (1439, 59.999999)]:
        instant = at(FIRST, minute) + timedelta(seconds=seconds)
        found = warehouse.rows("SELECT * FROM term_structure_at('BTC', %s)", instant)
        viewed = warehouse.rows(
            "SELECT * FROM term_structure WHERE coin = 'BTC' AND ts = %s ORDER BY expires_at", at(FIRST, minute)
        )
        assert found == viewed
        assert [row[2] for row in found] == sorted(TERMS, key=TERMS.get)
    for minute in (-1, 1440):
        assert warehouse.rows("SELECT * FROM term_structure_at('BTC', %s)", at(FIRST, minute)) == []
    assert warehouse.rows("SELECT * FROM term_structure_at('ETH', %s)", at(FIRST)) == []


def test_the_basis_of_a_range_is_the_views(warehouse, pair):
    _, future, _, perpetual = pair
    compute(warehouse)
    publish(warehouse)
    wanted = oracle(future, perpetual, NEAR, {})
    for zone in ("UTC", "Asia/Kolkata"):
        in_zone(warehouse, zone)
        for begins, ends in [(0, 201), (1439, 1441), (3300, 9999), (700, 700)]:
            found = warehouse.rows(
                f"SELECT {VIEW} FROM basis('BTC-3MAR25', %s, %s)", at(FIRST, begins), at(FIRST, ends)
            )
            assert_close(found, {ts: v for ts, v in wanted.items() if at(FIRST, begins) <= ts < at(FIRST, ends)})
        within = timedelta(seconds=0.5)  # bounds inside a minute: it begins before the one and before the other
        found = warehouse.rows(
            f"SELECT {VIEW} FROM basis('BTC-3MAR25', %s, %s)", at(FIRST, 10) + within, at(FIRST, 1460) + within
        )
        assert_close(found, {ts: v for ts, v in wanted.items() if at(FIRST, 11) <= ts <= at(FIRST, 1460)})
        ordered = warehouse.rows("SELECT ts FROM basis('BTC-3MAR25', '-infinity', 'infinity')")
        assert ordered == sorted(ordered)
        everything = warehouse.rows(f"SELECT {VIEW} FROM basis('BTC-3MAR25', '-infinity', 'infinity')")
        assert_close(everything, wanted)
    assert warehouse.rows("SELECT * FROM basis('BTC-PERPETUAL', '-infinity', 'infinity')") == []


def test_constant_maturities_lie_on_the_line_between_their_neighbours(warehouse, curve):
    perpetual, futures = curve
    in_zone(warehouse, "Asia/Kolkata")
    found = {
        (ts.astimezone(UTC), tenor): row for ts, tenor, *row in warehouse.rows(
            "SELECT ts, tenor_days, annualised, near_instrument, far_instrument, traded "
            "FROM constant_maturity('BTC', %s, %s)",
            at(FIRST), at(FIRST, 1440),
        )
    }  # fmt: skip
    assert len(found) == 1440 * 3
    for minute in range(1440):
        points = []
        for name, (expires, candles) in futures.items():
            days = (expires - at(FIRST, minute + 1)).total_seconds() / 86_400
            if days >= 1 and candles.present[minute]:
                annualised = (candles.close[minute] - perpetual.close[minute]) / perpetual.close[minute] * 365 / days
                points.append((days, annualised, name, candles.volume[minute] > 0))
        points.sort()
        for tenor in (30, 90, 180):
            annualised, near, far, traded = found[at(FIRST, minute), tenor]
            below = [p for p in points if p[0] <= tenor]
            above = [p for p in points if p[0] >= tenor]
            assert (near, far) == (below[-1][2] if below else None, above[0][2] if above else None)
            if below and above:
                line = np.interp(tenor, [below[-1][0], above[0][0]], [below[-1][1], above[0][1]])
                assert math.isclose(annualised, line, rel_tol=1e-9)
                assert traded == (below[-1][3] and above[0][3])
            else:
                assert annualised is None


def test_a_tenor_at_an_expiry_is_that_future_and_outside_of_all_is_nothing(warehouse):
    day = at(FIRST), at(FIRST, 2)
    add(warehouse, "BTC-PERPETUAL", at(FIRST), None, trading(*day, seed=1))
    add(warehouse, "BTC-A", at(FIRST), at(FIRST + timedelta(days=20)), trading(*day, seed=2, level=50_300.0))
    add(warehouse, "BTC-B", at(FIRST), at(FIRST + timedelta(days=30), 1), trading(*day, seed=3, level=50_500.0))
    compute(warehouse)
    publish(warehouse)
    rows = warehouse.rows(
        "SELECT tenor_days, annualised, near_instrument, far_instrument FROM constant_maturity('BTC', %s, %s)", *day
    )
    exact = "SELECT annualised FROM basis_spread WHERE instrument = 'BTC-B' AND ts = %s"
    nowhere = [(90, None, "BTC-B", None), (180, None, "BTC-B", None)]
    assert rows[:3] == [(30, warehouse.value(exact, at(FIRST)), "BTC-B", "BTC-B"), *nowhere]
    assert rows[3:] == [(30, None, "BTC-B", None), *nowhere], "a minute later it is nearer than thirty days"


def test_curves_against_different_perpetuals_are_not_joined(warehouse):
    day = at(FIRST), at(FIRST, 1)
    usdc = {"quote": "USDC", "settlement": "USDC"}
    add(warehouse, "BTC-PERPETUAL", at(FIRST), None, trading(*day, seed=1))
    add(warehouse, "BTC_USDC-PERPETUAL", at(FIRST), None, trading(*day, seed=1), **usdc)
    add(warehouse, "BTC-A", at(FIRST), at(FIRST + timedelta(days=20)), trading(*day, seed=2))
    add(warehouse, "BTC_USDC-B", at(FIRST), at(FIRST + timedelta(days=40)), trading(*day, seed=3), **usdc)
    compute(warehouse)
    publish(warehouse)
    rows = warehouse.rows(
        "SELECT perpetual, near_instrument, far_instrument, annualised FROM constant_maturity('BTC', %s, %s) "
        "WHERE tenor_days = 30 ORDER BY 1",
        *day,
    )
    assert rows == [("BTC-PERPETUAL", "BTC-A", None, None), ("BTC_USDC-PERPETUAL", None, "BTC_USDC-B", None)]
    one = "SELECT DISTINCT perpetual, near_instrument FROM constant_maturity('BTC', %s, %s, 'BTC-PERPETUAL')"
    assert warehouse.rows(one + " WHERE tenor_days = 30", *day) == [("BTC-PERPETUAL", "BTC-A")]


def test_the_last_term_structure_is_of_the_last_published_minute(warehouse, curve, market):
    rows = term_structure(market.dsn("market_reader"))
    assert [(row["instrument"], row["ts"].astimezone(UTC)) for row in rows] == [
        (name, at(FIRST, 1439)) for name in sorted(TERMS, key=TERMS.get)
    ]
    viewed = warehouse.rows("SELECT basis, annualised FROM term_structure_at('BTC', %s)", at(FIRST, 1439))
    assert [(row["basis"], row["annualised"]) for row in rows] == viewed


def test_there_is_no_last_term_structure_of_nothing(market):
    assert term_structure(market.dsn("market_reader")) == []
