"""Who may import whom: the contracts in pyproject.toml, and that they would notice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dags", "plugins/deribit_warehouse", "exchange_simulator", "stack")


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
            "only the pipeline and the alerts know Airflow",
        ),
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
