"""`python -m deribit_warehouse.check`: asks the exchange whether what this package takes for granted about it is so.

    python -m deribit_warehouse.check --live URL --history URL --folder DIR [--brief]

Prints each assumption, whether it holds and what was seen, keeps every answer as it came in a new folder below DIR, and
exits with 0 when all hold, 1 when one does not, 2 when none is known to be broken but some could not be asked.
--brief prints only what does not hold, or means something for the user all the same. Needs no database; with one
(DERIBIT_CHECK_MARKET_URL, a connection string) the requests are counted by the limiter that all processes share. It
joins the exchange and the limiter, as the pipeline does, but without Airflow, which need not run yet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deribit_warehouse import settings
from deribit_warehouse.exchange.assumptions import (
    ASSUMPTIONS,
    BURST_CALLS,
    Assumption,
    CheckResult,
    Rejected,
    Unanswered,
)
from deribit_warehouse.exchange.probe import HttpProbe, RateLimit

KEPT_CHECKS = 5  # newest folders; a check is some two megabytes
REQUEST_INTERVAL = 1.0  # seconds from one request to the next


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deribit_warehouse.check", description=__doc__.partition("\n")[0])
    parser.add_argument("--live", required=True, metavar="URL", help="base URL of the live host")
    parser.add_argument("--history", required=True, metavar="URL", help="base URL of the history host")
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR", help="where the answers are kept")
    parser.add_argument("--brief", action="store_true", help="print only what means something for the user")
    parser.add_argument(
        "--interval", type=float, default=REQUEST_INTERVAL, metavar="SECONDS", help="from one request to the next"
    )
    options = parser.parse_args(arguments)
    os.umask(0o077)
    folder = new_folder(options.folder)
    print(f"Asking {options.live} and {options.history} whether {len(ASSUMPTIONS)} assumptions hold", flush=True)
    with rate_limited(os.environ.get("DERIBIT_CHECK_MARKET_URL"), options.interval) as rate_limit:
        with HttpProbe(options.live, options.history, folder, rate_limit) as probe:
            results = check_assumptions(
                probe, None if options.brief else lambda one, result: print(*lines(one, result), sep="\n")
            )
    kept = {one.name: record(one, result) for one, result in results.items()}
    written = folder / "results.json.new"
    written.write_text(json.dumps(kept, indent=1) + "\n")
    written.replace(folder / "results.json")  # whole or not at all: a start reads settings from it
    answered = {one: result for one, result in results.items() if isinstance(result, CheckResult)}
    broken = [one for one, result in answered.items() if not result.holds]
    unknown = [one for one, result in results.items() if not isinstance(result, CheckResult)]
    if options.brief:
        for one, result in answered.items():
            if not result.holds or result.means:
                print(*lines(one, result), sep="\n")
    print(f"{len(ASSUMPTIONS) - len(broken) - len(unknown)} of {len(ASSUMPTIONS)} hold, {len(broken)} do not, "
          f"{len(unknown)} could not be asked; {probe.refused} requests were refused as too many.")  # fmt: skip
    if unknown:
        print(f"  could not be asked, for instance: {results[unknown[0]]}")
    if probe.answered:
        print(
            f"Every answer is in {folder}. Where one does not hold, that folder says what is so: send it in.",
            flush=True,
        )
    else:
        print("Nothing was answered: see whether the network of this machine reaches both hosts.", flush=True)
    return 1 if broken else 2 if unknown else 0


def check_assumptions(
    probe: HttpProbe, on_result: Callable[[Assumption, CheckResult | Unanswered], None] | None = None
) -> dict[Assumption, CheckResult | Unanswered]:
    """Asks all of them, one after the other. Once it is clear that nobody answers, the rest is not asked."""
    results: dict[Assumption, CheckResult | Unanswered] = {}
    for one in ASSUMPTIONS:
        try:
            results[one] = one.question(probe)
        except Unanswered as error:
            results[one] = error
            if not probe.answered:
                return results | {rest: error for rest in ASSUMPTIONS if rest not in results}
        except Rejected as error:
            results[one] = CheckResult(False, str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # an answer of a form that no question foresaw is not what was assumed either
            results[one] = CheckResult(False, f"the answer can't be read: {str(error)[:160]} ({type(error).__name__})")
        if on_result:
            on_result(one, results[one])
    return results


def lines(one: Assumption, result: CheckResult | Unanswered) -> list[str]:
    """An assumption for people: a line where it holds, with what it means all the same, if anything; and what is
    assumed and what it means where it does not."""
    if isinstance(result, Unanswered):
        return [f"  not known  {one.name:16} {result}"]
    if result.holds:
        means = [f"             it means: {result.means}"] if result.means else []
        return [f"  holds      {one.name:16} {result.seen}", *means]
    return [
        f"  BROKEN     {one.name:16} {result.seen}",
        f"             assumed: {one.assumed} ({one.relied_on})",
        f"             it means: {one.broken}",
    ]


def record(one: Assumption, result: CheckResult | Unanswered) -> dict:
    """What results.json keeps of an assumption: what is assumed, whether it holds (None: it could not be asked), what
    was seen, what it means for the user though it holds, and the settings that follow from it."""
    if isinstance(result, Unanswered):
        return {"assumed": one.assumed, "holds": None, "seen": str(result), "settings": {}}
    return {
        "assumed": one.assumed, "holds": result.holds, "seen": result.seen, "means": result.means,
        "settings": result.settings,
    }  # fmt: skip


def new_folder(parent: Path) -> Path:
    """A folder of this moment's; the oldest beyond KEPT_CHECKS go."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S.%fZ}"
    folder.mkdir()
    for old in sorted(each for each in parent.iterdir() if each.is_dir())[:-KEPT_CHECKS]:
        shutil.rmtree(old)
    return folder


@contextmanager
def rate_limited(market_url: str | None, interval: float) -> Iterator[RateLimit]:
    """A request every `interval` seconds, and where there is a market database none without the shared limiter's word.

    A call that doesn't wait is counted by the limiter all the same, so that those after it wait for it.
    """
    last = -interval

    def rate_limit(meter: str, wait: bool) -> None:
        """Returns when a request may go out. meter: which of the exchange's limits counts it. wait: False for a request
        that is to go out at once, whatever the interval in seconds. Raises psycopg.Error when the limiter's database
        is lost."""
        nonlocal last
        if wait:
            time.sleep(max(0.0, last + interval - time.monotonic()))
        if limiters:
            limiters[wait]("history" if meter == "public" else meter)
        last = time.monotonic()

    limiters: dict = {}
    if not market_url:
        yield rate_limit
        return
    import psycopg

    from deribit_warehouse.warehouse.rate_limiter import RateLimiter, shares
    from deribit_warehouse.warehouse.sql import run

    with ExitStack() as opened:
        try:
            connection = opened.enter_context(psycopg.connect(market_url, autocommit=True, connect_timeout=5))
            run(connection, "limiter/check")
        except psycopg.Error as error:
            print(f"Note: the limiter does not count these requests: {str(error).strip().splitlines()[0]}", flush=True)
            yield rate_limit
            return
        rates, rush = shares(settings.requests_per_second(), settings.live_share())
        rates["instruments"] = settings.catalogue_rate()
        limiters |= {
            True: RateLimiter(connection, rates, rush),
            False: RateLimiter(connection, dict.fromkeys(rates, 10.0 * BURST_CALLS)),
        }
        yield rate_limit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
