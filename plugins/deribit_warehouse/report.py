"""The completion report of a market database: its content comes from `warehouse`, its form from `quality`.

Knows both and not Airflow: `make report` needs a database and nothing else that runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from deribit_warehouse.datasets import DATASETS
from deribit_warehouse.quality.completion_report import Report, markdown, report_of
from deribit_warehouse.warehouse.completion import completion_report

if TYPE_CHECKING:
    from psycopg import Connection


def report(connection: Connection) -> Report:
    """The report on one consistent state. The connection must be outside of a transaction, and is left so."""
    return report_of(completion_report(connection, DATASETS))


def report_as_markdown(dsn: str) -> str:
    """The report as text. dsn: a libpq connection string of a reader. Raises psycopg.Error when the database can't be
    asked."""
    with psycopg.connect(dsn, options="-c timezone=UTC") as connection:
        return markdown(report(connection))
