"""Watching the history through Airflow's REST API, which a small HTTP server plays here."""

import io
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from urllib.parse import unquote

import pytest
import yaml
from rich.console import Console
from werkzeug import Request, Response

from stack import StackError, catchup, printing
from stack.api import AirflowApi


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "now", "runs"),
    [
        ("2026-03-01", "2026-04-01", "2026-03-31T23:59", 0),
        ("2026-03-01", "2026-04-01", "2026-04-01T00:00", 1),
        ("2026-01-01", "2026-02-01", "2026-04-15", 3),
        ("2025-12-01", "2026-01-01", "2026-04-15", 4),
        ("2018-08-01", "2019-01-01", "2026-04-15", 8 + 3),
        ("2025-01-01", "2026-01-01", "2026-01-01", 1),
        ("2025-01-01", "2026-01-01", "2025-12-31", 0),
    ],
)
def test_runs_that_still_have_to_be_scheduled(start, end, now, runs):
    assert catchup.runs_waiting(at(start), at(end), at(now)) == runs


def test_a_dag_with_no_next_run_waits_for_nothing():
    assert catchup.runs_waiting(None, None, at("2026-04-01")) == 0


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
    said = str(catchup.run_failed(stack, api, run))
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
    assert printing.column("coverage_percent", [99.99996, 100.0, Decimal("99.5")]) == ["99.999", "100.000", "99.500"]


def test_a_column_has_the_same_decimals_throughout():
    assert printing.column("days", [0.3333, 12.3, None, 327.0]) == ["0.33", "12.30", "-", "327.00"]
    assert printing.column("annualised", [0.05, -0.0251]) == ["0.050000", "-0.025100"]
    assert printing.column("traded", [True, False]) == ["yes", "no"]


def test_prices_have_the_digits_their_coin_needs():
    row = {"perpetual": "BTC-PERPETUAL", "future_close": 88537.5, "perpetual_close": 88500.0, "basis": 37.5}
    tiny = {"perpetual": "BONK_USDC-PERPETUAL", "future_close": 0.0000123, "perpetual_close": 0.0000122, "basis": 1e-7}
    out = io.StringIO()
    printing.print_store(Console(file=out, width=140), [], [row, tiny])
    for cell in ("88,537.50", " 37.50", "0.000012300", "0.000000100"):
        assert cell in out.getvalue()
    assert printing.price_decimals({"future_close": None, "perpetual_close": None}) == 2


def test_the_store_is_printed_whole():
    out = io.StringIO()
    row = {
        "dataset": "futures_ohlcv",
        "rows": 45_400_000,
        "coverage_percent": 99.5,
        "validation": "passed",
        "bytes_a_row": 15.7,
    }
    printing.print_store(Console(file=out, width=140), [row], [])
    terms = [
        {"ts": at("2026-10-31T23:59"), "instrument": "BTC-27NOV26", "expires_at": at("2026-11-27T08:00"), "basis": 32.5}
    ]
    printing.print_store(Console(file=out, width=140), [], terms)
    text = out.getvalue()
    assert all(part in text for part in ("futures_ohlcv", "45,400,000", "99.500", "passed", "15.7"))
    assert "no basis term structure" in text
    assert "last minute, 2026-10-31 23:59 UTC" in text and "32.50" in text


