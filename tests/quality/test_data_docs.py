"""The data docs: complete without internet, newest first, pruned, and never seen half built."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from deribit_warehouse.datasets import DATASETS
from deribit_warehouse.quality import data_docs as docs
from deribit_warehouse.quality.validate import decide, stored_result

URLS = {"href", "src", "action", "data", "poster", "srcset", "formaction", "content", "background", "cite"}


@pytest.fixture(scope="module")
def result_of(clean, validate, suite_of):
    """(dataset, month, fault) -> a result as the gate stores it."""
    validated = {}

    def of(dataset: str, month: int, at: str | None = None, name: str | None = None, **fault) -> dict:
        key = dataset, json.dumps(fault, default=str)
        if key not in validated:
            profile = clean(dataset)
            for column, value in fault.items():
                if value == "gone":
                    profile = profile.drop(columns=column)
                else:
                    profile[column] = profile[column].astype(object)
                    profile.at[3, column] = value
            validation = validate(dataset, profile)
            decision = decide(validation, waivers=[], tolerated_share=0.1)
            validated[key] = json.dumps(stored_result(validation, decision))
        result = json.loads(validated[key])
        run_id = f"scheduled__2025-{month:02d}-01T00:00:00+00:00"
        result["meta"] |= {
            "run_name": name or f"{dataset} · 2025-{month:02d} · {run_id}",
            "validated_at": at or f"2025-{month:02d}-28T00:00:00+00:00",
            "interval_from": f"2025-{month:02d}-01T00:00:00+00:00",
            "interval_to": f"2025-{month + 1:02d}-01T00:00:00+00:00",
            "dag_id": dataset,
            "run_id": run_id,
        }
        return result

    return of


@pytest.fixture(scope="module")
def suites(suite_of):
    return [suite_of("perpetuals_ohlcv"), suite_of("futures_ohlcv")]


@pytest.fixture(scope="module")
def site(tmp_path_factory, result_of, suites) -> Path:
    """A site with every outcome, an expectation that errored, and a name that wants to be a script."""
    into = tmp_path_factory.mktemp("docs") / "data_docs"
    results = [
        result_of("perpetuals_ohlcv", 1),
        result_of("perpetuals_ohlcv", 2, refuted_spike_minutes=2),
        result_of("perpetuals_ohlcv", 3, largest_move=0.12),
        result_of("perpetuals_ohlcv", 4, refuted_spike_minutes="gone"),
        result_of("futures_ohlcv", 1, instrument="<script>alert(1)</script>", missing_minutes=5),
    ]
    docs.build_site(results, into, keep=10, suites=suites)
    return into / "current"


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")
def test_no_card_is_narrower_than_what_it_says(tmp_path_factory, result_of, suites):
    from playwright.sync_api import sync_playwright

    into = tmp_path_factory.mktemp("cards") / "data_docs"
    results = [result_of("perpetuals_ohlcv", 1), result_of("futures_ohlcv", 1, missing_minutes=5)]
    names = [dataset.name for dataset in DATASETS]
    docs.build_site(results, into, keep=10, suites=[replace(suites[0], name=name, dataset=name) for name in names])
    # what is said goes into the padding before it goes over the edge
    overflowing = """cards => cards.filter(card => {
        const edge = card.getBoundingClientRect().right - parseFloat(getComputedStyle(card).paddingRight)
        return [...card.children].some(each => each.getBoundingClientRect().right > edge)
    }).map(card => card.innerText)"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync",
            ],
        )  # fmt: skip
        page = browser.new_page()
        for width in (320, 390, 768, 1024, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto((into / "current" / "index.html").as_uri())
            assert page.locator(".cards li").count() == len(names)
            assert page.eval_on_selector_all(".cards li", overflowing) == [], width
        browser.close()


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in URLS:
                self.found.append((tag, name, value or ""))
            if name == "id":
                self.ids.add(value)


def links(page: Path) -> Links:
    parser = Links()
    parser.feed(page.read_text())
    return parser


def text_of(page: Path) -> str:
    text = re.sub(r"<[^>]*>", " ", page.read_text())
    return re.sub(r"\s+", " ", text)


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert found
    return found


def test_no_page_names_another_host(site):
    for file in [path for path in site.rglob("*") if path.is_file()]:
        text = file.read_text()
        assert not re.search(r"""(?:https?:|["'(=\s]//)[\w-]+\.[\w-]+""", text), file
        assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", text), file
        assert file.suffix in {".html", ".css", ".js"}


def test_every_link_leads_to_a_file_of_the_site(site):
    for page in pages(site):
        parsed = links(page)
        for tag, name, value in parsed.found:
            if name == "content" or value.startswith("data:"):
                continue
            url = urlparse(value)
            assert not url.scheme and not url.netloc, (page, value)
            if not url.path:
                assert url.fragment in parsed.ids, (page, value)
                continue
            target = (page.parent / unquote(url.path)).resolve()
            if "/dags/" in value:  # into Airflow, which serves the site one level below its own root
                assert target.parents[3] == site.resolve().parent, (page, value)
            else:
                assert target.is_file() and target.is_relative_to(site.resolve()), (page, tag, value)


def test_no_page_runs_a_script_of_its_own(site):
    # The content security policy would stop it; it must not be needed.
    for page in pages(site):
        html = page.read_text()
        assert re.findall(r"<script(?! src=)", html) == []
        assert re.findall(r"<[^>]*\son[a-z]+\s*=", html) == []
        assert "alert(1)</script>" not in html
    assert "&lt;script&gt;alert(1)" in (site / docs.page_path("futures_ohlcv", run("futures_ohlcv", 1))).read_text()


def run(dataset: str, month: int) -> str:
    return f"{dataset} · 2025-{month:02d} · scheduled__2025-{month:02d}-01T00:00:00+00:00"


def test_the_index_reads_dataset_interval_and_run_newest_first(site):
    html = (site / "index.html").read_text()
    months = [4, 3, 2, 1]
    places = [html.index(f">{run('perpetuals_ohlcv', month)}<") for month in months]
    assert places == sorted(places)
    rows = re.findall(r'<tr data-dataset="(\w+)" data-outcome="(\w+)"', html)
    assert [outcome for dataset, outcome in rows if dataset == "perpetuals_ohlcv"] == [
        "blocked", "warned", "quarantined", "passed",
    ]  # fmt: skip
    assert "no-spike" in html and "move-usual" in html


def test_a_dataset_has_a_page_of_its_own(site):
    html = (site / "datasets/perpetuals_ohlcv.html").read_text()
    assert set(re.findall(r'<tr data-dataset="(\w+)"', html)) == {"perpetuals_ohlcv"}
    assert "expectations/perpetuals_ohlcv.html" in html


def test_a_validation_names_the_rule_the_row_and_the_run(site):
    page = site / docs.page_path("perpetuals_ohlcv", run("perpetuals_ohlcv", 2))
    text = text_of(page)
    assert "critical no-spike" in text
    assert "BTC-PERPETUAL 2025-06-04 (refuted_spike_minutes 2)" in text
    assert "2025-02-01 00:00 to 2025-03-01 00:00" in text
    assert "Quarantined rows 1" in text
    # Great Expectations' own part, expectation by expectation:
    assert "No close jumps away and back alone [critical: no-spike]" in text
    assert "1 unexpected values found" in text
    assert f"../../../dags/perpetuals_ohlcv/runs/{'scheduled__2025-02-01T00%3A00%3A00%2B00%3A00'}" in page.read_text()


def test_a_blocked_validation_says_why(site):
    text = text_of(site / docs.page_path("perpetuals_ohlcv", run("perpetuals_ohlcv", 4)))
    assert "Blocked: no-spike" in text
    assert "Could not be checked" in text


def test_a_suite_page_says_every_rule_and_why(site, suites):
    for suite in suites:
        text = text_of(site / f"expectations/{suite.name}.html")
        for each in suite.expectations:
            assert each["meta"]["rule"] in text
    assert "Trading halted" not in text
    assert "No close of what settles in BTC or ETH moves by more than half in a minute" in text


def test_the_newest_of_each_dataset_are_kept_and_the_rest_is_gone(tmp_path, result_of):
    results = [result_of("perpetuals_ohlcv", month) for month in (3, 1, 2)] + [result_of("futures_ohlcv", 1)]
    docs.build_site(results, tmp_path, keep=10)
    docs.build_site(results, tmp_path, keep=2)
    kept = {
        path.relative_to(tmp_path / "current").as_posix() for path in (tmp_path / "current/validations").rglob("*.html")
    }
    assert kept == {
        docs.page_path("perpetuals_ohlcv", run("perpetuals_ohlcv", 3)),
        docs.page_path("perpetuals_ohlcv", run("perpetuals_ohlcv", 2)),
        docs.page_path("futures_ohlcv", run("futures_ohlcv", 1)),
    }
    assert run("perpetuals_ohlcv", 1) not in (tmp_path / "current/index.html").read_text()


def contents(site: Path) -> dict[str, bytes]:
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}


