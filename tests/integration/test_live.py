"""Live minutes through their DAGs, against an exchange whose clock the test moves: value by value, late, wrong and
corrected. Most of them take their time, and run where they are asked for:

    make rehearsal REHEARSE=slow,long
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module

import psycopg
import pytest

from exchange_simulator import comparison
from exchange_simulator.market import Market as Source
from exchange_simulator.process import running

from .rehearsal import long, ms, slow

FRIDAY = datetime(2026, 10, 2, 7, 59, 30, tzinfo=UTC)
"""Half a minute before a week's contracts expire; the month so far is a day and a half."""
MONTH = datetime(2026, 10, 1, tzinfo=UTC)
SINCE = "2026-08-01"
"""The day the exchange opened."""
COLUMNS = ("open", "high", "low", "close", "volume", "cost")
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def moving_exchange():
    with running("--now", FRIDAY.isoformat(), "--from", SINCE) as exchange:
        yield exchange


class Watched:
    """Both live DAGs against an exchange at a moment."""

    def __init__(self, pipeline, market, exchange) -> None:
        self.pipeline, self.market, self.exchange = pipeline, market, exchange
        self.source = Source(now_ms=ms(FRIDAY), since_ms=ms(SINCE))  # the exchange's market: what it says
        self.now = FRIDAY
        self.runs = 0

    def run(self, now: datetime | None = None, *, only: str | None = None) -> list[str]:
        """Sets the exchange's clock and runs the DAGs; the states of the runs."""
        self.now = now or self.now
        self.exchange.clock(self.now.isoformat())
        self.source.now_ms = ms(self.now)
        self.runs += 1
        started = datetime(2026, 11, 1, tzinfo=UTC) + self.runs * MINUTE
        names = (only,) if only else ("perpetuals_live", "futures_live")
        return [self.pipeline.alone(name, started) for name in names]

    @property
    def closed(self) -> datetime:
        return self.now.replace(second=0)

    def lives(self) -> list[tuple[str, datetime, datetime]]:
        """Every instrument of the month and what of it has closed by now."""
        found = self.market.rows(
            "SELECT instrument, greatest(begins, %s), least(ends, %s) FROM store.lifetime "
            "WHERE settlement_currency IN ('BTC', 'ETH') AND begins < %s AND ends > %s ORDER BY instrument",
            MONTH, self.closed, self.closed, MONTH,
        )  # fmt: skip
        assert len(found) > 15
        return found

    def shown(self, name: str) -> list[tuple]:
        view = "perpetuals_ohlcv" if name.endswith("PERPETUAL") else "futures_ohlcv"
        return self.market.rows(f"SELECT ts, {', '.join(COLUMNS)} FROM {view} WHERE instrument = %s ORDER BY ts", name)

    def compared(self, name: str, begins: datetime, ends: datetime) -> int:
        """Compares what is shown of an instrument in [begins, ends) with what the exchange says now; returns how many
        minutes there are."""
        return comparison.candles(self.source, self.market.rows, name, ms(begins), ms(ends))

    def everything_is_shown(self) -> None:
        """Every minute of the month so far as the exchange says it now, and no other."""
        for name, begins, ends in self.lives():
            assert self.compared(name, begins, ends) == len(self.shown(name)), name

    def caught_up(self) -> None:
        for _ in range(8):
            assert self.run() == ["success", "success"]
            if self.market.value("SELECT count(*) FROM perpetuals_ohlcv") == 2 * (self.closed - MONTH) / MINUTE:
                return
        raise AssertionError("it does not catch up")


@pytest.fixture
def live(open_pipeline, market, moving_exchange, monkeypatch):
    monkeypatch.setattr("deribit_warehouse.settings.history_from", lambda: datetime(2026, 8, 1, tzinfo=UTC))
    moving_exchange.clock(FRIDAY.isoformat())
    watched = Watched(open_pipeline(market, moving_exchange), market, moving_exchange)
    monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "19.5")  # it bounds what a run asks for
    assert watched.pipeline.alone("instruments", datetime(2026, 10, 2, tzinfo=UTC)) == "success"
    yield watched
    moving_exchange.faults()


