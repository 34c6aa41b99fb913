"""A chain of fewer strikes than the invented market has."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import zip_longest

import pytest

from bench.options import RECORDED, series, thinned


def test_strikes_are_left_out_evenly_and_none_without_its_put():
    rows = [{"name": f"{strike}-{side}"} for strike in range(9) for side in "CP"]
    assert [row["name"] for row in thinned(rows, 3)] == ["0-C", "0-P", "4-C", "4-P", "8-C", "8-P"]
    assert thinned(rows, 9) == rows


@pytest.mark.recorded
def test_the_ladders_are_those_of_the_recorded_chain(recorded):
    with (recorded / "option_chain_20251230T173115Z.csv").open() as file:
        options = Counter((row["currency"], row["expiry_datetime"]) for row in csv.DictReader(file))
    coins = [[n for (coin, _), n in sorted(options.items()) if coin == asked] for asked in ("BTC", "ETH")]
    assert [round(sum(each) / 4) for each in zip_longest(*coins, fillvalue=0)] == list(RECORDED)
    assert sum(options.values()) == 1304 and len(options) == 24


def test_a_series_is_named_by_what_its_options_have_in_common():
    assert series("BTC-26MAR27-80000-C") == "BTC-26MAR27" and series("XRP_USDC-21SEP26-1d25-C") == "XRP_USDC-21SEP26"
