"""Perpetual swaps, 1-minute candles, from the listing of each perpetual on (BTC 2018-08-14, ETH 2019-03-14).

**Source.** `get_tradingview_chart_data` of the live host, in windows of at most 5,000 minutes. Every minute that was
requested is either received or reported as missing.

**Grain.** One row an instrument and UTC day in the store, one row a minute in the view `perpetuals_ohlcv`. A minute
without a trade is a flat candle with volume 0, as the exchange sends it; a missing minute is a row of NULLs.

**Schedule.** A run for each year that is over and each month of this one, with catchup: plan, load (mapped over batches
of instruments and months), publish, a month in a transaction. A backfill of past months, of which those of one year are
one run, loads them again, writes what has changed and publishes it once the gate has passed it. A run by hand takes a
range of days (`from`, `to`). A run that an asset starts loads nothing: it validates what waited.

**Late data.** A corrected day becomes a new version, counted as a correction; the published version stays until the
new one has passed. A day with fewer minutes never replaces a fuller one.

**Level.** It is checked against the true hourly index in the funding history and, before that begins (BTC:
2019-04-30T10:00Z), against the dated futures and the delivery price of the day. A day stays pending, and is named in
the view `pending`, until the exchange has been asked for its funding (a run in which all days wait skips `publish`); it
is validated again when that is corrected, or a future or a delivery price comes that it lacked.

**When it fails.** While the exchange is unavailable, or rejects an instrument, the task waits, and what was loaded
stays. A failed batch, or instrument, does not affect the others: the gate names what is missing and publishes the rest,
and the run counts as failed; clear the batch. A blocked gate publishes nothing, leaves what was published, and says
why. See `docs/operations.md`.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import PERPETUALS_OHLCV


@dag(
    **pipeline.history_dag_args(PERPETUALS_OHLCV),
    max_active_runs=3,
    doc_md=__doc__,
    tags=["deribit", "ohlcv", "history"],
)
def perpetuals_ohlcv() -> None:
    batches = pipeline.plan(PERPETUALS_OHLCV)
    loaded = pipeline.load.override(priority_weight=10).partial(dataset=PERPETUALS_OHLCV).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=PERPETUALS_OHLCV.validation_pool,
        inlets=pipeline.inlets(PERPETUALS_OHLCV),
        outlets=[pipeline.asset(PERPETUALS_OHLCV), pipeline.READY],
    )
    published = publish(PERPETUALS_OHLCV, loaded)
    chain([loaded, published], pipeline.complete())


perpetuals_ohlcv()
