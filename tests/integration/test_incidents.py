"""Runs that fail, hold back and recover, through `dag.test()`: a message when it begins, one when it is over; and
somebody who acknowledges what goes on."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from .conftest import AFTER
from .rehearsal import slow


@pytest.fixture
def told(monkeypatch):
    """The subjects of the messages that went out; dag.test() calls the DAG's callbacks itself."""
    from deribit_warehouse.alerts import incidents

    subjects: list[str] = []
    monkeypatch.setattr(incidents, "send", lambda message: subjects.append(message.subject))
    monkeypatch.setenv("DERIBIT_CALM_MINUTES", "0")
    return subjects


@slow
def test_a_month_that_fails_three_times_and_recovers_is_two_messages(pipeline, market, young_exchange, told):
    for dag in ("instruments", "perpetuals_ohlcv"):
        assert pipeline.run(dag, AFTER) == "success"
    # the shortest life, so that what is missing stays under the tolerated share
    [[gone], *_] = market.rows(
        "SELECT instrument FROM store.instrument WHERE kind = 'future' AND settlement_period <> 'perpetual' "
        "AND listed_at < '2018-11-01' AND expires_at > '2018-10-01' ORDER BY expires_at - listed_at"
    )
    young_exchange.faults(
        {"kind": "error_code", "code": -32602, "reason": "instrument not found", "instrument": gone, "times": 999}
    )
    told.clear()  # what the catalogue notes
    october = datetime.fromisoformat(AFTER).replace(tzinfo=UTC)
    for times in (1, 2, 3):
        assert pipeline.alone("futures_ohlcv", october) == "failed"
        [[rule, seen]] = market.rows("SELECT rule, times FROM incidents WHERE kind = 'failure' AND state = 'open'")
        assert (rule, seen) == ("InstrumentNotFound", times)
    [failure] = [subject for subject in told if "run failed" in subject]
    assert failure.startswith("futures_ohlcv: run failed with InstrumentNotFound, since ")
    assert len(told) == len(set(told)), "what it held back was told once, too"
    begun = len(told)

    young_exchange.faults()
    assert pipeline.run("futures_ohlcv", AFTER) == "success"
    [over] = [subject for subject in told[begun:] if "run failed" in subject]
    assert over.startswith("Over: futures_ohlcv: run failed with InstrumentNotFound; lasted ")
    assert over.endswith(", seen 3 times")
    assert market.rows("SELECT * FROM incidents WHERE state <> 'resolved' AND kind <> 'warning'") == []


def test_days_that_are_held_back_are_told_once_and_so_is_that_they_have_passed(pipeline, market, young_exchange, told):
    for dag in ("instruments", "funding_rates"):
        assert pipeline.run(dag, AFTER) == "success"
    told.clear()
    day = {"instrument": "BTC-PERPETUAL", "from": "2018-10-05T12:00:00", "to": "2018-10-05T13:00:00"}
    young_exchange.faults({"kind": "negative_price", **day})
    for _ in range(3):
        assert pipeline.run("perpetuals_ohlcv", AFTER) == "success"
    held = "SELECT rule FROM incidents WHERE kind = 'quarantine' AND state = 'open' AND dataset = 'perpetuals_ohlcv'"
    assert ("prices-positive",) in market.rows(held)
    [subject] = [subject for subject in told if "hold back" in subject or "held back" in subject]
    assert subject.startswith("perpetuals_ohlcv BTC: ")
    begun = len(told)
    young_exchange.faults()
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "success"
    assert market.rows(held) == []
    [over] = [subject for subject in told[begun:] if "hold back" in subject or "held back" in subject]
    assert over.startswith("Over: perpetuals_ohlcv BTC: ")


@pytest.fixture
def wrong(pipeline, market) -> int:
    """An incident that is open."""
    from deribit_warehouse.warehouse.incidents import Fingerprint, observe

    with psycopg.connect(market.dsn()) as connection:
        return observe(connection, Fingerprint("failure", "futures_ohlcv", "BadResponse"), "words")


def test_an_incident_is_acknowledged_from_airflows_own_page(pipeline, market, told, wrong):
    # dag_test: the user that Airflow says has started a run by dag.test()
    note = "seen; '); DROP TABLE store.incident; -- {{ 7 * 7 }}"
    assert pipeline.alone("acknowledge", None, incident=wrong, note=note) == "success"
    assert market.rows("SELECT state, acknowledged_by, note FROM incidents") == [("acknowledged", "dag_test", note)]
    assert told == [], "who acknowledges an incident has been told of it"
    assert pipeline.alone("acknowledge", None, incident=wrong, over=True) == "success"
    assert market.rows("SELECT state, note FROM incidents") == [("resolved", note)]


@pytest.mark.parametrize(
    "conf",
    [
        {"incident": 10**6}, {"incident": 1, "note": "a\nb"}, {"incident": 1, "note": "b\u202ea"},
        {"incident": 2**63}, {"incident": 1, "odd": 1},
    ],
)  # fmt: skip
def test_what_the_form_would_not_let_through_changes_nothing(pipeline, market, wrong, conf):
    if conf["incident"] == 1:
        conf["incident"] = wrong
    assert pipeline.alone("acknowledge", None, **conf) == "failed"
    assert market.rows("SELECT state, acknowledged_by FROM incidents") == [("open", None)]
