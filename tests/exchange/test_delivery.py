"""Delivery prices: every day the exchange holds, although its list grows at the end that offsets count from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.exchange import BadResponse, delivery
from deribit_warehouse.exchange.delivery import collect, read_page
from deribit_warehouse.exchange.errors import Malformed

FIRST = date(2019, 7, 26)


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def number(of: date) -> int:
    return (of - date(1970, 1, 1)).days


def ms(n: int, hour: int = 0) -> int:
    return round(datetime(day(n).year, day(n).month, day(n).day, hour, tzinfo=UTC).timestamp()) * 1000


def row(n: int) -> dict:
    return {"date": day(n).isoformat(), "delivery_price": 9_000.0 + n}


class Fake:
    """Answers from an offset, newest first, at most `limit` rows. Before each answer but the first it has `grows` more
    rows; `spoil` has the last word on an answer's rows."""

    def __init__(self, existing, limit: int = 1_000, grows=(), spoil=lambda number, rows: rows):
        self.rows = [row(n) for n in sorted(existing, reverse=True)]
        self.limit, self.grows, self.spoil, self.asked = limit, list(grows), spoil, []

    def ask(self, method, params, reader):
        assert method == "get_delivery_prices" and params["index_name"] == "btc_usd"
        if self.asked and self.grows:
            newest = number(date.fromisoformat(self.rows[0]["date"])) - number(FIRST) if self.rows else 200
            self.rows[:0] = [row(newest + 1 + n) for n in reversed(range(self.grows.pop(0)))]
        self.asked.append(params)
        offset = params["offset"]
        told = self.rows[offset : offset + min(self.limit, params["count"])]
        return reader({"data": self.spoil(len(self.asked), told), "records_total": len(self.rows)})


days = st.sets(st.integers(0, 60))
instant = st.tuples(st.integers(-3, 63), st.sampled_from([0, 8, 8, 9])).map(lambda p: ms(*p))
bounds = st.tuples(instant, instant).map(lambda pair: tuple(sorted(pair)))


@given(days, bounds, st.integers(2, 70), st.integers(2, 90), st.lists(st.integers(0, 9), max_size=40))
def test_any_list_that_grows_while_it_is_asked_is_told_whole(existing, window, width, limit, grows):
    # a row at least of every page has to be new, and one known
    fake = Fake(existing, limit, [min(more, min(width, limit) - 2) for more in grows])
    with patch.object(delivery, "PAGE", width):
        found = collect(fake.ask, "btc_usd", *window)
    wanted = [n for n in sorted(existing) if window[0] <= ms(n, 8) < window[1]]
    known = [n for n, at in enumerate(found.day.tolist()) if at - number(FIRST) <= max(existing, default=0)]
    assert found.day.dtype == np.int64
    assert (found.day[known] - number(FIRST)).tolist() == wanted, "of those that were there when it was asked first"
    assert found.price[known].tolist() == [9_000.0 + n for n in wanted]
    assert not len(found.duplicate) and found.requests == len(fake.asked)


@given(st.sets(st.integers(0, 60), min_size=3), st.integers(2, 20), st.data())
def test_a_row_that_an_answer_leaves_out_is_there_or_nothing_is(existing, width, data):
    """Where one of the answers is short of a row, once: the list is begun anew."""
    bad, left_out = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 19))

    def spoil(number: int, rows: list) -> list:
        return [r for n, r in enumerate(rows) if n != left_out] if number == bad else rows

    fake = Fake(existing, width, spoil=spoil)
    first = data.draw(st.integers(0, 60))
    with patch.object(delivery, "PAGE", width):
        found = collect(fake.ask, "btc_usd", ms(first), ms(61))
    assert (found.day - number(FIRST)).tolist() == [n for n in sorted(existing) if n >= first]


