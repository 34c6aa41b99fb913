"""The first contact, rehearsed: the history's DAGs against an exchange that is shaped like the real one. They are green
without a hand; every true row is published, value by value, and nothing else is.

It takes longer than the other tests may, so it runs where it is asked for, a month or more of them:

    make rehearsal
    make rehearsal REHEARSE=2020-03,2026-09

What the market says is known or invented trait by trait: see `python -m exchange_simulator --traits`. The rules alone
meet its wild days in test_rules_rehearsed.py, which always runs.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta

import pytest

from exchange_simulator import comparison
from exchange_simulator.market import Market
from exchange_simulator.process import running
from exchange_simulator.traits import Traits

ALL = ("2018-08", "2019-04", "2019-10", "2020-03", "2020-08", "2021-05", "2026-08", "2026-09", "2026-10")
ASKED = os.environ.get("REHEARSE", "")
MONTHS = ALL if ASKED == "all" else tuple(ASKED.split(","))
NOW = "2026-11-22T12:00:00"
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")
HISTORY = ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "index_prices", "basis_spread")
# Waiting for the catalogue's pace would take minutes, and 145,000 options are another test's.
QUICKLY = ("--trait", "catalogue_seconds=0.01", "--trait", "catalogue_burst=1000", "--trait", "dense_options=off")

pytestmark = [
    pytest.mark.skipif(not ASKED, reason="REHEARSE says which months to rehearse"),
    pytest.mark.timeout(3600),
]

# True rows that may be held back, and why. None is invented to make the test pass.
MAY_BE_HELD_BACK = {
    "TSLAX_USDC-PERPETUAL": "an equity with trading hours: what is not known yet is held back by name",
}


def ms(moment: str | date) -> int:
    return int(datetime.fromisoformat(str(moment)).replace(tzinfo=UTC).timestamp() * 1000)


def bounds(month: str) -> tuple[int, int]:
    """A month in ms, [first, past)."""
    begins = date.fromisoformat(f"{month}-01")
    return ms(begins), ms((begins + timedelta(days=31)).replace(day=1))


@pytest.fixture(scope="module")
def real():
    """What the exchange says: the truth."""
    return Market(now_ms=ms(NOW), traits=Traits.real())


@pytest.fixture(scope="module")
def exchange():
    unlimited = ("--requests-per-second", "1000", "--burst", "1000")
    with running("--real", *QUICKLY, *unlimited, "--now", NOW) as exchange:
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
    monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "900")
    if not runs:
        runs["instruments", ""] = pipeline.run("instruments")
        for month in MONTHS:
            _, past = bounds(month)
            after = f"{datetime.fromtimestamp(past / 1000, UTC):%Y-%m-%d}"
            for dag in HISTORY:
                runs[dag, month] = pipeline.run(dag, after)
    return module_market


def test_every_run_is_green_without_a_hand(rehearsed, runs):
    assert {run: state for run, state in runs.items() if state != "success"} == {}


def test_no_true_row_is_held_back(rehearsed):
    held_back = rehearsed.rows(
        "SELECT dataset, rule, instrument, min(day), count(*) FROM quarantined WHERE severity = 'critical' "
        "AND instrument <> ALL(%s) GROUP BY dataset, rule, instrument ORDER BY 1, 2, 3", list(MAY_BE_HELD_BACK),
    )  # fmt: skip
    assert held_back == []


@pytest.mark.parametrize("month", MONTHS)
def test_what_is_published_is_what_the_exchange_says(rehearsed, real, month):
    first, past = bounds(month)
    said = comparison.everything(real, rehearsed.rows, CURRENCIES, first, past, left_out=MAY_BE_HELD_BACK)
    assert said["candle"] > 100_000
