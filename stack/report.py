"""What the start command prints at its end: the store's own report, and where to look."""

import math
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from stack.credentials import ADMIN, Credentials
from stack.postgres import dsn
from stack.settings import Stack


def print_store(console: Console, summary: list[dict[str, Any]], terms: list[dict[str, Any]]) -> None:
    """Two tables: a row a dataset, and the basis by expiry at the last minute."""
    console.print(_table("What is stored", summary))
    if terms:
        console.print(_table("Basis term structure at the last minute", terms))
    else:
        console.print("There is no basis term structure: no published day of a future with its perpetual.")


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    names = list(rows[0]) if rows else []
    for name in names:
        number = any(isinstance(row[name], (int, float)) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(name, row[name]) for name in names))
    return table


def cell(name: str, value: Any) -> str:
    """One value as a person reads it. A coverage is never rounded up to a hundred."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "__float__") and not isinstance(value, str):
        number = float(value)
        if "percent" in name:
            return f"{math.floor(number * 1000) / 1000:.3f}"
        return f"{number:,.1f}" if abs(number) >= 10 else f"{number:.6g}"
    return str(value)


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
