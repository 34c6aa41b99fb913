"""The basis and what is read of it, over a year and a bit of all BTC futures and their perpetual.

The baseline is the layout everybody begins with: a row a minute, numbers as float8, a primary key (instrument_id, ts);
the newest 30 days of the same minutes, vacuumed, and the same question in plain SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from pandas import DataFrame
from psycopg import Connection

from deribit_warehouse import settings
from deribit_warehouse.datasets import BASIS_SPREAD
from deribit_warehouse.quality.suites import read_suite
from deribit_warehouse.quality.validate import validate
from deribit_warehouse.tables import BASIS_DAY
from deribit_warehouse.warehouse import profiles, publication

from . import market_data
from .database import Server
from .metric import Metric, seconds

ENDS = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 400
ROWS_OF_DAYS = 30

BASIS_BY_ROWS = """
    SELECT count(future), count(future - perpetual), max(abs(future - perpetual) / nullif(perpetual, 0)),
           max(abs(future - perpetual) / nullif(perpetual, 0) * 365 * 86400
               / extract(epoch FROM expires_at - ts - interval '1 minute')::float8)
               FILTER (WHERE expires_at - ts - interval '1 minute' >= interval '1 day')
    FROM (SELECT i.instrument_id, f.ts, i.expires_at, f.close AS future, p.close AS perpetual
          FROM public.minute f JOIN store.future i USING (instrument_id)
          JOIN public.minute p ON p.instrument_id = i.perpetual_id AND p.ts = f.ts
          WHERE f.ts >= %(from)s AND f.ts < %(to)s AND p.ts >= %(from)s AND p.ts < %(to)s) AS m
    GROUP BY instrument_id, ts::date
"""
STRUCTURE = """
    SELECT i.instrument, f.close, p.close, f.close - p.close
    FROM store.future i JOIN public.minute f USING (instrument_id)
    JOIN public.minute p ON p.instrument_id = i.perpetual_id AND p.ts = f.ts
    WHERE i.base_currency = 'BTC' AND f.ts = %(at)s ORDER BY i.expires_at
"""


def run(server: Server, days: int = DAYS) -> Iterator[Metric]:
    begins = ENDS - timedelta(days=days)
    source = market_data.market()
    with server.market("bench_queries") as database:
        with server.connect(database) as connection:
            contracts = market_data.listed_between(source, begins, ENDS, coins=("BTC",))
            market_data.fill(connection, source, contracts)
            market_data.publish(connection, begins, ENDS)
        quiesce(server, database)
        with server.connect(database, "market_owner") as owner:
            store_as_rows(owner, ENDS - timedelta(days=ROWS_OF_DAYS))
        quiesce(server, database)
        # read as a loader, which may pair; each question is asked in a transaction that is rolled back
        with server.connect(database, options="-c timezone=UTC") as connection:
            futures = sum(window.minutes for window in contracts if not window.listing.perpetual)
            found = answers(connection, begins, ENDS)
            as_rows = baselines(connection)
            yield Metric("basis: future minutes in the database", futures, "minutes")
            yield Metric(
                "basis: computed in full and validated", futures / found.full, "minutes/s", as_rows.full,
                "a row a minute, the newest 30 days", at_least=1.5e6,
            )  # fmt: skip
            yield Metric("basis: read from the view, the newest 30 days", view_rate(connection), "minutes/s")
            yield Metric(
                "basis: one day again", found.day * 1000, "ms", as_rows.day * 1000, "a row a minute", at_most=50
            )  # fmt: skip
            yield Metric("basis: one day again, with Great Expectations", found.day_validated * 1000, "ms")
            yield Metric(
                "basis: term structure at an instant", found.structure * 1000, "ms", as_rows.structure * 1000,
                "a row a minute", at_most=5,
            )  # fmt: skip
            yield Metric(
                "basis: a year of one contract, in the server", found.contract * 1000, "ms", at_most=200,
                note=f"{found.contract_minutes:,} minutes",
            )  # fmt: skip
            yield Metric(
                "basis: a year of one contract, as rows in Python", contract_rows(connection, begins, ENDS) * 1000, "ms"
            )  # fmt: skip
            yield Metric("basis: coverage of everything, instrument by month", found.coverage * 1000, "ms", at_most=100)


@dataclass(frozen=True)
class Answers:
    """Seconds, medians. contract_minutes: how many minutes the one contract's answer had."""

    full: float
    day: float
    day_validated: float
    structure: float
    contract: float
    contract_minutes: int
    coverage: float


@dataclass(frozen=True)
class Rows:
    """The baseline: full in minutes a second, the others in seconds."""

    full: float
    day: float
    structure: float


