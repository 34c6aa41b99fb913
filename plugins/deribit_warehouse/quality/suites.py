"""Reads the reviewed files in `expectations/`: suites, waivers and known outages. An unclear entry is refused.

Great Expectations drops an expectation it does not know with a log line, and an empty suite passes anything: a typing
error in a suite would switch a rule off in silence. `read_suite` refuses whatever could pass by not being asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SEVERITIES = ("critical", "warning", "info")
SCOPES = ("key", "table")


class SuiteError(ValueError):
    """A file in `expectations/` can't be trusted as it stands; the message names the file, the entry and the cause."""


@dataclass(frozen=True)
class Suite:
    """A dataset's rules, as read from its reviewed file.

    `keys` are the profile's columns that name a row. `tolerated_share` is the fraction of rows that may be quarantined
    before the whole batch is blocked. `expectations` are Great Expectations configurations, each with `severity` and
    with `rule`, `why` and `scope` ("key": validates rows; "table": validates the batch as a whole) in its `meta`, and
    with `by_name` where rows that break it are another kind of thing, which is held back without counting towards the
    tolerated share.
    """

    name: str
    dataset: str
    version: int
    tolerated_share: float
    keys: tuple[str, ...]
    expectations: tuple[dict[str, Any], ...]

    @property
    def digest(self) -> str:
        """A digest of its content: two validations with the same digest used the same rules."""
        content = [self.name, self.version, self.tolerated_share, self.keys, self.expectations]
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def keyed(self, keys: Sequence[str]) -> Suite:
        """The same rules for rows that are named by other columns, in place of its own one by one: of days, for
        instance, asked of minutes. Raises SuiteError where they are not as many."""
        if len(keys) != len(self.keys):
            raise SuiteError(f"suite {self.name} has the keys {list(self.keys)}, which {list(keys)} can't stand for")
        renamed = dict(zip(self.keys, keys, strict=True))

        def with_columns(kwargs: dict[str, Any]) -> dict[str, Any]:
            changed = {"column": renamed.get(kwargs["column"], kwargs["column"])} if "column" in kwargs else {}
            if "column_list" in kwargs:
                changed["column_list"] = [renamed.get(column, column) for column in kwargs["column_list"]]
            return {**kwargs, **changed}

        expectations = tuple({**each, "kwargs": with_columns(each.get("kwargs", {}))} for each in self.expectations)
        return replace(self, keys=tuple(keys), expectations=expectations)

    def to_gx(self) -> ExpectationSuite:
        """The suite as a `great_expectations.ExpectationSuite`, complete or not at all (SuiteError)."""
        import great_expectations as gx

        meta = {"dataset": self.dataset, "version": self.version, "tolerated_share": self.tolerated_share}
        try:
            built = gx.ExpectationSuite(
                name=self.name, expectations=list(self.expectations), meta={**meta, "keys": list(self.keys)}
            )
        except Exception as error:  # pydantic's, from inside Great Expectations: whatever it is, the suite is unusable
            raise SuiteError(f"suite {self.name}: Great Expectations refuses it: {error}") from error
        if len(built.expectations) != len(self.expectations):
            raise SuiteError(
                f"suite {self.name}: Great Expectations kept {len(built.expectations)} of {len(self.expectations)} "
                f"expectations and dropped the rest; its log names them"
            )
        return built


@dataclass(frozen=True)
class Waiver:
    """A reviewed decision to publish although `rule` is broken: one instrument, days `first` to `last` inclusive."""

    dataset: str
    instrument: str
    first: date
    last: date
    rule: str
    reason: str
    reviewed_by: str

    def covers(self, dataset: str, key: tuple, rule: str, *, ts_is_end: bool = False) -> bool:
        """Whether this waives `rule` for the row `key`: an instrument and, where there is one, a day or an instant,
        whose day is that of day_of()."""
        if (dataset, rule) != (self.dataset, self.rule) or not key or key[0] != self.instrument:
            return False
        days = [day_of(part, ts_is_end=ts_is_end) for part in key[1:] if isinstance(part, date)]
        return all(self.first <= day <= self.last for day in days)


