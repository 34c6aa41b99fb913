"""A setting that makes no sense is a readable import error of the DAGs that need it."""

from pathlib import Path

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.mark.parametrize(("name", "value"), [("DERIBIT_CURRENCIES", "btc;"), ("DERIBIT_HISTORY_FROM", "last year")])
def test_a_dag_says_which_variable_it_can_not_use(monkeypatch, name, value):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv(name, value)
    bag = DagBag(str(DAGS / "instruments.py"))
    [error] = bag.import_errors.values()
    assert f"SettingsError: {name} is {value!r}; it must be" in error
