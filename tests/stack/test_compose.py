"""docker-compose.yaml: no engine runs here; it is held to its schema (make lint), its rules and the embedded stack."""

import re
from datetime import date

import pytest
import yaml

from stack import credentials as secrets
from stack import postgres, services
from stack.__main__ import main
from stack.environment import database_folder, environment
from stack.install import ROOT
from stack.settings import stack_of

TEXT = (ROOT / "docker-compose.yaml").read_text()
ONE_SHOT = {"secrets", "prepare", "history"}
VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


def interpolated(environ):
    """The file as compose would read it. Raises KeyError for a variable without a value or a default."""

    def value(match):
        name, operator, default = match.groups()
        if environ.get(name):
            return environ[name]
        if operator and "-" in operator:
            return default
        raise KeyError(match[0])

    assert "$" not in VARIABLE.sub("", TEXT)
    return yaml.safe_load(VARIABLE.sub(value, TEXT))


@pytest.fixture(params=["live", "demo"])
def mode(request):
    return request.param


@pytest.fixture
def compose(mode):
    return interpolated({} if mode == "live" else {"WAREHOUSE_MODE": "demo"})


def test_it_needs_no_variable_and_leaves_none_empty(compose):
    for name, service in compose["services"].items():
        empty = {k for k, v in (service.get("environment") or {}).items() if v in ("", None)}
        # a name alone is passed on where it is set, and is not set where it isn't
        passed_on = {
            k
            for k in empty
            if k.startswith(("AIRFLOW_CONN_DERIBIT_ALERTS_", "DERIBIT_HEARTBEAT_URL"))
            and service["environment"][k] is None
        }
        assert empty - passed_on <= {"FROM"}, name


def test_live_and_demo_share_no_volume(mode, compose):
    assert compose["name"] == f"deribit-warehouse-{mode}"
    assert all(
        not (volume or {}).get("external") and not (volume or {}).get("name") for volume in compose["volumes"].values()
    )


def test_ports_are_published_on_loopback_only(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)


def test_every_service_is_watched_and_comes_back(compose):
    for name, service in compose["services"].items():
        if name in ONE_SHOT:
            assert service["restart"].startswith("on-failure")
        else:
            assert service["restart"] == "unless-stopped" and service["healthcheck"]["test"][0] == "CMD", name
            assert service.get("mem_limit"), name


def test_one_shots_are_waited_for_to_their_end_and_servers_until_healthy(compose):
    for service in compose["services"].values():
        for name, how in (service.get("depends_on") or {}).items():
            wanted = "service_completed_successfully" if name in ONE_SHOT else "service_healthy"
            assert how["condition"] == wanted


def test_no_password_is_written_or_passed_in_it(compose):
    for service in compose["services"].values():
        for name in service.get("environment") or {}:
            assert (
                not re.search("PASSWORD|SECRET|KEY|TOKEN", name)
                or name.endswith("_FILE")
                or name == "WAREHOUSE_POSTGRES_SECRET"
            )
    assert "password" not in re.sub(r"#.*|/run/postgres-secret/password|password_encryption", "", TEXT).lower().replace(
        "postgres_password_file", ""
    )


def test_the_projects_services_are_unprivileged_and_read_only(compose):
    for name, service in compose["services"].items():
        if name == "postgres":
            continue
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"]
        for volume in service["volumes"]:
            assert not re.search(r":/warehouse\b", volume), "the code lies in the image"
    dockerfile = (ROOT / "stack" / "Dockerfile").read_text()
    assert re.search(r"^USER warehouse$", dockerfile, re.M)
    assert "--require-hashes" in dockerfile and "COPY . " not in dockerfile


def test_data_docs_and_logs_are_shared_between_scheduler_and_api_server(compose):
    for name in ("scheduler", "api-server"):
        assert "state:/state" in compose["services"][name]["volumes"]


def test_who_looks_at_the_disk_sees_the_databases_volume_and_cannot_write_to_it(compose, mode):
    mounts = {
        name: volume.removeprefix("database:")
        for name, service in compose["services"].items()
        for volume in service.get("volumes", ())
        if volume.startswith("database:")
    }
    assert mounts.pop("postgres") == "/var/lib/postgresql"
    assert mounts == dict.fromkeys(("scheduler", "watch"), "/database:ro")
    for name, service in compose["services"].items():
        there = stack_of(mode, service.get("environment") or {})
        if name in mounts:
            assert database_folder(there, service["environment"]) == "/database"
        elif name != "postgres":
            assert database_folder(there, service["environment"]) == ""


def test_its_commands_exist(compose):
    for service in compose["services"].values():
        for command in (service.get("command") or [], service.get("healthcheck", {}).get("test", [])[4:]):
            if command and command[0] != "postgres":
                with pytest.raises(SystemExit) as stopped:
                    main([*command, "--help"])
                assert stopped.value.code == 0


def test_postgres_has_the_settings_of_the_embedded_one(compose):
    given = dict(part.removeprefix("--").split("=", 1) for part in compose["services"]["postgres"]["command"][1:])
    only_embedded = {"listen_addresses", "log_line_prefix"}  # a container listens, and its engine stamps the lines
    assert given == {k: v for k, v in postgres.SETTINGS.items() if k not in only_embedded}


