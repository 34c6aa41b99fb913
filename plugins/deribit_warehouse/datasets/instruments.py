"""The catalogue of instruments. Plans are made from it; it has no versions, and its suite holds nothing back."""

from deribit_warehouse.dataset import Dataset

INSTRUMENTS = Dataset(name="instruments", keys=("instrument",), day="listed_at")
