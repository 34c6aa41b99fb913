"""Brings the market database to the structure of this package.

Tables change step by step: each file of include/sql/tables is applied once, in the order of their names, and stays as
it is from then on. Views and functions have one definition each, in include/sql/views: when any of these files has
changed, all views and functions are dropped and made again. Where one says {datasets/*/pending} it is the rows of all
statements of that name, one a dataset's folder; {known_outages} is the text of the reviewed file of that name. What the
data dictionary says of a view, a function or a column (the files dictionary.md) becomes its comment in the database.

Whatever is to be done happens in one transaction under a lock, so that two starts at once or a killed one leave either
the old structure or the new. A database in which another text of an applied file was applied is refused: it was laid
out before the base was closed (decision 14), and there is no upgrade from that.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from deribit_warehouse import settings

from . import sql

LOCK = 7_316_402_914  # any number no one else uses
VIEWS = "views"  # the name under which all files of views are noted


class MigrationError(Exception):
    """The database and the files disagree; nothing was changed."""


def migrate(dsn: str, folder: Path = sql.FOLDER) -> list[str]:
    """Applies what is missing or has changed; returns the names of the files of tables, and VIEWS if those were made.

    dsn: a libpq connection string of market_owner. folder: has `tables` and `views`. Raises MigrationError when an
    applied file of tables has changed or is gone, or when something that is not this package's rests on a view that is
    to be made again; psycopg.Error when a statement fails.
    """
    tables = _texts(folder / "tables")
    views = {name: _filled_in(text, folder) for name, text in _texts(folder / "views").items()}
    comments = _comments(folder)
    digest = _digest("".join([*views.values(), *map(str, comments)]))
    with psycopg.connect(dsn, autocommit=True) as connection:
        sql.rows(connection, "migration/lock", key=LOCK)
        sql.run(connection, "migration/ledger")
        applied = {row["name"]: row["sha256"] for row in sql.rows(connection, "migration/applied")}
        made = applied.pop(VIEWS, None)
        _refuse_other_structures(applied, tables)
        missing = [name for name in tables if name not in applied]
        if not missing and made == digest:
            return []
        with connection.transaction():
            _drop_views(connection)
            for name in missing:
                connection.execute(tables[name])
                sql.run(connection, "migration/note", name=name, sha256=_digest(tables[name]))
            others = _objects(connection)
            for text in views.values():
                connection.execute(text)
            objects = [each for each in _objects(connection) if each not in others]
            made_here = {re.split(r"[ (]", each)[1] for each in objects}
            for what, path, text in comments:
                if path[0] in made_here:
                    _comment(connection, what, path, text)
            sql.run(connection, "migration/note_views", name=VIEWS, sha256=digest, objects=objects)
    return [*missing, VIEWS]


def _refuse_other_structures(applied: dict[str, str], tables: dict[str, str]) -> None:
    for name, digest in applied.items():
        if name not in tables:
            raise MigrationError(f"the database has migration {name}, which this package lacks: it is newer")
        if _digest(tables[name]) != digest:
            raise MigrationError(
                f"the database was laid out by another state of this package: its migration {name} is not today's. "
                "Before the first release there is no upgrade from one to the other: start with a new database (on "
                "one machine, a new WAREHOUSE_HOME). A change of your own belongs in a new file"
            )


def _drop_views(connection: psycopg.Connection) -> None:
    """Drops the views and functions that an earlier start made, and nothing else."""
    for row in sql.rows(connection, "migration/made", name=VIEWS):
        try:
            connection.execute(row["statement"])
        except psycopg.errors.DependentObjectsStillExist as error:
            raise MigrationError(
                "the views are to be made again, and something that is not this package's rests on one of them: "
                f"{error.diag.message_detail}. Drop that, start again, and make it again afterwards"
            ) from error


def _objects(connection: psycopg.Connection) -> list[str]:
    """The views and functions there are, what rests on others first, as DROP names them."""
    return [row["object"] for row in sql.rows(connection, "migration/objects")]


def _texts(folder: Path) -> dict[str, str]:
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.sql"))}


def _filled_in(text: str, folder: Path) -> str:
    def together(found: re.Match) -> str:
        files = sorted(folder.glob(f"{found[1]}.sql"))
        return "\nUNION ALL\n".join(f"(\n{file.read_text(encoding='utf-8')})" for file in files)

    text = re.sub(r"\{(datasets/\*/\w+)\}", together, text)
    if "{known_outages}" not in text:
        return text
    outages = (settings.EXPECTATIONS / "known_outages.json").read_text(encoding="utf-8")
    return text.replace("{known_outages}", Literal(outages).as_string())


def _comments(folder: Path) -> list[tuple[LiteralString, tuple[str, ...], str]]:
    """What the dictionary says: (VIEW, FUNCTION or COLUMN, its name, the text). Of a view or function that is the first
    paragraph under its heading, of a column its unit and its meaning."""
    found: list[tuple[LiteralString, tuple[str, ...], str]] = []
    for file in sorted(folder.glob("**/*.md")):
        for heading, text in re.findall(
            r"^### ([^\n]+)\n\n(.+?)(?=^##|\Z)", file.read_text(encoding="utf-8"), re.M | re.S
        ):
            about = " ".join(text.split("\n\n")[0].split())
            for name, called in re.findall(r"`(\w+)(\([^`]*\))?`", heading):
                if called:
                    found.append(("FUNCTION", (name,), about))
                    continue
                found.append(("VIEW", (name,), about))
                for column, unit, meaning in re.findall(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\|([^|]*)\|$", text, re.M):
                    told = "; ".join(part for part in (unit.strip(), meaning.strip()) if part)
                    found.append(("COLUMN", (name, column), told))
    return found


def _comment(connection: psycopg.Connection, what: LiteralString, name: tuple[str, ...], text: str) -> None:
    statement = SQL(sql.statement("migration/comment"))
    connection.execute(statement.format(what=SQL(what), name=Identifier(*name), text=Literal(text or None)))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
