"""The gate between loaded and published: Great Expectations validates a profile, a plain policy decides.

`validate` runs a suite over a profile (a row a key, such as an instrument-day) and says which keys broke which rules.
`decide` turns that into an outcome without Great Expectations. Whatever went wrong in asking counts as a broken
critical
rule: nothing passes because it could not be checked.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deribit_warehouse.quality.suites import SEVERITIES, Suite, Waiver

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from pandas import DataFrame

# So many subjects (instruments, indexes) must have failed, or all there are, before a batch counts as broken: of a
# handful a tenth is less than one, and one that fails says nothing of its neighbours.
FAILED_SUBJECTS = 3

# Of each expectation the stored result keeps this many failing keys, for the data docs; quarantine has them all.
KEPT_KEYS = 200

OUTCOMES = ("blocked", "quarantined", "warned", "passed")
"""What may come of a validation, the worst first."""


class ValidationError(RuntimeError):
    """The profile could not be validated at all; the message names the dataset, the run and the cause."""


@dataclass(frozen=True)
class BrokenRule:
    """A rule that does not hold. `keys` are the rows that break it, `observed` what each of them shows, in step.

    Without keys it is the batch as a whole that is broken, and `observed` says how. `columns` are those it validated.
    `by_name`: what breaks it is another kind of thing than the rest, and says nothing of the source.
    """

    rule: str
    severity: str
    description: str
    column: str
    keys: list[tuple] = field(default_factory=list)
    observed: list[Any] = field(default_factory=list)
    by_name: bool = False


@dataclass(frozen=True)
class Validation:
    """What a suite says about a profile of `rows` rows. `result` is Great Expectations' own result, fit for jsonb.

    `subjects` are the rows each subject has, by the first part of their keys (an instrument, an index).
    """

    dataset: str
    suite: str
    suite_digest: str
    rows: int
    broken: list[BrokenRule]
    result: dict[str, Any]
    subjects: dict[Any, int]


@dataclass(frozen=True)
class Finding:
    """A rule broken by one row. `observed` is what the row shows; `waived_reason` is set where a waiver covers it."""

    key: tuple
    rule: str
    severity: str
    observed: Any
    waived_reason: str | None = None


@dataclass(frozen=True)
class Decision:
    """What is to be published: everything but `quarantined`, or, when `blocked_because` says why, nothing.

    `outcome` is "passed", "warned" (a warning or a waived rule), "quarantined" or "blocked".
    """

    outcome: str
    quarantined: list[Finding]
    waived: list[Finding]
    warnings: list[Finding | BrokenRule]
    blocked_because: list[str]

    @property
    def quarantined_keys(self) -> list[tuple]:
        """The rows held back, each once, in order."""
        return list(dict.fromkeys(finding.key for finding in self.quarantined))


def validate(
    profile: DataFrame,
    suite: Suite,
    *,
    keys: Sequence[str],
    run_name: str,
    parameters: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
) -> Validation:
    """What `suite` says about `profile`, a row a key.

    `keys` name the columns that name a row. `run_name` is the title of its page in the data docs, by custom
    "dataset · interval · run". `parameters` are the values of `{"$PARAMETER": name}` in the suite. `meta` goes into
    the stored result's meta and must be JSON; the data docs show `interval_from`, `interval_to`, `dag_id`, `run_id`.

    An expectation that errors (a column the profile lacks, a type it can't compare) becomes a critical broken rule
    without keys, which blocks. Raises ValidationError for an empty profile, for keys that are not the suite's, and when
    Great Expectations can't run at all, for instance because a parameter is missing.
    """
    if list(keys) != list(suite.keys):
        raise ValidationError(
            f"{run_name}: the profile's keys are {list(keys)}, suite {suite.name} has {list(suite.keys)}"
        )
    if profile is None or not len(profile):
        raise ValidationError(
            f"{run_name}: the profile for {suite.dataset} is empty: nothing was checked, so nothing passes"
        )
    lacking = [column for column in keys if column not in profile]
    if lacking:
        raise ValidationError(f"{run_name}: the profile for {suite.dataset} lacks its key columns {lacking}")

    gx_result = _run(_comparable(profile), suite, run_name, parameters or {})
    if len(gx_result.results) != len(suite.expectations):
        raise ValidationError(
            f"{run_name}: suite {suite.name} has {len(suite.expectations)} expectations, "
            f"Great Expectations answered {len(gx_result.results)} of them"
        )
    broken = [_broken_rule(each, suite) for each in gx_result.results if not each.success or _errored(each)]
    order = {expectation["meta"]["rule"]: place for place, expectation in enumerate(suite.expectations)}
    broken.sort(key=lambda rule: order.get(rule.rule, -1))
    return Validation(
        dataset=suite.dataset,
        suite=suite.name,
        suite_digest=suite.digest,
        rows=len(profile),
        broken=broken,
        result=_stored(gx_result, suite, run_name, {"rows": len(profile), **(meta or {})}),
        subjects={_plain(subject): int(rows) for subject, rows in profile[keys[0]].value_counts().items()},
    )


def decide(
    validation: Validation, *, waivers: Iterable[Waiver], tolerated_share: float, ts_is_end: bool = False
) -> Decision:
    """Which rows of a validation may be published. ts_is_end: which day an instant at midnight is waived by (day_of()).

    Critical with keys: those rows are quarantined, unless a waiver covers the rule for the row. Critical without keys:
    everything is blocked, and no waiver helps. A broken source, and not a bad day, blocks everything too: more than
    `tolerated_share` of the rows are quarantined, and more than that share of the subjects have failed, and they are
    FAILED_SUBJECTS or all there are. A subject has failed when more than `tolerated_share` of its own rows are
    quarantined. Rows that are quarantined by name count in none of these: the source is measured among the rest.
    Warnings are recorded; an unknown severity is critical.
    """
    waivers = list(waivers)
    quarantined: dict[tuple, Finding] = {}
    apart: set[tuple] = set()
    waived: dict[tuple, Finding] = {}
    warnings: list[Finding | BrokenRule] = []
    blocked_because = []
    for broken in validation.broken:
        if broken.severity == "info":
            continue
        if not broken.keys:
            if broken.severity == "warning":
                warnings.append(broken)
            else:
                shown = ", ".join(str(each) for each in broken.observed[:10])
                blocked_because.append(f"{broken.rule}: expected: {broken.description}; observed: {shown}")
            continue
        for key, observed in zip(broken.keys, broken.observed, strict=True):
            waiver = next(
                (w for w in waivers if w.covers(validation.dataset, key, broken.rule, ts_is_end=ts_is_end)), None
            )
            finding = Finding(key, broken.rule, broken.severity, observed, waiver.reason if waiver else None)
            if waiver:
                waived.setdefault((key, broken.rule), finding)
            elif broken.severity == "warning":
                warnings.append(finding)
            else:
                # Two expectations may share a rule: the row is quarantined for it once.
                quarantined.setdefault((key, broken.rule), finding)
                if broken.by_name:
                    apart.add(key)

    counted = [finding for finding in quarantined.values() if finding.key not in apart]
    held = {finding.key for finding in counted}
    held_of = Counter(key[0] for key in held)
    subjects = Counter(validation.subjects)
    subjects.subtract(key[0] for key in apart)
    subjects = +subjects  # those of which a row is left
    rows = subjects.total()
    failed = [subject for subject, number in held_of.items() if number > tolerated_share * subjects[subject]]
    if (
        len(held) > tolerated_share * rows
        and len(failed) > tolerated_share * len(subjects)
        and len(failed) >= min(FAILED_SUBJECTS, len(subjects))
    ):
        blocked_because.append(
            f"{len(held)} of {rows} rows broke a critical rule, and {len(failed)} of {len(subjects)} failed "
            f"in more than the tolerated {tolerated_share:.0%} of their rows: "
            + ", ".join(sorted({finding.rule for finding in counted}))
        )
    if blocked_because:
        outcome = "blocked"
    elif quarantined:
        outcome = "quarantined"
    elif warnings or waived:
        outcome = "warned"
    else:
        outcome = "passed"
    return Decision(outcome, list(quarantined.values()), list(waived.values()), warnings, blocked_because)


def stored_result(validation: Validation, decision: Decision, **meta: Any) -> dict[str, Any]:
    """The result to store and to show in the data docs: Great Expectations' own, with what was decided in its meta."""
    decided = {
        "outcome": decision.outcome,
        "quarantined_rows": len(decision.quarantined_keys),
        "waived": len(decision.waived),
        "warnings": len(decision.warnings),
        "blocked_because": decision.blocked_because,
    }
    return {**validation.result, "meta": {**validation.result["meta"], **decided, **meta}}


def brief_result(validation: Validation, decision: Decision, **meta: Any) -> dict[str, Any] | None:
    """What to store of a validation that is made every few minutes: nothing where every expectation held, else the
    stored_result with the expectations that did not."""
    if not validation.broken:
        return None
    result = stored_result(validation, decision, **meta)
    return result | {"results": [each for each in result["results"] if not (each["success"] and each["result"])]}


def result_of_day(day: Mapping[str, Any]) -> dict[str, Any]:
    """The validations of a dataset's day as one result, for the data docs.

    day: dataset, day (date), validated_at (datetime, of the newest), outcomes (how many had each), rows (of all),
    quarantined (keys held back), results (of those that kept one, oldest first: brief_result). Of each expectation that
    did not hold the keys of the whole day are put together.
    """
    merged: dict[tuple, dict[str, Any]] = {}
    for result in day["results"]:
        for each in result["results"]:
            configuration = each["expectation_config"]
            name = (configuration["type"], str(sorted(configuration["kwargs"].items())), configuration["meta"]["rule"])
            merged[name] = _together(merged[name], each) if name in merged else each
    outcomes = day["outcomes"]
    newest = day["results"][-1]["meta"] if day["results"] else {}
    return {
        "success": not merged,
        "results": list(merged.values()),
        "statistics": {
            "evaluated_expectations": len(merged), "successful_expectations": 0,
            "unsuccessful_expectations": len(merged), "success_percent": None if merged else 100.0,
        },
        "suite_name": day["suite"],
        "suite_parameters": {},
        "id": None,
        "meta": {
            **{key: newest[key] for key in ("great_expectations_version", "suite_version") if key in newest},
            "dataset": day["dataset"],
            "run_name": f"{day['dataset']} · {day['day']}",
            "interval": str(day["day"]),
            "validated_at": day["validated_at"].astimezone(UTC).isoformat(timespec="seconds"),
            "outcome": next(outcome for outcome in OUTCOMES if outcomes.get(outcome)),
            "validations": ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in OUTCOMES if outcomes.get(outcome)),
            "rows": day["rows"],
            "quarantined_rows": day["quarantined"],
            "blocked_because": [why for result in day["results"] for why in result["meta"].get("blocked_because", [])],
        },
    }  # fmt: skip


