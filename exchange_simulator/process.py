"""The simulator as a process of its own, for as long as somebody needs an exchange: a test, a benchmark."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[1]
ADDRESSES = re.compile(r"live host (\S+), history host (\S+)")
PATIENCE = 60  # seconds until it must have said where it listens


@dataclass(frozen=True)
class Running:
    """Two hosts of one exchange, on ports that were free."""

    live_url: str
    history_url: str

    def faults(self, *faults: dict) -> None:
        """Replaces the faults in force; none ends them. Raises requests.HTTPError for one that doesn't exist."""
        requests.delete(f"{self.live_url}/simulator/faults", timeout=10).raise_for_status()
        if faults:
            requests.post(f"{self.live_url}/simulator/faults", json=list(faults), timeout=10).raise_for_status()

    def clock(self, now: str | int | None = None, speed: float = 0.0) -> int:
        """Sets the simulator's clock (an ISO time or ms; None: where it is) and lets it run so many times as fast as
        ours; returns what it says, ms. Raises requests.HTTPError for what no clock can do."""
        wanted = {"speed": speed} | ({} if now is None else {"now": now})
        answer = requests.post(f"{self.live_url}/simulator/clock", json=wanted, timeout=10)
        answer.raise_for_status()
        return answer.json()["now_ms"]

    def stats(self) -> dict:
        """What was asked and served since the count was last reset, by the simulator's own clock."""
        return requests.get(f"{self.live_url}/simulator/stats", timeout=10).json()

    def reset(self) -> None:
        """Starts the count anew."""
        requests.post(f"{self.live_url}/simulator/stats/reset", timeout=10).raise_for_status()


@contextmanager
def running(*options: str) -> Iterator[Running]:
    """Starts `python -m exchange_simulator` with these options and ends it afterwards.

    Raises RuntimeError with what it said when it does not start.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange_simulator", "--port", "0", "--history-port", "0", *options],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield Running(*addresses(process, log.fileno()))
        finally:
            process.terminate()
            process.wait(15)


def addresses(process: subprocess.Popen, log: int) -> tuple[str, str]:
    """What a started simulator says its two hosts are. log: the file it writes to."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = process.poll() is not None
        said = os.pread(log, 1 << 16, 0).decode(errors="replace")  # seek would move the writer, too
        if found := ADDRESSES.search(said):
            return found[1], found[2]
        if ended or time.monotonic() > deadline:
            raise RuntimeError(f"the exchange simulator did not start: {said or 'it said nothing'}")
        time.sleep(0.05)
