"""Snapshots of the futures in the store: stamped by the exchange's clock, a row a beat, a gap where one was missed."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg
import pytest

from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import INSTRUMENT_SUMMARIES
from deribit_warehouse.datasets.instrument_summaries import COLUMNS, INSTRUMENT_SUMMARY
from deribit_warehouse.exchange import Exchange
from deribit_warehouse.exchange.summaries import Summaries, reader
from deribit_warehouse.warehouse import snapshots
from deribit_warehouse.warehouse.catalogue import record_reading, store_instruments
from deribit_warehouse.warehouse.housekeeping import prune_records
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from deribit_warehouse.warehouse.profiles import profile
from deribit_warehouse.warehouse.snapshots import beat_of
from tests.exchange.scripted import result, serving
from tests.warehouse.days import FIRST, HOST, Warehouse, at, nodes, truncate, vacuum

BEAT = timedelta(minutes=1)
NOON = at(FIRST, 720)


class Answers:
    """An exchange that answers with what it is given."""

    def __init__(self, summaries: Summaries) -> None:
        self.answer = summaries

    def summaries(self, currency: str, kind: str) -> Summaries:
        assert (currency, kind) == (self.answer.currency, "future")
        return self.answer


def told(name: str, told_at: datetime, **changed) -> dict:
    row = {
        "instrument_name": name, "creation_timestamp": round(told_at.timestamp() * 1000), "mark_price": 50_000.5,
        "bid_price": 50_000.0, "ask_price": 50_001.0, "last": 49_999.5, "open_interest": 1000, "volume": 12.5,
        "estimated_delivery_price": 50_010.25,
    }  # fmt: skip
    if name.endswith("PERPETUAL"):
        row |= {"current_funding": 0.0001, "funding_8h": -0.00002}
    return row | changed


def take(
    warehouse: Warehouse, told_at: datetime, names=("BTC-PERPETUAL", "BTC-28MAR25"), rows: list | None = None,
    currency: str = "BTC", **changed,
) -> Ingested:  # fmt: skip
    """Loads an answer as the dataset does."""
    answer = rows if rows is not None else [told(name, told_at, **changed) for name in names]
    window = Window(currency, currency, None, NOON, NOON, 1)
    source = Provenance("instrument_summaries", currency, HOST, "run")
    stored, requests = INSTRUMENT_SUMMARIES.load(
        Answers(reader(currency, "future")(answer)), warehouse.connection, window, source
    )
    assert requests == 1
    return stored


def seen(warehouse: Warehouse, moment: datetime = NOON) -> list[dict]:
    with warehouse.connection.transaction():
        found = profile(warehouse.connection, INSTRUMENT_SUMMARIES, moment, moment, currencies=["BTC"])
    return [{k: None if v != v else v for k, v in row.items()} for row in found.to_dict("records")]


def publish(warehouse: Warehouse) -> int:
    return warehouse.decide_rows(INSTRUMENT_SUMMARIES)


@pytest.mark.recorded
def test_the_recorded_answer_comes_out_of_the_view_as_it_was_sent(warehouse, recorded):
    rows = json.loads((recorded / "responses" / "book_summary_future.json").read_text())
    window = Window("BTC", "BTC", None, NOON, NOON, 1)
    source = Provenance("instrument_summaries", "BTC", HOST, "run")
    with serving(result(rows)) as (url, asked), Exchange(url, url, lambda _: None) as exchange:
        stored, _ = INSTRUMENT_SUMMARIES.load(exchange, warehouse.connection, window, source)
    assert stored == Ingested(added=1)
    assert [path.rpartition("/")[2] for path in asked] == ["get_book_summary_by_currency?currency=BTC&kind=future"]
    [row] = seen(warehouse, datetime.now(UTC))
    assert row["instruments"] == 13 and row["marks_known"] == 1
    said = {
        k: row[k] for k in ("without_mark", "impossible", "far_from_index", "off_index", "crossed", "without_funding")
    }
    assert set(said.values()) == {None}
    validated = warehouse.validate(INSTRUMENT_SUMMARIES, NOON, NOON)
    assert (validated.decision.outcome, validated.rows, validated.published) == ("passed", 1, 1)
    names = ["mark_price", "index_price", "bid_price", "ask_price", "last_price", "open_interest", "volume",
             "current_funding", "funding_8h"]  # fmt: skip
    shown = warehouse.rows(f"SELECT instrument, ts, {', '.join(names)} FROM instrument_summaries ORDER BY instrument")
    fields = [COLUMNS[name] for name in names]
    assert shown == [
        (row["instrument_name"], datetime.fromtimestamp(row["creation_timestamp"] / 1000, UTC), *map(row.get, fields))
        for row in sorted(rows, key=lambda row: row["instrument_name"])
    ]
    units = (
        "SELECT DISTINCT kind, base_currency, quote_currency, open_interest_unit FROM instrument_summaries ORDER BY 1"
    )
    assert warehouse.rows(units) == [("future", "BTC", "USD", "USD"), ("perpetual", "BTC", "USD", "USD")]


@pytest.mark.parametrize(
    ("told_at", "seconds", "beat"),
    [
        (NOON, 60, NOON), (NOON - timedelta(seconds=2), 60, NOON), (NOON - timedelta(seconds=11), 60, NOON - BEAT),
        (NOON + timedelta(seconds=49), 60, NOON), (NOON + timedelta(seconds=51), 60, NOON + BEAT),
        (NOON + timedelta(seconds=289), 300, NOON), (NOON + timedelta(seconds=291), 300, NOON + 5 * BEAT),
        (NOON + timedelta(minutes=30), 3600, NOON),
    ],
)  # fmt: skip
def test_a_snapshot_belongs_to_the_beat_that_the_exchanges_clock_says(told_at, seconds, beat):
    assert beat_of(round(told_at.timestamp() * 1000), seconds) == beat


def test_a_run_that_starts_late_is_not_stamped_as_its_beat(warehouse):
    late = NOON + timedelta(minutes=8, seconds=20)
    take(warehouse, late)
    assert warehouse.rows("SELECT beat, told_at FROM store.instrument_summary") == [(NOON + 8 * BEAT, [late])]


def test_a_second_run_of_a_beat_changes_no_row(warehouse):
    assert take(warehouse, NOON) == Ingested(added=1)
    publish(warehouse)
    written = warehouse.rows("SELECT ctid, xmin, * FROM store.instrument_summary")
    assert take(warehouse, NOON) == Ingested(unchanged=1)
    assert take(warehouse, NOON + timedelta(seconds=45), mark_price=51_000.0) == Ingested(unchanged=1)
    assert warehouse.rows("SELECT ctid, xmin, * FROM store.instrument_summary") == written
    assert warehouse.value("SELECT count(*) FROM store.roster") == 1


def test_what_was_held_back_is_replaced_within_its_beat(warehouse):
    take(warehouse, NOON, mark_price=-1.0)
    assert warehouse.hold(INSTRUMENT_SUMMARY, warehouse.newest_of(INSTRUMENT_SUMMARIES)) == 0
    assert take(warehouse, NOON + timedelta(seconds=40)) == Ingested(corrected=1)
    [row] = seen(warehouse)
    assert row["impossible"] is None
    assert publish(warehouse) == 1
    assert warehouse.rows("SELECT DISTINCT mark_price, ts FROM instrument_summaries") == [
        (50_000.5, NOON + timedelta(seconds=40))
    ]


def test_a_beat_that_was_missed_is_a_gap_and_named(warehouse):
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for n in (0, 1, 4):
        take(warehouse, base + n * BEAT + timedelta(seconds=3))
    missed = {row["ts"]: (row["missed_lately"], row["rows_missing"]) for row in seen(warehouse)}
    assert missed == {base: (0, 0), base + BEAT: (0, 0), base + 4 * BEAT: (2, 2)}
    gaps = warehouse.rows(
        "SELECT dataset, currency, first_beat, last_beat, beats FROM snapshot_gaps ORDER BY first_beat"
    )
    assert gaps[0] == ("instrument_summaries", "BTC", base + 2 * BEAT, base + 3 * BEAT, 2)
    assert gaps[1][2] == base + 5 * BEAT and gaps[1][4] >= 115, "what should have come since is missed, too"
    publish(warehouse)
    covered = warehouse.rows(
        "SELECT sum(minutes), sum(present), sum(published_minutes) FROM coverage WHERE dataset = 'instrument_summaries'"
    )
    passed = int((datetime.now(UTC) - base) / BEAT)
    assert covered in ([(passed, 3, 3)], [(passed - 1, 3, 3)])
    assert warehouse.rows("SELECT * FROM unloaded") == [], "no run brings it"


def test_beats_that_are_missed_one_by_one_are_added_up_and_what_lies_long_before_is_not(warehouse):
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    for n in [0, 20, *range(21, 81), 82, 83, 85, 88]:
        take(warehouse, base + n * BEAT)
    missed = {(row["ts"] - base) // BEAT: row["missed_lately"] for row in seen(warehouse)}
    assert {n: beats for n, beats in missed.items() if beats} == {20: 19, 82: 1, 85: 2, 88: 4}


def test_another_length_of_beats_counts_from_when_it_holds(warehouse, monkeypatch):
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    monkeypatch.setenv("DERIBIT_SUMMARY_MINUTES", "5")
    take(warehouse, base)
    monkeypatch.delenv("DERIBIT_SUMMARY_MINUTES")
    for minute in (5, 6, 9):
        take(warehouse, base + timedelta(minutes=minute))
    assert warehouse.rows("SELECT begins, ends, seconds FROM store.snapshot_beat WHERE ends <> 'infinity'") == [
        (base, base + 5 * BEAT, 300)
    ]
    assert [row["missed_lately"] for row in seen(warehouse)] == [0, 0, 0, 2]
    first, second, *_ = warehouse.rows("SELECT first_beat, beats FROM snapshot_gaps ORDER BY first_beat")
    assert first == (base + timedelta(minutes=7), 2) and second[0] == base + timedelta(minutes=10)


BEAT_BY_BEAT = """
WITH taken AS (
    SELECT b.dataset, b.currency, p.begins, p.seconds,
           date_bin(make_interval(secs => p.seconds), b.beat, '2000-01-01 00:00+00') AS beat
    FROM (SELECT 'instrument_summaries' AS dataset, currency, beat FROM store.summary_beat) AS b
    JOIN store.snapshot_beat p ON p.dataset = b.dataset AND b.beat >= p.begins AND b.beat < p.ends
), firsts AS (
    SELECT dataset, currency, min(beat) AS beat FROM taken GROUP BY dataset, currency
), marks AS (
    SELECT dataset, currency, seconds, begins, beat FROM taken
    UNION
    SELECT p.dataset, f.currency, p.seconds, p.begins, greatest(p.begins, f.beat) - make_interval(secs => p.seconds)
    FROM store.snapshot_beat p JOIN firsts f USING (dataset) WHERE f.beat < p.ends
    UNION
    SELECT p.dataset, f.currency, p.seconds, p.begins,
           least(p.ends, date_bin(make_interval(secs => p.seconds), now(), '2000-01-01 00:00+00'))
    FROM store.snapshot_beat p JOIN firsts f USING (dataset) WHERE f.beat < p.ends
)
SELECT currency, beat + step, beat + step * beats, beats
FROM (SELECT *, ceil(extract(epoch FROM next - beat) / seconds)::integer - 1 AS beats
      FROM (SELECT *, make_interval(secs => seconds) AS step,
                   lead(beat) OVER (PARTITION BY dataset, currency, begins ORDER BY beat) AS next FROM marks) AS m
      WHERE next > beat + step) AS g
