"""The index of open days: where no summary told a minute the chart does, once it was validated with the perpetual's."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from deribit_warehouse.datasets import FUTURES_LIVE, INDEX_LIVE, INDEX_PRICES, PERPETUALS_LIVE
from deribit_warehouse.pipeline.validate_and_publish import Validated, computed_keys
from deribit_warehouse.warehouse import publication
from deribit_warehouse.warehouse.sql import statement

from ..warehouse.days import FIRST, at, nodes, trading
from ..warehouse.test_index import chart, summary
from ..warehouse.test_open_candles import BEGINS, ENDS, Live, day_of, live
from ..warehouse.test_summaries import publish as publish_summaries
from .test_open_basis import PERPETUAL, load, minute_of, run, trades

__all__ = ["live"]  # a fixture

LEVEL = 50_000.0


def hour(live: Live, perpetual: int, price: float) -> None:
    """The funding of the day's first hour, published: the index at its end."""
    live.funding(perpetual, [at(FIRST, 60)], np.array([[1e-5], [8e-5], [price], [price]]))
    live.publish_funding(perpetual)


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


def test_a_price_that_the_chart_returns_to_is_shown_again(live):
    load(live)
    told(live, 9)
    changes: list[dict[str, float]] = [{}, {"m1": LEVEL - 1}, {}]
    moments = []
    for changed in changes:
        charts(live, range(3), **changed)
        run(live, PERPETUALS_LIVE)
        moments.append(live.value("SELECT clock_timestamp()"))
    assert shown(live) == of_chart(0, 1, 2) + of_summaries(9)
    between = [*of_chart(0), (1, LEVEL - 1, "funding_chart"), *of_chart(2), *of_summaries(9)]
    assert [shown(live, as_of=moment) for moment in moments] == [shown(live), between, shown(live)]
    assert run(live, PERPETUALS_LIVE) == [] and decided(live) == 3


def test_what_the_chart_tells_otherwise_leaves_what_is_shown_until_it_has_passed(live):
    load(live)
    told(live, 9)
    charts(live, range(3))
    run(live, PERPETUALS_LIVE)
    charts(live, range(3), m1=10 * LEVEL)
    assert of_index(run(live, PERPETUALS_LIVE)) == [("quarantined", 1, 0)]
    held = "SELECT ts, rule FROM quarantined WHERE dataset = 'index_live'"
    assert shown(live) == of_chart(0, 1, 2) + of_summaries(9)
    assert live.rows(held) == [(at(FIRST, 1), "chart-agrees")]
    charts(live, range(3))
    assert of_index(run(live, PERPETUALS_LIVE)) == [("passed", 1, 1)]
    assert shown(live) == of_chart(0, 1, 2) + of_summaries(9) and live.rows(held) == []


@pytest.mark.parametrize(("wrong", "charted", "at_first"), [(0.9, 1.2, "quarantined"), (1.1, 1.3, "passed")])
def test_a_charted_minute_is_validated_again_when_the_perpetuals_is_corrected(live, wrong, charted, at_first):
    """What it says of minute 29 is within 25 % of the right perpetual and not of the wrong one, or the other way round;
    what it had said before that is within 25 % of both."""
    ids = load(live, {PERPETUAL: trades(PERPETUAL, 29, wrong * LEVEL)})
    told(live, 9)
    charts(live, range(28, 30))
    run(live, PERPETUALS_LIVE)
    charts(live, range(29, 30), m29=charted * LEVEL)
    assert of_index(run(live, PERPETUALS_LIVE)) == [(at_first, 1, int(at_first == "passed"))]
    others, of_29 = of_summaries(9) + of_chart(28), (29, charted * LEVEL, "funding_chart")
    wrongly, rightly = ([*others, of_29], others) if at_first == "passed" else (others + of_chart(29), [*others, of_29])
    before = live.value("SELECT clock_timestamp()")
    assert shown(live) == wrongly and run(live, PERPETUALS_LIVE) == []
    live.minutes(ids[PERPETUAL], trades(PERPETUAL, 29, LEVEL))
    assert [(each.rows, each.changes) for each in run(live, PERPETUALS_LIVE)] == [(1, 1)]
    assert shown(live) == rightly and shown(live, as_of=before) == wrongly
    held = live.rows("SELECT ts, rule FROM quarantined WHERE dataset = 'index_live'")
    assert held == ([] if of_29 in rightly else [(at(FIRST, 29), "chart-agrees")])
    assert run(live, PERPETUALS_LIVE) == [], "it was decided on"


