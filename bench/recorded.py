"""How many recorded rows break each rule: `python -m bench.recorded FOLDER` asks it again.

The recorded candles lie at isolated minutes; between them the price stands still, as in a market without a trade, so
that whole days can be validated. What is counted of a rule are instrument-days (funding: hours).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pandas import DataFrame
from psycopg import Connection

from deribit_warehouse import settings
from deribit_warehouse.datasets import FUNDING_RATES, FUTURES_OHLCV, PERPETUALS_OHLCV
from deribit_warehouse.quality.suites import read_suite
from deribit_warehouse.quality.validate import validate
from deribit_warehouse.warehouse import profiles
from deribit_warehouse.warehouse.funding import record_start, store_funding
from deribit_warehouse.warehouse.ingestion import Provenance, record_fetched
from exchange_simulator.replay import Replay

from . import market_data
from .database import server

DAY = 86_400_000
FIRST = datetime(2025, 12, 30, tzinfo=UTC)
RATES = ("interest_1h", "interest_8h", "index_price", "prev_index_price")


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
    yield from validated("perpetuals_ohlcv", profiles.profile(connection, PERPETUALS_OHLCV, **interval))
    yield from validated("futures_ohlcv", profiles.profile(connection, FUTURES_OHLCV, **interval))
    until = {"begins": instant(times[0]) - timedelta(hours=1), "ends": instant(times[-1])}
    yield from validated("funding_rates", profiles.profile(connection, FUNDING_RATES, **interval | until))


def validated(dataset: str, profile: DataFrame) -> Iterator[Rate]:
    suite = read_suite(settings.EXPECTATIONS / f"{dataset}.json")
    validation = validate(profile, suite, keys=list(suite.keys), run_name="recorded")
    broken = {each.rule: len(set(each.keys)) or len(profile) for each in validation.broken}
    rules = {each["meta"]["rule"]: each["severity"] for each in suite.expectations}
    for rule, severity in rules.items():
        yield Rate(dataset, rule, severity, broken.get(rule, 0), len(profile))


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("python -m bench.recorded FOLDER: the folder of the recorded data")
    with server() as running, running.market("recorded") as database:
        with running.connect(database, options="-c timezone=UTC", autocommit=True) as connection:
            for rate in rates(connection, Path(sys.argv[1])):
                print(f"{rate.dataset:18}{rate.rule:36}{rate.severity:10}{rate.broken:7,} of {rate.rows:,}")


if __name__ == "__main__":
    main()