def answers(connection: Connection, begins: datetime, ends: datetime, runs: int = 5) -> Answers:
    """Every question about a database filled with [begins, ends), asked of the statements the DAGs and users run."""
    midnight = ends - timedelta(days=10)
    day = midnight.date()
    instant = ends - timedelta(days=9, hours=11, minutes=23)
    name = longest(connection, begins, ends)

    def asked(statement: LiteralString, *values: Any) -> list[tuple]:
        found = connection.execute(statement, values).fetchall()
        connection.rollback()
        return found

    def full() -> None:
        basis_profile(connection, begins, ends)
        connection.rollback()

    def again(check: Callable[[DataFrame], object]) -> None:
        """A day as if it had never been validated: paired, computed, and what the check says of it written."""
        connection.execute("DELETE FROM store.basis_day WHERE day = %s", [day])
        publication.compute(connection, BASIS_SPREAD, day, day + timedelta(days=1), market_data.COMPUTED)
        profile = basis_profile(connection, midnight, midnight + timedelta(days=1))
        check(profile)
        versions = [(row.instrument_id, row.day, row.version_id) for row in profile.itertuples(index=False)]
        publication.publish(connection, BASIS_DAY, validation_id, versions)
        connection.rollback()

    contract = "SELECT count(*), sum(annualised), max(ts) FROM basis(%s, %s, %s)"
    [[validation_id]] = asked("SELECT max(validation_id) FROM store.validation")
    suite = read_suite(settings.EXPECTATIONS / "basis_spread.json")

    def great_expectations(profile: DataFrame) -> None:
        validate(profile, suite, keys=["instrument", "day"], run_name="bench")

    great_expectations(basis_profile(connection, midnight, midnight + timedelta(days=1)))  # warm
    connection.rollback()
    [[minutes, *_]] = asked(contract, name, begins, ends)
    return Answers(
        full=seconds(full, 3),
        day=seconds(lambda: again(lambda profile: None), 4 * runs),
        day_validated=seconds(lambda: again(great_expectations), runs),
        structure=seconds(lambda: asked("SELECT * FROM term_structure_at('BTC', %s)", instant), 10 * runs),
        contract=seconds(lambda: asked(contract, name, begins, ends), 4 * runs),
        contract_minutes=minutes,
        coverage=seconds(lambda: asked("SELECT * FROM coverage"), runs),
    )


def basis_profile(connection: Connection, begins: datetime, ends: datetime) -> DataFrame:
    return profiles.profile(connection, BASIS_SPREAD, begins, ends, currencies=[])


def longest(connection: Connection, begins: datetime, ends: datetime) -> str:
    """The future of the original coins that lived through most of [begins, ends)."""
    [[name]] = connection.execute(
        "SELECT instrument FROM store.future WHERE base_currency = 'BTC'"
        " ORDER BY least(expires_at, %s) - greatest(listed_at, %s) DESC LIMIT 1", [ends, begins],
    ).fetchall()  # fmt: skip
    connection.rollback()
    return name


def view_rate(connection: Connection) -> float:
    """Minutes a second when a reader asks the view for five of its columns."""
    statement = (
        "SELECT count(*), count(basis), sum(annualised), sum(index_annualised), count(structure), max(ts)"
        " FROM basis_spread WHERE day >= %s"
    )
    values = [ENDS.date() - timedelta(days=ROWS_OF_DAYS)]
    [[minutes, *_]] = connection.execute(statement, values).fetchall()
    rate = minutes / seconds(lambda: connection.execute(statement, values).fetchall(), 3)
    connection.rollback()
    return rate


def contract_rows(connection: Connection, begins: datetime, ends: datetime) -> float:
    """The same year with every column and row handed over, which is mostly psycopg making Python objects."""
    name = longest(connection, begins, ends)

    def fetch() -> None:
        connection.execute("SELECT * FROM basis(%s, %s, %s)", [name, begins, ends]).fetchall()
        connection.rollback()

    return seconds(fetch, 3)


def store_as_rows(owner: Connection, begins: datetime) -> None:
    owner.execute(
        "CREATE TABLE public.minute (instrument_id integer, ts timestamptz, open float8, high float8, low float8,"
        " close float8, volume float8, cost float8, PRIMARY KEY (instrument_id, ts))"
    )
    owner.execute(
        "INSERT INTO public.minute SELECT i.instrument_id, c.ts, c.open, c.high, c.low, c.close, c.volume, c.cost"
        " FROM candle c JOIN store.instrument i USING (instrument) WHERE c.day >= %s AND c.close IS NOT NULL",
        [begins.date()],
    )
    owner.execute("GRANT SELECT ON public.minute TO market_loader")


def baselines(connection: Connection) -> Rows:
    begins = ENDS - timedelta(days=ROWS_OF_DAYS)
    day = ENDS - timedelta(days=10)
    instant = ENDS - timedelta(days=9, hours=11, minutes=23)

    def asked(statement: LiteralString, **values: Any) -> list[tuple]:
        found = connection.execute(statement, values).fetchall()
        connection.rollback()
        return found

    counted = asked(BASIS_BY_ROWS, **{"from": begins, "to": ENDS})
    return Rows(
        full=sum(row[0] for row in counted) / seconds(lambda: asked(BASIS_BY_ROWS, **{"from": begins, "to": ENDS}), 3),
        day=seconds(lambda: asked(BASIS_BY_ROWS, **{"from": day, "to": day + timedelta(days=1)}), 10),
        structure=seconds(lambda: asked(STRUCTURE, at=instant), 50),
    )


def quiesce(server: Server, database: str) -> None:
    """What autovacuum would have done by the next day: statistics, the visibility map, nothing left to write."""
    with server.connect(database, "market_owner", autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE)")
    server.checkpoint()
