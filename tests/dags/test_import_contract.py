"""Who may import whom: the contracts in pyproject.toml, and that they would notice."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dags", "plugins/deribit_warehouse", "exchange_simulator", "stack")


def without_airflow() -> set[str]:
    """The parts of the library that the contract keeps from Airflow."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each["name"].endswith("know Airflow")]
    prefix = "deribit_warehouse."
    return {name.removeprefix(prefix) for name in contract["source_modules"] if name.startswith(prefix)}


def test_every_part_of_the_library_knows_airflow_or_is_kept_from_it_as_the_architecture_says():
    library = ROOT / "plugins/deribit_warehouse"
    parts = {file.stem for file in library.glob("*.py")} - {"__init__"}
    parts |= {file.parent.name for file in library.glob("*/__init__.py")}
    assert without_airflow() == parts - {"alerts", "market", "pipeline", "preload", "timetable"}
    page = (ROOT / "docs/architecture.md").read_text().partition("## Components")[2].partition("\n## ")[0]
    described = {}
    for names, _, unknown in re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\|$", page, re.MULTILINE):
        for name in re.findall(r"`plugins/deribit_warehouse/(\w+)(?:\.py|/)`", names):
            described[name] = "Airflow" in unknown
    assert described == {part: part in without_airflow() for part in parts}


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder, env=os.environ | {"PYTHONPATH": f"{folder}:{folder / 'plugins'}", "COLUMNS": "200"},
        capture_output=True, text=True,
    )  # fmt: skip


def test_the_contracts_are_kept():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        (
            "plugins/deribit_warehouse/exchange/client.py",
            "import deribit_warehouse.warehouse.sql",
            "don't know each other",
        ),
        (
            "plugins/deribit_warehouse/warehouse/rate_limiter.py",
            "import deribit_warehouse.quality.validate",
            "don't know each other",
        ),
        (
            "plugins/deribit_warehouse/quality/validate.py",
            "import deribit_warehouse.pipeline.connections",
            "don't know each other",
        ),
        (
            "plugins/deribit_warehouse/warehouse/rate_limiter.py",
            "import airflow.sdk",
            "know Airflow",
        ),
        ("plugins/deribit_warehouse/check.py", "import airflow.sdk", "know Airflow"),
        ("plugins/deribit_warehouse/report.py", "import deribit_warehouse.market", "know Airflow"),
        ("plugins/deribit_warehouse/priority.py", "import deribit_warehouse.alerts", "don't know each other"),
        ("plugins/deribit_warehouse/exchange/client.py", "import psycopg", "knows no database"),
        ("plugins/deribit_warehouse/warehouse/rate_limiter.py", "import requests", "knows no HTTP"),
        ("plugins/deribit_warehouse/quality/validate.py", "import psycopg", "knows no HTTP and no SQL"),
        ("dags/basis_spread.py", "import deribit_warehouse.warehouse.sql", "DAG files wire"),
        ("plugins/deribit_warehouse/pipeline/load.py", "import dags.basis_spread", "nothing imports a DAG file"),
        ("exchange_simulator/quotes.py", "import deribit_warehouse.datasets", "an exchange of its own"),
        ("exchange_simulator/quotes.py", "import stack.settings", "how they are started"),
        ("stack/printing.py", "import deribit_warehouse.exchange.client", "starts the rest as processes"),
    ],
)
def test_a_contract_notices_a_forbidden_import(tmp_path, file, line, contract):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / file).open("a") as module:
        module.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [line for line in done.stdout.splitlines() if line.rstrip().endswith("BROKEN")]
    assert any(contract in line for line in broken), done.stdout
