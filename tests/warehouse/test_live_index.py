"""What live had shown of the index of a day, beside what its closed day says."""

from __future__ import annotations

import pytest

from deribit_warehouse.datasets import INDEX_PRICES

from .days import FIRST, at
from .test_index import DAYS, chart, compute, fill, perpetual, publish, summary
from .test_summaries import fold
from .test_summaries import publish as publish_summaries

__all__ = ["perpetual"]  # a fixture

LEVEL = 50_000.0
COUNTED = (
    "SELECT index_name, day, live_minutes, closed_minutes, missed, only_live, different, largest_distance "
    "FROM live_index_days ORDER BY day"
)
SAMPLES = {
    1: LEVEL + 1, 2: (LEVEL + 3) * 1.001, 3: LEVEL + 3, 4: LEVEL + 4.6, 6: LEVEL + 6, 7: (LEVEL + 8) * 1.005,
    8: LEVEL + 8, 9: (LEVEL + 8) / 1.003, 10: 1.2 * LEVEL,
}  # fmt: skip
"""By the end of the minute. The fifth is missed; the second is 0.1 % above what lies around it, the seventh 0.5 %, and
the ninth 0.3 % below. The tenth is all that is known."""


@pytest.fixture
def told(warehouse, perpetual):
    for minute, price in SAMPLES.items():
        summary(warehouse, minute, price, late=4.0)
    publish_summaries(warehouse)
    chart(warehouse, {at(FIRST, minute): LEVEL + minute for minute in range(1, 10)})
    return warehouse


def test_what_live_missed_and_what_lies_far_outside_is_counted_by_the_day(told, perpetual):
    assert told.rows(COUNTED) == [], "it is not closed yet"
    fill(told, perpetual)
    compute(told)
    publish(told)
    [(*counted, distance)] = told.rows(COUNTED)
    # the hours are known, too, and of the second day live had nothing
    assert counted == ["btc_usd", FIRST, 9, 9 + 1 + 24, 1 + 24, 0, 2]
    assert distance == pytest.approx(0.005)
    summary(told, 2 * 1440 + 5, LEVEL)
    publish_summaries(told)
    assert fold(told, at(FIRST, 2 * 1440)) == 9
    assert told.rows(COUNTED) == [(*counted, distance)], "it is said for good"


def test_a_minute_that_the_closed_day_has_from_the_perpetual_alone_only_live_had(told, perpetual):
    fill(told, perpetual)
    compute(told)
    publish(told)
    summary(told, 20, LEVEL)
    publish_summaries(told)
    [(_, day, live, closed, missed, only_live, *_)] = told.rows(COUNTED)
    assert (day, live, closed, missed, only_live) == (DAYS[0], 10, 34, 25, 1)
    assert told.compute(INDEX_PRICES) == 1 and publish(told) == 1
    [(_, _, live, closed, missed, only_live, *_)] = told.rows(COUNTED)
    assert (live, closed, missed, only_live) == (10, 35, 25, 0)
