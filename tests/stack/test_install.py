"""Finding a Python and installing the lock, without installing it again here; what `make` hands on, to whom."""

import json
import os
import stat
import subprocess
import sys

import pytest

from stack import install

RUN = install.ROOT / "stack" / "run"


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(*arguments, path, **environ):
    return subprocess.run(
        ["/bin/sh", str(RUN), *arguments],
        env={"PATH": f"{path}:/usr/bin:/bin" if environ.pop("system", True) else str(path), **environ},
        capture_output=True, text=True,
    )  # fmt: skip


def test_a_shim_that_does_not_run_and_a_python_that_is_too_new_are_passed_over(tmp_path):
    script(tmp_path / "python3", 'echo "python3: command not found" >&2; exit 127')
    script(tmp_path / "python3.13", "exit 1")  # what a Python outside of 3.11 to 3.13 answers
    script(tmp_path / "python3.12", f'exec {sys.executable} "$@"')
    script(tmp_path / "python3.11", "echo chosen too late; exit 3")
    said = run("none", "true", path=tmp_path, WAREHOUSE_HOME=str(tmp_path / "home"))
    assert said.returncode == 0 and said.stderr == ""
    assert said.stdout == f"Nothing is installed in {tmp_path / 'home'}, so nothing runs from it.\n"


def test_no_python_is_one_sentence_that_names_what_to_install(tmp_path):
    script(tmp_path / "dirname", 'exec /usr/bin/dirname "$@"')
    said = run("runtime", "true", path=tmp_path, system=False)
    assert said.returncode == 1 and said.stdout == ""
    assert "Install Python 3.11, 3.12 or 3.13" in said.stderr and "apt-get install python3" in said.stderr
    assert "Traceback" not in said.stderr and said.stderr.count("\n") == 1


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def commands(monkeypatch):
    """What would have been run; a python appears where a venv was asked for."""
    ran = []

    def pretend(command, log, environ):
        ran.append([str(part) for part in command])
        if "venv" in command:
            (command[-1] / "bin").mkdir(parents=True, exist_ok=True)
            python = command[-1] / "bin" / "python"
            python.unlink(missing_ok=True)
            python.symlink_to(sys.executable)

    monkeypatch.setattr(install, "_run", pretend)
    return ran


def test_installed_once_by_hash_and_then_never_again(home, commands):
    install.install("runtime")
    assert [c[1:3] for c in commands] == [["-m", "venv"], ["-m", "pip"], ["pip", "install"]]
    assert all("--require-hashes" in c for c in commands[1:])
    install.install("runtime")
    assert len(commands) == 3


def test_the_development_packages_are_added_to_what_runs(home, commands):
    install.install("runtime")
    install.install("dev")
    assert len(commands) == 4 and commands[3][-1].endswith("requirements-dev.txt")
    install.install("runtime")
    install.install("dev")
    assert len(commands) == 4


def test_what_the_benchmarks_compare_with_replaces_nothing(home, commands):
    install.install("bench")
    assert [c[-1].rsplit("/", 2)[-1] for c in commands[2:]] == ["requirements-dev.txt", "requirements.txt"]
    assert commands[-1][-1] == str(install.BENCH)
    assert "--no-deps" in commands[-1] and "--require-hashes" in commands[-1] and "--no-deps" not in commands[-2]
    install.install("bench")
    install.install("dev")
    assert len(commands) == 4


def test_another_lock_or_a_dead_python_installs_anew(home, commands, tmp_path, monkeypatch):
    install.install("runtime")
    (home / "venv" / "bin" / "python").unlink()
    install.install("runtime")
    assert len(commands) == 6
    changed = tmp_path / "requirements.txt"
    changed.write_text("something==1\n")
    monkeypatch.setitem(install.LOCKS, "runtime", (changed,))
    install.install("runtime")
    assert len(commands) == 9 and commands[-1][-1] == str(changed)


