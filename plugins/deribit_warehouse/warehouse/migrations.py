"""Brings the market database to the version of this package: the files of include/sql/ddl, each once, in order.

A file is applied in one transaction together with the note that it was, under a lock, so that two starts at
once or a killed one leave either the old structure or the new. A database that was laid out by other files is refused:
there has been no release, so until then there is one clean base and no upgrade.
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
                    f"the database was laid out by another state of this package: its migration {name} is not today's. "
                    "Before the first release there is no upgrade from one to the other: start with a new database (on "
                    "one machine, a new WAREHOUSE_HOME). A change of your own belongs in a new file"
                )
        for name, text in files.items():
            if name in known:
                continue
            with connection.transaction():
                connection.execute(text)
                sql.run(connection, "migration/note", name=name, sha256=sha256(text).hexdigest())
            applied.append(name)
    return applied
