"""One month through the real scheduler, as `make demo` runs it: what it prints, what it stored, what a second run and a
backfill from the UI do, and every page it offers.

A whole stack of its own takes longer than the other tests may, so it runs where it is asked for:

    make rehearsal REHEARSE=demo
"""

from __future__ import annotations

import io
import shutil
import stat
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import requests
from rich.console import Console

from deribit_warehouse.datasets import DATASETS
from deribit_warehouse.warehouse.completion import summary
from exchange_simulator import comparison
from exchange_simulator.market import Market
from stack import credentials, postgres, printing

from .conftest import rows_as_they_lie
from .rehearsal import ASKED, DEMO, LONG, marked, ms
from .stacks import stack_apart
from .test_quarantine import BAD

pytestmark = [pytest.mark.scheduler, *marked(DEMO, seconds=1500)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def last_closed_month() -> tuple[datetime, datetime]:
    ends = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (ends - timedelta(days=1)).replace(day=1), ends


@pytest.fixture(scope="module")
def stack():
    """A demo of one month, started once for this file."""
    begins, _ = last_closed_month()
    with stack_apart("demo") as stack:
        stack.start("demo", f"{begins:%Y-%m-%d}", seconds=1200)
        stack.again = stack.run("demo")
        yield stack


def test_it_prints_what_is_stored_and_where_it_is(stack):
    for word in (*BY_CALENDAR, "100", "BTC-", "ETH-", stack.url, "/deribit-data-docs/", stack.secrets["admin"],
                 "make down"):  # fmt: skip
        assert word in stack.printed, word


def test_a_second_demo_is_told_of_the_first_and_leaves_it_alone(stack):
    assert stack.again.returncode == 1
    assert "Traceback" not in stack.again.stderr
    assert "make down" in stack.again.stderr and stack.url in stack.again.stderr
    assert stack.session.get(f"{stack.url}/api/v2/monitor/health", timeout=30).ok


def test_nothing_it_keeps_is_open_to_other_users(stack):
    """Root lets the database's user through the state folder itself, and nobody anywhere else."""
    modes = {}
    for path in stack.home.rglob("*"):
        try:
            modes[path] = path.lstat().st_mode
        except FileNotFoundError:
            continue  # the database's files come and go
    assert len(modes) > 100
    ours = {path: stat.filemode(mode) for path, mode in modes.items() if stat.S_ISREG(mode) or stat.S_ISDIR(mode)}
    assert {path: mode for path, mode in ours.items() if not mode.endswith("------")} == {}


CURRENCIES = ("BTC", "ETH")
"""Those that a demo collects."""


def test_every_value_equals_what_the_exchange_says(stack):
    begins, ends = last_closed_month()
    said = comparison.everything(Market(), stack.rows, CURRENCIES, ms(begins), ms(ends))
    counts = {view: f"SELECT count(*) FROM {view}" for view in said}
    counts["index_prices"] += f" WHERE day < '{ends:%Y-%m-%d}' OR source NOT IN ('summary', 'funding_chart')"  # live's
    counts["roll_calendar"] += " WHERE from_contract IS NOT NULL"  # a series begins with no roll from another
    assert {view: stack.rows(count)[0][0] for view, count in counts.items()} == said
    assert said["candle"] > 1_000_000 and min(said.values()) > 0


BY_CALENDAR = tuple(dataset.name for dataset in DATASETS if dataset.table and not dataset.snapshot)
"""The datasets that have a past: a run brings a month of each."""
SNAPSHOTS = tuple(dataset.name for dataset in DATASETS if dataset.table and dataset.snapshot)
"""Those that have beats. A start waits for none, so there need be none when it ends."""


def test_every_dataset_has_something_published(stack):
    """Snapshots, too, once they had a beat; what the index is told by the minute has no rows of its own."""
    views = [dataset.name for dataset in DATASETS if dataset.validated]
    assert set(views) > set(BY_CALENDAR)
    empty = " UNION ALL ".join(f"SELECT '{view}' WHERE NOT EXISTS (SELECT FROM {view})" for view in views)
    stack.wait("rows of every dataset", lambda: not stack.rows(empty))


def test_the_newest_snapshots_are_what_the_exchange_said_at_their_moment(stack):
    stack.wait_for_snapshots(CURRENCIES)
    said = comparison.newest_snapshots(Market(), stack.rows, CURRENCIES)
    assert set(said) == set(SNAPSHOTS) and min(said.values()) > 20


def test_the_table_of_a_start_has_a_row_of_snapshots_once_there_are_any(stack):
    stack.wait_for_snapshots(CURRENCIES)
    reader = postgres.dsn(stack.placed, credentials.load(stack.home), "market_reader", "market")
    console = Console(file=io.StringIO(), width=250)
    printing.print_store(console, summary(reader, DATASETS), [])
    for dataset in (*BY_CALENDAR, *SNAPSHOTS):
        assert f" {dataset} " in console.file.getvalue(), dataset


def test_what_is_computed_when_it_is_read_has_rows(stack):
    """Greeks, and of the last closed month a continuous series and what the funding came to."""
    begins, ends = last_closed_month()
    stack.wait("greeks", lambda: stack.rows("SELECT FROM options_greeks WHERE delta IS NOT NULL LIMIT 1"))
    [[minutes]] = stack.rows("SELECT count(close) FROM continuous_futures('BTC', %s, %s)", begins, ends)
    assert minutes > 0
    [[hours, missing, total]] = stack.rows(
        "SELECT hours_expected, hours_missing, funding_weighted FROM funding_between('BTC-PERPETUAL', %s, %s)",
        begins, ends,
    )  # fmt: skip
    assert (hours, missing) == ((ends - begins).total_seconds() // 3600, 0) and total is not None


def test_every_dataset_caught_up_by_calendar(stack):
    begins, ends = last_closed_month()
    for dag in BY_CALENDAR:
        [run] = [run for run in stack.runs(dag) if run["run_type"] == "scheduled"]
        assert run["state"] == "success", dag
        interval = [datetime.fromisoformat(run[f"data_interval_{side}"]) for side in ("start", "end")]
        assert interval == [begins, ends], dag


def backfill_by_command(stack, dag: str, day: str) -> None:
    said = stack.run(
        "airflow", "backfill", "create", "--dag-id", f"deribit_{dag}", "--from-date", day, "--to-date", day,
        "--reprocess-behavior", "completed",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr


@pytest.mark.skipif(LONG not in ASKED, reason="make rehearsal REHEARSE=demo,long runs it")
def test_a_second_run_of_every_dataset_changes_no_row(stack):
    begins, _ = last_closed_month()
    before = rows_as_they_lie(stack.rows)
    [[validations]] = stack.rows("SELECT max(validation_id) FROM store.validation")
    over = {}
    for dag in BY_CALENDAR:  # all at once
        over[dag] = watch(stack, dag)
        backfill_by_command(stack, dag, f"{begins:%Y-%m-%d}")
    for dag in BY_CALENDAR:
        stack.wait(f"the backfill of {dag}", over[dag])
    assert rows_as_they_lie(stack.rows) == before
    validated = {
        dataset for [dataset] in
        stack.rows("SELECT dataset FROM store.validation WHERE validation_id > %s", validations)
    }  # fmt: skip
    # and at midnight the catalogue, too
    assert validated >= set(BY_CALENDAR), "every backfill validated its month again"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")
def test_a_backfill_from_the_ui_changes_nothing_twice_and_republishes_a_correction(stack, page):
    begins, _ = last_closed_month()
    before = rows_as_they_lie(stack.rows)
    backfill(stack, page, "perpetuals_ohlcv", begins)
    assert rows_as_they_lie(stack.rows) == before, "a second run changed rows"

    # The exchange corrects what it said: fills of an hour of the perpetual are 1 % off the close before (a warning).
    day = begins + timedelta(days=9)
    hour = (f"{day:%Y-%m-%d}T00:00:00", f"{day:%Y-%m-%d}T23:59:00")
    closes = (
        "SELECT ts, perpetual_close, basis FROM basis_spread "
        f"WHERE day = '{day:%Y-%m-%d}' AND coin = 'BTC' ORDER BY instrument, ts"
    )
    old = stack.rows(closes)
    requests.post(
        f"{stack.simulator}/simulator/faults", timeout=30,
        json=[{"kind": "stale_fill", "instrument": "BTC-PERPETUAL", "from": hour[0], "to": hour[1]}],
    ).raise_for_status()  # fmt: skip
    try:
        backfill(stack, page, "perpetuals_ohlcv", begins)
    finally:
        requests.delete(f"{stack.simulator}/simulator/faults", timeout=30)
    [[corrected]] = stack.rows("SELECT max(corrected) FROM store.ingestion WHERE dataset = 'perpetuals_ohlcv'")
    assert corrected == 1
    stack.wait("the basis following by itself", lambda: stack.rows(closes) != old)
    new = stack.rows(closes)
    assert len(new) == len(old)
    changed = [b for a, b in zip(old, new, strict=True) if a[1] != b[1]]
    assert changed and rows_as_they_lie(stack.rows)["basis_day"] != before["basis_day"]
    fields = stack.rows("SELECT DISTINCT dataset, instrument, day::text FROM corrections")
    assert fields == [("perpetuals_ohlcv", "BTC-PERPETUAL", f"{day:%Y-%m-%d}")]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")
def test_bad_candles_of_a_backfill_stay_out_until_the_run_is_cleared_in_the_ui(stack, page):
    begins, ends = last_closed_month()
    [[instrument]] = stack.rows(
        "SELECT instrument FROM store.instrument WHERE settlement_period = 'month' AND base_currency = 'BTC' "
        "AND listed_at < %s AND expires_at > %s ORDER BY expires_at LIMIT 1", begins, ends,
    )  # fmt: skip
    kinds = [kind for kind in BAD if kind != "outside_window"]
    bad = {(begins + timedelta(days=3 + i)).date(): kind for i, kind in enumerate(kinds)}
    published = f"SELECT ts, close, volume, cost FROM futures_ohlcv WHERE instrument = '{instrument}' ORDER BY ts"
    before = stack.rows(published)
    faults = [
        {"kind": kind, "instrument": instrument, "from": f"{day}T12:00:00", "to": f"{day}T13:00:00"}
        for day, kind in bad.items()
    ]
    requests.post(f"{stack.simulator}/simulator/faults", timeout=30, json=faults).raise_for_status()
    try:
        backfill(stack, page, "futures_ohlcv", begins)
    finally:
        requests.delete(f"{stack.simulator}/simulator/faults", timeout=30)
    held: dict = {}
    for day, rule in stack.rows("SELECT day, rule FROM quarantined WHERE instrument = %s", instrument):
        held.setdefault(day, set()).add(rule)
    # a day that lost minutes does not even replace the fuller one
    poorer = {day for day, kind in bad.items() if kind in ("missing_minutes", "misaligned_minute")}
    assert held.keys() == bad.keys() - poorer and len(held) >= 12
    assert all(BAD[bad[day]] in rules for day, rules in held.items())
    assert stack.rows(published) == before, "what was published is still what passed"

    [run, *_] = [run for run in stack.runs("futures_ohlcv") if run["run_type"] == "backfill"]
    page.goto(f"{stack.url}/dags/deribit_futures_ohlcv/runs/{quote(run['dag_run_id'], safe='')}")
    page.get_by_label("Press shift+c to clear").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    stack.wait("the cleared run turning good", lambda: not stack.rows("SELECT 1 FROM quarantined"))
    stack.wait("the end of the runs", lambda: {r["state"] for r in stack.runs("futures_ohlcv")} == {"success"})
    assert stack.rows(published) == before


def watch(stack, dag: str):
    """Waits until Airflow takes a backfill of a DAG, which it does one at a time, and returns what says whether the
    runs that were made after this call are over."""

    def at_rest() -> bool:
        answer = stack.session.get(
            f"{stack.url}/api/v2/backfills", params={"dag_id": f"deribit_{dag}"}, timeout=30
        ).json()
        return all(each["completed_at"] for each in answer["backfills"])

    stack.wait(f"the end of an earlier backfill of {dag}", at_rest)
    known = {run["dag_run_id"]: run["end_date"] for run in stack.runs(dag)}

    def over() -> bool:
        fresh = [run for run in stack.runs(dag) if known.get(run["dag_run_id"]) != run["end_date"]]
        assert not any(run["state"] == "failed" for run in fresh)
        ended = all(run["state"] == "success" for run in fresh)
        return ended and any(run["run_type"] == "backfill" for run in fresh)

    return over


def backfill(stack, page, dag: str, begins: datetime) -> None:
    """One past month again, by clicking as a person would."""
    over = watch(stack, dag)
    page.goto(f"{stack.url}/dags/deribit_{dag}")
    page.get_by_test_id("trigger-dag-button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Backfill", exact=True).click()
    for field in (0, 1):  # from, to
        page.get_by_test_id("datetime-input").nth(field).click()
        page.get_by_placeholder("YYYY/MM/DD").fill(f"{begins:%Y/%m/%d}")
        page.get_by_placeholder("HH:mm").fill(f"{begins:%H:%M}")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        page.get_by_placeholder("HH:mm").wait_for(state="detached")
    dialog.get_by_text("All Runs").click()
    dialog.get_by_text("1 run will be triggered").wait_for()
    dialog.get_by_role("button", name="Run Backfill").click()
    stack.wait(f"the backfill of {dag}", over)


@pytest.fixture
def page(stack):
    """A browser window, logged in; what it asks of any other machine is in `page.strangers`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        page.strangers = set()
        page.on("request", lambda request: page.strangers.add(request.url)
                if not request.url.startswith((stack.url, "data:", "blob:")) else None)  # fmt: skip
        page.goto(f"{stack.url}/deribit-data-docs/")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", stack.secrets["admin"])
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Only what passed is published")
        yield page
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")
def test_every_page_it_offers_opens_and_asks_no_other_machine(stack, page):
    datasets = (*BY_CALENDAR, *SNAPSHOTS, "instruments")

    def validations_of(dataset: str) -> int:
        page.goto(f"{stack.url}/deribit-data-docs/dataset/deribit_{dataset}")
        page.wait_for_selector(f"h1:has-text('{dataset}')")
        return page.locator("table tbody tr").count()

    for dataset in SNAPSHOTS:  # those of the history the start has shown, what comes later is shown every five minutes
        stack.wait(f"a validation on the page of {dataset}", lambda dataset=dataset: validations_of(dataset))
    for dataset in datasets:
        assert validations_of(dataset) >= 1
    page.locator("table tbody tr a").first.click()
    page.wait_for_selector("text=tick_size")
    for path in ("", "dags", "assets", *(f"dags/deribit_{dataset}" for dataset in datasets), "dags/deribit_data_docs"):
        page.goto(f"{stack.url}/{path}")
        page.wait_for_load_state("networkidle")
        page.get_by_text("Data quality").first.wait_for()
    page.goto(f"{stack.url}/dags/deribit_futures_ohlcv")
    # the DAG's own, which comes later than the one that every page has
    own = page.locator("[href*='/dags/deribit_futures_ohlcv/']")
    page.get_by_role("link", name="Data quality").and_(own).click()
    page.frame_locator("iframe").locator("h1:has-text('futures_ohlcv')").wait_for()
    assert not page.strangers


@pytest.mark.parametrize(
    "path",
    [
        "deribit-data-docs/",
        "deribit-data-docs/dataset/deribit_futures_ohlcv",
        "deribit-data-docs/index.html",
        "api/v2/dags",
    ],
)
def test_nothing_is_shown_without_a_login(stack, path):
    answer = requests.get(f"{stack.url}/{path}", timeout=30, allow_redirects=False)
    assert answer.status_code in (302, 303, 307, 401)
    assert "ohlcv" not in answer.text
