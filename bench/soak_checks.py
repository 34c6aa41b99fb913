"""What has to hold after a phase of the soak, whatever was done to it: nothing missing, nothing later than it may be,
nothing other than the exchange says, nothing twice, nothing told twice or not at all, nothing wrong for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from deribit_warehouse.alerts.messages import DATABASE
from exchange_simulator import comparison
from exchange_simulator.comparison import Rows, instant
from exchange_simulator.listings import DAY, HOUR, MINUTE
from exchange_simulator.market import Market

from .live import CANDLES, Delays, summed_up
from .metric import Metric
from .whole_history import CURRENCIES

LIVE = ["perpetuals_live", "futures_live"]

FUNDING_DUE = HOUR + 5 * 60_000
"""How long after its end an hour of funding is there at the latest, ms: the run after the one that asked for it first
may have to validate it."""

Disturbed = Collection[tuple[float, float]]
"""When something was away or killed, and had its effect: [from, to), s since the epoch."""

HAVE_ENDS = ("failure", "blocked", "quarantine", "wait", "watch")
"""Kinds of incidents that are over once nothing is wrong any more. A note has no end, and a warning is of what came:
beats that were missed are warned of for an hour."""

FEW = 3
"""How often the database may be away in a phase: a disk that is full may let some of it be written in between, and the
soak waits for no calm before an end is told."""


class Failed(AssertionError):
    """Something does not hold; the message says what."""


def as_the_exchange_says(market: Market, rows: Rows, first: int, past: int) -> Iterable[Metric]:
    """Every minute of [first, past), ms, of every contract and its basis is shown, with the exchange's values, and no
    other minute is. Raises comparison.Different."""
    # funding, which comes by the hour, and the index of open days, a sample of a moment, have checks of their own
    said = comparison.everything(market, rows, CURRENCIES, first, past, views=("candle", "basis_spread"))
    yield Metric("minutes, as the exchange says", said["candle"], "minutes")
    yield Metric("minutes of basis, as they follow from it", said["basis_spread"], "minutes")


def funding_as_the_exchange_says(market: Market, rows: Rows, since: int, past: int) -> Iterable[Metric]:
    """Every hour of funding of the day before `past`, ms, that is shown has the exchange's values, and between them
    none is missing; and of those that ended after `since`, ms, every one is there that is due. Raises Failed or
    comparison.Different."""
    hours = 0
    for listing in comparison.listed_between(market, CURRENCIES, past - DAY, past):
        if not listing.perpetual:
            continue
        [(oldest, newest)] = rows(
            "SELECT min(ts), max(ts) FROM funding_rates WHERE instrument = %s AND ts > %s AND ts <= %s",
            listing.name, instant(past - DAY), instant(past),
        )  # fmt: skip
        due = (past - FUNDING_DUE) // HOUR * HOUR
        if due > since and (newest is None or newest < instant(due)):
            raise Failed(f"of {listing.name} the funding of {instant(due)} was due; the newest is of {newest}")
        if newest is not None:
            first, last = (round(moment.timestamp() * 1000) for moment in (oldest, newest))
            hours += comparison.funding(market, rows, listing, first - HOUR, last)
    yield Metric("hours of funding, as the exchange says", hours, "hours")


def index_as_the_exchange_said(
    market: Market, rows: Rows, first: int, past: int, disturbed: Disturbed = ()
) -> Iterable[Metric]:
    """Every minute of the index in [first, past), ms, is shown but for those whose summary could not come, because
    something was away or killed, and what is known from a summary is what the exchange said at the moment of that.
    Raises Failed or comparison.Different."""
    same = 0
    due = np.array([start for start in range(first, past, MINUTE) if not is_disturbed(start, disturbed)], np.int64)
    for listing in market.listings():
        if not listing.perpetual or listing.currency not in CURRENCIES:
            continue
        same += comparison.sampled_index(market, rows, listing, first, past)
        shown = comparison.known_index(rows, listing.index_name, first, past)
        if len(lacks := np.setdiff1d(due, shown)):
            raise Failed(
                f"{len(lacks)} of {len(due)} minutes of {listing.index_name} are not shown, the first of "
                f"{instant(int(lacks[0]))}"
            )
    yield Metric("minutes of the index, as the exchange said", same, "minutes", note=f"{len(due)} were due of each")


def in_time(found: Delays, within: float) -> Iterable[Metric]:
    """How late each was, and no minute is later than `within`, seconds. Raises Failed."""
    worst = [f"{name}, worst" for name in CANDLES]
    late = [one for name, each in found.items() for one in summed_up(name, [seconds for _, seconds in each])]
    metrics = [replace(one, at_most=within) if one.name in worst else one for one in late]
    if wrong := [one for one in metrics if one.name in worst and not one.met]:
        said = "; ".join(f"{one.name}: {one.value:,.0f} s" for one in wrong)
        raise Failed(f"minutes may be {within:,.0f} s late here; {said}")
    yield from metrics


def undisturbed(found: Delays, disturbed: Disturbed) -> Delays:
    """Those minutes that were not on their way while something was away or killed."""
    return {
        name: [(start, seconds) for start, seconds in found[name] if not is_disturbed(start, disturbed, seconds)]
        for name in CANDLES
    }


def is_disturbed(start: float, disturbed: Disturbed, seconds: float = 60) -> bool:
    """Whether a minute, by its start in ms, was on its way while something was away or killed: from its end on, for so
    many seconds."""
    ended = (start + MINUTE) / 1000
    return any(ended < ends and begins <= ended + seconds for begins, ends in disturbed)


def nothing_doubled(rows: Rows, first: int, past: int) -> Iterable[Metric]:
    """No key is shown twice in [first, past), ms. Raises Failed."""
    keys = {"candle": "instrument, ts", "basis_spread": "instrument, ts", "instrument_summaries": "instrument, beat"}
    for view, key in keys.items():
        at = key.split(", ")[1]
        [(twice,)] = rows(
            f"SELECT count(*) - count(DISTINCT ({key})) FROM {view} WHERE {at} >= %s AND {at} < %s AND day >= %s",
            instant(first), instant(past), instant(first).date(),
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


def live_was_right(rows: Rows, day: date, names: Collection[str]) -> int:
    """What live had said of a day that was closed since is what history says of it, of each of these instruments;
    returns how many minutes that are. Raises Failed."""
    compared = rows("SELECT instrument, live_minutes, missed, only_live, different FROM live_days WHERE day = %s", day)
    if left := set(names) ^ {name for name, *_ in compared}:
        raise Failed(f"of {day} live and history are not both there of {', '.join(sorted(left))}")
    if wrong := [row for row in compared if any(row[2:])]:
        what = "instrument, minutes, missed, only live, different"
        raise Failed(f"of {day} live differs from history ({what}): {wrong[:5]}")
    return sum(row[1] for row in compared)


@dataclass(frozen=True)
class Told:
    """A message as the webhook got it, as far as it matters. incidents: their ids; none where none could be kept."""

    subject: str
    news: str | None
    incidents: tuple[int, ...]

    @classmethod
    def of(cls, payload: dict) -> Told:
        ids = tuple(each["incident_id"] for each in payload.get("incidents", ()) if each["incident_id"])
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

    @property
    def goes_on(self) -> bool:
        """Whether it should be over and is not."""
        return self.kind in HAVE_ENDS and not self.resolved


def incidents(rows: Rows, after: int) -> list[Seen]:
    """The incidents with larger numbers."""
    found = rows(
        "SELECT incident_id, kind, dataset, rule, resolved_at IS NOT NULL FROM store.incident WHERE incident_id > %s "
        "ORDER BY incident_id", after,
    )  # fmt: skip
    return [Seen(*row) for row in found]


def told_once(seen: Iterable[Seen], messages: Iterable[Told], hours: float) -> Iterable[Metric]:
    """Each incident is over, and of each there was one message when it began and one of its end. While the database was
    away, so that none could be kept, there was one message each time and one in each of the hours. Raises Failed."""
    seen, messages = list(seen), list(messages)
    if never := [str(one) for one in seen if one.goes_on]:
        raise Failed(f"incidents are not over: {', '.join(never)}")
    told = Counter((number, message.news) for message in messages for number in message.incidents)
    wrong = []
    for one in seen:
        # that the database is away is told before it can be kept
        opened = int(one.dataset != DATABASE)
        wanted = {"opened": opened, "again": 0, "recovered": int(one.resolved and one.kind != "note")}
        got = {news: told[one.incident_id, news] for news in wanted}
        if got != wanted:
            wrong.append(f"{one}: {got}, not {wanted}")
    if wrong:
        raise Failed("incidents are not told once each: " + "; ".join(wrong))
    yield Metric("incidents, each told once", len(seen), "", note=f"{sum(one.resolved for one in seen)} are over")
    unkept = sum(not message.incidents for message in messages)
    away = sum(one.dataset == DATABASE for one in seen)
    if unkept > (most := max(1, min(away, FEW)) + int(hours)):
        raise Failed(f"{unkept} messages while no incident could be kept, and {most} at most are enough")
    yield Metric("messages", len(messages), "", note=f"{unkept} while no incident could be kept")
