"""A server that answers each attempt with the next of a list of replies, broken ones included."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[BaseHTTPRequestHandler], None]


def reply(status: int, body: bytes | dict | list, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(raw)

    return send


def result(value: object) -> Reply:
    return reply(200, {"jsonrpc": "2.0", "result": value})


def error(status: int, code: int, message: str = "no", **data: str) -> Reply:
    return reply(status, {"jsonrpc": "2.0", "error": {"code": code, "message": message, "data": data}})


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Cuts the connection with a TCP reset and no byte of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def truncated(handler: BaseHTTPRequestHandler) -> None:
    """Promises more bytes than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"jsonrpc": "2.0", "result": {"index_pri')
    handler.close_connection = True


def bad_gzip(handler: BaseHTTPRequestHandler) -> None:
    reply(200, b"not gzip at all", Content_Encoding="gzip")(handler)


def stalled(handler: BaseHTTPRequestHandler) -> None:
    """Doesn't answer within any timeout a test would set, and leaves when the test does."""
    handler.server.released.wait(10)
    handler.close_connection = True


PRICE = result({"index_price": 88537.0, "estimated_delivery_price": 88537.0})


@contextmanager
def serving(*replies: Reply, tls: ssl.SSLContext | None = None):
    """The server's URL and the list of paths asked; the last reply is given to every further attempt."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            replies[min(len(asked), len(replies)) - 1](self)

        def log_message(self, *_: object) -> None:
            pass

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # the connection was cut on purpose
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.block_on_close = False
    server.released = threading.Event()
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", asked
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
