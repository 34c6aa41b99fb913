"""The stack's own server, started as the stack starts it: what the holder of the reader's password can do to others."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.errors import ConfigurationLimitExceeded, InsufficientPrivilege, OperationalError, ProgramLimitExceeded

from deribit_warehouse.warehouse.migrations import migrate
from stack import postgres
from stack.__main__ import main
from stack.credentials import Credentials, write_private
from stack.install import ROOT
from stack.settings import separate_environment, stack_of
from tests.warehouse.days import FIRST, Warehouse, at, trading


class Server:
    def __init__(self, stack, credentials):
        self.stack, self.credentials = stack, credentials

    def connect(self, role="market_reader", database="market", **options):
        return psycopg.connect(postgres.dsn(self.stack, self.credentials, role, database), autocommit=True, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Installed and started under the umask of stack/run, with the market's tables."""
    old = os.umask(0o077)
    stack, credentials = (
        stack_of("live", separate_environment(tmp_path_factory.mktemp("home"), {})),
        Credentials.generate(),
    )
    stack.home.mkdir()
    try:
        postgres.initialise(stack, credentials)
        account = postgres.account()
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        with (stack.home / "postgres.log").open("w") as log:
            process = subprocess.Popen(postgres.command(stack), cwd="/", stdout=log, stderr=log, **who)
    finally:
        os.umask(old)
    try:
        postgres.wait_ready(stack, credentials, lambda: None)
        for _ in range(2):  # a second start
            postgres.create_roles_and_databases(stack, credentials)
            migrate(postgres.dsn(stack, credentials, "market_owner", "market"))
        yield Server(stack, credentials)
    finally:
        process.send_signal(2)
        process.wait(60)


def test_the_reader_leaves_connections_to_everybody_else(server):
    held = []
    with pytest.raises(OperationalError, match='too many connections for role "market_reader"'):
        while len(held) < 200:
            held.append(server.connect())
    try:
        assert len(held) == postgres.READER_CONNECTIONS
        server.connect("market_loader").close()
    finally:
        for connection in held:
            connection.close()


def test_airflow_gets_a_connection_when_the_loader_has_all_the_others(server):
    most = int(postgres.SETTINGS["max_connections"])
    held = []
    with pytest.raises(OperationalError, match="remaining connection slots are reserved"):
        while len(held) < most:
            held.append(server.connect("market_loader"))
    try:
        assert len(held) > most - 40
        server.connect("airflow", "airflow").close()
    finally:
        for connection in held:
            connection.close()


@pytest.mark.parametrize("database", ["airflow", "postgres", "template1"])
def test_the_reader_opens_no_other_database(server, database):
    with pytest.raises(OperationalError, match="permission denied for database"):
        server.connect(database=database)


def test_the_readers_temporary_files_are_limited_and_it_can_not_change_that(server):
    with server.connect() as reader:
        for statement in ("SET temp_file_limit = -1", "ALTER ROLE market_reader SET temp_file_limit = -1",
                          "ALTER ROLE market_reader IN DATABASE market SET temp_file_limit = -1"):  # fmt: skip
            with pytest.raises(InsufficientPrivilege):
                reader.execute(statement)
        reader.execute("ALTER ROLE market_reader RESET ALL")  # its own settings only
    try:
        with server.connect() as reader:
            assert reader.execute("SHOW temp_file_limit").fetchone() == ("512MB",)
            reader.execute("SET work_mem = '64kB'")
            with pytest.raises(ConfigurationLimitExceeded, match="temp_file_limit"):
                reader.execute("SELECT repeat('x', 1000), g FROM generate_series(1, 1000000) AS g ORDER BY g DESC")
            with pytest.raises(InsufficientPrivilege):
                reader.execute("CREATE TEMPORARY TABLE mine AS SELECT 1")
    finally:
        postgres.create_roles_and_databases(server.stack, server.credentials)


def test_the_reader_has_timeouts_against_accidents(server):
    with server.connect() as reader:
        for name, value in postgres.READER_SETTINGS.items():
            assert reader.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone() == (value,)


@pytest.mark.parametrize(
    "call",
    [
        "lo_create(0)", "lo_creat(-1)", "lo_from_bytea(0, 'x')", "lo_put(1, 0, 'x')", "lo_open(1, 131072)",
        "lowrite(0, 'x')", "lo_unlink(1)", "lo_import('/etc/passwd')", "pg_logical_emit_message(false, 'a', 'b')",
        "pg_export_snapshot()", "pg_advisory_lock(1)", "pg_try_advisory_lock(1, 2)", "pg_advisory_lock_shared(1)",
        "pg_advisory_xact_lock(1)", "pg_try_advisory_xact_lock_shared(1)",
    ],
)  # fmt: skip
def test_the_reader_calls_nothing_that_fills_the_disk_or_keeps_others_waiting(server, call):
    with server.connect() as reader, pytest.raises(InsufficientPrivilege):
        reader.execute(f"SELECT {call}")


