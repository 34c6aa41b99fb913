"""The first contact, rehearsed with everything there is: the command of `make up` through the real scheduler and a
Postgres of its own, against an exchange that is shaped like the real one, inverse and linear, which goes away in the
middle of the load. It ends green without a hand; every true row is published, value by value, and nothing else is.

    make rehearsal REHEARSE=stack   # the newest three months
    make rehearsal                  # the newest one, for which CI has time
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from threading import Event

import psycopg
import pytest

from exchange_simulator import comparison, linear
from exchange_simulator.listings import MINUTE
from exchange_simulator.market import Market
from exchange_simulator.traits import Traits
from stack import StackError

from .rehearsal import (
    CURRENCIES,
    MAY_BE_HELD_BACK,
    NEWEST,
    QUICK_CATALOGUE,
    STACK,
    held_back,
    marked,
    months_ago,
    ms,
    real_stack,
)

pytestmark = [pytest.mark.scheduler, *marked(STACK, seconds=2400)]

LOADED = ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates")
DATASETS = (*LOADED, "index_prices", "basis_spread")
MAINTENANCE = 60
"""Seconds. A request is tried six times in at most 16 s, so that every task that meets it has to wait."""


MONTHS = [months_ago(number) for number in range(NEWEST, 0, -1)]  # closed; all there are: test_rehearsal_history.py
FIRST, PAST = MONTHS[0], months_ago(0)
ODDITIES = FIRST + (PAST - FIRST) // 2  # with two weeks and more before and after it
TRAITS = (f"linear_oddities={ODDITIES}", *QUICK_CATALOGUE)


class Rehearsal:
    """What became of it. waited: rows of the view `waiting` during the maintenance."""

    def __init__(self, stack, waited: set[tuple]):
        self.stack, self.rows, self.waited = stack, stack.rows, waited


def maintenance(stack, exchange, over: Event) -> set[tuple]:
    """Takes the exchange away in the middle of the load: once the first of a month's futures is stored, when most of
    them and of the other months are still to come, however long validations take. Returns what tasks waited for
    meanwhile."""

    def loading() -> list[tuple]:
        try:
            return stack.rows("SELECT FROM store.ingestion WHERE dataset = 'futures_ohlcv' LIMIT 1")
        except (StackError, psycopg.Error):
            return []  # there are no secrets, no server or no table yet

    while not loading():
        assert not over.wait(0.5), "the load was over before maintenance began"
    exchange.faults({"kind": "maintenance", "times": 10**9})
    ends, waited = time.monotonic() + MAINTENANCE, set()
    while time.monotonic() < ends:
        waited |= set(stack.rows("SELECT dag_id, task_id, awaited, cause FROM waiting"))
        time.sleep(1)
    exchange.faults()
    return waited


@pytest.fixture(scope="module")
def real():
    """What the exchange says: the truth."""
    return Market(traits=Traits.real().changed(TRAITS))


@pytest.fixture(scope="module")
def rehearsed():
    with real_stack(TRAITS, CURRENCIES) as (exchange, stack), ThreadPoolExecutor(1) as aside:
        over = Event()
        waited = aside.submit(maintenance, stack, exchange, over)
        try:
            stack.start("up", f"{FIRST}", seconds=1500)
        finally:
            over.set()
        yield Rehearsal(stack, waited.result(MAINTENANCE + 60))


def test_the_exchange_is_first_found_to_be_as_it_is_taken_to_be(rehearsed):
    [kept] = (rehearsed.stack.home / "check").glob("*/results.json")
    results = json.loads(kept.read_text())
    assert {name: one["seen"] for name, one in results.items() if not one["holds"]} == {}
    said = f"{len(results)} of {len(results)} hold, 0 do not, 0 could not be asked"
    printed = rehearsed.stack.printed
    assert 0 < printed.index(said) < printed.index("Airflow is up")


def begins_a_run(dataset: str, month: date) -> bool:
    """Whether the calendar has a run of a dataset that begins with one of the MONTHS."""
    if dataset not in LOADED:
        return month == MONTHS[-1]  # what is computed has none of the past
    # what is left of a year that is over is one run
    return month in (MONTHS[0], month.replace(month=1)) or month.year == PAST.year


def test_every_run_is_green_without_a_hand(rehearsed):
    url = f"{rehearsed.stack.url}/api/v2/dags/~/dagRuns"
    failed = rehearsed.stack.session.get(url, params={"state": "failed"}, timeout=30).json()["dag_runs"]
    assert [(run["dag_id"], run["dag_run_id"]) for run in failed] == []
    for dataset in DATASETS:
        scheduled = [run for run in rehearsed.stack.runs(dataset) if run["run_type"] == "scheduled"]
        begins = sorted(run["data_interval_start"][:10] for run in scheduled if run["state"] == "success")
        assert begins == [f"{month}" for month in MONTHS if begins_a_run(dataset, month)], dataset
    assert rehearsed.rows("SELECT * FROM store.run_failure") == []
    assert rehearsed.rows("SELECT * FROM validations WHERE outcome = 'blocked'") == []


def test_what_met_the_maintenance_waited_and_went_on(rehearsed):
    loads = {(dag_id, awaited) for dag_id, task, awaited, _ in rehearsed.waited if task == "load"}
    assert loads & {(f"deribit_{dataset}", "the exchange") for dataset in LOADED}
    causes = [cause for *_, awaited, cause in rehearsed.waited if awaited == "the exchange"]
    assert all("11051" in cause or "502" in cause for cause in causes)
    assert re.search(r"\d waiting for the exchange since", rehearsed.stack.printed)
    assert rehearsed.rows("SELECT * FROM waiting") == []


def test_there_are_sixty_perpetuals_and_dated_futures_with_every_oddity(rehearsed, real):
    rows, begins = rehearsed.rows, ms(ODDITIES)
    published = "SELECT DISTINCT instrument FROM coverage WHERE published_minutes > 0 AND dataset = %s"
    perpetuals, futures = ({name for [name] in rows(published, f"{kind}_ohlcv")} for kind in ("perpetuals", "futures"))
    assert len({name for name in perpetuals if "_" in name}) >= 60
    assert len({name for name in futures if "_" in name}) >= 15 * min(NEWEST, 2)
    assert len({name for name in futures if "_" not in name}) >= 50 * min(NEWEST, 2)

    def closes(name: str) -> tuple:
        """The first and the last published minute, how low and how high."""
        return rows("SELECT min(ts), max(ts), min(close), max(close) FROM candle WHERE instrument = %s", name)[0]

    def at(offset: int) -> datetime:
        """The last minute before an instant, ms after the oddities began."""
        return comparison.instant(begins + offset - MINUTE)

    # prices from 1e-5 to 4,000
    assert closes("PEPE_USDC-PERPETUAL")[2] < 1.2e-5 and closes("PAXG_USDC-PERPETUAL")[3] > 3800
    # one delisted, one dead but listed
    assert closes("ALGO_USDC-PERPETUAL")[1] == at(linear.DELISTED)
    assert closes("ICP_USDC-PERPETUAL")[1] == at(linear.DIED)
    assert [name for [name] in rows("SELECT instrument FROM store.delisting JOIN store.instrument "
                                    "USING (instrument_id)")] == ["ICP_USDC-PERPETUAL"]  # fmt: skip
    # one listed twice: both lives are there, under the name and under the name with the id
    lives = [life.number for life in real.listings_of("LUNA_USDC-PERPETUAL")]
    stored = "SELECT DISTINCT exchange_id FROM store.instrument JOIN store.candle_day USING (instrument_id) " \
             "WHERE instrument = 'LUNA_USDC-PERPETUAL' AND store.candle_day.state = 'published' ORDER BY 1"  # fmt: skip
    assert [number for [number] in rows(stored)] == sorted(lives) and len(lives) == 2
    # one that expires off the minute: its last minute is the last whole one
    [late] = [one for one in real.listings() if not one.perpetual and one.expires % MINUTE]
    assert closes(late.name)[1] == comparison.instant(late.expires - 90_000)
    # two perpetuals on one index
    twins = rows("SELECT instrument, price_index FROM instruments WHERE instrument IN "
                 "('PAXG_USDC-PERPETUAL', 'XAUT_USDC-PERPETUAL')")  # fmt: skip
    assert len(dict(twins)) == 2 and len({index for _, index in twins}) == 1 and dict(twins).keys() <= perpetuals
    # a future whose coin has no perpetual: its prices are there, and no basis
    alone = {name for name in futures if name.startswith("POL_")}
    assert alone and not {name for name in perpetuals if name.startswith("POL_")}
    assert rows("SELECT * FROM coverage WHERE dataset = 'basis_spread' AND instrument = ANY(%s)", list(alone)) == []
    # a contract with trading hours, the only one of which anything is held back
    held = {name for [name] in rows("SELECT DISTINCT instrument FROM quarantined WHERE severity = 'critical'")}
    assert held == set(MAY_BE_HELD_BACK)


def test_no_true_row_is_held_back(rehearsed):
    assert held_back(rehearsed.rows) == []


def test_what_is_published_is_what_the_exchange_says(rehearsed, real):
    first, past = ms(FIRST), ms(PAST)
    said = comparison.everything(real, rehearsed.rows, CURRENCIES, first, past, left_out=MAY_BE_HELD_BACK)
    assert said["candle"] > 3_000_000 * NEWEST and min(said.values()) > 0


def test_the_newest_snapshots_are_what_the_exchange_said_at_their_moment(rehearsed, real):
    # the others have neither futures nor options any more
    rehearsed.stack.wait_for_snapshots(("BTC", "ETH", "USDC"))
    said = comparison.newest_snapshots(real, rehearsed.rows, CURRENCIES)
    assert said["instrument_summaries"] > 100 and said["options_chain"] > 1000