def _together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two results of one expectation, of different profiles, as one of both: keys and counts added up."""
    first, second = one["result"], other["result"]
    if not first or not second:
        return one if not first else other  # it could not be checked: that is what has to be seen
    lists = ("unexpected_list", "unexpected_index_list", "partial_unexpected_list")
    added: dict[str, Any] = {
        name: ((first.get(name) or []) + (second.get(name) or []))[:KEPT_KEYS] for name in lists if name in first
    }
    counts = ("element_count", "unexpected_count", "missing_count")
    added |= {name: first[name] + second.get(name, 0) for name in counts if name in first}
    if added.get("element_count") and "unexpected_percent" in first:
        share = 100.0 * added["unexpected_count"] / added["element_count"]
        added |= dict.fromkeys(
            ("unexpected_percent", "unexpected_percent_total", "unexpected_percent_nonmissing"), share
        )
    return {**one, "result": {**first, **added}}


def _run(
    profile: DataFrame, suite: Suite, run_name: str, parameters: dict[str, Any]
) -> ExpectationSuiteValidationResult:
    """Great Expectations' result of `suite` over a data frame in memory, in a context that dies with the call."""
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # a dict is what it reads, too
    asset = context.data_sources.add_pandas("profile").add_dataframe_asset(suite.dataset)
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": profile})
    try:
        with _repeating_less():
            return batch.validate(
                suite.to_gx(),
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": list(suite.keys)},
                expectation_parameters=parameters,
            )
    except Exception as error:
        raise ValidationError(
            f"{run_name}: suite {suite.name} could not be run: {type(error).__name__}: {error}"
        ) from error


