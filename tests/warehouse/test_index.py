"""The index: the truth where it is known, the perpetual named as its stand-in elsewhere, and how far that is off."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD, INDEX_MINUTES, INDEX_PRICES
from deribit_warehouse.datasets.index_minutes import load as load_chart
from deribit_warehouse.datasets.instrument_summaries import INSTRUMENT_SUMMARY
from deribit_warehouse.tables import INDEX_DAY
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.catalogue import windows
from deribit_warehouse.warehouse.index import store_chart
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from exchange_simulator import comparison
from exchange_simulator.market import Market
from tests.warehouse.days import FIRST, HOST, Candles, Warehouse, at, bits, index_profile, index_proxies, ms, trading
from tests.warehouse.test_summaries import fold, take, told
from tests.warehouse.test_summaries import publish as publish_summaries

BORN = at("2025-02-01")
DAYS = (FIRST, FIRST + timedelta(days=1))
BEGIN, END = at(FIRST), FIRST + timedelta(days=2)
HOURS = [at(FIRST, 60 * k) for k in range(1, 49)]


@pytest.fixture
def perpetual(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", BORN)


def chart(warehouse: Warehouse, points: dict[datetime, float], index_name: str = "btc_usd") -> Ingested:
    provenance = Provenance("index_prices", index_name, HOST, "run")
    timestamp = np.array([ms(instant) for instant in points], np.int64)
    with warehouse.connection.transaction():
        return store_chart(warehouse.connection, timestamp, np.array(list(points.values()), float), provenance)


def charted(warehouse: Warehouse) -> dict[datetime, float]:
    """What is stored of the chart, by the instant each price belongs to: the minute's END."""
    return dict(warehouse.rows(
        "SELECT day::timestamp AT TIME ZONE 'UTC' + i * interval '1 minute', p.price FROM store.index_chart_day "
        "CROSS JOIN LATERAL unnest(price) WITH ORDINALITY AS p(price, i) WHERE p.price IS NOT NULL"
    ))  # fmt: skip


def compute(warehouse: Warehouse, begins=FIRST, ends=END) -> list[dict]:
    warehouse.compute(INDEX_PRICES, begins, ends)
    with warehouse.connection.transaction():
        return index_profile(warehouse.connection, begins=begins, ends=ends).to_dict("records")


def publish(warehouse: Warehouse, *, passed=True) -> int:
    return warehouse.decide(INDEX_PRICES, passed=passed)


def pending(warehouse: Warehouse) -> int:
    return warehouse.pending(INDEX_PRICES)


