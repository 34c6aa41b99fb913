"""What the soak holds against a warehouse: that it says so where something is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests

from bench.soak import Soak, receiver
from bench.soak_checks import Failed, Seen, Told, corrections_counted, live_was_right, told_once

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEGUN = Seen(7, "failure", "perpetuals_live", "PoolTimeout", resolved=False)
OVER = Seen(8, "wait", "the exchange", "away", resolved=True)


def message(news: str, *incidents: int) -> Told:
    return Told("something", news, incidents)


def test_an_incident_is_told_when_it_begins_and_when_it_is_over():
    messages = [message("opened", 7, 8), message("recovered", 8), Told("the database is away", None, ())]
    incidents, told = told_once([BEGUN, OVER], messages)
    assert (incidents.value, told.value, told.note) == (2, 3, "1 while no incident could be kept")


@pytest.mark.parametrize(
    "messages",
    [
        [message("opened", 8)],
        [message("opened", 8), message("opened", 8), message("recovered", 8)],
        [message("recovered", 8)],
        [message("opened", 8), message("recovered", 8), message("recovered", 8)],
        [message("opened", 8), message("again", 8), message("recovered", 8)],
    ],
)
def test_an_incident_that_is_told_of_too_often_or_not_fails(messages):
    with pytest.raises(Failed, match=r"8 \(wait, the exchange, away\)"):
        list(told_once([OVER], messages))


def test_a_webhook_payload_names_its_incidents():
    payload = {"subject": "s", "news": "opened", "incidents": [{"incident_id": 3}, {"incident_id": 4}]}
    assert Told.of(payload) == Told("s", "opened", (3, 4))
    assert Told.of({"subject": "s"}) == Told("s", None, ())


def test_what_one_stack_tells_is_no_message_of_the_other(tmp_path):
    """Two databases give the same numbers to their incidents."""
    with receiver(tmp_path) as hook:
        soak = Soak(tmp_path, 1, "2026-10-01", hook)
        for name in ("history", "disk", "history"):
            url = json.loads(soak.stack(name).environment["AIRFLOW_CONN_DERIBIT_ALERTS_WEBHOOK"])["host"]
            payload = {"subject": name, "news": "opened", "incidents": [{"incident_id": 7}]}
            requests.post(url, json=payload, timeout=10).raise_for_status()
    assert soak.messages("history") == 2 * [Told("history", "opened", (7,))]
    assert soak.messages("disk") == [Told("disk", "opened", (7,))]


def corrected(*rows: tuple, counted: int):
    return lambda statement, *_: [(counted,)] if "store.ingestion" in statement else list(rows)


def test_corrections_are_those_that_were_injected():
    rows = [("BTC-PERPETUAL", NOON, 2), ("BTC-PERPETUAL", NOON + timedelta(minutes=1), 1)]
    told = [(name, ts) for name, ts, _ in rows]
    [counted] = corrections_counted(corrected(*rows, counted=3), told, NOON)
    assert counted.value == 3
    with pytest.raises(Failed, match="2 corrections, 3 are shown"):
        list(corrections_counted(corrected(*rows, counted=2), told, NOON))
    for others in (told[:1], [*told, ("ETH-PERPETUAL", NOON)]):
        with pytest.raises(Failed, match="not the same"):
            list(corrections_counted(corrected(*rows, counted=3), others, NOON))


@pytest.mark.parametrize(
    ("row", "why"),
    [(("A", 1440, 1, 0), "differs"), (("A", 1440, 0, 1), "differs"), (("B", 1440, 0, 0), "not both there of A, B")],
)
def test_a_day_that_live_had_otherwise_fails(row, why):
    [minutes] = live_was_right(lambda *_: [("A", 1440, 0, 0)], NOON.date(), ["A"])
    assert minutes.value == 1440
    with pytest.raises(Failed, match=why):
        list(live_was_right(lambda *_: [row], NOON.date(), ["A"]))
