"""Migrations: each file once, whole or not at all, whoever starts first."""

from __future__ import annotations

import shutil
import threading
import uuid

import psycopg
import pytest
from psycopg import sql

from deribit_warehouse.warehouse.migrations import MigrationError, migrate
from deribit_warehouse.warehouse.sql import FOLDER, statement

FILES = [file.stem for file in sorted((FOLDER / "ddl").glob("*.sql"))]


@pytest.fixture
def empty(postgres):
    """An empty database of market_owner: its name."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.execute(sql.SQL("CREATE DATABASE {} OWNER market_owner").format(sql.Identifier(name)))
    yield name
    postgres.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(FOLDER / "ddl", tmp_path / "ddl")
    return tmp_path / "ddl"


def relations(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [name for name, in connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname IN ('public', 'store') ORDER BY 1"
        )]  # fmt: skip


def applied(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM schema_migration ORDER BY applied_at, name")]


def test_a_fresh_database_gets_every_file_in_order_once(postgres, empty):
    dsn = postgres.dsn(empty, "market_owner")
    assert migrate(dsn) == FILES == applied(dsn)
    before = relations(dsn)
    assert migrate(dsn) == []
    assert relations(dsn) == before


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
    assert (failures, sorted(done)) == ([], FILES)


def test_a_file_changed_after_it_was_applied_stops_the_start(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    with (folder / f"{FILES[2]}.sql").open("a") as file:
        file.write("-- an afterthought\n")
    (folder / "9999_new.sql").write_text("CREATE TABLE store.never (id integer)")
    with pytest.raises(MigrationError, match=FILES[2]):
        migrate(dsn, folder)
    assert "store.never" not in relations(dsn)


BEFORE = {  # as the ledger of a database has them that was made before store.load became store.ingestion
    "0001_instrument": "eb66afd80e9898acfb38863d05b40b163f36d27b19626d23b4c6c859ccce6d0b",
    "0002_candle": "7088e2a4cae9f97fe596fe1382c12eb06ad078a5cc71bb51e36f3e9c6f6a2b39",
    "0007_pace": "1ec97889774413177250ff463ab70cb7c8646a7004fb239e7e75b1abd621abd6",
}


def test_a_database_of_the_layout_with_other_names_is_refused_in_a_sentence(postgres, empty):
    dsn = postgres.dsn(empty, "market_owner")
    with psycopg.connect(dsn) as connection:
        connection.execute(statement("migration/ledger"))
        for name, digest in BEFORE.items():
            connection.execute(statement("migration/note"), {"name": name, "sha256": digest})
    before = relations(dsn)
    with pytest.raises(MigrationError, match="0001_instrument is not today's.*start with a new database"):
        migrate(dsn)
    assert relations(dsn) == before


def test_a_newer_database_stops_the_start(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    (folder / f"{FILES[-1]}.sql").unlink()
    with pytest.raises(MigrationError, match=f"{FILES[-1]}.*newer"):
        migrate(dsn, folder)


def test_a_file_that_fails_leaves_the_old_structure_and_can_be_mended(postgres, empty, folder):
    dsn = postgres.dsn(empty, "market_owner")
    migrate(dsn, folder)
    before = relations(dsn)
    new = folder / "9000_new.sql"
    new.write_text("CREATE TABLE store.half (id integer); DROP VIEW provenance; SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(dsn, folder)
    assert relations(dsn) == before
    assert applied(dsn) == FILES
    new.write_text("CREATE TABLE store.whole (id integer)")
    assert migrate(dsn, folder) == ["9000_new"]
    assert "store.whole" in relations(dsn)
    with psycopg.connect(postgres.dsn(empty, "market_loader")) as connection:
        connection.execute("INSERT INTO store.whole VALUES (1)")  # later tables have the same rights
