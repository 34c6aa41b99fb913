"""What grows how: the same questions with 1, 4 and 16 times the instruments.

The base is twelve days of all BTC futures and their perpetual. The others are the same under further coins, at prices
of their own, so that only the number differs. The baseline of each metric is the same one at the base: ratio 1 does
not grow at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from . import market_data
from .database import Server
from .metric import Metric
from .queries import answers, quiesce
from .validation import Counting, validate_month

WINDOW = datetime(2026, 9, 19, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
TIMES = (1, 4, 16)
RUNS = 3


def run(server: Server) -> Iterator[Metric]:
    source = market_data.market()
    contracts = market_data.listed_between(source, *WINDOW, coins=("BTC",))
    futures = sum(window.minutes for window in contracts if not window.listing.perpetual)
    base: dict[str, float] = {}
    for times in TIMES:
        with server.market(f"bench_growth_{times}") as database:
            with server.connect(database) as connection:
                market_data.fill(connection, source, contracts, times)
                market_data.publish(connection, *WINDOW)
            quiesce(server, database)
            with server.connect(database, options="-c timezone=UTC", cursor_factory=Counting) as connection:
                found = answers(connection, *WINDOW, runs=RUNS)
                coins = [f"BTC{market_data.coin_suffix(copy)}" for copy in range(times)]
                validated = validate_month(connection, coins, *WINDOW, runs=RUNS)
        for name, value, unit in (
            ("instruments", times * len(contracts), "instruments"),
            ("minutes the gate validated", validated.minutes, "minutes"),
            ("basis, computed in full and validated", times * futures / found.full, "minutes/s"),
            ("basis, one day again", found.day * 1000, "ms"),
            ("term structure of one coin at an instant", found.structure * 1000, "ms"),
            ("basis, all days of one contract", found.contract * 1000, "ms"),
            ("coverage of everything", found.coverage * 1000, "ms"),
            ("gate of all days, warm", validated.whole, "s"),
            ("gate of all days, the profile", validated.profile, "s"),
            ("gate, statements over the data", validated.statements, "statements"),
        ):
            base.setdefault(name, value)
            yield Metric(f"growth ×{times}: {name}", value, unit, base[name], "the base")
