"""What the gate looks at, as a pandas DataFrame a dataset, each computed by Postgres in one pass over the data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from . import sql


def candle_profile(connection: Connection, *, perpetual: bool, currencies: list[str], begins: datetime, ends: datetime):
    """One row an instrument-day that should exist in [begins, ends), over its newest version (DataFrame)."""
    return _frame(
        connection, "quality/profile_candles", perpetual=perpetual, currencies=currencies,
        **{"from": begins, "to": ends},
    )  # fmt: skip


def funding_profile(
    connection: Connection, *, currencies: list[str], begins: datetime, ends: datetime,
    outages: Iterable[tuple[datetime, datetime]] = (),
):  # fmt: skip
    """One row an hour end that should exist in (begins, ends], over its newest version (DataFrame)."""
    spans = list(outages)
    return _frame(
        connection, "quality/profile_funding", currencies=currencies, outages_from=[o[0] for o in spans],
        outages_to=[o[1] for o in spans], **{"from": begins, "to": ends},
    )  # fmt: skip


def index_profile(connection: Connection, *, begins: date, ends: date):
    """One row an index day computed in [begins, ends), over its newest version (DataFrame)."""
    return _frame(connection, "index/profile", **{"from": begins, "to": ends})


def basis_profile(connection: Connection, *, begins: date, ends: date):
    """Computes the basis of the futures days paired in [begins, ends), the newest pair of each: one row each
    (DataFrame)."""
    return _frame(connection, "basis/profile", **{"from": begins, "to": ends})


def instrument_profile(connection: Connection):
    """One row an instrument of the catalogue (DataFrame)."""
    return _frame(connection, "quality/profile_instruments")


def _frame(connection: Connection, name: str, **values: Any):
    import pandas as pd

    with connection.cursor() as cursor:
        cursor.execute(sql.statement(name), values)
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
