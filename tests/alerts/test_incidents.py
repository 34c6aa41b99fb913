"""What a run's report is as incidents, and their messages as they are read at night, on a telephone."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from deribit_warehouse.alerts.incidents import observations
from deribit_warehouse.alerts.messages import (
    SLACK_SECTION,
    FailedTask,
    Incident,
    QuarantinedKey,
    RunReport,
    Wait,
    render_incidents,
    spell,
)

MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
OPENED = datetime(2026, 11, 26, 3, 14, 30, tzinfo=UTC)
SINCE = "waited for the exchange since 2026-11-26 02:14 UTC"
AWAY = f"AirflowFailException: {SINCE}, for 2 minutes in vain: 11051 system maintenance"
BAD = "AirflowException: 1 of 5 instruments were not loaded: BTC-27MAR26: BadResponse: no list of ticks"


def report(**more) -> RunReport:
    return RunReport(
        **({"dag_id": "deribit_futures_ohlcv", "run_id": "r", "interval": MARCH, "catches_up": True} | more)
    )


def held(instrument, day, rule="minutes-complete", severity="critical", **more):
    return QuarantinedKey(instrument, date(2026, 3, day), rule, severity, 7, **more)


def seen(report, *, failed=False) -> list[tuple]:
    return [(*o.fingerprint, o.level, sorted(o.stands)) for o in observations(report, failed=failed)]


INTERVAL = "2026-03-01T00:00/2026-04-01T00:00"


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (BAD, "BadResponse"), ("OperationalError: server closed", "OperationalError"), ("KeyError: 'x'", "KeyError"),
        ("AirflowFailException: 3 of the run's loads were lost", "task failed"), ("", "task failed"),
        ("RuntimeError: the task's process was killed", "RuntimeError"), ("OSError", "OSError"),
        ("AirflowException: BTC-PERPETUAL: gone", "task failed"),
    ],
)  # fmt: skip
def test_a_failed_run_is_filed_under_what_its_error_is_called(error, rule):
    assert seen(report(failures=[FailedTask("load", 3, "BTC", error)]), failed=True) == [
        ("failure", "futures_ohlcv", rule, "", "error", [INTERVAL])
    ]


def test_a_run_that_failed_without_any_reason_is_one_too():
    [found] = observations(report(notes=["No task of the run could be scheduled any more."]), failed=True)
    assert found.fingerprint == ("failure", "futures_ohlcv", "run failed", "")
    assert "could be scheduled" in found.words
    assert observations(report(), failed=False) == []


def test_where_the_next_run_tries_again_that_is_what_has_to_be_well():
    failures = [FailedTask("load", error=BAD)]
    assert seen(report(failures=failures, catches_up=False), failed=True)[0][-1] == [""]
    assert seen(report(failures=failures, interval=None), failed=True)[0][-1] == [""]


def test_an_exchange_that_is_away_is_one_incident_whoever_meets_it():
    failures = [FailedTask("load", 0, "BTC", AWAY), FailedTask("load", 1, "ETH", AWAY)]
    exchange = ("wait", "the exchange", "away", "", "notice", ["deribit_options_chain"])
    beat = report(dag_id="deribit_options_chain", catches_up=False, failures=failures)
    assert seen(beat, failed=True) == [exchange]
    # nobody runs a month again by itself
    month = seen(report(failures=failures), failed=True)
    assert [each[:2] for each in month] == [("wait", "the exchange"), ("failure", "futures_ohlcv")]
    # our own fault beside it is told as ours
    both = [FailedTask("load", 0, "BTC", AWAY), FailedTask("load", 1, "ETH", "KeyError: 'x'")]
    assert [each[:3] for each in seen(report(failures=both), failed=True)] == [("failure", "futures_ohlcv", "KeyError")]
    waits = [Wait("the exchange", OPENED, OPENED + timedelta(hours=12), 3, "11051 system maintenance")]
    assert seen(report(waiting=waits)) == [("wait", "the exchange", "away", "", "notice", ["waiting"])]


def test_a_blocked_gate_is_one_incident_whatever_failed_with_it():
    blocked = report(blocked=["a third of the rows broke a rule"], failures=[FailedTask("publish", error=BAD)])
    assert [each[:3] for each in seen(blocked, failed=True)] == [("blocked", "futures_ohlcv", "blocked")]


def test_findings_are_incidents_by_rule_and_coin():
    keys = [
        held("BTC-27MAR26", 2),
        held("BTC_USDC-27MAR26", 3),
        held("eth-27MAR26", 2),
        held("BTC-27MAR26", 2, "no-spike"),
    ]
    odd = [held("BTC-27MAR26", 9, "move-usual", "warning")]
    assert seen(report(quarantined=keys, warnings=odd)) == [
        ("quarantine", "futures_ohlcv", "minutes-complete", "BTC", "warning", ["2026-03-02", "2026-03-03"]),
        ("quarantine", "futures_ohlcv", "minutes-complete", "ETH", "warning", ["2026-03-02"]),
        ("quarantine", "futures_ohlcv", "no-spike", "BTC", "warning", ["2026-03-02"]),
        ("warning", "futures_ohlcv", "move-usual", "BTC", "notice", ["2026-03-09"]),
    ]


def test_a_finding_of_another_suite_is_filed_under_its_dataset():
    keys = [held("BTC-27MAR26", 2, "values-finite", dataset="basis_live"), held("BTC-27MAR26", 2, "values-finite")]
    assert [each[:4] for each in seen(report(quarantined=keys))] == [
        ("quarantine", "futures_ohlcv", "values-finite", "BTC"),
        ("quarantine", "basis_live", "values-finite", "BTC"),
    ]
    of_basis = incident(kind="quarantine", dataset="basis_live", rule="values-finite", dag_id="deribit_futures_live")
    told = text(of_basis)
    assert told.startswith("basis_live: held back by values-finite")
    assert "/dags/deribit_futures_live/runs/" in told and "/deribit-data-docs/dataset/deribit_basis_live\n" in told


def incident(number=17, **more) -> Incident:
    return Incident(**({
        "incident_id": number, "kind": "failure", "dataset": "futures_ohlcv", "rule": "BadResponse", "instruments": "",
        "level": "error",
        "words": "run of 2026-03-01 to 2026-04-01\nload[3] BTC-27MAR26: BadResponse: no list of ticks",
        "dag_id": "deribit_futures_ohlcv", "run_id": "scheduled__2026-03-01T00:00:00+00:00", "stands": [INTERVAL],
        "opened_at": OPENED, "seen_at": OPENED, "times": 1, "resolved_at": None, "acknowledged_by": None, "note": None,
        "news": "opened", "now": OPENED, "said_over_at": None, "said_over_by": None,
    } | more))  # fmt: skip


def text(*incidents) -> str:
    return render_incidents(incidents, "http://localhost:8080").text


RUN = "Run: http://localhost:8080/dags/deribit_futures_ohlcv/runs/scheduled__2026-03-01T00%3A00%3A00%2B00%3A00"
DOCS = "Data docs of the dataset: http://localhost:8080/deribit-data-docs/dataset/deribit_futures_ohlcv"
FORM = "Acknowledge: http://localhost:8080/dags/deribit_acknowledge"
SILENCE = 'To hear no more of it until it is over: make acknowledge ARGS="17"'


def test_a_failed_month():
    assert (
        text(incident())
        == f"""futures_ohlcv: run failed with BadResponse, since 2026-11-26 03:14 UTC

