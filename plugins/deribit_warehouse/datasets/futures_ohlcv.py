"""Dated futures, 1-minute candles: an instrument-day a row, the minutes in arrays."""

from datetime import timedelta

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import CANDLE_DAY, OPEN_CANDLE

from . import candle_days, open_candles

FUTURES_OHLCV = Dataset(
    name="futures_ohlcv", keys=("instrument", "day"), table=CANDLE_DAY, sql="candles",
    parameters={"perpetual": False}, load=candle_days.load,
    references=("perpetuals_ohlcv", "funding_rates", "delivery_prices"),
)  # fmt: skip

FUTURES_LIVE = Dataset(
    name="futures_live", suite="futures_ohlcv", keys=("instrument", "ts"), table=OPEN_CANDLE, sql="open_candles",
    parameters={"perpetual": False}, load=open_candles.load, live=True, backlog=True, catalogue="", bucket="live",
    patience=timedelta(0),
)  # fmt: skip
"""The same of days that are not closed yet, minute by minute (see perpetuals_ohlcv)."""