def hourly(seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    columns = random.standard_normal((4, 48))
    columns[2] = 50_000 + 20 * random.standard_normal(48)
    return columns


def test_chart_points_are_kept_at_the_minute_they_end(warehouse):
    first = {
        at(FIRST, 1439): 1.0,
        at(FIRST, 1440): 2.0,
        at(FIRST, 1441): 3.0,
        at(FIRST, 1441) + timedelta(seconds=7): 9.0,
    }
    assert chart(warehouse, first) == Ingested(added=2)
    wanted = {instant: price for instant, price in first.items() if price < 9}
    assert charted(warehouse) == wanted
    assert warehouse.rows("SELECT day FROM store.index_chart_day ORDER BY day") == [(DAYS[0],), (DAYS[1],)]

    before = (
        warehouse.rows("SELECT xmin, * FROM store.index_chart_day"),
        warehouse.rows("SELECT * FROM store.ingestion"),
    )
    assert chart(warehouse, wanted) == Ingested(unchanged=2)
    assert (
        warehouse.rows("SELECT xmin, * FROM store.index_chart_day"),
        warehouse.rows("SELECT * FROM store.ingestion"),
    ) == before

    assert chart(warehouse, {at(FIRST, 1441): 3.0, at(FIRST, 1442): 4.0}) == Ingested(grown=1)
    assert chart(warehouse, {at(FIRST, 1439): 1.5}) == Ingested(corrected=1)
    assert charted(warehouse) == wanted | {at(FIRST, 1439): 1.5, at(FIRST, 1442): 4.0}
    assert chart(warehouse, {}) == Ingested()


def test_a_chart_that_stutters_counts_once_and_no_price_is_no_point(warehouse):
    provenance = Provenance("index_prices", "btc_usd", HOST, "run")
    moments = [at(FIRST, 5), at(FIRST, 5), at(FIRST, 6), at(FIRST, 7)]
    with warehouse.connection.transaction():
        store_chart(
            warehouse.connection, np.array([ms(m) for m in moments]), np.array([1.0, 2.0, math.nan, 3.0]), provenance
        )
    assert charted(warehouse) == {at(FIRST, 5): 2.0, at(FIRST, 7): 3.0}


def fill(warehouse: Warehouse, perpetual: int, *, begins=BEGIN, gone=(), hours=range(48)) -> tuple:
    """Two days of a perpetual and its funding, published: the candles and the hourly prices by hour end."""
    candles = trading(begins, at(FIRST, 2880), seed=11).without(*gone)
    columns = hourly()
    warehouse.candles(perpetual, candles)
    warehouse.publish(perpetual)
    warehouse.funding(perpetual, [HOURS[k] for k in hours], columns[:, list(hours)])
    warehouse.publish_funding(perpetual)
    return candles, {HOURS[k]: columns[2, k] for k in hours}


def test_each_minute_says_its_price_and_where_it_is_from(warehouse, perpetual):
    gone = (100, 2000)
    candles, true = fill(warehouse, perpetual, gone=gone, hours=[k for k in range(48) if k != 30])
    points = {at(FIRST, minute): 60_000.0 + minute for minute in (61, 120, 1441, 1860, 2001)}
    chart(warehouse, points)
    compute(warehouse)
    assert warehouse.value("SELECT count(*) FROM index_prices") == 0, "nothing is shown before it is validated"
    assert publish(warehouse) == 2

    wanted = []
    for minute in range(2880):
        ends = at(FIRST, minute + 1)
        if ends in true:
            wanted.append((true[ends], "funding_history"))
        elif ends in points:
            wanted.append((points[ends], "funding_chart"))
        elif minute in gone:
            wanted.append((None, None))
        else:
            wanted.append((candles.close[minute], "perpetual_proxy"))
    shown = warehouse.rows("SELECT ts, price, source FROM index_prices WHERE index_name = 'btc_usd' ORDER BY ts")
    assert [ts for ts, *_ in shown] == [at(FIRST, minute) for minute in range(2880)]
    assert [(bits([price]), source) for _, price, source in shown] == [
        (bits([price]), source) for price, source in wanted
    ]
    assert wanted[2000] == (points[at(FIRST, 2001)], "funding_chart"), "the chart knows what the perpetual misses"


def test_the_profile_counts_and_measures_as_an_oracle_does(warehouse, perpetual):
    candles, true = fill(
        warehouse, perpetual, gone=(100, 119, slice(2000, 2010)), hours=[k for k in range(48) if k not in (7, 8)]
    )
    chart(warehouse, {at(FIRST, minute): 50_000.0 for minute in range(1990, 2006)})
    rows = compute(warehouse)
    assert [(r["index_name"], r["day"]) for r in rows] == [("btc_usd", day) for day in DAYS]
    for n, row in enumerate(rows):
        errors = np.array([
            candles.close[minute - 1] / true[at(FIRST, minute)] - 1
            for minute in range(n * 1440 + 60, n * 1440 + 1441, 60)
            if at(FIRST, minute) in true and candles.present[minute - 1]
        ])  # fmt: skip
        stored = warehouse.rows(
            "SELECT compared_hours, proxy_error_mean, proxy_error_p95, proxy_error_max "
            "FROM store.index_day WHERE day = %s",
            row["day"],
        )[0]
        np.testing.assert_allclose(
            stored, (len(errors), errors.mean(), np.percentile(abs(errors), 95), abs(errors).max()), rtol=1e-9
        )
        assert (row["compared_hours"], row["proxy_error_p95"], row["proxy_error_max"]) == (
            stored[0],
            stored[2],
            stored[3],
        )
    first, second = rows
    # the first day misses minutes 100 and 119; the index of the latter is known from funding
    assert (first["expected_minutes"], first["minutes"], first["missing_minutes"]) == (1440, 1439, 0)
    assert (first["true_minutes"], first["proxy_minutes"], first["not_positive_minutes"]) == (22, 1439 - 22, 0)
    # of the ten minutes the second misses, the chart knows five
    assert (second["expected_minutes"], second["minutes"], second["missing_minutes"]) == (1440, 1435, 0)
    assert (second["true_minutes"], second["proxy_minutes"]) == (24 + 16, 1435 - 40)


def test_a_listing_day_begins_late_and_has_fewer_hours_to_compare(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST, 605))
    candles, true = fill(warehouse, perpetual, begins=at(FIRST, 605), hours=range(11, 48))
    first, second = compute(warehouse)
    assert (first["expected_minutes"], first["minutes"], first["missing_minutes"]) == (835, 835, 0)
    assert (first["true_minutes"], first["compared_hours"], second["compared_hours"]) == (13, 13, 24)
    publish(warehouse)
    shown = dict(warehouse.rows("SELECT ts, price FROM index_prices WHERE day = %s", FIRST))
    assert min(shown) == at(FIRST, 605) and len(shown) == 835
    assert shown[at(FIRST, 719)] == true[at(FIRST, 720)] and shown[at(FIRST, 605)] == candles.close[0]


