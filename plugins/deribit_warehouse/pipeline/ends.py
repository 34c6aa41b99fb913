"""Where a perpetual ends that the catalogue still lists, and what is stored beyond the end of a life."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import TriggerRule, get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.datasets import EXCHANGE_POOL

from .connections import exchange, market
from .history import milliseconds
from .isolation import OneByOne
from .waiting import patience

log = logging.getLogger(__name__)

SILENT = timedelta(days=7)
"""So long a perpetual is without funding and without a trade, while others have them, before it counts as ended."""


@task(pool=EXCHANGE_POOL, trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
@patience()
def find_ends(starts) -> dict[str, str]:
    """Finds the perpetuals that are listed and dead: {instrument: ISO end}, those told before included.

    A delisted perpetual may stay in the catalogue for ever, its chart going on flat with volume 0. Its end is the last
    hour with funding or a trade, when there has been neither for SILENT while another perpetual has funding. An end is
    told once, and undone when rows come. One request a perpetual, and one more for each that is silent.
    """
    from deribit_warehouse.warehouse import lives

    now = datetime.now(UTC)
    ends, told = {}, []
    one_by_one = OneByOne()
    with exchange() as deribit, market() as connection:
        with connection.transaction():
            perpetuals = lives.open_perpetuals(connection, settings.currencies())
        last: dict[int, datetime | None] = {}
        for perpetual in perpetuals:
            if one_by_one.exchange_is_away:
                break
            with one_by_one.of(perpetual["instrument"]):
                hour = deribit.last_funding_hour(
                    perpetual["instrument"], milliseconds(perpetual["listed_at"] - timedelta(days=1)), milliseconds(now)
                )
                last[perpetual["instrument_id"]] = moment(hour)
        newest = max((hour for hour in last.values() if hour), default=None)
        for perpetual in perpetuals:
            if newest is None or perpetual["instrument_id"] not in last or one_by_one.exchange_is_away:
                continue
            instrument, label, instrument_id = perpetual["instrument"], perpetual["label"], perpetual["instrument_id"]
            with one_by_one.of(instrument):
                since = max(last[instrument_id] or perpetual["listed_at"], perpetual["listed_at"])
                if since < newest - SILENT:
                    traded = moment(deribit.last_trade(instrument, milliseconds(since), milliseconds(now)))
                    since = max(since, traded or since)
                with connection.transaction():
                    if since >= newest - SILENT:
                        if lives.undo_end(connection, instrument_id):
                            told.append(found(label, perpetual["ends_at"], "alive-again", "rows came after it"))
                        continue
                    reason = f"no funding and no trade since, while others have funding to {said(newest)}"
                    ends[instrument] = since.isoformat()
                    if lives.record_end(connection, instrument_id, since, last[instrument_id], reason):
                        told.append(found(label, since, "listed-and-dead", f"nothing since {said(since)}"))
    tell(told)
    one_by_one.conclude(len(perpetuals))
    return ends


@task(trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
def clip_to_lives(ended) -> dict[str, dict[str, int]]:
    """Takes back what is stored outside the lives as they are known now: {days: {instrument: n}, hours: {...}}.

    What was computed from them is shown no more either. Nothing is due for it, so no asset rings.
    """
    from deribit_warehouse.warehouse import lives

    with market() as connection, connection.transaction():
        days, hours = lives.clip_to_lives(connection)
    tell([
        *(found(name, None, "outside-its-life", f"{n} published days") for name, n in days.items() if n),
        *(found(name, None, "outside-its-life", f"{n} published hours of funding") for name, n in hours.items()),
    ])  # fmt: skip
    return {"days": days, "hours": hours}


def found(instrument: str, at: datetime | None, rule: str, observed: str):
    """Something to be told of an instrument: an alerts.QuarantinedKey of a warning, which is also in the log."""
    from deribit_warehouse.alerts import QuarantinedKey

    log.warning("%s: %s, %s", instrument, rule, observed)
    return QuarantinedKey(instrument, at and at.date(), rule, "warning", observed)


def tell(news: list) -> None:
    """One message. Called after the commit, so that what is news once is told once."""
    from deribit_warehouse.alerts import RunReport, tell_quarantine

    dag_run = get_current_context()["dag_run"]
    tell_quarantine(RunReport(dag_id=dag_run.dag_id, run_id=dag_run.run_id, warnings=news))


def said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
