"""The index of open days: where no summary told a minute the chart does, once it was validated with the perpetual's."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from deribit_warehouse.datasets import FUTURES_LIVE, INDEX_LIVE, INDEX_PRICES, PERPETUALS_LIVE
from deribit_warehouse.pipeline.validate_and_publish import Validated

from ..warehouse.days import FIRST, at, trading
from ..warehouse.test_index import chart, summary
from ..warehouse.test_open_candles import Live, live
from ..warehouse.test_summaries import publish as publish_summaries
from .test_open_basis import load, minute_of, run

__all__ = ["live"]  # a fixture

LEVEL = 50_000.0


def told(live: Live, *minutes: int) -> None:
    """Summaries of the ends of these minutes, published."""
    for minute in minutes:
        summary(live, minute + 1, LEVEL + minute, late=2.0)
    publish_summaries(live)


def charts(live: Live, minutes: range, **changed: float) -> None:
    """A funding chart of these minutes. changed: the price of some, by m<minute>."""
    prices = {minute: LEVEL + 100 + minute for minute in minutes}
    prices |= {int(name[1:]): price for name, price in changed.items()}
    chart(live, {at(FIRST, minute + 1): price for minute, price in prices.items()})


def shown(live: Live, *, as_of: datetime | None = None) -> list[tuple]:
    """(minute, price, source) of what is shown of the day's index."""
    known = "SELECT ts, price, source FROM index_price('btc_usd', %s, %s, as_of => %s) WHERE price IS NOT NULL"
    found = live.rows(known, at(FIRST), at(FIRST, 1440), as_of)
    return [(minute_of(ts), price, source) for ts, price, source in found]


def of_summaries(*minutes: int) -> list[tuple]:
    return [(minute, LEVEL + minute, "summary") for minute in minutes]


def of_chart(*minutes: int) -> list[tuple]:
    return [(minute, LEVEL + 100 + minute, "funding_chart") for minute in minutes]


def of_index(validated: list[Validated]) -> list[tuple]:
    """(outcome, rows, published) of the validations of it."""
    return [(each.decision.outcome, each.rows, each.published) for each in validated]


def decided(live: Live) -> int:
    return live.value("SELECT count(*) FROM store.validation WHERE dataset = %s", INDEX_LIVE.name)


def test_a_minute_without_a_summary_is_told_by_the_chart_once_it_is_validated(live):
    load(live)
    assert run(live, PERPETUALS_LIVE) == []
    told(live, 0, 1, 5, 9)
    charts(live, range(1, 8))
    assert shown(live) == of_summaries(0, 1, 5, 9), "nothing unvalidated is read"
    before = live.value("SELECT clock_timestamp()")
    assert of_index(run(live, PERPETUALS_LIVE)) == [("passed", 5, 5)]
    healed = sorted(of_summaries(0, 1, 5, 9) + of_chart(2, 3, 4, 6, 7))
    assert shown(live) == healed
    assert shown(live, as_of=live.value("SELECT clock_timestamp()")) == healed
    assert shown(live, as_of=before) == of_summaries(0, 1, 5, 9)
    assert run(live, PERPETUALS_LIVE) == [] and decided(live) == 1, "nothing is new"
    validations = live.rows("SELECT DISTINCT validation_id FROM index_prices WHERE source = 'funding_chart'")
    assert validations == live.rows("SELECT validation_id FROM store.charted_index")


def test_beside_the_basis_stands_the_index_of_the_chart(live):
    load(live)
    run(live, PERPETUALS_LIVE), run(live, FUTURES_LIVE)
    told(live, 0, 2)
    charts(live, range(3))
    run(live, PERPETUALS_LIVE)
    known = (
        "SELECT ts, index_price, index_basis = future_close - index_price FROM {} "
        "WHERE index_price IS NOT NULL AND instrument = 'BTC-28MAR25' ORDER BY ts"
    )
    wanted = [(at(FIRST, 0), LEVEL, True), (at(FIRST, 1), LEVEL + 101, True), (at(FIRST, 2), LEVEL + 2, True)]
    assert live.rows(known.format("basis_spread")) == wanted
    assert live.rows(known.format("term_structure_at('BTC', '2025-03-01 00:01:20')")) == wanted[1:2]


def test_a_minute_that_is_far_from_the_perpetual_is_held_back_alone_and_told_once(live):
    load(live)
    charts(live, range(3), m1=10 * LEVEL)
    told(live, 5)
    assert of_index(run(live, PERPETUALS_LIVE)) == [("quarantined", 3, 2)]
    assert shown(live) == of_chart(0, 2) + of_summaries(5)
    held = "SELECT instrument, ts, rule FROM quarantined WHERE dataset = 'index_live'"
    assert live.rows(held) == [("btc_usd", at(FIRST, 1), "chart-agrees")]
    assert run(live, PERPETUALS_LIVE) == [], "it was decided on"
    charts(live, range(1, 2))
    assert of_index(run(live, PERPETUALS_LIVE)) == [("passed", 1, 1)]
    assert shown(live) == of_chart(0, 1, 2) + of_summaries(5) and live.rows(held) == []


def test_of_two_charts_the_later_counts_and_a_summary_before_either(live):
    load(live)
    charts(live, range(3))
    told(live, 9)
    run(live, PERPETUALS_LIVE)
    between = live.value("SELECT clock_timestamp()")
    charts(live, range(1), m0=LEVEL - 1)
    run(live, PERPETUALS_LIVE)
    told(live, 2)
    wanted = [(0, LEVEL - 1, "funding_chart"), *of_chart(1), *of_summaries(2, 9)]
    assert shown(live) == wanted
    assert shown(live, as_of=between) == of_chart(0, 1, 2) + of_summaries(9)


def test_a_charted_minute_waits_for_something_to_be_compared_with(live):
    load(live, minutes=3)
    told(live, 0)
    charts(live, range(1, 5))
    assert of_index(run(live, PERPETUALS_LIVE, 3)) == [("passed", 2, 2)]
    assert shown(live) == of_summaries(0) + of_chart(1, 2), "the perpetual's minute is not there"
    perpetual = live.value("SELECT instrument_id FROM store.instrument WHERE instrument = 'BTC-PERPETUAL'")
    live.funding(perpetual, [at(FIRST, 60)], np.array([[1e-5], [8e-5], [LEVEL], [LEVEL]]))
    live.publish_funding(perpetual)
    assert of_index(run(live, PERPETUALS_LIVE, 3)) == [("passed", 2, 2)]
    assert shown(live) == of_summaries(0) + of_chart(1, 2, 3, 4), "the index of the hour is"


def test_a_day_that_is_closed_has_the_chart_as_it_was_told_last(live):
    load(live)
    told(live, 0, 5)
    charts(live, range(3), m1=LEVEL - 5)
    run(live, PERPETUALS_LIVE)
    open_day = live.value("SELECT clock_timestamp()")
    charts(live, range(3))
    perpetual = live.value("SELECT instrument_id FROM store.instrument WHERE instrument = 'BTC-PERPETUAL'")
    live.candles(perpetual, trading(at(FIRST), at(FIRST, 1440)))
    live.publish(perpetual)
    live.compute(INDEX_PRICES), live.decide(INDEX_PRICES)
    assert [row for row in shown(live) if row[2] != "perpetual_proxy"] == of_chart(0, 1, 2) + of_summaries(5)
    assert run(live, PERPETUALS_LIVE) == [], "what is closed is not decided on here"
    while_open = [*of_summaries(0), (1, LEVEL - 5, "funding_chart"), *of_chart(2), *of_summaries(5)]
    assert shown(live, as_of=open_day) == while_open
