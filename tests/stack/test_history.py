"""Watching the history through Airflow's REST API, which a small HTTP server plays here."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import yaml
from rich.console import Console

from stack import StackError, history, report
from stack.api import AirflowApi


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "now", "months"),
    [
        ("2026-03-01", "2026-04-01", "2026-03-31T23:59", 0),
        ("2026-03-01", "2026-04-01", "2026-04-01T00:00", 1),
        ("2026-01-01", "2026-02-01", "2026-04-15", 3),
        ("2025-12-01", "2026-01-01", "2026-04-15", 4),
    ],
)
def test_months_that_still_have_to_be_scheduled(start, end, now, months):
    assert history.months_waiting(at(start), at(end), at(now)) == months


def test_a_dag_with_no_next_run_waits_for_nothing():
    assert history.months_waiting(None, None, at("2026-04-01")) == 0


@pytest.fixture
def api(httpserver, stack, credentials):
    from dataclasses import replace

    httpserver.expect_request("/auth/token", method="POST").respond_with_json({"access_token": "t"})
    return AirflowApi(
        replace(stack, port=httpserver.port, public_port=httpserver.port, api_host=httpserver.host), credentials
    )


def test_an_expired_token_is_renewed(api, httpserver):
    httpserver.expect_oneshot_request("/api/v2/dags").respond_with_data("", status=401)
    httpserver.expect_request("/api/v2/dags", headers={"Authorization": "Bearer t"}).respond_with_json({"dags": []})
    assert api.dags() == []


def test_a_refusal_says_what_was_refused(api, httpserver):
    httpserver.expect_request("/api/v2/dags/x").respond_with_json({"detail": "no such DAG"}, status=404)
    with pytest.raises(StackError, match=r"refused PATCH dags/x: 404 (?s:.*)no such DAG"):
        api.unpause("x")


def test_a_silent_server_names_its_log(stack, credentials, monkeypatch):
    monkeypatch.setattr("stack.api.time.sleep", lambda seconds: None)
    with pytest.raises(StackError, match="does not answer.*api-server.log"):
        AirflowApi(stack, credentials).dags()


def test_who_is_unhealthy(api, httpserver, stack, credentials):
    health = {name: {"status": "healthy"} for name in ("scheduler", "triggerer")} | {"dag_processor": {"status": None}}
    httpserver.expect_request("/api/v2/monitor/health").respond_with_json(health)
    assert api.unhealthy() == ["dag-processor"]
    assert AirflowApi(stack, credentials).unhealthy() == ["api-server"]


def test_a_failed_run_names_dag_run_task_log_and_page(api, httpserver, stack):
    run = {"dag_id": "futures_ohlcv", "dag_run_id": "scheduled__2026-01-01T00:00:00+00:00"}
    task = {"task_id": "load", "map_index": 3, "rendered_map_index": "BTC 2026-01", "try_number": 2}
    httpserver.expect_request(
        "/api/v2/dags/futures_ohlcv/dagRuns/scheduled__2026-01-01T00:00:00+00:00/taskInstances"
    ).respond_with_json({"task_instances": [task]})
    said = str(history.run_failed(stack, api, run))
    assert "futures_ohlcv, scheduled__2026-01-01T00:00:00+00:00" in said
    assert f"{stack.address}/dags/futures_ohlcv/runs/scheduled__2026-01-01T00%3A00%3A00%2B00%3A00" in said
    assert "load [BTC 2026-01]" in said
    assert (
        "dag_id=futures_ohlcv/run_id=scheduled__2026-01-01T00:00:00+00:00/task_id=load/map_index=3/attempt=2.log"
        in said
    )


def test_the_log_is_where_airflow_puts_it():
    """run_failed() builds the path that Airflow's default template makes."""
    from importlib.resources import files

    config = yaml.safe_load((files("airflow") / "config_templates" / "config.yml").read_text())
    template = config["logging"]["options"]["log_filename_template"]["default"]
    parts = ["dag_id=", "run_id=", "task_id=", "map_index=", "attempt="]
    assert [template.index(part) for part in parts] == sorted(template.index(part) for part in parts)


def test_a_coverage_is_never_rounded_up_to_a_hundred():
    assert report.column("coverage_percent", [99.99996, 100.0, Decimal("99.5")]) == ["99.999", "100.000", "99.500"]


def test_a_column_has_the_same_decimals_throughout():
    assert report.column("days", [0.3333, 12.3, None, 327.0]) == ["0.33", "12.30", "-", "327.00"]
    assert report.column("annualised", [0.05, -0.0251]) == ["0.050000", "-0.025100"]
    assert report.column("traded", [True, False]) == ["yes", "no"]


def test_the_store_is_printed_whole():
    out = io.StringIO()
    row = {
        "dataset": "futures_ohlcv",
        "rows": 45_400_000,
        "coverage_percent": 99.5,
        "validation": "passed",
        "bytes_a_row": 15.7,
    }
    report.print_store(Console(file=out, width=140), [row], [])
    terms = [
        {"ts": at("2026-10-31T23:59"), "instrument": "BTC-27NOV26", "expires_at": at("2026-11-27T08:00"), "basis": 32.5}
    ]
    report.print_store(Console(file=out, width=140), [], terms)
    text = out.getvalue()
    assert all(part in text for part in ("futures_ohlcv", "45,400,000", "99.500", "passed", "15.7"))
    assert "no basis term structure" in text
    assert "last minute, 2026-10-31 23:59 UTC" in text and "32.50" in text
