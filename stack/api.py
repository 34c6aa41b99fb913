"""Airflow's REST API, as much of it as starting the history and watching it needs."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from stack import StackError
from stack.credentials import ADMIN, Credentials
from stack.settings import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

REPORTING = ("scheduler", "dag-processor", "triggerer")
FINISHED = {"success", "failed", "skipped", "upstream_failed", "removed"}
"""States of a task that is over."""


class AirflowApi:
    """A logged-in session. Every method raises StackError when the server doesn't answer or refuses."""

    def __init__(self, stack: Stack, credentials: Credentials) -> None:
        self._stack = stack
        self._password = credentials.admin
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between this machine and itself

    def wait_healthy(self, still_alive: Callable[[], None], seconds: float = 300) -> None:
        """Returns when the API server answers and the scheduler and the DAG processor have reported to it.

        still_alive is called between attempts and raises StackError when a service has died.
        """
        deadline = time.monotonic() + seconds
        while missing := [name for name in self.unhealthy() if name != "triggerer"]:  # nobody waits for that one
            still_alive()
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        else:
            return
        raise StackError(
            f"Airflow is not healthy after {seconds:.0f} s: no sign of {' and '.join(missing)}. "
            f"The logs are in {self._stack.logs}"
        )

    def unhealthy(self) -> list[str]:
        """Which of Airflow's services show no sign of life; needs no login."""
        try:
            health = self._session.get(f"{self._stack.api_address}/api/v2/monitor/health", timeout=5).json()
            reported = {name: health[name.replace("-", "_")]["status"] for name in REPORTING}
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return ["api-server"]
        return [name for name, status in reported.items() if status != "healthy"]

    def call(self, method: str, path: str, *, json: Any = None, accept: tuple[int, ...] = (), **params: Any) -> Any:
        """One request below /api/v2; the answer's JSON, or None for a status in `accept`."""
        url = f"{self._stack.api_address}/api/v2/{path}"
        for attempt in range(5):
            try:
                if "Authorization" not in self._session.headers:
                    self._log_in()
                answer = self._session.request(method, url, json=json, params=params, timeout=30)
            except requests.RequestException as error:
                # Busy, or being restarted by supervisord: worth waiting for.
                if attempt == 4:
                    raise StackError(
                        f"Airflow's API server at {self._stack.address} does not answer ({type(error).__name__}). "
                        f"Its log is {self._stack.logs / 'api-server.log'}"
                    ) from None
                time.sleep(2**attempt)
                continue
            if answer.status_code == 401 and attempt < 4:
                del self._session.headers["Authorization"]  # the token has expired
            elif answer.status_code in accept:
                return None
            elif answer.ok:
                return answer.json() if answer.content else {}
            elif answer.status_code < 500 or attempt == 4:
                raise StackError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:300]}")
            else:
                time.sleep(2**attempt)
        raise StackError(f"Airflow refuses the login of {ADMIN} at {self._stack.address}.")

    def _log_in(self) -> None:
        answer = self._session.post(
            f"{self._stack.api_address}/auth/token", json={"username": ADMIN, "password": self._password}, timeout=30
        )
        if answer.status_code == 401:
            raise StackError(
                f"Airflow at {self._stack.address} refuses the password in {self._stack.home / 'secrets.json'}: "
                f"is it another Airflow?"
            )
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def dags(self) -> list[dict]:
        return self.call("GET", "dags", limit=100)["dags"]

    def import_errors(self) -> list[dict]:
        return self.call("GET", "importErrors", limit=20)["import_errors"]

    def unpause(self, dag: str) -> None:
        self.call("PATCH", f"dags/{quote(dag)}", json={"is_paused": False})

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Makes the pool, or sets its size where it is there already."""
        pool = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        if self.call("PATCH", f"pools/{quote(name)}", json=pool, accept=(404,)) is None:
            self.call("POST", "pools", json=pool, accept=(409,))

    def count(self, dag: str, *states: str) -> int:
        """Runs of a DAG, of any state when none is named."""
        return self.call("GET", f"dags/{quote(dag)}/dagRuns", limit=1, state=list(states))["total_entries"]

    def runs_by_state(self) -> dict[str, dict[str, int]]:
        """How many runs every DAG has in each state: {dag: {state: runs}}."""
        dags = self.call("GET", "dagStats")["dags"]
        return {dag["dag_id"]: {each["state"]: each["count"] for each in dag["stats"]} for dag in dags}

    def runs(self, *states: str, dag: str = "~", newest: int = 100) -> list[dict]:
        """The newest runs of one DAG or of all."""
        path = f"dags/{quote(dag, safe='~')}/dagRuns"
        return self.call("GET", path, limit=newest, state=list(states), order_by="-run_after")["dag_runs"]

    def ended_runs(self, dag: str, before: datetime, kinds: list[str], without: set[str]) -> list[str]:
        """Ids of the oldest runs of some kinds that ended before an instant, but for those of some ids; none when there
        are none left."""
        path = f"dags/{quote(dag)}/dagRuns"
        found = self.call(
            "GET", path, limit=100, order_by="run_after", run_type=kinds, state=["success", "failed"],
            end_date_lt=before.isoformat(),
        )["dag_runs"]  # fmt: skip
        return [run["dag_run_id"] for run in found if run["dag_run_id"] not in without]

    def delete_runs(self, dag: str, runs: list[str]) -> None:
        """Deletes runs that are over, with their tasks. One that is gone already is no error."""
        action = {"action": "delete", "entities": runs, "action_on_non_existence": "skip"}
        answer = self.call("PATCH", f"dags/{quote(dag)}/dagRuns", json={"actions": [action]})
        if errors := answer["delete"]["errors"]:
            raise StackError(f"Airflow did not delete {len(errors)} runs of {dag}: {errors[0]['error']}")

    def trigger(self, dag: str, **run: Any) -> bool:
        """Starts a run by hand, with what is said of it (dag_run_id, logical_date, data_interval_start ...).

        Returns whether it was made: a run of that id or logical date may be there already.
        """
        body = {"logical_date": None} | run
        return self.call("POST", f"dags/{quote(dag)}/dagRuns", json=body, accept=(409,)) is not None

    def clear(self, dag: str, run: str) -> None:
        """Has a run that is over run again, every task of it."""
        path = f"dags/{quote(dag)}/dagRuns/{quote(run, safe='')}/clear"
        self.call("POST", path, json={"dry_run": False, "only_failed": False})

    def run_of(self, dag: str, begins: datetime) -> dict | None:
        """The newest run of the calendar, or of a backfill, whose data interval has an instant in it, None where there
        is none yet."""
        newest = self.call(
            "GET", f"dags/{quote(dag)}/dagRuns", limit=1, order_by="-logical_date",
            logical_date_lte=begins.isoformat(), run_type=["scheduled", "backfill"],
        )["dag_runs"]  # fmt: skip
        return next((run for run in newest if begins < datetime.fromisoformat(run["data_interval_end"])), None)

    def queued_events(self, dag: str) -> int:
        answer = self.call("GET", f"dags/{quote(dag)}/assets/queuedEvents", accept=(404,))
        return answer["total_entries"] if answer else 0

    def unfinished_tasks(self, dag: str, run: str) -> list[dict]:
        """Those that are not over, waiting ones among them, of the first hundred."""
        path = f"dags/{quote(dag)}/dagRuns/{quote(run, safe='')}/taskInstances"
        tasks = self.call("GET", path, limit=100)["task_instances"]
        return [task for task in tasks if task["state"] not in FINISHED]

    def failed_tasks(self, dag: str, run: str) -> list[dict]:
        """Those that failed themselves, up to a hundred."""
        path = f"dags/{quote(dag)}/dagRuns/{quote(run, safe='')}/taskInstances"
        return self.call("GET", path, limit=100, state=["failed"])["task_instances"]


def parse_time(text: str | None) -> datetime | None:
    """A time as the API writes it, with its time zone."""
    return datetime.fromisoformat(text) if text else None
