"""One host of the exchange: asked at a pace, and again until there is an answer or a final no."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from .errors import AttemptFailed, ExchangeUnavailable, Malformed, clean, error_text, request_text
from .limits import Limits, check_rows, check_values, limits_of
from .response import result_of
from .session import Session

log = logging.getLogger(__name__)

T = TypeVar("T")
Request = Callable[[str, Mapping[str, Any], Callable[[Any], T]], T]

BUCKETS = {"get_instruments": "instruments"}  # the exchange meters this method apart, at 1 a second
LONGEST_PAUSE = 600.0  # seconds; a longer Retry-After is better served by the scheduler's own retry
# Times an answer's whole time, for all attempts: a slow exchange must not hold a slot for all of them.
MAX_ANSWER_TIMES = 2
FULL_JITTER = wait_random_exponential(multiplier=0.5, max=30)  # seconds: 0 to 0.5, 0 to 1, 0 to 2, ...


class HttpClient:
    """Asks one base URL until there is an answer or a final no. Make it in the process that uses it. Raises ValueError
    for a URL with a login (see Session)."""

    def __init__(
        self,
        name: str,
        url: str,
        rate_limiter: Callable[[str], None],
        *,
        attempts: int,
        sleep: Callable[[float], None],
        limits: Callable[[str], Limits] = limits_of,
    ) -> None:
        if attempts < 1:
            raise ValueError(f"attempts is {attempts}: at least one is needed to get an answer")
        self.name = name
        self._session = Session(name, url)
        self.url = self._session.url
        self._rate_limiter, self._limits, self._attempts, self._sleep = rate_limiter, limits, attempts, sleep

    def request(
        self, method: str, params: Mapping[str, Any], read: Callable[[Any], T],
        result: Callable[[int, bytes | bytearray], Any] = result_of, *, attempts: int | None = None,
        limits: Limits | None = None,
    ) -> T:  # fmt: skip
        """The answer to `method`, as `read` makes it from the JSON-RPC result, which `result` takes out of the body.

        `read` raises Malformed for a result that can't be read, which counts as a corrupt page and is asked again; so
        does anything else it raises. Raises RequestRejected or InstrumentNotFound at once, ExchangeUnavailable or
        BadResponse when the attempts are used up, and nothing else, whatever the answer (what `rate_limiter` raises is
        passed on). attempts: how many there are, where that is fewer than the client makes. limits: those of this
        request, where they are not the method's.
        """
        limits = limits or self._limits(method)
        most = min(attempts or self._attempts, self._attempts)
        spent: list[float] = []
        retrying = Retrying(
            stop=lambda state: state.attempt_number >= most or sum(spent) >= MAX_ANSWER_TIMES * limits.total,
            wait=pause,
            retry=retry_if_exception(lambda error: isinstance(error, AttemptFailed) and error.retryable),
            sleep=self._sleep,
            before_sleep=lambda state: self._log_attempt(state, most, method, params),
            reraise=True,
        )
        try:
            return retrying(self._once, method, params, read, result, limits, spent)
        except AttemptFailed as failure:
            made = retrying.statistics["attempt_number"]
            raise failure.exception_class(
                f"{request_text(method, params)} on the {self.name} host ({self.url}): {failure} "
                f"(after {made} attempt{'s' if made > 1 else ''}). {failure.exception_class.advice}",
                method=method,
                params=params,
                host=self.name,
                code=failure.code,
                http_status=failure.http_status,
            ) from failure

    def close(self) -> None:
        self._session.close()

    def _once(
        self, method: str, params: Mapping[str, Any], read: Callable[[Any], T],
        result: Callable[[int, bytes | bytearray], Any], limits: Limits, spent: list[float],
    ) -> T:  # fmt: skip
        """One attempt. spent: takes the seconds from the request to the end of its answer."""
        # prepared before the limiter is asked, so that the request leaves as soon as it may
        prepared = self._session.prepare(method, params)
        self._rate_limiter(BUCKETS.get(method, "public"))
        sent_at = time.monotonic()
        try:
            answer = self._session.send(prepared, limits)
        finally:
            spent.append(time.monotonic() - sent_at)
        try:
            if 300 <= answer.status < 400:
                raise redirect(answer.status, answer.headers.get("Location"))
            check_values(answer.body, limits)
            found = result(answer.status, answer.body)
            check_rows(found, limits)
            return read(found)
        except AttemptFailed as failure:
            failure.http_status, failure.retry_after = answer.status, seconds(answer.headers.get("Retry-After"))
            raise
        except Exception as error:  # an error no reader foresaw must not lose the other instruments of the batch
            cause = f"the answer can't be read: {error_text(error)}"
            raise Malformed(cause, http_status=answer.status) from error

    def _log_attempt(self, state: RetryCallState, most: int, method: str, params: Mapping[str, Any]) -> None:
        """most: how many attempts this request has."""
        log.warning(
            "%s on the %s host: attempt %d of %d failed, next in %.1f s: %s",
            request_text(method, params),
            self.name,
            state.attempt_number,
            most,
            state.upcoming_sleep,
            _failure(state),
        )


def _failure(state: RetryCallState) -> AttemptFailed:
    """The failure because of which an attempt is repeated; no other exception is."""
    assert state.outcome
    return cast(AttemptFailed, state.outcome.exception())


def pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: exponential with full jitter, and never less than Retry-After asks for."""
    failure = _failure(state)
    return max(FULL_JITTER(state), min(failure.retry_after, LONGEST_PAUSE))


def redirect(status: int, location: str | None) -> AttemptFailed:
    """The failure of an answer that sends us elsewhere: a proxy's or a moved host's, and never ours to follow."""
    where = clean(location).partition("?")[0] if location else "nowhere"
    return AttemptFailed(
        f"HTTP {status}, a redirect to {where}, which is not followed", ExchangeUnavailable, retryable=True
    )


def seconds(retry_after: str | None) -> float:
    """A Retry-After header, seconds or an HTTP date, as seconds from now. 0 where absent or unreadable."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    try:
        # RFC 9110 dates are GMT; one without a zone is read as such.
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):
        return 0.0