What the failed tasks should have brought is missing; what was published stays.
To do: Read the reason, then clear the failed task with what follows it: see "A batch failed" in docs/operations.md.
{SILENCE}

Seen last:
- run of 2026-03-01 to 2026-04-01
- load[3] BTC-27MAR26: BadResponse: no list of ticks

{RUN}
{FORM}"""
    )


def test_a_failed_beat_needs_nobody():
    assert "To do: Nothing yet: the next run tries again by itself." in text(incident(stands=[""]))


def test_days_that_are_held_back():
    words = "3 days of 2 instruments\nBTC-26JUN26 on 2026-03-05, observed 60\n"
    words += "BTC-27MAR26 on 2026-03-02 and 1 more to 2026-03-03, observed 7"
    one = incident(kind="quarantine", rule="minutes-complete", instruments="BTC", level="warning", words=words)
    assert (
        text(one)
        == f"""futures_ohlcv BTC: held back by minutes-complete, since 2026-11-26 03:14 UTC

What broke the rule is held back; all the rest is published.
To do: It can wait for the morning: see "Something is quarantined" in docs/operations.md.
{SILENCE}

Seen last:
- 3 days of 2 instruments
- BTC-26JUN26 on 2026-03-05, observed 60
- BTC-27MAR26 on 2026-03-02 and 1 more to 2026-03-03, observed 7

