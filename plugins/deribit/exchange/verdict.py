"""Reads one HTTP answer: the JSON-RPC result, or a failure that is known to pass or to be final.

The error code decides before the HTTP status does: the exchange may send 10028 with 429, 400 or 200.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from .errors import Failure, InstrumentGone, Malformed, Refused, Unavailable

# Codes of https://docs.deribit.com (JSON-RPC error codes) that go away by themselves.
PASSING_CODES = {
    10028: "too many requests",
    10040: "retry",
    10041: "settlement in progress",
    10047: "matching engine queue full",
    10066: "too many concurrent requests",
    11051: "system maintenance",
    13888: "timed out",
}
FINAL_CODES = frozenset({-32602, -32601, 10020, 13020, 13009, 13028})
GONE = ("instrument not found", "instrument is not open", "instrument is not active")
QUOTED = 120  # characters of a strange body that go into a message: enough to recognise it, never the whole


def result_of(http_status: int, body: bytes) -> Any:
    """The `result` member of an answer. Raises Failure (passing or final)."""
    try:
        answer = parse(body)
    except (ValueError, RecursionError) as error:
        raise unreadable(http_status, body) from error
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        raise refusal(http_status, answer["error"])
    if http_status != 200:
        raise by_status(http_status, body)
    if not isinstance(answer, dict) or "result" not in answer or "error" in answer:
        raise Malformed(f"the answer has no result: {quoted(body)}", http_status=http_status)
    return answer["result"]


def parse(body: bytes) -> Any:
    """JSON, strict first. NaN, Infinity and 1e999 are accepted as values, for the quality gate to judge."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def refusal(http_status: int, error: dict[str, Any]) -> Failure:
    """The failure a JSON-RPC error member stands for."""
    code = error.get("code")
    data = error.get("data")
    reason = str(data["reason"]) if isinstance(data, dict) and "reason" in data else ""
    cause = f"{error.get('message')}: {reason}" if reason else str(error.get("message"))
    if code in PASSING_CODES:
        cause = f"{cause} ({PASSING_CODES[code]})"
        return Failure(said(cause, http_status, code), Unavailable, passing=True, code=code, http_status=http_status)
    if code not in FINAL_CODES and status_passes(http_status):
        return Failure(said(cause, http_status, code), Unavailable, passing=True, code=code, http_status=http_status)
    gone = code == -32602 and any(phrase in f"{reason} {error.get('message')}".lower() for phrase in GONE)
    becomes = InstrumentGone if gone else Refused
    return Failure(said(cause, http_status, code), becomes, passing=False, code=code, http_status=http_status)


def unreadable(http_status: int, body: bytes) -> Failure:
    """The failure of a body that isn't JSON: cut off or a proxy's page, unless the status alone is final."""
    if http_status == 200 or body.lstrip().startswith(b"{"):
        cause = f"HTTP {http_status} with a body of {len(body)} bytes that is cut off or isn't JSON: {quoted(body)}"
        return Failure(cause, Unavailable, passing=True, http_status=http_status)
    return by_status(http_status, body)


def by_status(http_status: int, body: bytes) -> Failure:
    """The failure an HTTP status stands for where the body doesn't say more."""
    passing = status_passes(http_status)
    becomes = Unavailable if passing else Refused
    return Failure(f"HTTP {http_status}: {quoted(body)}", becomes, passing=passing, http_status=http_status)


def status_passes(http_status: int) -> bool:
    return http_status in (408, 429) or http_status >= 500


def said(cause: str, http_status: int, code: Any) -> str:
    return f"HTTP {http_status}, code {code}, {cause[: 2 * QUOTED]}"


def quoted(body: bytes) -> str:
    text = body[:QUOTED].decode("utf-8", "replace")
    return repr(text) + ("..." if len(body) > QUOTED else "")
