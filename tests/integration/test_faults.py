"""What the exchange and the machine do wrong on the way: healed where it passes, said where it does not."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module

import psycopg
import pytest

from exchange_simulator import comparison

from .conftest import AFTER
from .rehearsal import bounds, ms


def equals_the_exchange(market, source, instrument: str) -> bool:
    """Whether October 2018 of an instrument, and nothing else of it, is published as the exchange says it."""
    same = comparison.candles(source, market.rows, instrument, *map(ms, bounds("2018-10")))
    return same == market.value("SELECT count(*) FROM candle WHERE instrument = %s", instrument) > 0


def test_what_passes_is_healed_without_a_trace_in_the_data(pipeline, market, young_exchange, young_source):
    assert pipeline.run("instruments", AFTER) == "success"
    chart = {"method": "get_tradingview_chart_data"}
    young_exchange.faults(
        {"kind": "reset", **chart, "times": 2},
        {"kind": "truncated", **chart, "times": 2},
        {"kind": "corrupt", **chart},
        {"kind": "http_status", "status": 503, **chart},
        {"kind": "error_code", "code": 10041, "status": 200, **chart},
        {"kind": "error_code", "code": 10028, "status": 400, **chart},
        {"kind": "latency", "milliseconds": 300, **chart, "times": 3},
    )
    before = young_exchange.stats()["faults"]
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "success"
    assert young_exchange.stats()["faults"] - before == 11
    assert market.value("SELECT count(*) FROM perpetuals_ohlcv WHERE close IS NOT NULL") == 31 * 1440
    assert equals_the_exchange(market, young_source, "BTC-PERPETUAL")
    assert market.rows("SELECT * FROM quarantined") == []

    # what a proxy or one of the exchange's servers says does not cost an instrument its month either
    young_exchange.faults(
        {"kind": "http_status", "status": 403, **chart},
        {"kind": "http_status", "status": 404, **chart},
        {"kind": "error_code", "code": 13028, **chart},
        {"kind": "error_code", "code": 11094, **chart},
    )
    before = young_exchange.stats()["faults"]
    assert pipeline.run("futures_ohlcv", AFTER) == "success"
    assert young_exchange.stats()["faults"] - before == 4
    assert market.rows("SELECT * FROM store.run_failure") == []
    assert market.rows("SELECT * FROM quarantined") == []


def test_what_does_not_pass_fails_the_run_and_holds_back_nothing_else(pipeline, market, young_exchange, young_source):
    for dag in ("instruments", "perpetuals_ohlcv"):
        assert pipeline.run(dag, AFTER) == "success"
    lived = [name for [name] in market.rows(
        "SELECT instrument FROM store.instrument WHERE kind = 'future' AND settlement_period <> 'perpetual' "
        "AND listed_at < '2018-11-01' AND expires_at > '2018-10-01' ORDER BY expires_at - listed_at"
    )]  # fmt: skip
    gone = lived[0]  # the shortest life, so that what is missing stays under the tolerated share
    young_exchange.faults(
        {"kind": "error_code", "code": -32602, "reason": "instrument not found", "instrument": gone, "times": 999}
    )
    assert pipeline.run("futures_ohlcv", AFTER) == "failed"

    [(task, error)] = market.rows("SELECT task_id, error FROM store.run_failure")
    assert task == "load" and gone in error and "instrument not found" in error
    held = market.rows("SELECT DISTINCT instrument, rule FROM quarantined WHERE dataset = 'futures_ohlcv'")
    assert (gone, "minutes-complete") in held and {name for name, _ in held} == {gone}
    published = {name for [name] in market.rows("SELECT DISTINCT instrument FROM futures_ohlcv")}
    assert published == set(lived) - {gone}

    young_exchange.faults()
    assert pipeline.run("futures_ohlcv", AFTER) == "success"
    assert market.rows("SELECT * FROM quarantined") == []
    assert equals_the_exchange(market, young_source, gone)


def test_a_lost_database_connection_leaves_the_old_state_and_the_next_run_the_new(
    pipeline, market, postgres, young_source
):
    assert pipeline.run("instruments", AFTER) == "success"
    stop = threading.Event()

    def cut_off_loaders() -> None:
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            while not stop.is_set():
                # in the middle of a load: the connection that has taken the instrument's lock
                cut = connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                ).fetchall()
                if cut:
                    return
                time.sleep(0.002)

    killer = threading.Thread(target=cut_off_loaders)
    killer.start()
    try:
        assert pipeline.run("perpetuals_ohlcv", AFTER) == "failed"
    finally:
        stop.set()
        killer.join()
    assert market.value("SELECT count(*) FROM store.candle_day") == 0
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "success"
    assert equals_the_exchange(market, young_source, "BTC-PERPETUAL")


def test_another_exchange_never_gets_into_the_same_database(pipeline, market, young_exchange, monkeypatch):
    assert pipeline.run("instruments", AFTER) == "success"
    known = market.value("SELECT count(*) FROM store.instrument")
    monkeypatch.setenv(
        "AIRFLOW_CONN_DERIBIT_LIVE", '{"conn_type": "http", "schema": "https", "host": "www.deribit.com"}'
    )
    assert pipeline.run("instruments", AFTER) == "failed"
    assert market.value("SELECT count(*) FROM store.instrument") == known


def test_a_catalogue_that_is_behind_stops_a_plan(pipeline, market):
    assert pipeline.run("futures_ohlcv", AFTER) == "failed"
    [(error,)] = market.rows("SELECT error FROM store.run_failure WHERE task_id = 'plan'")
    assert "DAG deribit_instruments" in error


@pytest.fixture
def patient(monkeypatch):
    """Tasks wait as they do in an installation, but are asked again at once, and every request is tried once."""
    from deribit_warehouse.exchange import Exchange
    from deribit_warehouse.pipeline import waiting

    monkeypatch.setenv("DERIBIT_WAIT_HOURS", "1")
    monkeypatch.setattr(waiting, "MIN_DELAY", timedelta(seconds=0.1))
    monkeypatch.setitem(Exchange.__init__.__kwdefaults__, "attempts", 1)


@contextmanager
def when_something_waits(market, then):
    """Does ``then`` once a task waits; returns what it waited for when the block is done."""
    seen, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set() and not seen:
            seen.extend(market.rows("SELECT task_id, awaited, cause FROM waiting"))
            time.sleep(0.05)
        if seen:
            then()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def test_a_catalogue_that_is_behind_is_waited_for(pipeline, market, patient):
    def catalogue_read(delta: str) -> None:
        with psycopg.connect(market.dsn()) as connection:
            connection.execute(f"UPDATE store.catalogue_reading SET read_at = read_at {delta} interval '10 years'")

    assert pipeline.run("instruments", AFTER) == "success"
    catalogue_read("-")
    with when_something_waits(market, lambda: catalogue_read("+")) as waited:
        assert pipeline.run("perpetuals_ohlcv", AFTER) == "success"
    [(task, awaited, cause)] = waited
    assert (task, awaited) == ("plan", "the catalogue") and "BTC" in cause
    assert market.rows("SELECT * FROM store.waiting") == market.rows("SELECT * FROM store.run_failure") == []


def test_an_exchange_that_is_away_is_waited_for_and_everything_goes_on_by_itself(
    pipeline, market, young_exchange, young_source, patient
):
    """Maintenance that outlasts every attempt, met by the catalogue, by the loads of a month and by the index."""
    maintenance = {"kind": "error_code", "code": 11051, "times": 999}
    for dag_id, task_id in (
        ("instruments", "read_"),
        ("futures_ohlcv", "load"),
        ("perpetuals_ohlcv", "load"),
        ("index_minutes", "load"),
    ):
        young_exchange.faults(maintenance)
        with when_something_waits(market, young_exchange.faults) as waited:
            assert pipeline.run(dag_id, AFTER) == "success"
        task, awaited, cause = waited[0]
        assert task.startswith(task_id) and awaited == "the exchange" and "11051" in cause
        assert market.rows("SELECT * FROM store.waiting") == market.rows("SELECT * FROM store.run_failure") == []
    assert market.rows("SELECT * FROM quarantined") == []
    assert equals_the_exchange(market, young_source, "BTC-28DEC18")


def test_a_load_whose_row_is_lost_fails_the_run(pipeline, market, postgres, monkeypatch):
    publish = import_module("deribit_warehouse.pipeline.publish")  # the package's own publish is the task
    interval_of = publish.interval_of

    def lose_the_row(dataset, context):
        with psycopg.connect(postgres.dsn("airflow")) as connection:
            connection.execute(
                "DELETE FROM task_instance WHERE dag_id = 'deribit_perpetuals_ohlcv' AND task_id = 'load'"
            )
        return interval_of(dataset, context)

    assert pipeline.run("instruments", AFTER) == "success"
    monkeypatch.setattr(publish, "interval_of", lose_the_row)
    assert pipeline.alone("perpetuals_ohlcv", datetime.fromisoformat(AFTER).replace(tzinfo=UTC)) == "failed"
    assert market.rows("SELECT * FROM perpetuals_ohlcv") == []
    [error] = [error for [error] in market.rows("SELECT error FROM store.run_failure WHERE task_id = 'publish'")]
    assert "lost 1 of the run's 1 loads" in error
