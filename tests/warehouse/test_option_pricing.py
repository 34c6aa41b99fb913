"""Black-76 in SQL: beside QuantLib, beside what the exchange showed, and by what must hold of any option."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
import QuantLib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MINUTE = 1 / 1440
GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho")
EPSILON = np.finfo(float).eps
SLOPE = 1e-4  # the step of a finite difference, of what is stepped

FIELDS = """unnest(%s::text[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::boolean[])
    WITH ORDINALITY AS o (option_type, strike, forward, given, days_to_expiry, inverse, n)"""
BLACK_76 = f"""SELECT g.price, g.delta, g.gamma, g.vega, g.theta, g.rho FROM {FIELDS}
    CROSS JOIN LATERAL black_76(o.option_type, o.strike, o.forward, o.given, o.days_to_expiry, o.inverse) AS g
    ORDER BY o.n"""
IMPLIED = f"""SELECT v.iv FROM {FIELDS}
    CROSS JOIN LATERAL implied_volatility(o.option_type, o.strike, o.forward, o.given, o.days_to_expiry, o.inverse) AS v
    ORDER BY o.n"""


@dataclass(frozen=True)
class Option:
    """strike and forward in the quote currency; iv in percent; days to expiry."""

    option_type: str | None
    strike: float | None
    forward: float | None
    iv: float | None
    days: float | None
    inverse: bool | None = False

    @property
    def deviation(self) -> float:
        return self.iv / 100 * math.sqrt(self.days / 365)

    @property
    def intrinsic(self) -> float:
        return max(self.forward - self.strike if self.option_type == "call" else self.strike - self.forward, 0.0)

    @property
    def most(self) -> float:
        return self.forward if self.option_type == "call" else self.strike

    @property
    def unit(self) -> float:
        """What a price is multiplied with to be in the quote currency."""
        return self.forward if self.inverse else 1.0

    @property
    def rounding(self) -> float:
        """By how much a value in the quote currency may be off: it is the difference of two such numbers."""
        return 16 * EPSILON * max(self.forward, self.strike)


@pytest.fixture(scope="module")
def reader(module_market) -> Iterator[psycopg.Connection]:
    with psycopg.connect(module_market.dsn("market_reader"), autocommit=True) as connection:
        yield connection


def asked(reader: psycopg.Connection, statement: str, options: Iterable[Option], given: Iterable) -> np.ndarray:
    options = list(options)
    columns = [[o.option_type for o in options], [o.strike for o in options], [o.forward for o in options], list(given),
               [o.days for o in options], [o.inverse for o in options]]  # fmt: skip
    return np.array(reader.execute(statement, columns).fetchall(), dtype=float)  # NULL is NaN


def black_76(reader, options: list[Option]) -> dict[str, np.ndarray]:
    found = asked(reader, BLACK_76, options, (o.iv for o in options))
    return dict(zip(GREEKS, found.T, strict=True))


def implied(reader, options: list[Option], prices: Iterable[float | None]) -> np.ndarray:
    return asked(reader, IMPLIED, options, prices)[:, 0]


def column(options: list[Option], name: str) -> np.ndarray:
    return np.array([getattr(option, name) for option in options])


def logarithmic(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


@st.composite
def an_option(draw, deviations: float = 12, inverse: bool | None = None) -> Option:
    """A minute to two years, 5 % to 500 %, a strike at most so many deviations and a factor of 100 from the forward."""
    forward, iv, days = draw(logarithmic(0.01, 1e6)), draw(logarithmic(5, 500)), draw(logarithmic(MINUTE, 730))
    off = draw(st.floats(-deviations, deviations)) * iv / 100 * math.sqrt(days / 365)
    strike = forward * math.exp(min(max(off, -math.log(100)), math.log(100)))
    paid_in_coin = draw(st.booleans()) if inverse is None else inverse
    return Option(draw(st.sampled_from(("call", "put"))), strike, forward, iv, days, paid_in_coin)


def any_options(**like) -> st.SearchStrategy[list[Option]]:
    return st.lists(an_option(**like), min_size=1, max_size=60)


always = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
)


def quantlib(option: Option) -> tuple[float, ...]:
    """The same by QuantLib: value in the quote currency, delta, gamma, vega, Black-76's own theta a day, rho."""
    kind = QuantLib.Option.Call if option.option_type == "call" else QuantLib.Option.Put
    years = option.days / 365
    black = QuantLib.BlackCalculator(QuantLib.PlainVanillaPayoff(kind, option.strike), option.forward, option.deviation)
    return (
        black.value(), black.deltaForward(), black.gammaForward(), black.vega(years) / 100,
        black.theta(option.forward, years) / 365, black.rho(years) / 100,
    )  # fmt: skip


@given(options=any_options())
@always
def test_it_is_what_quantlib_says(reader, options):
    found = black_76(reader, options)
    value, delta, gamma, vega, theta, rho = np.array([quantlib(option) for option in options]).T
    forward, days, rounding = column(options, "forward"), column(options, "days"), column(options, "rounding")
    assert (np.abs(found["price"] * column(options, "unit") - value) <= rounding).all()
    np.testing.assert_allclose(found["delta"], delta, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found["gamma"] * forward, gamma * forward, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found["vega"] / forward, vega / forward, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found["rho"] / forward, rho / forward, rtol=1e-9, atol=1e-14)
    # QuantLib's is of a whole day, of an option that has a day to lose
    expected = np.maximum(theta * np.minimum(days, 1), -value)
    assert (np.abs(found["theta"] - expected) <= rounding + 1e-9 * np.abs(expected)).all()


@given(options=any_options(inverse=False))
@always
def test_a_call_less_a_put_is_the_forward_less_the_strike(reader, options):
    call = black_76(reader, [replace(option, option_type="call") for option in options])
    put = black_76(reader, [replace(option, option_type="put") for option in options])
    parity = column(options, "forward") - column(options, "strike")
    assert (np.abs(call["price"] - put["price"] - parity) <= column(options, "rounding")).all()
    np.testing.assert_allclose(call["delta"] - put["delta"], 1, rtol=1e-14)
    np.testing.assert_array_equal(call["gamma"], put["gamma"])
    np.testing.assert_array_equal(call["vega"], put["vega"])


@given(options=any_options())
@always
def test_signs_and_bounds(reader, options):
    found = black_76(reader, options)
    value, call = found["price"] * column(options, "unit"), column(options, "option_type") == "call"
    sign, rounding = np.where(call, 1, -1), column(options, "rounding")
    assert (found["price"] >= 0).all()
    assert (value >= column(options, "intrinsic") - rounding).all()
    assert (value <= column(options, "most") + rounding).all()
    assert ((found["delta"] * sign >= 0) & (found["delta"] * sign <= 1)).all()
    assert ((found["gamma"] >= 0) & (found["vega"] >= 0) & (found["rho"] * sign >= 0)).all()
    assert ((found["theta"] <= 0) & (found["theta"] >= -value - rounding)).all()


@given(options=any_options(), more=st.floats(1.0001, 3))
@always
def test_it_is_worth_more_with_volatility_and_time_and_a_call_with_the_forward(reader, options, more):
    options = [replace(option, inverse=False) for option in options]
    call = column(options, "option_type") == "call"

    def worth(*larger: str) -> np.ndarray:
        return black_76(reader, [replace(o, **{n: getattr(o, n) * more for n in larger}) for o in options])["price"]

    value, rounding = worth(), column(options, "rounding") * more
    assert (worth("iv") >= value - rounding).all()
    assert (worth("days") >= value - rounding).all()
    assert np.where(call, worth("forward") >= value - rounding, worth("forward") <= value + rounding).all()
    assert np.where(call, worth("strike") <= value + rounding, worth("strike") >= value - rounding).all()


@given(options=any_options(deviations=3, inverse=False))
@always
def test_the_greeks_are_the_slopes_of_the_price(reader, options):
    """A finite difference is off by its own step and by what the price is rounded to: a thousandth of the largest."""
    found = black_76(reader, options)
    forward, deviation, days = column(options, "forward"), column(options, "deviation"), column(options, "days")

    def worth(name: str, by: np.ndarray) -> np.ndarray:
        moved = [replace(o, **{name: getattr(o, name) + b}) for o, b in zip(options, by, strict=True)]
        return black_76(reader, moved)["price"]

    def close(found: np.ndarray, slope: np.ndarray, scale: np.ndarray) -> None:
        assert (np.abs(found - slope) <= 1e-3 * scale).all(), (found, slope)

    step = forward * deviation * 1e-3
    up, here, down = worth("forward", step), worth("forward", 0 * step), worth("forward", -step)
    # of the at-the-money option: the scale on which the greeks of all strikes are
    atm = black_76(reader, [replace(option, strike=option.forward) for option in options])
    close(found["delta"], (up - down) / (2 * step), np.ones_like(step))
    close(found["gamma"], (up - 2 * here + down) / step**2, atm["gamma"])
    points = column(options, "iv") * SLOPE
    vega = (worth("iv", points) - worth("iv", -points)) / (2 * points)
    close(found["vega"], vega, np.maximum(atm["vega"], found["vega"]))
    past, future = worth("days", days * SLOPE), worth("days", -days * SLOPE)
    decay = (past - future) / (2 * days * SLOPE) * np.minimum(days, 1)
    close(found["theta"], np.maximum(-decay, -here), np.maximum(here, decay))
    # a percent of interest: the forward grows with it, and what is paid is discounted by it
    growth = days / 365 / 100 * SLOPE
    grown, shrunk = worth("forward", forward * growth), worth("forward", -forward * growth)
    rho = (grown * (1 - growth) - shrunk * (1 + growth)) / (2 * SLOPE)
    noise = column(options, "rounding") / SLOPE
    assert (np.abs(found["rho"] - rho) <= 1e-3 * np.abs(found["rho"]) + noise).all()


@given(options=any_options())
@always
def test_the_volatility_of_a_price_is_the_one_it_was_made_with(reader, options):
    found = black_76(reader, options)
    solved = implied(reader, options, found["price"].tolist())
    value = found["price"] * column(options, "unit")
    unit = np.sqrt(column(options, "forward") * column(options, "strike"))
    time_value = (value - column(options, "intrinsic")) / unit
    left = (column(options, "most") - value) / unit
    rounding = column(options, "rounding")
    solvable = (time_value > 1.1e-12 + rounding / unit) & (left > 1e-8)
    assert not np.isnan(solved[solvable]).any()
    # what a price is rounded to, as volatility; nothing is claimed where that is no small part of it
    iv, blur = column(options, "iv"), rounding / np.maximum(found["vega"], 1e-300)
    told = solvable & (blur < 0.01 * iv)
    assert (np.abs(solved - iv)[told] <= (1e-10 * iv + 4 * blur)[told]).all()


@given(options=any_options(), by=st.floats(0, 2))
@always
def test_a_price_nobody_could_pay_has_no_volatility(reader, options, by):
    """At most what exercising would bring, or at least what the option can ever be worth."""
    for value in (lambda o: o.intrinsic * (1 - by / 2), lambda o: o.most * (1 + by), lambda o: -by, lambda o: 0.0):
        assert np.isnan(implied(reader, options, [value(option) / option.unit for option in options])).all()


def test_the_volatility_is_found_from_the_cheapest_to_the_dearest(reader):
    """Through both branches of the solver and the bend between them, at and beside the money."""
    options = [Option(kind, 100.0 * math.exp(x), 100.0, 0, 365) for kind in ("call", "put")
               for x in (0, 1e-15, 1e-9, 1e-3, 0.1, 1, 3, -1e-3, -1, -3)]  # fmt: skip
    for share in np.geomspace(2e-9, 0.5, 40):
        for part in (share, 1 - share):
            prices = [o.intrinsic + part * (o.most - o.intrinsic) for o in options]
            solved = implied(reader, options, prices)
            assert not np.isnan(solved).any()
            again = black_76(reader, [replace(o, iv=v) for o, v in zip(options, solved, strict=True)])["price"]
            np.testing.assert_allclose(again, prices, rtol=1e-9, atol=1e-12)


KNOWN = Option("call", 40_000.0, 65_000.0, 55.0, 30.0, True)


@pytest.mark.parametrize("unknown", [None, 0.0, -1.0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("field", ["strike", "forward", "iv", "days"])
def test_what_no_market_has_gives_nothing(reader, field, unknown):
    option = replace(KNOWN, **{field: unknown})
    assert not np.isnan(list(black_76(reader, [KNOWN]).values())).any()
    assert np.isnan(list(black_76(reader, [option]).values())).all()
    price = unknown if field == "iv" else 0.4
    assert implied(reader, [KNOWN], [0.4]) > 0
    assert np.isnan(implied(reader, [option], [price])).all()


def test_what_is_neither_call_nor_put_or_paid_nobody_knows_how_has_no_price(reader):
    neither = black_76(reader, [replace(KNOWN, option_type=kind) for kind in (None, "Call", "straddle")])
    assert np.isnan(list(neither.values())).all()
    unpaid = black_76(reader, [replace(KNOWN, inverse=None)])
    assert np.isnan(unpaid["price"]).all() and unpaid["delta"] > 0
    for option in (replace(KNOWN, option_type=None), replace(KNOWN, inverse=None)):
        assert np.isnan(implied(reader, [option], [0.4])).all()


EXTREMES = (None, 0.0, 5e-324, 1e-154, 1.1e-50, 1e-20, 1e-9, 1.0, 1e9, 1e20, 9.9e49, 1e154, 1.7976931348623157e308,
            -1.0, math.inf, -math.inf, math.nan)  # fmt: skip
extremes = st.lists(
    st.builds(
        Option, st.sampled_from(("call", "put", None)), *[st.one_of(st.sampled_from(EXTREMES), st.floats())] * 4,
        inverse=st.sampled_from((True, False, None)),
    ),
    min_size=1, max_size=200,
)  # fmt: skip


@given(options=extremes)
@settings(always, max_examples=200)
def test_no_number_stops_a_statement(reader, options):
    found = black_76(reader, options)
    assert not np.isinf(list(found.values())).any()
    assert not np.isinf(implied(reader, options, [option.iv for option in options])).any()


def test_every_pair_of_extremes(reader):
    """All four inputs at their widest: hypothesis seldom draws four of them at once."""
    values = (1.1e-50, 1e-20, 1.0, 1e20, 9.9e49)
    options = [Option(kind, k, f, iv, days, inverse) for kind in ("call", "put") for inverse in (True, False)
               for k in values for f in values for iv in values for days in values]  # fmt: skip
    assert np.isfinite(list(black_76(reader, options).values())).all()
    implied(reader, options, [option.iv for option in options])


@pytest.mark.parametrize("statement", [BLACK_76, IMPLIED])
def test_the_functions_are_written_into_the_statement_that_uses_them(reader, statement):
    """A function that is called costs ten times as much as one the planner writes out."""
    values = [["call"], [1.0], [1.0], [1.0], [1.0], [True]]
    plan = "\n".join(line for (line,) in reader.execute(f"EXPLAIN (VERBOSE) {statement}", values).fetchall())
    assert re.findall(r"Function Scan on (\S+)", plan) == ["o"], "of the values alone"
    assert re.findall(r"black_76|implied_volatility|store\.\w+|normal_\w+|normalised_black", plan) == []


def option_named(name: str, timestamp: datetime, forward: float, iv: float) -> Option:
    """An option of the exchange by its name: expiry at 08:00 UTC, 1d25 is 1.25, linear where a pair is named."""
    coin, expiry, strike, kind = name.split("-")
    expires = datetime.strptime(expiry, "%d%b%y").replace(hour=8, tzinfo=UTC)
    days = (expires - timestamp) / timedelta(days=1)
    return Option({"C": "call", "P": "put"}[kind], float(strike.replace("d", ".")), forward, iv, days, "_" not in coin)


@pytest.fixture(scope="module")
def tickers(recorded) -> list[dict]:
    """Every recorded ticker of an option, as the exchange wrote it."""
    found = list(json.loads((recorded / "responses" / "option_tickers_sample.json").read_text()).values())
    with (recorded / "option_tickers_btc_20210211.csv").open() as file:
        for row in csv.DictReader(file):
            found.append(row | {"greeks": {name: float(row[f"greeks.{name}"]) for name in GREEKS[1:]}})
    assert len(found) > 970
    return found


@pytest.fixture(scope="module")
def of_tickers(tickers) -> list[Option]:
    return [
        option_named(row["instrument_name"], datetime.fromtimestamp(int(row["timestamp"]) / 1000, UTC),
                     float(row["underlying_price"]), float(row["mark_iv"]))
        for row in tickers
    ]  # fmt: skip


def off(found: np.ndarray, told: np.ndarray) -> np.ndarray:
    """By what fraction, where there is something to measure against: the exchange writes five decimals."""
    large = np.abs(told) >= 1
    return np.abs(found[large] / told[large] - 1)


@pytest.mark.recorded
def test_the_greeks_are_those_of_the_exchanges_tickers(reader, tickers, of_tickers):
    found = black_76(reader, of_tickers)
    told = {name: np.array([row["greeks"][name] for row in tickers]) for name in GREEKS[1:]}
    assert (np.abs(found["delta"] - told["delta"]) <= 1e-4).all()
    assert (np.abs(found["gamma"] - told["gamma"]) <= 1e-5 + 2e-3 * told["gamma"]).all()
    assert off(found["vega"], told["vega"]).max() <= 0.002
    assert off(found["rho"], told["rho"]).max() <= 0.001
    assert off(found["theta"], told["theta"]).max() <= 0.025
    for name, least in (("vega", 0.05), ("rho", 0.05), ("theta", 0.05)):
        assert (np.abs(told[name]) >= 1).mean() > least, "something was compared"


@pytest.mark.recorded
def test_the_greeks_are_those_of_a_recorded_chain(reader, recorded):
    """Its prices and its greeks were read at moments that are apart, so it is the distribution that is compared."""
    with (recorded / "option_chain_20251230T173115Z.csv").open() as file:
        rows = list(csv.DictReader(file))
    options = [
        option_named(row["instrument_name"], datetime.fromisoformat(row["timestamp"]), float(row["underlying"]),
                     100 * float(row["implied_volatility"]))
        for row in rows
    ]  # fmt: skip
    found = black_76(reader, options)
    delta = np.abs(found["delta"] - [float(row["delta"]) for row in rows])
    vega = off(found["vega"], np.array([float(row["vega"]) for row in rows]))
    assert len(delta) > 1_300 and len(vega) > 500
    assert np.median(delta) <= 1e-4 and np.quantile(delta, 0.99) <= 3e-3
    assert np.median(vega) <= 5e-4 and np.quantile(vega, 0.99) <= 0.01


@pytest.mark.recorded
@pytest.mark.parametrize(("side", "least"), [("bid", 280), ("ask", 590)])
def test_the_volatility_of_bid_and_ask_is_that_of_the_exchanges_tickers(reader, tickers, of_tickers, side, least):
    """The exchange writes 0 where there is none and 500 for all that is more."""
    told = np.array([float(row[f"{side}_iv"]) for row in tickers])
    found = implied(reader, of_tickers, [float(row[f"best_{side}_price"]) for row in tickers])
    assert np.isnan(found[told == 0]).all()
    bounded = told == 500
    assert np.isnan(found[bounded & ~(found >= 500)]).all()
    compared = (told > 0) & ~bounded
    assert compared.sum() > least
    apart = np.abs(found - told)[compared]
    assert np.median(apart) <= 0.005, "two decimals"
    assert (apart <= 0.001 * told[compared]).all()
