"""Perpetual swaps, 1-minute candles of the days that are not closed yet: every minute after its end.

**Source.** `get_tradingview_chart_data`, as for `perpetuals_ohlcv`; which minutes are closed says the exchange's
clock (`get_time`), never their place in an answer.

**Grain.** One row an instrument and minute in `store.open_candle`, a version like any other. The views
`perpetuals_ohlcv` and `basis_spread`, and what is made of them, show a day from there until its closed day is
published; of one that is held back the live minutes stay.

**Schedule.** Every minute, without catchup: plan, load, publish, in a pool and with a share of the request rate of
their own. A run begins 30 s before its minute ends, and its load waits for that. It asks for the last hour, and for
the oldest minutes of the open days that nobody was answered for, as much as fits its minute and none while 10,000
minutes wait to be validated; at the first start that is the month so far. So an outage of minutes or days heals by
itself, the oldest first, while the newest minutes keep their beat. Of a day that was published closed
no more is asked for than lies in the last hour.

**Late data.** The last hour is asked again by every run. A minute that is told otherwise becomes a new version,
counted as a correction (view `corrections`, dataset `perpetuals_live`): the later answer counts. What the chart does
not have yet of the last five minutes stays open.

**Level.** A minute is checked against the index of the last summary, and against the dated futures where there is
none or it disagrees. The rules are those of `perpetuals_ohlcv`, for each minute; what needs a whole day is asked of
the closed one. What the funding chart says of the index in minutes without a summary is compared with the perpetual's,
and so validated with them, in the same transaction (dataset `index_live`), and again when one of these is corrected.

**When it fails.** The next minute is the retry: there is nothing to clear, and clearing or pausing does no harm,
however long ago the run was. A request is given seconds, and a contract that gets no answer keeps no other one from its
minute: while the exchange tells the time, all others are asked, and the run fails naming those. Where it doesn't tell
the time it is away, and nothing more is asked. A bad minute is held back by itself, named in the view `quarantined`,
and keeps no other one waiting; what is wrong with a day that its history has decided on is said of the closed day
alone. Two runs at once ask each instrument once.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import LIVE_POOL, PERPETUALS_LIVE


@dag(**pipeline.live_dag_args(PERPETUALS_LIVE), doc_md=__doc__, tags=["deribit", "ohlcv", "live"])
def perpetuals_live() -> None:
    batches = pipeline.plan_open.override(task_id="plan", pool=LIVE_POOL, **pipeline.LIVE_TASK)(PERPETUALS_LIVE)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.LIVE_TASK)
    loaded = load.partial(dataset=PERPETUALS_LIVE).expand(batch=batches)
    publish = pipeline.publish.override(pool=PERPETUALS_LIVE.validation_pool, **pipeline.LIVE_TASK)
    published = publish(PERPETUALS_LIVE, loaded)
    chain([loaded, published], pipeline.complete())


perpetuals_live()
