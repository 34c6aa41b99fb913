"""The volatility index: every hour the exchange holds, whatever it leaves out of an answer."""

from __future__ import annotations

import json
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.exchange import volatility
from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.hourly import HOUR
from deribit_warehouse.exchange.volatility import PRICES, collect, read_page

BORN = 1_616_544_000_000  # 2021-03-24

hours = st.sets(st.integers(0, 60)).map(lambda chosen: sorted(BORN + n * HOUR for n in chosen))
instant = st.tuples(st.integers(-5, 65), st.sampled_from([0, 0, 1, HOUR - 1])).map(lambda p: BORN + p[0] * HOUR + p[1])
bounds = st.tuples(instant, instant).map(lambda pair: tuple(sorted(pair)))


def prices(hour: int) -> list[float]:
    n = (hour - BORN) / HOUR
    return [50 + n, 51 + n, 49 + n, 50.5 + n]


class Fake:
    """Answers with the newest `limit` hours of a window, ends included, and a continuation where there are more."""

    def __init__(self, existing: list[int], limit: int):
        self.existing, self.limit, self.asked = existing, limit, []

    def ask(self, method, params, reader):
        assert method == "get_volatility_index_data" and params["resolution"] == "3600"
        self.asked.append(params)
        there = [h for h in self.existing if params["start_timestamp"] <= h <= params["end_timestamp"]]
        told = there[-self.limit :]
        more = len(told) < len(there)
        return reader({"data": [[h, *prices(h)] for h in told], "continuation": told[0] - HOUR if more else None})


@given(hours, bounds, st.integers(1, 70), st.integers(1, 90))
def test_any_window_and_any_page_give_exactly_what_exists(existing, window, width, limit):
    fake = Fake(existing, limit)
    with patch.object(volatility, "PAGE", width * HOUR):
        found = collect(fake.ask, "BTC", *window)
    wanted = [hour for hour in existing if window[0] <= hour < window[1]]
    assert found.timestamp.dtype == np.int64 and found.timestamp.tolist() == wanted
    assert [getattr(found, name).tolist() for name in PRICES] == [
        [prices(hour)[n] for hour in wanted] for n in range(len(PRICES))
    ]
    assert not len(found.duplicate) and not len(found.out_of_window) and found.requests == len(fake.asked)


def test_what_comes_twice_or_was_not_asked_for_is_named():
    rows = [[BORN, *prices(BORN)], [BORN, 1, 2, 3, 4], [BORN + 9 * HOUR, *prices(BORN)]]
    found = collect(lambda method, params, reader: reader({"data": rows}), "BTC", BORN, BORN + HOUR)
    assert found.timestamp.tolist() == [BORN] == found.duplicate.tolist() and found.open.tolist() == [50]
    assert found.out_of_window.tolist() == [BORN + 9 * HOUR]


@pytest.mark.parametrize(
    "result",
    [None, [], {}, {"data": None}, {"data": {}}, {"data": [[1, 2, 3, 4]]}, {"data": [1]},
     {"data": [["1", 2, 3, 4, 5]]}, {"data": [[1, 2, 3, "4", 5]]}, {"data": [[1.5, 2, 3, 4, 5]]}],
)  # fmt: skip
def test_what_is_no_page_is_refused(result):
    with pytest.raises(Malformed, match="volatility"):
        read_page(result)


@pytest.mark.recorded
def test_a_recorded_answer_is_read(recorded):
    body = json.loads(recorded("responses/volatility_index.json").read_text())
    timestamp, values = read_page(body)
    assert timestamp.tolist() == [row[0] for row in body["data"]]
    assert values.T.tolist() == [row[1:] for row in body["data"]]
    opened, high, low, close = values
    assert (low <= np.minimum(opened, close)).all() and (high >= np.maximum(opened, close)).all()


def test_a_window_that_runs_backward_is_refused():
    with pytest.raises(ValueError, match="backward"):
        collect(lambda *_: None, "BTC", 2, 1)
