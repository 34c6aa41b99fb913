"""Option chains in the store: every decimal as it was sent, refused without volatilities, small enough to be kept."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from bench.recorded import recorded_chain
from deribit_warehouse.dataset import Window
from deribit_warehouse.datasets import OPTIONS_CHAIN
from deribit_warehouse.datasets.options_chain import OPTION_CHAIN
from deribit_warehouse.exchange import BadResponse, Exchange, ExchangeUnavailable, tickers
from deribit_warehouse.exchange.errors import Malformed
from deribit_warehouse.exchange.summaries import Summaries, reader
from deribit_warehouse.exchange.tickers import OptionTicker
from deribit_warehouse.warehouse import publication, snapshots
from deribit_warehouse.warehouse.catalogue import record_reading
from deribit_warehouse.warehouse.ingestion import Ingested, Provenance
from deribit_warehouse.warehouse.profiles import profile
from tests.exchange.scripted import result, serving
from tests.warehouse.days import FIRST, HOST, Warehouse, Watched, at, truncate, vacuum

BEAT = timedelta(minutes=5)
NOON = at(FIRST, 720)


class Answers:
    """An exchange that has one summary, and the tickers it is given."""

    def __init__(self, summaries: Summaries, tickers: dict[str, dict]) -> None:
        self.answer, self.tickers = summaries, tickers

    def option_ticker(self, name: str) -> OptionTicker:
        if name not in self.tickers:
            raise ExchangeUnavailable("away")
        try:
            return tickers.reader(name)(self.tickers[name])
        except Malformed as error:
            raise BadResponse(str(error)) from error

    def summaries(self, currency: str, kind: str) -> Summaries:
        assert (currency, kind) == (self.answer.currency, "option")
        return self.answer


def told(name: str, told_at: datetime = NOON, **changed) -> dict:
    return {
        "instrument_name": name, "creation_timestamp": round(told_at.timestamp() * 1000), "mark_price": 0.08550357,
        "mark_iv": 43.23, "bid_price": 0.084, "ask_price": 0.088, "last": None, "open_interest": 0.3, "volume": 0.0,
        "underlying_price": 88_728.94666667, "underlying_index": "SYN.BTC-14MAR25", "interest_rate": 0.0,
        "estimated_delivery_price": 88_530.23, "base_currency": "BTC", "mid_price": 0.086,
    } | changed  # fmt: skip


def take(
    warehouse: Warehouse, rows: list[dict], currency: str = "BTC", tickers: dict[str, dict] | None = None
) -> Ingested:
    """Loads an answer as the dataset does; what there is no ticker of is not sampled."""
    return store(warehouse, Answers(reader(currency, "option")(rows), tickers or {}), currency)


def store(warehouse: Warehouse, exchange: Answers, currency: str) -> Ingested:
    window = Window(currency, currency, None, NOON, NOON, 1)
    source = Provenance("options_chain", currency, HOST, "run")
    stored, _ = OPTIONS_CHAIN.load(exchange, warehouse.connection, window, source)
    return stored


def seen(warehouse: Warehouse, moment: datetime = NOON, currencies=("BTC", "ETH", "USDC")) -> dict[str, dict]:
    """The profile's rows, by series and beat."""
    with warehouse.connection.transaction():
        found = profile(warehouse.connection, OPTIONS_CHAIN, moment, moment, currencies=list(currencies))
    rows = [{k: None if v != v else v for k, v in row.items()} for row in found.to_dict("records")]
    return {row["series"]: row for row in rows}


def publish(warehouse: Warehouse) -> int:
    return warehouse.decide_rows(OPTIONS_CHAIN)


SHOWN = {
    "mark_price": "mark_price", "mark_iv": "mark_iv", "bid_price": "bid_price", "ask_price": "ask_price",
    "last_price": "last", "open_interest": "open_interest", "volume": "volume", "underlying_price": "underlying_price",
    "underlying": "underlying_index", "index_price": "estimated_delivery_price", "interest_rate": "interest_rate",
    "strike": "strike", "option_type": "option_type", "expires_at": "expires",
}  # fmt: skip


