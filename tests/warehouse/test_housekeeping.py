"""What grows and is no market data: measured, and taken away once nothing names it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import psycopg
import pytest

from deribit_warehouse.datasets import DATASETS
from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse import housekeeping, publication, sql, validations
from tests.warehouse.days import FIRST, Warehouse, Watched, at, trading

NEXT = FIRST + timedelta(days=1)


NOTHING = {"quarantine": 0, "run_failure": 0}


def prune(warehouse: Warehouse, before: datetime | None = None) -> dict[str, int]:
    before = before or warehouse.value("SELECT clock_timestamp()")
    return housekeeping.prune_records(warehouse.connection, before)


def records(warehouse: Warehouse) -> tuple[int, int]:
    return (
        warehouse.value("SELECT count(*) FROM store.ingestion"),
        warehouse.value("SELECT count(*) FROM store.validation"),
    )


@pytest.fixture
def btc(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", at(FIRST))


def test_what_names_a_load_or_a_validation_is_every_column_that_could(market):
    """A new table is found by its foreign keys and by how its columns are called."""
    found = {(row[0], row[1], row[2]) for row in market.rows(sql.statement("housekeeping/naming"))}
    of = {(relation, referring) for _, relation, referring in found}
    for dataset in DATASETS:
        if dataset.table:
            assert {(dataset.table.name, each) for each in ("version_id", "validation_id", "shown")} <= of, dataset.name
    assert {
        ("quarantine", "closed_by"),
        ("index_day", "funding_validation_id"),
        ("index_day", "summary_validation_id"),
        ("basis_day", "future_version_id"),
        ("summary_day", "version_ids"),
        ("summary_day", "validation_ids"),
    } <= of
    keys = market.rows(
        "SELECT conrelid::regclass::text, a.attname FROM pg_constraint c JOIN pg_attribute a "
        "ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f' "
        "AND c.confrelid IN ('store.ingestion'::regclass, 'store.validation'::regclass)"
    )
    assert {(relation.removeprefix("store."), referring) for relation, referring in keys} <= of


def test_whatever_names_one_is_found_without_reading_its_table(market):
    """Postgres looks there for each row that is deleted."""
    lacking = market.rows(
        "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c JOIN pg_attribute a "
        "ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f' "
        "AND c.confrelid IN ('store.ingestion'::regclass, 'store.validation'::regclass) "
        "AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = a.attnum "
        "AND (i.indpred IS NULL OR a.attname = 'closed_by'))"
    )
    assert lacking == []


def test_what_a_version_names_stays_and_what_nothing_names_goes(warehouse, btc):
    warehouse.candles(btc, trading(at(FIRST), at(NEXT), seed=1))
    warehouse.publish(btc)
    assert records(warehouse) == (1, 1)
    for _ in range(3):
        warehouse.validation()  # found all as it was
    assert prune(warehouse, at(FIRST)) == NOTHING | {"ingestion": 0, "validation": 0}, "they are younger"
    assert prune(warehouse) == NOTHING | {"ingestion": 0, "validation": 2}, "but for the newest of the month"
    assert records(warehouse) == (1, 2)
    assert prune(warehouse) == NOTHING | {"ingestion": 0, "validation": 0}


def test_as_of_answers_as_before_whatever_went(warehouse, btc):
    """What published and took away a version that is kept stays, though it put none into its present state."""
    moments, shown = [], []

    def look() -> None:
        moments.append(warehouse.value("SELECT clock_timestamp()"))
        shown.append(closes(warehouse, moments[-1]))
        warehouse.validation()

    for seed in range(3):
        warehouse.candles(btc, trading(at(FIRST), at(NEXT), seed=seed))
        look()
        warehouse.publish(btc)
        look()
    warehouse.hold(CANDLE_DAY, warehouse.newest(btc))
    look()
    warehouse.publish(btc)
    look()
    assert len({tuple(each) for each in shown}) == 4, "nothing, and three versions"
    assert prune(warehouse) == NOTHING | {"ingestion": 0, "validation": 7}
    assert [closes(warehouse, moment) for moment in moments] == shown
    assert warehouse.value("SELECT count(*) FROM corrections WHERE corrected_at IS NULL") == 0


def closes(warehouse: Warehouse, moment: datetime) -> list[tuple]:
    return warehouse.rows("SELECT close FROM candles('BTC-PERPETUAL', '-infinity', 'infinity', %s)", moment)


def test_a_load_goes_once_its_versions_are_gone(warehouse, btc):
    for seed in range(3):
        warehouse.candles(btc, trading(at(FIRST), at(NEXT), seed=seed))
        warehouse.publish(btc)
    assert prune(warehouse) == NOTHING | {"ingestion": 0, "validation": 0}
    publication.prune(warehouse.connection, warehouse.value("SELECT clock_timestamp()"), DATASETS)
    assert prune(warehouse) == NOTHING | {"ingestion": 2, "validation": 2}
    assert warehouse.value("SELECT count(*) FROM perpetuals_ohlcv") == 1440


def look(warehouse: Warehouse, *, finds: bool) -> int:
    """A validation of one key, which finds something of it or nothing."""
    validation_id = warehouse.validation()
    with warehouse.connection.transaction():
        validations.record_findings(
            warehouse.connection, validation_id, "candles", seen=[("A", FIRST, None)],
            findings=[("A", FIRST, None, "high-low-bound", "critical", "x", None)] * finds,
        )  # fmt: skip
    return validation_id


def test_what_a_finding_names_stays_as_long_as_it(warehouse):
    """A finding that is open stays for good, one that is closed for as long as records do."""
    finder = look(warehouse, finds=True)
    for _ in range(2):
        warehouse.validation()
    assert prune(warehouse) == NOTHING | {"ingestion": 0, "validation": 1}
    closer = look(warehouse, finds=False)
    closed_at = warehouse.value("SELECT validated_at FROM store.validation WHERE validation_id = %s", closer)
    assert prune(warehouse, closed_at) == NOTHING | {"ingestion": 0, "validation": 1}
    assert warehouse.rows("SELECT validation_id, closed_by FROM store.quarantine") == [(finder, closer)]
    warehouse.validation()
    assert prune(warehouse) == {"quarantine": 1, "run_failure": 0, "ingestion": 0, "validation": 2}
    assert warehouse.rows("SELECT * FROM store.quarantine") == []


def test_what_a_failed_task_said_goes_with_the_records(warehouse):
    for run_id in ("old", "new"):
        validations.record_run_failure(
            warehouse.connection, dag_id="d", run_id=run_id, task_id="load", map_index=0, label="l", error="e"
        )
    warehouse.rows("UPDATE store.run_failure SET failed_at = %s WHERE run_id = 'old' RETURNING 1", at(FIRST))
    assert prune(warehouse, at(NEXT))["run_failure"] == 1
    assert warehouse.rows("SELECT run_id FROM store.run_failure") == [("new",)]


def test_who_decides_meanwhile_is_not_waited_for_and_does_not_wait(warehouse, market):
    for _ in range(3):
        warehouse.validation()
    with psycopg.connect(market.dsn()) as other:
        publication.share_decisions(other)
        warehouse.rows("SELECT set_config('lock_timeout', '200ms', false)")
        assert prune(warehouse)["validation"] == 2


def test_no_transaction_deletes_more_than_a_slice_and_who_publishes_gets_in_between(warehouse, market, monkeypatch):
    """A year of live minutes leaves millions of load records, and a live run has less than a minute to publish."""
    monkeypatch.setattr(housekeeping, "SLICE", 4)
    warehouse.rows(
        "INSERT INTO store.ingestion (dataset, subject, host, run_id, loaded_at, added, grown, corrected) "
        "SELECT 'd', 's', 'h', 'r', now() - interval '1 year', 1, 0, 0 FROM generate_series(1, 10) RETURNING 1"
    )
    watched = Watched(warehouse, market, "SELECT count(*) FROM store.ingestion")
    before = warehouse.value("SELECT now() - interval '90 days'")
    assert housekeeping.prune_records(watched, before) == NOTHING | {"ingestion": 10, "validation": 0}
    assert list(dict.fromkeys(watched.left)) == [10, 6, 2, 0]


def test_what_was_ended_half_way_goes_on_the_next_time(warehouse, monkeypatch):
    monkeypatch.setattr(housekeeping, "SLICE", 2)
    for _ in range(6):
        warehouse.validation()
    newest = warehouse.value("SELECT max(validation_id) FROM store.validation")

    class EndedError(Exception):
        pass

    slices = []

    def ended(connection, name, **values):
        slices.append(name)
        if slices.count("housekeeping/prune_validation") == 2:
            raise EndedError
        return run(connection, name, **values)

    run = sql.run
    monkeypatch.setattr(sql, "run", ended)
    with pytest.raises(EndedError):
        prune(warehouse)
    assert records(warehouse) == (0, 4)
    monkeypatch.setattr(sql, "run", run)
    assert prune(warehouse)["validation"] == 3
    assert warehouse.rows("SELECT validation_id FROM store.validation") == [(newest,)]


# -- how large everything is -----------------------------------------------------------------------------------------


def measure(warehouse: Warehouse, limit: int | None = None, free: int | None = None) -> None:
    with warehouse.connection.transaction():
        housekeeping.measure(warehouse.connection, limit_bytes=limit, free_bytes=free)


def day_of(warehouse: Warehouse, day: date, total: int, *, limit: int | None = None, heap: int = 100) -> None:
    """A day's measurement as if it had been made then."""
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            "INSERT INTO store.storage_day (day, bytes, limit_bytes) VALUES (%s, %s, %s)", (day, total, limit)
        )
        warehouse.connection.execute(
            "INSERT INTO store.storage_size VALUES (%s, 'candle_day', %s, 10, 1000)", (day, heap)
        )


