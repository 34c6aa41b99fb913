"""A sample of the whole history through the DAGs, every value compared with what the exchange says: the month both
markets began in, one with an outage over midnight that cost no candle, and one of today's size.

The perpetuals are loaded last of what is compared with each other (test_whole_history.py loads them first), so nothing
of an order is needed for the same rows.
"""

from __future__ import annotations

from datetime import UTC, datetime

from exchange_simulator import comparison
from exchange_simulator.market import Market

LOADED = ("futures_ohlcv", "funding_rates", "perpetuals_ohlcv")
COMPUTED = ("index_prices", "basis_spread")
MONTHS = [("2018-08-01", "2018-09-01"), ("2019-05-01", "2019-06-01"), ("2024-03-01", "2024-04-01")]


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def test_every_value_is_the_exchanges_with_the_perpetuals_last(open_pipeline, market, simulated_exchange):
    pipeline = open_pipeline(market, simulated_exchange)
    assert pipeline.run("instruments") == "success"
    for first, after in MONTHS:
        for dag in LOADED:
            published = "SELECT count(*) FROM store.{} WHERE state = 'published' AND {} >= %s"
            for table, at in (("candle_day", "day"), ("funding_rate", "ts")):
                assert market.value(published.format(table, at), first) == 0, f"{table} before {dag} was loaded"
            assert pipeline.run(dag, after) == "success", (dag, after)
    assert market.rows("SELECT * FROM pending") == []
    for _, after in MONTHS:
        for dag in COMPUTED:
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
