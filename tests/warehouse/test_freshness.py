"""How fresh what is published is: every state, every dataset's own part, and that asking is cheap with any history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from deribit_warehouse.datasets import DATASETS, LIVE, by_name
from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse import freshness, open_days, watched
from deribit_warehouse.warehouse.catalogue import record_reading
from tests.warehouse.days import HOST, at, nodes, trading

NOW = datetime.now(UTC)
MONTH = NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
"""The end of the newest closed month."""

LONG_AGO = (MONTH - timedelta(days=100)).replace(day=1)  # its end was due long ago, too
NEVER = NOW + timedelta(days=300)


def state(warehouse, dataset: str, instrument: str) -> str:
    return warehouse.value("SELECT state FROM freshness WHERE dataset = %s AND instrument = %s", dataset, instrument)


def known_for(warehouse, **ago: float) -> None:
    """Says that the catalogue told the instruments so long ago."""
    with warehouse.connection.transaction():
        warehouse.connection.execute("UPDATE store.instrument SET first_seen_at = %s", [NOW - timedelta(**ago)])


def publish_days(warehouse, instrument: int, begins: datetime, ends: datetime) -> None:
    warehouse.candles(instrument, trading(begins, ends))
    warehouse.publish(instrument)


def fund(warehouse, perpetual: int, hours: list[datetime]) -> None:
    columns = np.stack([np.full(len(hours), value) for value in (1e-5, 8e-5, 50_000.0, 50_000.0)])
    warehouse.funding(perpetual, hours, columns)
    warehouse.publish_funding(perpetual)


@pytest.fixture
def perpetual(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", LONG_AGO)


@pytest.mark.parametrize(
    ("until", "cadence", "due"),
    [
        ("2026-10-31 23:59", "1 month", "2026-11-01"),
        ("2026-11-01", "1 month", "2026-12-01"),
        ("2026-12-09", "1 month", "2027-01-01"),
        ("2026-11-26 12:00", "1 minute", "2026-11-26 12:01"),
        ("2026-11-26 12:03", "5 minutes", "2026-11-26 12:05"),
        ("2026-11-26 12:05", "5 minutes", "2026-11-26 12:10"),
        ("2026-11-26 00:05", "1 day", "2026-11-27"),
        ("1999-12-31 23:30", "1 hour", "2000-01-01"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_what_reaches_to_a_multiple_of_its_cadence_is_complete_until_the_next(warehouse, zone, until, cadence, due):
    with warehouse.connection.transaction(force_rollback=True):
        warehouse.connection.execute(f"SET LOCAL timezone = '{zone}'")
        [found] = warehouse.connection.execute(
            "SELECT store.next_due(%s::timestamp AT TIME ZONE 'UTC', %s::interval) AT TIME ZONE 'UTC'", [until, cadence]
        ).fetchone()
    assert found == datetime.fromisoformat(due)


def test_a_history_that_reaches_to_the_end_of_the_closed_month_is_fresh(warehouse, perpetual):
    publish_days(warehouse, perpetual, MONTH - timedelta(days=2), MONTH)
    known_for(warehouse, days=90)
    [row] = warehouse.rows(
        "SELECT state, newest, now() - newest = age, published_at > now() - interval '1 hour', cadence, late_at, "
        "stale_at, ends_at FROM freshness WHERE dataset = 'perpetuals_ohlcv'"
    )
    next_month = (MONTH + timedelta(days=32)).replace(day=1)
    day = timedelta(days=1)
    assert row[:4] == ("fresh", MONTH - timedelta(minutes=1), True, True)
    assert row[5:] == (next_month + day, next_month + 3 * day, None)


@pytest.mark.parametrize(
    ("known", "expected"),
    [({"hours": 12}, "fresh"), ({"days": 2}, "late"), ({"days": 4}, "stale")],
)
def test_what_stopped_is_late_and_then_stale_once_it_was_known_for_as_long(warehouse, perpetual, known, expected):
    publish_days(warehouse, perpetual, LONG_AGO, LONG_AGO + timedelta(days=1))
    known_for(warehouse, **known)
    assert state(warehouse, "perpetuals_ohlcv", "BTC-PERPETUAL") == expected


@pytest.mark.parametrize(
    ("known", "expected"), [({"hours": 12}, "none yet"), ({"days": 2}, "late"), ({"days": 4}, "stale")]
)
def test_what_was_never_loaded_is_none_yet_and_then_as_bad_as_what_stopped(warehouse, perpetual, known, expected):
    known_for(warehouse, **known)
    assert state(warehouse, "perpetuals_ohlcv", "BTC-PERPETUAL") == expected
    assert warehouse.rows("SELECT newest, age, published_at FROM freshness WHERE dataset = 'perpetuals_ohlcv'") == [
        (None, None, None)
    ]


def test_what_was_listed_in_the_open_month_is_not_due_before_it_closes(warehouse):
    warehouse.instrument("BTC-NEW", max(MONTH, NOW - timedelta(hours=1)), NEVER)
    known_for(warehouse, days=90)
    assert state(warehouse, "futures_ohlcv", "BTC-NEW") == "none yet"


@pytest.mark.parametrize("loaded", [True, False])
def test_what_has_expired_is_ended_and_never_stale(warehouse, loaded):
    ends = LONG_AGO + timedelta(days=3, hours=8)
    future = warehouse.instrument("BTC-OLD", LONG_AGO, ends)
    if loaded:
        publish_days(warehouse, future, LONG_AGO, LONG_AGO + timedelta(days=1))
    known_for(warehouse, days=90)
    assert warehouse.rows(
        "SELECT state, late_at, stale_at, ends_at FROM freshness WHERE dataset = 'futures_ohlcv'"
    ) == [("ended", None, None, ends)]
    assert "futures_ohlcv" not in {row["dataset"] for row in freshness.freshness(warehouse.connection)}


def test_a_perpetual_that_is_listed_and_was_found_dead_is_ended(warehouse, perpetual):
    known_for(warehouse, days=90)
    warehouse.delist(perpetual, LONG_AGO + timedelta(days=5))
    assert state(warehouse, "perpetuals_ohlcv", "BTC-PERPETUAL") == "ended"
    assert state(warehouse, "funding_rates", "BTC-PERPETUAL") == "ended"


def test_what_is_held_back_is_not_published_and_is_due_again(warehouse, perpetual):
    publish_days(warehouse, perpetual, MONTH - timedelta(days=2), MONTH)
    known_for(warehouse, days=90)
    due = "SELECT newest, due_at FROM store.freshness WHERE dataset = 'perpetuals_ohlcv'"
    last_day = MONTH.date() - timedelta(days=1)
    warehouse.hold(CANDLE_DAY, [key for key in warehouse.newest(perpetual) if key[1] == last_day])
    assert warehouse.rows(due) == [(MONTH - timedelta(days=1, minutes=1), MONTH)]
    warehouse.publish(perpetual)
    assert warehouse.rows(due) == [(MONTH - timedelta(minutes=1), (MONTH + timedelta(days=32)).replace(day=1))]


def test_what_is_loaded_and_waits_is_not_published(warehouse, perpetual):
    warehouse.candles(perpetual, trading(LONG_AGO, LONG_AGO + timedelta(days=1)))
    known_for(warehouse, days=90)
    assert warehouse.rows("SELECT newest FROM freshness WHERE dataset = 'perpetuals_ohlcv'") == [(None,)]


def test_funding_that_stands_still_is_stale_while_its_candles_are_fresh(warehouse, perpetual):
    publish_days(warehouse, perpetual, MONTH - timedelta(days=1), MONTH)
    fund(warehouse, perpetual, [LONG_AGO + timedelta(hours=k) for k in range(1, 25)])
    known_for(warehouse, days=90)
    assert state(warehouse, "perpetuals_ohlcv", "BTC-PERPETUAL") == "fresh"
    assert state(warehouse, "funding_rates", "BTC-PERPETUAL") == "stale"
    [row] = [row for row in freshness.freshness(warehouse.connection) if row["dataset"] == "funding_rates"]
    assert (row["state"], row["instruments"], row["stale"], row["late"]) == ("stale", 1, 1, 0)
    assert row["behind"] == ["BTC-PERPETUAL"] and row["newest"] == LONG_AGO + timedelta(hours=24)


def test_the_last_hour_of_a_month_is_told_at_its_end(warehouse, perpetual):
    fund(warehouse, perpetual, [MONTH])
    known_for(warehouse, days=90)
    assert state(warehouse, "funding_rates", "BTC-PERPETUAL") == "fresh"


def snapshot(warehouse, beat: datetime) -> None:
    """A published snapshot of the currency BTC at a beat."""
    validation_id = warehouse.validation("instrument_summaries")
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            """WITH roster AS (
                   INSERT INTO store.roster (digest, first_beat, instruments)
                   VALUES (md5('x')::uuid, now(), ARRAY['BTC-PERPETUAL'])
                   ON CONFLICT (digest) DO UPDATE SET first_beat = excluded.first_beat RETURNING roster_id
               ), source AS (
                   INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
                   VALUES ('instrument_summaries', 'BTC', 'h', 'r', 1, 0, 0) RETURNING version_id
               )
               INSERT INTO store.instrument_summary
               SELECT 'BTC', %(beat)s, version_id, 'published', %(validation_id)s, '{}', roster_id, ARRAY[now()],
                      n, n, n, n, n, n, n, n, n, '{}'
               FROM roster, source, (SELECT '{1}'::float8[]) AS v(n)""",
            {"beat": beat, "validation_id": validation_id},
        )


@pytest.mark.parametrize(
    ("minutes", "beats", "expected"),
    [
        # of beats of an hour: the newest one is not over; one is missed and not two; two; four
        (60, 0, "fresh"), (60, 1, "fresh"), (60, 2, "late"), (60, 4, "stale"),
        # of beats of a minute five may be missing, and fifteen
        (1, 4, "fresh"), (1, 7, "late"), (1, 14, "late"), (1, 17, "stale"),
    ],
)  # fmt: skip
def test_a_snapshot_is_as_fresh_as_its_beat(warehouse, perpetual, minutes, beats, expected):
    beat = timedelta(minutes=minutes)
    newest = datetime.now(UTC).replace(second=0, microsecond=0)
    newest -= timedelta(minutes=newest.minute % minutes)
    with warehouse.connection.transaction():
        record_reading(warehouse.connection, "BTC", "future", 1, "run", host=HOST, expired=False)
        warehouse.connection.execute(
            "INSERT INTO store.snapshot_beat (dataset, begins, seconds) VALUES ('instrument_summaries', %s, %s)",
            [newest - timedelta(days=3), beat.total_seconds()],
        )
    snapshot(warehouse, newest - beats * beat)
    known_for(warehouse, days=90)
    assert state(warehouse, "instrument_summaries", "BTC") == expected


def test_of_what_the_exchange_does_not_list_no_snapshot_is_expected(warehouse, perpetual):
    with warehouse.connection.transaction():
        record_reading(warehouse.connection, "BTC", "future", 1, "run", host=HOST, expired=False)
        record_reading(warehouse.connection, "BTC", "option", 0, "run", host=HOST, expired=False)
    found = {dataset for (dataset,) in warehouse.rows("SELECT DISTINCT dataset FROM freshness")}
    assert "instrument_summaries" in found and "options_chain" not in found


def test_a_catalogue_that_is_not_read_is_late_and_then_stale(warehouse, perpetual):
    known_for(warehouse, days=90)
    with warehouse.connection.transaction():
        record_reading(warehouse.connection, "BTC", "future", 1, "run", host=HOST, expired=False)
    assert state(warehouse, "instruments", "BTC") == "fresh"
    with warehouse.connection.transaction():
        warehouse.connection.execute("UPDATE store.catalogue_reading SET read_at = now() - interval '3 days'")
    assert state(warehouse, "instruments", "BTC") == "stale"


def test_every_dataset_has_its_targets_and_no_computed_one_is_due_before_its_inputs(warehouse, perpetual):
    warehouse.instrument("BTC-25DEC26", LONG_AGO, NEVER.replace(hour=8, minute=0, second=0, microsecond=0))
    with warehouse.connection.transaction():
        for kind in ("future", "option"):
            record_reading(warehouse.connection, "BTC", kind, 2, "run", host=HOST, expired=False)
    known_for(warehouse, days=90)
    published = warehouse.rows("SELECT DISTINCT dataset FROM freshness WHERE num_nulls(newest, age, published_at) < 3")
    assert published == [("instruments",)]  # nothing was loaded of the others
    targets = dict(
        (dataset, row)
        for dataset, *row in warehouse.rows(
            "SELECT DISTINCT dataset, cadence, warning_after, error_after FROM freshness"
        )
    )
    assert set(targets) == {dataset.name for dataset in DATASETS}
    for name, (cadence, warning, error) in targets.items():
        assert warning < error, name
        for needed in by_name(name).inputs:
            assert cadence >= targets[needed][0] and warning > targets[needed][1] and error > targets[needed][2], name


def test_what_is_computed_is_as_fresh_as_its_day(warehouse, perpetual):
    future = warehouse.instrument("BTC-LONG", LONG_AGO, NEVER)
    for instrument in (perpetual, future):
        publish_days(warehouse, instrument, MONTH - timedelta(days=1), MONTH)
    fund(warehouse, perpetual, [MONTH - timedelta(hours=k) for k in reversed(range(24))])
    for name in ("index_prices", "basis_spread"):
        warehouse.compute(by_name(name))
        warehouse.decide(by_name(name))
    known_for(warehouse, days=90)
    found = warehouse.rows(
        "SELECT dataset, instrument, state, newest FROM freshness "
        "WHERE dataset IN ('index_prices', 'basis_spread') ORDER BY 1"
    )
    last = MONTH - timedelta(minutes=1)
    assert found == [("basis_spread", "BTC-LONG", "fresh", last), ("index_prices", "btc_usd", "fresh", last)]


def test_a_basis_whose_perpetual_ended_is_all_there_will_be(warehouse, perpetual):
    future = warehouse.instrument("BTC-LONG", LONG_AGO, NEVER)
    ends = LONG_AGO + timedelta(days=1)
    for instrument in (perpetual, future):
        publish_days(warehouse, instrument, LONG_AGO, ends)
    known_for(warehouse, days=90)
    warehouse.delist(perpetual, ends)
    assert state(warehouse, "basis_spread", "BTC-LONG") == "stale"  # it is not computed yet
    warehouse.compute(by_name("basis_spread"))
    warehouse.decide(by_name("basis_spread"))
    assert state(warehouse, "basis_spread", "BTC-LONG") == "fresh"


@pytest.mark.parametrize("rolled", [False, True])
def test_a_series_is_known_to_the_last_day_of_the_contract_it_holds(warehouse, rolled):
    held, following = (
        warehouse.instrument(f"BTC-{name}", LONG_AGO - timedelta(days=200), expires)
        for name, expires in (("HELD", LONG_AGO + timedelta(days=20, hours=8)), ("NEXT", NEVER))
    )
    known_for(warehouse, days=90)
    validation_id = warehouse.validation("roll_calendar")
    for contract in [held, following] if rolled else [held]:
        with warehouse.connection.transaction():
            warehouse.connection.execute(
                """WITH source AS (
                       INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
                       VALUES ('roll_calendar', 'x', 'h', 'r', 1, 0, 0) RETURNING version_id
                   )
                   INSERT INTO store.roll
                       (instrument_id, rule, eligible, rank, version_id, state, validation_id, day, skipped)
                   SELECT %s, 'expiry', 'all', 0, version_id, 'published', %s, %s, false FROM source""",
                [contract, validation_id, (LONG_AGO + timedelta(days=10)).date()],
            )
    [found] = warehouse.rows(
        "SELECT state, newest, published_at IS NOT NULL FROM freshness "
        "WHERE dataset = 'roll_calendar' AND instrument LIKE '%%expiry all'"
    )
    assert found == ("fresh" if rolled else "stale", LONG_AGO + timedelta(days=10), True)


def test_an_index_that_is_told_by_the_minute_is_stale_before_it_is_lost(warehouse, perpetual):
    known_for(warehouse, days=90)
    newest = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=6)
    minute = newest.hour * 60 + newest.minute
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            """WITH source AS (
                   INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
                   VALUES ('index_minutes', 'btc_usd', 'h', 'r', 1, 0, 0) RETURNING version_id
               )
               INSERT INTO store.index_chart_day
               SELECT 'btc_usd', %s, version_id,
                      (SELECT array_agg(CASE WHEN i <= %s THEN 1.0 END ORDER BY i) FROM generate_series(0, 1439) AS i)
               FROM source""",
            [newest.date(), minute],
        )
    assert warehouse.rows("SELECT state, newest FROM freshness WHERE dataset = 'index_minutes'") == [("late", newest)]


def test_asking_reads_a_row_an_instrument_however_much_is_stored(warehouse, market):
    perpetual = warehouse.instrument("BTC-PERPETUAL", LONG_AGO - timedelta(days=2000))
    for k in range(40):  # most have ended
        warehouse.instrument(f"BTC-{k}", LONG_AGO - timedelta(days=400), NEVER if k < 4 else LONG_AGO)
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            """WITH source AS (
                   INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
                   VALUES ('candles', 'x', 'h', 'r', 1, 0, 0) RETURNING version_id
               )
               INSERT INTO store.candle_day
               SELECT instrument_id, %s::date + d, version_id, 'published', NULL, '{}', NULL, NULL, 0, 1, 1, 0, 0, 0, 0,
                      a, a, a, a, a, a, 0::bit(1440), 0::bit(1440), true, 0
               FROM store.instrument, source, generate_series(0, 399) AS d, (SELECT '{1}'::float8[]) AS v(a)""",
            [(LONG_AGO - timedelta(days=400)).date()],
        )
    assert perpetual
    asked = "ends > now() AND dataset IN ('perpetuals_ohlcv', 'futures_ohlcv')"
    read = read_by_index(market, asked, "candle_day")
    loops = sum(node["Actual Loops"] for node in read)
    assert loops <= 2 * 5 and all(node["Actual Rows"] * node["Actual Loops"] <= node["Actual Loops"] for node in read)


def live_minutes(
    warehouse, instrument: int, begins: datetime, ends: datetime, *, loaded: datetime | None = None
) -> None:
    """Published minutes of open days, loaded at a moment (by default an hour after the first of them)."""
    version_id = warehouse.open_minutes(instrument, trading(begins, ends, seed=instrument))
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            "UPDATE store.ingestion SET loaded_at = %s WHERE version_id = %s",
            [loaded or begins + timedelta(hours=1), version_id],
        )


@pytest.fixture
def then(market, warehouse):
    """Asks, of what is stored now, how fresh it would be at a moment: then(moment, *datasets), {dataset: state}, of
    one instrument each or of those that are in one state."""
    with psycopg.connect(market.dsn("market_owner"), autocommit=True) as owner:
        [[definition]] = owner.execute("SELECT pg_get_viewdef('store.freshness')").fetchall()
        moment = "current_setting('test.now')::timestamptz"
        owner.execute(f"CREATE VIEW store.freshness_then AS {definition.replace('now()', moment)}")
        owner.execute("GRANT SELECT ON store.freshness_then TO PUBLIC")

        def states(at: datetime, *datasets: str) -> dict[str, str]:
            with warehouse.connection.transaction():
                warehouse.connection.execute("SELECT set_config('test.now', %s, true)", [f"{at}"])
                found = warehouse.connection.execute(
                    "SELECT DISTINCT dataset, state FROM store.freshness_then WHERE dataset = ANY(%s) "
                    "AND ends > current_setting('test.now')::timestamptz", [list(datasets)],
                ).fetchall()  # fmt: skip
            assert len(dict(found)) == len(found), found
            return dict(found)

        yield states
        owner.execute("DROP VIEW store.freshness_then")


CLOSED = ("perpetuals_ohlcv", "futures_ohlcv", "index_prices", "basis_spread")
LISTED = at("2025-03-02")
EXPIRY = NEVER.replace(hour=8, minute=0, second=0, microsecond=0)


@pytest.fixture
def legs(warehouse) -> dict[str, int]:
    """A perpetual and a future, known for long, whose days are closed to before 4 March 2025."""
    ids = {name: warehouse.instrument(name, LISTED, expires) for name, expires in LEGS.items()}
    warehouse.rows("UPDATE store.instrument SET first_seen_at = %s RETURNING 1", LISTED)
    close(warehouse, ids, LISTED, at("2025-03-04"))
    return ids


LEGS = {"BTC-PERPETUAL": None, "BTC-LATER": EXPIRY}


def close(warehouse, ids: dict[str, int], begins: datetime, ends: datetime) -> None:
    """Publishes closed days, and the index and the basis of them."""
    for instrument in ids.values():
        publish_days(warehouse, instrument, begins, ends)
    hours = int((ends - begins) / timedelta(hours=1))
    fund(warehouse, ids["BTC-PERPETUAL"], [begins + timedelta(hours=k) for k in range(1, hours + 1)])
    for name in ("index_prices", "basis_spread"):
        warehouse.compute(by_name(name))
        warehouse.decide(by_name(name))


def all_of(state: str) -> dict[str, str]:
    return dict.fromkeys(CLOSED, state)


def candles_and_computed(candles: str, computed: str) -> dict[str, str]:
    return dict(zip(CLOSED, (candles, candles, computed, computed), strict=True))


def test_a_day_that_live_has_brought_is_to_be_closed_in_the_night_after_it(warehouse, legs, then):
    assert then(at("2025-03-31"), *CLOSED) == all_of("fresh"), "where live brings nothing the month is due"
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-04"), at("2025-03-04", 120))
    for day, minute, candles, computed in (
        ("2025-03-04", 720, "fresh", "fresh"),
        ("2025-03-05", 10, "fresh", "fresh"),  # the closing begins
        ("2025-03-05", 179, "fresh", "fresh"),
        ("2025-03-05", 180, "late", "fresh"),
        ("2025-03-05", 240, "late", "late"),
        ("2025-03-06", 179, "late", "late"),  # the next night would have done it
        ("2025-03-06", 180, "stale", "late"),
        ("2025-03-06", 240, "stale", "stale"),
    ):
        assert then(at(day, minute), *CLOSED) == candles_and_computed(candles, computed), (day, minute)
    close(warehouse, legs, at("2025-03-04"), at("2025-03-05"))
    assert then(at("2025-03-06", 240), *CLOSED) == all_of("fresh"), "live has brought nothing since"
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-05"), at("2025-03-05", 5))
    assert then(at("2025-03-06", 179), *CLOSED) == all_of("fresh")
    assert then(at("2025-03-06", 240), *CLOSED) == all_of("late")


def test_candles_that_are_closed_and_an_index_and_a_basis_that_are_not_are_told_apart(warehouse, legs, then):
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-04"), at("2025-03-04", 120))
        publish_days(warehouse, instrument, at("2025-03-04"), at("2025-03-05"))
    assert then(at("2025-03-06", 240), *CLOSED) == candles_and_computed("fresh", "stale")


def test_after_the_first_start_the_month_so_far_has_its_time_to_be_closed(warehouse, legs, then):
    began = at("2025-03-20", 660)
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-04"), at("2025-03-04", 360), loaded=began)
    for minutes, expected in ((1, "fresh"), (179, "fresh"), (241, "late"), (24 * 60 + 179, "late")):
        assert then(began + timedelta(minutes=minutes), *CLOSED) == all_of(expected), minutes
    assert then(began + timedelta(days=1, hours=4), *CLOSED) == all_of("stale")


def test_at_the_end_of_a_month_its_last_day_is_due_as_any_other_and_what_failed_before_by_the_month(warehouse, then):
    ids = {name: warehouse.instrument(name, at("2025-03-30"), expires) for name, expires in LEGS.items()}
    warehouse.rows("UPDATE store.instrument SET first_seen_at = %s RETURNING 1", at("2025-03-30"))
    close(warehouse, ids, at("2025-03-30"), at("2025-03-31"))
    for instrument in ids.values():
        live_minutes(warehouse, instrument, at("2025-03-31"), at("2025-04-01", 60))
    for minute, expected in ((5, "fresh"), (179, "fresh"), (240, "late")):
        assert then(at("2025-04-01", minute), *CLOSED) == all_of(expected), minute
    close(warehouse, ids, at("2025-03-31"), at("2025-04-01"))  # by the run of the month
    assert then(at("2025-04-01", 240), *CLOSED) == all_of("fresh")
    assert then(at("2025-04-02", 240), *CLOSED) == all_of("late")
    for instrument in ids.values():
        live_minutes(warehouse, instrument, at("2025-05-20"), at("2025-05-20", 5))
    warehouse.rows("DELETE FROM store.open_candle WHERE day = '2025-04-01' RETURNING 1")
    assert then(at("2025-05-20", 30), *CLOSED) == all_of("stale"), "the month that lacks does not wait for live's day"


def test_every_target_of_closed_days_is_after_those_of_its_inputs(warehouse, legs):
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-04"), at("2025-03-04", 120))
    targets = {
        dataset: row
        for dataset, *row in warehouse.rows(
            "SELECT DISTINCT dataset, cadence, warning_after, error_after FROM store.freshness WHERE dataset = ANY(%s)",
            [*CLOSED, "perpetuals_live", "futures_live", "basis_live"],
        )
    }
    for name in ("index_prices", "basis_spread", "basis_live"):
        cadence, warning, error = targets[name]
        for needed in set(by_name(name).inputs) & set(targets):
            assert cadence == targets[needed][0] and warning > targets[needed][1] and error > targets[needed][2]


OPEN = ("perpetuals_live", "futures_live", "basis_live")


def test_a_basis_of_today_that_is_held_back_is_stale_while_both_legs_are_fresh(warehouse, legs, then):
    perpetual, future = legs.values()
    for instrument in (perpetual, future):
        live_minutes(warehouse, instrument, at("2025-03-04", 600), at("2025-03-04", 720))
    noon = at("2025-03-04", 720)
    assert then(noon, *OPEN) == dict.fromkeys(OPEN, "fresh")
    newest = "SELECT newest FROM store.freshness WHERE dataset = 'basis_live'"
    assert warehouse.rows(newest) == [(noon - timedelta(minutes=1),)]
    hold = (
        "INSERT INTO store.held_basis (instrument_id, ts, future_version_id, perpetual_id, perpetual_version_id, held) "
        "SELECT o.instrument_id, o.ts, o.version_id, p.instrument_id, p.version_id, '{[1,)}' "
        "FROM store.open_candle o JOIN store.open_candle p USING (ts) "
        "WHERE o.instrument_id = %s AND p.instrument_id = %s AND ts >= %s AND ts < %s RETURNING 1"
    )
    stood_still = []
    for first, past in ((715, 720), (710, 715), (680, 710), (600, 680)):
        warehouse.rows(hold, future, perpetual, at("2025-03-04", first), at("2025-03-04", past))
        stood_still.append(then(noon, *OPEN)["basis_live"])
        assert then(noon, *OPEN[:2]) == {"perpetuals_live": "fresh", "futures_live": "fresh"}
    assert stood_still == ["fresh", "late", "stale", "stale"]
    assert warehouse.rows(newest) == [(at("2025-03-03", 1439),)], "the last closed day's"
    warehouse.rows("UPDATE store.held_basis SET held = '{[1,2)}' WHERE ts = %s RETURNING 1", at("2025-03-04", 719))
    assert then(noon, *OPEN)["basis_live"] == "fresh", "it passed later"


def test_a_basis_that_stands_still_is_told_of_the_dag_that_publishes_its_later_leg(warehouse, legs):
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-04", 600), at("2025-03-04", 720))
    with warehouse.connection.transaction():
        found = {each.fingerprint.dataset: each for each in watched.stale(warehouse.connection, (*DATASETS, *LIVE))}
    assert found["basis_live"].dag_id == "deribit_futures_live"
    assert found["basis_live"].told and not found["futures_live"].told, "its legs stand still, too"


def test_no_basis_of_today_is_due_without_a_dated_future_or_once_the_perpetual_has_ended(warehouse, then):
    perpetual = warehouse.instrument("BTC-PERPETUAL", LISTED)
    live_minutes(warehouse, perpetual, at("2025-03-04", 600), at("2025-03-04", 720))
    assert "basis_live" not in then(at("2025-03-05"), *OPEN)
    future = warehouse.instrument("BTC-LATER", LISTED, EXPIRY)
    assert "basis_live" not in then(at("2025-03-05"), *OPEN), "live has brought nothing of it yet"
    live_minutes(warehouse, future, at("2025-03-04", 600), at("2025-03-04", 720))
    warehouse.rows("UPDATE store.instrument SET first_seen_at = %s RETURNING 1", LISTED)
    assert then(at("2025-03-05"), *OPEN)["basis_live"] == "stale"
    warehouse.delist(perpetual, at("2025-03-04", 720))
    assert "basis_live" not in then(at("2025-03-05"), *OPEN)
    assert then(at("2025-03-04", 719), *OPEN)["basis_live"] == "fresh"


def test_a_live_that_never_begins_is_told_a_day_after_the_start_that_wanted_it(market, warehouse, then):
    for name, expires in LEGS.items():
        warehouse.instrument(name, LISTED, expires)
    warehouse.instrument("BTC-7MAR25", LISTED, at("2025-03-07", 480))  # expired before the start
    warehouse.rows("UPDATE store.instrument SET first_seen_at = %s RETURNING 1", LISTED)
    wanted = lambda since: warehouse.rows("UPDATE store.live_start SET since = %s RETURNING 1", since)  # noqa: E731
    assert then(at("2025-05-01"), *OPEN) == {}, "nobody said that it is to run"
    open_days.record_start(market.dsn(), wanted=True)
    assert warehouse.value("SELECT now() - since < interval '1 minute' FROM store.live_start")
    wanted(at("2025-03-10", 600))
    legs = {"perpetuals_live": "none yet", "futures_live": "none yet"}
    assert then(at("2025-03-10", 600), *OPEN) == legs
    assert then(at("2025-03-11", 599), *OPEN) == legs, "a history that takes its hours is no fault"
    assert then(at("2025-03-11", 606), *OPEN) == dict.fromkeys(legs, "late")
    assert then(at("2025-03-11", 631), *OPEN) == dict.fromkeys(legs, "stale")
    open_days.record_start(market.dsn(), wanted=True)  # the next start has its day, too
    wanted(at("2025-03-12"))
    assert then(at("2025-03-12", 600), *OPEN) == legs
    for _ in range(2):  # WAREHOUSE_LIVE=0
        open_days.record_start(market.dsn(), wanted=False)
        assert then(at("2025-05-01"), *OPEN) == {}


def test_asking_of_open_days_reads_as_much_whatever_they_hold(warehouse, market, legs):
    """Of an instrument a few rows of minutes, by their key, not the day's."""
    for instrument in legs.values():
        live_minutes(warehouse, instrument, at("2025-03-04"), at("2025-03-05"))
    read = read_by_index(market, "ends > '2025-03-04'", "open_candle")
    rows = sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in read)
    assert rows <= 40, json.dumps(read, indent=1)