@pytest.mark.recorded
def test_the_recorded_chain_reads_back_as_the_exchanges_decimals(warehouse, recorded):
    chain = recorded_chain(recorded / "option_chain_20251230T173115Z.csv")
    for currency, rows in chain.items():
        body = [{name: value for name, value in row.items() if name != "expires"} for row in rows]
        with serving(result(body)) as (url, _), Exchange(url, url, lambda _: None) as exchange:
            answer = exchange.summaries(currency, "option")
        assert store(warehouse, Answers(answer, {}), currency) == Ingested(added=12)
    profiled = seen(warehouse)
    assert len(profiled) == 24 and sum(row["options"] for row in profiled.values()) == 1304
    for row in profiled.values():
        assert {row[each] for each in ("without_iv", "without_mark", "without_underlying", "impossible")} == {None}
        assert row["ivs_known"] == row["marks_known"] == 1
    validated = warehouse.validate(OPTIONS_CHAIN, NOON, NOON)
    # recorded 76 s after its beat, and without tickers: that is all there is to say of it
    assert (validated.decision.outcome, validated.rows, validated.published) == ("warned", 24, 24)
    warned = warehouse.rows("SELECT DISTINCT rule FROM quality_findings ORDER BY 1")
    assert warned == [("taken-on-time",), ("tickers-sampled",)]
    found = warehouse.rows(
        f"SELECT instrument, ts, currency, {', '.join(SHOWN)} FROM options_chain ORDER BY instrument"
    )
    wanted = [
        (row["instrument_name"], datetime.fromtimestamp(row["creation_timestamp"] / 1000, UTC), currency,
         *(row[field] for field in SHOWN.values()))
        for currency, rows in chain.items() for row in rows
    ]  # fmt: skip
    assert found == sorted(wanted)
    greeks_are_the_recorded_ones(warehouse, recorded / "option_chain_20251230T173115Z.csv")


def greeks_are_the_recorded_ones(warehouse: Warehouse, path) -> None:
    """Prices and greeks of the recording were read at moments that are apart: it is their distribution that counts."""
    calculated = {
        name: greeks for name, *greeks in warehouse.rows("SELECT instrument, delta, vega FROM options_greeks")
    }
    with open(path, newline="") as file:
        recorded = {row["instrument_name"]: (float(row["delta"]), float(row["vega"])) for row in csv.DictReader(file)}
    assert calculated.keys() == recorded.keys()
    apart = [abs(calculated[name][0] - delta) for name, (delta, _) in recorded.items()]
    off = [abs(calculated[name][1] / vega - 1) for name, (_, vega) in recorded.items() if vega >= 1]
    assert len(apart) == 1304 and len(off) > 500
    assert np.median(apart) <= 1e-4 and np.quantile(apart, 0.99) <= 3e-3
    assert np.median(off) <= 5e-4 and np.quantile(off, 0.99) <= 0.01


def test_a_chain_in_usdc_has_its_strikes_and_its_units(warehouse):
    names = ["XRP_USDC-28MAR25-1d25-C", "XRP_USDC-28MAR25-1d25-P", "BTC_USDC-28MAR25-90000-C"]
    take(warehouse, [told(name, mark_price=0.1491) for name in names], "USDC")
    publish(warehouse)
    assert warehouse.rows(
        "SELECT instrument, strike, option_type, settlement, base_currency, expires_at FROM options_chain ORDER BY 1"
    ) == [
        (names[2], 90_000.0, "call", "USDC", "BTC", at("2025-03-28", 480)),
        (names[0], 1.25, "call", "USDC", "XRP", at("2025-03-28", 480)),
        (names[1], 1.25, "put", "USDC", "XRP", at("2025-03-28", 480)),
    ]


def test_a_second_run_of_a_beat_changes_no_row(warehouse):
    rows = [told("BTC-14MAR25-80000-C"), told("BTC-28MAR25-80000-C")]
    assert take(warehouse, rows) == Ingested(added=2)
    publish(warehouse)
    written = warehouse.rows("SELECT ctid, xmin, * FROM store.option_chain ORDER BY series")
    assert take(warehouse, rows) == Ingested(unchanged=2)
    later = [told(row["instrument_name"], NOON + timedelta(minutes=1), mark_price=0.5) for row in rows]
    assert take(warehouse, later) == Ingested(unchanged=2)
    assert warehouse.rows("SELECT ctid, xmin, * FROM store.option_chain ORDER BY series") == written


