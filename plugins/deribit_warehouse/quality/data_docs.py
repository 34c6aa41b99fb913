"""Builds the data docs: a static site of what every gate found, from the results the gate stored.

Great Expectations renders each suite and each result; the page around them, the index and a page a dataset are ours.
Its own site builder is not used: its pages fetch a dozen scripts and styles from eight other hosts, its index knows no
outcome, and it wants every result in a store of its own. These pages need no file but their own, so they are complete
without internet and under a strict content security policy.

A result never changes, and rendering one is most of what a build costs: the page of a result that the standing site
shows already, made from the same result by the same templates, is taken over.

The site lies in `<into>/current/`, a symbolic link to the newest build:

    index.html                      every validation, newest first, and the last outcome of each dataset
    datasets/<dataset>.html         the validations of a dataset
    validations/<dataset>/<run>.html
    expectations/<suite>.html       the rules and why
    report.html, report.md          the completion report, where one was made
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deribit_warehouse.quality.completion_report import TITLE, Report, markdown
from deribit_warehouse.quality.suites import Suite

if TYPE_CHECKING:
    from great_expectations.render import RenderedDocumentContent
    from jinja2 import Template

CURRENT = "current"
PAGES = Path(__file__).parent / "pages"
ASSETS = ("site.css", "site.js")
REPORT, DOWNLOAD = "report.html", "report.md"
SHOWN_KEYS = 50


class DocsError(RuntimeError):
    """The site could not be built; the one before it still stands. The message names the result at fault."""


@dataclass(frozen=True)
class FailedExpectation:
    """An expectation of a stored result that does not hold: `count` rows break it, `keys` names the first of them."""

    rule: str
    severity: str
    description: str
    why: str
    count: int
    keys: list[str]
    error: str | None


@dataclass(frozen=True)
class Page:
    """A stored result as the index lists it. `path` is relative to the site's root."""

    path: str
    meta: dict[str, Any]
    failures: list[FailedExpectation]
    result: dict[str, Any]

    @property
    def dataset(self) -> str:
        return self.meta["dataset"]

    @property
    def interval(self) -> str:
        """What was validated: as the result says it, or from its two ends (ISO) where it says those."""
        ends: list[Any] = [self.meta.get("interval_from"), self.meta.get("interval_to")]
        said = " to ".join(end[:16].replace("T", " ") for end in ends) if all(ends) else ""
        return self.meta.get("interval", said)

    @property
    def outcome(self) -> str:
        """The gate's, where the result was stored with it; otherwise what its failures amount to."""
        severities = {failure.severity for failure in self.failures}
        implied = "failed" if "critical" in severities else "warned" if "warning" in severities else "passed"
        return self.meta.get("outcome", implied)


