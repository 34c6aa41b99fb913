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
    """Two tables: a row a dataset, and the basis at the last minute, a curve a perpetual."""
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


def print_pending(console: Console, rows: list[dict[str, Any]]) -> None:
    """A row for everything that is stored and waits, and nothing where nothing does."""
    if not rows:
        return
    told = [
        {
            "dataset": row["dataset"], "instruments": row["instruments"], "days": row["days"],
            "from": str(row["first_day"]), "to": str(row["last_day"]), "waits for": what_it_waits_for(row),
        }
        for row in rows
    ]  # fmt: skip
    _print_table(console, "What waits to be validated (view pending)", told)


def print_freshness(console: Console, rows: list[dict[str, Any]]) -> None:
    """A row a dataset."""
    if not rows:
        console.print("Freshness: nothing is collected yet")
        return
    told = [
        {
            "dataset": row["dataset"], "state": row["state"], "instruments": row["instruments"], "late": row["late"],
            "stale": row["stale"], "none yet": row["none_yet"], "newest": row["newest"], "oldest": row["oldest"],
            "behind": ", ".join(row["behind"] or ()) or None,
        }
        for row in rows
    ]  # fmt: skip
    _print_table(console, "How fresh what is published is (view freshness)", told)


def what_it_waits_for(row: dict[str, Any]) -> str:
    """Of a row of what is pending: what has to come, or who has to do something."""
    if row["waits_for"]:
        return row["waits_for"]
    return "a run by hand: a validation blocked it" if row["blocked"] else "the next run"


def print_incidents(console: Console, rows: list[dict[str, Any]]) -> None:
    """A row for each incident that is open, with the number it is acknowledged by."""
    if not rows:
        console.print("No incident is open.")
        return
    told = [
        {
            "number": str(row["incident_id"]), "level": row["level"], "dataset": row["dataset"],
            "instruments": row["instruments"], "what": row["rule"], "since": row["opened_at"], "times": row["times"],
            "acknowledged by": row["acknowledged_by"], "last": row["message"].partition("\n")[0],
        }
        for row in rows
    ]  # fmt: skip
    _print_table(console, "Open incidents (make acknowledge ARGS=NUMBER)", told)


PRICES = ("future_close", "perpetual_close", "basis")  # USD: how many decimals they need depends on the coin


def _print_table(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    table = Table()
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    decimals = [price_decimals(row) for row in rows]
    for name, values in columns.items():
        number = any(_is_number(value) for value in values)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", no_wrap=not number)
    cells = [column(name, values, decimals if name in PRICES else None) for name, values in columns.items()]
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    console.print(f"\n{title}", style="bold")  # as a table's own title it would be folded to the table's width
    console.print(table)


def price_decimals(row: dict[str, Any]) -> int:
    """How many decimals show five digits of a row's prices: 2 for bitcoin, 9 for a coin of a thousandth of a cent."""
    prices = [float(row[name]) for name in PRICES[:2] if _is_number(row.get(name)) and row[name] > 0]
    return max(2, 4 - math.floor(math.log10(min(prices)))) if prices else 2


def column(name: str, values: list[Any], decimals: list[int] | None = None) -> list[str]:
    """The values of one column as a person reads them, with the decimals given for each or the same throughout.

    A coverage is never rounded up to a hundred.
    """
    largest = max((abs(float(value)) for value in values if _is_number(value)), default=0)
    decimals = decimals or [6 if largest < 1 else 2] * len(values)

    def cell(value: Any, places: int) -> str:
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
        return f"{float(value):,.{places}f}"

    return [cell(value, places) for value, places in zip(values, decimals, strict=True)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def print_addresses(console: Console, stack: Stack, credentials: Credentials) -> None:
    rows = {
        "Airflow": stack.address,
        "Data docs": f"{stack.address}/deribit-data-docs/",
        "Login": f"{ADMIN} / {credentials.admin}",
        "Postgres, read only": dsn(stack, credentials, "market_reader", "market"),
        "Logs": str(stack.logs),
    }
    for name, value in rows.items():
        console.print(f"{name + ':':21}{value}", soft_wrap=True, markup=False, highlight=False)
