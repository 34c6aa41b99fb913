"""The tasks that load from the exchange: plan the windows of an interval, then load them batch by batch."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.alerts.messages import CATALOGUE, EXCHANGE
from deribit_warehouse.dataset import EXCHANGE_POOL, SETTLING, Dataset, Window

from .batches import batches, label
from .connections import base_url, exchange, market
from .dag_defaults import EARLY, set_label
from .interval import configuration, instant, interval_of, newest_minute
from .isolation import PerInstrument
from .read_catalogue import read_new_listings
from .waiting import finished_before_waiting, wait, waits_for_exchange

if TYPE_CHECKING:
    from psycopg import Connection

    from deribit_warehouse.exchange import Exchange

log = logging.getLogger(__name__)

BATCH_REQUESTS = 160
"""Requests a mapped task should be worth: at the exchange's pace that is well over the five seconds a task's
own overhead has to be small against. A year of all futures still makes a dozen batches, so that each of its loads that
run at once has some, and a year of the two inverse perpetuals one."""


@task
@waits_for_exchange()
def plan(dataset: Dataset) -> list[dict[str, Any]]:
    """Plans what there is to load of a dataset in the run's interval, in batches of about BATCH_REQUESTS requests.

    Returns a list of {label, windows: [Window.packed(), ...]}, in the order of the dataset's plan (candles: months in
    their order, expiries together), so that the label of a batch reads like a range. A dataset that needs lists of the
    catalogue waits until these have been read after the end of the interval, because otherwise instruments could be
    missed. A run without an interval has nothing to load.
    """
    from deribit_warehouse.warehouse import catalogue

    context = get_current_context()
    asked = interval_of(dataset, context)
    if asked is None:
        log.info("the run has no interval: it loads nothing and validates what waits for that")
        return []
    begins, ends = asked
    currencies = settings.currencies()
    with market() as connection:
        if dataset.catalogue:
            wait_for_catalogue(connection, dataset, currencies, ends)
        windows = catalogue.windows(connection, dataset, begins, ends, currencies=currencies)
    found = in_batches(windows)
    log.info("%s from %s to %s: %d windows in %d batches", dataset.name, begins, ends, len(windows), len(found))
    return found


@task(multiple_outputs=False)
def plan_open(
    dataset: Dataset, patience: timedelta = timedelta(0), *, new_listings: bool = False
) -> list[dict[str, Any]]:
    """What there is to ask of the open days of a live dataset, in batches as plan() makes them: of each instrument what
    the dataset overlaps, up to the last minute that is closed by the exchange's clock or will be in EARLY at most, and
    what is older and was not answered for, the oldest first; as much of it as the dataset may ask (asking), and of what
    is older a fifth of that, so that the newest minutes don't wait for it.

    An exchange that is away is waited for as long as patience says, by default not at all: raises AirflowFailException,
    and the next run begins where this one would have. new_listings: whether what the newest summaries name and the
    catalogue lacks is added to the catalogue before.
    """
    from deribit_warehouse.warehouse import catalogue

    context = get_current_context()
    configuration(context)
    with waits_for_exchange(patience), exchange(dataset.bucket) as deribit:
        now = instant(deribit.now())
        if new_listings:
            read_new_listings(deribit, context["dag_run"].run_id)
    ends = newest_minute(now)
    with market() as connection:
        windows = catalogue.windows(connection, dataset, ends - dataset.overlap, ends, currencies=settings.currencies())
    requests = (settings.live_rate() or settings.requests_per_second()) * dataset.asking.total_seconds()
    newest = [window for window in windows if not is_older(dataset, window, ends)]
    taken = within(newest, requests) + within(windows[len(newest) :], requests * OLDER)
    log.info("%s at %s: %d of %d windows", dataset.name, now, len(taken), len(windows))
    return in_batches(taken)


OLDER = 1 / 5
"""The share of what a live run may ask that is for hours which are older than its overlap."""


def is_older(dataset: Dataset, window: Window, ends: datetime) -> bool:
    """Whether a window of a live run up to an instant lies before what it asks for again each time."""
    return dataset.live and window.ends <= ends - dataset.overlap


def within(windows: list[Window], requests: float) -> list[Window]:
    """The first windows that so many requests load, one at least if there is one."""
    costs = accumulate(window.requests for window in windows)
    return windows[: max(1, sum(cost <= requests for cost in costs))]


def in_batches(windows: list[Window]) -> list[dict[str, Any]]:
    """Windows in their order, in batches of about BATCH_REQUESTS requests: {label, windows: [Window.packed(), ...]}. A
    label says the months of its windows where not all are of one."""
    several_months = len(months_of(windows)) > 1

    def name(batch: list[Window]) -> str:
        subjects = label(list(dict.fromkeys(window.subject for window in batch)))
        return f"{label(months_of(batch))}: {subjects}" if several_months else subjects

    return [
        {"label": name(batch), "windows": [window.packed() for window in batch]}
        for batch in batches(windows, lambda window: window.requests, BATCH_REQUESTS)
    ]


def months_of(windows: list[Window]) -> list[str]:
    """The months in which windows begin, in their order."""
    return sorted({f"{window.begins:%Y-%m}" for window in windows})


def wait_for_catalogue(connection: Connection, dataset: Dataset, currencies: list[str], until: datetime) -> None:
    """Has the task wait if a list of a currency's futures that the dataset needs was last read before an instant.

    One that the exchange refuses, or sends in a form that can't be read, is waited for only if there is no currency of
    which all were read. What is known of its currency is loaded with the others; the months of what is not are in the
    view `unloaded` once the list is read.
    """
    from deribit_warehouse.warehouse import catalogue

    found = catalogue.lists_read(connection, currencies, until, dataset.catalogue)
    refused = "; ".join(found.refused.values())
    if found.awaited:
        wait(
            CATALOGUE,
            f"the catalogue of {', '.join(found.awaited)} was not read since {until:%Y-%m-%d %H:%M} UTC; "
            "the DAG deribit_instruments does that",
        )
    if refused and not found.read:
        wait(CATALOGUE, f"the DAG deribit_instruments could not read the lists of {refused}")
    if refused:
        log.warning("planned without what is not known yet, because these lists could not be read: %s", refused)


def wait_for_end(deribit: Exchange, ends: datetime, meanwhile: Callable[[float], None] | None = None) -> None:
    """Returns once an instant is over, SETTLING included, by the exchange's clock. One that is further away than a run
    begins early is not waited for: the run was started by another clock, and a snapshot belongs to the beat at which it
    is taken. meanwhile: is called with the seconds that are left, if there are any."""
    left = ends + SETTLING - instant(deribit.now())
    if timedelta(0) < left <= EARLY + SETTLING:
        log.info("%s is over in %.1f s", ends, left.total_seconds())
        seconds = left.total_seconds()
        if meanwhile:
            began = time.monotonic()
            meanwhile(seconds)
            seconds -= time.monotonic() - began
        time.sleep(max(0.0, seconds))


ENOUGH = 2.0
"""Seconds before the end of a minute after which nothing older is asked for: a request may take that long."""


@task(pool=EXCHANGE_POOL, map_index_template="{{ label }}", multiple_outputs=False)
@waits_for_exchange()
def load(dataset: Dataset, batch: dict[str, Any]) -> dict[str, int]:
    """Loads a batch of a dataset's windows from the exchange into the store, each in transactions of its own.

    Returns what changed: instruments, requests, and the days (funding: hours) added, grown, corrected, kept and
    unchanged. An instrument that fails does not keep the others from being loaded; the task then fails, naming each.
    While the exchange is unavailable, or rejects an instrument that is listed, the task waits: what was loaded stays,
    and only the rest is requested again. A load that begins early waits for the end of what it asks for, and asks for
    older hours meanwhile. Of a live dataset no more is requested than it has time for (asking, and a fifth of it for
    older hours), however slowly the answers come: the rest is open still, and the next run plans it. Its instruments
    without an answer end it only where the exchange does not tell the time either.
    """
    from deribit_warehouse.exchange import ExchangeUnavailable
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

    load_window = dataset.load
    assert load_window, f"{dataset.name} does not come from the exchange"
    context = get_current_context()
    set_label(context, batch["label"])
    run_id = context["dag_run"].run_id
    host = base_url(settings.LIVE_HOST)
    windows = [Window.unpacked(fields) for fields in batch["windows"]]
    total, requests = Ingested(), 0
    per_instrument = PerInstrument(finished_before_waiting())
    with exchange(dataset.bucket) as deribit, market() as connection:
        clock = partial(deribit.now, prompt=True) if dataset.live else deribit.now

        def ask(places: list[int], seconds: float) -> list[int]:
            """Loads the windows at these places as long as there is time; returns the places that are left."""
            nonlocal total, requests
            until = time.monotonic() + seconds
            for number, place in enumerate(places):
                if place in per_instrument.finished:
                    continue
                # a live plan begins with the instruments that were answered for the least: if a few without an answer
                # ended the load, none of the others would be asked, minute after minute
                if per_instrument.exchange_unavailable and (
                    not dataset.live or per_instrument.exchange_clock_fails(clock)
                ):
                    return places[number:]
                if time.monotonic() >= until:
                    return places[number:]
                window = windows[place]
                with per_instrument.isolate(window.subject, place):
                    provenance = Provenance(dataset.versions_of, window.subject, host, run_id)
                    changed, asked = load_window(deribit, connection, window, provenance)
                    total += changed
                    requests += asked
            return []

        ends = max(window.ends for window in windows)
        older = [place for place, window in enumerate(windows) if is_older(dataset, window, ends)]
        newest = [place for place in range(len(windows)) if place not in older]

        def make_up(seconds: float) -> None:
            older[:] = ask(older, seconds - ENOUGH)

        if dataset.begins_early:
            try:
                wait_for_end(deribit, ends, make_up)
            except ExchangeUnavailable as error:
                wait(EXCHANGE, str(error), bound=dataset.longest_wait, finished=per_instrument.finished)
        asking = dataset.asking.total_seconds() if dataset.live else math.inf
        left = ask(newest, asking) + ask(older, asking * OLDER)
        if left and not per_instrument.exchange_unavailable:
            log.info("%d of %d windows are left to the next run", len(left), len(windows))
            windows = [window for place, window in enumerate(windows) if place not in left]
        if total.corrected:
            log.warning("the exchange corrected %d days (funding: hours) that it had sent before", total.corrected)
        instruments = len({window.subject for window in windows})
        per_instrument.finish(instruments, clock, bound=dataset.longest_wait, clock_alone_decides=dataset.live)
    return {"instruments": instruments, "requests": requests, **vars(total)}
