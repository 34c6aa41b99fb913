"""Clean profiles of every dataset, and the suites, read once: Great Expectations takes seconds to import."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from deribit_warehouse.quality import suites
from deribit_warehouse.quality import validate as validation

EXPECTATIONS = Path(__file__).parents[2] / "expectations"


def candles(instrument: str, rows: int) -> pd.DataFrame:
    """A good month of an instrument: each count is what the profile's SQL would say of flawless days."""
    faultless = dict.fromkeys(
        [
            "missing_minutes",
            "explained_minutes",
            "waited_minutes",
            "longest_gap_minutes",
            "duplicate_minutes",
            "misaligned_minutes",
            "out_of_order_minutes",
            "out_of_window_minutes",
            "not_finite_minutes",
            "not_positive_minutes",
            "bounds_broken_minutes",
            "negative_minutes",
            "cost_without_volume_minutes",
            "cost_off_minutes",
            "cost_inconsistent_minutes",
            "untraded_not_flat_minutes",
            "fill_off_previous_minutes",
            "spike_minutes",
            "refuted_spike_minutes",
        ],
        0,
    )
    return pd.DataFrame(
        {
            "instrument": instrument,
            "day": [date(2025, 6, 1) + timedelta(days=n) for n in range(rows)],
            "expected_minutes": 1440,
            "minutes": 1440,
            **faultless,
            "largest_move": 0.004,
            "largest_move_ratio": 12.5,
            "crash_known": True,
            "reference_minutes": 1440,
            "reference_distance": 0.02,
            "underlying_type": "crypto",
            "reference": "index" if instrument.endswith("PERPETUAL") else "perpetual",
            "level_disagreement": None,
            "index_distance": 0.001,
            "turnover_ratio": 0.7,
            "traded_minutes": 720,
            "untraded_days": 0,
        }
    )


def funding(rows: int) -> pd.DataFrame:
    index = [100_000.0 + n for n in range(rows)]
    return pd.DataFrame(
        {
            "instrument": "BTC-PERPETUAL",
            "ts": [datetime(2025, 6, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(rows)],
            "underlying_type": "crypto",
            "present": True,
            "missing": False,
            "explained": False,
            "start_unknown": False,
            "capped": True,
            "on_the_hour": True,
            "duplicate": False,
            "interest_1h": 0.00001,
            "interest_8h": -0.00008,
            "eight_hours_off": 0.000001,
            "month_off": 0.000001,
            "checksum_off": 0.0000001,
            "index_price": index,
            "prev_index_price": [99_999.0, *index[:-1]],
            "reference": "perpetual",
            "level_disagreement": None,
            "previous_row_index_price": [None, *index[:-1]],
        }
    )


def volatility(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "currency": "BTC",
            "ts": [datetime(2025, 6, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(rows)],
            "missing": False,
            "on_the_hour": True,
            "duplicate": False,
            "open": 45.0,
            "high": 46.5,
            "low": 44.0,
            "close": 46.0,
            "bounds_hold": True,
            "values_unknown": 0,
        }
    )


def delivery(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "index_name": "btc_usd",
            "day": [date(2025, 6, 1) + timedelta(days=n) for n in range(rows)],
            "missing": False,
            "delivery_unpriced": False,
            "duplicate": False,
            "price_unknown": False,
            "price": 80_000.0,
            "move": 0.02,
        }
    )


def settlement(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instrument": "BTC-PERPETUAL",
            "day": [date(2025, 6, 1) + timedelta(days=n) for n in range(rows)],
            "type": "settlement",
            "underlying_type": "crypto",
            **dict.fromkeys(("missing", "hole", "undelivered", "delivery_misplaced", "outlived", "duplicate"), False),
            "values_unknown": 0,
            "position": 8e8,
            "mark_price": 80_010.0,
            "index_price": 80_000.0,
            "seconds_after_eight": 0.065,
            "level_distance": 0.000125,
            "delivery_off_index": 0.0,
            "delivery_distance": 0.0,
            "move": 0.02,
        }
    )


def index(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "index_name": "btc_usd",
            "day": [date(2025, 6, 1) + timedelta(days=n) for n in range(rows)],
            "expected_minutes": 1440,
            "minutes": 1440,
            "missing_minutes": 0,
            "true_minutes": 1440,
            "proxy_minutes": 0,
            "compared_hours": 24,
            "proxy_error_max": 0.0012,
            "chart_distance": 0.0004,
            "proxy_error_p95": 0.0006,
            "not_positive_minutes": 0,
        }
    )


