"""What live says of a day that history has decided on: nothing that stays, and nothing of minutes that were deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from deribit_warehouse.datasets import PERPETUALS_LIVE, PERPETUALS_OHLCV
from deribit_warehouse.pipeline.validate_and_publish import Validated, validate_and_publish
from deribit_warehouse.warehouse import open_days
from deribit_warehouse.warehouse.ingestion import record_fetched

from ..warehouse.days import FIRST, Candles, at, ms
from ..warehouse.test_open_candles import BEGINS, ENDS, Live, day_of, live

__all__ = ["live"]  # a fixture

PERPETUAL = "BTC-PERPETUAL"
HOUR = timedelta(hours=1)
BAD = 1430
"""A minute of the day's last hour."""


def validate(live: Live, dataset, begins: datetime, ends: datetime = ENDS) -> Validated | None:
    context = {"dag_run": SimpleNamespace(dag_id=dataset.dag_id, run_id="run")}
    with live.connection.transaction():
        return validate_and_publish(live.connection, dataset, context, begins, ends)


def findings(live: Live) -> set[tuple]:
    """(dataset, ts, rule) of what is open."""
    return set(
        live.rows("SELECT dataset, ts, rule FROM store.quarantine WHERE closed_by IS NULL AND severity = 'critical'")
    )


@pytest.fixture
def perpetual(live: Live) -> int:
    """Live has the day, of which it has held back a minute."""
    perpetual = listed(live, PERPETUAL)
    live.minutes(perpetual, broken())
    validate(live, PERPETUALS_LIVE, BEGINS)
    assert findings(live) == {("perpetuals_live", at(FIRST, BAD), "amounts-not-negative")}
    return perpetual


def listed(live: Live, name: str) -> int:
    instrument_id = live.instrument(name, at("2025-02-20"), base=name[:3])
    # what the level of its closed day is compared with was asked for: there is none
    record_fetched(live.connection, instrument_id, "funding", ms(at("2025-02-20")), ms(ENDS))
    return instrument_id


def broken() -> Candles:
    return day_of(PERPETUAL).setting(BAD, volume=-1.0)


def close(live: Live, perpetual: int, candles: Candles) -> None:
    live.candles(perpetual, candles)
    assert validate(live, PERPETUALS_OHLCV, BEGINS)


@pytest.mark.parametrize("state", ["held", "pending"])
def test_what_is_wrong_with_a_closed_day_is_said_of_that_alone(live, perpetual, state):
    if state == "held":  # beside a perpetual that is right; where all that there is are wrong, the gate blocks
        live.candles(listed(live, "ETH-PERPETUAL"), day_of(PERPETUAL))
    close(live, perpetual, broken())
    assert live.value("SELECT state::text FROM store.candle_day WHERE instrument_id = %s", perpetual) == state
    [(dataset, ts, rule)] = findings(live)
    assert (dataset, ts) == ("perpetuals_ohlcv", None)
    # the hour before midnight is asked for until an hour after it
    for minutes in (2, 20):
        assert validate(live, PERPETUALS_LIVE, ENDS - HOUR + timedelta(minutes=minutes))
        assert findings(live) == {("perpetuals_ohlcv", None, rule)}


def test_live_finds_nothing_in_a_day_that_history_has_found_right(live, perpetual):
    close(live, perpetual, day_of(PERPETUAL))
    assert findings(live) == set()
    assert validate(live, PERPETUALS_LIVE, ENDS - HOUR)
    assert findings(live) == set()
    # a later answer is published still, as it is while the day is held back
    live.minutes(perpetual, day_of(PERPETUAL))
    assert validate(live, PERPETUALS_LIVE, ENDS - HOUR).published == 1


def test_a_day_that_is_not_decided_on_is_named_minute_by_minute(live, perpetual):
    live.candles(perpetual, broken())
    validate(live, PERPETUALS_LIVE, ENDS - HOUR)
    assert {dataset for dataset, *_ in findings(live)} == {"perpetuals_live"}


def test_validating_live_minutes_again_that_were_deleted_says_nothing(live, perpetual):
    close(live, perpetual, day_of(PERPETUAL))
    assert open_days.forget(live.connection, ENDS.date()) == (1, 1440)
    validations = live.value("SELECT count(*) FROM store.validation")
    assert validate(live, PERPETUALS_LIVE, BEGINS) is None
    assert findings(live) == set() and live.value("SELECT count(*) FROM store.validation") == validations


def test_a_minute_that_live_lacks_of_a_day_that_is_held_back_is_still_missing(live, perpetual):
    close(live, perpetual, broken())
    with live.connection.transaction():
        live.connection.execute("DELETE FROM store.open_candle WHERE ts = %s", [at(FIRST, 1400)])
    profile = live.profiled(PERPETUALS_LIVE, ENDS - HOUR, ENDS)
    assert profile.missing_minutes.sum() == 1 and profile.is_closed.all()
