"""The tables versions lie in. A dataset has one; two may share it."""

from __future__ import annotations

from .dataset import Table

LEVEL = {"reference": "text", "compared_with": "bigint"}
"""What is noted of a version whose level is checked: against which sources, and which versions of them."""

CANDLE_DAY = Table(
    "candle_day", {"instrument_id": "integer", "day": "date"}, noted=LEVEL,
    named_in="computed_from_candle_day",
)  # fmt: skip
OPEN_CANDLE = Table(
    "open_candle", {"instrument_id": "integer", "ts": "timestamptz"},
    values={
        **dict.fromkeys(("open", "high", "low", "close", "volume", "cost"), "float8"),
        **dict.fromkeys(("fresh", "duplicate", "misaligned", "out_of_order", "out_of_window"), "boolean"),
    },
)  # fmt: skip
FUNDING_RATE = Table(
    "funding_rate", {"instrument_id": "integer", "ts": "timestamptz"},
    values={
        "interest_1h": "float8", "interest_8h": "float8", "index_price": "float8", "prev_index_price": "float8",
        "duplicate": "boolean",
    },
    noted=LEVEL,
)  # fmt: skip
INDEX_DAY = Table("index_day", {"index_name": "text", "day": "date"})
BASIS_DAY = Table("basis_day", {"instrument_id": "integer", "day": "date"})
ROLL = Table("roll", {"instrument_id": "integer", "rule": "text", "eligible": "text", "rank": "smallint"})
