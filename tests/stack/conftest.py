import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from stack import __main__ as command
from stack import postgres, services
from stack.credentials import Credentials
from stack.settings import separate_environment, stack_of


@pytest.fixture
def credentials():
    return Credentials.generate()


@pytest.fixture
def stack(tmp_path):
    return stack_of("demo", separate_environment(tmp_path, {}))


@pytest.fixture
def status(market, stack, credentials, monkeypatch, capsys):
    """() -> the exit code of `status` and what it says, of one stack that runs with the test's database."""
    monkeypatch.setattr(command, "stack_of", lambda mode: stack)
    monkeypatch.setattr(command, "MODES", {"demo": "demo"})
    monkeypatch.setattr(command, "load", lambda home: credentials)
    monkeypatch.setattr(command, "console", Console(highlight=False, width=200))
    monkeypatch.setattr(services, "states", lambda stack: {"postgres": "RUNNING", "watch": "RUNNING"})
    monkeypatch.setattr(postgres, "dsn", lambda stack, credentials, role, database: market.dsn(role))

    def run() -> tuple[int, str]:
        code = command.main(["status"])
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def spawn():
    """Starts processes that sleep, with given arguments and environment, and ends them after the test."""
    processes = []

    def start(*arguments, **environ):
        command = [sys.executable, "-c", "import time; time.sleep(600)", *map(str, arguments)]
        process = subprocess.Popen(command, env=os.environ | environ)
        processes.append(process)
        deadline = time.monotonic() + 10
        while not all(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")):
            assert time.monotonic() < deadline  # just after the exec both are empty for a moment
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
