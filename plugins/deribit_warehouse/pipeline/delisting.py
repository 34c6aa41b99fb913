"""Finds ends of perpetuals that the catalogue does not tell, and takes back data that lies outside a lifetime."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.dataset import EXCHANGE_POOL, VALIDATION_POOL, milliseconds
from deribit_warehouse.datasets import DATASETS, INSTRUMENTS, LIVE

from .connections import exchange, market
from .interval import instant
from .isolation import PerInstrument
from .waiting import waits_for_exchange

if TYPE_CHECKING:
    from deribit_warehouse.alerts import QuarantinedKey
    from deribit_warehouse.exchange import Exchange

log = logging.getLogger(__name__)

SILENCE = timedelta(days=7)
"""A perpetual counts as delisted after this time without funding and without a trade, while others have funding; one
that has left the exchange's list, after this time out of it and without a trade."""


@task(pool=EXCHANGE_POOL, trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
@waits_for_exchange()
def find_delistings(starts: Any) -> dict[str, str]:
    """Finds perpetuals that are delisted although the catalogue leaves their lifetime open: {instrument: ISO end},
    including those that were found before.

    A delisted perpetual may stay in the exchange's list for ever, with a flat chart of volume 0. If it has had neither
    funding nor a trade for SILENCE while another perpetual has funding, its end is its last hour with either. If the
    exchange does not know a perpetual that it lists no more, or calls inactive, what is stored says when it was last
    funded and traded; where nothing is, its end is its listing.

    Funding alone keeps alive what is listed: a thin coin may not be traded for a week (the rule chart-alive tells of
    that). Of what has left the list it may go on for ever, so there the end is the last trade, or when it was last
    found in the list, if that is later.

    An end is reported once, and removed again when new data appears. One that was found before stays when the exchange
    does not know the perpetual any more. This takes one request for each perpetual, and one or two more for each that
    is silent, or has left the list, for longer than SILENCE.
    """
    from deribit_warehouse.exchange import InstrumentNotFound
    from deribit_warehouse.warehouse import lifetimes

    now = datetime.now(UTC)
    ends, news = {}, []
    per_instrument = PerInstrument()
    with exchange() as deribit, market() as connection:
        with connection.transaction():
            perpetuals = lifetimes.open_perpetuals(connection, settings.currencies())
        last: dict[int, datetime | None] = {}
        for perpetual in perpetuals:
            if per_instrument.exchange_unavailable:
                break
            with per_instrument.isolate(perpetual["instrument"]):
                begins = milliseconds(perpetual["listed_at"] - timedelta(days=1))
                try:
                    at = deribit.last_funding_hour(perpetual["instrument"], begins, milliseconds(now))
                except InstrumentNotFound as error:
                    if perpetual["ends_at"]:
                        log.warning("%s ended, and is not known any more: %s", perpetual["label"], error)
                        ends[perpetual["instrument"]] = perpetual["ends_at"].isoformat()
                        continue
                    if perpetual["is_listed"] and perpetual["is_active"]:
                        raise
                    log.warning("%s is listed no more, or as inactive, and is not known: %s", perpetual["label"], error)
                    last[perpetual["instrument_id"]] = perpetual["stored_hour"]
                else:
                    last[perpetual["instrument_id"]] = None if at is None else instant(at)
        newest = max((hour for hour in last.values() if hour), default=None)
        for perpetual in perpetuals:
            if newest is None or perpetual["instrument_id"] not in last or per_instrument.exchange_unavailable:
                continue
            instrument, label, instrument_id = perpetual["instrument"], perpetual["label"], perpetual["instrument_id"]
            with per_instrument.isolate(instrument):
                listed_until = perpetual["listed_until"]
                since = max(last[instrument_id] or perpetual["listed_at"], perpetual["listed_at"])
                if since < newest - SILENCE:
                    since = max(since, last_trade(deribit, perpetual, since, now) or since)
                elif not perpetual["is_listed"] and (listed_until is None or listed_until < newest - SILENCE):
                    traded = last_trade(deribit, perpetual, perpetual["listed_at"], now)
                    since = max((at for at in (traded, listed_until) if at), default=since)
                with connection.transaction():
                    if since >= newest - SILENCE:
                        if lifetimes.undo_delisting(connection, instrument_id):
                            news.append(found(label, perpetual["ends_at"], "delisting-undone", "rows came after it"))
                        continue
                    rule = "listed-though-delisted" if perpetual["is_listed"] else "delisted"
                    reason = f"nothing since, while others have funding to {utc(newest)}"
                    ends[instrument] = since.isoformat()
                    hour = last[instrument_id] and min(last[instrument_id], since)
                    if lifetimes.record_delisting(connection, instrument_id, since, hour, reason):
                        news.append(found(label, since, rule, f"nothing since {utc(since)}"))
        notify(news)
        per_instrument.finish(len(perpetuals), deribit.now)
    return ends


def last_trade(deribit: Exchange, perpetual: Mapping[str, Any], since: datetime, now: datetime) -> datetime | None:
    """When a perpetual was last traded in [since, now), UTC; None: never. perpetual: a row of
    lifetimes.open_perpetuals(). Of one that the exchange lists no more, or as inactive, what is stored counts, too: the
    exchange may not know it any more, or have no chart of it."""
    from deribit_warehouse.exchange import InstrumentNotFound

    try:
        at = deribit.last_trade(perpetual["instrument"], milliseconds(since), milliseconds(now))
    except InstrumentNotFound:
        if perpetual["is_listed"] and perpetual["is_active"]:
            raise
        at = None
    trades = [perpetual["stored_trade"], None if at is None else instant(at)]
    return max((trade for trade in trades if trade), default=None)


@task(pool=VALIDATION_POOL, trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
def clip_to_lifetimes(ended: Any) -> dict[str, dict[str, int]]:
    """Takes back what is stored outside the lifetimes as they are known now; returns how many versions of it were
    published: {dataset: {instrument: n}}.

    Data that was computed from these versions leaves the views with them, and is computed again from what is left.
    """
    from deribit_warehouse.warehouse import lifetimes, validations

    dag_run = get_current_context()["dag_run"]
    with market() as connection, connection.transaction():
        beyond = lifetimes.beyond(connection, (*DATASETS, *LIVE))
        if not beyond:
            return {}
        instants = [row["at"] for rows in beyond.values() for row in rows]
        validation_id = validations.record_validation(
            connection, dataset=INSTRUMENTS.name, dag_id=dag_run.dag_id, run_id=dag_run.run_id, suite="lifetimes",
            begins=min(instants), ends=max(instants) + timedelta(days=1), outcome="warned", rows=len(instants),
            expected=0, missing=0, blocked_because=[], result=None,
        )  # fmt: skip
        lifetimes.take_back(connection, validation_id, beyond, dag_run.run_id, (*DATASETS, *LIVE))
    taken_back = {
        dataset: dict(Counter(row["instrument"] for row in rows if row["is_published"]))
        for dataset, rows in beyond.items()
    }
    notify([
        found(instrument, None, "outside-its-lifetime", f"{n} published rows of {dataset}")
        for dataset, counts in taken_back.items() for instrument, n in counts.items()
    ])  # fmt: skip
    return taken_back


def found(instrument: str, at: datetime | None, rule: str, observed: str) -> QuarantinedKey:
    """Logs a warning about an instrument, and returns it as an alerts.QuarantinedKey for the run's message."""
    from deribit_warehouse.alerts import QuarantinedKey

    log.warning("%s: %s, %s", instrument, rule, observed)
    return QuarantinedKey(instrument, at and at.date(), rule, "warning", observed)


def notify(warnings: list) -> None:
    """Sends one message with all of these warnings. Called after the commit, so that each is reported exactly once."""
    from deribit_warehouse.alerts import RunReport, notify_news

    dag_run = get_current_context()["dag_run"]
    notify_news(RunReport(dag_id=dag_run.dag_id, run_id=dag_run.run_id, warnings=warnings))


def utc(at: datetime) -> str:
    """An instant (UTC) for people, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
