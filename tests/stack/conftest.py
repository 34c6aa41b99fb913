import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack.credentials import Credentials
from stack.settings import separate_environment, stack_of


@pytest.fixture
def credentials():
    return Credentials.generate()


@pytest.fixture
def stack(tmp_path):
    return stack_of("demo", separate_environment(tmp_path, {}))


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
