"""Where one stack lives and which ports it takes: everything that is decided by the caller's environment."""

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from stack import StackError
from stack.install import ROOT, warehouse_home

LONGEST_SOCKET_PATH = 107  # bytes, on Linux
EXCHANGE = {"DERIBIT_URL": "https://www.deribit.com", "DERIBIT_HISTORY_URL": "https://history.deribit.com"}
LIVE_HISTORY_FROM = date(2018, 8, 1)  # the first whole month Deribit's history host answers for
PORTS = {
    "WAREHOUSE_PORT": 8080,
    "WAREHOUSE_SIMULATOR_PORT": 8765,
    "WAREHOUSE_SIMULATOR_HISTORY_PORT": 8766,
}


@dataclass(frozen=True)
class Stack:
    """One stack: `demo` against the simulator or `live` against the exchange.

    home is the folder of all its state. postgres_host is empty for the embedded server (a socket in the state folder)
    and a host name where a server is given, as in docker-compose.yaml; api_host and simulator_host are where services
    find each other, bind is where they listen, public_port is where a person finds the UI. live_exchange and
    history_exchange are the two hosts that a live stack asks. live: whether a start ends with the DAGs of open days
    running.
    """

    mode: str
    home: Path
    port: int = PORTS["WAREHOUSE_PORT"]
    simulator_port: int = PORTS["WAREHOUSE_SIMULATOR_PORT"]
    simulator_history_port: int = PORTS["WAREHOUSE_SIMULATOR_HISTORY_PORT"]
    bind: str = "127.0.0.1"
    api_host: str = "127.0.0.1"
    simulator_host: str = "127.0.0.1"
    public_port: int = PORTS["WAREHOUSE_PORT"]
    postgres_host: str = ""
    live_exchange: str = EXCHANGE["DERIBIT_URL"]
    history_exchange: str = EXCHANGE["DERIBIT_HISTORY_URL"]
    live: bool = True
    root: Path = ROOT

    @property
    def address(self) -> str:
        """Where a person finds the UI."""
        return f"http://127.0.0.1:{self.public_port}"

    @property
    def api_address(self) -> str:
        """Where a service finds the API server: the same, but between containers."""
        return f"http://{self.api_host}:{self.port}"

    @property
    def exchange(self) -> tuple[str, str]:
        """The base URLs of the exchange's live host and of its history host."""
        if self.mode == "demo":
            host = f"http://{self.simulator_host}"
            return f"{host}:{self.simulator_port}", f"{host}:{self.simulator_history_port}"
        return self.live_exchange, self.history_exchange

    @property
    def supervised(self) -> bool:
        """Whether supervisord keeps the services here, and not a container engine."""
        return not self.postgres_host

    @property
    def ports(self) -> dict[str, int]:
        """The TCP ports this stack listens on, by the variable that moves them."""
        ours = {"WAREHOUSE_PORT": self.port}
        if self.mode == "demo":
            ours |= {
                "WAREHOUSE_SIMULATOR_PORT": self.simulator_port,
                "WAREHOUSE_SIMULATOR_HISTORY_PORT": self.simulator_history_port,
            }
        return ours

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    def socket_folder(self, name: str) -> Path:
        """Where a unix socket lies: a short path, without characters that a URL or a configuration would have to quote.

        Inside the state folder where that is such a path, otherwise a folder of this user's own in /tmp.
        """
        inside = self.home / name
        longest = os.fsencode(inside / ".s.PGSQL.5432.lock")
        if len(longest) <= LONGEST_SOCKET_PATH and re.fullmatch(rb"[A-Za-z0-9/._-]+", longest):
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        # Not TMPDIR: whoever stops the stack later, from another shell, has to find the same folder.
        return Path("/tmp") / f"warehouse-{os.getuid()}-{digest}-{name}"

    @property
    def command(self) -> str:
        """What the user types to start this one."""
        return "make demo" if self.mode == "demo" else "make up"


