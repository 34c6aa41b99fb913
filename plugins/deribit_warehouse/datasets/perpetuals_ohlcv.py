"""Perpetual swaps, 1-minute candles: an instrument-day a row, the minutes in arrays."""

from datetime import timedelta

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import CANDLE_DAY, OPEN_CANDLE

from . import candle_days, open_candles

PERPETUALS_OHLCV = Dataset(
    name="perpetuals_ohlcv", keys=("instrument", "day"), table=CANDLE_DAY, sql="candles",
    parameters={"perpetual": True}, load=candle_days.load, catalogue="listed",
    references=("funding_rates", "futures_ohlcv", "delivery_prices"),
)  # fmt: skip

PERPETUALS_LIVE = Dataset(
    name="perpetuals_live", suite="perpetuals_ohlcv", keys=("instrument", "ts"), table=OPEN_CANDLE, sql="open_candles",
    parameters={"perpetual": True}, load=open_candles.load, live=True, backlog=True, catalogue="", bucket="live",
    patience=timedelta(0),
)  # fmt: skip
"""The same of days that are not closed yet, minute by minute. An exchange that is away is not waited for: the next
minute's run asks for this one, too."""