def test_nothing_is_replaced_under_a_running_stack(home, commands, spawn):
    stack = home / "demo"
    stack.mkdir(parents=True)
    running = spawn(stack / "supervisord.conf")
    (stack / "supervisord.pid").write_text(f"{running.pid}\n")
    with pytest.raises(SystemExit, match="Stop it first: make down"):
        install.install("runtime")
    assert commands == []
    running.kill()
    running.wait()
    install.install("runtime")
    assert len(commands) == 3


def test_a_python_without_venv_names_the_package(home, commands, monkeypatch):
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(SystemExit, match=rf"no venv module.*apt-get install python{version}-venv"):
        install.install("runtime")


def test_a_folder_that_can_not_be_written(tmp_path, commands, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path / "file"))
    with pytest.raises(SystemExit, match="can't be written.*Set WAREHOUSE_HOME"):
        install.install("runtime")


def test_a_failing_installer_shows_the_end_of_its_log(tmp_path):
    log = tmp_path / "install.log"
    with pytest.raises(SystemExit) as stopped:
        install._run([sys.executable, "-c", "print('no such package'); raise SystemExit(3)"], log, dict(os.environ))
    assert str(log) in str(stopped.value) and "no such package" in str(stopped.value)


def test_the_state_folder_is_in_the_project_unless_told_otherwise(tmp_path):
    assert install.warehouse_home({}) == install.ROOT / ".warehouse"
    assert install.warehouse_home({"WAREHOUSE_HOME": ""}) == install.ROOT / ".warehouse"
    assert install.warehouse_home({"WAREHOUSE_HOME": "elsewhere"}) == install.ROOT / "elsewhere"
    assert install.warehouse_home({"WAREHOUSE_HOME": str(tmp_path)}) == tmp_path


@pytest.mark.parametrize(
    ("place", "mode", "refused"),
    [
        ("home", 0o755, False), ("home", 0o777, True), ("home", 0o1777, True), ("home", 0o702, True),
        ("", 0o777, True), ("", 0o1777, False), ("", 0o755, False),
    ],
)  # fmt: skip
def test_a_state_folder_that_others_can_replace(tmp_path, place, mode, refused):
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / place).chmod(mode)
    said = install.shared(tmp_path / "home")
    assert bool(said) is refused
    if refused:
        assert f"chmod go-w {tmp_path / place}".rstrip("/") in said and "Set WAREHOUSE_HOME" in said
    (tmp_path / "home").rmdir()
    assert bool(install.shared(tmp_path / "home")) is (refused and place == "")


def test_a_state_folder_of_somebody_else(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(install.os, "geteuid", lambda: 4711)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    os_user = os.stat(tmp_path).st_uid
    assert install.shared(tmp_path / "home") == ""  # the owner of the code is trusted
    if os_user == 0:
        os.chown(tmp_path / "home", 4712, 4712)
        assert "belongs to user 4712" in install.shared(tmp_path / "home")
        os.chown(tmp_path / "home", 4711, 4711)
        assert install.shared(tmp_path / "home") == ""


def test_a_group_of_ones_own_is_nobody_else(tmp_path, monkeypatch):
    tmp_path.chmod(0o770)
    for members, refused in (({os.geteuid()}, False), (set(), False), ({os.geteuid(), 4711}, True)):
        monkeypatch.setattr(install, "_members", lambda gid, members=members: members)
        assert bool(install.shared(tmp_path)) is refused


@pytest.mark.parametrize("kind", ["none", "runtime"])
def test_nothing_is_run_from_or_written_into_a_shared_state_folder(tmp_path, kind):
    home = tmp_path / "home"
    (home / "venv" / "bin").mkdir(parents=True)
    script(home / "venv" / "bin" / "true", f"touch {tmp_path}/ran")
    home.chmod(0o777)
    said = run(kind, "true", path=tmp_path, PYTHON=sys.executable, WAREHOUSE_HOME=str(home))
    assert said.returncode == 1 and said.stderr.count("\n") == 1 and f"{home} can be written" in said.stderr
    assert not (tmp_path / "ran").exists() and not (home / "install.log").exists()


def test_tests_run_in_a_shared_folder_with_a_warning(home):
    """A clone of a build server often lies in one."""
    (home / "venv").mkdir(parents=True)
    home.chmod(0o777)
    (home / "venv" / ".installed-dev").write_text(install._fingerprint("dev", home / "venv"))
    (home / "venv" / "bin").symlink_to(os.path.dirname(sys.executable))
    said = run("dev", "python", "-c", "", path="/usr/bin", PYTHON=sys.executable, WAREHOUSE_HOME=str(home))
    assert (said.returncode, said.stdout) == (0, "")
    assert said.stderr.startswith(f"Warning: {home} can be written") and said.stderr.count("\n") == 1


def test_what_is_run_writes_for_its_user_only(tmp_path):
    bin_folder = tmp_path / "home" / "venv" / "bin"
    bin_folder.mkdir(parents=True)
    script(bin_folder / "leave", f"touch {tmp_path}/left; mkdir {tmp_path}/folder")
    old = os.umask(0)
    try:
        (tmp_path / "home").chmod(0o755)
        said = run("none", "leave", path=tmp_path, PYTHON=sys.executable, WAREHOUSE_HOME=str(tmp_path / "home"))
    finally:
        os.umask(old)
    assert said.returncode == 0, said.stderr
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("left", "folder")] == [0o600, 0o700]


