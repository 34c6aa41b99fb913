"""Days that are over are closed by runs of history, each started once."""

from contextlib import nullcontext
from datetime import UTC, date, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest

from ..warehouse.days import at, ms
from ..warehouse.test_open_candles import live

__all__ = ["live"]  # a fixture


@pytest.mark.parametrize(
    "run_after", [datetime(2026, 11, 26, 0, 10, tzinfo=UTC), datetime(2026, 11, 26, 23, tzinfo=UTC)]
)
@pytest.mark.parametrize(
    ("unclosed", "begins"),
    [(None, "2026-11-24"), (date(2026, 11, 25), "2026-11-24"), (date(2026, 11, 3), "2026-11-03")],
)
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
    monkeypatch.setattr(open_days, "first_unclosed", lambda _, *asked, **__: asked_of.append(asked) or unclosed)
    with pytest.raises(DagRunTriggerException) as asked:
        closing.close_days.function(FUTURES_OHLCV)
    assert asked_of == [(FUTURES_OHLCV, date(2026, 11, 1), date(2026, 11, 26))]
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
    monkeypatch.setattr(open_days, "first_unclosed", lambda *asked, **_: asked[2])
    with pytest.raises(DagRunTriggerException) as asked:
        closing.close_days.function(FUTURES_OHLCV)
    assert asked.value.conf == {"from": "2026-11-01", "to": "2026-12-01"}


@pytest.mark.parametrize(
    ("today", "begins"), [("2025-03-09", "2025-03-07"), ("2025-03-02", "2025-02-28"), ("2025-03-01", "2025-02-27")]
)
def test_a_day_that_was_asked_for_minutes_after_its_end_is_asked_for_again_the_next_night(
    live, monkeypatch, today, begins
):
    """The chart may not have had its last minutes yet, or told them otherwise since; all of it was answered for."""
    from deribit_warehouse.datasets import PERPETUALS_OHLCV
    from deribit_warehouse.warehouse.ingestion import record_fetched

    perpetual = live.instrument("BTC-PERPETUAL", at("2025-01-20"))
    record_fetched(live.connection, perpetual, "candles", ms(at("2025-01-20")), ms(at(today)))
    assert night(live, monkeypatch, PERPETUALS_OHLCV, today) == {"from": begins, "to": today}


def night(live, monkeypatch, dataset, today: str) -> dict[str, str]:
    """The range that the history of a dataset is started with in the night to a day."""
    from airflow.sdk.exceptions import DagRunTriggerException

    closing = import_module("deribit_warehouse.pipeline.closing")
    run = SimpleNamespace(run_after=at(today, 10), conf={})
    monkeypatch.setattr(closing, "get_current_context", lambda: {"dag_run": run, "ti": SimpleNamespace(task_id="x")})
    monkeypatch.setattr(closing, "market", lambda: nullcontext(live.connection))
    with pytest.raises(DagRunTriggerException) as asked:
        closing.close_days.function(dataset)
    return asked.value.conf


def test_funding_that_was_not_answered_for_is_asked_for_although_the_candles_were(live, monkeypatch):
    from deribit_warehouse.datasets import FUNDING_RATES, PERPETUALS_OHLCV
    from deribit_warehouse.warehouse.ingestion import record_fetched

    perpetual = live.instrument("BTC-PERPETUAL", at("2025-01-20"))
    record_fetched(live.connection, perpetual, "candles", ms(at("2025-01-20")), ms(at("2025-03-09")))
    record_fetched(live.connection, perpetual, "funding", ms(at("2025-01-20")), ms(at("2025-03-04")))
    assert night(live, monkeypatch, FUNDING_RATES, "2025-03-09") == {"from": "2025-03-04", "to": "2025-03-09"}
    assert night(live, monkeypatch, PERPETUALS_OHLCV, "2025-03-09") == {"from": "2025-03-07", "to": "2025-03-09"}
