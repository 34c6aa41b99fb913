"""When a perpetual counts as ended of which the catalogue tells no end: by silence, while others are heard; told once,
and undone when rows come."""

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
    """find(hours, trades=, known=, unlisted=, inactive=, stored=): the task over perpetuals whose newest hour, last
    trade and found end are given. unlisted: when those that the exchange lists no more were last listed; inactive:
    those it calls so; stored: their newest hour and trade that are stored.

    Returns the ends that are stored afterwards; find.told are the rules that were told, find.hours the newest hours
    of funding that are kept with them, by instrument."""
    from deribit_warehouse.pipeline import delisting, isolation, waiting
    from deribit_warehouse.warehouse import lifetimes

    context = {"dag_run": SimpleNamespace(run_id="r", dag_id="d", conf={}), "ti": SimpleNamespace(id=None)}

    def find(hours, trades=None, known=None, *, unlisted=None, inactive=(), stored=None):
        names, ends = list(hours), dict(known or {})
        rows, left = stored or {}, unlisted or {}

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
            news = ends.get(names[instrument_id]) != at
            ends[names[instrument_id]], find.hours[names[instrument_id]] = at, hour
            return news

        for module in (delisting, waiting):
            monkeypatch.setattr(module, "get_current_context", lambda: context)
        monkeypatch.setattr(delisting, "exchange", lambda *_: nullcontext(asked))
        monkeypatch.setattr(delisting, "market", lambda: nullcontext(Connection()))
        monkeypatch.setattr(isolation, "reschedule", lambda *_, **__: "waited: in vain")
        monkeypatch.setattr(lifetimes, "record_delisting", record)
        monkeypatch.setattr(lifetimes, "undo_delisting", lambda _, i: bool(ends.pop(names[i], None)))
        perpetuals = [
            {
                "instrument_id": i, "instrument": name, "label": name, "listed_at": LISTED, "ends_at": ends.get(name),
                "is_listed": name not in left, "listed_until": left.get(name, NOW),
                "is_active": name not in inactive,
                "stored_hour": rows.get(name, (None, None))[0], "stored_trade": rows.get(name, (None, None))[1],
            }
            for i, name in enumerate(names)
        ]  # fmt: skip
        monkeypatch.setattr(lifetimes, "open_perpetuals", lambda *_: perpetuals)
        monkeypatch.setattr(delisting, "notify", lambda news: find.told.update({n.instrument: n.rule for n in news}))
        find.told, find.hours = {}, {}
        try:
            delisting.find_delistings.function(None)
        finally:
            find.stored = ends
        return ends

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


@pytest.mark.parametrize("said", ["unlisted", "inactive"])
@pytest.mark.parametrize("knows_the_chart", [True, False])
def test_one_that_is_over_by_the_catalogue_and_not_known_ends_with_what_is_stored_of_it(find, said, knows_the_chart):
    from deribit_warehouse.exchange import InstrumentNotFound

    unknown = InstrumentNotFound("instrument not found")

    def end(stored, trade=None):
        trades = {"B": trade if knows_the_chart else unknown}
        return find({"A": AGO["now"], "B": unknown}, trades, **{said: {"B": AGO["week"]}}, stored={"B": stored})

    assert end((None, None)) == {"B": LISTED}, "nothing of it is stored, and nothing can be had"
    assert find.told == {"B": "delisted" if said == "unlisted" else "listed-though-delisted"}
    assert end((AGO["two months"], None)) == {"B": AGO["two months"]}
    assert end((AGO["two months"], AGO["month"])) == {"B": AGO["month"]}
    assert end((AGO["month"], AGO["two months"])) == {"B": AGO["month"]}
    assert end((AGO["week"], AGO["month"])) == {} and find.told == {}, "no seven days yet, and nobody can do anything"
    if knows_the_chart:
        assert end((None, None), AGO["month"]) == {"B": AGO["month"]}, "its chart is there still"


def test_one_that_is_listed_and_not_known_is_refused(find):
    from airflow.sdk.exceptions import AirflowException

    from deribit_warehouse.exchange import InstrumentNotFound

    unknown = InstrumentNotFound("instrument not found")
    for hour, trade in ((unknown, None), (AGO["month"], unknown)):
        with pytest.raises(AirflowException, match="B: "):
            find({"A": AGO["now"], "B": hour}, {"B": trade}, unlisted={"A": AGO["now"]}, inactive=["A"])
        assert find.stored == {}


@pytest.mark.parametrize(
    ("unlisted", "trade", "end"),
    [
        (None, AGO["month"], AGO["month"]),  # it was never listed since the catalogue is read
        (AGO["two months"], AGO["month"], AGO["month"]),
        (AGO["month"], AGO["two months"], AGO["month"]),  # funding of that time was that of a listed one
        (AGO["month"], None, AGO["month"]),
        (AGO["week"], AGO["month"], None),  # not longer than seven days
        (AGO["month"], AGO["week"], None),  # the list lacks it, and it is traded
        (None, None, None),  # its chart is not there: all that says something of it is its funding
    ],
)
def test_funding_that_goes_on_keeps_nothing_alive_that_is_listed_no_more(find, unlisted, trade, end):
    hours = {"A": AGO["now"], "B": AGO["now"]}
    assert find(hours, {"B": trade}, unlisted={"B": unlisted}) == ({"B": end} if end else {})
    assert find.told == ({"B": "delisted"} if end else {})
    if end:
        assert find.hours == {"B": end}, "an hour that comes after it is no news of it"
        assert find(hours, {"B": AGO["now"]}, known={"B": end}, unlisted={"B": unlisted}) == {}, "trades come"
        assert find(hours, {"B": trade}, known={"B": end}) == {}, "it is listed again"


def test_a_listed_one_whose_funding_goes_on_lives_however_long_it_is_not_traded(find):
    """A thin coin may not be traded for weeks: that is told by a rule, and nothing of it is cut."""
    assert find({"A": AGO["now"], "B": AGO["now"]}, {"B": AGO["month"]}) == {} and find.told == {}


def test_an_end_that_was_found_stays_when_the_exchange_does_not_know_the_perpetual_any_more(find):
    from airflow.sdk.exceptions import AirflowException

    from deribit_warehouse.exchange import InstrumentNotFound

    unknown = InstrumentNotFound("instrument not found")
    assert find({"A": AGO["now"], "B": unknown}, known={"B": AGO["month"]}) == {"B": AGO["month"]}
    assert find.told == {}
    with pytest.raises(AirflowException, match="B: "):
        find({"A": AGO["now"], "B": unknown})
