"""Who has published tells of what waited for it, and of a catchup only every sixth month and the newest do."""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest

NOW = datetime.now(UTC)
NEWEST = NOW - timedelta(days=2)


def month(year: int, number: int) -> datetime:
    return datetime(year, number, 1, tzinfo=UTC)


@pytest.fixture
def told(monkeypatch):
    """A function: which datasets are told of by a run of the perpetuals of a type, whose interval ended then."""
    from deribit_warehouse.datasets import PERPETUALS_OHLCV
    from deribit_warehouse.warehouse import publication

    publish = import_module("deribit_warehouse.pipeline.publish")  # the package's own publish is the task
    waiting: set[str] = set()
    monkeypatch.setattr(publish, "market", lambda: nullcontext(None))
    monkeypatch.setattr(publication, "pending", lambda connection, dataset: dataset.name in waiting)

    def told(run_type: str, ended: datetime | None, *names: str, days: int = 31) -> set[str]:
        waiting.clear()
        waiting.update(names)
        events = defaultdict(lambda: SimpleNamespace(add=lambda asset: found.add(asset.name)))
        found: set[str] = set()
        interval = ended and (ended - timedelta(days=days), ended)
        context = {"dag_run": SimpleNamespace(run_type=run_type), "outlet_events": events}
        publish.notify_waiting_datasets(PERPETUALS_OHLCV, context, interval)
        return found

    return told


@pytest.mark.parametrize(
    ("run_type", "ended", "tells"),
    [
        ("scheduled", month(2020, 6), True),
        ("scheduled", month(2020, 12), True),
        ("scheduled", month(2020, 5), False),
        ("scheduled", month(2020, 1), False),
        ("scheduled", NEWEST, True),
        ("backfill", month(2020, 5), True),
        ("manual", month(2020, 5), True),
        ("asset_triggered", None, True),
    ],
)
def test_a_catchup_tells_twice_a_year_and_at_its_end_and_every_other_run_does(told, run_type, ended, tells):
    assert told(run_type, ended, "futures_ohlcv") == ({"deribit_futures_ohlcv_ready"} if tells else set())


def test_a_year_of_a_catchup_tells(told):
    assert told("scheduled", month(2020, 1), "futures_ohlcv", days=365) == {"deribit_futures_ohlcv_ready"}


def test_only_what_waits_for_this_dataset_and_can_be_validated_is_told_of(told):
    assert told("manual", NEWEST) == set()
    assert told("manual", NEWEST, "volatility_index", "perpetuals_ohlcv") == set()
    both = {"deribit_futures_ohlcv_ready", "deribit_funding_rates_ready"}
    assert told("manual", NEWEST, "futures_ohlcv", "funding_rates") == both