def test_an_index_day_is_due_when_an_input_is_republished(warehouse, perpetual):
    fill(warehouse, perpetual)
    assert pending(warehouse) == 2
    compute(warehouse)
    publish(warehouse)
    assert pending(warehouse) == 0
    assert compute(warehouse) and warehouse.value("SELECT count(*) FROM index_prices") == 2880, (
        "computing it again hides nothing"
    )

    def shown_until_published(days: int) -> None:
        assert pending(warehouse) == days
        before = warehouse.rows("SELECT * FROM index_prices ORDER BY ts")
        compute(warehouse)
        assert warehouse.rows("SELECT * FROM index_prices ORDER BY ts") == before
        assert publish(warehouse) == days
        assert warehouse.value("SELECT count(DISTINCT day) FROM index_prices") == 2
        assert pending(warehouse) == 0

    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440), seed=12))
    assert pending(warehouse) == 0, "a version nobody has validated is nobody's input"
    warehouse.publish(perpetual)
    shown_until_published(1)

    columns = hourly()
    columns[2, 40] += 1
    warehouse.funding(perpetual, HOURS, columns)
    warehouse.publish_funding(perpetual)
    shown_until_published(1)

    chart(warehouse, {at(FIRST, 77): 1.0})
    shown_until_published(1)


def test_an_hour_published_later_than_its_day_makes_the_day_due(warehouse, perpetual):
    """A waived hour is of the same load as the hours published before it."""
    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 2880)))
    warehouse.publish(perpetual)
    warehouse.funding(perpetual, HOURS, hourly())
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            "UPDATE store.funding_rate SET state = 'published', validation_id = %s WHERE ts <> %s",
            (warehouse.validation(), HOURS[5]),
        )
    compute(warehouse)
    publish(warehouse)
    assert pending(warehouse) == 0
    assert warehouse.publish_funding(perpetual) == 1
    assert pending(warehouse) == 1


