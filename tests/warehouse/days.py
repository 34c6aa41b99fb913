"""Instruments, days and validations to fill a market database with, and an instant in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from psycopg import Connection, pq

from deribit_warehouse.dataset import Dataset, Table, Window
from deribit_warehouse.datasets import (
    BASIS_SPREAD,
    DATASETS,
    FUNDING_RATES,
    FUTURES_OHLCV,
    INDEX_MINUTES,
    INDEX_PRICES,
    INSTRUMENTS,
    PERPETUALS_OHLCV,
)  # fmt: skip
from deribit_warehouse.exchange import candles as exchange
from deribit_warehouse.tables import CANDLE_DAY, FUNDING_RATE, OPEN_CANDLE
from deribit_warehouse.warehouse import publication, sql, validations
from deribit_warehouse.warehouse.catalogue import record_collected, store_instruments, windows
from deribit_warehouse.warehouse.day_arrays import COLUMNS, DAY, MINUTE, store_candles, store_open_candles
from deribit_warehouse.warehouse.funding import record_start, store_funding
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from deribit_warehouse.warehouse.profiles import profile

if TYPE_CHECKING:
    from deribit_warehouse.pipeline.validate_and_publish import Validated

FIRST = date(2025, 3, 1)
HOST = "https://exchange.test"
BEFORE_ALL = datetime(2015, 1, 1, tzinfo=UTC)


def at(day: date | str, minute: int = 0) -> datetime:
    """A minute of a UTC day."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def nodes(plan: dict) -> Iterator[dict]:
    """A node of a plan that was explained as JSON, and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


class Candles(exchange.Candles):
    """What the exchange package hands over, and what a test changes of it."""

    @classmethod
    def of(cls, start: int, end: int, *, present: np.ndarray, **columns: np.ndarray) -> Candles:
        """A window on the minute grid, in ms, of pages with which nothing was wrong."""
        faultless = dict.fromkeys(("duplicate", "misaligned", "out_of_window", "out_of_order"), np.empty(0, np.int64))
        return cls(instrument_name="", start=start, end=end, present=present, requests=1, **faultless, **columns)

    def without(self, *minutes: int | slice) -> Candles:
        """The same with minutes missing."""
        present = self.present.copy()
        for minute in minutes:
            present[minute] = False
        return self.but(present=present)

    def but(self, **changed) -> Candles:
        return replace(self, **changed)

    def setting(self, minute: int, **values: float) -> Candles:
        """The same with other values in one minute."""
        changed = {}
        for name, value in values.items():
            changed[name] = getattr(self, name).copy()
            changed[name][minute] = value
        return self.but(**changed)

    def cut(self, begins: datetime, ends: datetime) -> Candles:
        part = slice((ms(begins) - self.start) // MINUTE, (ms(ends) - self.start) // MINUTE)
        arrays = {name: getattr(self, name)[part] for name in (*COLUMNS, "present")}
        return self.but(start=ms(begins), end=ms(ends), **arrays)

    @property
    def columns(self) -> np.ndarray:
        return np.stack([getattr(self, name) for name in COLUMNS])


def trading(
    begins: datetime, ends: datetime, *, seed: int = 0, level: float = 50_000.0, traded: float = 0.5
) -> Candles:
    """Faultless candles: a walk on a tick of 0.5, about a share ``traded`` of the minutes with trades."""
    n = (ms(ends) - ms(begins)) // MINUTE
    random = np.random.default_rng(seed)
    trades = random.random(n) < traded
    close = level + 0.5 * np.cumsum(np.where(trades, random.integers(-8, 9, n), 0))
    previous = np.concatenate([close[:1], close[:-1]])
    opened = np.where(trades, previous + 0.5 * random.integers(-2, 3, n), close)
    high = np.where(trades, np.maximum(opened, close) + 0.5 * random.integers(0, 5, n), close)
    low = np.where(trades, np.minimum(opened, close) - 0.5 * random.integers(0, 5, n), close)
    volume = np.where(trades, np.round(random.random(n) * 4 + 0.0001, 4), 0.0)
    return Candles.of(
        ms(begins), ms(ends), present=np.ones(n, bool), open=opened, high=high, low=low, close=close, volume=volume,
        cost=volume * (high + low) / 2,
    )  # fmt: skip


class Warehouse:
    """A market database being filled, each call a transaction, as role market_loader."""

    def __init__(self, connection: Connection):
        self.connection = connection

    def rows(self, statement: str, *values) -> list[tuple]:
        with self.connection.transaction():
            return self.connection.execute(statement, values).fetchall()

    def value(self, statement: str, *values):
        [[found]] = self.rows(statement, *values)
        return found

    def instrument(
        self, name: str, listed: datetime, expires: datetime | None = None, *, base: str = "BTC", quote: str = "USD",
        settlement: str | None = None, kind: str = "future", underlying: str | None = "crypto",
    ) -> int:  # fmt: skip
        """Adds an instrument and returns its id; without an expiry it is a perpetual."""
        period = "perpetual" if expires is None else "week"
        row = (
            name, 1, kind, base, quote, settlement or base, period, "reversed" if quote == "USD" else "linear",
            f"{base}_{quote}".lower(), 0.5, 10.0, listed, expires or "infinity", None, None, "open", True, HOST,
            underlying, None, None, None,
        )  # fmt: skip
        with self.connection.transaction():
            store_instruments(self.connection, [row])
            record_collected(self.connection, settlement or base, ["BTC", "ETH", "USDC"], BEFORE_ALL)
        return self.value("SELECT instrument_id FROM store.instrument WHERE instrument = %s", name)

    def delist(self, instrument_id: int, ends: datetime, last_hour: datetime | None = None) -> None:
        """An end that was found, of what the catalogue lists for good."""
        with self.connection.transaction():
            self.connection.execute(
                "INSERT INTO store.delisting (instrument_id, ends_at, last_hour, reason) VALUES (%s, %s, %s, 'a test')",
                [instrument_id, ends, last_hour],
            )

    def candles(self, instrument_id: int, candles: Candles, *, run_id: str = "load") -> Ingested:
        with self.connection.transaction():
            return store_candles(
                self.connection, instrument_id, candles, Provenance("candles", f"{instrument_id}", HOST, run_id)
            )

    def funding(self, instrument_id: int, hours: list[datetime], columns: np.ndarray, *, duplicate=()) -> Ingested:
        """columns: shape (4, hours). duplicate: the hours that came more than once."""
        with self.connection.transaction():
            record_start(self.connection, instrument_id, hours[0])
            timestamp, twice = (np.array([ms(hour) for hour in each], np.int64) for each in (hours, duplicate))
            return store_funding(
                self.connection,
                instrument_id,
                timestamp,
                list(columns),
                Provenance("funding_rates", f"{instrument_id}", HOST, "load"),
                twice,
            )

    def validation(self, dataset: str = "candles", *, run_id: str = "run", dag_id: str = "dag", **changed) -> int:
        values = {
            "begins": at(FIRST), "ends": at(FIRST, 1440), "outcome": "passed", "suite": dataset, "rows": 1,
            "expected": 1, "missing": 0, "blocked_because": [], "result": {"statistics": {}},
        } | changed  # fmt: skip
        with self.connection.transaction():
            return validations.record_validation(
                self.connection, dataset=dataset, dag_id=dag_id, run_id=run_id, **values
            )

    def newest(self, *instrument_ids: int) -> list[tuple[int, date, int]]:
        return self.rows(
            "SELECT instrument_id, day, max(version_id) FROM store.candle_day "
            "WHERE instrument_id = ANY(%s) GROUP BY 1, 2",
            list(instrument_ids),
        )

    def publish(self, *instrument_ids: int) -> int:
        """Publishes the newest version of every day of some instruments; returns how many were not published."""
        validation_id = self.validation()
        versions = self.newest(*instrument_ids)
        with self.connection.transaction():
            return publication.publish(self.connection, CANDLE_DAY, validation_id, versions)

    def open_minutes(self, instrument_id: int, candles: Candles) -> int:
        """Stores minutes of days that are not closed and publishes them; returns their version."""
        told = Provenance("live", f"{instrument_id}", HOST, "run")
        with self.connection.transaction():
            store_open_candles(self.connection, instrument_id, candles, told, candles.end)
        validation_id = self.validation("live")
        versions = self.rows(
            "SELECT instrument_id, ts, max(version_id) FROM store.open_candle "
            "WHERE instrument_id = %s AND state = 'pending' GROUP BY 1, 2",
            instrument_id,
        )
        with self.connection.transaction():
            publication.publish(self.connection, OPEN_CANDLE, validation_id, versions)
        return max(version for *_, version in versions)

    def publish_funding(self, instrument_id: int) -> int:
        validation_id = self.validation("funding_rates")
        versions = self.rows(
            "SELECT instrument_id, ts, max(version_id) FROM store.funding_rate WHERE instrument_id = %s GROUP BY 1, 2",
            instrument_id,
        )
        with self.connection.transaction():
            return publication.publish(self.connection, FUNDING_RATE, validation_id, versions)

    def hold(self, table: Table, versions: list[tuple]) -> int:
        """Holds versions back, with what was computed from them; returns how many were published."""
        validation_id = self.validation()
        with self.connection.transaction():
            _, taken_back = publication.hold(self.connection, table, validation_id, versions, DATASETS)
            return taken_back

    def compute(self, dataset: Dataset, begins: date | None = None, ends: date | None = None) -> int:
        """Adds the versions of a computed dataset that are due; returns how many."""
        with self.connection.transaction():
            return publication.compute(
                self.connection, dataset, begins, ends, Provenance(dataset.name, "all", "this warehouse", "run")
            )

    def decide(self, dataset: Dataset, *, passed: bool = True, days: list[date] | None = None) -> int:
        """Publishes, or holds back, the newest version of every day computed (or of some); returns how many were not
        published before, or how many were."""
        key = ", ".join(dataset.table.key)
        versions = self.rows(
            f"SELECT {key}, max(version_id) FROM store.{dataset.table.name} "
            f"WHERE state <> 'withdrawn' AND day = ANY(coalesce(%s, ARRAY[day])) GROUP BY {key}",
            days,
        )
        if not passed:
            return self.hold(dataset.table, versions)
        validation_id = self.validation(dataset.name)
        with self.connection.transaction():
            return publication.publish(self.connection, dataset.table, validation_id, versions)

    def newest_of(self, dataset: Dataset) -> list[tuple]:
        """The newest version of every key of a dataset's table."""
        key = ", ".join(dataset.table.key)
        return self.rows(
            f"SELECT {key}, max(version_id) FROM store.{dataset.table.name} GROUP BY {key} ORDER BY {key}"
        )  # fmt: skip

    def decide_rows(self, dataset: Dataset) -> int:
        """Publishes the newest version of every key; returns how many were not published before."""
        validation_id, versions = self.validation(dataset.name), self.newest_of(dataset)
        with self.connection.transaction():
            return publication.publish(self.connection, dataset.table, validation_id, versions)

    def validate(self, dataset: Dataset, begins: datetime, ends: datetime) -> Validated | None:
        """What a run says of an interval: what is stored of it is validated by its suite, and decided on."""
        from deribit_warehouse.pipeline.validate_and_publish import validate_and_publish

        context = {"dag_run": SimpleNamespace(dag_id=dataset.dag_id, run_id="run")}
        with self.connection.transaction():
            return validate_and_publish(self.connection, dataset, context, begins, ends)

    def pending(self, dataset: Dataset) -> int:
        """How many days of a computed dataset wait to be computed or validated."""
        with self.connection.transaction():
            due = sql.row(self.connection, f"datasets/{dataset.sql}/due")["days"]
            return due + sum(month["days"] for month in publication.pending(self.connection, dataset))