def day_of(instant: date | datetime, *, ts_is_end: bool = False) -> date:
    """The UTC day that a key's day or instant belongs to. ts_is_end: the instant ends what the key names
    (Dataset.ts_is_end), so midnight belongs to the day before it."""
    if not isinstance(instant, datetime):
        return instant
    return (instant.astimezone(UTC) - timedelta(microseconds=ts_is_end)).date()


@dataclass(frozen=True)
class Outage:
    """A time the exchange itself was down: minutes missing in [start, end) (UTC) are explained, not forgiven."""

    start: datetime
    end: datetime
    reason: str
    source: str


def read_suite(path: Path) -> Suite:
    """The suite in the file at `path`.

    `meta.never_null` lists the columns every row must know; each becomes a critical `profile-complete` expectation,
    because column expectations skip nulls and an unknown count would pass as a good one.

    Raises SuiteError for an unknown expectation type, an empty suite, a missing or unknown severity, a missing
    `meta.rule` or `meta.why`, a `mostly` (a share is the gate's to tolerate, not a rule's), one rule under two
    severities, and for anything Great Expectations refuses or drops.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        meta, listed = document["meta"], document["expectations"]
        suite = Suite(
            name=document["name"],
            dataset=meta["dataset"],
            version=int(meta["version"]),
            tolerated_share=float(meta.get("tolerated_share", 0.1)),
            keys=tuple(meta["keys"]),
            expectations=tuple(_checked(each, number, path) for number, each in enumerate(listed, start=1))
            + tuple(_never_null(column, meta["keys"]) for column in meta.get("never_null", [])),
        )
    except SuiteError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SuiteError(f"{path}: not a suite: {type(error).__name__}: {error}") from error
    if not listed:
        raise SuiteError(f"{path}: the suite is empty, and an empty suite passes anything")
    if not suite.keys:
        raise SuiteError(f"{path}: meta.keys is empty, so a broken row could not be named")
    if not 0 <= suite.tolerated_share <= 1:
        raise SuiteError(f"{path}: meta.tolerated_share is {suite.tolerated_share}, not a fraction from 0 to 1")
    _refuse_two_severities(suite, path)
    _refuse_unknown_types(suite, path)
    suite.to_gx()
    return suite


def read_waivers(path: Path) -> list[Waiver]:
    """The waivers in the file at `path`. Raises SuiteError for one without a reason, a reviewer, or a sane span.

    A waiver that matches nothing is harmless: it may have done its work, and history keeps it.
    """
    waivers = []
    for number, entry in enumerate(_entries(path), start=1):
        try:
            waiver = Waiver(
                dataset=entry["dataset"],
                instrument=entry["instrument"],
                first=date.fromisoformat(entry["from"]),
                last=date.fromisoformat(entry["to"]),
                rule=entry["rule"],
                reason=entry["reason"],
                reviewed_by=entry["reviewed_by"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SuiteError(f"{path}: waiver {number}: {type(error).__name__}: {error}") from error
        for field in ("dataset", "instrument", "rule", "reason", "reviewed_by"):
            value = getattr(waiver, field)
            if not isinstance(value, str) or not value.strip():
                raise SuiteError(f"{path}: waiver {number} has no {field}; every waiver says what, why and who")
        if waiver.last < waiver.first:
            raise SuiteError(f"{path}: waiver {number} ends {waiver.last}, before it begins {waiver.first}")
        waivers.append(waiver)
    return waivers


def read_outages(path: Path) -> list[Outage]:
    """The exchange's known outages in the file at `path`, ascending.

    Raises SuiteError for one without a zone, a later end, a reason or a source.
    """
    outages = []
    for number, entry in enumerate(_entries(path), start=1):
        try:
            start, end = datetime.fromisoformat(entry["from"]), datetime.fromisoformat(entry["to"])
            outage = Outage(start, end, reason=entry["reason"], source=entry["source"])
        except (KeyError, TypeError, ValueError) as error:
            raise SuiteError(f"{path}: outage {number}: {type(error).__name__}: {error}") from error
        if start.tzinfo is None or end.tzinfo is None:
            raise SuiteError(f"{path}: outage {number} has a time without a zone; write it in UTC, with a Z")
        if end <= start:
            raise SuiteError(f"{path}: outage {number} ends {entry['to']}, not after it begins {entry['from']}")
        for field in ("reason", "source"):
            value = getattr(outage, field)
            if not isinstance(value, str) or not value.strip():
                raise SuiteError(f"{path}: outage {number} has no {field}; a gap is not excused without one")
        outages.append(Outage(start.astimezone(UTC), end.astimezone(UTC), outage.reason, outage.source))
    return sorted(outages, key=lambda outage: outage.start)


def _entries(path: Path) -> list[dict]:
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path}: can't be read: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SuiteError(f"{path}: a list of entries is expected")
    return entries


def _never_null(column: str, keys: list[str]) -> dict[str, Any]:
    """A row whose key is unknown can't be quarantined by name, so a null key is the whole batch's fault."""
    return {
        "type": "expect_column_values_to_not_be_null",
        "severity": "critical",
        "description": f"{column} is known in every row",
        "kwargs": {"column": column},
        "meta": {
            "rule": "profile-complete",
            "why": "Column rules skip nulls, so what is unknown would pass as good.",
            "scope": "table" if column in keys else "key",
        },
    }


def _checked(expectation: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    where = f"{path}: expectation {number} ({expectation.get('type')})"
    if "id" in expectation:
        raise SuiteError(f"{where} carries an id; reviewed suites have none")
    if expectation.get("severity") not in SEVERITIES:
        raise SuiteError(f"{where}: severity is {expectation.get('severity')!r}, not one of {', '.join(SEVERITIES)}")
    meta = expectation.get("meta") or {}
    for field in ("rule", "why"):
        if not isinstance(meta.get(field), str) or not meta[field].strip():
            raise SuiteError(f"{where} has no meta.{field}")
    if not isinstance(expectation.get("description"), str) or not expectation["description"].strip():
        raise SuiteError(f"{where} has no description")
    if meta.get("scope", "key") not in SCOPES:
        raise SuiteError(f"{where}: meta.scope is {meta['scope']!r}, not one of {', '.join(SCOPES)}")
    if not isinstance(by_name := meta.get("by_name", False), bool):
        raise SuiteError(f"{where}: meta.by_name is {by_name!r}, not true or false")
    if by_name and (expectation["severity"] != "critical" or meta.get("scope", "key") != "key"):
        raise SuiteError(f"{where}: meta.by_name is for a critical rule about rows: it says which of them do not count")
    if "mostly" in expectation.get("kwargs", {}):
        raise SuiteError(f"{where} uses mostly; the share of rows that may fail is the suite's meta.tolerated_share")
    return {**expectation, "meta": {"scope": "key", **meta}}


def _refuse_two_severities(suite: Suite, path: Path) -> None:
    severities: dict[str, str] = {}
    for expectation in suite.expectations:
        rule, severity = expectation["meta"]["rule"], expectation["severity"]
        if severities.setdefault(rule, severity) != severity:
            raise SuiteError(f"{path}: rule {rule} is both {severities[rule]} and {severity}; name the two apart")


def _refuse_unknown_types(suite: Suite, path: Path) -> None:
    import great_expectations  # noqa: F401  registers the core expectations
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    for expectation in suite.expectations:
        try:
            get_expectation_impl(expectation["type"])
        except ExpectationNotFoundError as error:
            raise SuiteError(
                f"{path}: unknown expectation type {expectation['type']!r} (rule {expectation['meta']['rule']}); "
                f"Great Expectations would drop it and the rule with it"
            ) from error
