"""`python -m deribit_warehouse.watch`: asks the market database every minute how fresh it is, keeps what stands still
and a disk that fills up as incidents, and tells a dead man's switch. A service of its own: a scheduler that is dead
can't say so.

    DERIBIT_WATCH_MARKET_URL   the market database, a connection string
    DERIBIT_WATCH_FILE         what it found last, as JSON: a sign of life for a health check
    DERIBIT_DATABASE_FOLDER    where Postgres has its files, if that can be seen from here; with DERIBIT_DISK_LIMIT_GB
                               and DERIBIT_DISK_LEAST_… it says when the disk is too full
    DERIBIT_HEARTBEAT_URL      the switch (settings.heartbeat_url), as Healthchecks.io has them: GET when all is well,
                               POST to it + /fail, with a sentence, when something is stale. Unset: nobody is told

What it finds is logged when it changes, and so is a switch that can't be reached; each minute is another attempt. It
goes on where its file can't be written, or the disk can't be asked: one that is full is what it is for. An incident is
told by the next run of any DAG, as all are: the channels are Airflow's. Where none runs, the switch tells.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
import requests

from deribit_warehouse import settings
from deribit_warehouse.datasets import DATASETS, LIVE
from deribit_warehouse.warehouse import freshness, watched
from deribit_warehouse.warehouse.incidents import Fingerprint
from deribit_warehouse.warehouse.watched import Finding

log = logging.getLogger("watch")

INTERVAL = 60.0
"""Seconds from one look to the next. The switch should allow some minutes more before it tells somebody."""

TIMEOUT = 10.0
"""Seconds for the switch to take a connection, and to answer."""

LONGEST = 1000
"""Characters of what a switch is told."""

LOOKS = 2
"""Looks in a row that have to see something before it is an incident."""

CATCHING_UP = 15
"""The same after a start, after a database that was away, and after what said it already is over: what was missed is
then being loaded."""


class Disk(NamedTuple):
    """folder: where Postgres has its files. limit_bytes: what the database may grow to. least_bytes and least_days:
    what has to be left, in bytes and at the growth of late. Each None: not known, or never told."""

    folder: Path | None = None
    limit_bytes: int | None = None
    least_bytes: int | None = None
    least_days: float | None = None


NO_DISK = Disk()


class Look(NamedTuple):
    """word: one of freshness' words. why: what is behind. found: what is wrong, None where it could not be asked.
    standing: what of it has an open incident."""

    word: str
    why: str
    found: Sequence[Finding] | None = None
    standing: Sequence[Fingerprint] = ()


Keep = Callable[[Sequence[Finding], Sequence[Fingerprint]], None]
"""Keeps what was seen, and what is over, as incidents (watched.keep)."""


class PingFailed(Exception):
    """The switch was not told. The message doesn't hold its URL, which is a secret."""


class Watch:
    """What was found and told last. look: looks once. tell: tells the switch, or raises PingFailed; None: there is no
    switch. file: where the last look is left. keep: keeps incidents, or raises psycopg.Error; None: nobody does."""

    def __init__(
        self, look: Callable[[], Look], tell: Callable[[str, str], None] | None, file: Path | None = None,
        keep: Keep | None = None,
    ) -> None:  # fmt: skip
        self._look, self._tell, self._file, self._keep = look, tell, file, keep
        self._found: tuple[str, str] | None = None
        self._failed: str | None = None
        self._not_kept: str | None = None
        self._not_left: str | None = None
        self._looks_left: dict[Fingerprint, int] | None = None

    def once(self) -> str:
        """Looks, tells, and returns the word."""
        seen = self._look()
        before, self._found = self._found, (seen.word, seen.why)
        word, why = self._found
        if self._found != before:
            log.log(logging.INFO if word == freshness.OK else logging.WARNING, "%s %s", word, why)
        # a database that restarts is away for one look: nobody is woken up by that
        restarts = word == freshness.UNKNOWN and (before is None or before[0] != word)
        if self._tell and not restarts:
            self._failed = self._told(self._tell, word, why)
        if self._keep:
            self._keeps(self._keep, seen)
        if self._file:
            self._leave(self._file, word)
        return word

    def _keeps(self, keep: Keep, seen: Look) -> None:
        """Keeps what was seen often enough, and what is over."""
        before, self._looks_left = self._looks_left, None
        if seen.found is None:
            return
        self._looks_left = {finding.fingerprint: _looks_left(finding, before) for finding in seen.found}
        due = [f for f in seen.found if not self._looks_left[f.fingerprint] or f.fingerprint in seen.standing]
        over = [fingerprint for fingerprint in seen.standing if fingerprint not in self._looks_left]
        try:
            if due or over:
                keep(due, over)
        except psycopg.Error as error:
            if (failed := type(error).__name__) != self._not_kept:
                log.warning("incidents could not be kept: %s. The next minute is the next attempt", error)
            self._not_kept = failed
        else:
            self._not_kept = None

    def _told(self, tell: Callable[[str, str], None], word: str, why: str) -> str | None:
        """Tells the switch. None, or why it was not told."""
        try:
            tell(word, why)
        except PingFailed as error:
            if str(error) != self._failed:
                log.warning("the dead man's switch was not told: %s. The next minute is the next attempt", error)
            return str(error)
        if self._failed:
            log.info("the dead man's switch is told again")
        return None

    def _leave(self, file: Path, word: str) -> None:
        """Leaves the sign of life. A disk that is full takes none, and is just what the watch has to live to tell."""
        told = None if self._tell is None else self._failed is None
        new = file.with_suffix(".new")
        try:
            new.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "word": word, "told": told}) + "\n")
            new.replace(file)
        except OSError as error:
            if (failed := type(error).__name__ + str(error.errno)) != self._not_left:
                log.warning("no sign of life could be left: %s. The next minute is the next attempt", error)
            self._not_left = failed
        else:
            self._not_left = None


