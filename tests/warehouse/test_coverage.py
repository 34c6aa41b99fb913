"""Coverage is what plain counting says of whatever is stored: versions in any state, some days and not others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from tests.warehouse.days import FIRST, Warehouse, at

DAYS = [FIRST + timedelta(days=k) for k in range(-1, 70)]
"""Some lie before the listing: what is stored there counts for nothing."""
LAST_OF_MONTH = [date(2025, 3, 31), date(2025, 4, 30)]
STATES = "pending", "published", "held", "superseded", "withdrawn"
CHANGE = datetime(2025, 4, 5, 7, 2, tzinfo=UTC)
"""When the beats of the summaries became more frequent: in the middle of a day and of a beat."""
STRETCHES = ((at("2025-02-01"), CHANGE, 300), (CHANGE, datetime.max.replace(tzinfo=UTC), 60))
ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


class Counts(dict[tuple, tuple[int, int, int]]):
    """By instrument and month (and what else tells rows apart): what is present, what is published, and days without a
    reference."""

    def add(self, key: tuple, present: int, published: int, unreferenced: int = 0) -> None:
        before = self.get(key, (0, 0, 0))
        self[key] = before[0] + present, before[1] + published, before[2] + unreferenced


def month_of(day: date) -> date:
    return date(day.year, day.month, 1)


class Store:
    """Fills a warehouse with versions that no validation would leave behind side by side, and remembers them."""

    def __init__(self, warehouse: Warehouse, random: Random):
        self.warehouse, self.random = warehouse, random
        for _ in range(4):
            warehouse.rows(
                "INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
                "VALUES ('test', 'test', 'test', 'test', 1, 0, 0) RETURNING version_id"
            )
        self.perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST, 7))
        self.futures = {
            warehouse.instrument(f"BTC-{name}", at(listed, 480), at(expires, 480)): (name, expires)
            for name, listed, expires in (
                ("28MAR25", "2025-03-01", "2025-03-28"), ("4APR25", "2025-03-14", "2025-04-04"),
                ("25APR25", "2025-03-20", "2025-04-25"), ("27JUN25", "2025-03-02", "2025-06-27"),
            )
        }  # fmt: skip
        self.ids = self.perpetual, *self.futures

    def labels(self) -> dict[int, str]:
        return dict(self.warehouse.rows("SELECT instrument_id, label FROM store.instrument"))

    def versions(self) -> list[str]:
        """The states of the versions of a key, the oldest first: none to four, at most one published."""
        states = [self.random.choice(STATES) for _ in range(self.random.choice((0, 1, 1, 1, 2, 3, 4)))]
        published = [at for at, state in enumerate(states) if state == "published"]
        return [state if state != "published" or at == published[-1] else "held" for at, state in enumerate(states)]

    def some(self, all_there_are: list, share: float = 0.4) -> list:
        return [each for each in all_there_are if self.random.random() < share or each in LAST_OF_MONTH]

    def put(self, table: str, **values) -> None:
        columns = ", ".join(values)
        places = ", ".join(["%s"] * len(values))
        self.warehouse.connection.execute(
            f"INSERT INTO store.{table} ({columns}) VALUES ({places})", list(values.values())
        )


def counted(versions: Iterable[tuple[str, int]]) -> tuple[int, int]:
    """Of a key's versions (state, amount), oldest first: what is present and what is published of it."""
    found = list(versions)
    published = sum(amount for state, amount in found if state == "published")
    waits = bool(found) and found[-1][0] in ("pending", "held") and not any(state == "published" for state, _ in found)
    return found[-1][1] if waits else published, published