class Watched:
    """A connection after each of whose transactions somebody else publishes, and counts what is left."""

    def __init__(self, warehouse: Warehouse, market, counted: str):
        self.connection, self.market, self.counted, self.left = warehouse.connection, market, counted, []

    def __getattr__(self, name: str):
        return getattr(self.connection, name)

    @contextmanager
    def transaction(self):
        with self.connection.transaction():
            yield
        if self.connection.info.transaction_status != pq.TransactionStatus.IDLE:
            return  # it was a part of another one, whose locks are held
        with psycopg.connect(self.market.dsn()) as other:
            other.execute("SET lock_timeout = '200ms'")
            publication.share_decisions(other)
            self.left.append(other.execute(self.counted).fetchone()[0])


def truncate(market, table: str) -> None:
    """Makes a table as small as a new one, which earlier tests of the file have filled: where bytes are counted."""
    with psycopg.connect(market.dsn("market_owner"), autocommit=True) as connection:
        connection.execute(f"TRUNCATE store.{table} CASCADE")


def vacuum(market, table: str) -> None:
    """Frees what updates left behind, as autovacuum does, which looks every minute."""
    with psycopg.connect(market.dsn("market_owner"), autocommit=True) as connection:
        connection.execute(f"VACUUM store.{table}")


def candle_profile(connection: Connection, *, perpetual: bool, currencies: list[str], begins, ends):
    """What is validated of the perpetuals or the dated futures in [begins, ends): a DataFrame."""
    dataset = PERPETUALS_OHLCV if perpetual else FUTURES_OHLCV
    return profile(connection, dataset, begins, ends, currencies=currencies)


