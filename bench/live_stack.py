"""A stack of its own, which may collect live beside a history that is being loaded: for the benchmarks and for the
soak."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import orjson
import psycopg

from exchange_simulator.process import Running
from stack import StackError, credentials, postgres
from stack.api import AirflowApi
from stack.catchup import LIVE
from stack.settings import PORTS, Stack, separate_environment, stack_of

from .memory_group import MemoryGroup

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 1200
"""Seconds until Airflow has to be up and the catalogue read."""


class LiveStack:
    """A demo in a folder. It may be running already: whoever names the same folder again finds it there.

    settings: variables of its environment, which count where it is started. It keeps when each transaction was
    committed: so it can be told when a reader saw what it published.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = separate_environment(folder / "home")
        kept = folder / "ports.json"
        if kept.exists():
            environment |= orjson.loads(kept.read_bytes())
        else:
            kept.write_bytes(orjson.dumps({name: environment[name] for name in PORTS}))
        self.environment = environment | {"WAREHOUSE_LIVE": "0"} | settings
        self.placed: Stack = stack_of("demo", self.environment)
        self.simulator = Running(*self.placed.exchange)
        self.log = folder / "start.log"
        self.process: subprocess.Popen | None = None

    def start(self, first_day: str, group: MemoryGroup | None = None) -> None:
        """From nothing running to DAGs of the history that run; `make demo` itself goes on with that. Raises StackError
        with the end of what it printed."""
        os.umask(0o077)  # as stack/run does
        self.placed.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        postgres.initialise(self.placed, credentials.load_or_make(self.placed.home))
        with (self.placed.home / "postgres" / "postgresql.auto.conf").open("a") as settings:
            settings.write("track_commit_timestamp = on\n")
        words = [sys.executable, "-m", "stack", "demo", "--from", first_day]
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                group.command(words) if group else words, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        until("a catalogue", self._history_runs, PATIENCE)

    def _history_runs(self) -> bool:
        self.has_run_history()
        try:
            if self.api.unhealthy():
                return False
            return not {dag["dag_id"]: dag["is_paused"] for dag in self.api.dags()}["deribit_futures_ohlcv"]
        except (StackError, KeyError):
            return False

    def has_run_history(self) -> bool:
        """Whether the start has ended. Raises StackError with the end of what it printed when it has not ended well."""
        if self.process and self.process.poll():
            raise StackError(f"the start ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        return not self.loads_history

    @property
    def loads_history(self) -> bool:
        """Whether the start is still at its history."""
        return self.process is not None and self.process.poll() is None

    def collect_live(self, *, but: str | None = None) -> None:
        """Lets the DAGs of open days run, as a start does at its end, all of them but one."""
        for dag in self.api.dags():
            if LIVE in {tag["name"] for tag in dag["tags"]} and dag["dag_id"] != but:
                self.api.unpause(dag["dag_id"])

    @cached_property
    def api(self) -> AirflowApi:
        """Raises StackError as long as the stack was never started."""
        return AirflowApi(self.placed, credentials.load(self.placed.home))

    def dsn(self, role: str, database: str) -> str:
        return postgres.dsn(self.placed, credentials.load(self.placed.home), role, database)

    def rows(self, statement: str, *values: object) -> list[tuple]:
        """What a reader of the market database gets."""
        return ask(self.dsn("market_reader", "market"), statement, *values)

    def airflow_rows(self, statement: str, *values: object) -> list[tuple]:
        """What Airflow's own database says."""
        return ask(self.dsn("airflow", "airflow"), statement, *values)

    @property
    def left_running(self) -> str:
        """How whoever reads it stops it: its folder has no packages of its own, so not by make down."""
        named = " ".join(f"{name}={shlex.quote(self.environment[name])}" for name in ("WAREHOUSE_HOME", "PYTHONPATH"))
        return f"Left running. This stops it: env {named} {shlex.quote(sys.executable)} -m stack down"

    def stop(self) -> None:
        """Ends everything of it; what it stores stays. Raises StackError when something survives."""
        if self.process and self.process.poll() is None:
            self.process.terminate()  # an interrupt is ignored by whoever was started in the background
            self.process.wait(60)
        down = subprocess.run(
            [sys.executable, "-m", "stack", "down"], cwd=ROOT, env=self.environment, text=True, capture_output=True
        )
        if down.returncode:
            raise StackError(down.stderr)


@contextmanager
def temporary_stack(*, keep: bool, **settings: str) -> Iterator[LiveStack]:
    """A stack in a temporary folder, stopped and deleted afterwards. It is left running, and a line says how it is
    stopped, where `keep` asks for that, and where something went wrong: what it was is in its logs and its database."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    stack = LiveStack(folder, **settings)
    try:
        yield stack
    except (Exception, SystemExit):
        keep = True
        raise
    finally:
        if keep:
            print(stack.left_running)
        else:
            stack.stop()
            shutil.rmtree(folder, ignore_errors=True)


def ask(dsn: str, statement: str, *values: object) -> list[tuple]:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        return connection.execute(statement.encode(), values or None).fetchall()


def until(what: str, done: Callable[[], object], seconds: float) -> None:
    """Returns once done() is true. Raises TimeoutError when that takes longer."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {seconds:.0f} s")
        time.sleep(1)
