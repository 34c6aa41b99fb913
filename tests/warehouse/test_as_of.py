"""Every function that is asked what was published at a moment refuses one that can't be told, whatever is stored."""

from __future__ import annotations

import psycopg
import pytest

from tests.warehouse.days import FIRST, Warehouse, at

SPAN = "'2025-03-01', '2025-03-02'"
ASKED = {
    "candles": f"'BTC-PERPETUAL', {SPAN}",
    "funding": f"'BTC-PERPETUAL', {SPAN}",
    "funding_between": f"'BTC-PERPETUAL', {SPAN}",
    "index_price": f"'btc_usd', {SPAN}",
    "basis": f"'BTC-28MAR25', {SPAN}",
    "volatility": f"'BTC', {SPAN}",
    "delivery_price": f"'btc_usd', {SPAN}",
    "settlement": f"'BTC-PERPETUAL', {SPAN}",
    "rolls": "'BTC'",
    "continuous_futures": f"'BTC', {SPAN}",
    "summaries": f"'BTC-PERPETUAL', {SPAN}",
    "chain_at": "'BTC', '2025-03-01'",
    "greeks_at": "'BTC', '2025-03-01'",
}
"""By function: what else it is asked."""


@pytest.fixture(scope="module")
def unpublished(shared_warehouse: Warehouse) -> Warehouse:
    """Two instruments of which nothing is published: no row leads to an error."""
    shared_warehouse.instrument("BTC-PERPETUAL", at(FIRST))
    shared_warehouse.instrument("BTC-28MAR25", at(FIRST), at("2025-03-28", 480))
    shared_warehouse.rows("INSERT INTO store.retention (kept_from) VALUES (now() - interval '1 hour') RETURNING 1")
    return shared_warehouse


def test_these_are_all(unpublished):
    functions = (
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND 'as_of' = ANY (proargnames)"
    )
    assert {name for [name] in unpublished.rows(functions)} == set(ASKED)


@pytest.mark.parametrize("function", ASKED)
def test_a_moment_that_can_not_be_told_is_an_error(unpublished, function):
    def asked(as_of: str) -> list[tuple]:
        return unpublished.rows(f"SELECT * FROM {function}({ASKED[function]}, as_of => {as_of})")

    assert len(asked("now()")) == len(asked("now() - interval '1 minute'")) == (function == "funding_between")
    with pytest.raises(psycopg.errors.DataException, match="can't be told any more: versions that were replaced"):
        asked("now() - interval '2 hours'")
    with pytest.raises(psycopg.errors.DataException, match="is not known"):
        asked("now() + interval '1 minute'")
