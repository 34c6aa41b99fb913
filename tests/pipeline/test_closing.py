"""Yesterday is closed by runs of history, each started once."""

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest


@pytest.mark.parametrize(
    "run_after", [datetime(2026, 11, 26, 0, 10, tzinfo=UTC), datetime(2026, 11, 26, 23, tzinfo=UTC)]
)
def test_the_history_is_started_for_the_day_before(monkeypatch, run_after):
    from airflow.sdk.exceptions import DagRunTriggerException

    from deribit_warehouse.datasets import FUTURES_OHLCV

    closing = import_module("deribit_warehouse.pipeline.closing")
    context = {
        "dag_run": SimpleNamespace(run_after=run_after, conf={}),
        "ti": SimpleNamespace(task_id="close_futures_ohlcv"),
    }
    monkeypatch.setattr(closing, "get_current_context", lambda: context)
    with pytest.raises(DagRunTriggerException) as asked:
        closing.close_yesterday.function(FUTURES_OHLCV)
    assert asked.value.trigger_dag_id == "deribit_futures_ohlcv"
    assert asked.value.dag_run_id == "close__2026-11-25"
    assert asked.value.conf == {"from": "2026-11-25", "to": "2026-11-26"}
    assert asked.value.logical_date is None and asked.value.skip_when_already_exists