def test_single_options_are_named(warehouse):
    name = "BTC-14MAR25-{}-C".format
    rows = [
        told(name(1), mark_iv=None), told(name(2), mark_price=None), told(name(3), underlying_price=None),
        told(name(4), mark_iv=0.05), told(name(5), open_interest=-1.0), told(name(6), bid_price=0.09),
        told(name(7), underlying_price=20_000.0), told(name(8), volume="x"), told(name(9), mark_price=float("inf")),
        told(name(10)), told("BTC-28MAR25-1-C"),
    ]  # fmt: skip
    take(warehouse, rows)
    found = seen(warehouse)
    row = found["BTC-14MAR25"]
    assert row["without_iv"] == name(1) and row["ivs_known"] == 8 / 9
    assert row["without_mark"] == name(2) and row["without_underlying"] == name(3)
    assert row["impossible"] == (
        f"{name(4)}: volatility 0.05; {name(5)}: open interest -1; "
        f"{name(7)}: underlying 20000, index 88530.23; {name(9)}: mark Infinity"
    )
    assert row["crossed"] == f"{name(6)}: bid 0.09, ask 0.088"
    assert row["unreadable"] == f"{name(8)}: volume is 'x', not a number"
    assert found["BTC-28MAR25"]["unreadable"] is None and found["BTC-28MAR25"]["impossible"] is None


def test_options_of_which_no_name_can_be_read_are_an_error_and_none_at_all_are_not(warehouse):
    """What nobody can read must not look like a currency without options: the run would succeed beat by beat."""
    strange = [told("BTC-14MAR2025-80000-C"), told("BTC-31FEB25-80000-P")]
    said = "BTC option: none of 2 options can be read; the first, BTC-14MAR2025-80000-C: it is not the name"
    with pytest.raises(BadResponse, match=said):
        take(warehouse, strange)
    assert warehouse.value("SELECT count(*) FROM store.option_chain") == 0
    assert take(warehouse, []) == Ingested()
    assert take(warehouse, [*strange, told("BTC-14MAR25-80000-C")]) == Ingested(added=1)


def test_a_row_of_nulls_is_impossible(warehouse):
    name = "BTC-14MAR25-1-C"
    nulls = dict.fromkeys(told(name).keys() - {"instrument_name", "creation_timestamp", "underlying_index"})
    take(warehouse, [told(name, **nulls), told("BTC-14MAR25-2-C")])
    assert seen(warehouse)["BTC-14MAR25"]["impossible"] == f"{name}: no open interest"


def test_a_number_that_is_no_short_decimal_is_kept_as_it_is(warehouse):
    rows = [told("BTC-14MAR25-1-C", mark_price=1 / 3, bid_price=0.1 + 0.2), told("BTC-14MAR25-2-C", bid_price=None)]
    take(warehouse, rows)
    publish(warehouse)
    found = warehouse.rows("SELECT mark_price, bid_price, ask_price FROM options_chain ORDER BY instrument")
    assert found == [(1 / 3, 0.1 + 0.2, 0.088), (0.08550357, None, 0.088)]


def test_the_chain_is_compared_with_the_options_the_catalogue_lists(warehouse):
    for name in ("BTC-14MAR25-80000-C", "BTC-14MAR25-90000-C", "BTC-28MAR25-80000-P"):
        warehouse.instrument(
            name, at("2025-01-01"), at("2025-03-14", 480), kind="option", quote="BTC", settlement="BTC"
        )
    warehouse.instrument("BTC-1MAR25-80000-P", at("2025-01-01"), NOON, kind="option", quote="BTC", settlement="BTC")
    take(warehouse, [told("BTC-14MAR25-80000-C"), told("BTC-14MAR25-85000-C")])
    with warehouse.connection.transaction():
        record_reading(warehouse.connection, "BTC", "option", 3, "run", host="live", expired=False)
    found = seen(warehouse)
    assert {
        series: (row["missing"], row["absent"], row["unknown"], row["options"]) for series, row in found.items()
    } == {
        "BTC-14MAR25": (False, "BTC-14MAR25-90000-C", "BTC-14MAR25-85000-C", 2),
        "BTC-28MAR25": (True, "BTC-28MAR25-80000-P", None, 0),
    }
    assert found["BTC-28MAR25"]["version_id"] is None
    assert publish(warehouse) == 1


