"""What the rehearsals share: what is asked for, the months, what is collected, and what may be held back.

REHEARSE says what is rehearsed, with commas between: months of the past, `stack` for the newest three through the real
stack, `demo` for what its user does with a demo, `soak` for five minutes of the soak, `slow` for the tests that are
marked so here; or `all`, which is what CI has time for. By name alone: months, `history` for all of it through the real
stack, and `long` for the tests that are marked so. Without it only the rules are rehearsed, on their wildest days
(test_rules_rehearsed.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from exchange_simulator.process import Running, running

from .stacks import StackApart, stack_apart

WILD = ("2018-08", "2019-04", "2019-10", "2020-03", "2020-08", "2021-05")  # months in which something happened
STACK = "stack"
DEMO = "demo"
HISTORY = "history"
SOAK = "soak"
SLOW = "slow"
LONG = "long"
ALL = (STACK, SOAK, DEMO, SLOW)
"""What CI has time for. Of the wild months it runs the wildest days by the rules (test_rules_rehearsed.py)."""
_asked = os.environ.get("REHEARSE", "")
ASKED = ALL if _asked == "all" else tuple(filter(None, _asked.split(",")))
NEWEST = 1 if _asked == "all" else 3
"""How many of the newest months the real stack loads: of `all` one."""
MONTHS = tuple(each for each in ASKED if each not in (STACK, DEMO, HISTORY, SOAK, SLOW, LONG))
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")
MAY_BE_HELD_BACK = {
    "TSLAX_USDC-PERPETUAL": "an equity with trading hours: what is not known yet is held back by name",
}
"""True rows that may be held back, and why. None is invented to make a test pass."""


def marked(word: str, *, seconds: int, asked: bool | None = None) -> list[pytest.MarkDecorator]:
    """Marks what `make rehearsal` runs, and `make test` does not: by this word of REHEARSE, in as many seconds at most.

    asked: whether it is, where the word alone does not say so.
    """
    if asked is None:
        asked = word in ASKED
    return [
        pytest.mark.rehearsal,
        pytest.mark.skipif(not asked, reason=f"make rehearsal REHEARSE={word} runs it"),
        pytest.mark.timeout(seconds),
    ]


def slow(test):
    """A test of half a minute and more, for which `make test` has no time."""
    return _with(test, marked(SLOW, seconds=600))


def long(test):
    """A test that takes longer than CI has time for: it runs where it is asked for."""
    return _with(test, marked(LONG, seconds=1200))


def _with(test, marks: list[pytest.MarkDecorator]):
    for mark in marks:
        test = mark(test)
    return test


# The two copies of get_instruments' limit, as `make check` then finds it. The slower takes minutes.
QUICK_CATALOGUE = ("catalogue_seconds=1", "catalogue_burst=50")
SLOW_CATALOGUE = ("catalogue_seconds=10", "catalogue_burst=5")
# How near its limit the load comes is for bench.history to say; the rehearsal is done sooner where the exchange allows
# more than the real one.
PACE = 60, 50  # requests a second that the exchange allows, and that are asked for


@contextmanager
def real_stack(traits: Iterable[str], currencies: Iterable[str]) -> Iterator[tuple[Running, StackApart]]:
    """An exchange that is shaped like the real one, with these traits, and a stack to be started against it."""
    allowed, asked = map(str, PACE)
    words = [word for trait in traits for word in ("--trait", trait)]
    with (
        running("--real", *words, "--requests-per-second", allowed) as exchange,
        stack_apart(
            "live", DERIBIT_URL=exchange.live_url, DERIBIT_HISTORY_URL=exchange.history_url,
            DERIBIT_CURRENCIES=",".join(currencies), DERIBIT_REQUESTS_PER_SECOND=asked,
        ) as stack,
    ):  # fmt: skip
        yield exchange, stack


def months_ago(number: int) -> date:
    """The first day of a month: 0 is this one."""
    today = datetime.now(UTC).date()
    months = today.year * 12 + today.month - 1 - number
    return date(months // 12, months % 12 + 1, 1)


def ms(instant: str | date) -> int:
    """Of a date or a time in UTC."""
    return round(datetime.fromisoformat(str(instant)).replace(tzinfo=UTC).timestamp() * 1000)


def bounds(month: str) -> tuple[date, date]:
    """A month (YYYY-MM), [first, past)."""
    begins = date.fromisoformat(f"{month}-01")
    return begins, (begins + timedelta(days=31)).replace(day=1)


def held_back(rows: Callable[..., list[tuple]]) -> list[tuple]:
    """The true rows that are held back though they may not be: (dataset, rule, instrument, first day, how many). Of an
    exchange that says nothing but the truth. rows: runs a statement with its values as a reader."""
    return rows(
        "SELECT dataset, rule, instrument, min(day), count(*) FROM quarantined WHERE severity = 'critical' "
        "AND instrument <> ALL(%s) GROUP BY dataset, rule, instrument ORDER BY 1, 2, 3", list(MAY_BE_HELD_BACK),
    )  # fmt: skip
