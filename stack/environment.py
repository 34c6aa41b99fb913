"""The environment of every process of a stack: one function, for `make demo`, `make up` and docker-compose.yaml."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from stack.credentials import ADMIN, Credentials
from stack.postgres import dsn, host
from stack.settings import Stack

# A caller's variable of these families would quietly change what runs: another database, another library or setting.
FOREIGN = ("AIRFLOW__", "AIRFLOW_HOME", "PG", "PYTHON", "VIRTUAL_ENV", "SUPERVISOR_", "MAKE", "MFLAGS", "FROM")


def environment(
    stack: Stack, credentials: Credentials, first_day: date, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Everything a service of this stack reads from its environment.

    first_day is where history starts. What the caller's environ says about alerts (AIRFLOW_CONN_*) and collection
    (DERIBIT_*) is kept; what this function says wins.
    """
    inherited = process_environment(stack, environ)
    inherited.pop("DERIBIT_HEARTBEAT_URL", None)  # the watch's secret: no task has to see it
    return (
        inherited
        | _airflow(stack, credentials)
        | connections(stack, credentials)
        | {
            "DERIBIT_HISTORY_FROM": first_day.isoformat(),
            "DERIBIT_DATA_DOCS_DIR": str(stack.home / "data_docs"),
            "DERIBIT_DATABASE_FOLDER": database_folder(stack, environ),
            "GX_ANALYTICS_ENABLED": "False",
        }
    )


def database_folder(stack: Stack, environ: Mapping[str, str] = os.environ) -> str:
    """Where Postgres has its files; empty: not on this machine. In a container environ says where their volume is."""
    return str(stack.home / "postgres") if stack.supervised else environ.get("DERIBIT_DATABASE_FOLDER", "")


def connections(stack: Stack, credentials: Credentials) -> dict[str, str]:
    """The Airflow connections: with the state folder, all that tells the demo from the real thing."""
    live, history = stack.exchange
    market = {
        "conn_type": "postgres",
        "host": host(stack),
        "schema": "market",
        "login": "market_loader",
        "password": credentials.market_loader,
        "port": 5432,
        "extra": {"connect_timeout": 10},
    }
    return {
        "AIRFLOW_CONN_DERIBIT_LIVE": json.dumps({"conn_type": "http", "host": live}),
        "AIRFLOW_CONN_DERIBIT_HISTORY": json.dumps({"conn_type": "http", "host": history}),
        "AIRFLOW_CONN_DERIBIT_MARKET": json.dumps(market),
    }


def process_environment(stack: Stack, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What every process of the stack gets, Postgres included: the caller's environment without what would change the
    stack, and no secret of ours."""
    inherited = {name: value for name, value in environ.items() if not name.startswith(FOREIGN)}
    local = {"127.0.0.1", "localhost", stack.simulator_host, stack.api_host}
    no_proxy = ",".join(filter(None, [environ.get("NO_PROXY") or environ.get("no_proxy"), *sorted(local)]))
    return inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(stack.root), str(stack.root / "plugins")]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore:GitWildMatchPattern:DeprecationWarning",  # Airflow's own, in the log of every task
        "SPT_NOENV": "1",  # a process that renames itself must not overwrite WAREHOUSE_STACK with its new name
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        # A proxy for the internet must not come between the services of this machine.
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "WAREHOUSE_HOME": str(stack.home.parent),
        "WAREHOUSE_STACK": str(stack.home),  # by this `make down` knows its processes
        "WAREHOUSE_PORT": str(stack.port),
        "WAREHOUSE_SIMULATOR_PORT": str(stack.simulator_port),
        "WAREHOUSE_SIMULATOR_HISTORY_PORT": str(stack.simulator_history_port),
    }


def _airflow(stack: Stack, credentials: Credentials) -> dict[str, str]:
    metadata = dsn(stack, credentials, "airflow", "airflow").removeprefix("postgresql")
    home = stack.home / "airflow"
    settings: dict[str, dict[str, object]] = {
        "core": {
            "executor": "LocalExecutor",
            # More than ever run at once (the pools have 25 slots): a worker stays busy for up to
            # min_heartbeat_interval, 5 s, after its task has ended, because its supervisor waits that long before it
            # looks again. Each is forked at the start, and takes memory whether it has work or not.
            "parallelism": 28,
            "dags_folder": stack.root / "dags",
            "plugins_folder": stack.root / "plugins",
            "load_examples": False,
            "dags_are_paused_at_creation": True,
            "default_timezone": "utc",
            "fernet_key": credentials.fernet_key,
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": home / "passwords.json",
            "execution_api_server_url": f"{stack.api_address}/execution/",
            "hostname_callable": "socket.gethostname",  # the default asks DNS, which may hang without a network
            "max_map_length": 1024,
        },
        "database": {
            # psycopg 3 can do both, and takes a tenth more of the scheduler's processor time
            "sql_alchemy_conn": f"postgresql+psycopg2{metadata}",
            "sql_alchemy_conn_async": f"postgresql+psycopg{metadata}",
            "sql_alchemy_pool_size": 30,
            "load_default_connections": False,
        },
        "api": {
            "host": stack.bind,
            "port": stack.port,
            "base_url": stack.address,
            "workers": 1,
            "secret_key": credentials.api_secret_key,
            "instance_name": "Deribit warehouse" + (" (demo)" if stack.mode == "demo" else ""),
        },
        "api_auth": {"jwt_secret": credentials.jwt_secret},
        # An API server that is restarted takes a small machine longer than the quarter of a minute in which a task asks
        # five times; whatever gave up lost an attempt, and what is published has two.
        "workers": {"execution_api_timeout": 30, "execution_api_retries": 8},
        # What a killed scheduler had queued holds its places until the next one looks for it, which has to be sooner
        # than minutes; the killed one counts as gone 30 s after it was last heard of. A worker that was killed is found
        # out by its silence, which has to outlast a restart of the API server.
        "scheduler": {
            "catchup_by_default": False,
            "enable_health_check": False,
            "orphaned_tasks_check_interval": 20,
            "task_instance_heartbeat_timeout": 120,
        },
        # A file that changed is parsed again at the next refresh, whatever the interval; callbacks of several runs of a
        # file share a process and its time.
        "dag_processor": {
            "refresh_interval": 20,
            "min_file_process_interval": 300,
            "dag_file_processor_timeout": 180,
        },
        "logging": {
            "base_log_folder": stack.logs / "tasks",
            "dag_processor_child_process_log_directory": stack.logs / "dags",
            "colored_console_log": False,
        },
        "usage_data_collection": {"enabled": False},
    }
    flat = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, values in settings.items()
        for name, value in values.items()
    }
    return {"AIRFLOW_HOME": str(home)} | flat


PRELOAD = '''"""Written by stack/environment.py. Airflow imports this module when it starts."""

import sys

# tasks are forked from the scheduler
if sys.argv[1:2] == ["scheduler"]:
    import deribit_warehouse.preload  # noqa: F401
'''
