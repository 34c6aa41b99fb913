"""The DAG `instruments` against the rows that were recorded of the exchange, and against answers it may give."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from functools import partial
from types import SimpleNamespace

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from exchange_simulator.process import Running

from .conftest import AFTER
from .rehearsal import slow

NOW = 1_789_939_037_426  # ms: 2026-09-20, when the newest of the recorded rows were taken


class Listed:
    """Two hosts that answer get_instruments with the rows they were given, and every other question with nothing.

    `funded`: names that have an hour of funding, the one that ended last. `unknown`: names that only get_instruments
    knows.

    `live_url` and `history_url` as a Running simulator has them. `failing`: questions that are refused. `admits`: says
    of a method whether there is room for it in the exchange's limit; `limited`: the questions there was none for.
    `exchange`: whoever answers what no rows were told of, in place of nothing.
    """

    def __init__(self):
        self.rows: dict[tuple, list[dict]] = defaultdict(list)
        self.failing: set[tuple] = set()
        self.funded: set[str] = set()
        self.unknown: set[str] = set()
        self.asked: list[tuple] = []
        self.admits: Callable[[str], bool] = lambda method: True
        self.limited: list[tuple] = []
        self.methods: set[str] = set()
        self.exchange: Running | None = None
        self.servers = {}
        for host in ("live", "history"):
            server = HTTPServer(host="127.0.0.1", port=0)
            server.expect_request(re.compile("/api/v2/public/")).respond_with_handler(self._answer(host))
            server.start()
            self.servers[host] = server

    def tell(self, rows: list[dict], *, host: str = "live", expired: bool = False) -> None:
        """Adds rows to what a host answers to the question they belong to."""
        for row in rows:
            currency = row.get("settlement_currency") or row["base_currency"]
            self.rows[host, currency, row["kind"], expired].append(row)

    @property
    def live_url(self) -> str:
        return self.servers["live"].url_for("").rstrip("/")

    @property
    def history_url(self) -> str:
        return self.servers["history"].url_for("").rstrip("/")

    def close(self) -> None:
        for server in self.servers.values():
            server.clear()
            server.stop()

    def _answer(self, host: str):
        def answer(request: Request) -> Response:
            method, asked = request.path.rpartition("/")[2], SimpleNamespace(**request.args)
            self.methods.add(method)
            result: object = []
            name = request.args.get("instrument_name")
            if name in self.unknown:
                why = {"reason": "instrument not found", "param": "instrument_name"}
                error = {"code": -32602, "message": "Invalid params", "data": why}
                return Response(json.dumps({"jsonrpc": "2.0", "error": error}), status=400)
            if method == "get_funding_rate_history" and name in self.funded:
                hour = int(time.time()) // 3600 * 3_600_000
                rates = dict.fromkeys(("interest_1h", "interest_8h"), 1e-5)
                prices = dict.fromkeys(("index_price", "prev_index_price"), 100.0)
                result = [{"timestamp": hour} | rates | prices]
            if method == "get_instruments":
                question = (host, asked.currency, asked.kind, asked.expired == "true")
                self.asked.append(question)
                if not self.admits(method):
                    self.limited.append(question)
                    error = {"code": 10028, "message": "too_many_requests"}
                    return Response(json.dumps({"jsonrpc": "2.0", "error": error}), status=429)
                if question in self.failing:
                    error = {"code": 10020, "message": "invalid_or_unsupported_instrument"}
                    return Response(json.dumps({"jsonrpc": "2.0", "error": error}), status=400)
                if question in self.rows or not self.exchange:
                    result = self.rows[question]
                    return Response(json.dumps({"jsonrpc": "2.0", "result": result}), content_type="application/json")
            if self.exchange:
                url = {"live": self.exchange.live_url, "history": self.exchange.history_url}[host]
                answered = requests.get(f"{url}{request.full_path}", timeout=60)
                return Response(answered.content, status=answered.status_code, content_type="application/json")
            return Response(json.dumps({"jsonrpc": "2.0", "result": result}), content_type="application/json")

        return answer


@pytest.fixture
def listed():
    hosts = Listed()
    yield hosts
    hosts.close()


@pytest.fixture
def read_catalogue(open_pipeline, market, listed, monkeypatch):
    """Runs the DAG for some currencies and returns the run's state."""

    def run(*currencies: str) -> str:
        monkeypatch.setenv("DERIBIT_CURRENCIES", ",".join(currencies))
        return open_pipeline(market, listed).run("instruments")

    return run


