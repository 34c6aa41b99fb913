"""The true index by the minute, from the funding chart."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from psycopg import Connection

from . import sql
from .ingestion import Ingested, Provenance, lock

MINUTE = 60_000
DAY = 86_400_000


def store_chart(connection: Connection, timestamp: np.ndarray, price: np.ndarray, provenance: Provenance) -> Ingested:
    """Keeps the points that lie on a whole minute, in the caller's transaction.

    timestamp: ms, int64 of shape (points,); price: USD. A point is the index at that instant, which is the END of the
    minute before it. A point that is not on a whole minute (the chart's newest) is left for the next time (a chart
    without any other is refused when it is read, by exchange/index.py), and points without a finite price are ignored.
    Of two points of a minute the later one counts.
    """
    whole = (timestamp % MINUTE == 0) & np.isfinite(price)
    minutes = dict(zip((timestamp[whole] - MINUTE).tolist(), price[whole].tolist(), strict=True))
    lock(connection, provenance)
    values = provenance.values()
    values["index_name"] = values.pop("subject")
    days = [datetime.fromtimestamp(ms / 1000, UTC).date() for ms in minutes]
    return Ingested(**sql.row(
        connection, "index/merge", days=days,
        elements=[ms % DAY // MINUTE + 1 for ms in minutes], prices=list(minutes.values()), **values,
    ))  # fmt: skip
