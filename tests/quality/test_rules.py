"""Each rule of each suite: a clean profile passes, and a fault breaks the rule made for it, for the row that has it, as
severely as is meant: what is critical is held back, and what warns is published."""

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
    ({"expected_minutes": 1441}, {"day-length": "critical"}),
    ({"expected_minutes": 0, "minutes": 0}, {"day-length": "critical"}),
    ({"missing_minutes": 1}, {"minutes-complete": "critical"}),
    ({"missing_minutes": -1}, {"minutes-complete": "critical"}),
    ({"minutes": 1441}, {"minutes-not-more-than-expected": "critical"}),
    ({"explained_minutes": 10}, {"minutes-explained": "info"}),
    ({"waited_minutes": 1441}, {"first-candle-soon": "warning"}),
    ({"duplicate_minutes": 1}, {"minutes-not-doubled": "critical"}),
    ({"misaligned_minutes": 1}, {"minutes-aligned": "critical"}),
    ({"out_of_order_minutes": 1}, {"minutes-ordered": "critical"}),
    ({"out_of_window_minutes": 1}, {"minutes-inside-window": "critical"}),
    ({"not_finite_minutes": 1}, {"values-finite": "critical"}),
    ({"not_positive_minutes": 1}, {"prices-positive": "critical"}),
    ({"bounds_broken_minutes": 1}, {"high-low-bound": "critical"}),
    ({"negative_minutes": 1}, {"amounts-not-negative": "critical"}),
    ({"cost_without_volume_minutes": 1}, {"cost-with-volume": "critical"}),
    ({"cost_off_minutes": 1}, {"cost-matches-price-usual": "warning"}),
    ({"cost_inconsistent_minutes": 1}, {"cost-matches-price": "critical"}),
    ({"untraded_not_flat_minutes": 1}, {"untraded-flat": "critical"}),
    ({"fill_off_previous_minutes": 1}, {"fill-at-previous-close": "warning"}),
    ({"spike_minutes": 1}, {"spike-seen": "warning"}),
    ({"refuted_spike_minutes": 1}, {"no-spike": "critical"}),
    ({"largest_move": 0.11}, {"move-usual": "warning"}),
    ({"largest_move": 0.51}, {"move-usual": "warning", "move-possible": "critical"}),
    ({"largest_move": math.inf}, {"move-usual": "warning", "move-possible": "critical"}),
    ({"crash_known": False, "largest_move": 0.51}, {"move-usual": "warning"}),
    ({"crash_known": False, "largest_move": 4.1}, {"move-usual": "warning", "move-possible": "critical"}),
    ({"crash_known": False, "largest_move": math.inf}, {"move-usual": "warning", "move-possible": "critical"}),
    ({"largest_move_ratio": 251}, {"move-in-proportion": "warning"}),
    ({"reference": "none"}, {}),
    ({"underlying_type": "equity"}, {"market-known": "critical"}),
    ({"turnover_ratio": 51}, {"turnover-usual": "warning"}),
]

SNAPSHOT_FAULTS = [
    ({"missed_lately": 2}, {}),
    ({"missed_lately": 3}, {"beats-complete": "warning"}),
    ({"late_seconds": 61.0}, {"taken-on-time": "warning"}),
    ({"late_seconds": -11.0}, {"taken-on-time": "warning"}),
    ({"clock_span_seconds": 10.5}, {"made-at-once": "warning"}),
    ({"marks_known": 0.89}, {"marks-known": "critical"}),
    ({"without_mark": "BTC-27JUN25"}, {"mark-of-each-known": "warning"}),
    ({"impossible": "BTC-27JUN25: mark -1"}, {"values-possible": "critical"}),
    ({"crossed": "BTC-27JUN25: bid 2, ask 1"}, {"quotes-not-crossed": "warning"}),
    ({"unreadable": "row 3: it is list, not an object"}, {"rows-readable": "warning"}),
    ({"absent": "BTC-27JUN25"}, {"catalogue-complete": "warning"}),
    ({"unknown": "BTC-27JUN25"}, {"instruments-known": "warning"}),
]

SETTLED = ("position", "mark_price", "index_price", "seconds_after_eight", "level_distance", "move")
ROW = ("interest_1h", "interest_8h", "index_price", "prev_index_price", "eight_hours_off")

