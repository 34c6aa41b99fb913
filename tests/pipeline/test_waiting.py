"""A task that waits ends its process, is asked again and goes on by itself, and says so."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest

from ..conftest import Market

ATTEMPTS = [uuid4() for _ in range(3)]


@pytest.fixture
def waits(monkeypatch, market: Market):
    """The module, on a market database, in the context of a task: says(attempt) changes which."""
    from deribit_warehouse.pipeline import waiting

    context = {}

    def says(attempt: int, asked_before: int = 0) -> None:
        ti = SimpleNamespace(
            id=ATTEMPTS[attempt], dag_id="funding_rates", run_id="r", task_id="load", map_index=attempt
        )
        dag_run = SimpleNamespace(dag_id="funding_rates", run_id="r")
        context.update(ti=ti, dag_run=dag_run, label="BTC-PERPETUAL", task_reschedule_count=asked_before)

    says(0)
    waiting.says = says
    monkeypatch.setattr(waiting, "get_current_context", lambda: context)
    monkeypatch.setattr(waiting, "market", lambda: psycopg.connect(market.dsn(), options="-c timezone=UTC"))
    monkeypatch.setattr(waiting, "told", [], raising=False)
    monkeypatch.setattr(
        waiting, "notify_waiting", lambda context, awaited, **facts: waiting.told.append((awaited, facts))
    )
    monkeypatch.setenv("DERIBIT_WAIT_HOURS", "12")
    return waiting


def passes(market: Market, **time) -> None:
    """Lets time pass: every wait began, was asked and told so much earlier."""
    with psycopg.connect(market.dsn()) as connection:
        connection.execute(
            "UPDATE store.waiting SET since = since - %(t)s, asked_at = asked_at - %(t)s, "
            "notified_at = notified_at - %(t)s",
            {"t": timedelta(**time)},
        )


def asks_in_vain(waits, awaited="the exchange", **options) -> float:
    """Asks once and returns how many seconds later the scheduler is to ask again."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    with pytest.raises(AirflowRescheduleException) as stopped:
        waits.wait(awaited, "11051 system maintenance", **options)
    return (stopped.value.reschedule_date - datetime.now(UTC)).total_seconds()


def test_it_is_asked_again_soon_at_first_and_every_ten_minutes_later(waits, market):
    assert 50 < asks_in_vain(waits) <= 60
    passes(market, minutes=3)
    assert 170 < asks_in_vain(waits) <= 181
    passes(market, hours=3)
    assert 590 < asks_in_vain(waits) <= 600
    [(awaited, label, cause)] = market.rows("SELECT awaited, label, cause FROM waiting")
    assert (awaited, label, cause) == ("the exchange", "BTC-PERPETUAL", "11051 system maintenance")


def test_when_the_bound_is_over_it_fails_and_says_since_when_it_waited_and_for_what(waits, market):
    from airflow.sdk.exceptions import AirflowFailException

    asks_in_vain(waits)
    since = datetime.now(UTC) - timedelta(hours=12)
    passes(market, hours=11, minutes=55)
    assert 290 < asks_in_vain(waits) <= 300, "the last asking is at the bound"
    passes(market, minutes=4, seconds=58)
    assert 50 < asks_in_vain(waits) <= 60, "but never sooner than the scheduler sees that the process has ended"
    passes(market, seconds=2)
    with pytest.raises(AirflowFailException) as given_up:
        waits.wait("the exchange", "11051 system maintenance")
    assert "waited for the exchange since" in str(given_up.value) and "12 hours" in str(given_up.value)
    assert "11051" in str(given_up.value) and f"{since:%Y-%m-%d}" in str(given_up.value)
    assert market.rows("SELECT * FROM store.waiting") == []


def test_one_wait_of_many_tasks_is_told_once(waits, market):
    for attempt in (0, 1):
        waits.says(attempt)
        asks_in_vain(waits)
    passes(market, minutes=10)
    asks_in_vain(waits)
    assert waits.told == [], "not after a few minutes"
    passes(market, minutes=10)
    for attempt in (0, 1, 0):
        waits.says(attempt)
        asks_in_vain(waits)
    [(awaited, facts)] = waits.told
    assert awaited == "the exchange" and facts["tasks"] == 2
    # who waits for something else is told of on its own, and who joins the same wait later is not
    waits.says(2)
    asks_in_vain(waits)
    asks_in_vain(waits, "the catalogue")
    passes(market, minutes=20)
    asks_in_vain(waits)
    asks_in_vain(waits, "the catalogue")
    assert [awaited for awaited, _ in waits.told] == ["the exchange", "the catalogue"]


def test_what_is_finished_is_remembered_until_it_goes_on(waits, market):
    assert waits.finished_before_waiting() == set()
    asks_in_vain(waits, finished={7, 8})
    waits.says(0, asked_before=1)
    assert waits.finished_before_waiting() == {7, 8}
    with waits.waits_for_exchange():
        pass
    assert market.rows("SELECT * FROM store.waiting") == []
    assert waits.finished_before_waiting() == set()


def test_a_wait_nobody_came_back_for_is_out_of_date(waits, market):
    asks_in_vain(waits)
    with psycopg.connect(market.dsn()) as connection:
        connection.execute("UPDATE store.waiting SET next_at = next_at - interval '2 hours'")
    assert market.rows("SELECT * FROM waiting") == []


def test_zero_hours_is_no_wait_and_nonsense_is_refused(waits, monkeypatch):
    from airflow.sdk.exceptions import AirflowFailException

    monkeypatch.setenv("DERIBIT_WAIT_HOURS", "0")
    with pytest.raises(AirflowFailException, match="less than a minute"):
        waits.wait("the exchange", "11051")
    for nonsense in ("-1", "nan", "1e9"):
        monkeypatch.setenv("DERIBIT_WAIT_HOURS", nonsense)
        with pytest.raises(ValueError, match="DERIBIT_WAIT_HOURS"):
            waits.wait("the exchange", "11051")
