"""The statements as files: each says what it is, each is used, and none hides in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.datasets import DATASETS, LIVE
from deribit_warehouse.warehouse.sql import FOLDER

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(FOLDER.rglob("*.sql"))
STATEMENTS = [file for file in FILES if file.parent.name not in ("tables", "views")]


def name(file: Path) -> str:
    return file.relative_to(FOLDER).with_suffix("").as_posix()


def header(file: Path) -> str:
    lines = file.read_text().splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return " ".join(line.removeprefix("--").strip() for line in lines[:end])


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_file_says_what_it_is(file):
    assert len(header(file)) > 20
    if file in STATEMENTS:
        assert re.search(r"Grain: \w+", header(file)), "its header says its grain"
        assert re.search(r"Reads only|[Mm]ay run twice|not run twice", header(file)), (
            "its header says why it may run twice"
        )
        assert file.read_text().count(";") == 0 or ";" not in re.sub(r"--.*", "", file.read_text()), (
            "one statement a file"
        )


def test_every_statement_is_used():
    code = "".join(f.read_text() for folder in ("plugins", "stack") for f in (ROOT / folder).rglob("*.py"))
    of_datasets = {f"datasets/{dataset.sql}/{each}" for dataset in (*DATASETS, *LIVE) for each in contract(dataset)}
    assert [n for n in map(name, STATEMENTS) if f'"{n}"' not in code and n not in of_datasets] == []
    assert of_datasets <= set(map(name, STATEMENTS)), "what a dataset is asked for"


FILLS_HOLES = {"index_live"}
"""Nothing of these is expected, so nothing of them can be late."""


def contract(dataset: Dataset) -> list[str]:
    """The statements that a dataset has to have, by what it is."""
    return [
        *(["fresh"] if dataset.name not in FILLS_HOLES else []),
        *(["plan"] if dataset.load else []),
        *(["compute", "withdraw", "due"] if dataset.computed and dataset.table else []),
        *(["hold"] if dataset.computed_from else []),
        *(["profile"] if dataset.validated else []),
        *(["summary", "pending", "expected", "stored", "provenance"] if dataset.table and not dataset.live else []),
        *(["corrections"] if dataset.table and dataset.load else []),
        *(["beyond"] if dataset.has_lifetimes else []),
        *(["cut"] if dataset.has_lifetimes and not dataset.table.values else []),
        *(["fold"] if dataset.folded else []),
        *(["beats"] if dataset.table and dataset.snapshot else []),
    ]


@pytest.mark.parametrize("dataset", [d for d in DATASETS if d.table and d.day == "ts"], ids=lambda d: d.name)
@pytest.mark.parametrize("statement", ["pending", "stored", "provenance", "corrections"])
def test_a_dataset_and_its_statements_count_midnight_to_the_same_day(dataset, statement):
    """The day of an instant that is an end is that of the microsecond before it."""
    text = (FOLDER / "datasets" / dataset.sql / f"{statement}.sql").read_text()
    assert ("1 microsecond" in text) == dataset.ts_is_end


def test_no_statement_hides_in_the_code():
    verbs = r"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|COPY|MERGE|TRUNCATE|WITH|SET|GRANT) "
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder in ("plugins", "dags") for file in (ROOT / folder).rglob("*.py")
        for line in file.read_text().splitlines() if re.search(rf"""["']\s*{verbs}""", line)
    ]  # fmt: skip
    assert found == []


@pytest.mark.parametrize("file", [f for f in FILES if f not in STATEMENTS], ids=name)
def test_the_order_of_tables_and_views_is_in_their_names(file):
    [number] = re.findall(r"^(\d{4}|\d\d)_[a-z_]+$", file.stem)
    assert len(number) == (4 if file.parent.name == "tables" else 2)
    assert len(list(file.parent.glob(f"{number}_*"))) == 1
