"""Perpetual swaps, 1-minute candles: an instrument-day a row, the minutes in arrays."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import CANDLE_DAY

from . import candle_days

PERPETUALS_OHLCV = Dataset(
    name="perpetuals_ohlcv", keys=("instrument", "day"), table=CANDLE_DAY, sql="candles",
    parameters={"perpetual": True}, load=candle_days.load, references=("funding_rates", "futures_ohlcv"),
)  # fmt: skip
