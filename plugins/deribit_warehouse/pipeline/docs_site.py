"""The data-quality site, built from the stored validations."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from deribit_warehouse import settings
from deribit_warehouse.datasets import DATASETS

from .connections import market
from .interval import configuration

KEEP = 120
"""Results a dataset the site shows; ten years of months, of snapshots as many days. The database keeps all."""


@task
def build_data_docs() -> int:
    """Builds the site from the newest results of each dataset and swaps it into place. Returns the newest
    validation's id.

    Skipped when the site already shows the newest validation. Raises KeyError when DERIBIT_DATA_DOCS_DIR is not set.
    """
    from deribit_warehouse.quality.data_docs import build_site
    from deribit_warehouse.quality.suites import read_suite
    from deribit_warehouse.quality.validate import result_of_day
    from deribit_warehouse.warehouse.completion import newest_validation, validated_days, validation_results

    configuration(get_current_context())
    site = Path(os.environ["DERIBIT_DATA_DOCS_DIR"])
    with market() as connection:
        newest = newest_validation(connection)
        shown = site / "newest_validation"
        if shown.exists() and shown.read_text() == str(newest):
            raise AirflowSkipException(f"the data docs already show validation {newest}")
        suites = [
            read_suite(settings.EXPECTATIONS / f"{dataset.name}.json") for dataset in DATASETS if dataset.validated
        ]
        snapshots = [dataset.name for dataset in DATASETS if dataset.snapshot]
        days = map(result_of_day, validated_days(connection, KEEP, snapshots))
        results = chain(validation_results(connection, KEEP, snapshots), days)
        build_site(results, site, keep=KEEP, suites=suites)
    shown.write_text(str(newest))
    return newest
