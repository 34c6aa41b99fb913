"""The data docs behind Airflow's login: nobody else sees a byte of them, and nothing outside them is served. Of the
market database anybody is told a word, and who is logged in its rows."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))
os.environ.setdefault(
    "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of the tests, long enough to sign with, and no other use"
)

import deribit_data_docs_plugin as plugin
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PATHS = [
    "/",
    "/index.html",
    "/site.css",
    "/report.md",
    "/datasets/futures_ohlcv.html",
    "/dataset/futures_ohlcv",
    "/none",
]
OUTSIDE = [
    "/..%2fsecret.html",
    "/%2e%2e/secret.html",
    "/%2e%2e%2fsecret.html",
    "/datasets/..%2f..%2fsecret.html",
    "/datasets/%2e%2e/%2e%2e/secret.html",
    "/..%5csecret.html",
    "/%2fetc%2fhostname",
    "//etc/hostname",
    "/.%2e/.lock",
    "/link.html",
    "/folder/secret.html",
    "/index.html%00.css",
    "/datasets",
    "/notes.txt",
    "/" + "a" * 5000 + ".html",
]


@pytest.fixture(scope="session")
def manager():
    from airflow.api_fastapi.app import create_auth_manager

    return create_auth_manager()


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A small built site, with a secret beside it and links that lead there."""
    (tmp_path / "secret.html").write_text("SECRET")
    folder = tmp_path / "docs"
    build = folder / "site-1"
    (build / "datasets").mkdir(parents=True)
    (folder / ".lock").write_text("SECRET")
    for name in (
        "index.html",
        "site.css",
        "site.js",
        "report.md",
        "notes.txt",
        "datasets/futures_ohlcv.html",
        "datasets/futures.html",
    ):
        (build / name).write_text(f"CONTENT {name}")
    (build / "link.html").symlink_to(tmp_path / "secret.html")
    (build / "folder").symlink_to(tmp_path)
    (folder / "current").symlink_to("site-1")
    monkeypatch.setenv("DERIBIT_DATA_DOCS_DIR", str(folder))
    return folder


@pytest.fixture
def client(manager, monkeypatch):
    """Airflow's way of serving a plugin's app: mounted under its prefix. Nobody is logged in."""
    from airflow.models.revoked_token import RevokedToken

    monkeypatch.setattr(RevokedToken, "is_revoked", lambda jti: jti in client.revoked)  # else it asks the database
    outer = FastAPI()
    outer.mount(plugin.PREFIX, plugin.serve)
    outer.mount(plugin.MARKET_PREFIX, plugin.serve_market)
    client = TestClient(outer, base_url="http://airflow", follow_redirects=False)
    client.revoked = set()
    return client


@pytest.fixture
def token(manager) -> str:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return manager.generate_jwt(SimpleAuthManagerUser(username="reader", role="viewer"))


@pytest.fixture
def reader(client, token):
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def get(client, path: str, **options):
    return client.get(f"{plugin.PREFIX}{path}", **options)


@pytest.mark.parametrize("path", PATHS + OUTSIDE)
def test_without_a_login_every_path_is_refused(path, site, client):
    answer = get(client, path)
    assert answer.status_code == 401
    assert "CONTENT" not in answer.text and "SECRET" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_a_browser_without_a_login_is_sent_to_it(path, site, client):
    answer = get(client, path, headers=BROWSER)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/auth/login?next=%2Fderibit-data-docs%2F")
    assert "CONTENT" not in answer.text


def test_a_refusal_does_not_tell_a_page_that_is_from_one_that_is_not(site, client):
    assert get(client, "/index.html").content == get(client, "/none").content


@pytest.mark.parametrize("bad", ["nonsense", "a.b.c", ""])
def test_a_token_that_is_none_is_refused(bad, site, client):
    assert get(client, "/index.html", headers={"Authorization": f"Bearer {bad}"}).status_code == 401
    client.cookies = {"_token": bad}
    assert get(client, "/index.html").status_code == 401