def page_path(dataset: str, run_name: str) -> str:
    """Where the newest validation of that name is, or will be once the docs are built, relative to the site's root."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", run_name).strip("-")[:80]
    # Names that differ only in what a file name can't hold must not share a page.
    return f"validations/{_file_name(dataset)}/{slug}-{hashlib.sha256(run_name.encode()).hexdigest()[:8]}.html"


def build_site(
    results: Iterable[dict[str, Any]], into: Path, *, keep: int, suites: Iterable[Suite] = (),
    validated_by: Mapping[str, str] | None = None, report: Report | None = None,
) -> None:  # fmt: skip
    """Builds the site of the newest `keep` results of each dataset, of `suites` and of `report`, and puts it at
    `into`/current. Without a report the one of the standing site is taken over.

    validated_by: of datasets without a suite of their own, the name of that whose suite they have.
    `results` are what `validate.stored_result` returned, in any order; their `meta` needs `dataset`, `run_name` and
    `validated_at` (ISO). The site is built aside and swapped in whole: a reader sees the old one or the new one, and
    after a crash the old one. Builders wait for each other. Raises DocsError, and leaves the old site, for a result
    that can't be rendered.
    """
    into = Path(into)
    pages = _pages(results, keep)
    suites = list(suites)
    into.mkdir(parents=True, exist_ok=True)
    with _alone(into):
        before = (into / CURRENT).resolve()
        build = into / f"site-{secrets.token_hex(4)}"
        build.mkdir()  # the umask says who may read it: the web server may be another user
        try:
            _write(build, pages, suites, validated_by or {}, before, report)
            _swap(build, into)
        finally:
            # The site before stays for whoever is reading a file of it; what is older, or a crash left, goes.
            standing = {before, (into / CURRENT).resolve()}
            for left in into.glob("site-*"):
                if left.is_symlink():
                    left.unlink()
                elif left.resolve() not in standing:
                    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _alone(into: Path) -> Iterator[None]:
    with open(into / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _swap(build: Path, into: Path) -> None:
    link = into / f"{build.name}.link"
    link.symlink_to(build.name)
    os.replace(link, into / CURRENT)


def _pages(results: Iterable[dict[str, Any]], keep: int) -> list[Page]:
    """The newest `keep` of each dataset, newest first over all."""
    try:
        listed = sorted(results, key=lambda result: result["meta"]["validated_at"], reverse=True)
        by_dataset = sorted(listed, key=lambda result: result["meta"]["dataset"])  # stable: newest first within
    except (KeyError, TypeError) as error:
        raise DocsError(f"a stored result lacks its dataset or its time: {type(error).__name__}: {error}") from error
    pages = []
    for dataset, newest_first in groupby(by_dataset, key=lambda result: result["meta"]["dataset"]):
        taken: set[str] = set()
        for result in list(newest_first)[:keep]:
            path = page_path(dataset, result["meta"]["run_name"])
            if path in taken:  # the run was cleared and validated again: the newest has the name, older ones a suffix
                path = path.replace(".html", f"-{_file_name(result['meta']['validated_at'])}-{len(taken)}.html")
            taken.add(path)
            pages.append(Page(path, result["meta"], _failures(result), result))
    return sorted(pages, key=lambda page: page.meta["validated_at"], reverse=True)


def _failures(result: dict[str, Any]) -> list[FailedExpectation]:
    """What does not hold, critical first."""
    failures = []
    for each in result["results"]:
        if each["success"] and each["result"]:
            continue
        configuration, detail = each["expectation_config"], each["result"]
        meta = configuration.get("meta") or {}
        named = detail.get("unexpected_index_column_names") or []
        rows = detail.get("unexpected_index_list") or []
        failures.append(
            FailedExpectation(
                rule=meta.get("rule", configuration["type"]),
                severity=configuration.get("severity", "critical") if detail else "critical",
                description=configuration.get("description") or configuration["type"],
                why=meta.get("why", ""),
                count=detail.get("unexpected_count", 0),
                keys=[_key(row, named) for row in rows[:SHOWN_KEYS]],
                error=None if detail else f"Could not be checked: {_cause(each)}",
            )
        )
    order = {"critical": 0, "warning": 1, "info": 2}
    return sorted(failures, key=lambda failure: order.get(failure.severity, 0))


def _cause(each: dict[str, Any]) -> str:
    return (each.get("exception_info") or {}).get("exception_message") or "Great Expectations gave no result"


def _key(row: dict[str, Any], named: list[str]) -> str:
    """A row by its key and what it shows: BTC-27JUN25 2025-06-03 (spike_minutes 2)."""
    shown = ", ".join(f"{column} {value}" for column, value in row.items() if column not in named)
    return " ".join(str(row.get(column)) for column in named) + (f" ({shown})" if shown else "")


def _write(
    build: Path, pages: list[Page], suites: list[Suite], validated_by: Mapping[str, str], before: Path,
    report: Report | None,
) -> None:  # fmt: skip
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined)
    datasets = sorted({page.dataset for page in pages} | {suite.dataset for suite in suites})
    files = {suite.name: f"expectations/{_file_name(suite.name)}.html" for suite in suites}
    rules = {suite.dataset: files[suite.name] for suite in suites}
    rules |= {dataset: rules[other] for dataset, other in validated_by.items() if other in rules}
    standing = [before / name for name in (REPORT, DOWNLOAD) if (before / name).is_file()]
    reported = REPORT if report or len(standing) == 2 else None
    named = {"datasets": datasets, "suites": files, "rules": rules, "report_file": reported}
    shared = {**named, "dataset_file": _dataset_file}

    def write(path: str, template: str, **values: Any) -> None:
        target = build / path
        target.parent.mkdir(parents=True, exist_ok=True)
        html = environment.get_template(template).render(root="../" * path.count("/"), **shared, **values)
        target.write_text(html, encoding="utf-8")

    for asset in ASSETS:
        shutil.copyfile(PAGES / asset, build / asset)
    if report:
        write(REPORT, REPORT, title=TITLE, report=report)
        (build / DOWNLOAD).write_text(markdown(report), encoding="utf-8")
    elif reported:
        for file in standing:
            shutil.copyfile(file, build / file.name)
    newest = {dataset: next((page for page in pages if page.dataset == dataset), None) for dataset in datasets}
    write("index.html", "index.html", title="Data quality", pages=pages, newest=newest, dataset=None)
    for dataset in datasets:
        own = [page for page in pages if page.dataset == dataset]
        write(_dataset_file(dataset), "index.html", title=dataset, pages=own, newest=newest, dataset=dataset)
    for suite in suites:
        write(files[suite.name], "suite.html", title=f"{suite.dataset}: rules", suite=suite, **_rendered_suite(suite))
    for page in pages:
        made_from = _fingerprint(page, named)
        if _made_from(before / page.path) == made_from:
            (build / page.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(before / page.path, build / page.path)
        else:
            write(
                page.path, "validation.html", title=page.meta["run_name"], page=page, made_from=made_from,
                **_rendered_result(page),
            )  # fmt: skip


def _fingerprint(page: Page, named: dict[str, Any]) -> str:
    """Of everything a validation's page is made from: the result, what every page names, and what renders it."""
    import orjson

    made_from = orjson.dumps([page.path, page.result, named, _renderer()], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(made_from).hexdigest()


@cache
def _renderer() -> str:
    """Of the templates, this module and Great Expectations' version."""
    files = [Path(__file__), *sorted(PAGES.glob("*.html"))]
    digest = hashlib.sha256(version("great_expectations").encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _made_from(page: Path) -> str | None:
    """The fingerprint a page carries in its head; None where there is no such page, or it has none."""
    if not page.is_file():
        return None
    with page.open("rb") as file:
        found = re.search(rb'<meta name="made-from" content="([0-9a-f]{64})">', file.read(1024))
    return found[1].decode() if found else None


def _rendered_result(page: Page) -> dict[str, Any]:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    result = {**page.result, "results": [_described(each) for each in page.result["results"]]}
    try:
        loaded = ExpectationSuiteValidationResultSchema().load(result)
        return _rendered(ValidationResultsPageRenderer().render(loaded))
    except Exception as error:  # anything, from inside Great Expectations: which result it was is what helps
        raise DocsError(f"{page.meta['run_name']}: can't be rendered: {type(error).__name__}: {error}") from error


def _rendered_suite(suite: Suite) -> dict[str, Any]:
    from great_expectations.render.renderer import ExpectationSuitePageRenderer

    return _rendered(ExpectationSuitePageRenderer().render(suite.to_gx()))


def _rendered(document: RenderedDocumentContent) -> dict[str, Any]:
    """Great Expectations' sections as HTML, without its page around them.

    The first section repeats what our own header says, less well.
    """
    from markupsafe import Markup

    content: Any = document.to_json_dict()
    html = _sections_template().render({**content, "sections": content["sections"][1:]})
    return {"body": Markup(html)}


@cache
def _sections_template() -> Template:
    """Compiled once: a view compiles its templates anew, which is most of what a page costs."""
    from great_expectations.render.view import DefaultJinjaPageView

    return DefaultJinjaPageView().env.from_string(
        "{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}"
    )


def _described(each: dict[str, Any]) -> dict[str, Any]:
    """The expectation with its severity and rule in the words Great Expectations shows."""
    configuration = each["expectation_config"]
    rule = (configuration.get("meta") or {}).get("rule", configuration["type"])
    words = f"{configuration.get('description') or configuration['type']} [{configuration.get('severity')}: {rule}]"
    return {**each, "result": _escaped(each["result"]), "expectation_config": {**configuration, "description": words}}


def _escaped(value: Any) -> Any:
    """Great Expectations' tables print the values they found as they are; names come from the exchange, so not here."""
    if isinstance(value, dict):
        return {name: _escaped(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return escape(value) if isinstance(value, str) else value


def _dataset_file(dataset: str) -> str:
    return f"datasets/{_file_name(dataset)}.html"


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-") or "unnamed"