def test_a_day_waits_for_its_funding_unless_there_was_none_that_early(warehouse, perpetual):
    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 2880)))
    warehouse.publish(perpetual)
    assert pending(warehouse) == 2, "of funding that nobody knows of nothing is to come"
    warehouse.funding(perpetual, HOURS[30:], hourly()[:, 30:])
    assert pending(warehouse) == 1, "the first day had no funding yet"
    warehouse.publish_funding(perpetual)
    assert pending(warehouse) == 2
    warehouse.compute(INDEX_PRICES)
    assert publication.months(warehouse.connection, INDEX_DAY, END, None) == []
    [month] = publication.months(warehouse.connection, INDEX_DAY, DAYS[1], END)
    assert (month["month"], month["first_day"], month["last_day"], month["days"]) == (FIRST, DAYS[1], DAYS[1], 1)


def test_a_day_that_fails_is_not_shown_and_one_that_fails_later_is_hidden(warehouse, perpetual):
    fill(warehouse, perpetual)
    compute(warehouse)
    publish(warehouse, passed=False)
    assert warehouse.value("SELECT count(*) FROM index_prices") == 0
    assert pending(warehouse) == 0, "it was validated: it waits for other input"
    publish(warehouse, passed=True)
    assert warehouse.value("SELECT count(*) FROM index_prices") == 2880
    publish(warehouse, passed=False)
    assert warehouse.value("SELECT count(*) FROM index_prices") == 0


def test_the_measured_error_is_shown_of_published_days(warehouse, perpetual):
    fill(warehouse, perpetual)
    compute(warehouse)
    assert warehouse.rows("SELECT * FROM index_proxy_error") == []
    publish(warehouse)
    assert [row[:3] for row in warehouse.rows("SELECT * FROM index_proxy_error ORDER BY day")] == [
        ("btc_usd", day, 24) for day in DAYS
    ]


def test_each_index_has_the_perpetual_quoted_in_it(warehouse, perpetual):
    warehouse.instrument("BTC_USDC-PERPETUAL", BORN, quote="USDC", settlement="USDC")
    warehouse.instrument("BTC-28MAR25", BORN, at("2025-03-28", 480))
    assert index_proxies(warehouse.connection, ["BTC"]) == {"btc_usd": "BTC-PERPETUAL"}
    assert list(index_proxies(warehouse.connection, ["BTC", "USDC"])) == ["btc_usd", "btc_usdc"]


def test_of_linear_coins_the_chart_of_each_index_that_lives_is_asked_for_once(warehouse):
    """Two perpetuals may be on one index, and of one that has ended the exchange knows no chart any more."""
    usdc = {"quote": "USDC", "settlement": "USDC"}
    for name, base in {"BTC_USDC-PERPETUAL": "BTC", "BTC_USDC-PERPETUAL-2": "BTC", "SOL_USDC-PERPETUAL": "SOL"}.items():
        warehouse.instrument(name, BORN, base=base, **usdc)
    ended = warehouse.instrument("ICP_USDC-PERPETUAL", BORN, base="ICP", **usdc)
    warehouse.delist(ended, at(FIRST, 600))
    points = np.array([ms(at(FIRST, minute)) for minute in range(241, 721)])
    told = SimpleNamespace(timestamp=points, index_price=np.full(480, 100.0))
    exchange = SimpleNamespace(funding_chart=lambda name: asked.append(name) or told)
    asked: list[str] = []
    for window in windows(warehouse.connection, INDEX_MINUTES, at(FIRST), at(FIRST), currencies=["BTC", "USDC"]):
        provenance = Provenance(INDEX_MINUTES.name, window.subject, HOST, "run")
        assert load_chart(exchange, warehouse.connection, window, provenance) == (Ingested(added=1), 1)
    assert asked == ["BTC_USDC-PERPETUAL", "SOL_USDC-PERPETUAL"]
    assert dict(warehouse.rows(
        "SELECT index_name, count(minute) FROM store.index_chart_day CROSS JOIN unnest(price) AS p(minute) GROUP BY 1"
    )) == {"btc_usdc": 480, "sol_usdc": 480}  # fmt: skip


def test_the_points_of_a_chart_keep_their_utc_day_in_every_session(warehouse):
    warehouse.connection.execute("SET timezone = 'Asia/Tokyo'")
    chart(warehouse, {at(FIRST, 1440): 2.0})
    assert [(instant.astimezone(UTC), price) for instant, price in charted(warehouse).items()] == [
        (at(FIRST, 1440), 2.0)
    ]


