"""What a plan makes of the instruments that lived in a run's interval."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

OCTOBER, NOVEMBER = datetime(2024, 10, 1, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)


@pytest.fixture
def plan(monkeypatch):
    """Plans a dataset's October 2024 for so many instruments that lived through it."""
    from deribit_warehouse.pipeline import history, waiting
    from deribit_warehouse.warehouse import catalogue

    context = {"data_interval_start": OCTOBER, "data_interval_end": NOVEMBER, "params": {}}
    context["dag_run"] = SimpleNamespace(conf={}, run_id="r")
    for module in (history, waiting):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    monkeypatch.setattr(history, "market", nullcontext)
    monkeypatch.setattr(catalogue, "read_at", lambda *_: {c: NOVEMBER + timedelta(1) for c in ("BTC", "ETH")})

    def plan(dataset, instruments):
        lives = [catalogue.Life(n, f"I{n}-PERPETUAL", OCTOBER, NOVEMBER) for n in range(instruments)]
        monkeypatch.setattr(catalogue, "funding_lives", lambda *_, **__: lives)
        monkeypatch.setattr(catalogue, "candle_lives", lambda *_, **__: lives)
        return history.plan.function(dataset)

    return plan


def test_a_batch_is_sized_in_the_pages_its_dataset_is_asked_for_in(plan):
    """A month is nine pages of candles, of 5,000 minutes, and one page of funding, of 744 hours."""
    from deribit_warehouse.datasets import FUNDING, PERPETUALS

    assert [len(batch["lives"]) for batch in plan(PERPETUALS, 60)] == [9, 9, 9, 9, 9, 9, 6]
    assert [len(batch["lives"]) for batch in plan(FUNDING, 60)] == [60]
    assert [len(batch["lives"]) for batch in plan(FUNDING, 100)] == [80, 20]
