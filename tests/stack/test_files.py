"""What is written into the state folder: the supervisor's configuration, the secrets, Airflow's own files."""

import configparser
import json
import os
import re
import subprocess
import sys
from dataclasses import astuple, fields

import pytest

from stack import StackError, credentials, services
from stack.__main__ import write_airflow_files


def read(stack):
    parser = configparser.RawConfigParser()
    parser.read_string(services.configuration(stack))
    return parser


def test_every_service_is_restarted_logged_with_rotation_and_stopped_with_its_children(stack):
    parser = read(stack)
    programs = {name.split(":")[1]: parser[name] for name in parser.sections() if name.startswith("program:")}
    assert set(programs) == {
        "postgres",
        "simulator",
        "api-server",
        "dag-processor",
        "scheduler",
        "triggerer",
        "watch",
        "cleaner",
    }
    for name, program in programs.items():
        assert program["autorestart"] == "true" and program["killasgroup"] == "true"
        assert program["stdout_logfile"] == str(stack.logs / f"{name}.log")
        assert program["stdout_logfile_maxbytes"] and program["redirect_stderr"] == "true"
        if name != "postgres":
            # the scheduler waits for its tasks: those that have just been started would die of it
            assert (program["stopsignal"], program["stopasgroup"]) == ("TERM", str(name != "scheduler").lower())
    assert (programs["postgres"]["stopsignal"], programs["postgres"]["stopasgroup"]) == ("INT", "false")


def test_what_cannot_be_started_is_tried_again_for_longer_than_a_disk_stays_full(stack):
    """supervisord waits a second more after each failure; when it has failed too often it gives up for good."""
    parser = read(stack)
    for name in parser.sections():
        if name.startswith("program:"):
            failures = int(parser[name]["startretries"])
            assert failures * (failures + 1) / 2 > 365 * 86_400, name


def test_postgres_starts_first_and_stops_last(stack):
    parser = read(stack)
    order = {name: int(parser[name]["priority"]) for name in parser.sections() if name.startswith("program:")}
    assert min(order, key=order.get) == "program:postgres"
    assert len({n for n, p in order.items() if p == order["program:postgres"]}) == 1


def test_root_does_not_run_postgres(stack):
    program = read(stack)["program:postgres"]
    assert program.get("user") == ("pgserver" if os.geteuid() == 0 else None)


def test_only_its_owner_reaches_the_supervisor(stack):
    parser = read(stack)
    assert parser["unix_http_server"]["chmod"] == "0600"
    assert "inet_http_server" not in parser
    assert parser["supervisord"]["umask"] == "077"


def test_no_secret_is_in_the_configuration_or_in_a_command_line(stack):
    made = credentials.load_or_make(stack.home)
    text = services.configuration(stack)
    for secret in astuple(made):
        assert secret not in text


def test_secrets_are_made_once_and_only_their_owner_reads_them(stack):
    old = os.umask(0)
    try:
        first = credentials.load_or_make(stack.home)
        write_airflow_files(stack, first)
    finally:
        os.umask(old)
    assert credentials.load_or_make(stack.home) == first
    assert len(set(astuple(first))) == len(fields(first))
    assert all(len(secret) >= 16 for secret in astuple(first))
    secrets = astuple(first)
    holding = [p for p in stack.home.rglob("*") if p.is_file() and any(s in p.read_text() for s in secrets)]
    assert {p.name for p in holding} == {"secrets.json", "passwords.json"}
    for path in holding:
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_file_for_another_user_is_handed_over_before_it_has_its_name(tmp_path, monkeypatch):
    """In a folder of theirs something else may lie there by then."""
    handed = []
    monkeypatch.setattr(credentials.os, "chown", lambda *given: pytest.fail("a name is followed"))
    monkeypatch.setattr(
        credentials.os, "fchown", lambda descriptor, *owner: handed.append((owner, (tmp_path / "conf").exists()))
    )
    credentials.write_private(tmp_path / "conf", "text", (4711, 4712))
    assert handed == [((4711, 4712), False)] and (tmp_path / "conf").read_text() == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_a_file_that_can_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "conf").mkdir()
    with pytest.raises(OSError):
        credentials.write_private(tmp_path / "conf", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_passwords_need_no_quoting_anywhere(credentials):
    for name in ("admin", "postgres", "airflow", "market_owner", "market_loader", "market_reader"):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", getattr(credentials, name))


def test_airflow_finds_its_password(stack, credentials):
    write_airflow_files(stack, credentials)
    assert json.loads((stack.home / "airflow" / "passwords.json").read_text()) == {"admin": credentials.admin}


def test_only_the_scheduler_preloads(stack, credentials):
    write_airflow_files(stack, credentials)
    source = (stack.home / "airflow" / "config" / "airflow_local_settings.py").read_text()
    heavy = {"airflow.providers.postgres.hooks.postgres", "great_expectations", "pandas", "deribit_warehouse.pipeline",
             "deribit_warehouse.warehouse.publication"}  # fmt: skip
    for command, expected in (("api-server", set()), ("scheduler", heavy)):
        ask = f"import sys; sys.argv[1:] = [{command!r}]\n{source}\nprint(*(set(sys.modules) & {heavy!r}))"
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
        assert set(done.stdout.splitlines()[-1].split()) == expected


def test_damaged_or_missing_secrets(stack):
    with pytest.raises(StackError, match="never started"):
        credentials.load(stack.home)
    credentials.load_or_make(stack.home)
    (stack.home / "secrets.json").write_text('{"admin": ')
    with pytest.raises(StackError, match="damaged"):
        credentials.load_or_make(stack.home)
    (stack.home / "secrets.json").unlink()
    (stack.home / "postgres").mkdir()
    (stack.home / "postgres" / "PG_VERSION").write_text("18\n")
    with pytest.raises(StackError, match="holds a database but not the passwords"):
        credentials.load_or_make(stack.home)
    assert not (stack.home / "secrets.json").exists()
