"""`make report`: Markdown on the standard output or in a file, and a sentence where the database can't be asked."""

from __future__ import annotations

import pytest

from stack import __main__ as command
from stack import postgres


@pytest.fixture
def report(market, stack, credentials, monkeypatch):
    """(arguments, dsn) -> the exit code of the command, of a stack whose database is the test's."""

    def run(*arguments: str, dsn: str | None = None) -> int:
        monkeypatch.setattr(command, "the_stack", lambda mode: stack)
        monkeypatch.setattr(command, "load", lambda home: credentials)
        monkeypatch.setattr(postgres, "dsn", lambda stack, credentials, role, database: dsn or market.dsn(role))
        return command.main(["report", *arguments])

    return run


def test_it_is_printed_and_criteria_that_are_not_met_are_no_failure(report, capsys):
    assert report() == 0
    text = capsys.readouterr().out
    assert text.startswith("# Completion report\n") and text.endswith("\n")
    assert text.count("| not passed |") == 5 and "0 of 5" in text
    assert "FROM dataset_condition WHERE dataset = 'funding_rates'" in text


def test_it_is_written_to_a_file_when_one_is_named(report, capsys, tmp_path):
    assert report("--output", str(tmp_path / "report.md")) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "report.md").read_text().startswith("# Completion report\n")


def test_a_file_that_can_not_be_written_is_said(report, capsys, tmp_path):
    assert report("--output", str(tmp_path / "nowhere" / "report.md")) == 1
    assert "can't be written" in capsys.readouterr().err


def test_a_database_that_can_not_be_reached_is_a_sentence(report, capsys, tmp_path):
    assert report(dsn=f"host={tmp_path} dbname=market") == 1
    answer = capsys.readouterr()
    assert answer.out == "" and answer.err.count("\n") == 1
    assert answer.err.startswith("The market database can't be asked for its report:") and "make status" in answer.err


def test_without_a_stack_it_says_how_to_make_one(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.delenv("WAREHOUSE_MODE", raising=False)
    assert command.main(["report"]) == 1
    assert "There is no stack yet" in capsys.readouterr().err
