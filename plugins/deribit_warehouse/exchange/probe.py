"""Asks the exchange the questions of `assumptions`: one request at a time, keeping every answer as it came."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .assumptions import Rejected, Unanswered
from .errors import AttemptFailed, shown
from .http_client import BUCKETS, seconds
from .limits import limits_of
from .response import FINAL_CODES, parse, quoted
from .session import Response, Session

LARGEST = 64 * 1024 * 1024  # bytes of an answer
LONGEST = 60.0  # seconds from a question to the end of its answer
TRIES = 3  # for a question; after a temporary fault it is asked again
LONGEST_PAUSE = 30.0  # seconds before the next try, whatever Retry-After says
KEPT_HEADERS = ("Date", "Server", "Content-Type", "Content-Encoding", "Retry-After")

# (meter, wait): a request of "public" or "instruments" goes out, at once or in time
RateLimit = Callable[[str, bool], None]


class HttpProbe:
    """An `assumptions.Probe` over HTTP. Close it, or use `with`.

    folder: where the answers go, a file each as it came and a line each in answers.jsonl; it is there and empty.
    refused: how many requests were answered with too_many_requests.
    """

    def __init__(
        self,
        live_url: str,
        history_url: str,
        folder: Path,
        rate_limit: RateLimit,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sessions = {"live": Session("live", live_url), "history": Session("history", history_url)}
        self._folder, self._rate_limit, self._sleep = folder, rate_limit, sleep
        self._answers: dict[tuple, dict[str, Any] | Unanswered] = {}
        self._clock: dict[tuple, tuple[int, int]] = {}
        self._number = 0
        self.refused = 0
        self.answered = 0

    def __call__(self, host: str, method: str, **params: Any) -> Any:
        answer = self._answer(host, method, params)
        if "result" not in answer:
            raise Rejected(f"{method} on the {host} host was refused: {shown(answer['error'])}")
        return answer["result"]

    def error(self, host: str, method: str, **params: Any) -> dict[str, Any]:
        answer = self._answer(host, method, params)
        return answer["error"] if "result" not in answer else {}

    def burst(self, times: int, host: str, method: str, **params: Any) -> list[bool]:
        key, answered = _key(host, method, params), []
        for at in range(times):
            self._rate_limit(BUCKETS.get(method, "public"), at == 0)
            answer, retryable, _ = self._once(host, method, params)
            answered.append(isinstance(answer, dict) and "result" in answer)
            if answered[-1]:
                self._answers.setdefault(key, answer)
            elif not retryable:
                break
        return answered

    def clock(self, host: str, method: str) -> tuple[int, Any, int]:
        reported = self(host, method)
        left, back = self._clock[_key(host, method, {})]
        return left, reported, back

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def __enter__(self) -> HttpProbe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, host: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
        key = _key(host, method, params)
        if key not in self._answers:
            for attempt in range(1, TRIES + 1):
                self._rate_limit(BUCKETS.get(method, "public"), True)
                self._answers[key], retryable, pause = self._once(host, method, params)
                if not retryable or attempt == TRIES:
                    break
                self._sleep(min(max(pause, 2.0**attempt), LONGEST_PAUSE))
        if isinstance(answer := self._answers[key], Unanswered):
            raise answer
        return answer

    def _once(self, host: str, method: str, params: dict[str, Any]) -> tuple[dict | Unanswered, bool, float]:
        """Sends one request. Returns the answer, which has a `result` or an `error`, whether another try may succeed,
        and the seconds to wait before it."""
        self._number += 1
        url = f"{self._sessions[host].url}/api/v2/public/{method}"
        note = {"number": self._number, "host": host, "url": url, "params": params}
        left = time.time_ns() // 1_000_000
        try:
            answered = self._fetch(host, method, params)
        except AttemptFailed as failure:
            self._note(note | {"failed": str(failure)})
            return Unanswered(f"{method} on the {host} host: {failure}"), failure.retryable, 0.0
        status, headers, body = answered.status, answered.headers, answered.body
        back = time.time_ns() // 1_000_000
        self._clock[_key(host, method, params)] = left, back
        name = f"{self._number:02}-{host}-{method}.json"
        (self._folder / name).write_bytes(body)
        kept = {header: headers[header][:200] for header in KEPT_HEADERS if header in headers}
        note |= {"status": status, "headers": kept, "sent_at": left, "milliseconds": back - left, "body": name}
        self._note(note)
        pause = seconds(headers.get("Retry-After"))
        try:
            answer = parse(body)
        except (ValueError, RecursionError):
            answer = None
        self.refused += status == 429
        fault = answer.get("error") if isinstance(answer, dict) else None
        usable = isinstance(answer, dict) and status == 200 and "result" in answer
        if fault is None and not usable:
            # truncated, or the page of a proxy: the exchange did not send it
            said = Unanswered(f"{method} on the {host} host: HTTP {status} and no JSON-RPC answer: {quoted(body)}")
            return said, True, pause
        self.answered += 1
        if fault is None:  # absent or null, as in response.result_of
            return {"result": answer["result"]}, False, pause
        error = fault if isinstance(fault, dict) else {"message": str(fault)[:200]}
        code = error.get("code") if type(error.get("code")) is int else None
        self.refused += code == 10028 and status != 429
        if code not in FINAL_CODES:
            return Unanswered(f"{method} on the {host} host was refused: {shown(error)}"), True, pause
        return {"error": error}, False, pause

    def _fetch(self, host: str, method: str, params: dict[str, Any]) -> Response:
        limits = limits_of(method)
        limits = replace(limits, silence=min(limits.silence, LONGEST), total=LONGEST, size=max(limits.size, LARGEST))
        session = self._sessions[host]
        return session.send(session.prepare(method, params), limits)

    def _note(self, line: dict[str, Any]) -> None:
        with (self._folder / "answers.jsonl").open("a") as out:
            out.write(json.dumps(line) + "\n")


def _key(host: str, method: str, params: dict[str, Any]) -> tuple:
    return host, method, tuple(sorted(params.items()))
