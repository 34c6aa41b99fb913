"""How many recorded rows break each rule: `python -m bench.recorded FOLDER` asks it again.

The recorded candles lie at isolated minutes. Each is validated by itself, as minutes of open days are, so what is
counted of a rule are recorded minutes; of the catalogue instruments, of funding hours. The basis is validated by the
day: between recorded minutes the price stands still there, as in a market without a trade, and only minutes in which
both legs traded say how large a basis is. Of the index no two sources were recorded for the same time. Of settlements,
delivery prices and the volatility index single answers were recorded, of summaries and option chains one moment: what
lies between their rows was not sent, and is no missing row.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pandas import DataFrame
from psycopg import Connection

from deribit_warehouse import settings
from deribit_warehouse.dataset import Dataset, Window
from deribit_warehouse.datasets import (
    BASIS_SPREAD,
    DELIVERY_PRICES,
    FUNDING_RATES,
    FUTURES_LIVE,
    INSTRUMENT_SUMMARIES,
    INSTRUMENTS,
    OPTIONS_CHAIN,
    PERPETUALS_LIVE,
    SETTLEMENTS,
    VOLATILITY_INDEX,
)
from deribit_warehouse.exchange import ExchangeUnavailable, delivery, settlements, summaries, volatility
from deribit_warehouse.exchange.instruments import Instrument, implied, reader
from deribit_warehouse.quality.suites import read_suite
from deribit_warehouse.quality.validate import validate
from deribit_warehouse.warehouse import profiles
from deribit_warehouse.warehouse.catalogue import record_collected, store_instruments
from deribit_warehouse.warehouse.day_arrays import store_open_candles
from deribit_warehouse.warehouse.funding import record_start, store_funding
from deribit_warehouse.warehouse.ingestion import Provenance, record_fetched
from exchange_simulator.replay import Replay

from . import market_data
from .database import server

DAY = 86_400_000
FIRST = datetime(2025, 12, 30, tzinfo=UTC)
RATES = ("interest_1h", "interest_8h", "index_price", "prev_index_price")
CATALOGUES = {
    "instruments_future.json": "live", "history_host_instrument_2016.json": "history",
    **{f"instruments_{coin}_2021-07-22.json": "history" for coin in ("btc", "eth", "sol", "usdc")},
}  # fmt: skip
ANSWERED = """
    INSERT INTO store.fetched AS a (instrument_id, what, windows)
    SELECT instrument_id, 'open candles', range_agg(tstzrange(ts, ts + interval '1 minute')) FROM store.open_candle
    GROUP BY instrument_id ON CONFLICT (instrument_id, what) DO UPDATE SET windows = excluded.windows
