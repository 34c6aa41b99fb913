"""A sample of the whole history through the DAGs, every value compared with what the exchange says: the month both
markets began in, one with an outage over midnight that cost no candle, and one of today's size."""

from __future__ import annotations

from datetime import UTC, datetime

from exchange_simulator import comparison
from exchange_simulator.market import Market

MONTHS = [("2018-08-01", "2018-09-01"), ("2019-05-01", "2019-06-01"), ("2024-03-01", "2024-04-01")]


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def test_every_value_is_the_exchanges(open_pipeline, market, simulated_exchange):
    pipeline = open_pipeline(market, simulated_exchange)
    assert pipeline.run("instruments") == "success"
    for _, after in MONTHS:
        for dag in ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "index_prices", "basis_spread"):
            assert pipeline.run(dag, after) == "success", (dag, after)

    source = Market()
    minutes = hours = basis = 0
    for first, past in ((ms(first), ms(past)) for first, past in MONTHS):
        for listing in source.listings():
            if listing.linear or listing.listed >= past or listing.expires <= first:
                continue
            minutes += comparison.candles(source, market.rows, listing.name, first, past)
            if listing.perpetual:
                hours += comparison.funding(source, market.rows, listing.name, max(first, listing.listed), past)
            else:
                basis += comparison.basis(source, market.rows, listing.name, first, past)
    assert market.value("SELECT count(*) FROM candle WHERE open IS NOT NULL") == minutes
    assert market.value("SELECT count(*) FROM funding_rates") == hours
    assert market.value("SELECT count(*) FROM basis_spread WHERE basis IS NOT NULL") == basis
    assert minutes > 1_000_000 and hours == 4 * 744 and basis > 1_000_000  # no funding in 2018-08
    assert market.rows("SELECT * FROM quarantined WHERE severity = 'critical'") == []
