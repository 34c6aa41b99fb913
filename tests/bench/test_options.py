"""A chain of fewer strikes than the invented market has."""

from __future__ import annotations

from bench.options import RECORDED, series, thinned


def test_strikes_are_left_out_evenly_and_none_without_its_put():
    rows = [{"name": f"{strike}-{side}"} for strike in range(9) for side in "CP"]
    assert [row["name"] for row in thinned(rows, 3)] == ["0-C", "0-P", "4-C", "4-P", "8-C", "8-P"]
    assert thinned(rows, 9) == rows


def test_the_recorded_ladders_have_fifty_four_options_an_expiry():
    assert 24 * 2 * sum(RECORDED) / len(RECORDED) == 1304
    assert series("BTC-26MAR27-80000-C") == "BTC-26MAR27" and series("XRP_USDC-21SEP26-1d25-C") == "XRP_USDC-21SEP26"
