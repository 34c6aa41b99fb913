"""A market database that is away, as it is remembered beside Airflow: by one file, which many processes change."""

import json
import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deribit_warehouse.alerts import away
from deribit_warehouse.alerts.incidents import observations
from deribit_warehouse.alerts.messages import FailedTask, RunReport, render_incidents

BASE = "http://localhost:8080"
SINCE = datetime(2026, 11, 26, 3, 14, tzinfo=UTC)
BEGUN = away.Away(
    SINCE.timestamp(), SINCE.timestamp(), "deribit_futures_live", "scheduled__2026-11-26T03:13:00+00:00",
    ["First: deribit_futures_live from 2026-11-26: 1 task failed", "load[0] BTC: OperationalError: server closed"],
    "OperationalError: connection to server at \"db\", port 5432 failed: FATAL: password authentication failed",
)  # fmt: skip


def fold(number: int) -> None:
    """What the callback of a run does that failed."""
    report = RunReport(f"deribit_{number}", "r", failures=[FailedTask("load")])
    away.fold(report, observations(report, failed=True), ConnectionError("refused"), BASE)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A function that returns the subjects of what was told, by whichever process."""
    file = tmp_path / "told"
    file.touch()

    def send(message) -> list[str]:
        with file.open("a") as out:
            out.write(f"{message.subject}\n")
        return ["a channel"]

    monkeypatch.setattr(away, "send", send)
    return lambda: file.read_text().splitlines()


def test_of_many_processes_that_fail_at_once_one_tells_and_all_are_counted(home, told, monkeypatch):
    monkeypatch.setattr(away, "PATIENCE", 60)
    away.describe(ConnectionError())  # imports Airflow, once for all
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(6)

    def fails(number: int) -> None:
        together.wait(30)
        for _ in range(10):
            fold(number)

    processes = [fork.Process(target=fails, args=(number,)) for number in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == 6 * [0]
    assert len(told()) == 1
    kept = away.Away(**json.loads((home / away.NAME).read_text()))
    assert kept.times == 60 and sum(kept.untold.values()) == 59 and len(kept.untold) == 6


@pytest.mark.parametrize("catches_up", [True, False])
@pytest.mark.parametrize("only_named", [True, False])
def test_a_run_that_says_no_interval_is_kept_where_no_next_run_does_its_work(home, told, catches_up, only_named):
    """A run that Airflow strands says none, and may be of any; one that an asset has started has none."""
    report = RunReport(
        "deribit_futures_ohlcv",
        "r",
        catches_up=catches_up,
        only_named=only_named,
        notes=["No task could be scheduled."],
    )
    away.fold(report, observations(report, failed=True), ConnectionError("refused"), BASE)
    assert [(each["words"], each["stands"]) for each in away._read(home / away.NAME).later] == [
        ("No task could be scheduled.", ["r"])
    ] * (catches_up and only_named)


def test_what_was_told_and_could_not_be_written_down_is_told_again_and_no_run_by_itself(
    home, told, monkeypatch, caplog
):
    report = RunReport("deribit_futures_ohlcv", "r", failures=[FailedTask("load", error="BadResponse: no ticks")])
    sent = away.send

    def locks(messages):
        (home / away.NAME).with_suffix(".lock").unlink()
        (home / away.NAME).with_suffix(".lock").mkdir()
        return sent(messages)

    monkeypatch.setattr(away, "send", locks)
    away.fold(report, observations(report, failed=True), ConnectionError("refused"), BASE)
    assert len(told()) == 1 and "could not be written down" in caplog.text


def test_what_a_process_holds_that_does_not_let_go_is_not_waited_for(home, told, monkeypatch):
    import fcntl

    monkeypatch.setattr(away, "PATIENCE", 0.1)
    fold(1)
    with (home / away.NAME).with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fold(2)
        away.settle(None)  # another process does it
    fold(3)
    assert len(told()) == 1 and away._read(home / away.NAME).untold == {"deribit_3": 1}


@pytest.mark.parametrize("nonsense", ["", "{", "[]", '{"since": 1}', '{"odd": 1}'])
def test_a_file_that_says_nothing_is_begun_anew_and_ends_with_the_database_that_is_back(home, told, nonsense):
    file = home / away.NAME
    file.write_text(nonsense)
    fold(1)
    assert len(told()) == 1 and away._read(file).times == 1
    file.write_text(nonsense)
    away.settle(None)
    assert not file.exists()


def test_without_the_file_nothing_is_settled_and_nothing_left(home):
    away.settle(None)
    assert os.listdir(home) == []


def text(kept: away.Away) -> str:
    return render_incidents([away._incident(kept)], BASE).text


def test_it_is_read_at_night_on_a_telephone():
    assert (
        text(BEGUN)
        == """the market database away, since 2026-11-26 03:14 UTC

It can't be reached, or can't keep what is wrong. Nothing is loaded or published; what was published stays. What fails \
until it is back is counted, and not told one by one.
To do: Look at once: see "The market database is away" in docs/operations.md.

Seen last:
- OperationalError: connection to server at "db", port 5432 failed: FATAL: password authentication failed
- First: deribit_futures_live from 2026-11-26: 1 task failed
- load[0] BTC: OperationalError: server closed

Run: http://localhost:8080/dags/deribit_futures_live/runs/scheduled__2026-11-26T03%3A13%3A00%2B00%3A00"""
    )
    still = replace(
        BEGUN, told=BEGUN.since, untold={"deribit_funding_live": 1, "deribit_futures_live": 60}, seen=BEGUN.since + 3600
    )
    assert text(still).startswith("Still: the market database away, since 2026-11-26 03:14 UTC, seen 62 times\n")
    counted = "\n- 61 more were not told one by one: deribit_futures_live 60, deribit_funding_live 1\n"
    assert counted in text(still)


def test_what_the_database_answers_is_cleaned_and_bounded():
    wicked = "<script>\r\nBcc: x@example.com\x00\u202e " + "x" * 5000
    message = render_incidents([away._incident(replace(BEGUN, cause=wicked, first=[wicked] * 9))], BASE)
    assert "\x00" not in message.text and "\u202e" not in message.text and len(message.text) < 3000
    assert "<script" not in message.html and message.subject.isprintable()
    kept = replace(BEGUN, cause=wicked).words
    assert "\x00" not in kept and len(kept.splitlines()) == 3