def test_its_environment_leads_to_the_embedded_one(compose, mode, credentials, tmp_path):
    """The same function makes the environment; only places differ."""
    inside = compose["services"]["scheduler"]["environment"]
    there = stack_of(inside["WAREHOUSE_MODE"], inside)
    here = stack_of(mode, {"WAREHOUSE_HOME": str(tmp_path)})
    assert there.mode == mode and not there.supervised
    ours = environment(here, credentials, date(2025, 12, 1), {})
    theirs = environment(there, credentials, date(2025, 12, 1), {})
    assert ours.keys() == theirs.keys()
    different = {k for k in ours if ours[k].replace(str(tmp_path), "/state") != theirs[k]}
    print(sorted(different))
    assert different <= {
        "AIRFLOW_CONN_DERIBIT_MARKET", "AIRFLOW_CONN_DERIBIT_LIVE", "AIRFLOW_CONN_DERIBIT_HISTORY",
        "NO_PROXY", "no_proxy", "DERIBIT_DATABASE_FOLDER",
        "AIRFLOW__API__HOST", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC",
    }  # fmt: skip
    assert "@postgres:5432/airflow" in theirs["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    if mode == "live":
        assert theirs["AIRFLOW_CONN_DERIBIT_LIVE"] == ours["AIRFLOW_CONN_DERIBIT_LIVE"]


def test_it_runs_the_services_of_the_embedded_stack(compose, mode):
    ours = {service.name for service in services.services(stack_of(mode, {}))}
    theirs = {name for name, service in compose["services"].items() if mode in service.get("profiles", [mode])}
    assert theirs - ONE_SHOT == ours


def test_one_service_builds_the_image_and_nobody_pulls_it(compose):
    """Several builds of one tag fail with the containerd image store, and a registry may have that name."""
    ours = {name: service for name, service in compose["services"].items() if service["image"] == "deribit-warehouse"}
    assert ours.keys() == compose["services"].keys() - {"postgres"}
    assert [name for name, service in ours.items() if "build" in service] == ["secrets"]
    assert {service["pull_policy"] for service in ours.values()} == {"never"}
    for name in ours.keys() - {"secrets"}:  # whatever is started alone brings the one that builds
        assert "secrets" in waited_for(compose, name), name


def waited_for(compose, name):
    needed = set(compose["services"][name].get("depends_on") or ())
    return needed.union(*(waited_for(compose, one) for one in needed))


def test_the_image_is_readable_whatever_the_umask_of_the_checkout_was():
    dockerfile = (ROOT / "stack" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?:--chmod=(\d+) )?(\S+) \S+$", dockerfile, re.M)
    assert len(copied) == len(re.findall("^COPY", dockerfile, re.M))
    before_the_code = {"requirements.txt", "stack/requirements-bootstrap.txt"}  # root installs from them
    for mode, what in copied:
        assert mode == "755" or what in before_the_code, what
    assert {what for mode, what in copied if mode} == {
        line.removeprefix("!") for line in (ROOT / "stack" / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!") and line != "!requirements.txt"
    }  # fmt: skip


def test_another_first_day_changes_the_step_that_prepares_and_nothing_that_runs(mode):
    """Compose makes every service anew whose definition has changed."""
    asked, forgotten = (
        interpolated({"WAREHOUSE_MODE": mode} | given)["services"] for given in ({"FROM": "2099-01-01"}, {})
    )
    assert [name for name in asked if asked[name] != forgotten[name]] == ["prepare"]


@pytest.fixture
def container(tmp_path, monkeypatch):
    """The places of the service `secrets`."""
    for name, value in {
        "WAREHOUSE_HOME": tmp_path / "state",
        "WAREHOUSE_POSTGRES_HOST": "postgres",
        "WAREHOUSE_POSTGRES_SECRET": tmp_path / "secret",
    }.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "state").mkdir()
    return tmp_path


def test_the_secrets_are_made_once_and_a_lost_password_file_comes_back(container):
    assert main(["secrets"]) == 0
    made = secrets.load(container / "state" / "live")
    password = container / "secret" / "password"
    assert password.read_text() == made.postgres and password.stat().st_mode & 0o777 == 0o600
    password.unlink()
    assert main(["secrets"]) == 0
    assert password.read_text() == made.postgres and secrets.load(container / "state" / "live") == made


def test_a_lost_state_volume_does_not_cost_the_databases_password(container, capsys):
    main(["secrets"])
    first = secrets.load(container / "state" / "live")
    (container / "state" / "live" / "secrets.json").rename(container / "lost.json")
    for _ in range(2):  # the engine tries again
        assert main(["secrets"]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "secrets --adopt" in said and "Restore the volume" in said
        assert (container / "secret" / "password").read_text() == first.postgres
        assert not (container / "state" / "live" / "secrets.json").exists()
    assert main(["secrets", "--adopt"]) == 0
    second = secrets.load(container / "state" / "live")
    assert second.postgres == first.postgres == (container / "secret" / "password").read_text()
    assert second.airflow != first.airflow
    assert main(["secrets"]) == 0 and secrets.load(container / "state" / "live") == second


def test_a_password_that_was_changed_in_the_secrets_is_handed_on(container):
    main(["secrets"])
    path = container / "state" / "live" / "secrets.json"
    first = secrets.load(path.parent)
    path.write_text(path.read_text().replace(first.postgres, "another-one"))
    assert main(["secrets"]) == 0
    assert (container / "secret" / "password").read_text() == "another-one"
