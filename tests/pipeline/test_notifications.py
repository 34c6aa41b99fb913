"""When a run that goes on is told of: of what it holds back or warns of, once, and not when a task has failed."""

import os
from contextlib import nullcontext
from datetime import UTC, date, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest

from deribit_warehouse.alerts import FailedTask, QuarantinedKey, RunReport

DAY = datetime(2024, 5, 3, tzinfo=UTC)
HELD = QuarantinedKey("BTC-PERPETUAL", date(2024, 5, 3), "minutes-complete", "critical", 7)
ODD = QuarantinedKey("BTC-PERPETUAL", date(2024, 5, 3), "move-usual", "warning", 0.2)


def known(key):
    return QuarantinedKey(key.instrument, key.day, key.rule, key.severity, key.observed, known=True)


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        ({"quarantined": [HELD]}, "1 day of 1 instrument quarantined by 1 rule"),
        ({"warnings": [ODD]}, "1 rule warned of 1 day of 1 instrument"),
        ({"quarantined": [known(HELD)], "warnings": [ODD]}, "1 day of 1 instrument quarantined by 1 rule, 1 rule"),
        ({"quarantined": [known(HELD)]}, None),
        ({"quarantined": [HELD], "failures": [FailedTask("load")]}, None),  # the run will fail, and say it then
        ({}, None),
    ],
)
def test_it_is_told_once_and_by_whom(monkeypatch, parts, subject):
    from deribit_warehouse import alerts
    from deribit_warehouse.alerts import callbacks
    from deribit_warehouse.pipeline.publish import notify_quarantine

    sent = []
    month = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
    monkeypatch.setattr(alerts, "collect", lambda context: RunReport("perpetuals_ohlcv", "r", month, **parts))
    monkeypatch.setattr(callbacks, "send", sent.append)
    monkeypatch.setenv("AIRFLOW_HOME", os.devnull)  # neither a database nor a file remembers: each is told by itself
    notify_quarantine({})
    assert [message.subject.partition(": ")[2].startswith(subject or "-") for message in sent] == [True] * bool(subject)


@pytest.mark.parametrize(
    ("months", "told"),
    [
        ([{}, {}], 0),
        ([{"quarantined": [HELD]}, {}], 1),
        ([{"warnings": [ODD]}, {"quarantined": [HELD]}], 1),
        ([None, {"warnings": [ODD]}], 1),  # of the first month there is nothing to validate
        ([{"quarantined": [HELD]}, {"blocked_because": ["nothing holds"]}], 0),  # the run will fail, and say it then
    ],
)
def test_a_task_that_publishes_what_is_computed_tells_once_of_all_its_years(monkeypatch, months, told):
    from airflow.sdk.exceptions import AirflowFailException

    from deribit_warehouse.datasets import BASIS_SPREAD
    from deribit_warehouse.pipeline.validate_and_publish import Validated
    from deribit_warehouse.warehouse import publication

    publish = import_module("deribit_warehouse.pipeline.publish")  # the package's own publish is the task
    decisions = iter(months)
    heard = []

    def validated(*_):
        nothing = {
            "quarantined": [],
            "warnings": [],
            "blocked_because": [],
            "quarantined_keys": [],
            "outcome": "passed",
        }
        found = next(decisions)
        return None if found is None else Validated(1, DAY, DAY, SimpleNamespace(**(nothing | found)), 1, 0, 1, 1)

    context = {"dag_run": SimpleNamespace(run_id="run")}
    monkeypatch.setattr(publish, "get_current_context", lambda: context)
    monkeypatch.setattr(publish, "market", lambda: nullcontext(SimpleNamespace(transaction=nullcontext)))
    monkeypatch.setattr(publication, "compute", lambda *given: None)
    monkeypatch.setattr(publish, "validate_and_publish", validated)
    monkeypatch.setattr(publish, "notify_quarantine", heard.append)
    batch = {"label": "", "months": [["2023-12-01", "2024-01-01"], ["2024-01-01", "2024-02-01"]]}
    is_blocked = any(month and "blocked_because" in month for month in months)
    with pytest.raises(AirflowFailException) if is_blocked else nullcontext():
        publish.publish_derived.function(BASIS_SPREAD, batch)
    assert heard == [context] * told
    assert next(decisions, "none is left") == "none is left"
