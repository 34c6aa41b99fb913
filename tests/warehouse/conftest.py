from __future__ import annotations

import psycopg
import pytest

from tests.warehouse.days import Warehouse


@pytest.fixture
def warehouse(market):
    """A fresh market database to fill."""
    with psycopg.connect(market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Warehouse(connection)


@pytest.fixture(scope="module")
def shared_warehouse(module_market):
    """A market database that the tests of a file fill together."""
    with psycopg.connect(module_market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
        yield Warehouse(connection)
