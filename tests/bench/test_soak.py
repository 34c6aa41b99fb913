"""What the soak holds against a warehouse: that it says so where something is wrong."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from bench import page
from bench import soak as bench_soak
from bench.live import CANDLES, Delays
from bench.metric import Metric
from bench.soak import FAILED, LATE, PASSED, SKIPPED, Phase, Skipped, Soak, Watched, added_up, fill, receiver, together
from bench.soak_checks import (
    Failed,
    Seen,
    Told,
    corrections_counted,
    funding_as_the_exchange_says,
    in_time,
    index_as_the_exchange_said,
    live_was_right,
    told_once,
    undisturbed,
)
from exchange_simulator.comparison import CHART, PROXY, SAMPLES, SUMMARY, Different, instant
from exchange_simulator.listings import HOUR, MINUTE
from exchange_simulator.market import Market

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEGUN = Seen(7, "failure", "perpetuals_live", "PoolTimeout", resolved=False)
WARNED = Seen(7, "warning", "instrument_summaries", "beats-complete", resolved=False)
OVER = Seen(8, "wait", "the exchange", "away", resolved=True)


def message(news: str, *incidents: int) -> Told:
    return Told("something", news, incidents)


def test_an_incident_is_told_when_it_begins_and_when_it_is_over():
    messages = [message("opened", 7, 8), message("recovered", 8), Told("the database is away", None, ())]
    incidents, told = told_once([WARNED, OVER], messages, 0.5)
    assert (incidents.value, told.value, told.note) == (2, 3, "1 while no incident could be kept")


@pytest.mark.parametrize(
    "messages",
    [
        [message("opened", 8)],
        [message("opened", 8), message("opened", 8), message("recovered", 8)],
        [message("recovered", 8)],
        [message("opened", 8), message("recovered", 8), message("recovered", 8)],
        [message("opened", 8), message("again", 8), message("recovered", 8)],
    ],
)
def test_an_incident_that_is_told_of_too_often_or_not_fails(messages):
    with pytest.raises(Failed, match=r"8 \(wait, the exchange, away\)"):
        list(told_once([OVER], messages, 0.5))


def away(*incidents: int) -> list[Seen]:
    return [Seen(number, "wait", "the market database", "away", resolved=True) for number in incidents]


@pytest.mark.parametrize(("rows", "unkept", "hours"), [([9], 1, 0.5), ([9], 3, 2.5), ([9, 10], 2, 0.5), ([], 1, 0.5)])
def test_a_database_that_is_away_is_told_once_an_hour_and_of_its_end(rows, unkept, hours):
    messages = unkept * [message("opened")] + [message("recovered", number) for number in rows]
    [_, told] = told_once(away(*rows), messages, hours)
    assert told.note == f"{unkept} while no incident could be kept"


@pytest.mark.parametrize(
    ("rows", "unkept", "hours"), [([9], 2, 0.5), ([9], 95, 0.5), ([9], 4, 2.5), ([], 2, 0.5), (range(9, 99), 90, 0.5)]
)
def test_a_database_that_is_away_and_is_told_more_often_fails(rows, unkept, hours):
    messages = unkept * [message("opened")] + [message("recovered", number) for number in rows]
    with pytest.raises(Failed, match=f"{unkept} messages while no incident could be kept"):
        list(told_once(away(*rows), messages, hours))


def test_a_database_that_is_away_and_of_whose_end_is_not_told_fails():
    with pytest.raises(Failed, match=r"9 \(wait, the market database, away\)"):
        list(told_once(away(9), [message("opened")], 0.5))


@pytest.mark.parametrize("kind", ["failure", "blocked", "quarantine", "wait", "watch"])
def test_an_incident_that_is_never_over_fails(kind):
    with pytest.raises(Failed, match=rf"not over: 7 \({kind}, "):
        list(told_once([Seen(7, kind, "the disk", "nearly full", resolved=False)], [message("opened", 7)], 0.5))


@pytest.mark.parametrize(
    ("seen", "untold", "settled"),
    [
        ([(8, "wait", "the exchange", "away", True)], 0, True),
        ([(8, "wait", "the exchange", "away", True)], 1, False),
        ([(8, "watch", "the disk", "nearly full", False)], 0, False),
        ([(8, "warning", "instrument_summaries", "beats-complete", False)], 0, True),
    ],
)
def test_it_is_quiet_once_whatever_has_an_end_is_over(seen, untold, settled):
    watched = object.__new__(Watched)
    watched.last_incident = 7
    watched.stack = SimpleNamespace(rows=lambda asked, *_: [(untold,)] if "count" in asked else seen)
    assert watched.settled() is settled


@pytest.mark.parametrize(("seconds", "more"), [(1800, 0), (5 * LATE, 0), (900, LATE), (150, 150)])
def test_blows_that_come_sooner_than_the_one_before_is_healed_add_up(seconds, more):
    assert added_up(seconds, 5) == more


def test_a_minute_that_is_too_late_fails():
    def late(*seconds: float) -> Delays:
        return {"futures": [(0, each) for each in seconds], "options_chain": [(0, float("inf"))]}

    metrics = {metric.name: metric for metric in in_time(late(20, 230), 240)}
    assert metrics["futures, worst"].met and metrics["options_chain, worst"].at_most is None
    for worst in (241, float("inf")):
        with pytest.raises(Failed, match="may be 240 s late here; futures, worst"):
            list(in_time(late(20, worst), 240))


def test_minutes_count_together_unless_something_was_away_or_killed_while_they_were_on_their_way():
    """A minute ends at 60, 120, 180, ... s."""
    late = {name: [(n * MINUTE, float(n)) for n in range(10)] for name in CANDLES}
    left = undisturbed(late, [(180.0, 300.0), (425.0, 426.0), (550.0, 600.0)])
    assert [seconds for _, seconds in left["basis"]] == [0, 1, 4, 5, 7, 8, 9], "the seventh was shown six seconds late"
    phases = [{"delays": late, "disturbed": [(180.0, 300.0)]}, {"delays": late, "disturbed": []}, {}]
    found = {metric.name: metric for metric in together(phases)}
    assert found["undisturbed: minutes"].value == 10
    assert found["undisturbed: futures, missed"].note == "of 18"
    assert found["undisturbed: futures, p99"].value == 9 and found["undisturbed: futures, p99"].target == "at most 45"


def test_what_has_passed_is_a_table_with_a_column_a_phase():
    late = {name: [(0, 7.0)] for name in CANDLES}
    verdict = {"minutes": 1, "delays": late, "disturbed": []}
    passed = {
        "beside": verdict | {"metrics": [Metric("basis, worst", 7, "s").row(), Metric("corrections", 3, "").row()]},
        "kills": verdict | {"metrics": [Metric("basis, worst", 90, "s").row()]},
    }
    assert page.soak(bench_soak.results(passed)).splitlines() == [
        "| metric | unit | beside | kills |", "| --- | --- | ---: | ---: |",
        "| basis, worst | s | 7 | 90 |", "| corrections |  | 3 |  |",
    ]  # fmt: skip


@pytest.fixture
def soak(tmp_path, monkeypatch):
    """Phases that end as they are called, and what came of them: run() returns the exit code and the phases that were
    begun."""
    begun: list[str] = []

    def phase(name: str, outcome: Exception | None) -> Phase:
        def run(_: Soak) -> list:
            begun.append(name)
            if outcome:
                raise outcome
            return []

        return Phase("as it is called", run)

    ends = {PASSED: None, FAILED: Failed("on purpose"), SKIPPED: Skipped("not root")}
    monkeypatch.setattr(bench_soak, "PHASES", {name: phase(name, outcome) for name, outcome in ends.items()})
    monkeypatch.setattr(bench_soak, "warehouse_home", lambda: tmp_path)
    monkeypatch.setattr(bench_soak.machine, "description", lambda _: [])
    monkeypatch.setenv("TZ", "UTC")  # which it sets
    monkeypatch.setattr(bench_soak.os, "umask", lambda _: 0)

    def run(*phases: str, minutes: int = 1) -> tuple[int, list[str]]:
        begun.clear()
        monkeypatch.setattr("sys.argv", ["soak", "--phases", ",".join(phases), "--minutes", str(minutes)])
        return bench_soak.main(), list(begun)

    return run


def test_a_phase_that_is_skipped_has_not_passed_and_keeps_no_other_from_being_run(soak):
    assert soak(PASSED) == (0, [PASSED])
    assert soak(SKIPPED, PASSED, minutes=2) == (1, [SKIPPED, PASSED])
    assert soak(FAILED, PASSED) == (1, [FAILED])


def test_a_phase_that_has_passed_for_as_long_is_not_run_again(soak):
    assert soak(PASSED, minutes=1) == (0, [PASSED])
    assert soak(PASSED, minutes=1) == (0, [])
    assert soak(PASSED, minutes=2) == (0, [PASSED])


def test_a_disk_is_filled_as_far_as_is_said(tmp_path, monkeypatch):
    file, size = tmp_path / "filler", 8 << 20
    monkeypatch.setattr(
        bench_soak.shutil, "disk_usage", lambda _: SimpleNamespace(free=size - file.stat().st_size)
    )  # fmt: skip
    assert fill(file, leave=3 << 20) == 5 << 20
    assert fill(file, leave=1 << 20) == 7 << 20, "it goes on with it"


PAST = 1_790_000_000_000 // HOUR * HOUR + 10 * MINUTE
NAMES = ("BTC-PERPETUAL", "ETH-PERPETUAL")


def funding_shown(market: Market, first: int, last: int, *, wrong: float = 0.0):
    """A reader of a warehouse that has the hours of (first, last], ms, of both perpetuals."""

    def rows(statement: str, names, begins: datetime, ends: datetime) -> list[tuple]:
        if "min(ts)" in statement:
            return [(instant(first + HOUR), instant(last))] if last > first else [(None, None)]
        [name] = [each for each in NAMES if each in names]
        said = market.funding(name, round(begins.timestamp() * 1000), round(ends.timestamp() * 1000))
        columns = [said[each].astype(">f8") for each in ("timestamp", "interest_1h", "interest_8h", "index_price",
                                                         "prev_index_price")]  # fmt: skip
        columns[1] = columns[1] + wrong
        return [tuple(column.astype(">f8").tobytes() for column in columns)]

    return rows


def test_funding_that_is_due_and_lacks_or_is_other_than_the_exchange_says_fails():
    market, due = Market(("BTC", "ETH")), PAST // HOUR * HOUR - HOUR
    [hours] = funding_as_the_exchange_says(market, funding_shown(market, due - 5 * HOUR, due), due - HOUR, PAST)
    assert hours.value == 10
    lacks = funding_shown(market, due - 5 * HOUR, due - HOUR)
    with pytest.raises(Failed, match=r"the funding of .* was due"):
        list(funding_as_the_exchange_says(market, lacks, due - HOUR, PAST))
    [hours] = funding_as_the_exchange_says(market, lacks, due, PAST)
    assert hours.value == 8, "it was not collected yet when that hour ended"
    [hours] = funding_as_the_exchange_says(market, funding_shown(market, due, due), due, PAST)
    assert hours.value == 0
    with pytest.raises(Different, match="interest_1h"):
        list(funding_as_the_exchange_says(market, funding_shown(market, due - HOUR, due, wrong=1e-9), due, PAST))


def test_an_index_that_lacks_or_is_other_than_the_exchange_said_fails():
    market, window = Market(("BTC", "ETH")), (PAST, PAST + 30 * MINUTE)
    starts = np.arange(*window, MINUTE)
    told_at = starts + MINUTE + 1_700

    def shown(by: float = 1.0, *, lacks: slice = slice(0), source: int | None = None):
        """A reader of a warehouse that has the index of thirty minutes of both coins, times `by`, but for some, or has
        those from another source."""
        sources, there = np.full(30, SUMMARY), np.full(30, True)
        sources[lacks], there[lacks] = source or SUMMARY, source is not None

        def rows(statement: str, name: str, *_) -> list[tuple]:
            price = market.index(name[:3].upper(), told_at) * by
            columns = (starts + MINUTE, told_at) if statement == SAMPLES else (starts, price, sources)
            return [tuple(column[there].astype(">f8").tobytes() for column in columns)]

        return rows

    def checked(rows, *disturbed: tuple[float, float]) -> Metric:
        [minutes] = index_as_the_exchange_said(market, rows, *window, disturbed)
        return minutes

    assert checked(shown()).value == 60
    with pytest.raises(Different, match="btc_usd: 30 values of price differ"):
        checked(shown(1.0001))
    with pytest.raises(Failed, match="30 of 30 minutes of btc_usd are not shown"):
        checked(lambda *_: [(None, None, None)])
    one, moment = shown(lacks=slice(7, 8)), re.escape(str(instant(PAST + 7 * MINUTE)))
    with pytest.raises(Failed, match=f"1 of 30 minutes of btc_usd are not shown, the first of {moment}"):
        checked(one)
    with pytest.raises(Failed, match="1 of 30 minutes of btc_usd are not shown"):
        checked(shown(lacks=slice(7, 8), source=PROXY))
    assert checked(shown(lacks=slice(7, 8), source=CHART)).value == 58, "it came from the chart, and is there"

    # a minute that ended while something was away, or within a minute before, can't have had its summary
    ended = (PAST + 8 * MINUTE) / 1000
    for away in ((ended, ended + 1), (ended + 60, ended + 90), (ended - 300, ended + 0.1)):
        assert checked(one, away).value == 58
    for away in ((ended + 61, ended + 600), (ended - 300, ended)):
        with pytest.raises(Failed, match=r"1 of \d\d minutes of btc_usd are not shown"):
            checked(one, away)


def test_what_is_held_against_the_exchange_is_what_a_reader_is_shown(market):
    """An empty warehouse: of nothing that is due it has anything."""
    exchange = Market(("BTC", "ETH"))
    with pytest.raises(Failed, match="5 of 5 minutes of btc_usd are not shown"):
        list(index_as_the_exchange_said(exchange, market.rows, PAST, PAST + 5 * MINUTE))
    with pytest.raises(Failed, match="the newest is of None"):
        list(funding_as_the_exchange_says(exchange, market.rows, PAST - 5 * HOUR, PAST))


def test_a_webhook_payload_names_its_incidents():
    payload = {"subject": "s", "news": "opened", "incidents": [{"incident_id": 3}, {"incident_id": 4}]}
    assert Told.of(payload) == Told("s", "opened", (3, 4))
    assert Told.of({"subject": "s"}) == Told("s", None, ())
    payload = {"subject": "s", "news": "opened", "incidents": [{"incident_id": None}]}
    assert Told.of(payload) == Told("s", "opened", ()), "it could not be kept yet"


def test_what_one_stack_tells_is_no_message_of_the_other(tmp_path):
    """Two databases give the same numbers to their incidents."""
    with receiver(tmp_path) as hook:
        soak = Soak(tmp_path, 1, "2026-10-01", hook)
        for name in ("history", "disk", "history"):
            url = json.loads(soak.stack(name).environment["AIRFLOW_CONN_DERIBIT_ALERTS_WEBHOOK"])["host"]
            payload = {"subject": name, "news": "opened", "incidents": [{"incident_id": 7}]}
            requests.post(url, json=payload, timeout=10).raise_for_status()
    assert soak.messages("history") == 2 * [Told("history", "opened", (7,))]
    assert soak.messages("disk") == [Told("disk", "opened", (7,))]


def corrected(*rows: tuple, counted: int):
    return lambda statement, *_: [(counted,)] if "store.ingestion" in statement else list(rows)


def test_corrections_are_those_that_were_injected():
    rows = [("BTC-PERPETUAL", NOON, 2), ("BTC-PERPETUAL", NOON + timedelta(minutes=1), 1)]
    told = [(name, ts) for name, ts, _ in rows]
    [counted] = corrections_counted(corrected(*rows, counted=3), told, NOON)
    assert counted.value == 3
    with pytest.raises(Failed, match="2 corrections, 3 are shown"):
        list(corrections_counted(corrected(*rows, counted=2), told, NOON))
    for others in (told[:1], [*told, ("ETH-PERPETUAL", NOON)]):
        with pytest.raises(Failed, match="not the same"):
            list(corrections_counted(corrected(*rows, counted=3), others, NOON))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("A", 1440, 1, 0, 0), "differs"), (("A", 1440, 0, 1, 0), "differs"), (("A", 1440, 0, 0, 1), "differs"),
        (("B", 1440, 0, 0, 0), "not both there of A, B"),
    ],
)  # fmt: skip
def test_a_day_that_live_had_otherwise_fails(row, why):
    assert live_was_right(lambda *_: [("A", 1440, 0, 0, 0)], NOON.date(), ["A"]) == 1440
    with pytest.raises(Failed, match=why):
        live_was_right(lambda *_: [row], NOON.date(), ["A"])
