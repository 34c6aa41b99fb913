"""Each rule of each suite: a clean profile passes, and a fault breaks the rule made for it, for the row that has it."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from deribit_warehouse import datasets

DATASETS = [dataset.name for dataset in datasets.DATASETS if dataset.validated]

CANDLE_FAULTS = [
    ({"expected_minutes": 1441}, {"day-length"}),
    ({"expected_minutes": 0, "minutes": 0}, {"day-length"}),
    ({"missing_minutes": 1}, {"minutes-complete"}),
    ({"missing_minutes": -1}, {"minutes-complete"}),
    ({"minutes": 1441}, {"minutes-not-more-than-expected"}),
    ({"explained_minutes": 10}, {"minutes-explained"}),
    ({"waited_minutes": 1441}, {"first-candle-soon"}),
    ({"duplicate_minutes": 1}, {"minutes-not-doubled"}),
    ({"misaligned_minutes": 1}, {"minutes-aligned"}),
    ({"out_of_order_minutes": 1}, {"minutes-ordered"}),
    ({"out_of_window_minutes": 1}, {"minutes-inside-window"}),
    ({"not_finite_minutes": 1}, {"values-finite"}),
    ({"not_positive_minutes": 1}, {"prices-positive"}),
    ({"bounds_broken_minutes": 1}, {"high-low-bound"}),
    ({"negative_minutes": 1}, {"amounts-not-negative"}),
    ({"cost_without_volume_minutes": 1}, {"cost-with-volume"}),
    ({"cost_off_minutes": 1}, {"cost-matches-price-usual"}),
    ({"cost_inconsistent_minutes": 1}, {"cost-matches-price"}),
    ({"untraded_not_flat_minutes": 1}, {"untraded-flat"}),
    ({"fill_off_previous_minutes": 1}, {"fill-at-previous-close"}),
    ({"spike_minutes": 1}, {"spike-seen"}),
    ({"refuted_spike_minutes": 1}, {"no-spike"}),
    ({"largest_move": 0.11}, {"move-usual"}),
    ({"largest_move": 0.51}, {"move-usual", "move-possible"}),
    ({"largest_move": math.inf}, {"move-usual", "move-possible"}),
    ({"largest_move_ratio": 251}, {"move-in-proportion"}),
    ({"reference": "none"}, set()),
    ({"underlying_type": "equity"}, {"market-known"}),
    ({"turnover_ratio": 51}, {"turnover-usual"}),
]

SNAPSHOT_FAULTS = [
    ({"missed_lately": 2}, set()),
    ({"missed_lately": 3}, {"beats-complete"}),
    ({"late_seconds": 61.0}, {"taken-on-time"}),
    ({"late_seconds": -11.0}, {"taken-on-time"}),
    ({"clock_span_seconds": 10.5}, {"made-at-once"}),
    ({"marks_known": 0.89}, {"marks-known"}),
    ({"without_mark": "BTC-27JUN25"}, {"mark-of-each-known"}),
    ({"impossible": "BTC-27JUN25: mark -1"}, {"values-possible"}),
    ({"crossed": "BTC-27JUN25: bid 2, ask 1"}, {"quotes-not-crossed"}),
    ({"unreadable": "row 3: it is list, not an object"}, {"rows-readable"}),
    ({"absent": "BTC-27JUN25"}, {"catalogue-complete"}),
    ({"unknown": "BTC-27JUN25"}, {"instruments-known"}),
]

SETTLED = ("position", "mark_price", "index_price", "seconds_after_eight", "level_distance", "move")
ROW = ("interest_1h", "interest_8h", "index_price", "prev_index_price", "eight_hours_off")

# dataset -> what is done to a good row, and the rules it then breaks. Warnings and info count as broken here too.
FAULTS = {
    "perpetuals_ohlcv": [
        *CANDLE_FAULTS,
        ({"traded_minutes": 0}, {"traded-at-all"}),
        ({"untraded_days": 6}, set()),
        ({"untraded_days": 7}, {"chart-alive"}),
        ({"level_disagreement": "the perpetual says 3, the index 100"}, {"level-agrees"}),
        ({"index_distance": 0.06}, {"level-near"}),
    ],
    "futures_ohlcv": [
        *CANDLE_FAULTS,
        ({"waited_minutes": 720}, set()),
        ({"waited_minutes": 721}, {"first-candle-soon"}),  # where AC-007 takes the wait for a hole
        ({"reference_distance": 0.26}, {"near-reference-usual"}),
        ({"reference_distance": 0.51}, {"near-reference-usual", "near-reference"}),
        ({"reference_minutes": 719}, {"reference-known"}),
        ({"reference_minutes": 0, "reference_distance": None}, {"reference-known"}),
        ({"reference": "index", "reference_minutes": 0}, set()),
    ],
    "funding_rates": [
        (
            {"present": False, "missing": True, **dict.fromkeys(ROW)},
            {"hours-complete"},
        ),
        ({"present": False, "explained": True, **dict.fromkeys(ROW)}, {"hours-explained"}),
        ({"present": False, "start_unknown": True, **dict.fromkeys(ROW)}, {"first-hour-known"}),
        ({"underlying_type": "equity"}, {"market-known"}),
        ({"on_the_hour": False}, {"hours-aligned"}),
        ({"duplicate": True}, {"hours-not-doubled"}),
        (dict.fromkeys(ROW), {"hourly-rate-known", "eight-hour-rate-known", "index-known"}),
        ({"interest_1h": None}, {"hourly-rate-known"}),
        ({"interest_8h": None}, {"eight-hour-rate-known"}),
        ({"index_price": None}, {"index-known"}),
        ({"interest_8h": 0.0051}, {"eight-hour-rate-usual"}),
        ({"interest_8h": -0.0051}, {"eight-hour-rate-usual"}),
        ({"interest_8h": 0.011}, {"eight-hour-rate-usual", "eight-hour-rate-inside-cap"}),
        ({"capped": False, "interest_8h": -0.012}, set()),
        ({"capped": False, "interest_8h": 0.51}, {"eight-hour-rate-possible"}),
        ({"capped": False, "interest_1h": 0.51}, {"hourly-rate-possible"}),
        ({"capped": False, "interest_1h": 1e308}, {"hourly-rate-possible"}),
        ({"eight_hours_off": 0.011}, {"eight-hours-add-up"}),
        ({"month_off": 0.11}, {"eight-hours-add-up-over-the-month"}),
        ({"checksum_off": 0.0000011}, {"checksum"}),
        ({"interest_1h": math.inf}, {"hourly-rate-inside-cap"}),
        ({"interest_1h": -0.0051}, {"hourly-rate-inside-cap"}),
        ({"index_price": 0.0}, {"index-positive"}),
        ({"index_price": 0.01}, set()),
        ({"index_price": math.inf}, {"index-finite"}),
        ({"prev_index_price": 1234.5}, {"index-chained"}),
        ({"prev_index_price": 1e308}, {"index-chained", "previous-index-plausible"}),
        ({"prev_index_price": 0.0}, {"index-chained", "previous-index-plausible"}),
        ({"reference": "none"}, set()),
        ({"level_disagreement": "the perpetual says 3, the index 100"}, {"level-agrees"}),
    ],
    "volatility_index": [
        ({"missing": True, **dict.fromkeys(("open", "high", "low", "close", "bounds_hold"))}, {"hours-complete"}),
        ({"on_the_hour": False}, {"hours-aligned"}),
        ({"duplicate": True}, {"hours-not-doubled"}),
        *(
            ({name: bad}, {f"{name}-possible"})
            for name in ("open", "high", "low", "close")
            for bad in (0.0, -1.0, 1001.0, math.inf)
        ),
        ({"bounds_hold": False}, {"high-low-bound"}),
        ({"values_unknown": 4, **dict.fromkeys(("open", "high", "low", "close"), math.nan)}, {"values-known"}),
    ],
    "delivery_prices": [
        ({"missing": True, "price": None, "move": None}, {"days-complete"}),
        ({"missing": True, "delivery_unpriced": True, "price": None}, {"days-complete", "deliveries-priced"}),
        ({"duplicate": True}, {"days-not-doubled"}),
        ({"price_unknown": True, "price": None}, {"price-known"}),
        *(({"price": bad}, {"price-possible"}) for bad in (0.0, -1.0, 1e10, math.inf)),
        ({"move": 1.1}, {"move-usual"}),
        ({"move": 9.1}, {"move-usual", "move-possible"}),
    ],
    "settlements": [
        ({"missing": True} | dict.fromkeys(SETTLED), {"sessions-told"}),
        ({"missing": True, "hole": True} | dict.fromkeys(SETTLED), {"sessions-told", "sessions-complete"}),
        ({"missing": True, "undelivered": True} | dict.fromkeys(SETTLED), {"sessions-told", "deliveries-complete"}),
        ({"type": "exercise"}, {"type-known"}),
        ({"underlying_type": "unknown"}, {"market-known"}),
        ({"delivery_misplaced": True}, {"delivery-at-the-end"}),
        ({"outlived": True}, {"inside-lifetime"}),
        ({"duplicate": True}, {"settlements-not-doubled"}),
        ({"values_unknown": 1, "position": None}, {"values-known"}),
        *(({"position": bad}, {"position-possible"}) for bad in (-1.0, 1e16, math.inf)),
        *(
            ({f"{name}_price": bad}, {f"{name}-possible"})
            for name in ("mark", "index")
            for bad in (0.0, -1.0, 1e10, math.inf)
        ),
        ({"level_distance": 0.11}, {"mark-near-index-usual"}),
        ({"level_distance": 0.51}, {"mark-near-index-usual", "mark-near-index"}),
        ({"delivery_off_index": 0.0002}, {"delivery-at-index"}),
        ({"delivery_distance": 0.0002}, {"delivery-price-agrees"}),
        *(({"seconds_after_eight": bad}, {"settled-on-time"}) for bad in (-0.001, 3601.0)),
        ({"move": 1.1}, {"move-usual"}),
        ({"move": 9.1}, {"move-usual", "move-possible"}),
    ],
    "index_prices": [
        ({"expected_minutes": 1441}, {"day-length"}),
        ({"missing_minutes": 1, "minutes": 1439}, {"minutes-complete"}),
        ({"minutes": 1441}, {"minutes-not-more-than-expected"}),
        ({"not_positive_minutes": 1}, {"prices-positive"}),
        ({"proxy_minutes": 1}, {"index-true"}),
        ({"proxy_minutes": 1, "compared_hours": 0}, {"index-true", "proxy-measured"}),
        ({"proxy_error_p95": 0.0021}, {"proxy-close-usual"}),
        ({"proxy_error_max": 0.021}, {"proxy-close"}),
        ({"proxy_error_max": 0.151}, {"proxy-close", "proxy-plausible"}),
        ({"chart_distance": 0.26}, {"chart-agrees"}),
    ],
    "basis_spread": [
        ({"expected_minutes": 1441, "future_minutes": 1441, "basis_minutes": 1441}, {"day-length"}),
        ({"missing_basis_minutes": 1}, {"basis-complete"}),
        ({"basis_minutes": 1439}, {"basis-not-invented"}),
        ({"expected_minutes": 1439}, {"minutes-not-more-than-expected"}),
        ({"not_finite_minutes": 1}, {"values-finite"}),
        ({"fresh_minutes": 0, "largest_fraction": None, "largest_annualised": None}, set()),
        ({"largest_fraction": 0.26}, {"fraction-usual"}),
        ({"largest_fraction": 0.51}, {"fraction-usual", "fraction-sane"}),
        ({"largest_annualised": 5.1}, {"annualised-usual"}),
        ({"largest_annualised": 20.1}, {"annualised-usual", "annualised-sane"}),
        ({"largest_annualised": math.inf}, {"annualised-usual", "annualised-sane"}),
    ],
    "roll_calendar": [
        ({"days_later": 0.0}, {"never-back"}),
        ({"days_later": -7.0}, {"never-back"}),
        ({"days_later": None, "price_minutes": None, "price_distance": None}, set()),
        ({"held_in_time": False}, {"held-in-time"}),
        ({"unfounded": True}, {"founded"}),
        ({"price_distance": 0.26}, {"ratio-usual"}),
        ({"price_distance": 0.51}, {"ratio-usual", "ratio-sane"}),
        ({"follows": False}, {"follows"}),
        ({"unpriced": 1}, {"priced"}),
        ({"unpriced": 1, "lead_unpriced": 1}, {"priced", "lead-priced"}),
        ({"price_minutes": 721.0}, {"price-recent"}),
    ],
    "instrument_summaries": [
        *SNAPSHOT_FAULTS,
        ({"far_from_index": "BTC-27JUN25: mark 2, index 1"}, {"mark-near-index-possible"}),
        ({"off_index": "BTC-27JUN25: mark 1.3, index 1"}, {"mark-near-index"}),
        ({"without_funding": "BTC-PERPETUAL"}, {"funding-known"}),
        ({"unusual_funding": "BTC-PERPETUAL: 0.03"}, {"funding-usual"}),
    ],
    "options_chain": [
        *SNAPSHOT_FAULTS,
        ({"missing": True}, {"expiry-present"}),
        ({"ivs_known": 0.0}, {"mark-ivs-known"}),
        ({"without_iv": "BTC-27JUN25-1-C"}, {"mark-iv-of-each-known"}),
        ({"without_underlying": "BTC-27JUN25-1-C"}, {"underlying-known"}),
        ({"sampled": 0.45}, {"tickers-sampled"}),
        ({"chain_apart": "BTC-27JUN25-1-C: volatility 43, ticker 70"}, {"chain-as-tickers"}),
        ({"greeks_apart": "BTC-27JUN25-1-C: vega 43, calculated 50"}, {"greeks-as-tickers"}),
    ],
    "instruments": [
        ({"name_expiry_matches": False}, {"name-matches-expiry"}),
        ({"lifetime_minutes": 0}, {"life-positive"}),
        ({"tick_size": 0.0}, {"tick-positive"}),
        ({"kind": "future_combo"}, {"kind-known"}),
        ({"name": "BTC-1JAN30'; drop"}, {"name-well-formed"}),
        ({"base_currency": "btc"}, {"currency-well-formed"}),
        ({"lifetimes_disjoint": False}, {"lives-apart"}),
        ({"unreadable": "it has no kind"}, {"row-readable"}),
    ],
}
TABLE_RULES = {"rows-present", "keys-unique", "profile-complete"}


def with_rows(profile: pd.DataFrame, faults: list[dict]) -> pd.DataFrame:
    """The profile with the n-th fault in its n-th row; as objects, which is how a driver hands over mixed columns."""
    spoilt = profile.astype(object)
    for row, fault in enumerate(faults):
        for column, value in fault.items():
            spoilt.at[row, column] = value
    return spoilt


@pytest.fixture(scope="module")
def faulty(clean, validate, suite_of):
    """dataset -> (profile, validation) with a row for each fault, and one for each column that must be known."""
    done = {}

    def of(dataset: str):
        if dataset not in done:
            nulls = [{column: None} for column in null_columns(suite_of(dataset))]
            faults = [fault for fault, _ in FAULTS[dataset]] + nulls
            profile = with_rows(clean(dataset, len(faults) + 5), faults)
            done[dataset] = profile, validate(dataset, profile)
        return done[dataset]

    return of


def null_columns(suite) -> list[str]:
    rules = [each for each in suite.expectations if each["meta"]["rule"] == "profile-complete"]
    return [each["kwargs"]["column"] for each in rules if each["kwargs"]["column"] not in suite.keys]


def key_of(profile: pd.DataFrame, row: int, suite) -> tuple:
    return tuple(profile.at[row, key] for key in suite.keys)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_clean_profile_breaks_nothing(dataset, clean, validate):
    validation = validate(dataset, clean(dataset))
    assert validation.broken == []
    assert validation.rows == 20
    assert validation.result["success"] is True


@pytest.mark.parametrize(
    ("dataset", "number"),
    [
        pytest.param(dataset, number, id=f"{dataset}-{'+'.join(sorted(rules))}-{number}")
        for dataset in DATASETS
        for number, (_, rules) in enumerate(FAULTS[dataset])
    ],
)
def test_a_fault_breaks_its_rules_and_no_others(dataset, number, faulty, suite_of):
    profile, validation = faulty(dataset)
    fault, rules = FAULTS[dataset][number]
    key = key_of(profile, number, suite_of(dataset))
    assert {broken.rule for broken in validation.broken if key in broken.keys} == rules
    values = {"Infinity" if value == math.inf else value for value in fault.values()}
    for broken in validation.broken:
        if key in broken.keys and values != {None} and broken.column not in suite_of(dataset).keys:
            seen = broken.observed[broken.keys.index(key)]
            assert values & set(seen.values() if isinstance(seen, dict) else [seen]), f"{broken.rule} shows {seen}"


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_rule_has_a_fault(dataset, suite_of):
    rules = {each["meta"]["rule"] for each in suite_of(dataset).expectations}
    assert rules == TABLE_RULES | set().union(*(broken for _, broken in FAULTS[dataset]))


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_unknown_value_is_not_good(dataset, faulty, suite_of):
    profile, validation = faulty(dataset)
    columns = null_columns(suite_of(dataset))
    assert columns
    unknown = {
        (broken.column, key) for broken in validation.broken if broken.rule == "profile-complete" for key in broken.keys
    }
    first = len(FAULTS[dataset])
    assert unknown == {
        (column, key_of(profile, first + place, suite_of(dataset))) for place, column in enumerate(columns)
    }


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_doubled_key_is_the_batchs_fault(dataset, clean, validate, suite_of):
    profile = clean(dataset)
    duplicate = pd.concat([profile, profile.iloc[[3]]], ignore_index=True)
    (broken,) = validate(dataset, duplicate).broken
    assert (broken.rule, broken.severity, broken.keys) == ("keys-unique", "critical", [])
    assert key_of(profile, 3, suite_of(dataset)) in broken.observed


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_unknown_key_is_the_batchs_fault(dataset, clean, validate, suite_of):
    profile = with_rows(clean(dataset), [{suite_of(dataset).keys[0]: None}])
    broken = [each for each in validate(dataset, profile).broken if each.rule == "profile-complete"]
    assert [(each.column, each.keys) for each in broken] == [(suite_of(dataset).keys[0], [])]


def test_a_real_crash_is_only_a_warning(clean, validate):
    # 2020-03-12: a tenth in a minute, many times the usual move, no coming straight back.
    profile = with_rows(clean("perpetuals_ohlcv"), [{"largest_move": 0.12, "largest_move_ratio": 140.0}])
    assert {each.severity for each in validate("perpetuals_ohlcv", profile).broken} == {"warning"}


def test_a_future_older_than_its_perpetual_has_no_reference_and_passes_with_a_warning(clean, validate):
    profile = clean("futures_ohlcv").assign(reference_distance=None, reference_minutes=0)
    (broken,) = validate("futures_ohlcv", profile).broken
    assert (broken.rule, broken.severity, len(broken.keys)) == ("reference-known", "warning", 20)


def test_the_five_missing_hours_are_named(clean, validate):
    profile = with_rows(clean("funding_rates", 60), [])
    holes = [7, 19, 31, 43, 55]
    profile.loc[holes, "present"] = False
    profile.loc[holes, "missing"] = True
    profile.loc[holes, ["interest_1h", "interest_8h", "index_price", "prev_index_price"]] = None
    profile["previous_row_index_price"] = profile["index_price"].shift()
    (broken,) = validate("funding_rates", profile).broken
    assert broken.rule == "hours-complete"
    assert broken.keys == [("BTC-PERPETUAL", profile.at[hole, "ts"]) for hole in holes]


@pytest.mark.parametrize("wrap", [int, np.int64, Decimal, float])
def test_numbers_of_any_driver_compare_alike(wrap, clean, validate):
    profile = clean("perpetuals_ohlcv")
    profile["duplicate_minutes"] = pd.Series([wrap(0)] * 4 + [wrap(2)] + [wrap(0)] * 15, dtype=object)
    (broken,) = validate("perpetuals_ohlcv", profile).broken
    assert (broken.rule, broken.observed) == ("minutes-not-doubled", [2])
    assert broken.keys == [("BTC-PERPETUAL", date(2025, 6, 5))]