@contextmanager
def _repeating_less() -> Iterator[None]:
    """Within the block every expectation builds its configuration once, and a metric is told from others by its
    arguments as they are written.

    Great Expectations (1.24) builds the first, a property, anew thousands of times a validation, from models that don't
    change meanwhile; and makes the second, as often, a digest of JSON that it converts value by value. Nothing supports
    this, so a test holds the results with and without it to be the same.
    """
    from great_expectations.core.id_dict import IDDict
    from great_expectations.expectations.expectation import Expectation

    built: dict[int, tuple[Expectation, Any]] = {}
    patched: Any = Expectation  # its types know no property that is replaced
    original = patched.configuration
    arguments: Any = IDDict
    digest = arguments.to_id

    def configuration(expectation: Expectation) -> ExpectationConfiguration:
        # the expectation is kept beside it, so that no other can come to its place in memory
        if id(expectation) not in built:
            built[id(expectation)] = expectation, original.fget(expectation)
        return built[id(expectation)][1]

    def written(self: IDDict, id_keys: Iterable | None = None, id_ignore_keys: Iterable | None = None) -> str | tuple:
        left_out = self._id_ignore_keys if id_ignore_keys is None else set(id_ignore_keys)
        keys = sorted(set(self if id_keys is None else id_keys) - left_out)
        return repr([(key, self[key]) for key in keys]) if keys else ()

    patched.configuration, arguments.to_id = property(configuration), written
    try:
        yield
    finally:
        patched.configuration, arguments.to_id = original, digest


