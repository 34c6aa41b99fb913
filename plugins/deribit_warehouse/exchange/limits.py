"""How much of an answer is read, and for how long: by method, so that no answer can take a task's memory or its slot.

Both are counted where the bytes come in from the socket, status line, headers and chunk sizes included, because a
timeout of the socket alone is granted anew with every byte, and a decoder or a parser takes what it is given.
"""

from __future__ import annotations

import http.client
import io
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from .errors import AttemptFailed, BadResponse, ExchangeUnavailable

MB = 1_000_000
CHUNK = 65_536  # bytes read, and bytes decoded, at a time
FIELDS = 40  # values a row may have; the exchange's widest rows have about thirty


@dataclass(frozen=True)
class Limits:
    """What one answer may take. connect, silence (until the first byte, and between two) and total: seconds.
    size: bytes, as sent and as decoded. rows: of the result."""

    connect: float = 5
    silence: float = 30
    total: float = 120
    size: int = 8 * MB
    rows: int = 20_000


LIMITS = {
    "get_instruments": Limits(silence=300, total=480, size=256 * MB, rows=400_000),
    "ticker": Limits(connect=2, silence=3, total=5, size=MB),
}
"""The default is for pages: a chart of 5,001 rows is 0.4 MB, 744 hours of funding 0.15 MB, and 20,000 rows are four
times the most that any page holds. get_instruments answers with all that ever expired in one piece: 120,366 rows were
seen, 150,000 are 77 MB at the history host's 513 bytes a row, and its first byte may take minutes. A ticker is
a kilobyte, and one of a sample: what takes seconds is done without."""

LISTED = Limits(connect=2, silence=5, total=10)
"""Of get_instruments where what is listed now is asked in between: a few hundred rows, for which nothing may wait."""

PROMPT = Limits(connect=2, silence=4, total=4)
"""Of what is asked again in a minute: the chart of some hours, and the clock. A few contracts that get no answer must
leave the seconds of that minute to all others."""

PROMPT_ATTEMPTS = 3
"""How often it is asked before it is left to the next minute: more than once, so that a passing fault fails nothing.
Where nothing comes it is twice (http_client.MAX_ANSWER_TIMES)."""


def limits_of(method: str) -> Limits:
    return LIMITS.get(method, Limits())


class Allowance:
    """What is left of the limits of one attempt."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ends = time.monotonic() + limits.total
        self.bytes = limits.size
        self.failure: AttemptFailed | None = None  # why reading was ended, if it was

    def seconds(self) -> float:
        """What the next read from the socket may take. Raises TimeoutError when the time is used up."""
        left = self.ends - time.monotonic()
        if left <= 0:
            self.failure = AttemptFailed(
                f"the answer was not complete after {self.limits.total:g} s, the most that this method is given",
                ExchangeUnavailable,
                retryable=True,
            )
            raise TimeoutError(str(self.failure))
        return min(left, self.limits.silence)

    def take(self, length: int) -> None:
        """Counts bytes that came in. Raises OSError when they are too many."""
        self.bytes -= length
        if self.bytes < 0:
            self.failure = too_large(self.limits)
            raise OSError(str(self.failure))


def too_large(limits: Limits) -> AttemptFailed:
    """The error to raise when an answer has more bytes than a method is given (limits.size); it is tried again, as any
    other fault."""
    cause = f"the answer is larger than {limits.size / MB:g} MB, the most that this method is given"
    return AttemptFailed(cause, BadResponse, retryable=True)


allowance: ContextVar[Allowance] = ContextVar("allowance")
"""Of the attempt that is being made. An adapter hands nothing on to the sockets below it."""


class CountedSocket(io.RawIOBase):
    """The reading end of a socket, every read of which is held to the allowance of the attempt it belongs to."""

    def __init__(self, raw: io.RawIOBase, socket: Any, left: Allowance) -> None:
        self.raw, self.socket, self.left = raw, socket, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.socket.settimeout(self.left.seconds())
        try:
            length = self.raw.readinto(buffer)
        except TimeoutError:
            self.left.seconds()  # which limit it was
            raise
        self.left.take(length or 0)
        return length

    def close(self) -> None:
        if not self.closed:
            self.raw.close()
        super().close()


class CountedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(CountedSocket(self.fp.detach(), sock, allowance.get()), CHUNK)

    def begin(self) -> None:
        super().begin()
        # urllib3 would log what it can't parse of the head, of any length
        self.msg.defects = []
        self.msg.set_payload("")


class CountedConnection(HTTPConnection):
    response_class = CountedResponse


class CountedSecureConnection(HTTPSConnection):
    response_class = CountedResponse


class CountedPool(HTTPConnectionPool):
    ConnectionCls = CountedConnection


class CountedSecurePool(HTTPSConnectionPool):
    ConnectionCls = CountedSecureConnection


class LimitedAdapter(HTTPAdapter):
    """An adapter of requests whose answers are held to `allowance`, through a proxy of HTTP, too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._limit(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # its connections are of another kind
            self._limit(manager)
        return manager

    @staticmethod
    def _limit(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": CountedPool, "https": CountedSecurePool}


def read_body(answer: HTTPResponse, limits: Limits) -> bytearray:
    """The whole body, decoded. Raises AttemptFailed for one that is too large or encoded in a way that is not read."""
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):  # one, not several around each other
        cause = "the answer's encoding is neither gzip nor deflate"
        raise AttemptFailed(cause, BadResponse, retryable=True)
    body = bytearray()
    # read1 takes what is there: read() would wait, for as long as it takes, until the chunk is full
    while chunk := answer.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > limits.size:
            raise too_large(limits)
    return body


def check_values(body: bytearray, limits: Limits) -> None:
    """Refuses a large body of far more values than rows have, before a parser makes an object of each."""
    if len(body) > MB and body.count(b",") + body.count(b"[") + body.count(b"{") > limits.rows * FIELDS:
        raise too_many(limits)


def check_rows(result: Any, limits: Limits) -> None:
    """Counts the rows of a list, or of an object's longest list. Raises AttemptFailed."""
    columns = result.values() if isinstance(result, dict) else [result]
    if max((len(column) for column in columns if isinstance(column, list)), default=0) > limits.rows:
        raise too_many(limits)


def too_many(limits: Limits) -> AttemptFailed:
    """The error to raise when an answer has more rows than a method is given (limits.rows); it is tried again, too."""
    cause = f"the answer has more than {limits.rows:,} rows, the most that this method is given"
    return AttemptFailed(cause, BadResponse, retryable=True)