def stack_of(mode: str, environ: Mapping[str, str] = os.environ) -> Stack:
    """The stack of a mode as the environment places it.

    Raises StackError for a port that isn't one, or that is given twice, for a switch that is neither 0 nor 1, and for
    one host of an exchange without the other: what two exchanges say must not meet in one database.
    """
    ports = {name: _port(name, environ.get(name), default) for name, default in PORTS.items()}
    if len(set(ports.values())) < len(ports):
        raise StackError(f"The ports must differ: {', '.join(f'{k}={v}' for k, v in ports.items())}.")
    exchange = {name: environ.get(name) or default for name, default in EXCHANGE.items()}
    if len([name for name in EXCHANGE if environ.get(name)]) == 1:
        raise StackError("DERIBIT_URL and DERIBIT_HISTORY_URL go together: set both hosts of an exchange, or none.")
    return Stack(
        mode=mode,
        home=warehouse_home(environ) / mode,
        port=ports["WAREHOUSE_PORT"],
        public_port=_port("WAREHOUSE_PUBLISHED_PORT", environ.get("WAREHOUSE_PUBLISHED_PORT"), ports["WAREHOUSE_PORT"]),
        simulator_port=ports["WAREHOUSE_SIMULATOR_PORT"],
        simulator_history_port=ports["WAREHOUSE_SIMULATOR_HISTORY_PORT"],
        bind=environ.get("WAREHOUSE_BIND") or "127.0.0.1",
        api_host=environ.get("WAREHOUSE_API_HOST") or "127.0.0.1",
        simulator_host=environ.get("WAREHOUSE_SIMULATOR_HOST") or "127.0.0.1",
        postgres_host=environ.get("WAREHOUSE_POSTGRES_HOST") or "",
        live_exchange=exchange["DERIBIT_URL"],
        history_exchange=exchange["DERIBIT_HISTORY_URL"],
        live=_switch("WAREHOUSE_LIVE", environ.get("WAREHOUSE_LIVE") or "1"),
    )


def separate_environment(home: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment for a stack beside any other on this machine, as tests and benchmarks start one: the caller's
    without what is set for Airflow and the collection, with a state folder and ports of its own."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]  # all open at once: no port is given twice
    ports = [str(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    foreign = ("AIRFLOW", "DERIBIT")
    return {
        **{name: value for name, value in environ.items() if not name.startswith(foreign)},
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",  # as stack/run sets it
        "WAREHOUSE_HOME": str(home),
        **dict(zip(PORTS, ports, strict=True)),
    }


def _switch(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise StackError(f"{name} is {text[:40]!r}; it has to be 1 or 0.")
    return text == "1"


def _port(name: str, text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1024 <= int(text[:6]) <= 65535):
        raise StackError(f"{name} is {text[:40]!r}; a port is a number from 1024 to 65535.")
    return int(text)


def default_from(mode: str, today: date) -> date:
    """The first day of history: the last three closed months for the demo, everything for the live exchange."""
    if mode != "demo":
        return LIVE_HISTORY_FROM
    months = today.year * 12 + today.month - 1 - 3
    return date(months // 12, months % 12 + 1, 1)


def read_from(text: str, today: date) -> date:
    """The day somebody typed. Raises StackError unless it is a day between 2018-08-01 and yesterday."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # Python takes 20260301 and weeks, too
        raise StackError(f"FROM is {text[:40]!r}; it has to be a day like {LIVE_HISTORY_FROM}.")
    if day < LIVE_HISTORY_FROM:
        raise StackError(f"FROM is {day}; the exchange's history starts on {LIVE_HISTORY_FROM}.")
    if day >= today:
        raise StackError(f"FROM is {day}, which is not over yet; the last day it can be is the day before {today}.")
    return day


def history_from(stack: Stack, asked: str | None, today: date) -> date:
    """The first day of this stack's history; remembered, because Airflow's catchup only ever goes forward.

    Raises StackError when an earlier day is asked for than the stack was first started with.
    """
    remembered = stack.home / "history_from"
    day = read_from(asked, today) if asked else None
    if not remembered.exists():
        return day or default_from(stack.mode, today)
    first = date.fromisoformat(remembered.read_text().strip())
    if day is not None and day < first:
        raise StackError(
            f"{stack.home} holds history from {first} on, and catchup does not go back to {day}. Backfill the months "
            f"before in Airflow's UI, or start over: make down, remove {stack.home}, {stack.command} FROM={day}."
        )
    return first
