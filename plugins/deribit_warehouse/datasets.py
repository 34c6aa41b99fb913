"""What each dataset is: where it lies, which suite validates it, who makes room for it. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "deribit_"
"""Of DAGs, assets and pools: they live in somebody's Airflow, beside those of others. Suites and views have none."""

EXCHANGE_POOL = f"{PREFIX}exchange"
VALIDATION_POOL = f"{PREFIX}validation"


@dataclass(frozen=True)
class Table:
    """Where a dataset's versions lie: a row a key and version, in the schema store.

    key: its columns and their SQL types, without version_id. noted: columns and types of what a validation says of a
    version beside its state. named_in: the view that lists the versions something computed still names.
    """

    name: str
    key: Mapping[str, str] = field(hash=False)
    noted: Mapping[str, str] = field(hash=False, default_factory=dict)
    named_in: str = ""


@dataclass(frozen=True)
class Dataset:
    """One published dataset.

    name: its suite in expectations/, its view and the file of its DAG.
    keys: the columns of the gate's profile that name what can be quarantined.
    day: the column that says which day a key belongs to.
    perpetual: whether a candle dataset is of perpetuals or of dated futures.
    table: where its versions lie; None: it has none (the catalogue). sql: its folder in include/sql, of computed ones.
    """

    name: str
    keys: tuple[str, ...]
    day: str = "day"
    perpetual: bool | None = None
    table: Table | None = None
    sql: str = ""

    @property
    def computed(self) -> bool:
        """Whether it is computed from what is published."""
        return bool(self.sql)

    @property
    def dag_id(self) -> str:
        """The id of its DAG and the name of its asset."""
        return dag_id_of(self.name)

    @property
    def validation_pool(self) -> str:
        """The Airflow pool of a history dataset's publishing tasks, one slot."""
        return f"{VALIDATION_POOL}_{self.name}"

    @property
    def uri(self) -> str:
        """The Airflow asset that says the dataset was published."""
        return f"x-deribit://{self.name}"


def dag_id_of(dataset: str) -> str:
    """The id of the DAG that makes a dataset."""
    return f"{PREFIX}{dataset}"


CANDLE_DAY = Table(
    "candle_day", {"instrument_id": "integer", "day": "date"}, noted={"reference": "text"},
    named_in="computed_from_candle_day",
)  # fmt: skip
FUNDING_RATE = Table("funding_rate", {"instrument_id": "integer", "ts": "timestamptz"})
INDEX_DAY = Table("index_day", {"index_name": "text", "day": "date"})
BASIS_DAY = Table("basis_day", {"instrument_id": "integer", "day": "date"})

PERPETUALS_OHLCV = Dataset("perpetuals_ohlcv", keys=("instrument", "day"), perpetual=True, table=CANDLE_DAY)
FUTURES_OHLCV = Dataset("futures_ohlcv", keys=("instrument", "day"), perpetual=False, table=CANDLE_DAY)
FUNDING_RATES = Dataset("funding_rates", keys=("instrument", "ts"), day="ts", table=FUNDING_RATE)
INDEX_PRICES = Dataset("index_prices", keys=("index_name", "day"), table=INDEX_DAY, sql="index")
BASIS_SPREAD = Dataset("basis_spread", keys=("instrument", "day"), table=BASIS_DAY, sql="basis")
INSTRUMENTS = Dataset("instruments", keys=("instrument",), day="listed_at")
INDEX_MINUTES = Dataset("index_minutes", keys=("index_name", "day"))

DATASETS = (PERPETUALS_OHLCV, FUTURES_OHLCV, FUNDING_RATES, INDEX_PRICES, BASIS_SPREAD, INSTRUMENTS)
"""The datasets with a suite in expectations/."""

POOLS = {
    EXCHANGE_POOL: 6,
    VALIDATION_POOL: 2,
    **{dataset.validation_pool: 1 for dataset in (PERPETUALS_OHLCV, FUTURES_OHLCV, FUNDING_RATES)},
}
"""Airflow pools and their slots: tasks that ask the exchange, and tasks that read a month of minutes at
once. Together fewer than the executor runs at a time, so that neither keeps the plans waiting.

The gates of a history DAG have a pool of one slot: two that end together while their asset starts several DAGs deadlock
in Airflow's own database, and its API server fails one of them for good (it queues the DAGs in the order of a set). A
pool and not max_active_tis_per_dag, which switches off Airflow's detection of a run that can't go on any more."""
