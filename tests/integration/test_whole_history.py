"""Months from the whole history, through the DAGs: what is stored is what the exchange says, value by value, and a
month that is run again changes no row."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import psycopg
import pytest

from exchange_simulator.listings import DAY, MINUTE
from exchange_simulator.market import Market
from exchange_simulator.process import running

from .conftest import rows_as_they_lie

COMPARED = ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates", "basis_spread")
CANDLE = ("open", "high", "low", "close", "volume", "cost")
FUNDING = ("interest_1h", "interest_8h", "index_price", "prev_index_price")
POSTGRES_EPOCH = 946_684_800_000  # ms: 2000-01-01, from which Postgres counts

BIRTH = "2018-08"  # the first month; the perpetual is born on its 14th, among futures that are older
FUNDED = "2019-05"  # the first whole month of funding; the exchange was down on the 12th, and no candle is missing
RECENT = "2026-03"  # the end of a quarter, and the first futures that live four days


@pytest.fixture(scope="module")
def unlimited_exchange():
    """The simulator after the last of these months, without its limit: waiting for it would take half a minute."""
    with running("--now", "2026-04-01T00:00:00", "--requests-per-second", "1000") as exchange:
        yield exchange


@pytest.fixture
def pipeline(open_pipeline, module_market, unlimited_exchange, monkeypatch):
    pipeline = open_pipeline(module_market, unlimited_exchange)
    monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "900")
    if not module_market.rows("SELECT FROM store.catalogue_reading"):  # 54,000 options: once is enough
        assert pipeline.run("instruments") == "success"
    return pipeline


@pytest.fixture(scope="module")
def exchange():
    """The same market, asked directly: what should have come through the client, the store and the gate."""
    return Market()


@pytest.fixture
def connection(module_market):
    with psycopg.connect(module_market.dsn("market_reader")) as connection:
        yield connection


def bounds(month: str) -> tuple[date, date]:
    begins = date.fromisoformat(f"{month}-01")
    return begins, (begins + timedelta(days=31)).replace(day=1)


def collect(pipeline, month: str) -> None:
    """Runs the DAGs of a month, unless a test before has."""
    begins, ends = bounds(month)
    if not pipeline.market.rows("SELECT FROM store.basis_day WHERE day >= %s AND day < %s LIMIT 1", begins, ends):
        for dag in COMPARED:
            assert pipeline.run(dag, str(ends)) == "success", (dag, month)


def some(ticks: np.ndarray) -> str:
    """How many, and the first."""
    first = np.datetime_as_string(ticks[:1].astype("datetime64[ms]"), unit="m").tolist()
    return " ".join([f"{ticks.size}", *(f"(the first at {at})" for at in first)])


def compare(connection, view: str, month: str, instrument: str, ticks: np.ndarray, said: dict[str, np.ndarray]) -> None:
    """Holds what a view shows of an instrument's month against what there should be: ticks, ms, ascending, and columns
    with NaN for NULL."""
    within = "ts > %s AND ts <= %s" if view == "funding_rates" else "day >= %s AND day < %s"
    # the numbers' own bytes, one after the other: a million rows one by one would take longer than collecting them
    columns = ", ".join(f"string_agg(float8send(coalesce({column}, 'NaN')), '' ORDER BY ts)" for column in said)
    found = connection.cursor(binary=True).execute(
        f"SELECT string_agg(timestamptz_send(ts), '' ORDER BY ts), {columns} FROM {view} "
        f"WHERE instrument = %s AND {within}", (instrument, *bounds(month)),
    )  # fmt: skip
    instants, *stored = (sent or b"" for sent in found.fetchone())
    kept = np.frombuffer(instants, ">i8") // 1000 + POSTGRES_EPOCH
    what = f"{view} of {instrument} in {month}"
    assert np.array_equal(kept, ticks), (
        f"{what}: {some(np.setdiff1d(ticks, kept))} are missing, {some(np.setdiff1d(kept, ticks))} are too many, "
        f"{some(kept[1:][np.diff(kept) == 0])} are doubled"
    )
    for (column, right), sent in zip(said.items(), stored, strict=True):
        here = np.frombuffer(sent, ">f8")
        # in which order the annualised basis is multiplied is the view's business
        off = ~np.isclose(here, right, rtol=1e-13 if column == "annualised" else 0, atol=0, equal_nan=True)
        assert not off.any(), f"{what}: {column} is off in {some(ticks[off])}: {here[off][0]}, not {right[off][0]}"


@pytest.mark.parametrize("month", [BIRTH, FUNDED, RECENT])
def test_a_month_is_what_the_exchange_says(pipeline, module_market, connection, exchange, month):
    collect(pipeline, month)
    begins, ends = bounds(month)
    first, last = np.array([begins, ends], "datetime64[ms]").astype(int).tolist()

    lived = {}
    for listing in exchange.listings():
        if listing.linear or listing.listed >= last or listing.expires <= first:
            continue
        ticks = np.arange(max(first, listing.first_minute * MINUTE), min(last, listing.expires), MINUTE)
        candles = exchange.candles(listing.name, first, last - 1)
        assert np.array_equal(candles["ticks"], ticks)
        said = {column: candles[column] for column in CANDLE}
        compare(connection, "candle", month, listing.name, ticks, said)
        lived[listing.name] = listing, ticks, said["close"]

    for name, (listing, ticks, close) in lived.items():
        if listing.perpetual:
            funding = exchange.funding(name, first, last)
            hours = funding["timestamp"]
            compare(connection, "funding_rates", month, name, hours, {column: funding[column] for column in FUNDING})
            continue
        _, since, reference = lived[f"{listing.coin}-PERPETUAL"]
        born = ticks >= since[0]
        perpetual = np.full(ticks.size, np.nan)
        perpetual[born] = reference[(ticks[born] - since[0]) // MINUTE]
        left = (listing.expires - ticks - MINUTE) / DAY  # from the end of the minute
        fraction = (close - perpetual) / perpetual
        said = {
            "basis": close - perpetual,
            "basis_fraction": fraction,
            "days_to_expiry": left,
            "annualised": np.where(left >= 1, fraction * 365 / np.maximum(left, 1), np.nan),
        }
        shown = {column: values[born] for column, values in said.items()}
        compare(connection, "basis_spread", month, name, ticks[born], shown)

    # and nothing else: no other instrument, nothing that waits, nothing held back, nothing missing
    of_month = "SELECT DISTINCT {} WHERE day >= %s AND day < %s"
    stored = of_month.format("instrument FROM store.candle_day JOIN store.instrument USING (instrument_id)")
    assert {name for [name] in module_market.rows(stored, begins, ends)} == lived.keys()
    for table in ("candle_day", "funding_rate"):
        assert module_market.value(f"SELECT count(*) FROM store.{table} WHERE state <> 'published'") == 0
    quarantined = of_month.format("dataset, instrument, day FROM quarantined")
    assert module_market.rows(quarantined, begins, ends) == []
    explained = of_month.format("instrument, day FROM quality_findings") + " AND rule = 'minutes-explained'"
    assert module_market.rows(explained, begins, ends) == []


def test_a_second_run_of_a_month_changes_no_row(pipeline, module_market):
    collect(pipeline, BIRTH)
    begins, ends = map(str, bounds(BIRTH))
    assert pipeline.run("index_prices", ends) == "success"
    # before there was funding a perpetual's level is checked against the futures, which its first run did not have yet
    assert pipeline.run("perpetuals_ohlcv", ends) == "success"

    before = rows_as_they_lie(module_market.rows)
    validations = module_market.value("SELECT max(validation_id) FROM validations")
    asked = {"from": begins, "to": ends}  # what is computed from other datasets isn't pending again by itself
    runs = dict.fromkeys(COMPARED, {}) | {"index_prices": asked, "basis_spread": asked}
    for dag, conf in runs.items():
        assert pipeline.run(dag, ends, **conf) == "success", dag
    assert rows_as_they_lie(module_market.rows) == before
    validated = module_market.rows("SELECT DISTINCT dataset FROM validations WHERE validation_id > %s", validations)
    with_rows = runs.keys() - {"funding_rates"}  # there was none in 2018
    assert {dataset for [dataset] in validated} == with_rows, "the second run validated all of it again"
