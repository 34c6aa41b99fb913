"""`python -m exchange_simulator`: serve the live host and the history host on two loopback ports."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
import uvloop

from .app import Simulator
from .limits import Limits
from .market import Market
from .protocol import Exchange
from .replay import Replay
from .traits import Traits, table

LOOPBACK = "127.0.0.1"


def _parse_time(text: str) -> int:
    """ms of an ISO date or time, UTC unless it says otherwise."""
    instant = datetime.fromisoformat(text)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m exchange_simulator", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on; leave it unless in a container")
    parser.add_argument("--port", type=int, default=8765, help="the live host (0: any free one)")
    parser.add_argument("--history-port", type=int, default=8766, help="the history host (0: any free one)")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="serve recorded data instead of the invented market")
    parser.add_argument("--now", type=_parse_time, metavar="ISO", help="freeze the clock")
    parser.add_argument("--speed", type=float, metavar="N", help="let the clock run N times as fast from there on")
    parser.add_argument("--from", type=_parse_time, dest="since", default="2018-08-01", metavar="ISO",
                        help="the day the invented exchange opened (default 2018-08-01)")  # fmt: skip
    parser.add_argument("--currencies", default="BTC,ETH", help="coins of the invented market")
    parser.add_argument("--requests-per-second", type=float, default=20, help="sustained limit")
    parser.add_argument("--burst", type=float, default=100, help="requests a rested client may send at once")
    parser.add_argument("--limit-status", type=int, choices=(429, 400, 200), default=429,
                        help="HTTP status of too_many_requests")  # fmt: skip
    parser.add_argument("--latency-ms", type=int, default=0, help="delay of every answer")
    parser.add_argument("--real", action="store_true", help="a market shaped like the real exchange")
    parser.add_argument("--trait", action="append", default=[], dest="traits", metavar="NAME=VALUE",
                        help="set one trait of the exchange; may be given several times")  # fmt: skip
    parser.add_argument("--traits", action="store_true", dest="show_traits",
                        help="show every trait, what is known of it and what is invented, and end")  # fmt: skip
    return parser.parse_args(given)


def _listening(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise OSError(f"port {port} of {host} is in use: stop what holds it or choose another") from None
    return listener


class _Server(uvicorn.Server):
    """One of two servers in a loop; the loop handles the signals, once for both."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(simulator: Simulator, sockets: list[socket.socket]) -> None:
    servers = [
        _Server(uvicorn.Config(simulator.app(history=history), log_level="warning", access_log=False, lifespan="off",
                               timeout_graceful_shutdown=2, timeout_keep_alive=900))
        for history in (False, True)
    ]  # fmt: skip

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop)
    live, history = (f"http://{LOOPBACK}:{one.getsockname()[1]}" for one in sockets)
    print(f"exchange simulator: live host {live}, history host {history}", flush=True)
    await asyncio.gather(*(server.serve([one]) for server, one in zip(servers, sockets, strict=True)))


def main(given: list[str] | None = None) -> int:
    arguments = _arguments(given)
    if arguments.show_traits:
        print(table())
        return 0
    try:
        traits = (Traits.real() if arguments.real else Traits()).changed(arguments.traits)
        sockets = [_listening(arguments.host, port) for port in (arguments.port, arguments.history_port)]
        source: Market | Replay
        if arguments.replay:
            source = Replay(arguments.replay, arguments.now, traits)
        else:
            source = Market(arguments.currencies.split(","), arguments.now, arguments.since, traits)
        if arguments.speed is not None:
            source.clock.set(arguments.now, arguments.speed)
    except (OSError, ValueError) as wrong:
        print(f"exchange simulator: {wrong}", file=sys.stderr)
        return 2
    simulator = Simulator(
        Exchange(source),
        Limits(arguments.requests_per_second, arguments.burst, traits.catalogue_seconds, traits.catalogue_burst),
        limit_status=arguments.limit_status,
        latency_ms=arguments.latency_ms,
    )
    uvloop.run(_serve(simulator, sockets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