def _comparable(profile: DataFrame) -> DataFrame:
    """The profile with numeric columns as numbers.

    A driver hands over Postgres' numeric as Decimal, and a column with a NULL as objects; a column of NULLs only has no
    type at all. Great Expectations would compare them one by one, or not at all.
    """
    import pandas as pd
    from pandas.api.types import infer_dtype

    numeric = {"decimal", "integer", "floating", "mixed-integer-float", "empty"}
    columns = {
        name: pd.to_numeric(profile[name])
        for name in profile.columns
        if profile[name].dtype == object and infer_dtype(profile[name], skipna=True) in numeric
    }
    return profile.assign(**columns) if columns else profile


def _errored(gx_result: ExpectationValidationResult) -> bool:
    """Great Expectations reports an expectation that raised as one with an empty result, successful or not."""
    return not gx_result.result or _exception(gx_result) is not None


def _exception(gx_result: ExpectationValidationResult) -> str | None:
    """The first exception's message: one flat record when the expectation raised, one a metric when its metrics did."""
    information = gx_result.exception_info or {}
    records = [information] if "raised_exception" in information else list(information.values())
    for record in records:
        if isinstance(record, dict) and record.get("raised_exception"):
            return str(record.get("exception_message") or "no message")
    return None


def _broken_rule(gx_result: ExpectationValidationResult, suite: Suite) -> BrokenRule:
    configuration = gx_result.expectation_config
    assert configuration is not None, "a result that validate() gives has one"
    meta = configuration.meta or {}
    severity = str(getattr(configuration.severity, "value", configuration.severity))
    kwargs = configuration.kwargs
    columns = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    columns += kwargs.get("column_list", [])
    described = {
        "rule": meta.get("rule", configuration.type),
        "description": configuration.description or configuration.type,
        "column": ", ".join(columns),
    }
    if _errored(gx_result):
        cause = _exception(gx_result) or "Great Expectations gave no result"
        return BrokenRule(**described, severity="critical", observed=[f"it could not be checked: {cause}"])
    severity = severity if severity in SEVERITIES else "critical"
    rows = gx_result.result.get("unexpected_index_list") or []
    names = [tuple(_plain(row[key]) for key in suite.keys) for row in rows]
    validated = [column for column in columns if column not in suite.keys]
    observed = [{column: _plain(row.get(column)) for column in validated} for row in rows]
    if names and meta.get("scope", "key") == "key":
        values = [next(iter(each.values())) if len(each) == 1 else each for each in observed]
        by_name = meta.get("by_name", False)
        return BrokenRule(**described, severity=severity, keys=names, observed=values, by_name=by_name)
    # It is the batch that fails: too few rows (an observed value), doubled keys (named, but not quarantined).
    shown = names[:KEPT_KEYS] if names else [_plain(gx_result.result.get("observed_value"))]
    return BrokenRule(**described, severity=severity, observed=shown)


def _stored(
    gx_result: ExpectationSuiteValidationResult, suite: Suite, run_name: str, meta: dict[str, Any]
) -> dict[str, Any]:
    """The result as JSON that Postgres takes: no NaN, no infinity, long lists of failing keys cut for the data docs."""
    result = gx_result.to_json_dict()
    for each, original in zip(result["results"], gx_result.results, strict=True):
        cause = _exception(original)
        # One flat record, and no traceback: that is the task log's, and names folders of the machine it ran on.
        each["exception_info"] = {
            "raised_exception": cause is not None,
            "exception_message": cause,
            "exception_traceback": "",
        }
        detail = each["result"]
        detail.pop("unexpected_index_query", None)  # row numbers of a data frame nobody has any more
        for name in ("unexpected_list", "unexpected_index_list"):
            if len(detail.get(name) or []) > KEPT_KEYS:
                detail[name] = detail[name][:KEPT_KEYS]
        each["expectation_config"]["kwargs"].pop("batch_id", None)
    result["meta"] = {
        "great_expectations_version": result["meta"]["great_expectations_version"],
        "dataset": suite.dataset,
        "suite_version": suite.version,
        "run_name": run_name,
        "validated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **meta,
    }
    return _plain(result)


def _plain(value: Any) -> Any:
    """`value` in Python's own types: numpy scalars unwrapped, timestamps as datetimes, non-finite floats as words."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