def candles(store: Store) -> Counts:
    found = Counts()
    labels = store.labels()
    for instrument_id in store.ids:
        for day in store.some(DAYS):
            versions = []
            for version_id, state in enumerate(store.versions(), 1):
                n = store.random.randint(1, 5)
                reference = store.random.choice(("none", "index", None))
                versions.append((state, store.random.randint(0, n), reference))
                prices = dict.fromkeys(("open", "high", "low", "close", "volume", "cost"), [1.0] * n)
                store.put(
                    "candle_day", instrument_id=instrument_id, day=day, version_id=version_id, state=state,
                    reference=reference, first_minute=0, n=n, present=versions[-1][1], duplicate=0, misaligned=0,
                    out_of_order=0, out_of_window=0, **prices,
                    fresh="1" * 1440, traded="1" * 1440, calculable=True, turnover=1.0,
                )  # fmt: skip
            published = sum(present for state, present, _ in versions if state == "published")
            # the newest version counts where it was not decided against, even beside a published one
            newest = versions[-1] if versions and versions[-1][0] in ("pending", "held") else None
            unreferenced = sum(state == "published" and reference == "none" for state, _, reference in versions)
            key = labels[instrument_id], month_of(day)
            found.add(key, newest[1] if newest else published, published, unreferenced)
    return found


def plain(store: Store, table: str, keys: dict[tuple, tuple[str, date]], **values) -> Counts:
    """Versions of rows that count one each (a basis: its minutes). keys: the values of the key -> label and month."""
    found = Counts()
    columns = {
        "basis_day": ("instrument_id", "day"), "funding_rate": ("instrument_id", "ts"),
        "volatility_index": ("currency", "ts"), "delivery_price": ("index_name", "day"),
    }[table]  # fmt: skip
    for key, (label, month) in keys.items():
        versions = []
        for version_id, state in enumerate(store.versions(), 1):
            amount = store.random.randint(1, 1440) if table == "basis_day" else 1
            versions.append((state, amount))
            more = {"minutes": amount} if table == "basis_day" else {}
            of_key = dict(zip(columns, key, strict=True))
            store.put(table, **of_key, version_id=version_id, state=state, **values, **more)
        found.add((label, month), *counted(versions))
    return found


def settlements(store: Store) -> Counts:
    """A day may have two of them, each with versions of its own; it counts once."""
    found = Counts()
    labels = store.labels()
    for instrument_id in store.ids:
        for day in store.some(DAYS):
            states = []
            for kind in ("settlement", "delivery"):
                for version_id, state in enumerate(store.versions(), 1):
                    states.append(state)
                    store.put(
                        "settlement", instrument_id=instrument_id, day=day, type=kind, version_id=version_id,
                        state=state, settled_at=at(day, 480), duplicate=False,
                    )  # fmt: skip
            published = "published" in states
            present = published or "pending" in states or "held" in states
            found.add((labels[instrument_id], month_of(day)), present, published)
    return found


def index(store: Store) -> Counts:
    """A day has the minutes of the version it names or, where it names none, its hours."""
    found = Counts()
    minutes = dict(store.warehouse.rows(
        "SELECT (day, version_id)::text, present FROM store.candle_day WHERE instrument_id = %s", store.perpetual
    ))  # fmt: skip
    for day in store.some(DAYS):
        versions = []
        for version_id, state in enumerate(store.versions(), 1):
            named = store.random.choice((None, 1, 2))
            hours = store.random.randint(0, 24)
            versions.append((state, minutes.get(f"({day},{named})", hours)))
            store.put(
                "index_day", index_name="btc_usd", day=day, version_id=version_id, state=state, compared_hours=0,
                perpetual_id=store.perpetual, perpetual_version_id=named, hourly=[1.0] * hours + [None] * (24 - hours),
            )  # fmt: skip
        found.add(("btc_usd", month_of(day)), *counted(versions))
    return found


