"""Funding of the perpetuals of the days that are not closed yet: every hour after its end.

**Source.** `get_funding_rate_history`, as for `funding_rates`. The exchange's clock (`get_time`) decides which hours
are over.

**Grain.** The rows of `funding_rates`: an hour is stored once, whichever of the two DAGs brought it. So the view
`funding_rates`, `funding()` and `funding_between()` reach to the last full hour.

**Schedule.** Two minutes after every hour, without catchup: plan, load, publish, in a pool and with a share of the
request rate of their own. A run asks for the last 24 hours, and from the oldest hour of the month on that nobody was
answered for: one request a perpetual. So an outage heals by itself, and at the first start the month so far comes.

**Late data.** The last 24 hours are asked again by every run. An hour that is told otherwise, then or when its day,
month or year is loaded, becomes a new version (view `corrections`, dataset `funding_rates`); one that is told the same
writes nothing. What the exchange does not have yet of the last two hours stays open. Of two answers the later one
counts: while the history asks for hours of the same month, a run leaves that perpetual to the next one.

**Level.** The index of an hour is checked against the minute of the perpetual at its end, as live has it, and against
the dated futures where the two disagree. An hour whose minute nobody was asked for yet stays pending, and is validated
by the next run. The rules are those of `funding_rates`, for each hour; what needs a whole month, the exchange's own sum
included, is asked of what is closed. Once the candles of its day are stored whole, an hour is validated again with
those, by `deribit_funding_rates`, and live leaves it alone.

**When it fails.** The plan waits up to 40 minutes for the exchange; else the next hour's run begins where this one
would have: there is nothing to clear, and clearing or pausing does no harm. A bad hour is held back by itself, named in
the view `quarantined` (dataset `funding_live`), until its day is closed.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUNDING_LIVE, LIVE_POOL


@dag(**pipeline.hourly_dag_args(FUNDING_LIVE), doc_md=__doc__, tags=["deribit", "funding", "live"])
def funding_live() -> None:
    plan = pipeline.plan_open.override(task_id="plan", pool=LIVE_POOL, **pipeline.HOURLY_TASK)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.HOURLY_TASK)
    batches = plan(FUNDING_LIVE, patience=pipeline.HOURLY_PATIENCE)
    loaded = load.partial(dataset=FUNDING_LIVE).expand(batch=batches)
    publish = pipeline.publish.override(pool=FUNDING_LIVE.validation_pool, **pipeline.HOURLY_TASK)
    published = publish(FUNDING_LIVE, loaded)
    chain([loaded, published], pipeline.complete())


funding_live()
