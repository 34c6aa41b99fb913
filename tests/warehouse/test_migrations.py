"""Migrations: tables step by step, views whole, all of it or nothing, whoever starts first."""

from __future__ import annotations

import shutil
import threading
import uuid

import psycopg
import pytest
from psycopg import sql

from deribit_warehouse.warehouse.migrations import VIEWS, MigrationError, migrate
from deribit_warehouse.warehouse.sql import FOLDER

FILES = [file.stem for file in sorted((FOLDER / "tables").glob("*.sql"))]


@pytest.fixture
def empty(postgres):
    """An empty database of market_owner: its name."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.execute(sql.SQL("CREATE DATABASE {} OWNER market_owner").format(sql.Identifier(name)))
    yield name
    postgres.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def folder(tmp_path):
    for part in ("tables", "views", "datasets", "dictionary"):
        shutil.copytree(FOLDER / part, tmp_path / part)
    return tmp_path


def relations(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [name for name, in connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname IN ('public', 'store') ORDER BY 1"
        )]  # fmt: skip


def applied(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM schema_migration ORDER BY name")]


def identities(dsn: str) -> list[int]:
    """What each view and function is to Postgres: another number once it was made again."""
    with psycopg.connect(dsn) as connection:
        return [oid for (oid,) in connection.execute(
            "SELECT oid::bigint FROM pg_class "
            "WHERE relkind = 'v' AND relnamespace::regnamespace::text IN ('public', 'store') "
            "UNION SELECT oid::bigint FROM pg_proc "
            "WHERE pronamespace::regnamespace::text IN ('public', 'store') ORDER BY 1"
        )]  # fmt: skip


def test_a_fresh_database_gets_every_file_in_order_once(postgres, empty):
    dsn = postgres.dsn(empty, "market_owner")
    assert migrate(dsn) == [*FILES, VIEWS] == applied(dsn)
    before = relations(dsn), identities(dsn)
    assert migrate(dsn) == []
    assert (relations(dsn), identities(dsn)) == before


def test_two_starts_at_once_apply_each_file_once(postgres, empty):
    dsn = postgres.dsn(empty, "market_owner")
    done, failures = [], []

    def start() -> None:
        try:
            done.extend(migrate(dsn))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (failures, sorted(done)) == ([], [*FILES, VIEWS])


def test_a_file_of_tables_changed_after_it_was_applied_stops_the_start(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    with (folder / "tables" / f"{FILES[2]}.sql").open("a") as file:
        file.write("-- an afterthought\n")
    (folder / "tables" / "9999_new.sql").write_text("CREATE TABLE store.never (id integer)")
    with pytest.raises(MigrationError, match=FILES[2]):
        migrate(dsn, folder)
    assert "store.never" not in relations(dsn)


def test_a_database_of_the_layout_before_is_refused_with_what_to_do(postgres, empty):
    dsn = postgres.dsn(empty, "market_owner")
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "CREATE TABLE schema_migration (name text PRIMARY KEY, sha256 text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute("INSERT INTO schema_migration VALUES ('0001_instrument', 'x'), ('0012_roles', 'y')")
    with pytest.raises(MigrationError, match="0001_instrument is not today's.*start with a new database"):
        migrate(dsn)
    assert relations(dsn) == ["schema_migration", "schema_migration_pkey"]


def test_a_newer_database_stops_the_start(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    (folder / "tables" / f"{FILES[-1]}.sql").unlink()
    with pytest.raises(MigrationError, match=f"{FILES[-1]}.*newer"):
        migrate(dsn, folder)


def test_a_file_that_fails_leaves_the_old_structure_and_can_be_mended(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    before = relations(dsn), identities(dsn), applied(dsn)
    new = folder / "tables" / "9000_new.sql"
    new.write_text("CREATE TABLE store.half (id integer); SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(dsn, folder)
    assert (relations(dsn), identities(dsn), applied(dsn)) == before
    new.write_text("CREATE TABLE store.whole (id integer)")
    assert migrate(dsn, folder) == ["9000_new", VIEWS]
    assert "store.whole" in relations(dsn)
    with psycopg.connect(postgres.dsn(empty, "market_loader")) as connection:
        connection.execute("INSERT INTO store.whole VALUES (1)")  # later tables have the same rights


def test_a_table_may_change_under_a_view_that_reads_it(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    (folder / "tables" / "9000_new.sql").write_text(
        "ALTER TABLE store.run_failure ALTER COLUMN run_id TYPE varchar(1000);"
        "ALTER TABLE store.instrument ALTER COLUMN strike TYPE float8"
    )
    assert migrate(dsn, folder) == ["9000_new", VIEWS]
    with psycopg.connect(postgres.dsn(empty, "market_reader")) as connection:
        connection.execute("SELECT * FROM instruments").fetchall()


def test_a_view_is_what_its_file_says_now_and_one_that_is_no_longer_said_is_gone(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    views = folder / "views"
    (views / "99_new.sql").write_text("CREATE VIEW passing AS SELECT 1 AS one;"
                                      "CREATE FUNCTION store.passing() RETURNS SETOF passing "
                                      "LANGUAGE sql STABLE AS 'SELECT * FROM passing'")  # fmt: skip
    migrate(dsn, folder)
    assert "passing" in relations(dsn)
    (views / "99_new.sql").write_text("CREATE VIEW lasting AS SELECT 'another type' AS one")
    assert migrate(dsn, folder) == [VIEWS]
    assert "passing" not in relations(dsn)
    with psycopg.connect(postgres.dsn(empty, "market_reader")) as connection:
        assert connection.execute("SELECT one FROM lasting").fetchall() == [("another type",)]
        assert connection.execute("SELECT to_regprocedure('store.passing()')").fetchone() == (None,)


def test_a_view_that_fails_leaves_all_the_views_there_were(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    before = relations(dsn), identities(dsn)
    (folder / "views" / "99_new.sql").write_text("CREATE VIEW broken AS SELECT * FROM nowhere")
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate(dsn, folder)
    assert (relations(dsn), identities(dsn)) == before


def test_what_somebody_built_on_a_view_is_never_dropped_and_named(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE VIEW public.alone AS SELECT 1 AS one")
        connection.execute(
            "CREATE SCHEMA research; CREATE VIEW research.carry AS SELECT * FROM basis_spread WHERE traded"
        )
    (folder / "views" / "99_new.sql").write_text("CREATE VIEW lasting AS SELECT 1 AS one")
    before = relations(dsn), identities(dsn)
    with pytest.raises(MigrationError, match="research.carry depends on .*basis_spread"):
        migrate(dsn, folder)
    assert (relations(dsn), identities(dsn)) == before
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP VIEW research.carry")
    assert migrate(dsn, folder) == [VIEWS]
    assert {"alone", "lasting"} <= set(relations(dsn))


def test_what_the_dictionary_says_is_said_in_the_database(postgres, empty):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        [[said]] = connection.execute("SELECT obj_description('coverage'::regclass)")
        assert said.startswith("Grain: dataset, instrument")
        columns = dict(connection.execute(
            "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = 'funding_rates'::regclass AND attnum > 0"
        ).fetchall())  # fmt: skip
        assert columns["ts"] == "whole hours; END of the hour" and columns["validation_id"]
        [[said]] = connection.execute("SELECT obj_description(oid) FROM pg_proc WHERE proname = 'candle_at'")
        assert said == "The candle of every instrument in the minute `at` lies in."