"""
"""What was not recorded is not missing: the exchange answered for the recorded minutes alone."""


@dataclass(frozen=True)
class Rate:
    """Of `rows` rows of a dataset so many broke a rule."""

    dataset: str
    rule: str
    severity: str
    broken: int
    rows: int


def rates(connection: Connection, folder: Path) -> Iterator[Rate]:
    """Stores what is recorded in an empty market database and says of each rule how many rows broke it."""
    yield from catalogue_rates(connection, folder)
    yield from answer_rates(connection, Answers(folder))
    source = Replay(folder)
    # the first recorded candle; before it nothing is known of any
    first, past = round(FIRST.timestamp() * 1000), source.now_ms // DAY * DAY
    windows = [
        market_data.Window(one, max(one.first_minute * 60_000, first), min(one.expires, past))
        for one in source.listings()
        if max(one.first_minute * 60_000, first) < min(one.expires, past)
    ]
    market_data.fill(connection, source, windows)
    ids: dict[str, int] = dict(connection.execute("SELECT instrument, instrument_id FROM store.instrument").fetchall())
    hours = source.funding("BTC-PERPETUAL", 0, source.now_ms)
    times = hours["timestamp"]
    with connection.transaction():
        record_start(connection, ids["BTC-PERPETUAL"], instant(times[0]))
        store_funding(
            connection, ids["BTC-PERPETUAL"], times, [np.asarray(hours[name], float) for name in RATES],
            Provenance("funding_rates", "BTC-PERPETUAL", "recorded", "recorded"),
            window=(int(times[0]) - 3_600_000, past),
        )  # fmt: skip
        # its candles of those months were not recorded: nothing to check the index against
        record_fetched(connection, ids["BTC-PERPETUAL"], "candles", int(times[0]) - 3_600_000, first)
    interval: dict[str, Any] = {"currencies": ["BTC", "ETH"], "begins": instant(first), "ends": instant(past)}
    for window in windows:
        minutes = market_data.on_grid(window, source.recorded_candles(window.listing.name))
        provenance = Provenance("recorded", window.listing.name, "recorded", "recorded")
        with connection.transaction():
            store_open_candles(connection, ids[window.listing.name], minutes, provenance, window.begins)
    connection.execute(ANSWERED)
    for live in (PERPETUALS_LIVE, FUTURES_LIVE):
        yield from validated(live, profiles.profile(connection, live, **interval))
    began = instant(times[0]) - timedelta(hours=1)
    until: dict[str, Any] = {"currencies": ["BTC"], "begins": began, "ends": instant(times[-1])}
    yield from validated(FUNDING_RATES, profiles.profile(connection, FUNDING_RATES, **until))
    market_data.publish(connection, instant(first), instant(past))
    yield from validated(BASIS_SPREAD, profiles.profile(connection, BASIS_SPREAD, **interval))


def catalogue_rates(connection: Connection, folder: Path) -> Iterator[Rate]:
    """Of the instruments that were recorded; nothing of them stays in the database."""
    with connection.transaction(force_rollback=True):
        for name, host in CATALOGUES.items():
            found: Any = orjson.loads((folder / "responses" / name).read_bytes())
            found = found.get("result", [found]) if isinstance(found, dict) else found
            for kind in ("future", "option"):
                if rows := [row for row in found if row["kind"] == kind]:
                    store_instruments(connection, map(catalogue_row, reader(host, kind)(rows).instruments))
        now = datetime.now(UTC)
        rates = list(validated(INSTRUMENTS, profiles.profile(connection, INSTRUMENTS, now, now, currencies=[])))
    yield from rates


class Answers:
    """What was recorded of single answers, read by the client as if the exchange sent it now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def body(self, name: str) -> Any:
        return orjson.loads((self.folder / "responses" / f"{name}.json").read_bytes())

    def settled(self) -> list[dict]:
        """The settlements of contracts, newest first; those of options are not collected."""
        rows = [*self.body("settlements_instrument")["settlements"], *self.body("settlements_currency")["settlements"]]
        return [row for row in rows if row["type"] != "exercise"]

    def settlements(self, instrument_name: str, start: int, end: int) -> settlements.Settlements:
        rows = [row for row in self.settled() if row["instrument_name"] == instrument_name]
        return settlements.collect(
            lambda method, params, read: read({"settlements": rows}), instrument_name, start, end
        )

    def delivery_prices(self, index_name: str, start: int, end: int) -> delivery.DeliveryPrices:
        rows = self.body("delivery_prices")["data"]  # five of thousands were kept

        def request(method: str, params: Mapping[str, Any], read: Callable[[Any], Any]) -> Any:
            return read({"data": rows[params["offset"] :], "records_total": len(rows)})

        return delivery.collect(request, index_name, start, end)

    def volatility(self, currency: str, start: int, end: int) -> volatility.Volatility:
        body = self.body("volatility_index")
        return volatility.collect(lambda method, params, read: read(body), currency, start, end)

    def summaries(self, currency: str, kind: str) -> summaries.Summaries:
        read = summaries.reader(currency, kind)
        return read(self.body("book_summary_future") if kind == "future" else self.chain()[currency])

    def chain(self) -> dict[str, list[dict]]:
        return recorded_chain(self.folder / "option_chain_20251230T173115Z.csv")

    def option_ticker(self, instrument_name: str) -> Any:
        raise ExchangeUnavailable(f"of {instrument_name} no ticker was recorded beside the chain")


