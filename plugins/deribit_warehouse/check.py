"""`python -m deribit_warehouse.check`: asks the exchange whether what this package takes for granted about it is so.

    python -m deribit_warehouse.check --live URL --history URL --folder DIR [--brief]

Prints each assumption, whether it holds and what was seen, keeps every answer as it came in a new folder below DIR, and
exits with 0 when all hold, 1 when one does not, 2 when none is known to be broken but some could not be asked.
--brief prints only what does not hold. Needs no database; with one (DERIBIT_CHECK_MARKET_URL, a connection string) the
requests are counted by the limiter that all processes share. It joins the exchange and the limiter, as the pipeline
does, but without Airflow, which need not run yet.
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
from deribit_warehouse.exchange.assumptions import ASSUMPTIONS, IN_A_ROW, Assumption, Denied, Unanswered, Verdict
from deribit_warehouse.exchange.inquiry import Inquiry, Pace

KEPT_CHECKS = 5  # newest folders; a check is some two megabytes
APART = 1.0  # seconds from one request to the next


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deribit_warehouse.check", description=__doc__.partition("\n")[0])
    parser.add_argument("--live", required=True, metavar="URL", help="base URL of the live host")
    parser.add_argument("--history", required=True, metavar="URL", help="base URL of the history host")
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR", help="where the answers are kept")
    parser.add_argument("--brief", action="store_true", help="print only what does not hold")
    parser.add_argument("--apart", type=float, default=APART, metavar="SECONDS", help="from one request to the next")
    asked = parser.parse_args(arguments)
    os.umask(0o077)
    folder = new_folder(asked.folder)
    print(f"Asking {asked.live} and {asked.history} whether {len(ASSUMPTIONS)} assumptions hold", flush=True)
    with paced(os.environ.get("DERIBIT_CHECK_MARKET_URL"), asked.apart) as pace:
        with Inquiry(asked.live, asked.history, folder, pace) as ask:
            verdicts = inquire(ask, None if asked.brief else lambda one, verdict: print(*lines(one, verdict), sep="\n"))
    kept = {one.name: record(one, verdict) for one, verdict in verdicts.items()}
    (folder / "verdicts.json").write_text(json.dumps(kept, indent=1) + "\n")
    broken = {one: verdict for one, verdict in verdicts.items() if isinstance(verdict, Verdict) and not verdict.holds}
    unknown = [one for one, verdict in verdicts.items() if not isinstance(verdict, Verdict)]
    if asked.brief:
        for one, verdict in broken.items():
            print(*lines(one, verdict), sep="\n")
    print(f"{len(ASSUMPTIONS) - len(broken) - len(unknown)} of {len(ASSUMPTIONS)} hold, {len(broken)} do not, "
          f"{len(unknown)} could not be asked; {ask.refused} requests were refused as too many.")  # fmt: skip
    if unknown:
        print(f"  could not be asked, for instance: {verdicts[unknown[0]]}")
    print(f"Every answer is in {folder}. Where one does not hold, that folder says what is so: send it in.", flush=True)
    return 1 if broken else 2 if unknown else 0


def inquire(
    ask: Inquiry, told: Callable[[Assumption, Verdict | Unanswered], None] | None = None
) -> dict[Assumption, Verdict | Unanswered]:
    """Asks all of them, one after the other. Once it is clear that nobody answers, the rest is not asked."""
    verdicts: dict[Assumption, Verdict | Unanswered] = {}
    for one in ASSUMPTIONS:
        try:
            verdicts[one] = one.question(ask)
        except Unanswered as error:
            verdicts[one] = error
            if not ask.answered:
                return verdicts | {rest: error for rest in ASSUMPTIONS if rest not in verdicts}
        except Denied as error:
            verdicts[one] = Verdict(False, str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # an answer of a form that no question foresaw is not what was assumed either
            verdicts[one] = Verdict(False, f"the answer can't be read: {str(error)[:160]} ({type(error).__name__})")
        if told:
            told(one, verdicts[one])
    return verdicts


def lines(one: Assumption, verdict: Verdict | Unanswered) -> list[str]:
    """An assumption for people: a line where it holds, and what is assumed and what it means where it does not."""
    if isinstance(verdict, Unanswered):
        return [f"  not known  {one.name:16} {verdict}"]
    if verdict.holds:
        return [f"  holds      {one.name:16} {verdict.seen}"]
    return [
        f"  BROKEN     {one.name:16} {verdict.seen}",
        f"             assumed: {one.assumed} ({one.relied_on})",
        f"             it means: {one.broken}",
    ]


def record(one: Assumption, verdict: Verdict | Unanswered) -> dict:
    known = isinstance(verdict, Verdict)
    return {
        "assumed": one.assumed,
        "holds": verdict.holds if known else None,
        "seen": verdict.seen if known else str(verdict),
        "settings": verdict.settings if known else {},
    }


def new_folder(parent: Path) -> Path:
    """A folder of this moment's; the oldest beyond KEPT_CHECKS go."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S.%fZ}"
    folder.mkdir()
    for old in sorted(each for each in parent.iterdir() if each.is_dir())[:-KEPT_CHECKS]:
        shutil.rmtree(old)
    return folder


@contextmanager
def paced(market_url: str | None, apart: float) -> Iterator[Pace]:
    """A request every `apart` seconds, and where there is a market database none without the shared limiter's word.

    A call that doesn't wait is counted by the limiter all the same, so that those after it wait for it.
    """
    last = -apart

    def pace(meter: str, wait: bool) -> None:
        nonlocal last
        if wait:
            time.sleep(max(0.0, last + apart - time.monotonic()))
        if pacers:
            pacers[wait]("history" if meter == "public" else meter)
        last = time.monotonic()

    pacers: dict = {}
    if not market_url:
        yield pace
        return
    import psycopg

    from deribit_warehouse.warehouse.pace import Pacer
    from deribit_warehouse.warehouse.sql import run

    with ExitStack() as opened:
        try:
            connection = opened.enter_context(psycopg.connect(market_url, autocommit=True, connect_timeout=5))
            run(connection, "load/check_rate_limit")
        except psycopg.Error as error:
            print(f"Note: the limiter does not count these requests: {str(error).strip().splitlines()[0]}", flush=True)
            yield pace
            return
        rates = {"history": settings.history_rate(), "instruments": settings.catalogue_rate()}
        pacers |= {True: Pacer(connection, rates), False: Pacer(connection, dict.fromkeys(rates, 10.0 * IN_A_ROW))}
        yield pace


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
