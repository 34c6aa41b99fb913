"""A list of the catalogue is read: what it says of the perpetuals that are listed, and when it counts as refused."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import psycopg
import pytest

from deribit_warehouse.exchange import BadResponse, ExchangeUnavailable, RequestRejected
from deribit_warehouse.exchange.instruments import NEVER, Reading, reader
from deribit_warehouse.warehouse import lifetimes
from tests.exchange.fake_exchange import row

BORN = 1_709_251_200_000  # ms: 2024-03-01
PERPETUALS = ["A-PERPETUAL", "B-PERPETUAL"]


@pytest.fixture
def catalogue(market, monkeypatch):
    module = import_module("deribit_warehouse.pipeline.read_catalogue")
    monkeypatch.setattr(module, "market", lambda: psycopg.connect(market.dsn(), options="-c timezone=UTC"))
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    return module


def test_what_is_read_of_futures_is_what_is_waited_for(catalogue, market):
    read = [(reading["host"], reading["expired"]) for reading in catalogue.READINGS]
    assert market.rows("SELECT host, expired FROM store.list_of_futures") == read
    assert [host for host, expired in read if not expired] == ["live"], "what is listed is told by one of them"


def told(*bad: str) -> Reading:
    """What is read of a list of the perpetuals, and of these only that they are in it; a row has no name at all."""
    more = {"settlement_currency": "BTC", "quote_currency": "USD"}
    rows = [row(name, BORN, NEVER, **more) | ({"strike": "x"} if name in bad else {}) for name in PERPETUALS]
    return reader("live", "future")([*rows, {"kind": "future", "instrument_name": None}])


def test_a_perpetual_whose_row_cannot_be_read_is_listed_all_the_same(catalogue, market):
    def listed() -> list[str]:
        with psycopg.connect(market.dsn()) as connection:
            return [p["instrument"] for p in lifetimes.open_perpetuals(connection, ["BTC"]) if p["is_listed"]]

    def read(reading: Reading, *, host: str = "live", expired: bool = False) -> list[str]:
        catalogue.store_reading(reading, "BTC", "future", "run", host=host, expired=expired)
        return listed()

    assert read(told()) == PERPETUALS
    assert read(told("B-PERPETUAL")) == PERPETUALS
    assert market.rows("SELECT DISTINCT instrument FROM store.listed_perpetual ORDER BY 1") == [
        (p,) for p in PERPETUALS
    ]
    assert read(Reading([], [])) == []
    assert read(told("B-PERPETUAL"), host="history", expired=True) == [], "a list of expired ones says nothing of that"


@pytest.mark.parametrize(
    ("error", "attempt", "is_kept"),
    [
        (RequestRejected("code 10020"), 1, False),
        (RequestRejected("code 10020"), 3, False),
        (RequestRejected("code 10020"), 4, True),
        (BadResponse("none of 7 rows can be read"), 3, False),
        (BadResponse("none of 7 rows can be read"), 4, True),
        (ExchangeUnavailable("11051 system maintenance"), 4, False),
    ],
)
def test_a_list_counts_as_refused_with_the_last_attempt_only(catalogue, market, monkeypatch, error, attempt, is_kept):
    """Before that the next attempt may read it, and nobody is to go on without it."""
    from deribit_warehouse.pipeline import waiting

    context = {
        "ti": SimpleNamespace(try_number=attempt, max_tries=3),  # of four attempts
        "dag_run": SimpleNamespace(run_id="r", conf={}),
    }

    def instruments(*_, **__):
        raise error

    for module in (catalogue, waiting):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    monkeypatch.setattr(catalogue, "exchange", lambda: nullcontext(SimpleNamespace(instruments=instruments)))
    monkeypatch.setattr(waiting, "reschedule", lambda *_, **__: "waited: in vain")
    since = datetime.now(UTC)
    with pytest.raises(Exception, match=str(error) if error.__class__ is not ExchangeUnavailable else "in vain"):
        catalogue.read_catalogue.function("future", "BTC", catalogue.READINGS[0])
    kept = "SELECT currency, kind, host, expired, cause FROM store.refused_list WHERE refused_at > %s"
    assert market.rows(kept, since) == ([("BTC", "future", "history", True, str(error))] if is_kept else [])
