"""Takes away what Airflow leaves behind: runs that nothing goes on from, events and audit rows, and the logs of tasks.

Not a task of a DAG: in Airflow 3 tasks may not open Airflow's database, nor have they a login for its API. And not
`airflow db clean` for the runs: of each DAG it keeps the run that started last, of whatever kind, where catchup goes on
from the scheduled or backfilled one with the latest logical date. A month that was cleared, or an asset's run, would be
kept in its place, and every month from there on be loaded again.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deribit_warehouse.dataset import PREFIX
from stack import StackError
from stack.api import AirflowApi
from stack.catchup import belongs_to_history
from stack.settings import Stack

AT = timedelta(hours=2, minutes=30)
"""After midnight, UTC: when the day's data were pruned, and nobody waits for anything."""

TABLES = ("asset_event", "job", "log")
"""What of Airflow's database no run is made from: events that rang long ago, processes that ended, the audit log."""


def clean(stack: Stack, api: AirflowApi, environ: Mapping[str, str], before: datetime) -> str:
    """Takes away what is older than an instant; returns a sentence about it. Raises StackError.

    environ: what Airflow's own command line reads, as services have it. May run twice or be killed: the next time goes
    on.
    """
    runs, logs = clean_runs(api, before), clean_logs(stack.logs, before)
    command = [sys.executable, "-m", "airflow", *cleaning(before)]
    done = subprocess.run(
        command, env=dict(environ), cwd=stack.root, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise StackError(f"airflow db clean failed: {lines[-1].strip()[:300] if lines else 'it said nothing'}")
    return f"From before {before:%Y-%m-%d} {runs} runs and {logs} log files were deleted"


def clean_runs(api: AirflowApi, before: datetime) -> int:
    """Deletes runs that ended before an instant and returns how many. Of a DAG of the history scheduled and backfilled
    ones stay, for from these catchup goes on; of any other DAG the newest run does."""
    deleted = 0
    for dag in api.dags():
        if dag["dag_id"].startswith(PREFIX):
            of_calendar = [] if belongs_to_history(dag) else ["scheduled", "backfill"]
            kept = {run["dag_run_id"] for run in api.runs(dag=dag["dag_id"], newest=1)}
            while runs := api.ended_runs(dag["dag_id"], before, ["manual", "asset_triggered", *of_calendar], kept):
                api.delete_runs(dag["dag_id"], runs)
                deleted += len(runs)
    return deleted


def cleaning(before: datetime) -> list[str]:
    """What Airflow's command line is told: the rows go for good, and what can't be cleaned is an error."""
    return [
        "db", "clean", "--clean-before-timestamp", before.isoformat(), "--tables", ",".join(TABLES), "--yes",
        "--skip-archive", "--batch-size", "10000", "--error-on-cleanup-failure",
    ]  # fmt: skip


def clean_logs(logs: Path, before: datetime) -> int:
    """Deletes logs of tasks and of DAG files that were written last before an instant, and folders that are as old and
    empty; returns how many files. Raises StackError for one that can't be."""
    deleted, limit = 0, before.timestamp()
    for folder in (logs / "tasks", logs / "dags"):
        for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
            try:
                if path.lstat().st_mtime >= limit:
                    continue
                if path.is_dir() and not path.is_symlink():
                    if not any(path.iterdir()):
                        path.rmdir()
                else:
                    path.unlink()
                    deleted += 1
            except FileNotFoundError:
                continue  # somebody else took it away
            except OSError as error:
                raise StackError(f"{path} can't be deleted: {error.strerror}") from error
    return deleted


def seconds_until_next(now: datetime) -> float:
    """Until it is AT again."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return ((today + AT - now) % timedelta(days=1)).total_seconds() or 86_400


def sleep_until_next() -> None:
    time.sleep(seconds_until_next(datetime.now(UTC)))
