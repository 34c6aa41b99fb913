"""`make check`: whether the exchange is as this package takes it to be, asked by a process of the library's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from stack import preflight
from stack.credentials import load
from stack.environment import process_environment
from stack.postgres import dsn
from stack.services import supervisor_pid
from stack.settings import Stack

ALL_HOLD, BROKEN, NOT_ASKED = 0, 1, 2
REQUEST_INTERVAL = {"live": 1.0, "demo": 0.05}
"""Seconds from one request to the next. The exchange is asked slowly; the simulator is ours."""


def ask_the_exchange(stack: Stack, *, brief: bool = False) -> int:
    """Asks, prints and keeps the answers in the state folder. Returns ALL_HOLD, BROKEN or NOT_ASKED.

    Needs nothing but Python and the state folder. Where the stack runs, its limiter counts the requests.
    brief prints only what does not hold, or means something for the user all the same.
    """
    preflight.writable(stack.home)
    live, history = stack.exchange
    command = [sys.executable, "-m", "deribit_warehouse.check", "--live", live, "--history", history]
    command += [
        "--folder",
        str(folder(stack)),
        "--interval",
        str(REQUEST_INTERVAL[stack.mode]),
        *(["--brief"] if brief else []),
    ]
    environ = process_environment(stack)
    if stack.postgres_host or supervisor_pid(stack):
        environ["DERIBIT_CHECK_MARKET_URL"] = dsn(stack, load(stack.home), "market_loader", "market")
    sys.stdout.flush()
    done = subprocess.run(command, env=environ, cwd=stack.root, stdin=subprocess.DEVNULL)
    return done.returncode if done.returncode in (ALL_HOLD, BROKEN) else NOT_ASKED


def ask_before_a_start(stack: Stack) -> list[str]:
    """The same before a start, which goes on whatever comes of it: what nobody can load is told and waited for by the
    pipeline itself. What the exchange was found to allow is set where the caller has set nothing, and said where
    something else is set. Returns sentences."""
    found = ask_the_exchange(stack, brief=True)
    notes = []
    if found == BROKEN:
        notes.append("The start goes on: what is named above is what to keep in mind when you read the data.")
    if found == NOT_ASKED:
        notes.append("The start goes on without these answers: what the exchange can't be asked now is waited for.")
    for name, value in settings_found(folder(stack)).items():
        if name not in os.environ:
            os.environ[name] = value
            notes.append(f"{name} is {value}, as the exchange was found to allow. Set it to have it otherwise.")
        elif os.environ[name] != value:
            notes.append(f"{name} is set to {os.environ[name]}; the exchange was found to allow {value}.")
    return notes


def settings_found(checks: Path) -> dict[str, str]:
    """What the newest check found for settings, by environment variable; of a check that did not end nothing."""
    newest = max(checks.glob("*/"), default=checks)
    try:
        results = json.loads((newest / "results.json").read_text())
    except (OSError, ValueError):  # not there, or cut off when the disk was full
        return {}
    return {name: value for one in results.values() if one["holds"] for name, value in one["settings"].items()}


def count_lists_asked(stack: Stack, market: str) -> None:
    """Has the limiter of a market database, a connection string, count the lists of instruments that the newest check
    asked for before there was that database: of the exchange's limit for these there may be nothing left for a minute.
    """
    import psycopg

    from deribit_warehouse.warehouse.rate_limiter import count_sent

    if newest := max(folder(stack).glob("*/"), default=None):
        with psycopg.connect(market) as connection:
            count_sent(connection, "instruments", sent_at(newest, "get_instruments"))


def sent_at(newest: Path, method: str) -> list[int]:
    """When the requests of a method went out whose answers are in a check's folder, in milliseconds."""
    try:
        notes = [json.loads(line) for line in (newest / "answers.jsonl").read_text().splitlines()]
    except (OSError, ValueError):  # not there, or cut off when the disk was full
        return []
    return [note["sent_at"] for note in notes if note["url"].endswith(f"/{method}") and "sent_at" in note]


def folder(stack: Stack) -> Path:
    """Where the answers are kept: a folder a check."""
    return stack.home / "check"
