"""What is looked at before anything is started, so that the usual troubles get a sentence."""

import errno
import os
import shutil
import socket
from pathlib import Path

import psutil

from stack import StackError
from stack.install import shared
from stack.services import left_over, supervisor_pid
from stack.settings import Stack

GIGABYTE = 1_000_000_000


def check(stack: Stack) -> None:
    """Raises StackError for the first thing that would keep the stack from starting; makes its folder, nothing else."""
    not_running(stack)
    ours_alone(stack.home)
    writable(stack.home)
    ours_alone(stack.home)  # whoever was quicker in making it
    enough_disk(stack.home)
    for variable, port in stack.ports.items():
        port_free(stack, variable, port)


def not_running(stack: Stack) -> None:
    if supervisor_pid(stack):
        raise StackError(f"This stack is running already: {stack.address} (make status). Stop it with: make down")
    if processes := left_over(stack):
        names = ", ".join(sorted({f"{p.name()} ({p.pid})" for p in processes})[:5])
        raise StackError(f"Processes of an earlier start are still there: {names}. End them with: make down")


def ours_alone(home: Path) -> None:
    for folder in (home.parent, home):
        if refusal := shared(folder):
            raise StackError(refusal)


def writable(home: Path) -> None:
    if not str(home).isprintable() or "%" in str(home):
        # supervisord and Airflow both read % in their settings as the start of a reference
        raise StackError(f"The state folder {str(home)!r} has a % or an unprintable character in its name. Move it.")
    probe = home / f".writable-{os.getpid()}"
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=True, mode=0o700)
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StackError(f"The disk of {home} is full. Make room, or set WAREHOUSE_HOME to another disk.") from None
        raise StackError(
            f"The state folder {home} can't be written ({error.strerror}). Set WAREHOUSE_HOME to a folder that can."
        ) from None


def enough_disk(home: Path) -> None:
    """Three months need 0.5 GB and seven years 2.5 GB; WAREHOUSE_MIN_FREE_GB moves the line."""
    text = os.environ.get("WAREHOUSE_MIN_FREE_GB") or "3"
    try:
        needed = float(text)
    except ValueError:
        raise StackError(f"WAREHOUSE_MIN_FREE_GB is {text[:40]!r}; it has to be a number of gigabytes.") from None
    free = shutil.disk_usage(home).free / GIGABYTE
    if free < needed:
        raise StackError(
            f"The disk of {home} has {free:.1f} GB free and {needed:g} GB are wanted. Make room, set WAREHOUSE_HOME to "
            f"a folder on another disk, or lower the limit with WAREHOUSE_MIN_FREE_GB."
        )


def port_free(stack: Stack, variable: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((stack.bind, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise StackError(f"Port {port} can't be used: {error.strerror}.") from None
        else:
            return
    free = next_free(stack, port)
    raise StackError(
        f"Port {port} is taken{_owner(port)}. Choose another, for example: {stack.command} {variable}={free}"
    )


def next_free(stack: Stack, port: int) -> int:
    """A port above one that is taken."""
    for candidate in range(port + 1, min(port + 200, 65536)):
        with socket.socket() as probe:
            try:
                probe.bind((stack.bind, candidate))
            except OSError:
                continue
        if candidate not in stack.ports.values():
            return candidate
    return 0


def _owner(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
            if listens and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {' '.join(process.cmdline())[:80] or process.name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return " by another program"
