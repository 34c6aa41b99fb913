"""How much a client may ask, and how much it did ask."""

from __future__ import annotations

from collections import Counter, deque

CREDITS = 500  # what a request costs
CATALOGUE = "get_instruments"  # which has a bucket of its own


class Bucket:
    """Credits that come back with time: `size` at most, `refill` a second. The clock is the caller's, in seconds."""

    def __init__(self, size: float, refill: float) -> None:
        self.size, self.refill = size, refill
        self._left = size
        self._at: float | None = None

    def take(self, credits: float, now: float) -> bool:
        """Take credits if there are enough; say whether there were."""
        if self._at is not None:
            self._left = min(self.size, self._left + (now - self._at) * self.refill)
        self._at = now
        if self._left < credits:
            return False
        self._left -= credits
        return True


class Limits:
    """The exchange's two buckets: one for `get_instruments` (one in `catalogue_seconds`, `catalogue_burst` at once),
    one for everything else.

    Both ports share them: a client that is polite to two hosts at once is polite to either.
    """

    def __init__(
        self,
        requests_per_second: float = 20,
        burst: float = 100,
        catalogue_seconds: float = 1,
        catalogue_burst: float = 50,
    ) -> None:
        self._catalogue = Bucket(catalogue_burst, 1 / catalogue_seconds)
        self._matching = Bucket(burst * CREDITS, requests_per_second * CREDITS)

    def admits(self, method: str, now: float) -> bool:
        if method == CATALOGUE:
            return self._catalogue.take(1, now)
        return self._matching.take(CREDITS, now)


class Stats:
    """Counts of what was asked and served since the start or the last reset. Times are epoch seconds.

    The busiest second is that of the requests which share a bucket: the catalogue's have their own.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._methods: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._candles = self._bytes = self._busiest = 0
        self._busiest_at: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._window: deque[float] = deque()
        self._first_of: dict[str, float] = {}
        self._last_of: dict[str, float] = {}

    def accepted(self, method: str, at: float) -> None:
        self._methods[method] += 1
        self._first, self._last = self._first or at, at
        self._first_of.setdefault(method, at)
        self._last_of[method] = at
        if method == CATALOGUE:
            return
        self._window.append(at)
        while self._window[0] <= at - 1:
            self._window.popleft()
        if len(self._window) > self._busiest:
            self._busiest, self._busiest_at = len(self._window), at

    def refused(self, method: str, at: float) -> None:
        self._refused[method] += 1
        self._first, self._last = self._first or at, at

    def fault(self, kind: str) -> None:
        self._faults[kind] += 1

    def answered(self, status: int, size: int, candles: int) -> None:
        self._statuses[status] += 1
        self._bytes += size
        self._candles += candles

    def report(self) -> dict:
        return {
            "requests": sum(self._methods.values()),
            "by_method": dict(self._methods),
            "refused": sum(self._refused.values()),
            "refused_by_method": dict(self._refused),
            "faults": sum(self._faults.values()),
            "faults_by_kind": dict(self._faults),
            "by_status": {str(status): count for status, count in self._statuses.items()},
            "busiest_second": self._busiest,
            "busiest_second_ended": self._busiest_at,
            "first_request": self._first,
            "last_request": self._last,
            "first_by_method": dict(self._first_of),
            "last_by_method": dict(self._last_of),
            "candles_served": self._candles,
            "bytes_served": self._bytes,
        }
