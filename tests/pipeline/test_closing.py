"""Days that are over are closed by runs of history, each started once."""

from contextlib import nullcontext
from datetime import UTC, date, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest


@pytest.mark.parametrize(
    "run_after", [datetime(2026, 11, 26, 0, 10, tzinfo=UTC), datetime(2026, 11, 26, 23, tzinfo=UTC)]
)
@pytest.mark.parametrize(("unclosed", "begins"), [(None, "2026-11-25"), (date(2026, 11, 3), "2026-11-03")])
def test_the_history_is_started_from_the_first_day_that_is_not_closed_to_the_day_before(
    monkeypatch, run_after, unclosed, begins
):
    from airflow.sdk.exceptions import DagRunTriggerException

    from deribit_warehouse.datasets import FUTURES_OHLCV
    from deribit_warehouse.warehouse import open_days

    closing = import_module("deribit_warehouse.pipeline.closing")
    context = {
        "dag_run": SimpleNamespace(run_after=run_after, conf={}),
        "ti": SimpleNamespace(task_id="close_futures_ohlcv"),
    }
    asked_of = []
    monkeypatch.setattr(closing, "get_current_context", lambda: context)
    monkeypatch.setattr(closing, "market", nullcontext)
    monkeypatch.setattr(open_days, "first_unclosed", lambda _, *days: asked_of.append(days) or unclosed)
    with pytest.raises(DagRunTriggerException) as asked:
        closing.close_days.function(FUTURES_OHLCV)
    assert asked_of == [(date(2026, 11, 1), date(2026, 11, 26))]
    assert asked.value.trigger_dag_id == "deribit_futures_ohlcv"
    assert asked.value.dag_run_id == "close__2026-11-25"
    assert asked.value.conf == {"from": begins, "to": "2026-11-26"}
    assert asked.value.logical_date is None and asked.value.skip_when_already_exists


def test_on_the_first_of_a_month_the_month_before_is_closed_to_its_end(monkeypatch):
    from airflow.sdk.exceptions import DagRunTriggerException

    from deribit_warehouse.datasets import FUTURES_OHLCV
    from deribit_warehouse.warehouse import open_days

    closing = import_module("deribit_warehouse.pipeline.closing")
    run = SimpleNamespace(run_after=datetime(2026, 12, 1, 0, 10, tzinfo=UTC), conf={})
    monkeypatch.setattr(closing, "get_current_context", lambda: {"dag_run": run, "ti": SimpleNamespace(task_id="x")})
    monkeypatch.setattr(closing, "market", nullcontext)
    monkeypatch.setattr(open_days, "first_unclosed", lambda _, begins, *__: begins)
    with pytest.raises(DagRunTriggerException) as asked:
        closing.close_days.function(FUTURES_OHLCV)
    assert asked.value.conf == {"from": "2026-11-01", "to": "2026-12-01"}