OPEN = "SELECT ts, price, source, day FROM index_prices WHERE index_name = 'btc_usd' ORDER BY ts"


def summary(warehouse: Warehouse, minute: int, price: float, *, late: float = 0.0, of_future: float = 1.0) -> None:
    """A summary at a minute of the first day, late by some seconds, in which the perpetual's index is price."""
    moment = at(FIRST, minute) + timedelta(seconds=late)
    rows = [
        told("BTC-28MAR25", moment, estimated_delivery_price=of_future),
        told("BTC-PERPETUAL", moment, estimated_delivery_price=price),
    ]
    assert take(warehouse, moment, rows=rows) == Ingested(added=1)


def test_a_summary_is_the_index_of_the_minute_that_ends_at_its_beat(warehouse, perpetual):
    summary(warehouse, 0, 9.0, late=-2.0)
    for minute, price in ((1, 10.0), (2, 11.0), (1440, 12.0), (1441, 13.0)):
        summary(warehouse, minute, price, late=5.0)
    assert warehouse.rows(OPEN) == [], "nothing is shown before it is validated"
    publish_summaries(warehouse)
    assert warehouse.rows(OPEN) == [
        (at(FIRST, -1), 9.0, "summary", FIRST - timedelta(days=1)), (at(FIRST, 0), 10.0, "summary", FIRST),
        (at(FIRST, 1), 11.0, "summary", FIRST), (at(FIRST, 1439), 12.0, "summary", FIRST),
        (at(FIRST, 1440), 13.0, "summary", DAYS[1]),
    ]  # fmt: skip
    asked = "SELECT ts, price FROM index_price('btc_usd', %s, %s)"
    assert warehouse.rows(asked, at(FIRST, 1), at(FIRST, 1440)) == [(at(FIRST, 1), 11.0), (at(FIRST, 1439), 12.0)]
    assert warehouse.rows(asked, at(FIRST, -900), at(FIRST, -1)) == []
    assert warehouse.rows("SELECT told_at FROM store.open_index_minute WHERE price = 10") == [
        (at(FIRST, 1) + timedelta(seconds=5),)
    ]


def test_what_the_exchange_said_too_late_is_no_sample_of_the_minutes_end(warehouse, perpetual):
    for minute, late in ((1, 30.0), (2, 30.001), (3, -9.0)):
        summary(warehouse, minute, 10.0 + minute, late=late)
    publish_summaries(warehouse)
    assert [row[:2] for row in warehouse.rows(OPEN)] == [(at(FIRST, 0), 11.0), (at(FIRST, 2), 13.0)]


def test_of_beats_of_five_minutes_every_fifth_minute_is_known(warehouse, perpetual, monkeypatch):
    monkeypatch.setenv("DERIBIT_SUMMARY_MINUTES", "5")
    summary(warehouse, 5, 10.0, late=3.0)
    summary(warehouse, 10, 11.0, late=200.0)
    summary(warehouse, 15, 12.0, late=-4.0)
    publish_summaries(warehouse)
    assert [row[:2] for row in warehouse.rows(OPEN)] == [(at(FIRST, 4), 10.0), (at(FIRST, 14), 12.0)]


def test_an_index_that_is_the_same_for_all_or_not_told_of_the_perpetual(warehouse, perpetual):
    summary(warehouse, 1, 10.0, of_future=10.0)
    assert warehouse.value("SELECT cardinality(index_price) FROM store.instrument_summary") == 1
    summary(warehouse, 2, None, of_future=10.0)
    take(warehouse, at(FIRST, 3), ["BTC-28MAR25", "BTC-27JUN25"])
    publish_summaries(warehouse)
    assert [row[:2] for row in warehouse.rows(OPEN)] == [(at(FIRST, 0), 10.0)]


