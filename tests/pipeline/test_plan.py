"""What a plan makes of the instruments that lived in a run's interval."""

from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest

OCTOBER, NOVEMBER = datetime(2024, 10, 1, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)


@pytest.fixture
def plan(monkeypatch):
    """Plans a dataset's October 2024 for so many instruments that lived through it."""
    from deribit_warehouse.dataset import Window
    from deribit_warehouse.pipeline import waiting
    from deribit_warehouse.warehouse import catalogue

    load = import_module("deribit_warehouse.pipeline.load")  # the package's own load is the task
    context = {"data_interval_start": OCTOBER, "data_interval_end": NOVEMBER, "params": {}}
    context["dag_run"] = SimpleNamespace(conf={}, run_id="r")
    for module in (load, waiting):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    monkeypatch.setattr(load, "market", nullcontext)
    monkeypatch.setattr(
        catalogue, "lists_read", lambda connection, currencies, *_: catalogue.ListsRead(currencies, {}, [])
    )

    def plan(dataset, instruments, requests):
        names = [f"I{n}-PERPETUAL" for n in range(instruments)]
        windows = [Window(name, name, n, OCTOBER, NOVEMBER, requests) for n, name in enumerate(names)]
        monkeypatch.setattr(catalogue, "windows", lambda *_, **__: windows)
        return load.plan.function(dataset)

    return plan


def test_a_batch_is_sized_in_the_requests_its_windows_take(plan):
    from deribit_warehouse.datasets import FUNDING_RATES, PERPETUALS_OHLCV

    assert [len(batch["windows"]) for batch in plan(PERPETUALS_OHLCV, 60, 9)] == [20, 20, 20]
    assert [len(batch["windows"]) for batch in plan(FUNDING_RATES, 60, 1)] == [60]
    assert [len(batch["windows"]) for batch in plan(FUNDING_RATES, 200, 1)] == [200], "forty are not worth a task"
    assert [len(batch["windows"]) for batch in plan(FUNDING_RATES, 260, 1)] == [130, 130]


def test_a_year_is_planned_in_batches_that_say_their_months():
    from deribit_warehouse.dataset import Window, calendar_months
    from deribit_warehouse.pipeline.load import in_batches

    year = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)

    def labels(*names: str) -> list[str]:
        windows = [
            Window(name, name, number, *month, 9)
            for month in calendar_months(*year)
            for number, name in enumerate(names)
        ]
        return [batch["label"] for batch in in_batches(windows)]

    assert labels("BTC-PERPETUAL", "ETH-PERPETUAL") == ["2019-01 … 2019-12 (12): BTC-PERPETUAL, ETH-PERPETUAL"]
    assert labels("BTC-PERPETUAL", "BTC-29MAR19", "BTC-27SEP19") == [
        "2019-01 … 2019-06 (6): BTC-PERPETUAL … BTC-27SEP19 (3)",
        "2019-07 … 2019-12 (6): BTC-PERPETUAL … BTC-27SEP19 (3)",
    ]
    sixty = labels(*(f"I{number}-PERPETUAL" for number in range(60)))
    assert len(sixty) == 40 and len(set(sixty)) == 40
    assert sixty[0] == "2019-01: I0-PERPETUAL … I17-PERPETUAL (18)"
