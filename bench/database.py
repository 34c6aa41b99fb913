"""The embedded Postgres of the stack, with its settings, in a folder that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deribit_warehouse.warehouse.migrations import migrate
from stack import postgres
from stack.credentials import Credentials
from stack.settings import Stack


@dataclass(frozen=True)
class Server:
    """A running server. fsync is on: a load that may be lost is not the load we ask about."""

    stack: Stack
    credentials: Credentials

    def dsn(self, database: str, role: str = "market_loader") -> str:
        return postgres.dsn(self.stack, self.credentials, role, database)

    def connect(self, database: str, role: str = "market_loader", **options: Any) -> psycopg.Connection:
        return psycopg.connect(self.dsn(database, role), **options)

    @property
    def version(self) -> str:
        with self.connect("postgres", "postgres") as connection:
            return str(connection.info.parameter_status("server_version"))

    @contextmanager
    def market(self, name: str) -> Iterator[str]:
        """A migrated market database of a benchmark's own; yields its name."""
        database = sql.Identifier(name)
        with self.connect("postgres", "postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER market_owner").format(database))
        try:
            migrate(self.dsn(name, "market_owner"))
            yield name
        finally:
            with self.connect("postgres", "postgres", autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))

    def checkpoint(self) -> None:
        """Writes out what earlier work left behind, so that the next one doesn't pay for it."""
        with self.connect("postgres", "postgres", autocommit=True) as admin:
            admin.execute("CHECKPOINT")


@contextmanager
def server() -> Iterator[Server]:
    """Starts the stack's own Postgres, alone, and stops it."""
    home = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))  # a socket's path is limited
    stack, credentials = Stack("demo", home), Credentials.generate()
    try:
        postgres.initialise(stack, credentials)
        account = postgres.account()
        who: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        with (home / "postgres.log").open("w") as log:
            process = subprocess.Popen(
                postgres.command(stack), cwd=home / "postgres", stdout=log, stderr=subprocess.STDOUT,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, **who,
            )  # fmt: skip
        try:
            postgres.wait_ready(stack, credentials, lambda: alive(process, home / "postgres.log"))
            postgres.create_roles_and_databases(stack, credentials)
            yield Server(stack, credentials)
        finally:
            process.terminate()
            try:
                process.wait(5)  # SIGTERM waits for clients, SIGINT doesn't
            except subprocess.TimeoutExpired:
                process.send_signal(2)
                process.wait(60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def alive(process: subprocess.Popen, log: Path) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"Postgres ended at once: {log.read_text()[-500:]}")