def test_a_renamed_perpetual_that_no_list_has_any_more_and_nobody_knows_ends(
    read_catalogue, listed, market, recorded, monkeypatch
):
    """As MATIC_USDC-PERPETUAL, whose recorded row tells the expiry of one that lives."""
    from deribit_warehouse.alerts import incidents

    messages = []
    monkeypatch.setattr(incidents, "send", messages.append)
    body = json.loads((recorded / "responses" / "instruments_usdc_2021-07-22.json").read_text())
    rows = {row["instrument_name"]: row for row in body["result"]}
    renamed = "MATIC_USDC-PERPETUAL"
    listed.funded = {"SOL_USDC-PERPETUAL", "XRP_USDC-PERPETUAL"}
    listed.unknown = {renamed}
    listed.tell([rows[name] for name in listed.funded])
    listed.tell([rows[renamed]], host="history", expired=True)
    ended = "SELECT instrument, ends_at = listed_at FROM store.delisting JOIN store.instrument USING (instrument_id)"

    assert read_catalogue("USDC") == "success"
    assert market.rows(ended) == [(renamed, True)], "nothing of it is stored or can be had"
    assert [m.subject for m in messages] == ["instruments MATIC: delisted"]
    assert market.rows("SELECT DISTINCT instrument FROM coverage WHERE instrument = %s", renamed) == []

    # the live host lists it, and knows it: it lives
    listed.tell([rows[renamed]])
    listed.unknown.clear()
    listed.funded.add(renamed)
    assert read_catalogue("USDC") == "success" and market.rows(ended) == []


def test_every_recorded_row_is_taken_and_what_it_does_not_say_follows_where_it_is_certain(
    read_catalogue, listed, market, recorded
):
    def rows(name: str) -> list[dict]:
        body = json.loads((recorded / "responses" / name).read_text())
        return body.get("result", body) if isinstance(body, dict) else body

    listed.tell(rows("instruments_future.json"))
    old = rows("history_host_instrument_2016.json")
    listed.tell([old], host="history", expired=True)
    for coin in ("btc", "eth", "sol", "usdc"):
        listed.tell(rows(f"instruments_{coin}_2021-07-22.json"), host="history", expired=True)

    assert read_catalogue("BTC", "ETH", "SOL", "USDC") == "success"

    [[kinds]] = market.rows("SELECT count(*) FROM store.instrument")
    assert kinds == 13 + 1 + 398 + 426 + 177 + 16 - 1  # BTC-PERPETUAL is in two of them
    # the perpetual as 2026 tells it: the poorer row of 2021 takes nothing away
    columns = "settlement_currency, instrument_type, price_index, underlying_type, state, host"
    assert market.rows(f"SELECT exchange_id, {columns} FROM store.instrument WHERE instrument = 'BTC-PERPETUAL'") == [
        (210838, "BTC", "reversed", "btc_usd", "crypto", "open", "live")
    ]
    implied = f"SELECT DISTINCT kind, {columns} FROM store.instrument WHERE instrument LIKE %s AND host = 'history'"
    for name, kind, settled, style, index in [
        ("BTC-15JUL16", "future", "BTC", "reversed", "btc_usd"),
        ("BTC-%21", "future", "BTC", "reversed", "btc_usd"),
        ("ETH-%-C", "option", "ETH", "reversed", "eth_usd"),
        ("SOL-%-P", "option", "SOL", "reversed", "sol_usd"),
        ("UNI_USDC-PERPETUAL", "future", "USDC", "linear", "uni_usdc"),
    ]:
        assert market.rows(implied, name) == [(kind, settled, style, index, None, None, "history")], name
    # every expired future has its perpetual, if there was one
    lonely = (
        "SELECT instrument FROM store.instrument i WHERE kind = 'future' AND settlement_period <> 'perpetual' "
        "AND NOT EXISTS (SELECT FROM store.future f WHERE f.instrument_id = i.instrument_id)"
    )
    assert market.rows(lonely) == [("BTC-15JUL16",)], "it expired before any perpetual was born"
    assert market.value("SELECT count(*) FROM store.future WHERE perpetual = 'BTC-PERPETUAL'") == 12 + 7