{RUN}
{DOCS}
{FORM}"""
    )


def test_several_that_begin_together():
    rules = [("minutes-complete", "BTC"), ("no-spike", "BTC"), ("no-spike", "ETH")]
    message = render_incidents(
        [incident(17 + i, kind="quarantine", rule=r, instruments=c, level="warning", words="1 day of 1 instrument")
         for i, (r, c) in enumerate(rules)], "http://localhost:8080",
    )  # fmt: skip
    assert message.subject == "futures_ohlcv BTC, ETH: 2 rules hold back data, since 2026-11-26 03:14 UTC"
    assert 'ARGS="17 18 19"' in message.text
    assert "held back by no-spike, ETH:\n- 1 day of 1 instrument" in message.text
    assert [each["incident_id"] for each in message.payload["incidents"]] == [17, 18, 19]


def test_the_exchange_in_maintenance_is_no_fault_of_ours():
    away = incident(kind="wait", dataset="the exchange", rule="away", level="notice", stands=["waiting"],
                    words="3 tasks waiting for the exchange\nThe last answer: 11051 system maintenance")  # fmt: skip
    told = text(away)
    assert told.splitlines()[0] == "the exchange in maintenance, since 2026-11-26 03:14 UTC"
    assert "\nNo fault of ours. " in told and "\nTo do: Nothing.\n" in told
    refused = incident(kind="wait", dataset="the exchange", rule="away", words="connection refused")
    assert text(refused).startswith("the exchange away, since ")
    assert "look at the network" in text(refused) and "No fault of ours" not in text(refused)
    behind = incident(kind="wait", dataset="the catalogue", rule="away", words="c")
    assert text(behind).startswith("the catalogue behind, since ") and "deribit_instruments does not run" in text(
        behind
    )


def stale(number=17, dataset="futures_live", instruments="BTC", **more) -> Incident:
    words = f"21 of 21, such as {instruments}-27NOV26\nnewest row 2026-11-26 02:43 UTC, more was due at 02:44"
    return incident(
        number, kind="watch", dataset=dataset, rule="stale", instruments=instruments, words=words,
        dag_id=f"deribit_{dataset}", run_id="", stands=[""], **more,
    )  # fmt: skip


def test_what_stands_still():
    assert (
        text(stale())
        == f"""futures_live BTC stale, since 2026-11-26 03:14 UTC

Nothing new was published for longer than it may take; what was published stays.
To do: Look whether the DAG below is paused or fails, and whether all services run (make status): see "Is it fresh" \
in docs/operations.md.
{SILENCE}

Seen last:
- 21 of 21, such as BTC-27NOV26
- newest row 2026-11-26 02:43 UTC, more was due at 02:44

