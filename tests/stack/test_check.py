"""`make check` over HTTP, against a simulator as it is and with one thing wrong with it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest

from deribit_warehouse import check
from deribit_warehouse.exchange.assumptions import ASSUMPTIONS, BURST_CALLS, CheckResult, Unanswered
from deribit_warehouse.exchange.probe import HttpProbe
from deribit_warehouse.exchange.session import Session
from deribit_warehouse.warehouse.rate_limiter import RateLimiter
from exchange_simulator.limits import Limits
from exchange_simulator.process import running
from stack import __main__ as stack_command
from stack import check as stack_check
from stack import postgres, services
from stack.check import settings_found
from stack.credentials import load_or_make
from stack.settings import ROOT, separate_environment, stack_of
from tests.exchange.scripted import reply, serving

ASSUMED, CALLS, LISTS = 31, 32, 10


@pytest.fixture(scope="module")
def exchange():
    unhurried = ("--requests-per-second", "1000", "--burst", "1000")  # nothing here waits between two requests
    with running("--trait", "catalogue_burst=1000", *unhurried) as exchange:
        yield exchange


@pytest.fixture
def ask(exchange, tmp_path, capsys):
    """Runs the check against the simulator with these faults: (exit code, what it printed, the folder of answers)."""
    umask = os.umask(0o022)

    def run(*faults: dict, options=()):
        exchange.faults(*faults)
        exchange.reset()
        hosts = ["--live", exchange.live_url, "--history", exchange.history_url]
        code = check.main([*hosts, "--folder", str(tmp_path), "--interval", "0", *options])
        return code, capsys.readouterr().out, max(tmp_path.glob("*/"))

    yield run
    exchange.faults()
    os.umask(umask)


def test_an_exchange_as_assumed_passes_and_every_answer_is_kept_for_its_owner(ask, exchange):
    code, said, folder = ask()
    assert code == 0 and "BROKEN" not in said and f"{ASSUMED} of {ASSUMED} hold" in said and str(folder) in said
    notes = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(notes) == CALLS == exchange.stats()["requests"]
    assert exchange.stats()["by_method"]["get_instruments"] == LISTS and exchange.stats()["refused"] == 0
    for note in notes:
        assert note["status"] in (200, 400) and json.loads((folder / note["body"]).read_bytes())["usOut"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert settings_found(folder.parent) == {"DERIBIT_CATALOGUE_REQUESTS_PER_SECOND": "1"}


def test_one_trait_changed_is_said_with_what_it_means(ask):
    code, said, folder = ask({"kind": "stale_fill"}, options=["--brief"])
    assert code == 1 and said.count("BROKEN") == 1
    assert "BROKEN     fill " in said and "it means: " in said and "holds  " not in said
    assert json.loads((folder / "results.json").read_text())["fill"]["holds"] is False


def test_a_fault_that_passes_is_asked_again_and_recorded(ask, monkeypatch):
    monkeypatch.setattr("deribit_warehouse.exchange.probe.LONGEST_PAUSE", 0)
    code, said, folder = ask(
        {"kind": "http_status", "status": 403, "method": "get_funding_rate_value"},
        {"kind": "error_code", "code": 10028, "status": 429, "method": "get_funding_chart_data"},
        {"kind": "reset", "method": "get_funding_rate_history"},
    )
    assert code == 0, said
    assert "1 requests were refused as too many" in said
    notes = (folder / "answers.jsonl").read_text()
    assert len(notes.splitlines()) == CALLS + 3
    assert '"status": 403' in notes and '"status": 429' in notes and '"failed": ' in notes


def test_a_refusal_without_a_body_is_counted_too(ask, monkeypatch):
    monkeypatch.setattr("deribit_warehouse.exchange.probe.LONGEST_PAUSE", 0)
    code, said, _ = ask({"kind": "http_status", "status": 429, "method": "get_funding_rate_value"})
    assert code == 0 and "1 requests were refused as too many" in said


@pytest.mark.parametrize(
    ("status", "body", "counted"),
    [
        (200, {"error": None, "result": 7}, 7),
        (502, {"result": 7}, "HTTP 502 and no JSON-RPC answer"),
        (200, {"error": None}, "HTTP 200 and no JSON-RPC answer"),
    ],
)
def test_an_answer_is_taken_as_the_client_takes_it(tmp_path, status, body, counted):
    with serving(reply(status, body)) as (url, _):
        with HttpProbe(url, url, tmp_path, lambda meter, wait: None, sleep=lambda seconds: None) as probe:
            try:
                assert probe("live", "get_time") == counted
            except Unanswered as error:
                assert counted in str(error)


def test_a_check_that_was_cut_off_has_no_settings(tmp_path):
    (tmp_path / "2026-09-20T211717.000000Z").mkdir()
    (tmp_path / "2026-09-20T211717.000000Z" / "results.json").write_text('{"clock": {"hol')
    assert settings_found(tmp_path) == {}


def test_a_start_after_a_check_is_refused_no_list(ask, stack, market):
    """The check asks for eight lists in a row before there is a database, of an exchange that allows one in ten seconds
    and five at once."""
    folder, slots = stack_check.folder(stack), []
    ask(options=["--folder", str(folder)])
    stack_check.count_lists_asked(stack, market.dsn())
    stack_check.count_lists_asked(stack, market.dsn())
    with psycopg.connect(market.dsn(), autocommit=True) as connection:
        rate_limiter = RateLimiter(connection, {"instruments": 0.1}, sleep=lambda s: slots.append(time.time() + s))
        for _ in range(7):
            rate_limiter("instruments")

    slow = Limits(catalogue_seconds=10, catalogue_burst=5)
    asked = [ms / 1000 for ms in stack_check.sent_at(max(folder.glob("*/")), "get_instruments")]
    assert len(asked) == LISTS and not all([slow.admits("get_instruments", at) for at in asked])
    assert all([slow.admits("get_instruments", at) for at in slots])
    assert slots[4] - asked[-1] < 51 and slots[5] - slots[0] > 49, "five at once, as soon as there is room"


def test_nothing_was_asked_where_there_was_no_check(stack, market):
    stack_check.count_lists_asked(stack, market.dsn())
    (stack_check.folder(stack) / "2026-09-20T211717.000000Z").mkdir(parents=True)
    stack_check.count_lists_asked(stack, market.dsn())
    assert market.rows("SELECT * FROM store.rate_limit") == []


def test_results_are_whole_or_not_there(ask, tmp_path, monkeypatch):
    def full(path, text):
        path.write_bytes(text[:20].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        ask()
    assert not list(tmp_path.glob("*/results.json"))


def test_one_request_a_second_but_for_eight_in_a_row(exchange, tmp_path, monkeypatch):
    """Of a clock that only sleeping moves: no request takes time by it, so every second between two is the pace's."""
    now, sent = 0.0, []

    def sleep(seconds):
        nonlocal now
        now += seconds

    def send(session, *arguments):
        sent.append(now)
        return usual(session, *arguments)

    usual = Session.send
    monkeypatch.setattr(check, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now))
    monkeypatch.setattr(Session, "send", send)
    exchange.reset()
    hosts = ["--live", exchange.live_url, "--history", exchange.history_url]
    assert check.main([*hosts, "--folder", str(tmp_path)]) == 0
    gaps = [after - before for before, after in pairwise(sent)]
    assert len(sent) == CALLS and gaps.count(0.0) == BURST_CALLS - 1
    assert gaps.count(1.0) == CALLS - BURST_CALLS
    assert stack_check.REQUEST_INTERVAL["live"] == check.REQUEST_INTERVAL == 1.0


