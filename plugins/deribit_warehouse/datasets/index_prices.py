"""The index of every minute: a day a row, the true prices that are known and the perpetual that stands in elsewhere."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import INDEX_DAY

INDEX_PRICES = Dataset(
    name="index_prices", keys=("index_name", "day"), table=INDEX_DAY,
    inputs=("perpetuals_ohlcv", "funding_rates", "index_minutes", "instrument_summaries"),
)  # fmt: skip

INDEX_LIVE = Dataset(
    name="index_live", suite="index_prices", keys=("index_name", "ts"), live=True, catalogue="",
    inputs=("index_minutes", "perpetuals_live"), dag_of="perpetuals_live",
    computed_from=("index_name", "ts", "chart_version_id", "compared_with"),
)  # fmt: skip
"""The minutes of days that are not closed yet that the funding chart tells and no summary does: they are compared with
the perpetual, and so validated with its minutes."""
