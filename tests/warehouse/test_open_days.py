"""What live had said of a day, compared with the closed one, counted and then deleted."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

import psycopg
import pytest

from deribit_warehouse.dataset import Dataset
from deribit_warehouse.datasets import BASIS_SPREAD, DATASETS, FUNDING_RATES, FUTURES_OHLCV, LIVE, PERPETUALS_OHLCV
from deribit_warehouse.warehouse import housekeeping, lifetimes, open_days
from deribit_warehouse.warehouse.funding import record_start
from deribit_warehouse.warehouse.ingestion import record_fetched

from .days import FIRST, Watched, at, ms, trading
from .test_open_candles import Live, day_of, live

__all__ = ["live"]  # a fixture
LATER = FIRST + timedelta(days=1)
LATER_STILL = at(date(2100, 1, 1))
DAYS = (
    "SELECT instrument, live_minutes, closed_minutes, missed, only_live, different, corrected, compared_at IS NULL "
    "FROM live_days ORDER BY 1"
)


@pytest.fixture
def closed(live: Live) -> dict[str, int]:
    """A day of three instruments: live missed three minutes of one, was told two wrongly and one of them again."""
    ids = live.listed()
    for name, instrument_id in ids.items():
        told = day_of(name)
        if name == "BTC-27JUN25":
            wrong = told.setting(100, volume=1.5).setting(200, close=told.close[200] + 5).without(7, 8, 9)
            live.minutes(instrument_id, wrong)
            live.show(instrument_id)
            told_again = wrong.setting(200, close=told.close[200])
            live.minutes(instrument_id, told_again)
        else:
            live.minutes(instrument_id, told)
        live.show(instrument_id)
    for name, instrument_id in ids.items():
        live.candles(instrument_id, day_of(name))
    return ids


def first_unclosed(live: Live, dataset: Dataset, begins: str = "2025-03-01", ends: str = "2025-03-09") -> date | None:
    first, past = date.fromisoformat(begins), date.fromisoformat(ends)
    return open_days.first_unclosed(live.connection, dataset, first, past, currencies=["BTC"])


def answered(live: Live, instrument_id: int, what: str, begins: datetime, ends: datetime) -> None:
    record_fetched(live.connection, instrument_id, what, ms(begins), ms(ends))


def test_a_day_is_unclosed_until_the_history_was_answered_for_all_that_lived(live):
    first = partial(first_unclosed, live)
    assert first(PERPETUALS_OHLCV) is None, "nothing is listed"
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    assert first(PERPETUALS_OHLCV) == date(2025, 3, 1)
    answered(live, perpetual, "open candles", at("2025-03-01"), at("2025-03-09"))
    assert first(PERPETUALS_OHLCV) == date(2025, 3, 1), "live has asked, the history has not"
    answered(live, perpetual, "candles", at("2025-02-20"), at("2025-03-04"))
    assert first(PERPETUALS_OHLCV) == date(2025, 3, 4)
    answered(live, perpetual, "candles", at("2025-03-05"), at("2025-03-09"))
    assert first(PERPETUALS_OHLCV) == date(2025, 3, 4)
    assert first(PERPETUALS_OHLCV, begins="2025-03-05") is None
    assert first(PERPETUALS_OHLCV, begins="2025-03-05", ends="2025-03-10") == date(2025, 3, 9)
    # nothing is collected of what lies before
    live.rows("UPDATE store.collected SET since = '2025-03-04 12:00' RETURNING 1")
    answered(live, perpetual, "candles", at("2025-03-04", 720), at("2025-03-05"))
    assert first(PERPETUALS_OHLCV) is None


def test_each_dataset_is_closed_by_itself(live):
    first = partial(first_unclosed, live)
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    future = live.instrument("BTC-7MAR25", at("2025-03-05", 485), at("2025-03-07", 480))
    assert (first(PERPETUALS_OHLCV), first(FUTURES_OHLCV)) == (date(2025, 3, 1), date(2025, 3, 5))
    answered(live, perpetual, "candles", at("2025-02-20"), at("2025-03-09"))
    assert (first(PERPETUALS_OHLCV), first(FUTURES_OHLCV)) == (None, date(2025, 3, 5))
    answered(live, future, "candles", at("2025-03-05", 485), at("2025-03-07", 480))
    assert first(FUTURES_OHLCV) is None


def test_funding_is_unclosed_until_the_history_was_answered_for_it_and_for_the_candles_of_its_perpetual(live):
    first = partial(first_unclosed, live, FUNDING_RATES)
    assert first() is None, "nothing is listed"
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    live.instrument("BTC-7MAR25", at("2025-03-05", 485), at("2025-03-07", 480))
    answered(live, perpetual, "candles", at("2025-02-20"), at("2025-03-09"))
    assert first() == date(2025, 3, 1), "its first hour was not looked for yet"
    record_start(live.connection, perpetual, at("2025-03-02", 780))
    assert first() == date(2025, 3, 2)
    answered(live, perpetual, "funding", at("2025-03-02", 720), at("2025-03-08"))
    assert first() == date(2025, 3, 8)
    answered(live, perpetual, "funding", at("2025-03-08"), at("2025-03-09"))
    assert first() is None
    # live's hours are recorded as the history's are
    live.connection.execute("DELETE FROM store.fetched WHERE what = 'candles'")
    answered(live, perpetual, "candles", at("2025-02-20"), at("2025-03-06"))
    assert first() == date(2025, 3, 6)
    # nobody is asked for its funding after its end
    live.rows("UPDATE store.instrument SET expires_at = '2025-03-06' WHERE instrument_id = %s RETURNING 1", perpetual)
    assert first() is None


def test_funding_that_began_before_the_listing_waits_for_no_candles_of_that_time(live):
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-03-02"))
    record_start(live.connection, perpetual, at("2025-03-01", 780))
    answered(live, perpetual, "candles", at("2025-03-02"), at("2025-03-09"))
    answered(live, perpetual, "funding", at("2025-03-01", 720), at("2025-03-09"))
    assert first_unclosed(live, FUNDING_RATES) is None


def forget(live: Live, before=LATER) -> tuple[int, int]:
    return open_days.forget(live.connection, before)


def test_a_transaction_deletes_a_day_and_who_publishes_gets_in_before_the_next(live, market):
    perpetual, past = live.instrument("BTC-PERPETUAL", at("2025-02-20")), at(FIRST, 3 * 1440)
    told = trading(at(FIRST), past, seed=1)
    live.minutes(perpetual, told), live.show(perpetual)
    live.candles(perpetual, told), live.publish(perpetual)
    watched = Watched(live, market, "SELECT count(DISTINCT day) FROM store.open_candle")
    assert open_days.forget(watched, past.date()) == (3, 3 * 1440)
    assert list(dict.fromkeys(watched.left)) == [2, 1, 0]


def close(live: Live, ids: dict[str, int]) -> None:
    live.publish(*ids.values())
    live.compute(BASIS_SPREAD), live.decide(BASIS_SPREAD)


def test_what_differs_is_shown_value_by_value_and_counted(live, closed):
    assert live.rows(DAYS) == [], "it is not closed yet"
    close(live, closed)
    told = day_of("BTC-27JUN25")
    found = live.rows("SELECT instrument, day, ts, field, live, closed FROM live_differences ORDER BY ts, field")
    missed = [row for row in found if row[4] is None]
    assert {row[2] for row in missed} == {at(FIRST, minute) for minute in (7, 8, 9)} and len(missed) == 18
    assert [row for row in found if row not in missed] == [
        ("BTC-27JUN25", FIRST, at(FIRST, 100), "volume", 1.5, told.volume[100])
    ]
    assert live.rows(DAYS) == [
        ("BTC-27JUN25", 1437, 1440, 3, 0, 1, 1, True),
        ("BTC-28MAR25", 1440, 1440, 0, 0, 0, 0, True),
        ("BTC-PERPETUAL", 1440, 1440, 0, 0, 0, 0, True),
    ]


def test_what_live_alone_had_said_is_shown_and_counted_and_the_count_kept(live):
    """Minutes inside of a closed day and at its end: the exchange has them no more, and somebody has explained that."""
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    told = day_of("BTC-PERPETUAL")
    live.minutes(perpetual, told.without(3))
    live.show(perpetual)
    live.candles(perpetual, told.without(100, slice(1400, 1440)))
    live.publish(perpetual)
    gone = [at(FIRST, minute) for minute in (100, *range(1400, 1440))]
    found = live.rows("SELECT ts, field, live, closed FROM live_differences WHERE ts <> %s ORDER BY ts", at(FIRST, 3))
    assert sorted({ts for ts, *_ in found}) == gone and len(found) == 6 * 41
    assert {closed for *_, closed in found} == {None} and None not in {said for *_, said, _ in found}
    counted = ("BTC-PERPETUAL", 1439, 1399, 1, 41, 0, 0)
    assert live.rows(DAYS) == [(*counted, True)]
    assert forget(live) == (1, 1439)
    assert live.rows(DAYS) == [(*counted, False)]


def was_there(live: Live) -> None:
    """Says that live brought the minutes while their day was open."""
    live.rows("UPDATE store.ingestion SET loaded_at = %s RETURNING 1", at(FIRST, 1439))


DIFFERENCES = "SELECT instrument, day, ts, field, live, closed FROM live_differences ORDER BY instrument, ts, field"


def test_the_values_that_differed_are_shown_after_live_minutes_were_deleted(live):
    """Those that live was told wrongly, those that it missed, and those that it alone had."""
    perpetual, told = live.instrument("BTC-PERPETUAL", at("2025-02-20")), day_of("BTC-PERPETUAL")
    live.minutes(perpetual, told.setting(100, volume=1.5).without(7, 8, 9)), live.show(perpetual)
    live.candles(perpetual, told.without(1438, 1439)), live.publish(perpetual)
    before = live.rows(DIFFERENCES)
    assert len(before) == 18 + 1 + 12
    assert live.value("SELECT count(*) FROM store.live_difference") == 0
    assert forget(live) == (1, 1437)
    assert live.rows(DIFFERENCES) == before
    assert live.value("SELECT count(*) FROM store.live_difference") == 3 + 1 + 2, "a row a minute, and no other minute"


def test_what_was_corrected_while_a_day_was_open_is_listed_after_its_minutes_were_deleted(live, closed):
    close(live, closed)
    asked = "SELECT * FROM corrections ORDER BY dataset, instrument, ts, field"
    before = live.rows(asked)
    assert {(row[0], row[1], row[3]) for row in before} == {("futures_live", "BTC-27JUN25", at(FIRST, 200))}
    assert live.value("SELECT count(*) FROM store.open_correction") == 0
    assert forget(live)[0] == 3
    assert live.rows(asked) == before, "and no correction twice"
    # what brought and published the two values is named by it, and stays
    versions, validation = {before[0][-2], before[0][-1]}, before[0][-3]
    was_there(live)
    housekeeping.prune_records(live.connection, LATER_STILL)
    kept = {row[0] for row in live.rows("SELECT version_id FROM store.ingestion")}
    assert versions <= kept
    assert live.value("SELECT count(*) FROM store.validation WHERE validation_id = %s", validation) == 1


NOTES = (
    "SELECT dataset, rule, instruments, level, state, message FROM incidents WHERE kind = 'note' ORDER BY incident_id"
)


def test_a_day_that_live_said_otherwise_is_noted_once(live, closed):
    was_there(live)
    compare = lambda before=LATER: open_days.compare(live.connection, before, dag_id="d", run_id="r")  # noqa: E731
    assert compare() == 0 and live.rows(NOTES) == [], "it is not closed yet"
    close(live, closed)
    assert compare(FIRST) == 0, "a day that is not over"
    assert compare() == 3
    noted = (
        "close_day", "live-differs", "", "notice", "resolved",
        "2025-03-01, BTC-27JUN25: minutes that differ: 1, that live had missed: 3\n"
        "the values are in the view live_differences",
    )  # fmt: skip
    assert live.rows(NOTES) == [noted]
    assert live.rows("SELECT told_at, dag_id, run_id FROM store.incident") == [(None, "d", "r")], "the next run tells"
    assert compare() == 0 and live.rows(NOTES) == [noted]
    counted = live.rows(DAYS)
    assert counted[0][-1], "the minutes are there still, and count"
    # the night after the exchange says another minute otherwise, and of another instrument the same
    for name in ("BTC-PERPETUAL", "BTC-28MAR25"):
        live.candles(closed[name], day_of(name).setting(50, volume=9.0) if name == "BTC-PERPETUAL" else day_of(name))
    live.publish(*closed.values())
    assert compare() == 3
    [_, again] = live.rows(NOTES)
    assert again[-1].startswith("2025-03-01, BTC-PERPETUAL: minutes that differ: 1\n")
    live.compute(BASIS_SPREAD), live.decide(BASIS_SPREAD)
    assert forget(live)[0] == 3 and len(live.rows(NOTES)) == 2, "what is deleted is no news"


def test_a_day_that_was_never_compared_is_noted_when_its_minutes_are_deleted(live, closed):
    was_there(live)
    close(live, closed)
    forget(live)
    assert len(live.rows(NOTES)) == 1


def test_what_live_missed_of_a_day_that_was_over_when_it_came_to_it_is_counted_and_not_noted(live):
    """After the first start the month so far is closed while live begins to load it."""
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    told = day_of("BTC-PERPETUAL")
    live.minutes(perpetual, told.cut(at(FIRST), at(FIRST, 360)))
    live.show(perpetual)
    live.candles(perpetual, told)
    live.publish(perpetual)
    assert open_days.compare(live.connection, LATER) == 1
    assert live.rows(DAYS) == [("BTC-PERPETUAL", 360, 1440, 1080, 0, 0, 0, True)] and live.rows(NOTES) == []


def test_a_day_that_live_said_as_it_was_is_not_noted(live):
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    live.minutes(perpetual, day_of("BTC-PERPETUAL")), live.show(perpetual)
    live.candles(perpetual, day_of("BTC-PERPETUAL")), live.publish(perpetual)
    was_there(live)
    assert open_days.compare(live.connection, LATER) == 1 and live.rows(NOTES) == []


def test_a_note_of_many_instruments_counts_them_and_names_those_with_the_most(live):
    for n in range(5):
        instrument = live.instrument(f"BTC-{n}", at("2025-02-20"), at("2025-06-27", 480))
        told = trading(at(FIRST), at(LATER), seed=n)
        live.minutes(instrument, told.without(slice(0, n + 1))), live.show(instrument)
        live.candles(instrument, told), live.publish(instrument)
    was_there(live)
    open_days.compare(live.connection, LATER)
    [(*_, words)] = live.rows(NOTES)
    first, *named, more, _ = words.splitlines()
    assert first == "2025-03-01, 5 instruments: minutes that live had missed: 15"
    assert named == [f"BTC-{n}: minutes that live had missed: {n + 1}" for n in (4, 3, 2)] and more == "and 2 more"


def test_live_minutes_go_once_their_day_is_closed_and_what_they_were_is_kept(live, closed):
    assert forget(live) == (0, 0), "nothing is closed"
    live.publish(*closed.values())
    assert forget(live) == (0, 0), "the basis is shown from them still"
    live.compute(BASIS_SPREAD), live.decide(BASIS_SPREAD)
    counted = live.rows(DAYS)
    assert forget(live, FIRST) == (0, 0), "it is not old enough"
    assert forget(live) == (3, 3 * 1440 - 3 + 1)
    assert live.value("SELECT count(*) FROM store.open_candle") == 0
    assert live.rows(DAYS) == [(*row[:-1], False) for row in counted]
    assert forget(live) == (0, 0)
    assert live.value("SELECT count(*) FROM basis_spread") == 2 * 1440


ASKED = {
    "candles": "SELECT ts, close FROM candles('BTC-27JUN25', %s, %s, as_of => %s)",
    "basis": "SELECT ts, basis FROM basis('BTC-27JUN25', %s, %s, as_of => %s)",
}
DAY, NEXT_DAY = (at(FIRST), at(LATER)), (at(LATER), at(LATER, 1440))


def test_a_moment_at_which_deleted_minutes_were_shown_is_an_error(live, closed):
    """candles and basis, and no other day, and no moment that can still be told."""

    def moment() -> datetime:
        return live.value("SELECT clock_timestamp()")

    def answers(source: str, when: datetime, days=DAY) -> list[tuple]:
        return live.rows(ASKED[source], *days, when)

    moments = {"open": moment()}
    live.publish(*closed.values())
    moments["basis still open"] = moment()
    live.compute(BASIS_SPREAD), live.decide(BASIS_SPREAD)
    moments["closed"] = moment()
    live.candles(closed["BTC-27JUN25"], day_of("BTC-27JUN25").setting(5, volume=9.0))
    live.publish(closed["BTC-27JUN25"])  # a correction, by which no moment in between is lost
    moments["corrected"] = moment()
    before = {(source, name): answers(source, when) for source in ASKED for name, when in moments.items()}
    assert {len(rows) for rows in before.values()} == {1437, 1440}
    forget(live)
    for (source, name), rows in before.items():
        if name in ("closed", "corrected"):
            assert answers(source, moments[name]) == rows
        else:
            closed_at = live.value("SELECT max(validated_at) FROM store.validation WHERE dataset = 'basis_spread'")
            with pytest.raises(psycopg.errors.DataException, match=f"{FIRST} .*can't be told any more") as refused:
                answers(source, moments[name])
            assert f"{closed_at:%Y-%m-%d %H:%M:%S.%f}".rstrip("0") in refused.value.diag.message_hint
            assert answers(source, closed_at) == before[source, "closed"], "the oldest that can be asked"
            assert answers(source, moments[name], NEXT_DAY) == []
            assert answers(source, at(FIRST) - timedelta(days=3)) == [], "nothing was published of it then"


def test_a_day_of_which_one_instrument_is_held_back_is_kept_whole(live, closed):
    close(live, closed)
    from deribit_warehouse.tables import CANDLE_DAY

    live.hold(CANDLE_DAY, live.newest(closed["BTC-28MAR25"]))
    assert forget(live) == (0, 0)
    assert live.value("SELECT count(*) FROM futures_ohlcv WHERE instrument = 'BTC-28MAR25'") == 1440


def clip(live: Live) -> dict[str, int]:
    """Takes back what lies beyond the lifetimes: how many versions of which dataset."""
    validation_id = live.validation("instruments")
    with live.connection.transaction():
        beyond = lifetimes.beyond(live.connection, (*DATASETS, *LIVE))
        lifetimes.take_back(live.connection, validation_id, beyond, "run", (*DATASETS, *LIVE))
    return {dataset: len(rows) for dataset, rows in beyond.items()}


def end(live: Live, name: str, ends: datetime) -> None:
    lifetimes.record_delisting(
        live.connection, live.value("SELECT instrument_id FROM store.instrument WHERE instrument = %s", name), ends,
        ends, "a test",
    )  # fmt: skip


@pytest.mark.parametrize("is_closed", [True, False])
def test_what_is_taken_back_for_lying_outside_a_lifetime_is_not_shown_from_live_minutes(live, is_closed):
    """Of a day that was closed, and of one that history has not come to."""
    perpetual, other = (live.instrument(f"{coin}-PERPETUAL", at("2025-02-20")) for coin in ("BTC", "ETH"))
    told = day_of("BTC-PERPETUAL")
    for instrument_id in (perpetual, other):
        live.minutes(instrument_id, told)
        live.show(instrument_id)
        if is_closed or instrument_id == other:
            live.candles(instrument_id, told)
            live.publish(instrument_id)
    shown = "SELECT count(*) FROM candles('BTC-PERPETUAL', %s, %s, as_of => %s)"
    before = live.value("SELECT clock_timestamp()")
    end(live, "BTC-PERPETUAL", at(FIRST) - timedelta(days=1))
    assert clip(live) == {"perpetuals_live": 1440} | ({"perpetuals_ohlcv": 1} if is_closed else {})
    assert clip(live) == {}, "once is enough"
    assert live.rows("SELECT DISTINCT instrument FROM candle") == [("ETH-PERPETUAL",)]
    assert live.value(shown, *DAY, None) == 0
    assert live.value(shown, *DAY, before) == 1440, "it was shown then"
    assert live.rows("SELECT instrument FROM candle_at(%s)", at(FIRST, 5)) == [("ETH-PERPETUAL",)]

    assert forget(live) == (1, 2 * 1440), "nothing of it will ever be closed"
    assert live.value(shown, *DAY, None) == 0
    if is_closed:
        assert live.value(shown, *DAY, before) == 1440, "the closed day was shown then"
    else:
        with pytest.raises(psycopg.errors.DataException, match="can't be told any more"):
            live.value(shown, *DAY, before)


def test_of_the_day_on_which_a_lifetime_ends_only_what_lies_outside_is_taken_back(live):
    perpetual = live.instrument("BTC-PERPETUAL", at("2025-02-20"))
    live.minutes(perpetual, day_of("BTC-PERPETUAL"))
    live.show(perpetual)
    end(live, "BTC-PERPETUAL", at(FIRST, 600))
    assert clip(live) == {"perpetuals_live": 840}
    assert live.rows("SELECT count(*), max(ts) FROM candle") == [(600, at(FIRST, 599))]
    assert forget(live) == (0, 0), "what is left of it is shown from live minutes still"