def test_each_index_is_that_of_its_perpetual(warehouse, perpetual):
    """In one currency there are many; what the catalogue doesn't have yet is none."""
    for base in ("BTC", "ETH"):
        warehouse.instrument(f"{base}_USDC-PERPETUAL", BORN, base=base, quote="USDC", settlement="USDC")
    names = {"ETH_USDC-PERPETUAL": 3_000.0, "SOL_USDC-PERPETUAL": 150.0, "BTC_USDC-PERPETUAL": 50_001.0}
    moment = at(FIRST, 1)
    rows = [told(name, moment, estimated_delivery_price=price) for name, price in names.items()]
    take(warehouse, moment, rows=rows, currency="USDC")
    summary(warehouse, 1, 50_000.0)
    publish_summaries(warehouse)
    assert warehouse.rows("SELECT index_name, price FROM index_prices ORDER BY price") == [
        ("eth_usdc", 3_000.0), ("btc_usd", 50_000.0), ("btc_usdc", 50_001.0),
    ]  # fmt: skip


def test_a_published_day_keeps_what_its_summaries_said_and_one_that_is_taken_back_shows_them_alone(
    warehouse, perpetual
):
    def now() -> datetime:
        return warehouse.value("SELECT clock_timestamp()")

    def sources(as_of: datetime | None) -> dict[str, int]:
        return dict(warehouse.rows(
            "SELECT source, count(*) FROM index_price('btc_usd', %s, %s, as_of => %s) GROUP BY 1",
            BEGIN, at(FIRST, 1440), as_of,
        ))  # fmt: skip

    moments = [(now(), {})]
    for minute in (1, 2, 3):
        summary(warehouse, minute, 50_000.0 + minute)
    publish_summaries(warehouse)
    moments.append((now(), {"summary": 3}))
    fill(warehouse, perpetual)
    compute(warehouse)
    assert sources(None) == {"summary": 3}, "a day that nobody has validated replaces nothing"
    publish(warehouse)
    moments.append((now(), {"perpetual_proxy": 1413, "funding_history": 24, "summary": 3}))
    assert sources(None) == moments[-1][1]
    publish(warehouse, passed=False)
    moments.append((now(), {"summary": 3}))
    assert sources(None) == {"summary": 3}
    assert [(moment, sources(moment)) for moment, _ in moments] == moments
    validations = warehouse.rows("SELECT DISTINCT validation_id FROM index_prices")
    assert validations == warehouse.rows("SELECT DISTINCT validation_id FROM store.instrument_summary")


CLOSED = "SELECT ts, price, source FROM index_prices WHERE day = %s AND source = 'summary' ORDER BY ts"


