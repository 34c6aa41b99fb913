"""One host of the exchange: a kept-alive session, paced and repeated until an answer or a final no."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from .errors import BadResponse, Failure, Malformed, Refused, Unavailable, clean, told, wording
from .limits import Allowance, LimitedAdapter, Limits, allowance, check_rows, check_values, limits_of, read_body
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
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)
HEADERS = {
    "User-Agent": "deribit-warehouse (keeps public market data for research; one paced client)",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",  # not whatever else is installed: read_body reads these
}


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, the decoded body, and for how many seconds not to ask again."""

    status: int
    body: bytearray
    retry_after: float


class Host:
    """Asks one base URL, and nobody else: no redirect is followed, and no login is sent, from a URL or ~/.netrc.
    A proxy and a certificate bundle that the environment names are used.

    Make it in the process that uses it: a session's sockets don't survive a fork. Raises ValueError for a URL with a
    login, which messages and provenance would show.
    """

    def __init__(
        self,
        name: str,
        url: str,
        pace: Callable[[str], None],
        *,
        attempts: int,
        sleep: Callable[[float], None],
        limits: Callable[[str], Limits] = limits_of,
    ):
        if attempts < 1:
            raise ValueError(f"attempts is {attempts}: at least one is needed to get an answer")
        if "@" in url:
            raise ValueError(f"the URL of the {name} host holds a login, and none is needed")
        self.name = name
        self.url = url.rstrip("/")
        self._pace, self._limits, self._attempts, self._sleep = pace, limits, attempts, sleep
        self._session = requests.Session()
        self._session.headers.update(HEADERS)
        self._session.auth = lambda request: request  # with no auth at all requests would look into ~/.netrc
        # Repeating is done here, where the error code and the parsed page can be judged, not below by urllib3.
        adapter = LimitedAdapter(pool_connections=1, pool_maxsize=4, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def ask(self, method: str, params: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        """The answer to `method`, as `read` makes it from the JSON-RPC result.

        `read` raises Malformed for a result that can't be read, which counts as a corrupt page and is asked again; so
        does anything else it raises. Raises Refused or InstrumentGone at once, Unavailable or BadResponse when the
        attempts are used up, and nothing else, whatever the answer (what `pace` raises is passed on).
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
        limits = self._limits(method)
        try:
            # made ready first: between its moment and its way there is nothing left to do
            request = self._session.prepare_request(
                requests.Request("GET", f"{self.url}/api/v2/public/{method}", params=params)
            )
            surroundings = self._session.merge_environment_settings(request.url, {}, True, None, None)
            adapter = self._session.get_adapter(request.url)
        except (requests.RequestException, ValueError) as error:
            raise Failure(f"the request can't be made: {told(error)}", Refused, passing=False) from None
        self._pace(BUCKETS.get(method, "public"))
        answer = self._sent(adapter, request, surroundings, limits)
        try:
            check_values(answer.body, limits)
            result = result_of(answer.status, answer.body)
            check_rows(result, limits)
            return read(result)
        except Failure as failure:
            failure.http_status, failure.retry_after = answer.status, answer.retry_after
            raise
        except Exception as error:  # what readers did not think of is no reason to lose the instruments beside this one
            cause = f"the answer can't be read: {told(error)}"
            raise Malformed(cause, http_status=answer.status) from error

    def _sent(self, adapter: LimitedAdapter, request: Any, surroundings: dict[str, Any], limits: Limits) -> Answer:
        """Sends one request and reads its answer within the limits.

        By the adapter and not by the session, which would read a redirect's body, of any size, to see where it leads.
        Errors of the libraries below are told, not chained: they quote headers of any length, and a proxy's login.
        """
        left, status = Allowance(limits), None
        token = allowance.set(left)
        try:
            with closing(adapter.send(request, timeout=(limits.connect, limits.silence), **surroundings)) as response:
                status = response.status_code
                if 300 <= status < 400:
                    raise redirect(status, response.headers.get("Location"))
                return Answer(status, read_body(response.raw, limits), seconds(response.headers.get("Retry-After")))
        except Failure as failure:
            failure.http_status = status
            raise
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:  # a proxy's, too
            raise Failure(f"the request can't be made: {told(error)}", Refused, passing=False) from None
        except WAY_FAULTS as error:
            raise left.failure or Failure(told(error), Unavailable, passing=True) from None
        except Exception as error:
            cause = f"the answer's head can't be read: {told(error)}"
            raise left.failure or Failure(cause, BadResponse, passing=True) from None
        finally:
            allowance.reset(token)

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


def redirect(status: int, location: str | None) -> Failure:
    """The failure of an answer that sends us elsewhere: a proxy's or a moved host's, and never ours to follow."""
    where = clean(location).partition("?")[0] if location else "nowhere"
    return Failure(f"HTTP {status}, a redirect to {where}, which is not followed", Unavailable, passing=True)


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