def test_a_missed_beat_is_named_once_a_currency(warehouse):
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for n in (0, 3):
        take(warehouse, [told(f"BTC-{day}MAR25-80000-C", base + n * BEAT) for day in (14, 28)])
    with warehouse.connection.transaction():
        found = profile(warehouse.connection, OPTIONS_CHAIN, NOON, NOON, currencies=["BTC"])
    assert found[found.missed_lately > 0][["series", "ts", "missed_lately"]].values.tolist() == [
        ["BTC-14MAR25", base + 3 * BEAT, 2]
    ]
    [first, *_] = warehouse.rows("SELECT dataset, first_beat, last_beat, beats FROM snapshot_gaps ORDER BY first_beat")
    assert first == ("options_chain", base + BEAT, base + 2 * BEAT, 2)


def test_the_chain_at_a_moment_is_that_of_the_newest_beat(warehouse):
    for n in range(3):
        take(warehouse, [told("BTC-14MAR25-80000-C", NOON + n * BEAT, mark_iv=40.0 + n)])
    take(warehouse, [told("ETH-14MAR25-3000-C", NOON + 4 * BEAT)], "ETH")
    publish(warehouse)
    asked = "SELECT mark_iv FROM chain_at('BTC', %s)"
    assert warehouse.rows(asked, NOON + 1.5 * BEAT) == [(41.0,)]
    assert warehouse.rows(asked, NOON + 100 * BEAT) == [(42.0,)]
    assert warehouse.rows(asked, NOON - BEAT) == []
    published = warehouse.value("SELECT clock_timestamp()")
    newest = warehouse.newest_of(OPTIONS_CHAIN)[2:3]
    assert warehouse.hold(OPTION_CHAIN, newest) == 1
    assert warehouse.rows(asked, NOON + 100 * BEAT) == [(41.0,)]
    as_of = "SELECT mark_iv FROM chain_at('BTC', %s, as_of => %s)"
    assert warehouse.rows(as_of, NOON + 100 * BEAT, published) == [(42.0,)]


def test_old_chains_are_thinned_to_the_hour(warehouse):
    """What is left is no gap: one an hour is what is expected from then on."""
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    # from 35 past on, without the first two of the third hour
    beats = [base + n * BEAT for n in range(7, 55) if n not in (24, 25)]
    for beat in beats:
        take(warehouse, [told("BTC-14MAR25-80000-C", beat), told("BTC-28MAR25-80000-C", beat)])
    publish(warehouse)
    before = base + timedelta(hours=3)

    def thin() -> int:
        return snapshots.thin(warehouse.connection, OPTIONS_CHAIN, before)

    old = [beat for beat in beats if beat < before]
    kept = [base + 7 * BEAT, base + 12 * BEAT, base + 26 * BEAT]
    assert thin() == 2 * (len(old) - len(kept)) and thin() == 0
    left = warehouse.rows("SELECT DISTINCT beat FROM options_chain ORDER BY beat")
    assert [beat for [beat] in left] == kept + [beat for beat in beats if beat >= before]
    stretches = warehouse.rows("SELECT begins, ends, seconds FROM store.snapshot_beat WHERE ends < 'infinity'")
    assert stretches == [(base, before, 3600)]
    gaps = warehouse.rows("SELECT first_beat FROM snapshot_gaps")
    assert gaps == [(beats[-1] + BEAT,)], "but for what was never taken at the end"
    assert take(warehouse, [told("BTC-14MAR25-80000-C", beats[-1] + BEAT)]) == Ingested(added=1)
    assert seen(warehouse)["BTC-14MAR25"]["missed_lately"] == 0