def test_an_exchange_in_maintenance_is_not_asked_on(ask, exchange, monkeypatch):
    monkeypatch.setattr("deribit_warehouse.exchange.probe.LONGEST_PAUSE", 0)
    code, said, _ = ask({"kind": "http_status", "status": 502, "times": 1000})
    assert code == 2 and f"{ASSUMED} could not be asked" in said and "502" in said
    assert exchange.stats()["requests"] == 3


def test_nobody_there_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("deribit_warehouse.exchange.probe.LONGEST_PAUSE", 0)
    here = "http://127.0.0.1:9"
    assert check.main(["--live", here, "--history", here, "--folder", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert f"{ASSUMED} could not be asked" in said
    assert "send it in" not in said and "Nothing was answered" in said and "network" in said


def test_the_limiter_counts_these_requests(ask, market, monkeypatch):
    monkeypatch.setenv("DERIBIT_CHECK_MARKET_URL", market.dsn())
    monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "40")  # as many slots are kept
    monkeypatch.setenv("DERIBIT_LIVE_SHARE", "0")
    monkeypatch.setenv("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "20")
    code, said, _ = ask()
    assert code == 0 and "Note" not in said
    with psycopg.connect(market.dsn()) as connection:
        counted = dict(connection.execute("SELECT bucket, cardinality(slots) FROM store.rate_limit").fetchall())
    assert counted == {"history": CALLS - LISTS, "instruments": LISTS}


def test_a_database_without_the_limiter_does_not_keep_it_from_asking(ask, postgres, monkeypatch):
    monkeypatch.setenv("DERIBIT_CHECK_MARKET_URL", postgres.dsn("postgres"))
    code, said, _ = ask()
    assert code == 0 and "Note: the limiter does not count these requests" in said


def test_the_command_asks_the_configured_exchange(exchange, tmp_path):
    environ = separate_environment(tmp_path) | {
        "WAREHOUSE_SIMULATOR_PORT": str(urlsplit(exchange.live_url).port),
        "WAREHOUSE_SIMULATOR_HISTORY_PORT": str(urlsplit(exchange.history_url).port),
    }
    command = [sys.executable, "-m", "stack", "check", "--mode", "demo"]
    done = subprocess.run(command, cwd=ROOT, env=environ, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Asking {exchange.live_url} and {exchange.history_url}" in done.stdout
    assert str(tmp_path / "demo" / "check") in done.stdout


RATE = "DERIBIT_CATALOGUE_REQUESTS_PER_SECOND"


@pytest.fixture
def live(exchange, tmp_path, monkeypatch):
    """A live stack whose exchange is the simulator; nothing of it runs."""
    monkeypatch.setitem(stack_check.REQUEST_INTERVAL, "live", 0)
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if name != RATE})
    yield stack_of(
        "live",
        separate_environment(tmp_path)
        | {"DERIBIT_URL": exchange.live_url, "DERIBIT_HISTORY_URL": exchange.history_url},
    )
    exchange.faults()


def test_a_start_asks_first_and_sets_what_the_exchange_was_found_to_allow(live, capfd):
    [note] = stack_check.ask_before_a_start(live)
    assert os.environ[RATE] == "1" and f"{RATE} is 1" in note
    assert f"{ASSUMED} of {ASSUMED} hold" in capfd.readouterr().out
    os.environ[RATE] = "0.5"
    [note] = stack_check.ask_before_a_start(live)
    assert os.environ[RATE] == "0.5", "what is set stays"
    assert note == f"{RATE} is set to 0.5; the exchange was found to allow 1."


def test_a_start_goes_on_with_what_does_not_hold(live, exchange, capfd):
    exchange.faults({"kind": "stale_fill"})
    os.environ[RATE] = "1"
    [note] = stack_check.ask_before_a_start(live)
    assert "The start goes on" in note
    said = capfd.readouterr().out
    assert said.count("it means:") == 1 and "BROKEN     fill" in said


def test_a_start_says_what_an_answer_means_that_was_allowed_for(live, exchange, monkeypatch, capfd):
    """As the other way to add up the funding of linear perpetuals."""
    other = CheckResult(True, "weighted by the other", means="funding_weighted is another sum")
    answers = {one: CheckResult(True, "as assumed") for one in ASSUMPTIONS}
    answers[next(one for one in ASSUMPTIONS if one.name == "linear-checksum")] = other
    monkeypatch.setattr(check, "check_assumptions", lambda *_: answers)
    hosts = ["--live", exchange.live_url, "--history", exchange.history_url, "--folder", str(live.home / "check")]
    assert check.main([*hosts, "--brief"]) == 0
    said = capfd.readouterr().out
    assert said.count("it means: funding_weighted is another sum") == 1 and "as assumed" not in said


def test_the_limiter_counts_what_a_start_has_asked_before_airflow_asks(live, monkeypatch):
    called = []

    def note(name):
        return lambda *_, **__: called.append(name) or []

    monkeypatch.setattr(stack_command, "set_up_databases", note("databases"))
    monkeypatch.setattr(stack_check, "count_lists_asked", note("counted"))
    monkeypatch.setattr(services, "start", lambda _, *names: called.extend(names))
    for module, name in ((postgres, "initialise"), (postgres, "wait_ready"), (services, "start_supervisor")):
        monkeypatch.setattr(module, name, note(name))
    credentials = load_or_make(live.home)
    stack_command.start(live, credentials, SimpleNamespace(wait_healthy=note("healthy")), date(2026, 10, 1))
    assert called.index("databases") < called.index("counted") < called.index("scheduler")


def test_a_start_goes_on_when_nobody_answers(live, monkeypatch):
    nobody = replace(live, live_exchange="http://127.0.0.1:9", history_exchange="http://127.0.0.1:9")
    [note] = stack_check.ask_before_a_start(nobody)
    assert "waited for" in note and RATE not in os.environ


@pytest.mark.parametrize("command", ["check", "up", "demo", "prepare"])
def test_a_setting_that_makes_no_sense_is_a_sentence_and_nothing_starts(command, tmp_path):
    environ = separate_environment(tmp_path) | {"DERIBIT_REQUESTS_PER_SECOND": "-5", "DERIBIT_CURRENCIES": "BTC,GOLD"}
    done = subprocess.run(
        [sys.executable, "-m", "stack", command], cwd=ROOT, env=environ, text=True, capture_output=True
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "DERIBIT_REQUESTS_PER_SECOND" in done.stderr and "GOLD" in done.stderr
    assert not (tmp_path / "live").exists() and not (tmp_path / "demo").exists()
