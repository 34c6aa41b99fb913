"""A market in which every view has something to show: a published day of three instruments, as the pipeline does it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest

DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)
BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
MINUTES = 1440
PERPETUAL = "BTC-PERPETUAL"
FUTURES = {"BTC-27FEB26": datetime(2026, 2, 27, 8, tzinfo=UTC), "BTC-26JUN26": datetime(2026, 6, 26, 8, tzinfo=UTC)}


@pytest.fixture(scope="module")
def filled_market(module_market):
    with psycopg.connect(module_market.dsn(), options="-c timezone=UTC") as connection, connection.transaction():
        fill(connection)
    return module_market


def fill(connection) -> None:
    from deribit_warehouse.datasets import (
        BASIS_SPREAD,
        DELIVERY_PRICES,
        INDEX_PRICES,
        ROLL_CALENDAR,
        SETTLEMENTS,
        VOLATILITY_INDEX,
    )  # fmt: skip
    from deribit_warehouse.tables import CANDLE_DAY, FUNDING_RATE
    from deribit_warehouse.warehouse import catalogue, funding, incidents, publication, rows, validations
    from deribit_warehouse.warehouse.ingestion import Provenance

    incidents.observe(connection, incidents.Fingerprint("failure", "futures_ohlcv", "BadResponse"), "no list of ticks")
    catalogue.store_instruments(connection, [listed(PERPETUAL, None), *(listed(n, e) for n, e in FUTURES.items())])
    catalogue.record_collected(connection, "BTC", ["BTC"], BEGINS)
    ids = dict(connection.execute("SELECT instrument, instrument_id FROM store.instrument").fetchall())
    for place, (instrument, instrument_id) in enumerate(ids.items()):
        store_day(connection, instrument, instrument_id, 90_000.0 + 500 * place)
    [version_ids] = connection.execute(
        "SELECT array_agg(version_id ORDER BY instrument_id) FROM store.candle_day"
    ).fetchone()
    versions = [(i, DAY, version_id) for i, version_id in zip(sorted(ids.values()), version_ids, strict=True)]
    publication.publish(connection, CANDLE_DAY, validation(connection, "futures_ohlcv"), versions)

    hours = np.array([int(BEGINS.timestamp() * 1000) + k * 3_600_000 for k in range(1, 25)])
    funding.record_start(connection, ids[PERPETUAL], datetime.fromtimestamp(hours[0] / 1000, UTC))
    told = funding.store_funding(
        connection, ids[PERPETUAL], hours, [np.full(24, v) for v in (1e-5, 8e-5, 89_990.0, 89_990.0)], source(PERPETUAL)
    )
    assert told.added == 24
    [[version_id]] = connection.execute("SELECT DISTINCT version_id FROM store.funding_rate").fetchall()
    publication.publish(
        connection,
        FUNDING_RATE,
        validation(connection, "funding_rates"),
        [(ids[PERPETUAL], datetime.fromtimestamp(ms / 1000, UTC), version_id) for ms in hours.tolist()],
    )

    columns = {"currency": ["BTC"] * 24, "ts": [datetime.fromtimestamp(ms / 1000 - 3600, UTC) for ms in hours.tolist()]}
    columns |= {name: [level] * 24 for name, level in (("open", 45.0), ("high", 46.5), ("low", 44.0), ("close", 46.0))}
    rows.store_rows(connection, VOLATILITY_INDEX.table, columns | {"duplicate": [False] * 24}, source("BTC"))
    versions = connection.execute("SELECT currency, ts, version_id FROM store.volatility_index").fetchall()
    publication.publish(connection, VOLATILITY_INDEX.table, validation(connection, "volatility_index"), versions)

    columns = {"index_name": ["btc_usd"], "day": [DAY], "price": [90_000.0], "duplicate": [False]}
    rows.store_rows(connection, DELIVERY_PRICES.table, columns, source("btc_usd"))
    versions = connection.execute("SELECT index_name, day, version_id FROM store.delivery_price").fetchall()
    publication.publish(connection, DELIVERY_PRICES.table, validation(connection, "delivery_prices"), versions)

    numbers = dict.fromkeys(("profit_loss", "session_profit_loss", "funding"), [None])
    columns = {"instrument_id": [ids[PERPETUAL]], "day": [DAY], "type": ["settlement"], "duplicate": [False], **numbers}
    columns |= {"settled_at": [BEGINS], "position": [7e8], "mark_price": [90_000.0], "index_price": [89_990.0]}
    rows.store_rows(connection, SETTLEMENTS.table, columns, source(PERPETUAL))
    versions = connection.execute("SELECT instrument_id, day, type, version_id FROM store.settlement").fetchall()
    publication.publish(connection, SETTLEMENTS.table, validation(connection, "settlements"), versions)

    fill_snapshots(connection)
    for dataset, days in ((INDEX_PRICES, 1), (BASIS_SPREAD, len(FUTURES)), (ROLL_CALENDAR, 10)):
        computed_by = Provenance(dataset.name, "all", "this warehouse", "run")
        assert publication.compute(connection, dataset, DAY, NEXT, computed_by) == days
        key = ", ".join(dataset.table.key)
        versions = connection.execute(f"SELECT {key}, version_id FROM store.{dataset.table.name}").fetchall()
        publication.publish(connection, dataset.table, validation(connection, dataset.name), versions)
    finding = ("BTC-27FEB26", NEXT, None, "minutes-complete", "critical", "12", None)
    held = validation(connection, "futures_ohlcv", "quarantined")
    validations.record_findings(connection, held, "futures_ohlcv", seen=[finding[:3]], findings=[finding])
    store_day(connection, PERPETUAL, ids[PERPETUAL], 90_000.0, NEXT)  # waits for its funding


def fill_snapshots(connection) -> None:
    """Two snapshots of a perpetual and of a pair of options, with a gap between them."""
    from deribit_warehouse.dataset import Window
    from deribit_warehouse.datasets import INSTRUMENT_SUMMARIES, OPTIONS_CHAIN
    from deribit_warehouse.exchange import tickers
    from deribit_warehouse.exchange.summaries import reader
    from deribit_warehouse.warehouse import publication

    names = {"future": [PERPETUAL], "option": ["BTC-27FEB26-90000-C", "BTC-27FEB26-90000-P"]}
    for dataset, kind in ((INSTRUMENT_SUMMARIES, "future"), (OPTIONS_CHAIN, "option")):
        for hour in (10, 12):
            row = {
                "creation_timestamp": int(BEGINS.timestamp() * 1000) + hour * 3_600_000, "mark_price": 0.05,
                "estimated_delivery_price": 90_000.0, "open_interest": 10.0, "volume": 1.0, "mark_iv": 45.0,
                "underlying_price": 90_500.0, "underlying_index": "BTC-27FEB26", "interest_rate": 0.0,
            }  # fmt: skip
            answer = reader("BTC", kind)([row | {"instrument_name": name} for name in names[kind]])
            greeks = {"delta": 0.5, "gamma": 0.00001, "vega": 130.0, "theta": -50.0, "rho": 60.0}
            ticker = row | {"timestamp": row["creation_timestamp"] + 1000, "greeks": greeks}
            exchange = SimpleNamespace(
                summaries=lambda currency, kind, answer=answer: answer,
                option_ticker=lambda name, ticker=ticker: tickers.reader(name)(ticker | {"instrument_name": name}),
            )
            dataset.load(exchange, connection, Window("BTC", "BTC", None, BEGINS, ENDS, 1), source("BTC"))
        key = ", ".join(dataset.table.key)
        versions = connection.execute(f"SELECT {key}, version_id FROM store.{dataset.table.name}").fetchall()
        publication.publish(connection, dataset.table, validation(connection, dataset.name), versions)


def listed(instrument: str, expires: datetime | None) -> tuple:
    return (
        instrument, 1, "future", "BTC", "USD", "BTC", "month" if expires else "perpetual", "reversed", "btc_usd", 0.5,
        10.0, datetime(2025, 8, 1, tzinfo=UTC), expires or "infinity", None, None, "open", True, "live", "crypto",
        None, None, None,
    )  # fmt: skip


def store_day(connection, instrument: str, instrument_id: int, price: float, day: date = DAY) -> None:
    from deribit_warehouse.warehouse import day_arrays

    begins = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    flat = {name: np.full(MINUTES, price) for name in ("open", "high", "low", "close")}
    found = SimpleNamespace(
        start=begins, end=begins + MINUTES * 60_000, present=np.ones(MINUTES, bool), **flat,
        volume=np.ones(MINUTES), cost=np.full(MINUTES, price),
        **{name: np.empty(0, np.int64) for name in day_arrays.DEFECTS},
    )  # fmt: skip
    assert day_arrays.store_candles(connection, instrument_id, found, source(instrument)).added == 1


def source(subject: str):
    from deribit_warehouse.warehouse.ingestion import Provenance

    return Provenance("futures_ohlcv", subject, "http://127.0.0.1:8765", "scheduled__2026-02-01")


def validation(connection, dataset: str, outcome: str = "passed") -> int:
    from deribit_warehouse.warehouse import validations

    return validations.record_validation(
        connection, dataset=dataset, dag_id=dataset, run_id="scheduled__2026-02-01", begins=BEGINS, ends=ENDS,
        outcome=outcome, suite=dataset, rows=1, expected=MINUTES, missing=0, blocked_because=[], result={},
    )  # fmt: skip
