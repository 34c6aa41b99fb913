"""A month with bad candles: none is published, each is named, no basis comes of them; corrected, it turns good."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from .rehearsal import slow

MONTH, AFTER = date(2019, 6, 1), "2019-07-01"

# what the exchange gets wrong, and the rule that has to say so
BAD = {
    "negative_price": "prices-positive",
    "zero_price": "prices-positive",
    "null_price": "values-finite",
    "infinite": "values-finite",
    "high_below_low": "high-low-bound",
    "close_above_high": "high-low-bound",
    "negative_volume": "amounts-not-negative",
    "negative_cost": "amounts-not-negative",
    "cost_times_100": "cost-matches-price",
    "volume_without_cost": "cost-with-volume",
    "untraded_not_flat": "untraded-flat",
    "spike": "no-spike",
    "far_from_index": "near-reference",
    "doubled_minute": "minutes-not-doubled",
    "misaligned_minute": "minutes-aligned",
    "missing_minutes": "minutes-complete",
    "shuffled_order": "minutes-ordered",
    "outside_window": "minutes-inside-window",
}


@pytest.fixture
def bad_days(market, young_exchange) -> dict[tuple[str, date], str]:
    """Which instrument-day each kind is done to: one future, a day a kind."""
    [[instrument]] = market.rows(
        "SELECT instrument FROM store.instrument WHERE kind = 'future' AND settlement_period = 'month' "
        "AND base_currency = 'BTC' "
        "AND listed_at < '2019-06-01' AND expires_at > '2019-07-01' ORDER BY expires_at LIMIT 1"
    )
    days = {(instrument, MONTH + timedelta(days=4 + i)): kind for i, kind in enumerate(BAD) if kind != "outside_window"}
    # the row before the asked start: the eighth page of 5,000 minutes begins on this day at 07:20
    return {**days, (instrument, date(2019, 6, 25)): "outside_window"}


@slow
def test_bad_candles_stay_out_until_the_exchange_corrects_them(
    open_pipeline, market, young_exchange, request, monkeypatch
):
    pipeline = open_pipeline(market, young_exchange)
    assert pipeline.run("instruments") == "success"
    bad = request.getfixturevalue("bad_days")
    young_exchange.faults(*(
        {"kind": kind, "instrument": instrument, "from": f"{day}T12:00:00", "to": f"{day}T13:00:00"}
        for (instrument, day), kind in bad.items()
    ))  # fmt: skip
    try:
        for dag in ("funding_rates", "perpetuals_ohlcv", "futures_ohlcv"):
            assert pipeline.run(dag, AFTER) == "success"
        assert pipeline.run("basis_spread", AFTER) == "success"
        assert pipeline.run("data_docs", AFTER) == "success"
    finally:
        young_exchange.faults()

    broken: dict[tuple[str, date], set[str]] = {}
    for instrument, day, rule in market.rows(
        "SELECT instrument, day, rule FROM quarantined WHERE dataset = 'futures_ohlcv'"
    ):
        broken.setdefault((instrument, day), set()).add(rule)
    assert broken.keys() == bad.keys()
    for key, kind in bad.items():
        assert BAD[kind] in broken[key], kind

    for view in ("futures_ohlcv", "basis_spread"):
        shown = set(market.rows(f"SELECT DISTINCT instrument, day FROM {view}"))
        assert shown and not shown & bad.keys()
    others = market.value("SELECT count(DISTINCT (instrument, day)) FROM futures_ohlcv")
    site = "".join(page.read_text() for page in pipeline.docs.glob("current/**/*.html"))
    for instrument, day in bad:
        assert instrument in site and str(day) in site
    report = (pipeline.docs / "current" / "report.md").read_text()
    assert "| AC-007 |" in report and "| not passed |" in report and "rules broken: " in report

    # the exchange has corrected them, and the run is cleared
    assert pipeline.run("futures_ohlcv", AFTER) == "success"
    assert pipeline.run("basis_spread", AFTER) == "success"
    assert market.rows("SELECT * FROM quarantined") == []
    assert market.value("SELECT count(DISTINCT (instrument, day)) FROM futures_ohlcv") == others + len(bad)
    for view in ("futures_ohlcv", "basis_spread"):
        assert bad.keys() <= set(market.rows(f"SELECT DISTINCT instrument, day FROM {view}"))
    assert market.value("SELECT sum(corrected + grown) FROM store.ingestion WHERE dataset = 'futures_ohlcv'") == len(
        bad
    )