def test_a_closed_day_keeps_what_its_summaries_said_where_hours_and_chart_say_nothing(warehouse, perpetual):
    future = warehouse.instrument("BTC-28MAR25", BORN, at("2025-03-28", 480))
    # the chart has a hole of eight hours; the summary of 10:00 and of 10:01 stand beside an hour and a charted minute
    for minute, late in ((1, 0), (600, 2), (601, 3), (602, 5), (603, 31), (1440, -2), (1441, 4), (1500, 4)):
        summary(warehouse, minute, 60_000.0 + minute, late=late, of_future=1.0)
    publish_summaries(warehouse)
    summary(warehouse, 700, 60_700.0)  # nobody has validated it
    candles, true = fill(warehouse, perpetual, gone=(0,), hours=[k for k in range(48) if k != 24])
    chart(warehouse, {at(FIRST, minute): 50_000.0 + minute for minute in (*range(2, 602), *range(1082, 1441))})
    warehouse.candles(future, trading(at(FIRST), at(FIRST, 1440), seed=5))
    warehouse.publish(future)
    first, second = compute(warehouse)
    assert (first["true_minutes"], first["proxy_minutes"]) == (1440 - 480 + 8 + 1, 480 - 8 - 1)
    assert (second["true_minutes"], second["proxy_minutes"]) == (23 + 2, 1440 - 25)
    assert publish(warehouse) == 2
    of_first = [(at(FIRST, 0), 60_001.0, "summary"), (at(FIRST, 601), 60_602.0, "summary")]
    of_second = [(at(FIRST, 1440), 61_441.0, "summary"), (at(FIRST, 1499), 61_500.0, "summary")]
    assert warehouse.rows(CLOSED, DAYS[0]) == of_first and warehouse.rows(CLOSED, DAYS[1]) == of_second
    shown = {ts: (price, source) for ts, price, source, _ in warehouse.rows(OPEN)}
    assert shown[at(FIRST, 599)] == (true[at(FIRST, 600)], "funding_history")
    assert shown[at(FIRST, 600)] == (50_601.0, "funding_chart") and shown[at(FIRST, 1438)][1] == "funding_chart"
    for minute in (602, 699):
        assert shown[at(FIRST, minute)] == (candles.close[minute], "perpetual_proxy")

    warehouse.compute(BASIS_SPREAD), warehouse.decide(BASIS_SPREAD)
    beside = warehouse.rows("SELECT ts, index_price FROM basis_spread WHERE day = %s", FIRST)
    known = {ts: price for ts, (price, source) in shown.items() if source != "perpetual_proxy"}
    assert len(beside) == 1439 and {ts: price for ts, price in beside if price} == {
        ts: price for ts, price in known.items() if at(FIRST, 0) < ts < at(FIRST, 1440)
    }

    # what is published of a day later has it computed again; what is computed after summaries are folded is the same
    assert pending(warehouse) == 0 and warehouse.compute(INDEX_PRICES, FIRST, END) == 0
    publish_summaries(warehouse)
    assert pending(warehouse) == 1 and warehouse.compute(INDEX_PRICES) == 1 and publish(warehouse) == 1
    of_first.append((at(FIRST, 699), 60_700.0, "summary"))
    assert warehouse.rows(CLOSED, FIRST) == sorted(of_first)
    summary(warehouse, 2 * 1440 + 5, 1.0)
    assert pending(warehouse) == 0 and [fold(warehouse, at(FIRST, 2 * 1440)) for _ in DAYS] == [6, 3]
    warehouse.candles(perpetual, candles.setting(1490, close=candles.close[1490] + 1))
    warehouse.publish(perpetual)
    assert pending(warehouse) == 1 and warehouse.compute(INDEX_PRICES) == 1 and publish(warehouse) == 1
    assert warehouse.rows(CLOSED, DAYS[1]) == of_second


def test_a_summary_published_after_its_day_was_computed_makes_the_day_due_where_it_lacks_a_minute(warehouse, perpetual):
    warehouse.instrument("BTC_USDC-PERPETUAL", BORN, quote="USDC", settlement="USDC")
    fill(warehouse, perpetual)
    chart(warehouse, {at(FIRST, 1440 + minute): 50_000.0 + minute for minute in range(1, 1441)})
    summary(warehouse, 5, 60_005.0)
    publish_summaries(warehouse)
    assert warehouse.compute(INDEX_PRICES) == 2 and publish(warehouse) == 2 and pending(warehouse) == 0

    summary(warehouse, 7, 60_007.0)
    assert pending(warehouse) == 0, "a summary nobody has validated is nobody's input"
    publish_summaries(warehouse)
    assert pending(warehouse) == 1 and [row[:2] for row in warehouse.rows(CLOSED, FIRST)] == [(at(FIRST, 4), 60_005.0)]
    assert warehouse.compute(INDEX_PRICES) == 1 and publish(warehouse) == 1 and pending(warehouse) == 0
    assert [row[:2] for row in warehouse.rows(CLOSED, FIRST)] == [(at(FIRST, 4), 60_005.0), (at(FIRST, 6), 60_007.0)]

    # what says nothing of a minute that a closed day lacks: the chart has the second day, and the third is open
    for minute in (1440 + 9, 2880, 2881, 2882):
        summary(warehouse, minute, 1.0)
        publish_summaries(warehouse)
        assert pending(warehouse) == 0, minute
    take(warehouse, at(FIRST, 8), ["BTC_USDC-PERPETUAL"], currency="USDC")
    publish_summaries(warehouse)
    assert pending(warehouse) == 0, "another currency's"

    summary(warehouse, 1440, 61_440.0, late=31)
    publish_summaries(warehouse)
    assert pending(warehouse) == 1, "the last minute of the first day ends with it"
    assert warehouse.compute(INDEX_PRICES) == 1 and publish(warehouse) == 1
    assert pending(warehouse) == 0, "though it was told too late to be in it"
    assert fold(warehouse, at(FIRST, 1440)) and pending(warehouse) == 0


