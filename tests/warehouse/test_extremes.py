"""Any finite number in any column: it may be wrong, it must not stop a statement for all the others."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD, INDEX_PRICES
from deribit_warehouse.warehouse.index import store_chart
from deribit_warehouse.warehouse.ingestion import Provenance
from tests.warehouse.days import (
    COLUMNS,
    FIRST,
    HOST,
    Candles,
    at,
    basis_profile,
    candle_profile,
    funding_profile,
    index_profile,
    ms,
    trading,
)

EXTREMES = np.array([1.7976931348623157e308, 1e308, 1e154, 1e51, 1e-51, 1e-154, 5e-324, 0.0, 1.0])
VIEWS = (
    "candle", "perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "index_prices", "index_proxy_error", "basis_spread",
    "term_structure", "basis_constant_maturity", "coverage", "candles('BTC-28MAR25', '-infinity', 'infinity')",
    "basis('BTC-28MAR25', '-infinity', 'infinity')", "term_structure_at('BTC', '2025-03-01 12:00+00')",
    "constant_maturity('BTC', '2025-03-01', '2025-03-02')",
)  # fmt: skip


def extreme(random: np.random.Generator, shape) -> np.ndarray:
    return random.choice(EXTREMES, shape) * random.choice([1, -1], shape)


def day(random: np.random.Generator, seed: int) -> Candles:
    """A day with extremes in a tenth of all its values, or in all of them."""
    candles = trading(at(FIRST), at(FIRST, 1440), seed=seed)
    share = random.choice([0.1, 1.0])
    return candles.but(**{
        name: np.where(random.random(1440) < share, extreme(random, 1440), getattr(candles, name)) for name in COLUMNS
    })  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_no_number_stops_a_profile_a_measure_or_a_view(warehouse, market, seed):
    random = np.random.default_rng(seed)
    connection = warehouse.connection
    perpetual = warehouse.instrument("BTC-PERPETUAL", at("2025-01-01"))
    futures = [warehouse.instrument(f"BTC-28{month}25", at("2025-01-01"), at(f"2025-0{n}-28", 480))
               for month, n in (("MAR", 3), ("JUN", 6))]  # fmt: skip
    for n, instrument_id in enumerate((perpetual, *futures)):
        warehouse.candles(instrument_id, day(random, seed * 10 + n))
    hours = [at(FIRST, 60 * k) for k in range(1, 25)]
    warehouse.funding(perpetual, hours, extreme(random, (4, 24)))
    with connection.transaction():
        points = np.array([ms(at(FIRST, minute)) for minute in range(1, 1440)])
        store_chart(connection, points, extreme(random, 1439), Provenance("i", "btc_usd", HOST, "r"))

    interval = {"currencies": ["BTC"], "begins": at(FIRST), "ends": at(FIRST, 1440)}
    days = {"begins": FIRST, "ends": FIRST + timedelta(days=1)}
    for is_perpetual in (True, False):
        for row in candle_profile(connection, perpetual=is_perpetual, **interval).to_dict("records"):
            assert row["not_finite_minutes"] > 0, "what is published of it was waived"
    assert len(funding_profile(connection, **interval)) == 24

    # as if it was all waived
    warehouse.publish(perpetual, *futures)
    warehouse.publish_funding(perpetual)
    for dataset, profile, rows in ((INDEX_PRICES, index_profile, 1), (BASIS_SPREAD, basis_profile, 2)):
        warehouse.compute(dataset)
        with connection.transaction():
            assert len(profile(connection, **days)) == rows
        assert warehouse.decide(dataset) == rows
    for view in VIEWS:
        rows = market.rows(f"SELECT count(*) FROM (SELECT v.*, hashtext(v::text) FROM {view} AS v OFFSET 0) AS read")
        assert rows[0][0] > 0 or view.startswith(("basis_constant", "constant")), view
