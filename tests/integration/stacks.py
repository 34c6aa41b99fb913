"""A stack for a test: in a folder and on ports of its own, started by the command that people type, and gone after."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import psycopg
import pytest
import requests

from deribit_warehouse.datasets import DATASETS
from stack import credentials, postgres
from stack.settings import separate_environment, stack_of

from ..conftest import ROOT

QUIET = {"WAREHOUSE_LIVE": "0", "DERIBIT_SUMMARY_MINUTES": "5"}


class StackApart:
    """A stack that is started by start(); most else can be asked as soon as it runs.

    mode: demo or live. settings: variables of its environment. It collects no open days, and snapshots no more often
    than every five minutes, unless one says so: what is compared and counted must not change meanwhile.
    """

    def __init__(self, mode: str, folder: Path, **settings: str):
        self.environment = separate_environment(folder) | QUIET | settings
        self.placed = stack_of(mode, self.environment)
        self.home, self.url = self.placed.home, self.placed.address
        self.simulator = f"http://127.0.0.1:{self.placed.simulator_port}"
        self.printed = ""

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """A command of the stack, with what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "stack", *words], cwd=ROOT, env=self.environment, text=True, capture_output=True,
            timeout=600,
        )  # fmt: skip

    def start(self, command: str, first_day: str, *, seconds: float) -> None:
        """`make demo` or `make up`. Fails the test with what was printed and the ends of the logs if it does not end
        well in so many seconds."""
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "stack", command, "--from", first_day], cwd=ROOT, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                ended = f"ended with {process.wait(seconds)}"
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(60)
                ended = f"has not ended in {seconds:.0f} s"
            said.seek(0)
            self.printed = said.read()
        if ended != "ended with 0":
            pytest.fail("\n".join([f"stack {command} {ended}", self.printed, *ends(self.placed.logs)]))

    @cached_property
    def secrets(self) -> dict[str, str]:
        return asdict(credentials.load(self.home))

    @cached_property
    def session(self) -> requests.Session:
        """Logged in to Airflow."""
        session = requests.Session()
        answer = requests.post(
            f"{self.url}/auth/token", json={"username": "admin", "password": self.secrets["admin"]}, timeout=30
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def rows(self, statement: str, *values) -> list[tuple]:
        """What a reader of the market database gets."""
        dsn = postgres.dsn(self.placed, credentials.load(self.home), "market_reader", "market")
        with psycopg.connect(dsn) as connection:
            return connection.execute(statement, values).fetchall()

    def runs(self, dataset: str) -> list[dict]:
        """All runs of a dataset's DAG, the newest first; the API gives a hundred at a time."""
        found: list[dict] = []
        while True:
            answer = self.session.get(
                f"{self.url}/api/v2/dags/deribit_{dataset}/dagRuns",
                params={"order_by": "-run_after", "limit": 100, "offset": len(found)},
                timeout=30,
            ).json()
            found += answer["dag_runs"]
            if len(found) >= answer["total_entries"] or not answer["dag_runs"]:
                return found

    def wait(self, what: str, done, seconds: float = 480) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"{what} has not happened in {seconds:.0f} s"
            time.sleep(1)

    def wait_for_snapshots(self, currencies: Collection[str]) -> None:
        """Until each dataset of snapshots has one of each of these currencies published."""
        for dataset in (one for one in DATASETS if one.table and one.snapshot):
            taken = f"SELECT DISTINCT currency FROM {dataset.name} WHERE currency = ANY(%s)"
            self.wait(
                f"{dataset.name} of each currency",
                lambda taken=taken: len(self.rows(taken, list(currencies))) == len(currencies),
            )


@contextmanager
def stack_apart(mode: str, **settings: str) -> Iterator[StackApart]:
    """A stack to be started, and stopped afterwards by `make down`, which leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-"))
    stack = StackApart(mode, folder, **settings)
    try:
        yield stack
    finally:
        stopped = stack.run("down")
    assert stopped.returncode == 0, stopped.stderr
    nothing_runs_of(folder)
    shutil.rmtree(folder, ignore_errors=True)


def ends(logs: Path) -> list[str]:
    """The end of each log of a stack's services, with its name."""
    return [f"{log}\n{log.read_text(errors='replace')[-3000:]}" for log in logs.glob("*.log")]


def nothing_runs_of(folder: Path) -> None:
    """Fails where `make down` has left a process behind."""
    left = subprocess.run(["pgrep", "-f", str(folder)], text=True, capture_output=True).stdout
    assert not left, "make down left processes behind"
