import os
import tempfile

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))  # before anything imports airflow

import json
import socket
import threading
from email import message_from_bytes
from email.header import decode_header, make_header

import pytest
from aiosmtpd.controller import Controller

SENDER = "airflow@example.com"
RECIPIENTS = ["desk@example.com", "ops@example.com"]
CHANNELS = ("deribit_alerts_smtp", "deribit_alerts_slack", "deribit_alerts_webhook")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Airflow's home, as far as alerts leave something there: one of its own for each test."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    return home


@pytest.fixture
def nowhere(monkeypatch):
    """A home in which nothing can be kept."""
    monkeypatch.setenv("AIRFLOW_HOME", os.devnull)


@pytest.fixture(autouse=True)
def no_channels(monkeypatch):
    for conn_id in CHANNELS:
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id.upper()}", raising=False)


@pytest.fixture
def connect(monkeypatch):
    """Defines a connection as an installation does: in the environment, as JSON."""

    def connect(conn_id, **fields):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return connect


@pytest.fixture
def closed_port():
    with socket.socket() as taken:  # bound but not listening: refuses connections, and nobody else gets it
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def silent_port():
    """A server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []

        def accept():
            try:
                while True:
                    taken.append(server.accept()[0])
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for connection in taken:
            connection.close()


class Mailbox:
    def __init__(self):
        self.letters = []

    async def handle_DATA(self, server, session, envelope):
        self.letters.append((envelope, message_from_bytes(envelope.content)))
        return "250 kept"

    def only(self):
        """The one letter: its envelope's recipients, its headers decoded, its HTML."""
        [(envelope, letter)] = self.letters
        [body] = letter.get_payload()
        headers = {name: str(make_header(decode_header(value))) for name, value in letter.items()}
        return envelope.rcpt_tos, headers, body.get_payload(decode=True).decode()


@pytest.fixture
def smtp_at(connect):
    """Points deribit_alerts_smtp to a port of this machine; more of its extra by keyword, None takes away."""

    def smtp_at(port, **extra):
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": SENDER, "to": RECIPIENTS, **extra}
        connect(
            "deribit_alerts_smtp",
            conn_type="smtp",
            host="127.0.0.1",
            port=port,
            extra={name: value for name, value in extra.items() if value is not None},
        )

    return smtp_at


@pytest.fixture
def mailbox(smtp_at):
    """A real SMTP server that deribit_alerts_smtp points to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    smtp_at(port)
    yield mailbox
    controller.stop()


class Endpoint:
    """An address of the HTTP server; `secret` is the part of it that must be in no log."""

    def __init__(self, httpserver, path, secret):
        self.server, self.path, self.secret = httpserver, path, secret

    def answers(self, text="ok", status=200):
        self.server.expect_request(self.path, method="POST").respond_with_data(text, status=status)

    @property
    def requests(self):
        return [request for request, _ in self.server.log if request.path == self.path]

    def only(self):
        [request] = self.requests
        return request.get_json()


@pytest.fixture
def slack(httpserver, connect):
    """A real HTTP endpoint that deribit_alerts_slack points to; it takes everything."""
    token = "T0AAAA/B0BBBB/slacktokenslacktoken"
    connect("deribit_alerts_slack", conn_type="slackwebhook", host=httpserver.url_for("/services"), password=token)
    endpoint = Endpoint(httpserver, f"/services/{token}", token)
    endpoint.answers()
    return endpoint


@pytest.fixture
def webhook(httpserver, connect):
    """A real HTTP endpoint that deribit_alerts_webhook points to; it takes everything."""
    path = "/hooks/webhooksecretwebhooksecret"
    connect(
        "deribit_alerts_webhook",
        conn_type="http",
        host=httpserver.url_for(path),
        extra={"Authorization": "Bearer header"},
    )
    endpoint = Endpoint(httpserver, path, "webhooksecretwebhooksecret")
    endpoint.answers(status=204)
    return endpoint
