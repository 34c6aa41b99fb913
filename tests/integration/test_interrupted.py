"""What is taken daily and by the beat, and what is computed, over a kill in the middle of writing and an outage: the
exchange's values."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import date, timedelta

import psycopg
import pytest

from deribit_warehouse.datasets import by_name
from exchange_simulator import comparison

from .conftest import AFTER
from .rehearsal import bounds, long, ms
from .test_faults import patient, when_something_waits
from .test_settlements import compared as settlements_compared

OCTOBER = "2018-10"

__all__ = ["patient"]


@contextmanager
def killed_while_writing(market, table: str, then=lambda: None):
    """Cuts off the first connection that is about to write to a table, in the middle of its transaction, and does
    ``then``; returns which."""
    killed: list[int] = []
    stop = threading.Event()
    with (
        psycopg.connect(market.dsn("postgres"), autocommit=True) as watching,
        psycopg.connect(market.dsn("postgres")) as holding,
    ):
        # whoever reads goes on, whoever writes waits
        holding.execute(f"LOCK TABLE store.{table} IN EXCLUSIVE MODE")

        def watch() -> None:
            while not stop.is_set() and not killed:
                killed.extend(
                    pid for pid, _ in watching.execute(
                        "SELECT pid, pg_terminate_backend(pid) FROM pg_locks "
                        "WHERE relation = %s::regclass AND NOT granted", [f"store.{table}"],
                    )
                )  # fmt: skip
                time.sleep(0.005)
            then()
            holding.rollback()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield killed
        finally:
            stop.set()
            watcher.join()


def of_delivery_prices(market, source) -> int:
    return comparison.delivery_price(source, market.rows, "btc_usd", *map(ms, bounds(OCTOBER)))


def of_settlements(market, source) -> int:
    return settlements_compared(market, source, OCTOBER)


def of_snapshots(compare, view: str):
    """compare: how a snapshot of the view is compared."""

    def compared(market, source) -> int:
        [(beat,)] = market.rows(f"SELECT DISTINCT beat FROM {view}")
        return compare(source, market.rows, "BTC", round(beat.timestamp() * 1000))

    return compared


@pytest.mark.parametrize(
    ("dataset", "table", "after", "compared", "at_least"),
    [
        ("delivery_prices", "delivery_price", AFTER, of_delivery_prices, 31),
        ("settlements", "settlement", AFTER, of_settlements, 100),
        ("instrument_summaries", "instrument_summary", "2019-07-02",
         of_snapshots(comparison.summaries, "instrument_summaries"), 3),
        ("options_chain", "option_chain", "2019-07-02", of_snapshots(comparison.chain, "options_chain"), 100),
    ],
)  # fmt: skip
def test_a_kill_and_an_outage_leave_every_value_the_exchanges(
    pipeline, market, young_exchange, young_source, patient, dataset, table, after, compared, at_least
):
    waits = by_name(dataset).longest_wait != timedelta(0)
    if after == AFTER:  # what is loaded by months is planned from the catalogue
        assert pipeline.run("instruments", AFTER) == "success"

    def maintenance() -> None:
        young_exchange.faults({"kind": "maintenance", "times": 999})

    if after == AFTER:
        with killed_while_writing(market, table) as killed:
            assert pipeline.run(dataset, after) == "failed"
        assert market.rows(f"SELECT * FROM store.{table}") == [], "what was half written is not there"
        maintenance()
        with when_something_waits(market, young_exchange.faults) as waited:
            assert pipeline.run(dataset, after) == "success"
    elif not waits:  # the load is tried again at once, and what that can't bring the next run asks for
        with killed_while_writing(market, table, then=maintenance) as killed:
            assert pipeline.run(dataset, after) == "failed"
        assert market.rows(f"SELECT * FROM store.{table}") == []
        young_exchange.faults()
        assert pipeline.run(dataset, after) == "success"
    else:  # a snapshot's load is tried again at once, here by an attempt that finds the exchange away
        with (
            when_something_waits(market, young_exchange.faults) as waited,
            killed_while_writing(market, table, then=maintenance) as killed,
        ):
            assert pipeline.run(dataset, after) == "success"
    assert len(killed) == 1
    if waits:
        assert waited[0][:2] == ("load", "the exchange")
    same = compared(market, young_source)
    assert same == market.value(f"SELECT count(*) FROM {dataset}") >= at_least
    assert market.rows("SELECT * FROM quarantined") == []

    written = market.rows(f"SELECT ctid, xmin FROM store.{table}")
    assert pipeline.run(dataset, after) == "success"
    assert market.rows(f"SELECT ctid, xmin FROM store.{table}") == written


@long
def test_rolls_over_an_outage_and_a_kill_are_those_of_the_exchanges_candles(
    pipeline, market, young_exchange, young_source, patient
):
    """They are computed: the outage meets what they are computed from, the kill themselves."""
    months = ("2019-01-01", "2019-02-01")  # a quarterly contract expires on 2018-12-28
    assert pipeline.run("instruments") == "success"
    for month in months:
        for dataset in ("perpetuals_ohlcv", "funding_rates"):
            assert pipeline.run(dataset, month) == "success"
    assert pipeline.run("futures_ohlcv", months[1]) == "success"
    young_exchange.faults({"kind": "maintenance", "times": 999})
    with when_something_waits(market, young_exchange.faults) as waited:
        assert pipeline.run("futures_ohlcv", months[0]) == "success"
    assert waited[0][:2] == ("load", "the exchange")

    with killed_while_writing(market, "roll") as killed:
        assert pipeline.alone("roll_calendar", None) == "failed"
    assert len(killed) == 1
    assert market.rows("SELECT * FROM store.roll") == [], "what was half written is not there"
    young_exchange.faults({"kind": "maintenance", "times": 999})
    assert pipeline.alone("roll_calendar", None) == "success", "it asks the exchange nothing"
    young_exchange.faults()

    rolls = market.rows(
        "SELECT r.rule, r.rank, r.day, r.from_contract, r.to_contract, i.expires_at "
        "FROM roll_calendar r JOIN instruments i ON i.instrument = r.from_contract"
    )
    assert {rule for rule, *_ in rolls} == {"expiry", "volume"}
    assert ("expiry", date(2018, 12, 23), "BTC-28DEC18", "BTC-29MAR19") in {row[:1] + row[2:5] for row in rolls}
    assert comparison.rolls(young_source, market.rows, "BTC", ms("2018-12-01"), ms("2019-02-01")) == len(rolls)
    for rule, rank, day, _, _, expires_at in rolls:
        if rule == "expiry" and rank == 0:
            assert day == expires_at.date() - timedelta(days=5)
    assert market.rows("SELECT * FROM quarantined") == []

    written = market.rows("SELECT ctid, xmin FROM store.roll")
    assert pipeline.alone("roll_calendar", None) == "success"
    assert market.rows("SELECT ctid, xmin FROM store.roll") == written


def test_a_load_of_several_months_that_is_killed_keeps_those_it_has_stored(pipeline, market, young_source):
    assert pipeline.run("instruments", AFTER) == "success"
    quarter = {"from": "2018-10-01", "to": "2019-01-01"}
    days = "SELECT to_char(day, 'YYYY-MM'), count(*), min(ctid::text) FROM store.candle_day GROUP BY 1 ORDER BY 1"
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        with psycopg.connect(market.dsn("postgres"), autocommit=True) as connection:
            while not stop.is_set() and not killed:
                killed.extend(
                    pid for pid, _ in connection.execute(
                        "SELECT pid, pg_terminate_backend(pid) FROM pg_locks "
                        "WHERE locktype = 'advisory' AND EXISTS (SELECT FROM store.candle_day)"
                    )
                )  # fmt: skip
                time.sleep(0.002)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert pipeline.alone("perpetuals_ohlcv", None, **quarter) == "failed"
    finally:
        stop.set()
        killer.join()
    stored = market.rows(days)
    assert [month[:2] for month in stored] in ([("2018-10", 31)], [("2018-10", 31), ("2018-11", 30)])

    assert pipeline.alone("perpetuals_ohlcv", None, **quarter) == "success"
    assert market.rows(days)[: len(stored)] == stored, "what was stored was not written again"
    pipeline.settle()
    window = map(ms, quarter.values())
    assert comparison.candles(young_source, market.rows, "BTC-PERPETUAL", *window) == 92 * 1440