def test_a_charted_minute_that_was_far_from_the_perpetual_is_validated_again_with_its_hour(live):
    ids = load(live, {PERPETUAL: trades(PERPETUAL, 29, 0.9 * LEVEL)})
    told(live, 9)
    charts(live, range(28, 30), m29=1.2 * LEVEL)
    assert of_index(run(live, PERPETUALS_LIVE)) == [("quarantined", 2, 1)]
    hour(live, ids[PERPETUAL], LEVEL)
    assert of_index(run(live, PERPETUALS_LIVE)) == [("passed", 1, 1)], (
        "what the perpetual is near to is not asked again"
    )
    assert shown(live) == of_summaries(9) + of_chart(28) + [(29, 1.2 * LEVEL, "funding_chart")]
    assert run(live, PERPETUALS_LIVE) == []


def test_a_charted_minute_whose_perpetual_is_taken_back_is_validated_again_with_what_is_left(live):
    ids = load(live, {PERPETUAL: trades(PERPETUAL, 29, 1.1 * LEVEL)})
    told(live, 9)
    charts(live, range(28, 30), m29=1.3 * LEVEL)
    assert of_index(run(live, PERPETUALS_LIVE)) == [("passed", 2, 2)]
    hour(live, ids[PERPETUAL], LEVEL)
    live.take_back(ids[PERPETUAL], at(FIRST, 29))
    assert of_index(run(live, PERPETUALS_LIVE, 29)) == [("quarantined", 1, 0)]
    assert shown(live) == of_summaries(9) + of_chart(28)


def test_a_charted_minute_waits_for_something_to_be_compared_with(live):
    ids = load(live, minutes=3)
    told(live, 0)
    charts(live, range(1, 5))
    assert of_index(run(live, PERPETUALS_LIVE, 3)) == [("passed", 2, 2)]
    assert shown(live) == of_summaries(0) + of_chart(1, 2), "the perpetual's minute is not there"
    hour(live, ids[PERPETUAL], LEVEL)
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


A_BEAT_EACH = """INSERT INTO store.instrument_summary
    SELECT s.currency, b, s.version_id, s.state, s.validation_id, s.shown, s.roster_id, ARRAY[b], s.mark_price,
           s.index_price, s.bid_price, s.ask_price, s.last_price, s.open_interest, s.volume, s.current_funding,
           s.funding_8h, s.unreadable
    FROM store.instrument_summary s
    CROSS JOIN generate_series(s.beat + interval '1 minute', %s, interval '1 minute') AS b
    RETURNING beat"""


def test_of_a_whole_day_of_chart_and_summaries_not_each_is_compared_with_each(live):
    """It is asked every minute: each with each takes seconds."""
    perpetual = live.listed()[PERPETUAL]
    live.minutes(perpetual, day_of(PERPETUAL))
    live.show(perpetual)
    told(live, 0)
    assert len(live.rows(A_BEAT_EACH, at(FIRST, 720))) == 719
    charts(live, range(1440))
    asked = live.profiled(INDEX_LIVE, BEGINS, ENDS)
    assert [minute_of(ts) for ts in asked.ts] == list(range(720, 1440))
    with live.connection.transaction():
        keys = computed_keys(asked, INDEX_LIVE)
        assert publication.hold_computed(live.connection, INDEX_LIVE, live.validation(), keys, [False] * 720) == 1
    assert live.profiled(INDEX_LIVE, BEGINS, ENDS).empty
    values = {"from": BEGINS, "to": ENDS, "currencies": ["BTC"]}
    with live.connection.transaction():
        # a join of many with many is then what it may become where no statistics tell how many
        live.connection.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement('datasets/index_live/profile')}"
        [[plan]] = live.connection.execute(explained, values).fetchall()
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    looked_at = [node["Actual Loops"] * sum(node.get(key, 0) for key in counted) for node in nodes(plan[0]["Plan"])]
    assert max(looked_at) < 3 * 1440
