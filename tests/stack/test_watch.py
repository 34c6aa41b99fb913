"""The watch as a service of the stack, and what `make status` says of freshness."""

from __future__ import annotations

import os
import time
from datetime import date

import psycopg
import pytest

from stack import __main__ as command
from stack import postgres
from stack.environment import environment

SECRET = "https://hc.test/a-secret"


@pytest.fixture
def become(stack, credentials, monkeypatch):
    """A service -> the command and environment it turns into."""
    found = {}
    monkeypatch.setattr(command, "load", lambda home: credentials)
    monkeypatch.setattr(os, "execve", lambda path, words, environ: found.update(words=words, environ=environ))
    monkeypatch.setattr(os, "chdir", lambda folder: None)

    def run(name: str) -> tuple[list[str], dict[str, str]]:
        command.become(stack, name)
        return found["words"], found["environ"]

    return run


def test_it_gets_the_database_and_the_switch_and_nothing_of_airflow(become, stack, credentials, monkeypatch):
    monkeypatch.setenv("DERIBIT_HEARTBEAT_URL", SECRET)
    for left in [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]:  # by a task that ran in this process
        monkeypatch.delenv(left)
    words, environ = become("watch")
    assert words[1:] == ["-m", "deribit_warehouse.watch"] and credentials.market_loader not in " ".join(words)
    assert environ["DERIBIT_HEARTBEAT_URL"] == SECRET
    assert environ["DERIBIT_WATCH_MARKET_URL"] == postgres.dsn(stack, credentials, "market_loader", "market")
    assert environ["DERIBIT_WATCH_FILE"] == str(stack.home / "watch.json")
    assert environ["DERIBIT_DATABASE_FOLDER"] == str(stack.home / "postgres")
    assert not [name for name in environ if name.startswith("AIRFLOW")]


def test_no_service_of_airflow_gets_the_switch(stack, credentials):
    assert SECRET not in environment(
        stack, credentials, date(2025, 1, 1), {"DERIBIT_HEARTBEAT_URL": SECRET}
    ).values()  # fmt: skip


def test_it_is_healthy_while_it_leaves_a_sign_of_life(stack):
    assert command.healthy(stack, "watch") == 1
    stack.home.mkdir(parents=True)
    file = command.watch_file(stack)
    file.write_text("{}")
    assert command.healthy(stack, "watch") == 0
    old = time.time() - command.SIGN_OF_LIFE - 10
    os.utime(file, (old, old))
    assert command.healthy(stack, "watch") == 1


def test_status_says_that_nothing_is_collected_yet(status):
    code, said = status()
    assert code == 0 and "Freshness: nothing is collected yet" in said


def test_status_says_how_fresh_each_dataset_is_and_names_what_is_behind(status, market):
    with psycopg.connect(market.dsn("market_loader"), autocommit=True) as connection:
        connection.execute("INSERT INTO store.collected VALUES ('BTC', '2020-01-01')")
        connection.execute(
            "INSERT INTO store.instrument (instrument, label, kind, base_currency, settlement_currency, "
            "settlement_period, listed_at, expires_at, host, first_seen_at) VALUES ('BTC-PERPETUAL', 'BTC-PERPETUAL', "
            "'future', 'BTC', 'BTC', 'perpetual', '2025-01-01', 'infinity', 'h', now() - interval '10 days')"
        )
    code, said = status()
    assert code == 0
    [line] = [line for line in said.splitlines() if "perpetuals_ohlcv" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        "perpetuals_ohlcv", "stale", "1", "0", "1", "0", "-", "-", "BTC-PERPETUAL",
    ]  # fmt: skip


def test_a_database_without_its_views_is_a_sentence(status, monkeypatch, tmp_path):
    monkeypatch.setattr(postgres, "dsn", lambda *ignored: f"host={tmp_path} dbname=market")
    code, said = status()
    assert code == 0 and "could not be asked" in said and "Traceback" not in said