def test_every_table_of_the_store_is_measured_and_adds_up(warehouse, btc):
    warehouse.candles(btc, trading(at(FIRST), at(NEXT)))
    measure(warehouse, limit=10**12)
    measure(warehouse, limit=2 * 10**12)  # of a day the later one counts
    tables = warehouse.rows("SELECT relname FROM pg_class WHERE relnamespace = 'store'::regnamespace AND relkind = 'r'")
    rows = warehouse.rows("SELECT relation, bytes, heap_bytes, index_bytes, toast_bytes, limit_bytes FROM storage")
    sizes = {row[0]: row[1:] for row in rows}
    assert set(sizes) == {name for (name,) in tables} | {"database"} and len(rows) == len(sizes)
    total, *parts, limit = sizes.pop("database")
    assert parts == [None] * 3 and limit == 2 * 10**12
    for name, (size, heap, index, toast, none) in sizes.items():
        assert size == heap + index + toast and none is None, name
        # the files that this has just grown by itself aside
        if not name.startswith("storage"):
            assert size == warehouse.value("SELECT pg_total_relation_size(%s)", f"store.{name}"), name
    assert sizes["candle_day"][3] > 0 and sum(each[0] for each in sizes.values()) < total


def test_without_a_limit_it_is_what_is_free_and_without_both_nobody_knows(warehouse):
    measure(warehouse, free=1000)
    assert warehouse.value("SELECT limit_bytes - bytes FROM storage WHERE relation = 'database'") == 1000
    measure(warehouse, limit=77, free=1000)
    assert warehouse.rows("SELECT limit_bytes, days_left FROM storage WHERE relation = 'database'") == [(77, 0.0)]
    measure(warehouse)
    assert warehouse.rows("SELECT limit_bytes, days_left FROM storage WHERE relation = 'database'") == [(None, None)]


