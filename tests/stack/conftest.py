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
