"""The first contact, rehearsed: the history's DAGs against an exchange that is shaped like the real one. They are green
without a hand; every true row is published, value by value, and nothing else is.

It takes longer than the other tests may, so it runs where it is asked for, a month or more of them:

    make rehearsal REHEARSE=2020-03,2026-09
    make rehearsal                             # the month that CI has time for, and the other rehearsals: rehearsal.py

What the market says is known or invented trait by trait: see `python -m exchange_simulator --traits`. The rules alone
meet its wild days in test_rules_rehearsed.py, which always runs.
"""

from __future__ import annotations

import pytest

from exchange_simulator import comparison
from exchange_simulator.market import Market
from exchange_simulator.process import running
from exchange_simulator.traits import Traits

from .conftest import UNHURRIED
from .rehearsal import CURRENCIES, MAY_BE_HELD_BACK, MONTHS, bounds, held_back, marked, ms

NOW = "2026-11-22T12:00:00"
HISTORY = ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "delivery_prices", "index_prices", "basis_spread")
VIEWS = ("candle", *HISTORY[2:])
# Waiting for the catalogue's pace would take minutes, and 145,000 options are another test's.
QUICKLY = ("--trait", "catalogue_seconds=0.01", "--trait", "catalogue_burst=1000", "--trait", "dense_options=off")

pytestmark = marked("YYYY-MM", seconds=3600, asked=bool(MONTHS))


@pytest.fixture(scope="module")
def real():
    """What the exchange says: the truth."""
    return Market(now_ms=ms(NOW), traits=Traits.real())


@pytest.fixture(scope="module")
def exchange():
    with running("--real", *QUICKLY, *UNHURRIED, "--now", NOW) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, str], str]:
    """How each run of the rehearsal ended, by DAG and month."""
    return {}


@pytest.fixture
def rehearsed(open_pipeline, module_market, exchange, runs, monkeypatch):
    """The market database after the rehearsal, which the first test that asks for it goes through."""
    monkeypatch.setenv("DERIBIT_CURRENCIES", ",".join(CURRENCIES))
    pipeline = open_pipeline(module_market, exchange)
    if not runs:
        runs["instruments", ""] = pipeline.run("instruments")
        for month in MONTHS:
            _, past = bounds(month)
            for dag in HISTORY:
                runs[dag, month] = pipeline.run(dag, f"{past}")
    return module_market


def test_every_run_is_green_without_a_hand(rehearsed, runs):
    assert {run: state for run, state in runs.items() if state != "success"} == {}


def test_no_true_row_is_held_back(rehearsed):
    assert held_back(rehearsed.rows) == []


@pytest.mark.parametrize("month", MONTHS)
def test_what_is_published_is_what_the_exchange_says(rehearsed, real, month):
    first, past = map(ms, bounds(month))
    said = comparison.everything(
        real, rehearsed.rows, CURRENCIES, first, past, left_out=MAY_BE_HELD_BACK, views=VIEWS
    )  # fmt: skip
    assert said["candle"] > 100_000
