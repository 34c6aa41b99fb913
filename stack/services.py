"""The long-running processes of a stack, kept alive by supervisord."""

import configparser
import contextlib
import io
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil

from stack import StackError, postgres
from stack.credentials import write_private
from stack.environment import process_environment
from stack.settings import Stack

LOG_SERVERS = ("scheduler", "triggerer")


@dataclass(frozen=True)
class Service:
    """One process. Lower orders start first and stop last."""

    name: str
    command: list[str]
    order: int
    supervisor: dict[str, str] = field(default_factory=dict)


def services(stack: Stack) -> list[Service]:
    """Everything a stack runs, in the order it starts.

    Nothing here defers, but without a triggerer the first page of the UI says that something is broken.
    """
    ours = [
        Service("api-server", _service(stack, "api-server"), 200),
        Service("dag-processor", _service(stack, "dag-processor"), 300),
        # TERM has it wait for the tasks that run; to the whole group it would end those that have just been started
        Service("scheduler", _service(stack, "scheduler"), 300, {"stopasgroup": "false", "stopwaitsecs": "30"}),
        Service("triggerer", _service(stack, "triggerer"), 400),
        Service("watch", _service(stack, "watch"), 450),
        Service("cleaner", [sys.executable, "-m", "stack", "clean", "--daily", "--mode", stack.mode], 500),
    ]
    if stack.mode == "demo":
        ours.append(Service("simulator", simulator_command(stack), 150))
    if stack.supervised:
        # INT is Postgres' fast shutdown; not to the whole group, whose backends would take it for "cancel the query".
        settings = {"stopsignal": "INT", "stopasgroup": "false", "stopwaitsecs": "60"}
        if account := postgres.account():
            settings["user"] = account.pw_name
        ours.append(Service("postgres", postgres.command(stack), 100, settings))
    return sorted(ours, key=lambda service: service.order)


def _service(stack: Stack, name: str) -> list[str]:
    # Through `stack service`, which reads the secrets itself: no configuration file and no other service sees them.
    return [sys.executable, "-m", "stack", "service", name, "--mode", stack.mode]


def simulator_command(stack: Stack) -> list[str]:
    ports = ["--port", str(stack.simulator_port), "--history-port", str(stack.simulator_history_port)]
    bind = [] if stack.bind == "127.0.0.1" else ["--host", stack.bind]
    return [sys.executable, "-m", "exchange_simulator", *bind, *ports]


def watch_command() -> list[str]:
    return [sys.executable, "-m", "deribit_warehouse.watch"]


def airflow_command(name: str) -> list[str]:
    """One of Airflow's services. Logs are read from the shared folder, so that none serves its own on another port."""
    return [sys.executable, "-m", "airflow", name, *(["--skip-serve-logs"] if name in LOG_SERVERS else [])]


def configuration(stack: Stack) -> str:
    """supervisord.conf; it holds no secret."""
    parser = configparser.RawConfigParser()
    parser["unix_http_server"] = {"file": str(_control(stack)), "chmod": "0600"}
    parser["supervisord"] = {
        "logfile": str(stack.logs / "supervisord.log"),
        "logfile_maxbytes": "5MB",
        "logfile_backups": "2",
        "pidfile": str(stack.home / "supervisord.pid"),
        "childlogdir": str(stack.logs),
        "directory": str(stack.root),
        "umask": "077",
        "identifier": f"warehouse-{stack.mode}",
    } | ({"user": "root"} if os.geteuid() == 0 else {})
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for service in services(stack):
        parser[f"program:{service.name}"] = {
            "command": shlex.join(service.command),
            "priority": str(service.order),
            "autostart": "false",  # the start command starts them one after the other
            "autorestart": "true",
            "startsecs": "2",
            # as long as it takes, n seconds after the n-th failure: a disk that is full has room again some time
            "startretries": "1000000",
            "stopsignal": "TERM",
            "stopasgroup": "true",
            "killasgroup": "true",
            "stopwaitsecs": "20",
            "stdout_logfile": str(stack.logs / f"{service.name}.log"),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "3",
            "redirect_stderr": "true",
        } | service.supervisor
    text = io.StringIO()
    text.write("; Written by stack/services.py at every start.\n")
    parser.write(text)
    return text.getvalue()


def _control(stack: Stack) -> Path:
    return stack.socket_folder("control") / "supervisor.sock"


def _remote(stack: Stack) -> ServerProxy:
    from supervisor.xmlrpc import SupervisorTransport

    return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl=f"unix://{_control(stack)}"))


