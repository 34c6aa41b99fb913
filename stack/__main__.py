"""The command line: see the package's docstring."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from getpass import getuser
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from stack import StackError, catchup, check, clean, postgres, preflight, printing, services
from stack.api import AirflowApi
from stack.credentials import ADMIN, Credentials, load, load_or_make, share_with_postgres, write_private
from stack.environment import PRELOAD, database_folder, environment
from stack.settings import Stack, history_from, stack_of

MODES = {"demo": "demo", "up": "live"}
CLEANING_FAILED = "cleaning_failed"
SERVICES = ["scheduler", "dag-processor", "triggerer", "api-server", "watch", "simulator"]
SIGN_OF_LIFE = 180  # seconds: the watch leaves one a minute
console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stack", description="The warehouse on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("demo", "everything against the exchange simulator"),
        ("up", "everything against the live exchange"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--from", dest="first_day", metavar="YYYY-MM-DD", default=os.environ.get("FROM") or None)
    command = commands.add_parser("check", help="whether the exchange is as this package takes it to be")
    command.add_argument("--mode", choices=["demo", "live"], default=os.environ.get("WAREHOUSE_MODE") or "live")
    commands.add_parser("down", help="stop everything of both")
    commands.add_parser("status", help="what runs, and where")
    command = commands.add_parser("clean", help="take away what Airflow left behind and nothing goes on from")
    command.add_argument("--mode", choices=["demo", "live"], default=os.environ.get("WAREHOUSE_MODE") or None)
    command.add_argument("--daily", action="store_true", help="every day, until it is stopped")
    command = commands.add_parser("report", help="the completion report, as Markdown")
    command.add_argument("--mode", choices=["demo", "live"], default=os.environ.get("WAREHOUSE_MODE") or None)
    command.add_argument("--output", type=Path, metavar="FILE", help="write it there instead of printing it")
    command = commands.add_parser("acknowledge", help="the open incidents; with their numbers: they are known")
    command.add_argument("numbers", type=int, nargs="*", metavar="NUMBER")
    command.add_argument("--note", help="what is known of it")
    command.add_argument("--by", default=None, metavar="NAME", help="who says so, by default who runs this")
    command.add_argument("--over", action="store_true", help="it is over, though nothing says so by itself")
    command.add_argument("--mode", choices=["demo", "live"], default=os.environ.get("WAREHOUSE_MODE") or None)
    for name, what in (
        ("airflow", "Airflow's own command line, in a stack's environment"),
        ("postgres", "a program of Postgres (pg_dump, pg_restore, psql), logged in as the superuser"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--mode", choices=["demo", "live"], default=os.environ.get("WAREHOUSE_MODE") or None)
        command.add_argument("words", nargs=argparse.REMAINDER, metavar="...")
    for name, what in (
        ("secrets", "make the secrets of a stack"),
        ("prepare", "make roles, databases and tables on a running Postgres"),
        ("history", "unpause, wait for the history, report"),
        ("service", "become one service"),
        ("healthy", "exit code 0 when one service is well"),
    ):
        command = commands.add_parser(name, help=what)
        if name in ("service", "healthy"):
            command.add_argument("name", choices=[*SERVICES, *(["cleaner"] if name == "healthy" else [])])
        if name == "secrets":
            command.add_argument("--adopt", action="store_true", help="around the password a lost state volume left")
        command.add_argument("--mode", choices=["demo", "live"], default=os.environ.get("WAREHOUSE_MODE") or "live")
    asked = parser.parse_args(arguments)
    os.umask(0o077)  # logs and state are this user's business
    try:
        if asked.command in MODES:
            return up(stack_of(MODES[asked.command]), asked.first_day)
        if asked.command == "check":
            check_settings()
            return check.ask_the_exchange(stack_of(asked.mode))
        if asked.command == "down":
            return down()
        if asked.command == "status":
            return status()
        if asked.command == "clean":
            return clean_daily(the_stack(asked.mode)) if asked.daily else clean_once(the_stack(asked.mode))
        if asked.command == "report":
            return report(the_stack(asked.mode), asked.output)
        if asked.command == "acknowledge":
            return acknowledge(the_stack(asked.mode), asked.numbers, asked.by or getuser(), asked.note, over=asked.over)
        if asked.command == "airflow":
            return airflow(the_stack(asked.mode), asked.words)
        if asked.command == "postgres":
            stack = the_stack(asked.mode)
            return postgres.become_program(stack, load(stack.home), asked.words)
        if asked.command == "secrets":
            return make_secrets(stack_of(asked.mode), asked.adopt)
        if asked.command == "prepare":
            return prepare(stack_of(asked.mode))
        if asked.command == "history":
            return watch(stack_of(asked.mode))
        if asked.command == "healthy":
            return healthy(stack_of(asked.mode), asked.name)
        return become(stack_of(asked.mode), asked.name)
    except StackError as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What was started goes on: make status, make down.", file=sys.stderr)
        return 130


def up(stack: Stack, asked: str | None) -> int:
    """Starts everything, runs the history, prints what is stored."""
    started = time.monotonic()
    check_settings()
    first_day = history_from(stack, asked, today())
    preflight.check(stack)
    credentials = load_or_make(stack.home)
    (stack.home / "history_from").write_text(f"{first_day}\n")
    say(f"Starting the {stack.mode} stack in {stack.home}, history from {first_day}")
    if stack.mode == "live":
        for note in check.ask_before_a_start(stack):
            say(note)
    else:
        # what the simulator allows
        os.environ.setdefault("DERIBIT_REQUESTS_PER_SECOND", "20")
        os.environ.setdefault("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "1")
    api = AirflowApi(stack, credentials)
    try:
        start(stack, credentials, api, first_day)
    except StackError:
        services.stop(stack)  # half a stack is no use to anybody; its logs stay
        raise
    say(f"Airflow is up at {stack.address} ({time.monotonic() - started:.0f} s)")
    failed = run(stack, credentials, api, first_day)
    say("")
    printing.print_addresses(console, stack, credentials)
    say("Everything keeps running. Stop it with: make down")
    return print_failures(failed)


def check_settings() -> None:
    """Raises StackError with a sentence for every variable of the collection that makes no sense."""
    from deribit_warehouse import settings

    if complaints := settings.check():
        raise StackError("\n".join(complaints))


def start(stack: Stack, credentials: Credentials, api: AirflowApi, first_day: date) -> None:
    """From nothing running to a healthy Airflow."""
    for note in postgres.initialise(stack, credentials):
        say(f"Note: {note}")
    services.start_supervisor(stack)
    services.start(stack, "postgres")
    if stack.mode == "demo":
        services.start(stack, "simulator")
    postgres.wait_ready(stack, credentials, lambda: services.none_failed(stack))
    set_up_databases(stack, credentials, first_day)
    check.count_lists_asked(stack, postgres.dsn(stack, credentials, "market_loader", "market"))
    services.start(stack, "api-server", "dag-processor", "scheduler")
    api.wait_healthy(lambda: services.none_failed(stack))
    services.start(stack, "triggerer", "watch", "cleaner")  # last: what is waited for goes first


def run(stack: Stack, credentials: Credentials, api: AirflowApi, first_day: date) -> list[StackError]:
    """From a healthy Airflow to what is stored, printed. Returns the runs that failed, as sentences."""
    # From here on this process reads the warehouse's own package, some of which imports Airflow: it has to see the same
    # settings as the services, and none of the caller's.
    os.environ.update(environment(stack, credentials, first_day))
    from deribit_warehouse.datasets import DATASETS, POOLS
    from deribit_warehouse.settings import currencies
    from deribit_warehouse.warehouse.completion import (
        behind,
        due,
        pending,
        refused,
        summary,
        term_structure,
        unloaded,
        waiting,
    )  # fmt: skip
    from deribit_warehouse.warehouse.open_days import record_start

    loader = postgres.dsn(stack, credentials, "market_loader", "market")
    reader = postgres.dsn(stack, credentials, "market_reader", "market")
    record_start(loader, wanted=stack.live)  # whatever becomes of this start, a live that never begins is told
    catchup.create_pools(api, POOLS)
    catchup.wait_for_dags(stack, api)
    first = catchup.newest_month_first(api, datetime.now(UTC))
    try:
        try:
            catchup.run_catalogue(
                stack, api, console, lambda lists: behind(loader, currencies(), lists), lambda: waiting(reader)
            )
            for cause in refused(reader, currencies()):
                say(f"The history goes on without a list that could not be read: {cause}")
            for note in catchup.run_again(api, unloaded(reader)):
                say(f"Run again: {note}")
            if first:
                say(f"First comes {first:%B %Y}, the newest closed month, then the history from {first_day} on")
        finally:
            # whatever became of the catalogue: what needs it waits for it
            catchup.unpause(api, but={catchup.LIVE, catchup.RETENTION})
        failed = catchup.run_history(stack, api, console, lambda: due(loader, DATASETS), lambda: waiting(reader))
    finally:
        catchup.unpause(api, but=() if stack.live else {catchup.LIVE})
    printing.print_store(console, summary(reader, DATASETS), term_structure(reader))
    printing.print_pending(console, pending(reader))
    if stack.live:
        say("From now on today's minutes are collected, too. How fresh they are: make status")
    return failed


def set_up_databases(stack: Stack, credentials: Credentials, first_day: date) -> None:
    """Roles, databases and tables of both, all of which may be there already."""
    write_airflow_files(stack, credentials)
    postgres.create_roles_and_databases(stack, credentials)
    environ = environment(stack, credentials, first_day)
    owner = postgres.dsn(stack, credentials, "market_owner", "market")
    market = (
        "import os; from deribit_warehouse.warehouse.migrations import migrate; "
        "print(*migrate(os.environ['MARKET_OWNER_URL']))"
    )
    with ThreadPoolExecutor() as both:
        steps = [
            both.submit(step, stack, "migrate-market", ["-c", market], environ | {"MARKET_OWNER_URL": owner}),
            both.submit(step, stack, "migrate-airflow", ["-m", "airflow", "db", "migrate"], environ),
        ]
    for done in steps:
        done.result()


def step(stack: Stack, name: str, arguments: list[str], environ: dict[str, str]) -> None:
    """Runs Python to its end. Raises StackError with the last line it said and the place of its log."""
    log = stack.logs / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("w") as out:
        result = subprocess.run(
            [sys.executable, *arguments],
            env=environ,
            cwd=stack.root,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    if result.returncode:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise StackError(
            f"The step {name} failed: {lines[-1][:300] if lines else 'it said nothing'} (the whole log: {log})"
        )


def write_airflow_files(stack: Stack, credentials: Credentials) -> None:
    home = stack.home / "airflow"
    write_private(home / "passwords.json", json.dumps({ADMIN: credentials.admin}) + "\n")
    write_private(home / "config" / "airflow_local_settings.py", PRELOAD)
    (stack.home / "data_docs").mkdir(exist_ok=True, mode=0o700)


def down() -> int:
    stopped = []
    for mode in MODES.values():
        stack = stack_of(mode)
        if services.stop(stack):
            stopped.append(mode)
    say(f"Stopped: {' and '.join(stopped)}" if stopped else "Nothing was running")
    return 0


def print_what_is_stored(stack: Stack, credentials: Credentials) -> None:
    """How fresh it is, and what is not validated. A database that is only being set up has nothing to say."""
    import psycopg

    from deribit_warehouse.warehouse.completion import fresh, pending

    dsn = postgres.dsn(stack, credentials, "market_reader", "market")
    try:
        printing.print_freshness(console, fresh(dsn))
        printing.print_pending(console, pending(dsn))
    except psycopg.Error as error:
        say(f"How fresh it is, and what waits, could not be asked: {str(error).strip().splitlines()[0]}")


def print_what_is_wrong(stack: Stack, credentials: Credentials) -> None:
    """The incidents that are open. A database that is only being set up has nothing to say."""
    import psycopg

    from deribit_warehouse.warehouse.incidents import open_incidents

    try:
        rows = open_incidents(postgres.dsn(stack, credentials, "market_reader", "market"))
    except psycopg.Error as error:
        say(f"Open incidents could not be asked for: {str(error).strip().splitlines()[0]}")
    else:
        printing.print_incidents(console, rows)


def status() -> int:
    """Exit code 1 when a service of a running stack is down, or a stopped stack left processes behind."""
    good = []
    for mode in MODES.values():
        stack = stack_of(mode)
        states = services.states(stack)
        if not states:
            left = services.left_over(stack)
            good.append(not left)
            over = f", but {len(left)} processes are left over; end them with: make down" if left else ""
            say(f"{mode}: not running{over}")
            continue
        good.append(all(state == "RUNNING" for state in states.values()))
        say(f"{mode}: " + ", ".join(f"{name} {state.lower()}" for name, state in states.items()))
        credentials = load(stack.home)
        printing.print_addresses(console, stack, credentials)
        if (failure := stack.home / CLEANING_FAILED).exists():
            say(f"Airflow was not cleaned: {failure.read_text().strip()}")
        if states.get("postgres") == "RUNNING":
            print_what_is_stored(stack, credentials)
            print_what_is_wrong(stack, credentials)
    return 0 if all(good) else 1


def report(stack: Stack, output: Path | None) -> int:
    """Prints the completion report, or writes it to a file. Raises StackError when the database can't be asked, or the
    file not written; that criteria are not met is no failure."""
    return write_report(postgres.dsn(stack, load(stack.home), "market_reader", "market"), output)


def write_report(dsn: str, output: Path | None) -> int:
    """What `report` does, of a market database. dsn: a libpq connection string of a reader."""
    import psycopg

    from deribit_warehouse.report import report_as_markdown

    try:
        text = report_as_markdown(dsn)
    except psycopg.Error as error:
        why = str(error).strip().splitlines()[0]
        raise StackError(f"The market database can't be asked for its report: {why}. What runs: make status") from error
    if output is None:
        sys.stdout.write(text)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StackError(f"The report can't be written to {output}: {error.strerror}") from error
    return 0


def clean_once(stack: Stack) -> int:
    """Takes away what is older than settings.keep_runs() of what Airflow left behind. Raises StackError, and leaves it
    where the status and the health check find it until it goes well."""
    from deribit_warehouse.settings import keep_runs

    check_settings()
    credentials = load(stack.home)
    environ = environment(stack, credentials, history_from(stack, None, today()))
    failure = stack.home / CLEANING_FAILED
    try:
        say(clean.clean(stack, AirflowApi(stack, credentials), environ, datetime.now(UTC) - keep_runs()))
    except StackError as error:
        failure.write_text(f"{error}\n")
        raise
    failure.unlink(missing_ok=True)
    return 0


def clean_daily(stack: Stack) -> NoReturn:
    """A service: the same every night. What went wrong is in its log, and tried again the next night."""
    while True:
        clean.sleep_until_next()
        try:
            clean_once(stack)
        except StackError as error:
            print(error, file=sys.stderr)


def acknowledge(stack: Stack, numbers: list[int], by: str, note: str | None, *, over: bool) -> int:
    """Says of open incidents that somebody has seen them; without a number it prints what is open. Raises StackError
    for a number that is not open, after those before it, and when the database can't be asked."""
    import psycopg

    from deribit_warehouse.warehouse.incidents import acknowledge_at, open_incidents

    credentials = load(stack.home)
    try:
        for number in numbers:
            row = acknowledge_at(
                postgres.dsn(stack, credentials, "market_loader", "market"), number, by, note, resolve=over
            )
            what = " ".join(filter(None, (row["dataset"], row["instruments"], row["rule"])))
            say(f"{number}: {what} is {'over' if row['resolved_at'] else 'known'}, says {by}")
        if not numbers:
            printing.print_incidents(
                console, open_incidents(postgres.dsn(stack, credentials, "market_reader", "market"))
            )
    except ValueError as error:
        raise StackError(f"{error}; what is open: make acknowledge") from error
    except psycopg.Error as error:
        why = str(error).strip().splitlines()[0]
        raise StackError(f"The market database can't be asked: {why}. What runs: make status") from error
    return 0


