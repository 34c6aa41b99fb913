"""The gate over a month of all futures: the profile Postgres sums up, and Great Expectations over it.

The baseline is one reading of the same minutes through the view, all six columns, as cheap as SQL can have it. That of
the suite alone is Great Expectations as it comes, which repeats work that the gate has it do once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Self
from unittest.mock import patch

import psycopg

from deribit_warehouse import settings
from deribit_warehouse.datasets import FUTURES_OHLCV
from deribit_warehouse.quality.suites import read_suite, read_waivers
from deribit_warehouse.quality.validate import decide, validate
from deribit_warehouse.warehouse import profiles

from . import market_data
from .database import Server
from .metric import Metric, processor_in_turn, seconds
from .queries import quiesce

REPEATING_LESS = "deribit_warehouse.quality.validate._repeating_less"

MONTH = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
ONE_SCAN = "SELECT count(*), sum(open), sum(high), sum(low), sum(close), sum(volume), sum(cost) FROM futures_ohlcv"


class Counting(psycopg.Cursor):
    """Counts what is executed."""

    statements = 0

    def execute(self, *given: Any, **named: Any) -> Self:
        Counting.statements += 1
        return super().execute(*given, **named)


def run(server: Server) -> Iterator[Metric]:
    source = market_data.market()
    with server.market("bench_validation") as database:
        with server.connect(database) as connection:
            contracts = market_data.listed_between(source, *MONTH)
            market_data.fill(connection, source, contracts)
            market_data.publish(connection, *MONTH)
        quiesce(server, database)
        with server.connect(database, options="-c timezone=UTC", cursor_factory=Counting) as connection:
            validated = validate_month(connection, ["BTC", "ETH"], *MONTH)
            less, as_it_comes = processor_of_suite(connection, ["BTC", "ETH"], *MONTH)
            scan = seconds(lambda: connection.execute(ONE_SCAN).fetchall(), 3)
            yield Metric("validation: minutes of a month of all futures", validated.minutes, "minutes")
            yield Metric("validation: profile and suite, warm", validated.whole, "s", scan, "one plain scan", at_most=3)
            yield Metric("validation: of it the profile in Postgres", validated.profile, "s")
            yield Metric("validation: the first one of a process", validated.cold, "s")
            yield Metric(
                "validation: processor of the suite, without Postgres", less, "s", as_it_comes,
                "Great Expectations repeating its work", ratio_at_most=0.5,
            )  # fmt: skip
            yield Metric("validation: statements over the data", validated.statements, "statements", at_most=3)


@dataclass(frozen=True)
class Validated:
    """Seconds: whole (median, warm), of it profile, and the first time in this process."""

    whole: float
    profile: float
    cold: float
    minutes: int
    statements: int


def validate_month(
    connection: psycopg.Connection, currencies: list[str], begins: datetime, ends: datetime, runs: int = 5
) -> Validated:
    """What the DAG's gate does before it writes: profile, validate, decide. Expects a connection that counts."""
    suite = read_suite(settings.EXPECTATIONS / "futures_ohlcv.json")
    waivers = read_waivers(settings.EXPECTATIONS / "waivers.json")

    def once() -> tuple[float, float, int]:
        """Seconds of the profile and of everything, and the minutes that were there."""
        began = time.perf_counter()
        profile = profiles.profile(connection, FUTURES_OHLCV, begins, ends, currencies=currencies)
        profiled = time.perf_counter()
        validation = validate(profile, suite, keys=["instrument", "day"], run_name="bench")
        decide(validation, waivers=waivers, tolerated_share=suite.tolerated_share)
        return profiled - began, time.perf_counter() - began, int(profile.minutes.sum())

    before = Counting.statements
    _, cold, minutes = once()
    statements = Counting.statements - before
    warm = [once() for _ in range(runs)]
    return Validated(
        median(whole for _, whole, _ in warm), median(profile for profile, _, _ in warm), cold, minutes, statements
    )


def processor_of_suite(
    connection: psycopg.Connection, currencies: list[str], begins: datetime, ends: datetime, runs: int = 5
) -> tuple[float, float]:
    """Seconds of this process' processor for the suite over the profile of [begins, ends): as the gate runs it, and
    with Great Expectations as it comes."""
    suite = read_suite(settings.EXPECTATIONS / "futures_ohlcv.json")
    profile = profiles.profile(connection, FUTURES_OHLCV, begins, ends, currencies=currencies)

    def as_the_gate() -> None:
        validate(profile, suite, keys=["instrument", "day"], run_name="bench")

    def as_it_comes() -> None:
        with patch(REPEATING_LESS, nullcontext):
            as_the_gate()

    return processor_in_turn(as_the_gate, as_it_comes, runs)
