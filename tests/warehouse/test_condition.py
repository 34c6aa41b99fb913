"""The condition of every dataset's days, and the acceptance criteria that rest on it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deribit_warehouse.datasets import BASIS_SPREAD, DATASETS, FUTURES_OHLCV, INDEX_PRICES
from deribit_warehouse.report import report_as_markdown
from deribit_warehouse.tables import CANDLE_DAY
from deribit_warehouse.warehouse import sql, validations
from deribit_warehouse.warehouse.catalogue import record_reading
from deribit_warehouse.warehouse.completion import ACCEPTANCE, completion_report
from deribit_warehouse.warehouse.index import store_chart
from deribit_warehouse.warehouse.ingestion import Provenance, record_fetched
from tests.warehouse.days import FIRST, HOST, Warehouse, at, ms, trading

LAST = FIRST + timedelta(days=1)
LISTED, EXPIRES = at(FIRST), at(LAST, 1440)
NUMBERS = "expected, published, held, pending, missing"
LISTS = (("history", True), ("live", True), ("live", False))
"""Of a currency's futures: the host that is asked, and whether for the expired ones."""


class Coin:
    """A perpetual and a future that live for two days, and what is stored of them."""

    def __init__(self, warehouse: Warehouse, ends=EXPIRES):
        self.warehouse = warehouse
        self.perpetual = warehouse.instrument("BTC-PERPETUAL", LISTED)
        self.future = warehouse.instrument("BTC-3MAR25", LISTED, ends)
        warehouse.delist(self.perpetual, ends, ends)  # it is listed for good, and dead
        self.read_catalogue()

    def read_catalogue(self) -> None:
        """All lists of the futures are read now."""
        with self.warehouse.connection.transaction():
            for host, expired in LISTS:
                record_reading(self.warehouse.connection, "BTC", "future", 2, "run", host=host, expired=expired)

    def store(self, *instruments: int, without: tuple[int, ...] = ()) -> None:
        """Both days of some instruments, of which minutes of the first may be missing."""
        for place, instrument in enumerate(instruments or (self.perpetual, self.future)):
            self.warehouse.candles(instrument, trading(LISTED, EXPIRES, seed=place).without(*without))

    def fund(self, without: tuple[int, ...] = ()) -> None:
        hours = [at(FIRST, 60 * k) for k in range(1, 49) if k not in without]
        columns = np.stack([np.full(len(hours), v) for v in (1e-5, 8e-5, 50_000.0, 50_000.0)])
        self.warehouse.funding(self.perpetual, hours, columns)
        self.warehouse.publish_funding(self.perpetual)

    def compute(self) -> None:
        for dataset in (INDEX_PRICES, BASIS_SPREAD):
            self.warehouse.compute(dataset)
            self.warehouse.decide(dataset)

    def complete(self) -> None:
        """Everything there is to have, published."""
        self.store()
        self.warehouse.publish(self.perpetual, self.future)
        self.fund()
        self.compute()

    def find(
        self, dataset: str, subject: str, rule: str, *, severity: str = "critical", waived: str | None = None,
        day: date = FIRST,
    ) -> None:  # fmt: skip
        validation_id = self.warehouse.validation(dataset)
        finding = (subject, day, None, rule, severity, "1", waived)
        with self.warehouse.connection.transaction():
            validations.record_findings(
                self.warehouse.connection, validation_id, dataset, seen=[(subject, day, None)], findings=[finding]
            )

    def waive(self, day: date, rule: str = "minutes-complete", subject: str = "BTC-3MAR25") -> None:
        self.find("futures_ohlcv", subject, rule, waived="the exchange has none", day=day)

    def of(self, dataset: str, day: date = FIRST) -> tuple:
        """condition, the five numbers, and why."""
        [row] = self.warehouse.rows(
            f"SELECT condition, {NUMBERS}, why FROM dataset_condition WHERE dataset = %s AND day = %s", dataset, day
        )
        return row


@pytest.fixture
def coin(warehouse) -> Coin:
    return Coin(warehouse)


