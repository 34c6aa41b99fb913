"""The types that describe a dataset. The pipeline works on these alone and never needs to know which dataset it has.

This module imports nothing but the standard library, because DAG files, which import it, are parsed before every task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from psycopg import Connection

    from .exchange import Exchange
    from .warehouse.ingestion import Ingested, Provenance

PREFIX = "deribit_"
"""Prefix of the names of DAGs, assets and pools, which share an Airflow with those of others. Suites and views have no
prefix."""

EXCHANGE_POOL = f"{PREFIX}exchange"
VALIDATION_POOL = f"{PREFIX}validation"
LIVE_POOL = f"{PREFIX}live"

SETTLING = timedelta(seconds=1)
"""How long after its end a minute is asked for: the exchange publishes no bound of its own, and what it told too soon
would be a correction a minute later."""


@dataclass(frozen=True)
class Table:
    """The table that holds a dataset's versions, in the schema store: one row for each key and version.

    key: the columns of the key and their SQL types, without version_id. values: the columns, with their types, that the
    exchange sent, of a table that is stored by rows (warehouse.rows); empty for one that is stored in arrays. noted:
    the columns and types in which a validation records something about a version besides its state. named_in: the view
    that lists the versions which something computed still names. beside: the table of what is kept beside its
    snapshots, by currency and beat, and is deleted with them.
    """

    name: str
    key: Mapping[str, str] = field(hash=False)
    values: Mapping[str, str] = field(hash=False, default_factory=dict)
    noted: Mapping[str, str] = field(hash=False, default_factory=dict)
    named_in: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Window:
    """A row that plan.sql returns: one subject's part of an interval, [begins, ends), UTC.

    subject: its name in provenance. instrument: the name that is requested from the exchange. instrument_id: the id of
    that instrument in this database, None for a subject without instruments (an index, a currency). requests: how many
    requests load the window; batches are made of about 160.
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
        return milliseconds(self.begins)

    @property
    def ends_ms(self) -> int:
        """Its end in milliseconds."""
        return milliseconds(self.ends)


def milliseconds(instant: datetime) -> int:
    """An instant as the exchange counts."""
    return round(instant.timestamp() * 1000)


Lists = Literal["all", "listed", ""]
"""Lists of the futures of a currency. "all": what the live host lists as open, and what both hosts say has expired.
"listed": the first of them, which has every perpetual but those that are delisted. "": none."""


