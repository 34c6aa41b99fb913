"""What the start command prints at its end: the store's own report, and where to look."""

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from stack.credentials import ADMIN, Credentials
from stack.postgres import dsn
from stack.settings import Stack


def print_store(console: Console, summary: list[dict[str, Any]], terms: list[dict[str, Any]]) -> None:
    """Two tables: a row a dataset, and the basis by expiry at the last minute."""
    _print_table(console, "What is stored", summary)
    if not terms:
        console.print("There is no basis term structure: no published day of a future with its perpetual.")
        return
    minutes = {row["ts"] for row in terms if "ts" in row}
    title = "Basis term structure at the last minute"
    if len(minutes) == 1:
        title += f", {minutes.pop():%Y-%m-%d %H:%M} UTC"
        terms = [{name: value for name, value in row.items() if name != "ts"} for row in terms]
    _print_table(console, title, terms)


def _print_table(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    table = Table()
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    for name, values in columns.items():
        number = any(_is_number(value) for value in values)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", no_wrap=not number)
    cells = [column(name, values) for name, values in columns.items()]
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    console.print(f"\n{title}", style="bold")  # as a table's own title it would be folded to the table's width
    console.print(table)


def column(name: str, values: list[Any]) -> list[str]:
    """The values of one column as a person reads them, with the same decimals throughout.

    A coverage is never rounded up to a hundred.
    """
    largest = max((abs(float(value)) for value in values if _is_number(value)), default=0)
    decimals = 6 if largest < 1 else 2

    def cell(value: Any) -> str:
        if value is None:
            return "-"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M}"
        if not _is_number(value):
            return str(value)
        if isinstance(value, int):
            return f"{value:,}"
        if "percent" in name:
            return f"{math.floor(float(value) * 1000) / 1000:.3f}"
        return f"{float(value):,.{decimals}f}"

    return [cell(value) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def print_addresses(console: Console, stack: Stack, credentials: Credentials) -> None:
    rows = {
        "Airflow": stack.address,
        "Data docs": f"{stack.address}/data-docs/",
        "Login": f"{ADMIN} / {credentials.admin}",
        "Postgres, read only": dsn(stack, credentials, "market_reader", "market"),
        "Logs": str(stack.logs),
    }
    for name, value in rows.items():
        console.print(f"{name + ':':21}{value}", soft_wrap=True, markup=False, highlight=False)
