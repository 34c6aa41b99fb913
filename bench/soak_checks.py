"""What has to hold after a phase of the soak, whatever was done to it: nothing missing, nothing other than the exchange
says, nothing twice, nothing told twice or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from exchange_simulator import comparison
from exchange_simulator.comparison import Rows, instant
from exchange_simulator.market import Market

from .metric import Metric

CURRENCIES = ("BTC", "ETH")
LIVE = ["perpetuals_live", "futures_live"]


class Failed(AssertionError):
    """Something does not hold; the message says what."""


def as_the_exchange_says(market: Market, rows: Rows, first: int, past: int) -> Iterable[Metric]:
    """Every minute of [first, past), ms, of every contract and its basis is shown, with the exchange's values, and no
    other minute is. Raises comparison.Different."""
    # funding comes by the hour: the newest may be to come; and the index of open days is a sample of another moment
    said = comparison.everything(market, rows, CURRENCIES, first, past, funding_too=False, index_too=False)
    yield Metric("minutes, as the exchange says", said["candle"], "minutes")
    yield Metric("minutes of basis, as they follow from it", said["basis_spread"], "minutes")


def nothing_doubled(rows: Rows, first: int, past: int) -> Iterable[Metric]:
    """No key is shown twice in [first, past), ms. Raises Failed."""
    keys = {"candle": "instrument, ts", "basis_spread": "instrument, ts", "instrument_summaries": "instrument, beat"}
    for view, key in keys.items():
        at = key.split(", ")[1]
        [(twice,)] = rows(
            f"SELECT count(*) - count(DISTINCT ({key})) FROM {view} WHERE {at} >= %s AND {at} < %s",
            instant(first), instant(past),
        )  # fmt: skip
        if twice:
            raise Failed(f"{view} shows {twice} rows twice")
        yield Metric(f"rows shown twice, {view}", twice, "rows", at_most=0)


def corrections_counted(rows: Rows, told: Collection[tuple[str, datetime]], since: datetime) -> Iterable[Metric]:
    """Every minute that was told wrong, and no other, has a correction, and the loads have counted them. told:
    (instrument, start) of the minutes that were told otherwise at first. Raises Failed."""
    corrected = rows(
        "SELECT instrument, ts, count(DISTINCT new_version_id) FROM corrections "
        "WHERE dataset = ANY(%s) AND corrected_at >= %s GROUP BY instrument, ts", LIVE, since,
    )  # fmt: skip
    if there := {(name, ts) for name, ts, _ in corrected} ^ set(told):
        raise Failed(f"minutes corrected and told wrong are not the same; they differ by {sorted(there)[:5]}")
    [(counted,)] = rows(
        "SELECT coalesce(sum(corrected), 0)::integer FROM store.ingestion WHERE dataset = ANY(%s) AND loaded_at >= %s",
        LIVE, since,
    )  # fmt: skip
    # what was corrected before anybody was shown it is counted, and nothing else of it is kept
    if counted < (shown := sum(times for *_, times in corrected)):
        raise Failed(f"the loads have counted {counted} corrections, {shown} are shown")
    yield Metric("corrections, all of them injected", shown, "", note=f"of {len(told)} minutes; {counted} counted")


def live_was_right(rows: Rows, day: date, names: Collection[str]) -> Iterable[Metric]:
    """What live had said of a day that was closed since is what history says of it, of each of these instruments.
    Raises Failed."""
    compared = rows("SELECT instrument, live_minutes, missed, different FROM live_days WHERE day = %s", day)
    if left := set(names) ^ {name for name, *_ in compared}:
        raise Failed(f"of {day} live and history are not both there of {', '.join(sorted(left))}")
    if wrong := [row for row in compared if row[2] or row[3]]:
        raise Failed(f"of {day} live differs from history (instrument, minutes, missed, different): {wrong[:5]}")
    yield Metric("minutes in which live was what history is", sum(row[1] for row in compared), "minutes", note=f"{day}")


@dataclass(frozen=True)
class Told:
    """A message as the webhook got it, as far as it matters. incidents: their ids; none where none could be kept."""

    subject: str
    news: str | None
    incidents: tuple[int, ...]

    @classmethod
    def of(cls, payload: dict) -> Told:
        ids = tuple(each["incident_id"] for each in payload.get("incidents", ()))
        return cls(payload["subject"], payload.get("news"), ids)


@dataclass(frozen=True)
class Seen:
    """A row of store.incident, as far as it matters."""

    incident_id: int
    kind: str
    dataset: str
    rule: str
    resolved: bool

    def __str__(self) -> str:
        return f"{self.incident_id} ({self.kind}, {self.dataset}, {self.rule})"


def incidents(rows: Rows, after: int) -> list[Seen]:
    """The incidents with larger numbers."""
    found = rows(
        "SELECT incident_id, kind, dataset, rule, resolved_at IS NOT NULL FROM store.incident WHERE incident_id > %s "
        "ORDER BY incident_id", after,
    )  # fmt: skip
    return [Seen(*row) for row in found]


def told_once(seen: Iterable[Seen], messages: Iterable[Told]) -> Iterable[Metric]:
    """Of each incident there was one message when it began and, where it is over, one of that. Raises Failed."""
    seen, messages = list(seen), list(messages)
    told = Counter((number, message.news) for message in messages for number in message.incidents)
    wrong = []
    for one in seen:
        wanted = {"opened": 1, "again": 0, "recovered": int(one.resolved and one.kind != "note")}
        got = {news: told[one.incident_id, news] for news in wanted}
        if got != wanted:
            wrong.append(f"{one}: {got}, not {wanted}")
    if wrong:
        raise Failed("incidents are not told once each: " + "; ".join(wrong))
    yield Metric("incidents, each told once", len(seen), "", note=f"{sum(one.resolved for one in seen)} are over")
    unkept = sum(not message.incidents for message in messages)
    yield Metric("messages", len(messages), "", note=f"{unkept} while no incident could be kept")
