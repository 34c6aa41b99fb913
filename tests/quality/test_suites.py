"""What may be read from `expectations/`, and what is refused because it could pass by not being asked."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from deribit_warehouse.quality.suites import SuiteError, Waiver, day_of, read_outages, read_suite, read_waivers

RULE = {
    "type": "expect_column_values_to_be_between",
    "severity": "critical",
    "description": "No minute is missing",
    "kwargs": {"column": "missing_minutes", "max_value": 0},
    "meta": {"rule": "minutes-complete", "why": "A hole is ours."},
}
META = {"dataset": "perpetuals_ohlcv", "version": 3, "keys": ["instrument", "day"]}


@pytest.fixture
def write(tmp_path):
    def to_file(content) -> object:
        path = tmp_path / "file.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def suite_of(*rules, **meta) -> dict:
    return {"name": "perpetuals_ohlcv", "meta": {**META, **meta}, "expectations": list(rules)}


def test_a_suite_says_what_it_is(write):
    suite = read_suite(write(suite_of(RULE, tolerated_share=0.25, never_null=["day", "missing_minutes"])))
    assert (suite.dataset, suite.version, suite.tolerated_share, suite.keys) == (
        "perpetuals_ohlcv", 3, 0.25, ("instrument", "day"),
    )  # fmt: skip
    listed, day, minutes = suite.expectations
    assert listed["meta"]["scope"] == "key"
    assert (day["kwargs"], day["meta"]["scope"]) == ({"column": "day"}, "table")
    assert (minutes["kwargs"], minutes["meta"]["scope"]) == ({"column": "missing_minutes"}, "key")


def test_the_same_rules_may_be_asked_of_rows_that_other_columns_name(expectations):
    from deribit_warehouse.datasets import LIVE

    for dataset in LIVE:
        suite = read_suite(expectations / f"{dataset.suite}.json")
        live = suite.keyed(dataset.keys)
        assert live.keys == (suite.keys[0], "ts") and suite.keyed(suite.keys) == suite
        columns = {column for each in live.expectations for column in str(each["kwargs"]).split("'")}
        assert "ts" in columns and "day" not in columns
        assert [each["meta"] for each in live.expectations] == [each["meta"] for each in suite.expectations]
        assert live.to_gx() and live.keyed(suite.keys) == suite
        with pytest.raises(SuiteError, match="can't stand for"):
            suite.keyed(suite.keys[:1])


def test_a_tenth_is_tolerated_unless_the_suite_says_otherwise(write):
    assert read_suite(write(suite_of(RULE))).tolerated_share == 0.1


@pytest.mark.parametrize(
    "dataset",
    [
        "perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "index_prices", "basis_spread", "roll_calendar",
        "instruments",
    ],
)  # fmt: skip
def test_a_reviewed_suite_survives_great_expectations_own_serialisation(dataset, expectations):
    import great_expectations as gx

    suite = read_suite(expectations / f"{dataset}.json")
    assert suite.name == suite.dataset == dataset
    built = suite.to_gx()
    again = gx.ExpectationSuite(**json.loads(json.dumps(built.to_json_dict())))
    assert again == built
    assert [each.meta["rule"] for each in again.expectations] == [each["meta"]["rule"] for each in suite.expectations]
    assert [each.severity.value for each in again.expectations] == [each["severity"] for each in suite.expectations]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"type": "expect_column_values_to_be_splendid"}, "unknown expectation type 'expect_column_values_to_be_splen"),
        ({"severity": None}, "severity is None"),
        ({"severity": "fatal"}, "severity is 'fatal'"),
        ({"meta": {"why": "because"}}, "no meta.rule"),
        ({"meta": {"rule": " ", "why": "because"}}, "no meta.rule"),
        ({"meta": {"rule": "minutes-complete"}}, "no meta.why"),
        ({"description": ""}, "no description"),
        ({"meta": {**RULE["meta"], "scope": "universe"}}, "meta.scope is 'universe'"),
        ({"meta": {**RULE["meta"], "by_name": "yes"}}, "meta.by_name is 'yes'"),
        (
            {"meta": {**RULE["meta"], "by_name": True, "scope": "table"}},
            "meta.by_name is for a critical rule about rows",
        ),
        ({"meta": {**RULE["meta"], "by_name": True}, "severity": "warning"}, "meta.by_name is for a critical rule"),
        ({"kwargs": {"column": "missing_minutes", "max_value": 0, "mostly": 0.9}}, "uses mostly"),
        ({"kwargs": {"max_value": 0}}, "Great Expectations"),
        ({"kwargs": {"column": "missing_minutes", "maximum": 0}}, "Great Expectations"),
        ({"id": "6b3f003d-d97b-4649-ba23-3f4e30986297"}, "carries an id"),
    ],
)
def test_an_expectation_in_doubt_is_refused(write, change, cause):
    good = {**RULE, "meta": {"rule": "another", "why": "because"}}
    with pytest.raises(SuiteError, match=cause):
        read_suite(write(suite_of(good, {**RULE, **change})))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (suite_of(), "empty"),
        (suite_of(never_null=["day"]), "empty"),
        (suite_of(RULE, keys=[]), "keys is empty"),
        (suite_of(RULE, tolerated_share=1.5), "tolerated_share is 1.5"),
        (suite_of(RULE, {**RULE, "severity": "warning"}), "both critical and warning"),
        ({"name": "x", "expectations": [RULE]}, "not a suite: KeyError: 'meta'"),
        ([], "not a suite"),
        ("{", "not a suite: JSONDecodeError"),
    ],
)
def test_a_suite_in_doubt_is_refused(write, content, cause):
    with pytest.raises(SuiteError, match=cause):
        read_suite(write(content))


def test_a_suite_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SuiteError, match="nowhere.json"):
        read_suite(tmp_path / "nowhere.json")


def test_an_expectation_great_expectations_drops_is_noticed(write, monkeypatch):
    from great_expectations import ExpectationSuite
    from great_expectations.exceptions import InvalidExpectationConfigurationError

    suite = read_suite(write(suite_of(RULE)))

    def drop(self, expectation):
        raise InvalidExpectationConfigurationError("dropped")

    monkeypatch.setattr(ExpectationSuite, "_process_expectation", drop)
    with pytest.raises(SuiteError, match="kept 0 of 1"):
        suite.to_gx()


def test_importing_the_package_loads_neither_great_expectations_nor_pandas():
    code = (
        "import sys, deribit_warehouse.quality.validate, deribit_warehouse.quality.suites; "
        "import deribit_warehouse.quality.data_docs; "
        "print({'great_expectations', 'pandas', 'airflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": "plugins"})
    assert done.stdout.strip() == "set()", done.stderr


WAIVER = {
    "dataset": "futures_ohlcv",
    "instrument": "BTC-27SEP19",
    "from": "2019-09-03",
    "to": "2019-09-05",
    "rule": "no-spike",
    "reason": "Wrong candles the exchange never corrected; the rest of the day is needed.",
    "reviewed_by": "a reviewer",
}


def test_a_waiver_covers_its_instrument_rule_and_days_and_nothing_else(write):
    (waiver,) = read_waivers(write([WAIVER]))
    assert waiver == Waiver(
        "futures_ohlcv", "BTC-27SEP19", date(2019, 9, 3), date(2019, 9, 5), "no-spike", WAIVER["reason"], "a reviewer"
    )
    for day, covered in [(2, False), (3, True), (4, True), (5, True), (6, False)]:
        assert waiver.covers("futures_ohlcv", ("BTC-27SEP19", date(2019, 9, day)), "no-spike") is covered
    day = date(2019, 9, 4)
    assert waiver.covers("futures_ohlcv", ("BTC-27SEP19", datetime(2019, 9, 4, 7, tzinfo=UTC)), "no-spike")
    hours = [datetime(2019, 9, day, hour, tzinfo=UTC) for day, hour in ((3, 0), (3, 1), (6, 0), (6, 1))]
    for ts_is_end, wanted in ((False, [True, True, False, False]), (True, [False, True, True, False])):
        covered = [
            waiver.covers("futures_ohlcv", ("BTC-27SEP19", hour), "no-spike", ts_is_end=ts_is_end) for hour in hours
        ]
        assert covered == wanted
    assert waiver.covers("futures_ohlcv", ("BTC-27SEP19",), "no-spike")  # a catalogue row has no day
    assert not waiver.covers("perpetuals_ohlcv", ("BTC-27SEP19", day), "no-spike")
    assert not waiver.covers("futures_ohlcv", ("BTC-27DEC19", day), "no-spike")
    assert not waiver.covers("futures_ohlcv", ("BTC-27SEP19", day), "move-possible")
    assert not waiver.covers("futures_ohlcv", (), "no-spike")


@pytest.mark.parametrize(
    ("instant", "begun", "ended"),
    [
        (datetime(2019, 9, 4, tzinfo=UTC), 4, 3),
        (datetime(2019, 9, 4, 0, 0, 0, 1, tzinfo=UTC), 4, 4),
        (datetime(2019, 9, 4, 1, tzinfo=timezone(timedelta(hours=2))), 3, 3),
        (date(2019, 9, 4), 4, 4),
    ],
)
def test_an_instant_at_midnight_is_of_the_day_that_ends_there_where_it_is_an_end(instant, begun, ended):
    assert (day_of(instant), day_of(instant, ts_is_end=True)) == (date(2019, 9, begun), date(2019, 9, ended))


@pytest.mark.parametrize("field", sorted(WAIVER))
def test_a_waiver_says_what_why_and_who(write, field):
    with pytest.raises(SuiteError, match=field):
        read_waivers(write([WAIVER, {name: value for name, value in WAIVER.items() if name != field}]))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"reason": "  "}, "no reason"),
        ({"reviewed_by": None}, "no reviewed_by"),
        ({"to": "2019-09-02"}, "before it begins"),
        ({"from": "yesterday"}, "waiver 1"),
    ],
)
def test_a_waiver_in_doubt_is_refused(write, change, cause):
    with pytest.raises(SuiteError, match=cause):
        read_waivers(write([{**WAIVER, **change}]))


@pytest.mark.parametrize("content", ["{}", "[1]", "nonsense"])
def test_a_list_that_is_none_is_refused(write, content):
    for read in (read_waivers, read_outages):
        with pytest.raises(SuiteError):
            read(write(content))


def test_outages_come_in_order_and_in_utc(write):
    late = {"from": "2020-08-27T07:15:00+02:00", "to": "2020-08-27T09:27:00Z", "reason": "halt", "source": "notice"}
    early = {**late, "from": "2019-05-12T00:00:00Z", "to": "2019-05-14T00:00:00Z"}
    first, second = read_outages(write([late, early]))
    assert first.start == datetime(2019, 5, 12, tzinfo=UTC)
    assert (second.start, second.start.tzinfo) == (datetime(2020, 8, 27, 5, 15, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"from": "2020-08-27T05:15:00"}, "without a zone"),
        ({"to": "2020-08-27T05:15:00Z"}, "not after it begins"),
        ({"reason": ""}, "no reason"),
        ({"source": " "}, "no source"),
        ({"from": 5}, "outage 1"),
    ],
)
def test_an_outage_in_doubt_is_refused(write, change, cause):
    entry = {"from": "2020-08-27T05:15:00Z", "to": "2020-08-27T09:27:00Z", "reason": "halt", "source": "notice"}
    with pytest.raises(SuiteError, match=cause):
        read_outages(write([{**entry, **change}]))


def test_the_reviewed_lists_can_be_read(expectations):
    read_waivers(expectations / "waivers.json")
    halt = [o for o in read_outages(expectations / "known_outages.json") if o.start.year == 2020 and o.start.month == 8]
    assert [(o.end - o.start).total_seconds() / 60 for o in halt] == [480, 252]
