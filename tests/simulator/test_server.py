"""The process: two ports, what goes wrong on a socket, and its end."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "exchange_simulator", "--port", "0", "--history-port", "0", "--from", "2026-08-01"]


class Served:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--now", "2026-09-20T12:00:30"], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        line = self.process.stdout.readline()
        self.live, self.history = map(int, re.findall(r"127\.0\.0\.1:(\d+)", line))

    def ask(self, path: str, *, port: int | None = None, body: list | None = None) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", port or self.live, timeout=10)
        try:
            client.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            response = client.getresponse()
            return response.status, response.read()
        finally:
            client.close()


@pytest.fixture(scope="module")
def served():
    served = Served()
    yield served
    if served.process.poll() is None:
        served.process.kill()
    served.process.communicate()


def test_both_hosts_answer(served):
    path = "/api/v2/public/get_instruments?currency=BTC&kind=future"
    live = json.loads(served.ask(path)[1])["result"]
    assert len(live) == 13
    assert json.loads(served.ask(path, port=served.history)[1])["result"] == []
    assert json.loads(served.ask("/api/v2/public/get_time")[1])["result"] == 1_789_905_630_000


def test_a_reset_drops_the_connection_and_a_truncated_body_stops_half_way(served):
    served.ask("/simulator/faults", body=[{"kind": "reset"}])
    with pytest.raises(ConnectionError):
        served.ask("/api/v2/public/get_time")
    served.ask("/simulator/faults", body=[{"kind": "truncated"}])
    with pytest.raises(http.client.IncompleteRead):
        served.ask("/api/v2/public/get_index_chart_data?index_name=btc_usd&range=1d")
    assert served.ask("/api/v2/public/get_time")[0] == 200


def test_a_busy_port_is_one_sentence_and_exit_code_2(served):
    again = subprocess.run(
        [*COMMAND[:4], str(served.live), *COMMAND[5:]], cwd=ROOT, text=True, capture_output=True, timeout=30
    )
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1 and f"port {served.live} " in again.stderr


def test_sigterm_ends_it_cleanly(served):
    served.process.terminate()
    assert served.process.wait(timeout=10) == 0
    assert served.process.stderr.read() == ""