@pytest.fixture
def rendered(monkeypatch) -> list[str]:
    """The runs whose results Great Expectations has rendered, one after the other."""
    names, render = [], docs._rendered_result

    def counted(page: docs.Page) -> dict:
        names.append(page.meta["run_name"])
        return render(page)

    monkeypatch.setattr(docs, "_rendered_result", counted)
    return names


def test_a_build_renders_only_what_the_standing_site_does_not_show(tmp_path, result_of, rendered):
    results = [result_of("perpetuals_ohlcv", month) for month in (1, 2)]
    docs.build_site(results, tmp_path / "often", keep=5)
    results.append(result_of("perpetuals_ohlcv", 3, refuted_spike_minutes=2))
    rendered.clear()
    docs.build_site(results, tmp_path / "often", keep=5)
    assert rendered == [run("perpetuals_ohlcv", 3)]
    docs.build_site(results, tmp_path / "once", keep=5)
    site, same = tmp_path / "often/current", tmp_path / "once/current"
    assert contents(site) == contents(same)


@pytest.mark.parametrize("what", ["result", "template", "suites", "damaged"])
def test_a_page_is_rendered_again_where_anything_it_is_made_from_changed(
    tmp_path, result_of, suites, rendered, monkeypatch, what
):
    result, now = result_of("perpetuals_ohlcv", 1), suites
    docs.build_site([result], tmp_path, keep=5, suites=suites)
    page = tmp_path / "current" / docs.page_path("perpetuals_ohlcv", run("perpetuals_ohlcv", 1))
    if what == "result":
        result["meta"]["outcome"] = "blocked"
    elif what == "template":
        monkeypatch.setattr(docs, "_renderer", lambda: "another")
    elif what == "suites":
        now = suites[:1]
    else:
        page.write_text("<html>")
    rendered.clear()
    docs.build_site([result], tmp_path, keep=5, suites=now)
    assert rendered == [run("perpetuals_ohlcv", 1)]


