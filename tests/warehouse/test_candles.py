"""Candles: what goes in comes out to the last bit, once, and never less than was there."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import count

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse import publication, sql
from deribit_warehouse.warehouse.day_arrays import store_candles
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from tests.warehouse.days import COLUMNS, DAY, FIRST, HOST, MINUTE, Candles, Warehouse, at, bits, minutes, ms, trading

LISTED = at("2020-01-01")
names = count()
COLUMNS_SHOWN = "ts, open, high, low, close, volume, cost, traded"
IN_RANGE = f"SELECT {COLUMNS_SHOWN} FROM candles"


def perpetual(warehouse: Warehouse) -> int:
    return warehouse.instrument(f"BTC{next(names)}-PERPETUAL", LISTED, base=f"BTC{next(names)}")


def shown(warehouse: Warehouse, instrument_id: int) -> list[tuple]:
    return warehouse.rows(
        f"SELECT {COLUMNS_SHOWN} FROM candle JOIN store.instrument USING (instrument) "
        "WHERE instrument_id = %s ORDER BY ts",
        instrument_id,
    )


def expected(candles: Candles) -> list[tuple]:
    """The view's rows of a window, said by the arrays: a day nothing was received of has no rows."""
    days = (candles.start + np.arange(len(candles.present)) * MINUTE) // DAY
    known = set(days[candles.present])
    rows = []
    for i, ts in enumerate(minutes(candles)):
        if days[i] in known:
            there = candles.present[i]
            values = [float(getattr(candles, name)[i]) if there else None for name in COLUMNS]
            traded = None if not there else bool(values[4] > 0 or np.isnan(values[4]))
            rows.append((ts, *bits(values), traded))
    return rows


def as_bits(rows: list[tuple]) -> list[tuple]:
    return [(ts, *bits(values), traded) for ts, *values, traded in rows]


windows = st.tuples(st.integers(-1, 3), st.integers(0, 1439), st.integers(1, 2000)).map(
    lambda w: (ms(at(FIRST + timedelta(days=w[0]), w[1])), w[2])
)


@settings(max_examples=30)
@given(window=windows, data=st.data())
def test_any_window_comes_out_as_it_went_in(shared_warehouse, window, data):
    start, n = window
    values = arrays(np.float64, 7, elements=st.floats(allow_nan=True, allow_infinity=True, width=64))
    holes = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(1, 700)), max_size=4))
    present = np.ones(n, bool)
    for first, length in holes:
        present[first : first + length] = False
    columns = {name: np.resize(data.draw(values), n) for name in COLUMNS}
    candles = Candles.of(start, start + n * MINUTE, present=present, **columns)
    instrument_id = perpetual(shared_warehouse)

    loaded = shared_warehouse.candles(instrument_id, candles)
    assert shown(shared_warehouse, instrument_id) == [], "nothing is shown before it is published"
    assert shared_warehouse.publish(instrument_id) == loaded.added
    assert as_bits(shown(shared_warehouse, instrument_id)) == expected(candles)

    assert shared_warehouse.candles(instrument_id, candles) == Ingested(unchanged=loaded.added)
    assert as_bits(shown(shared_warehouse, instrument_id)) == expected(candles)


def test_a_day_is_cut_at_listing_and_expiry(warehouse):
    listed, expires = at(FIRST, 750), at(FIRST + timedelta(days=2), 480)
    instrument_id = warehouse.instrument("BTC-3MAR25", listed, expires)
    candles = trading(listed, expires)
    assert warehouse.candles(instrument_id, candles) == Ingested(added=3)
    assert warehouse.rows("SELECT day, first_minute, n, present FROM store.candle_day ORDER BY day") == [
        (FIRST, 750, 690, 690),
        (FIRST + timedelta(days=1), 0, 1440, 1440),
        (FIRST + timedelta(days=2), 0, 480, 480),
    ]
    warehouse.publish(instrument_id)
    assert as_bits(shown(warehouse, instrument_id)) == expected(candles)