DAG deribit_futures_live: http://localhost:8080/dags/deribit_futures_live
{FORM}"""
    )
    over = stale(news="recovered", times=41, resolved_at=OPENED + timedelta(minutes=41))
    assert text(over).startswith("Over: futures_live BTC stale; lasted 41 minutes\n")
    assert text(stale(news="again", times=1500)).startswith(
        "Still: futures_live BTC stale, since 2026-11-26 03:14 UTC\n"
    )


def test_several_datasets_that_stand_still_are_one_message():
    message = render_incidents(
        [stale(), stale(18, instruments="ETH"), stale(19, "options_chain", "ETH")], "http://localhost:8080"
    )
    assert message.subject == "2 datasets stale: futures_live, options_chain, since 2026-11-26 03:14 UTC"
    assert "\nfutures_live ETH:\n- 21 of 21, such as ETH-27NOV26\n" in message.text
    dags = [name for name in message.payload["links"] if name.startswith("DAG")]
    assert dags == ["DAG deribit_futures_live", "DAG deribit_options_chain"]
    many = [stale(i, f"dataset_number_{i}") for i in range(40)]
    for news in ("opened", "again", "recovered"):
        message = render_incidents([replace(each, news=news) for each in many], "http://localhost:8080")
        assert "40 datasets stale: " in message.subject and len(message.subject) <= 180 and len(message.text) < 12_000
        assert ("; lasted " if news == "recovered" else ", since ") in message.subject


def test_a_disk_that_fills_up():
    full = incident(
        kind="watch", dataset="the disk", rule="nearly full", dag_id="", words="2.1 GB are left", stands=[""]
    )
    assert (
        text(full)
        == f"""the disk nearly full, since 2026-11-26 03:14 UTC

When nothing is left Postgres stops, and everything with it. Nothing that is stored is lost.
To do: Make room now: see "A disk that fills up" in docs/operations.md.
{SILENCE}

Seen last:
- 2.1 GB are left

{FORM}"""
    )
    growing = replace(full, rule="filling up", level="warning")
    assert "It can wait for the morning" in text(growing)


def test_an_end_says_how_long_it_was_and_how_often_it_was_seen():
    over = incident(news="recovered", times=3, resolved_at=OPENED + timedelta(hours=3, minutes=12))
    assert (
        text(over)
        == f"""Over: futures_ohlcv: run failed with BadResponse; lasted 3 hours 12 minutes, seen 3 times

From 2026-11-26 03:14 to 2026-11-26 06:26 UTC. Nothing has to be done.

Seen last:
- run of 2026-03-01 to 2026-04-01
- load[3] BTC-27MAR26: BadResponse: no list of ticks

{RUN}"""
    )
    assert render_incidents([over], "http://localhost:8080").payload["level"] == "notice"


def test_a_reminder_says_that_it_is_one():
    again = incident(news="again", times=12, acknowledged_by="night.shift")
    assert text(again).startswith(
        "Still: futures_ohlcv: run failed with BadResponse, since 2026-11-26 03:14 UTC, seen 12 times\n"
    )
    assert "Acknowledged by night.shift; more of it stands since then" in text(again)


def test_what_comes_from_outside_is_cleaned_and_bounded():
    wicked = "<script>alert('x')</script>\r\nBcc: x@example.com\x00\u202e {{ 7 * 7 }} <!channel> " + "x" * 5000
    wicked_lines = "\n".join([wicked] * 50)
    many = [
        incident(i, rule=wicked, instruments=wicked, words=wicked_lines, dataset=wicked, dag_id=wicked[:250])
        for i in range(40)
    ]
    watched = [replace(each, kind="watch", dataset=f"{i}{wicked}") for i, each in enumerate(many)]
    for incidents in (many[:1], many, watched[:1], watched):
        message = render_incidents(incidents, "http://localhost:8080")
        assert len(message.subject) <= 180 and message.subject.isprintable()
        assert len(message.text) < 12_000 and "\x00" not in message.text and "\u202e" not in message.text
        assert "<script" not in message.html
        assert "<!channel>" not in json.dumps(message.blocks[1:])  # the header is plain
        assert all(len(block["text"]["text"]) <= 3000 for block in message.blocks)
    assert SLACK_SECTION < 3000


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ({"seconds": 20}, "less than a minute"), ({"minutes": 1}, "1 minute"),
        ({"hours": 26, "minutes": 5}, "1 day 2 hours"),
        ({"minutes": 61}, "1 hour 1 minute"), ({"days": 2}, "2 days"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_said_as_people_do(length, said):
    assert spell(timedelta(**length)) == said
