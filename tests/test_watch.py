"""The watch: it looks by itself, tells a dead man's switch each minute, and never says where that is."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time

import psycopg
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Response

from deribit_warehouse import watch
from deribit_warehouse.warehouse import freshness, watched
from deribit_warehouse.warehouse.incidents import Fingerprint
from deribit_warehouse.warehouse.watched import Finding

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


def watching(*looks: tuple, switch: Switch | None = None, file=None, keep=None) -> watch.Watch:
    left = iter(looks)
    return watch.Watch(lambda: watch.Look(*next(left)), switch, file, keep)


OK, STALE, UNKNOWN = (freshness.OK, ""), (freshness.STALE, "funding_rates stale."), (freshness.UNKNOWN, "away.")
FUNDING = Finding(Fingerprint("watch", "funding_rates", "stale", "BTC"), "error", "1 of 1")


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


class Incidents:
    """What the watch keeps, as the market database would: what is open, and what was said of it, look by look."""

    def __init__(self) -> None:
        self.open: set[Fingerprint] = set()
        self.of: list[tuple[str, Fingerprint]] = []
        self.broken = False

    @property
    def said(self) -> list[str]:
        return [what for what, _ in self.of]

    def __call__(self, seen, over) -> None:
        if self.broken:
            raise psycopg.OperationalError("no space left")
        opened = {finding.fingerprint for finding in seen}
        assert set(over) <= self.open and not opened & set(over)
        self.of += [("opened", each) for each in opened - self.open] + [("over", each) for each in over]
        self.open = (self.open | opened) - set(over)

    def looks(self, *founds: list[Finding] | None) -> list[str]:
        """What is said when it is seen to be so, look by look after a first one that saw nothing wrong."""
        looks = iter([[], *founds])
        watched = watch.Watch(lambda: watch.Look(*OK, next(looks), tuple(self.open)), None, None, self)
        for _ in range(len(founds) + 1):
            watched.once()
        return self.said


TOLD = FUNDING._replace(told=True)
OTHER = FUNDING._replace(fingerprint=FUNDING.fingerprint._replace(instruments="ETH"))


@pytest.mark.parametrize(
    ("founds", "said"),
    [
        ([[FUNDING]], []),
        ([[FUNDING], [], [FUNDING]], []),
        ([[FUNDING]] * 2, ["opened"]),
        ([[FUNDING]] * 9 + [[]] * 3, ["opened", "over"]),
        ([[FUNDING]] * 2 + [[TOLD]] * 99, ["opened"]),
        ([[TOLD]] * 99, []),
        ([[TOLD]] * 99 + [[FUNDING]] * 14, []),
        ([[TOLD]] * 99 + [[FUNDING]] * 15, ["opened"]),
        ([[TOLD], [], [FUNDING], [FUNDING]], ["opened"]),
        ([None] + [[FUNDING]] * 15, []),
        ([None] + [[FUNDING]] * 16, ["opened"]),
        ([[FUNDING]] * 2 + [None] * 5 + [[FUNDING]] * 99, ["opened"]),
        ([[FUNDING]] * 2 + [None] * 5 + [[]], ["opened", "over"]),
    ],
)
def test_what_is_seen_often_enough_is_an_incident_and_one_end(founds, said):
    assert Incidents().looks(*founds) == said


@given(st.lists(st.sampled_from([None, [], [FUNDING], [TOLD], [FUNDING, OTHER], [OTHER]]), max_size=80))
def test_whatever_is_seen_an_incident_opens_once_and_is_over_once(founds):
    kept = Incidents()
    kept.looks(*founds)
    for fingerprint in (FUNDING.fingerprint, OTHER.fingerprint):
        said = [what for what, of in kept.of if of == fingerprint]
        assert said == ["opened", "over"] * (len(said) // 2) + ["opened"] * (len(said) % 2)
        assert (fingerprint in kept.open) == bool(len(said) % 2)


def test_after_a_start_what_stands_still_has_time_to_catch_up():
    for looks, opened in ((15, []), (16, ["opened"])):
        kept = Incidents()
        watched = watching(*[(*STALE, [FUNDING])] * looks, keep=kept)
        for _ in range(looks):
            watched.once()
        assert kept.said == opened


def test_an_incident_of_before_a_start_goes_on_and_is_over_once_it_is_seen_to_be(caplog):
    kept = Incidents()
    kept.open = {FUNDING.fingerprint}
    watching((*STALE, [FUNDING], (FUNDING.fingerprint,)), keep=kept).once()
    assert kept.said == []
    watching((*OK, [], (FUNDING.fingerprint,)), keep=kept).once()
    assert kept.said == ["over"]


def test_incidents_that_can_not_be_kept_are_logged_once_and_tried_again(caplog):
    kept = Incidents()
    kept.broken = True
    switch = Switch()
    watched = watching(*[(*STALE, [FUNDING])] * 20, switch=switch, keep=kept)
    for _ in range(19):
        watched.once()
    kept.broken = False
    watched.once()
    assert kept.said == ["opened"] and len(switch.told) == 20
    assert len([r for r in caplog.records if "could not be kept: no space left" in r.getMessage()]) == 1


@pytest.mark.parametrize(("switch", "told"), [(None, None), (Switch(), True)])
def test_it_leaves_a_sign_of_life(tmp_path, switch, told):
    file = tmp_path / "watch.json"
    watching(STALE, switch=switch, file=file).once()
    left = json.loads(file.read_text())
    assert (left["word"], left["told"]) == ("stale", told) and left["at"].endswith("+00:00")
    assert list(tmp_path.iterdir()) == [file]


def test_where_no_sign_of_life_can_be_left_it_goes_on_and_forgets_nothing(tmp_path, caplog):
    """As on a disk that is full: it would be started again each time, and never have seen anything often enough."""
    folder = tmp_path / "away"
    kept, switch = Incidents(), Switch()
    watched = watching(*[(*STALE, [FUNDING])] * 17, switch=switch, file=folder / "watch.json", keep=kept)
    assert [watched.once() for _ in range(16)] == [freshness.STALE] * 16
    assert kept.said == ["opened"] and len(switch.told) == 16
    assert len([r for r in caplog.records if "no sign of life could be left" in r.getMessage()]) == 1
    folder.mkdir()
    watched.once()
    assert json.loads((folder / "watch.json").read_text())["word"] == freshness.STALE


def test_a_disk_that_can_not_be_asked_ends_nothing_and_starts_nothing(market, tmp_path):
    dsn, gone = market.dsn("market_loader"), watch.Disk(tmp_path / "away", limit_bytes=1, least_bytes=2)
    assert watch.look(dsn, gone) == ("unknown-database", "nothing is collected yet.", [], [])
    assert watch.look(f"host={tmp_path} dbname=market", gone).word == freshness.UNKNOWN, "the database is away as well"
    [full] = watch.look(dsn, gone._replace(folder=tmp_path)).found
    watched.keep(dsn, [full], [])
    assert watch.look(dsn, gone)[2:] == ([], []), "what stands is not over for that"
    assert watch.look(dsn, gone._replace(folder=tmp_path)).standing == [full.fingerprint]


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
    word, why, found, _ = watch.look(f"host={tmp_path} dbname=market")
    assert (word, found) == ("unknown-database", None)
    assert why == "the market database can't be asked: OperationalError."


def test_of_a_database_that_collects_nothing_it_says_so(market):
    assert watch.look(market.dsn("market_loader")) == ("unknown-database", "nothing is collected yet.", [], [])


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
