"""The catalogue: nothing is forgotten, nothing is written twice, lives are clipped."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil

import psycopg
import pytest

from deribit_warehouse.datasets import BASIS_SPREAD
from deribit_warehouse.exchange import candles, funding
from deribit_warehouse.warehouse.catalogue import (
    lists_read,
    record_reading,
    record_refusal,
    store_instruments,
    unlisted,
)
from deribit_warehouse.warehouse.completion import behind, refused
from deribit_warehouse.warehouse.funding import record_start
from deribit_warehouse.warehouse.ingestion import OriginMismatch, claim_origin
from tests.warehouse.days import (
    FIRST,
    HOST,
    Warehouse,
    at,
    basis_profile,
    candle_profile,
    candle_windows,
    funding_windows,
    instrument_profile,
    trading,
)

LISTED, EXPIRES = at(FIRST, 500), at("2025-03-28", 480)


def row(
    name: str,
    listed=LISTED,
    expires=EXPIRES,
    *,
    kind="future",
    period="week",
    tick=0.5,
    state="open",
    active=True,
    base="BTC",
    number: int | None = 7,
):
    return (
        name, number, kind, base, "USD", base, period, "reversed", f"{base.lower()}_usd", tick, 10.0, listed, expires,
        None, None, state, active, HOST, "crypto", None, None, None,
    )  # fmt: skip


def read(warehouse: Warehouse, *rows: tuple) -> tuple[int, int]:
    with warehouse.connection.transaction():
        return store_instruments(warehouse.connection, rows)


def test_reading_twice_changes_nothing_and_draws_no_number(warehouse):
    catalogue = [row(f"BTC-{n}") for n in range(50)] + [row("BTC-PERPETUAL", expires="infinity", period="perpetual")]
    assert read(warehouse, *catalogue) == (51, 0)
    written = "SELECT xmin, ctid, instrument_id, instrument FROM store.instrument ORDER BY instrument_id"
    before = warehouse.rows(written)
    for _ in range(3):
        assert read(warehouse, *catalogue) == (0, 0)
    assert warehouse.rows(written) == before
    assert read(warehouse, *catalogue, row("BTC-NEW")) == (1, 0)
    assert warehouse.value("SELECT instrument_id FROM store.instrument WHERE instrument = 'BTC-NEW'") == 52
    assert warehouse.value("SELECT expires_at = 'infinity' FROM store.instrument WHERE instrument = 'BTC-PERPETUAL'")


def test_what_is_no_longer_listed_stays_and_what_changed_follows(warehouse):
    read(warehouse, row("BTC-A"), row("BTC-B"))
    assert read(warehouse, row("BTC-B", state="closed", active=False, tick=2.5)) == (0, 1)
    assert warehouse.rows(
        "SELECT instrument, state, is_active, tick_size, changed_at > first_seen_at FROM store.instrument ORDER BY 1"
    ) == [
        ("BTC-A", "open", True, 0.5, False),
        ("BTC-B", "closed", False, 2.5, True),
    ]
    assert read(warehouse) == (0, 0)
    assert warehouse.value("SELECT count(*) FROM store.instrument") == 2


def test_a_poorer_word_never_overwrites_a_fuller_one(warehouse):
    """What one host omits is what another has sent, whichever of them is read last; what is implied is not sent."""
    names = (
        "name exchange_id kind base quote settled period type index tick size listed expires strike option state active"
    )
    names = f"{names} host underlying implied_settled implied_type implied_index".split()
    told = row("BTC-28MAR25-90000-C", kind="option")
    full = dict(zip(names, told, strict=True)) | {"strike": 90_000.0, "option": "call"}
    assert read(warehouse, tuple(full.values())) == (1, 0)
    before = warehouse.rows("SELECT * FROM store.instrument")
    assert None not in before[0], "nothing of it is left out"
    may_be_omitted = (
        "exchange_id quote settled period type index tick size strike option state active underlying".split()
    )
    implied = {"implied_settled": "USDC", "implied_type": "linear", "implied_index": "btc_usdc"}
    for omitted in [*([one] for one in may_be_omitted), may_be_omitted]:
        poorer = full | dict.fromkeys(omitted) | implied
        assert read(warehouse, tuple(poorer.values())) == (0, 0), omitted
    assert warehouse.rows("SELECT * FROM store.instrument") == before


def test_an_instrument_told_twice_in_a_reading_is_one(warehouse):
    assert read(warehouse, row("BTC-A"), row("BTC-A", state="closed")) == (1, 0)


AGAIN, AFTER = at("2025-03-28", 600), at("2025-05-01")


def known(warehouse: Warehouse) -> list[tuple]:
    return warehouse.rows("SELECT instrument_id, label, exchange_id, listed_at FROM store.instrument ORDER BY 1")


def test_a_name_listed_again_under_another_id_is_another_instrument(warehouse):
    first, second = row("BTC-A", number=1), row("BTC-A", AGAIN, at("2025-04-25", 480), number=2)
    assert read(warehouse, first) == (1, 0)
    assert read(warehouse, second) == (1, 0)
    assert read(warehouse, second, first) == (0, 0)
    assert known(warehouse) == [(1, "BTC-A", 1, LISTED), (2, "BTC-A#2", 2, AGAIN)]
    assert read(warehouse, row("BTC-A", LISTED + timedelta(minutes=1), number=1)) == (0, 1), "the id is what counts"
    # both in one reading
    assert read(warehouse, row("BTC-B", AGAIN, number=4), row("BTC-B", number=3)) == (2, 0)
    assert [label for _, label, *_ in known(warehouse)[2:]] == ["BTC-B", "BTC-B#4"]


def test_an_id_is_joined_to_the_row_that_had_none_by_name_and_creation(warehouse):
    assert read(warehouse, row("BTC-A", number=None), row("BTC-A", AGAIN, number=None)) == (2, 0)
    assert read(warehouse, row("BTC-A", AGAIN, number=2)) == (0, 1)
    assert read(warehouse, row("BTC-A", number=None), row("BTC-A", AGAIN, number=None)) == (0, 0), (
        "and is not lost again"
    )
    assert read(warehouse, row("BTC-A", number=1), row("BTC-A", number=None)) == (0, 1)
    assert known(warehouse) == [(1, "BTC-A", 1, LISTED), (2, "BTC-A#20250328T100000000", 2, AGAIN)]
    assert read(warehouse, row("BTC-A", at("2025-05-01"), at("2025-06-01"), number=None)) == (1, 0)


def test_two_lives_of_a_name_that_overlap_are_noted(warehouse):
    read(warehouse, row("BTC-28MAR25", number=1), row("BTC-28MAR25", AGAIN, at("2025-03-28", 660), number=2))
    read(
        warehouse, row("ETH-28MAR25", number=1, base="ETH"), row("ETH-28MAR25", at("2025-03-27"), number=2, base="ETH")
    )
    rows = instrument_profile(warehouse.connection).set_index("instrument")
    assert set(rows.index[~rows["lifetimes_disjoint"].astype(bool)]) == {"ETH-28MAR25", "ETH-28MAR25#2"}


def test_each_life_has_its_own_minutes_and_a_name_is_resolved_by_time(warehouse):
    """Two lives of a name that meet on one UTC day: the first ends at 08:00, the second is listed at 10:00."""
    ends, again, day = at("2025-03-28", 480), at("2025-03-28", 600), at("2025-03-28").date()
    perpetual = warehouse.instrument("BTC-PERPETUAL", at("2025-01-01"))
    read(warehouse, row("BTC-A", at("2025-03-27"), ends, number=1), row("BTC-A", again, at("2025-04-25"), number=2))
    first, second = (i for i, label, *_ in known(warehouse) if label.startswith("BTC-A"))
    warehouse.candles(perpetual, trading(at("2025-03-27"), at("2025-03-29")))
    warehouse.candles(first, trading(at("2025-03-27"), ends, level=50_000.0))
    warehouse.candles(second, trading(again, at("2025-03-29"), level=60_000.0))
    warehouse.publish(perpetual, first, second)

    def minutes(name: str, begins, stops) -> list[tuple]:
        asked = "SELECT count(*), min(ts), max(ts), round(avg(close)::numeric, -4)::int FROM candles(%s, %s, %s)"
        return warehouse.rows(asked, name, begins, stops)

    of_first = [(1920, at("2025-03-27"), ends - timedelta(minutes=1), 50_000)]
    of_second = [(840, again, at("2025-03-29") - timedelta(minutes=1), 60_000)]
    assert minutes("BTC-A", at("2025-03-01"), ends) == minutes("BTC-A#1", at("2025-03-01"), AFTER) == of_first
    assert minutes("BTC-A", ends, AFTER) == minutes("BTC-A#2", at("2025-03-01"), AFTER) == of_second
    assert minutes("BTC-A", ends, again) == minutes("BTC-B", ends, again) == minutes("BTC-A#3", ends, AFTER)
    assert minutes("BTC-B", ends, again)[0][0] == 0
    with pytest.raises(
        psycopg.errors.CardinalityViolation, match=r"BTC-A was listed more than once.*BTC-A#1 from.*BTC-A#2"
    ):
        minutes("BTC-A", at("2025-03-01"), AFTER)
    with pytest.raises(psycopg.errors.CardinalityViolation, match="BTC-A#2"):
        warehouse.rows("SELECT * FROM basis(%s, %s, %s)", "BTC-A", at("2025-03-01"), AFTER)
    # the view shows both, each at its time
    shown = "SELECT count(*), count(DISTINCT ts) FROM futures_ohlcv WHERE instrument = 'BTC-A' AND day = %s"
    assert warehouse.rows(shown, day) == [(480 + 840, 480 + 840)]

    profiled = candle_profile(
        warehouse.connection, perpetual=False, currencies=["BTC"], begins=at(day), ends=at(day, 1440)
    )  # fmt: skip
    assert [tuple(r) for r in profiled[["instrument", "day", "minutes"]].itertuples(index=False)] == [
        ("BTC-A", day, 480),
        ("BTC-A#2", day, 840),
    ]
    warehouse.compute(BASIS_SPREAD)
    basis = basis_profile(warehouse.connection, begins=day, ends=day + timedelta(days=1))
    assert basis["instrument"].tolist() == ["BTC-A", "BTC-A#2"]
    found = (
        "SELECT instrument, published_minutes FROM coverage WHERE dataset = 'futures_ohlcv' AND month = '2025-03-01'"
    )
    assert sorted(warehouse.rows(found)) == [("BTC-A", 1920), ("BTC-A#2", 840)]


def test_users_read_the_catalogue_without_infinity(warehouse, market):
    read(warehouse, row("BTC-A"), row("BTC-PERPETUAL", expires="infinity", period="perpetual"))
    shown = market.rows(
        "SELECT instrument, label, exchange_id, expires_at, underlying_type FROM instruments ORDER BY 1"
    )
    assert shown == [("BTC-A", "BTC-A", 7, EXPIRES, "crypto"), ("BTC-PERPETUAL", "BTC-PERPETUAL", 7, None, "crypto")]
    import pandas as pd

    with psycopg.connect(market.dsn("market_reader")) as connection:
        frame = pd.read_sql("SELECT * FROM instruments ORDER BY instrument", connection)
    assert frame["expires_at"].isna().tolist() == [False, True]


def test_two_readings_at_once_add_each_instrument_once(warehouse, market):
    added, failures = [], []

    def read_all(order: int) -> None:
        try:
            with psycopg.connect(market.dsn(), autocommit=True) as connection:
                rows = [row(f"BTC-{n}", tick=0.5 + order) for n in range(200)][::order]
                with connection.transaction():
                    added.append(store_instruments(connection, rows)[0])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read_all, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (failures, sum(added)) == ([], 200)


def test_lives_are_clipped_to_listing_expiry_and_interval(warehouse):
    read(
        warehouse,
        row("BTC-LONG", at("2025-01-01"), at("2025-12-26", 480)),
        row("BTC-LISTED", at(FIRST, 500) + timedelta(seconds=42), EXPIRES),
        row("BTC-ENDS", at("2025-02-01"), at(FIRST, 480)),
        row("BTC-PERPETUAL", at("2018-08-14"), "infinity", period="perpetual"),
        row("ETH-OTHER", base="ETH"),
        row("BTC-OPTION", kind="option"),
        row("BTC-BEFORE", at("2025-02-01"), at(FIRST)),
        row("BTC-AFTER", at(FIRST, 1440), EXPIRES),
    )
    begins, ends = at(FIRST), at(FIRST, 1440)
    lives = candle_windows(warehouse.connection, perpetual=False, currencies=["BTC"], begins=begins, ends=ends)
    assert [(life.instrument, life.begins, life.ends) for life in lives] == [
        ("BTC-ENDS", begins, at(FIRST, 480)),
        ("BTC-LISTED", at(FIRST, 500), ends),
        ("BTC-LONG", begins, ends),
    ]
    [life] = candle_windows(warehouse.connection, perpetual=True, currencies=["BTC", "ETH"], begins=begins, ends=ends)
    assert (life.instrument, life.begins, life.ends) == ("BTC-PERPETUAL", begins, ends)
    # a request takes 5,000 minutes
    assert [life.requests for life in lives] + [life.requests] == [1, 1, 1, 1]
    [life] = candle_windows(
        warehouse.connection, perpetual=True, currencies=["BTC"], begins=begins, ends=at("2025-04-01")
    )
    assert life.requests == 9 == ceil((life.ends_ms - life.begins_ms) / candles.PAGE)


def test_a_year_of_candles_is_loaded_month_by_month_the_first_of_all_instruments_first(warehouse):
    read(
        warehouse,
        row("BTC-PERPETUAL", at("2018-08-14"), "infinity", period="perpetual"),
        row("ETH-PERPETUAL", at("2019-03-14", 60), "infinity", base="ETH", period="perpetual"),
    )
    warehouse.connection.execute("SET timezone TO 'Pacific/Auckland'")  # months are UTC's, whatever a session has
    planned = candle_windows(
        warehouse.connection, perpetual=True, currencies=["BTC", "ETH"], begins=at("2019-01-01"), ends=at("2020-01-01")
    )
    months = [at(f"2019-{month:02}-01") for month in range(1, 13)] + [at("2020-01-01")]
    assert [(w.instrument, w.begins, w.ends) for w in planned] == [
        (name, max(begins, at("2019-03-14", 60)) if name.startswith("ETH") else begins, ends)
        for begins, ends in pairwise(months)
        for name in ("BTC-PERPETUAL", "ETH-PERPETUAL")
        if name.startswith("BTC") or ends > at("2019-03-14")
    ]
    assert {w.requests for w in planned if w.instrument == "BTC-PERPETUAL"} == {9}
    ranged = candle_windows(
        warehouse.connection, perpetual=True, currencies=["BTC"], begins=at("2019-01-30", 5), ends=at("2019-02-02", 7)
    )
    assert [(w.begins, w.ends) for w in ranged] == [
        (at("2019-01-30", 5), at("2019-02-01")), (at("2019-02-01"), at("2019-02-02", 7))
    ]  # fmt: skip


def test_funding_lives_begin_an_hour_before_the_first_hour_ends(warehouse):
    perpetual = warehouse.instrument("BTC-PERPETUAL", at(FIRST, 30))
    [life] = funding_windows(warehouse.connection, currencies=["BTC"], begins=at(FIRST), ends=at(FIRST, 1440))
    assert life.begins == at(FIRST, 30), "it is asked for from its listing on until its first hour is known"
    record_start(warehouse.connection, perpetual, at(FIRST, 600))
    for begins, ends, clipped in [(0, 1440, 540), (560, 1440, 560), (0, 600, 540)]:
        [life] = funding_windows(
            warehouse.connection, currencies=["BTC"], begins=at(FIRST, begins), ends=at(FIRST, ends)
        )
        assert (life.begins, life.ends) == (at(FIRST, clipped), at(FIRST, ends))
    assert funding_windows(warehouse.connection, currencies=["BTC"], begins=at(FIRST), ends=at(FIRST, 599)) == []
    [life] = funding_windows(warehouse.connection, currencies=["BTC"], begins=at(FIRST), ends=at("2025-05-01"))
    assert life.requests == 2 == ceil((life.ends_ms - life.begins_ms) / funding.PAGE), "a request takes 744 hours"


READINGS = [("history", True), ("live", True), ("live", False)]


def test_a_currency_is_known_once_the_lists_that_somebody_needs_were_read(warehouse):
    connection = warehouse.connection
    since = datetime.now(UTC)

    def read(lists: str) -> list[str]:
        found = lists_read(connection, ["BTC", "ETH"], since, lists)
        assert sorted(found.read + found.awaited) == ["BTC", "ETH"] and found.refused == {}
        return found.read

    def told(kind: str, run_id: str, *readings: tuple[str, bool]) -> None:
        for host, expired in readings:
            record_reading(connection, "BTC", kind, 5, run_id, host=host, expired=expired)

    told("option", "r1", *READINGS)
    assert read("listed") == [], "options say nothing of futures"
    told("future", "r1", READINGS[2])
    assert read("listed") == ["BTC"], "whatever has expired"
    assert read("all") == []
    told("future", "r1", READINGS[0])
    assert read("all") == []
    told("future", "r1", READINGS[1])
    assert read("all") == ["BTC"]
    since = datetime.now(UTC)
    assert read("listed") == read("all") == []
    told("future", "r2", *READINGS[1:])
    assert (read("listed"), read("all")) == (["BTC"], []), "as old as its oldest answer"
    told("future", "r2", READINGS[0])
    assert read("all") == ["BTC"]
    assert warehouse.rows("SELECT kind, run_id, count(*) FROM store.catalogue_reading GROUP BY 1, 2 ORDER BY 1") == [
        ("future", "r2", 3),
        ("option", "r1", 3),
    ]


def test_a_list_that_was_refused_is_not_awaited_until_somebody_may_have_asked_again(warehouse):
    connection, since = warehouse.connection, datetime.now(UTC)
    coins = ["BTC", "ETH", "EURR"]
    for currency in coins[:2]:
        for host, expired in READINGS:
            record_reading(connection, currency, "future", 5, "r1", host=host, expired=expired)

    def refuse(currency: str, kind: str = "future", *, expired: bool = False) -> None:
        record_refusal(connection, currency, kind, "code -32602", host="live", expired=expired)

    assert lists_read(connection, coins, since, "listed") == (["BTC", "ETH"], {}, ["EURR"])
    refuse("EURR", "option")
    assert lists_read(connection, coins, since, "listed").awaited == ["EURR"], "of futures nothing was said"
    refuse("EURR")
    why = {"EURR": "EURR futures, listed, live host: code -32602"}
    assert lists_read(connection, coins, since, "listed") == (["BTC", "ETH"], why, [])
    assert lists_read(connection, coins, since, "all") == (["BTC", "ETH"], why, ["EURR"]), (
        "its other lists may still come"
    )
    refuse("BTC")
    assert lists_read(connection, coins, since, "listed").read == ["BTC", "ETH"], "it was read since"
    refuse("EURR", expired=True)
    assert lists_read(connection, coins, since, "listed").refused == why
    expired = "EURR futures, expired, live host: code -32602"
    all_told = {"EURR": f"{why['EURR']}; {expired}"}
    assert lists_read(connection, coins, since, "all") == (["BTC", "ETH"], all_told, ["EURR"]), "the history host's may"
    record_reading(connection, "EURR", "future", 0, "r1", host="history", expired=True)
    assert lists_read(connection, coins, since, "all") == (["BTC", "ETH"], all_told, [])
    # a month later nobody has asked yet
    assert lists_read(connection, coins, datetime.now(UTC), "all") == ([], {}, coins)
    record_reading(connection, "EURR", "future", 0, "r2", host="live", expired=False)
    assert lists_read(connection, coins, since, "listed") == (coins, {}, [])
    assert lists_read(connection, coins, since, "all").refused == {"EURR": expired}


def test_a_start_waits_for_no_list_that_was_refused_unless_none_was_read(warehouse, market):
    connection = warehouse.connection
    month = f"{datetime.now(UTC):%Y-%m}-01"
    record_refusal(connection, "EURR", "future", "code -32602", host="live", expired=False)
    eurr = "EURR futures, listed, live host: code -32602"
    assert behind(market.dsn(), ["BTC", "EURR"], "listed") == [eurr, f"BTC futures: not read since {month}"]
    assert behind(market.dsn(), ["EURR"], "listed") == [eurr]
    record_reading(connection, "BTC", "future", 5, "r1", host="live", expired=False)
    assert behind(market.dsn(), ["BTC", "EURR"], "listed") == []
    left = [f"{currency} futures: not read since {month}" for currency in ("BTC", "EURR")]
    assert behind(market.dsn(), ["BTC", "EURR"], "all") == [eurr, *left]
    assert refused(market.dsn(), ["BTC", "EURR"]) == [eurr] and refused(market.dsn(), ["BTC"]) == []


def test_what_could_not_be_read_is_kept_until_it_can_be(warehouse):
    def told(*unreadable: tuple[str, str], host: str = "live") -> list:
        record_reading(warehouse.connection, "BTC", "future", 5, "r", host=host, expired=True, unreadable=unreadable)
        return warehouse.rows("SELECT host, subject, cause FROM store.unreadable_instrument ORDER BY 1, 2")

    seen = "SELECT first_seen_at FROM store.unreadable_instrument WHERE subject = 'BTC-A' AND host = 'live'"
    assert told(("BTC-A", "bad"), ("BTC-A", "bad"), ("row 7", "none")) == [
        ("live", "BTC-A", "bad"),
        ("live", "row 7", "none"),
    ]
    first = warehouse.value(seen)
    assert told(("BTC-A", "worse")) == [("live", "BTC-A", "worse")] and warehouse.value(seen) == first
    assert len(told(("BTC-A", "bad"), host="history")) == 2
    read(warehouse, row("BTC-A"))
    rows = instrument_profile(warehouse.connection).set_index("instrument")
    assert rows["unreadable"].dropna().to_dict() == {
        "BTC-A as the history host tells it": "bad",
        "BTC-A as the live host tells it": "worse",
    }
    assert told() == [("history", "BTC-A", "bad")]


def test_the_profile_knows_a_name_that_says_another_day(warehouse):
    read(
        warehouse,
        row("BTC-28MAR25"),
        row("BTC-2APR25", expires=at("2025-04-02", 480)),
        row("BTC-02APR25", expires=at("2025-04-02", 480)),
        row("BTC-27MAR25"),
        row("BTC_USDC-28MAR25"),
        row("BTC-28MAR25-90000-C", kind="option"),
        row("BTC-PERPETUAL", expires="infinity", period="perpetual"),
        row("BTC-FOREVER", expires="infinity", period="perpetual"),
    )
    warehouse.connection.execute("SET timezone = 'Pacific/Auckland'")
    rows = instrument_profile(warehouse.connection).set_index("instrument")
    assert {name for name, good in rows["name_expiry_matches"].items() if not good} == {
        "BTC-02APR25",
        "BTC-27MAR25",
        "BTC-FOREVER",
    }
    assert rows.loc["BTC-28MAR25", "lifetime_minutes"] == (EXPIRES - LISTED).total_seconds() / 60
    assert rows.loc["BTC-PERPETUAL", "is_perpetual"] and rows.loc["BTC-PERPETUAL", "expires_at"].year in (2999, 3000)


def test_a_database_belongs_to_one_exchange(warehouse):
    connection = warehouse.connection
    for _ in range(2):
        claim_origin(connection, "https://live", "https://history")
    for hosts in [("https://simulated", "https://history"), ("https://live", "https://simulated")]:
        with pytest.raises(OriginMismatch, match="https://live"):
            claim_origin(connection, *hosts)


def test_the_first_claims_at_once_all_learn_who_has_it(warehouse, market):
    with psycopg.connect(market.dsn()) as first, psycopg.connect(market.dsn()) as second:
        claim_origin(first, "https://live", "https://history")
        answers: list[BaseException | None] = []

        def claim() -> None:
            try:
                answers.append(claim_origin(second, "https://live", "https://history"))
            except Exception as error:
                answers.append(error)

        waiting = threading.Thread(target=claim)
        waiting.start()
        while not warehouse.value(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            assert waiting.is_alive()
        first.commit()
        waiting.join(30)
        assert answers == [None]


def summary(warehouse: Warehouse, currency: str, beat: datetime, *names: str, state: str = "published") -> None:
    with warehouse.connection.transaction():
        values = {"currency": currency, "beat": beat, "names": [*names], "state": state}
        warehouse.connection.execute(SUMMARY, values)


def was_read(warehouse: Warehouse, currency: str, when: datetime) -> None:
    """The list of a currency was read last at an instant."""
    with warehouse.connection.transaction():
        record_reading(warehouse.connection, currency, "future", 1, "run", host="live", expired=False)
        warehouse.connection.execute(
            "UPDATE store.catalogue_reading SET read_at = %s WHERE currency = %s", (when, currency)
        )


def lacks(warehouse: Warehouse, *currencies: str) -> list[tuple[str, list[str]]]:
    return unlisted(warehouse.connection, [*currencies] or ["BTC", "ETH"])


def minutes_ago(n: int) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=n)


def test_what_a_summary_names_and_the_catalogue_lacks_is_looked_for_once_in_two_minutes(warehouse):
    read(warehouse, row("BTC-A"), row("ETH-A", base="ETH"))
    summary(warehouse, "BTC", at(FIRST, 1), "BTC-A", "BTC-B", "BTC-C")
    assert lacks(warehouse) == [], "whose catalogue nobody has read is read as a whole"
    was_read(warehouse, "BTC", minutes_ago(3))
    was_read(warehouse, "ETH", minutes_ago(5))
    summary(warehouse, "ETH", at(FIRST, 1), "ETH-A")
    assert lacks(warehouse) == [("BTC", ["BTC-B", "BTC-C"])]
    summary(warehouse, "ETH", at(FIRST, 2), "ETH-A", "ETH-B", state="pending")
    assert lacks(warehouse) == [("ETH", ["ETH-B"]), ("BTC", ["BTC-B", "BTC-C"])], "whose list is older comes first"
    assert lacks(warehouse, "BTC") == [("BTC", ["BTC-B", "BTC-C"])]
    was_read(warehouse, "ETH", minutes_ago(1))
    assert [currency for currency, _ in lacks(warehouse)] == ["BTC"]
    # of an older summary nothing is said, and of one that is held back nothing is believed
    summary(warehouse, "BTC", at(FIRST, 2), "BTC-A", "BTC-B")
    summary(warehouse, "BTC", at(FIRST, 3), "BTC-X", state="held")
    assert lacks(warehouse) == [("BTC", ["BTC-B"])]
    # while somebody waits for the catalogue's turn nothing goes before it
    queue = "INSERT INTO store.rate_limit VALUES ('instruments', ARRAY[now() + %s * interval '1 minute']) "
    queue += "ON CONFLICT (bucket) DO UPDATE SET slots = excluded.slots RETURNING 1"
    warehouse.rows(queue, 1)
    assert lacks(warehouse) == []
    warehouse.rows(queue, -1)
    assert read(warehouse, row("BTC-B")) == (1, 0)
    assert lacks(warehouse) == []


def test_a_name_that_is_listed_again_is_looked_for_until_ten_minutes_of_it_were_in_vain(warehouse):
    """Who asks each minute finds it soon, and one that the exchange goes on naming after its end costs few lists."""
    ended = EXPIRES

    def names_it(minutes: int, *names: str) -> list[tuple[str, list[str]]]:
        summary(warehouse, "BTC", ended + timedelta(minutes=minutes), *(names or ("BTC-A",)))
        return lacks(warehouse)

    again = [("BTC", ["BTC-A"])]
    read(warehouse, row("BTC-A"))
    was_read(warehouse, "BTC", ended - timedelta(hours=8))
    assert names_it(-1) == [], "it is listed"
    assert names_it(0) == [], "the summary of its end was made before that"
    assert names_it(1) == again, "it has ended, and nobody has read the list since it was named"
    for minutes in (3, 5, 10):
        was_read(warehouse, "BTC", ended + timedelta(minutes=minutes))
        assert names_it(minutes) == again, "the list may be behind the summary"
    was_read(warehouse, "BTC", ended + timedelta(minutes=11))
    assert names_it(11) == [], "ten minutes of it were in vain"
    was_read(warehouse, "BTC", ended + timedelta(days=1))
    assert names_it(1441) == []
    # once it was gone it is another listing
    names_it(1500, "BTC-B")
    assert read(warehouse, row("BTC-B", number=8, expires="infinity")) == (1, 0)
    was_read(warehouse, "BTC", ended + timedelta(minutes=1510))
    assert names_it(1511, "BTC-A", "BTC-B") == again
    listed_again = row("BTC-A", number=9, listed=ended + timedelta(minutes=1510), expires=EXPIRES + timedelta(days=90))
    assert read(warehouse, listed_again) == (1, 0)
    assert names_it(1512, "BTC-A", "BTC-B") == []


SUMMARY = """
    WITH r AS (
        INSERT INTO store.roster (digest, first_beat, instruments) VALUES (gen_random_uuid(), %(beat)s, %(names)s)
        RETURNING roster_id
    ), v AS (
        INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
        VALUES ('instrument_summaries', %(currency)s, 'h', 'r', 1, 0, 0) RETURNING version_id
    )
    INSERT INTO store.instrument_summary (currency, beat, version_id, state, roster_id, told_at, mark_price,
        index_price, bid_price, ask_price, last_price, open_interest, volume, current_funding, funding_8h, unreadable)
    SELECT %(currency)s, %(beat)s, version_id, %(state)s::store.state, roster_id, ARRAY[%(beat)s::timestamptz],
        a, a, a, a, a, a, a, a, a, '{}'
    FROM r, v, (SELECT ARRAY[1.0]::float8[] AS a) AS x
"""
