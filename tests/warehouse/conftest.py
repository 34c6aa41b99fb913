from __future__ import annotations

import psycopg
import pytest

from tests.warehouse.days import Warehouse

EMPTY = """DO $$ BEGIN EXECUTE (
    SELECT format('TRUNCATE %s RESTART IDENTITY CASCADE', string_agg(oid::regclass::text, ', '))
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'store'::regnamespace); END $$"""


@pytest.fixture
def market(module_market):
    """The market database of the file, empty: a database of its own for each test takes ten times as long."""
    with psycopg.connect(module_market.dsn("market_owner"), autocommit=True) as connection:
        connection.execute(EMPTY)
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