def _looks_left(finding: Finding, before: dict[Fingerprint, int] | None) -> int:
    """How many looks more have to see it. before: the same of the last look, None: there was none."""
    if finding.told or before is None:
        return CATCHING_UP
    return max(0, before.get(finding.fingerprint, LOOKS) - 1)


def look(dsn: str, disk: Disk = NO_DISK) -> Look:
    """Looks once; of a database that can't be asked it says the kind of the error. Of a disk that can't be asked
    nothing is found, and nothing is over."""
    free, disk_known = None, True
    if disk.folder:
        try:
            free = shutil.disk_usage(disk.folder).free
        except OSError as error:
            log.warning("what is free on the disk of Postgres can't be told: %s", error)
            disk_known = False
    try:
        with freshness.connected(dsn) as connection:
            rows = freshness.freshness(connection)
            word = freshness.word(rows)
            standing = watched.standing(connection)
            found = watched.stale(connection, (*DATASETS, *LIVE)) if word == freshness.STALE else []
            if disk_known:
                found += watched.disk(
                    connection, standing, limit_bytes=disk.limit_bytes, free_bytes=free, least_bytes=disk.least_bytes,
                    least_days=disk.least_days,
                )  # fmt: skip
            else:
                standing = [fingerprint for fingerprint in standing if fingerprint.dataset != watched.DISK]
    except psycopg.Error as error:
        return Look(freshness.UNKNOWN, f"the market database can't be asked: {type(error).__name__}.")
    return Look(word, freshness.behind(rows) if rows else "nothing is collected yet.", found, standing)


def ping(session: requests.Session, url: str, word: str, why: str) -> None:
    """Tells a dead man's switch. Raises PingFailed when it didn't say that it heard."""
    try:
        if word in freshness.HEALTHY:
            answer = session.get(url, timeout=TIMEOUT, allow_redirects=False)
        else:
            text = f"{word} {why}"[:LONGEST]
            answer = session.post(failing(url), data=text.encode(), timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise PingFailed(type(error).__name__) from None  # its message has the URL
    if not 200 <= answer.status_code < 300:
        raise PingFailed(f"it answered {answer.status_code}")


def failing(url: str) -> str:
    """The URL that says that something failed: the path with /fail, a query kept."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


def main() -> int:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # what it logs may hold the URL
    try:
        url = settings.heartbeat_url()
        disk = Disk(
            settings.database_folder(), settings.disk_limit(), settings.disk_least_bytes(), settings.disk_least_days()
        )
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    dsn, file = os.environ["DERIBIT_WATCH_MARKET_URL"], os.environ.get("DERIBIT_WATCH_FILE")
    session = requests.Session()
    session.headers["User-Agent"] = "deribit-warehouse"
    tell = (lambda word, why: ping(session, url, word, why)) if url else None
    watch = Watch(partial(look, dsn, disk), tell, Path(file) if file else None, partial(watched.keep, dsn))
    log.info("looks every %.0f s; %s", INTERVAL, "a dead man's switch is told" if url else "there is no switch to tell")
    due = time.monotonic()
    while True:
        watch.once()
        due = max(due + INTERVAL, time.monotonic())  # a look that took long is followed by one look, not by many
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    sys.exit(main())
