"""The tasks of deribit_retention, each with something that is due and something that is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from tests.warehouse.days import FIRST, Warehouse, at, trading
from tests.warehouse.test_options_chain import BEAT, take, told
from tests.warehouse.test_options_chain import publish as publish_chains


@pytest.fixture
def retention(market, monkeypatch):
    module = import_module("deribit_warehouse.pipeline.retention")
    monkeypatch.setattr(module, "market", lambda: psycopg.connect(market.dsn(), options="-c timezone=UTC"))
    return module


@pytest.fixture
def warehouse(market):
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Warehouse(connection)


def test_versions_replaced_longer_ago_than_the_setting_go_and_the_others_stay(
    retention, warehouse, market, monkeypatch
):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    for seed, age in ((1, 40), (2, 32), (3, 20), (4, 0)):  # published so many days ago, and replaced by the next
        warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440), seed=seed))
        warehouse.publish(perpetual)
        with psycopg.connect(market.dsn("market_owner")) as owner:
            owner.execute(
                "UPDATE store.validation SET validated_at = now() - make_interval(days => %s) "
                "WHERE validation_id = (SELECT max(validation_id) FROM store.validation)",
                [age],
            )
    monkeypatch.setenv("DERIBIT_KEEP_SUPERSEDED_DAYS", "30")
    kept = "SELECT version_id, state FROM store.candle_day ORDER BY 1"
    [_, *others] = warehouse.rows(kept)
    pruned = retention.prune_versions.function()
    assert {table: versions for table, versions in pruned.items() if versions} == {"candle_day": 1}
    assert warehouse.rows(kept) == others and [state for _, state in others] == ["superseded"] * 2 + ["published"]
    asked = "SELECT close FROM candles('BTC-PERPETUAL', '2025-03-01', '2025-03-02', as_of => %s)"
    assert len(warehouse.rows(asked, datetime.now(UTC) - timedelta(days=25))) == 1440
    with pytest.raises(psycopg.errors.DataException, match="are kept since"):
        warehouse.rows(asked, datetime.now(UTC) - timedelta(days=31))
    assert set(retention.prune_versions.function().values()) == {0}


def test_chains_older_than_the_setting_are_thinned_and_none_where_it_is_off(retention, warehouse, monkeypatch):
    with pytest.raises(AirflowSkipException):
        retention.thin_snapshots.function()
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    old, young = (now - timedelta(hours=hours) for hours in (30, 20))
    for begins in (old, young):
        for n in range(3):
            take(warehouse, [told("BTC-28MAR25-80000-C", begins + n * BEAT)])
    publish_chains(warehouse)
    monkeypatch.setenv("DERIBIT_THIN_CHAINS_DAYS", "1")
    assert retention.thin_snapshots.function() == {"options_chain": 2}
    left = [beat for [beat] in warehouse.rows("SELECT DISTINCT beat FROM options_chain ORDER BY 1")]
    assert left == [old, *(young + n * BEAT for n in range(3))]
    assert retention.thin_snapshots.function() == {"options_chain": 0}
