"""What went wrong, in one run or as an incident, and one bounded message about it in every channel's own form.

Nothing here asks Airflow, the database or the clock. Instrument names and errors come from outside and are hostile:
they are cleaned of control characters, cut, and escaped for each form.
"""

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from deribit_warehouse.dataset import dag_id_of

MAX_LINES = 30
"""Detail lines in a message, all sections together; beyond them a section says how many more there are."""
MAX_GROUPS = 12
"""Lines of findings, beyond which they are grouped more coarsely."""
EXAMPLES = 2
MAX_LINE = 240
MAX_SUBJECT = 180
SLACK_SECTION = 2900
"""Slack refuses a section of more than 3,000 characters, counted after escaping."""

# C0 and C1 controls, line and paragraph separators, direction overrides, lone surrogates: they would inject e-mail
# headers, break lines, show a text other than the one sent, or fail to encode.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that failed for good. `map_index` is -1 for a task that isn't mapped; `label` names its instruments."""

    task_id: str
    map_index: int = -1
    label: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class QuarantinedKey:
    """A key that broke a rule: held back by the gate, or only warned about, according to `severity`.

    `day` is None for datasets without days; `ts` is the hour where the rule is about one; `observed` is what the rule
    saw; `known`: an earlier run had said the same; `dataset`: whose suite the rule is of.
    """

    instrument: str
    day: date | str | None
    rule: str
    severity: str
    observed: Any = None
    ts: datetime | None = None
    known: bool = False
    dataset: str = ""


EXCHANGE, CATALOGUE, DATABASE = "the exchange", "the catalogue", "the market database"
"""What is waited for, as a part of a sentence: a wait is filed under it, whichever DAG met it; one for the database
when it is back."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that is waited for. Times are UTC; `tasks`: how many wait for it; `cause`: what the last asking met."""

    awaited: str
    since: datetime
    until: datetime
    tasks: int = 1
    cause: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything a run has to report. `interval` is the half-open data interval (UTC); `notes` say what isn't known;
    `catches_up`: each past interval has a run of its own, so that one which failed has to be run again; `takes_ranges`:
    a run can be asked for any past range, so that what a gate has blocked can be validated again; `only_named`: Airflow
    said nothing of the run but its id, not even whether it has an interval."""

    dag_id: str
    run_id: str
    interval: tuple[datetime, datetime] | None = None
    failures: list[FailedTask] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    quarantined: list[QuarantinedKey] = field(default_factory=list)
    warnings: list[QuarantinedKey] = field(default_factory=list)
    waiting: list[Wait] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    catches_up: bool = False
    takes_ranges: bool = False
    only_named: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to report. Notes alone are not."""
        return bool(self.failures or self.blocked or self.quarantined or self.warnings or self.waiting)

    @property
    def is_new(self) -> bool:
        """Whether any of it was not reported before."""
        found = (*self.quarantined, *self.warnings)
        return bool(self.failures or self.blocked or self.waiting) or not all(key.known for key in found)

    @property
    def level(self) -> str:
        """How much it matters: error (something failed), warning (something is held back), notice (nothing is)."""
        if self.failures or self.blocked or not self:
            return "error"
        return "warning" if self.quarantined else "notice"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `subject` and `text` plain, `html` for e-mail, `blocks` for Slack, `payload` (JSON) for webhooks."""

    subject: str
    text: str
    html: str
    blocks: list[dict[str, Any]]
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of store.incident that is to be told, or (`incident_id` is None) will be one. Times are UTC; `news`:
    opened, again (it goes on) or recovered; `said_over_at`, `said_over_by`: somebody had said shortly before it opened
    that it was over."""

    incident_id: int | None
    kind: str
    dataset: str
    rule: str
    instruments: str
    level: str
    words: str
    dag_id: str
    run_id: str
    stands: Sequence[str]
    opened_at: datetime
    seen_at: datetime
    times: int
    resolved_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    news: str
    now: datetime
    said_over_at: datetime | None
    said_over_by: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Incident":
        """The incident of a row, which may have more columns."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})

    @property
    def what(self) -> str:
        """What is wrong, in a few words."""
        if self.kind == "wait":
            return _wait_of(self)[0]
        said = {"quarantine": "held back by ", "warning": "warned of by "}.get(self.kind, "")
        if self.kind == "failure" and not self.rule.endswith("failed"):
            said = "run failed with "
        return said + _clean(self.rule if self.kind != "blocked" else "blocked by the gate", 60)

    @property
    def lasted(self) -> timedelta:
        """How long it has been open: until it was over, or until now."""
        return (self.resolved_at or self.now) - self.opened_at


class _Line(NamedTuple):
    text: str
    link: str = ""


class _Section(NamedTuple):
    title: str
    lines: list[_Line]
    more: int


def render(report: RunReport, base_url: str) -> Message:
    """Write the message about a run; `base_url` is Airflow's own address, with or without a path."""
    pages = _pages(base_url, report.dag_id, report.run_id)
    subject = subject_of(report)
    facts = _facts(report)
    sections = _bounded(report, pages["Run"])
    return Message(
        subject=subject,
        text=_text(subject, facts, sections, pages),
        html=_html(subject, facts, sections, pages),
        blocks=_blocks(subject, facts, sections, pages),
        payload=_payload(report, subject, sections, pages),
    )


