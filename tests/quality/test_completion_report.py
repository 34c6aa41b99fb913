"""The completion report in Markdown and as a page: complete, of the same figures, and nothing in it but text."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.quality import data_docs as docs
from deribit_warehouse.quality.completion_report import (
    SHOWN_STRETCHES,
    escaped,
    fenced,
    in_bytes,
    markdown,
    percent,
    report_of,
    shown,
)

MOMENT, DAY = datetime(2026, 11, 2, 3, 4, tzinfo=UTC), date(2026, 10, 1)
HOSTILE = "BTC|x\n# y <script>alert(1)</script> [a](https://evil.test) `b` *c* &amp; www.evil.test"
NUMBERS = {"expected": 1440, "published": 1200, "held": 100, "pending": 40, "missing": 100}


def told(name: str = "futures_ohlcv", why: str = "missing", stretches: int = 1) -> dict:
    """What the warehouse tells of one dataset, with a value where the exchange's words may stand."""
    runs = {"subjects": 2, "added": 3, "grown": 0, "corrected": 1, "stored_at": MOMENT, "stored_by": name}
    runs |= {"validated_at": MOMENT, "validated_by": "run", "interval_from": MOMENT, "interval_to": MOMENT}
    runs |= {"outcome": "quarantined", "rows_checked": 31, "expected": 1440, "missing": 2}
    return {
        "database": {"made_at": MOMENT, "live_host": None, "history_host": None, "currencies": "BTC, ETH",
                     "collected_from": MOMENT, "bytes": 1_234_567, "catalogue_read_at": None},
        "acceptance": [
            {"criterion": "AC-007", "text": "all there", "passed": False, "unit": "contracts", "expected": 1234,
             "found": 1233, "observed": why, "query": "SELECT '```' AS fence -- a | b"},
            {"criterion": "AC-009", "text": "small", "passed": True, "unit": "bytes", "expected": 1_500_000_000,
             "found": 2_000_000, "observed": "small", "query": "SELECT 2"},
        ],
        "datasets": [
            {"dataset": name, "instruments": 7, "rows": 1_000_000, "bytes": 4_200_000, "bytes_a_row": Decimal("4.2"),
             "first_day": DAY, "last_day": None, "coverage_percent": 99.99999, **NUMBERS, "last_modified": MOMENT,
             "days": {"available": 1, "degraded": 2, "pending": 3, "missing": 4}},
        ],
        "stretches": [
            {"dataset": name, "condition": "degraded", "reason": why, "first_day": DAY, "last_day": DAY, "days": n + 1,
             **NUMBERS, "last_modified": MOMENT}
            for n in range(stretches)
        ],
        "freshness": [{"dataset": name, "state": "stale", "instruments": 2, "late": 0, "stale": 1, "none_yet": 0,
                       "newest": MOMENT, "oldest": MOMENT, "published_at": MOMENT, "behind": [why, name]}],
        "pending": [{"dataset": name, "waits_for": why, "blocked": False, "instruments": 1, "days": 2,
                     "first_day": DAY, "last_day": DAY}],
        "quarantine": [{"dataset": name, "rule": why, "severity": "critical", "waived_reason": None, "keys": 2,
                        "instruments": 1, "first_day": DAY, "last_day": DAY}],
        "outages": [{"begins": MOMENT, "ends": MOMENT, "minutes": 252, "instruments": 9, "unpublished": 0,
                     "known": why}],
        "last_runs": [{"dataset": name, **runs}],
    }  # fmt: skip


