"""Which days a run is about, and that a run started by hand is told in a sentence what it can't be about."""

from datetime import UTC, date, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest

MAY, JUNE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
MONTH = {"data_interval_start": MAY, "data_interval_end": JUNE}


def context(conf=None, **more):
    return {"dag_run": SimpleNamespace(conf=conf), **more}


def at(year, month, day):
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (context(**MONTH), (MAY, JUNE)),
        (context({}, **MONTH), (MAY, JUNE)),
        (context({"from": "2024-05-03", "to": "2024-05-04"}), (at(2024, 5, 3), at(2024, 5, 4))),
        (context({"from": "2024-02-28", "to": "2024-03-02"}, **MONTH), (at(2024, 2, 28), at(2024, 3, 2))),
        (context({"from": "", "to": None}, **MONTH), (MAY, JUNE)),
        (context(), None),  # whatever waits
    ],
)
def test_a_run_is_about_what_was_asked_else_its_data_interval(given, found):
    from deribit_warehouse.pipeline.interval import interval

    assert interval(given) == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (context({"from": "2024-05-03"}, **MONTH), "both from and to"),
        (context({"to": "2024-05-03"}, **MONTH), "both from and to"),
        (context({"from": "2024-05-03", "to": "2024-05-03"}), r"from \(2024-05-03\) has to lie before to"),
        (context({"from": "2024-06-01", "to": "2024-05-01"}), "has to lie before to"),
        (context({"from": "2018-08-01", "to": "2024-05-01"}), "more than 366 days; backfill"),
        (context({"from": "2098-08-01", "to": "2098-09-01"}), "is not over yet"),
        (context(data_interval_start=MAY, data_interval_end=at(2098, 1, 1)), "is not over yet"),
        (context({"from": "2024-13-01", "to": "2024-05-01"}), "from is '2024-13-01'; a date such as"),
        (context({"from": 20240501, "to": "2024-06-01"}), "from is 20240501; a date such as"),
        (context({"from": ["2024-05-01"], "to": "2024-06-01"}), "from is "),
        (context({"from": "2024-05-01'; DROP TABLE", "to": "2024-06-01"}), "a date such as 2024-06-01 is expected"),
        (context({"form": "2024-05-01"}, **MONTH), "has 'form'; what is read of it: from and to"),
        (context({"from\n\x00" + "x" * 500: 1, 7: 2}, **MONTH), "what is read of it"),
        (context(["from"], **MONTH), "an object is expected"),
    ],
)
def test_what_it_cannot_be_about_is_refused_in_a_sentence(given, said):
    from airflow.sdk.exceptions import AirflowFailException

    from deribit_warehouse.pipeline.interval import interval

    with pytest.raises(AirflowFailException, match=said) as refused:
        interval(given)
    assert len(str(refused.value)) < 250 and str(refused.value).isprintable()


def test_a_derived_run_may_leave_either_bound_open():
    from deribit_warehouse.pipeline.interval import asked_range

    assert asked_range(context({"from": "2024-05-03"})) == (date(2024, 5, 3), None)
    assert asked_range(context({"from": None, "to": "2024-05-03"})) == (None, date(2024, 5, 3))
    assert asked_range(context()) == (None, None)


def test_a_dag_that_reads_no_configuration_takes_none(monkeypatch):
    from airflow.sdk.exceptions import AirflowFailException

    from deribit_warehouse.datasets import INDEX_MINUTES
    from deribit_warehouse.pipeline import docs_site, waiting

    # the package's own of these names are the tasks
    catalogue, load = (import_module(f"deribit_warehouse.pipeline.{name}") for name in ("read_catalogue", "load"))

    asked = context({"currency": "SOL"})
    for module in (catalogue, docs_site, load, waiting):
        monkeypatch.setattr(module, "get_current_context", lambda: asked)
    for run in (
        lambda: catalogue.read_catalogue.function("future", "BTC", catalogue.READINGS[0]),
        lambda: load.plan.function(INDEX_MINUTES),
        docs_site.build_data_docs.function,
    ):
        with pytest.raises(AirflowFailException, match="has 'currency'; what is read of it: none"):
            run()
