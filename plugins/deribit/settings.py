"""What may be set from outside, read from the environment when asked for. Everything has a safe default."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The package's folder: dags/, plugins/, include/, expectations/ lie in it."""

EXPECTATIONS = ROOT / "expectations"

# Connections, by id. What a mode differs by is these and nothing else.
LIVE_HOST = "deribit"
HISTORY_HOST = "deribit_history"
MARKET = "market"


def history_from() -> datetime:
    """The first instant of history, UTC (env DERIBIT_HISTORY_FROM, a date; Deribit's perpetual began 2018-08-14)."""
    return datetime.fromisoformat(os.environ.get("DERIBIT_HISTORY_FROM", "2018-08-01")).replace(tzinfo=UTC)


def currencies() -> list[str]:
    """The currencies that are collected (env DERIBIT_CURRENCIES, comma separated; USDC adds the linear instruments)."""
    return [c.strip().upper() for c in os.environ.get("DERIBIT_CURRENCIES", "BTC,ETH").split(",") if c.strip()]


def history_rate() -> float:
    """Requests that history may send in any one second, all processes together: what is allowed less live's share."""
    allowed = float(os.environ.get("DERIBIT_REQUESTS_PER_SECOND", "15"))
    return allowed * (1 - live_share())


def live_rate() -> float:
    """Requests in any one second kept back for live collection, all processes together."""
    return float(os.environ.get("DERIBIT_REQUESTS_PER_SECOND", "15")) * live_share()


def live_share() -> float:
    """The fraction of the allowed rate kept back for live collection (env DERIBIT_LIVE_SHARE, 0 to 0.9)."""
    share = float(os.environ.get("DERIBIT_LIVE_SHARE", "0.2"))
    if not 0 <= share <= 0.9:
        raise ValueError(f"DERIBIT_LIVE_SHARE is {share}; it is a fraction from 0 to 0.9")
    return share


def catalogue_rate() -> float:
    """Calls of get_instruments a second, counted apart by the exchange (env DERIBIT_CATALOGUE_REQUESTS_PER_SECOND)."""
    return float(os.environ.get("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "1"))


def longest_wait() -> timedelta:
    """How long a task waits for something that will come, from its first asking on (env DERIBIT_WAIT_HOURS, 0 to 168;
    0: not at all)."""
    hours = float(os.environ.get("DERIBIT_WAIT_HOURS", "12"))
    if not 0 <= hours <= 168:
        raise ValueError(f"DERIBIT_WAIT_HOURS is {hours}; it is a number of hours from 0 to 168")
    return timedelta(hours=hours)
