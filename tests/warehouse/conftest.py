from __future__ import annotations

import psycopg
import pytest

from tests.warehouse.days import Warehouse

EMPTY = """DO $$ DECLARE name text; size bigint; filled boolean; BEGIN
    FOR name, size IN SELECT oid::regclass, pg_total_relation_size(oid)
                      FROM pg_class WHERE relkind = 'r' AND relnamespace = 'store'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO filled;
        IF size > 2 ^ 20 THEN EXECUTE format('TRUNCATE %s CASCADE', name);
        ELSIF filled THEN EXECUTE format('DELETE FROM %s', name); END IF;
    END LOOP;
    PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'store'::regnamespace;
END $$"""
"""Truncating forty tables takes a tenth of a second, as long as many a test: what is small is deleted."""


def empty(market) -> None:
    """Leaves the structure of a market database and none of its rows; ids begin at 1 again."""
    with psycopg.connect(market.postgres.dsn(market.name), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # in any order: no key refers to what is left
        connection.execute(EMPTY)


@pytest.fixture
def market(module_market):
    """The market database of the file, empty: a database of its own for each test takes ten times as long."""
    empty(module_market)
    return module_market


@pytest.fixture
def warehouse(market):
    """An empty market database to fill."""
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Warehouse(connection)


@pytest.fixture(scope="module")
def shared_warehouse(module_market):
    """A market database that the tests of a file fill together."""
    with psycopg.connect(module_market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Warehouse(connection)