def supervisor_pid(stack: Stack) -> int | None:
    """The process id of this stack's supervisord, if it runs; a stale pid file whose id was reused doesn't fool it."""
    try:
        pid = int((stack.home / "supervisord.pid").read_text())
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE and str(stack.home / "supervisord.conf") in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if alive else None


def start_supervisor(stack: Stack) -> None:
    """Starts supervisord with nothing under it yet. Raises StackError with the end of its log."""
    postgres.private_folder(_control(stack).parent)
    stack.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    configured = stack.home / "supervisord.conf"
    write_private(configured, configuration(stack))
    log = stack.logs / "supervisord.log"
    result = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(configured)],
        env=process_environment(stack),
        cwd=stack.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    deadline = time.monotonic() + 20
    while result.returncode == 0 and time.monotonic() < deadline:
        try:
            _remote(stack).supervisor.getState()
            return
        except (OSError, HTTPException, Fault):
            time.sleep(0.1)
    said = [line for line in result.stderr.splitlines() if line.startswith("Error")] or [f"its log is {log}"]
    raise StackError(f"supervisord did not start: {said[0]}")


def start(stack: Stack, *names: str) -> None:
    """Has supervisord spawn services, without waiting for them. Raises StackError for one that can't be spawned."""
    remote: Any = _remote(stack).supervisor
    for name in names:
        try:
            if remote.getProcessInfo(name)["statename"] not in ("RUNNING", "STARTING"):
                remote.startProcess(name, False)
        except (Fault, OSError, HTTPException) as error:
            raise StackError(f"{name} could not be started ({error}). Its log is {stack.logs / name}.log") from None


def states(stack: Stack) -> dict[str, str]:
    """The state of each service in supervisord's words (RUNNING, BACKOFF ...); empty when supervisord doesn't run."""
    if not supervisor_pid(stack):
        return {}
    remote: Any = _remote(stack).supervisor
    try:
        return {info["name"]: info["statename"] for info in remote.getAllProcessInfo()}
    except (OSError, HTTPException, Fault):
        return {}


def none_failed(stack: Stack) -> None:
    """Raises StackError when a service is down for good or keeps dying, with the end of its log."""
    if not stack.supervised:
        return
    current = states(stack)
    if not current:
        raise StackError(
            f"supervisord is gone: somebody stopped the stack. Its log is {stack.logs / 'supervisord.log'}"
        )
    for name, state in current.items():
        if state in ("FATAL", "BACKOFF", "EXITED", "UNKNOWN"):
            log = stack.logs / f"{name}.log"
            lines = log.read_text(errors="replace").splitlines()[-6:] if log.exists() else []
            raise StackError(
                f"{name} does not stay up. Its log is {log}" + "".join(f"\n    {line[:200]}" for line in lines)
            )


def left_over(stack: Stack) -> list[psutil.Process]:
    """Processes of this stack that live, whoever their parent is now; without the caller and its parents."""
    marker, data = f"{stack.home}", str(stack.home / "postgres")
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid in own or process.status() == psutil.STATUS_ZOMBIE:
                continue
            command = process.cmdline()
            if (
                data in command
                or str(stack.home / "supervisord.conf") in command
                or process.environ().get("WAREHOUSE_STACK") == marker
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def stop(stack: Stack) -> bool:
    """Stops everything of a stack and returns whether there was anything. Raises StackError when something survives."""
    pid = supervisor_pid(stack)
    if pid:
        process = psutil.Process(pid)
        try:
            _remote(stack).supervisor.shutdown()
        except (OSError, HTTPException, Fault):
            process.terminate()
        try:
            process.wait(120)  # Postgres writes its last checkpoint
        except psutil.TimeoutExpired:
            process.kill()
    orphans = left_over(stack)
    _end(stack, orphans)
    if survivors := left_over(stack):
        names = ", ".join(f"{p.name()} ({p.pid})" for p in survivors)
        raise StackError(f"These processes did not end: {names}. They may belong to another user.")
    return bool(pid or orphans)


def _end(stack: Stack, processes: list[psutil.Process]) -> None:
    """Ends what a crashed supervisord left behind: Airflow first, Postgres after it and in its own polite way."""
    data = str(stack.home / "postgres")

    def is_postgres(process: psutil.Process) -> bool:
        try:
            return data in process.cmdline()
        except psutil.Error:
            return False

    servers = [p for p in processes if is_postgres(p)]
    for group, polite, patience in (
        ([p for p in processes if p not in servers], signal.SIGTERM, 20),
        (servers, signal.SIGINT, 60),
    ):
        for process in group:
            _signal(process, polite)
        _, alive = psutil.wait_procs(group, patience)
        for process in alive:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(alive, 10)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
