"""When a series of dated futures rolls from one contract to the next: a roll a row, with both prices in one minute."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import ROLL

ROLL_CALENDAR = Dataset(
    name="roll_calendar", keys=("instrument", "day", "rule", "eligible", "rank"), table=ROLL, inputs=("futures_ohlcv",)
)
