"""The daily settlements of a future or perpetual, its delivery at the end among them."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from .errors import BadResponse, Malformed, iso, shown
from .http_client import Request
from .parsing import numbers, timestamps

METHOD = "get_last_settlements_by_instrument"
LEAST, PAGE = 10, 1_000  # rows that may be asked for
DAY = 86_400_000  # ms
VALUES = ("position", "mark_price", "index_price", "profit_loss", "session_profit_loss", "funding")
BANKRUPTCY = "bankruptcy"

Key = tuple[int, str]  # days since 1970-01-01, and the type: there is one settlement of a type a day


@dataclass(frozen=True, eq=False)
class Settlements:
    """The settlements of `instrument_name`, one row a UTC day and type the exchange sent, ascending.

    timestamp: int64, ms: when it was, just after 08:00 UTC in all that is known. type: list of str, "settlement" or
    "delivery". position: USD, of linear contracts coin; mark_price, index_price: quote currency; profit_loss,
    session_profit_loss, funding: settlement currency, of all holders together; float64, NaN where nothing was sent.
    duplicate: bool, whether another one came of the day and type (the newer is kept). All of shape (rows,).
    bankruptcies: rows of that type; they are a currency's, not an instrument's. requests: how many were answered.
    """

    instrument_name: str
    timestamp: np.ndarray
    type: list[str]
    position: np.ndarray
    mark_price: np.ndarray
    index_price: np.ndarray
    profit_loss: np.ndarray
    session_profit_loss: np.ndarray
    funding: np.ndarray
    duplicate: np.ndarray
    bankruptcies: int
    requests: int


@dataclass(frozen=True, eq=False)
class Page:
    """One answer: its rows' times (int64 ms, newest first), types and VALUES (float64, shape (6, rows)), and the
    continuation, None after the last."""

    timestamp: np.ndarray
    type: list[str]
    values: np.ndarray
    continuation: str | None


def collect(request: Request, instrument_name: str, start: int, end: int) -> Settlements:
    """The settlements in [start, end), ms, of every type. If a day between two days with rows has none, all of it is
    requested a second time. Raises BadResponse when a continuation leads to nothing older."""
    start, end = index(start), index(end)
    if start > end:
        raise ValueError(f"settlements of {instrument_name}: [{iso(start)}, {iso(end)}) runs backward")
    found: dict[Key, tuple[int, np.ndarray]] = {}
    duplicate: set[Key] = set()
    bankruptcies: set[int] = set()
    requests = 0
    for _ in range(2 if start < end else 0):
        for page in _pages(request, instrument_name, start, end):
            requests += 1
            here: set[Key] = set()
            for at, kind, values in zip(page.timestamp.tolist(), page.type, page.values.T, strict=True):
                if not start <= at < end:
                    continue
                if kind == BANKRUPTCY:
                    bankruptcies.add(at)
                    continue
                key = at // DAY, kind
                if key in here or (key in found and found[key][0] != at):
                    duplicate.add(key)
                here.add(key)
                found.setdefault(key, (at, values))
        days = {day for day, _ in found}
        if not days or len(days) == max(days) - min(days) + 1:
            break
    keys = sorted(found)
    values = np.array([found[key][1] for key in keys], np.float64).reshape(-1, len(VALUES))
    position, mark_price, index_price, profit_loss, session_profit_loss, paid = values.T  # in the order of VALUES
    return Settlements(
        instrument_name=instrument_name, timestamp=np.array([found[key][0] for key in keys], np.int64),
        type=[kind for _, kind in keys], position=position, mark_price=mark_price, index_price=index_price,
        profit_loss=profit_loss, session_profit_loss=session_profit_loss, funding=paid,
        duplicate=np.array([key in duplicate for key in keys], bool), bankruptcies=len(bankruptcies), requests=requests,
    )  # fmt: skip


def _pages(request: Request, instrument_name: str, start: int, end: int) -> list[Page]:
    """The answers from the newest row before `end` back to the first before `start`."""
    count = min(PAGE, LEAST + (end - start) // DAY)
    params: dict[str, Any] = {"instrument_name": instrument_name, "count": count, "search_start_timestamp": end - 1}
    pages: list[Page] = []
    oldest = None
    while True:
        page = request(METHOD, params, lambda result: read_page(result, instrument_name))
        pages.append(page)
        if not len(page.timestamp):
            return pages
        last = int(page.timestamp[-1])
        if oldest is not None and last >= oldest:
            raise BadResponse(
                f"{METHOD} {instrument_name}: the continuation leads to nothing older than {iso(oldest)}. "
                f"{BadResponse.advice}",
                method=METHOD, params=params,
            )  # fmt: skip
        if last < start or page.continuation is None:
            return pages
        oldest = last
        params = {"instrument_name": instrument_name, "count": PAGE, "continuation": page.continuation}


def read_page(result: Any, instrument_name: str | None = None) -> Page:
    """An answer's rows and its continuation. What a row has besides, or lacks of the numbers, is no matter here. Raises
    Malformed, also for a row of another instrument than the one asked for."""
    listed = result.get("settlements") if isinstance(result, dict) else None
    if not isinstance(listed, list):
        raise Malformed(f"settlements are {'absent' if listed is None else type(listed).__name__}, not a list")
    for at, row in enumerate(listed):
        if not isinstance(row, dict) or not isinstance(row.get("type"), str):
            raise Malformed(f"settlements[{at}] is {shown(row)}, not an object with a type")
        if instrument_name and row.get("instrument_name", instrument_name) != instrument_name:
            raise Malformed(f"settlements[{at}] is of {shown(row['instrument_name'])}, not of {instrument_name}")
    times = timestamps([row.get("timestamp") for row in listed], "settlement timestamp")
    if (np.diff(times) > 0).any():
        raise Malformed("settlements do not come newest first")
    values = [numbers([row.get(name) for row in listed], f"settlement {name}") for name in VALUES]
    token = result.get("continuation")
    if token is not None and not isinstance(token, str):
        raise Malformed(f"settlements: the continuation is {shown(token)}, not a text")
    return Page(times, [row["type"] for row in listed], np.stack(values), token or None)
