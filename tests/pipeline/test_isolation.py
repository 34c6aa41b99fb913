"""In every task that collects, one instrument's trouble leaves the others loaded, and the exchange's is waited for."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest

from deribit_warehouse.exchange import BadResponse, ExchangeUnavailable, InstrumentNotFound, RequestRejected

NAMES = ["A-PERPETUAL", "B-PERPETUAL", "C-PERPETUAL", "D-PERPETUAL"]
HISTORY = ["candles", "funding"]
TASKS = [*HISTORY, "discover_funding_starts", "index_minutes"]


class Connection:
    def transaction(self):
        return nullcontext()


class Exchange:
    """Answers about every instrument, or raises what ``errors`` holds for it; ``asked`` says who was asked for."""

    def __init__(self, errors):
        self.errors, self.asked = errors, []

    def _ask(self, name, *_, **__):
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]
        return SimpleNamespace(
            requests=1, timestamp=[1], index_price=[1.0], prev_index_price=[1.0], interest_1h=[0.0], interest_8h=[0.0],
            duplicate=(), out_of_window=(), name=name, present=np.ones(1, bool), start=0, end=60_000,
        )  # fmt: skip

    candles = funding = funding_chart = _ask

    def funding_value(self, *_):
        if "the sum" in self.errors:
            raise self.errors["the sum"]
        return 0.0

    def now(self, **_):
        return self._ask("the clock")

    def first_funding_hour(self, name, *_):
        self._ask(name)
        return 1_700_000_000_000


@pytest.fixture(params=TASKS)
def collect(request, monkeypatch):
    """Runs a collecting task for NAMES: collect(errors, stored=errors of the store) -> names that were stored.

    collect.exchange is the exchange it asked, collect.waited what it waited for; the wait is over when collect.over.
    """
    from deribit_warehouse.datasets import FUNDING_RATES, INDEX_MINUTES, PERPETUALS_LIVE, PERPETUALS_OHLCV
    from deribit_warehouse.pipeline import isolation, waiting
    from deribit_warehouse.warehouse import day_arrays, funding, index, ingestion
    from deribit_warehouse.warehouse.ingestion import Ingested

    # the package's own load and read_catalogue are the tasks
    load, read_catalogue = (import_module(f"deribit_warehouse.pipeline.{name}") for name in ("load", "read_catalogue"))
    context = {"dag_run": SimpleNamespace(run_id="r", conf={}), "ti": SimpleNamespace(id=None)}
    context["dag_run"].conf |= {"from": "2024-05-01", "to": "2024-05-02"} if request.param in HISTORY else {}
    ids = {name: n for n, name in enumerate(NAMES, 1)}

    def collect(errors, stored=None, finished=()):
        kept = []

        def keep(name, result):
            if name in (stored or {}):
                raise stored[name]
            kept.append(name)
            return result

        def reschedule(awaited, cause, *, bound=None, finished=(), notify=True):
            collect.waited = SimpleNamespace(
                awaited=awaited, cause=cause, bound=bound, finished=set(finished), notify=notify
            )
            if not collect.over:
                from airflow.sdk.exceptions import AirflowRescheduleException

                raise AirflowRescheduleException(datetime.now(UTC))
            return f"waited for {awaited} since 08:00 UTC, for an hour in vain: {cause}"

        collect.exchange = Exchange(errors)
        for module in (read_catalogue, load):
            monkeypatch.setattr(module, "exchange", lambda *_: nullcontext(collect.exchange))
            monkeypatch.setattr(module, "market", lambda: nullcontext(Connection()))
            monkeypatch.setattr(module, "get_current_context", lambda: context)
        monkeypatch.setattr(waiting, "get_current_context", lambda: context)
        for module in (read_catalogue, load):
            monkeypatch.setattr(module, "finished_before_waiting", lambda: set(finished), raising=False)
        monkeypatch.setattr(load, "base_url", lambda _: "http://exchange")
        monkeypatch.setattr(isolation, "reschedule", reschedule)
        monkeypatch.setattr(day_arrays, "store_candles", lambda c, i, found, p: keep(found.name, Ingested()))
        monkeypatch.setattr(load, "wait_for_end", lambda *_: None)
        for lock in ("try_lock", "lock_months", "lock_subject"):
            monkeypatch.setattr(ingestion, lock, lambda *_: True)
        monkeypatch.setattr(day_arrays, "store_open_candles", lambda c, i, found, *_: keep(found.name, Ingested()))
        monkeypatch.setattr(funding, "store_funding", lambda c, i, t, columns, p, *_: keep(p.subject, Ingested()))
        monkeypatch.setattr(funding, "record_checksum", lambda *_: None)
        monkeypatch.setattr(
            funding, "perpetuals_without_start",
            lambda *_: [
                {"instrument": n, "instrument_id": ids[n], "not_before": datetime.now(UTC), "ended": n in collect.ended}
                for n in NAMES if ids[n] - 1 not in finished
            ],
        )  # fmt: skip
        monkeypatch.setattr(funding, "record_start", lambda c, i, h: keep(NAMES[i - 1], None))
        monkeypatch.setattr(
            index, "store_chart", lambda c, t, p, pr: keep(pr.subject[0].upper() + "-PERPETUAL", Ingested())
        )
        windows = [[name, name, ids[name], 0, 60_000, 1] for name in NAMES]
        tasks = {
            "candles": lambda: load.load.function(PERPETUALS_OHLCV, {"label": "", "windows": windows}),
            "funding": lambda: load.load.function(FUNDING_RATES, {"label": "", "windows": windows}),
            "live candles": lambda: load.load.function(PERPETUALS_LIVE, {"label": "", "windows": windows}),
            "discover_funding_starts": lambda: read_catalogue.discover_funding_starts.function(None),
            "index_minutes": lambda: load.load.function(INDEX_MINUTES, {"label": "", "windows": windows}),
        }
        try:
            tasks[request.param]()
        except BaseException as error:
            collect.error = error
        return kept

    collect.waited, collect.over, collect.error, collect.ended = None, False, None, set()
    return collect


def test_nothing_fails(collect):
    assert collect({}) == NAMES
    assert collect.error is None and collect.waited is None


@pytest.mark.parametrize(
    "trouble",
    [ValueError("off the minute"), OverflowError("too large"), psycopg.errors.NumericValueOutOfRange("1e308"),
     psycopg.errors.DeadlockDetected("deadlock"), psycopg.errors.QueryCanceled("statement timeout")],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_any_exception_of_one_leaves_the_others_loaded(collect, trouble, caplog):
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with caplog.at_level(logging.ERROR):
        assert collect({"A-PERPETUAL": trouble, "C-PERPETUAL": trouble}) == ["B-PERPETUAL", "D-PERPETUAL"]
    assert isinstance(collect.error, AirflowException) and not isinstance(collect.error, AirflowFailException)
    said = str(collect.error)
    assert said.startswith("2 of 4 instruments were not loaded: A-PERPETUAL, C-PERPETUAL.")
    assert f"C-PERPETUAL: {type(trouble).__name__}: {trouble}" in said
    assert collect.waited is None
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 2


def test_a_transaction_that_fails_is_its_instruments_alone(collect):
    trouble = psycopg.errors.CheckViolation("violates a check")
    assert collect({}, stored={"B-PERPETUAL": trouble}) == ["A-PERPETUAL", "C-PERPETUAL", "D-PERPETUAL"]
    assert "B-PERPETUAL: CheckViolation" in str(collect.error)


def test_what_ends_the_task_ends_it_at_once(collect):
    from airflow.sdk.exceptions import AirflowTaskTerminated, AirflowTaskTimeout

    for end in (KeyboardInterrupt(), SystemExit(1), AirflowTaskTerminated(), AirflowTaskTimeout()):
        assert collect({"B-PERPETUAL": end}) == ["A-PERPETUAL"]
        assert collect.error is end


def test_a_lost_database_is_no_instruments_fault(collect):
    for lost in (psycopg.OperationalError("server closed the connection"), psycopg.errors.AdminShutdown("going")):
        assert collect({}, stored={"B-PERPETUAL": lost}) == ["A-PERPETUAL"]
        assert collect.error is lost


def test_an_exchange_that_is_away_is_waited_for_before_every_instrument_has_been_asked(collect):
    away = {name: ExchangeUnavailable("11051 system maintenance") for name in NAMES[1:]}
    assert collect(away) == ["A-PERPETUAL"]
    assert collect.exchange.asked == ["A-PERPETUAL", "B-PERPETUAL", "C-PERPETUAL"]
    assert collect.waited.awaited == "the exchange" and "11051" in collect.waited.cause


@pytest.mark.parametrize("name", ["A-PERPETUAL", "B-PERPETUAL", "D-PERPETUAL"])
def test_one_without_an_answer_is_not_the_exchange_and_keeps_the_others_from_nothing(collect, name):
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

    others = [other for other in NAMES if other != name]
    assert collect({name: ExchangeUnavailable("13888")}) == others
    assert isinstance(collect.error, AirflowRescheduleException)
    assert (collect.waited.awaited, collect.waited.notify) == ("instruments without an answer", False)
    assert collect.waited.bound == timedelta(hours=1)
    collect.over = True
    # started again, it asks for that one alone
    collect({name: ExchangeUnavailable("13888")}, finished={NAMES.index(other) for other in others})
    assert isinstance(collect.error, AirflowFailException) and f"{name}: ExchangeUnavailable" in str(collect.error)
    assert collect.waited.awaited == "instruments without an answer"
    assert "(waited for instruments without an answer since 08:00 UTC, for an hour in vain): " in str(collect.error)


def test_the_last_one_without_an_answer_is_the_exchange_if_that_does_not_tell_the_time_either(collect):
    away = dict.fromkeys(("D-PERPETUAL", "the clock"), ExchangeUnavailable("502"))
    assert collect(away) == NAMES[:3]
    assert (collect.waited.awaited, collect.waited.notify) == ("the exchange", True)
    collect(away, finished={0, 1, 2})
    assert collect.waited.awaited == "the exchange"


def test_where_nothing_was_answered_it_is_the_exchange(collect, monkeypatch):
    monkeypatch.setattr("tests.pipeline.test_isolation.NAMES", ["A-PERPETUAL"])
    assert collect({"A-PERPETUAL": ExchangeUnavailable("502")}) == []
    assert collect.waited.awaited == "the exchange"


@pytest.mark.parametrize("collect", ["discover_funding_starts"], indirect=True)
def test_an_ended_perpetual_that_the_exchange_does_not_know_any_more_has_no_first_hour(collect):
    collect.ended = {"B-PERPETUAL"}
    unknown = InstrumentNotFound("instrument not found")
    assert collect({"B-PERPETUAL": unknown}) == ["A-PERPETUAL", "C-PERPETUAL", "D-PERPETUAL"]
    assert collect.error is None and collect.waited is None
    collect({"A-PERPETUAL": unknown})
    assert collect.waited.awaited == "instruments the exchange refused", "one that lives is known"


@pytest.mark.parametrize("collect", ["funding"], indirect=True)
@pytest.mark.parametrize("trouble", [ExchangeUnavailable("13888"), RequestRejected("10020")])
def test_the_hours_are_loaded_without_the_exchanges_own_sum(collect, trouble, caplog):
    assert collect({"the sum": trouble}) == NAMES
    assert collect.error is None and collect.waited is None
    assert caplog.text.count("the exchange's own sum of the funding could not be asked") == len(NAMES)


@pytest.mark.parametrize(
    "no", [RequestRejected("10020"), InstrumentNotFound("instrument not found"), BadResponse("no result")]
)
def test_a_final_no_is_asked_again_for_an_hour_before_it_is_believed(collect, no):
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

    assert collect({"B-PERPETUAL": no}) == ["A-PERPETUAL", "C-PERPETUAL", "D-PERPETUAL"]
    assert isinstance(collect.error, AirflowRescheduleException)
    assert collect.waited.awaited == "instruments the exchange refused"
    assert collect.waited.bound == timedelta(hours=1)
    collect.over = True
    collect({"B-PERPETUAL": no})
    assert isinstance(collect.error, AirflowFailException)
    assert f"B-PERPETUAL: {type(no).__name__}: {no}" in str(collect.error)
    assert "since 08:00 UTC" in str(collect.error)


@pytest.mark.parametrize("collect", ["candles", "funding"], indirect=True)
def test_what_was_loaded_before_a_wait_is_not_asked_for_again(collect):
    collect({"B-PERPETUAL": ExchangeUnavailable("502")})
    assert collect.waited.finished == {0, 2, 3}
    assert collect({}, finished=collect.waited.finished) == ["B-PERPETUAL"]
    assert collect.exchange.asked == ["B-PERPETUAL"]


# -- what is collected live, of which the next run comes in a minute --------------------------------------------------

of_live = pytest.mark.parametrize("collect", ["live candles"], indirect=True)
NO_ANSWER = ExchangeUnavailable("10041 settlement in progress")


@of_live
@pytest.mark.parametrize("unanswered", [NAMES[:2], NAMES[:3], NAMES[1:3], NAMES[2:]])
def test_a_few_without_an_answer_keep_no_other_from_its_minute_and_are_named(collect, unanswered):
    from deribit_warehouse.alerts.incidents import observations
    from deribit_warehouse.alerts.messages import FailedTask, RunReport

    collect.over = True  # it never waits
    assert collect(dict.fromkeys(unanswered, NO_ANSWER)) == [name for name in NAMES if name not in unanswered]
    assert (collect.waited.awaited, collect.waited.bound) == ("instruments without an answer", timedelta(0))
    failed = FailedTask("load", 0, "", f"{type(collect.error).__name__}: {collect.error}")
    report = RunReport(dag_id="deribit_perpetuals_live", run_id="r", interval=None, failures=[failed])
    [told] = observations(report, failed=True)
    assert told.fingerprint[:3] == ("failure", "perpetuals_live", "ExchangeUnavailable")
    assert all(name in told.words for name in unanswered)


@of_live
def test_both_of_two_without_an_answer_are_not_the_exchange_while_that_tells_the_time(collect, monkeypatch):
    monkeypatch.setattr("tests.pipeline.test_isolation.NAMES", NAMES[:2])
    assert collect(dict.fromkeys(NAMES[:2], NO_ANSWER)) == []
    assert collect.waited.awaited == "instruments without an answer"


@of_live
@pytest.mark.parametrize("asked", [1, 2, 4])
def test_an_exchange_that_does_not_tell_the_time_either_is_away_and_asked_for_nothing_more(collect, asked):
    away = [*NAMES[4 - asked :], "the clock"] if asked < 4 else [*NAMES, "the clock"]
    assert collect(dict.fromkeys(away, NO_ANSWER)) == NAMES[: 4 - asked]
    assert collect.waited.awaited == "the exchange"
    assert collect.exchange.asked.count("the clock") == 1
    assert len(collect.exchange.asked) == 4 - asked + min(asked, 2) + 1


@pytest.mark.parametrize("collect", ["candles"], indirect=True)
def test_a_history_does_not_ask_for_the_time_where_it_may_wait(collect):
    collect(dict.fromkeys(NAMES, NO_ANSWER))
    assert collect.exchange.asked == NAMES[:2]
