"""What was not run is said at the end of a run."""

from __future__ import annotations

from types import SimpleNamespace

from .conftest import pytest_terminal_summary


class Reporter:
    """What a terminal reporter is asked for."""

    def __init__(self, **stats: list) -> None:
        self.stats, self.lines = stats, []

    def section(self, title: str, **_: object) -> None:
        self.lines.append(title)

    def line(self, text: str, **_: object) -> None:
        self.lines.append(text)


def skipped(test: str, reason: str) -> SimpleNamespace:
    return SimpleNamespace(nodeid=test, longrepr=("a file", 1, f"Skipped: {reason}"))


def test_what_was_skipped_is_named_by_its_reason():
    found = [skipped("b::two", "no data"), skipped("c::x", "no browser"), skipped("b::a", "no data")]
    reporter = Reporter(skipped=found)
    pytest_terminal_summary(reporter)
    assert reporter.lines == [
        "3 TESTS WERE NOT RUN",
        "2 not run: no data", "    b::a", "    b::two",
        "1 not run: no browser", "    c::x",
    ]  # fmt: skip


def test_where_nothing_was_skipped_nothing_is_said():
    reporter = Reporter(passed=[skipped("b::two", "no data")])
    pytest_terminal_summary(reporter)
    assert reporter.lines == []