def test_pools_can_give_a_connection_back(server):
    with server.connect() as reader:
        reader.execute("SELECT pg_advisory_unlock_all()")
        reader.execute("DISCARD ALL")


def test_owner_and_loader_lock(server):
    for role in ("market_owner", "market_loader"):
        with server.connect(role) as connection:
            connection.execute("SELECT pg_advisory_lock(1), pg_advisory_xact_lock(1, 2)")


def test_notifications_that_nobody_fetches_fill_two_megabytes(server):
    folder = Path(server.stack.home, "postgres", "pg_notify")
    with server.connect() as deaf, server.connect() as loud:
        deaf.execute("LISTEN a")
        deaf.execute("BEGIN")
        deaf.execute("SELECT 1")
        with pytest.raises(ProgramLimitExceeded, match="NOTIFY queue"):
            for number in range(2_000):
                loud.execute(f"NOTIFY a, '{number:7900}'")
        assert sum(file.stat().st_size for file in folder.iterdir()) < 5e6


@pytest.fixture
def documented(server, tmp_path):
    """Starts the command of docs/operations.md that has a program in it, word for word, and returns the process."""
    home = server.stack.home.parent
    write_private(server.stack.home / "secrets.json", json.dumps(asdict(server.credentials)))
    if not (home / "venv").exists():
        (home / "venv").symlink_to(sys.prefix)
    environ = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, "HOME": str(tmp_path), "WAREHOUSE_HOME": str(home)}
    text = (ROOT / "docs" / "operations.md").read_text()

    def start(program):
        [block] = [one for one in re.findall(r"^```sh\n(.+?)^```$", text, re.M | re.S) if program in one]
        return subprocess.Popen(
            ["sh", "-ec", block], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start


def test_a_backup_is_made_and_restored_as_documented_and_nobody_sees_the_password(server, documented, tmp_path):
    with server.connect("market_loader") as loader:
        warehouse = Warehouse(loader)
        perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
        warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440)))
        warehouse.publish(perpetual)

    def stored():
        candles = "SELECT * FROM perpetuals_ohlcv ORDER BY ts"
        questions = ("TABLE coverage ORDER BY 1, 2, 4", candles, "TABLE quarantined")
        with server.connect() as reader:
            return [reader.execute(question).fetchall() for question in questions]

    before = stored()
    assert len(before[1]) == 1440
    with server.connect("market_owner") as owner:  # in the way of the dump, so that it can be looked at
        with owner.transaction():
            owner.execute("LOCK TABLE store.candle_day IN ACCESS EXCLUSIVE MODE")
            dumping = documented("pg_dump")
            deadline = time.monotonic() + 60
            while not (program := running("pg_dump", dumping.pid)):
                assert time.monotonic() < deadline and dumping.poll() is None
                time.sleep(0.05)
            seen = [word for process in psutil.process_iter() for word in command_line(process)]
            assert any("--format=custom" in word for word in seen)
            assert not [word for word in seen if server.credentials.postgres in word]
            assert Path(f"/proc/{program.pid}/environ").stat().st_mode & 0o077 == 0
    said = dumping.communicate(timeout=60)[0]
    assert (dumping.returncode, said) == (0, "")
    assert (tmp_path / "market.dump").stat().st_mode & 0o077 == 0
    with server.connect("market_loader") as loader:
        loader.execute("UPDATE store.candle_day SET validation_id = NULL")
    assert stored() != before
    restoring = documented("pg_restore")
    said = restoring.communicate(timeout=120)[0]
    assert (restoring.returncode, said) == (0, "")
    assert stored() == before
    with server.connect() as reader, pytest.raises(InsufficientPrivilege):
        reader.execute("SELECT pg_advisory_lock(1)")


def running(program, parent):
    """The process a command has become, once it has."""
    below = psutil.Process(parent).children(recursive=True)
    return next((process for process in below if Path("", *command_line(process)[:1]).name == program), None)


def command_line(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_question_is_asked_as_the_superuser(server, documented):
    environ = os.environ | {"WAREHOUSE_HOME": str(server.stack.home.parent)}
    asking = [sys.executable, "-m", "stack", "postgres", "psql", "-Atc", "SELECT current_user", "market"]
    said = subprocess.run(asking, env=environ, cwd=ROOT, capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("postgres\n", "")


def test_a_program_that_is_none_of_postgres(server, documented, capsys, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_HOME", str(server.stack.home.parent))
    for words in ([], ["sh", "-c", "id"], ["../../../bin/sh"]):
        assert main(["postgres", "--mode", "live", *words]) == 1
        assert "Name a program of Postgres: " in capsys.readouterr().err
