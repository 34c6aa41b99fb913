"""`make demo` and `make up` differ by connections, state folder and the simulator: by nothing else."""

import json
from datetime import date

import pytest

from stack import StackError
from stack.environment import environment
from stack.services import services
from stack.settings import stack_of

DAY = date(2025, 12, 1)
CALLER = {
    "PATH": "/usr/bin",
    "HOME": "/home/someone",
    "AIRFLOW_CONN_SLACK": "slack://hook",
    "DERIBIT_REQUESTS_PER_SECOND": "5",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW_HOME": "/home/someone/airflow",
    "PGHOST": "elsewhere",
    "PGPASSWORD": "hunter2",
    "PYTHONPATH": "/home/someone/lib",
    "FROM": "2020-01-01",
}


@pytest.fixture
def both(tmp_path, credentials):
    places = {mode: stack_of(mode, {"WAREHOUSE_HOME": str(tmp_path)}) for mode in ("demo", "live")}
    return {mode: (stack, environment(stack, credentials, DAY, CALLER)) for mode, stack in places.items()}


def test_the_environments_differ_in_connections_and_state_folder_only(both):
    (demo_stack, demo), (live_stack, live) = both["demo"], both["live"]
    assert demo.keys() == live.keys()
    different = {name for name in demo if demo[name] != live[name].replace(str(live_stack.home), str(demo_stack.home))}
    assert different == {"AIRFLOW_CONN_DERIBIT_LIVE", "AIRFLOW_CONN_DERIBIT_HISTORY", "AIRFLOW__API__INSTANCE_NAME"}
    assert demo["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] != live["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_there_are_more_workers_than_places_in_all_pools(both):
    from deribit_warehouse.datasets import POOLS

    assert int(both["live"][1]["AIRFLOW__CORE__PARALLELISM"]) > sum(POOLS.values())


def test_the_services_differ_by_the_simulator_only(both):
    def commands(mode):
        stack = both[mode][0]
        return {s.name: [part.replace(stack.mode, "MODE") for part in s.command] for s in services(stack)}

    demo, live = commands("demo"), commands("live")
    assert demo.pop("simulator")[1:3] == ["-m", "exchange_simulator"]
    assert demo == live
    assert list(live) == ["postgres", "api-server", "dag-processor", "scheduler", "triggerer", "watch", "cleaner"]


def test_the_live_exchange(both):
    live = both["live"][1]
    assert json.loads(live["AIRFLOW_CONN_DERIBIT_LIVE"])["host"] == "https://www.deribit.com"
    assert json.loads(live["AIRFLOW_CONN_DERIBIT_HISTORY"])["host"] == "https://history.deribit.com"
    assert "http://127.0.0.1:8765" in both["demo"][1]["AIRFLOW_CONN_DERIBIT_LIVE"]


def test_another_exchange_takes_both_its_hosts(tmp_path):
    elsewhere = {
        "WAREHOUSE_HOME": str(tmp_path),
        "DERIBIT_URL": "http://127.0.0.1:1",
        "DERIBIT_HISTORY_URL": "http://127.0.0.1:2",
    }
    assert stack_of("live", elsewhere).exchange == ("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert stack_of("demo", elsewhere).exchange == stack_of("demo", {}).exchange
    with pytest.raises(StackError, match="go together"):
        stack_of("live", elsewhere | {"DERIBIT_URL": ""})


def test_airflow_loads_with_the_least_role(both, credentials):
    market = json.loads(both["live"][1]["AIRFLOW_CONN_DERIBIT_MARKET"])
    assert (market["login"], market["password"]) == ("market_loader", credentials.market_loader)
    everything = json.dumps(both["live"][1])
    assert credentials.postgres not in everything and credentials.market_owner not in everything


def test_the_callers_environment_changes_no_setting(both):
    for _, environ in both.values():
        assert environ["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
        assert not [name for name in environ if name.startswith("PG")]
        assert "/home/someone/lib" not in environ["PYTHONPATH"] and "FROM" not in environ
        assert environ["AIRFLOW_HOME"].endswith("/airflow") and "/home/someone" not in environ["AIRFLOW_HOME"]
        assert environ["AIRFLOW_CONN_SLACK"] == "slack://hook" and environ["DERIBIT_REQUESTS_PER_SECOND"] == "5"


def test_a_proxy_is_for_the_internet_only(tmp_path, credentials):
    stack = stack_of("live", {"WAREHOUSE_HOME": str(tmp_path)})
    environ = environment(stack, credentials, DAY, {"NO_PROXY": "example.org", "HTTPS_PROXY": "http://proxy:3128"})
    assert {"example.org", "127.0.0.1", "localhost"} <= set(environ["NO_PROXY"].split(","))
    assert environ["HTTPS_PROXY"] == "http://proxy:3128"


def test_nothing_needs_interpolation(both):
    """Airflow reads % in its settings as the start of a reference."""
    for _, environ in both.values():
        assert not [name for name, value in environ.items() if name.startswith("AIRFLOW__") and "%" in value]


def test_where_it_starts_and_who_may_open_it(both):
    stack, environ = both["demo"]
    assert environ["DERIBIT_HISTORY_FROM"] == "2025-12-01"
    assert environ["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin"
    assert environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"{stack.address}/execution/"


def test_a_task_asks_for_two_minutes_while_the_api_server_is_restarted(both):
    """The client waits up to 1, 2, 4 ... 90 s before it asks again."""
    attempts = int(both["live"][1].get("AIRFLOW__WORKERS__EXECUTION_API_RETRIES", 5))
    assert sum(min(2**before, 90) for before in range(attempts - 1)) > 120