def basis(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instrument": "BTC-26SEP25",
            "day": [date(2025, 6, 1) + timedelta(days=n) for n in range(rows)],
            "expected_minutes": 1440,
            "future_minutes": 1440,
            "basis_minutes": 1440,
            "missing_basis_minutes": 0,
            "not_finite_minutes": 0,
            "fresh_minutes": 700,
            "largest_fraction": 0.021,
            "largest_annualised": 0.09,
        }
    )


def rolls(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instrument": [f"BTC-{n + 1}JUN25" for n in range(rows)],
            "rule": "expiry",
            "eligible": "all",
            "rank": 0,
            "day": [date(2025, 6, 1) + timedelta(days=n) for n in range(rows)],
            "follows": True,
            "days_later": 91.0,
            "held_in_time": True,
            "unfounded": False,
            "unpriced": 0,
            "lead_unpriced": 0,
            "price_minutes": 3.0,
            "price_distance": 0.021,
        }
    )


def instruments(rows: int) -> pd.DataFrame:
    dated = [f"ETH-{n + 1}JUN25" for n in range(rows - 2)]
    return pd.DataFrame(
        {
            "instrument": ["BTC-PERPETUAL", "BTC-27JUN25-80000-C", *dated],
            "name": ["BTC-PERPETUAL", "BTC-27JUN25-80000-C", *dated],
            "kind": ["future", "option", *["future"] * len(dated)],
            "listed_at": datetime(2025, 5, 1, tzinfo=UTC),
            "expires_at": datetime(2025, 7, 1, 8, tzinfo=UTC),
            "lifetime_minutes": 88_320,
            "name_expiry_matches": True,
            "tick_size": 2.5,
            "is_perpetual": [True, False, *[False] * len(dated)],
            "base_currency": "BTC",
            "lifetimes_disjoint": True,
            "unreadable": None,
        }
    )


def summaries(rows: int) -> pd.DataFrame:
    named = ("without_mark", "impossible", "far_from_index", "off_index", "crossed", "without_funding")
    return pd.DataFrame(
        {
            "currency": "BTC",
            "ts": [datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=5 * n) for n in range(rows)],
            "instruments": 13,
            "missed_lately": 0,
            "late_seconds": 1.5,
            "clock_span_seconds": 0.0,
            "marks_known": 1.0,
            **dict.fromkeys([*named, "unusual_funding", "unreadable", "absent", "unknown"]),
        }
    )


def chain(rows: int) -> pd.DataFrame:
    named = (
        "without_iv", "without_mark", "without_underlying", "impossible", "crossed", "chain_apart", "greeks_apart",
    )  # fmt: skip
    return pd.DataFrame(
        {
            "series": "BTC-27JUN25",
            "ts": [datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=5 * n) for n in range(rows)],
            "currency": "BTC",
            "missing": False,
            "options": 108,
            "missed_lately": 0,
            "late_seconds": 1.5,
            "clock_span_seconds": 0.0,
            "ivs_known": 1.0,
            "marks_known": 1.0,
            "sampled": 1.0,
            **dict.fromkeys([*named, "unreadable", "absent", "unknown"]),
        }
    )


CLEAN = {
    "perpetuals_ohlcv": lambda rows: candles("BTC-PERPETUAL", rows),
    "futures_ohlcv": lambda rows: candles("BTC-26SEP25", rows),
    "funding_rates": funding,
    "volatility_index": volatility,
    "delivery_prices": delivery,
    "settlements": settlement,
    "index_prices": index,
    "basis_spread": basis,
    "roll_calendar": rolls,
    "instrument_summaries": summaries,
    "options_chain": chain,
    "instruments": instruments,
}


@pytest.fixture(scope="session")
def expectations() -> Path:
    """The folder of the reviewed files."""
    return EXPECTATIONS


@pytest.fixture(scope="session")
def clean():
    """(dataset, rows) -> a flawless profile."""
    return lambda dataset, rows=20: CLEAN[dataset](rows)


@pytest.fixture(scope="session")
def suite_of():
    """dataset -> its suite, read once a session."""
    read: dict[str, suites.Suite] = {}

    def of(dataset: str) -> suites.Suite:
        if dataset not in read:
            read[dataset] = suites.read_suite(EXPECTATIONS / f"{dataset}.json")
        return read[dataset]

    return of


@pytest.fixture(scope="session")
def validate(suite_of):
    """(dataset, profile) -> Validation under the dataset's own suite."""

    def run(dataset: str, profile: pd.DataFrame, **options) -> validation.Validation:
        suite = suite_of(dataset)
        return validation.validate(
            profile, suite, keys=suite.keys, run_name=f"{dataset} · test", parameters={}, **options
        )

    return run
