"""What can go wrong between this package and the exchange, and how it is said."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUOTED = 160  # characters of something strange that go into a message: enough to recognise it, never the whole
LOGIN = re.compile(r"(?<=//)\S*@")  # in an URL, where a library's message quotes one
SHORT = reprlib.Repr()  # repr() itself walks a value to its end, however long or deeply nested it is
SHORT.maxlevel, SHORT.maxstring, SHORT.maxlong, SHORT.maxother = 2, 60, 60, 60


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
    ) -> None:
        super().__init__(message)
        self.method, self.params, self.host = method, dict(params or {}), host
        self.code, self.http_status = code, http_status


class RequestRejected(ExchangeError):
    """A final no: the same request will be refused again, so it was not repeated."""

    advice = "Asking again can't help: check the parameters, and that the connection points at the right host."


class InstrumentNotFound(RequestRejected):
    """The exchange doesn't know the instrument (any more): never listed, delisted, or not open."""

    advice = "Refresh the instrument catalogue and leave this instrument out if it is no longer listed."


class ExchangeUnavailable(ExchangeError):
    """Every attempt met a fault that should pass: the exchange, or the way to it, is away. Busy, in maintenance, an
    error code nobody knows, a page of a proxy, a redirect, cut off, timed out."""

    advice = (
        "Run the task again later. After code 10028 or HTTP 429 lower DERIBIT_REQUESTS_PER_SECOND (for get_instruments "
        "DERIBIT_CATALOGUE_REQUESTS_PER_SECOND); after a connection error, a redirect or a page that is not the "
        "exchange's check the connection's host, the proxy and the network."
    )


class BadResponse(ExchangeError):
    """Every attempt was answered, but not in the agreed form or size."""

    advice = "Ask the same URL by hand: if the form of the answer has changed for good, its reader must follow."


class AttemptFailed(Exception):
    """One attempt's outcome before it is known whether another follows. Never leaves this package."""

    def __init__(
        self,
        cause: str,
        exception_class: type[ExchangeError],
        *,
        retryable: bool,
        code: int | None = None,
        http_status: int | None = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(cause)
        self.exception_class, self.retryable = exception_class, retryable
        self.code, self.http_status, self.retry_after = code, http_status, retry_after


class Malformed(AttemptFailed):
    """Readable JSON that isn't the agreed answer. A corrupt page passes, so it is asked again before it is final."""

    def __init__(self, cause: str, *, http_status: int | None = None) -> None:
        super().__init__(cause, BadResponse, retryable=True, http_status=http_status)


def clean(text: Any, most: int = QUOTED) -> str:
    """A text from outside as it may be shown: on one line, without control characters, escape sequences, marks that
    turn the direction of writing, lone surrogates or a login in an URL, and at most `most` characters long. What is no
    text is shown as repr() would."""
    text = text if isinstance(text, str) else SHORT.repr(text)
    start = LOGIN.sub("", text[: 20 * most])[: most + 1]
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in start)
    return escaped if len(escaped) <= most and len(text) <= 20 * most else f"{escaped[:most]}..."


def error_text(error: Exception) -> str:
    """Another library's error as it may be shown."""
    return f"{type(error).__name__}: {clean(str(error), 2 * QUOTED)}"


def shown(value: Any) -> str:
    """A value from an answer as it may be shown, like repr() but short, whatever the value."""
    return clean(SHORT.repr(value))


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 UTC, with a fraction only where there is one. What is beyond any calendar
    is said in milliseconds."""
    timespec = "milliseconds" if ms % 1000 else "seconds"
    try:
        return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec=timespec).replace("+00:00", "Z")
    except OverflowError:
        return f"{SHORT.repr(ms)} ms"


def request_text(method: str, params: Mapping[str, Any]) -> str:
    """What was asked, for people: method, instrument (or currency, or index), window in ISO UTC."""
    words = [method]
    words += [clean(params[key]) for key in ("instrument_name", "currency", "kind", "index_name") if key in params]
    if "expired" in params:
        words.append("expired" if params["expired"] == "true" else "listed")
    if "start_timestamp" in params:
        words.append(f"from {iso(params['start_timestamp'])} to {iso(params['end_timestamp'])}")
    return " ".join(words)
