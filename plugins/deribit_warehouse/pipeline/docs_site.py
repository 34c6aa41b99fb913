"""The data-quality site, built from the stored validations."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from itertools import chain
from pathlib import Path

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from deribit_warehouse import settings
from deribit_warehouse.datasets import DATASETS, LIVE

from .connections import market
from .interval import configuration

KEEP = 120
"""How many results of each dataset the site shows: ten years of months, or of a snapshot as many days. The database
keeps all of them."""

REPORT_EVERY, REPORT_AT_LEAST = timedelta(hours=1), timedelta(days=1)
"""How old the completion report may become if something was validated since, and if nothing was. It is not made more
often because it reads the whole history, nor less often because loads and the end of a month change it, too."""


@task
def build_data_docs() -> int:
    """Builds the site from the newest results of each dataset and swaps it into place, with the completion report where
    that is due. Returns the newest validation's id.

    Skipped when the site already shows the newest validation and its report is not due. Raises KeyError when
    DERIBIT_DATA_DOCS_DIR is not set.
    """
    from deribit_warehouse.quality.data_docs import build_site
    from deribit_warehouse.quality.suites import read_suite
    from deribit_warehouse.quality.validate import result_of_day
    from deribit_warehouse.report import report
    from deribit_warehouse.warehouse.completion import newest_validation, validated_days, validation_results

    context = get_current_context()
    configuration(context)
    site = Path(os.environ["DERIBIT_DATA_DOCS_DIR"])
    with market() as connection:
        newest = newest_validation(connection)
        shown, reported = site / "newest_validation", site / "reported_validation"
        due = report_is_due(reported, newest, by_hand=context["dag_run"].run_type == "manual")
        if not due and shown.exists() and shown.read_text() == str(newest):
            raise AirflowSkipException(f"the data docs already show validation {newest}")
        suites = [
            read_suite(settings.EXPECTATIONS / f"{dataset.suite}.json") for dataset in DATASETS if dataset.validated
        ]
        snapshots = [dataset.name for dataset in (*DATASETS, *LIVE) if dataset.brief]
        days = map(result_of_day, validated_days(connection, KEEP, snapshots))
        results = chain(validation_results(connection, KEEP, snapshots), days)
        connection.rollback()  # the report reads one consistent state, in a transaction of its own
        made = report(connection) if due else None
        of_open_days = {dataset.name: dataset.suite for dataset in LIVE}
        build_site(results, site, keep=KEEP, suites=suites, validated_by=of_open_days, report=made)
    shown.write_text(str(newest))
    if due:
        reported.write_text(str(newest))
    return newest


def report_is_due(reported: Path, newest: int, *, by_hand: bool = False) -> bool:
    """Whether the completion report is to be made anew. reported: the file that names the validation it was made after,
    written when it was. newest: the newest validation's id. by_hand: whether somebody asks for the site now, as a start
    does at its end; then it is made where anything was validated since."""
    try:
        made, after = reported.stat().st_mtime, reported.read_text()
    except FileNotFoundError:
        return True
    age = timedelta(seconds=time.time() - made)
    if after == str(newest):
        return age >= REPORT_AT_LEAST
    return by_hand or age >= REPORT_EVERY
