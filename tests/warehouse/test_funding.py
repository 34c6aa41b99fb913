"""Funding: every hour once, each version validated, the hours that should be there named."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import psycopg
import pytest

from deribit_warehouse.datasets import FUNDING_RATES
from deribit_warehouse.tables import FUNDING_RATE
from deribit_warehouse.warehouse.funding import perpetuals_without_start, record_checksum, record_start
from deribit_warehouse.warehouse.ingestion import Ingested, record_fetched
from tests.warehouse.days import FIRST, Warehouse, at, bits, funding_profile, ms

BORN = at("2025-02-20")
HOURS = [at(FIRST, 60 * k) for k in range(1, 49)]  # hour ends of two days


@pytest.fixture
def perpetual(warehouse) -> int:
    return warehouse.instrument("BTC-PERPETUAL", BORN)


def rates(n: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    index = 50_000 + random.standard_normal(n + 1).cumsum()
    return np.stack([random.standard_normal(n) * 1e-5, random.standard_normal(n) * 1e-4, index[1:], index[:-1]])


def profile(warehouse: Warehouse, begins, ends, currencies=("BTC",), outages=()) -> list[dict]:
    found = funding_profile(
        warehouse.connection, currencies=list(currencies), begins=begins, ends=ends, outages=outages
    )
    return found.to_dict("records")


def known(value) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def test_hours_come_out_as_they_went_in(warehouse, perpetual):
    columns = rates(48)
    columns[0, 3], columns[2, 5], columns[1, 7] = math.nan, math.inf, -0.0
    assert warehouse.funding(perpetual, HOURS, columns) == Ingested(added=48)
    assert warehouse.value("SELECT count(*) FROM funding_rates") == 0
    assert warehouse.publish_funding(perpetual) == 48
    shown = warehouse.rows(
        "SELECT ts, interest_1h, interest_8h, index_price, prev_index_price FROM funding_rates ORDER BY ts"
    )
    assert [ts for ts, *_ in shown] == HOURS
    assert [bits(values) for _, *values in shown] == [bits(hour) for hour in columns.T]
    assert warehouse.rows("SELECT DISTINCT instrument, host FROM funding_rates") == [
        ("BTC-PERPETUAL", "https://exchange.test")
    ]


def test_equal_hours_write_nothing_and_corrections_wait_for_the_gate(warehouse, perpetual):
    columns = rates(48)
    warehouse.funding(perpetual, HOURS[:40], columns[:, :40])
    warehouse.publish_funding(perpetual)
    written = "SELECT xmin, * FROM store.funding_rate ORDER BY ts"
    before = warehouse.rows(written), warehouse.value("SELECT count(*) FROM store.ingestion")
    assert warehouse.funding(perpetual, HOURS[:40], columns[:, :40]) == Ingested(unchanged=40)
    assert (warehouse.rows(written), warehouse.value("SELECT count(*) FROM store.ingestion")) == before

    corrected = columns.copy()
    corrected[0, 10] = 0.5
    assert warehouse.funding(perpetual, HOURS, corrected) == Ingested(added=8, corrected=1, unchanged=39)
    shown = "SELECT interest_1h FROM funding_rates WHERE ts = %s"
    assert warehouse.value(shown, HOURS[10]) == columns[0, 10]
    corrected[0, 10] = 0.25
    assert warehouse.funding(perpetual, HOURS, corrected) == Ingested(corrected=1, unchanged=47)
    assert warehouse.value("SELECT count(*) FROM store.funding_rate WHERE ts = %s", HOURS[10]) == 2
    assert warehouse.publish_funding(perpetual) == 9
    assert warehouse.value(shown, HOURS[10]) == 0.25
    assert warehouse.rows("SELECT state, count(*) FROM store.funding_rate GROUP BY 1 ORDER BY 1") == [
        ("published", 48), ("superseded", 1),
    ]  # fmt: skip


def test_an_hour_left_out_is_missing_and_has_no_say_about_the_next(warehouse, perpetual):
    columns = rates(48)
    kept = [k for k in range(48) if k not in (5, 6, 24)]  # 24: the hour that ends an hour after midnight
    warehouse.funding(perpetual, [HOURS[k] for k in kept], columns[:, kept])
    rows = profile(warehouse, at(FIRST), at(FIRST, 2880))
    assert [r["ts"].to_pydatetime() for r in rows] == HOURS
    assert [k for k, r in enumerate(rows) if not r["present"]] == [5, 6, 24]
    assert all(r["on_the_hour"] for r in rows)
    for k, row in enumerate(rows):
        previous = row["previous_row_index_price"]
        assert (previous == columns[2, k - 1]) if {k - 1, k} <= set(kept) else not known(previous), k


def test_the_row_before_the_interval_counts_only_if_it_is_the_hour_before(warehouse, perpetual):
    columns = rates(48)
    warehouse.funding(perpetual, HOURS, columns)
    first = profile(warehouse, at(FIRST, 1440), at(FIRST, 2880))[0]
    assert (first["ts"].to_pydatetime(), first["previous_row_index_price"]) == (HOURS[24], columns[2, 23])
    with warehouse.connection.transaction():
        warehouse.connection.execute("DELETE FROM store.funding_rate WHERE ts = %s", (HOURS[23],))
    assert not known(profile(warehouse, at(FIRST, 1440), at(FIRST, 2880))[0]["previous_row_index_price"])


def test_hours_are_expected_from_the_first_one_the_exchange_has(warehouse, perpetual):
    warehouse.funding(perpetual, HOURS[10:], rates(38))
    assert [r["ts"].to_pydatetime() for r in profile(warehouse, at(FIRST), at(FIRST, 2880))] == HOURS[10:]
    later = profile(warehouse, at(FIRST, 2880), at(FIRST, 4320))
    assert len(later) == 24 and not any(r["present"] for r in later)
    assert profile(warehouse, at("2025-01-01"), at("2025-02-01")) == []


def test_a_row_off_the_hour_is_a_row_of_its_own(warehouse, perpetual):
    hours = [HOURS[0], HOURS[0] + timedelta(minutes=17), HOURS[1]]
    warehouse.funding(perpetual, hours, rates(3))
    rows = profile(warehouse, at(FIRST), at(FIRST, 180))
    seen = [(r["ts"].to_pydatetime(), r["present"], r["on_the_hour"]) for r in rows]
    assert seen == [(hours[0], True, True), (hours[1], True, False), (hours[2], True, True), (HOURS[2], False, True)]


def test_a_row_off_the_hour_goes_when_it_is_not_told_any_more(warehouse, perpetual):
    off = HOURS[0] + timedelta(minutes=17)
    columns = rates(48)
    warehouse.funding(perpetual, [HOURS[0], off, *HOURS[1:3]], columns[:, :4])
    warehouse.funding(perpetual, HOURS[5:7], columns[:, 5:7])
    assert warehouse.value("SELECT count(*) FROM store.funding_rate WHERE ts = %s", off) == 1, (
        "another window says nothing of it"
    )
    kept = columns[:, [0, 2, 3]]
    assert warehouse.funding(perpetual, HOURS[:3], kept) == Ingested(unchanged=3)
    assert [ts for (ts,) in warehouse.rows("SELECT ts FROM store.funding_rate ORDER BY ts")] == [
        *HOURS[:3],
        *HOURS[5:7],
    ]


def test_an_hour_told_twice_is_marked_until_it_is_told_once(warehouse, perpetual):
    columns = rates(48)
    warehouse.funding(perpetual, HOURS, columns, duplicate=HOURS[3:5])
    rows = profile(warehouse, at(FIRST), at(FIRST, 2880))
    assert [k for k, r in enumerate(rows) if r["duplicate"]] == [3, 4]
    assert warehouse.funding(perpetual, HOURS, columns) == Ingested(corrected=2, unchanged=46)
    assert not any(r["duplicate"] for r in profile(warehouse, at(FIRST), at(FIRST, 2880)))


def test_a_published_hour_can_be_taken_back(warehouse, perpetual):
    warehouse.funding(perpetual, HOURS, rates(48))
    warehouse.publish_funding(perpetual)
    versions = warehouse.rows("SELECT instrument_id, ts, version_id FROM store.funding_rate WHERE ts < %s", HOURS[5])
    assert warehouse.hold(FUNDING_RATE, versions) == 5
    assert warehouse.hold(FUNDING_RATE, versions) == 0
    assert warehouse.value("SELECT min(ts) FROM funding_rates") == HOURS[5]
    assert warehouse.publish_funding(perpetual) == 5


def test_another_currencys_hours_are_not_this_gates(warehouse, perpetual):
    other = warehouse.instrument("BTC_USDC-PERPETUAL", BORN, quote="USDC", settlement="USDC")
    warehouse.funding(other, HOURS, rates(48))
    assert {r["instrument"] for r in profile(warehouse, at(FIRST), at(FIRST, 2880))} == {"BTC-PERPETUAL"}
    assert len(profile(warehouse, at(FIRST), at(FIRST, 2880), currencies=("USDC",))) == 48


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_hours_are_hours_in_every_session(warehouse, perpetual, zone):
    warehouse.funding(perpetual, HOURS, rates(48))
    wanted = profile(warehouse, at(FIRST), at(FIRST, 2880))
    warehouse.connection.execute("SELECT set_config('timezone', %s, false)", (zone,))
    found = profile(warehouse, at(FIRST), at(FIRST, 2880))
    seen = [
        [(r["ts"].timestamp(), r["present"], r["on_the_hour"], r["index_price"]) for r in rows]
        for rows in (found, wanted)
    ]
    assert seen[0] == seen[1]
    assert all(r["on_the_hour"] for r in found)


def test_the_first_hour_is_looked_for_once_and_only_moves_back(warehouse, perpetual):
    connection = warehouse.connection
    future = warehouse.instrument("BTC-28MAR25", BORN, at("2025-03-28", 480))
    assert [p["instrument_id"] for p in perpetuals_without_start(connection, ["BTC"])] == [perpetual] != [future]
    assert perpetuals_without_start(connection, ["ETH"]) == []
    for hour, recorded in [(HOURS[5], HOURS[5]), (HOURS[9], HOURS[5]), (HOURS[2], HOURS[2])]:
        record_start(connection, perpetual, hour)
        assert warehouse.value("SELECT first_hour FROM store.funding_start") == recorded
    assert perpetuals_without_start(connection, ["BTC"]) == []


def test_the_first_hour_of_a_name_listed_again_is_not_one_of_the_earlier_life(warehouse):
    earlier = warehouse.instrument("LUNA_USDC-PERPETUAL", BORN, at(FIRST, 1200), base="LUNA", quote="USDC")
    with warehouse.connection.transaction():
        warehouse.connection.execute("UPDATE store.instrument SET settlement_period = 'perpetual'")
        warehouse.connection.execute(
            "INSERT INTO store.instrument (instrument, label, exchange_id, kind, base_currency, quote_currency, "
            "settlement_currency, settlement_period, listed_at, expires_at, host) SELECT instrument, 'again', 2, kind, "
            "base_currency, quote_currency, settlement_currency, settlement_period, %s, 'infinity', host "
            "FROM store.instrument", (at(FIRST, 1290),),
        )  # fmt: skip
    found = perpetuals_without_start(warehouse.connection, ["LUNA"])
    assert [p["not_before"] for p in found] == [BORN - timedelta(days=1), at(FIRST, 1200) + timedelta(milliseconds=1)]
    assert found[0]["instrument_id"] == earlier
    assert [p["ended"] for p in found] == [True, False]


# --- the eight hours --------------------------------------------------------------------------------------------


def weighed(columns: np.ndarray) -> np.ndarray:
    """The same with interest_8h as the exchange computes it: weighed by the index at the start of each hour."""
    hourly, _, _, previous = columns
    eight = [previous[max(k - 7, 0)] * (hourly / previous)[max(k - 7, 0) : k + 1].sum() for k in range(len(hourly))]
    return np.stack([hourly, eight, *columns[2:]])


def test_eight_hours_add_up_weighed_by_the_index(warehouse, perpetual):
    columns = weighed(rates(48))
    warehouse.funding(perpetual, HOURS, columns)
    rows = profile(warehouse, at(FIRST), at(FIRST, 2880))
    assert [known(r["eight_hours_off"]) for r in rows] == [False] * 7 + [True] * 41
    assert max(r["eight_hours_off"] for r in rows[7:]) < 1e-9 > rows[0]["month_off"]
    # the seven hours before the interval are looked up, published or not
    second = profile(warehouse, at(FIRST, 1440), at(FIRST, 2880))
    assert all(known(r["eight_hours_off"]) for r in second) and len(second) == 24

    columns[1, 20] += 4e-6
    warehouse.funding(perpetual, HOURS, columns)
    rows = profile(warehouse, at(FIRST), at(FIRST, 2880))
    assert [k for k, r in enumerate(rows) if r["eight_hours_off"] > 0.01] == [20]


def test_hours_whose_seven_predecessors_are_not_stored_are_not_tested(warehouse, perpetual):
    columns = weighed(rates(48))
    kept = [k for k in range(48) if k != 20]
    warehouse.funding(perpetual, [HOURS[k] for k in kept], columns[:, kept])
    rows = profile(warehouse, at(FIRST), at(FIRST, 2880))
    assert [k for k, r in enumerate(rows) if not known(r["eight_hours_off"])] == [*range(7), *range(20, 28)]


def test_swapped_columns_show_in_the_month(warehouse, perpetual):
    columns = weighed(rates(48))
    warehouse.funding(perpetual, HOURS, columns[[1, 0, 2, 3]])
    assert profile(warehouse, at(FIRST), at(FIRST, 2880))[0]["month_off"] > 0.1


def test_nothing_of_a_month_with_swapped_columns_is_published(warehouse):
    april = at("2025-04-01")
    hours = [at(FIRST, 60 * k) for k in range(1, 31 * 24 + 1)]
    for base, columns in (("BTC", [1, 0, 2, 3]), ("ETH", [0, 1, 2, 3])):
        instrument_id = warehouse.instrument(f"{base}-PERPETUAL", BORN, base=base)
        warehouse.funding(instrument_id, hours, weighed(rates(len(hours)))[columns])
        with warehouse.connection.transaction():  # it had no candles: nothing else could hold back a rate
            record_fetched(warehouse.connection, instrument_id, "candles", ms(at(FIRST)), ms(april))
    decided = warehouse.validate(FUNDING_RATES, at(FIRST), april)
    assert decided.decision.outcome == "quarantined"
    held = {(finding.key[0], finding.rule) for finding in decided.decision.quarantined}
    assert held == {("BTC-PERPETUAL", "eight-hours-add-up-over-the-month")}
    assert warehouse.rows("SELECT instrument, count(*) FROM funding_rates GROUP BY 1") == [("ETH-PERPETUAL", 744)]


@pytest.mark.recorded
def test_the_recorded_hours_add_up(warehouse, recorded):
    """4,369 of the recorded hours have their seven predecessors; none is off by 1 % of what was paid."""
    hours = json.loads((recorded / "funding_btc_perpetual.json").read_text())["rows"]
    names = ("interest_1h", "interest_8h", "index_price", "prev_index_price")
    columns = np.array([[hour[name] for hour in hours] for name in names])
    perpetual = warehouse.instrument("BTC-PERPETUAL", at("2018-08-14"))
    stamps = [datetime.fromtimestamp(hour["timestamp"] / 1000, UTC) for hour in hours]
    warehouse.funding(perpetual, stamps, columns)
    tested = []
    for month in range(5, 11):
        rows = profile(warehouse, at(f"2025-{month:02}-01"), at(f"2025-{month + 1:02}-01"))
        tested += [r["eight_hours_off"] for r in rows if known(r["eight_hours_off"])]
        assert rows[0]["month_off"] < 1e-4
    assert len(tested) == 4369
    assert max(tested) < 0.01


def test_a_perpetual_whose_first_hour_was_not_found_is_named_and_lacks_nothing(warehouse, perpetual):
    unknown = warehouse.instrument("ETH-PERPETUAL", at(FIRST, 90), base="ETH")
    warehouse.funding(perpetual, HOURS[:48], rates(48))
    interval = at(FIRST), at(FIRST, 2880), ["BTC", "ETH"]
    rows = profile(warehouse, *interval)
    assert [r["instrument"] for r in rows] == ["BTC-PERPETUAL"] * 48 + ["ETH-PERPETUAL"]
    assert [r["start_unknown"] for r in rows] == [False] * 48 + [True]
    named = {"ts": at(FIRST, 120), "present": False, "missing": False, "rows_expected": 0, "rows_missing": 0}
    assert {column: rows[-1][column] for column in named} == named
    assert named["ts"] in {r["ts"] for r in profile(warehouse, at(FIRST), at(FIRST, 120), ["ETH"])}
    assert profile(warehouse, at(FIRST), at(FIRST, 119), ["ETH"]) == [], "it had no full hour yet"
    # rows that came all the same are validated like any, and no key is there twice
    warehouse.funding(unknown, HOURS[1:4], rates(3))
    with warehouse.connection.transaction():
        warehouse.connection.execute("DELETE FROM store.funding_start WHERE instrument_id = %s", (unknown,))
    rows = [r for r in profile(warehouse, *interval) if r["instrument"] == "ETH-PERPETUAL"]
    assert [(r["ts"], r["present"], r["start_unknown"]) for r in rows] == [
        (HOURS[1], True, True), (HOURS[2], True, False), (HOURS[3], True, False),
    ]  # fmt: skip


def test_known_outages_explain_the_hours_they_touch(warehouse, perpetual):
    columns = rates(48)
    kept = [k for k in range(48) if k not in (4, 5, 6, 7, 8, 30)]
    warehouse.funding(perpetual, [HOURS[k] for k in kept], columns[:, kept])
    # from 05:15 to 08:00, or from 05:00: the hours that end at 06:00, 07:00 and 08:00, and not those at 05:00 and 09:00
    for begins in (315, 300):
        rows = profile(warehouse, at(FIRST), at(FIRST, 2880), outages=[(at(FIRST, begins), at(FIRST, 480))])
        assert [k for k, r in enumerate(rows) if r["explained"]] == [5, 6, 7]
        assert [k for k, r in enumerate(rows) if r["missing"]] == [4, 8, 30]


def test_the_hole_of_2020_is_excused_and_no_other_hour(warehouse, perpetual):
    from deribit_warehouse import settings
    from deribit_warehouse.quality.suites import read_outages

    outages = [(o.start, o.end) for o in read_outages(settings.EXPECTATIONS / "known_outages.json")]
    day = at("2020-08-27")
    warehouse.funding(perpetual, [day - timedelta(hours=2)], rates(1))
    rows = profile(warehouse, day - timedelta(hours=3), day + timedelta(hours=24), outages=outages)
    excused = [(r["ts"].to_pydatetime() - day).total_seconds() / 3600 for r in rows if r["explained"]]
    assert excused == [*range(1, 11)], "from 00 to 08, and until trading was back at 09:27"


def test_the_cap_is_known_of_two_coins(warehouse):
    for name, base, quote, settlement, capped in [
        ("BTC-PERPETUAL", "BTC", "USD", "BTC", True), ("ETH-PERPETUAL", "ETH", "USD", "ETH", True),
        ("BTC_USDC-PERPETUAL", "BTC", "USDC", "USDC", False), ("NEAR_USDC-PERPETUAL", "NEAR", "USDC", "USDC", False),
    ]:  # fmt: skip
        instrument_id = warehouse.instrument(name, BORN, base=base, quote=quote, settlement=settlement)
        warehouse.funding(instrument_id, HOURS[:2], rates(2))
        rows = profile(warehouse, at(FIRST), at(FIRST, 120), currencies=[settlement])
        assert {r["capped"] for r in rows if r["instrument"] == name} == {capped}


# --- the exchange's own sum -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_the_hours_are_compared_with_the_exchanges_own_sum(warehouse, perpetual, sign):
    columns = weighed(rates(24))
    columns[:2] *= sign
    warehouse.funding(perpetual, HOURS[:24], columns)
    interval = at(FIRST), at(FIRST, 1440)
    assert not any(known(row["checksum_off"]) for row in profile(warehouse, *interval)), "it was not asked for"
    value = columns[3, 0] * (columns[0] / columns[3]).sum()
    beyond = 2e-6 * np.abs(columns[0]).sum()
    for told, off in ((value, False), (value + beyond, True), (value - beyond, True), (0.0, True), (-value, True)):
        with warehouse.connection.transaction():
            record_checksum(warehouse.connection, perpetual, ms(at(FIRST)), ms(at(FIRST, 1440)), told)
        assert [row["checksum_off"] > 1e-6 for row in profile(warehouse, *interval)] == [off] * 24
    with warehouse.connection.transaction():
        warehouse.connection.execute("DELETE FROM store.funding_rate WHERE ts = %s", (HOURS[7],))
    assert not any(known(row["checksum_off"]) for row in profile(warehouse, *interval)), "an hour is not stored"


def test_a_month_that_the_statistics_do_not_know_is_validated_as_fast_as_any(warehouse, market):
    """Of a month that came after its last ANALYZE, Postgres takes next to nothing to be there, nor are sixty perpetuals
    much among the options of a catalogue. A plan that did something again for each of their hours took hours."""
    for n in range(60):
        name, coin = f"C{n}_USDC-PERPETUAL", f"C{n}"
        instrument_id = warehouse.instrument(name, BORN, base=coin, quote="USDC", settlement="USDC")
        record_start(warehouse.connection, instrument_id, at("2025-03-01", 60))
    for statement in (
        "INSERT INTO store.instrument (instrument, label, exchange_id, kind, base_currency, settlement_currency, "
        "settlement_period, listed_at, expires_at, host) "
        "SELECT 'O' || n, 'O' || n, n + 1000, 'option', 'BTC', 'BTC', 'day', '2025-01-01', '2025-01-02', 'live' "
        "FROM generate_series(1, 60000) AS n",
        "INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected) "
        "VALUES ('funding_rates', 's', 'h', 'r', 1, 0, 0)",
    ):
        warehouse.connection.execute(statement)
    for begins, ends in pairwise([at("2025-03-01"), at("2025-04-01"), at("2025-05-01")]):
        with psycopg.connect(market.postgres.dsn(market.name), autocommit=True) as owner:
            owner.execute("ANALYZE")
        warehouse.connection.execute(
            "INSERT INTO store.funding_rate "
            "SELECT instrument_id, h, 1, 'pending', NULL, '{}', NULL, NULL, 1e-5, 8e-5, 100, 100, false "
            "FROM store.funding_start CROSS JOIN generate_series(%s::timestamptz + '1 hour', %s, '1 hour') AS h",
            (begins, ends),
        )
        warehouse.connection.execute(
            "INSERT INTO store.funding_checksum SELECT instrument_id, %s, %s, %s FROM store.funding_start",
            (begins, ends, 1e-5 * ((ends - begins) / timedelta(hours=1))),
        )
    warehouse.connection.execute("SET statement_timeout = '60s'")
    profiled = profile(warehouse, begins, ends, ["USDC"])
    assert len(profiled) == 60 * 720
    assert max(hour["checksum_off"] for hour in profiled) < 1e-9
