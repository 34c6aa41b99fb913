"""The rules against an exchange that is shaped like the real one, without Airflow and HTTP: what its protocol answers
goes through client, store and gate, inverse and linear. Every true row is published, value by value, and
nothing else is. test_rehearsal.py does the same through the DAGs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import orjson
import psycopg
import pytest

from exchange_simulator import comparison
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange
from exchange_simulator.traits import Traits

from .rehearsal import CURRENCIES, MAY_BE_HELD_BACK, MONTHS, bounds, held_back, ms

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# [from, to) of days in which something happens. REHEARSE takes whole months in their place.
DAYS = {
    "the birth of the perpetual": ("2018-08-14", "2018-08-16"),
    "the first funding": ("2019-04-30", "2019-05-02"),
    "the index bug": ("2019-10-31", "2019-11-01"),
    "the great fall": ("2020-03-12", "2020-03-15"),
    "the hole in the funding": ("2020-08-26", "2020-08-28"),
    "the fall of May": ("2021-05-19", "2021-05-20"),
    "what ends and begins among linear contracts": ("2026-09-24", "2026-09-26"),
}


def instant(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


WINDOWS = {name: tuple(map(instant, days)) for name, days in DAYS.items()}
if MONTHS:
    WINDOWS = {month: tuple(instant(str(day)) for day in bounds(month)) for month in MONTHS}


class Rehearsal:
    """What the DAGs' tasks do, task by task, in this process."""

    def __init__(self, connection: psycopg.Connection, source: Market) -> None:
        self.connection, self.exchange = connection, Exchange(source)
        self.context = {"dag_run": SimpleNamespace(dag_id="rehearsal", run_id="rehearsal")}

    def ask(self, host: str):
        def ask(method, parameters, read):
            text = {name: str(value) for name, value in parameters.items()}
            result = self.exchange.answer(method, text, host == "history").result
            return read(orjson.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY)))

        return ask

    def read_catalogue(self) -> None:
        from deribit_warehouse.exchange.funding import first_hour
        from deribit_warehouse.exchange.instruments import reader
        from deribit_warehouse.pipeline.read_catalogue import catalogue_row
        from deribit_warehouse.warehouse import catalogue, funding

        for currency in CURRENCIES:
            for host, expired in (("history", "true"), ("live", "false"), ("live", "true")):
                asked = {"currency": currency, "kind": "future", "expired": expired}
                found = self.ask(host)("get_instruments", asked, reader(host, "future"))
                with self.connection.transaction():
                    catalogue.store_instruments(self.connection, map(catalogue_row, found.instruments))
            with self.connection.transaction():
                since = datetime(2018, 8, 1, tzinfo=UTC)
                catalogue.record_collected(self.connection, currency, list(CURRENCIES), since)
        with self.connection.transaction():
            unknown = funding.perpetuals_without_start(self.connection, list(CURRENCIES))
        for one in unknown:
            first = first_hour(self.ask("live"), one["instrument"], ms(one["not_before"]), ms(NOW))
            if first is not None:
                with self.connection.transaction():
                    hour = datetime.fromtimestamp(first / 1000, UTC)
                    funding.record_start(self.connection, one["instrument_id"], hour)

        self.find_delistings()

    def find_delistings(self) -> None:
        from deribit_warehouse.exchange.candles import last_trade
        from deribit_warehouse.exchange.funding import last_hour
        from deribit_warehouse.warehouse import lifetimes

        with self.connection.transaction():
            perpetuals = lifetimes.open_perpetuals(self.connection, list(CURRENCIES))
        for one in perpetuals:
            last = last_hour(self.ask("live"), one["instrument"], ms(one["listed_at"]), ms(NOW))
            if last is not None and last < ms(NOW - timedelta(days=7)):
                ends = max(last, last_trade(self.ask("live"), one["instrument"], last, ms(NOW)) or last)
                with self.connection.transaction():
                    ends_at, funded = (datetime.fromtimestamp(each / 1000, UTC) for each in (ends, last))
                    lifetimes.record_delisting(self.connection, one["instrument_id"], ends_at, funded, "rehearsed")

    def collect(self, dataset, begins: datetime, ends: datetime) -> None:
        from deribit_warehouse.datasets import DELIVERY_PRICES, FUNDING_RATES, SETTLEMENTS
        from deribit_warehouse.exchange import candles, delivery, funding, settlements
        from deribit_warehouse.warehouse import catalogue
        from deribit_warehouse.warehouse.day_arrays import store_candles
        from deribit_warehouse.warehouse.funding import store_funding
        from deribit_warehouse.warehouse.ingestion import Provenance

        with self.connection.transaction():
            windows = catalogue.windows(self.connection, dataset, begins, ends, currencies=list(CURRENCIES))
        for window in windows:
            provenance = Provenance(dataset.name, window.instrument, "https://exchange.test", "rehearsal")
            asked = window.instrument, window.begins_ms, window.ends_ms
            if dataset == FUNDING_RATES:
                found = funding.collect(self.ask("live"), *asked)
                columns = [found.interest_1h, found.interest_8h, found.index_price, found.prev_index_price]
                with self.connection.transaction():
                    store_funding(
                        self.connection, window.instrument_id, found.timestamp, columns, provenance, found.duplicate,
                        asked[1:],
                    )  # fmt: skip
            elif dataset in (DELIVERY_PRICES, SETTLEMENTS):
                exchange = SimpleNamespace(
                    delivery_prices=partial(delivery.collect, self.ask("live")),
                    settlements=partial(settlements.collect, self.ask("live")),
                )
                dataset.load(exchange, self.connection, window, provenance)
            else:
                found = candles.collect(self.ask("live"), *asked)
                with self.connection.transaction():
                    store_candles(self.connection, window.instrument_id, found, provenance)

    def compute(self, dataset) -> None:
        from deribit_warehouse.pipeline.publish import computed_by
        from deribit_warehouse.warehouse import publication

        with self.connection.transaction():
            publication.compute(self.connection, dataset, None, None, computed_by(dataset, self.context))

    def validate_and_publish(self, dataset, begins: datetime, ends: datetime) -> list[str]:
        """Publishes what passes; returns why the interval is blocked, if it is."""
        from deribit_warehouse.pipeline.validate_and_publish import validate_and_publish

        with self.connection.transaction():
            validated = validate_and_publish(self.connection, dataset, self.context, begins, ends)
        return list(validated.decision.blocked_because) if validated else []


