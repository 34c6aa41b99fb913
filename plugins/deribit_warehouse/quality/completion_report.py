"""The completion report as Markdown and as a page of the data docs: both say the same, for both are made of the same
tables. What they say comes from the database; the words of this module are the names of columns.

Names and reasons come from the exchange or from a reviewed file, so every value is escaped by the page it gets into:
in HTML by the template engine, in Markdown by `escaped`, which each value a template prints goes through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "pages"
TITLE = "Completion report"
SHOWN_STRETCHES = 25
"""Of each dataset, the newest; how many more there are is said."""


@dataclass(frozen=True)
class Cell:
    """A value as it is read, and which colour it has (a class of site.css, or "")."""

    text: str
    colour: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under the names of their columns; `numbers` are the columns that are set to the right. `more`: how
    many rows are left out."""

    columns: list[str]
    rows: list[list[Cell]]
    numbers: frozenset[str]
    more: int = 0


@dataclass(frozen=True)
class Criterion:
    """An acceptance criterion: what it asks, whether it is met, what was seen, and the statement that says so."""

    name: str
    text: str
    outcome: Cell
    expected: str
    found: str
    observed: str
    query: str


@dataclass(frozen=True)
class Report:
    """What the pages are made of: facts (name, value), criteria, and tables by their heading."""

    facts: list[tuple[str, str]]
    criteria: list[Criterion]
    tables: dict[str, Table]


def report_of(told: dict[str, Any]) -> Report:
    """The report with the content that warehouse.completion.completion_report() returned."""
    database = told["database"]
    facts = {
        "made at": f"{shown(database['made_at'])} UTC",
        "exchange": " ".join(filter(None, [database["live_host"], database["history_host"]])) or None,
        "collected": database["currencies"],
        "collected from": database["collected_from"],
        "catalogue read at": database["catalogue_read_at"],
        "database": in_bytes(database["bytes"]),
        "criteria passed": f"{sum(each['passed'] for each in told['acceptance'])} of {len(told['acceptance'])}",
    }  # fmt: skip
    tables = {
        "Datasets": table(map(_dataset, told["datasets"])),
        "Days": table(
            {"dataset": each["dataset"], **{f"{condition} days": days for condition, days in each["days"].items()},
             **{name: each[name] for name in ("expected", "published", "held", "pending", "missing")}}
            for each in told["datasets"] if each["expected"]
        ),
        "Freshness": table(
            {"dataset": each["dataset"], "state": each["state"], "instruments": each["instruments"],
             "late": each["late"], "stale": each["stale"], "none yet": each["none_yet"], "newest": each["newest"],
             "oldest": each["oldest"], "published at": each["published_at"], "behind": _named(each["behind"])}
            for each in told["freshness"]
        ),
        **{f"Gaps and findings: {name}": gaps for name, gaps in _gaps(told["stretches"])},
        "Quarantine": table(
            {"dataset": each["dataset"], "rule": each["rule"], "severity": each["severity"], "keys": each["keys"],
             "instruments": each["instruments"], "first day": each["first_day"], "last day": each["last_day"],
             "waived": each["waived_reason"]}
            for each in told["quarantine"]
        ),
        "Pending": table(
            {"dataset": each["dataset"], "waits for": _awaited(each), "instruments": each["instruments"],
             "days": each["days"], "first day": each["first_day"], "last day": each["last_day"]}
            for each in told["pending"]
        ),
        "Longest outages": table(
            {"from": each["begins"], "to": each["ends"], "minutes": each["minutes"],
             "instruments": each["instruments"], "not published": each["unpublished"], "known": each["known"]}
            for each in told["outages"]
        ),
        "Last run that stored": table(
            {"dataset": each["dataset"], "at": each["stored_at"], "run": each["stored_by"],
             "subjects": each["subjects"], "added": each["added"], "grown": each["grown"],
             "corrected": each["corrected"]}
            for each in told["last_runs"] if each["stored_at"]
        ),
        "Last run that validated": table(
            {"dataset": each["dataset"], "at": each["validated_at"], "run": each["validated_by"],
             "from": each["interval_from"], "to": each["interval_to"], "outcome": each["outcome"],
             "rows": each["rows_checked"], "expected": each["expected"], "missing": each["missing"]}
            for each in told["last_runs"] if each["validated_at"]
        ),
    }  # fmt: skip
    return Report(
        facts=[(name, shown(value)) for name, value in facts.items()],
        criteria=[_criterion(each) for each in told["acceptance"]],
        tables=tables,
    )