def test_a_run_validated_again_keeps_its_address_and_its_past(tmp_path, result_of):
    first = result_of("perpetuals_ohlcv", 1, at="2025-02-01T00:00:00+00:00", refuted_spike_minutes=2)
    second = result_of("perpetuals_ohlcv", 1, at="2025-02-02T00:00:00+00:00")
    docs.build_site([first, second], tmp_path, keep=5)
    assert len(list((tmp_path / "current/validations/perpetuals_ohlcv").iterdir())) == 2
    newest = text_of(tmp_path / "current" / docs.page_path("perpetuals_ohlcv", run("perpetuals_ohlcv", 1)))
    assert "None: every expectation holds" in newest


def test_names_that_differ_in_signs_only_do_not_share_a_page():
    assert docs.page_path("a", "x · y") != docs.page_path("a", "x / y")
    assert docs.page_path("../../etc", "../../passwd").startswith("validations/etc/passwd-")


def test_a_site_without_validations_says_so(tmp_path, suites):
    docs.build_site([], tmp_path, keep=5, suites=suites)
    text = text_of(tmp_path / "current/index.html")
    assert "No validation has run yet" in text and "not validated yet" in text


def test_of_open_days_the_rules_are_those_of_closed_ones(suites, result_of, tmp_path):
    results = [result_of("perpetuals_ohlcv", 1)]
    results[0]["meta"]["dataset"] = "perpetuals_live"
    docs.build_site(results, tmp_path, keep=5, suites=suites, validated_by={"perpetuals_live": "perpetuals_ohlcv"})
    page = (tmp_path / "current" / "datasets" / "perpetuals_live.html").read_text()
    [rules] = re.findall(r'<a href="([^"]+)">Its rules and why</a>', page)
    assert "<h1>perpetuals_ohlcv" in (tmp_path / "current" / "datasets" / rules).read_text()


