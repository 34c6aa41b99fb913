"""The watch: it looks by itself, tells a dead man's switch each minute, and never says where that is."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time

import pytest
import requests
from werkzeug import Response

from deribit_warehouse import watch
from deribit_warehouse.warehouse import freshness

SECRET = "7f0c-a-secret-path"


@pytest.fixture(autouse=True)
def everything_logged(caplog):
    caplog.set_level(logging.INFO)


@pytest.fixture
def session():
    with requests.Session() as opened:
        yield opened


class Switch:
    """What the watch tells, and fails at when it is broken."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.broken = ""

    def __call__(self, word: str, why: str) -> None:
        if self.broken:
            raise watch.PingFailed(self.broken)
        self.told.append((word, why))


def watching(*looks: tuple[str, str], switch: Switch | None = None, file=None) -> watch.Watch:
    left = iter(looks)
    return watch.Watch(lambda: next(left), switch, file)


OK, STALE, UNKNOWN = (freshness.OK, ""), (freshness.STALE, "funding_rates stale."), (freshness.UNKNOWN, "away.")


def test_it_tells_at_every_look_and_logs_what_changed(caplog):
    switch = Switch()
    looks = [OK, OK, STALE, STALE, OK]
    watched = watching(*looks, switch=switch)
    assert [watched.once() for _ in looks] == [word for word, _ in looks]
    assert switch.told == looks
    assert [record.getMessage().strip() for record in caplog.records] == ["ok", "stale funding_rates stale.", "ok"]


def test_a_database_that_is_away_for_one_look_wakes_nobody():
    switch = Switch()
    looks = [OK, UNKNOWN, OK, UNKNOWN, UNKNOWN]
    watched = watching(*looks, switch=switch)
    for _ in looks:
        watched.once()
    assert switch.told == [OK, OK, UNKNOWN]


def test_a_switch_that_can_not_be_reached_is_logged_once_and_tried_again(caplog):
    switch = Switch()
    watched = watching(*[OK] * 5, switch=switch)
    watched.once()
    switch.broken = "ConnectTimeout"
    for _ in range(3):
        watched.once()
    switch.broken = ""
    watched.once()
    assert switch.told == [OK, OK]
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "was not told: ConnectTimeout" in line]) == 1
    assert said[-1] == "the dead man's switch is told again"


@pytest.mark.parametrize(("switch", "told"), [(None, None), (Switch(), True)])
def test_it_leaves_a_sign_of_life(tmp_path, switch, told):
    file = tmp_path / "watch.json"
    watching(STALE, switch=switch, file=file).once()
    left = json.loads(file.read_text())
    assert (left["word"], left["told"]) == ("stale", told) and left["at"].endswith("+00:00")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("found", [OK, (freshness.LATE, "candles late.")])
def test_when_nobody_has_to_get_up_the_switch_is_got(httpserver, session, found):
    httpserver.expect_oneshot_request(f"/{SECRET}", method="GET").respond_with_data("OK")
    watch.ping(session, httpserver.url_for(f"/{SECRET}"), *found)
    httpserver.check()
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("found", [STALE, UNKNOWN])
def test_otherwise_it_is_told_that_something_failed_and_what(httpserver, session, found):
    httpserver.expect_oneshot_request(f"/{SECRET}/fail", method="POST").respond_with_data("OK")
    watch.ping(session, httpserver.url_for(f"/{SECRET}"), *found)
    httpserver.check()
    [(request, _)] = httpserver.log
    assert request.get_data() == " ".join(found).encode()


def test_what_it_is_told_is_short(httpserver, session):
    httpserver.expect_request(f"/{SECRET}/fail", method="POST").respond_with_data("OK")
    watch.ping(session, httpserver.url_for(f"/{SECRET}"), freshness.STALE, "x" * 100_000)
    assert len(httpserver.log[0][0].get_data()) == watch.LONGEST


def test_a_query_stays_behind_the_path():
    assert watch.failing("https://hc.test/a/?create=1") == "https://hc.test/a/fail?create=1"


@pytest.mark.parametrize("status", [301, 302, 404, 429, 500])
def test_what_is_no_yes_is_a_failure_and_a_redirect_is_not_followed(httpserver, session, status):
    httpserver.expect_request("/elsewhere").respond_with_data("OK")
    headers = {"Location": httpserver.url_for("/elsewhere")}
    httpserver.expect_request(f"/{SECRET}").respond_with_response(Response("", status, headers))
    with pytest.raises(watch.PingFailed, match=f"it answered {status}"):
        watch.ping(session, httpserver.url_for(f"/{SECRET}"), *OK)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:9/{SECRET}", f"https://127.0.0.1:9/{SECRET}", f"https://none.invalid/{SECRET}"]
)
def test_no_failure_says_the_url(session, url, caplog):
    caplog.set_level(logging.DEBUG, "watch")
    watched = watching(OK, switch=lambda word, why: watch.ping(session, url, word, why))
    watched.once()
    assert "was not told" in caplog.text and SECRET not in caplog.text


def test_of_a_database_that_can_not_be_asked_it_says_so(tmp_path):
    word, why = watch.look(f"host={tmp_path} dbname=market")
    assert word == "unknown-database" and why == "the market database can't be asked: OperationalError."


def test_of_a_database_that_collects_nothing_it_says_so(market):
    assert watch.look(market.dsn("market_loader")) == ("unknown-database", "nothing is collected yet.")


def run(environ: dict[str, str], **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "deribit_warehouse.watch"]
    inherited = {"PATH": "", "PYTHONPATH": "plugins", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, env=inherited | environ, text=True, stdout=subprocess.PIPE, **options)


def test_the_process_looks_at_once_and_says_nothing_of_the_url(market, httpserver, tmp_path):
    file = tmp_path / "watch.json"
    process = run(
        {
            "DERIBIT_WATCH_MARKET_URL": market.dsn("market_loader"),
            "DERIBIT_WATCH_FILE": str(file),
            "DERIBIT_HEARTBEAT_URL": httpserver.url_for(f"/{SECRET}"),
        },
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert json.loads(file.read_text())["word"] == "unknown-database"
    finally:
        process.terminate()
        said, _ = process.communicate()
    assert "nothing is collected yet" in said and "Traceback" not in said and SECRET not in said


def test_a_url_that_is_none_ends_it_in_a_sentence(market):
    process = run(
        {"DERIBIT_WATCH_MARKET_URL": "", "DERIBIT_HEARTBEAT_URL": f"http://elsewhere.test/{SECRET}"},
        stderr=subprocess.PIPE,
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and said.startswith("DERIBIT_HEARTBEAT_URL must be a URL with https")
    assert said.count("\n") == 1 and SECRET not in said
