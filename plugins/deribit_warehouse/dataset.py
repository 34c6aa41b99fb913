"""What a dataset is: plain types that say it, for the pipeline to work on without asking which one it has.

The standard library only: DAG files are parsed before every task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

    from .exchange import Exchange
    from .warehouse.ingestion import Ingested, Provenance

PREFIX = "deribit_"
"""Of DAGs, assets and pools: they live in somebody's Airflow, beside those of others. Suites and views have none."""

EXCHANGE_POOL = f"{PREFIX}exchange"
VALIDATION_POOL = f"{PREFIX}validation"
LIVE_POOL = f"{PREFIX}live"


@dataclass(frozen=True)
class Table:
    """Where a dataset's versions lie: a row a key and version, in the schema store.

    key: its columns and their SQL types, without version_id. values: those of what is told, of a table that is stored
    by rows (warehouse.rows). noted: columns and types of what a validation says of a version beside its state.
    named_in: the view that lists the versions something computed still names.
    """

    name: str
    key: Mapping[str, str] = field(hash=False)
    values: Mapping[str, str] = field(hash=False, default_factory=dict)
    noted: Mapping[str, str] = field(hash=False, default_factory=dict)
    named_in: str = ""


@dataclass(frozen=True)
class Window:
    """What plan.sql answers: one subject's part of an interval, [begins, ends), UTC.

    subject: what provenance calls it. instrument: what the exchange is asked for, and instrument_id, its id here.
    requests: how many load it; batches are made of about 80. Without
    instruments (an index, a currency) the subject is all there is.
    """

    subject: str
    instrument: str
    instrument_id: int | None
    begins: datetime
    ends: datetime
    requests: int

    @classmethod
    def unpacked(cls, fields: list) -> Window:
        """A window from what packed() made of one."""
        subject, instrument, instrument_id, *ms, requests = fields
        begins, ends = (datetime.fromtimestamp(each / 1000, UTC) for each in ms)
        return cls(subject, instrument, instrument_id, begins, ends, requests)

    def packed(self) -> list:
        """Its fields in their order as JSON takes them: times in milliseconds."""
        return [self.subject, self.instrument, self.instrument_id, self.begins_ms, self.ends_ms, self.requests]

    @property
    def listed_id(self) -> int:
        """instrument_id of a window of an instrument. Raises ValueError for one without."""
        if self.instrument_id is None:
            raise ValueError(f"{self.subject} is no instrument")
        return self.instrument_id

    @property
    def begins_ms(self) -> int:
        """Its begin in milliseconds, as the exchange counts."""
        return round(self.begins.timestamp() * 1000)

    @property
    def ends_ms(self) -> int:
        """Its end in milliseconds."""
        return round(self.ends.timestamp() * 1000)


Load = Callable[["Exchange", "Connection", Window, "Provenance"], "tuple[Ingested, int]"]
"""Brings a window from the exchange into the store, each transaction its own: what changed, and how many requests it
took. May run twice, or beside itself."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset. Its statements are in include/sql/datasets/<sql>: plan (of what is loaded), compute, withdraw and
    due (of what is computed), profile and summary. Each is bound with what it needs of from, to, currencies and known
    outages, and with the parameters. pending, expected, stored, provenance and (of what is loaded) corrections are
    bound with nothing: they are its part of the views pending, coverage, provenance and corrections.

    name: its view and the file of its DAG. suite: its file in expectations/; its name, unless it has another's rules.
    keys: the columns of its profile that name what can be held back. day: the one that says which day a key belongs to.
    table: where its versions lie; None: it is not published by itself.
    sql: its folder of statements; its name, unless it shares one. parameters: bound in each of its statements.
    load: what brings it from the exchange, if it comes from there. snapshot: it can only be asked for now; with a table
    it has beats (beats.sql, a part of the view snapshot_gaps). thinned: of old ones one an hour may be kept.
    live: it is collected minute by minute, of days that are not closed yet. Its rules are those of the closed days,
    for a row a minute, and each is decided on by itself.
    catalogue: whether a plan of it waits until the catalogue was read after its interval.
    since: the first there may be of it, where that is later than the history that is asked for may begin.
    bucket: whose share of the request rate its loads use, "history" or "live".
    patience: how long a load waits for an exchange that is away, where that is less than settings.longest_wait().
    inputs: the datasets it is computed from, if it is.
    references: those its rules compare it with, in the versions that are stored. Its profile says of each row what it
    waits for of them (waits_for), and whether the exchange was asked for the row itself (was_fetched).

    Functions do not show in its repr: Airflow serialises a task's arguments with it, and an address in it would make
    every parse another version of the DAG.
    """

    name: str
    keys: tuple[str, ...] = ()
    day: str = "day"
    table: Table | None = None
    sql: str = ""
    suite: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    load: Load | None = field(default=None, repr=False, compare=False)
    snapshot: bool = False
    thinned: bool = False
    live: bool = False
    catalogue: bool = True
    since: datetime | None = None
    bucket: str = "history"
    patience: timedelta | None = None
    inputs: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sql", self.sql or self.name)
        object.__setattr__(self, "suite", self.suite or self.name)
        if self.snapshot and self.catalogue:
            raise ValueError(f"{self.name}: no catalogue is younger than the present moment, so it can't be waited for")

    @property
    def brief(self) -> bool:
        """Whether it is validated every few minutes: of each validation is kept what did not hold, and the data docs
        have a page a day."""
        return self.snapshot or self.live

    @property
    def computed(self) -> bool:
        """Whether it is computed from what is published."""
        return bool(self.inputs)

    @property
    def versions(self) -> Table:
        """The table of a dataset that is published. Raises ValueError for one that is not."""
        if self.table is None:
            raise ValueError(f"{self.name} is not published by itself: it has no table of versions")
        return self.table

    @property
    def validated(self) -> bool:
        """Whether it has a suite."""
        return bool(self.keys)

    @property
    def dag_id(self) -> str:
        """The id of its DAG and the name of its asset."""
        return dag_id_of(self.name)

    @property
    def validation_pool(self) -> str:
        """The Airflow pool of its publishing tasks, one slot."""
        return f"{VALIDATION_POOL}_{self.name}"

    @property
    def uri(self) -> str:
        """The Airflow asset that says the dataset was published."""
        return f"x-deribit://{self.name}"

    @property
    def ready_uri(self) -> str:
        """The Airflow asset that says something of the dataset that waited for another one can be validated."""
        return f"{self.uri}/ready"


def dag_id_of(dataset: str) -> str:
    """The id of the DAG that makes a dataset."""
    return f"{PREFIX}{dataset}"
