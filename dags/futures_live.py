"""Dated futures, 1-minute candles of the days that are not closed yet: every minute after its end.

**Source.** As for `perpetuals_live`. Windows are clipped at listing and expiry, so a contract's last minute is asked
for in the minute after it, and an hour long.

**Grain.** As for `perpetuals_live`, in the view `futures_ohlcv`. The basis of a minute is in `basis_spread` as soon
as both legs of it are published and it has passed the suite `basis_spread`, which `publish` asks in the same
transaction (dataset `basis_live`; where the perpetual's minute comes later, `perpetuals_live` does). A minute that does
not pass is held back by itself and named, and one that the perpetual lacks is named, too.

**Schedule.** Every minute, without catchup, as for `perpetuals_live`. A contract that the newest summary names
(`deribit_instrument_summaries`) and the catalogue lacks is looked for before the run plans, by reading what is listed
of its currency, once in two minutes at most: so it is asked for by the first run after its first summary.

**Late data.** As for `perpetuals_live` (dataset `futures_live`).

**Level.** A minute is checked against the perpetual's, of the same minute or the last one in the hour before. Where
there is none it stays pending, and is validated once there is. The rules are those of `futures_ohlcv`, for each
minute.

**When it fails.** As for `perpetuals_live`: the next minute is the retry.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUTURES_LIVE, LIVE_POOL


@dag(**pipeline.live_dag_args(FUTURES_LIVE), doc_md=__doc__, tags=["deribit", "ohlcv", "live"])
def futures_live() -> None:
    plan = pipeline.plan_open.override(task_id="plan", pool=LIVE_POOL, **pipeline.LIVE_TASK)
    batches = plan(FUTURES_LIVE, new_listings=True)
    load = pipeline.load.override(pool=LIVE_POOL, **pipeline.LIVE_TASK)
    loaded = load.partial(dataset=FUTURES_LIVE).expand(batch=batches)
    publish = pipeline.publish.override(pool=FUTURES_LIVE.validation_pool, **pipeline.LIVE_TASK)
    published = publish(FUTURES_LIVE, loaded)
    chain([loaded, published], pipeline.complete())


futures_live()
