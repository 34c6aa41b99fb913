"""The simulated exchange as a process of its own; unless told, with limits that don't matter."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from stack.install import ROOT

from .market_data import NOW


@dataclass(frozen=True)
class Simulated:
    live_url: str
    history_url: str

    def requests(self) -> int:
        """How many calls of its public methods were let in since the count was last reset."""
        return self.stats()["requests"]

    def stats(self) -> dict:
        """What was asked and served since the count was last reset, by the simulator's own clock."""
        return requests.get(f"{self.live_url}/simulator/stats", timeout=10).json()

    def reset(self) -> None:
        requests.post(f"{self.live_url}/simulator/stats/reset", timeout=10).raise_for_status()


@contextmanager
def simulator(requests_per_second: float = 100_000) -> Iterator[Simulated]:
    ports = free_ports(2)
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange_simulator", "--port", str(ports[0]), "--history-port", str(ports[1]),
         "--now", NOW.isoformat(), "--requests-per-second", str(requests_per_second), "--burst", "100000"],
        cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    try:
        wait_until_it_answers(process, urls[0])
        yield Simulated(*urls)
    finally:
        process.terminate()
        process.wait(15)


def wait_until_it_answers(process: subprocess.Popen, url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(f"{url}/api/v2/public/get_time", timeout=5)
            return
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the exchange simulator did not start; what it said is above") from None
            time.sleep(0.1)


def free_ports(number: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports
