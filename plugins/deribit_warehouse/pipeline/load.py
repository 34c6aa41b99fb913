"""The history tasks: plan what lived in the interval, load it batch by batch."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from math import ceil
from typing import Any

from airflow.sdk import get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.datasets import EXCHANGE_POOL, FUNDING_RATES, PERPETUALS_OHLCV, Dataset

from .connections import base_url, exchange, market
from .interval import interval
from .isolation import PerInstrument
from .waiting import CATALOGUE, finished_before_waiting, wait, waits_for_exchange

log = logging.getLogger(__name__)

BATCH_PAGES = 80
"""Requests a mapped task should be worth: at the exchange's pace that is well over the five seconds a task's
own overhead has to be small against. A busy month of all futures still makes three batches."""


@task
@waits_for_exchange()
def plan(dataset: Dataset) -> list[dict[str, Any]]:
    """The instruments that lived in the run's interval, in batches of about BATCH_PAGES requests.

    Returns a list of {label, windows: [[instrument_id, instrument, begins ms, ends ms], ...]}, expiries together,
    so that a batch reads like a range of contracts. Waits while the catalogue was last read before the interval ended,
    because a plan could miss instruments.
    """
    from deribit_warehouse.exchange import candles, funding
    from deribit_warehouse.warehouse import catalogue

    context = get_current_context()
    begins, ends = interval(context)
    currencies = settings.currencies()
    with market() as connection:
        read = catalogue.read_at(connection, currencies)
        behind = [currency for currency in currencies if currency not in read or read[currency] < ends]
        if behind:
            wait(
                CATALOGUE,
                f"the catalogue of {', '.join(behind)} was not read since {ends:%Y-%m-%d %H:%M} UTC; "
                "the DAG deribit_instruments does that",
            )
        if dataset == FUNDING_RATES:
            windows = catalogue.funding_windows(connection, currencies=currencies, begins=begins, ends=ends)
        else:
            windows = catalogue.candle_windows(
                connection, perpetual=dataset.perpetual, currencies=currencies, begins=begins, ends=ends
            )
    page = funding.PAGE if dataset == FUNDING_RATES else candles.PAGE
    batches, pages = [], BATCH_PAGES
    for window in windows:
        if pages >= BATCH_PAGES:
            batches.append([])
            pages = 0
        batches[-1].append(
            [window.instrument_id, window.instrument, milliseconds(window.begins), milliseconds(window.ends)]
        )
        pages += ceil((window.ends - window.begins).total_seconds() * 1000 / page)
    log.info("%s from %s to %s: %d instruments in %d batches", dataset.name, begins, ends, len(windows), len(batches))
    return [{"label": label([window[1] for window in batch]), "windows": batch} for batch in batches]


@task(pool=EXCHANGE_POOL, map_index_template="{{ label }}", multiple_outputs=False)
@waits_for_exchange()
def load(dataset: Dataset, batch: dict[str, Any]) -> dict[str, int]:
    """Brings a batch of instruments from the exchange into the store, one transaction an instrument.

    Returns what changed: instruments, requests, and the days (funding: hours) added, grown, corrected, kept and
    unchanged. An instrument that fails does not keep the others from being loaded; the task then fails naming each.
    While the exchange is away, or refuses an instrument that is listed, the task waits: what was loaded stays, and only
    the rest is asked for again. What the gate checks these instruments' levels against is brought along where it is not
    stored: no dataset has to wait for another one's run.
    """
    from deribit_warehouse.warehouse.ingestion import Ingested, Provenance

    context = get_current_context()
    context["label"] = batch["label"]
    run_id = context["dag_run"].run_id
    host = base_url(settings.LIVE_HOST)
    total, requests = Ingested(), 0
    per_instrument = PerInstrument(finished_before_waiting())
    with exchange() as deribit, market() as connection:
        for instrument_id, instrument, begins, ends in batch["windows"]:
            if instrument_id in per_instrument.finished:
                continue
            if per_instrument.exchange_unavailable:
                break
            provenance = Provenance(dataset.name, instrument, host, run_id)
            with per_instrument.isolate(instrument, instrument_id):
                load_window = load_funding if dataset == FUNDING_RATES else load_candles
                changed, asked = load_window(deribit, connection, instrument_id, instrument, begins, ends, provenance)
                total += changed
                requests += asked
        if not per_instrument.exchange_unavailable:
            load_references(dataset, batch, deribit, connection, Provenance("", "", host, run_id), per_instrument)
    if total.corrected:
        log.warning("the exchange corrected %d days (funding: hours) it had told before", total.corrected)
    per_instrument.finish(len(batch["windows"]))
    return {"instruments": len(batch["windows"]), "requests": requests, **vars(total)}


def load_candles(deribit, connection, instrument_id, instrument, begins: int, ends: int, provenance) -> tuple:
    """Stores the candles of [begins, ends), ms: (Loaded, requests)."""
    from deribit_warehouse.warehouse.candles import store_candles

    candles = deribit.candles(instrument, begins, ends)
    with connection.transaction():
        return store_candles(connection, instrument_id, candles, provenance), candles.requests


def load_funding(deribit, connection, instrument_id, instrument, begins: int, ends: int, provenance) -> tuple:
    """Stores the funding of the hours that end in (begins, ends], ms, and the exchange's own sum of it: (Loaded,
    requests)."""
    from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable
    from deribit_warehouse.warehouse.funding import record_checksum, store_funding

    funding = deribit.funding(instrument, begins, ends)
    if len(funding.out_of_window):
        log.warning("%s: %d hours came that were not asked for", instrument, len(funding.out_of_window))
    columns = [funding.interest_1h, funding.interest_8h, funding.index_price, funding.prev_index_price]
    with connection.transaction():
        loaded = store_funding(
            connection, instrument_id, funding.timestamp, columns, provenance, funding.duplicate, (begins, ends)
        )
    try:
        value = deribit.funding_value(instrument, begins, ends)
    except ExchangeUnavailable:
        raise
    except ExchangeError as error:
        # the hours stand without it: what it says is a warning
        log.warning("%s: the exchange's own sum of the funding could not be asked: %s", instrument, error)
    else:
        with connection.transaction():
            record_checksum(connection, instrument_id, begins, ends, value)
    return loaded, funding.requests + 1


def load_references(dataset: Dataset, batch: dict[str, Any], deribit, connection, provenance, per_instrument) -> None:
    """Brings what a batch's levels are checked against and the exchange was not asked for yet, as versions of the
    dataset it belongs to: they wait for their own gate. A load never waits for a reference, so none waits in a circle.
    """
    from deribit_warehouse.warehouse.references import references_to_fetch

    begins, ends = interval(get_current_context())
    with connection.transaction():
        wanted = references_to_fetch(
            connection, dataset.name, [window[0] for window in batch["windows"]], begins=begins, ends=ends
        )
    for one in wanted:
        if per_instrument.exchange_unavailable:
            break
        load_window, name = (
            (load_funding, FUNDING_RATES.name) if one.what == "funding" else (load_candles, PERPETUALS_OHLCV.name)
        )
        with per_instrument.isolate(f"{one.what} of {one.instrument}"):
            load_window(
                deribit, connection, one.instrument_id, one.instrument, milliseconds(one.begins),
                milliseconds(one.ends), replace(provenance, dataset=name, subject=one.instrument),
            )  # fmt: skip


def milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def label(instruments: list[str]) -> str:
    """How a batch reads in the grid: its only instrument, or its first and last."""
    if len(instruments) <= 2:
        return ", ".join(instruments)
    return f"{instruments[0]} … {instruments[-1]} ({len(instruments)})"