def thinned(warehouse: Warehouse, *beats: set[int]) -> list[tuple[int, int, str]]:
    """What stays of an hour: (beat, expiry, state). Of each of its beats the expiries that pass, by their day in March;
    those on the 14th and the 28th are in every snapshot, and held back where they don't."""
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    for n, passed in enumerate(beats):
        take(warehouse, [told(f"BTC-{day}MAR25-80000-C", base + n * BEAT) for day in sorted({14, 28} | passed)])

    def place(beat: datetime, series: str) -> tuple[int, int]:
        return (beat - base) // BEAT, int(series[4:6])

    versions = warehouse.newest_of(OPTIONS_CHAIN)
    places = [place(beat, series) for _, beat, series, _ in versions]
    passing = [version for version, (n, day) in zip(versions, places, strict=True) if day in beats[n]]
    validation_id = warehouse.validation("options_chain")
    with warehouse.connection.transaction():
        publication.publish(warehouse.connection, OPTION_CHAIN, validation_id, passing)
    warehouse.hold(OPTION_CHAIN, [version for version in versions if version not in passing])
    snapshots.thin(warehouse.connection, OPTIONS_CHAIN, base + timedelta(hours=1))
    left = warehouse.rows("SELECT beat, series, state::text FROM store.option_chain ORDER BY beat, series")
    return [(*place(beat, series), state) for beat, series, state in left]


def test_the_fullest_beat_of_an_hour_is_kept_not_the_first(warehouse):
    """An expiry that is held back at the first beat must not be gone of the whole hour."""
    left = thinned(warehouse, {28}, *[{14, 28}] * 11)
    assert left == [(1, 14, "published"), (1, 28, "published")], "of those that are as full, the earliest"
    assert warehouse.value("SELECT count(*) FROM chain_at('BTC', now() - interval '4 hours')") == 2


def test_an_expiry_that_the_fullest_beat_lacks_is_kept_with_a_beat_of_its_own(warehouse):
    """Each is held back where the other passes; what is held back beside one that is kept stays with it."""
    left = thinned(warehouse, {28}, {28}, {14}, {14})
    assert left == [(0, 14, "held"), (0, 28, "published"), (2, 14, "published"), (2, 28, "held")]


def test_a_beat_that_is_kept_for_one_expiry_is_kept_whole(warehouse):
    """One expires after the first beat, and one is listed before the third: chain_at has a whole beat all the time."""
    left = thinned(warehouse, {10, 14, 28}, {14, 28}, {14, 21, 28}, {14, 21, 28})
    assert left == [(n, day, "published") for n, days in ((0, (10, 14, 28)), (2, (14, 21, 28))) for day in days]
    asked = "SELECT count(*), count(*) FILTER (WHERE series = 'BTC-21MAR25') FROM chain_at('BTC', %s)"
    assert warehouse.rows(asked, datetime.now(UTC) - timedelta(hours=4)) == [(3, 1)]


def test_an_hour_of_which_nothing_is_published_is_not_thinned(warehouse):
    assert len(thinned(warehouse, set(), set())) == 4


def test_two_beats_that_stay_of_an_hour_count_once(warehouse):
    assert {n for n, *_ in thinned(warehouse, {10, 14}, {14, 28})} == {0, 1}
    asked = "SELECT sum(present), sum(published_minutes) FROM coverage WHERE dataset = 'options_chain'"
    assert warehouse.rows(asked) == [(1, 1)]


def test_a_day_is_thinned_at_a_time_and_who_publishes_gets_in_between(warehouse, market):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (3, 2, 1):
        for n in range(3):
            take(warehouse, [told("BTC-28MAR25-80000-C", midnight - timedelta(days=day) + n * BEAT)])
    publish(warehouse)
    watched = Watched(warehouse, market, "SELECT count(*) FROM store.option_chain")
    assert snapshots.thin(watched, OPTIONS_CHAIN, midnight - timedelta(hours=20)) == 6
    assert watched.left == [7, 5, 3, 3]
    stretches = warehouse.rows("SELECT begins, ends, seconds FROM store.snapshot_beat WHERE ends < 'infinity'")
    assert stretches == [(midnight - timedelta(days=3), midnight - timedelta(hours=20), 3600)]


