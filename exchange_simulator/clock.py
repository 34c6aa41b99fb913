"""The simulator's clock: the wall's, or one that was set and stands still or runs at a speed of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Milliseconds since 1970. `now_ms` None: the wall clock, `skew_ms` ahead of it; else the clock stands there until
    it is set otherwise. `wall`: seconds since 1970, for tests."""

    def __init__(self, now_ms: int | None = None, *, skew_ms: int = 0, wall: Callable[[], float] = time.time) -> None:
        self._wall, self._skew_ms = wall, skew_ms
        self._since: tuple[int, float] | None = None if now_ms is None else (now_ms, wall())
        self._speed = 0.0

    @property
    def now_ms(self) -> int:
        """Setting it stops the clock there."""
        if self._since is None:
            return int(self._wall() * 1000) + self._skew_ms
        at_ms, since = self._since
        return at_ms + int((self._wall() - since) * 1000 * self._speed)

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self.set(now_ms, 0.0)

    def set(self, now_ms: int | None = None, speed: float = 1.0) -> None:
        """Sets the clock to an instant (None: where it is) and lets it run `speed` times as fast as the wall's; 0: it
        stands still. ValueError for a speed that is negative or no number."""
        if not math.isfinite(speed) or speed < 0:
            raise ValueError(f"a clock can't run at the speed {speed}")
        self._since, self._speed = (self.now_ms if now_ms is None else now_ms, self._wall()), speed

    def report(self) -> dict:
        """now (ISO), now_ms and speed, as `/simulator/clock` tells them."""
        now = self.now_ms
        speed = 1.0 if self._since is None else self._speed
        return {"now": datetime.fromtimestamp(now / 1000, UTC).isoformat(), "now_ms": now, "speed": speed}