@dataclass
class Airflow:
    """Airflow's REST API over a table of runs. comes_to: what a run that is started or cleared ends as, by DAG; one
    that is not named succeeds. tags and next: of each DAG, and the interval it schedules next."""

    runs: list[dict] = field(default_factory=list)
    comes_to: dict[str, str] = field(default_factory=dict)
    next: dict[str, tuple[str, str]] = field(default_factory=dict)
    unpaused: list[str] = field(default_factory=list)
    asked: list[tuple] = field(default_factory=list)
    failed_tasks: list[str] = field(default_factory=list)
    tasks: dict[str, str | None] = field(default_factory=dict)

    KINDS = {
        "deribit_instruments": "catalogue", "deribit_data_docs": "docs", "deribit_perpetuals_ohlcv": "history",
        "deribit_futures_ohlcv": "history",
        "deribit_funding_rates": "history", "deribit_basis_spread": "derived", "deribit_roll_calendar": "derived",
        "deribit_perpetuals_live": "live", "deribit_retention": "retention",
    }  # fmt: skip

    def ran(
        self, dag: str, name: str, state: str, at: str = "2026-10-01", run_type: str = "scheduled", ends: str = ""
    ) -> None:
        """A run from a day on: of its month, if it does not end otherwise."""
        run = {"dag_id": dag, "dag_run_id": name, "state": state, "run_type": run_type}
        past = ends or (date.fromisoformat(at) + timedelta(days=31)).replace(day=1)
        midnight = "T00:00:00+00:00"
        self.runs.append(run | {"logical_date": at + midnight, "data_interval_end": f"{past}{midnight}"})

    def states(self, dag: str) -> dict[str, str]:
        return {run["dag_run_id"]: run["state"] for run in self.runs if run["dag_id"] == dag}

    def __call__(self, request: Request) -> Response:
        import json

        path = [unquote(part) for part in request.path.removeprefix("/api/v2/").split("/")]
        answer = self.answer(request.method, path, request.args, request.get_json(silent=True))
        if isinstance(answer, int):
            return Response(status=answer)
        return Response(json.dumps(answer), content_type="application/json")

    def answer(self, method, path, args, body):
        if path == ["dags"]:
            return {"dags": [self.dag(name) for name in self.KINDS]}
        if path == ["dagStats"]:
            states = {name: [run["state"] for run in self.runs if run["dag_id"] == name] for name in self.KINDS}
            return {"dags": [
                {"dag_id": name, "stats": [{"state": one, "count": found.count(one)} for one in set(found)]}
                for name, found in states.items()
            ]}  # fmt: skip
        dag = path[1]
        mine = [run for run in reversed(self.runs) if run["dag_id"] == dag]
        if path[-1] == "queuedEvents":
            return {"total_entries": 0}
        if path[-1] == "taskInstances":
            states = self.tasks | dict.fromkeys(self.failed_tasks, "failed")
            names = self.failed_tasks if args.getlist("state") == ["failed"] else list(states)
            return {
                "task_instances": [{"task_id": t, "map_index": 0, "try_number": 1, "state": states[t]} for t in names]
            }
        if method == "PATCH":
            return self.unpaused.append(dag) or {}
        if path[-1] == "clear":
            assert body == {"dry_run": False, "only_failed": False}
            self.asked.append(("clear", dag, path[3]))
            [run] = [run for run in mine if run["dag_run_id"] == path[3]]
            return run.update(state=self.comes_to.get(dag, "success")) or {}
        if method == "POST":
            self.asked.append(("trigger", dag, body))
            name = body.get("dag_run_id") or f"manual__{len(self.runs)}"
            if name in self.states(dag):
                return 409
            self.ran(dag, name, self.comes_to.get(dag, "success"), run_type="manual")
            return {}
        states, types, until = args.getlist("state"), args.getlist("run_type"), args.get("logical_date_lte", "9")
        found = [
            run for run in mine
            if (not states or run["state"] in states) and (not types or run["run_type"] in types)
            and run["logical_date"] <= until
        ]  # fmt: skip
        if args.get("order_by") == "-logical_date":
            found.sort(key=lambda run: run["logical_date"], reverse=True)
        return {"dag_runs": found[: int(args["limit"])], "total_entries": len(found)}

    def dag(self, name: str) -> dict:
        begins, ends = self.next.get(name, ("2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"))
        return {
            "dag_id": name, "is_paused": name not in self.unpaused, "tags": [{"name": self.KINDS[name]}],
            "max_active_runs": 3, "next_dagrun_data_interval_start": begins, "next_dagrun_data_interval_end": ends,
        }  # fmt: skip