def test_an_expired_or_revoked_token_is_refused(manager, site, client, token):
    import jwt
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    user = SimpleAuthManagerUser(username="reader", role="viewer")
    expired = manager.generate_jwt(user, expiration_time_in_seconds=-3600)
    assert get(client, "/index.html", headers={"Authorization": f"Bearer {expired}"}).status_code == 401
    client.revoked.add(jwt.decode(token, options={"verify_signature": False})["jti"])
    assert get(client, "/index.html", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_session_cookie_is_a_login(site, client, token):
    client.cookies = {"_token": token}
    answer = get(client, "/index.html")
    assert (answer.status_code, answer.text) == (200, "CONTENT index.html")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/index.html", "text/html"),
        ("/site.css", "text/css"),
        ("/site.js", "text/javascript"),
        ("/report.md", "text/markdown"),
    ],
)
def test_a_reader_gets_the_files_with_their_types(path, kind, site, reader):
    answer = get(reader, path)
    assert answer.status_code == 200
    assert answer.text == f"CONTENT {path[1:]}"
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert reader.head(f"{plugin.PREFIX}{path}").status_code == 200


def test_the_root_leads_to_the_index(site, reader):
    answer = reader.get(plugin.PREFIX, follow_redirects=True)
    assert (answer.text, answer.url.path) == ("CONTENT index.html", "/deribit-data-docs/index.html")


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_site_is_served(path, site, reader):
    answer = get(reader, path)
    assert answer.status_code in (307, 404)
    assert "SECRET" not in answer.text and "CONTENT" not in answer.text
    assert "/deribit-data-docs/" in answer.headers.get("location", "/deribit-data-docs/")


@pytest.mark.parametrize(
    "path", ["../secret.html", "../../secret.html", "datasets/../../../secret.html", "/etc/hostname"]
)
def test_nor_is_it_for_a_path_no_client_has_tidied(path, site):
    root = plugin.site()
    assert plugin.file_of(root, path) is None
    assert plugin.file_of(root, "index.html") == root / "index.html"


def test_every_route_asks_for_a_user(manager):
    from airflow.api_fastapi.core_api.security import get_user

    routes = plugin.app().routes
    assert len(routes) == 2
    for route in routes:
        assert get_user in [each.call for each in route.dependant.dependencies], route.path


