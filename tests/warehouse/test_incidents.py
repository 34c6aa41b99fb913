"""One row an incident: opened once, folded, over when nothing of it is left, told once and for certain."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from deribit_warehouse.datasets import FUTURES_OHLCV, INSTRUMENT_SUMMARIES
from deribit_warehouse.warehouse import incidents, validations
from deribit_warehouse.warehouse.incidents import Fingerprint
from tests.warehouse.days import FIRST, at

FAILED = Fingerprint("failure", "futures_ohlcv", "BadResponse")
MARCH, APRIL = "2025-03-01T00:00/2025-04-01T00:00", "2025-04-01T00:00/2025-05-01T00:00"
AT_ONCE = {"calm": timedelta(0), "remind": None}
A_DAY = timedelta(days=1)


@pytest.fixture
def connection(market):
    with psycopg.connect(market.dsn(), options="-c timezone=UTC") as opened:
        yield opened


@pytest.fixture
def later(market):
    """Lets time pass: everything happened so much earlier."""

    def later(**time) -> None:
        with psycopg.connect(market.dsn()) as opened:
            opened.execute(
                "UPDATE store.incident SET opened_at = opened_at - %(t)s, seen_at = seen_at - %(t)s, "
                "grown_at = grown_at - %(t)s, resolved_at = resolved_at - %(t)s, told_at = told_at - %(t)s, "
                "acknowledged_at = acknowledged_at - %(t)s, end_told_at = end_told_at - %(t)s, "
                "telling_at = telling_at - %(t)s",
                {"t": timedelta(**time)},
            )

    return later


def fails(connection, fingerprint=FAILED, stands=MARCH, words="load[3] BTC: BadResponse", **more) -> int:
    with connection.transaction():
        return incidents.observe(connection, fingerprint, words, stands=[stands], **more)


def well(connection, part, kinds=("failure",), dataset="futures_ohlcv") -> None:
    with connection.transaction():
        incidents.recover(connection, kinds, dataset, part=part)


def news(connection, **more) -> list[tuple[int, str]]:
    """What is to be told now, all of it, as if every message went out: (incident, what happened)."""
    found = []
    while True:
        with connection.transaction():
            rows = incidents.claim(connection, **(AT_ONCE | more))
        if not rows:
            return found
        with connection.transaction():
            incidents.mark_notified(connection, [row["incident_id"] for row in rows], rows[0]["news"])
        found += [(row["incident_id"], row["news"]) for row in rows]


def states(market) -> list[tuple]:
    return market.rows("SELECT state, times FROM incidents ORDER BY incident_id")


def test_it_is_told_when_it_opens_and_when_it_is_over_and_not_between(market, connection):
    first = fails(connection)
    assert news(connection) == [(first, "opened")]
    assert [fails(connection), fails(connection, words="load[4] ETH: BadResponse")] == [first, first]
    assert news(connection) == []
    assert market.rows("SELECT times, message FROM incidents") == [(3, "load[4] ETH: BadResponse")]
    well(connection, MARCH)
    assert news(connection) == [(first, "recovered")] and news(connection) == []
    assert states(market) == [("resolved", 3)]
    second = fails(connection)
    assert second != first and news(connection) == [(second, "opened")]
    assert incidents.unsettled(connection)


def test_what_is_of_another_dataset_rule_or_group_is_another_incident(connection):
    ids = {fails(connection, fingerprint) for fingerprint in (
        FAILED, FAILED._replace(dataset="funding_rates"), FAILED._replace(rule="KeyError"),
        FAILED._replace(instruments="BTC"), FAILED._replace(kind="watch"),
    )}  # fmt: skip
    assert len(ids) == 5


def test_it_is_over_when_all_that_stands_of_it_is_well(market, connection):
    fails(connection)
    fails(connection, stands=APRIL)
    well(connection, "2025-03-01T00:00/2025-03-15T00:00")
    well(connection, "")
    assert market.value("SELECT stands FROM store.incident") == [MARCH, APRIL], "a part of a month is not the month"
    well(connection, APRIL)
    assert states(market) == [("open", 2)]
    well(connection, "2025-02-01T00:00/2025-04-01T00:00")
    assert states(market) == [("resolved", 2)], "a range by hand that holds the month"


def test_what_was_blocked_as_one_and_is_mended_in_parts_is_over_with_the_last_of_them(market, connection):
    """A year of settlements is one validation; what waits of it afterwards is asked for by the days that wait."""
    year = Fingerprint("blocked", "volatility_index", "blocked")
    fails(connection, year, stands="2025-01-01T00:00/2026-01-01T00:00")
    fails(connection, Fingerprint("failure", "volatility_index", "X"), stands="2025-01-01T00:00/2026-01-01T00:00")
    with connection.transaction():
        connection.execute("INSERT INTO store.collected (currency, since) VALUES ('BTC', '2018-08-01')")
        validation_id = validations.record_validation(
            connection, dataset="volatility_index", dag_id="d", run_id="r", begins=at("2025-01-01"),
            ends=at("2026-01-01"), outcome="blocked", suite="s", rows=1, expected=0, missing=0, blocked_because=["b"],
            result=None,
        )  # fmt: skip
        rows = [{"ts": at(day), "id": validation_id} for day in ("2025-03-02", "2025-12-31")]
        connection.cursor().executemany(
            "WITH v AS (INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
            "           VALUES ('volatility_index', 'BTC', 'h', 'r', 1, 0, 0) RETURNING version_id) "
            "INSERT INTO store.volatility_index "
            "(currency, ts, version_id, validation_id, open, high, low, close, duplicate) "
            "SELECT 'BTC', %(ts)s, version_id, %(id)s, 1, 1, 1, 1, false FROM v", rows,
        )  # fmt: skip

    def passes(first: str, past: str) -> None:
        with connection.transaction():
            connection.execute(
                "UPDATE store.volatility_index SET state = 'published', shown = int8multirange(int8range(1, NULL)) "
                "WHERE ts >= %s AND ts < %s", [at(first), at(past)],
            )  # fmt: skip
        well(connection, f"{first}T00:00/{past}T00:00", ["blocked", "failure"], "volatility_index")

    passes("2025-03-02", "2025-03-03")
    assert states(market) == [("open", 1)] * 2, "a day of it waits"
    passes("2024-01-01", "2025-01-01")
    assert states(market) == [("open", 1)] * 2
    passes("2025-12-31", "2026-01-01")
    assert states(market) == [("resolved", 1), ("open", 1)], "of a failed run nobody can say that"


def test_a_name_is_well_by_itself_alone(market, connection):
    for name in ("deribit_a", "deribit_c"):
        fails(connection, stands=name)
    well(connection, "deribit_b")
    assert market.value("SELECT stands FROM store.incident") == ["deribit_a", "deribit_c"]
    with connection.transaction():
        incidents.recover(connection, ["failure"], "futures_ohlcv", rule="KeyError")
    assert states(market) == [("open", 2)], "another rule"
    with connection.transaction():
        incidents.recover(connection, ["failure"], "futures_ohlcv", rule="BadResponse", instruments="")
    assert states(market) == [("resolved", 2)]


def test_an_end_is_told_when_it_has_lasted_and_what_comes_back_before_is_the_same_incident(market, connection, later):
    calm = timedelta(minutes=10)
    first = fails(connection)
    assert news(connection) == [(first, "opened")]
    for _ in range(3):  # it comes and goes
        well(connection, MARCH)
        assert news(connection, calm=calm) == []
        later(minutes=9)
        assert fails(connection) == first
    assert states(market) == [("open", 4)] and news(connection, calm=calm) == []
    well(connection, MARCH)
    later(minutes=11)
    assert news(connection, calm=calm) == [(first, "recovered")]
    assert fails(connection) != first


def test_a_message_that_was_lost_is_sent_by_whoever_comes_next(connection, later):
    first = fails(connection)
    with connection.transaction():
        [row] = incidents.claim(connection, **AT_ONCE)
    assert row["news"] == "opened"
    assert news(connection) == [], "somebody is telling it"
    later(minutes=3)  # and was killed, or no channel took it
    assert news(connection) == [(first, "opened")]


def test_an_incident_of_which_nobody_could_be_told_is_told_once_when_it_is_over(connection):
    first = fails(connection)
    well(connection, MARCH)
    assert news(connection) == [(first, "recovered")] and news(connection) == []


def test_a_rolled_back_transaction_leaves_nothing_to_tell(connection):
    with pytest.raises(RuntimeError), connection.transaction():
        incidents.observe(connection, FAILED, "words")
        raise RuntimeError
    assert not incidents.unsettled(connection) and news(connection) == []


def test_what_opens_together_in_one_dataset_is_one_message(connection):
    held = [Fingerprint("quarantine", "futures_ohlcv", rule, "BTC") for rule in ("no-spike", "minutes-complete")]
    ids = [fails(connection, fingerprint, stands="2025-03-05") for fingerprint in held]
    fails(connection)
    with connection.transaction():
        assert sorted(row["incident_id"] for row in incidents.claim(connection, **AT_ONCE)) == ids


def test_what_stopped_together_is_one_message_whichever_datasets_it_is_of(connection):
    stale = [Fingerprint("watch", name, "stale", coin) for name, coin in (("futures_live", "BTC"), ("funding", "ETH"))]
    ids = [fails(connection, fingerprint, stands="") for fingerprint in stale]
    fails(connection, Fingerprint("watch", "the disk", "nearly full"), stands="")
    with connection.transaction():
        assert sorted(row["incident_id"] for row in incidents.claim(connection, **AT_ONCE)) == ids


def test_a_note_is_told_once_and_is_never_open(market, connection):
    with connection.transaction():
        first = incidents.note(connection, Fingerprint("note", "instruments", "listed-though-delisted", "ICP"), "words")
        second = incidents.note(
            connection, Fingerprint("note", "instruments", "listed-though-delisted", "ICP"), "words"
        )
    assert sorted(news(connection)) == [(first, "opened"), (second, "opened")] and news(connection) == []
    assert states(market) == [("resolved", 1)] * 2 and not incidents.unsettled(connection)


@pytest.mark.parametrize("told_at", [None, datetime(2025, 3, 1, 4, 1, tzinfo=UTC)])
def test_what_was_over_before_it_could_be_kept_is_kept_once_and_its_end_is_told(market, connection, told_at):
    begun, over = datetime(2025, 3, 1, 4, tzinfo=UTC), datetime(2025, 3, 1, 7, tzinfo=UTC)
    away = Fingerprint("wait", "the market database", "away")
    for _ in range(2):
        with connection.transaction():
            incidents.keep_past(
                connection, away, "refused", opened_at=begun, resolved_at=over, times=190, told_at=told_at
            )
    assert market.rows("SELECT state, times, seen_at, lasted FROM incidents") == [
        ("resolved", 190, over, timedelta(hours=3))
    ]
    assert [what for _, what in news(connection)] == ["recovered"] and news(connection) == []


def test_who_is_reminded_and_how_often(connection, later):
    first = fails(connection)
    assert news(connection, remind=A_DAY) == [(first, "opened")]
    later(hours=25)
    assert news(connection, remind=A_DAY) == [], "it was not seen again"
    fails(connection)
    assert news(connection) == [], "with the setting off"
    assert news(connection, remind=A_DAY) == [(first, "again")]
    fails(connection)
    assert news(connection, remind=A_DAY) == [], "once a day"


def test_what_is_acknowledged_is_silent_until_more_of_it_stands(market, connection, later):
    first = fails(connection)
    news(connection)
    with connection.transaction():
        incidents.acknowledge(connection, first, "night.shift", "the exchange says noon; see 'ticket'")
    assert market.rows("SELECT state, acknowledged_by, note FROM incidents") == [
        ("acknowledged", "night.shift", "the exchange says noon; see 'ticket'")
    ]
    later(hours=25)
    fails(connection)
    assert news(connection, remind=A_DAY) == []
    fails(connection, stands=APRIL)
    assert news(connection, remind=A_DAY) == [(first, "again")]
    later(hours=25)
    for month in (MARCH, APRIL):
        well(connection, month)
    assert news(connection, remind=A_DAY) == [(first, "recovered")], "its end is told all the same"


def test_acknowledging_ends_a_warning_and_what_somebody_says_is_over(market, connection):
    warned = fails(connection, Fingerprint("warning", "futures_ohlcv", "move-usual", "BTC"), level="notice")
    failed = fails(connection)
    with connection.transaction():
        assert incidents.acknowledge(connection, warned, "a")["resolved_at"] is not None
        assert incidents.acknowledge(connection, failed, "a", resolve=True)["resolved_at"] is not None
    assert news(connection) == [] and not incidents.unsettled(connection), "who ends it knows it"
    with pytest.raises(ValueError, match="no open incident"):
        incidents.acknowledge(connection, failed, "a")


def test_what_has_been_over_for_long_is_deleted_and_nothing_else(market, connection, later):
    def end(rule: str) -> None:
        with connection.transaction():
            incidents.recover(connection, ["failure"], "futures_ohlcv", rule=rule)

    ended, untold, still, recent = (fails(connection, FAILED._replace(rule=rule)) for rule in "abcd")
    end("a"), end("b")
    later(days=400)
    end("d")
    news(connection)
    with connection.transaction():
        connection.execute("UPDATE store.incident SET end_told_at = NULL WHERE incident_id = %s", [untold])
    for deleted in (1, 0):
        with connection.transaction():
            assert incidents.prune(connection, datetime.now(UTC) - timedelta(days=399)) == deleted
    assert {number for (number,) in market.rows("SELECT incident_id FROM incidents")} == {untold, still, recent}
    assert ended not in {untold, still, recent}


@pytest.mark.parametrize(
    ("number", "by", "note"),
    [(0, "a", None), (-1, "a", None), (2**63, "a", None), (1, "a\nb", None), (1, "a", "x" * 501), (1, "a", "nul\x00")],
)
def test_what_makes_no_sense_is_refused_in_words(connection, number, by, note):
    fails(connection)
    with pytest.raises(ValueError, match="incident|printable"):
        incidents.acknowledge(connection, number, by, note)
    assert connection.execute("SELECT acknowledged_at FROM store.incident").fetchone() == (None,)


def test_two_that_see_it_at_once_open_one(market, connection):
    """The second waits at the unique index for the first, and folds."""
    incidents.observe(connection, FAILED, "first", stands=[MARCH])
    with psycopg.connect(market.dsn()) as other:
        second = threading.Thread(target=fails, args=(other, FAILED, APRIL, "second"))
        second.start()
        try:
            waits = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            deadline = time.monotonic() + 30
            while not market.rows(waits, other.info.backend_pid, role="market_loader"):
                assert time.monotonic() < deadline, "the second did not wait for the first"
        finally:
            connection.commit()
            second.join(30)
    assert market.rows("SELECT state, times, message FROM incidents") == [("open", 2, "second")]
    assert market.value("SELECT stands FROM store.incident") == [MARCH, APRIL]


def test_two_that_tell_at_once_tell_it_once(market, connection):
    first = fails(connection)
    with psycopg.connect(market.dsn(), options="-c timezone=UTC") as other:
        mine = incidents.claim(connection, **AT_ONCE)  # not committed yet
        theirs = incidents.claim(other, **AT_ONCE)
        connection.commit()
        theirs += incidents.claim(other, **AT_ONCE)
    assert [row["incident_id"] for row in mine] == [first] and theirs == []


def validated(
    connection, dataset, found, *, begins, ends, subject="BTC-28MAR25", waived=None, run="r", suite="s", open_days_of=()
) -> None:
    """A validation that found these rules of a day, or of a moment."""
    ts = begins if begins == ends else None
    with connection.transaction():
        validation_id = validations.record_validation(
            connection, dataset=dataset, dag_id="d", run_id=run, begins=begins, ends=ends, outcome="passed",
            suite=suite, rows=1, expected=0, missing=0, blocked_because=[], result=None,
        )  # fmt: skip
        validations.record_findings(
            connection, validation_id, dataset, seen=[(subject, FIRST, ts)], open_days_of=open_days_of,
            findings=[(subject, FIRST, ts, rule, "critical", "7", waived) for rule in found],
        )  # fmt: skip
        incidents.settle_findings(connection, dataset)


def test_a_quarantine_is_over_when_its_days_pass_or_are_waived(market, connection):
    held = [Fingerprint("quarantine", FUTURES_OHLCV.name, rule, "BTC") for rule in ("no-spike", "minutes-complete")]
    for fingerprint in held:
        fails(connection, fingerprint, stands=str(FIRST), level="warning")
    month = {"begins": at(FIRST), "ends": at(FIRST, 1440)}
    both = ("no-spike", "minutes-complete")
    validated(connection, FUTURES_OHLCV.name, both, **month)
    validated(connection, FUTURES_OHLCV.name, (), **month, subject="ETH-28MAR25")
    assert states(market) == [("open", 1)] * 2
    validated(connection, FUTURES_OHLCV.name, both[1:], **month)
    assert states(market) == [("resolved", 1), ("open", 1)]
    validated(connection, FUTURES_OHLCV.name, both[1:], **month, waived="looked at")
    assert states(market) == [("resolved", 1)] * 2


@pytest.mark.parametrize(
    ("of_the_closed_day", "told"), [(("no-spike",), []), (("minutes-complete",), ["recovered"]), ((), ["recovered"])]
)
@pytest.mark.parametrize("was_told", [True, False])
def test_what_is_said_of_the_closed_day_in_its_place_is_no_end_of_what_live_had_found(
    market, connection, of_the_closed_day, told, was_told
):
    live = fails(connection, Fingerprint("quarantine", "futures_live", "no-spike", "BTC"), stands=str(FIRST))
    minute = {"begins": at(FIRST, 1380), "ends": at(FIRST, 1440), "suite": FUTURES_OHLCV.name}
    validated(connection, "futures_live", ["no-spike"], **minute)
    if was_told:
        assert news(connection) == [(live, "opened")]
    day = {"begins": at(FIRST), "ends": at(FIRST, 1440), "suite": FUTURES_OHLCV.name}
    validated(connection, FUTURES_OHLCV.name, of_the_closed_day, **day, open_days_of=["futures_live"])
    validated(connection, "futures_live", (), **minute)
    assert states(market) == [("resolved", 1)]
    assert news(connection) == [(live, each) for each in told]


@pytest.mark.parametrize(("of_the_closed_day", "told"), [((), ["recovered"]), (("chart-agrees",), [])])
def test_what_live_does_not_look_at_again_is_over_with_the_closed_day(market, connection, of_the_closed_day, told):
    """A charted minute of an index is validated where a summary is missed, and the next one may be weeks later."""
    held = fails(connection, Fingerprint("quarantine", "index_live", "chart-agrees", "BTC"), stands=str(FIRST))
    btc = {"subject": "btc_usd", "suite": "index_prices"}
    validated(connection, "index_live", ["chart-agrees"], begins=at(FIRST), ends=at(FIRST, 1), **btc)
    assert news(connection) == [(held, "opened")]
    day = {"begins": at(FIRST), "ends": at(FIRST, 1440), **btc}
    validated(connection, "index_prices", of_the_closed_day, **day)
    assert states(market) == [("open", 1)], "its finding is"
    validated(connection, "index_prices", of_the_closed_day, **day, open_days_of=["index_live"])
    assert states(market) == [("resolved", 1)]
    assert news(connection) == [(held, each) for each in told]


def test_a_snapshot_that_is_held_back_is_over_with_the_next_that_is_not(market, connection):
    fails(connection, Fingerprint("quarantine", INSTRUMENT_SUMMARIES.name, "prices-positive", "BTC"), stands=str(FIRST))
    for minute, found, state in (
        (0, ["prices-positive"], "open"),
        (5, ["prices-positive"], "open"),
        (10, [], "resolved"),
    ):
        moment = at(FIRST, minute)
        validated(
            connection, INSTRUMENT_SUMMARIES.name, found, begins=moment, ends=moment, subject="BTC", run=str(minute)
        )
        assert market.value("SELECT state FROM incidents") == state
    assert market.value("SELECT count(*) FROM quarantined") == 2, "nobody looks at those again"


def test_a_wait_is_over_when_nobody_waits_any_more(market, connection):
    from uuid import uuid4

    from deribit_warehouse.warehouse import waits

    attempt = uuid4()
    away = Fingerprint("wait", "the exchange", "away")
    with connection.transaction():
        waits.wait(
            connection, attempt, "the exchange", dag_id="d", run_id="r", task_id="t", map_index=-1, label="", cause="c",
            finished=(),
        )  # fmt: skip
        incidents.observe(connection, away, "words", stands=[incidents.WAITING])
        incidents.observe(connection, away, "words", stands=["deribit_index_minutes"])
        incidents.settle_waits(connection)
    assert market.value("SELECT stands FROM store.incident") == ["deribit_index_minutes", "waiting"]
    with connection.transaction():
        waits.resume(connection, attempt)
        incidents.settle_waits(connection)
    assert market.rows("SELECT state, times FROM incidents") == [("open", 2)], "a run of a DAG failed by it, too"
    well(connection, "deribit_index_minutes", ["wait"], "the exchange")
    assert states(market) == [("resolved", 2)]


def test_which_intervals_a_run_has_blocked(connection):
    def look(outcome: str, month: int) -> None:
        begins = datetime(2025, month, 1, tzinfo=UTC)
        validations.record_validation(
            connection, dataset="futures_ohlcv", dag_id="d", run_id="r", begins=begins,
            ends=begins + timedelta(days=28), outcome=outcome, suite="s", rows=1, expected=0, missing=0,
            blocked_because=[], result=None,
        )  # fmt: skip

    look("blocked", 1), look("blocked", 2), look("passed", 1)
    assert [begins.month for begins, _ in incidents.blocked_intervals(connection, "d", "r")] == [2]
