"""What the gate sees of candles, against an oracle that counts minute by minute in Python."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pytest

from deribit_warehouse.warehouse.catalogue import record_collected
from deribit_warehouse.warehouse.day_arrays import fresh_minutes
from tests.warehouse.days import COLUMNS, FIRST, Candles, Warehouse, at, candle_profile, trading

LISTED, EXPIRES = at(FIRST, 500), at(FIRST + timedelta(days=4), 480)
BORN = at("2024-01-01")
FROM, TO = at(FIRST), at(FIRST + timedelta(days=6))
COUNTS = (
    "expected_minutes", "minutes", "missing_minutes", "explained_minutes", "waited_minutes", "longest_gap_minutes",
    "duplicate_minutes", "misaligned_minutes", "out_of_order_minutes", "out_of_window_minutes", "not_finite_minutes",
    "not_positive_minutes", "bounds_broken_minutes", "negative_minutes", "cost_without_volume_minutes",
    "cost_off_minutes", "cost_inconsistent_minutes", "untraded_not_flat_minutes", "fill_off_previous_minutes",
    "spike_minutes", "refuted_spike_minutes", "reference_minutes", "traded_minutes", "fresh_minutes",
)  # fmt: skip
MEASURES = ("largest_move", "largest_move_ratio", "reference_distance")


@pytest.fixture
def listed(warehouse):
    """A future and the perpetual it is measured against: their ids."""
    return (
        warehouse.instrument("BTC-PERPETUAL", BORN),
        warehouse.instrument("BTC-5MAR25", LISTED, EXPIRES),
    )


def profile(warehouse: Warehouse, *, perpetual=False, begins=FROM, ends=TO, currencies=("BTC",)):
    found = candle_profile(
        warehouse.connection,
        perpetual=perpetual,
        currencies=list(currencies),
        begins=begins,
        ends=ends,
    )
    assert set(COUNTS) | set(MEASURES) < set(found.columns)
    return {(row["instrument"], row["day"]): row for row in found.to_dict("records")}


# --- the oracle -------------------------------------------------------------------------------------------------


def apart(price, reference):
    """What can't be a price is infinitely far, nothing is 100 % away."""
    if price is None or reference is None or reference == 0:
        return None
    if price == 0:
        return 1.0
    return abs(price / reference - 1) if 1e-50 <= price <= 1e50 and 1e-50 <= reference <= 1e50 else math.inf


def beyond(a, b):
    """a > b as Postgres has it: NaN is the greatest number."""
    return (not math.isnan(b)) if math.isnan(a) else a > b and not math.isnan(b)