def recorded_chain(path: Path) -> dict[str, list[dict]]:
    """The recorded chain as the exchange would have sent it, by currency: numbers by their own text; with strike,
    option_type and expires of each, which it does not send."""
    chain: dict[str, list[dict]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            numbers = {
                "mark_price": row["mark_price"], "bid_price": row["bid_price"], "ask_price": row["ask_price"],
                "open_interest": row["open_interest"], "volume": row["volume"],
                "underlying_price": row["futures_price"],
                "estimated_delivery_price": row["index_price"], "interest_rate": "0.0",
                # the recording has a fraction; the exchange sends percent with two decimals
                "mark_iv": str(round(Decimal(row["implied_volatility"]) * 100, 2)),
            }  # fmt: skip
            chain[row["currency"]].append(
                {name: float(value) if value else None for name, value in numbers.items()}
                | {
                    "instrument_name": row["instrument_name"], "last": None,
                    "creation_timestamp": round(datetime.fromisoformat(row["timestamp"]).timestamp() * 1000),
                    "underlying_index": row["futures_instrument_name"],
                    "strike": float(row["strike"]), "option_type": row["option_type"],
                    "expires": datetime.fromisoformat(row["expiry_datetime"]),
                }
            )  # fmt: skip
    return chain


def answer_rates(connection: Connection, answers: Answers) -> Iterator[Rate]:
    """Of what single answers were recorded of; nothing of it stays in the database."""
    hours = [row[0] for row in answers.body("volatility_index")["data"]]
    days = [row["timestamp"] // DAY * DAY for row in answers.settled()]
    names = sorted({row["instrument_name"] for row in answers.settled()})
    moment = datetime.now(UTC)
    with connection.transaction(force_rollback=True):
        record_collected(connection, "BTC", ["BTC", "ETH"], datetime(2016, 1, 1, tzinfo=UTC))
        ids = {name: listed(connection, name, instant(min(days)), instant(max(days))) for name in names}
        begins, ends = instant(min(days)), instant(max(days) + DAY)
        load(DELIVERY_PRICES, answers, connection, Window("btc_usd", "btc_usd", None, begins, ends, 1))
        for name in names:
            load(SETTLEMENTS, answers, connection, Window(name, name, ids[name], begins, ends, 1))
        of_hours = instant(min(hours)), instant(max(hours) + 3_600_000)
        load(VOLATILITY_INDEX, answers, connection, Window("BTC", "BTC", None, *of_hours, 1))
        found = [
            (SETTLEMENTS, begins, ends), (DELIVERY_PRICES, begins, ends), (VOLATILITY_INDEX, *of_hours),
        ]  # fmt: skip
        for dataset, first, past in found:
            profile = profiles.profile(connection, dataset, first, past, currencies=["BTC"])
            yield from validated(dataset, profile[~profile.missing].reset_index(drop=True))
    with connection.transaction(force_rollback=True):
        load(INSTRUMENT_SUMMARIES, answers, connection, Window("BTC", "BTC", None, moment, moment, 1))
        for currency in answers.chain():
            load(OPTIONS_CHAIN, answers, connection, Window(currency, currency, None, moment, moment, 1))
        for dataset in (INSTRUMENT_SUMMARIES, OPTIONS_CHAIN):
            yield from validated(
                dataset, profiles.profile(connection, dataset, moment, moment, currencies=["BTC", "ETH"])
            )


def listed(connection: Connection, name: str, first: datetime, last: datetime) -> int:
    """Adds a contract of BTC that lived through these days, one that has an expiry in its name to 08:00 of the last;
    returns its id."""
    perpetual = name.endswith("-PERPETUAL")
    store_instruments(connection, [(
        name, None, "future", "BTC", "USD", "BTC", "perpetual" if perpetual else "day", "reversed", "btc_usd", 0.5, 10,
        first if perpetual else last - timedelta(days=1), "infinity" if perpetual else last + timedelta(hours=8),
        None, None, "open", True, "history", None, None, None, None,
    )])  # fmt: skip
    [(number,)] = connection.execute(
        "SELECT instrument_id FROM store.instrument WHERE instrument = %s", (name,)
    ).fetchall()
    return number


def load(dataset: Dataset, answers: Any, connection: Connection, window: Window) -> None:
    assert dataset.load
    dataset.load(answers, connection, window, Provenance(dataset.name, window.subject, "recorded", "recorded"))


def catalogue_row(one: Instrument) -> tuple:
    """In the order of catalogue/stage.sql."""
    return (
        one.instrument_name, one.exchange_id, one.kind, one.base_currency, one.quote_currency, one.settlement_currency,
        one.settlement_period, one.instrument_type, one.price_index, one.tick_size, one.contract_size,
        market_data.time_of(one.created), market_data.time_of(one.expires), one.strike, one.option_type, one.state,
        one.is_active, one.host, one.underlying_type, *implied(one),
    )  # fmt: skip


def validated(dataset: Dataset, profile: DataFrame) -> Iterator[Rate]:
    suite = read_suite(settings.EXPECTATIONS / f"{dataset.suite}.json").keyed(dataset.keys)
    validation = validate(profile, suite, keys=list(suite.keys), run_name="recorded")
    broken = {each.rule: len(set(each.keys)) or len(profile) for each in validation.broken}
    rules = {each["meta"]["rule"]: each["severity"] for each in suite.expectations}
    for rule, severity in rules.items():
        yield Rate(dataset.suite, rule, severity, broken.get(rule, 0), len(profile))


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("python -m bench.recorded FOLDER: the folder of the recorded data")
    with server() as running, running.market("recorded") as database:
        with running.connect(database, options="-c timezone=UTC", autocommit=True) as connection:
            for rate in rates(connection, Path(sys.argv[1])):
                print(f"{rate.dataset:21}{rate.rule:36}{rate.severity:10}{rate.broken:7,} of {rate.rows:,}")


if __name__ == "__main__":
    main()
