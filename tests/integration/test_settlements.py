"""Settlements and deliveries through their DAG, row by row as the exchange says them."""

from __future__ import annotations

from exchange_simulator import comparison

from .rehearsal import bounds, ms


def compared(market, source, *months: str) -> int:
    """Compares the settlements of every BTC future and perpetual in some months; returns how many there are."""
    windows = [tuple(map(ms, bounds(month))) for month in months]
    return sum(
        comparison.settlement(source, market.rows, listing, *window)
        for window in windows
        for listing in comparison.listed_between(source, ["BTC"], *window)
    )


def test_every_settlement_is_the_exchanges(pipeline, market, young_source):
    assert pipeline.run("instruments") == "success"
    for dag in ("delivery_prices", "settlements"):
        for after in ("2018-11-01", "2019-07-01"):
            assert pipeline.run(dag, after) == "success"
    settled = compared(market, young_source, "2018-10", "2019-06")
    assert settled == market.value("SELECT count(*) FROM settlements") > 200, "and no other"
    assert market.rows("SELECT DISTINCT type FROM settlements ORDER BY 1") == [("delivery",), ("settlement",)]
    # what ended was delivered at the delivery price, and every rule held
    assert market.rows(
        "SELECT s.instrument FROM settlements s LEFT JOIN delivery_prices p ON p.day = s.day "
        "WHERE s.type = 'delivery' AND p.price IS DISTINCT FROM s.mark_price"
    ) == []  # fmt: skip
    assert market.rows("SELECT dataset, rule, instrument, day FROM quality_findings") == []
    # again: not a row is written
    written = market.rows("SELECT ctid, xmin FROM store.settlement")
    assert pipeline.run("settlements", "2019-07-01") == "success"
    assert market.rows("SELECT ctid, xmin FROM store.settlement") == written
