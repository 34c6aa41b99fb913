"""Reads one HTTP answer: the JSON-RPC result, or a failure that can be retried or is final.

Final is only what names the request itself, by an error code in a JSON-RPC body. Everything else may be the work of a
proxy, of a restart or of one of the exchange's servers, and is asked again. The error code decides before the HTTP
status does: the exchange may send 10028 with 429, 400 or 200.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from .errors import QUOTED, AttemptFailed, ExchangeUnavailable, InstrumentNotFound, Malformed, RequestRejected, clean

# Codes of https://docs.deribit.com (JSON-RPC error codes) that say of the request that it is wrong.
FINAL_CODES: dict[int | None, str] = {
    -32602: "invalid parameters",
    -32601: "method not found",
    10020: "invalid or unsupported instrument",
    13020: "not found",
    13009: "unauthorized",
}
# Codes of the same page that are known to go away by themselves; any other code is asked again as well. 13028 and 11094
# are retried by public clients of this exchange, too.
RETRYABLE_CODES: dict[int | None, str] = {
    10028: "too many requests",
    10040: "retry",
    10041: "settlement in progress",
    10047: "matching engine queue full",
    10048: "not on this server",
    10066: "too many concurrent requests",
    11050: "bad request",
    11051: "system maintenance",
    11094: "internal server error",
    13028: "temporarily unavailable",
    13503: "unavailable",
    13888: "timed out",
}
NOT_FOUND_REASONS = ("instrument not found", "instrument is not open", "instrument is not active")


def result_of(http_status: int, body: bytes | bytearray) -> Any:
    """The `result` member of an answer. Raises AttemptFailed (retryable or final)."""
    try:
        answer = parse(body)
    except (ValueError, RecursionError) as error:
        raise unreadable(http_status, body) from error
    fault = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(fault, dict):
        raise refusal(http_status, fault)
    if http_status != 200:
        raise by_status(http_status, body)
    if not isinstance(answer, dict) or "result" not in answer or fault is not None:
        raise Malformed(f"the answer has no result: {quoted(body)}", http_status=http_status)
    return answer["result"]


class Listed(msgspec.Struct):
    """An answer whose result is a list, with the list's members as they came."""

    result: list[msgspec.Raw]
    error: Any = None  # absent and null say the same


def rows_of(http_status: int, body: bytes | bytearray) -> list[Any]:
    """The members of a result that is a list, each still as it came, for `parse` to read one by one: 150,000 rows as
    objects take four times what their 90 MB of body do. What is no such answer is read, or refused, by `result_of`."""
    try:
        answer = msgspec.json.decode(body, type=Listed)
    except msgspec.MsgspecError:
        return result_of(http_status, body)
    if http_status != 200 or answer.error is not None:
        return result_of(http_status, body)
    return answer.result


def parse(body: bytes | bytearray) -> Any:
    """JSON, strict first. NaN, Infinity and 1e999 are accepted as values, for the quality gate to validate."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def refusal(http_status: int, error: dict[str, Any]) -> AttemptFailed:
    """The failure a JSON-RPC error member stands for."""
    code = error.get("code")
    code = code if type(code) is int else None  # a list, a bool or 1e999 is no code
    data = error.get("data")
    message = clean(error.get("message"))
    reason = clean(data["reason"]) if isinstance(data, dict) and "reason" in data else ""
    known = FINAL_CODES.get(code) or RETRYABLE_CODES.get(code) or "a code that is not known here"
    cause = f"HTTP {http_status}, code {code} ({known}), {message}{': ' if reason else ''}{reason}"
    if code not in FINAL_CODES:
        return AttemptFailed(cause, ExchangeUnavailable, retryable=True, code=code, http_status=http_status)
    gone = code == -32602 and any(phrase in f"{reason} {message}".lower() for phrase in NOT_FOUND_REASONS)
    exception_class = InstrumentNotFound if gone else RequestRejected
    return AttemptFailed(cause, exception_class, retryable=False, code=code, http_status=http_status)


def unreadable(http_status: int, body: bytes | bytearray) -> AttemptFailed:
    """The failure of a body that isn't JSON: cut off, or a proxy's page."""
    if http_status == 200 or body.lstrip().startswith(b"{"):
        cause = f"HTTP {http_status} with a body of {len(body)} bytes that is cut off or isn't JSON: {quoted(body)}"
        return AttemptFailed(cause, ExchangeUnavailable, retryable=True, http_status=http_status)
    return by_status(http_status, body)


def by_status(http_status: int, body: bytes | bytearray) -> AttemptFailed:
    """The failure of an answer without a JSON-RPC error: it is not the exchange's own, whatever the status."""
    return AttemptFailed(
        f"HTTP {http_status}: {quoted(body)}", ExchangeUnavailable, retryable=True, http_status=http_status
    )


def quoted(body: bytes | bytearray) -> str:
    return f'"{clean(body[: 4 * QUOTED].decode("utf-8", "replace"))}"'