@pytest.fixture(scope="module")
def real() -> Market:
    return Market(now_ms=ms(NOW), traits=Traits.real())


@pytest.fixture(scope="module")
def rehearsed(module_market, real):
    """(the market database after the rehearsal, why windows were blocked)"""
    from deribit_warehouse.datasets import (
        DELIVERY_PRICES,
        FUNDING_RATES,
        FUTURES_OHLCV,
        PERPETUALS_OHLCV,
        ROLL_CALENDAR,
        SETTLEMENTS,
    )

    datasets = DELIVERY_PRICES, PERPETUALS_OHLCV, FUTURES_OHLCV, FUNDING_RATES, SETTLEMENTS
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DERIBIT_CURRENCIES", ",".join(CURRENCIES))
        with psycopg.connect(module_market.dsn(), options="-c timezone=UTC", autocommit=True) as connection:
            rehearsal, blocked = Rehearsal(connection, real), {}
            rehearsal.read_catalogue()
            for name, window in WINDOWS.items():
                for step in (rehearsal.collect, rehearsal.validate_and_publish):
                    for dataset in datasets:
                        if why := step(dataset, *window):
                            blocked[name, dataset.name] = why
            rehearsal.compute(ROLL_CALENDAR)
            if why := rehearsal.validate_and_publish(ROLL_CALENDAR, instant("2018-08-01"), NOW):
                blocked["all of it", ROLL_CALENDAR.name] = why
    return module_market, blocked


def test_nothing_is_blocked(rehearsed):
    assert rehearsed[1] == {}


def test_no_true_row_is_held_back(rehearsed):
    market, _ = rehearsed
    assert held_back(market.rows) == []


@pytest.mark.skipif(bool(MONTHS), reason="REHEARSE has asked for other days")
def test_where_the_funding_has_no_index_at_eight_the_delivery_price_had_its_say(rehearsed):
    """The true day after the listing, and the first of the funding, which begins at 10:00."""
    market, _ = rehearsed
    compared = (
        "SELECT l.day::text, l.hour FROM store.lifetime p "
        "CROSS JOIN LATERAL store.levels(ARRAY[p.instrument_id], '2018-08-01', '2019-06-01') AS l "
        "WHERE p.instrument = 'BTC-PERPETUAL' AND l.delivery IS NOT NULL ORDER BY 1"
    )
    assert market.rows(compared) == [("2018-08-15", 8), ("2019-04-30", 8)]


@pytest.mark.parametrize("name", WINDOWS)
def test_what_is_published_is_what_the_exchange_says(rehearsed, real, name):
    market, _ = rehearsed
    first, past = map(ms, WINDOWS[name])
    # test_rehearsal.py compares the index and the basis
    views = ("candle", "funding_rates", "delivery_prices", "settlements", "roll_calendar")
    said = comparison.everything(real, market.rows, CURRENCIES, first, past, left_out=MAY_BE_HELD_BACK, views=views)
    assert said["candle"]


@pytest.mark.skipif(bool(MONTHS), reason="REHEARSE has asked for other days")
def test_rolls_are_among_what_is_compared(rehearsed):
    market, _ = rehearsed
    rolled = "SELECT count(*) FROM roll_calendar WHERE day >= %s AND day < %s"
    assert sum(market.rows(rolled, *(each.date() for each in window))[0][0] for window in WINDOWS.values()) > 0