def test_what_was_recorded_of_lists_of_all_kinds_and_of_single_instruments_is_stored(
    read_catalogue, listed, market, recorded
):
    def result(name: str) -> list[dict]:
        found = json.loads((recorded / "responses" / name).read_text())["result"]
        return found if isinstance(found, list) else [found]

    rows = result("http_get_instruments.json")
    rows += result("http_get_instrument.json") + result("http_get_instrument_option.json")
    combos = result("http_get_instruments_future_combo.json") + result("http_get_instruments_option_combo.json")
    for row in rows + combos:  # whatever is asked for, the answer has everything
        for kind in ("future", "option"):
            listed.rows["live", "BTC", kind, False].append(row)

    assert read_catalogue("BTC") == "success"

    stored = market.rows(
        "SELECT instrument, kind, exchange_id, (extract(epoch FROM listed_at) * 1000)::bigint, strike, tick_size "
        "FROM store.instrument"
    )
    asked = ("instrument_name", "kind", "instrument_id", "creation_timestamp", "strike", "tick_size")
    told = {tuple(row.get(key) for key in asked) for row in rows if row["kind"] in ("future", "option")}
    assert sorted(stored, key=str) == sorted(told, key=str) and combos
    assert market.value("SELECT outcome FROM validations WHERE dataset = 'instruments'") == "passed"


def test_a_recorded_list_in_other_words_is_no_list_and_takes_nothing_with_it(read_catalogue, listed, market, recorded):
    """The expired options of www are a client's own words for the rows: `name`, `creation`, `expiration`."""
    rows = json.loads((recorded / "responses" / "eth_options_expired_true_www_2025-09-21.json").read_text())
    listed.rows["history", "ETH", "option", True] = rows
    listed.tell([future("BTC-PERPETUAL", **ENDLESS)])

    assert read_catalogue("BTC", "ETH") == "failed"

    [error] = market.rows("SELECT error FROM store.run_failure")
    assert "none of 48 rows can be read; the first, row 0: it has no creation_timestamp" in error[0]
    assert market.rows("SELECT instrument FROM store.instrument") == [("BTC-PERPETUAL",)]
    assert market.value("SELECT outcome FROM validations WHERE dataset = 'instruments'") == "passed"


ENDLESS = {"settlement_period": "perpetual", "expiration_timestamp": 32_503_708_800_000}


def future(name: str, **more) -> dict:
    return {
        "instrument_name": name, "kind": "future", "base_currency": "BTC", "quote_currency": "USD",
        "settlement_currency": "BTC", "settlement_period": "month", "creation_timestamp": NOW,
        "expiration_timestamp": 1_793_347_200_000, "tick_size": 0.5, "instrument_type": "reversed",
    } | more  # fmt: skip


def test_a_bad_row_is_left_out_and_told_once_and_the_rest_is_stored(read_catalogue, listed, market, monkeypatch):
    from deribit_warehouse.alerts import incidents

    messages = []
    monkeypatch.setattr(incidents, "send", messages.append)
    good = future("BTC-30OCT26")
    bad = [
        {"instrument_name": "BTC-30OCT26\x00"},
        {"instrument_name": "BTC-\ud800"},
        {"instrument_name": "B" * 1_000_000},
        {"instrument_name": "BTC-1NOV26", "instrument_id": 2**63},
        {"instrument_name": "BTC-2NOV26", "strike": 10**400},
        {"instrument_name": "BTC-3NOV26", "base_currency": None},
        {"instrument_name": "BTC-4NOV26", "expiration_timestamp": 10**17},
        {"instrument_name": "BTC-5NOV26", "expiration_timestamp": NOW - 1},
    ]
    listed.tell([good, *(good | more for more in bad if "base_currency" not in more), future("BTC-28OCT26")])
    listed.rows["live", "BTC", "future", False].append(good | bad[5])
    short = {"base_currency": "S", "settlement_currency": "USDC", "quote_currency": "USDC", "instrument_type": "linear"}
    listed.tell([future("S_USDC-PERPETUAL", **ENDLESS) | short])

    assert read_catalogue("BTC", "USDC", "EURR") == "success"

    assert market.rows("SELECT instrument FROM store.instrument ORDER BY 1") == [
        ("BTC-28OCT26",),
        ("BTC-30OCT26",),
        ("S_USDC-PERPETUAL",),
    ]
    # EURR has none, and that is an answer
    assert market.value("SELECT sum(instruments) FROM store.catalogue_reading WHERE currency = 'EURR'") == 0
    noted = market.rows("SELECT instrument, rule, severity, is_open FROM quality_findings ORDER BY 2, 1")
    assert noted.pop(0) == ("BTC-28OCT26", "name-matches-expiry", "warning", True)
    assert len(noted) == len(bad) and {(rule, severity) for _, rule, severity, _ in noted} == {
        ("row-readable", "warning")
    }
    assert all(len(subject) < 100 for subject, *_ in noted)
    assert market.rows("SELECT * FROM quarantined") == []
    [message] = messages
    assert message.payload["level"] == "notice" and "row-readable" in message.text and "BTC-28OCT26" in message.text

    assert read_catalogue("BTC", "USDC", "EURR") == "success"
    assert len(messages) == 1, "what is known already is not told again"
    del listed.rows["live", "BTC", "future", False][1:]
    assert read_catalogue("BTC", "USDC", "EURR") == "success"
    assert [row[0] for row in market.rows("SELECT instrument FROM quality_findings WHERE is_open")] == ["BTC-28OCT26"]


