"""Which runs the history has: every month of it is in one of them, once."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

MONTHS = st.builds(lambda year, month: at(f"{year}-{month:02}"), st.integers(2018, 2026), st.integers(1, 12))


def at(month: str):
    from airflow.sdk.timezone import coerce_datetime

    return coerce_datetime(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC))


@pytest.fixture(scope="module")
def timetable():
    from deribit_warehouse.timetable import YearsThenMonths

    return YearsThenMonths()


def runs(timetable, now: datetime, earliest, latest=None, last=None, *, catchup: bool = True) -> list[tuple]:
    """The intervals of all runs that are due at a moment, as the scheduler asks for them, one after the other."""
    from unittest.mock import patch

    from airflow.timetables.base import TimeRestriction

    found = []
    with patch("deribit_warehouse.timetable.datetime", wraps=datetime) as clock:
        clock.now.return_value = now
        while len(found) < 200:
            info = timetable.next_dagrun_info(
                last_automated_data_interval=last, restriction=TimeRestriction(earliest, latest, catchup)
            )
            if info is None or info.run_after > now:
                return found
            last = info.data_interval
            found.append((f"{last.start:%Y-%m}", f"{last.end:%Y-%m}"))
    raise AssertionError("there is no end")


def test_years_that_are_over_and_months_of_this_one(timetable):
    assert runs(timetable, at("2021-03"), at("2018-08")) == [
        ("2018-08", "2019-01"), ("2019-01", "2020-01"), ("2020-01", "2021-01"),
        ("2021-01", "2021-02"), ("2021-02", "2021-03"),
    ]  # fmt: skip


def test_a_year_that_ends_meanwhile_is_not_begun_again(timetable):
    from airflow.timetables.base import DataInterval

    june = DataInterval(at("2020-06"), at("2020-07"))
    assert runs(timetable, at("2020-09"), at("2018-08"), last=june) == [("2020-07", "2020-08"), ("2020-08", "2020-09")]
    assert runs(timetable, at("2021-02"), at("2018-08"), last=june) == [("2020-07", "2021-01"), ("2021-01", "2021-02")]


def test_a_backfill_takes_the_months_it_was_asked_for(timetable):
    """Airflow asks for the logical dates, begins of intervals, from one to another, both included."""
    assert runs(timetable, at("2021-03"), at("2019-11"), at("2020-02")) == [
        ("2019-11", "2020-01"), ("2020-01", "2020-03"),
    ]  # fmt: skip
    middle = at("2019-11").add(days=10)
    assert runs(timetable, at("2021-03"), middle, middle.add(months=1)) == [("2019-12", "2020-01")]
    assert runs(timetable, at("2021-03"), middle, middle.add(days=2)) == []


def test_without_catchup_the_last_month_alone(timetable):
    assert runs(timetable, at("2021-03"), at("2018-08"), catchup=False) == [("2021-02", "2021-03")]


def test_by_hand_the_last_month_that_had_ended(timetable):
    found = timetable.infer_manual_data_interval(run_after=at("2021-03").add(days=3, hours=5))
    assert (found.start, found.end) == (at("2021-02"), at("2021-03"))


@given(first=MONTHS, now=MONTHS, interruptions=st.lists(MONTHS, max_size=3))
def test_every_closed_month_once_whenever_the_scheduler_looks(first, now, interruptions):
    from airflow.timetables.base import DataInterval

    from deribit_warehouse.timetable import YearsThenMonths

    found = []
    for moment in sorted([*(each for each in interruptions if each <= now), now]):
        last = DataInterval(*map(at, found[-1])) if found else None
        found += runs(YearsThenMonths(), moment, first, last=last)
    if first >= now:
        assert found == []
        return
    assert found[0][0] == f"{first:%Y-%m}" and found[-1][1] == f"{now:%Y-%m}"
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert all(begins[:4] == ends[:4] or ends.endswith("-01") for begins, ends in found)


def test_the_parts_of_an_interval_are_calendar_months():
    from deribit_warehouse.dataset import calendar_months

    assert [f"{ends:%Y-%m}" for _, ends in calendar_months(at("2019-01"), at("2020-01"))] == [
        f"2019-{month:02}" for month in range(2, 13)
    ] + ["2020-01"]
    assert calendar_months(at("2020-02"), at("2020-03")) == [(at("2020-02"), at("2020-03"))]
    begins, ends = at("2020-01").add(days=30, hours=5), at("2020-02").add(days=3)
    assert calendar_months(begins, ends) == [(begins, at("2020-02")), (at("2020-02"), ends)]
    assert calendar_months(begins, begins) == [(begins, begins)]
