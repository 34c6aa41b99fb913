"""What a live run asks for, and which stretches of time it validates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.dataset import Window
from deribit_warehouse.pipeline.load import BATCH_REQUESTS, in_batches, within
from deribit_warehouse.pipeline.publish import together

START = datetime(2026, 10, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
intervals = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 60)).map(
        lambda pair: (START + pair[0] * MINUTE, START + (pair[0] + pair[1]) * MINUTE)
    ),
    max_size=12,
)


def minutes_of(found: list[tuple[datetime, datetime]]) -> set[datetime]:
    return {begins + n * MINUTE for begins, ends in found for n in range((ends - begins) // MINUTE)}


@given(intervals)
def test_intervals_put_together_cover_the_same_and_lie_apart(given_ones):
    found = together(given_ones)
    assert minutes_of(found) == minutes_of(given_ones)
    assert found == sorted(found)
    assert all(one[1] < other[0] for one, other in pairwise(found))


def window(number: int, requests: int) -> Window:
    return Window(f"BTC-{number}", f"BTC-{number}", number, START, START + MINUTE, requests)


costs = st.lists(st.integers(1, 9), max_size=40)


@given(costs, st.floats(0, 200))
def test_as_much_is_taken_as_may_be_asked_the_first_first_and_never_nothing(given_ones, requests):
    windows = [window(number, cost) for number, cost in enumerate(given_ones)]
    taken = within(windows, requests)
    assert taken == windows[: len(taken)]
    assert len(taken) >= min(1, len(windows))
    assert sum(each.requests for each in taken[1:]) <= requests
    left = windows[len(taken) :]
    assert not left or sum(each.requests for each in [*taken, left[0]]) > requests


@given(costs)
def test_batches_hold_every_window_once_in_order_and_are_worth_their_task(given_ones):
    windows = [window(number, cost) for number, cost in enumerate(given_ones)]
    found = [[Window.unpacked(fields) for fields in batch["windows"]] for batch in in_batches(windows)]
    assert [each for batch in found for each in batch] == windows
    assert all(sum(each.requests for each in batch) >= BATCH_REQUESTS for batch in found[:-1])
    assert all(sum(each.requests for each in batch[:-1]) < BATCH_REQUESTS for batch in found)