def test_expired_options_that_fail_stop_nothing_that_does_not_use_them(read_catalogue, listed, market):
    from deribit_warehouse.warehouse.completion import behind

    listed.tell([future("BTC-PERPETUAL", **ENDLESS)])
    listed.failing.add(("history", "BTC", "option", True))
    assert read_catalogue("BTC") == "failed"
    assert listed.asked.count(("history", "BTC", "option", True)) == 1
    assert behind(market.dsn(), ["BTC"], "all") == []
    assert market.value("SELECT outcome FROM validations WHERE dataset = 'instruments'") == "passed"
    assert "get_funding_rate_history" in listed.methods, "the first hour of funding is looked for"


def published(market, *datasets: str) -> dict[str, list[str]]:
    """The instruments of which a dataset has something."""
    return {
        dataset: [name for [name] in market.rows(f"SELECT DISTINCT instrument FROM {dataset} ORDER BY 1")]
        for dataset in datasets
    }


@slow
def test_a_list_of_expired_futures_that_cannot_be_read_stops_no_perpetual(
    open_pipeline, market, listed, young_exchange, monkeypatch
):
    """April 2019 of BTC, of which the history host refuses what has expired, until it knows the currency."""
    expired, perpetual, after = ("history", "BTC", "future", True), ["BTC-PERPETUAL"], "2019-05-01"
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    listed.exchange = young_exchange
    listed.failing.add(expired)
    pipeline = open_pipeline(market, listed)
    assert pipeline.run("instruments", after) == "failed"

    for dag in ("perpetuals_ohlcv", "funding_rates"):
        assert pipeline.run(dag, after) == "success"
    datasets = "perpetuals_ohlcv", "funding_rates", "futures_ohlcv"
    assert published(market, *datasets) == dict(zip(datasets, (perpetual, perpetual, []), strict=True))
    waiting = ("delivery_prices", "futures_ohlcv", "settlements")
    for dag in waiting:
        assert pipeline.run(dag, after) == "failed"
    failed = "SELECT dag_id, error FROM store.run_failure WHERE task_id = 'plan' ORDER BY dag_id"
    for dag, (dag_id, error) in zip(waiting, market.rows(failed), strict=True):
        assert dag_id == f"deribit_{dag}" and "waited for the catalogue" in error and "BTC" in error

    listed.failing.clear()
    for dag in ("instruments", "futures_ohlcv"):
        assert pipeline.run(dag, after) == "success"
    assert len(published(market, "futures_ohlcv")["futures_ohlcv"]) > 3


@slow
def test_a_currency_that_is_refused_keeps_no_other_waiting_and_is_loaded_once_it_is_read(
    open_pipeline, market, listed, young_exchange, monkeypatch
):
    """April 2019 of BTC and ETH: of ETH the live host refuses what is listed, until it knows the currency."""
    from deribit_warehouse.warehouse.completion import behind, refused

    listed.exchange = young_exchange
    listed.failing.add(("live", "ETH", "future", False))
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH")
    pipeline = open_pipeline(market, listed)
    after, months = "2019-05-01", [date(2019, 4, 1)]
    loaded = ("perpetuals_ohlcv", "funding_rates")

    assert pipeline.run("instruments", after) == "failed"
    [(label, error)] = market.rows("SELECT label, error FROM store.run_failure")
    assert label == "ETH futures, listed, live host" and "10020" in error
    assert market.value("SELECT words FROM store.incident WHERE kind = 'failure' AND resolved_at IS NULL").count(label)
    assert behind(market.dsn(), ["BTC", "ETH"], "listed") == []
    assert [told.partition(":")[0] for told in refused(market.dsn(), ["BTC", "ETH"])] == [label]
    for dag in loaded:
        assert pipeline.run(dag, after) == "success"
    assert published(market, *loaded) == dict.fromkeys(loaded, ["BTC-PERPETUAL"])

    listed.failing.clear()
    assert pipeline.run("instruments", after) == "success"
    assert refused(market.dsn(), ["BTC", "ETH"]) == []
    unloaded = "SELECT dataset FROM unloaded WHERE month = ANY(%s) AND 'ETH-PERPETUAL' = ANY(instruments)"
    assert {dataset for [dataset] in market.rows(unloaded, months)} >= set(loaded), "a start runs it again"
    for dag in loaded:
        assert pipeline.run(dag, after) == "success"
    assert published(market, *loaded) == dict.fromkeys(loaded, ["BTC-PERPETUAL", "ETH-PERPETUAL"])
    assert {dataset for [dataset] in market.rows(unloaded, months)}.isdisjoint(loaded)