Load = Callable[["Exchange", "Connection", Window, "Provenance"], "tuple[Ingested, int]"]
"""Loads a window from the exchange into the store, in transactions of its own. Returns what changed, and how many
requests it took. It may run twice, or several times at once."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset. Its statements are in include/sql/datasets/<sql>: profile and summary; plan, for a dataset that is
    loaded; compute, withdraw and due, for one that is computed. The parameters are bound in each of these, and from,
    to, currencies and known outages where the statement uses them. Nothing is bound in fresh, pending, expected,
    stored, provenance and (for a loaded dataset) corrections, which are its parts of the views freshness, pending,
    coverage, provenance and corrections.

    name: also the name of its view and the file of its DAG. suite: the name of its suite in expectations/; by default
    its name.
    keys: the columns of its profile that identify a row, which is what can be held back. day: the column from which the
    day of a key is taken. ts_is_end: whether an instant in that column is the end of the period that a row describes
    (an hour of funding), so that midnight belongs to the day before it; otherwise it belongs to the day that it begins.
    table: the table of its versions; None for a dataset that is not published by itself.
    sql: its folder of statements; by default its name. parameters: values that are bound in each of its statements.
    load: the function that loads it from the exchange, for a dataset that comes from there. snapshot: whether the
    exchange answers only for the present; a snapshot with a table has beats (beats.sql, a part of the view
    snapshot_gaps). beat: of such a one, the seconds from one snapshot to the next, as they are set now. thinned:
    whether old snapshots may be reduced to one an hour. folded: whether days of them that are long over are stored in
    another form (fold.sql).
    live: whether it is collected as it comes, of days that are not closed yet. Its rules are those of the closed days,
    for a row a minute (or an hour), and each is decided on by itself. overlap: how much of the time before now each of
    its runs asks for again: nobody has published whether what is closed changes. asking: how long a run may ask the
    exchange, at live's share of the rate: the rest of its time is for the answers. A fifth of that is for what is older
    than the overlap. backlog: whether what waits to be validated is validated by itself, after the newest.
    versions_of: the dataset whose versions it adds to, where both have the same keys: they are loaded under one lock,
    and one of the two publishes at a time.
    catalogue: which lists of futures a plan waits for until they were read after the end of its interval (Lists).
    since: the first instant at which data may exist, where that is later than the configured start of the history.
    bucket: which share of the request rate its loads use, "history" or "live".
    patience: how long a load waits for an unavailable exchange, where that is less than settings.longest_wait(); of a
    snapshot at most so long that it is still of its beat (longest_wait).
    inputs: the names of the datasets it is computed from, empty for one that is loaded.
    computed_from: of what is not stored but computed whenever it is read, of published versions of its inputs: the
    columns of its profile that name what a row is computed from, and compared with. It is validated in the transaction
    that publishes an input, and what did not pass is stored as these (hold.sql), for the views to leave it out.
    dag_of: the dataset whose DAG makes it, by default itself; of what is computed whenever it is read, one of its
    inputs.
    references: the names of the datasets that its rules compare it with, as stored. For each row its profile returns
    the dataset that the row still waits for (waits_for), and whether the exchange was asked for it (was_fetched).

    The repr leaves functions out: Airflow serialises the arguments of a task with it, and the address of a function
    would make a new version of the DAG at every parse.
    """

    name: str
    keys: tuple[str, ...] = ()
    day: str = "day"
    ts_is_end: bool = False
    table: Table | None = None
    sql: str = ""
    suite: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    load: Load | None = field(default=None, repr=False, compare=False)
    snapshot: bool = False
    beat: Callable[[], int] | None = field(default=None, repr=False, compare=False)
    thinned: bool = False
    folded: bool = False
    live: bool = False
    overlap: timedelta = timedelta(hours=1)
    asking: timedelta = timedelta(seconds=25)
    backlog: bool = False
    versions_of: str = ""
    catalogue: Lists = "all"
    since: datetime | None = None
    bucket: str = "history"
    patience: timedelta | None = None
    inputs: tuple[str, ...] = ()
    computed_from: tuple[str, ...] = ()
    dag_of: str = ""
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sql", self.sql or self.name)
        object.__setattr__(self, "suite", self.suite or self.name)
        object.__setattr__(self, "versions_of", self.versions_of or self.name)
        object.__setattr__(self, "dag_of", self.dag_of or self.name)
        if self.snapshot and self.catalogue:
            raise ValueError(f"{self.name}: no catalogue is younger than the present moment, so it can't be waited for")
        if bool(self.snapshot and self.table) != bool(self.beat):
            raise ValueError(f"{self.name}: a snapshot that is published has beats, and nothing else has")
        if self.computed_from and (self.table or not self.inputs):
            raise ValueError(f"{self.name}: what is computed when it is read has inputs, and no versions of its own")
        if bool(self.computed_from) != (self.dag_of in self.inputs):
            raise ValueError(
                f"{self.name}: what is computed when it is read is made by an input's DAG, and nothing else"
            )

    @property
    def begins_early(self) -> bool:
        """Whether its runs begin before what they ask for is there, and their loads wait for that: a minute, or a beat,
        does not wait until Airflow has started the processes."""
        return self.live or self.beat is not None

    @property
    def brief(self) -> bool:
        """Whether it is validated many times a day: of each validation is kept what did not hold, and the data docs
        have a page a day."""
        return self.snapshot or self.live

    @property
    def longest_wait(self) -> timedelta | None:
        """How long a load waits for an unavailable exchange; None: as long as any. A wait takes a minute at least, and
        so may the answer: what has beats that are shorter leaves it to the next one's run."""
        if self.patience is None or self.beat is None:
            return self.patience
        return max(timedelta(0), min(self.patience, timedelta(seconds=self.beat()) - timedelta(minutes=2)))

    @property
    def computed(self) -> bool:
        """Whether it is computed from published versions of other datasets."""
        return bool(self.inputs)

    @property
    def versions(self) -> Table:
        """The table of a dataset that is published. Raises ValueError for one that is not."""
        if self.table is None:
            raise ValueError(f"{self.name} is not published by itself: it has no table of versions")
        return self.table

    @property
    def has_lifetimes(self) -> bool:
        """Whether its versions belong to lifetimes of instruments, and are taken back when they lie outside: it is
        loaded, and the key of its table has an instrument. Such a dataset has the statement beyond and, if it is stored
        in arrays, the statement cut. What adds to the versions of another
        dataset leaves with those, and a computed dataset is withdrawn with what it was computed from."""
        is_loaded = bool(self.load and self.table and "instrument_id" in self.table.key)
        return is_loaded and self.versions_of == self.name

    @property
    def validated(self) -> bool:
        """Whether it has a suite."""
        return bool(self.keys)

    @property
    def dag_id(self) -> str:
        """The id of its DAG and the name of its asset."""
        return dag_id_of(self.dag_of)

    @property
    def validation_pool(self) -> str:
        """The Airflow pool of its publishing tasks, one slot."""
        return f"{VALIDATION_POOL}_{self.versions_of}"

    @property
    def uri(self) -> str:
        """The URI of the Airflow asset that is updated when the dataset has been published."""
        return f"x-deribit://{self.name}"

    @property
    def ready_uri(self) -> str:
        """The URI of the Airflow asset that is updated when a part of the dataset that waited for another dataset can
        be validated."""
        return f"{self.uri}/ready"


def calendar_months(begins: datetime, ends: datetime) -> list[tuple[datetime, datetime]]:
    """The parts of [begins, ends), UTC, that lie in one calendar month each; a moment is the one part of itself."""
    bounds = [begins]
    while (first := (bounds[-1].replace(day=1) + timedelta(days=31)).replace(day=1)) < ends:
        bounds.append(datetime(first.year, first.month, 1, tzinfo=UTC))
    return list(pairwise([*bounds, ends]))


def dag_id_of(dataset: str) -> str:
    """The id of the DAG that makes a dataset."""
    return f"{PREFIX}{dataset}"
