"""Who goes first: in processes of their own, because what is nice once stays so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from .conftest import ROOT

BEFORE = os.getpriority(os.PRIO_PROCESS, 0)


def run(script: str, *words: str) -> list[int]:
    """The numbers that a script prints."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "plugins")))
    ended = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    return [int(word) for word in ended.stdout.split()]


@pytest.mark.parametrize(("nice", "then"), [(0, 10), (15, 15)])
def test_giving_way_takes_no_rights(nice, then):
    script = (
        "import os, sys; from deribit_warehouse import priority; os.nice(max(0, int(sys.argv[1]) -"
        "os.getpriority(os.PRIO_PROCESS, 0))); priority.give_way(); print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    assert run(script, str(nice)) == [max(then, BEFORE)]


CONNECTED = """
import os, sys, psycopg
from deribit_warehouse import priority
if sys.argv[2] == "nice":
    priority.give_way()
with psycopg.connect(sys.argv[1]) as connection:
    priority.share(connection)
    print(os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, connection.info.backend_pid))
"""


def test_the_backend_of_a_process_that_gives_way_does_so_too(market):
    ours, theirs = run(CONNECTED, market.dsn(), "nice")
    assert ours == theirs == max(10, BEFORE)


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel does not group processes by session")
def test_the_session_of_a_backend_gives_way_for_a_nice_process_alone_counts_within_it(market):
    asked = CONNECTED + "    print(open(f'/proc/{connection.info.backend_pid}/autogroup').read().split()[-1])\n"
    *_, session = run(asked, market.dsn(), "nice")
    assert session == max(10, BEFORE)
    if not BEFORE:
        *_, session = run(asked, market.dsn(), "as it is")
        assert session == 0


def test_the_kernel_takes_one_session_at_a_time(monkeypatch):
    from deribit_warehouse import priority

    written = []

    def write(path, text):
        written.append((path.name, text))
        if len(written) < 3:
            raise BlockingIOError

    monkeypatch.setattr(Path, "read_text", lambda _: "/autogroup-7 nice 0\n")
    monkeypatch.setattr(Path, "write_text", write)
    priority._weigh_session(7, 10)
    assert written == [("autogroup", "10")] * 3


def test_the_backend_of_any_other_stays_as_it_is(market):
    with psycopg.connect(market.dsn()) as connection:
        usual = os.getpriority(os.PRIO_PROCESS, connection.info.backend_pid)
    assert run(CONNECTED, market.dsn(), "as it is") == [BEFORE, max(usual, BEFORE)]


class Info:
    def __init__(self, pid: int):
        self.backend_pid, self.user, self.dbname = pid, "market_loader", "market"


class Elsewhere:
    """A connection to a Postgres of another machine, whose backend has the number of one of our processes."""

    def __init__(self, pid: int):
        self.info = Info(pid)


def test_a_number_that_is_another_process_here_is_left_alone(monkeypatch):
    from deribit_warehouse import priority

    monkeypatch.setattr("os.getpriority", lambda *_: 10)
    monkeypatch.setattr("os.setpriority", lambda *asked: pytest.fail(f"{asked}"))
    priority.share(Elsewhere(os.getppid()))
    priority.share(Elsewhere(2**22 + 1))
