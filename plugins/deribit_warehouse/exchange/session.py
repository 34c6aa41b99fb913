"""One host of the exchange, one request at a time: sent without a login, and its answer read within limits."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import requests
import urllib3

from .errors import AttemptFailed, BadResponse, ExchangeUnavailable, RequestRejected, error_text
from .limits import Allowance, LimitedAdapter, Limits, allowance, read_body

# Faults of the way, not of the request. (A refused certificate is among them: it is met during restarts, too.)
TRANSIENT_ERRORS = (
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
class Response:
    """What came back, of whatever status. body: decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytearray


@dataclass(frozen=True)
class Prepared:
    """A request that is ready to be sent: through which adapter, and by which proxy and certificates."""

    request: requests.PreparedRequest
    adapter: LimitedAdapter
    environment: dict[str, Any]


class Session:
    """Sends requests to one base URL only: no redirect is followed, and no login is sent, neither from a URL nor from
    ~/.netrc. A proxy and a certificate bundle that the environment names are used.

    Make it in the process that uses it: sockets don't survive a fork. Raises ValueError for a URL with a login, which
    messages and provenance would show.
    """

    def __init__(self, name: str, url: str) -> None:
        if "@" in url:
            raise ValueError(f"the URL of the {name} host holds a login, and none is needed")
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers.update(HEADERS)
        self._session.auth = lambda request: request  # with no auth at all requests would look into ~/.netrc
        # Repeating is done above, where the error code and the parsed page are known, not below by urllib3.
        adapter = LimitedAdapter(pool_connections=1, pool_maxsize=4, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def prepare(self, method: str, params: Mapping[str, Any]) -> Prepared:
        """Does everything that can be done before the request may be sent. Raises AttemptFailed (final)."""
        try:
            request = self._session.prepare_request(
                requests.Request("GET", f"{self.url}/api/v2/public/{method}", params=params)
            )
            url = str(request.url)  # None only before it is prepared
            environment = self._session.merge_environment_settings(url, {}, True, None, None)
            return Prepared(request, cast(LimitedAdapter, self._session.get_adapter(url)), environment)
        except (requests.RequestException, ValueError) as error:
            raise AttemptFailed(
                f"the request can't be made: {error_text(error)}", RequestRejected, retryable=False
            ) from None

    def send(self, prepared: Prepared, limits: Limits) -> Response:
        """Sends one request and reads its answer within the limits. Raises AttemptFailed, and nothing else.

        By the adapter and not by requests' session, which would read a redirect's body, of any size, to see where it
        leads. Errors of the libraries below are reported by their text and not chained: they quote headers of any
        length, and a proxy's login.
        """
        left, status = Allowance(limits), None
        timeout, token = (limits.connect, limits.silence), allowance.set(left)
        try:
            sent = prepared.adapter.send(prepared.request, timeout=timeout, **prepared.environment)
            with closing(sent) as response:
                status = response.status_code
                return Response(status, response.headers, read_body(response.raw, limits))
        except AttemptFailed as failure:
            failure.http_status = status
            raise
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:  # a proxy's, too
            raise AttemptFailed(
                f"the request can't be made: {error_text(error)}", RequestRejected, retryable=False
            ) from None
        except TRANSIENT_ERRORS as error:
            raise left.failure or AttemptFailed(error_text(error), ExchangeUnavailable, retryable=True) from None
        except Exception as error:
            cause = f"the answer's head can't be read: {error_text(error)}"
            raise left.failure or AttemptFailed(cause, BadResponse, retryable=True) from None
        finally:
            allowance.reset(token)

    def close(self) -> None:
        self._session.close()
