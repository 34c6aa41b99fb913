"""What every load has in common: where the data came from, the lock, and the counts of what changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection

from . import sql


@dataclass(frozen=True)
class Provenance:
    """Where a window came from: the dataset, the instrument or index, the host that sent it, the run that loaded it."""

    dataset: str
    subject: str
    host: str
    run_id: str

    def values(self) -> dict[str, str]:
        """Its fields as statements bind them."""
        return {"dataset": self.dataset, "subject": self.subject, "host": self.host, "run_id": self.run_id}


@dataclass(frozen=True)
class Ingested:
    """What a load changed, in instrument-days (funding: hours).

    added: not known before. grown: gained minutes. corrected: the exchange changed known values.
    kept: the stored day is fuller and stayed. unchanged: equal, nothing written.
    """

    added: int = 0
    grown: int = 0
    corrected: int = 0
    kept: int = 0
    unchanged: int = 0

    def __add__(self, other: Ingested) -> Ingested:
        return Ingested(*(a + b for a, b in zip(self.counts(), other.counts(), strict=True)))

    def counts(self) -> tuple[int, ...]:
        """The five numbers in the order of the fields."""
        return (self.added, self.grown, self.corrected, self.kept, self.unchanged)


class OriginMismatch(Exception):
    """The database holds data of another exchange; nothing was loaded."""


def lock(connection: Connection, provenance: Provenance) -> None:
    """One loader at a time for a dataset and subject, until the transaction ends."""
    lock_subject(connection, provenance.dataset, provenance.subject)


def lock_subject(connection: Connection, dataset: str, subject: str) -> None:
    """Takes the lock of a dataset's subject (an instrument, an index, a currency) until the caller's transaction ends,
    and waits for whoever has it. Raises psycopg.errors.LockNotAvailable after the session's lock_timeout, if it has
    one."""
    sql.rows(connection, "ingestion/lock_subject", dataset=dataset, subject=subject)


def try_lock(connection: Connection, provenance: Provenance) -> bool:
    """Takes the lock of lock() if nobody has it, until the transaction ends; whether it was free. It is not waited
    for: who has it does the same."""
    return sql.row(connection, "ingestion/try_lock_subject", dataset=provenance.dataset, subject=provenance.subject)[
        "taken"
    ]


def lock_months(connection: Connection, provenance: Provenance, begins: datetime, ends: datetime) -> None:
    """One at a time asks for, and stores, a dataset's subject in each calendar month of [begins, ends), until the
    caller's transaction ends; whoever has one of them is waited for.

    A load takes it before it asks the exchange: of two answers the later one is then stored last, so that the older is
    never taken for its correction. While the exchange does not answer, the transaction has read nothing and keeps
    nobody from anything but these months. An exchange that is away ends it with an error, within minutes; one that is
    slow does not, and who waits then does so for as long as its own task may take.
    """
    _take_months(connection, provenance, begins, ends, wait=True)


def try_lock_months(connection: Connection, provenance: Provenance, begins: datetime, ends: datetime) -> bool:
    """Takes the locks of lock_months() if nobody has any of them; whether that was so. None is waited for."""
    return _take_months(connection, provenance, begins, ends, wait=False)


def _take_months(
    connection: Connection, provenance: Provenance, begins: datetime, ends: datetime, *, wait: bool
) -> bool:
    subject = {"dataset": provenance.dataset, "subject": provenance.subject}
    return sql.row(connection, "ingestion/lock_months", **subject, begins=begins, ends=ends, wait=wait)["taken"]


def record_fetched(connection: Connection, instrument_id: int, what: str, begins: int, ends: int) -> None:
    """Records that the exchange has answered for the whole window [begins, ends), ms. what: "candles", "funding" or
    "open candles", the minutes of days that are not closed."""
    window = {"begins": datetime.fromtimestamp(begins / 1000, UTC), "ends": datetime.fromtimestamp(ends / 1000, UTC)}
    sql.run(connection, "ingestion/record_fetched", instrument_id=instrument_id, what=what, **window)


def claim_origin(connection: Connection, live_host: str, history_host: str) -> None:
    """Ties the database to one exchange: the first load claims it. Raises OriginMismatch for another one.

    Simulated, recorded and live data never share a database.
    """
    sql.run(connection, "ingestion/claim_origin", live_host=live_host, history_host=history_host)
    held = sql.row(connection, "ingestion/origin")
    if (held["live_host"], held["history_host"]) != (live_host, history_host):
        raise OriginMismatch(
            f"this database holds data of {held['live_host']}, the connections point at {live_host}: "
            "use a database of its own for each exchange"
        )
