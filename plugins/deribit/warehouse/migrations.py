"""Brings the market database to the version of this package: the files of include/sql/ddl, each once, in order.

A file is applied in one transaction together with the note that it was, under a lock, so that two starts at
once or a killed one leave either the old structure or the new. A file that was applied is never edited again:
a changed one stops the start.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import psycopg

from . import sql

LOCK = 7_316_402_914  # any number no one else uses


class MigrationError(Exception):
    """The database and the files disagree; nothing was changed."""


def migrate(dsn: str, folder: Path = sql.FOLDER / "ddl") -> list[str]:
    """Applies what is missing and returns the names of the files applied.

    dsn: a libpq connection string of market_owner. Raises MigrationError when an applied file has changed or is
    gone, psycopg.Error when a statement fails (the files before it stay applied).
    """
    applied = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        sql.rows(connection, "migration/lock", key=LOCK)
        sql.run(connection, "migration/ledger")
        known = {row["name"]: row["sha256"] for row in sql.rows(connection, "migration/applied")}
        files = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.sql"))}
        for name, digest in known.items():
            if name not in files:
                raise MigrationError(f"the database has migration {name}, which this package lacks: it is newer")
            if sha256(files[name]).hexdigest() != digest:
                raise MigrationError(
                    f"migration {name} was applied and has changed since: put the change in a new file"
                )
        for name, text in files.items():
            if name in known:
                continue
            with connection.transaction():
                connection.execute(text)
                sql.run(connection, "migration/note", name=name, sha256=sha256(text).hexdigest())
            applied.append(name)
    return applied