def test_growth_is_that_of_the_last_thirty_days(warehouse):
    days = [FIRST + timedelta(days=n) for n in (0, 20, 40, 41)]
    for day, total, heap in zip(days, (0, 10_000, 12_000, 12_100), (100, 300, 500, 290), strict=True):
        day_of(warehouse, day, total, limit=20_000, heap=heap)
    rows = warehouse.rows("SELECT day, growth_a_day, days_left FROM storage WHERE relation = 'database' ORDER BY day")
    assert rows == [
        (days[0], None, None),  # one measurement says nothing of growth
        (days[1], 500.0, 20.0),
        (days[2], 100.0, 80.0),  # of the twenty days before, the first is longer ago than thirty
        (days[3], 100.0, 79.0),
    ]
    table = warehouse.rows(
        "SELECT bytes, growth_a_day, days_left FROM storage WHERE relation = 'candle_day' ORDER BY day"
    )
    assert table == [(1110, None, None), (1310, 10.0, None), (1510, 10.0, None), (1300, -10 / 21, None)]


def test_what_does_not_grow_lasts_for_ever(warehouse):
    day_of(warehouse, FIRST, 500, limit=1000)
    day_of(warehouse, NEXT, 400, limit=1000)
    assert warehouse.rows(
        "SELECT growth_a_day, days_left FROM storage WHERE relation = 'database' AND day = %s", NEXT
    ) == [(-100.0, None)]
