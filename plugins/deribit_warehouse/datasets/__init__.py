"""The datasets, a module each, and the pools their tasks run in."""

from deribit_warehouse.dataset import EXCHANGE_POOL, LIVE_POOL, VALIDATION_POOL, Dataset

from .basis_spread import BASIS_LIVE, BASIS_SPREAD
from .delivery_prices import DELIVERY_PRICES
from .funding_rates import FUNDING_LIVE, FUNDING_RATES
from .futures_ohlcv import FUTURES_LIVE, FUTURES_OHLCV
from .index_minutes import INDEX_MINUTES
from .index_prices import INDEX_LIVE, INDEX_PRICES
from .instrument_summaries import INSTRUMENT_SUMMARIES
from .instruments import INSTRUMENTS
from .options_chain import OPTIONS_CHAIN
from .perpetuals_ohlcv import PERPETUALS_LIVE, PERPETUALS_OHLCV
from .roll_calendar import ROLL_CALENDAR
from .settlements import SETTLEMENTS
from .volatility_index import VOLATILITY_INDEX

DATASETS = (
    PERPETUALS_OHLCV, FUTURES_OHLCV, FUNDING_RATES, VOLATILITY_INDEX, DELIVERY_PRICES, SETTLEMENTS, INDEX_MINUTES,
    INSTRUMENT_SUMMARIES, INDEX_PRICES, BASIS_SPREAD, ROLL_CALENDAR, OPTIONS_CHAIN, INSTRUMENTS,
)  # fmt: skip
"""All datasets, in the order in which they are shown. The inputs of a computed dataset come before it."""

LIVE = (PERPETUALS_LIVE, FUTURES_LIVE, FUNDING_LIVE, BASIS_LIVE, INDEX_LIVE)
"""What is collected as it comes, of days that are not closed yet. It is published beside the closed days, in their
views, and counts for nothing that is said of months: coverage, condition, completion."""

POOLS = {
    EXCHANGE_POOL: 6,
    VALIDATION_POOL: 1,
    LIVE_POOL: 5,
    **{dataset.validation_pool: 1 for dataset in (*DATASETS, *LIVE) if dataset.table},
}
"""Airflow pools and their slots: one for tasks that send requests to the exchange, one for validating tasks that belong
to no dataset, which read a month of minutes at once, and one for the loads of snapshots and of live minutes, which
loads of the history must not delay. Together they have fewer slots than the executor, so that there is always one for
the plans.

The publishing tasks of each dataset have a pool of one slot: if two of them end at the same time while their asset
starts several DAGs, they deadlock in Airflow's own database, and its API server fails one of them for good (it queues
the DAGs in the order of a set). This is a pool and not max_active_tis_per_dag, because that switches off Airflow's
detection of a run that can't go on."""


def by_name(name: str) -> Dataset:
    """The dataset of a name. Raises KeyError."""
    return {dataset.name: dataset for dataset in (*DATASETS, *LIVE)}[name]


__all__ = [
    "BASIS_LIVE",
    "BASIS_SPREAD",
    "DATASETS",
    "DELIVERY_PRICES",
    "FUNDING_LIVE",
    "FUNDING_RATES",
    "FUTURES_LIVE",
    "FUTURES_OHLCV",
    "INDEX_LIVE",
    "INDEX_MINUTES",
    "INDEX_PRICES",
    "INSTRUMENTS",
    "INSTRUMENT_SUMMARIES",
    "LIVE",
    "LIVE_POOL",
    "OPTIONS_CHAIN",
    "PERPETUALS_LIVE",
    "PERPETUALS_OHLCV",
    "POOLS",
    "ROLL_CALENDAR",
    "SETTLEMENTS",
    "VOLATILITY_INDEX",
    "by_name",
]