def criteria(market) -> dict[str, tuple]:
    """passed, expected, found and observed of each acceptance criterion."""
    with psycopg.connect(market.dsn("market_reader")) as connection:
        rows = completion_report(connection, DATASETS)["acceptance"]
    return {row["criterion"]: (row["passed"], row["expected"], row["found"], row["observed"]) for row in rows}


def test_of_a_future_that_was_never_loaded_everything_is_missing(coin):
    assert coin.of("futures_ohlcv") == (
        "missing", 1440, 0, 0, 0, 1440, "1,440 of 1,440 minutes missing; nothing stored of 1"
    )  # fmt: skip
    [changed] = coin.warehouse.rows("SELECT DISTINCT last_modified FROM dataset_condition")
    assert changed == (None,)


def test_what_is_published_whole_is_available_and_says_when_it_changed(coin, warehouse):
    coin.complete()
    stored = ["perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "index_prices", "basis_spread"]
    said = "SELECT dataset, condition, missing, why FROM dataset_condition WHERE dataset = ANY(%s)"
    assert set(warehouse.rows(said, stored)) == {(dataset, "available", 0, None) for dataset in stored}
    changed, validated = warehouse.rows(
        "SELECT (SELECT max(last_modified) FROM dataset_condition WHERE dataset = 'basis_spread'), max(validated_at) "
        "FROM store.validation WHERE dataset = 'basis_spread'"
    )[0]
    assert changed == validated


def test_what_is_stored_and_not_validated_is_pending_and_says_for_what(coin):
    coin.store(coin.future)
    assert coin.of("futures_ohlcv") == (
        "pending", 1440, 0, 0, 1440, 0, "1,440 minutes pending; waits for perpetuals_ohlcv of BTC-PERPETUAL"
    )  # fmt: skip


def test_what_a_validation_blocked_waits_for_a_run_by_hand(coin, warehouse):
    coin.store(coin.perpetual)
    coin.fund()
    blocked = warehouse.validation("perpetuals_ohlcv", outcome="blocked")
    warehouse.connection.execute("UPDATE store.candle_day SET validation_id = %s", [blocked])
    assert coin.of("perpetuals_ohlcv")[-1].endswith(f"waits for a run by hand: validation {blocked} blocked it")


def test_what_is_held_back_is_degraded_and_names_the_rule(coin, warehouse):
    coin.store()
    warehouse.publish(coin.perpetual, coin.future)
    warehouse.hold(CANDLE_DAY, [key for key in warehouse.newest(coin.future) if key[1] == FIRST])
    coin.find("futures_ohlcv", "BTC-3MAR25", "near-reference")
    assert coin.of("futures_ohlcv") == (
        "degraded", 1440, 0, 1440, 0, 0, "1,440 minutes held back; rules broken: near-reference"
    )  # fmt: skip
    assert coin.of("futures_ohlcv", LAST)[0] == "available"


def test_minutes_the_exchange_does_not_have_are_missing_with_what_was_noted_of_them(coin, warehouse):
    coin.store(without=(7, 8))
    warehouse.publish(coin.perpetual, coin.future)
    coin.find("futures_ohlcv", "BTC-3MAR25", "minutes-explained", severity="info")
    assert coin.of("futures_ohlcv") == (
        "degraded", 1440, 1438, 0, 0, 2, "2 of 1,440 minutes missing; warned of: minutes-explained"
    )  # fmt: skip
    coin.find("perpetuals_ohlcv", "BTC-PERPETUAL", "minutes-complete")
    assert coin.of("perpetuals_ohlcv")[-1] == "2 of 1,440 minutes missing; rules broken: minutes-complete"


def test_a_waived_finding_leaves_a_day_available_and_is_named_with_its_reason(coin):
    coin.complete()
    coin.find("futures_ohlcv", "BTC-3MAR25", "no-spike", waived="true trades")
    assert coin.of("futures_ohlcv") == ("available", 1440, 1440, 0, 0, 0, "waived: no-spike (true trades)")


def test_a_day_is_counted_once_while_a_correction_waits_and_degraded_when_it_is_held_back(coin, warehouse):
    coin.complete()
    warehouse.candles(coin.future, trading(LISTED, at(FIRST, 1440), seed=9))
    assert coin.of("futures_ohlcv") == (
        "available", 1440, 1440, 0, 0, 0, "a newer version of 1 pending; waits for the next run"
    )  # fmt: skip
    warehouse.connection.execute("UPDATE store.candle_day SET state = 'held' WHERE state = 'pending'")
    assert coin.of("futures_ohlcv") == ("degraded", 1440, 1440, 0, 0, 0, "a newer version of 1 held back")


def test_a_computed_day_whose_input_was_taken_back_is_missing_and_says_so(coin, warehouse):
    coin.complete()
    warehouse.hold(CANDLE_DAY, [key for key in warehouse.newest(coin.perpetual) if key[1] == FIRST])
    assert coin.of("basis_spread") == (
        "missing", 1440, 0, 0, 0, 1440, "1,440 of 1,440 minutes missing; what it was computed from was taken back"
    )  # fmt: skip
    assert coin.of("basis_spread", LAST)[0] == "available"


def test_what_lies_outside_a_lifetime_is_not_counted(warehouse):
    coin = Coin(warehouse, ends=at(LAST, 480))
    coin.store(coin.future)
    warehouse.publish(coin.future)
    assert coin.of("futures_ohlcv", LAST)[:6] == ("available", 480, 480, 0, 0, 0)


version = st.tuples(st.integers(0, 1440), st.sampled_from(["published", "pending", "held", "superseded", "withdrawn"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.lists(version, max_size=4), min_size=2, max_size=2))
def test_expected_is_what_is_published_held_pending_and_missing_whatever_is_stored(coin, warehouse, days):
    connection = warehouse.connection
    with connection.transaction(force_rollback=True):
        for day, versions in zip((FIRST, LAST), days, strict=True):
            published = False
            for present, state in versions:
                state = "superseded" if state == "published" and published else state  # one a key
                published |= state == "published"
                [version_id] = connection.execute(
                    "INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
                    "VALUES ('futures_ohlcv', 'x', 'h', 'r', 1, 0, 0) RETURNING version_id"
                ).fetchone()
                connection.execute(
                    "INSERT INTO store.candle_day SELECT %s, %s, %s, %s, NULL, '{}', NULL, NULL, 0, 1440, %s, 0, 0, 0, "
                    "0, a, a, a, a, a, a, 0::bit(1440), 0::bit(1440), true, 0 "
                    "FROM array_fill(1::float8, ARRAY[1440]) AS a",
                    [coin.future, day, version_id, state, present],
                )
        rows = connection.execute(
            f"SELECT {NUMBERS} FROM dataset_condition WHERE dataset = 'futures_ohlcv' ORDER BY day"
        ).fetchall()
    for (expected, published, held, pending, missing), versions in zip(rows, days, strict=True):
        assert expected == 1440 == published + held + pending + missing
        assert min(published, held, pending, missing) >= 0
        shown = next((present for present, state in versions if state == "published"), 0)
        newest, became = versions[-1] if versions else (0, None)
        more = max(newest - shown, 0)
        assert published == shown
        assert (held, pending) == (more * (became == "held"), more * (became == "pending"))


def test_the_days_of_a_month_are_what_coverage_says_of_it(coin, warehouse):
    coin.store(without=(3,))
    warehouse.publish(coin.perpetual, coin.future)
    coin.fund(without=(30,))
    coin.compute()
    days = "SELECT dataset, date_trunc('month', day::timestamp)::date AS month, {} FROM {} GROUP BY 1, 2 ORDER BY 1, 2"
    counted = warehouse.rows(days.format("sum(expected), sum(published)", "dataset_condition"))
    covered = warehouse.rows(
        days.format("sum(minutes), sum(published_minutes)", "(SELECT *, month AS day FROM coverage) AS c")
    )
    assert counted == covered and len({dataset for dataset, *_ in counted}) >= 5


def test_an_empty_database_passes_nothing(market):
    assert [passed for passed, *_ in criteria(market).values()] == [False] * len(ACCEPTANCE)


def test_a_complete_history_passes_all(coin, market):
    coin.complete()
    told = criteria(market)
    assert {name: passed for name, (passed, *_) in told.items()} == dict.fromkeys(told, True)
    assert told["AC-007"][1:3] == (1, 1) and told["AC-010"][1:3] == (48, 48)


def delete_day(market, table: str, day: date) -> None:
    """Leaves a hole of a day in a complete history; one of candles with what was computed from them."""
    with psycopg.connect(market.dsn("market_owner"), autocommit=True) as connection:
        if table == "candle_day":
            connection.execute("DELETE FROM store.basis_day WHERE day = %s", [day])
            connection.execute("DELETE FROM store.index_day WHERE day = %s", [day])
        moment = "(ts - interval '1 second')::date" if table == "funding_rate" else "day"
        connection.execute(f"DELETE FROM store.{table} WHERE {moment} = %s", [day])


@pytest.mark.parametrize("day", [FIRST, LAST])
@pytest.mark.parametrize(
    ("table", "broken"),
    [
        ("candle_day", {"AC-007", "AC-008", "AC-011"}),
        ("funding_rate", {"AC-010"}),
        ("index_day", {"AC-011"}),
        ("basis_day", {"AC-008"}),
    ],
)
def test_a_hole_in_the_history_fails_its_criteria_and_no_others(coin, market, table, broken, day):
    coin.complete()
    delete_day(market, table, day)
    told = criteria(market)
    assert {name for name, (passed, *_) in told.items() if not passed} == broken
    for name in broken:
        assert told[name][2] < told[name][1] and told[name][3]
    if table == "funding_rate":
        assert f"first gap {day}: 24 of 24 hours missing; nothing stored of 1" in told["AC-010"][3]
    if table == "candle_day":
        assert told["AC-007"][3] == (
            "1440 of 2880 minutes since 2025-03-01, 1440 are missing without a reason, of 1 contracts: BTC-3MAR25"
        )


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """The rows of the table under each heading of a report in Markdown, by its columns."""
    found = {}
    for section in text.split("\n## ")[1:]:
        heading, *lines = section.splitlines()
        head, _, *rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")] or [[], []]
        found[heading] = [dict(zip(head, row, strict=True)) for row in rows]
    return found


def test_the_report_calls_a_hole_not_passed_names_its_days_and_counts_what_coverage_counts(coin, market, warehouse):
    coin.complete()
    delete_day(market, "candle_day", FIRST)
    told = tables(report_as_markdown(market.dsn("market_reader")))

    criteria = {row["criterion"]: row for row in told["Acceptance criteria"]}
    not_passed = {name for name, row in criteria.items() if row["outcome"] == "not passed"}
    assert not_passed == {"AC-007", "AC-008", "AC-011"}
    assert {criteria[name]["outcome"] for name in criteria.keys() - not_passed} == {"passed"}
    assert (criteria["AC-007"]["expected"], criteria["AC-007"]["found"]) == ("1 contracts", "0 contracts")
    assert "1440 are missing without a reason, of 1 contracts: BTC-3MAR25" in criteria["AC-007"]["observed"]

    hole = {"condition": "missing", "first day": f"{FIRST}", "last day": f"{FIRST}", "days": "1", "missing": "1,440"}
    for dataset in ("perpetuals_ohlcv", "futures_ohlcv", "index_prices", "basis_spread"):
        [gap] = told[f"Gaps and findings: {dataset}"]
        assert gap.items() >= hole.items(), dataset

    covered = warehouse.rows(
        "SELECT dataset, sum(minutes), sum(published_minutes), sum(missing) FROM coverage GROUP BY 1"
    )
    days = {row["dataset"]: (row["expected"], row["published"], row["missing"]) for row in told["Days"]}
    assert days == {dataset: tuple(f"{count:,}" for count in counts) for dataset, *counts in covered}
    assert days["futures_ohlcv"] == ("2,880", "1,440", "1,440")


def test_a_hole_of_minutes_within_a_day_fails_and_one_with_a_reason_does_not(coin, market, warehouse):
    def futures() -> tuple:
        return criteria(market)["AC-007"]

    coin.warehouse.candles(coin.future, trading(LISTED, EXPIRES, seed=1).without(0, 1, 2, 700, 701))
    warehouse.publish(coin.future)
    published = "2875 of 2880 minutes since 2025-03-01"
    unexplained = "{} are missing without a reason, of 1 contracts: BTC-3MAR25"
    # what is before the first candle has a reason, as the exchange was asked for it and answered
    assert futures() == (False, 1, 0, f"{published}, 3 are missing with a reason, {unexplained.format(2)}")
    with warehouse.connection.transaction():
        warehouse.connection.execute("DELETE FROM store.fetched")
        record_fetched(warehouse.connection, coin.future, "candles", ms(at(FIRST, 2)), ms(EXPIRES))
    assert futures() == (False, 1, 0, f"{published}, {unexplained.format(5)}")
    coin.store(coin.future)
    warehouse.publish(coin.future)
    assert futures() == (True, 1, 1, "2880 of 2880 minutes since 2025-03-01")


def test_minutes_that_are_waived_are_missing_with_a_reason(coin, market, warehouse):
    coin.store(coin.future, without=(700, 701))
    warehouse.publish(coin.future)
    coin.find("futures_ohlcv", "BTC-3MAR25", "minutes-complete")
    assert not criteria(market)["AC-007"][0]
    coin.find("futures_ohlcv", "BTC-3MAR25", "minutes-complete", waived="the exchange has none")
    assert criteria(market)["AC-007"] == (
        True, 1, 1, "2878 of 2880 minutes since 2025-03-01, 2 are missing with a reason"
    )  # fmt: skip


def test_a_reason_of_one_day_excuses_nothing_of_another(coin, market, warehouse):
    warehouse.candles(coin.future, trading(LISTED, EXPIRES, seed=1).without(0, 1, 2, 700, 1500, 1501, 1502))
    warehouse.publish(coin.future)
    coin.waive(FIRST)
    assert criteria(market)["AC-007"] == (
        False, 1, 0, "2873 of 2880 minutes since 2025-03-01, 4 are missing with a reason, "
        "3 are missing without a reason, of 1 contracts: BTC-3MAR25"
    )  # fmt: skip


def test_what_is_waived_in_the_month_that_is_not_over_takes_nothing_from_the_months_before(coin, market, warehouse):
    coin.store(coin.future)
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begins, ends = month - timedelta(days=1), month + timedelta(days=1)
    lasting = warehouse.instrument("BTC-LASTING", begins, month + timedelta(days=90))
    warehouse.candles(lasting, trading(begins, ends, seed=1).without(0, 1, 2000))
    warehouse.publish(coin.future, lasting)
    coin.waive(month.date(), subject="BTC-LASTING")
    assert criteria(market)["AC-007"] == (
        True, 2, 2, "4318 of 4320 minutes since 2025-03-01, 2 are missing with a reason"
    )  # fmt: skip


def test_what_is_waived_before_2019_takes_nothing_from_the_years_after(coin, market, warehouse):
    begins, ends = at("2018-12-31"), at("2019-01-01", 480)
    early = warehouse.instrument("BTC-1JAN19", begins, ends)
    coin.store(coin.future)
    warehouse.candles(early, trading(begins, ends, seed=1).without(700, 1500))
    warehouse.publish(coin.future, early)
    for day in (date(2018, 12, 31), date(2019, 1, 1)):
        coin.waive(day, subject="BTC-1JAN19")
    assert criteria(market)["AC-007"] == (
        True, 2, 2, "3359 of 3360 minutes since 2019-01-01, 1 are missing with a reason"
    )  # fmt: skip


@pytest.mark.parametrize(("waited", "excused"), [(720, 720), (721, 0)])
def test_a_first_candle_that_is_long_in_coming_may_be_a_lost_beginning(coin, market, warehouse, waited, excused):
    coin.store(coin.future, without=tuple(range(waited)))
    warehouse.publish(coin.future)
    passed, _, _, observed = criteria(market)["AC-007"]
    assert passed == bool(excused)
    assert f"{waited} are missing {'with a reason' if excused else 'without a reason'}" in observed
    coin.find("futures_ohlcv", "BTC-3MAR25", "first-candle-soon", severity="warning")
    assert criteria(market)["AC-007"][0] == bool(excused), "the gate doubts it, too"
    coin.waive(FIRST, "first-candle-soon")
    assert criteria(market)["AC-007"] == (
        True, 1, 1, f"{2880 - waited} of 2880 minutes since 2025-03-01, {waited} are missing with a reason"
    )  # fmt: skip


def test_a_waived_day_is_missing_with_a_reason_but_not_where_it_is_held_back(coin, market, warehouse):
    warehouse.candles(coin.future, trading(LISTED, at(FIRST, 1440), seed=1))
    warehouse.publish(coin.future)
    coin.waive(LAST)
    assert criteria(market)["AC-007"] == (
        True, 1, 1, "1440 of 2880 minutes since 2025-03-01, 1440 are missing with a reason"
    )  # fmt: skip
    warehouse.candles(coin.future, trading(at(LAST), EXPIRES, seed=1).without(700))
    warehouse.hold(CANDLE_DAY, [key for key in warehouse.newest(coin.future) if key[1] == LAST])
    assert criteria(market)["AC-007"][0] is False


def test_a_contract_that_never_traded_is_named_where_the_exchange_and_the_gate_said_so(coin, market, warehouse):
    silent = warehouse.instrument("BTC-2MAR25", LISTED, at(LAST, 480))
    coin.store()
    warehouse.publish(coin.perpetual, coin.future)
    without = "1920 are missing without a reason, of 1 contracts: BTC-2MAR25"

    def asked(begins: datetime, ends: datetime) -> tuple:
        with warehouse.connection.transaction():
            record_fetched(warehouse.connection, silent, "candles", ms(begins), ms(ends))
        warehouse.validate(FUTURES_OHLCV, LISTED, EXPIRES)
        return criteria(market)["AC-007"]

    assert asked(LISTED, at(LAST, 479)) == (False, 2, 1, f"2880 of 4800 minutes since 2025-03-01, {without}")
    assert asked(at(LAST, 479), at(LAST, 480)) == (
        True, 2, 2, "2880 of 4800 minutes since 2025-03-01, 1920 are missing with a reason, "
        "the exchange has no candle of 1 contracts: BTC-2MAR25"
    )  # fmt: skip
    warehouse.connection.execute("DELETE FROM store.quarantine")
    assert criteria(market)["AC-007"] == (False, 2, 1, f"2880 of 4800 minutes since 2025-03-01, {without}")


def test_candles_that_were_there_and_are_gone_are_no_contract_that_never_traded(coin, market):
    coin.complete()
    with psycopg.connect(market.dsn("market_owner"), autocommit=True) as connection:
        connection.execute("DELETE FROM store.candle_day WHERE instrument_id = %s", [coin.future])
    assert criteria(market)["AC-007"] == (
        False, 1, 0, "0 of 2880 minutes since 2025-03-01, 2880 are missing without a reason, of 1 contracts: BTC-3MAR25"
    )  # fmt: skip


UNREAD = "the futures of BTC were never read in full"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DELETE FROM store.catalogue_reading WHERE host = 'history'", UNREAD),
        ("UPDATE store.catalogue_reading SET kind = 'option' WHERE host = 'live' AND expired", UNREAD),
        (
            "UPDATE store.catalogue_reading SET read_at = date_trunc('month', now(), 'UTC') - interval '12 hours' "
            "WHERE host = 'live' AND NOT expired",
            "the futures of BTC were last read in full on {last_day}",
        ),
        (
            "INSERT INTO store.unreadable_instrument (currency, kind, host, expired, subject, cause) "
            "VALUES ('BTC', 'future', 'history', true, 'BTC-4MAR25', 'it has no expiry')",
            "1 rows of the futures of BTC can't be read: BTC-4MAR25",
        ),
    ],
)
def test_what_should_exist_is_not_known_of_a_catalogue_that_was_not_read_since_the_month_ended(
    coin, market, warehouse, change, why
):
    coin.complete()
    warehouse.connection.execute(change)
    told = criteria(market)
    assert {name for name, (passed, *_) in told.items() if not passed} == {"AC-007", "AC-008", "AC-010", "AC-011"}
    last_day = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    for name in ("AC-007", "AC-008", "AC-010", "AC-011"):
        assert told[name][3].endswith(f", the catalogue is not complete: {why.format(last_day=last_day)}")
    coin.read_catalogue()
    assert all(passed for passed, *_ in criteria(market).values())


