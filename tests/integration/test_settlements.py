"""Settlements and deliveries through their DAG, row by row as the exchange says them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange, Parameters

NOW = datetime(2019, 7, 2, tzinfo=UTC)
FIELDS = ("instrument_name", "type", "position", "mark_price", "index_price", "profit_loss", "session_profit_loss")


def told(exchange: Exchange, months: set[tuple[int, int]]) -> list[tuple]:
    """What the exchange says of every BTC future and perpetual, an answer each."""
    found = []
    for listing in exchange.source.listings():
        if listing.currency != "BTC":
            continue
        asked = Parameters({"instrument_name": listing.name, "count": "1000"})
        answer = exchange.get_last_settlements_by_instrument(asked, False)
        assert answer["continuation"] is None
        for row in answer["settlements"]:
            at = datetime.fromtimestamp(row["timestamp"] / 1000, UTC)
            if (at.year, at.month) in months:
                found.append((at, *(row[name] for name in FIELDS)))
    return sorted(found)


@pytest.fixture(scope="module")
def exchange():
    return Exchange(Market(now_ms=round(NOW.timestamp() * 1000)))


def test_every_settlement_is_the_exchanges(pipeline, market, exchange):
    assert pipeline.run("instruments") == "success"
    for dag in ("delivery_prices", "settlements"):
        for after in ("2018-11-01", "2019-07-01"):
            assert pipeline.run(dag, after) == "success"
    wanted = told(exchange, {(2018, 10), (2019, 6)})
    assert {row[2] for row in wanted} == {"settlement", "delivery"} and len(wanted) > 200
    shown = market.rows(
        "SELECT settled_at, instrument, type, position, mark_price, index_price, profit_loss, session_profit_loss "
        "FROM settlements"
    )
    assert sorted(shown) == wanted
    assert market.rows("SELECT DISTINCT funding FROM settlements") == [(None,)]
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