def test_a_snapshot_that_thinning_may_have_deleted_is_an_error(warehouse):
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    beats = [base + n * BEAT for n in range(30)]
    for beat in beats:
        take(warehouse, [told("BTC-28MAR25-80000-C", beat)])
    publish(warehouse)

    def beats_at(moment: datetime, as_of: datetime) -> list[tuple]:
        ask = "SELECT beat FROM {}('BTC', %s, as_of => %s)"
        chain = warehouse.rows(ask.format("chain_at"), moment, as_of)
        assert warehouse.rows(ask.format("greeks_at"), moment, as_of) == chain
        return chain

    def now() -> datetime:
        return warehouse.value("SELECT clock_timestamp()")

    then, ends = now(), base + timedelta(hours=2)
    assert beats_at(beats[5], then) == [(beats[5],)]
    snapshots.thin(warehouse.connection, OPTIONS_CHAIN, ends)
    for source in ("chain_at", "greeks_at"):
        with pytest.raises(psycopg.errors.DataException, match="can't be told any more: of that time one an hour"):
            warehouse.rows(f"SELECT * FROM {source}('BTC', %s, as_of => %s)", beats[5], then)
    assert beats_at(beats[5], now()) == [(beats[0],)], "that is what is published since"
    assert beats_at(beats[27], then) == [(beats[27],)], "nothing of this hour is gone"
    assert beats_at(base - BEAT, then) == [], "there never was one"
    with warehouse.connection.transaction():
        warehouse.connection.execute("DELETE FROM store.option_chain WHERE beat >= %s", [ends])
    with pytest.raises(psycopg.errors.DataException):  # the newest there is, is of the time that was thinned
        beats_at(beats[27], then)


def simulated_day(currency: str, beats: int, seed: int = 1):
    """Snapshots of 1,300 options of 12 expiries: marks of eight decimals that move, most else stays for a while."""
    dice = random.Random(seed)
    series = [f"{currency}-{day}JUN25" for day in range(1, 13)]
    options = [(f"{one}-{50_000 + 1000 * n}", side) for one in series for n in range(54) for side in "CP"] + [
        (f"{series[0]}-{200_000 + 1000 * n}", side) for n in range(2) for side in "CP"
    ]
    assert len(options) == 1300
    state = {
        each: told(
            "-".join(each), mark_price=round(dice.uniform(0.0001, 0.9), 8), last=round(dice.uniform(0, 0.9), 4),
            open_interest=round(dice.uniform(0, 3000), 1), volume=round(dice.uniform(0, 100), 1),
        )
        for each in options
    }  # fmt: skip
    for n in range(beats):
        index, stamp = round(dice.uniform(80_000, 90_000), 2), round((NOON + n * BEAT).timestamp() * 1000)
        volatility = {strike: round(dice.uniform(30, 90), 2) for strike, _ in options}
        for (strike, _), row in state.items():
            row["mark_price"] = round(abs(row["mark_price"] + dice.uniform(-3e-5, 3e-5)), 8)
            row["mark_iv"] = volatility[strike]
            row["bid_price"] = round(row["mark_price"] * 0.97, 4) or None
            row["ask_price"] = round(row["mark_price"] * 1.03, 4)
            if dice.random() < 0.05:
                row |= {"open_interest": round(dice.uniform(0, 3000), 1), "volume": round(dice.uniform(0, 100), 1)}
            row |= {
                "creation_timestamp": stamp,
                "estimated_delivery_price": index,
                "underlying_price": round(index + 12.345, 4),
            }
        yield list(state.values())


def test_hours_of_chains_take_at_most_forty_bytes_an_option(warehouse, market):
    """Eight hours of beats; a day of them, 288, takes no more of an option (30.5 bytes) and a minute of the tests."""
    truncate(market, "option_chain")
    beats = 96
    for n, rows in enumerate(simulated_day("BTC", beats)):
        assert take(warehouse, rows) == Ingested(added=12)
        validation_id = warehouse.validation("options_chain")
        versions = warehouse.rows(
            "SELECT currency, beat, series, version_id FROM store.option_chain WHERE state = 'pending'"
        )
        with warehouse.connection.transaction():
            assert publication.publish(warehouse.connection, OPTION_CHAIN, validation_id, versions) == 12
        if n % 12 == 11:
            vacuum(market, "option_chain")
    size = "SELECT pg_total_relation_size('store.option_chain') + pg_total_relation_size('store.roster')"
    bytes_an_option = warehouse.value(size) / (beats * 1300)
    print(f"{bytes_an_option:.1f} bytes an option and beat")
    assert bytes_an_option <= 40
