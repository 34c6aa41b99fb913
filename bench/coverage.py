"""Coverage of as much as a whole history has: every inverse contract of BTC and ETH since 2018-08, a version a key.

The catalogue is that of the simulator. The rows have no prices, and a day of candles is one minute long: coverage reads
neither. What each dataset adds is its own part of the view (include/sql/datasets/*/stored.sql), asked alone. The
completion report, which counts days as coverage does, is written of the same store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import LiteralString

import psutil
from psycopg import Connection

from deribit_warehouse.quality.completion_report import markdown
from deribit_warehouse.report import report
from deribit_warehouse.warehouse import sql

from . import market_data
from .database import Server
from .metric import Metric, seconds
from .queries import quiesce
from .validation import Counting

BEGINS = datetime(2018, 8, 1, tzinfo=UTC)
RUNS = 11
REPORTS = 3

# each in the order in which months are loaded one after the other
ROWS = {
    "candle_day": """
        (instrument_id, day, version_id, state, validation_id, shown, reference, first_minute, n, present, duplicate,
         misaligned, out_of_order, out_of_window, open, high, low, close, volume, cost, fresh, traded, calculable,
         turnover)
        SELECT instrument_id, d::date, 1, 'published', 1, '{[1,)}', 'perpetual', 0, 1, 1, 0, 0, 0, 0,
               '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', b.all, b.all, true, 1
        FROM life CROSS JOIN (SELECT repeat('1', 1440)::bit(1440) AS all) AS b
        CROSS JOIN LATERAL generate_series(date_trunc('day', begins), ends - interval '1 minute', '1 day') AS d
        ORDER BY date_trunc('month', d), instrument_id, d""",
    "basis_day": """
        (instrument_id, day, version_id, state, validation_id, shown, future_version_id, perpetual_id,
         perpetual_version_id, minutes)
        SELECT c.instrument_id, c.day, 1, 'published', 1, '{[1,)}', 1, f.perpetual_id, 1, c.n
        FROM store.candle_day c JOIN store.future f USING (instrument_id)
        WHERE c.day >= f.from_day AND c.day < f.past_day
        ORDER BY date_trunc('month', c.day), c.instrument_id, c.day""",
    "index_day": """
        (index_name, day, version_id, state, validation_id, shown, perpetual_id, perpetual_version_id, hourly,
         compared_hours)
        SELECT x.index_name, c.day, 1, 'published', 1, '{[1,)}', c.instrument_id, 1, array_fill(1::float8, '{24}'), 24
        FROM store.candle_day c JOIN store.index_proxy x ON x.perpetual_id = c.instrument_id
        ORDER BY date_trunc('month', c.day), x.index_name, c.day""",
    "funding_start": """
        (instrument_id, first_hour)
        SELECT instrument_id, date_trunc('hour', begins) + interval '1 hour' FROM life WHERE perpetual""",
    "funding_rate": """
        (instrument_id, ts, version_id, state, validation_id, shown)
        SELECT instrument_id, ts, 1, 'published', 1, '{[1,)}'
        FROM life JOIN store.funding_start USING (instrument_id)
        CROSS JOIN LATERAL generate_series(first_hour, ends, '1 hour') AS ts
        ORDER BY date_trunc('month', ts), instrument_id, ts""",
    "volatility_index": """
        (currency, ts, version_id, state, validation_id, shown, open, high, low, close, duplicate)
        SELECT currency, ts, 1, 'published', 1, '{[1,)}', 1, 1, 1, 1, false
        FROM store.volatility_currency
        CROSS JOIN LATERAL generate_series(first_hour, (SELECT max(ends) FROM life) - interval '1 hour', '1 hour') AS ts
        ORDER BY date_trunc('month', ts), currency, ts""",
    "delivery_price": """
        (index_name, day, version_id, state, validation_id, shown, price, duplicate)
        SELECT index_name, day, 1, 'published', 1, '{[1,)}', 1, false FROM store.index_day ORDER BY index_name, day""",
    "settlement": """
        (instrument_id, day, type, version_id, state, validation_id, shown, settled_at, duplicate)
        SELECT instrument_id, d::date, 'settlement', 1, 'published', 1, '{[1,)}', d + interval '8 hours', false
        FROM life CROSS JOIN LATERAL generate_series(date_trunc('day', begins) + interval '1 day',
                                                     date_trunc('day', ends - interval '1 minute'), '1 day') AS d
        ORDER BY date_trunc('month', d), instrument_id, d""",
    "roll": """
        (instrument_id, rule, eligible, rank, version_id, state, validation_id, shown, day, skipped)
        SELECT instrument_id, rule, eligible, rank, 1, 'published', 1, '{[1,)}', day, false FROM store.roll_chain()""",
    "roster": "(digest, first_beat, instruments) VALUES (gen_random_uuid(), now(), '{BTC-PERPETUAL}')",
    "snapshot_beat": """
        (dataset, begins, seconds)
        SELECT v.dataset, (SELECT max(ends) FROM life) - interval '7 days', v.seconds
        FROM (VALUES ('instrument_summaries', 60), ('options_chain', 300)) AS v(dataset, seconds)""",
    "instrument_summary": """
        (currency, beat, version_id, state, validation_id, shown, roster_id, told_at, mark_price, index_price,
         bid_price, ask_price, last_price, open_interest, volume, current_funding, funding_8h, unreadable)
        SELECT currency, beat, 1, 'published', 1, '{[1,)}', 1, ARRAY[beat],
               '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{}'
        FROM store.collected CROSS JOIN store.snapshot_beat b
        CROSS JOIN LATERAL generate_series(b.begins, b.begins + interval '6 days 23:59', '1 minute') AS beat
        WHERE dataset = 'instrument_summaries' ORDER BY beat, currency""",
    "option_chain": """
        (currency, beat, series, version_id, state, validation_id, shown, expires_at, roster_id, told_at, quotes,
         scales, odd_quotes, underlying, interest_rate, unreadable)
        SELECT currency, beat, 'expiry ' || k, 1, 'published', 1, '{[1,)}', beat, 1, ARRAY[beat], '{}', '{}', '{}',
               '{BTC}', '{0}', '{}'
        FROM store.collected CROSS JOIN store.snapshot_beat b
        CROSS JOIN LATERAL generate_series(b.begins, b.begins + interval '6 days 23:55', '5 minutes') AS beat
        CROSS JOIN generate_series(1, 12) AS k
        WHERE dataset = 'options_chain' ORDER BY beat, currency, k""",
}  # fmt: skip


def run(server: Server) -> Iterator[Metric]:
    source = market_data.market()
    contracts = market_data.listed_between(source, BEGINS, market_data.NOW)
    with server.market("bench_coverage") as database:
        with server.connect(database, "market_owner") as connection:
            market_data.register(connection, [window.listing for window in contracts])
            market_data.validation(connection, BEGINS, market_data.NOW)
            stored = fill(connection)
        quiesce(server, database)
        reader = {"autocommit": True, "options": "-c timezone=UTC", "cursor_factory": Counting}
        with server.connect(database, "market_reader", **reader) as connection:

            def timed(name: str, work: Callable[[], object], runs: int, at_most: float | None = None) -> Metric:
                backend = psutil.Process(connection.info.backend_pid)
                before = backend.cpu_times().user
                took = seconds(work, runs)
                spent = (backend.cpu_times().user - before) / runs  # says as much on a machine that is busy
                note = f"{spent * 1000:.0f} ms of Postgres' processor"
                return Metric(name, took * 1000, "ms", note=note, at_most=at_most)

            def asked(name: str, statement: LiteralString, at_most: float | None = None) -> Metric:
                return timed(f"coverage: {name}", lambda: connection.execute(statement).fetchall(), RUNS, at_most)

            yield Metric("coverage: rows it counts", stored, "rows")
            yield asked("everything, instrument by month", "SELECT * FROM coverage", at_most=100)
            yield asked("its plan", "EXPLAIN SELECT * FROM coverage")
            for file in sorted(sql.FOLDER.glob("datasets/*/stored.sql")):
                name = file.parent.name
                yield asked(f"what is stored of {name}", sql.statement(f"datasets/{name}/stored"))

            before = Counting.statements
            yield timed("report: written as Markdown", lambda: markdown(report(connection)), REPORTS)
            yield Metric("report: statements", (Counting.statements - before) / REPORTS, "statements")


def fill(connection: Connection) -> int:
    """Stores a published version of every key there should be; returns how many rows coverage counts."""
    connection.execute(
        "INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
        "VALUES ('bench', 'bench', 'bench', 'bench', 0, 0, 0)"
    )
    connection.execute("UPDATE store.collected SET since = %s", [BEGINS])
    connection.execute(
        "CREATE TEMP TABLE life ON COMMIT DROP AS "
        "SELECT instrument_id, perpetual, greatest(begins, %s) AS begins, least(ends, %s) AS ends FROM store.lifetime",
        [BEGINS, market_data.NOW],
    )
    stored = {table: connection.execute(f"INSERT INTO store.{table} {rows}").rowcount for table, rows in ROWS.items()}
    return sum(stored.values())
