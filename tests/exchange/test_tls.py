"""Over TLS, directly and through a proxy's tunnel, an answer is read as over plain HTTP, and within the same limits."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deribit_warehouse.exchange import BadResponse, ExchangeUnavailable
from deribit_warehouse.exchange.limits import MB, Limits
from tests.exchange.scripted import PRICE, serving
from tests.exchange.test_limits import OK, SPACES, dripping, endless


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and its certificate for 127.0.0.1, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exchange")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "exchange.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("no_proxy", "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def limits(method: str) -> Limits:
    return Limits(silence=5, total=1, size=MB // 2)


def test_an_answer_is_read_over_one_connection(exchange_at, trusted):
    ports = set()

    def noting(handler):
        ports.add(handler.client_address[1])
        PRICE(handler)

    with serving(noting, tls=trusted) as (url, asked):
        exchange = exchange_at(url, limits=limits)
        assert [exchange.index_price("btc_usd") for _ in range(3)] == [88537.0] * 3
    assert url.startswith("https://") and len(asked) == 3 and len(ports) == 1


def test_the_limits_hold(exchange_at, trusted):
    with serving(endless(OK + b"\r\n", SPACES), tls=trusted) as (url, _):
        with pytest.raises(BadResponse, match=r"larger than 0\.5 MB"):
            exchange_at(url, limits=limits, attempts=1).index_price("btc_usd")
    with serving(dripping(OK + b"X: ", b"x", b"\r\n\r\n"), tls=trusted) as (url, _):
        with pytest.raises(ExchangeUnavailable, match="not complete after 1 s"):
            exchange_at(url, limits=limits, attempts=1).index_price("btc_usd")


def test_a_certificate_nobody_signed_is_a_fault_of_the_way(exchange_at, trusted, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with serving(PRICE, tls=trusted) as (url, _), pytest.raises(ExchangeUnavailable, match="certificate"):
        exchange_at(url, attempts=1).index_price("btc_usd")


@contextmanager
def tunnelling():
    """A proxy that answers CONNECT and passes bytes on; its URL and what was asked of it."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def passed_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                target.sendall(data)
        except OSError:
            pass

    def accept() -> None:
        try:
            while True:
                client, _ = listening.accept()
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(4096)
                asked.append(head.split(b"\r\n")[0])
                host, port = head.split()[1].decode().split(":")
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server = socket.create_connection((host, int(port)))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=passed_on, args=pair, daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        listening.close()


def test_through_the_tunnel_of_a_proxy_too(exchange_at, trusted, monkeypatch):
    with tunnelling() as (proxy, tunnels), serving(PRICE, endless(OK + b"\r\n", SPACES), tls=trusted) as (url, _):
        monkeypatch.setenv("https_proxy", proxy)
        exchange = exchange_at(url, limits=limits, attempts=1)
        assert exchange.index_price("btc_usd") == 88537.0
        with pytest.raises(BadResponse, match=r"larger than 0\.5 MB"):
            exchange.index_price("btc_usd")
        [tunnel] = tunnels
        assert tunnel.split()[:2] == [b"CONNECT", url.removeprefix("https://").encode()]
