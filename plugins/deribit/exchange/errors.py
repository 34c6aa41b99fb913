"""What can go wrong between this package and the exchange, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExchangeError(Exception):
    """The exchange gave no usable answer. The message names instrument, window, cause and what to do.

    Attributes: `method` and `params` of the request, `host` ("live" or "history"), and of the last answer the
    JSON-RPC error `code` and the `http_status`, None where there was none.
    """

    advice = "Look at the cause."

    def __init__(
        self,
        message: str,
        *,
        method: str = "",
        params: Mapping[str, Any] | None = None,
        host: str = "",
        code: int | None = None,
        http_status: int | None = None,
    ):
        super().__init__(message)
        self.method, self.params, self.host = method, dict(params or {}), host
        self.code, self.http_status = code, http_status


class Refused(ExchangeError):
    """A final no: the same request will be refused again, so it was not repeated."""

    advice = "Asking again can't help: check the parameters, and that the connection points at the right host."


class InstrumentGone(Refused):
    """The exchange doesn't know the instrument (any more): never listed, delisted, or not open."""

    advice = "Refresh the instrument catalogue and leave this instrument out if it is no longer listed."


class Unavailable(ExchangeError):
    """Every attempt met a fault that should pass: busy, in maintenance, cut off, timed out."""

    advice = (
        "Run the task again later. After code 10028 or HTTP 429 lower DERIBIT_REQUESTS_PER_SECOND; "
        "after a connection error check the connection's host and the network."
    )


class BadResponse(ExchangeError):
    """Every attempt was answered, but not in the agreed form."""

    advice = "Ask the same URL by hand: if the form of the answer has changed for good, its reader must follow."


class Failure(Exception):
    """One attempt's outcome before it is known whether another follows. Never leaves this package."""

    def __init__(
        self,
        cause: str,
        becomes: type[ExchangeError],
        *,
        passing: bool,
        code: int | None = None,
        http_status: int | None = None,
        retry_after: float = 0.0,
    ):
        super().__init__(cause)
        self.becomes, self.passing = becomes, passing
        self.code, self.http_status, self.retry_after = code, http_status, retry_after


class Malformed(Failure):
    """Readable JSON that isn't the agreed answer. A corrupt page passes, so it is asked again before it is final."""

    def __init__(self, cause: str, *, http_status: int | None = None):
        super().__init__(cause, BadResponse, passing=True, http_status=http_status)


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 UTC, with a fraction only where there is one."""
    timespec = "milliseconds" if ms % 1000 else "seconds"
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec=timespec).replace("+00:00", "Z")


def wording(method: str, params: Mapping[str, Any]) -> str:
    """What was asked, for people: method, instrument (or currency, or index), window in ISO UTC."""
    words = [method]
    words += [str(params[key]) for key in ("instrument_name", "currency", "kind", "index_name") if key in params]
    if "expired" in params:
        words.append("expired" if params["expired"] == "true" else "listed")
    if "start_timestamp" in params:
        words.append(f"from {iso(params['start_timestamp'])} to {iso(params['end_timestamp'])}")
    return " ".join(words)