def snapshots(store: Store, table: str) -> Counts:
    """Beats with a snapshot in any state, by month and length of beats; folded days are of the summaries only."""
    taken: dict[str, set[datetime]] = {"present": set(), "published": set()}
    roster = store.warehouse.value(
        "INSERT INTO store.roster (digest, first_beat, instruments) VALUES (gen_random_uuid(), now(), '{BTC}') "
        "RETURNING roster_id"
    )
    beats = [CHANGE + timedelta(minutes=k) for k in range(-40, 30)]
    beats += [at("2025-03-31", 1430 + k) for k in range(20)] + [at("2025-04-30", 1430 + k) for k in range(20)]
    arrays = (
        dict.fromkeys(
            "mark_price index_price bid_price ask_price last_price open_interest volume current_funding "
            "funding_8h".split(), [1.0],
        )
        if table == "instrument_summary"
        else {"expires_at": at("2025-06-27", 480), "quotes": [], "scales": [], "odd_quotes": [], "underlying": ["BTC"],
              "interest_rate": [0.0]}
    )  # fmt: skip
    for beat in store.some(beats):
        for series in [{}] if table == "instrument_summary" else [{"series": "BTC-A"}, {"series": "BTC-B"}]:
            for version_id, state in enumerate(store.versions(), 1):
                taken["present"].add(beat)
                if state == "published":
                    taken["published"].add(beat)
                store.put(
                    table, currency="BTC", beat=beat, version_id=version_id, state=state, roster_id=roster,
                    told_at=[beat], unreadable=[], **series, **arrays,
                )  # fmt: skip
    found = Counts()
    for begins, ends, seconds in STRETCHES:
        # a beat, and not each snapshot in it
        bins = {
            what: {(month_of(b.date()), (b - ORIGIN) // timedelta(seconds=seconds)) for b in each if begins <= b < ends}
            for what, each in taken.items()
        }
        counts = {what: Counter(month for month, _ in each) for what, each in bins.items()}
        for month in counts["present"]:
            found.add(("BTC", month, seconds), counts["present"][month], counts["published"][month])
    if table == "option_chain":
        return found
    for day in (CHANGE.date() - timedelta(days=4), CHANGE.date()):
        minutes = sorted(store.random.sample(range(1440), 400))
        same = [1] * len(minutes)
        store.put("summary_day", currency="BTC", day=day, minutes=minutes, version_ids=same, validation_ids=same)
        for begins, ends, seconds in STRETCHES:
            within = sum(begins <= at(day, minute) < ends for minute in minutes)
            found.add(("BTC", month_of(day), seconds), within, within)
    return found


def rolls(store: Store) -> Counts:
    """Day by day: a series holds what it rolled to last, as long as that may be held and there are candles."""
    series = [(rule, eligible) for rule in ("expiry", "volume") for eligible in ("quarterly", "monthly", "all")]
    eligible_to = {"28MAR25": series, "27JUN25": series, "4APR25": [s for s in series if s[1] == "all"],
                   "25APR25": [s for s in series if s[1] != "quarterly"]}  # fmt: skip
    last_day = store.warehouse.value(
        "SELECT max(day) FROM store.candle_day WHERE state = 'published' AND instrument_id <> %s", store.perpetual
    )
    held: dict[tuple[str, str, bool], list[tuple[date, str, date]]] = defaultdict(list)
    for instrument_id, (name, expires) in store.futures.items():
        for rule, eligible in series:
            versions = []
            for version_id, state in enumerate(store.versions(), 1):
                day, skipped = store.random.choice(DAYS), store.random.random() < 0.2
                versions.append((state, day, skipped))
                store.put(
                    "roll", instrument_id=instrument_id, rule=rule, eligible=eligible, rank=0, version_id=version_id,
                    state=state, day=day, skipped=skipped,
                )  # fmt: skip
            if (rule, eligible) not in eligible_to[name]:
                continue
            past_day = date.fromisoformat(expires) - timedelta(days=5 if rule == "expiry" else 0)
            newest = [v for v in versions if v[0] in ("pending", "published", "held")][-1:]
            for shown, told in ((True, [v for v in versions if v[0] == "published"]), (False, newest)):
                held[rule, eligible, shown] += [(day, expires, past_day) for _, day, skipped in told if not skipped]
    found = Counts()
    for (rule, eligible, shown), rows in held.items():
        for day in (DAYS[0] + timedelta(days=k) for k in range((last_day - DAYS[0]).days + 1)):
            rolled = [row for row in sorted(rows) if row[0] <= day]
            if rolled and day < rolled[-1][2]:
                found.add((f"BTC/USD/BTC/reversed {rule} {eligible}", month_of(day)), not shown, shown)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_coverage_is_what_plain_counting_says(seed, warehouse):
    store = Store(warehouse, Random(seed))
    warehouse.rows(
        "INSERT INTO store.funding_start (instrument_id, first_hour) VALUES (%s, %s) RETURNING 1",
        store.perpetual, at(FIRST, 60),
    )  # fmt: skip
    for dataset in ("instrument_summaries", "options_chain"):
        for begins, ends, seconds in STRETCHES:
            store.put(
                "snapshot_beat", dataset=dataset, begins=begins, seconds=seconds,
                ends="infinity" if ends.year == 9999 else ends,
            )  # fmt: skip
    labels = store.labels()
    days = [(instrument_id, day) for instrument_id in store.futures for day in store.some(DAYS)]
    # around the ends of months and a stretch of hours in between
    hours = [at(day, 60 * k) for day in (*LAST_OF_MONTH, date(2025, 4, 9)) for k in range(18, 32)]
    of_candles = candles(store)
    wanted = {
        ("perpetuals_ohlcv" if label == "BTC-PERPETUAL" else "futures_ohlcv", label, month): found
        for (label, month), found in of_candles.items()
    }
    for dataset, counts in {
        "basis_spread": plain(
            store, "basis_day", {(i, day): (labels[i], month_of(day)) for i, day in days},
            future_version_id=1, perpetual_id=store.perpetual, perpetual_version_id=1,
        ),
        # an hour that ends at midnight belongs to the day before
        "funding_rates": plain(
            store, "funding_rate",
            {(store.perpetual, ts): ("BTC-PERPETUAL", month_of((ts - timedelta(minutes=1)).date())) for ts in hours},
        ),
        "volatility_index": plain(
            store, "volatility_index", {("BTC", ts): ("BTC", month_of(ts.date())) for ts in hours},
            open=1, high=1, low=1, close=1, duplicate=False,
        ),
        "delivery_prices": plain(
            store, "delivery_price", {("btc_usd", day): ("btc_usd", month_of(day)) for day in store.some(DAYS)},
            price=1, duplicate=False,
        ),
        "settlements": settlements(store),
        "index_prices": index(store),
        "roll_calendar": rolls(store),
    }.items():  # fmt: skip
        wanted |= {(dataset, *key): found for key, found in counts.items()}
    summaries, chains = snapshots(store, "instrument_summary"), snapshots(store, "option_chain")

    rows = warehouse.rows(
        "SELECT dataset, instrument, month, minutes, present, missing, published_minutes, unreferenced_days "
        "FROM coverage WHERE dataset NOT IN ('instrument_summaries', 'options_chain')"
    )
    expected = {(dataset, instrument, month) for dataset, instrument, month, *_ in rows}
    assert len(rows) == len(expected) and {dataset for dataset, *_ in expected} >= {dataset for dataset, *_ in wanted}
    for dataset, instrument, month, minutes, present, missing, published, unreferenced in rows:
        counts = wanted.get((dataset, instrument, month), (0, 0, 0))
        assert (present, published, unreferenced) == counts, (dataset, instrument, month)
        assert missing == minutes - present
    # beats have a row for each length they had in the month
    for dataset, found in (("instrument_summaries", summaries), ("options_chain", chains)):
        rows = warehouse.rows(
            "SELECT instrument, month, present, published_minutes, unreferenced_days FROM coverage "
            "WHERE dataset = %s AND present > 0", dataset,
        )  # fmt: skip
        in_order = sorted((currency, month, *counts) for (currency, month, _), counts in found.items() if counts[0])
        assert sorted(rows) == in_order, dataset
