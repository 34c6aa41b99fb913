"""What is imported is declared: a package that another one brings along may go with its next version."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME, DEV = ("requirements.in", "stack/requirements-bootstrap.in"), ("requirements-dev.in",)
DECLARED_IN = {
    "plugins": RUNTIME,
    "dags": RUNTIME,
    "stack": RUNTIME,
    "exchange_simulator": RUNTIME,
    "docs": (*RUNTIME, *DEV),
    "bench": (*RUNTIME, *DEV, "bench/requirements.in"),
    "tests": (*RUNTIME, *DEV),
}
"""Which files declare what a folder imports: what runs a stack is installed without the packages of the tests."""
OURS = {*DECLARED_IN, "deribit_warehouse", *(file.stem for file in (ROOT / "plugins").glob("*.py"))}
DISTRIBUTIONS = packages_distributions()


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(file: str) -> set[str]:
    """The distributions that a file of requirements names itself, without those it includes."""
    lines = (ROOT / file).read_text().splitlines()
    return {normal(found[0]) for line in lines if (found := re.match(r"[A-Za-z0-9][\w.-]*", line))}


def imported(text: str) -> set[str]:
    """The modules that a text imports, inside of functions, too, but for its own package and the standard library."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
    return {name for name in found if name.partition(".")[0] not in OURS | sys.stdlib_module_names}


def distributions(module: str) -> set[str]:
    """The distributions a module may come from. A provider of Airflow is one of its own, and all else of Airflow is
    declared as the whole; a package that is not installed here (of the benchmarks) is called as its module is."""
    top, *rest = module.split(".")
    if top == "airflow":
        return {f"apache-airflow-providers-{rest[1]}" if rest[:1] == ["providers"] else "apache-airflow"}
    return {normal(name) for name in DISTRIBUTIONS.get(top, [top])}


def undeclared(text: str, files: tuple[str, ...]) -> set[str]:
    known = set().union(*map(declared, files))
    return {module for module in imported(text) if not distributions(module) & known}


@pytest.mark.parametrize("folder", DECLARED_IN)
def test_what_is_imported_is_declared(folder):
    found = {
        file.relative_to(ROOT).as_posix(): missing
        for file in sorted((ROOT / folder).rglob("*.py"))
        if (missing := undeclared(file.read_text(), DECLARED_IN[folder]))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text", ["import aiohttp", "def f():\n    from yarl import URL", "from airflow.providers.celery import x",
             "import pytest"],
)  # fmt: skip
def test_what_is_not_declared_is_noticed(text):
    assert len(undeclared(text, RUNTIME)) == 1
    assert not undeclared("import os.path, numpy as np, airflow.sdk\nfrom deribit_warehouse import settings", RUNTIME)


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "stack/requirements-bootstrap"])
def test_what_is_declared_is_locked(name):
    """And the lock says of each that it is asked for here: it was made from these files."""
    locked = dict(
        re.findall(r"^([\w.-]+)(?:\[\w+\])?==(?:.+\n)(?:    --hash.+\n)+((?:    #.*\n)+)", lock(name), re.MULTILINE)
    )
    assert {each for each in declared(f"{name}.in") if f"{Path(name).name}.in" not in locked.get(each, "")} == set()


def lock(name: str) -> str:
    return (ROOT / f"{name}.txt").read_text()
