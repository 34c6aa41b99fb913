"""The usual troubles get one sentence that says what, where and what to do; and nothing is touched."""

import os
import socket
from collections import namedtuple
from dataclasses import replace
from datetime import date

import pytest

from stack import StackError, preflight
from stack.__main__ import main
from stack.services import configuration, left_over, stop, supervisor_pid
from stack.settings import default_from, history_from, read_from, stack_of

TODAY = date(2026, 3, 31)


def test_a_free_machine_passes(stack):
    preflight.check(stack)
    assert stack.home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("variable", ["WAREHOUSE_PORT", "WAREHOUSE_SIMULATOR_PORT", "WAREHOUSE_SIMULATOR_HISTORY_PORT"])
def test_a_busy_port_names_the_port_the_process_and_the_way_out(stack, variable):
    port = stack.ports[variable]
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StackError) as caught:
        preflight.check(stack)
    sentence = str(caught.value)
    assert f"Port {port} is taken" in sentence
    assert f"(process {os.getpid()})" in sentence
    command, other = sentence.rsplit("=", 1)
    assert command.endswith(f"make demo {variable}")
    with socket.create_server(("127.0.0.1", int(other))):
        pass  # what it proposes is free


def test_a_proposed_port_is_not_another_of_the_stacks_own(stack):
    neighbours = replace(stack, port=40100, simulator_port=40101, simulator_history_port=40102)
    assert preflight.next_free(neighbours, 40100) > 40102


def test_a_full_disk(stack, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(10**12, 10**12, 1_200_000_000))
    with pytest.raises(StackError, match=r"1\.2 GB free and 3 GB are wanted.*WAREHOUSE_HOME"):
        preflight.check(stack)
    monkeypatch.setenv("WAREHOUSE_MIN_FREE_GB", "1")
    preflight.check(stack)
    monkeypatch.setenv("WAREHOUSE_MIN_FREE_GB", "lots")
    with pytest.raises(StackError, match="WAREHOUSE_MIN_FREE_GB is 'lots'"):
        preflight.check(stack)


def test_a_state_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="can't be written.*Set WAREHOUSE_HOME"):
        preflight.check(stack_of("demo", {"WAREHOUSE_HOME": str(tmp_path / "file")}))


@pytest.mark.parametrize("name", ["50%", "%(here)s", "two\nlines"])
def test_a_name_that_supervisord_and_airflow_would_expand(tmp_path, name):
    with pytest.raises(StackError, match="has a %"):
        preflight.check(stack_of("demo", {"WAREHOUSE_HOME": str(tmp_path / name)}))
    assert not (tmp_path / name).exists()


@pytest.fixture
def pretended_supervisor(stack, spawn):
    """A process that looks like this stack's supervisord from outside."""
    stack.home.mkdir(parents=True)
    process = spawn(stack.home / "supervisord.conf")
    (stack.home / "supervisord.pid").write_text(f"{process.pid}\n")
    return process


def test_a_second_start_says_where_the_first_one_is(stack, pretended_supervisor):
    with pytest.raises(StackError) as caught:
        preflight.check(stack)
    assert stack.address in str(caught.value) and "make down" in str(caught.value)
    assert pretended_supervisor.poll() is None


def test_a_second_start_is_one_line_and_exit_code_1(stack, pretended_supervisor, monkeypatch, capsys):
    monkeypatch.setenv("WAREHOUSE_HOME", str(stack.home.parent))
    before = sorted(stack.home.iterdir())
    assert main(["demo"]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "running already" in said.err and said.out == ""
    assert sorted(stack.home.iterdir()) == before


def test_a_stale_pid_file_is_no_running_stack(stack):
    stack.home.mkdir(parents=True)
    (stack.home / "supervisord.pid").write_text(str(os.getpid()))  # the id lives, but it is not supervisord's
    assert supervisor_pid(stack) is None
    (stack.home / "supervisord.pid").write_text("half a pi")
    assert supervisor_pid(stack) is None
    preflight.check(stack)


def test_what_a_crash_left_behind_is_found_by_its_environment_and_ended(stack, spawn):
    orphan, stranger = spawn(WAREHOUSE_STACK=str(stack.home)), spawn(WAREHOUSE_STACK=str(stack.home) + "2")
    assert [process.pid for process in left_over(stack)] == [orphan.pid]
    with pytest.raises(StackError, match=rf"\({orphan.pid}\).*make down"):
        preflight.check(stack)
    assert stop(stack) is True
    assert orphan.poll() is not None and stranger.poll() is None
    assert stop(stack) is False


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "2026-3-1", "20260301", "2026-W10-1", "2018-07-31", "1970-01-01", "2026-03-31",
     "2027-01-01", "2026-03-01; rm -rf /", "$(id)", "२०२०-०१-०१", "2026-03-01\n"],
)  # fmt: skip
def test_a_bad_from_is_refused(text):
    with pytest.raises(StackError, match="FROM is"):
        read_from(text, TODAY)


def test_a_good_from_is_taken():
    assert read_from("2018-08-01", TODAY) == date(2018, 8, 1)
    assert read_from("2026-03-30", TODAY) == date(2026, 3, 30)


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 3, 31), date(2025, 12, 1)),
        (date(2026, 1, 1), date(2025, 10, 1)),
        (date(2026, 4, 30), date(2026, 1, 1)),
    ],
)
def test_the_demo_spans_the_last_three_closed_months(today, first):
    assert default_from("demo", today) == first
    assert default_from("live", today) == date(2018, 8, 1)


def test_the_first_day_is_remembered_and_never_moves_back_unnoticed(stack):
    assert history_from(stack, "2025-06-01", TODAY) == date(2025, 6, 1)
    stack.home.mkdir(parents=True)
    (stack.home / "history_from").write_text("2025-06-01\n")
    assert history_from(stack, None, TODAY) == date(2025, 6, 1)
    assert history_from(stack, "2025-09-01", TODAY) == date(2025, 6, 1)
    with pytest.raises(StackError, match="holds history from 2025-06-01"):
        history_from(stack, "2025-05-01", TODAY)


@pytest.mark.parametrize("text", ["http", "80", "65536", "-1", "8080 ", "９０９０", "9" * 5000])
def test_a_port_that_is_none(text):
    with pytest.raises(StackError, match="WAREHOUSE_PORT is"):
        stack_of("demo", {"WAREHOUSE_PORT": text})


def test_ports_given_twice():
    with pytest.raises(StackError, match="must differ"):
        stack_of("demo", {"WAREHOUSE_PORT": "9000", "WAREHOUSE_SIMULATOR_PORT": "9000"})


def test_a_deep_state_folder_gets_a_short_socket_path(tmp_path):
    for name in ("x" * 90, "with space", 'quo"te', "ümlaut"):
        stack = stack_of("demo", {"WAREHOUSE_HOME": str(tmp_path / name)})
        folder = stack.socket_folder("run")
        assert folder.parent.as_posix() == "/tmp" and len(str(folder / ".s.PGSQL.5432.lock")) <= 107
        assert folder == stack_of("demo", {"WAREHOUSE_HOME": str(tmp_path / name)}).socket_folder("run")
        assert configuration(stack)