@pytest.fixture
def airflow(api, httpserver, monkeypatch):
    airflow = Airflow()
    httpserver.expect_request(re.compile("/api/v2/.*")).respond_with_handler(airflow)
    monkeypatch.setattr(catchup, "POLL_SECONDS", 0)
    monkeypatch.setattr(catchup, "CATALOGUE_GRACE_SECONDS", 0)
    monkeypatch.setattr(catchup, "none_failed", lambda stack: None)
    monkeypatch.setattr("stack.catchup.time.sleep", lambda seconds: None)
    return airflow


def nothing(*_):
    return []


def lacks(*causes):
    """What is listed was not read, for these causes."""
    return lambda lists: [*causes]


def lacks_expired(lists):
    return ["BTC"] if lists == "all" else []


def printed():
    return Console(file=io.StringIO(), width=200)


def test_a_reading_of_the_catalogue_that_failed_in_the_past_is_made_again(stack, api, airflow):
    airflow.ran("deribit_instruments", "old", "failed")
    catchup.run_catalogue(stack, api, printed(), nothing, nothing)
    assert [asked[:2] for asked in airflow.asked] == [("trigger", "deribit_instruments")]
    assert airflow.unpaused == ["deribit_instruments"]


def test_a_catalogue_that_is_there_is_not_read_again(stack, api, airflow):
    airflow.ran("deribit_instruments", "older", "failed")
    airflow.ran("deribit_instruments", "newest", "success")
    catchup.run_catalogue(stack, api, printed(), nothing, nothing)
    assert airflow.asked == []
    catchup.run_catalogue(stack, api, printed(), lacks_expired, nothing)
    assert [asked[:2] for asked in airflow.asked] == [("trigger", "deribit_instruments")], "a currency is new"


def test_a_reading_that_fails_now_is_an_error(stack, api, airflow):
    airflow.comes_to["deribit_instruments"] = "failed"
    with pytest.raises(StackError, match="A run failed: deribit_instruments, manual__0"):
        catchup.run_catalogue(stack, api, printed(), nothing, nothing)


def test_a_start_goes_on_without_lists_of_options(stack, api, airflow):
    airflow.comes_to["deribit_instruments"] = "failed"
    airflow.failed_tasks = ["read_options"] * 2
    console = printed()
    catchup.run_catalogue(stack, api, console, nothing, nothing)
    told = console.file.getvalue()
    assert told.startswith("Lists of options could not be read. The history goes on without.")
    assert told.count("task read_options") == 2 and "attempt=1.log" in told
    with pytest.raises(StackError, match="read_options"):
        catchup.run_catalogue(stack, api, printed(), lacks("USDC"), nothing)
    airflow.failed_tasks += ["check_catalogue"]
    with pytest.raises(StackError, match="check_catalogue"):
        catchup.run_catalogue(stack, api, printed(), nothing, nothing)


@pytest.mark.parametrize("task", ["discover_funding_starts", "find_delistings"])
def test_a_start_goes_on_without_a_perpetual_that_the_exchange_refuses(stack, api, airflow, task):
    airflow.comes_to["deribit_instruments"] = "failed"
    airflow.failed_tasks = [task]
    console = printed()
    catchup.run_catalogue(stack, api, console, nothing, nothing)
    told = console.file.getvalue()
    assert told.startswith("First or last hours of single perpetuals could not be read") and f"task {task}" in told
    with pytest.raises(StackError, match=task):
        catchup.run_catalogue(stack, api, printed(), lacks("USDC"), nothing)


def test_a_start_goes_on_without_lists_of_expired_futures(stack, api, airflow):
    airflow.comes_to["deribit_instruments"] = "failed"
    airflow.failed_tasks = ["read_futures", "read_options"]
    console = printed()
    catchup.run_catalogue(stack, api, console, lacks_expired, nothing)
    told = console.file.getvalue()
    assert told.startswith("Lists of futures and lists of options could not be read. The history goes on without.")
    assert "task read_futures" in told
    cause = "EURR futures, listed, live host: HTTP 400"
    with pytest.raises(StackError, match=rf"(?s){cause}.*DERIBIT_CURRENCIES.*task read_futures"):
        catchup.run_catalogue(stack, api, printed(), lacks(cause), nothing)