def funding_profile(connection: Connection, *, currencies: list[str], begins, ends, outages=()):
    return profile(connection, FUNDING_RATES, begins, ends, currencies=currencies, outages=outages)


def index_profile(connection: Connection, *, begins: date, ends: date):
    return profile(connection, INDEX_PRICES, at(begins), at(ends), currencies=[])


def basis_profile(connection: Connection, *, begins: date, ends: date):
    return profile(connection, BASIS_SPREAD, at(begins), at(ends), currencies=[])


def instrument_profile(connection: Connection):
    return profile(connection, INSTRUMENTS, at(FIRST), at(FIRST), currencies=[])


def candle_windows(connection: Connection, *, perpetual: bool, currencies: list[str], begins, ends) -> list[Window]:
    """What there is to load of the perpetuals or the dated futures in [begins, ends)."""
    dataset = PERPETUALS_OHLCV if perpetual else FUTURES_OHLCV
    return windows(connection, dataset, begins, ends, currencies=currencies)


def funding_windows(connection: Connection, *, currencies: list[str], begins, ends) -> list[Window]:
    return windows(connection, FUNDING_RATES, begins, ends, currencies=currencies)


def index_proxies(connection: Connection, currencies: list[str]) -> dict[str, str]:
    """Each index and the perpetual that is asked for its minutes."""
    found = windows(connection, INDEX_MINUTES, at(FIRST), at(FIRST), currencies=currencies)
    return {window.subject: window.instrument for window in found}


def minutes(candles: Candles) -> list[datetime]:
    """The start of every minute of a window."""
    first = datetime.fromtimestamp(candles.start / 1000, UTC)
    return [first + timedelta(minutes=i) for i in range((candles.end - candles.start) // MINUTE)]


def bits(values) -> list:
    """Floats as their bits, None as itself, so that equal means equal to the last bit and any NaN equals any NaN."""
    return [None if value is None else b"NaN" if value != value else np.float64(value).tobytes() for value in values]


__all__ = [
    "COLUMNS",
    "DAY",
    "FIRST",
    "HOST",
    "MINUTE",
    "Candles",
    "Warehouse",
    "Watched",
    "at",
    "bits",
    "minutes",
    "ms",
    "trading",
]
