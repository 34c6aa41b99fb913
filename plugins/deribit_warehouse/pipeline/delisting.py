"""Where a perpetual ends that the catalogue still lists, and what is stored beyond the end of a lifetime."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.dataset import EXCHANGE_POOL, VALIDATION_POOL
from deribit_warehouse.datasets import DATASETS, INSTRUMENTS

from .connections import exchange, market
from .interval import instant, midnight, milliseconds
from .isolation import PerInstrument
from .waiting import waits_for_exchange

if TYPE_CHECKING:
    from deribit_warehouse.alerts import QuarantinedKey

log = logging.getLogger(__name__)

SILENCE = timedelta(days=7)
"""So long a perpetual is without funding and without a trade, while others have them, before it counts as ended."""


@task(pool=EXCHANGE_POOL, trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
@waits_for_exchange()
def find_delistings(starts: Any) -> dict[str, str]:
    """Finds the perpetuals that are listed and dead: {instrument: ISO end}, those told before included.

    A delisted perpetual may stay in the catalogue for ever, its chart going on flat with volume 0. Its end is the last
    hour with funding or a trade, when there has been neither for SILENT while another perpetual has funding. An end is
    told once, and undone when rows come. One request a perpetual, and one more for each that is silent.
    """
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
                hour = deribit.last_funding_hour(
                    perpetual["instrument"], milliseconds(perpetual["listed_at"] - timedelta(days=1)), milliseconds(now)
                )
                last[perpetual["instrument_id"]] = None if hour is None else instant(hour)
        newest = max((hour for hour in last.values() if hour), default=None)
        for perpetual in perpetuals:
            if newest is None or perpetual["instrument_id"] not in last or per_instrument.exchange_unavailable:
                continue
            instrument, label, instrument_id = perpetual["instrument"], perpetual["label"], perpetual["instrument_id"]
            with per_instrument.isolate(instrument):
                since = max(last[instrument_id] or perpetual["listed_at"], perpetual["listed_at"])
                if since < newest - SILENCE:
                    traded = deribit.last_trade(instrument, milliseconds(since), milliseconds(now))
                    since = since if traded is None else max(since, instant(traded))
                with connection.transaction():
                    if since >= newest - SILENCE:
                        if lifetimes.undo_delisting(connection, instrument_id):
                            news.append(found(label, perpetual["ends_at"], "delisting-undone", "rows came after it"))
                        continue
                    reason = f"no funding and no trade since, while others have funding to {utc(newest)}"
                    ends[instrument] = since.isoformat()
                    if lifetimes.record_delisting(connection, instrument_id, since, last[instrument_id], reason):
                        news.append(found(label, since, "listed-though-delisted", f"nothing since {utc(since)}"))
    notify(news)
    per_instrument.finish(len(perpetuals))
    return ends


@task(pool=VALIDATION_POOL, trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
def clip_to_lifetimes(ended: Any) -> dict[str, dict[str, int]]:
    """Takes back what is stored outside the lifetimes as they are known now; returns what was published of it: {days:
    {instrument: n}, hours: {...}}.

    What was computed from them leaves the views with them, and is computed again from what is left.
    """
    from deribit_warehouse.warehouse import lifetimes, validations

    dag_run = get_current_context()["dag_run"]
    with market() as connection, connection.transaction():
        days, hours = lifetimes.beyond(connection, DATASETS)
        if not days and not hours:
            return {"days": {}, "hours": {}}
        moments = [midnight(d["day"]) for d in days] + [h["ts"] for h in hours]
        validation_id = validations.record_validation(
            connection, dataset=INSTRUMENTS.name, dag_id=dag_run.dag_id, run_id=dag_run.run_id, suite="lifetimes",
            begins=min(moments), ends=max(moments) + timedelta(days=1), outcome="warned", rows=len(moments), expected=0,
            missing=0, blocked_because=[], result=None,
        )  # fmt: skip
        lifetimes.take_back(connection, validation_id, days, hours, dag_run.run_id, DATASETS)
    taken_back = {
        "days": Counter(d["instrument"] for d in days if d["is_published"]),
        "hours": Counter(h["instrument"] for h in hours if h["is_published"]),
    }
    notify([
        *(found(name, None, "outside-its-lifetime", f"{n} published days") for name, n in taken_back["days"].items()),
        *(
            found(name, None, "outside-its-lifetime", f"{n} published hours of funding")
            for name, n in taken_back["hours"].items()
        ),
    ])  # fmt: skip
    return {what: dict(counts) for what, counts in taken_back.items()}


def found(instrument: str, at: datetime | None, rule: str, observed: str) -> QuarantinedKey:
    """Something to be told of an instrument: an alerts.QuarantinedKey of a warning, which is also in the log."""
    from deribit_warehouse.alerts import QuarantinedKey

    log.warning("%s: %s, %s", instrument, rule, observed)
    return QuarantinedKey(instrument, at and at.date(), rule, "warning", observed)


def notify(warnings: list) -> None:
    """One message. Called after the commit, so that what is news once is told once."""
    from deribit_warehouse.alerts import RunReport, notify_news

    dag_run = get_current_context()["dag_run"]
    notify_news(RunReport(dag_id=dag_run.dag_id, run_id=dag_run.run_id, warnings=warnings))


def utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