# dataset -> what is done to a good row, and the rules it then breaks, each with its severity.
FAULTS = {
    "perpetuals_ohlcv": [
        *CANDLE_FAULTS,
        ({"traded_minutes": 0}, {"traded-at-all": "warning"}),
        ({"untraded_days": 6}, {}),
        ({"untraded_days": 7}, {"chart-alive": "warning"}),
        ({"level_disagreement": "the perpetual says 3, the index 100"}, {"level-agrees": "critical"}),
        ({"index_distance": 0.06}, {"level-near": "warning"}),
    ],
    "futures_ohlcv": [
        *CANDLE_FAULTS,
        ({"waited_minutes": 720}, {}),
        ({"waited_minutes": 721}, {"first-candle-soon": "warning"}),  # where AC-007 takes the wait for a hole
        ({"reference_distance": 0.26}, {"near-reference-usual": "warning"}),
        ({"reference_distance": 0.51}, {"near-reference-usual": "warning", "near-reference": "critical"}),
        ({"reference_minutes": 719}, {"reference-known": "warning"}),
        ({"reference_minutes": 0, "reference_distance": None}, {"reference-known": "warning"}),
        ({"reference": "index", "reference_minutes": 0}, {}),
    ],
    "funding_rates": [
        (
            {"present": False, "missing": True, **dict.fromkeys(ROW)},
            {"hours-complete": "critical"},
        ),
        ({"present": False, "explained": True, **dict.fromkeys(ROW)}, {"hours-explained": "warning"}),
        ({"present": False, "start_unknown": True, **dict.fromkeys(ROW)}, {"first-hour-known": "warning"}),
        ({"underlying_type": "equity"}, {"market-known": "critical"}),
        ({"on_the_hour": False}, {"hours-aligned": "critical"}),
        ({"duplicate": True}, {"hours-not-doubled": "critical"}),
        (
            dict.fromkeys(ROW),
            {"hourly-rate-known": "critical", "eight-hour-rate-known": "critical", "index-known": "critical"},
        ),
        ({"interest_1h": None}, {"hourly-rate-known": "critical"}),
        ({"interest_8h": None}, {"eight-hour-rate-known": "critical"}),
        ({"index_price": None}, {"index-known": "critical"}),
        ({"interest_8h": 0.0051}, {"eight-hour-rate-usual": "warning"}),
        ({"interest_8h": -0.0051}, {"eight-hour-rate-usual": "warning"}),
        ({"interest_8h": 0.011}, {"eight-hour-rate-usual": "warning", "eight-hour-rate-inside-cap": "critical"}),
        ({"capped": False, "interest_8h": -0.012}, {}),
        ({"capped": False, "interest_8h": 0.51}, {"eight-hour-rate-possible": "critical"}),
        ({"capped": False, "interest_1h": 0.51}, {"hourly-rate-possible": "critical"}),
        ({"capped": False, "interest_1h": 1e308}, {"hourly-rate-possible": "critical"}),
        ({"eight_hours_off": 0.011}, {"eight-hours-add-up": "warning"}),
        ({"month_off": 0.11}, {"eight-hours-add-up-over-the-month": "critical"}),
        ({"checksum_off": 0.0000011}, {"checksum": "warning"}),
        ({"interest_1h": math.inf}, {"hourly-rate-inside-cap": "critical"}),
        ({"interest_1h": -0.0051}, {"hourly-rate-inside-cap": "critical"}),
        ({"index_price": 0.0}, {"index-positive": "critical"}),
        ({"index_price": 0.01}, {}),
        ({"index_price": math.inf}, {"index-finite": "critical"}),
        ({"prev_index_price": 1234.5}, {"index-chained": "warning"}),
        ({"prev_index_price": 1e308}, {"index-chained": "warning", "previous-index-plausible": "critical"}),
        ({"prev_index_price": 0.0}, {"index-chained": "warning", "previous-index-plausible": "critical"}),
        ({"reference": "none"}, {}),
        ({"level_disagreement": "the perpetual says 3, the index 100"}, {"level-agrees": "critical"}),
    ],
    "volatility_index": [
        (
            {"missing": True, **dict.fromkeys(("open", "high", "low", "close", "bounds_hold"))},
            {"hours-complete": "critical"},
        ),
        ({"on_the_hour": False}, {"hours-aligned": "critical"}),
        ({"duplicate": True}, {"hours-not-doubled": "critical"}),
        *(
            ({name: bad}, {f"{name}-possible": "critical"})
            for name in ("open", "high", "low", "close")
            for bad in (0.0, -1.0, 1001.0, math.inf)
        ),
        ({"bounds_hold": False}, {"high-low-bound": "critical"}),
        (
            {"values_unknown": 4, **dict.fromkeys(("open", "high", "low", "close"), math.nan)},
            {"values-known": "critical"},
        ),
    ],
    "delivery_prices": [
        ({"missing": True, "price": None, "move": None}, {"days-complete": "warning"}),
        (
            {"missing": True, "delivery_unpriced": True, "price": None},
            {"days-complete": "warning", "deliveries-priced": "critical"},
        ),
        ({"duplicate": True}, {"days-not-doubled": "critical"}),
        ({"price_unknown": True, "price": None}, {"price-known": "critical"}),
        *(({"price": bad}, {"price-possible": "critical"}) for bad in (0.0, -1.0, 1e10, math.inf)),
        ({"move": 1.1}, {"move-usual": "warning"}),
        ({"move": 9.1}, {"move-usual": "warning", "move-possible": "critical"}),
    ],
    "settlements": [
        ({"missing": True} | dict.fromkeys(SETTLED), {"sessions-told": "warning"}),
        (
            {"missing": True, "hole": True} | dict.fromkeys(SETTLED),
            {"sessions-told": "warning", "sessions-complete": "critical"},
        ),
        (
            {"missing": True, "undelivered": True} | dict.fromkeys(SETTLED),
            {"sessions-told": "warning", "deliveries-complete": "critical"},
        ),
        ({"type": "exercise"}, {"type-known": "critical"}),
        ({"underlying_type": "unknown"}, {"market-known": "critical"}),
        ({"delivery_misplaced": True}, {"delivery-at-the-end": "critical"}),
        ({"outlived": True}, {"inside-lifetime": "critical"}),
        ({"duplicate": True}, {"settlements-not-doubled": "critical"}),
        ({"values_unknown": 1, "position": None}, {"values-known": "critical"}),
        *(({"position": bad}, {"position-possible": "critical"}) for bad in (-1.0, 1e16, math.inf)),
        *(
            ({f"{name}_price": bad}, {f"{name}-possible": "critical"})
            for name in ("mark", "index")
            for bad in (0.0, -1.0, 1e10, math.inf)
        ),
        ({"level_distance": 0.11}, {"mark-near-index-usual": "warning"}),
        ({"level_distance": 0.51}, {"mark-near-index-usual": "warning", "mark-near-index": "critical"}),
        ({"delivery_off_index": 0.0002}, {"delivery-at-index": "warning"}),
        ({"delivery_distance": 0.0002}, {"delivery-price-agrees": "warning"}),
        *(({"seconds_after_eight": bad}, {"settled-on-time": "warning"}) for bad in (-0.001, 3601.0)),
        ({"move": 1.1}, {"move-usual": "warning"}),
        ({"move": 9.1}, {"move-usual": "warning", "move-possible": "critical"}),
    ],
    "index_prices": [
        ({"expected_minutes": 1441}, {"day-length": "critical"}),
        ({"missing_minutes": 1, "minutes": 1439}, {"minutes-complete": "critical"}),
        ({"minutes": 1441}, {"minutes-not-more-than-expected": "critical"}),
        ({"not_positive_minutes": 1}, {"prices-positive": "critical"}),
        ({"proxy_minutes": 1}, {"index-true": "info"}),
        ({"proxy_minutes": 1, "compared_hours": 0}, {"index-true": "info", "proxy-measured": "warning"}),
        ({"proxy_error_p95": 0.0021}, {"proxy-close-usual": "warning"}),
        ({"proxy_error_max": 0.021}, {"proxy-close": "warning"}),
        ({"proxy_error_max": 0.151}, {"proxy-close": "warning", "proxy-plausible": "critical"}),
        ({"chart_distance": 0.26}, {"chart-agrees": "critical"}),
    ],
    "basis_spread": [
        ({"expected_minutes": 1441, "future_minutes": 1441, "basis_minutes": 1441}, {"day-length": "critical"}),
        ({"missing_basis_minutes": 1}, {"basis-complete": "critical"}),
        ({"basis_minutes": 1439}, {"basis-not-invented": "critical"}),
        ({"expected_minutes": 1439}, {"minutes-not-more-than-expected": "critical"}),
        ({"not_finite_minutes": 1}, {"values-finite": "critical"}),
        ({"fresh_minutes": 0, "largest_fraction": None, "largest_annualised": None}, {}),
        ({"largest_fraction": 0.26}, {"fraction-usual": "warning"}),
        ({"largest_fraction": 0.51}, {"fraction-usual": "warning", "fraction-sane": "warning"}),
        ({"largest_annualised": 5.1}, {"annualised-usual": "warning"}),
        ({"largest_annualised": 20.1}, {"annualised-usual": "warning", "annualised-sane": "warning"}),
        ({"largest_annualised": math.inf}, {"annualised-usual": "warning", "annualised-sane": "warning"}),
    ],
    "roll_calendar": [
        ({"days_later": 0.0}, {"never-back": "critical"}),
        ({"days_later": -7.0}, {"never-back": "critical"}),
        ({"days_later": None, "price_minutes": None, "price_distance": None}, {}),
        ({"held_in_time": False}, {"held-in-time": "critical"}),
        ({"unfounded": True}, {"founded": "critical"}),
        ({"price_distance": 0.26}, {"ratio-usual": "warning"}),
        ({"price_distance": 0.51}, {"ratio-usual": "warning", "ratio-sane": "critical"}),
        ({"follows": False}, {"follows": "warning"}),
        ({"unpriced": 1}, {"priced": "info"}),
        ({"unpriced": 1, "lead_unpriced": 1}, {"priced": "info", "lead-priced": "warning"}),
        ({"price_minutes": 721.0}, {"price-recent": "info"}),
    ],
    "instrument_summaries": [
        *SNAPSHOT_FAULTS,
        ({"far_from_index": "BTC-27JUN25: mark 2, index 1"}, {"mark-near-index-possible": "critical"}),
        ({"off_index": "BTC-27JUN25: mark 1.3, index 1"}, {"mark-near-index": "warning"}),
        ({"without_funding": "BTC-PERPETUAL"}, {"funding-known": "warning"}),
        ({"unusual_funding": "BTC-PERPETUAL: 0.03"}, {"funding-usual": "warning"}),
    ],
    "options_chain": [
        *SNAPSHOT_FAULTS,
        ({"missing": True}, {"expiry-present": "warning"}),
        ({"ivs_known": 0.0}, {"mark-ivs-known": "critical"}),
        ({"without_iv": "BTC-27JUN25-1-C"}, {"mark-iv-of-each-known": "warning"}),
        ({"without_underlying": "BTC-27JUN25-1-C"}, {"underlying-known": "critical"}),
        ({"sampled": 0.45}, {"tickers-sampled": "warning"}),
        ({"chain_apart": "BTC-27JUN25-1-C: volatility 43, ticker 70"}, {"chain-as-tickers": "warning"}),
        ({"greeks_apart": "BTC-27JUN25-1-C: vega 43, calculated 50"}, {"greeks-as-tickers": "warning"}),
    ],
    "instruments": [
        ({"name_expiry_matches": False}, {"name-matches-expiry": "warning"}),
        ({"lifetime_minutes": 0}, {"life-positive": "warning"}),
        ({"tick_size": 0.0}, {"tick-positive": "warning"}),
        ({"kind": "future_combo"}, {"kind-known": "warning"}),
        ({"name": "BTC-1JAN30'; drop"}, {"name-well-formed": "warning"}),
        ({"base_currency": "btc"}, {"currency-well-formed": "warning"}),
        ({"lifetimes_disjoint": False}, {"lives-apart": "warning"}),
        ({"unreadable": "it has no kind"}, {"row-readable": "warning"}),
    ],
}
TABLE_RULES = dict.fromkeys(("rows-present", "keys-unique", "profile-complete"), "critical")


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
    assert {broken.rule: broken.severity for broken in validation.broken if key in broken.keys} == rules
    values = {"Infinity" if value == math.inf else value for value in fault.values()}
    for broken in validation.broken:
        if key in broken.keys and values != {None} and broken.column not in suite_of(dataset).keys:
            seen = broken.observed[broken.keys.index(key)]
            assert values & set(seen.values() if isinstance(seen, dict) else [seen]), f"{broken.rule} shows {seen}"


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_rule_has_a_fault(dataset, suite_of):
    rules = {each["meta"]["rule"]: each["severity"] for each in suite_of(dataset).expectations}
    assert rules == TABLE_RULES | {rule: severity for _, broken in FAULTS[dataset] for rule, severity in broken.items()}


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
