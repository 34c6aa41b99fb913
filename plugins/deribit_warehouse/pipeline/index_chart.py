"""The true index minute by minute, which the exchange tells for eight hours and never again."""

from __future__ import annotations

import logging
from datetime import timedelta

from airflow.sdk import get_current_context, task

from deribit_warehouse import settings
from deribit_warehouse.datasets import EXCHANGE_POOL, INDEX_PRICES

from .connections import base_url, exchange, market
from .interval import configuration
from .isolation import PerInstrument
from .waiting import waits_for_exchange

log = logging.getLogger(__name__)


SENSIBLE_WAIT = timedelta(hours=1)
"""How long the chart is asked for again. The next run, four hours after this one, is told the same eight hours."""


@task(pool=EXCHANGE_POOL, multiple_outputs=False)
@waits_for_exchange(bound=SENSIBLE_WAIT)
def collect_index_minutes() -> dict[str, int]:
    """Keeps the minutes of each index that its perpetual's funding chart still tells: {index_name: points}.

    An index that fails keeps the others from nothing; the task then asks for it again within SENSIBLE_WAIT, or fails.
    """
    from deribit_warehouse.warehouse.index import index_proxies, store_chart
    from deribit_warehouse.warehouse.ingestion import Provenance

    context = get_current_context()
    configuration(context)
    run_id = context["dag_run"].run_id
    collected = {}
    per_instrument = PerInstrument()
    with exchange("live") as deribit, market() as connection:
        with connection.transaction():
            proxies = index_proxies(connection, settings.currencies())
        for proxy in proxies:
            if per_instrument.exchange_unavailable:
                break
            with per_instrument.isolate(proxy["perpetual"]):
                chart = deribit.funding_chart(proxy["perpetual"])
                provenance = Provenance(INDEX_PRICES.name, proxy["index_name"], base_url(settings.LIVE_HOST), run_id)
                with connection.transaction():
                    stored = store_chart(connection, chart.timestamp, chart.index_price, provenance)
                log.info("%s: %d points, %s", proxy["index_name"], len(chart.timestamp), stored)
                collected[proxy["index_name"]] = len(chart.timestamp)
    per_instrument.finish(len(proxies), bound=SENSIBLE_WAIT)
    return collected
