"""Who goes first on a busy machine: what a minute or a snapshot waits for, and Airflow's own services, before the rest.

A process that gives way is nice (0 to 19) to all others that want the processor, and so is the backend of Postgres that
works for it, where that is a process of the same machine and we may say so.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

if TYPE_CHECKING:
    from psycopg import Connection

BACKGROUND = 10


def give_way() -> None:
    """Makes this process nice, for good. One that is nicer already stays as it is, because less would take rights."""
    os.setpriority(os.PRIO_PROCESS, 0, max(BACKGROUND, os.getpriority(os.PRIO_PROCESS, 0)))


def share(connection: Connection) -> None:
    """Makes the backend of a connection as nice as this process is. It stays as it is where Postgres runs elsewhere (in
    another container a number is another process) or as a user whose processes are not ours to change."""
    nice, backend = os.getpriority(os.PRIO_PROCESS, 0), connection.info.backend_pid
    if nice and _works_for(connection):
        with suppress(OSError):  # it is not ours to change, it has ended, or Linux does not group by session
            os.setpriority(os.PRIO_PROCESS, backend, max(nice, os.getpriority(os.PRIO_PROCESS, backend)))
            _weigh_session(backend, nice)


@retry(
    retry=retry_if_exception_type(BlockingIOError),
    wait=wait_random(0.05, 0.15),
    stop=stop_after_attempt(10),
    reraise=True,
)
def _weigh_session(process: int, nice: int) -> None:
    """Makes the session of a process as nice as that. Where Linux groups processes by session
    (sched_autogroup_enabled), sessions share the processor first, and what a process is counts only within its own: and
    each backend of Postgres is a session by itself. Elsewhere there is no such file. The kernel takes one such change
    in a tenth of a second from all who are not root, and refuses the others with EAGAIN (sched(7)). Raises OSError.
    """
    session = Path(f"/proc/{process}/autogroup")
    if int(session.read_text().split()[-1]) < nice:
        session.write_text(str(nice))


def _works_for(connection: Connection) -> bool:
    """Whether the process of the backend's number says that it is one, of the same user and database."""
    try:
        title = Path(f"/proc/{connection.info.backend_pid}/cmdline").read_bytes()
    except OSError:
        return False
    return title.startswith(f"postgres: {connection.info.user} {connection.info.dbname} ".encode())