def test_of_what_is_not_collected_or_no_future_the_catalogue_may_lack_anything(coin, market, warehouse):
    coin.complete()
    warehouse.connection.execute(
        "INSERT INTO store.unreadable_instrument (currency, kind, host, expired, subject, cause) "
        "VALUES ('BTC', 'option', 'live', false, 'x', 'y'), ('SOL', 'future', 'live', false, 'x', 'y')"
    )
    assert all(passed for passed, *_ in criteria(market).values())


def test_a_basis_is_asked_for_from_the_first_candle_on(coin, market, warehouse):
    coin.store(coin.perpetual)
    late = trading(LISTED, EXPIRES, seed=1).without(*range(15))
    warehouse.candles(coin.future, late.without(2140, 2141))
    warehouse.publish(coin.perpetual, coin.future)
    coin.compute()
    days, gap = "days complete, 2025-03-01 to 2025-03-02", "first gap 2025-03-02: 2 of 1,440 minutes missing"
    left_out = "minutes left out whose candles are missing with a reason"
    assert criteria(market)["AC-008"] == (False, 2865, 2863, f"1 of 2 {days}, 15 {left_out}, {gap}")
    coin.waive(LAST)
    assert criteria(market)["AC-008"] == (True, 2863, 2863, f"2 of 2 {days}, 17 {left_out}")
    warehouse.candles(coin.future, late)
    warehouse.publish(coin.future)
    coin.compute()
    assert criteria(market)["AC-008"] == (True, 2865, 2865, f"2 of 2 {days}, 15 {left_out}")


