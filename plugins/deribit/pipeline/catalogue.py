"""The catalogue of instruments: read from both hosts, never forgotten, checked."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import get_current_context, task

from deribit import settings
from deribit.datasets import EXCHANGE_POOL, GATE_POOL, INSTRUMENTS

from .connections import exchange, market
from .gate import conclude, record_judgement, tell_what_is_held_back
from .history import milliseconds
from .interval import configuration
from .isolation import OneByOne
from .waiting import patience

log = logging.getLogger(__name__)

KINDS = ("future", "option")


@task(pool=EXCHANGE_POOL, map_index_template="{{ label }}", multiple_outputs=False)
@patience()
def read_catalogue(currency: str, kind: str) -> dict[str, int]:
    """Reads every instrument of a currency and kind, listed and expired, from both hosts.

    Returns {instruments, added, changed}. None is an answer too: a currency may have nothing but spot, or no future
    any more. Waits while the exchange is away.
    """
    from deribit.warehouse import catalogue

    context = get_current_context()
    configuration(context)
    context["label"] = f"{currency} {kind}s"
    told = added = changed = 0
    with exchange() as deribit, market() as connection:
        for host, expired in (("history", True), ("live", True), ("live", False)):
            found = deribit.instruments(currency, kind, expired=expired, host=host)
            with connection.transaction():
                more, other = catalogue.store_instruments(connection, map(catalogue_row, found))
            told, added, changed = told + len(found), added + more, changed + other
        with connection.transaction():
            catalogue.record_reading(connection, currency, kind, told, context["dag_run"].run_id)
            catalogue.record_collected(connection, currency, settings.currencies(), settings.history_from())
    log.info("%s %ss: %d, of which %d are new and %d have changed", currency, kind, told, added, changed)
    return {"instruments": told, "added": added, "changed": changed}


@task(pool=EXCHANGE_POOL, multiple_outputs=False)
@patience()
def discover_funding_starts(read) -> dict[str, str]:
    """Finds the first hour of funding of each perpetual it was not found for yet: {instrument: ISO hour end}.

    A perpetual that fails keeps the others from nothing; the task then waits or fails as load does.
    """
    from deribit.warehouse import funding

    now = datetime.now(UTC)
    discovered = {}
    one_by_one = OneByOne()
    with exchange() as deribit, market() as connection:
        with connection.transaction():
            unknown = funding.perpetuals_without_start(connection, settings.currencies())
        for perpetual in unknown:
            if one_by_one.exchange_is_away:
                break
            with one_by_one.of(perpetual["instrument"]):
                # a day before the listing, in case the two disagree
                first = deribit.first_funding_hour(
                    perpetual["instrument"], milliseconds(perpetual["listed_at"] - timedelta(days=1)), milliseconds(now)
                )
                if first is None:
                    log.warning("%s has no funding yet", perpetual["instrument"])
                    continue
                hour = datetime.fromtimestamp(first / 1000, UTC)
                with connection.transaction():
                    funding.record_start(connection, perpetual["instrument_id"], hour)
                discovered[perpetual["instrument"]] = hour.isoformat()
    one_by_one.conclude(len(unknown))
    return discovered


@task(pool=GATE_POOL, multiple_outputs=False)
def check_catalogue(read) -> dict[str, Any]:
    """Judges the catalogue by its suite. Nothing is held back: an instrument that breaks a rule is named and told."""
    from deribit.warehouse import profiles

    context = get_current_context()
    now = datetime.now(UTC)
    with market() as connection, connection.transaction():
        profile = profiles.instrument_profile(connection)
        validation_id, decision = record_judgement(
            connection, INSTRUMENTS, profile, context, now, now, expected=len(profile), missing=0
        )
    came = conclude(INSTRUMENTS, validation_id, decision, rows=len(profile), published=0)
    if decision.quarantined:
        tell_what_is_held_back(context)
    return came


def catalogue_row(i) -> tuple:
    """An exchange.Instrument in the order of load/stage_instrument.sql."""
    from deribit.exchange.instruments import implied

    return (
        i.instrument_name, i.exchange_id, i.kind, i.base_currency, i.quote_currency, i.settlement_currency,
        i.settlement_period, i.instrument_type, i.price_index, i.tick_size, i.contract_size, instant(i.created),
        "infinity" if i.expires is None else instant(i.expires), i.strike, i.option_type, i.state,
        i.is_active, i.host, i.underlying_type, *implied(i),
    )  # fmt: skip


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
