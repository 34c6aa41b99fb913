"""When a listed perpetual counts as ended: by silence, while others are heard; told once, and undone when rows come."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

NOW = datetime(2026, 9, 1, tzinfo=UTC)
LISTED = NOW - timedelta(days=400)
AGO = {name: NOW - timedelta(days=days) for name, days in {"now": 0, "week": 7, "month": 30, "two months": 60}.items()}


class Connection:
    def transaction(self):
        return nullcontext()


@pytest.fixture
def find(monkeypatch):
    """find(hours, trades=, known=): the task over perpetuals whose newest hour, last trade and found end are given.

    Returns the ends that are stored afterwards; find.told are the rules that were told, by instrument."""
    from deribit_warehouse.pipeline import delisting, isolation, waiting
    from deribit_warehouse.warehouse import lifetimes

    context = {"dag_run": SimpleNamespace(run_id="r", dag_id="d", conf={}), "ti": SimpleNamespace(id=None)}

    def find(hours, trades=None, known=None):
        names, stored = list(hours), dict(known or {})

        def in_ms(instant):
            if isinstance(instant, Exception):
                raise instant
            return instant and int(instant.timestamp() * 1000)

        asked = SimpleNamespace(
            now=lambda: 0,
            last_funding_hour=lambda name, *_: in_ms(hours[name]),
            last_trade=lambda name, *_: in_ms((trades or {}).get(name)),
        )

        def record(_, instrument_id, at, hour, reason):
            news = stored.get(names[instrument_id]) != at
            stored[names[instrument_id]] = at
            return news

        for module in (delisting, waiting):
            monkeypatch.setattr(module, "get_current_context", lambda: context)
        monkeypatch.setattr(delisting, "exchange", lambda *_: nullcontext(asked))
        monkeypatch.setattr(delisting, "market", lambda: nullcontext(Connection()))
        monkeypatch.setattr(isolation, "reschedule", lambda *_, **__: "waited: in vain")
        monkeypatch.setattr(lifetimes, "record_delisting", record)
        monkeypatch.setattr(lifetimes, "undo_delisting", lambda _, i: bool(stored.pop(names[i], None)))
        perpetuals = [
            {"instrument_id": i, "instrument": name, "label": name, "listed_at": LISTED, "ends_at": stored.get(name)}
            for i, name in enumerate(names)
        ]
        monkeypatch.setattr(lifetimes, "open_perpetuals", lambda *_: perpetuals)
        monkeypatch.setattr(delisting, "notify", lambda news: find.told.update({n.instrument: n.rule for n in news}))
        find.told = {}
        try:
            delisting.find_delistings.function(None)
        finally:
            find.stored = stored
        return stored

    return find


def test_silence_while_others_are_heard_is_an_end_told_once(find):
    assert find({"A": AGO["now"], "B": AGO["month"]}) == {"B": AGO["month"]}
    assert find.told == {"B": "listed-though-delisted"}
    assert find({"A": AGO["now"], "B": AGO["month"]}, known={"B": AGO["month"]}) == {"B": AGO["month"]}
    assert find.told == {}


def test_a_life_goes_on_to_its_last_trade(find):
    assert find({"A": AGO["now"], "B": AGO["two months"]}, {"B": AGO["month"]}) == {"B": AGO["month"]}


def test_what_has_no_hour_and_no_trade_never_lived(find):
    assert find({"A": AGO["now"], "B": None}) == {"B": LISTED}


@pytest.mark.parametrize(
    ("hours", "trades"),
    [
        ({"A": AGO["now"], "B": AGO["week"]}, {}),  # not longer than seven days
        ({"A": AGO["now"], "B": AGO["month"]}, {"B": AGO["now"]}),  # funding stopped, trading did not
        ({"A": AGO["month"], "B": AGO["month"]}, {}),  # the exchange itself is silent
        ({"A": AGO["two months"]}, {}),  # there is no other to compare it with
        ({"A": None, "B": None}, {}),
        ({}, {}),
    ],
)
def test_these_are_no_ends(find, hours, trades):
    assert find(hours, trades) == {} and find.told == {}


def test_an_end_is_undone_when_rows_come(find):
    assert find({"A": AGO["now"], "B": AGO["now"]}, known={"B": AGO["month"]}) == {}
    assert find.told == {"B": "delisting-undone"}


def test_one_that_fails_keeps_the_others_from_nothing_and_is_not_taken_for_dead(find):
    from airflow.sdk.exceptions import AirflowException

    from deribit_warehouse.exchange import BadResponse

    with pytest.raises(AirflowException, match="B: "):
        find({"A": AGO["now"], "B": BadResponse("what is this"), "C": AGO["month"]})
    assert find.stored == {"C": AGO["month"]}


def test_an_end_that_was_found_stays_when_the_exchange_does_not_know_the_perpetual_any_more(find):
    from airflow.sdk.exceptions import AirflowException

    from deribit_warehouse.exchange import InstrumentNotFound

    unknown = InstrumentNotFound("instrument not found")
    assert find({"A": AGO["now"], "B": unknown}, known={"B": AGO["month"]}) == {"B": AGO["month"]}
    assert find.told == {}
    with pytest.raises(AirflowException, match="B: "):
        find({"A": AGO["now"], "B": unknown})
