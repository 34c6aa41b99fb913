"""USDC-settled instruments, which are collected when the configuration says so."""

from __future__ import annotations


def test_linear_perpetuals_are_selectable(open_pipeline, market, simulated_exchange, monkeypatch):
    from exchange_simulator import comparison
    from exchange_simulator.market import Market

    monkeypatch.setenv("DERIBIT_CURRENCIES", "USDC")
    pipeline = open_pipeline(market, simulated_exchange)
    for dag in ("instruments", "perpetuals_ohlcv", "funding_rates", "index_prices", "index_minutes"):
        assert pipeline.run(dag, "2026-09-01") == "success"

    begins, ends = 1_785_542_400_000, 1_788_220_800_000  # August 2026
    assert comparison.candles(Market(), market.rows, "BTC_USDC-PERPETUAL", begins, ends) == 31 * 1440
    assert {name for [name] in market.rows("SELECT DISTINCT index_name FROM index_prices")} == {"btc_usdc", "eth_usdc"}
    assert market.rows("SELECT * FROM quarantined") == []

    # the last eight hours before the simulator's noon, a point a minute
    charted = market.rows(
        "SELECT index_name, count(minute) FROM store.index_chart_day CROSS JOIN unnest(price) AS p(minute) "
        "GROUP BY index_name ORDER BY index_name"
    )
    assert [name for name, _ in charted] == ["btc_usdc", "eth_usdc"]
    assert all(minutes == 480 for _, minutes in charted)