LAST = dict.fromkeys(["check_catalogue", "complete"])
WAITS, OPTIONS, STARTS, ENDS = "up_for_reschedule", "read_options", "discover_funding_starts", "find_delistings"
FUTURES = "read_futures"
READ = dict.fromkeys([FUTURES, STARTS, ENDS, "clip_to_lifetimes"], "success")
NOT_BEGUN = dict.fromkeys([ENDS, "clip_to_lifetimes"])


@pytest.mark.parametrize(
    ("tasks", "left"),
    [
        (READ | LAST | {OPTIONS: WAITS}, "Lists of options"),
        (READ | LAST | {OPTIONS: "running"}, "Lists of options"),
        (READ | LAST | NOT_BEGUN | {STARTS: WAITS}, "First or last hours of single perpetuals"),
        (READ | LAST | NOT_BEGUN | {ENDS: WAITS}, "First or last hours of single perpetuals"),
        (
            READ | LAST | NOT_BEGUN | {OPTIONS: WAITS, STARTS: WAITS},
            "Lists of options and first or last hours of single perpetuals",
        ),
        (READ | LAST | NOT_BEGUN | {STARTS: None, FUTURES: WAITS}, "Lists of futures"),
        (
            READ | LAST | NOT_BEGUN | {STARTS: None, OPTIONS: WAITS, FUTURES: WAITS},
            "Lists of futures and lists of options",
        ),
        (READ | LAST | NOT_BEGUN | {STARTS: None, OPTIONS: WAITS, FUTURES: "running"}, None),
        (READ | LAST | NOT_BEGUN | {OPTIONS: WAITS, STARTS: "running"}, None),
        (READ | LAST | NOT_BEGUN | {OPTIONS: WAITS, STARTS: None}, None),
        (READ | LAST | NOT_BEGUN | {OPTIONS: WAITS, ENDS: "queued"}, None),
        (READ | LAST | {OPTIONS: WAITS, "clip_to_lifetimes": "running"}, None),
        (READ | LAST, None),
        ({}, None),
    ],
)
def test_the_history_begins_once_the_run_has_only_left_what_it_does_not_need(stack, api, airflow, tasks, left):
    airflow.ran("deribit_instruments", "open", "running")
    airflow.tasks = tasks
    assert catchup.needless(api) == (left or "")
    if left:
        console = printed()
        catchup.run_catalogue(stack, api, console, lacks_expired, nothing)
        assert console.file.getvalue() == f"{left} are still to be read. The history begins without.\n"
        assert airflow.runs[0]["state"] == "running"
        looks = iter([["BTC"], ["BTC"], []])
        catchup.run_catalogue(stack, api, printed(), lambda lists: next(looks), nothing)
        assert list(looks) == [], "lists of what is listed are waited for"


def test_a_reading_that_is_under_way_is_waited_for_and_says_what_it_waits_for(stack, api, airflow, monkeypatch):
    monkeypatch.setattr(catchup, "PLAIN_LINE_SECONDS", -1)
    airflow.ran("deribit_instruments", "open", "running")

    def waits():
        airflow.runs[0]["state"] = "success"
        times = {"since": at("2026-11-25T14:03"), "next_at": at("2026-11-25T14:20")}
        return [{"awaited": "the exchange", "tasks": 4, "cause": "HTTP 502"} | times]

    console = printed()
    catchup.run_catalogue(stack, api, console, nothing, waits)
    assert airflow.asked == []
    said = "4 waiting for the exchange since 14:03 UTC, asked again at 14:20: HTTP 502"
    assert said in console.file.getvalue()


