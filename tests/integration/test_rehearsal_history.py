"""The whole history, rehearsed with everything there is: the command of `make up` from 2018-08 through the real
scheduler and a Postgres of its own, against an exchange that is shaped like the real one. It ends green without a hand
and with no month missing; of the months in which something happened every true row is published, value by value, and
nothing else is.

    make rehearsal REHEARSE=history            # an hour

The exchange allows a list of instruments in ten seconds, five at once: the slower of the two limits it is said to have.
Linear contracts, which nobody listed in those months, meet the real stack in test_rehearsal_stack.py.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from exchange_simulator import comparison
from exchange_simulator.market import Market
from exchange_simulator.traits import Traits

from .rehearsal import HISTORY, SLOW_CATALOGUE, WILD, bounds, held_back, marked, months_ago, ms, real_stack

pytestmark = [pytest.mark.scheduler, *marked(HISTORY, seconds=6000)]

CURRENCIES = ("BTC", "ETH")
FIRST = date.fromisoformat(f"{WILD[0]}-01")
LOADED = ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "delivery_prices", "settlements")


@pytest.fixture(scope="module")
def real():
    """What the exchange says: the truth."""
    return Market(CURRENCIES, traits=Traits.real().changed(SLOW_CATALOGUE))


@pytest.fixture(scope="module")
def rehearsed():
    with real_stack(SLOW_CATALOGUE, CURRENCIES) as (_, stack):
        stack.start("up", f"{FIRST}", seconds=5400)
        yield stack


def test_every_run_is_green_without_a_hand(rehearsed):
    answer = rehearsed.session.get(
        f"{rehearsed.url}/api/v2/dags/~/dagRuns", params={"state": "failed"}, timeout=30
    ).json()
    assert [(run["dag_id"], run["dag_run_id"]) for run in answer["dag_runs"]] == []
    assert rehearsed.rows("SELECT * FROM store.run_failure") == []
    assert rehearsed.rows("SELECT * FROM validations WHERE outcome = 'blocked'") == []
    assert rehearsed.rows("SELECT * FROM pending") == []


@pytest.mark.parametrize("dataset", LOADED)
def test_no_month_is_missing(rehearsed, dataset):
    """A run may hold more than a month; the newest closed one was loaded first, and again in its turn."""
    runs = [run for run in rehearsed.runs(dataset) if run["run_type"] == "scheduled"]
    begins = Counter(run["data_interval_start"][:10] for run in runs)
    ends = {run["data_interval_end"][:10] for run in runs}
    assert set(begins.values()) == {1}
    # each begins where another ends: from the first day to the first of this month, without a hole
    assert set(begins) ^ ends == {f"{FIRST}", f"{months_ago(0)}"}


def test_no_true_row_is_held_back(rehearsed):
    assert held_back(rehearsed.rows) == []


@pytest.mark.parametrize("month", [*WILD, f"{months_ago(1):%Y-%m}"])
def test_what_is_published_is_what_the_exchange_says(rehearsed, real, month):
    first, past = map(ms, bounds(month))
    said = comparison.everything(real, rehearsed.rows, CURRENCIES, first, past)
    assert said["candle"] > 40_000
