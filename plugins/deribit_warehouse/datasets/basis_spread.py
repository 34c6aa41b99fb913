"""The basis of every dated future against its perpetual: a pair of versions a row, computed whenever it is read."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import BASIS_DAY

BASIS_SPREAD = Dataset(
    name="basis_spread", keys=("instrument", "day"), table=BASIS_DAY, inputs=("futures_ohlcv", "perpetuals_ohlcv")
)

BASIS_LIVE = Dataset(
    name="basis_live", suite="basis_spread", keys=("instrument", "ts"), live=True, catalogue="",
    inputs=("perpetuals_live", "futures_live"), dag_of="futures_live",
    computed_from=("instrument_id", "ts", "future_version_id", "perpetual_id", "perpetual_version_id"),
)  # fmt: skip
"""The same of days that are not closed yet, minute by minute: whichever run publishes the later leg validates it."""
