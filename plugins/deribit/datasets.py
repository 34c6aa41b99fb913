"""What each dataset is: where it lies, which suite judges it, who makes room for it. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass

EXCHANGE_POOL = "exchange"
GATE_POOL = "gate"


@dataclass(frozen=True)
class Dataset:
    """One published dataset.

    name: id of its DAG, its suite in expectations/ and its view.
    keys: the columns of the gate's profile that name what can be quarantined.
    day: the column that says which day a key belongs to.
    perpetual: whether a candle dataset is of perpetuals or of dated futures.
    """

    name: str
    keys: tuple[str, ...]
    day: str = "day"
    perpetual: bool | None = None

    @property
    def gate_pool(self) -> str:
        """The Airflow pool of a history dataset's gates, one slot."""
        return f"gate_{self.name}"

    @property
    def uri(self) -> str:
        """The Airflow asset that says the dataset was published."""
        return f"deribit://{self.name}"


PERPETUALS = Dataset("perpetuals_ohlcv", keys=("instrument", "day"), perpetual=True)
FUTURES = Dataset("futures_ohlcv", keys=("instrument", "day"), perpetual=False)
FUNDING = Dataset("funding_rates", keys=("instrument", "ts"), day="ts")
INDEX = Dataset("index_prices", keys=("index_name", "day"))
BASIS = Dataset("basis_spread", keys=("instrument", "day"))
INSTRUMENTS = Dataset("instruments", keys=("instrument",), day="listed_at")
INDEX_CHART = Dataset("index_minutes", keys=("index_name", "day"))

JUDGED = (PERPETUALS, FUTURES, FUNDING, INDEX, BASIS, INSTRUMENTS)
"""The datasets with a suite in expectations/."""

POOLS = {EXCHANGE_POOL: 6, GATE_POOL: 2, **{dataset.gate_pool: 1 for dataset in (PERPETUALS, FUTURES, FUNDING)}}
"""Airflow pools and their slots: tasks that ask the exchange, and tasks that read a month of minutes at
once. Together fewer than the executor runs at a time, so that neither keeps the plans waiting.

The gates of a history DAG have a pool of one slot: two that end together while their asset starts several DAGs deadlock
in Airflow's own database, and its API server fails one of them for good (it queues the DAGs in the order of a set). A
pool and not max_active_tis_per_dag, which switches off Airflow's detection of a run that can't go on any more."""