@long
def test_it_catches_up_with_the_month_keeps_the_beat_and_has_every_minute(live, market):
    assert live.run() == ["success", "success"]
    for name, _, ends in live.lives():
        if ends == live.closed:
            assert live.shown(name)[-1][0] == ends - MINUTE, "the newest minute is not kept waiting by what is older"
        assert live.shown(name)[0][0] >= MONTH
    live.caught_up()
    live.everything_is_shown()
    # a week's contract expires, and its last minute is there a minute later
    assert live.run(FRIDAY + 2 * MINUTE) == ["success", "success"]
    live.everything_is_shown()
    last = FRIDAY.replace(second=0)
    over = market.rows("SELECT instrument FROM store.lifetime WHERE ends = %s", last + MINUTE)
    assert over and all(live.shown(name)[-1][0] == last for [name] in over)
    # the basis of every minute that both legs have, by the values shown
    wrong = market.value(
        "SELECT count(*) FROM basis_spread b JOIN futures_ohlcv f USING (instrument, ts) "
        "JOIN perpetuals_ohlcv p ON p.instrument = b.perpetual AND p.ts = b.ts "
        "WHERE b.basis IS DISTINCT FROM f.close - p.close"
    )
    assert wrong == 0
    assert market.value("SELECT count(*) FROM basis_spread") == market.value("SELECT count(*) FROM futures_ohlcv")
    assert market.rows("SELECT * FROM quarantined") == []
    assert market.rows("SELECT * FROM corrections") == []
    outcomes = market.rows(
        "SELECT DISTINCT dataset, outcome, result IS NULL FROM store.validation WHERE suite LIKE '%%ohlcv'"
    )
    assert ("perpetuals_live", "passed", True) in outcomes and all(row[1] in ("passed", "warned") for row in outcomes)
    # the next minute adds a row an instrument and rewrites none
    before = dict(market.rows("SELECT (instrument_id, ts, version_id)::text, ctid::text FROM store.open_candle"))
    assert live.run(live.now + MINUTE) == ["success", "success"]
    after = dict(market.rows("SELECT (instrument_id, ts, version_id)::text, ctid::text FROM store.open_candle"))
    assert before.items() <= after.items()
    assert len(after) - len(before) == sum(ends == live.closed for _, _, ends in live.lives())
    # an outage of three hours heals by itself
    assert live.run(live.now + timedelta(hours=3)) == ["success", "success"]
    live.everything_is_shown()


@pytest.fixture
def only_the_newest(monkeypatch):
    """What live makes up for beside the newest minutes, for as long as its time allows, is another test's."""
    publish = import_module("deribit_warehouse.pipeline.publish")  # the package's own publish is the task
    monkeypatch.setattr(publish, "PUBLISHING", timedelta(0))


@slow
@pytest.mark.usefixtures("only_the_newest")
def test_a_bad_minute_is_held_back_and_named_and_the_next_one_is_not(live, market):
    bad = live.closed - MINUTE
    live.exchange.faults({"kind": "zero_price", "from": bad.isoformat(), "to": (bad + MINUTE).isoformat()})
    assert live.run() == ["success", "success"]
    held = market.rows("SELECT DISTINCT dataset, ts, rule FROM quarantined")
    assert {(dataset, ts) for dataset, ts, _ in held} == {("perpetuals_live", bad), ("futures_live", bad)}
    assert market.rows("SELECT * FROM perpetuals_ohlcv WHERE ts = %s", bad) == []
    assert market.value("SELECT count(*) FROM perpetuals_ohlcv WHERE ts >= %s", bad - 30 * MINUTE) == 60
    live.exchange.faults({"kind": "zero_price", "from": bad.isoformat(), "to": (bad + MINUTE).isoformat()})
    assert live.run(live.now + 2 * MINUTE) == ["success", "success"]
    assert market.value("SELECT count(*) FROM perpetuals_ohlcv WHERE ts > %s", bad) == 4
    assert market.rows("SELECT * FROM basis_spread WHERE ts = %s", bad) == []
    # once it is told right it is shown, and nothing is held back any more
    live.exchange.faults()
    assert live.run(live.now + MINUTE) == ["success", "success"]
    assert market.value("SELECT count(*) FROM perpetuals_ohlcv WHERE ts = %s", bad) == 2
    assert market.rows("SELECT * FROM quarantined") == []