@pytest.mark.parametrize("in_other_words", [False, True])
def test_what_is_listed_of_the_only_currency_is_waited_for_and_it_is_said_why_it_could_not_be_read(
    open_pipeline, market, listed, monkeypatch, in_other_words
):
    from deribit_warehouse.exchange import Exchange

    question = ("live", "EURR", "future", False)
    monkeypatch.setenv("DERIBIT_CURRENCIES", "EURR")
    monkeypatch.setitem(Exchange.__init__.__kwdefaults__, "attempts", 1)
    if in_other_words:
        listed.rows[question] = [{"name": "EURR_USDC-PERPETUAL", "creation": NOW}]
    else:
        listed.failing.add(question)
    pipeline = open_pipeline(market, listed)
    assert pipeline.run("instruments", AFTER) == "failed"
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "failed"
    [error] = [error for [error] in market.rows("SELECT error FROM store.run_failure WHERE task_id = 'plan'")]
    assert "waited for the catalogue" in error and "EURR futures, listed, live host: " in error
    assert ("none of 1 rows can be read" if in_other_words else "10020") in error


def test_at_the_slower_pace_of_the_two_each_list_is_asked_for_once(open_pipeline, listed, market, monkeypatch):
    """One get_instruments in ten seconds, five at once: the older copy of the reference, and what holds here until
    `make check` knows better. A request counts as made when its slot comes, and nobody sleeps until then."""
    from deribit_warehouse.warehouse import rate_limiter
    from exchange_simulator.limits import Limits

    currencies = ("BTC", "ETH", "USDC")
    monkeypatch.setenv("DERIBIT_CURRENCIES", ",".join(currencies))
    pipeline = open_pipeline(market, listed)
    monkeypatch.setenv("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "0.1")
    sent_at = []

    def sleep(seconds: float) -> None:
        sent_at.append(time.monotonic() + seconds)

    monkeypatch.setattr(rate_limiter, "RateLimiter", partial(rate_limiter.RateLimiter, sleep=sleep))
    slow = Limits(catalogue_seconds=10, catalogue_burst=5)
    listed.admits = lambda method: slow.admits(method, sent_at[-1])
    for currency in currencies:
        coin = {"base_currency": currency, "settlement_currency": currency}
        listed.tell([future(f"{currency}-PERPETUAL", **ENDLESS, **coin)])

    assert pipeline.run("instruments") == "success"
    assert listed.limited == []
    assert len(listed.asked) == len(set(listed.asked)) == 18, "of a list of megabytes no part is asked for again"
    assert max(sent_at) - sent_at[0] > 150, "five at once, then fifty seconds for five more"


@slow
def test_a_currency_that_is_added_later_makes_its_months_pending_and_is_loaded_beside_the_first(
    pipeline, open_pipeline, market, young_exchange, monkeypatch
):
    """A warehouse that has run with BTC alone in April 2019, when the simulator has perpetuals of BTC and ETH."""
    after, month = "2019-05-01", date(2019, 4, 1)
    loaded = ("perpetuals_ohlcv", "funding_rates")

    def pending() -> set[str]:
        return {dataset for [dataset] in market.rows("SELECT dataset FROM unloaded WHERE month = %s", month)}

    def published(dataset: str) -> dict[str, int]:
        of = f"SELECT instrument, count(*) FROM {dataset} WHERE ts > '2019-04-01' AND ts < '2019-05-01' GROUP BY 1"
        return dict(market.rows(of))

    assert pipeline.run("instruments", after) == "success"
    assert pending() >= set(loaded)
    for dag in loaded:
        assert pipeline.run(dag, after) == "success"
    assert pending().isdisjoint(loaded)
    before = {dag: published(dag) for dag in loaded}
    assert [list(counts) for counts in before.values()] == [["BTC-PERPETUAL"]] * 2

    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH")
    pipeline = open_pipeline(market, young_exchange)  # the DAGs are read anew, as at a start
    assert pipeline.run("instruments", after) == "success"
    assert pending() >= set(loaded), "what is expected of the new currency was never loaded"
    for dag in loaded:
        assert pipeline.run(dag, after) == "success"
    assert pending().isdisjoint(loaded)
    for dag in loaded:
        btc = before[dag]["BTC-PERPETUAL"]
        assert published(dag) == {"BTC-PERPETUAL": btc, "ETH-PERPETUAL": btc}
