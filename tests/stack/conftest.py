import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack.credentials import Credentials
from stack.settings import stack_of


@pytest.fixture
def credentials():
    return Credentials.generate()


@pytest.fixture
def stack(tmp_path, unused_ports):
    return stack_of("demo", {"WAREHOUSE_HOME": str(tmp_path), **unused_ports})


@pytest.fixture
def unused_ports():
    """Free ports for the variables that place a stack, so that a warehouse running on this machine is no neighbour."""
    import socket

    names = ("WAREHOUSE_PORT", "WAREHOUSE_SIMULATOR_PORT", "WAREHOUSE_SIMULATOR_HISTORY_PORT")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: str(one.getsockname()[1]) for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return ports


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
