"""When a run that goes on is told of: of what it holds back or warns of, once, and not when a task has failed."""

from datetime import UTC, date, datetime

import pytest

from deribit_warehouse.alerts import FailedTask, QuarantinedKey, RunReport

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
    notify_quarantine({})
    assert [message.subject.partition(": ")[2].startswith(subject or "-") for message in sent] == [True] * bool(subject)
