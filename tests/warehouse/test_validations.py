"""What gates found: kept, closed by the next look, listed while it holds, told once."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from deribit_warehouse.datasets import DATASETS
from deribit_warehouse.warehouse import sql, validations
from deribit_warehouse.warehouse.completion import (
    due,
    newest_validation,
    pending,
    summary,
    validated_days,
    validation_results,
)
from tests.warehouse.days import FIRST, Warehouse, at, trading

NEXT = FIRST + timedelta(days=1)
A, B, C = ("BTC-PERPETUAL", FIRST), ("ETH-PERPETUAL", NEXT), ("ETH-PERPETUAL", FIRST)


def finding(key, rule="prices-positive", severity="critical", ts=None, observed="3", waived=None) -> tuple:
    return (*key, ts, rule, severity, observed, waived)


def find(
    warehouse: Warehouse, dataset="perpetuals_ohlcv", *, seen=(A, B, C), findings=(), open_days_of=(), **validation
) -> int:
    validation_id = warehouse.validation(dataset, **validation)
    with warehouse.connection.transaction():
        validations.record_findings(
            warehouse.connection, validation_id, dataset, seen=[(*key, None) for key in seen], findings=findings,
            open_days_of=open_days_of,
        )  # fmt: skip
    return validation_id


def held(warehouse: Warehouse) -> list[tuple]:
    return warehouse.rows("SELECT dataset, instrument, day, rule, validation_id FROM quarantined ORDER BY 1, 2, 3, 4")


def test_the_next_look_at_a_key_closes_what_the_last_one_found(warehouse):
    first = find(warehouse, findings=[finding(A), finding(A, "minutes-complete"), finding(B), finding(C)])
    other = find(warehouse, "futures_ohlcv", findings=[finding(A)])
    assert held(warehouse) == [
        ("futures_ohlcv", *A, "prices-positive", other),
        ("perpetuals_ohlcv", *A, "minutes-complete", first),
        ("perpetuals_ohlcv", *A, "prices-positive", first),
        ("perpetuals_ohlcv", *C, "prices-positive", first),
        ("perpetuals_ohlcv", *B, "prices-positive", first),
    ]
    second = find(warehouse, seen=[A], findings=[finding(A, "minutes-complete")])
    assert held(warehouse) == [
        ("futures_ohlcv", *A, "prices-positive", other),
        ("perpetuals_ohlcv", *A, "minutes-complete", second),
        ("perpetuals_ohlcv", *C, "prices-positive", first),
        ("perpetuals_ohlcv", *B, "prices-positive", first),
    ]
    find(warehouse)
    assert held(warehouse) == [("futures_ohlcv", *A, "prices-positive", other)]
    kept = warehouse.rows(
        "SELECT rule, closed_by, is_open FROM quality_findings WHERE validation_id = %s AND instrument = %s",
        first,
        A[0],
    )
    assert sorted(kept) == [("minutes-complete", second, False), ("prices-positive", second, False)], (
        "nothing is forgotten"
    )


def test_a_closed_day_closes_what_was_found_of_it_while_it_was_open_and_not_the_other_way_round(warehouse):
    live = find(warehouse, "perpetuals_live", seen=[], findings=[finding(A, ts=at(FIRST, 5)), finding(C)])
    whole = find(warehouse, seen=[A], findings=[finding(A)], open_days_of=["perpetuals_live"])
    assert [row[-1] for row in held(warehouse)] == [live, whole], "of what it has not looked at it says nothing"
    again = find(warehouse, "perpetuals_live", seen=[A, C])
    assert [row[-1] for row in held(warehouse)] == [whole] and again


def test_warnings_and_waivers_are_kept_but_hold_nothing_back(warehouse):
    find(warehouse, findings=[finding(A, severity="warning"), finding(B, waived="an outage, see the notice")])
    assert held(warehouse) == []
    rows = warehouse.rows("SELECT instrument, severity, waived_reason, is_open FROM quality_findings ORDER BY 1")
    assert rows == [(A[0], "warning", None, True), (B[0], "critical", "an outage, see the notice", True)]


def test_a_finding_may_be_about_an_hour_and_say_anything(warehouse):
    find(warehouse, findings=[finding(A, ts=at(FIRST, 60), observed="tab\there, line\nthere, \\N and 'quotes'")])
    assert warehouse.rows("SELECT ts, observed FROM quarantined") == [
        (at(FIRST, 60), "tab\there, line\nthere, \\N and 'quotes'")
    ]


def snapshot(warehouse: Warehouse, minute: int, *, run_id: str, findings=("values-possible",)) -> int:
    """A validation of a beat of BTC, and what it found."""
    beat = at(FIRST, minute)
    validation_id = warehouse.validation("instrument_summaries", begins=beat, ends=beat, run_id=run_id, result=None)
    with warehouse.connection.transaction():
        validations.record_findings(
            warehouse.connection, validation_id, "instrument_summaries", seen=[("BTC", FIRST, beat)],
            findings=[finding(("BTC", FIRST), rule, ts=beat) for rule in findings],
        )  # fmt: skip
    return validation_id


def test_a_snapshots_finding_stands_until_its_own_beat_is_looked_at_again(warehouse):
    open_beats = "SELECT ts FROM quarantined ORDER BY 1"
    snapshot(warehouse, 5, run_id="a")
    snapshot(warehouse, 10, run_id="b")
    assert warehouse.rows(open_beats) == [(at(FIRST, 5),), (at(FIRST, 10),)]
    snapshot(warehouse, 5, run_id="c", findings=())
    assert warehouse.rows(open_beats) == [(at(FIRST, 10),)]


def test_what_goes_on_is_told_once_and_not_at_every_beat(warehouse):
    def known(run_id: str) -> list[tuple]:
        report = validations.run_report_rows(warehouse.connection, "dag", run_id)
        return sorted((f["rule"], f["known"]) for f in report["quarantined"])

    snapshot(warehouse, 5, run_id="a")
    snapshot(warehouse, 10, run_id="b", findings=("values-possible", "marks-known"))
    snapshot(warehouse, 10 + 1445, run_id="c")
    assert known("a") == [("values-possible", False)]
    assert known("b") == [("marks-known", False), ("values-possible", True)]
    assert known("c") == [("values-possible", False)], "after a day without it, it is news again"


def live_minute(warehouse: Warehouse, minute: int, *findings: tuple, run_id: str) -> int:
    """A validation of the last hour that has looked at one minute; what it found of it: findings without key and ts."""
    ts = at(FIRST, minute)
    validation_id = warehouse.validation("perpetuals_live", begins=ts, ends=ts + timedelta(hours=1), run_id=run_id)
    with warehouse.connection.transaction():
        validations.record_findings(
            warehouse.connection, validation_id, "perpetuals_live", seen=[(*A, ts)],
            findings=[(*A, ts, *finding) for finding in findings],
        )  # fmt: skip
    return validation_id


def test_a_minute_that_is_looked_at_sixty_times_leaves_one_row_of_each_rule(warehouse):
    bad, odd = ("high-low-bound", "critical", "x", None), ("level-near", "warning", "5 %", None)
    for n in range(3):
        newest = live_minute(warehouse, 5, bad, (*odd[:2], f"{n} %", None), run_id=f"run {n}")
        report = validations.run_report_rows(warehouse.connection, "dag", f"run {n}")
        assert [(f["rule"], f["known"]) for f in report["quarantined"]] == [("high-low-bound", n > 0)]
        assert [(f["rule"], f["observed"], f["known"]) for f in report["warnings"]] == [("level-near", f"{n} %", n > 0)]
    left = "SELECT validation_id, rule, times, closed_by FROM store.quarantine ORDER BY rule"
    assert warehouse.rows(left) == [(newest, "high-low-bound", 3, None), (newest, "level-near", 3, None)]
    closer = live_minute(warehouse, 5, (*bad[:3], "an outage"), run_id="waived")
    assert warehouse.rows(left + ", closed_by NULLS LAST") == [
        (newest, "high-low-bound", 3, closer), (closer, "high-low-bound", 1, None), (newest, "level-near", 3, closer),
    ]  # fmt: skip
    live_minute(warehouse, 6, bad, run_id="another minute")
    assert warehouse.value("SELECT count(*) FROM store.quarantine WHERE closed_by IS NULL") == 2


def test_whether_a_finding_is_known_is_asked_of_an_index(warehouse, market):
    """However many findings there ever were."""
    live_minute(warehouse, 5, ("high-low-bound", "critical", "x", None), run_id="r")
    warehouse.rows(
        "INSERT INTO store.quarantine (validation_id, dataset, subject, day, ts, rule, severity, closed_by) "
        "SELECT v.id, 'perpetuals_live', 'S' || n %% 50, '2024-01-01', '2024-01-01Z'::timestamptz + n * '1 minute'::"
        "interval, 'high-low-bound', 'critical', v.id "
        "FROM generate_series(1, 20000) AS n, (SELECT %s::bigint AS id) AS v RETURNING 1",
        warehouse.validation(),
    )
    with psycopg.connect(market.dsn("market_owner")) as owner:
        owner.execute("ANALYZE store.quarantine")
    asked = sql.statement("quality/run_findings")
    with warehouse.connection.transaction():
        plan = warehouse.connection.execute(f"EXPLAIN {asked}", {"dag_id": "dag", "run_id": "r"}).fetchall()
    assert [line for (line,) in plan if "Seq Scan on quarantine" in line] == []


def test_an_outcome_is_one_of_four(warehouse):
    with pytest.raises(psycopg.errors.CheckViolation):
        warehouse.validation(outcome="fine")


def test_a_runs_report_names_all_its_windows_and_only_their_newest_look(warehouse):
    later = {"begins": at(NEXT), "ends": at(NEXT, 1440)}
    find(warehouse, run_id="r", findings=[finding(A, "rule-of-the-first-try")])
    find(warehouse, run_id="r", findings=[finding(A), finding(A, "odd", "warning"), finding(B, waived="known")])
    find(
        warehouse,
        run_id="r",
        findings=[finding(B)],
        outcome="blocked",
        blocked_because=["too many", "keys twice"],
        **later,
    )
    find(warehouse, run_id="another", findings=[finding(A, "not of this run")])
    for label in ("first words", "last words"):
        validations.record_run_failure(
            warehouse.connection, dag_id="dag", run_id="r", task_id="load", map_index=3, label=label, error="refused"
        )
    report = validations.run_report_rows(warehouse.connection, "dag", "r")
    assert report["failures"] == [{"task_id": "load", "map_index": 3, "label": "last words", "error": "refused"}]
    assert report["blocked"] == ["too many", "keys twice"]
    assert [(f["instrument"], f["day"], f["rule"]) for f in report["quarantined"]] == [
        (*A, "prices-positive"),
        (*B, "prices-positive"),
    ]
    [odd] = report["warnings"]
    assert (odd["instrument"], odd["day"], odd["rule"], odd["observed"]) == (*A, "odd", "3")


def test_what_an_earlier_run_said_of_the_same_key_is_known(warehouse):
    hour = at(FIRST, 60)
    find(warehouse, run_id="first", findings=[
        finding(A), finding(A, "odd", "warning"), finding(A, "hour", ts=hour), finding(B, "odd", waived="reviewed"),
    ])  # fmt: skip
    find(warehouse, run_id="second", findings=[
        finding(A), finding(A, "odd", "critical"), finding(A, "new", "warning"), finding(A, "hour", ts=hour),
        finding(A, "hour", ts=at(FIRST, 120)), finding(B, "odd"), finding(C),
    ])  # fmt: skip

    def said(run_id):
        report = validations.run_report_rows(warehouse.connection, "dag", run_id)
        return {(f["instrument"], f["rule"], f["ts"], f["known"]) for f in report["quarantined"] + report["warnings"]}

    assert {known for *_, known in said("first")} == {False}
    assert said("second") == {
        (A[0], "prices-positive", None, True), (A[0], "odd", None, False), (A[0], "new", None, False),
        (A[0], "hour", hour, True), (A[0], "hour", at(FIRST, 120), False), (B[0], "odd", None, False),
        (C[0], "prices-positive", None, False),
    }  # fmt: skip


def test_a_run_that_left_nothing_has_an_empty_report(warehouse):
    find(warehouse, run_id="clean")
    nothing = {"failures": [], "blocked": [], "quarantined": [], "warnings": []}
    assert validations.run_report_rows(warehouse.connection, "dag", "clean") == nothing
    assert validations.run_report_rows(warehouse.connection, "dag", "never ran") == nothing


def test_results_come_back_as_they_were_given_newest_kept(warehouse):
    assert newest_validation(warehouse.connection) == 0
    for dataset in ("a", "b"):
        for n in range(4):
            last = warehouse.validation(dataset, result={"n": n, "of": dataset})
    assert newest_validation(warehouse.connection) == last
    kept = list(validation_results(warehouse.connection, 2))
    assert kept == [{"n": n, "of": dataset} for dataset in ("a", "b") for n in (2, 3)]


def test_what_is_validated_many_times_a_day_is_of_the_day_in_which_its_interval_ends(warehouse):
    for begins, ends in (
        (at(FIRST), at(FIRST)),  # a snapshot of midnight
        (at(FIRST, 60), at(NEXT)), (at(FIRST, 120), at(NEXT, 60)), (at(NEXT, 10), at(NEXT, 70)),
    ):  # fmt: skip
        warehouse.validation("funding_live", begins=begins, ends=ends)
    days = validated_days(warehouse.connection, 5, ["funding_live"])
    assert [(day["day"], day["outcomes"]) for day in days] == [(FIRST, {"passed": 2}), (NEXT, {"passed": 2})]


def test_the_summary_counts_what_is_published(warehouse, market):
    reader = market.dsn("market_reader")
    assert summary(reader, DATASETS) == [] or all(not row["rows"] for row in summary(reader, DATASETS))
    future = warehouse.instrument("BTC-4MAR25", at(FIRST), at(FIRST, 4320))
    [row] = [row for row in summary(reader, DATASETS) if row["dataset"] == "futures_ohlcv"]
    assert (row["dataset"], row["rows"], row["coverage_percent"]) == ("futures_ohlcv", 0, 0)
    assert row["missing_minutes"] == 4320
    warehouse.candles(future, trading(at(FIRST), at(FIRST, 2880)))
    warehouse.publish(future)
    warehouse.candles(future, trading(at(FIRST, 2880), at(FIRST, 4320)))  # loaded, not published
    for outcome in ("blocked", "quarantined"):
        warehouse.validation("futures_ohlcv", outcome=outcome)
    [row] = [row for row in summary(reader, DATASETS) if row["dataset"] == "futures_ohlcv"]
    assert (row["instruments"], row["rows"], row["missing_minutes"], row["validation"]) == (
        1,
        2880,
        1440,
        "1 quarantined",
    )
    assert abs(float(row["coverage_percent"]) - 200 / 3) < 1e-6
    assert 1 < row["bytes_a_row"] < 200
    assert due(reader, DATASETS) == {"futures_ohlcv": 1, "roll_calendar": 1}, "the series it begins, too"
    [waiting] = pending(reader)
    assert (waiting["dataset"], waiting["instruments"], waiting["days"]) == ("futures_ohlcv", 1, 1)
    assert (waiting["waits_for"], waiting["blocked"]) == (None, False)