def make_secrets(stack: Stack, adopt: bool = False) -> int:
    """The compose file's first step: all secrets, and the superuser's password alone where Postgres may read it."""
    if folder := os.environ.get("WAREHOUSE_POSTGRES_SECRET"):
        share_with_postgres(stack.home, Path(folder) / "password", adopt)
    else:
        load_or_make(stack.home)
    say(f"The secrets are in {stack.home / 'secrets.json'}")
    return 0


def prepare(stack: Stack) -> int:
    """The compose file's second step: what `up` does between starting Postgres and starting Airflow."""
    check_settings()
    credentials = load(stack.home)
    first_day = history_from(stack, os.environ.get("FROM") or None, today())
    (stack.home / "history_from").write_text(f"{first_day}\n")
    postgres.wait_ready(stack, credentials, lambda: None)
    set_up_databases(stack, credentials, first_day)
    printing.print_addresses(console, stack, credentials)
    return 0


def watch(stack: Stack) -> int:
    """The compose file's last step: what `up` does once Airflow is up."""
    credentials = load(stack.home)
    api = AirflowApi(stack, credentials)
    api.wait_healthy(lambda: None)
    if stack.mode == "live":
        for note in check.ask_before_a_start(stack):
            say(note)
    failed = run(stack, credentials, api, history_from(stack, None, today()))
    printing.print_addresses(console, stack, credentials)
    return print_failures(failed)