@long
def test_a_minute_whose_basis_is_bad_is_held_back_though_both_legs_have_passed_and_the_next_one_is_not(live, market):
    """Where nothing was traded no level is compared, and of the first minute that live has no move is known: so a price
    that is more than 0 and can't be calculated with passes both suites. The suite of the basis finds it."""
    first = live.closed - 60 * MINUTE
    live.exchange.faults({"kind": "vanishing_price", "from": first.isoformat(), "to": (first + MINUTE).isoformat()})
    assert live.run() == ["success", "success"]
    futures = market.rows("SELECT instrument FROM futures_ohlcv WHERE ts = %s ORDER BY 1", first)
    held = "SELECT DISTINCT instrument, ts, rule FROM quarantined WHERE dataset = 'basis_live' ORDER BY 1, 2"
    assert market.rows(held) == [(name, first, "values-finite") for [name] in futures] and len(futures) > 10
    assert market.value("SELECT count(*) FROM perpetuals_ohlcv WHERE ts = %s", first) == 2
    basis = "SELECT ts, count(*) FROM basis_spread WHERE ts >= %s AND ts < %s GROUP BY 1 ORDER BY 1"
    # from such a price to a price is no move that there can be: the next minute of the legs is held back by theirs
    alike = [(first + n * MINUTE, len(futures)) for n in range(2, 60)]
    assert market.rows(basis, first, live.closed) == alike
    assert market.rows("SELECT * FROM term_structure_at('BTC', %s)", first) == []
    incidents = "SELECT rule, instruments, state FROM incidents WHERE dataset = 'basis_live' ORDER BY 1, 2"
    assert market.rows(incidents) == [("values-finite", "BTC", "open"), ("values-finite", "ETH", "open")]
    then = market.value("SELECT max(validated_at) FROM store.validation")

    live.exchange.faults()
    assert live.run() == ["success", "success"]
    assert market.rows("SELECT * FROM quarantined") == []
    assert market.rows(basis, first, live.closed) == [(first, len(futures)), (first + MINUTE, len(futures)), *alike]
    assert {state for *_, state in market.rows(incidents)} == {"resolved"}
    [[name]] = market.rows("SELECT min(instrument) FROM futures_ohlcv WHERE ts = %s", first)
    asked = "SELECT min(ts) FROM basis(%s, %s, %s, as_of => %s)"
    assert market.value(asked, name, first, live.closed, then) == first + 2 * MINUTE
    # a run costs a row, and what passed none
    held_pairs = market.value("SELECT count(*) FROM store.held_basis")
    assert live.run(live.now + MINUTE) == ["success", "success"]
    validated = (
        "SELECT outcome, result IS NULL FROM store.validation WHERE dataset = 'basis_live' "
        "AND dag_id = 'deribit_futures_live' AND interval_to = %s"
    )
    assert market.rows(validated, live.closed) == [("passed", True)]
    assert market.value("SELECT count(*) FROM store.held_basis") == held_pairs >= len(futures)


@long
def test_what_is_corrected_is_counted_and_the_later_answer_is_shown(live, market):
    since = live.closed - 3 * MINUTE
    live.exchange.faults({"kind": "half_volume", "from": since.isoformat()})
    assert live.run() == ["success", "success"]
    perpetual = "BTC-PERPETUAL"
    first = live.shown(perpetual)[-3:]
    live.exchange.faults()
    assert live.run(live.now + MINUTE) == ["success", "success"]
    assert live.compared(perpetual, since, live.closed) == 4
    told = live.shown(perpetual)[-4:]
    assert told[0][0] == since and first != told[:3]
    corrected = market.rows(
        "SELECT ts, old, new FROM corrections WHERE instrument = %s AND field = 'cost' ORDER BY ts", perpetual
    )
    assert corrected == [(row[0], row[6] / 2, row[6]) for row in told[:3] if row[6]]
    counted = market.value("SELECT sum(corrected) FROM store.ingestion WHERE dataset = 'perpetuals_live'")
    assert counted == market.value(
        "SELECT count(DISTINCT (instrument, ts)) FROM corrections WHERE dataset = 'perpetuals_live'"
    )


@slow
def test_an_instrument_another_run_is_at_is_left_to_it_and_taken_up_by_the_next(live, market):
    lock = "SELECT pg_advisory_xact_lock(hashtext('load perpetuals_live'), hashtext('ETH-PERPETUAL'))"
    with psycopg.connect(market.dsn()) as other:
        other.execute(lock)
        assert live.run(only="perpetuals_live") == ["success"]
        assert {name for [name] in market.rows("SELECT DISTINCT instrument FROM perpetuals_ohlcv")} == {"BTC-PERPETUAL"}
    assert live.run(only="perpetuals_live") == ["success"]
    assert live.shown("ETH-PERPETUAL")[-1][0] == live.closed - MINUTE