def read_by_index(market, asked: str, relation: str) -> list[dict]:
    """The nodes of the plan of freshness that read a table, none of them whole. asked: its condition."""
    with psycopg.connect(market.dsn("market_owner"), autocommit=True) as connection:
        connection.execute("ANALYZE")
        query = f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM store.freshness WHERE {asked}"
        [[[plan]]] = connection.execute(query).fetchall()
    read = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == relation]
    assert read and all("Index" in node["Node Type"] for node in read), json.dumps(read, indent=1)
    return read


def row(state: str, **changed) -> dict:
    return {"dataset": "funding_rates", "state": state, "instruments": 2, "late": 0, "stale": 0, "none_yet": 0,
            "newest": None, "oldest": None, "published_at": None, "behind": None} | changed  # fmt: skip


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([], "unknown-database"),
        (["none yet"], "ok"),
        (["fresh", "none yet"], "ok"),
        (["fresh", "late", "none yet"], "late"),
        (["late", "stale", "fresh"], "stale"),
    ],
)
def test_the_word_is_that_of_the_worst(states, word):
    assert freshness.word(map(row, states)) == word


def test_what_is_behind_is_named_and_says_no_age():
    late = row("late", late=1, behind=["BTC-PERPETUAL"], oldest=at("2026-10-01"), newest=at("2026-10-02"))
    assert freshness.behind([row("fresh"), late]) == (
        "funding_rates late: 1 of 2, longest BTC-PERPETUAL; "
        "oldest row 2026-10-01 00:00 UTC, newest 2026-10-02 00:00 UTC."
    )


def test_its_connection_reads_only_and_gives_up(market):
    with freshness.connected(market.dsn("market_loader")) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM store.retention")
        [[limit]] = connection.execute("SHOW statement_timeout").fetchall()
        assert limit == f"{freshness.STATEMENT_SECONDS}s"


def test_an_empty_database_has_no_rows_and_the_other_answers_are_rows(market):
    with freshness.connected(market.dsn("market_reader")) as connection:
        assert freshness.freshness(connection) == []
        assert freshness.coverage(connection) == [] and freshness.condition(connection) == []