def test_a_second_load_writes_nothing(warehouse):
    instrument_id = perpetual(warehouse)
    candles = trading(at(FIRST), at(FIRST, 3 * 1440)).without(slice(100, 110))
    warehouse.candles(instrument_id, candles)
    written = "SELECT xmin, ctid, * FROM store.candle_day ORDER BY day"
    before = warehouse.rows(written), warehouse.rows("SELECT * FROM store.ingestion")
    assert warehouse.candles(instrument_id, candles, run_id="again") == Ingested(unchanged=3)
    assert (warehouse.rows(written), warehouse.rows("SELECT * FROM store.ingestion")) == before


def test_an_array_is_compressed_where_it_stays_and_only_there(warehouse):
    """Compression is most of what a load costs: a day that is only compared must not pay for it."""
    warehouse.candles(perpetual(warehouse), trading(at(FIRST), at(FIRST, 1440)))
    staged = (
        "SELECT DISTINCT attstorage::text FROM pg_attribute "
        "WHERE attrelid = 'candle_day_stage'::regclass AND atttypid = 'float8[]'::regtype"
    )
    assert warehouse.rows(staged) == [("e",)], "never compressed"
    assert warehouse.value("SELECT pg_column_compression(close) IS NOT NULL FROM store.candle_day")


def test_a_day_is_the_same_whatever_window_it_comes_in(warehouse):
    """Missing minutes of one day must not show in how another one of the window is stored or compared."""
    instrument_id = perpetual(warehouse)
    candles = trading(at(FIRST, 60), at(FIRST, 4 * 1440)).without(slice(100, 110), 2000)
    assert warehouse.candles(instrument_id, candles) == Ingested(added=4)
    for begins, ends in [(60, 1440), (1440, 2880), (2880, 4320), (4320, 5760), (1440, 5760)]:
        part = candles.cut(at(FIRST, begins), at(FIRST, ends))
        assert warehouse.candles(instrument_id, part) == Ingested(unchanged=-(-(ends - begins) // 1440))
    last = candles.setting(5699, close=1.0).cut(at(FIRST, 2880), at(FIRST, 5760))
    assert warehouse.candles(instrument_id, last) == Ingested(corrected=1, unchanged=1)
    warehouse.publish(instrument_id)
    assert as_bits(shown(warehouse, instrument_id)) == expected(candles.setting(5699, close=1.0))


@pytest.mark.parametrize("minutes_of_it", [0, 1440])
def test_a_window_without_anything_changes_nothing(warehouse, minutes_of_it):
    instrument_id = perpetual(warehouse)
    nothing = trading(at(FIRST), at(FIRST, 1440)).without(slice(0, 1440)).cut(at(FIRST), at(FIRST, minutes_of_it))
    assert warehouse.candles(instrument_id, nothing) == Ingested()
    assert warehouse.rows("SELECT FROM store.candle_day UNION ALL SELECT FROM store.ingestion") == []


def test_what_changed_is_counted_by_kind(warehouse):
    instrument_id = perpetual(warehouse)
    days = [at(FIRST, n * 1440) for n in range(6)]
    full = trading(days[0], days[5])
    first = full.without(slice(100, 200), slice(1440, 1460), slice(2880, 2881)).cut(days[0], days[4])
    assert warehouse.candles(instrument_id, first) == Ingested(added=4)
    # day 0 gains its hundred minutes, day 1 gains some but a known value differs, day 2 loses one and gains none,
    # day 3 is equal, day 4 is new
    second = full.without(slice(2880, 2882)).setting(1440 + 700, cost=1.0)
    assert warehouse.candles(instrument_id, second) == Ingested(added=1, grown=1, corrected=1, kept=1, unchanged=1)
    assert warehouse.rows("SELECT added, grown, corrected, dataset, subject, host, run_id FROM store.ingestion") == [
        (4, 0, 0, "candles", str(instrument_id), HOST, "load"),
        (1, 1, 1, "candles", str(instrument_id), HOST, "load"),
    ]
    assert warehouse.rows("SELECT day, present FROM store.candle_day ORDER BY day") == [
        (FIRST + timedelta(days=n), present) for n, present in enumerate([1440, 1440, 1439, 1440, 1440])
    ]


def test_a_day_that_goes_on_grows(warehouse):
    instrument_id = perpetual(warehouse)
    whole = trading(at(FIRST), at(FIRST, 1440))
    assert warehouse.candles(instrument_id, whole.cut(at(FIRST), at(FIRST, 600))) == Ingested(added=1)
    assert warehouse.candles(instrument_id, whole.cut(at(FIRST), at(FIRST, 900))) == Ingested(grown=1)
    assert warehouse.candles(instrument_id, whole.cut(at(FIRST), at(FIRST, 600))) == Ingested(kept=1)
    assert warehouse.candles(instrument_id, whole) == Ingested(grown=1)
    assert warehouse.rows("SELECT n FROM store.candle_day") == [(1440,)], (
        "the unpublished versions it replaced are gone"
    )


def test_a_changed_defect_is_a_correction_and_reaches_the_day_it_belongs_to(warehouse):
    instrument_id = perpetual(warehouse)
    candles = trading(at(FIRST), at(FIRST, 2880))
    bad = candles.but(
        duplicate=[ms(at(FIRST, 5))], misaligned=[ms(at(FIRST, 1500)) + 1], out_of_order=[ms(at(FIRST, 7))] * 40_000,
        out_of_window=[ms(at(FIRST, -5000)), ms(at(FIRST, 9000)), ms(at(FIRST, 9001))],
    )  # fmt: skip
    warehouse.candles(instrument_id, bad)
    counted = "SELECT duplicate, misaligned, out_of_order, out_of_window FROM store.candle_day ORDER BY day"
    assert warehouse.rows(counted) == [(1, 0, 32_767, 1), (0, 1, 0, 2)]
    assert warehouse.candles(instrument_id, candles) == Ingested(corrected=2)
    assert warehouse.rows(counted) == [(0, 0, 0, 0)] * 2


def test_the_published_version_is_shown_until_the_next_one_is_published(warehouse):
    instrument_id = perpetual(warehouse)
    old = trading(at(FIRST), at(FIRST, 1440), seed=1)
    new, newer = trading(at(FIRST), at(FIRST, 1440), seed=2), trading(at(FIRST), at(FIRST, 1440), seed=3)
    warehouse.candles(instrument_id, old)
    assert warehouse.publish(instrument_id) == 1
    assert warehouse.publish(instrument_id) == 0, "publishing it again changes nothing"
    warehouse.candles(instrument_id, new)
    assert as_bits(shown(warehouse, instrument_id)) == expected(old)
    warehouse.candles(instrument_id, newer)
    assert as_bits(shown(warehouse, instrument_id)) == expected(old)
    assert warehouse.value("SELECT count(*) FROM store.candle_day") == 2, "the unpublished one in between is gone"
    assert warehouse.publish(instrument_id) == 1
    assert as_bits(shown(warehouse, instrument_id)) == expected(newer)
    assert warehouse.rows("SELECT state FROM store.candle_day ORDER BY version_id") == [("superseded",), ("published",)]


def test_a_published_version_can_be_taken_back_and_given_again(warehouse):
    instrument_id = perpetual(warehouse)
    candles = trading(at(FIRST), at(FIRST, 2880))
    warehouse.candles(instrument_id, candles)
    warehouse.publish(instrument_id)
    [first, _second] = sorted(warehouse.newest(instrument_id))
    assert warehouse.hold(CANDLE_DAY, [first]) == 1
    assert warehouse.hold(CANDLE_DAY, [first]) == 0
    assert as_bits(shown(warehouse, instrument_id)) == expected(candles)[1440:]
    assert warehouse.publish(instrument_id) == 1
    assert as_bits(shown(warehouse, instrument_id)) == expected(candles)


def test_a_validation_of_a_version_that_is_gone_hides_nothing(warehouse):
    """A load may replace a version between the gate's look and its outcome: what was published stays published."""
    instrument_id = perpetual(warehouse)
    old = trading(at(FIRST), at(FIRST, 1440), seed=1)
    warehouse.candles(instrument_id, old)
    warehouse.publish(instrument_id)
    warehouse.candles(instrument_id, trading(at(FIRST), at(FIRST, 1440), seed=2))
    validated = warehouse.newest(instrument_id)
    warehouse.candles(instrument_id, trading(at(FIRST), at(FIRST, 1440), seed=3))
    assert publication.publish(warehouse.connection, CANDLE_DAY, warehouse.validation(), validated) == 0
    assert as_bits(shown(warehouse, instrument_id)) == expected(old)


def test_provenance_and_coverage_say_what_there_is(warehouse):
    instrument_id = warehouse.instrument("BTC-28MAR25", at(FIRST, 60), at("2025-03-28", 480))
    warehouse.candles(instrument_id, trading(at(FIRST, 60), at(FIRST, 1440)).without(slice(0, 10)))
    warehouse.publish(instrument_id)
    warehouse.candles(instrument_id, trading(at(FIRST, 60), at(FIRST, 1440)), run_id="second")
    warehouse.candles(instrument_id, trading(at(FIRST, 3 * 1440), at(FIRST, 4 * 1440)))
    assert warehouse.rows(
        "SELECT instrument, day, run_id, present, state = 'published' FROM provenance ORDER BY version_id"
    ) == [
        ("BTC-28MAR25", FIRST, "load", 1370, True),
        ("BTC-28MAR25", FIRST, "second", 1380, False),
        ("BTC-28MAR25", FIRST + timedelta(days=3), "load", 1440, False),
    ]
    lives = 27 * 1440 + 480 - 60  # the days without any row are missing too
    others = "('volatility_index', 'delivery_prices', 'settlements', 'roll_calendar')"
    assert warehouse.rows(f"SELECT * FROM coverage WHERE dataset NOT IN {others}") == [
        ("futures_ohlcv", "BTC-28MAR25", "week", FIRST, lives, 1380 + 1440, lives - 1380 - 1440, 1370, 0)
    ], "without a perpetual no basis is expected of it"


def test_loaders_at_once_neither_wait_in_a_circle_nor_double(warehouse, market):
    ids = [perpetual(warehouse) for _ in range(6)]
    candles = {i: trading(at(FIRST), at(FIRST, 3 * 1440), seed=i) for i in ids}
    totals, failures = [], []

    def load(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(ids)
        try:
            with psycopg.connect(market.dsn(), autocommit=True) as connection:
                for i in map(int, order):
                    with connection.transaction():
                        totals.append(
                            store_candles(connection, i, candles[i], Provenance("candles", str(i), HOST, f"{seed}"))
                        )
        except Exception as error:  # a thread's error is not pytest's
            failures.append(error)

    def publish(seed: int) -> None:
        try:
            with psycopg.connect(market.dsn(), autocommit=True) as connection:
                for _ in range(5):
                    versions = connection.execute(
                        "SELECT instrument_id, day, version_id FROM store.candle_day"
                    ).fetchall()
                    versions = [versions[k] for k in np.random.default_rng(seed).permutation(len(versions))]
                    with connection.transaction():
                        publication.publish(connection, CANDLE_DAY, validation_id, versions)
        except Exception as error:
            failures.append(error)

    validation_id = warehouse.validation()
    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(5)]
    threads += [threading.Thread(target=publish, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sum(totals, Ingested()) == Ingested(added=18, unchanged=4 * 18)
    warehouse.publish(*ids)
    for i in ids:
        assert as_bits(shown(warehouse, i)) == expected(candles[i])


def test_a_loader_killed_in_the_middle_leaves_the_old_state(warehouse, market):
    instrument_id = perpetual(warehouse)
    old = trading(at(FIRST), at(FIRST, 1440), seed=1)
    warehouse.candles(instrument_id, old)
    before = warehouse.rows("SELECT xmin, * FROM store.candle_day"), warehouse.rows("SELECT * FROM store.ingestion")

    class Killed(Candles):
        """Its columns are read while COPY is open; the last one ends the connection."""

        @property
        def present(self):
            warehouse.rows("SELECT pg_terminate_backend(%s)", victim.info.backend_pid)
            return np.ones(1440, bool)

        @present.setter
        def present(self, value):
            pass

    victim = psycopg.connect(market.dsn())
    with pytest.raises(psycopg.OperationalError), victim.transaction():
        changed = trading(at(FIRST), at(FIRST, 1440), seed=2)
        store_candles(
            victim, instrument_id, Killed(**vars(changed)), Provenance("candles", str(instrument_id), HOST, "x")
        )
    assert (
        warehouse.rows("SELECT xmin, * FROM store.candle_day"),
        warehouse.rows("SELECT * FROM store.ingestion"),
    ) == before
    assert warehouse.candles(instrument_id, old) == Ingested(unchanged=1)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Auckland"])
def test_ranges_and_instants_mean_the_same_in_every_time_zone(shared_warehouse, zone):
    base = f"TZ{next(names)}"
    instrument_id = shared_warehouse.instrument(f"{base}-PERPETUAL", LISTED, base=base)
    candles = trading(at("2025-03-08"), at("2025-03-11"))  # New York changes its clocks on the 9th
    shared_warehouse.candles(instrument_id, candles)
    shared_warehouse.publish(instrument_id)
    connection = shared_warehouse.connection
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('timezone', %s, true)", (zone,))
        get = connection.execute
        for begins, ends in [(0, 0), (0, 1), (1439, 1441), (700, 2200), (-500, 100), (4319, 9999)]:
            rows = get(
                f"{IN_RANGE}(%s, %s, %s)",
                (f"{base}-PERPETUAL", at("2025-03-08", begins), at("2025-03-08", ends)),
            )
            assert as_bits(rows.fetchall()) == expected(candles)[max(begins, 0) : max(ends, 0)]
        within = timedelta(seconds=0.5)  # bounds inside a minute: it begins before the one and before the other
        rows = get(
            f"{IN_RANGE}(%s, %s, %s)",
            (f"{base}-PERPETUAL", at("2025-03-08", 10) + within, at("2025-03-09", 20) + within),
        )
        assert as_bits(rows.fetchall()) == expected(candles)[11:1461]
        rows = get(f"{IN_RANGE}(%s, '-infinity', 'infinity')", (f"{base}-PERPETUAL",)).fetchall()
        assert as_bits(rows) == expected(candles)
        for minute, seconds in [(0, 0), (0, 59.9), (1439, 59.999999), (1440, 0), (4319, 59.6)]:
            instant = at("2025-03-08", minute) + timedelta(seconds=seconds)
            [found] = [
                r
                for r in get(f"SELECT instrument, {COLUMNS_SHOWN} FROM candle_at(%s)", (instant,)).fetchall()
                if r[0] == f"{base}-PERPETUAL"
            ]
            assert as_bits([found[1:]]) == expected(candles)[minute : minute + 1]
        for minute in (-1, 4320):
            found = get("SELECT instrument FROM candle_at(%s)", (at("2025-03-08", minute),)).fetchall()
            assert (f"{base}-PERPETUAL",) not in found


def test_an_instant_outside_of_an_instruments_life_has_no_candle(warehouse):
    instrument_id = warehouse.instrument("BTC-7MAR25", at(FIRST, 600), at("2025-03-07", 480))
    candles = trading(at(FIRST, 600), at(FIRST, 1440)).without(5)
    warehouse.candles(instrument_id, candles)
    warehouse.publish(instrument_id)
    assert warehouse.rows("SELECT * FROM candle_at(%s)", at(FIRST, 599)) == []
    assert warehouse.rows("SELECT close FROM candle_at(%s)", at(FIRST, 600)) == [(candles.close[0],)]
    assert warehouse.rows("SELECT close, traded FROM candle_at(%s)", at(FIRST, 605)) == [(None, None)]


@pytest.mark.parametrize(
    ("first", "start", "n"), [(0, 0, 5), (0, 3, 5), (3, 0, 5), (3, 0, 2), (9, 0, 4), (0, 9, 4), (2, 4, 20), (0, 0, 0)]
)
def test_aligned_lays_minutes_beside_each_other(shared_warehouse, first, start, n):
    held = {first + i: float(i) for i in range(5)}
    got = shared_warehouse.value("SELECT store.slice_minutes(%s, %s, %s, %s)", list(held.values()), first, start, n)
    assert len(got) <= n, "more elements than minutes would make rows of nothing"
    assert got + [None] * (n - len(got)) == [held.get(minute) for minute in range(start, start + n)]


def test_plain_statements_name_the_unknown(shared_warehouse):
    with pytest.raises(FileNotFoundError):
        sql.statement("ingestion/nothing")
    with pytest.raises(LookupError, match="ingestion/origin"):
        sql.row(shared_warehouse.connection, "ingestion/origin")