@slow
def test_funding_comes_by_the_hour_where_the_minute_at_its_end_is_there(live, market):
    assert live.run(only="perpetuals_live") == ["success"]
    assert live.run(only="funding_live") == ["success"]
    # of the month's first minutes live was answered for six hours, and for the last one
    hour, newest = timedelta(hours=1), datetime(2026, 10, 2, 7, tzinfo=UTC)
    for first, last, hours in ((MONTH, MONTH + 6 * hour, 6), (newest - hour, newest, 1)):
        assert comparison.funding(live.source, market.rows, "BTC-PERPETUAL", ms(first), ms(last)) == hours
    assert market.value("SELECT count(*) FROM funding_rates WHERE instrument = 'BTC-PERPETUAL'") == 7, "and no other"
    waits = market.rows("SELECT DISTINCT dataset, first_day FROM pending WHERE instrument = 'BTC-PERPETUAL'")
    assert waits == [("funding_rates", MONTH.date())]
    assert market.rows("SELECT * FROM quarantined") == []
    outcomes = "SELECT DISTINCT dataset, outcome, result IS NULL FROM store.validation WHERE suite = 'funding_rates'"
    assert market.rows(outcomes) == [("funding_live", "passed", True)]


@long
def test_what_is_listed_is_asked_for_by_the_first_run_after_its_first_summary_and_what_expires_to_its_last_minute(
    live, market
):
    known = "SELECT instrument, ends FROM store.lifetime WHERE settlement_currency IN ('BTC', 'ETH') AND NOT perpetual"
    before = dict(market.rows(known))
    now = FRIDAY + timedelta(seconds=100)  # contracts were listed, and others have expired, a minute ago
    eight = FRIDAY.replace(second=0) + MINUTE
    live.exchange.clock(now.isoformat())
    assert live.pipeline.alone("instrument_summaries", now) == "success"
    market.rows("UPDATE store.catalogue_reading SET read_at = read_at - interval '3 minutes' RETURNING 1",
                role="market_loader")  # fmt: skip
    assert live.run(now) == ["success", "success"]
    new = dict(market.rows(known)).keys() - before.keys()
    assert {name[:3] for name in new} == {"BTC", "ETH"}
    asked = market.rows(
        "SELECT l.instrument, f.windows::text FROM store.fetched f JOIN store.lifetime l USING (instrument_id) "
        "WHERE f.what = 'open candles' AND l.begins = %s", eight,
    )  # fmt: skip
    assert {name for name, _ in asked} == new
    over = [name for name, ends in before.items() if ends == eight]
    for name in over:
        assert live.compared(name, live.closed - 60 * MINUTE, live.closed) == 59, "and none after its end"
    assert over
    # it has its minutes from its first trade on
    assert live.run(now + timedelta(minutes=59)) == ["success", "success"]
    same = {name: live.compared(name, eight, live.closed) for name in new}
    assert any(same.values()) and same == {name: len(live.shown(name)) for name in new}


@long
def test_an_exchange_that_is_away_fails_the_run_and_the_next_one_has_it_all(live, market):
    assert live.run() == ["success", "success"]
    live.exchange.faults({"kind": "maintenance", "times": 100_000})
    assert live.run(live.now + MINUTE) == ["failed", "failed"]
    live.exchange.faults()
    assert live.run(live.now + 15 * MINUTE) == ["success", "success"]
    found = market.rows("SELECT count(*) FROM perpetuals_ohlcv WHERE ts >= %s", live.closed - 60 * MINUTE)
    assert found == [(120,)]
    assert market.rows("SELECT * FROM quarantined") == []


