"""Snapshots through their DAGs: what the exchange says now, once a beat, value by value; refused where it can't be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import requests

from exchange_simulator import comparison
from exchange_simulator.market import Market
from exchange_simulator.process import running
from exchange_simulator.traits import Traits

from .conftest import UNHURRIED
from .rehearsal import ms

NOW = datetime(2026, 10, 5, 12, 0, 1, 500_000, tzinfo=UTC)
BEAT = datetime(2026, 10, 5, 12, tzinfo=UTC)
AFTER = "2026-10-05"
SINCE, TRAITS = "2026-06-01", ("linear_world=true", "linear_options=true")


@pytest.fixture(scope="module")
def whole_exchange():
    """Coins and USDC, with options of both."""
    given = [word for trait in TRAITS for word in ("--trait", trait)]
    with running("--now", NOW.isoformat(), "--from", SINCE, *given, *UNHURRIED) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def whole_source():
    """The market of `whole_exchange` in this process: what it says."""
    return Market(now_ms=ms(NOW), since_ms=ms(SINCE), traits=Traits().changed(TRAITS))


@pytest.fixture
def pipeline(open_pipeline, market, whole_exchange, monkeypatch):
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC,ETH,USDC,EURR")
    monkeypatch.setattr("deribit_warehouse.settings.history_from", lambda: datetime(2026, 9, 1, tzinfo=UTC))
    yield open_pipeline(market, whole_exchange)
    whole_exchange.faults()


def said(exchange, method: str, **given):
    return requests.get(f"{exchange.live_url}/api/v2/public/{method}", params=given, timeout=60).json()["result"]


@pytest.mark.parametrize(
    ("dataset", "compare", "at_least"),
    [("instrument_summaries", comparison.summaries, 90), ("options_chain", comparison.chain, 2000)],
)
def test_every_value_is_the_exchanges(pipeline, market, whole_source, dataset, compare, at_least):
    assert pipeline.run(dataset, AFTER) == "success"
    same = sum(compare(whole_source, market.rows, currency, ms(BEAT)) for currency in ("BTC", "ETH", "USDC"))
    assert same == market.value(f"SELECT count(*) FROM {dataset}") >= at_least
    assert market.rows(f"SELECT DISTINCT ts FROM {dataset}") == [(NOW,)]
    assert market.rows("SELECT * FROM quarantined") == []
    if dataset == "options_chain":
        compared = market.rows(
            "SELECT currency, count(*), count(chain_apart), count(greeks_apart) FROM options_sample "
            "GROUP BY 1 ORDER BY 1"
        )
        assert [(currency, *apart) for currency, _, *apart in compared] == [
            ("BTC", 0, 0),
            ("ETH", 0, 0),
            ("USDC", 0, 0),
        ]
        assert all(18 <= options <= 20 for _, options, *_ in compared)
    # again, in the same beat: not a row is written
    table = {"instrument_summaries": "instrument_summary", "options_chain": "option_chain"}[dataset]
    written = market.rows(f"SELECT ctid, xmin FROM store.{table}")
    assert pipeline.run(dataset, AFTER) == "success"
    assert market.rows(f"SELECT ctid, xmin FROM store.{table}") == written
    # where everything held nothing is kept of the result, and the rest of what came of it is
    [(outcome, suite, digest, rows, result)] = market.rows(
        "SELECT outcome, suite, suite_digest, rows_checked, result FROM store.validation ORDER BY validation_id LIMIT 1"
    )
    assert (outcome, suite, result) == ("passed", dataset, None) and len(digest) == 16 and rows >= 3


def test_a_future_is_marked_where_its_candles_end_and_funded_as_its_history_says(pipeline, market, whole_exchange):
    """The simulator agrees with itself, so that what is compared across datasets in tests means something."""
    assert pipeline.run("instrument_summaries", AFTER) == "success"
    ms = int(NOW.timestamp() * 1000)
    for name in ("BTC-PERPETUAL", "SOL_USDC-PERPETUAL"):
        [(mark, last, index, funding)] = market.rows(
            "SELECT mark_price, last_price, index_price, funding_8h FROM instrument_summaries WHERE instrument = %s",
            name,
        )
        chart = said(
            whole_exchange, "get_tradingview_chart_data", instrument_name=name, start_timestamp=ms - 600_000,
            end_timestamp=ms, resolution=1,
        )  # fmt: skip
        assert last == chart["close"][-1] and mark == pytest.approx(last, abs=0.005)
        assert mark == pytest.approx(index, rel=0.02)
        history = said(
            whole_exchange, "get_funding_rate_history", instrument_name=name, start_timestamp=ms - 7_200_000,
            end_timestamp=ms,
        )  # fmt: skip
        assert funding == history[-1]["interest_8h"]


def test_the_catalogue_has_all_of_it(pipeline, market, whole_exchange, whole_source):
    assert pipeline.run("instruments", AFTER) == "success"
    whole_exchange.faults({"kind": "summary_missing", "instrument": "ETH-PERPETUAL"})
    for dataset in ("instrument_summaries", "options_chain"):
        assert pipeline.run(dataset, AFTER) == "success"
    found = market.rows(
        "SELECT dataset, instrument, ts, rule, severity, observed FROM quality_findings WHERE dataset <> 'instruments'"
    )
    assert found == [("instrument_summaries", "ETH", BEAT, "catalogue-complete", "warning", "ETH-PERPETUAL")]
    # the index of the minute that has just ended is what the perpetual's summary says; of ETH there was none
    begins = BEAT - timedelta(minutes=1)
    minutes = market.rows("SELECT index_name, ts, source FROM index_prices WHERE index_name IN ('btc_usd', 'eth_usd')")
    assert minutes == [("btc_usd", begins, "summary")]
    assert comparison.sampled_index(whole_source, market.rows, "BTC-PERPETUAL", ms(begins), ms(BEAT)) == 1


def test_a_chain_without_volatilities_is_refused(pipeline, market, whole_exchange):
    whole_exchange.faults({"kind": "summary_null", "param": "mark_iv"})
    assert pipeline.run("options_chain", AFTER) == "success"
    assert market.rows("SELECT * FROM options_chain") == []
    held = market.rows("SELECT DISTINCT rule, severity, ts FROM quarantined")
    assert held == [("mark-ivs-known", "critical", BEAT)]
    [(outcome, kept)] = market.rows("SELECT outcome, jsonb_array_length(result -> 'results') FROM store.validation")
    assert outcome == "quarantined" and kept == 2, "of what broke the result is kept, and nothing else"
    # the next run of the beat brings what was refused
    whole_exchange.faults()
    assert pipeline.run("options_chain", AFTER) == "success"
    assert market.value("SELECT count(*) FROM options_chain") > 2000
    assert market.rows("SELECT * FROM quarantined") == []


def test_a_chain_is_compared_with_the_tickers_of_a_sample(pipeline, market, whole_exchange, monkeypatch):
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    refused = {"kind": "error_code", "method": "ticker", "code": 10028}
    whole_exchange.faults(refused | {"times": 12}, {"kind": "ticker_doubled", "param": "mark_iv"})
    before = whole_exchange.stats()["faults"]
    assert pipeline.run("options_chain", AFTER) == "success"
    assert whole_exchange.stats()["faults"] - before == 20, "each once, the refused ones too"
    found = dict(market.rows("SELECT rule, min(severity) FROM quality_findings GROUP BY rule"))
    assert found == dict.fromkeys(["tickers-sampled", "chain-as-tickers", "greeks-as-tickers"], "warning")
    assert market.rows("SELECT * FROM quarantined") == []
    assert market.value("SELECT count(*) FROM options_chain") > 500, "what is true of the chain is published"
    [(compared, doubled)] = market.rows(
        "SELECT count(*), count(*) FILTER (WHERE abs(ticker_mark_iv / mark_iv - 2) < 1e-4) FROM options_sample"
    )
    assert compared == doubled == 8


def test_a_summary_that_cannot_be_is_held_back_and_the_others_are_not(pipeline, market, whole_exchange):
    whole_exchange.faults({"kind": "summary_negated", "param": "mark_price", "instrument": "BTC-PERPETUAL"})
    assert pipeline.run("instrument_summaries", AFTER) == "success"
    assert {currency for [currency] in market.rows("SELECT currency FROM instrument_summaries")} == {"ETH", "USDC"}
    [(observed,)] = market.rows("SELECT observed FROM quarantined WHERE rule = 'values-possible'")
    assert observed.startswith("BTC-PERPETUAL: mark -")


def test_a_beat_waits_for_nothing_that_history_asks(pipeline, market, whole_exchange, monkeypatch):
    """History has its share of the rate in use for hours to come: the snapshot draws from its own, and changes nothing
    of that one."""
    monkeypatch.setenv("DERIBIT_LIVE_SHARE", "0.2")
    slots = "SELECT bucket, slots FROM store.rate_limit WHERE bucket = 'history'"
    with psycopg.connect(market.dsn()) as connection:
        connection.execute(
            "INSERT INTO store.rate_limit SELECT 'history', "
            "array_agg(now() + interval '3 hours' + n * interval '60 ms') FROM generate_series(1, 15) AS n"
        )
    saturated = market.rows(slots)
    assert pipeline.run("instrument_summaries", AFTER) == "success"
    assert market.rows(slots) == saturated
    assert market.value("SELECT cardinality(slots) FROM store.rate_limit WHERE bucket = 'live'") >= 3
    assert market.value("SELECT count(*) FROM instrument_summaries") > 90


def test_a_day_of_beats_costs_the_quality_store_little_and_the_docs_a_page(pipeline, market, whole_exchange):
    """1,728 validations a day: what each costs in the database, with its indexes, and that a missed beat is told."""
    with psycopg.connect(market.dsn()) as connection:
        connection.execute(
            "INSERT INTO store.snapshot_beat (dataset, begins, seconds) "
            "VALUES ('instrument_summaries', '2026-10-05 11:00+00', 60)"
        )
    assert pipeline.run("instrument_summaries", AFTER) == "success"
    with psycopg.connect(market.dsn()) as connection:
        connection.execute("UPDATE store.instrument_summary SET beat = beat - interval '4 minutes'")
    assert pipeline.run("instrument_summaries", AFTER) == "success"
    missed = market.rows("SELECT instrument, ts, rule, observed FROM quality_findings")
    assert missed == [(currency, BEAT, "beats-complete", "3") for currency in ("BTC", "ETH", "USDC")]
    [(first, second)] = market.rows(
        "SELECT array_agg(outcome ORDER BY validation_id)::text, max(pg_column_size(result)) FROM store.validation"
    )
    assert first == "{passed,warned}" and second < 4000
    with psycopg.connect(market.dsn()) as connection:
        before = connection.execute("SELECT pg_total_relation_size('store.validation')").fetchone()[0]
        connection.execute(
            "INSERT INTO store.validation (dataset, dag_id, run_id, interval_from, interval_to, outcome, suite, "
            "suite_digest, rows_checked, minutes, missing, blocked_because, result) "
            "SELECT v.dataset, v.dag_id, v.run_id || n, v.interval_from + n * interval '5 minutes', "
            "v.interval_to + n * interval '5 minutes', v.outcome, v.suite, v.suite_digest, v.rows_checked, v.minutes, "
            "v.missing, v.blocked_because, v.result "
            "FROM store.validation v CROSS JOIN generate_series(1, 2880) AS n WHERE v.outcome = 'passed'"
        )
        after = connection.execute("SELECT pg_total_relation_size('store.validation')").fetchone()[0]
    assert (after - before) / 2880 < 1024
    print(f"{(after - before) / 2880:.0f} bytes a validation")
    assert pipeline.alone("data_docs", None) == "success"
    pages = sorted((pipeline.docs / "current" / "validations" / "instrument_summaries").glob("*.html"))
    assert len(pages) == 11, "ten days of five minutes, and the one before: a page a day"
    assert any("beats-complete" in page.read_text() and "1 warned" in page.read_text() for page in pages)
