"""Dated futures, 1-minute candles: an instrument-day a row, the minutes in arrays."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import CANDLE_DAY

from . import candle_days

FUTURES_OHLCV = Dataset(
    name="futures_ohlcv", keys=("instrument", "day"), table=CANDLE_DAY, sql="candles",
    parameters={"perpetual": False}, load=candle_days.load, references=("perpetuals_ohlcv", "funding_rates"),
)  # fmt: skip