@pytest.fixture
def handed_on(tmp_path):
    """Runs make with a Python that writes down what it is given, and returns that."""
    (tmp_path / "write.py").write_text(
        f"import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open('{tmp_path}/given', 'w'))"
    )
    script(
        tmp_path / "python",
        f"""[ "$1" = -c ] && exit 0
exec {sys.executable} {tmp_path}/write.py "$@"
""",
    )

    def make(*words, **environ):
        (tmp_path / "given").unlink(missing_ok=True)
        subprocess.run(
            ["make", "--no-print-directory", *words, f"PYTHON={tmp_path / 'python'}"],
            cwd=install.ROOT, env={"PATH": os.environ["PATH"], **environ}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return json.loads((tmp_path / "given").read_text())

    return make


@pytest.mark.parametrize("from_the_environment", [False, True])
@pytest.mark.parametrize("target", ["demo", "up", "status", "bench-history"])
def test_make_runs_nothing_that_it_is_given(tmp_path, handed_on, target, from_the_environment):
    names = ("FROM", "WAREHOUSE_HOME", "WAREHOUSE_PORT", "ARGS", "DERIBIT_CURRENCIES", "anything")
    given = {}
    for name in names:
        run_it = f"touch {tmp_path}/ran-{name}"
        given[name] = f"$(shell {run_it}) `{run_it}` $({run_it}) ; {run_it} $(error no) $(FROM) # $$ 'x'  \"y\""
    if from_the_environment:
        arguments, environ = handed_on(target, **given)
    else:
        arguments, environ = handed_on(target, *(f"{name}={value}" for name, value in given.items()))
    assert {name: environ[name] for name in names} == given
    assert not list(tmp_path.glob("ran*"))
    assert not set(given.values()) & set(arguments)


def test_arguments_are_words_as_a_shell_would_quote_them(tmp_path):
    bin_folder = tmp_path / "home" / "venv" / "bin"
    bin_folder.mkdir(parents=True)
    script(bin_folder / "words", """for word in "$@"; do echo "<$word>"; done""")

    def words(**environ):
        return run("none", "words", "ARGS", path=tmp_path, PYTHON=sys.executable,
                   WAREHOUSE_HOME=str(tmp_path / "home"), **environ)  # fmt: skip

    assert words().stdout == ""
    assert words(ARGS="-k 'a or b' $(id) tests/*").stdout.splitlines() == ["<-k>", "<a or b>", "<$(id)>", "<tests/*>"]
    assert words(ARGS="it's").stderr == "ARGS can't be split into words: No closing quotation.\n"
