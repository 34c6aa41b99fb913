"""`python -m exchange_simulator.measure`: what a page of 5,000 candles costs the server, in CPU and in time."""

from __future__ import annotations

import http.client
import resource
import time

from .process import running

PAGES = 200
PAGE = 5000 * 60_000


def _run(instrument: str, pages: int) -> tuple[float, float, int]:
    """(server CPU seconds, median seconds a page as the client sees it, body bytes) of a server's whole life."""
    limits = ["--requests-per-second", "1000000", "--burst", "1000000"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with running(*limits) as exchange:
        client = http.client.HTTPConnection(exchange.live_url.removeprefix("http://"))
        took, size, end = [0.0], 0, int(time.time() * 1000) - PAGE
        for page in range(pages):
            began = time.perf_counter()
            start = end - (page + 1) * PAGE
            client.request(
                "GET",
                f"/api/v2/public/get_tradingview_chart_data?instrument_name={instrument}"
                f"&start_timestamp={start}&end_timestamp={start + PAGE - 60_000}&resolution=1",
            )
            size = len(client.getresponse().read())
            took.append(time.perf_counter() - began)
        client.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, sorted(took)[len(took) // 2], size


def main() -> None:
    idle, _, _ = _run("BTC-PERPETUAL", 0)
    print(f"start and stop: {idle:.2f} s of CPU")
    for instrument in ("BTC-PERPETUAL", "BTC_USDC-PERPETUAL"):
        cpu, median, size = _run(instrument, PAGES)
        print(
            f"{instrument}: {(cpu - idle) / PAGES * 1000:.2f} ms of CPU a page of 5,000 candles, "
            f"{median * 1000:.2f} ms as the client sees it, {size / 1024:.0f} KiB"
        )


if __name__ == "__main__":
    main()