def by_minute(candles: Candles | None, day: date) -> dict[int, tuple]:
    """The stored minutes of a day: minute of the day to values, None where it is missing."""
    if candles is None:
        return {}
    first = (candles.start // 60_000) - round(at(day).timestamp() / 60)
    stored = {}
    for i in range(len(candles.present)):
        if 0 <= first + i < 1440:
            stored[first + i] = tuple(float(c[i]) for c in candles.columns) if candles.present[i] else None
    return stored if any(values is not None for values in stored.values()) else {}


def cost_deviation(cost: float, volume: float, low: float, high: float) -> float:
    if not (1e-50 <= cost <= 1e50 and 1e-50 <= volume <= 1e50):
        return math.inf
    # NaN is the greatest number
    low, high = (1e50 if math.isnan(x) else max(min(x, 1e50), 1e-50) for x in (low, high))
    t = max(1, 2e-4 * cost)
    if cost < volume * low - t:
        return 1 - (cost + t) / (volume * low)
    return (cost - t) / (volume * high) - 1 if cost > volume * high + t else 0


def expected(day: date, lives: range, candles: Candles | None, reference: Candles | None, late_until: int) -> dict:
    """late_until: the minute of the day before which what is missing is explained."""
    stored, perpetual = by_minute(candles, day), by_minute(reference, day)
    fresh = (
        {}
        if candles is None
        else {
            (candles.start - round(at(day).timestamp() * 1000)) // 60_000 + int(i)
            for i in np.flatnonzero(fresh_minutes(candles))
        }
    )
    there = {minute: values for minute, values in stored.items() if values is not None}
    gone = [minute for minute in lives if minute not in there]
    late = [minute for minute in gone if minute < late_until]
    gaps = [minute for minute in gone if minute not in late]  # beginning late is no gap
    runs = [len(list(run)) for _, run in groupby(enumerate(gaps), key=lambda place: place[1] - place[0])]
    row = dict.fromkeys(COUNTS, 0) | {
        "expected_minutes": len(lives), "minutes": len(there), "missing_minutes": len(gone) - len(late),
        "explained_minutes": len(late), "longest_gap_minutes": max(runs, default=0), "spikes": [],
        "waited_minutes": round((at(day, max(late) + 1) - LISTED).total_seconds() / 60) if late else 0,
    }  # fmt: skip
    moves, distances = [], []
    for minute, (o, h, lo, c, v, cost) in there.items():
        previous, following = (there[near][3] if near in there else None for near in (minute - 1, minute + 1))
        row["not_finite_minutes"] += not all(abs(x) <= 1e50 for x in (o, h, lo, c, v, cost))
        row["not_positive_minutes"] += any(x <= 0 for x in (o, h, lo, c))
        row["bounds_broken_minutes"] += any(beyond(x, h) for x in (o, c, lo)) or beyond(lo, o) or beyond(lo, c)
        row["negative_minutes"] += v < 0 or cost < 0
        row["cost_without_volume_minutes"] += (v == 0) != (cost == 0) and minute not in fresh
        trades = v > 0 or math.isnan(v)
        beside = perpetual.get(minute)
        row["fresh_minutes"] += minute in fresh
        if trades and minute not in fresh and (cost > 0 or math.isnan(cost)):
            lows, highs = ([x, beside[at_]] if beside else [x] for x, at_ in ((lo, 2), (h, 1)))
            # Postgres: NaN is the greatest number, so it is the least of nothing else
            floor = min((x for x in lows if not math.isnan(x)), default=math.nan)
            roof = math.nan if any(map(math.isnan, highs)) else max(highs)
            off = cost_deviation(cost, v, floor, roof)
            row["cost_off_minutes"] += off > 0.01
            row["cost_inconsistent_minutes"] += off > 0.1
        row["untraded_not_flat_minutes"] += v == 0 and not (same(o, c) and same(h, c) and same(lo, c))
        row["fill_off_previous_minutes"] += v == 0 and previous is not None and not same(c, previous)
        row["traded_minutes"] += trades
        move, back = apart(c, previous), apart(following, previous)
        if move is not None:
            moves.append(move)
            if move > 0.05 and back is not None and back < 0.2 * move:
                before = perpetual.get(minute - 1)
                traded = beside is not None and (beside[4] > 0 or math.isnan(beside[4]))
                its = apart(beside[3], before[3]) if traded and before else None
                row["spikes"].append((move, its is not None and its < 0.2 * move))
        if trades and beside is not None:
            row["reference_minutes"] += 1
            distance = apart(c, beside[3])
            # what is no price says nothing
            said = distance is None or distance <= 0.25 or 1e-50 <= abs(beside[3]) <= 1e50
            distances.append(distance if said else None)
    distances = [d for d in distances if d is not None]
    row |= {
        "largest_move": max(moves, default=None), "mean_move": sum(moves) / len(moves) if moves else None,
        "reference_distance": max(distances, default=None),
    }  # fmt: skip
    return row


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def in_proportion(rows: list[dict]) -> None:
    """What an instrument's usual move says of its days, once all are known."""
    means = [r["mean_move"] for r in rows if r["mean_move"] and math.isfinite(r["mean_move"])]
    usual = float(np.median(means)) if means else None
    for row in rows:
        spikes = [refuted for move, refuted in row["spikes"] if move > 20 * (usual or 0)]
        row["spike_minutes"], row["refuted_spike_minutes"] = len(spikes), sum(spikes)
        row["largest_move_ratio"] = (
            None if usual is None or row["largest_move"] is None else row["largest_move"] / usual
        )


def assert_equal(found: dict, wanted: dict, key) -> None:
    assert {name: found[name] for name in COUNTS} == {name: wanted[name] for name in COUNTS}, key
    for name in MEASURES:
        got = None if found[name] is None or math.isnan(found[name]) else found[name]
        assert (got is None) == (wanted[name] is None), (key, name, got, wanted[name])
        assert got is None or got == wanted[name] or math.isclose(got, wanted[name], rel_tol=1e-9), (key, name)


def future_oracle(stored: dict[date, Candles], reference: Candles | None) -> dict[date, dict]:
    rows, answered = {}, True
    first = min((day for day, candles in stored.items() if candles.present.any()), default=None)
    for n in range(5):
        day = FIRST + timedelta(days=n)
        lives = range(500 if n == 0 else 0, 480 if n == 4 else 1440)
        # explained is what was asked for from the listing on, without a day left out, and lies before the first candle
        answered = answered and day in stored
        begins = (
            1440
            if first is None or day < first
            else int(np.argmax(stored[day].present)) + lives[0]
            if day == first
            else 0
        )
        rows[day] = expected(day, lives, stored.get(day), reference, begins if answered else 0)
    in_proportion(list(rows.values()))
    return rows


# --- random days ------------------------------------------------------------------------------------------------

WRONG = (math.nan, math.inf, -math.inf, 0.0, -3.0, 1e-200, 1e200, 1e308, 5e-324)


def damaged(candles: Candles, random: np.random.Generator) -> Candles:
    """The same with a few minutes missing and a few values wrong: absurd, or wrong by a little."""
    n = len(candles.present)
    columns = {name: getattr(candles, name).copy() for name in COLUMNS}
    for _ in range(random.integers(0, 12)):
        name, minute = random.choice(COLUMNS), random.integers(n)
        factor = random.choice([0.5, 0.9, 0.99, 1.02, 1.07, 1.5])
        columns[name][minute] = random.choice(WRONG) if random.random() < 0.4 else columns[name][minute] * factor
    present = candles.present.copy()
    present[: random.integers(0, 2000) if random.random() < 0.3 else 0] = False
    for _ in range(random.integers(0, 4)):
        begins = random.integers(n)
        present[begins : begins + random.integers(1, 90)] = False
    return candles.but(present=present, **columns)


@pytest.mark.parametrize("seed", range(8))
def test_random_days_are_seen_as_the_oracle_sees_them(warehouse, listed, seed):
    random = np.random.default_rng(seed)
    perpetual_id, future_id = listed
    future = damaged(trading(LISTED, EXPIRES, seed=seed), random)
    stored = {}
    for n in range(5):
        day = FIRST + timedelta(days=n)
        begins, ends = max(LISTED, at(day)), min(EXPIRES, at(day, 1440))
        if random.random() < 0.8:
            stored[day] = future.cut(begins, ends)
            warehouse.candles(future_id, stored[day])
    # a perpetual that is there for a part of the time only, beginning in the middle of a day
    from_, to = at(FIRST, int(random.integers(0, 3000))), at(FIRST, int(random.integers(3001, 6000)))
    reference = damaged(trading(from_, to, seed=seed + 100), random)
    warehouse.candles(perpetual_id, reference)

    found = profile(warehouse)
    wanted = future_oracle(stored, reference)
    assert sorted(found) == [("BTC-5MAR25", day) for day in wanted]
    for day, row in wanted.items():
        assert_equal(found["BTC-5MAR25", day], row, (seed, day))


# --- each defect by itself --------------------------------------------------------------------------------------

SECOND = FIRST + timedelta(days=1)  # its minutes begin at 1440 - 500 of the window


def untraded(candles: Candles) -> int:
    """A minute without a trade between two without one, on the second day."""
    return next(i for i in range(1440 - 500 + 20, 9999) if not candles.volume[i - 1 : i + 2].any())


def busy(candles: Candles) -> int:
    """A minute with a trade that left high above low, on the second day."""
    return next(i for i in range(1440 - 500 + 20, 9999) if candles.volume[i] and candles.high[i] > candles.low[i])


def put(**values):
    """Sets values in a traded minute, each a number or a function of the candles and the minute."""
    return lambda c: c.setting(busy(c), **{n: v(c, busy(c)) if callable(v) else v for n, v in values.items()})


def fill(**values):
    """Sets values in a minute without a trade."""
    return lambda c: c.setting(untraded(c), **{n: v(c, untraded(c)) if callable(v) else v for n, v in values.items()})


DEFECTS = {
    "missing": (lambda c: c.without(untraded(c)), {"minutes": -1, "missing_minutes": 1, "longest_gap_minutes": 1}),
    "duplicate": (lambda c: c.but(duplicate=[c.start + 1500 * 60_000] * 2), {"duplicate_minutes": 2}),
    "misaligned": (lambda c: c.but(misaligned=[c.start + 1500 * 60_000 + 500]), {"misaligned_minutes": 1}),
    "out_of_order": (lambda c: c.but(out_of_order=[c.start + 1500 * 60_000]), {"out_of_order_minutes": 1}),
    "out_of_window": (lambda c: c.but(out_of_window=[c.start + 1500 * 60_000]), {"out_of_window_minutes": 1}),
    "NaN cost": (
        put(cost=math.nan),
        {"not_finite_minutes": 1, "cost_off_minutes": 1, "cost_inconsistent_minutes": 1, "fresh_minutes": -1},
    ),
    "infinite high": (put(high=math.inf), {"not_finite_minutes": 1}),
    "open at zero": (put(open=0.0, low=0.0), {"not_positive_minutes": 1}),
    "high too low": (put(high=lambda c, i: c.low[i] - 1, low=lambda c, i: c.low[i] - 1), {"bounds_broken_minutes": 1}),
    "low too high": (put(low=lambda c, i: c.high[i] + 0.5), {"bounds_broken_minutes": 1}),
    "volume below zero": (
        put(volume=-1.0),
        {"negative_minutes": 1, "traded_minutes": -1, "reference_minutes": -1, "fresh_minutes": -1},
    ),
    "cost below zero": (put(cost=-1.0), {"negative_minutes": 1, "fresh_minutes": -1}),
    "cost without volume": (fill(cost=1.0), {"cost_without_volume_minutes": 1}),
    "volume without cost": (put(cost=0.0), {"cost_without_volume_minutes": 1, "fresh_minutes": -1}),
    "a dollar of volume without cost": (put(volume=1e-5, cost=0.0), {}),
    "cost too high": (
        put(cost=lambda c, i: c.volume[i] * 50_100 * 1.12),
        {"cost_off_minutes": 1, "cost_inconsistent_minutes": 1, "fresh_minutes": -1},
    ),
    "cost too low": (
        put(cost=lambda c, i: c.volume[i] * 49_900 * 0.88),
        {"cost_off_minutes": 1, "cost_inconsistent_minutes": 1, "fresh_minutes": -1},
    ),
    "cost high": (
        put(volume=1.0, cost=lambda c, i: max(c.high[i], 50_110) * 1.02), {"cost_off_minutes": 1, "fresh_minutes": -1}
    ),
    "cost a little high": (put(volume=1.0, cost=lambda c, i: c.high[i] * 1.005), {"fresh_minutes": -1}),
    "cost without measure": (
        put(volume=1e-300, cost=1e300),
        {"not_finite_minutes": 1, "cost_off_minutes": 1, "cost_inconsistent_minutes": 1, "fresh_minutes": -1},
    ),
    "not flat": (fill(high=lambda c, i: c.high[i] + 1), {"untraded_not_flat_minutes": 1}),
    "fill at another price": (
        lambda c: c.setting(untraded(c), **dict.fromkeys(("open", "high", "low", "close"), c.close[untraded(c)] + 1)),
        {"fill_off_previous_minutes": 2},
    ),
    "spike": (put(close=lambda c, i: c.close[i] * 1.06, high=lambda c, i: c.close[i] * 1.06),
        {"spike_minutes": 1, "refuted_spike_minutes": 1}),
    "jump that stays": (
        lambda c: c.but(**{n: np.where(np.arange(len(c.close)) < 2000, 1, 1.06) * getattr(c, n)
                           for n in ("open", "high", "low", "close", "cost")}),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_shows_in_its_own_column(warehouse, listed, name):
    damage, wanted = DEFECTS[name]
    perpetual_id, future_id = listed
    good = trading(LISTED, EXPIRES)
    warehouse.candles(perpetual_id, trading(at(FIRST), TO, seed=5, level=50_100.0))
    warehouse.candles(future_id, damage(good))
    after = profile(warehouse)
    warehouse.candles(future_id, good)
    before = profile(warehouse)
    clean = {
        "missing_minutes",
        "spike_minutes",
        "bounds_broken_minutes",
        "untraded_not_flat_minutes",
        "not_finite_minutes",
    }
    assert all(not row[column] for row in before.values() for column in clean)
    changed = {
        (day, column): int(after[key][column]) - int(before[key][column])
        for key in before for column in COUNTS if after[key][column] != before[key][column] for day in [key[1]]
    }  # fmt: skip
    if name == "fill at another price":  # the next minute's fill is off it in turn
        wanted = wanted if good.volume[untraded(good) + 1] == 0 else {"fill_off_previous_minutes": 1}
    if name in ("spike",):  # the traded minute's neighbours may be fills of it
        changed.pop((SECOND, "fill_off_previous_minutes"), None)
    if wanted is None:
        day = FIRST + timedelta(days=(500 + 2000) // 1440)
        assert after["BTC-5MAR25", day]["spike_minutes"] == 0 and after["BTC-5MAR25", day]["largest_move"] > 0.05
    else:
        assert {column: by for (day, column), by in changed.items()} == wanted
        assert {day for day, _ in changed} <= {SECOND, FIRST + timedelta(days=1)}


def test_one_spike_is_told_though_a_smaller_one_is_usual(warehouse):
    """The usual move is taken from the instrument: 6 % is nothing for this one, 500 % is."""
    instrument_id = warehouse.instrument("BTC-PERPETUAL", BORN)
    close = np.full(1440, 100.0)
    close[100:1400:2] = 106.0  # mean move about 2.7 %
    close[701] = 100.0
    close[1420] = 600.0
    wild = trading(at(FIRST), at(FIRST, 1440)).but(
        open=close, high=close, low=close, close=close, volume=np.ones(1440), cost=close
    )
    warehouse.candles(instrument_id, wild)
    [row] = profile(warehouse, perpetual=True, ends=at(FIRST, 1440)).values()
    assert row["spike_minutes"] == 1
    assert row["largest_move"] == 5.0


@pytest.mark.parametrize(("jump", "spikes"), [(0.045, 0), (0.059, 0), (0.065, 1)])
def test_a_spike_is_twenty_usual_moves_and_a_twentieth_of_the_price(warehouse, jump, spikes):
    instrument_id = warehouse.instrument("BTC-PERPETUAL", BORN)
    close = np.where(np.arange(1440) % 2, 100.3, 100.0)  # twenty times its usual move is about 6.2 %
    close[701] = 100.0 * (1 + jump)
    steady = trading(at(FIRST), at(FIRST, 1440))
    steady = steady.but(open=close, high=close, low=close, close=close, volume=np.ones(1440), cost=close)
    warehouse.candles(instrument_id, steady)
    [row] = profile(warehouse, perpetual=True, ends=at(FIRST, 1440)).values()
    assert row["spike_minutes"] == spikes


# --- days and lives ---------------------------------------------------------------------------------------------


def test_days_never_asked_for_are_missing(warehouse, listed):
    rows = profile(warehouse)
    lives = [940, 1440, 1440, 1440, 480]
    columns = ("expected_minutes", "minutes", "missing_minutes", "longest_gap_minutes")
    seen = [tuple(r[name] for name in columns) for r in rows.values()]
    assert seen == [(n, 0, n, n) for n in lives]
    assert {r["explained_minutes"] for r in rows.values()} == {0}
    assert {r["version_id"] for r in rows.values()} == {None}


def test_an_instrument_begins_with_its_first_candle_whatever_the_day(warehouse, listed):
    warehouse.candles(listed[1], trading(LISTED, EXPIRES).without(slice(0, 1000), slice(3000, 3005)))
    rows = profile(warehouse)
    assert [r["explained_minutes"] for r in rows.values()] == [940, 60, 0, 0, 0]
    assert [r["waited_minutes"] for r in rows.values()] == [940, 1000, 0, 0, 0]
    assert [r["missing_minutes"] for r in rows.values()] == [0, 0, 5, 0, 0]
    assert [r["longest_gap_minutes"] for r in rows.values()] == [0, 0, 5, 0, 0]


def test_the_wait_for_the_first_candle_is_excused_only_where_the_exchange_answered(warehouse, listed):
    """The first two days were refused: the third day's first candle says nothing of them, nor of its own morning."""
    late = trading(at(FIRST, 2 * 1440), EXPIRES).without(slice(0, 30))
    warehouse.candles(listed[1], late)
    rows = profile(warehouse)
    assert [r["missing_minutes"] for r in rows.values()] == [940, 1440, 30, 0, 0]
    assert [r["explained_minutes"] for r in rows.values()] == [0, 0, 0, 0, 0]
    nothing = trading(LISTED, at(FIRST, 2 * 1440))
    warehouse.candles(listed[1], nothing.but(present=np.zeros(len(nothing.present), bool)))
    rows = profile(warehouse)
    assert [r["missing_minutes"] for r in rows.values()] == [0, 0, 0, 0, 0]
    assert [r["explained_minutes"] for r in rows.values()] == [940, 1440, 30, 0, 0]
    assert [r["waited_minutes"] for r in rows.values()] == [940, 2380, 2410, 0, 0]


def test_the_wait_for_the_first_candle_is_excused_of_what_was_listed_before_the_history_that_is_collected(
    warehouse, listed
):
    """It was not asked for from its listing on, and need not be: a chart goes on flat once there was a trade."""
    since = at(FIRST, 1440)
    with warehouse.connection.transaction():
        record_collected(warehouse.connection, "BTC", ["BTC"], since)
    warehouse.candles(listed[1], trading(since, EXPIRES).without(slice(0, 1500)))
    rows = [row for (_, day), row in profile(warehouse).items() if day >= since.date()]
    assert [row["missing_minutes"] for row in rows] == [0, 0, 0, 0]
    assert [row["explained_minutes"] for row in rows] == [1440, 60, 0, 0]


def test_a_perpetual_whose_chart_goes_on_flat_is_untraded_day_after_day(warehouse, listed):
    perpetual, future = listed

    def untraded(*, of_perpetual: bool = True) -> list[int]:
        rows = profile(warehouse, perpetual=of_perpetual, ends=at(FIRST, 9 * 1440)).values()
        return [row["untraded_days"] for row in rows]

    warehouse.candles(perpetual, trading(at(FIRST), at(FIRST, 1440)))
    flat = trading(at(FIRST, 1440), at(FIRST, 9 * 1440), traded=0)
    warehouse.candles(perpetual, flat)
    assert untraded() == [0, 1, 2, 3, 4, 5, 6, 7, 7]
    day = trading(at(FIRST, 4 * 1440), at(FIRST, 5 * 1440), traded=0)
    warehouse.candles(perpetual, day.setting(700, volume=1.0, cost=5e4))
    assert untraded() == [0, 1, 2, 3, 0, 4, 5, 6, 6], "the newest version counts"
    warehouse.candles(future, trading(LISTED, EXPIRES, traded=0))
    assert untraded(of_perpetual=False) == [0, 0, 0, 0, 0], "a future that nobody trades is usual"


def test_no_known_outage_excuses_a_missing_candle(warehouse):
    """The exchange's outages cost hours of funding and no candle: a minute that lacks in one of them was lost here."""
    from deribit_warehouse import settings
    from deribit_warehouse.datasets import PERPETUALS_OHLCV
    from deribit_warehouse.quality.suites import read_outages
    from deribit_warehouse.warehouse.profiles import profile as profile_of

    day = date(2020, 11, 26)
    outages = [(o.start, o.end) for o in read_outages(settings.EXPECTATIONS / "known_outages.json")]
    assert any(begins <= at(day, 600) and at(day, 955) <= ends for begins, ends in outages)
    instrument_id = warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    warehouse.candles(instrument_id, trading(at(day), at(day, 1440), seed=1).without(slice(600, 955)))
    asked = {"currencies": ["BTC"], "begins": at(day), "ends": at(day, 1440)}
    [row] = profile_of(warehouse.connection, PERPETUALS_OHLCV, **asked, outages=outages).to_dict("records")
    assert (row["missing_minutes"], row["explained_minutes"], row["longest_gap_minutes"]) == (355, 0, 355)


def test_an_instrument_that_never_traded_waits(warehouse, listed):
    nothing = trading(LISTED, EXPIRES)
    warehouse.candles(listed[1], nothing.but(present=np.zeros(len(nothing.present), bool)))
    rows = profile(warehouse)
    assert [r["explained_minutes"] for r in rows.values()] == [940, 1440, 1440, 1440, 480]
    assert {r["missing_minutes"] for r in rows.values()} == {0}
    assert warehouse.rows("SELECT 1 FROM store.candle_day") == []


def test_a_window_that_ended_early_misses_the_rest_of_its_day(warehouse, listed):
    warehouse.candles(listed[0], trading(at(FIRST), at(FIRST, 700)))
    [row] = profile(warehouse, perpetual=True, ends=at(FIRST, 1440)).values()
    seen = [row[name] for name in ("minutes", "missing_minutes", "explained_minutes", "longest_gap_minutes")]
    assert seen == [700, 740, 0, 740]


@pytest.mark.parametrize("perpetual", [True, False])
def test_how_deep_a_crash_goes_is_known_of_two_coins(warehouse, perpetual):
    ends = None if perpetual else at("2025-03-28", 480)
    for name, base, quote, settlement, known in [
        ("BTC-X", "BTC", "USD", "BTC", True), ("ETH-X", "ETH", "USD", "ETH", True),
        ("BTC_USDC-X", "BTC", "USDC", "USDC", False), ("NEAR_USDC-X", "NEAR", "USDC", "USDC", False),
    ]:  # fmt: skip
        warehouse.instrument(name, BORN, ends, base=base, quote=quote, settlement=settlement)
        rows = profile(warehouse, perpetual=perpetual, ends=at(FIRST, 1440), currencies=[settlement])
        assert rows[name, FIRST]["crash_known"] == known


# --- against other contracts ------------------------------------------------------------------------------------


def jumping(candles: Candles, minute: int, factor: float) -> Candles:
    """The same with a close that jumps in a minute with trades and is back in the next."""
    moved = {name: getattr(candles, name)[minute] * factor for name in ("open", "high", "low", "close")}
    return candles.setting(minute, **moved, volume=1.0, cost=moved["close"])


@pytest.mark.parametrize(
    ("future_by", "perpetual_by", "refuted"), [(0.9, 1, (1, 0)), (0.9, 0.9, (0, 0)), (1, 0.9, (0, 1))]
)
def test_a_spike_is_refuted_by_the_contract_that_did_not_move(warehouse, listed, future_by, perpetual_by, refuted):
    """What the perpetual says of the future, and futures of the perpetual; what both did is a true fall."""
    perpetual_id, future_id = listed
    minute = 600
    day = trading(at(FIRST), at(FIRST, 1440), seed=5)
    warehouse.candles(perpetual_id, jumping(day, minute, perpetual_by))
    warehouse.candles(future_id, jumping(trading(LISTED, at(FIRST, 1440), seed=6), minute - 500, future_by))
    [future] = profile(warehouse, ends=at(FIRST, 1440)).values()
    [perpetual] = profile(warehouse, perpetual=True, ends=at(FIRST, 1440)).values()
    assert (future["spike_minutes"], perpetual["spike_minutes"]) == (int(future_by < 1), int(perpetual_by < 1))
    assert (future["refuted_spike_minutes"], perpetual["refuted_spike_minutes"]) == refuted


def test_a_spike_nobody_else_saw_is_only_seen(warehouse, listed):
    warehouse.candles(listed[1], jumping(trading(LISTED, at(FIRST, 1440), seed=6), 100, 0.9))
    [row] = profile(warehouse, ends=at(FIRST, 1440)).values()
    assert (row["spike_minutes"], row["refuted_spike_minutes"]) == (1, 0)


def test_legs_traded_in_a_crash_are_measured_by_the_perpetuals_prices_too(warehouse, listed):
    """The contract's own low and high are old, the perpetual stands 14 % lower: so does what its legs cost."""
    perpetual_id, future_id = listed
    perpetual = trading(at(FIRST), at(FIRST, 1440), seed=5)
    prices = {"open": 43_000.0, "high": 43_100.0, "low": 42_800.0, "close": 42_900.0}
    minute = prices | {"volume": 50.0, "cost": 50 * 42_950.0}
    future = trading(LISTED, at(FIRST, 1440), seed=6).setting(100, volume=2.0, cost=2 * 43_000.0)
    warehouse.candles(future_id, future)
    [alone] = profile(warehouse, ends=at(FIRST, 1440)).values()
    assert (alone["cost_off_minutes"], alone["cost_inconsistent_minutes"]) == (1, 1)
    warehouse.candles(perpetual_id, perpetual.setting(600, **minute))
    [beside] = profile(warehouse, ends=at(FIRST, 1440)).values()
    assert (beside["cost_off_minutes"], beside["cost_inconsistent_minutes"]) == (0, 0)
    assert beside["fresh_minutes"] == alone["fresh_minutes"] < alone["traded_minutes"]


def test_costs_rounded_to_a_dollar_are_no_fault(warehouse):
    """A coin of 3 cents, traded a few dollars' worth at a time, cost rounded to a dollar."""
    instrument_id = warehouse.instrument("DOGE_USDC-PERPETUAL", BORN, base="DOGE", quote="USDC", settlement="USDC")
    day = trading(at(FIRST), at(FIRST, 1440), level=50_000, traded=0.9)
    prices = {name: getattr(day, name) * 6e-7 for name in ("open", "high", "low", "close")}
    volume = np.round(day.volume * 20)
    rounded = day.but(**prices, volume=volume, cost=np.round(volume * prices["close"]))
    assert ((rounded.cost == 0) & (rounded.volume > 0)).sum() > 50
    warehouse.candles(instrument_id, rounded)
    [row] = profile(warehouse, perpetual=True, ends=at(FIRST, 1440), currencies=["USDC"]).values()
    columns = ("cost_without_volume_minutes", "cost_off_minutes", "cost_inconsistent_minutes")
    assert [row[name] for name in columns] == [0, 0, 0]
    assert row["fresh_minutes"] == row["traded_minutes"]


# --- days and lives, again --------------------------------------------------------------------------------------


def test_the_interval_cuts_and_what_lived_outside_is_not_asked_for(warehouse, listed):
    warehouse.instrument("BTC-28FEB25", at("2025-02-01"), at("2025-03-01"))
    warehouse.instrument("BTC-28MAR25", TO, at("2025-03-28"))
    warehouse.instrument("ETH-5MAR25", LISTED, EXPIRES, base="ETH")
    assert {key[0] for key in profile(warehouse)} == {"BTC-5MAR25"}
    rows = profile(warehouse, begins=at(FIRST, 1440 + 30), ends=at(FIRST, 2 * 1440 + 90))
    assert [r["expected_minutes"] for r in rows.values()] == [1410, 90]
    assert profile(warehouse, begins=at(FIRST), ends=at(FIRST)) == {}
    assert profile(warehouse, begins=EXPIRES, ends=TO) == {}


def test_the_newest_version_is_validated_published_or_not(warehouse, listed):
    warehouse.candles(listed[1], trading(LISTED, EXPIRES, seed=1))
    warehouse.publish(listed[1])
    first = profile(warehouse)
    warehouse.candles(listed[1], trading(LISTED, EXPIRES, seed=1).setting(1500, cost=-5.0))
    second = profile(warehouse)
    for (key, old), new in zip(first.items(), second.values(), strict=True):
        changed = key[1] == SECOND
        assert (new["version_id"] > old["version_id"], new["negative_minutes"]) == (changed, int(changed))


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_days_are_utc_days_in_every_session(warehouse, listed, zone):
    warehouse.candles(listed[1], trading(LISTED, EXPIRES).without(slice(940, 950)))
    warehouse.candles(listed[0], trading(at(FIRST), TO, seed=5))
    wanted = profile(warehouse)
    warehouse.connection.execute("SELECT set_config('timezone', %s, false)", (zone,))
    assert repr(profile(warehouse)) == repr(wanted)
