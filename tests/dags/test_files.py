"""DAG files are wiring: read by a person top to bottom, and by Airflow again and again."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "dags").glob("*.py"))
LIBRARY = {
    "deribit_warehouse.pipeline",
    "deribit_warehouse.datasets",
    "deribit_warehouse.settings",
    "deribit_warehouse.alerts",
}
EXPLICIT = {
    "schedule", "start_date", "catchup", "max_active_runs", "default_args", "on_failure_callback", "doc_md", "tags",
}  # fmt: skip
HEAVY = {"pandas", "great_expectations", "requests", "psycopg", "numpy"}
PARSE_SECONDS = 0.5
PARSE = """
import json, runpy, sys, time
import airflow.sdk
before, begins = set(sys.modules), time.process_time()
runpy.run_path(sys.argv[1])
print(json.dumps({"seconds": time.process_time() - begins, "modules": sorted(set(sys.modules) - before)}))
"""

dag_files = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


@dag_files
def test_a_dag_file_is_short(file):
    code = [line for line in file.read_text().splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= 80


@dag_files
def test_a_dag_file_imports_airflow_sdk_the_standard_library_and_the_pipeline(file):
    foreign = []
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules = (
                [f"{node.module}.{a.name}" for a in node.names] if node.module == "deribit_warehouse" else [node.module]
            )
        else:
            continue
        foreign += [m for m in modules if m not in LIBRARY and m != "airflow.sdk" and m not in sys.stdlib_module_names]
    assert foreign == []


@dag_files
def test_a_dag_file_has_no_logic_of_its_own(file):
    logic = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Lambda, ast.ClassDef, ast.AsyncFunctionDef, ast.Global)
    assert [type(node).__name__ for node in ast.walk(tree_of(file)) if isinstance(node, logic)] == []
    *before, function, call = tree_of(file).body
    assert isinstance(before[0], ast.Expr), "the docstring comes first"
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in before[1:])
    assert isinstance(function, ast.FunctionDef) and function.name == file.stem
    assert isinstance(call, ast.Expr) and call.value.func.id == file.stem


@dag_files
def test_a_dag_says_everything_that_has_a_default(file):
    """Airflow's defaults (no catchup, 16 runs at once, no callback) change with its versions and its configuration."""
    from deribit_warehouse import pipeline
    from deribit_warehouse.datasets import INSTRUMENTS

    [decorator] = tree_of(file).body[-2].decorator_list
    said = {keyword.arg for keyword in decorator.keywords if keyword.arg}
    for keyword in decorator.keywords:
        if keyword.arg is None:  # **pipeline.history_dag_args(...)
            assert keyword.value.func.value.id == "pipeline"
            dataset = SimpleNamespace(dag_id="", since=None, references=(), beat=lambda: 60)
            # whatever they are: a dataset, whose asset starts a run, a timetable, or what can be written down
            given = [
                INSTRUMENTS if isinstance(a, ast.Name)
                else getattr(pipeline, a.attr) if isinstance(a, ast.Attribute)
                else ast.literal_eval(a)
                for a in keyword.value.args[1:]
            ]  # fmt: skip
            said |= set(getattr(pipeline, keyword.value.func.attr)(dataset, *given))
    assert EXPLICIT - said == set()


@dag_files
def test_a_dag_file_costs_little_to_parse(file, tmp_path):
    """Airflow parses it before every task. CPU seconds of a process of its own, so that a busy machine changes nothing;
    up to three tries, because a first one may have to compile."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")}
    environ |= {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", PARSE, file], env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        parsed = json.loads(done.stdout.splitlines()[-1])
        assert HEAVY & {module.partition(".")[0] for module in parsed["modules"]} == set(), "imported at parse time"
        assert "deribit_warehouse.pipeline" in parsed["modules"]
        seconds.append(parsed["seconds"])
        if seconds[-1] < PARSE_SECONDS:
            return
    assert min(seconds) < PARSE_SECONDS