def test_a_basis_is_not_excused_by_minutes_of_another_contract(coin, market, warehouse):
    coin.complete()
    late = warehouse.instrument("BTC-4MAR25", LISTED, EXPIRES)
    warehouse.candles(late, trading(LISTED, EXPIRES, seed=5).without(*range(15)))
    warehouse.publish(late)
    coin.compute()
    assert criteria(market)["AC-008"][:3] == (True, 5745, 5745)
    warehouse.connection.execute("UPDATE store.basis_day SET minutes = 1430 WHERE instrument_id = %s", [coin.future])
    assert criteria(market)["AC-008"][:3] == (False, 5745, 5725)


def test_the_minutes_of_an_index_are_counted_by_their_sources(coin, market, warehouse):
    coin.complete()
    whole = "2 of 2 days complete, 2025-03-01 to 2025-03-02"
    counted = "minutes by source: funding_history 48, perpetual_proxy 2832"
    assert criteria(market)["AC-011"] == (True, 2880, 2880, f"{whole}, {counted}")
    points = [at(FIRST, minute) for minute in range(100, 131)]
    with warehouse.connection.transaction():
        store_chart(
            warehouse.connection, np.array([ms(point) for point in points], np.int64), np.full(31, 50_000.0),
            Provenance("index_prices", "btc_usd", HOST, "run"),
        )  # fmt: skip
    coin.compute()
    counted = "minutes by source: funding_chart 30, funding_history 48, perpetual_proxy 2802"
    assert criteria(market)["AC-011"] == (True, 2880, 2880, f"{whole}, {counted}")
    by_source = "SELECT source, {} FROM {} GROUP BY 1 ORDER BY 1"
    assert warehouse.rows(by_source.format("sum(minutes)", "store.index_day_source")) == warehouse.rows(
        by_source.format("count(*)", "index_prices")
    )


