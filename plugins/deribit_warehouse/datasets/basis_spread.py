"""The basis of every dated future against its perpetual: a pair of versions a row, computed whenever it is read."""

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.tables import BASIS_DAY

BASIS_SPREAD = Dataset(
    name="basis_spread", keys=("instrument", "day"), table=BASIS_DAY, inputs=("futures_ohlcv", "perpetuals_ohlcv")
)