def print_failures(failed: list[StackError]) -> int:
    """The exit code of a start whose history has run: 1 when runs of it failed, which are named once more."""
    sys.stdout.flush()
    for error in failed:
        print(error, file=sys.stderr)
    if failed:
        print("The rest has run. What failed is run again by the next start.", file=sys.stderr)
    return int(bool(failed))


def healthy(stack: Stack, name: str) -> int:
    """A container's health check. Airflow's services are asked for through its API server."""
    if name == "simulator":
        with socket.socket() as caller:
            caller.settimeout(5)
            return int(caller.connect_ex(("127.0.0.1", stack.simulator_port)) != 0)
    if name == "cleaner":
        return int((stack.home / CLEANING_FAILED).exists())
    if name == "watch":
        try:
            return int(time.time() - watch_file(stack).stat().st_mtime > SIGN_OF_LIFE)
        except FileNotFoundError:
            return 1
    missing = AirflowApi(stack, load(stack.home)).unhealthy()
    return int(name in missing or "api-server" in missing)


def the_stack(mode: str | None) -> Stack:
    """The stack of a mode; without one: the only stack that has any state. Raises StackError when there are two."""
    stacks = map(stack_of, [mode] if mode else MODES.values())
    there = [stack for stack in stacks if (stack.home / "secrets.json").exists()]
    if len(there) != 1:
        raise StackError(
            "Name the stack: --mode demo or --mode live" if there else "There is no stack yet: make demo, or make up"
        )
    return there[0]


