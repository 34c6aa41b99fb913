"""New listings that a live run looks for: few at a time, and never in the way of its minutes."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from types import SimpleNamespace

import pytest

from deribit_warehouse.exchange import ExchangeUnavailable, RequestRejected
from deribit_warehouse.pipeline.read_catalogue import MOST_LISTS


@pytest.fixture
def lacking(monkeypatch):
    """Says that the catalogue lacks a name of each of some currencies; returns what was stored, by currency."""
    module = import_module("deribit_warehouse.pipeline.read_catalogue")
    stored = []

    def store(answer: str, currency: str, kind: str, run_id: str, *, host: str, expired: bool) -> dict[str, int]:
        stored.append((answer, currency, kind, run_id, host, expired))
        return {"added": 1}

    def lacking(*currencies: str) -> list[tuple]:
        monkeypatch.setattr(
            import_module("deribit_warehouse.warehouse.catalogue"), "unlisted",
            lambda *_: [(currency, [f"{currency}-NEW"]) for currency in currencies],
        )  # fmt: skip
        return stored

    monkeypatch.setattr(module, "market", nullcontext)
    monkeypatch.setattr(module, "store_reading", store)
    lacking.read = module.read_new_listings
    return lacking


def test_a_list_is_asked_of_each_currency_that_lacks_a_name_and_of_few_at_a_time(lacking):
    stored = lacking()
    assert lacking.read(SimpleNamespace(), "run") == 0 and stored == [], "nobody is asked where nothing is lacking"
    stored = lacking("BTC", "ETH", "USDC")
    exchange = SimpleNamespace(listed=lambda currency, kind: f"{kind}s of {currency}")
    assert lacking.read(exchange, "run") == MOST_LISTS == 2
    assert stored == [(f"futures of {each}", each, "future", "run", "live", False) for each in ("BTC", "ETH")]


def test_an_exchange_that_does_not_answer_is_left_to_a_later_run(lacking, caplog):
    stored, asked = lacking("BTC", "ETH"), []

    def listed(currency: str, kind: str) -> None:
        asked.append(currency)
        raise ExchangeUnavailable("away")

    assert lacking.read(SimpleNamespace(listed=listed), "run") == 0
    assert asked == ["BTC"] and stored == [] and "left to a later run" in caplog.text


def test_a_currency_that_is_refused_keeps_no_other_from_being_read(lacking):
    stored = lacking("EURR", "BTC")

    def listed(currency: str, kind: str) -> str:
        if currency == "EURR":
            raise RequestRejected("code -32602")
        return f"{kind}s of {currency}"

    assert lacking.read(SimpleNamespace(listed=listed), "run") == 1
    assert [currency for _, currency, *_ in stored] == ["BTC"]