def markdown(report: Report) -> str:
    """The report as Markdown (CommonMark with tables), whatever its values hold."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES), undefined=StrictUndefined, finalize=escaped, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters["fenced"] = fenced
    return environment.get_template("report.md").render(title=TITLE, report=report)


class Verbatim(str):
    """Markdown that is one already."""


def escaped(value: Any) -> str:
    """A value as Markdown text of one line in which nothing means anything: no table, link, tag, code or emphasis."""
    if isinstance(value, Verbatim):
        return value
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", str(value)).split())
    line = re.sub(r"([\\`*\[\]|~])", r"\\\1", line)
    line = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\_", line)  # within a word it means nothing
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = line.replace("://", "&#58;//")  # an address is a link on its own
    return re.sub(r"(?i)\b(www)\.", r"\1&#46;", line)


def fenced(text: str, language: str = "") -> Verbatim:
    """Text as a code block that it can't end itself."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Verbatim(f"{fence}{language}\n{text.strip()}\n{fence}")


def table(rows: Iterable[dict[str, Any]], more: int = 0) -> Table:
    """A table of rows that all have the same columns."""
    listed = list(rows)
    columns = list(listed[0]) if listed else []
    numbers = frozenset(name for name in columns if any(_is_number(row[name]) for row in listed))
    cells = [[Cell(shown(value), _colour(name, value)) for name, value in row.items()] for row in listed]
    return Table(columns, cells, numbers, more)


def shown(value: Any) -> str:
    """A value as a person reads it: thousands apart, times in UTC to the minute, a dash for what there is not."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (float, Decimal)):
        return f"{float(value):,.2f}"
    return str(value)


def percent(value: float | Decimal | None) -> str:
    """Never rounded up to a hundred."""
    return "–" if value is None else f"{math.floor(float(value) * 1000) / 1000:.3f} %"


def in_bytes(value: float) -> str:
    """A size by powers of ten, as disks are sold."""
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if value >= 10**power:
            return f"{value / 10**power:,.1f} {unit}"
    return f"{value:,.0f} B"


def _dataset(each: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": each["dataset"], "instruments": each["instruments"], "rows": each["rows"],
        "first day": each["first_day"], "last day": each["last_day"], "coverage": percent(each["coverage_percent"]),
        "storage": in_bytes(each["bytes"]), "bytes a row": each["bytes_a_row"], "last modified": each["last_modified"],
    }  # fmt: skip


def _gaps(stretches: list[dict[str, Any]]) -> Iterable[tuple[str, Table]]:
    for dataset in dict.fromkeys(each["dataset"] for each in stretches):
        own = [each for each in stretches if each["dataset"] == dataset]
        rows = [
            {"condition": each["condition"], "first day": each["first_day"], "last day": each["last_day"],
             "days": each["days"], "missing": each["missing"], "held": each["held"], "pending": each["pending"],
             "why": each["reason"]}
            for each in own[:SHOWN_STRETCHES]
        ]  # fmt: skip
        yield dataset, table(rows, more=len(own) - len(rows))


def _criterion(each: dict[str, Any]) -> Criterion:
    as_read: Callable[[Any], str] = in_bytes if each["unit"] == "bytes" else shown
    unit = "" if each["unit"] == "bytes" else f" {each['unit']}"
    return Criterion(
        name=each["criterion"], text=each["text"], outcome=Cell(*OUTCOMES[bool(each["passed"])]),
        expected=as_read(each["expected"]) + unit, found=as_read(each["found"]) + unit, observed=each["observed"],
        query=each["query"],
    )  # fmt: skip


OUTCOMES = {True: ("passed", "passed"), False: ("not passed", "failed")}


def _awaited(each: dict[str, Any]) -> str:
    return each["waits_for"] or ("a run by hand: a validation blocked it" if each["blocked"] else "the next run")


def _named(names: list[str] | None) -> str | None:
    return ", ".join(names) if names else None


def _colour(column: str, value: Any) -> str:
    return str(value) if column in ("condition", "outcome", "severity", "state") else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
