"""One host of the exchange: a kept-alive session, paced and repeated until an answer or a final no."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from .errors import Failure, Refused, Unavailable, wording
from .verdict import result_of

log = logging.getLogger(__name__)

T = TypeVar("T")
Ask = Callable[[str, Mapping[str, Any], Callable[[Any], T]], T]

BUCKETS = {"get_instruments": "instruments"}  # the exchange meters this method apart, at 1 a second
LONGEST_PAUSE = 600.0  # seconds; a longer Retry-After is better served by the scheduler's own retry
FULL_JITTER = wait_random_exponential(multiplier=0.5, max=30)  # seconds: 0 to 0.5, 0 to 1, 0 to 2, ...
# Faults of the way, not of the request. (A refused certificate is among them: it is met during restarts, too.)
WAY_FAULTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,  # requests' own error for a broken Content-Encoding is one of these
)


class Host:
    """Asks one base URL. Make it in the process that uses it: a session's sockets don't survive a fork."""

    def __init__(
        self,
        name: str,
        url: str,
        pace: Callable[[str], None],
        *,
        timeout: tuple[float, float],
        attempts: int,
        sleep: Callable[[float], None],
    ):
        if attempts < 1:
            raise ValueError(f"attempts is {attempts}: at least one is needed to get an answer")
        self.name = name
        self.url = url.rstrip("/")
        self._pace, self._timeout, self._attempts, self._sleep = pace, timeout, attempts, sleep
        self._session = requests.Session()
        # Repeating is done here, where the error code and the parsed page can be judged, not below by urllib3.
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=4, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def ask(self, method: str, params: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        """The answer to `method`, as `read` makes it from the JSON-RPC result.

        `read` raises Malformed for a result that can't be read, which counts as a corrupt page and is asked again.
        Raises Refused or InstrumentGone at once, Unavailable or BadResponse when the attempts are used up.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=pause,
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.passing),
            sleep=self._sleep,
            before_sleep=lambda state: self._tell(state, method, params),
            reraise=True,
        )
        try:
            return retrying(self._once, method, params, read)
        except Failure as failure:
            made = retrying.statistics["attempt_number"]
            raise failure.becomes(
                f"{wording(method, params)} on the {self.name} host ({self.url}): {failure} "
                f"(after {made} attempt{'s' if made > 1 else ''}). {failure.becomes.advice}",
                method=method,
                params=params,
                host=self.name,
                code=failure.code,
                http_status=failure.http_status,
            ) from failure

    def close(self) -> None:
        self._session.close()

    def _once(self, method: str, params: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        try:
            # made ready first: between its moment and its way there is nothing left to do
            request = self._session.prepare_request(
                requests.Request("GET", f"{self.url}/api/v2/public/{method}", params=params)
            )
            surroundings = self._session.merge_environment_settings(request.url, {}, None, None, None)
            self._pace(BUCKETS.get(method, "public"))
            response = self._session.send(request, timeout=self._timeout, **surroundings)
        except WAY_FAULTS as error:
            raise Failure(f"{type(error).__name__}: {error}", Unavailable, passing=True) from error
        except requests.RequestException as error:
            raise Failure(f"the request can't be made: {error}", Refused, passing=False) from error
        try:
            return read(result_of(response.status_code, response.content))
        except Failure as failure:
            failure.http_status = response.status_code
            failure.retry_after = seconds(response.headers.get("Retry-After"))
            raise

    def _tell(self, state: RetryCallState, method: str, params: Mapping[str, Any]) -> None:
        log.warning(
            "%s on the %s host: attempt %d of %d failed, next in %.1f s: %s",
            wording(method, params),
            self.name,
            state.attempt_number,
            self._attempts,
            state.next_action.sleep,
            state.outcome.exception(),
        )


def pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: exponential with full jitter, and never less than Retry-After asks for."""
    failure = state.outcome.exception()
    return max(FULL_JITTER(state), min(failure.retry_after, LONGEST_PAUSE))


def seconds(retry_after: str | None) -> float:
    """A Retry-After header, seconds or an HTTP date, as seconds from now. 0 where absent or unreadable."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    # RFC 9110 dates are GMT; one without a zone is read as such.
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
