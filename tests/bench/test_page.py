"""The tables of the performance page: what was measured is put between its marks, and the rest stays."""

from __future__ import annotations

import orjson
import pytest

from bench import page
from bench.metric import Metric


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Writes the results of make bench; nothing else was measured."""
    for name in ("HISTORY_RESULTS", "LIVE_RESULTS"):
        monkeypatch.setattr(page, name, tmp_path / "none")
    monkeypatch.setattr(page, "state_folder", lambda: tmp_path)
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results.json")

    def write(*metrics: Metric) -> None:
        (tmp_path / "results.json").write_bytes(orjson.dumps([metric.row() for metric in metrics]))

    return write


def test_an_empty_table_is_filled_once_it_was_measured(results, tmp_path, monkeypatch):
    written = tmp_path / "performance.md"
    written.write_text("A\n<!-- bench: report -->\n<!-- /bench -->\nB\n<!-- bench: load -->\nold\n<!-- /bench -->\n")
    monkeypatch.setattr(page, "PAGE", written)
    results(Metric("report: statements", 26, "statements"), Metric("coverage: its plan", 3, "ms"))
    page.main()
    assert written.read_text() == (
        "A\n<!-- bench: report -->\n| metric | value | unit |\n| --- | ---: | --- |\n"
        "| statements | 26 | statements |\n<!-- /bench -->\nB\n<!-- bench: load -->\nold\n<!-- /bench -->\n"
    )


def test_the_page_has_a_table_for_what_snapshots_and_the_report_cost():
    tables = {name for _, name, _ in page.BLOCK.findall(page.PAGE.read_text())}
    assert {"options", "snapshots", "validation", "report"} <= tables
