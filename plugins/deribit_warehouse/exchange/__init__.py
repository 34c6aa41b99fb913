"""Speaks Deribit's public HTTP API. Knows no database and no Airflow."""

from .candles import Candles
from .client import Exchange
from .errors import BadResponse, ExchangeError, InstrumentGone, Refused, Unavailable
from .funding import Funding
from .index import IndexMinutes
from .instruments import Instrument

__all__ = [
    "BadResponse",
    "Candles",
    "Exchange",
    "ExchangeError",
    "Funding",
    "IndexMinutes",
    "Instrument",
    "InstrumentGone",
    "Refused",
    "Unavailable",
]
