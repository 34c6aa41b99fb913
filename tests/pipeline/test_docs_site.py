"""When the completion report is made anew: the site may be built every five minutes, this reads the whole history."""

from __future__ import annotations

import os
import time

import pytest

from deribit_warehouse.pipeline.docs_site import report_is_due

MINUTE, HOUR = 60, 3600


@pytest.mark.parametrize(
    ("after", "age", "due"),
    [
        (7, 5 * MINUTE, False),
        (7, 23 * HOUR, False),
        (7, 25 * HOUR, True),
        (6, 5 * MINUTE, False),
        (6, 61 * MINUTE, True),
    ],
)
def test_it_is_due_an_hour_after_the_last_where_something_was_validated_and_else_a_day_after(tmp_path, after, age, due):
    reported = tmp_path / "reported_validation"
    reported.write_text(str(after))
    os.utime(reported, (time.time() - age,) * 2)
    assert report_is_due(reported, newest=7) == due


@pytest.mark.parametrize(("after", "due"), [(6, True), (7, False)])
def test_who_asks_for_the_site_gets_the_report_of_what_was_validated_since(tmp_path, after, due):
    reported = tmp_path / "reported_validation"
    reported.write_text(str(after))
    assert report_is_due(reported, newest=7, by_hand=True) == due
    assert not report_is_due(reported, newest=7)


def test_the_first_is_due_at_once(tmp_path):
    assert report_is_due(tmp_path / "reported_validation", newest=0)