def airflow(stack: Stack, words: list[str]) -> int:
    """Replaces this process by Airflow's command line."""
    environ = environment(stack, load(stack.home), history_from(stack, None, today()))
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *words], environ)


def become(stack: Stack, name: str) -> NoReturn:
    """Replaces this process by a service."""
    if name == "simulator":
        command = services.simulator_command(stack)
        environ = services.process_environment(stack)
    elif name == "watch":
        command = services.watch_command()
        # a user's ten connections are no reason to say that the database is away
        market = postgres.dsn(stack, load(stack.home), "market_loader", "market")
        environ = services.process_environment(stack) | {
            "DERIBIT_WATCH_MARKET_URL": market,
            "DERIBIT_WATCH_FILE": str(watch_file(stack)),
            "DERIBIT_DATABASE_FOLDER": database_folder(stack),
        }
    else:
        command = services.airflow_command(name)
        environ = environment(stack, load(stack.home), history_from(stack, None, today()))
    sys.stdout.flush()
    os.chdir(stack.root)
    os.execve(command[0], command, environ)


def watch_file(stack: Stack) -> Path:
    """What the watch found last, and its sign of life."""
    return stack.home / "watch.json"


def today() -> date:
    return datetime.now(UTC).date()


def say(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)


if __name__ == "__main__":
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) == signal.SIG_DFL:  # nohup ignores it
            signal.signal(ending, signal.default_int_handler)  # a closed terminal is an interruption like any other
    sys.exit(main(sys.argv[1:]))