def test_a_result_that_can_not_be_rendered_leaves_the_old_site(tmp_path, result_of):
    docs.build_site([result_of("perpetuals_ohlcv", 1)], tmp_path, keep=5)
    before = (tmp_path / "current/index.html").read_text()
    broken = result_of("perpetuals_ohlcv", 2)
    broken["results"][0]["expectation_config"]["type"] = 5
    with pytest.raises(docs.DocsError, match="perpetuals_ohlcv · 2025-02"):
        docs.build_site([result_of("perpetuals_ohlcv", 1), broken], tmp_path, keep=5)
    assert (tmp_path / "current/index.html").read_text() == before
    with pytest.raises(docs.DocsError, match="lacks its dataset"):
        docs.build_site([{"results": []}], tmp_path, keep=5)
    assert (tmp_path / "current/index.html").read_text() == before


def test_a_crash_while_writing_or_swapping_leaves_the_old_site(tmp_path, result_of, monkeypatch):
    docs.build_site([result_of("perpetuals_ohlcv", 1)], tmp_path, keep=5)
    standing = os.readlink(tmp_path / "current")
    for name in ("_write", "_swap"):
        with monkeypatch.context() as patch:
            patch.setattr(docs, name, lambda *_: (_ for _ in ()).throw(OSError("disk full")))
            with pytest.raises(OSError, match="disk full"):
                docs.build_site([result_of("perpetuals_ohlcv", 2)], tmp_path, keep=5)
        assert os.readlink(tmp_path / "current") == standing
        assert [path.name for path in tmp_path.glob("site-*")] == [standing]


def test_the_umask_says_who_may_read_the_site(tmp_path, result_of):
    old = os.umask(0o077)
    try:
        docs.build_site([result_of("perpetuals_ohlcv", 1)], tmp_path / "docs", keep=5)
    finally:
        os.umask(old)
    assert [path for path in (tmp_path / "docs").rglob("*") if path.stat().st_mode & 0o077] == []


def test_what_a_killed_builder_left_is_cleared(tmp_path, result_of):
    (tmp_path / "site-killed/validations").mkdir(parents=True)
    (tmp_path / "site-killed.link").symlink_to("site-killed")
    docs.build_site([result_of("perpetuals_ohlcv", 1)], tmp_path, keep=5)
    assert [path.name for path in tmp_path.glob("site-*")] == [os.readlink(tmp_path / "current")]


def test_a_reader_never_sees_half_a_site(tmp_path, result_of):
    results = [result_of("perpetuals_ohlcv", month) for month in (1, 2, 3)]
    docs.build_site(results, tmp_path, keep=5)
    done, halves = threading.Event(), []

    def read():
        while not done.is_set():
            root = (tmp_path / "current").resolve()
            listed = re.findall(r'href="(validations/[^"]+)"', (root / "index.html").read_text())
            halves.extend(path for path in listed if not (root / path).is_file())

    reader = threading.Thread(target=read)
    reader.start()
    for keep in (1, 2, 3):
        docs.build_site(results, tmp_path, keep=keep)
        done.wait(0.05)  # the site before is kept for readers of one build, so builds must not follow at once
    done.set()
    reader.join()
    assert halves == []