ORDER BY 1, 2
"""
"""The view snapshot_gaps, found by laying every beat beside the next one."""


def store_beats(warehouse: Warehouse, currency: str, beats: set[datetime], folded: set[datetime]) -> None:
    """Stores empty snapshots at some beats; those of the folded days (their midnights) as these are stored."""
    version = warehouse.value(
        "INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
        "VALUES ('instrument_summaries', %s, %s, '', 0, 0, 0) RETURNING version_id", currency, HOST,
    )  # fmt: skip
    roster = warehouse.value(
        "INSERT INTO store.roster (digest, first_beat, instruments) VALUES (md5(%s)::uuid, now(), '{x}') "
        "RETURNING roster_id", currency,
    )  # fmt: skip
    days: dict[datetime, list[int]] = {}
    for beat in sorted(beats):
        midnight = beat.replace(hour=0, minute=0)
        days.setdefault(midnight, []).append((beat - midnight) // BEAT)
    values = ", ".join(["'{}'"] * len(INSTRUMENT_SUMMARY.values.keys() - {"roster_id"}))
    columns = ", ".join(name for name in INSTRUMENT_SUMMARY.values if name != "roster_id")
    for midnight, minutes in days.items():
        if midnight in folded:
            warehouse.rows(
                "INSERT INTO store.summary_day (currency, day, minutes, version_ids, validation_ids) "
                "VALUES (%s, %s, %s, '{}', '{}') RETURNING 1", currency, midnight.date(), minutes,
            )  # fmt: skip
        else:
            warehouse.rows(
                f"INSERT INTO store.instrument_summary (currency, beat, version_id, roster_id, {columns}) "
                f"SELECT %s, %s + m * interval '1 minute', %s, %s, {values} FROM unnest(%s::integer[]) AS m "
                "RETURNING 1", currency, midnight, version, roster, minutes,
            )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_the_gaps_of_folded_days_and_others_are_those_found_beat_by_beat(warehouse, seed):
    random = Random(seed)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = today - timedelta(days=random.randint(1, 4))
    stretches, at_most = [], (datetime.now(UTC) - begins) // BEAT
    minutes = sorted({0, *(random.randrange(at_most) for _ in range(random.randint(0, 3)))})
    for minute, past in zip(minutes, [*minutes[1:], at_most], strict=True):
        seconds = random.choice([60, 60, 120, 300, 720, 3600])
        first = -(-minute // (seconds // 60)) * (seconds // 60)  # a stretch begins with a beat
        if first < past and not (stretches and first <= stretches[-1][0]):
            stretches.append((first, seconds))
    for (first, seconds), past in zip(stretches, [*(first for first, _ in stretches[1:]), None], strict=True):
        warehouse.rows(
            "INSERT INTO store.snapshot_beat (dataset, begins, ends, seconds) "
            "VALUES ('instrument_summaries', %s, %s, %s) RETURNING 1",
            begins + first * BEAT, "infinity" if past is None else begins + past * BEAT, seconds,
        )  # fmt: skip
    for currency in ("BTC", "ETH"):
        beats = set()
        ends = [*(first for first, _ in stretches[1:]), at_most + 2]
        for (first, seconds), past in zip(stretches, ends, strict=True):
            here = list(range(first, past, seconds // 60))
            likely = random.choice([1, 0.999, 0.9, 0.3])
            away = range(random.randrange(first, past), random.randrange(first, past) + 1)
            beats |= {m for m in here if random.random() < likely and m not in away}
        beats |= {random.randrange(at_most) for _ in range(random.choice([0, 3]))}  # between two beats, too
        folded = {begins + timedelta(days=n) for n in range(4) if random.random() < 0.7}
        store_beats(warehouse, currency, {begins + m * BEAT for m in beats}, folded)
    with warehouse.connection.transaction():  # at one moment
        told = warehouse.rows("SELECT currency, first_beat, last_beat, beats FROM snapshot_gaps ORDER BY 1, 2")
        assert told == warehouse.rows(BEAT_BY_BEAT)


def test_a_year_of_folded_days_is_not_looked_at_beat_by_beat(warehouse):
    """Of 365 days 41 lack a minute: their minutes are looked at, and no other ones."""
    begins = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=365)
    warehouse.rows(
        "INSERT INTO store.snapshot_beat (dataset, begins, seconds) VALUES ('instrument_summaries', %s, 60) "
        "RETURNING 1", begins,
    )  # fmt: skip
    warehouse.rows(
        "INSERT INTO store.summary_day (currency, day, minutes, version_ids, validation_ids) "
        "SELECT 'BTC', %s::date + d, "
        "ARRAY(SELECT m FROM generate_series(0, 1439) AS m WHERE d %% 9 > 0 OR m <> 700), '{}', '{}' "
        "FROM generate_series(0, 364) AS d RETURNING 1", begins,
    )  # fmt: skip
    assert warehouse.value("SELECT sum(beats) FROM snapshot_gaps WHERE last_beat < date_trunc('day', now())") == 41
    [plan] = warehouse.value("EXPLAIN (ANALYZE, TIMING off, FORMAT json) SELECT * FROM snapshot_gaps")

    # 41 days with 1439 minutes
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan["Plan"])) <= 41 * 1439


def test_what_the_catalogue_has_and_a_snapshot_lacks_is_named_and_the_other_way_round(warehouse):
    warehouse.instrument("BTC-PERPETUAL", at("2024-01-01"))
    warehouse.instrument("BTC-28MAR25", at("2025-01-01"), at("2025-03-28", 480))
    warehouse.instrument("BTC-1MAR25", at("2025-01-01"), NOON + timedelta(minutes=5))
    warehouse.instrument("BTC-7MAR25", NOON - timedelta(minutes=5), at("2025-03-07", 480))
    warehouse.instrument("ETH-PERPETUAL", at("2024-01-01"), base="ETH")
    take(warehouse, NOON, ["BTC-PERPETUAL", "BTC-27JUN25"])
    [row] = seen(warehouse)
    assert row["absent"] == "BTC-28MAR25", "what is young or about to end takes the exchange some minutes"
    assert row["unknown"] is None, "the catalogue was not read since"
    with warehouse.connection.transaction():
        record_reading(warehouse.connection, "BTC", "future", 2, "run", host="live", expired=False)
    [row] = seen(warehouse)
    assert row["unknown"] == "BTC-27JUN25"
    publish(warehouse)
    assert warehouse.value("SELECT count(*) FROM instrument_summaries WHERE instrument = 'BTC-27JUN25'") == 1


def test_single_instruments_are_named(warehouse):
    rows = [
        told("BTC-PERPETUAL", NOON, funding_8h=None), told("BTC-1", NOON, mark_price=None),
        told("BTC-2", NOON, mark_price=-1), told("BTC-3", NOON, mark_price=20_000.0),
        told("BTC-4", NOON, bid_price=50_002.0), told("BTC-5", NOON, mark_price=36_000),
        told("BTC-6", NOON, open_interest=math.inf),
        told("BTC-7-PERPETUAL", NOON + timedelta(seconds=30), funding_8h=0.03),
        told("BTC-8", NOON, bid_price=None, ask_price=None, last=None), told("BTC-9", NOON, volume="x"),
    ]  # fmt: skip
    take(warehouse, NOON, rows=rows)
    [row] = seen(warehouse)
    assert row["without_mark"] == "BTC-1" and row["marks_known"] == 8 / 9
    assert row["impossible"] == "BTC-2: mark -1; BTC-6: open interest Infinity"
    assert row["far_from_index"] == "BTC-2: mark -1, index 50010.25; BTC-3: mark 20000, index 50010.25"
    assert row["off_index"].endswith("BTC-5: mark 36000, index 50010.25")
    assert row["crossed"] == "BTC-4: bid 50002, ask 50001" and row["without_funding"] == "BTC-PERPETUAL"
    assert row["unusual_funding"] == "BTC-7-PERPETUAL: 0.03" and row["clock_span_seconds"] == 30
    assert row["unreadable"] == "BTC-9: volume is 'x', not a number"
    publish(warehouse)
    assert warehouse.value("SELECT ts FROM instrument_summaries WHERE instrument LIKE 'BTC-7%%'") == NOON + timedelta(
        seconds=30
    )
    asked = "SELECT mark_price, bid_price FROM summaries('BTC-8', %s, %s)"
    assert warehouse.rows(asked, NOON, NOON + BEAT) == [(50_000.5, None)]


def test_a_row_of_nulls_is_impossible(warehouse):
    nulls = dict.fromkeys(told("BTC-PERPETUAL", NOON).keys() - {"instrument_name", "creation_timestamp"})
    take(warehouse, NOON, rows=[told("BTC-PERPETUAL", NOON, **nulls), told("BTC-1", NOON)])
    [row] = seen(warehouse)
    assert row["impossible"] == "BTC-PERPETUAL: no index"


def test_what_was_shown_at_a_moment_can_be_asked(warehouse):
    take(warehouse, NOON)
    before = warehouse.value("SELECT clock_timestamp()")
    publish(warehouse)
    asked = "SELECT count(*) FROM summaries('BTC-PERPETUAL', %s, %s, as_of => %s)"
    span = NOON, NOON + BEAT
    assert warehouse.value(asked, *span, before) == 0
    assert warehouse.value(asked, *span, warehouse.value("SELECT clock_timestamp()")) == 1


def test_a_name_that_was_listed_again_is_resolved_by_time(warehouse):
    """Summaries know names alone; whose they are says the time."""
    again = NOON + timedelta(hours=2)
    lives = [(1, at("2025-01-01"), NOON + timedelta(hours=1)), (2, again, "infinity")]
    with warehouse.connection.transaction():
        store_instruments(warehouse.connection, [
            ("BTC-PERPETUAL", number, "future", "BTC", "USD", "BTC", "perpetual", "reversed", "btc_usd", 0.5, 10.0,
             listed, expires, None, None, "open", True, HOST, "crypto", None, None, None)
            for number, listed, expires in lives
        ])  # fmt: skip
    for moment in (NOON, again):
        take(warehouse, moment)
        publish(warehouse)
    asked = "SELECT ts, instrument FROM summaries(%s, %s, %s)"
    everything = NOON - BEAT, again + BEAT
    first, second = [(NOON, "BTC-PERPETUAL")], [(again, "BTC-PERPETUAL")]
    assert warehouse.rows(asked, "BTC-PERPETUAL", NOON, NOON + BEAT) == first
    assert warehouse.rows(asked, "BTC-PERPETUAL", again, again + BEAT) == second
    assert warehouse.rows(asked, "BTC-PERPETUAL#1", *everything) == first
    assert warehouse.rows(asked, "BTC-PERPETUAL#2", *everything) == second
    with pytest.raises(psycopg.errors.CardinalityViolation, match="BTC-PERPETUAL#1 from .*, BTC-PERPETUAL#2 from"):
        warehouse.rows(asked, "BTC-PERPETUAL", *everything)
    unlisted = warehouse.rows(asked, "BTC-28MAR25", *everything)
    assert [ts for ts, _ in unlisted] == [NOON, again], "what the catalogue does not know yet is found by its name"


def test_an_instrument_at_a_beat_takes_few_bytes(warehouse, market):
    """What made it a row a snapshot: a row an instrument takes 250."""
    truncate(market, "instrument_summary")
    names = [f"C{n:02}_USDC-PERPETUAL" for n in range(60)]
    random = Random(1)
    prices = ("mark_price", "bid_price", "ask_price", "estimated_delivery_price")
    for n in range(288):
        moment = NOON + n * BEAT
        rows = [
            told(
                name, moment, open_interest=random.randint(1, 10**9), last=random.randint(1, 10**5),
                volume=random.uniform(1, 1e4), funding_8h=random.uniform(-1e-3, 1e-3),
                current_funding=random.uniform(-1e-3, 1e-3),
                **{price: round(random.uniform(1, 99_999), 2) for price in prices},
            )
            for name in names
        ]  # fmt: skip
        take(warehouse, moment, rows=rows)
        if n % 12 == 11:
            publish(warehouse)
            vacuum(market, "instrument_summary")
    bytes_a_row = warehouse.value("SELECT pg_total_relation_size('store.instrument_summary')") / (288 * 60)
    print(f"{bytes_a_row:.1f} bytes an instrument and beat")
    assert bytes_a_row < 100


def fold(warehouse: Warehouse, before: datetime = NOON + timedelta(days=2)) -> int:
    with warehouse.connection.transaction():
        return snapshots.fold(warehouse.connection, INSTRUMENT_SUMMARIES, before)


def everything(warehouse: Warehouse, moments: list[datetime]) -> list[list[tuple]]:
    """Whatever a reader can see of summaries, now and as of some moments."""
    every = (
        "SELECT * FROM instrument_summaries ORDER BY instrument, beat",
        "SELECT * FROM index_prices ORDER BY index_name, ts",
        "SELECT * FROM snapshot_gaps WHERE first_beat < '2025-03-02' ORDER BY first_beat",
        "SELECT month, present, published_minutes FROM coverage WHERE dataset = 'instrument_summaries' AND present > 0",
        "SELECT * FROM provenance WHERE dataset = 'instrument_summaries' ORDER BY ts, version_id",
    )
    seen = [warehouse.rows(query) for query in every]
    for moment in (None, *moments):
        for name in ("BTC-PERPETUAL", "BTC-28MAR25", "BTC-27JUN25"):
            for begins, ends in (
                (at(FIRST, -10), at(FIRST, 3000)),
                (at(FIRST, 1), at(FIRST, 2)),
                (NOON, at(FIRST, 1440)),
            ):
                asked = "SELECT * FROM summaries(%s, %s, %s, as_of => %s)"
                seen.append(warehouse.rows(asked, name, begins, ends, moment))
        seen.append(warehouse.rows(
            "SELECT * FROM index_price('btc_usd', %s, %s, as_of => %s)", at(FIRST, -10), at(FIRST, 3000), moment
        ))  # fmt: skip
    return seen


def test_folded_days_read_as_they_did(warehouse):
    """To the last bit, what was published when included; and what is remarkable of a beat stays as it was."""
    warehouse.instrument("BTC-PERPETUAL", at("2024-01-01"))
    random, moments = Random(7), []
    for minute in (0, 1, 2, 5, 700, 719, 720, 1439, 1440, 1441):
        moment = at(FIRST, minute) + timedelta(milliseconds=random.randint(-9_000, 45_000))
        names = ["BTC-PERPETUAL", "BTC-28MAR25"] if minute < 720 else ["BTC-27JUN25", "BTC-PERPETUAL"]
        rows = [
            told(
                name, moment, mark_price=random.choice([None, 0.1 + random.random() * 1e5]), last=None,
                estimated_delivery_price=round(random.uniform(1, 1e5), 4), funding_8h=random.uniform(-1e-3, 1e-3),
            )
            for name in names
        ]  # fmt: skip
        take(warehouse, moment, rows=[*rows, told("BTC-9", moment, volume="x")] if minute == 2 else rows)
        if minute in (1, 700):
            publish(warehouse)
            moments.append(warehouse.value("SELECT clock_timestamp()"))
    take(warehouse, at(FIRST, 6), mark_price=-1.0)
    publish(warehouse)
    moments.append(warehouse.value("SELECT clock_timestamp()"))
    warehouse.hold(INSTRUMENT_SUMMARY, warehouse.newest_of(INSTRUMENT_SUMMARIES)[4:5])
    take(warehouse, at(FIRST, 6))
    publish(warehouse)
    moments.append(warehouse.value("SELECT clock_timestamp()"))
    before = everything(warehouse, moments)
    assert all(before[:5])
    assert fold(warehouse, at(FIRST)) == 0, "nothing is that old"
    assert fold(warehouse) == 8, "of nine beats one was taken back before"
    left = [at(FIRST, minute) for minute in (6, 6, 1440, 1441)]
    assert [beat for [beat] in warehouse.rows("SELECT beat FROM store.instrument_summary ORDER BY 1")] == left
    assert everything(warehouse, moments) == before
    unreadable = {"2": ["BTC-9: volume is 'x', not a number"]}
    assert warehouse.value("SELECT unreadable FROM store.summary_day") == unreadable
    assert fold(warehouse, at(FIRST, 5 * 1440)) == 0, "the newest day stays, and none is folded twice"
    prune_records(warehouse.connection, datetime.now(UTC) + timedelta(days=1))
    assert everything(warehouse, moments) == before


def test_a_day_of_which_something_waits_is_not_folded(warehouse):
    for minute in (1, 2, 1441):
        take(warehouse, at(FIRST, minute))
    assert fold(warehouse) == 0
    publish(warehouse)
    take(warehouse, at(FIRST, 3))
    assert fold(warehouse) == 0
    publish(warehouse)
    assert fold(warehouse) == 3
