"""Installs a lock into $WAREHOUSE_HOME/venv and becomes a command in it: `stack/run KIND COMMAND ...`.

Runs on the system's Python before anything is installed, so it needs the standard library only. pip installs uv from
a hashed pin, uv installs the rest, several times faster than pip would. A stamp keyed on the lock, the interpreter and
the folder makes later calls return at once. KIND is runtime, dev, bench, or none, which takes what is
installed: for the commands that only look and stop. ARGS as the last word stands for the words of the variable ARGS,
quoted as for a shell, which none of them ever reaches.
"""

from __future__ import annotations

import grp
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "stack" / "requirements-bootstrap.txt"
RUNTIME = ROOT / "requirements.txt"
DEV = ROOT / "requirements-dev.txt"  # contains RUNTIME, at the same versions
BENCH = ROOT / "bench" / "requirements.txt"  # only what the benchmarks compare with, beside DEV
LOCKS = {"runtime": (RUNTIME,), "dev": (RUNTIME, DEV), "bench": (RUNTIME, DEV, BENCH)}
ROOM_BYTES = 1.5e9


def warehouse_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The state folder, absolute; a relative WAREHOUSE_HOME counts from the project."""
    return (ROOT / Path(environ.get("WAREHOUSE_HOME") or ".warehouse").expanduser()).resolve()


def shared(folder: Path) -> str:
    """A sentence about who else could replace what lies in a folder, or "".

    Whoever may write a folder may rename what is in it, so the folders above count too; but for sticky ones (/tmp),
    where everybody keeps his own. The owner of the project is trusted: it is his code that runs.
    """
    trusted = {0, os.geteuid(), ROOT.stat().st_uid}
    for place in (folder, *folder.parents):
        try:
            status = place.stat()
        except OSError:
            continue  # it is not there yet; where it can't be made, making it says so
        if status.st_uid not in trusted and place != place.parent:
            why = f"belongs to {_name(status.st_uid)}"
        elif status.st_mode & stat.S_ISVTX and place != folder:
            continue
        elif status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and _members(status.st_gid) - trusted):
            why = f"can be written by other users ({stat.filemode(status.st_mode)}; to change that: chmod go-w {place})"
        else:
            continue
        return (
            f"{place} {why}, who could replace everything that is kept in {folder}. Set WAREHOUSE_HOME to a folder "
            f"that is yours alone, and so are those above it."
        )
    return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _members(gid: int) -> set[int]:
    """The users of a group. Many systems give each user a group of his own and make folders writable for it."""
    try:
        named = grp.getgrgid(gid).gr_mem
    except KeyError:
        named = []
    return {user.pw_uid for user in pwd.getpwall() if user.pw_gid == gid or user.pw_name in named}


def install(kind: str) -> None:
    """Makes the virtual environment what a lock says, if it isn't.

    Raises SystemExit with one sentence when Python's venv module is missing, the folder can't be written, the disk is
    full, a stack runs from the environment that would have to be replaced, or an installer fails.
    """
    home = warehouse_home()
    venv = home / "venv"
    if _is_installed(kind, venv) or (kind == "runtime" and _is_installed("dev", venv)):
        return
    if kind == "bench":
        install("dev")
    # otherwise what is lacking is added to what is there
    whole = not any(_is_installed(smaller, venv) for smaller in ("runtime", "dev"))
    if whole:
        _may_replace(home)
    log = home / "install.log"
    _can_write(home, venv, log)
    started = time.monotonic()
    lock = LOCKS[kind][-1]
    print(f"Installing {lock.name} into {venv} (once; the log is {log})", flush=True)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    if environ.get("PIP_INDEX_URL"):
        environ.setdefault("UV_DEFAULT_INDEX", environ["PIP_INDEX_URL"])  # uv doesn't read pip's settings
    environ.setdefault("UV_SYSTEM_CERTS", "1")  # behind a proxy with a certificate of its own pip works, and so does uv
    python, uv = venv / "bin" / "python", venv / "bin" / "uv"
    if whole:
        # --clear: a folder left by another Python or moved from elsewhere is not repaired, it is replaced.
        _run([sys.executable, "-m", "venv", "--clear", venv], log, environ)
        _run([python, "-m", "pip", "install", "--require-hashes", "--no-deps", "-r", BOOTSTRAP], log, environ)
    flags = ["--require-hashes", "--compile-bytecode"]
    if kind == "bench":
        flags.append("--no-deps")  # it must not replace what it is compared with
    _run([uv, "pip", "install", "--python", python, *flags, "-r", lock], log, environ)
    (venv / f".installed-{kind}").write_text(_fingerprint(kind, venv))
    print(f"Installed in {time.monotonic() - started:.0f} s", flush=True)


def _is_installed(kind: str, venv: Path) -> bool:
    """Whether the folder holds what the lock says and its Python still runs."""
    stamp, python = venv / f".installed-{kind}", venv / "bin" / "python"
    try:
        return (
            stamp.read_text() == _fingerprint(kind, venv)
            and subprocess.run([str(python), "-c", ""], capture_output=True).returncode == 0
        )
    except OSError:
        return False


def _fingerprint(kind: str, venv: Path) -> str:
    digest = hashlib.sha256(f"{venv}\n".encode())
    for path in (BOOTSTRAP, *LOCKS[kind]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _may_replace(home: Path) -> None:
    for pid_file in home.glob("*/supervisord.pid"):
        try:
            command = Path("/proc", pid_file.read_text().strip(), "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(pid_file.with_suffix(".conf")) in command:
            raise SystemExit(
                f"The packages have to be installed anew and a stack is running on the old ones ({pid_file.parent}). "
                f"Stop it first: make down"
            )


def _can_write(home: Path, venv: Path, log: Path) -> None:
    if not all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SystemExit(
            f"{sys.executable} has no venv module. Install it (on Debian or Ubuntu: apt-get install "
            f"python{version}-venv), then run this again."
        )
    try:
        venv.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        free = shutil.disk_usage(venv).free
    except OSError as error:
        raise SystemExit(
            f"The state folder {home} can't be written ({error.strerror}). Set WAREHOUSE_HOME to a folder that can."
        ) from None
    if free < ROOM_BYTES:
        raise SystemExit(
            f"The disk of {home} has {free / 1e9:.1f} GB free and the packages need {ROOM_BYTES / 1e9} GB. "
            f"Make room, or set WAREHOUSE_HOME to a folder on another disk."
        )


def _run(command: list, log: Path, environ: dict) -> None:
    with log.open("ab") as out:
        result = subprocess.run(
            [str(part) for part in command],
            stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environ, cwd=ROOT,
        )  # fmt: skip
    if result.returncode:
        tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-8:])
        raise SystemExit(f"Installing failed. The whole log is {log}; its end:\n{tail}")


def become(command: list[str]) -> None:
    """Replaces this process by a command of the environment, with the project and its library importable."""
    bin_folder = warehouse_home() / "venv" / "bin"
    if not bin_folder.exists():
        print(f"Nothing is installed in {warehouse_home()}, so nothing runs from it.")
        return
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    environ["PATH"] = f"{bin_folder}{os.pathsep}{environ.get('PATH', os.defpath)}"
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execvpe(bin_folder / command[0], command, environ)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in {*LOCKS, "none"}:
        raise SystemExit("usage: stack/run runtime|dev|bench|none COMMAND [ARGUMENT ...] [ARGS]")
    command = sys.argv[2:]
    if command[-1] == "ARGS":
        try:
            command[-1:] = shlex.split(os.environ.get("ARGS", ""))
        except ValueError as error:
            raise SystemExit(f"ARGS can't be split into words: {error}.") from None
    if os.environ.get("WAREHOUSE_HOME"):
        os.environ["WAREHOUSE_HOME"] = str(warehouse_home())  # its links followed once: what is looked at is used
    if refusal := shared(warehouse_home()) or shared(warehouse_home() / "venv"):
        if sys.argv[1] not in ("dev", "bench"):
            raise SystemExit(refusal)
        # tests and benchmarks keep nothing there, and whoever could replace the folder could replace the project
        print(f"Warning: {refusal}", file=sys.stderr)
    if sys.argv[1] != "none":
        install(sys.argv[1])
    become(command)
