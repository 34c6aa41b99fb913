"""What Airflow leaves behind is taken away every night: the logs, the order of things, and what goes wrong."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from stack import StackError, clean
from stack.__main__ import CLEANING_FAILED, clean_daily, clean_once, healthy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def written(path, days_ago):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    at = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (at, at))
    for folder in path.parents:
        if folder.name == "logs":
            break
        os.utime(folder, (at, at))
    return path


def test_old_logs_go_and_what_is_newer_stays(tmp_path):
    logs = tmp_path / "logs"
    task = logs / "tasks" / "dag_id=a"
    old = written(task / "run_id=1" / "task_id=t" / "attempt=1.log", 31)
    new = written(task / "run_id=2" / "task_id=t" / "attempt=1.log", 29)
    parsed = written(logs / "dags" / "2026-01-01" / "a.log", 40)
    service = written(logs / "scheduler.log", 400)
    (task / "link").symlink_to(service)
    assert clean.clean_logs(logs, NOW - timedelta(days=30)) == 2
    assert not old.exists() and not parsed.exists() and new.exists() and service.exists()
    assert clean.clean_logs(logs, NOW - timedelta(days=30)) == 0
    assert clean.clean_logs(tmp_path / "nowhere", NOW) == 0


def test_a_folder_goes_once_it_is_as_old_and_empty(tmp_path):
    """Taking a file away is a change of its folder; and a task that starts now makes its folder before its log."""
    old = written(tmp_path / "logs" / "tasks" / "dag_id=a" / "run_id=1" / "attempt=1.log", 31)
    (tmp_path / "logs" / "tasks" / "dag_id=b").mkdir()
    clean.clean_logs(tmp_path / "logs", NOW - timedelta(days=30))
    assert old.parent.exists()
    for folder in old.parents[:3]:
        os.utime(folder, (0, 0))
    clean.clean_logs(tmp_path / "logs", NOW - timedelta(days=30))
    assert not old.parent.exists() and (tmp_path / "logs" / "tasks" / "dag_id=b").exists()


@pytest.mark.parametrize(
    ("now", "hours"),
    [("2026-03-01T02:29:00", 1 / 60), ("2026-03-01T02:30:00", 24), ("2026-03-01T02:30:01", 24 - 1 / 3600),
     ("2026-03-01T23:00:00", 3.5)],
)  # fmt: skip
def test_it_is_done_at_a_time_of_the_day(now, hours):
    assert clean.seconds_until_next(datetime.fromisoformat(now).replace(tzinfo=UTC)) == pytest.approx(hours * 3600)


@pytest.fixture
def made(stack, monkeypatch):
    """A stack with secrets, and what was asked of it."""
    from stack.credentials import load_or_make

    load_or_make(stack.home)
    asked = []
    monkeypatch.setattr(clean, "clean", lambda *arguments: asked.append(arguments) or "done")
    return asked


def test_what_is_kept_is_a_setting(stack, made, monkeypatch, capsys):
    monkeypatch.setenv("DERIBIT_KEEP_RUNS_DAYS", "7")
    assert clean_once(stack) == 0
    [(_, _, environ, before)] = made
    assert timedelta(days=7) <= datetime.now(UTC) - before < timedelta(days=7, minutes=1)
    assert environ["AIRFLOW_HOME"].startswith(str(stack.home))
    assert "done" in capsys.readouterr().out


def test_a_failure_is_seen_until_it_goes_well(stack, made, monkeypatch):
    def fail(*arguments):
        raise StackError("Airflow's API server does not answer")

    with monkeypatch.context() as failing:
        failing.setattr(clean, "clean", fail)
        with pytest.raises(StackError, match="does not answer"):
            clean_once(stack)
    assert healthy(stack, "cleaner") == 1
    assert "does not answer" in (stack.home / CLEANING_FAILED).read_text()
    clean_once(stack)
    assert healthy(stack, "cleaner") == 0


def test_a_night_that_went_wrong_is_followed_by_another(stack, made, monkeypatch, capsys):
    nights = iter([None, None])

    def sleep():
        if next(nights, KeyboardInterrupt) is KeyboardInterrupt:
            raise KeyboardInterrupt

    def fail(*arguments):
        made.append(arguments)
        raise StackError("no answer")

    monkeypatch.setattr(clean, "sleep_until_next", sleep)
    monkeypatch.setattr(clean, "clean", fail)
    with pytest.raises(KeyboardInterrupt):
        clean_daily(stack)
    assert len(made) == 2 and capsys.readouterr().err == "no answer\nno answer\n"


def test_what_airflow_says_when_it_can_not_clean_is_told(stack, tmp_path):
    class Api:
        def dags(self):
            return []

    with pytest.raises(StackError, match=r"airflow db clean failed: \S"):
        clean.clean(stack, Api(), {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "nothing"),
                                   "PYTHONHOME": str(tmp_path / "nothing")}, NOW)  # fmt: skip