def test_an_index_that_nothing_but_the_perpetual_tells_says_so(coin, market, warehouse):
    coin.store()
    warehouse.publish(coin.perpetual, coin.future)
    coin.compute()
    passed, _, _, observed = criteria(market)["AC-011"]
    assert passed and observed.endswith("minutes by source: perpetual_proxy 2880")


def test_minutes_that_neither_index_nor_perpetual_has_fail_their_criterion(coin, market, warehouse):
    coin.store(coin.perpetual, without=(700, 701, 719))
    warehouse.publish(coin.perpetual)
    coin.fund(without=(12,))
    coin.compute()
    assert criteria(market)["AC-011"] == (
        False, 2880, 2877, "1 of 2 days complete, 2025-03-01 to 2025-03-02, "
        "minutes by source: funding_history 47, perpetual_proxy 2830, first gap 2025-03-01: 3 of 1,440 minutes missing"
    )  # fmt: skip


def test_a_day_with_one_minute_is_no_day(coin, market, warehouse):
    coin.store(coin.future, without=tuple(range(1, 1440)))
    warehouse.publish(coin.future)
    assert criteria(market)["AC-007"][:3] == (False, 1, 0)


def test_an_hour_or_a_minute_that_is_gone_fails_its_criterion(coin, market, warehouse):
    coin.store()
    warehouse.publish(coin.perpetual, coin.future)
    coin.fund(without=(30,))
    coin.compute()
    told = criteria(market)
    assert told["AC-010"][:3] == (False, 48, 47)
    assert told["AC-007"][0] and told["AC-008"][0] and told["AC-011"][0], "the perpetual stands in for the index"


