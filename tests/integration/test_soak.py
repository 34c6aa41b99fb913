"""Five minutes of the soak, by the command that people type: what is killed while live minutes come in, and requests
fail, costs none of them, nor does an exchange that is away. All of it, and for longer, is `make soak`.

    make rehearsal REHEARSE=soak
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.settings import separate_environment

from ..conftest import ROOT
from .rehearsal import SOAK, marked
from .stacks import ends, nothing_runs_of

pytestmark = [pytest.mark.scheduler, *marked(SOAK, seconds=1800)]


class Soak:
    """A soak in a folder of its own, without history: there is no whole month. What it starts is left running."""

    def __init__(self, folder: Path):
        self.folder, self.environment = folder, separate_environment(folder)

    def goes_through(self, *phases: str, minutes: float) -> str:
        """Returns what it printed. Fails the test with that and the ends of the logs unless all have passed."""
        last_closed = datetime.now(UTC).replace(day=1) - timedelta(days=1)
        words = ["--phases", ",".join(phases), "--minutes", f"{minutes}", "--from", f"{last_closed:%Y-%m-%d}", "--keep"]
        done = self._run(["bench.soak", *words], self.environment)
        if done.returncode:
            logs = [end for place in self.folder.glob("soak/*/home/demo/logs") for end in ends(place)]
            pytest.fail("\n".join([done.stdout, *logs]))
        return done.stdout

    def stack(self, command: str) -> str:
        """A command of the stack it has started; returns what it printed. Raises CalledProcessError."""
        [home] = self.folder.glob("soak/*/home")
        done = self._run(["stack", command], self.environment | {"WAREHOUSE_HOME": str(home)})
        done.check_returncode()
        return done.stdout

    def _run(self, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


@pytest.fixture
def soak():
    soak = Soak(Path(tempfile.mkdtemp(prefix="warehouse-")))
    try:
        yield soak
    finally:
        if [*soak.folder.glob("soak/*/home")]:
            soak.stack("down")
    nothing_runs_of(soak.folder)
    shutil.rmtree(soak.folder, ignore_errors=True)


def test_no_minute_is_lost_whatever_is_killed_or_away(soak):
    printed = soak.goes_through("kills", "outage", minutes=2.5)
    assert "kills: passed" in printed and "outage: passed" in printed
    killed = ("deribit_", "scheduler", "Airflow's API server", "Postgres")
    blows = ["  deleted the load of ", *(f"  killed {name}" for name in killed)]
    assert [blow for blow in blows if blow not in printed] == []
    fresh = set(re.findall(r"(perpetuals|futures)_live +. fresh", soak.stack("status")))
    assert fresh == {"futures", "perpetuals"}, "the last minutes are there and keep coming, and a command says so"
    again = soak.goes_through("outage", "kills", minutes=2.5)
    assert "kills: has passed" in again and "outage: has passed" in again and "Starting" not in again
