"""The tasks that read the catalogue of instruments from both hosts, find first funding hours, and check the result."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowException

from deribit_warehouse import settings
from deribit_warehouse.dataset import EXCHANGE_POOL, VALIDATION_POOL, milliseconds
from deribit_warehouse.datasets import INSTRUMENTS

from .connections import exchange, market
from .dag_defaults import set_label
from .interval import configuration, instant
from .isolation import PerInstrument
from .publish import blocked_error, notify_quarantine
from .validate_and_publish import record_validation, validate_profile
from .waiting import finished_before_waiting, waits_for_exchange

if TYPE_CHECKING:
    from deribit_warehouse.exchange import Exchange, Instrument
    from deribit_warehouse.exchange.instruments import Reading

log = logging.getLogger(__name__)

READINGS = [
    {"host": "history", "expired": True},
    {"host": "live", "expired": True},
    {"host": "live", "expired": False},
]
"""The lists that are read for each currency and kind. The live host drops an expired instrument after about a day, and
the history host, which has them all, may receive it later. The history host's list of open instruments is incomplete,
so it is not read. In SQL the same, of futures, is the view store.list_of_futures."""


@task(pool=EXCHANGE_POOL, map_index_template="{{ label }}", multiple_outputs=False)
@waits_for_exchange()
def read_catalogue(kind: str, currency: str, reading: dict[str, Any]) -> dict[str, int]:
    """Reads a currency's instruments of a kind, listed or expired, from one host (one of READINGS).

    Each list is a task of its own, so that a retry requests only what is still missing: a list may have 90 MB. Returns
    {instruments, added, changed, unreadable}. An empty list is a valid answer: a currency may have only spot
    instruments, or no futures any more. A row that can't be read is left out, and check_catalogue reports it. Waits
    while the exchange is unavailable. That it refused the list, or sent what can't be read, until the last attempt, is
    recorded: others then do without the list (load.wait_for_catalogue), and the next run asks for it again.
    """
    from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable
    from deribit_warehouse.warehouse import catalogue

    context = get_current_context()
    configuration(context)
    host, expired = reading["host"], reading["expired"]
    set_label(context, catalogue.list_name(currency, kind, host=host, expired=expired))
    try:
        with exchange() as deribit:
            answer = deribit.instruments(currency, kind, expired=expired, host=host)
    except ExchangeUnavailable:
        raise
    except ExchangeError as error:
        if context["ti"].try_number > context["ti"].max_tries:
            with market() as connection, connection.transaction():
                catalogue.record_refusal(connection, currency, kind, str(error), host=host, expired=expired)
                catalogue.record_collected(connection, currency, settings.currencies(), settings.history_from())
        raise
    return store_reading(answer, currency, kind, context["dag_run"].run_id, host=host, expired=expired)


MOST_LISTS = 2
"""How many lists a run reads in between: each may take the ten seconds of exchange.limits.LISTED, and it has fifty."""


def read_new_listings(deribit: Exchange, run_id: str) -> int:
    """Reads what the exchange lists of currencies whose newest summary names a future or perpetual that the catalogue
    lacks; returns how many instruments are new. If it does not answer, a later run asks again: nothing waits for it.
    A currency whose list it refuses keeps no other from being read."""
    from deribit_warehouse.exchange import ExchangeError, ExchangeUnavailable
    from deribit_warehouse.warehouse import catalogue

    with market() as connection:
        unlisted = catalogue.unlisted(connection, settings.currencies())
    added = 0
    for currency, names in unlisted[:MOST_LISTS]:
        log.info("the catalogue of %s is read, which lacks %s", currency, ", ".join(names[:10]))
        try:
            answer = deribit.listed(currency, "future")
        except ExchangeError as error:
            log.warning("the new listings of %s are left to a later run: %s", currency, error)
            if isinstance(error, ExchangeUnavailable):
                break
            continue
        added += store_reading(answer, currency, "future", run_id, host="live", expired=False)["added"]
    return added


def store_reading(
    answer: Reading, currency: str, kind: str, run_id: str, *, host: str, expired: bool
) -> dict[str, int]:  # fmt: skip
    """Merges a list of a currency's instruments of a kind that a host has sent: {instruments, added, changed,
    unreadable}."""
    from deribit_warehouse.warehouse import catalogue

    with market() as connection, connection.transaction():
        added, changed = catalogue.store_instruments(connection, map(catalogue_row, answer.instruments))
        catalogue.record_reading(
            connection, currency, kind, len(answer.instruments), run_id,
            host=host, expired=expired, unreadable=answer.unreadable,
        )  # fmt: skip
        if kind == "future" and not expired:
            catalogue.record_listed(connection, currency, answer.perpetuals)
        catalogue.record_collected(connection, currency, settings.currencies(), settings.history_from())
    label = catalogue.list_name(currency, kind, host=host, expired=expired)
    log.info("%s: %d, of which %d are new and %d have changed", label, len(answer.instruments), added, changed)
    for subject, cause in answer.unreadable:
        log.warning("a row of %s was left out: %s: %s", label, subject, cause)
    return {
        "instruments": len(answer.instruments),
        "added": added,
        "changed": changed,
        "unreadable": len(answer.unreadable),
    }


@task(pool=EXCHANGE_POOL, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS, multiple_outputs=False)
@waits_for_exchange()
def discover_funding_starts(futures: Any) -> dict[str, str]:
    """Finds the first hour of funding of each perpetual for which it is not known yet: {instrument: ISO hour end}.

    A perpetual that fails does not affect the others; the task then waits or fails as load does. One that has ended, or
    that the exchange lists no more, and that it does not know any more either, has none that could be asked for.
    """
    from deribit_warehouse.exchange import InstrumentNotFound
    from deribit_warehouse.warehouse import funding

    now = datetime.now(UTC)
    discovered = {}
    per_instrument = PerInstrument(finished_before_waiting())
    with exchange() as deribit, market() as connection:
        with connection.transaction():
            unknown = funding.perpetuals_without_start(connection, settings.currencies())
        for perpetual in unknown:
            if per_instrument.exchange_unavailable:
                break
            with per_instrument.isolate(perpetual["instrument"], perpetual["instrument_id"]):
                try:
                    first = deribit.first_funding_hour(
                        perpetual["instrument"], milliseconds(perpetual["not_before"]), milliseconds(now)
                    )
                except InstrumentNotFound as error:
                    if not perpetual["ended"]:
                        raise
                    log.warning("%s is over, and its funding can't be asked for: %s", perpetual["instrument"], error)
                    continue
                if first is None:
                    log.warning("%s has no funding yet", perpetual["instrument"])
                    continue
                hour = instant(first)
                with connection.transaction():
                    funding.record_start(connection, perpetual["instrument_id"], hour)
                discovered[perpetual["instrument"]] = hour.isoformat()
        per_instrument.finish(len(unknown), deribit.now)
    return discovered


@task(pool=VALIDATION_POOL, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS, multiple_outputs=False)
def check_catalogue(futures: Any, options: Any) -> dict[str, Any]:
    """Validates what is in the catalogue, even if some of its lists could not be read, and records what breaks a rule.

    Nothing is held back. New findings are reported in one message, and a finding stays open in the view
    quality_findings for as long as it lasts. Raises AirflowException when there is nothing in the catalogue at all.
    """
    from deribit_warehouse.warehouse import profiles, validations

    context = get_current_context()
    now = datetime.now(UTC)
    with market() as connection, connection.transaction():
        profile = profiles.profile(connection, INSTRUMENTS, now, now, currencies=settings.currencies())
        if profile.empty:
            currencies = ", ".join(settings.currencies())
            raise AirflowException(
                f"the exchange lists no future and no option of {currencies} at all: check DERIBIT_CURRENCIES, and "
                "that the connections point at the right hosts"
            )
        validation, decision = validate_profile(INSTRUMENTS, profile, context, now, now)
        validation_id = record_validation(connection, INSTRUMENTS, profile, context, now, now, validation, decision)
        validations.close_earlier_findings(connection, validation_id, INSTRUMENTS.name)
    if decision.blocked_because:
        raise blocked_error(INSTRUMENTS, decision.blocked_because)
    notify_quarantine(context)
    return {
        "validation_id": validation_id, "outcome": decision.outcome, "rows": len(profile),
        "notes": len(decision.warnings),
    }  # fmt: skip


def catalogue_row(i: Instrument) -> tuple:
    """An exchange.Instrument in the order of catalogue/stage.sql."""
    from deribit_warehouse.exchange.instruments import implied

    return (
        i.instrument_name, i.exchange_id, i.kind, i.base_currency, i.quote_currency, i.settlement_currency,
        i.settlement_period, i.instrument_type, i.price_index, i.tick_size, i.contract_size, instant(i.created),
        "infinity" if i.expires is None else instant(i.expires), i.strike, i.option_type, i.state,
        i.is_active, i.host, i.underlying_type, *implied(i),
    )  # fmt: skip
