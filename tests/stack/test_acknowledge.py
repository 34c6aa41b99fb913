"""`make acknowledge`: what is open, with its numbers; with a number that somebody has seen it."""

from __future__ import annotations

import psycopg
import pytest

from deribit_warehouse.warehouse.incidents import Fingerprint, observe
from stack import __main__ as command
from stack import postgres


@pytest.fixture
def acknowledge(market, stack, credentials, monkeypatch):
    """(arguments, dsn) -> the exit code of the command, of a stack whose database is the test's."""

    def run(*arguments: str, dsn: str | None = None) -> int:
        monkeypatch.setattr(command, "the_stack", lambda mode: stack)
        monkeypatch.setattr(command, "load", lambda home: credentials)
        monkeypatch.setattr(postgres, "dsn", lambda stack, credentials, role, database: dsn or market.dsn(role))
        return command.main(["acknowledge", *arguments])

    return run


@pytest.fixture
def open_ones(market) -> list[int]:
    with psycopg.connect(market.dsn()) as connection:
        return [
            observe(connection, Fingerprint("failure", "futures_ohlcv", rule), "load[3] BTC: said\nmore")
            for rule in ("BadResponse", "KeyError")
        ]


def test_without_a_number_it_prints_what_is_open(acknowledge, open_ones, capsys):
    assert acknowledge() == 0
    told = capsys.readouterr().out
    assert "BadResponse" in told and "KeyError" in told and "load[3] BTC: said" in told and "more" not in told


def test_with_none_open_it_says_so(acknowledge, capsys):
    assert acknowledge() == 0
    assert "No incident is open." in capsys.readouterr().out


def test_numbers_are_acknowledged_by_who_runs_it(acknowledge, open_ones, market, capsys):
    assert acknowledge(*map(str, open_ones), "--by", "night.shift", "--note", "it's known") == 0
    assert (
        market.rows("SELECT state, acknowledged_by, note FROM incidents")
        == [("acknowledged", "night.shift", "it's known")] * 2
    )
    assert f"{open_ones[0]}: futures_ohlcv BadResponse is known, says night.shift" in capsys.readouterr().out
    assert acknowledge(str(open_ones[0]), "--over") == 0
    assert market.rows("SELECT state FROM incidents ORDER BY incident_id") == [("resolved",), ("acknowledged",)]


def test_a_number_that_is_not_open_is_a_sentence(acknowledge, capsys):
    assert acknowledge("17") == 1
    assert capsys.readouterr().err == "there is no open incident 17; what is open: make acknowledge\n"


def test_a_database_that_can_not_be_reached_is_a_sentence(acknowledge, capsys, tmp_path):
    for numbers in ((), ("1",)):
        assert acknowledge(*numbers, dsn=f"host={tmp_path} dbname=market") == 1
        assert capsys.readouterr().err.startswith("The market database can't be asked: ")