def _pages(base_url: str, dag_id: str, run_id: str) -> dict[str, str]:
    base = base_url.rstrip("/")
    # Run ids hold + and :, and a triggered run's id is whatever its author typed.
    dag, run = _step(dag_id), _step(run_id)
    return {
        "Run": f"{base}/dags/{dag}/runs/{run}",
        "Data docs of the dataset": f"{base}/deribit-data-docs/dataset/{dag}",
        "Data docs": f"{base}/deribit-data-docs/",
    }


def _log(run_url: str, failure: FailedTask) -> str:
    mapped = f"/mapped/{failure.map_index}" if failure.map_index >= 0 else ""
    return f"{run_url}/tasks/{_step(failure.task_id)}{mapped}"


def _step(name: str) -> str:
    """A name as one step of a URL's path."""
    return quote(name, safe="", errors="replace")


def _clean(text: Any, length: int = MAX_LINE) -> str:
    cleaned = _UNPRINTABLE.sub(" ", str(text)).strip()
    return cleaned if len(cleaned) <= length else cleaned[: length - 1].rstrip() + "…"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def subject_of(report: RunReport) -> str:
    """What a run has to report, in a line."""
    parts = []
    if report.blocked:
        parts.append("blocked by the gate")
    if report.failures:
        parts.append(f"{_count(len(report.failures), 'task')} failed")
    if report.quarantined:
        parts.append(f"{_extent(report.quarantined)} quarantined by {_count(_rules(report.quarantined), 'rule')}")
    if report.warnings:
        parts.append(f"{_count(_rules(report.warnings), 'rule')} warned of {_extent(report.warnings)}")
    parts += [
        f"waiting for {_clean(wait.awaited, 60)} since {wait.since:%Y-%m-%d %H:%M} UTC" for wait in report.waiting
    ]
    since = f" from {report.interval[0]:%Y-%m-%d}" if report.interval else ""
    return _clean(f"{_clean(report.dag_id, 60)}{since}: {', '.join(parts) or 'run failed'}", MAX_SUBJECT)


def _facts(report: RunReport) -> list[str]:
    facts = [f"Run: {_clean(report.run_id)}"]
    if report.interval:
        since, until = report.interval
        facts.append(f"Interval: {since.isoformat()} to {until.isoformat()}")
    return facts + [_clean(note) for note in report.notes]


