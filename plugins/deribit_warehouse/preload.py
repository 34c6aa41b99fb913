# ruff: noqa: F401
"""What tasks use and a scheduler may import before it forks them: then each has it for nothing. The provider's hook
alone costs a process that imports it more than a second."""

import pkgutil
from importlib import import_module

import airflow.providers.postgres.hooks.postgres
import great_expectations
import pandas

import deribit_warehouse.datasets
import deribit_warehouse.exchange
import deribit_warehouse.pipeline
import deribit_warehouse.quality.data_docs
import deribit_warehouse.quality.validate
from deribit_warehouse import warehouse

for module in pkgutil.iter_modules(warehouse.__path__):
    import_module(f"{warehouse.__name__}.{module.name}")