def test_what_failed_and_what_was_never_loaded_runs_again(api, airflow):
    airflow.ran("deribit_futures_ohlcv", "failed before", "failed", "2026-07-01")
    airflow.ran("deribit_basis_spread", "failed, too", "failed")
    airflow.ran("deribit_futures_ohlcv", "somebody's own", "failed", "2026-07-02", run_type="manual")
    airflow.ran("deribit_futures_ohlcv", "without USDC", "success", "2026-08-01")
    airflow.ran("deribit_futures_ohlcv", "whole", "success", "2026-09-01")
    airflow.ran("deribit_funding_rates", "a year", "success", "2025-01-01", ends="2026-01-01")
    airflow.ran("deribit_funding_rates", "under way", "running", "2026-08-01")
    months = [(dag, date(2026, month, 1)) for dag in ("futures_ohlcv", "funding_rates") for month in (8, 11)]
    months += [("funding_rates", date(2025, month, 1)) for month in (3, 12)]
    notes = catchup.run_again(api, [{"dataset": dag, "month": month} for dag, month in months])
    assert sorted(airflow.asked) == [
        ("clear", "deribit_basis_spread", "failed, too"), ("clear", "deribit_funding_rates", "a year"),
        ("clear", "deribit_futures_ohlcv", "failed before"), ("clear", "deribit_futures_ohlcv", "without USDC"),
    ]  # fmt: skip
    assert notes == [
        "deribit_futures_ohlcv: 1 run that failed before", "deribit_basis_spread: 1 run that failed before",
        "deribit_futures_ohlcv: 1 run of months that lack an instrument",
        "deribit_funding_rates: 1 run of months that lack an instrument",
    ]  # fmt: skip


def test_a_run_that_fails_again_is_cleared_once(api, airflow):
    airflow.ran("deribit_futures_ohlcv", "failed before", "failed")
    airflow.comes_to["deribit_futures_ohlcv"] = "failed"
    catchup.run_again(api, [])
    assert len(airflow.asked) == 1


NOW = datetime(2026, 11, 25, 18, 30, 1, tzinfo=UTC)
FROM_2018 = {
    "deribit_perpetuals_ohlcv": ("2018-08-01T00:00:00+00:00", "2019-01-01T00:00:00+00:00"),
    "deribit_futures_ohlcv": ("2018-08-01T00:00:00+00:00", "2018-09-01T00:00:00+00:00"),
    "deribit_funding_rates": ("2018-08-01T00:00:00+00:00", "2019-01-01T00:00:00+00:00"),
}


def test_the_newest_closed_month_comes_before_a_long_history(api, airflow):
    airflow.next = FROM_2018
    assert catchup.newest_month_first(api, NOW) == at("2026-10-01")
    assert [dag for _, dag, _ in airflow.asked] == [
        "deribit_perpetuals_ohlcv",
        "deribit_futures_ohlcv",
        "deribit_funding_rates",
    ]
    for _, _, run in airflow.asked:
        assert run["logical_date"] == "2018-08-01T00:00:01+00:00", "early, and no month's own"
        interval = run["data_interval_start"], run["data_interval_end"]
        assert interval == ("2026-10-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00")
    assert catchup.newest_month_first(api, NOW) is None, "the second time it is there"


def test_a_short_history_begins_at_its_beginning(api, airflow):
    airflow.next = {dag: ("2026-08-01T00:00:00+00:00", "2026-09-01T00:00:00+00:00") for dag in FROM_2018}
    assert catchup.newest_month_first(api, NOW) is None and airflow.asked == []


def loaded(airflow):
    for dag, kind in airflow.KINDS.items():
        if kind == "history":
            airflow.ran(dag, "a month", "success")


def test_a_failed_month_is_told_and_the_rest_goes_on(stack, api, airflow):
    loaded(airflow)
    airflow.ran("deribit_futures_ohlcv", "bad", "failed")
    airflow.ran("deribit_futures_ohlcv", "somebody's own", "failed", run_type="manual")
    airflow.ran("deribit_funding_rates", "slow", "running")
    left = iter(["running", "running", "success"])

    def waits():
        airflow.runs[-1]["state"] = next(left, "success")
        return []

    console = printed()
    [error] = catchup.run_history(stack, api, console, dict, waits)
    assert "futures_ohlcv, bad" in str(error)
    assert console.file.getvalue().count("A run failed") == 1
    assert airflow.states("deribit_funding_rates")["slow"] == "success"
    assert airflow.states("deribit_data_docs"), "the site is built of what there is"


