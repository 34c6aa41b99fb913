"""What a dataset's levels are checked against, and was not asked for yet."""

from __future__ import annotations

from datetime import datetime

from psycopg import Connection

from deribit_warehouse.dataset import Dataset, Window

from . import sql


def references_to_fetch(
    connection: Connection, dataset: Dataset, instrument_ids: list[int], *, begins: datetime, ends: datetime
) -> list[tuple[str, Window]]:
    """The references of instruments of a dataset in [begins, ends) that are not stored and not known to be absent: the
    name of the dataset each belongs to, one of dataset.references, and its window."""
    values = {"instrument_ids": instrument_ids, "from": begins, "to": ends, **dataset.parameters}
    found = sql.rows(connection, f"datasets/{dataset.sql}/references", **values)
    return [(row.pop("dataset"), Window(**row)) for row in found]