def rows(text: str) -> list[list[str]]:
    """The cells of every row of Markdown's tables, as GitHub splits them."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]


def test_every_figure_is_said_in_markdown():
    text = markdown(report_of(told()))
    for said in ("BTC, ETH", "2026-11-02 03:04 UTC", "1.2 MB", "| AC-007 | all there | not passed | 1,234 contracts |",
                 "1 of 2", "| AC-009 | small | passed | 1.5 GB | 2.0 MB |", "1,000,000", "99.999 %", "4.2 MB",
                 "| futures_ohlcv | 1 | 2 | 3 | 4 | 1,440 | 1,200 | 100 | 40 | 100 |",
                 "| futures_ohlcv | stale | 2 | 0 | 1 | 0 | 2026-11-02 03:04 | 2026-11-02 03:04 | 2026-11-02 03:04 | "
                 "missing, futures_ohlcv |",
                 "## Gaps and findings: futures_ohlcv", "quarantined",
                 "| 2026-11-02 03:04 | 2026-11-02 03:04 | 252 | 9 | 0 | missing |"):  # fmt: skip
        assert said in text, said
    tables = re.findall(r"((?:^\|.*\n)+)", text, re.MULTILINE)
    for table in tables:
        assert len({len(cells) for cells in rows(table)}) == 1, table


def test_no_name_of_the_exchange_means_anything_in_markdown():
    plain, hostile = (markdown(report_of(told(name, name))) for name in ("x", HOSTILE))
    assert [len(cells) for cells in rows(plain)] == [len(cells) for cells in rows(hostile)]
    outside = re.sub(r"^(`{3,})sql\n.*?^\1$", "", hostile, flags=re.MULTILINE | re.DOTALL)
    assert "<" not in outside and "://" not in outside and "www." not in outside
    assert not re.search(r"(?<!\\)[\[\]`*]", outside.replace("`SELECT * FROM dataset_condition`", ""))
    assert [line for line in outside.splitlines() if line.startswith("#")] == [
        line.replace(" x", f" {escaped(HOSTILE)}") if line.endswith(": x") else line
        for line in plain.splitlines() if line.startswith("#")
    ]  # fmt: skip


@given(st.text())
def test_an_escaped_value_is_one_line_and_one_cell(text):
    line = escaped(text)
    assert "\n" not in line and len(line.splitlines()) <= 1
    assert rows(f"| {line} |") == [[f" {line} "]]
    assert "<" not in line and "://" not in line


@given(st.text(alphabet="`a\n"))
def test_a_query_can_not_end_its_block(text):
    fence, *inner, last = fenced(text, "sql").splitlines()
    assert fence == last + "sql" and not [line for line in inner if line.startswith(last)]


class Parsed(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def site_of(tmp_path):
    """(told or None) -> the folder of a site that was built with that report."""

    def build(values: dict | None) -> Path:
        into = tmp_path / "data_docs"
        docs.build_site([], into, keep=1, report=report_of(values) if values else None)
        return into / "current"

    return build


def test_the_page_says_what_the_markdown_says_and_every_page_leads_to_it(site_of):
    site = site_of(told())
    page = Parsed((site / "report.html").read_text())
    assert (site / "report.md").read_text() == markdown(report_of(told()))
    said = " ".join(page.texts)
    for text in ("1,234 contracts", "99.999 %", "not passed", "SELECT '```' AS fence -- a | b"):
        assert text in said
    assert "report.html" in Parsed((site / "index.html").read_text()).links
    assert not [link for link in page.links if ":" in link and not link.startswith("data:")]


def test_no_name_of_the_exchange_means_anything_on_the_page(site_of):
    plain = Parsed((site_of(told("x", "x")) / "report.html").read_text())
    hostile = Parsed((site_of(told(HOSTILE, HOSTILE)) / "report.html").read_text())
    assert hostile.tags == plain.tags and hostile.links == plain.links
    assert HOSTILE in hostile.texts


def test_a_build_without_a_report_keeps_the_one_that_stands(site_of):
    assert not (site_of(None) / "report.html").exists()
    assert "report.html" not in Parsed((site_of(None) / "index.html").read_text()).links
    first = site_of(told()).resolve()
    second = site_of(None).resolve()
    assert first != second
    for name in ("report.html", "report.md"):
        assert (second / name).read_bytes() == (first / name).read_bytes()


def test_what_is_not_shown_is_counted():
    [gaps] = [t for h, t in report_of(told(stretches=SHOWN_STRETCHES + 3)).tables.items() if h.startswith("Gaps")]
    assert (len(gaps.rows), gaps.more) == (SHOWN_STRETCHES, 3)
    assert "3 more: `SELECT" in markdown(report_of(told(stretches=SHOWN_STRETCHES + 3)))


def test_a_report_of_nothing_says_so():
    lists = ("datasets", "freshness", "stretches", "pending", "quarantine", "outages", "last_runs")
    nothing = told() | {name: [] for name in lists}
    assert "## Datasets\n\n–\n" in markdown(report_of(nothing))


def test_figures_are_read_as_they_are():
    assert [shown(each) for each in (None, True, 1234567, 1234.5, DAY, MOMENT)] == [
        "–", "yes", "1,234,567", "1,234.50", "2026-10-01", "2026-11-02 03:04",
    ]  # fmt: skip
    assert [in_bytes(each) for each in (0, 999, 1000, 1_500_000_000)] == ["0 B", "999 B", "1.0 kB", "1.5 GB"]
    assert percent(99.9999) == "99.999 %" and percent(100.0) == "100.000 %" and percent(None) == "–"
