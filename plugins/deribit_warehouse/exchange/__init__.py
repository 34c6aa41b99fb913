"""Speaks Deribit's public HTTP API. Knows no database and no Airflow."""

from .candles import Candles
from .client import Exchange
from .errors import BadResponse, ExchangeError, ExchangeUnavailable, InstrumentNotFound, RequestRejected
from .funding import Funding
from .index import IndexMinutes
from .instruments import Instrument

__all__ = [
    "BadResponse",
    "Candles",
    "Exchange",
    "ExchangeError",
    "ExchangeUnavailable",
    "Funding",
    "IndexMinutes",
    "Instrument",
    "InstrumentNotFound",
    "RequestRejected",
]
