"""Finding a Python and installing the lock, without installing it again here."""

import os
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
