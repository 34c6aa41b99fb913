"""Which part of the data a run of a derived DAG looks at, by what started it."""

from contextlib import nullcontext
from datetime import UTC, date, datetime, time
from importlib import import_module
from types import SimpleNamespace

import pytest

from deribit_warehouse.dataset import calendar_months

MAY, JUNE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
RANGE = {"from": "2024-02-01", "to": None}


@pytest.mark.parametrize(
    ("run_type", "conf", "asked"),
    [
        ("asset_triggered", {}, (None, None, False)),
        ("manual", {}, (None, None, False)),
        ("manual", RANGE, (date(2024, 2, 1), None, True)),
        ("scheduled", {}, (None, None, False)),
        ("backfill", {}, (date(2024, 5, 1), date(2024, 6, 1), True)),
        ("backfill", RANGE, (date(2024, 2, 1), None, True)),
    ],
)
def test_a_backfill_asks_for_its_month_and_any_other_run_for_everything(monkeypatch, run_type, conf, asked):
    from deribit_warehouse.datasets import BASIS_SPREAD
    from deribit_warehouse.warehouse import publication

    publish = import_module("deribit_warehouse.pipeline.publish")  # the package's own publish is the task
    context = {"dag_run": SimpleNamespace(run_type=run_type, conf=conf, run_id="run")}
    if run_type in ("scheduled", "backfill"):  # a run of an asset has no interval
        context |= {"data_interval_start": MAY, "data_interval_end": JUNE}
    months = [{"month": date(2024, 5, 1), "first_day": date(2024, 5, 2), "last_day": date(2024, 5, 30), "days": 29}]
    heard = []

    def compute(connection, dataset, begins, ends, provenance):
        assert (dataset, provenance.run_id) == (BASIS_SPREAD, "run")
        heard.append((begins, ends))

    def pending(connection, dataset, begins, ends, *, by_hand):
        assert by_hand == (run_type == "manual")
        assert dataset == BASIS_SPREAD and heard == [(begins, ends)], "what is due is computed first"
        heard[:] = [(begins, ends, False)]
        return months

    def months_of(connection, table, begins, ends):
        assert table == BASIS_SPREAD.table and heard == [(begins, ends)], "what is due is computed first"
        heard[:] = [(begins, ends, True)]
        return months

    monkeypatch.setattr(publish, "get_current_context", lambda: context)
    connection = SimpleNamespace(transaction=nullcontext)
    monkeypatch.setattr(publish, "market", lambda: nullcontext(connection))
    monkeypatch.setattr(publication, "compute", compute)
    monkeypatch.setattr(publication, "pending", pending)
    monkeypatch.setattr(publication, "months", months_of)
    assert publish.windows.function(BASIS_SPREAD) == [{"label": "2024-05", "months": [["2024-05-02", "2024-05-31"]]}]
    assert heard == [asked]


def test_months_of_few_days_share_a_task_and_none_is_left_out(monkeypatch):
    from deribit_warehouse.datasets import BASIS_SPREAD
    from deribit_warehouse.warehouse import publication

    publish = import_module("deribit_warehouse.pipeline.publish")
    first, last = [date(2024, month, 1) for month in range(1, 8)], 27
    days = [2000, 2995, 5, 3500, 12500, 50, 100]
    months = [
        {"month": at, "first_day": at, "last_day": at.replace(day=last), "days": number}
        for at, number in zip(first, days, strict=True)
    ]
    run = SimpleNamespace(run_type="asset_triggered", conf={}, run_id="run")
    monkeypatch.setattr(publish, "get_current_context", lambda: {"dag_run": run})
    monkeypatch.setattr(publish, "market", lambda: nullcontext(SimpleNamespace(transaction=nullcontext)))
    monkeypatch.setattr(publication, "compute", lambda *given: None)
    monkeypatch.setattr(publication, "pending", lambda *given, by_hand: months)
    found = publish.windows.function(BASIS_SPREAD)
    assert [batch["label"] for batch in found] == [
        "2024-01 … 2024-04 (4)", "2024-05", "2024-06, 2024-07",
    ]  # fmt: skip
    assert [month for batch in found for month in batch["months"]] == [
        [str(at), str(at.replace(day=last + 1))] for at in first
    ]


def test_what_is_compared_with_nothing_is_validated_by_the_year():
    from deribit_warehouse.datasets import BASIS_SPREAD, DELIVERY_PRICES, FUTURES_OHLCV

    publish = import_module("deribit_warehouse.pipeline.publish")
    months = calendar_months(*(datetime(year, 11, 1, tzinfo=UTC) for year in (2018, 2020)))
    years = [(months[0][0], months[1][1]), (months[2][0], months[13][1]), (months[14][0], months[-1][1])]
    assert publish.stretches(DELIVERY_PRICES, months) == publish.stretches(BASIS_SPREAD, months) == years
    assert publish.stretches(FUTURES_OHLCV, months) == months
    assert publish.stretches(BASIS_SPREAD, []) == []
    # a run that was cleared: what it had validated before, and what waits now
    june, march = months[7], months[4]
    assert publish.stretches(DELIVERY_PRICES, [years[1], march]) == [years[1]]
    assert publish.stretches(DELIVERY_PRICES, [june, march]) == [march, june]


def test_a_month_that_was_blocked_is_not_validated_with_those_beside_it():
    from deribit_warehouse.datasets import BASIS_SPREAD

    publish = import_module("deribit_warehouse.pipeline.publish")

    def days(first: date, past: date) -> tuple[datetime, datetime]:
        return datetime.combine(first, time.min, UTC), datetime.combine(past, time.min, UTC)

    # rolls: a day here and there
    january, march = days(date(2023, 1, 27), date(2023, 2, 1)), days(date(2023, 3, 1), date(2023, 3, 31))
    assert publish.stretches(BASIS_SPREAD, [january, march]) == [january, march], "February waits for somebody"
    february = days(date(2023, 2, 24), date(2023, 2, 25))
    assert publish.stretches(BASIS_SPREAD, [january, february, march]) == [(january[0], march[1])]