def test_importing_the_plugin_is_light(tmp_path):
    # A task imports it as it starts; the API server's half of Airflow would cost it a second.
    code = "import sys, airflow.plugins_manager; import deribit_data_docs_plugin; print('fastapi' in sys.modules)"
    environment = {"PYTHONPATH": "plugins", "AIRFLOW_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip().endswith("False"), done.stdout + done.stderr


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_nothing_can_be_written(method, site, reader):
    assert getattr(reader, method)(f"{plugin.PREFIX}/index.html").status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_the_app_describes_itself_to_nobody(path, site, client, token):
    assert get(client, path).status_code == 401
    assert get(client, path, headers={"Authorization": f"Bearer {token}"}).status_code == 404


@pytest.mark.parametrize("path", [*PATHS, "/..%2fsecret.html"])
def test_every_answer_is_private_and_keeps_to_this_host(path, site, client, token):
    for headers in ({}, BROWSER, {"Authorization": f"Bearer {token}"}):
        answer = get(client, path, headers=headers)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
        assert "http" not in policy and "*" not in policy and "script-src 'self';" in policy


@pytest.mark.parametrize(
    ("dag", "leads_to"),
    [
        ("deribit_futures_ohlcv", "datasets/futures_ohlcv.html"),
        ("deribit_futures_ohlcv_live", "datasets/futures_ohlcv.html"),
        ("deribit_futures", "datasets/futures.html"),
        ("deribit_futuresque", "index.html"),
        ("deribit_data_docs", "index.html"),
        ("futures_ohlcv", "index.html"),
        ("..", "index.html"),
    ],
)
def test_a_dag_leads_to_its_dataset(dag, leads_to, site, reader):
    answer = get(reader, f"/dataset/{dag.replace('.', '%2e')}", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.text == f"CONTENT {leads_to}"


def test_before_the_first_build_it_says_so(tmp_path, monkeypatch, reader):
    monkeypatch.setenv("DERIBIT_DATA_DOCS_DIR", str(tmp_path / "nowhere"))
    for path in ("/", "/index.html", "/dataset/futures_ohlcv"):
        answer = get(reader, path, follow_redirects=True)
        assert answer.status_code == 200
        assert "No validation has run yet" in answer.text
    assert get(reader, "/site.css").status_code == 404


def test_a_pruned_page_leads_back(site, reader):
    answer = get(reader, "/validations/futures_ohlcv/old.html")
    assert answer.status_code == 404
    assert 'href="/deribit-data-docs/index.html"' in answer.text


def test_a_new_build_shows_at_once(site, reader):
    (site / "site-2").mkdir()
    (site / "site-2/index.html").write_text("CONTENT anew")
    (site / "next").symlink_to("site-2")
    os.replace(site / "next", site / "current")
    assert get(reader, "/index.html").text == "CONTENT anew"


def test_airflow_takes_the_plugin_as_it_is():
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse, FastAPIAppResponse

    for app in plugin.DeribitDataDocsPlugin.fastapi_apps:
        FastAPIAppResponse(app=str(app["app"]), **{name: value for name, value in app.items() if name != "app"})
    views = [ExternalViewResponse.model_validate(view) for view in plugin.DeribitDataDocsPlugin.external_views]
    assert [(view.destination, view.href) for view in views] == [
        ("nav", "/deribit-data-docs/index.html"),
        ("dag", "/deribit-data-docs/dataset/{DAG_ID}"),
    ]
    assert len({view.url_route for view in views}) == 2


class Asked:
    """The market database as the plugin reaches it, counted; and what keeps it from answering."""

    def __init__(self, market) -> None:
        self.market, self.times, self.error = market, 0, None

    def __call__(self, seconds: int):
        from deribit_warehouse.warehouse.freshness import connected

        self.times += 1
        if self.error:
            raise self.error
        return connected(self.market.dsn("market_loader"), seconds=seconds)


@pytest.fixture
def asked(market, monkeypatch):
    asked = Asked(market)
    monkeypatch.setattr(plugin, "market", asked)
    plugin.market_app.cache_clear()  # what it has kept
    yield asked
    plugin.market_app.cache_clear()


def collect(market, seen: str) -> None:
    """A perpetual of which nothing was loaded, told so long ago, and a catalogue that was read now."""
    import psycopg

    with psycopg.connect(market.dsn("market_loader"), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO store.instrument (instrument, label, kind, base_currency, quote_currency, "
            "settlement_currency, settlement_period, instrument_type, price_index, listed_at, expires_at, host, "
            "first_seen_at) VALUES "
            "('BTC-PERPETUAL', 'BTC-PERPETUAL', 'future', 'BTC', 'USD', 'BTC', 'perpetual', 'reversed', 'btc_usd', "
            f"'2025-01-01', 'infinity', 'h', now() - interval '{seen}')"
        )
        connection.execute("INSERT INTO store.collected VALUES ('BTC', '2020-01-01')")
        connection.execute("INSERT INTO store.catalogue_reading VALUES ('BTC', 'future', 'h', false, now(), 0, 'r')")


def market_get(client, path: str, method: str = "GET", **options):
    return client.request(method, f"{plugin.MARKET_PREFIX}{path}", **options)


@pytest.mark.parametrize(
    ("seen", "status", "word"),
    [("1 minute", 200, "ok"), ("6 hours", 200, "late"), ("10 days", 503, "stale"), (None, 503, "unknown-database")],
)
def test_health_is_a_word_and_a_status_for_anybody(seen, status, word, asked, market, client):
    if seen:
        collect(market, seen)
    for headers in ({}, BROWSER, {"Authorization": "Bearer nonsense"}):
        answer = market_get(client, "/health", headers=headers)
        assert (answer.status_code, answer.text) == (status, f"{word}\n")
        assert answer.headers["content-type"].startswith("text/plain") and answer.headers["cache-control"] == "no-store"


def test_health_by_its_head_is_the_same_without_the_word(asked, market, client):
    collect(market, "10 days")
    answer = market_get(client, "/health", "HEAD")
    assert answer.status_code == 503 and answer.content == b""


def test_health_costs_a_query_in_ten_seconds_however_often_it_is_asked(asked, market, client):
    collect(market, "1 minute")
    assert {market_get(client, "/health").status_code for _ in range(30)} == {200}
    assert asked.times == 1


def test_a_database_that_is_down_is_a_word_and_no_more(asked, client):
    asked.error = RuntimeError("SECRET password and host")
    answer = market_get(client, "/health")
    assert (answer.status_code, answer.text) == (503, "unknown-database\n")
    assert market_get(client, "/health").status_code == 503 and asked.times == 1


def test_a_database_that_does_not_answer_is_given_up(asked, client, monkeypatch):
    from deribit_warehouse import health

    hangs = threading.Event()
    probe = functools.partial(health.Probe, patience=0.2)
    monkeypatch.setattr(health, "Probe", probe)
    monkeypatch.setattr(plugin, "market", lambda seconds: hangs.wait(60))
    try:
        answer = market_get(client, "/health")
        assert (answer.status_code, answer.text) == (503, "unknown-database\n")
    finally:
        hangs.set()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_health_is_only_read(method, asked, client):
    assert market_get(client, "/health", method).status_code == 405
    assert asked.times == 0


@pytest.mark.parametrize(
    "path", ["/", "/freshness", "/coverage", "/condition", "/incidents", "/health/", "/docs", "/openapi.json"]
)
def test_of_the_market_nothing_else_is_said_without_a_login(path, asked, client):
    answer = market_get(client, path)
    assert answer.status_code == 401 and asked.times == 0
    answer = market_get(client, path, headers=BROWSER)
    assert answer.status_code == 302 and answer.headers["location"].startswith("/auth/login?next=%2Fmarket%2F")


def test_behind_the_login_are_rows(asked, market, reader):
    collect(market, "10 days")
    fresh = {row["dataset"]: row for row in market_get(reader, "/freshness").json()}
    assert fresh["perpetuals_ohlcv"]["state"] == "stale" and fresh["perpetuals_ohlcv"]["behind"] == ["BTC-PERPETUAL"]
    assert fresh["instruments"]["state"] == "fresh" and fresh["instruments"]["newest"].endswith("+00:00")
    covered = market_get(reader, "/coverage").json()
    assert {row["dataset"] for row in covered} >= {"perpetuals_ohlcv", "funding_rates"} and len(covered) >= 24
    assert {row["condition"] for row in market_get(reader, "/condition").json()} == {"missing"}
    assert market_get(reader, "/none").status_code == 404


def test_behind_the_login_are_the_incidents_that_are_open(asked, market, reader):
    import psycopg

    from deribit_warehouse.warehouse.incidents import Fingerprint, acknowledge, note, observe

    with psycopg.connect(market.dsn("market_loader")) as connection:
        observe(connection, Fingerprint("watch", "futures_live", "stale", "BTC"), "21 of 21")
        over = observe(connection, Fingerprint("failure", "futures_ohlcv", "BadResponse"), "no ticks")
        acknowledge(connection, over, "night.shift", resolve=True)
        note(connection, Fingerprint("note", "instruments", "listed-though-delisted", "ICP"), "nothing since")
    answer = market_get(reader, "/incidents")
    [incident] = answer.json()
    assert incident.pop("opened_at") == incident.pop("seen_at") and incident.pop("incident_id") == over - 1
    assert incident == {
        "state": "open", "level": "error", "kind": "watch", "dataset": "futures_live", "rule": "stale",
        "instruments": "BTC", "times": 1, "message": "21 of 21", "acknowledged_by": None, "note": None,
    }  # fmt: skip
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"


def test_behind_the_login_a_database_that_is_down_is_said(asked, reader):
    asked.error = RuntimeError("SECRET")
    answer = market_get(reader, "/coverage")
    assert answer.status_code == 503 and "SECRET" not in answer.text


def test_health_is_the_one_route_that_asks_for_no_user(manager):
    from airflow.api_fastapi.core_api.security import get_user

    open_to_all = [
        route.path for route in plugin.market_app().routes
        if get_user not in [each.call for each in route.dependant.dependencies]
    ]  # fmt: skip
    assert open_to_all == ["/health"]


def test_the_market_is_reached_by_airflows_connection_read_only(market, monkeypatch):
    import psycopg

    place = {"conn_type": "postgres", "host": market.postgres.host, "login": "market_loader", "schema": market.name,
             "extra": {"sslmode": "prefer", "cursor": "realdictcursor"}}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_DERIBIT_MARKET", json.dumps(place))
    with plugin.market(7) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert connection.execute("SELECT count(*) FROM freshness").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM store.retention")
