"""The DAG deribit_retention, as Airflow runs it: what nothing names goes, and the day's sizes are there."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import psycopg

from deribit_warehouse.datasets import DATASETS

from .conftest import AFTER
from .rehearsal import slow


@slow
def test_what_a_month_left_behind(pipeline, market, monkeypatch, tmp_path):
    monkeypatch.setenv("DERIBIT_DATABASE_FOLDER", str(tmp_path))
    pipeline.run("instruments")
    pipeline.run("perpetuals_ohlcv", AFTER)
    pipeline.run("futures_ohlcv", AFTER)
    pipeline.run("perpetuals_ohlcv", AFTER)  # finds everything as it was
    for days in (10, 0):
        pipeline.run("instrument_summaries", AFTER)
        with psycopg.connect(market.dsn()) as connection:
            connection.execute("UPDATE store.instrument_summary SET beat = beat - make_interval(days => %s)", [days])
    summaries = "SELECT instrument, ts, mark_price, index_price FROM instrument_summaries ORDER BY beat, instrument"
    summed_up = market.rows(summaries)
    published = {table: rows(market, table) for table in ("candle_day", "funding_rate")}
    with psycopg.connect(market.dsn("postgres"), autocommit=True) as admin:
        admin.execute("UPDATE store.validation SET validated_at = validated_at - interval '91 days'")
        admin.execute("UPDATE store.ingestion SET loaded_at = loaded_at - interval '91 days'")
        for age in ("91 days", "1 day"):
            admin.execute(
                "INSERT INTO store.ingestion (dataset, subject, host, run_id, loaded_at, added, grown, corrected) "
                "VALUES ('candles', 'x', 'x', 'x', now() - %s::interval, 1, 0, 0)",
                [age],
            )
    loads = market.value("SELECT count(*) FROM store.ingestion")
    assert pipeline.alone("retention", datetime(2026, 9, 1, tzinfo=UTC)) == "success"
    assert market.value("SELECT count(*) FROM store.ingestion") == loads - 1
    assert {table: rows(market, table) for table in published} == published and published["candle_day"]
    named = market.value("SELECT count(DISTINCT dataset) FROM store.validation")
    assert named == len(
        {d.name for d in DATASETS} & {"instruments", "perpetuals_ohlcv", "futures_ohlcv", "instrument_summaries"}
    )
    [(free, used)] = market.rows("SELECT limit_bytes - bytes, bytes FROM storage WHERE relation = 'database'")
    assert 0.9 < free / shutil.disk_usage(tmp_path).free < 1.1 and used > 1_000_000
    assert pipeline.alone("retention", datetime(2026, 9, 2, tzinfo=UTC)) == "success"
    assert market.value("SELECT count(*) FROM store.ingestion") == loads - 1
    # of the two days of summaries the older one was folded, and reads as it did
    assert market.rows("SELECT DISTINCT cardinality(minutes) FROM store.summary_day") == [(1,)]
    counted = "SELECT count(DISTINCT currency) FROM store."
    assert market.value(f"{counted}summary_day") == market.value(f"{counted}instrument_summary") > 0
    assert market.rows(summaries) == summed_up


def rows(market, table: str) -> list[tuple]:
    return market.rows(
        f"SELECT ctid::text, xmin::text, version_id, state::text, validation_id FROM store.{table} ORDER BY 1"
    )