def _bounded(report: RunReport, run_url: str) -> list[_Section]:
    """The report's sections, at most MAX_LINES lines together, none starved by a longer one."""
    sections = {
        "Blocked": [_Line(_clean(reason)) for reason in report.blocked],
        "Failed": [_Line(_failed(failure), _log(run_url, failure)) for failure in report.failures],
        "Quarantined": _grouped(report.quarantined),
        "Warnings": _grouped(report.warnings),
        "Waiting": [_Line(_clean(line)) for wait in report.waiting for line in _awaited(wait)],
    }
    kept, left = {}, MAX_LINES
    by_length = sorted(sections, key=lambda title: len(sections[title]))
    for place, title in enumerate(by_length):
        kept[title] = min(len(sections[title]), left // (len(by_length) - place))
        left -= kept[title]
    return [
        _Section(title, lines[: kept[title]], len(lines) - kept[title]) for title, lines in sections.items() if lines
    ]


def _failed(failure: FailedTask) -> str:
    index = f"[{failure.map_index}]" if failure.map_index >= 0 else ""
    task = f"{_clean(failure.task_id, 60)}{index} {_clean(failure.label, 80)}".strip()
    return _clean(f"{task}: {_clean(failure.error) or 'no reason recorded, see its log'}")


def _extent(keys: Iterable[QuarantinedKey]) -> str:
    """How much is concerned, whatever number of rules each key broke: days, hours where keys are hours, instruments."""
    keys = list(keys)
    instruments = len({key.instrument for key in keys})
    hours = {(key.instrument, key.ts) for key in keys if key.ts is not None}
    days = {(key.instrument, str(key.day)) for key in keys if key.ts is None and key.day is not None}
    parts = [_count(len(found), unit) for found, unit in ((days, "day"), (hours, "hour")) if found]
    of = _count(instruments, "instrument")
    return f"{' and '.join(parts)} of {of}" if parts else of


def _rules(keys: Iterable[QuarantinedKey]) -> int:
    return len({key.rule for key in keys})


def coin_of(instrument: str) -> str:
    """The coin an instrument's or an index's name begins with."""
    return re.split("[-_]", instrument, maxsplit=1)[0].upper()


def _grouped(keys: list[QuarantinedKey]) -> list[_Line]:
    """A line for each rule and instrument; where they would be too many, for each rule and coin, or for each rule, with
    what it is about and examples."""
    for group_of in (lambda key: key.instrument, lambda key: coin_of(key.instrument), lambda key: ""):
        groups: dict[tuple[str, str, str], list[QuarantinedKey]] = defaultdict(list)
        for key in keys:
            groups[group_of(key), key.rule, key.severity].append(key)
        if len(groups) <= MAX_GROUPS:
            break
    return [_Line(_clean(_group(*name, same))) for name, same in sorted(groups.items())]


def _group(name: str, rule: str, severity: str, same: list[QuarantinedKey]) -> str:
    what = f"{_clean(rule, 60)} ({_clean(severity, 20)})"
    by_instrument: dict[str, list[QuarantinedKey]] = defaultdict(list)
    for key in same:
        by_instrument[key.instrument].append(key)
    if list(by_instrument) == [name]:
        return f"{_clean(name, 60)}: {what}{_when(same)}"
    of = f" of {_clean(name, 20)}" if name else ""
    shown = [f"{_clean(i, 40)}{_when(by_instrument[i])}" for i in sorted(by_instrument)[:EXAMPLES]]
    return f"{what}{of}: {_extent(same)}, such as {'; '.join(shown)}"


def _when(same: list[QuarantinedKey]) -> str:
    """When an instrument broke a rule, and what was seen first."""
    same = sorted(same, key=lambda key: str(key.ts or key.day))
    times = [_clean(key.ts or key.day, 32) for key in same if (key.ts or key.day) is not None]
    when = f" on {times[0]}" if times else ""
    when += f" and {len(times) - 1:,} more to {times[-1]}" if len(times) > 1 else ""
    return when + ("" if same[0].observed is None else f", observed {_clean(same[0].observed, 60)}")


def _awaited(wait: Wait) -> list[str]:
    return [
        f"{_count(wait.tasks, 'task')} waiting for {_clean(wait.awaited, 60)} since {wait.since:%Y-%m-%d %H:%M} UTC; "
        f"nothing has to be done, they go on by themselves; given up from {wait.until:%Y-%m-%d %H:%M} UTC on",
        f"The last answer: {wait.cause}",
    ]


def _text(subject: str, facts: list[str], sections: list[_Section], pages: dict[str, str]) -> str:
    lines = [subject, "", *facts]
    for section in sections:
        lines += ["", f"{section.title}:"]
        for text, link in section.lines:
            lines += [f"- {text}"] + ([f"  {link}"] if link else [])
        lines += [f"- and {section.more:,} more"] if section.more else []
    return "\n".join([*lines, "", *(f"{name}: {url}" for name, url in pages.items())])


def _html(subject: str, facts: list[str], sections: list[_Section], pages: dict[str, str]) -> str:
    def anchor(url: str, name: str) -> str:
        return f'<a href="{html.escape(url)}">{html.escape(name)}</a>'

    parts = [f"<h2>{html.escape(subject)}</h2>", *(f"<p>{html.escape(fact)}</p>" for fact in facts)]
    for section in sections:
        items = [html.escape(text) + (f" ({anchor(link, 'log')})" if link else "") for text, link in section.lines]
        items += [f"and {section.more:,} more"] if section.more else []
        parts.append(
            f"<h3>{html.escape(section.title)}</h3>\n<ul>\n"
            + "\n".join(f"<li>{item}</li>" for item in items)
            + "\n</ul>"
        )
    parts += [f"<p>{anchor(url, name)}</p>" for name, url in pages.items()]
    return "\n".join(parts)


def _blocks(subject: str, facts: list[str], sections: list[_Section], pages: dict[str, str]) -> list[dict[str, Any]]:
    texts = ["\n".join(map(slack_escape, facts))]
    for section in sections:
        texts.append(f"*{slack_escape(section.title)}*")
        items = [slack_escape(text) + (f" (<{link}|log>)" if link else "") for text, link in section.lines]
        items += [f"and {section.more:,} more"] if section.more else []
        for item in items:
            if len(texts[-1]) + len(item) + 3 > SLACK_SECTION:
                texts.append("")
            texts[-1] = f"{texts[-1]}\n• {item}".lstrip("\n")
    texts.append(" · ".join(f"<{url}|{name}>" for name, url in pages.items()))
    # verbatim: Slack then links no address and no @name that an error text happens to hold.
    return [{"type": "header", "text": {"type": "plain_text", "text": subject, "emoji": False}}] + [
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in texts
    ]


def slack_escape(text: str) -> str:
    """Text as Slack shows it literally: the three characters that begin its links, mentions and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _payload(report: RunReport, subject: str, sections: list[_Section], pages: dict[str, str]) -> dict[str, Any]:
    return {
        "subject": subject,
        "level": report.level,
        "dag_id": _clean(report.dag_id),
        "run_id": _clean(report.run_id),
        "interval": [instant.isoformat() for instant in report.interval] if report.interval else None,
        "counts": {
            "blocked": len(report.blocked),
            "failed": len(report.failures),
            "quarantined": len({(key.instrument, str(key.ts or key.day)) for key in report.quarantined}),
            "warnings": len({(key.instrument, str(key.ts or key.day)) for key in report.warnings}),
            "waiting": sum(wait.tasks for wait in report.waiting),
        },
        "notes": [_clean(note) for note in report.notes],
        "details": [
            {
                "kind": section.title.lower(),
                "more": section.more,
                "lines": [{"text": text, "log": link or None} for text, link in section.lines],
            }
            for section in sections
        ],
        "links": {"run": pages["Run"], "dataset": pages["Data docs of the dataset"], "data_docs": pages["Data docs"]},
    }


# What an incident means and what to do, by its kind. The headings are those of docs/operations.md.
_MEANING = {
    "failure": (
        "What the failed tasks should have brought is missing; what was published stays.",
        "",
    ),
    "blocked": (
        "Nothing of the interval was published; what was published before stays.",
        'Read why below, then see "A gate blocked" in docs/operations.md.',
    ),
    "quarantine": (
        "What broke the rule is held back; all the rest is published.",
        'It can wait for the morning: see "Something is quarantined" in docs/operations.md.',
    ),
    "warning": ("It is published; the rule is there to have somebody look once.", "Look once, then acknowledge it."),
    "note": ("Told once, to be known.", "Nothing."),
}
# The same of what a watch sees, by its rule.
_WATCHED = {
    "stale": (
        "Nothing new was published for longer than it may take; what was published stays.",
        "Look whether the DAG below is paused or fails, and whether all services run (make status): see "
        '"Is it fresh" in docs/operations.md.',
    ),
    "nearly full": (
        "When nothing is left Postgres stops, and everything with it. Nothing that is stored is lost.",
        'Make room now: see "A disk that fills up" in docs/operations.md.',
    ),
    "filling up": (
        "At the pace of the last weeks it is full on the day below.",
        'It can wait for the morning: see "A disk that fills up" in docs/operations.md.',
    ),
}
_TRY_AGAIN = "Nothing yet: the next run tries again by itself."
_CLEAR = 'Read the reason, then clear the failed task with what follows it: see "A batch failed" in docs/operations.md.'
# The same of what is waited for, after a word for how it is.
_WAITS = {
    EXCHANGE: (
        "away",
        "It, or the way to it, does not answer. What needs it waits and goes on by itself; snapshots of this time are "
        "a gap for good.",
        "Nothing at first. If it lasts, read the last answer, and look at the network.",
    ),
    CATALOGUE: (
        "behind",
        "What needs it waits, and goes on by itself once it was read.",
        "See why deribit_instruments does not run.",
    ),
    DATABASE: (
        "away",
        "It can't be reached, or can't keep what is wrong. Nothing is loaded or published; what was published stays. "
        "What fails until it is back is counted, and not told one by one.",
        'Look at once: see "The market database is away" in docs/operations.md.',
    ),
}
_MAINTENANCE = (
    "in maintenance",
    "No fault of ours. What needs it waits and goes on by itself; snapshots of this time are a gap for good.",
    "Nothing.",
)
LEVELS = ("error", "warning", "notice")
WORDS = 6
"""Lines of what was said of an incident that a message repeats; 2 of each where it is about several."""


def finding_lines(keys: Sequence[QuarantinedKey]) -> list[str]:
    """What keys that broke one rule have to say, in a few lines: how much it is, and examples."""
    by_instrument: dict[str, list[QuarantinedKey]] = defaultdict(list)
    for key in keys:
        by_instrument[key.instrument].append(key)
    shown = [f"{_clean(name, 40)}{_when(by_instrument[name])}" for name in sorted(by_instrument)[:3]]
    more = [f"and {len(by_instrument) - 3:,} more instruments"] if len(by_instrument) > 3 else []
    return [_clean(line) for line in (_extent(keys), *shown, *more)]


def failure_lines(report: RunReport) -> list[str]:
    """Why a run failed, in a few lines: its interval, the first of its failed tasks, and what isn't known."""
    lines = [_failed(failure) for failure in report.failures[:4]]
    if more := len(report.failures) - 4:
        lines += [f"and {_count(more, 'more task')}"] if more > 0 else []
    if not lines and not report.notes:
        lines = ["no task of it said why; see its log"]
    if report.interval and report.catches_up:
        lines.insert(0, f"run of {report.interval[0]:%Y-%m-%d} to {report.interval[1]:%Y-%m-%d}")
    return [_clean(line) for line in (*lines, *report.notes)]


def wait_lines(wait: Wait) -> list[str]:
    """What is waited for, until when, and what the last asking met."""
    return [_clean(line) for line in _awaited(wait)]


def away_lines(cause: str, first: Sequence[str], untold: Mapping[str, int]) -> list[str]:
    """What the market database answered last, how many reports of each DAG were not told, and the first one's lines."""
    more = sum(untold.values())
    by_dag = ", ".join(f"{dag_id} {untold[dag_id]:,}" for dag_id in sorted(untold, key=lambda name: -untold[name]))
    counted = [f"{more:,} more {'was' if more == 1 else 'were'} not told one by one: {by_dag}"] if more else []
    return [_clean(line) for line in (cause, *counted, *first)]


def render_incidents(incidents: Sequence[Incident], base_url: str) -> Message:
    """Write the message about incidents of one dataset and kind to which the same has happened, one or more; of what a
    watch sees, incidents of one rule, whichever their datasets are.

    The first line says what, of what, and since when; then what it means and what to do, what was seen last, and where
    to look. base_url: Airflow's own address, with or without a path.
    """
    first = incidents[0]
    subject = _incidents_subject(incidents)
    facts = _incident_facts(incidents)
    shown = WORDS if len(incidents) == 1 else 2
    sections = []
    for each in incidents[:MAX_GROUPS]:
        lines = [_Line(_clean(line)) for line in each.words.splitlines()]
        title = "Seen last" if len(incidents) == 1 else _clean(_title(each), 80)
        sections.append(_Section(title, lines[:shown], len(lines[shown:])))
    if more := len(incidents) - MAX_GROUPS:
        sections += [_Section("More", [_Line("see the view incidents")], 0)] if more > 0 else []
    pages = _incident_pages(incidents, base_url)
    return Message(
        subject=subject,
        text=_text(subject, facts, sections, pages),
        html=_html(subject, facts, sections, pages),
        blocks=_blocks(subject, facts, sections, pages),
        payload={
            "subject": subject,
            "level": "notice" if first.news == "recovered" else min((i.level for i in incidents), key=LEVELS.index),
            "news": first.news,
            "dag_id": _clean(first.dag_id),
            "run_id": _clean(first.run_id),
            "incidents": [_incident_payload(each) for each in incidents],
            "notes": facts,
            "links": pages,
        },
    )


def _title(incident: Incident) -> str:
    """What tells an incident from the others of its message."""
    if incident.kind == "watch":
        return f"{incident.dataset} {incident.instruments}".rstrip()
    return f"{incident.what}, {incident.instruments}".rstrip(", ")


def _incident_payload(each: Incident) -> dict[str, Any]:
    return {
        "incident_id": each.incident_id, "kind": each.kind, "dataset": _clean(each.dataset), "rule": _clean(each.rule),
        "instruments": _clean(each.instruments), "level": each.level, "opened_at": each.opened_at.isoformat(),
        "seen_at": each.seen_at.isoformat(), "resolved_at": each.resolved_at and each.resolved_at.isoformat(),
        "times": each.times, "words": [_clean(line) for line in each.words.splitlines()],
    }  # fmt: skip


def _incidents_subject(incidents: Sequence[Incident]) -> str:
    first = incidents[0]
    groups = sorted({each.instruments for each in incidents} - {""})
    datasets = sorted({each.dataset for each in incidents})
    name = _clean(" ".join([first.dataset, ", ".join(groups)]), 80)
    if len(datasets) > 1:
        name, what = _count(len(datasets), "dataset"), f"{first.what}: {_clean(', '.join(datasets), 90)}"
    elif len(incidents) == 1:
        what = first.what
    else:
        kinds = {
            "quarantine": "rules hold back data",
            "warning": "rules warn",
            "failure": "kinds of failures",
            "note": "notes",
        }
        rules = len({each.rule for each in incidents})
        what = f"{rules} {kinds.get(first.kind, 'things')}" if rules > 1 else first.what
    what = f"{name} {what}" if first.kind in ("wait", "watch") else f"{name}: {what}"
    since = min(each.opened_at for each in incidents)
    times = sum(each.times for each in incidents)
    seen = ", seen once" if times == 1 else f", seen {times:,} times"
    if first.kind == "watch":  # which looks every minute: that is how long it lasted once more
        seen = ""
    if first.news == "recovered":
        return _clean(f"Over: {what}; lasted {spell(max(i.lasted for i in incidents))}{seen}", MAX_SUBJECT)
    if first.kind == "note":
        return _clean(what, MAX_SUBJECT)
    again = (f"Still: {what}", seen) if first.news == "again" else (what, "")
    return _clean(f"{again[0]}, since {since:%Y-%m-%d %H:%M} UTC{again[1]}", MAX_SUBJECT)


def _incident_facts(incidents: Sequence[Incident]) -> list[str]:
    first = incidents[0]
    if first.news == "recovered":
        begun, ended = min(i.opened_at for i in incidents), max(i.resolved_at or i.now for i in incidents)
        return [f"From {begun:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC. Nothing has to be done."]
    means, do = _meaning_of(first)
    if first.kind == "failure":
        do = _TRY_AGAIN if all("" in each.stands for each in incidents) else _CLEAR
    facts = [fact for fact in (means, f"To do: {do}" if do else "") if fact]
    for each in incidents:
        if each.said_over_at:
            said = f"{each.said_over_by} said at {each.said_over_at:%Y-%m-%d %H:%M} UTC that it was over"
            facts.append(_clean(f"{said}; at {each.opened_at:%H:%M} it was still wrong"))
        if each.acknowledged_by:
            facts.append(_clean(f"Acknowledged by {each.acknowledged_by}; more of it stands since then"))
    if first.kind != "note" and first.incident_id is not None:
        numbers = " ".join(str(each.incident_id) for each in incidents[:MAX_GROUPS])
        facts.append(f'To hear no more of it until it is over: make acknowledge ARGS="{numbers}"')
    return facts


def _meaning_of(incident: Incident) -> tuple[str, str]:
    """What an incident means, and what to do."""
    if incident.kind == "wait":
        return _wait_of(incident)[1:]
    return _WATCHED.get(incident.rule, ("", "")) if incident.kind == "watch" else _MEANING[incident.kind]


def _wait_of(incident: Incident) -> tuple[str, str, str]:
    """How what is waited for is, in a word, what that means, and what to do."""
    if incident.dataset == EXCHANGE and "system maintenance" in incident.words:
        return _MAINTENANCE
    return _WAITS[incident.dataset]


def _incident_pages(incidents: Sequence[Incident], base_url: str) -> dict[str, str]:
    first, base = incidents[0], base_url.rstrip("/")
    pages: dict[str, str] = {}
    if first.kind == "watch":  # no run has said it
        dag_ids = dict.fromkeys(each.dag_id for each in incidents if each.dag_id)
        pages |= {f"DAG {_clean(dag_id, 60)}": f"{base}/dags/{_step(dag_id)}" for dag_id in list(dag_ids)[:MAX_GROUPS]}
    elif first.dag_id:
        pages["Run"] = f"{base}/dags/{_step(first.dag_id)}/runs/{_step(first.run_id)}"
    if first.kind in ("blocked", "quarantine", "warning"):
        pages["Data docs of the dataset"] = f"{base}/deribit-data-docs/dataset/{_step(dag_id_of(first.dataset))}"
    if first.news != "recovered" and first.kind != "note" and first.incident_id is not None:
        pages["Acknowledge"] = f"{base}/dags/deribit_acknowledge"
    return pages


def spell(length: timedelta) -> str:
    """A length of time as a person says it: the two largest of days, hours and minutes."""
    minutes = round(length.total_seconds() / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [_count(n, unit) for n, unit in ((days, "day"), (hours, "hour"), (minutes, "minute")) if n]
    return " ".join(parts[:2]) or "less than a minute"
