"""Dated futures, 1-minute candles: every contract that was listed in the interval, expired ones included.

**Source.** `get_tradingview_chart_data` of the live host, which answers for expired contracts too. The catalogue says
which contracts there were. Windows are clipped at listing and expiry, because the exchange goes on sending flat candles
after an expiry.

**Grain.** One row an instrument and UTC day in the store, one row a minute in the view `futures_ohlcv`. About half of
the minutes have no trade: flat candles with volume 0 and `traded` false, whose price is the last trade's and may be
stale.

**Schedule.** As for perpetuals: a run for each year that is over and each month of this one, with catchup; so are
backfills and runs by hand.

**Late data.** As for perpetuals: a new version, published once it has passed.

**Level.** It is checked against the perpetual, minute by minute; where the perpetual itself is wrong, against the true
index, hour by hour, or, before there is one, against the delivery price of the day. A day stays pending, and is named
in the view `pending`, until the exchange has been asked for its perpetual (a run in which all days wait skips
`publish`); it is validated again when that is corrected. A run that an asset starts does this, and loads nothing.

**When it fails.** As for perpetuals. Days far from the perpetual's price, with broken bounds, holes, spikes or
doubled minutes are held back one by one and listed in the view `quarantined`.
"""

from airflow.sdk import chain, dag

from deribit_warehouse import pipeline
from deribit_warehouse.datasets import FUTURES_OHLCV


@dag(
    **pipeline.history_dag_args(FUTURES_OHLCV), max_active_runs=3, doc_md=__doc__, tags=["deribit", "ohlcv", "history"]
)
def futures_ohlcv() -> None:
    batches = pipeline.plan(FUTURES_OHLCV)
    loaded = pipeline.load.partial(dataset=FUTURES_OHLCV).expand(batch=batches)
    publish = pipeline.publish.override(
        pool=FUTURES_OHLCV.validation_pool,
        inlets=pipeline.inlets(FUTURES_OHLCV),
        outlets=[pipeline.asset(FUTURES_OHLCV), pipeline.READY],
    )
    published = publish(FUTURES_OHLCV, loaded)
    chain([loaded, published], pipeline.complete())


futures_ohlcv()