def test_futures_that_take_more_than_the_limit_do_not_pass(coin, market):
    coin.complete()
    passed, limit, found, _ = criteria(market)["AC-009"]
    assert passed and limit == 1_500_000_000 and 0 < found < limit
    statement = (sql.FOLDER / "report/acceptance/ac_009.sql").read_text()
    with psycopg.connect(market.dsn("market_reader")) as connection:
        [row] = connection.execute(statement.replace("1500000000", str(found - 1))).fetchall()
        assert row[:4] == (False, "bytes", found - 1, found)
        [row] = connection.execute(statement.replace("1500000000", str(found))).fetchall()
        assert row[:4] == (True, "bytes", found, found)


def test_what_began_before_the_collection_is_missing_too(coin, market, warehouse):
    coin.complete()
    warehouse.connection.execute("UPDATE store.collected SET since = %s", [at(LAST)])
    told = criteria(market)
    assert {name for name, (passed, *_) in told.items() if not passed} == {"AC-008", "AC-010", "AC-011"}
    assert told["AC-010"][3] == (
        "1 of 1 days complete, 2025-03-02 to 2025-03-02, collected from 2025-03-02 only: 1 began earlier"
    )


def test_the_report_tells_of_one_moment_and_leaves_the_connection_as_it_was(coin, market):
    coin.complete()
    with psycopg.connect(market.dsn("market_reader")) as connection:
        report = completion_report(connection, DATASETS)
        assert connection.isolation_level is None and connection.read_only is None
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    futures = next(row for row in report["datasets"] if row["dataset"] == "futures_ohlcv")
    assert (futures["instruments"], futures["rows"], futures["coverage_percent"]) == (1, 2880, 100)
    assert (futures["first_day"], futures["last_day"], futures["days"]["available"]) == (FIRST, LAST, 2)
    assert futures["bytes"] > 0
    assert [row["dataset"] for row in report["datasets"]] == [d.name for d in DATASETS if d.table]
