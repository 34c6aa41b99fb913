"""The roll calendar through its DAG: what is loaded rolls, and what a series shows is what the contracts show."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from .rehearsal import slow

MONTHS = ("2019-01-01", "2019-02-01")
"""Runs after these are December's and January's: a quarterly contract expires on 2018-12-28."""


@pytest.fixture
def rolled(pipeline, market):
    assert pipeline.run("instruments") == "success"
    for month in MONTHS:
        for dataset in ("perpetuals_ohlcv", "funding_rates", "futures_ohlcv"):
            assert pipeline.run(dataset, month) == "success"
    assert pipeline.run("roll_calendar", MONTHS[-1]) == "success"
    assert pipeline.alone("roll_calendar", None) == "success"
    return market


@slow
def test_a_quarter_rolls(pipeline, rolled):
    market = rolled
    [(day, left, taken, price_at, difference, ratio)] = market.rows(
        "SELECT day, from_contract, to_contract, price_at, difference, ratio FROM rolls('BTC') "
        "WHERE from_contract IS NOT NULL"
    )
    assert (day, left, taken) == (date(2018, 12, 23), "BTC-28DEC18", "BTC-29MAR19")
    near, far = (
        market.rows("SELECT close, fresh FROM candles(%s, %s, %s)", name, price_at, price_at + timedelta(minutes=1))[0]
        for name in (left, taken)
    )
    assert near[1] and far[1]
    assert (difference, ratio) == (far[0] - near[0], far[0] / near[0])
    later = market.rows(
        "SELECT count(*) FROM candles(%s, %s, %s) AS n JOIN candles(%s, %s, %s) AS f USING (ts) "
        "WHERE n.fresh AND f.fresh",
        left, price_at + timedelta(minutes=1), day, taken, price_at + timedelta(minutes=1), day,
    )  # fmt: skip
    assert later == [(0,)]
    assert market.rows("SELECT * FROM quarantined WHERE dataset = 'roll_calendar'") == []

    # one contract a day and rank, in every series, and none twice
    assert market.rows(
        "SELECT coin, rule, eligible, rank, day FROM held_contracts GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1"
    ) == []  # fmt: skip
    assert market.rows(
        "SELECT rule, eligible, day FROM held_contracts GROUP BY 1, 2, 3 HAVING count(DISTINCT contract) < count(*)"
    ) == []  # fmt: skip
    expected = market.rows(
        "SELECT instrument, month, minutes - published_minutes FROM coverage "
        "WHERE dataset = 'roll_calendar' AND month IN ('2018-12-01', '2019-01-01') "
        "AND minutes <> published_minutes"
    )
    assert expected == []

    for adjustment in ("none", "difference", "ratio"):
        assert market.rows(
            "SELECT count(*), count(close), count(DISTINCT ts), count(*) FILTER (WHERE rolled) "
            "FROM continuous_futures('BTC', '2018-12-01', '2019-02-01', adjustment => %s)",
            adjustment,
        ) == [(62 * 1440, 62 * 1440, 62 * 1440, 1)]  # fmt: skip

    # again: not a row is written
    written = market.rows("SELECT ctid, xmin FROM store.roll")
    for month in MONTHS:
        pipeline.run("roll_calendar", month)
    pipeline.alone("roll_calendar", None)
    assert market.rows("SELECT ctid, xmin FROM store.roll") == written
