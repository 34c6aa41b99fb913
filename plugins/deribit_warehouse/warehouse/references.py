"""What a dataset's levels are checked against, and was not asked for yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from . import sql


@dataclass(frozen=True)
class Reference:
    """A question the exchange has not answered yet: "candles" or "funding" of a perpetual in [begins, ends), UTC."""

    what: str
    instrument_id: int
    instrument: str
    begins: datetime
    ends: datetime


def references_to_fetch(
    connection: Connection, dataset: str, instrument_ids: list[int], *, begins: datetime, ends: datetime
) -> list[Reference]:
    """The references of instruments of a dataset in [begins, ends) that are not stored and not known to be absent."""
    found = sql.rows(
        connection, "load/references_to_fetch", what=dataset, instrument_ids=instrument_ids,
        **{"from": begins, "to": ends},
    )  # fmt: skip
    return [Reference(**row) for row in found]
