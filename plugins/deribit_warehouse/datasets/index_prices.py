"""The index of every minute: a day a row, the true prices that are known and the perpetual that stands in elsewhere."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import INDEX_DAY

INDEX_PRICES = Dataset(
    name="index_prices", keys=("index_name", "day"), table=INDEX_DAY,
    inputs=("perpetuals_ohlcv", "funding_rates", "index_minutes", "instrument_summaries"),
)  # fmt: skip
