"""What is taken daily and by the beat, and what is computed, over a kill in the middle of writing and an outage: the
exchange's values."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import numpy as np
import psycopg
import pytest

from deribit_warehouse.datasets import by_name
from exchange_simulator.comparison import is_fresh
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange, Parameters

from .conftest import AFTER
from .rehearsal import long
from .test_faults import patient, when_something_waits
from .test_settlements import FIELDS, told
from .test_snapshots import FUTURES, OPTIONS, shown, wanted

NOW = datetime(2019, 7, 2, tzinfo=UTC)
OCTOBER = {(2018, 10)}

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


def of_delivery_prices(market, exchange) -> tuple[list, list]:
    asked = Parameters({"index_name": "btc_usd", "count": "1000"})
    days = {
        date.fromisoformat(row["date"]): row["delivery_price"]
        for row in Exchange(Market(now_ms=round(NOW.timestamp() * 1000))).get_delivery_prices(asked, False)["data"]
    }
    stored = market.rows("SELECT day, price FROM delivery_prices WHERE index_name = 'btc_usd' ORDER BY day")
    return stored, sorted((day, price) for day, price in days.items() if (day.year, day.month) in OCTOBER)


def of_settlements(market, exchange) -> tuple[list, list]:
    columns = ", ".join(FIELDS[1:])
    stored = market.rows(f"SELECT settled_at, instrument, {columns} FROM settlements")
    return sorted(stored), told(Exchange(Market(now_ms=round(NOW.timestamp() * 1000))), OCTOBER)


def of_snapshots(view: str, kind: str, fields: dict[str, str]):
    def compared(market, exchange) -> tuple[list, list]:
        said = [row[:3] + row[4:] for row in wanted(exchange, kind, fields.values()) if row[0] == "BTC"]
        return [row[:3] + row[4:] for row in shown(market, view, fields)], said

    return compared


@pytest.mark.parametrize(
    ("dataset", "table", "after", "compared", "at_least"),
    [
        ("delivery_prices", "delivery_price", AFTER, of_delivery_prices, 31),
        ("settlements", "settlement", AFTER, of_settlements, 100),
        ("instrument_summaries", "instrument_summary", "2019-07-02",
         of_snapshots("instrument_summaries", "future", FUTURES), 3),
        ("options_chain", "option_chain", "2019-07-02", of_snapshots("options_chain", "option", OPTIONS), 100),
    ],
)  # fmt: skip
def test_a_kill_and_an_outage_leave_every_value_the_exchanges(
    pipeline, market, young_exchange, patient, dataset, table, after, compared, at_least
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
    stored, said = compared(market, young_exchange)
    assert stored == said and len(stored) >= at_least
    assert market.rows("SELECT * FROM quarantined") == []

    written = market.rows(f"SELECT ctid, xmin FROM store.{table}")
    assert pipeline.run(dataset, after) == "success"
    assert market.rows(f"SELECT ctid, xmin FROM store.{table}") == written


def rolled(day: date, left: str, taken: str) -> tuple:
    """(price_at, from_close, to_close, from_turnover, to_turnover) of a roll, from what the exchange says of the day
    before it."""
    began = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    first = round(began.timestamp() * 1000)
    near, far = (Market().candles(name, first, first + 1439 * 60_000) for name in (left, taken))
    # one that was listed on that day has fewer minutes of it
    last = int(np.intersect1d(near["ticks"][is_fresh(near)], far["ticks"][is_fresh(far)])[-1])
    turnovers = (float(np.sum(leg["cost"])) for leg in (near, far))
    closes = (float(leg["close"][np.searchsorted(leg["ticks"], last)]) for leg in (near, far))
    return began + timedelta(milliseconds=last - first), *closes, *turnovers


@long
def test_rolls_over_an_outage_and_a_kill_are_those_of_the_exchanges_candles(pipeline, market, young_exchange, patient):
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
        "SELECT r.rule, r.rank, r.day, r.from_contract, r.to_contract, i.expires_at, price_at, from_close, to_close, "
        "from_turnover, to_turnover FROM roll_calendar r JOIN instruments i ON i.instrument = r.from_contract"
    )
    assert {rule for rule, *_ in rolls} == {"expiry", "volume"}
    assert ("expiry", date(2018, 12, 23), "BTC-28DEC18", "BTC-29MAR19") in {row[:1] + row[2:5] for row in rolls}
    for rule, rank, day, left, taken, expires_at, *priced in rolls:
        at_and_closes, turnovers = priced[:3], priced[3:]
        said = rolled(day, left, taken)
        assert at_and_closes == [*said[:3]], (rule, day, left, taken)
        assert turnovers == pytest.approx(said[3:], rel=1e-12), "a sum, in another order"
        if rule == "expiry" and rank == 0:
            assert day == expires_at.date() - timedelta(days=5)
    assert market.rows("SELECT * FROM quarantined") == []

    written = market.rows("SELECT ctid, xmin FROM store.roll")
    assert pipeline.alone("roll_calendar", None) == "success"
    assert market.rows("SELECT ctid, xmin FROM store.roll") == written


def test_a_load_of_several_months_that_is_killed_keeps_those_it_has_stored(pipeline, market):
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
    begins, ends = (round(datetime.fromisoformat(f"{day}+00:00").timestamp() * 1000) for day in quarter.values())
    said = Market().candles("BTC-PERPETUAL", begins, ends - 60_000)
    closes = [close for [day] in market.rows("SELECT close FROM store.candle_day ORDER BY day") for close in day]
    assert len(closes) == 92 * 1440 and closes == list(said["close"])