@slow
@pytest.mark.usefixtures("only_the_newest")
def test_two_contracts_without_an_answer_keep_no_other_from_its_minute_and_are_named(live, market):
    futures = [name for name, _, ends in live.lives() if ends == live.closed and not name.endswith("PERPETUAL")]
    silent, others = futures[:2], futures[2:]  # of equals the first by name are asked for first
    live.exchange.faults(
        *({"kind": "http_status", "status": 502, "times": 10**6, "instrument": name} for name in silent)
    )
    for minutes in (0, 1):  # and the next time because they were answered for the least
        assert live.run(FRIDAY + minutes * MINUTE) == ["success", "failed"]
        newest = dict(market.rows("SELECT instrument, max(ts) FROM futures_ohlcv GROUP BY 1"))
        assert {name: newest.get(name) for name in others} == dict.fromkeys(others, live.closed - MINUTE)
        assert not set(silent) & newest.keys()
    [[kind, dataset, message]] = market.rows("SELECT kind, dataset, message FROM incidents WHERE state = 'open'")
    assert (kind, dataset) == ("failure", "futures_live") and all(name in message for name in silent)
    live.exchange.faults()
    assert live.run(FRIDAY + 2 * MINUTE, only="futures_live") == ["success"]
    assert {name for [name] in market.rows("SELECT DISTINCT instrument FROM futures_ohlcv")} >= set(futures)
    assert market.rows("SELECT * FROM incidents WHERE state = 'open'") == []


@long
def test_what_the_chart_does_not_have_yet_is_not_missing(open_pipeline, market, monkeypatch):
    monkeypatch.setattr("deribit_warehouse.settings.history_from", lambda: datetime(2026, 8, 1, tzinfo=UTC))
    with running("--now", FRIDAY.isoformat(), "--from", SINCE, "--trait", "chart_lag_ms=150000") as late:
        live = Watched(open_pipeline(market, late), market, late)
        monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "19.5")
        assert live.pipeline.alone("instruments", datetime(2026, 10, 2, tzinfo=UTC)) == "success"
        assert live.run() == ["success", "success"]
        newest = live.shown("BTC-PERPETUAL")[-1][0]
        assert live.closed - newest > MINUTE
        assert market.rows("SELECT * FROM quality_findings WHERE rule = 'minutes-complete'") == []
        assert live.run(live.now + 5 * MINUTE) == ["success", "success"]
        assert live.shown("BTC-PERPETUAL")[-1][0] == newest + 5 * MINUTE


@long
def test_a_day_is_closed_by_history_and_reads_as_it_did(live, market):
    live.caught_up()
    before = {name: live.shown(name) for name, _, _ in live.lives()}
    basis = "SELECT instrument, ts, basis, annualised FROM basis_spread ORDER BY instrument, ts"
    basis_before = market.rows(basis)
    yesterday = {"from": "2026-10-01", "to": "2026-10-02"}
    for dataset in ("funding_rates", "perpetuals_ohlcv", "futures_ohlcv"):
        assert live.pipeline.alone(dataset, None, **yesterday) == "success"
    live.pipeline.settle()
    assert live.pipeline.alone("basis_spread", None) == "success"
    lived = market.value("SELECT count(*) FROM store.lifetime WHERE begins < '2026-10-02' AND ends > '2026-10-01' "
                         "AND settlement_currency IN ('BTC', 'ETH')")  # fmt: skip
    assert market.rows("SELECT day::text, count(*) FROM store.candle_day WHERE state = 'published' GROUP BY 1") == [
        ("2026-10-01", lived)
    ]
    assert {name: live.shown(name) for name, _, _ in live.lives()} == before
    assert market.rows(basis) == basis_before
    assert market.rows("SELECT * FROM live_differences") == []
    assert market.rows("SELECT count(*), sum(missed), sum(only_live), sum(different) FROM live_days") == [
        (lived, 0, 0, 0)
    ]
    # it is not asked for any more, and closing it again writes nothing
    assert live.run(live.now + MINUTE) == ["success", "success"]
    loads = "SELECT count(*) FROM store.ingestion WHERE dataset LIKE '%%ohlcv'"
    loaded = market.value(loads)
    assert live.pipeline.alone("perpetuals_ohlcv", None, **yesterday) == "success"
    assert market.value(loads) == loaded
    # the last thing that is left of its live minutes is how they were the same
    assert live.pipeline.alone("retention", None) == "success"
    assert market.value("SELECT min(day)::text FROM store.open_candle") == "2026-10-02"
    assert market.rows("SELECT count(*), count(compared_at) FROM live_days") == [(lived, lived)]
    assert {name: live.shown(name) for name, _, _ in live.lives()}.keys() == before.keys()
