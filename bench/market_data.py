"""Candles of the simulated market, as the exchange would send them and as a filled database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from psycopg import Connection

from deribit_warehouse.datasets import BASIS_SPREAD
from deribit_warehouse.exchange import candles as pages
from deribit_warehouse.exchange.candles import Candles
from deribit_warehouse.exchange.instruments import Instrument, instrument
from deribit_warehouse.exchange.pagination import windows
from deribit_warehouse.exchange.response import result_of
from deribit_warehouse.tables import BASIS_DAY, CANDLE_DAY
from deribit_warehouse.warehouse import publication, validations
from deribit_warehouse.warehouse.catalogue import record_collected, store_instruments
from deribit_warehouse.warehouse.day_arrays import store_candles
from deribit_warehouse.warehouse.ingestion import Provenance
from exchange_simulator.chart import chart
from exchange_simulator.listings import MINUTE, Listing
from exchange_simulator.market import Market
from exchange_simulator.replay import Replay

HOST = "http://127.0.0.1"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
COMPUTED = Provenance(BASIS_SPREAD.name, "all", "this warehouse", "bench")


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


@dataclass(frozen=True)
class Window:
    """The part of an interval one contract lived through, [begins, ends) ms, on whole minutes."""

    listing: Listing
    begins: int
    ends: int

    @property
    def minutes(self) -> int:
        return (self.ends - self.begins) // MINUTE


def market() -> Market:
    """The invented market, its clock at NOW."""
    return Market(now_ms=ms(NOW))


def listed_between(
    source: Market, begins: datetime, ends: datetime, coins: tuple[str, ...] = ("BTC", "ETH")
) -> list[Window]:
    """The inverse contracts, perpetuals included, that lived in [begins, ends)."""
    found = [
        Window(one, max(ms(begins), one.first_minute * MINUTE), min(ms(ends), one.expires))
        for one in source.listings() if one.coin in coins and not one.linear
    ]  # fmt: skip
    return [window for window in found if window.begins < window.ends]


def bodies(source: Market, window: Window) -> dict[int, bytes]:
    """The JSON of every page of a window, as the exchange would send it, by the page's first minute (ms)."""
    made = {}
    for left, right in windows(window.begins, window.ends, pages.PAGE):
        result = {"status": "ok"} | chart(source, window.listing.name, left - 1, right - 1)
        made[left - 1] = orjson.dumps({"jsonrpc": "2.0", "result": result}, option=orjson.OPT_SERIALIZE_NUMPY)
    return made


def read(window: Window, sent: dict[int, bytes]) -> Candles:
    """What the exchange client makes of these pages: its own reading, without the network."""

    def ask(method: str, params: Mapping[str, Any], reader: Callable[[Any], Any]) -> Any:
        return reader(result_of(200, sent[params["start_timestamp"]]))

    return pages.collect(ask, window.listing.name, window.begins, window.ends)


def register(connection: Connection, listings: list[Listing], coin_suffix: str = "") -> dict[str, int]:
    """Puts contracts into the catalogue and returns all ids by name. With a suffix they are another coin's: it is
    appended to their names and their coin."""

    def coin(one: Instrument) -> str:
        assert one.settlement_currency, "the simulator says it of every contract"
        return one.settlement_currency + coin_suffix

    found = [instrument(one.row(ms(NOW)), at, HOST) for at, one in enumerate(listings)]
    with connection.transaction():
        store_instruments(connection, [
            (one.instrument_name + coin_suffix, one.exchange_id, one.kind, one.base_currency + coin_suffix,
             one.quote_currency, coin(one), one.settlement_period, one.instrument_type,
             one.price_index, one.tick_size, one.contract_size, time_of(one.created), time_of(one.expires), one.strike,
             one.option_type, one.state, one.is_active, one.host, one.underlying_type, None, None, None)
            for one in found
        ])  # fmt: skip
        for currency in {coin(one) for one in found}:
            record_collected(connection, currency, [currency, *collected(connection)], datetime.fromtimestamp(0, UTC))
        return dict(connection.execute("SELECT instrument, instrument_id FROM store.instrument").fetchall())


def collected(connection: Connection) -> list[str]:
    return [currency for [currency] in connection.execute("SELECT currency FROM store.collected").fetchall()]


def time_of(instant: int | None) -> datetime | str:
    return "infinity" if instant is None else datetime.fromtimestamp(instant / 1000, UTC)


def store(connection: Connection, instrument_id: int, window: Window, candles: Candles) -> object:
    """One transaction, as a task loads it; returns what it changed."""
    provenance = Provenance("bench", window.listing.name, HOST, "bench")
    with connection.transaction():
        return store_candles(connection, instrument_id, candles, provenance)


def fill(connection: Connection, source: Market | Replay, contracts: list[Window], times: int = 1) -> None:
    """Loads whole windows, `times` times: the further ones as other coins, each with a perpetual of its own.

    What the simulated exchange lost is missing, as in earnest. Every coin has prices of its own, in proportion: of
    equal arrays Postgres would remember the answer (Memoize) instead of computing it.
    """
    columns = [source.candles(window.listing.name, window.begins, window.ends - 1) for window in contracts]
    for copy in range(times):
        suffix, dearer = coin_suffix(copy), 1 + copy / 1024
        ids = register(connection, [window.listing for window in contracts], suffix)
        for window, columns_ in zip(contracts, columns, strict=True):
            priced = {name: columns_[name] * dearer for name in ("open", "high", "low", "close", "cost")}
            store(connection, ids[window.listing.name + suffix], window, on_grid(window, columns_ | priced))


def coin_suffix(copy: int) -> str:
    """How the coin of a copy is told from the original's: BTC, BTC~1, BTC~2, ..."""
    return f"~{copy}" if copy else ""


def on_grid(window: Window, columns: dict[str, np.ndarray]) -> Candles:
    """The market's columns as the exchange client would hand them over."""
    grid = pages.Grid(window.begins, window.ends)
    values = np.stack([columns[name] for name in pages.COLUMNS])
    grid.place(columns["ticks"], values, window.begins, window.ends)
    nothing = np.empty(0, np.int64)
    return Candles(
        window.listing.name, window.begins, window.ends, **dict(zip(pages.COLUMNS, grid.values, strict=True)),
        present=grid.present, duplicate=nothing, misaligned=nothing, out_of_window=nothing, out_of_order=nothing,
        requests=0,
    )  # fmt: skip


def validation(connection: Connection, begins: datetime, ends: datetime) -> int:
    """A validation that everything has passed; its id."""
    with connection.transaction():
        return validations.record_validation(
            connection, dataset="bench", dag_id="bench", run_id="bench", begins=begins, ends=ends, outcome="passed",
            suite="bench", rows=1, expected=1, missing=0, blocked_because=[], result={},
        )  # fmt: skip


def publish(connection: Connection, begins: datetime, ends: datetime) -> None:
    """Publishes every stored day and every pair as passed, as the gates do when nothing is wrong."""
    validation_id = validation(connection, begins, ends)
    with connection.transaction():
        waiting = "SELECT instrument_id, day, version_id FROM store.{} WHERE state = 'pending'"
        publication.publish(
            connection, CANDLE_DAY, validation_id, connection.execute(waiting.format("candle_day")).fetchall()
        )
        publication.compute(connection, BASIS_SPREAD, begins.date(), ends.date(), COMPUTED)
        publication.publish(
            connection, BASIS_DAY, validation_id, connection.execute(waiting.format("basis_day")).fetchall()
        )
