"""What is validated of a dataset, as a pandas DataFrame computed by Postgres in one pass over the data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import Connection

from deribit_warehouse.dataset import Dataset

from . import sql

if TYPE_CHECKING:
    from pandas import DataFrame


def profile(
    connection: Connection, dataset: Dataset, begins: datetime, ends: datetime, *, currencies: list[str],
    outages: Iterable[tuple[datetime, datetime]] = (), validation_id: int | None = None,
    waiting: bool = False,
) -> DataFrame:  # fmt: skip
    """One row a key that should exist in [begins, ends) (funding: hour ends in (begins, ends]), over its newest version
    (DataFrame): the dataset's keys, its table's key, version_id, rows_expected and rows_missing
    (minutes; funding: hours), and what the suite reads.

    outages: known ones, [begins, ends). validation_id: of what is computed when it is read, the validation that has
    decided on inputs: what that completed or changed is profiled, and in place of version_id the row has the columns of
    dataset.computed_from. waiting: of a dataset with a backlog, only what waits to be validated, as much of the oldest
    as there is time for. The statement is datasets/<its folder>/profile.
    """
    import pandas as pd

    spans = list(outages)
    values = {
        "from": begins, "to": ends, "currencies": currencies, "outages_from": [o[0] for o in spans],
        "outages_to": [o[1] for o in spans], "validation_id": validation_id, "waiting": waiting,
        **dataset.parameters,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql.statement(f"datasets/{dataset.sql}/profile"), values)
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