@pytest.mark.parametrize("off", [0.0, 0.01])
def test_a_closed_day_is_compared_with_the_exchange_whatever_its_minutes_are_known_from(warehouse, perpetual, off):
    """off: USD that one summary is off the index."""
    source, first, past = Market(), ms(BEGIN), ms(at(FIRST, 1440))
    name = "BTC-PERPETUAL"

    def index(instant: datetime) -> float:
        return float(source.index("BTC", ms(instant))[0])

    said = source.candles(name, first, past - 60_000)
    prices = {column: said[column] for column in ("open", "high", "low", "close", "volume", "cost")}
    warehouse.candles(perpetual, Candles.of(first, past, present=np.ones(1440, bool), **prices))
    warehouse.publish(perpetual)
    hours = source.funding(name, first, past)
    columns = np.stack([hours[column] for column in ("interest_1h", "interest_8h", "index_price", "prev_index_price")])
    warehouse.funding(perpetual, HOURS[:24], columns)
    warehouse.publish_funding(perpetual)
    for minute in (1, 2, 600, 601):  # one of them ends an hour
        price = index(at(FIRST, minute) + timedelta(seconds=3))
        summary(warehouse, minute, price + off * (minute == 2), late=3.0)
    publish_summaries(warehouse)
    chart(warehouse, {at(FIRST, minute): index(at(FIRST, minute)) for minute in range(1000, 1441)})
    compute(warehouse)
    assert publish(warehouse) == 1

    asked = (source, warehouse.rows, name, first, past)
    if off:
        for compare in (comparison.index, comparison.sampled_index):
            with pytest.raises(comparison.Different, match="btc_usd: 1 values of price differ"):
                compare(*asked)
    else:
        assert comparison.index(*asked) == 1440
        assert comparison.sampled_index(*asked) == 3


def test_a_summary_that_is_taken_back_takes_the_index_it_is_in_with_it(warehouse, perpetual):
    for minute in (1, 2, 1441):
        summary(warehouse, minute, 60_000.0 + minute)
    publish_summaries(warehouse)
    fill(warehouse, perpetual)
    chart(warehouse, {at(FIRST, 2): 50_000.0})
    compute(warehouse)
    publish(warehouse)
    states = "SELECT state FROM store.index_day ORDER BY day, version_id"
    first, second, _ = warehouse.rows("SELECT currency, beat, version_id FROM store.instrument_summary ORDER BY beat")
    assert warehouse.hold(INSTRUMENT_SUMMARY, [second]) == 1
    assert warehouse.rows(states) == [("published",)] * 2, "the chart was taken in place of it"
    assert warehouse.hold(INSTRUMENT_SUMMARY, [first]) == 1
    assert warehouse.rows(states) == [("withdrawn",), ("published",)]
    assert warehouse.value("SELECT count(*) FROM index_prices WHERE day = %s", FIRST) == 0
    assert pending(warehouse) == 1
    compute(warehouse)
    publish(warehouse)
    assert warehouse.rows(CLOSED, FIRST) == []
    assert warehouse.value("SELECT count(*) FROM index_prices WHERE day = %s", FIRST) == 1440
    assert [ts for ts, *_ in warehouse.rows(CLOSED, DAYS[1])] == [at(FIRST, 1440)]
