"""What a day of live costs, reckoned from a few minutes."""

from __future__ import annotations

import pytest

from bench.live_day import Counts, reckoned

MINUTE, CHAIN, RUN = ("market", "open_candle"), ("market", "option_chain"), ("airflow", "dag_run")


def test_a_day_is_reckoned_from_what_came_in_minutes_at_the_size_of_a_row():
    before = Counts(wal=1_000_000, pages=10, tables={MINUTE: (100, 100, 20_000), RUN: (5, 5, 8_000)}, logs=0, busy=7)
    after = Counts(
        wal=3_000_000, pages=40, tables={MINUTE: (160, 150, 30_000), CHAIN: (2, 2, 200_000), RUN: (5, 5, 16_000)},
        logs=50_000, busy=257,
    )  # fmt: skip
    found = {metric.name: metric for metric in reckoned(before, after, minutes=10)}
    assert {name: metric.value for name, metric in found.items()} == pytest.approx({
        "day: processor, a minute": 25,
        "day: write-ahead log, a minute": 0.2,
        "day: write-ahead log": 288,
        # 60 rows in ten minutes, 200 B each; 2 rows of 100 kB
        "day: stored, market": 144 * (60 * 200 + 2 * 100_000) / 1e6,
        "day: stored, market, open_candle": 144 * 60 * 200 / 1e6,
        "day: stored, market, option_chain": 144 * 200_000 / 1e6,
        "day: stored, airflow": 0,
        "day: logs of tasks": 7.2,
    })  # fmt: skip
    assert found["day: write-ahead log"].note == "reckoned from 10 minutes; 4,320 whole pages"
    assert found["day: stored, market, open_candle"].note == "8,640 rows, 200 B each in the average of the table"


def test_a_table_that_takes_less_than_a_hundredth_is_in_the_sum_alone():
    before = Counts(0, 0, {}, 0, 0)
    after = Counts(0, 0, {MINUTE: (1, 1, 1_000), CHAIN: (1, 1, 999_000)}, 0, 0)
    found = {metric.name: metric.value for metric in reckoned(before, after, minutes=1440)}
    assert found["day: stored, market"] == 1.0
    assert "day: stored, market, open_candle" not in found
