"""The pages say what is so: links lead somewhere, named files are there, settings are the code's, examples work."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OPERATIONS = (DOCS / "operations.md").read_text()
VARIABLE = r"(?:WAREHOUSE|DERIBIT|AIRFLOW_CONN)_[A-Z_]+|FROM|PYTHON|PIP_INDEX_URL"
ROOMS = ("dags/", "docs/", "plugins/", "include/", "expectations/", "exchange_simulator/", "stack/", "tests/")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.+?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL)


def test_the_pages_are_these():
    names = {"architecture", "data-dictionary", "operations", "decisions", "dags", "performance", "adding-a-dataset"}
    assert {page.stem for page in PAGES} == names


@every_page
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)\s]+)\)", page.read_text())
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_every_file_that_is_named_is_there(page):
    named = [name for name in re.findall(r"`([\w./*-]+)`", page.read_text()) if name.startswith(ROOMS)]
    named += re.findall(r"`(docker-compose\.yaml|pyproject\.toml|Makefile)`", page.read_text())
    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []


@every_page
def test_every_make_target_that_is_named_is_there(page):
    targets = set(re.findall(r"^([a-z ]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {name for line in targets for name in line.split()}
    assert set(re.findall(r"`make (\w+)", page.read_text())) <= targets


@every_page
def test_a_page_names_nothing_of_the_machine_it_was_written_on(page):
    assert not re.search(r"\.\./shared|(?<![\w.])/(?:home|opt|tmp|var)/\w", page.read_text()), "a path of one machine"


def test_a_page_that_is_made_is_what_it_is_made_of(tmp_path):
    def check(*arguments):
        command = [sys.executable, ROOT / "docs" / "generate.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    done = check("--check")
    assert done.returncode == 0, done.stderr

    pages = ("dags.md", "data-dictionary.md")
    for page in pages:
        (tmp_path / page).write_text(
            (DOCS / page).read_text().replace("hourly", "daily").replace("fraction", "percent")
        )
    done = check("--check", tmp_path)
    assert done.returncode == len(pages)
    assert all(page in done.stderr for page in pages)
    assert "behind" in done.stderr and "sh stack/run dev python docs/generate.py" in done.stderr
    assert check(tmp_path).returncode == 0
    assert all((tmp_path / page).read_text() == (DOCS / page).read_text() for page in pages)


def settings_table() -> dict[str, str]:
    """The documented variables and their defaults."""
    return dict(re.findall(rf"^\| `({VARIABLE})` \| (?:`(.+?)`)? *\|", OPERATIONS, re.MULTILINE))


def variables_of_the_code() -> set[str]:
    """Every variable of ours that the code names in a string, or that the compose file or stack/run takes."""
    files = [p for room in ("plugins", "stack", "exchange_simulator", "dags") for p in (ROOT / room).rglob("*.py")]
    strings = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for name in ("docker-compose.yaml", "stack/run"):
        strings |= set(re.findall(r"\$\{(\w+)", (ROOT / name).read_text()))
    return {text for text in strings if re.fullmatch(VARIABLE, text)}


def test_the_settings_are_those_the_code_reads():
    from deribit_warehouse.alerts.channels import CHANNELS

    channels = {f"AIRFLOW_CONN_{name.upper()}" for name in CHANNELS}
    assert set(settings_table()) == variables_of_the_code() | channels


def test_the_defaults_are_those_of_the_code(monkeypatch):
    from deribit_warehouse import settings
    from stack.preflight import enough_disk
    from stack.settings import PORTS, stack_of

    table = settings_table()
    for name in table:
        monkeypatch.delenv(name, raising=False)
    assert {name: int(table[name]) for name in PORTS} == PORTS
    assert stack_of("live").live == (table["WAREHOUSE_LIVE"] == "1")
    assert settings.currencies() == table["DERIBIT_CURRENCIES"].split(",")
    assert settings.requests_per_second() == float(table["DERIBIT_REQUESTS_PER_SECOND"])
    assert settings.live_share() == float(table["DERIBIT_LIVE_SHARE"])
    assert settings.catalogue_rate() == float(table["DERIBIT_CATALOGUE_REQUESTS_PER_SECOND"])
    assert settings.longest_wait().total_seconds() == 3600 * float(table["DERIBIT_WAIT_HOURS"])
    kept = {
        "SUPERSEDED": settings.keep_superseded, "RECORDS": settings.keep_records, "RUNS": settings.keep_runs,
        "INCIDENTS": settings.keep_incidents,
    }  # fmt: skip
    for what, keep in kept.items():
        assert keep().total_seconds() == 86_400 * float(table[f"DERIBIT_KEEP_{what}_DAYS"])
    assert f"{settings.history_from():%Y-%m-%d}" == table["DERIBIT_HISTORY_FROM"]
    assert (
        f'"WAREHOUSE_MIN_FREE_GB") or "{table["WAREHOUSE_MIN_FREE_GB"]}"'
        in Path(enough_disk.__code__.co_filename).read_text()
    )


def test_the_readme_counts_what_make_check_asks():
    from deribit_warehouse.exchange.assumptions import ASSUMPTIONS

    [questions] = re.findall(r"(\d+) questions in half a minute", (ROOT / "README.md").read_text())
    assert int(questions) == len(ASSUMPTIONS)


def test_the_reviewed_files_can_be_written_as_shown(tmp_path):
    from deribit_warehouse.quality.suites import read_outages, read_waivers

    waiver, outage = blocks("json")
    (tmp_path / "waivers.json").write_text(waiver)
    (tmp_path / "known_outages.json").write_text(outage)
    [read] = read_waivers(tmp_path / "waivers.json")
    [known] = read_outages(tmp_path / "known_outages.json")
    suite = json.loads((ROOT / "expectations" / f"{read.dataset}.json").read_text())
    assert read.rule in {expectation["meta"]["rule"] for expectation in suite["expectations"]}
    assert known.end > known.start


def test_the_alert_connections_work_as_shown(monkeypatch):
    from deribit_warehouse.alerts import RunReport, render
    from deribit_warehouse.alerts.channels import CHANNELS, _connection

    [exports] = [block for block in blocks("sh") if "AIRFLOW_CONN_DERIBIT_ALERTS" in block]
    shown = dict(re.findall(r"^export (\w+)='(.+?)'$", exports, re.MULTILINE | re.DOTALL))
    assert set(shown) == {f"AIRFLOW_CONN_{name.upper()}" for name in CHANNELS}
    message = render(RunReport("futures_ohlcv", "a run", blocked=["why"]), "http://127.0.0.1:8080")
    for name, text in shown.items():
        monkeypatch.setenv(name, text)
        channel = name.removeprefix("AIRFLOW_CONN_").lower()
        connection = _connection(channel)
        assert connection.host and CHANNELS[channel](message, connection)


def test_the_fields_of_the_webhook_are_those_listed():
    from datetime import UTC, datetime

    from deribit_warehouse.alerts.messages import Incident, render_incidents

    now = datetime(2026, 11, 26, tzinfo=UTC)
    one = Incident(
        1, "blocked", "futures_ohlcv", "blocked", "", "error", "why", "d", "r", [""], now, now, 1, None, None, None,
        "opened", now, None, None,
    )  # fmt: skip
    listed = re.search(r"receives JSON by POST: (.+?)\.\n", OPERATIONS, re.DOTALL)[1]
    payload = render_incidents([one], "http://127.0.0.1:8080").payload
    assert re.findall(r"`(\w+)`", listed) == list(payload)


def test_the_backfill_request_is_one_airflow_takes():
    from airflow.api_fastapi.core_api.datamodels.backfills import BackfillPostBody

    [request] = [block for block in blocks("sh") if "/api/v2/backfills" in block]
    body = BackfillPostBody.model_validate_json(re.search(r"--json '(\{\"dag_id.+?\})'", request, re.DOTALL)[1])
    assert body.dag_id == "deribit_futures_ohlcv" and body.from_date.day == body.to_date.day == 1


ADDING = (DOCS / "adding-a-dataset.md").read_text()


def test_what_adding_a_dataset_changes_is_on_the_page():
    """By the dataset that the page copies: whatever names it, but its own files, the tests of other things and the
    pages that are made."""
    on_the_page = set(re.findall(r"`([\w./]+\.(?:py|md))`", ADDING))
    rooms = ("bench", "dags", "exchange_simulator", "include", "plugins", "stack")
    files = [ROOT / "README.md", *(file for room in rooms for file in (ROOT / room).rglob("*"))]
    naming = {
        file.relative_to(ROOT).as_posix()
        for file in files
        if file.suffix in (".md", ".py", ".sql") and re.search(r"\bvolatility_index\b", file.read_text(), re.IGNORECASE)
    }
    changed = {name for name in naming if "volatility_index" not in name}
    assert len(naming) > len(changed) > 4
    assert changed - on_the_page == set()


def test_what_a_test_is_told_of_a_new_dataset_is_there():
    """Each file of the table, and in it each name that its row has."""
    rows = [line.split("|")[1:3] for line in ADDING.partition("## Tests")[2].splitlines() if line.startswith("| `")]
    assert len(rows) > 6
    for files, told in rows:
        text = "".join((ROOT / name).read_text() for name in re.findall(r"`([\w./]+)`", files))
        for name in re.findall(r"`([A-Z_]{3,})`", told):
            assert re.search(rf"^{name}\b.* = ", text, re.MULTILINE), f"{files} has no {name}"


def test_every_error_in_the_runbook_exists():
    table = OPERATIONS.partition("| reason |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| ([A-Z][A-Za-z]+)", table, re.MULTILINE)
    source = "".join(file.read_text() for file in (ROOT / "plugins" / "deribit_warehouse").rglob("*.py"))
    assert len(named) >= 8
    assert [name for name in named if f"class {name}(" not in source] == []
