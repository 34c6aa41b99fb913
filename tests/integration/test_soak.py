"""Five minutes of the soak, by the command that people type: what is killed while live minutes come in, and requests
fail, costs none of them, nor does an exchange that is away. All of it, and for longer, is `make soak`.

    make rehearsal REHEARSE=soak
"""

from __future__ import annotations

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


@pytest.fixture
def soak():
    """Soaks phases for so many minutes each, beside a month of history, and returns what it printed. Fails the test
    with that and the ends of the logs unless they have passed. What it has left running is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-"))
    environment = separate_environment(folder)
    last_month = datetime.now(UTC).replace(day=1) - timedelta(days=1)

    def run(*phases: str, minutes: float) -> str:
        words = ["bench.soak", "--phases", ",".join(phases), "--minutes", f"{minutes}"]
        words += ["--from", f"{last_month:%Y-%m}-01"]
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode:
            logs = [end for place in folder.glob("soak/*/home/demo/logs") for end in ends(place)]
            pytest.fail("\n".join([done.stdout, *logs]))
        return done.stdout

    try:
        yield run
    finally:
        for home in folder.glob("soak/*/home"):
            down = [sys.executable, "-m", "stack", "down"]
            subprocess.run(down, cwd=ROOT, env=environment | {"WAREHOUSE_HOME": str(home)}, check=True, timeout=300)
    nothing_runs_of(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_no_minute_is_lost_whatever_is_killed_or_away(soak):
    printed = soak("kills", "outage", minutes=2.5)
    assert "kills: passed" in printed and "outage: passed" in printed
    killed = ("deribit_", "scheduler", "Airflow's API server", "Postgres")
    blows = ["  deleted the load of ", *(f"  killed {name}" for name in killed)]
    assert [blow for blow in blows if blow not in printed] == []
    again = soak("outage", "kills", minutes=2.5)
    assert "kills: has passed" in again and "outage: has passed" in again and "Starting" not in again
