"""Delivery through the real notifiers to real servers, chosen by connections alone."""

import logging
import time

import pytest

from deribit_warehouse.alerts import channels
from deribit_warehouse.alerts.channels import send
from deribit_warehouse.alerts.messages import FailedTask, RunReport, render

HOSTILE = "{{ 7 * 7 }} {% raw %} <b>&</b> <!channel>"
ALL = ["deribit_alerts_smtp", "deribit_alerts_slack", "deribit_alerts_webhook"]


@pytest.fixture
def message():
    failures = [FailedTask("load", 1, "BTC-PERPETUAL", f"ExchangeError: {HOSTILE}")]
    return render(RunReport("perpetuals_ohlcv", "manual__1", failures=failures), "http://localhost:8080")


def errors(caplog):
    return [
        record.getMessage() for record in caplog.records if record.name == channels.__name__ and record.levelno >= 40
    ]


def test_every_channel_gets_the_message_once(message, mailbox, slack, webhook):
    assert send(message) == ALL
    recipients, headers, html = mailbox.only()
    assert recipients == ["desk@example.com", "ops@example.com"]
    assert headers["Subject"] == message.subject == "perpetuals_ohlcv: 1 task failed"
    assert headers["From"] == "airflow@example.com"
    assert html == message.html
    assert slack.only() == {"text": message.subject, "blocks": message.blocks, "unfurl_links": False}
    assert webhook.only() == message.payload
    assert webhook.requests[0].headers["Authorization"] == "Bearer header"


def test_templates_in_an_error_arrive_as_they_are(message, mailbox, slack, webhook):
    send(message)
    assert "{{ 7 * 7 }} {% raw %} &lt;b&gt;&amp;&lt;/b&gt;" in mailbox.only()[2]
    assert "{{ 7 * 7 }} {% raw %} &lt;b&gt;&amp;&lt;/b&gt;" in slack.only()["blocks"][2]["text"]["text"]
    assert webhook.only()["details"][0]["lines"][0]["text"].endswith(HOSTILE)


def test_a_subject_with_a_line_break_adds_no_header(mailbox):
    wicked = RunReport("d\r\nBcc: everyone@example.com", "r", failures=[FailedTask("t")])
    assert send(render(wicked, "http://localhost:8080")) == ["deribit_alerts_smtp"]
    recipients, headers, _ = mailbox.only()
    assert "Bcc" not in headers
    assert recipients == ["desk@example.com", "ops@example.com"]
    assert headers["Subject"] == "d Bcc: everyone@example.com: 1 task failed"


@pytest.mark.parametrize("only", ALL)
def test_a_channel_is_chosen_by_its_connection_alone(only, request, message, caplog):
    caplog.set_level(logging.INFO)
    channel = request.getfixturevalue(only.removeprefix("deribit_alerts_").replace("smtp", "mailbox"))
    assert send(message) == [only]
    channel.only()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_without_a_connection_the_message_is_logged_and_nothing_is_an_error(message, caplog):
    caplog.set_level(logging.INFO)
    assert send(message) is None
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert message.text in record.getMessage()


def down(channel, port, connect, smtp_at):
    if channel == "deribit_alerts_smtp":
        smtp_at(port)
    elif channel == "deribit_alerts_slack":
        connect(
            "deribit_alerts_slack", conn_type="slackwebhook", host=f"http://127.0.0.1:{port}", password="T/B/slacktoken"
        )
    else:
        connect("deribit_alerts_webhook", conn_type="http", host=f"http://127.0.0.1:{port}/webhooksecret")


@pytest.mark.parametrize("channel", ALL)
def test_one_channel_down_keeps_no_other_from_being_told(
    channel, message, mailbox, slack, webhook, connect, smtp_at, closed_port, caplog
):
    down(channel, closed_port, connect, smtp_at)
    assert send(message) == [other for other in ALL if other != channel]
    told = {
        "deribit_alerts_smtp": mailbox.letters,
        "deribit_alerts_slack": slack.requests,
        "deribit_alerts_webhook": webhook.requests,
    }
    assert {name: len(messages) for name, messages in told.items()} == {name: int(name != channel) for name in ALL}
    [error] = errors(caplog)
    assert f"Alert channel {channel} failed" in error
    assert "refused" in error
    assert message.subject in error


@pytest.mark.parametrize("channel", ALL)
def test_a_silent_server_delays_nobody_for_long(
    channel, message, mailbox, slack, webhook, connect, smtp_at, silent_port, caplog, monkeypatch
):
    monkeypatch.setattr(channels, "TIMEOUT", 2.0)
    down(channel, silent_port, connect, smtp_at)
    began = time.monotonic()
    assert send(message) == [other for other in ALL if other != channel]
    assert time.monotonic() - began < 15
    [error] = errors(caplog)
    assert f"Alert channel {channel} failed" in error


@pytest.mark.parametrize(("channel", "status"), [("slack", 500), ("slack", 404), ("webhook", 500), ("webhook", 403)])
def test_a_refusal_is_a_failure(channel, status, httpserver, request, message, caplog):
    endpoint = request.getfixturevalue(channel)
    httpserver.clear()
    endpoint.answers("no_service", status)
    assert send(message) == []
    [error] = errors(caplog)
    assert f"alerts_{channel}" in error and str(status) in error
    assert message.text in caplog.text  # nobody was told, so the log must hold it


@pytest.mark.parametrize("missing", ["to", "from_email"])
def test_an_unfinished_mail_connection_says_what_it_needs(missing, message, smtp_at, closed_port, webhook, caplog):
    smtp_at(closed_port, **{missing: None})
    assert send(message) == ["deribit_alerts_webhook"]
    [error] = errors(caplog)
    assert "deribit_alerts_smtp" in error and "`to` and `from_email`" in error


def test_an_unreadable_connection_is_an_error_and_not_a_channel_nobody_wanted(message, webhook, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_CONN_DERIBIT_ALERTS_SMTP", '{"conn_type": "smtp", "passw')
    assert send(message) == ["deribit_alerts_webhook"]
    [error] = errors(caplog)
    assert "AIRFLOW_CONN_DERIBIT_ALERTS_SMTP" in error


def test_no_log_holds_a_secret(message, connect, closed_port, caplog):
    from airflow.sdk.log import redact

    caplog.set_level(logging.DEBUG)
    host = f"http://127.0.0.1:{closed_port}"
    connect("deribit_alerts_slack", conn_type="slackwebhook", host=host, password="T/B/tokenofslack")
    connect(
        "deribit_alerts_webhook",
        conn_type="http",
        host=f"{host}/in/pathofwebhook?key=queryofwebhook",
        login="user",
        password="passofwebhook",
    )
    assert send(message) == []
    assert len(errors(caplog)) == 2
    for secret in ("tokenofslack", "pathofwebhook", "queryofwebhook", "passofwebhook"):
        # The hooks log addresses by themselves; Airflow writes every line through its masker.
        assert secret not in redact(caplog.text)
        assert not any(secret in error for error in errors(caplog))
    assert any("***" in error for error in errors(caplog))
