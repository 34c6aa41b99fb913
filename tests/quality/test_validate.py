"""What the gate decides, and that nothing passes because it could not be checked."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.quality.suites import Waiver
from deribit_warehouse.quality.validate import (
    FAILED_SUBJECTS,
    KEPT_KEYS,
    BrokenRule,
    Validation,
    ValidationError,
    brief_result,
    decide,
    result_of_day,
    stored_result,
    validate,
)

from .conftest import CLEAN

DAYS = [("BTC-PERPETUAL", date(2025, 6, n)) for n in range(1, 21)]


def validated(*broken: BrokenRule, subjects: dict[str, int] | None = None) -> Validation:
    """A validation of twenty days of one perpetual, or of the rows of each subject."""
    subjects = subjects or {"BTC-PERPETUAL": 20}
    rows = sum(subjects.values())
    return Validation(
        "perpetuals_ohlcv", "perpetuals_ohlcv", "digest", rows, list(broken), {"meta": {"dataset": "x"}}, subjects
    )


def days_of(*instruments: str, days: int = 20) -> list[tuple]:
    return [(instrument, date(2025, 6, 1) + timedelta(days=n)) for instrument in instruments for n in range(days)]


def breaks(rule: str, severity: str, keys: list[tuple], observed: list | None = None) -> BrokenRule:
    return BrokenRule(rule, severity, rule, "column", keys, observed or [1] * len(keys))


def waiver(rule: str, key: tuple, dataset: str = "perpetuals_ohlcv") -> Waiver:
    return Waiver(dataset, key[0], key[1], key[1], rule, "known and harmless", "a reviewer")


def outcome(*broken: BrokenRule, waivers=(), share: float = 0.1) -> str:
    return decide(validated(*broken), waivers=waivers, tolerated_share=share).outcome


def test_nothing_broken_passes():
    decision = decide(validated(), waivers=[], tolerated_share=0.1)
    assert (decision.outcome, decision.quarantined, decision.warnings, decision.blocked_because) == (
        "passed", [], [], [],
    )  # fmt: skip


def test_a_critical_row_is_quarantined_and_named():
    decision = decide(validated(breaks("no-spike", "critical", DAYS[:1], [7])), waivers=[], tolerated_share=0.1)
    assert decision.outcome == "quarantined"
    (finding,) = decision.quarantined
    assert (finding.key, finding.rule, finding.severity, finding.observed) == (DAYS[0], "no-spike", "critical", 7)
    assert decision.quarantined_keys == [DAYS[0]]


def test_a_row_that_breaks_two_rules_is_one_row_held_back():
    broken = [breaks("no-spike", "critical", DAYS[:2]), breaks("high-low-bound", "critical", DAYS[1:2])]
    decision = decide(validated(*broken), waivers=[], tolerated_share=0.1)
    assert decision.outcome == "quarantined"
    assert len(decision.quarantined) == 3
    assert decision.quarantined_keys == DAYS[:2]


def test_two_expectations_of_a_rule_quarantine_a_row_once():
    broken = [breaks("profile-complete", "critical", DAYS[:1]), breaks("profile-complete", "critical", DAYS[:1])]
    assert len(decide(validated(*broken), waivers=[], tolerated_share=0.1).quarantined) == 1


@pytest.mark.parametrize(("bad", "expected"), [(1, "quarantined"), (2, "quarantined"), (3, "blocked"), (20, "blocked")])
def test_more_than_the_tolerated_share_blocks(bad, expected):
    assert outcome(breaks("no-spike", "critical", DAYS[:bad])) == expected


TWO = {"BTC-PERPETUAL": 20, "ETH-PERPETUAL": 20}


def test_one_failed_perpetual_of_two_does_not_keep_the_other_from_being_published():
    broken = validated(breaks("near-reference", "critical", days_of("BTC-PERPETUAL")), subjects=TWO)
    decision = decide(broken, waivers=[], tolerated_share=0.1)
    assert (decision.outcome, decision.quarantined_keys) == ("quarantined", days_of("BTC-PERPETUAL"))


def test_a_source_that_is_broken_for_both_of_two_blocks_and_says_for_how_many():
    broken = validated(breaks("near-reference", "critical", days_of(*TWO)), subjects=TWO)
    decision = decide(broken, waivers=[], tolerated_share=0.1)
    assert decision.outcome == "blocked"
    assert decision.blocked_because == [
        "40 of 40 rows broke a critical rule, and 2 of 2 failed in more than the tolerated 10% of their rows: "
        "near-reference"
    ]


@given(others=st.integers(1, 1_200), days=st.integers(1, 31), share=st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_one_that_fails_never_blocks_its_neighbours_and_all_that_fail_always_do(others, days, share):
    names = [f"COIN{n}-PERPETUAL" for n in range(others + 1)]
    subjects = dict.fromkeys(names, days)

    def outcome_of(failed: list[str]) -> str:
        broken = breaks("near-reference", "critical", days_of(*failed, days=days))
        return decide(validated(broken, subjects=subjects), waivers=[], tolerated_share=share).outcome

    assert outcome_of(names[:1]) == "quarantined"
    assert outcome_of(names) == "blocked"


@given(subjects=st.integers(2, 1_200), data=st.data())
def test_a_batch_is_blocked_by_how_many_failed_and_by_no_short_life(subjects, data):
    """Every row of some instruments is bad: blocked from the tenth on, and never under the floor."""
    names = [f"COIN{n}-PERPETUAL" for n in range(subjects)]
    failed = data.draw(st.integers(1, min(subjects, 2 + subjects // 5)))
    broken = breaks("near-reference", "critical", days_of(*names[:failed], days=2))
    found = decide(validated(broken, subjects=dict.fromkeys(names, 2)), waivers=[], tolerated_share=0.1).outcome
    enough = failed > subjects / 10 and failed >= min(FAILED_SUBJECTS, subjects)
    assert found == ("blocked" if enough else "quarantined")


def by_name(*instruments: str) -> BrokenRule:
    return replace(breaks("market-known", "critical", days_of(*instruments)), by_name=True)


COINS = {f"COIN{n}-PERPETUAL": 20 for n in range(60)}


@pytest.mark.parametrize("others", [1, 7, 40, 600])
def test_what_is_held_by_name_does_not_block_the_rest_however_much_it_is(others):
    unknown = [f"STOCK{n}-PERPETUAL" for n in range(others)]
    subjects = COINS | dict.fromkeys(unknown, 20)
    broken = [by_name(*unknown), breaks("no-spike", "critical", days_of(*unknown, days=3))]
    decision = decide(validated(*broken, subjects=subjects), waivers=[], tolerated_share=0.1)
    assert (decision.outcome, decision.blocked_because) == ("quarantined", [])
    assert set(decision.quarantined_keys) == set(days_of(*unknown)), "it is held all the same"


def test_a_source_that_is_broken_for_the_rest_blocks_measured_among_the_rest():
    unknown = [f"STOCK{n}-PERPETUAL" for n in range(600)]
    subjects = COINS | dict.fromkeys(unknown, 20)
    for failed, expected in ((6, "quarantined"), (7, "blocked")):
        spikes = breaks("no-spike", "critical", days_of(*list(COINS)[:failed]))
        decision = decide(validated(by_name(*unknown), spikes, subjects=subjects), waivers=[], tolerated_share=0.1)
        assert decision.outcome == expected
    assert decision.blocked_because == [
        "140 of 1200 rows broke a critical rule, and 7 of 60 failed in more than the tolerated 10% of their rows: "
        "no-spike"
    ]


def test_a_contract_of_which_some_rows_are_held_by_name_is_measured_by_its_others():
    two = [("A-PERPETUAL", day) for _, day in DAYS[:15]]
    broken = [replace(breaks("market-known", "critical", two), by_name=True)]
    rest = [("A-PERPETUAL", day) for _, day in DAYS[15:]]
    assert decide(validated(*broken, subjects={"A-PERPETUAL": 20}), waivers=[], tolerated_share=0.1).outcome == (
        "quarantined"
    )
    broken.append(breaks("no-spike", "critical", rest[:1]))
    assert decide(validated(*broken, subjects={"A-PERPETUAL": 20}), waivers=[], tolerated_share=0.1).outcome == (
        "blocked"
    )


def test_contracts_of_unknown_underlyings_are_held_by_name_and_block_nobody(clean, validate):
    profile = clean("perpetuals_ohlcv")
    names = profile.instrument.unique()
    many = pd.concat([profile.assign(instrument=f"STOCK{n}-PERPETUAL", underlying_type="equity") for n in range(4)])
    decision = decide(
        validate("perpetuals_ohlcv", pd.concat([profile, many], ignore_index=True)), waivers=[], tolerated_share=0.1
    )
    assert decision.outcome == "quarantined"
    assert {finding.rule for finding in decision.quarantined} == {"market-known"}
    assert {name for name, _ in decision.quarantined_keys}.isdisjoint(names)


def test_short_lives_that_fail_do_not_block_what_lives_long():
    """Half of the contracts are dailies with a bad day each: many that failed, and few rows."""
    dailies = [f"BTC-{n}JUN25" for n in range(1, 11)]
    lives = dict.fromkeys(dailies, 1) | {f"BTC-Q{n}": 30 for n in range(10)}
    broken = breaks("near-reference", "critical", days_of(*dailies, days=1))
    assert decide(validated(broken, subjects=lives), waivers=[], tolerated_share=0.1).outcome == "quarantined"


def test_one_bad_day_of_everything_is_a_bad_day():
    names = [f"BTC-Q{n}" for n in range(100)]
    broken = breaks("near-reference", "critical", days_of(*names, days=3))
    assert decide(validated(broken, subjects=dict.fromkeys(names, 31)), waivers=[], tolerated_share=0.1).outcome == (
        "quarantined"
    )


def test_the_rows_of_each_subject_are_counted(clean, validate):
    assert validate("perpetuals_ohlcv", clean("perpetuals_ohlcv")).subjects == {"BTC-PERPETUAL": 20}


def test_nothing_is_tolerated_at_a_share_of_zero_and_anything_at_one():
    assert outcome(breaks("no-spike", "critical", DAYS[:1]), share=0) == "blocked"
    assert outcome(breaks("no-spike", "critical", DAYS), share=1) == "quarantined"


def test_a_rule_about_the_batch_blocks_and_says_why():
    broken = BrokenRule("rows-present", "critical", "At least one row", "", [], [0])
    decision = decide(validated(broken), waivers=[], tolerated_share=1.0)
    assert decision.outcome == "blocked"
    assert decision.blocked_because == ["rows-present: expected: At least one row; observed: 0"]


@pytest.mark.parametrize("severity", ["fatal", "", "CRITICAL", "None"])
def test_an_unknown_severity_is_critical(severity):
    assert outcome(breaks("no-spike", severity, DAYS[:1])) == "quarantined"
    assert outcome(BrokenRule("rows-present", severity, "d", "", [], [0])) == "blocked"


def test_warnings_are_recorded_and_hold_nothing_back():
    decision = decide(
        validated(breaks("move-usual", "warning", DAYS), BrokenRule("few", "warning", "d", "", [], [1])),
        waivers=[],
        tolerated_share=0.0,
    )
    assert (decision.outcome, decision.quarantined, len(decision.warnings)) == ("warned", [], 21)


def test_info_is_no_warning():
    assert outcome(breaks("index-true", "info", DAYS)) == "passed"


def test_a_waived_row_is_published_and_recorded_with_its_reason():
    decision = decide(
        validated(breaks("no-spike", "critical", DAYS[:2])), waivers=[waiver("no-spike", DAYS[0])], tolerated_share=0.1
    )
    assert decision.quarantined_keys == [DAYS[1]]
    assert [(found.key, found.waived_reason) for found in decision.waived] == [(DAYS[0], "known and harmless")]


def test_only_waived_rows_warn():
    assert outcome(breaks("no-spike", "critical", DAYS[:1]), waivers=[waiver("no-spike", DAYS[0])]) == "warned"


def test_waived_rows_do_not_count_against_the_tolerated_share():
    broken = breaks("no-spike", "critical", DAYS[:3])
    assert outcome(broken) == "blocked"
    assert outcome(broken, waivers=[waiver("no-spike", DAYS[0])]) == "quarantined"


def test_a_row_waived_for_one_rule_is_held_back_for_another():
    broken = [breaks("no-spike", "critical", DAYS[:1]), breaks("high-low-bound", "critical", DAYS[:1])]
    decision = decide(validated(*broken), waivers=[waiver("no-spike", DAYS[0])], tolerated_share=0.1)
    assert [found.rule for found in decision.quarantined] == ["high-low-bound"]


def test_no_waiver_opens_a_blocked_batch():
    broken = BrokenRule("keys-unique", "critical", "d", "", [], [DAYS[0]])
    assert outcome(broken, waivers=[waiver("keys-unique", DAYS[0])]) == "blocked"


def test_a_waiver_that_matches_nothing_is_harmless():
    assert outcome(waivers=[waiver("no-spike", DAYS[0]), waiver("no-spike", DAYS[1], dataset="gone")]) == "passed"


def test_a_warning_can_be_waived_too():
    decision = decide(
        validated(breaks("move-usual", "warning", DAYS[:1])),
        waivers=[waiver("move-usual", DAYS[0])],
        tolerated_share=0.1,
    )
    assert (decision.outcome, decision.warnings, len(decision.waived)) == ("warned", [], 1)


def test_an_hour_is_waived_by_its_day():
    hour = ("BTC-PERPETUAL", datetime(2025, 6, 4, 7, tzinfo=UTC))
    broken = replace(validated(breaks("hours-complete", "critical", [hour])), dataset="funding_rates")
    covering = waiver("hours-complete", ("BTC-PERPETUAL", date(2025, 6, 4)), dataset="funding_rates")
    assert decide(broken, waivers=[covering], tolerated_share=0.0).outcome == "warned"


@pytest.mark.parametrize(("ts_is_end", "day"), [(False, 4), (True, 3)])
def test_midnight_is_waived_by_the_day_that_the_dataset_counts_it_to(ts_is_end, day):
    midnight = ("BTC-PERPETUAL", datetime(2025, 6, 4, tzinfo=UTC))
    broken = replace(validated(breaks("hours-complete", "critical", [midnight])), dataset="funding_rates")
    for waived in (3, 4):
        covering = waiver("hours-complete", ("BTC-PERPETUAL", date(2025, 6, waived)), dataset="funding_rates")
        decision = decide(broken, waivers=[covering], tolerated_share=1.0, ts_is_end=ts_is_end)
        assert decision.outcome == ("warned" if waived == day else "quarantined")


# Asking


def test_an_empty_profile_can_not_pass(clean, suite_of):
    suite = suite_of("perpetuals_ohlcv")
    with pytest.raises(ValidationError, match="june: the profile for perpetuals_ohlcv is empty"):
        validate(clean("perpetuals_ohlcv").iloc[:0], suite, keys=suite.keys, run_name="june")


def test_other_keys_than_the_suites_are_refused(clean, suite_of):
    with pytest.raises(ValidationError, match=r"\['instrument'\], suite"):
        validate(clean("perpetuals_ohlcv"), suite_of("perpetuals_ohlcv"), keys=["instrument"], run_name="june")


def test_a_profile_without_its_keys_is_refused(clean, suite_of):
    suite = suite_of("perpetuals_ohlcv")
    with pytest.raises(ValidationError, match=r"lacks its key columns \['day'\]"):
        validate(clean("perpetuals_ohlcv").drop(columns="day"), suite, keys=suite.keys, run_name="june")


def test_a_column_the_profile_lacks_blocks(clean, validate):
    validation = validate("perpetuals_ohlcv", clean("perpetuals_ohlcv").drop(columns="refuted_spike_minutes"))
    assert {broken.rule for broken in validation.broken} == {"no-spike", "profile-complete"}
    for broken in validation.broken:
        assert (broken.severity, broken.keys) == ("critical", [])
        assert 'column "refuted_spike_minutes"' in broken.observed[0]
    decision = decide(validation, waivers=[], tolerated_share=1.0)
    assert decision.outcome == "blocked"
    assert any("refuted_spike_minutes" in cause for cause in decision.blocked_because)


def test_a_warning_that_could_not_be_checked_blocks_too(clean, validate):
    validation = validate("perpetuals_ohlcv", clean("perpetuals_ohlcv").drop(columns="largest_move_ratio"))
    assert [(broken.rule, broken.severity) for broken in validation.broken] == [("move-in-proportion", "critical")]
    assert decide(validation, waivers=[], tolerated_share=1.0).outcome == "blocked"


def test_values_that_can_not_be_compared_block(clean, validate):
    profile = clean("perpetuals_ohlcv").assign(refuted_spike_minutes="none at all")
    validation = validate("perpetuals_ohlcv", profile)
    assert ("no-spike", "critical", []) in [(each.rule, each.severity, each.keys) for each in validation.broken]
    assert decide(validation, waivers=[], tolerated_share=1.0).outcome == "blocked"


@pytest.fixture
def with_parameter(suite_of):
    suite = suite_of("perpetuals_ohlcv")
    rule = {
        "type": "expect_table_row_count_to_equal",
        "severity": "critical",
        "description": "As many rows as planned",
        "kwargs": {"value": {"$PARAMETER": "planned"}},
        "meta": {"rule": "rows-as-planned", "why": "A test's.", "scope": "table"},
    }
    return replace(suite, expectations=(rule,))


def test_a_parameter_is_taken_from_the_call(clean, with_parameter):
    def run(**parameters):
        return validate(
            clean("perpetuals_ohlcv"), with_parameter, keys=with_parameter.keys, run_name="june", parameters=parameters
        )

    assert run(planned=20).broken == []
    (broken,) = run(planned=21).broken
    assert (broken.rule, broken.keys, broken.observed) == ("rows-as-planned", [], [20])


def test_a_missing_parameter_can_not_pass(clean, with_parameter):
    try:
        validation = validate(clean("perpetuals_ohlcv"), with_parameter, keys=with_parameter.keys, run_name="june")
    except ValidationError as error:
        assert "planned" in str(error)
    else:
        assert decide(validation, waivers=[], tolerated_share=1.0).outcome == "blocked"


def test_an_answer_that_leaves_out_an_expectation_is_refused(clean, suite_of, monkeypatch):
    from great_expectations.core import ExpectationSuiteValidationResult

    suite = suite_of("perpetuals_ohlcv")
    short = ExpectationSuiteValidationResult(success=True, results=[], suite_name="x", statistics={}, meta={})
    monkeypatch.setattr("deribit_warehouse.quality.validate._run", lambda *_: short)
    with pytest.raises(ValidationError, match="answered 0 of them"):
        validate(clean("perpetuals_ohlcv"), suite, keys=suite.keys, run_name="june")


@pytest.mark.parametrize("lacks_a_column", [False, True])
@pytest.mark.parametrize("dataset", sorted(CLEAN))
def test_what_great_expectations_does_less_often_changes_no_result(
    dataset, lacks_a_column, clean, suite_of, monkeypatch
):
    """Row by row another column says something no rule can like."""
    suite, profile = suite_of(dataset), clean(dataset)
    values = [column for column in profile.columns if column not in suite.keys]
    wrong = profile.astype(dict.fromkeys(values, object))
    for place, column in enumerate(values):
        wrong.loc[place % len(wrong), column] = -5 if pd.api.types.is_numeric_dtype(profile[column]) else None
    wrong = wrong.drop(columns=values[:1]) if lacks_a_column else wrong

    def result() -> dict:
        with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False):
            return validate(wrong, suite, keys=suite.keys, run_name="june").result

    with monkeypatch.context() as patched:
        patched.setattr("deribit_warehouse.quality.validate._repeating_less", nullcontext)
        as_great_expectations_does = result()
    assert not as_great_expectations_does["success"]
    assert result() == as_great_expectations_does


# What is stored


def test_the_stored_result_is_json_that_postgres_takes(clean, validate):
    profile = clean("futures_ohlcv").assign(largest_move=math.inf, reference_distance=math.nan)
    validation = validate("futures_ohlcv", profile, meta={"interval_from": "2025-06-01"})
    text = json.dumps(validation.result, allow_nan=False)
    assert '"Infinity"' in text
    meta = json.loads(text)["meta"]
    assert (meta["dataset"], meta["run_name"], meta["rows"], meta["interval_from"], meta["suite_version"]) == (
        "futures_ohlcv", "futures_ohlcv · test", 20, "2025-06-01", 1,
    )  # fmt: skip
    assert datetime.fromisoformat(meta["validated_at"]).tzinfo is not None


def test_the_stored_result_names_no_folder_of_the_machine(clean, validate):
    validation = validate("perpetuals_ohlcv", clean("perpetuals_ohlcv").drop(columns="refuted_spike_minutes"))
    assert "Traceback" not in json.dumps(validation.result)


def test_quarantine_names_every_row_where_the_stored_result_is_cut(clean, validate):
    validation = validate("perpetuals_ohlcv", clean("perpetuals_ohlcv", 500).assign(refuted_spike_minutes=1))
    (broken,) = validation.broken
    assert len(broken.keys) == 500
    (stored,) = [each for each in validation.result["results"] if not each["success"]]
    assert len(stored["result"]["unexpected_index_list"]) == KEPT_KEYS
    assert stored["result"]["unexpected_count"] == 500


def test_what_was_decided_is_recorded_with_the_result():
    validation = validated(breaks("no-spike", "critical", DAYS[:2]), breaks("no-spike-2", "critical", DAYS[:1]))
    decision = decide(validation, waivers=[], tolerated_share=0.1)
    meta = stored_result(validation, decision, dag_id="deribit_perpetuals_ohlcv")["meta"]
    assert (meta["outcome"], meta["quarantined_rows"], meta["dag_id"], meta["dataset"]) == (
        "quarantined", 2, "deribit_perpetuals_ohlcv", "x",
    )  # fmt: skip
    assert "outcome" not in validation.result["meta"]


def test_where_everything_holds_nothing_is_kept_of_a_snapshots_result(clean, validate):
    validation = validate("options_chain", clean("options_chain"))
    assert brief_result(validation, decide(validation, waivers=[], tolerated_share=1)) is None


def brief(clean, validate, **fault) -> dict:
    """What is kept of a chain whose fourth expiry has a fault."""
    profile = clean("options_chain").astype(object)
    for column, value in fault.items():
        profile.at[3, column] = value
    validation = validate("options_chain", profile)
    return brief_result(validation, decide(validation, waivers=[], tolerated_share=1), run_id="run")


def test_of_a_snapshots_result_only_what_broke_is_kept(clean, validate):
    result = brief(clean, validate, ivs_known=0.0, crossed="BTC-27JUN25-1-C: bid 2, ask 1")
    rules = [each["expectation_config"]["meta"]["rule"] for each in result["results"]]
    assert sorted(rules) == ["mark-ivs-known", "quotes-not-crossed"]
    assert result["meta"]["outcome"] == "quarantined" and result["meta"]["quarantined_rows"] == 1


def test_the_results_of_a_day_are_put_together(clean, validate):
    crossed = brief(clean, validate, crossed="BTC-27JUN25-1-C: bid 2, ask 1")
    both = brief(clean, validate, ivs_known=0.0, crossed="BTC-27JUN25-2-C: bid 2, ask 1")
    day = {
        "dataset": "options_chain", "suite": "options_chain", "day": date(2025, 6, 1), "rows": 5760, "quarantined": 1,
        "validated_at": datetime(2025, 6, 1, 23, 55, 2, tzinfo=UTC),
        "outcomes": {"passed": 286, "warned": 1, "quarantined": 1}, "results": [crossed, both],
    }  # fmt: skip
    result = result_of_day(day)
    assert result["meta"]["outcome"] == "quarantined"
    assert result["meta"]["validations"] == "1 quarantined, 1 warned, 286 passed"
    found = {each["expectation_config"]["meta"]["rule"]: each["result"] for each in result["results"]}
    assert found["quotes-not-crossed"]["unexpected_count"] == 2 and found["mark-ivs-known"]["unexpected_count"] == 1
    seen = [row["crossed"] for row in found["quotes-not-crossed"]["unexpected_index_list"]]
    assert seen == ["BTC-27JUN25-1-C: bid 2, ask 1", "BTC-27JUN25-2-C: bid 2, ask 1"]
    quiet = result_of_day(day | {"results": [], "outcomes": {"passed": 288}})
    assert (quiet["success"], quiet["results"], quiet["meta"]["outcome"]) == (True, [], "passed")


def test_a_digest_tells_suites_apart(suite_of):
    suite = suite_of("options_chain")
    assert suite.digest == replace(suite).digest != replace(suite, tolerated_share=0.5).digest
    assert suite.digest != suite_of("instrument_summaries").digest