def test_the_progress_says_what_is_waited_for(stack, api, airflow, monkeypatch):
    monkeypatch.setattr(catchup, "PLAIN_LINE_SECONDS", -1)
    loaded(airflow)
    times = {"since": at("2026-11-25T14:03"), "next_at": at("2026-11-25T14:20")}
    waits = lambda: [{"awaited": "the exchange", "tasks": 2, "cause": "code 11051 [/b]"} | times]  # noqa: E731
    console = printed()
    catchup.run_history(stack, api, console, dict, waits)
    line = console.file.getvalue().splitlines()[0]
    assert line.endswith("; 2 waiting for the exchange since 14:03 UTC, asked again at 14:20: code 11051 [/b]")
    table = io.StringIO()
    Console(file=table, width=200).print(catchup._table([], 5, "; 2 waiting for the exchange [/b]"))
    assert "2 waiting for the exchange [/b]" in table.getvalue()


def test_what_is_due_and_nobody_computes_is_rung_for_once(stack, api, airflow):
    loaded(airflow)
    pending = lambda: {} if airflow.states("deribit_basis_spread") else {"basis_spread": 31}  # noqa: E731
    assert catchup.run_history(stack, api, printed(), pending, nothing) == []
    airflow.runs = [run for run in airflow.runs if run["dag_id"] != "deribit_basis_spread"]
    [error] = catchup.run_history(stack, api, printed(), lambda: {"basis_spread": 31}, nothing)
    assert "31 days of basis_spread" in str(error)
    assert len(airflow.states("deribit_basis_spread")) == 1


def test_what_no_event_starts_does_not_wait_for_the_rest_but_until_all_is_loaded(stack, api, airflow):
    """The rolls need the futures, and nothing of the basis."""
    loaded(airflow)
    airflow.ran("deribit_futures_ohlcv", "slow", "running")
    airflow.ran("deribit_basis_spread", "long", "running")
    futures, basis = airflow.runs[-2:]
    looks, started_beside = count(), []

    def waits():
        look = next(looks)
        if look == 8:
            futures["state"] = "success"
        if airflow.states("deribit_roll_calendar") and not started_beside:
            started_beside.append(basis["state"])
        if started_beside or look > 30:
            basis["state"] = "success"
        return []

    def pending():
        assert futures["state"] == "success"
        return {} if airflow.states("deribit_roll_calendar") else {"roll_calendar": 4, "basis_spread": 9}

    assert catchup.run_history(stack, api, printed(), pending, waits) == []
    assert started_beside == ["running"]
    triggered = [dag for kind, dag, *_ in airflow.asked if kind == "trigger"]
    assert triggered == ["deribit_roll_calendar", "deribit_data_docs"]


def test_the_history_is_unpaused_whatever_becomes_of_the_catalogue(stack, api, airflow, credentials, monkeypatch):
    from stack import __main__ as command

    airflow.comes_to["deribit_instruments"] = "failed"
    monkeypatch.setattr(command.os, "environ", dict(command.os.environ))
    monkeypatch.setattr(catchup, "create_pools", lambda *_: None)
    monkeypatch.setattr(catchup, "wait_for_dags", lambda *_: None)
    monkeypatch.setattr("deribit_warehouse.warehouse.completion.behind", nothing)
    monkeypatch.setattr("deribit_warehouse.warehouse.completion.waiting", lambda _: [])
    recorded = []
    monkeypatch.setattr(
        "deribit_warehouse.warehouse.open_days.record_start", lambda _, *, wanted: recorded.append(wanted)
    )
    with pytest.raises(StackError, match="deribit_instruments"):
        command.run(stack, credentials, api, date(2018, 8, 1))
    assert set(airflow.unpaused) == set(airflow.KINDS)
    assert recorded == [True], "before anything can go wrong: that live is to run"


def test_open_days_are_collected_and_what_is_old_is_deleted_once_the_history_has_run(api, airflow):
    catchup.unpause(api, but={catchup.LIVE, catchup.RETENTION})
    assert set(airflow.KINDS) - set(airflow.unpaused) == {"deribit_perpetuals_live", "deribit_retention"}
    catchup.unpause(api)
    assert set(airflow.unpaused) == set(airflow.KINDS)
