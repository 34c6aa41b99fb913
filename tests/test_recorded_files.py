"""Which of the recorded files no test reads, and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.recorded
ROOT = Path(__file__).parents[1]
TRADES = "trades are not collected: candles have what they come to"
COMBOS = "combos are not collected: their legs are futures of their own"
UNREAD = {
    "README.md": "it says what the others are",
    "http_get_combos.json": COMBOS,
    "http_get_expirations_any.json": "expiries come with the instruments",
    "http_get_expirations_btc_option.json": "expiries come with the instruments",
    "http_get_last_trades.json": TRADES,
    "http_get_last_trades_future_combo.json": TRADES,
    "http_get_last_trades_historical_combo.json": TRADES,
    "http_get_last_trades_option_combo.json": TRADES,
    "http_get_last_trades_perpetual_with_combo_tags.json": TRADES,
    "http_get_order_book.json": "order books are not collected",
    "option_trades_BTC-28JUN24-70000-C.csv": TRADES,
    "published_marks_2019-05-12T083720Z.csv": "four marks of one moment, in an hour of which nothing else was recorded",
    "trades_instrument.json": TRADES,
}


def named_in_code() -> list[re.Pattern[str]]:
    """The names of files in tests, benchmarks and the simulator; what is put in at runtime may be any word."""
    paths = [path for folder in ("tests", "bench", "exchange_simulator") for path in (ROOT / folder).rglob("*.py")]
    text = "\n".join(path.read_text() for path in paths if path != Path(__file__))
    names = set(re.findall(r"[\w.{}-]+\.(?:json|csv)", text))
    # a name that is put together whole says nothing of which it is
    named = [re.split(r"\{\w*\}", name) for name in names if not re.fullmatch(r"(\{\w*\})?\.(json|csv)", name)]
    return [re.compile(r"\w+".join(map(re.escape, parts))) for parts in named]


def test_every_recorded_file_is_read_or_it_is_said_why_not(recorded):
    names = named_in_code()
    files = {path.name for path in recorded.rglob("*") if path.is_file()}
    unread = {name for name in files if not any(pattern.fullmatch(name) for pattern in names)}
    assert unread == set(UNREAD)