def test_a_list_that_grows_is_read_on_and_not_begun_anew():
    fake = Fake(range(20), limit=6, grows=[2] * 40)
    assert len(collect(fake.ask, "btc_usd", ms(0), ms(20)).day) == 20
    # of six rows two are new, and one is known
    assert [asked["offset"] for asked in fake.asked] == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda number, rows: rows[:5] if number == 1 else rows[:1], "no more than the newest 5 came"),
        (lambda number, rows: [], "no more than the newest 0 came"),
        (lambda number, rows: rows[1:] if number % 2 == 0 else rows[:5], "contradict each other"),
        (lambda number, rows: rows + [row(-n) for n in range(1, 9)], "contradict each other"),
    ],
)
def test_a_list_that_does_not_fit_together_is_an_error_that_names_the_index(spoil, says):
    fake = Fake(range(20), spoil=spoil)
    with pytest.raises(BadResponse, match=f"btc_usd: .*{says}") as caught:
        collect(fake.ask, "btc_usd", ms(0), ms(20))
    assert caught.value.method == "get_delivery_prices"
    assert len(fake.asked) < 20


def test_a_list_that_grows_faster_than_it_is_asked_is_an_error_and_no_loop():
    fake = Fake(range(20), limit=5, grows=[5] * 100)
    with pytest.raises(BadResponse, match="of 20 rows no more than the newest 5 came"):
        collect(fake.ask, "btc_usd", ms(0), ms(20))
    assert len(fake.asked) < 20


def test_the_newest_month_takes_one_request_and_no_window_none():
    fake = Fake(range(2_614))
    assert len(collect(fake.ask, "btc_usd", ms(2_590), ms(2_614)).day) == 24
    assert [asked["offset"] for asked in fake.asked] == [0]
    assert len(collect(fake.ask, "btc_usd", ms(0), ms(31)).day) == 31
    assert [asked["offset"] for asked in fake.asked[1:]] == [0, 999, 1_998]
    assert collect(fake.ask, "btc_usd", ms(5), ms(5)).requests == 0
    with pytest.raises(ValueError, match="runs backward"):
        collect(fake.ask, "btc_usd", ms(5), ms(4))


def test_a_day_that_is_told_twice_is_named_and_null_is_no_price():
    rows = [row(3), {"date": day(2).isoformat(), "delivery_price": None}, row(1), row(1) | {"delivery_price": 5}]
    found = collect(
        lambda method, params, reader: reader({"data": rows, "records_total": 4}), "btc_usd", ms(0), ms(9)
    )  # fmt: skip
    assert (found.day - number(FIRST)).tolist() == [1, 2, 3] and (found.duplicate - number(FIRST)).tolist() == [1]
    assert found.price.tolist()[::2] == [9001.0, 9003.0] and np.isnan(found.price[1])


@pytest.mark.parametrize(
    "result",
    [
        None, [], {}, {"data": []}, {"data": None, "records_total": 0}, {"data": [], "records_total": "1"},
        {"data": [], "records_total": True}, {"data": [], "records_total": -1}, {"data": [1], "records_total": 1},
        {"data": [{"date": "2026-09-20"}], "records_total": 1},
        {"data": [{"date": "20.9.2026", "delivery_price": 1.0}], "records_total": 1},
        {"data": [{"date": 1789891200000, "delivery_price": 1.0}], "records_total": 1},
        {"data": [{"date": "2026-09-20", "delivery_price": "1.0"}], "records_total": 1},
        {"data": [row(1), row(2)], "records_total": 2},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(result):
    with pytest.raises(Malformed):
        read_page(result)


@pytest.mark.recorded
def test_the_recorded_body_is_read(recorded):
    prices, total = read_page(orjson.loads(recorded("responses/delivery_prices.json").read_bytes()))
    assert total == 2614 and [price for _, price in prices] == [80321.21, 81053.19, 77720.28, 76422.2, 75764.23]
    assert [at for at, _ in prices] == [number(date(2026, 9, 20)) - n for n in range(5)]
    assert number(date(2026, 9, 20)) - total + 1 == number(FIRST), "if each is a day"
