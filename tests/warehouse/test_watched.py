"""What the watch sees of the market database, and what it keeps of that as incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from deribit_warehouse import watch
from deribit_warehouse.datasets import DATASETS, LIVE
from deribit_warehouse.warehouse import freshness, incidents, waits, watched
from deribit_warehouse.warehouse.incidents import Fingerprint
from tests.warehouse.days import at, trading

LISTED = at("2025-01-01")
AWAY = Fingerprint("wait", "the exchange", "away")
CANDLES = ("perpetuals_ohlcv", "BTC")
JANUARY = "2025-01-01T00:00/2025-02-01T00:00"


@pytest.fixture
def perpetuals(warehouse) -> dict[str, int]:
    """A perpetual of BTC whose candles stopped in January 2025, and one of ETH that was never loaded; of both nothing
    else was."""
    ids = {coin: warehouse.instrument(f"{coin}-PERPETUAL", LISTED, base=coin) for coin in ("BTC", "ETH")}
    warehouse.candles(ids["BTC"], trading(LISTED, LISTED + timedelta(days=1)))
    warehouse.publish(ids["BTC"])
    warehouse.rows("UPDATE store.instrument SET first_seen_at = %s RETURNING 1", LISTED)
    return ids


def stale(warehouse) -> dict[tuple[str, str], watched.Finding]:
    with warehouse.connection.transaction():
        found = watched.stale(warehouse.connection, (*DATASETS, *LIVE))
    return {(each.fingerprint.dataset, each.fingerprint.instruments): each for each in found}


def told(warehouse) -> set[tuple[str, str]]:
    return {name for name, finding in stale(warehouse).items() if finding.told}


def open_(warehouse, fingerprint: Fingerprint, *stands: str) -> None:
    with warehouse.connection.transaction():
        incidents.observe(warehouse.connection, fingerprint, "words", stands=stands)


def test_what_stands_still_is_a_finding_of_its_dataset_and_coin(warehouse, perpetuals):
    found = stale(warehouse)
    datasets = {"perpetuals_ohlcv", "funding_rates", "index_prices", "index_minutes", "settlements", "delivery_prices"}
    assert {(name, coin) for name in datasets for coin in ("BTC", "ETH")} <= set(found)
    assert {name for name, _ in found} == {
        row["dataset"] for row in freshness.freshness(warehouse.connection) if row["state"] == "stale"
    }
    one, none = found[CANDLES], found["perpetuals_ohlcv", "ETH"]
    assert one == watched.Finding(
        Fingerprint("watch", "perpetuals_ohlcv", "stale", "BTC"),
        "error",
        "BTC-PERPETUAL\nnewest row 2025-01-01 23:59 UTC; more was due at 2025-02-01 00:00 UTC",
        "deribit_perpetuals_ohlcv",
    )
    assert none.words.startswith("ETH-PERPETUAL\nno row yet; more was due at 2025-02-01 00:00 UTC")


def test_many_of_a_coin_are_counted_and_three_are_named(warehouse, perpetuals):
    for n in range(5):
        warehouse.instrument(f"BTC_USDC-{n}", LISTED, datetime.now(UTC) + timedelta(days=99))
    warehouse.rows("UPDATE store.instrument SET first_seen_at = %s RETURNING 1", LISTED)
    found = stale(warehouse)
    assert ("roll_calendar", "BTC") in found and {coin for _, coin in found} == {"BTC", "ETH"}
    words = found["futures_ohlcv", "BTC"].words
    assert words.startswith("5 of 5, such as BTC_USDC-0, BTC_USDC-1, BTC_USDC-2\nno row yet; ")


def test_what_is_computed_from_what_stands_still_is_told_with_it(warehouse, perpetuals):
    assert told(warehouse) == {("index_prices", "BTC"), ("index_prices", "ETH")}


def test_the_exchange_away_says_it_of_the_datasets_that_met_it(warehouse, perpetuals):
    before = told(warehouse)
    open_(warehouse, AWAY, "deribit_perpetuals_ohlcv", "deribit_data_docs")
    assert told(warehouse) - before == {CANDLES, ("perpetuals_ohlcv", "ETH")}
    with warehouse.connection.transaction():
        incidents.recover(warehouse.connection, ["wait"], "the exchange", part="deribit_perpetuals_ohlcv")
    assert told(warehouse) == before, "its DAG has run well since: it stands still by something else"


def test_who_waits_for_it_is_told_with_it(warehouse, perpetuals):
    before, attempt = told(warehouse), uuid4()
    with warehouse.connection.transaction():
        waits.wait(
            warehouse.connection, attempt, "the exchange", dag_id="deribit_funding_rates", run_id="r", task_id="load",
            map_index=0, label="", cause="c", finished=(),
        )  # fmt: skip
    assert told(warehouse) == before, "nobody was told of that wait"
    open_(warehouse, AWAY, incidents.WAITING)
    assert told(warehouse) - before == {("funding_rates", "BTC"), ("funding_rates", "ETH")}
    with warehouse.connection.transaction():
        waits.resume(warehouse.connection, attempt)
    assert told(warehouse) == before


@pytest.mark.parametrize("kind", ["failure", "blocked"])
@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        (JANUARY, True), ("2025-01-01T00:00/2026-01-01T00:00", True), ("2024-12-01T00:00/2025-01-01T00:00", False),
        ("2025-02-01T00:00/2025-03-01T00:00", False), ("", False), ("2025-01-15", False),
    ],
)  # fmt: skip
def test_a_run_that_somebody_has_to_start_again_says_it_of_what_it_should_have_brought(
    warehouse, perpetuals, kind, stands, expected
):
    open_(warehouse, Fingerprint(kind, "perpetuals_ohlcv", "x"), stands)
    assert (CANDLES in told(warehouse)) == expected


def test_an_incident_of_another_dataset_or_one_that_is_over_says_nothing(warehouse, perpetuals):
    before = told(warehouse)
    open_(warehouse, Fingerprint("failure", "futures_ohlcv", "x"), JANUARY)
    open_(warehouse, Fingerprint("quarantine", "perpetuals_ohlcv", "x", "BTC"), JANUARY)
    assert told(warehouse) == before
    open_(warehouse, Fingerprint("failure", "perpetuals_ohlcv", "x"), JANUARY)
    assert told(warehouse) > before
    with warehouse.connection.transaction():
        incidents.recover(warehouse.connection, ["failure"], "perpetuals_ohlcv")
    assert told(warehouse) == before


def keep(market, disk: watch.Disk = watch.NO_DISK) -> watch.Look:
    """Looks and keeps all that is seen, as the watch does of what it has seen often enough."""
    seen = watch.look(market.dsn(), disk)
    found = {finding.fingerprint for finding in seen.found}
    watched.keep(market.dsn(), seen.found, [each for each in seen.standing if each not in found])
    return seen


def test_an_incident_opens_folds_and_is_over_when_data_comes(market, warehouse, perpetuals):
    state = (
        "SELECT state, level, times, dag_id, message LIKE 'BTC-PERPETUAL%%' FROM incidents "
        "WHERE kind = 'watch' AND (dataset, rule, instruments) = ('perpetuals_ohlcv', 'stale', 'BTC')"
    )
    for times in (1, 2):
        assert keep(market).word == "stale"
        assert market.rows(state) == [("open", "error", times, "deribit_perpetuals_ohlcv", True)]
    [others] = market.rows("SELECT count(*) FROM incidents WHERE state = 'open'")
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    warehouse.candles(perpetuals["BTC"], trading(month - timedelta(days=1), month))
    warehouse.publish(perpetuals["BTC"])
    keep(market)
    assert [row[0] for row in market.rows(state)] == ["resolved"]
    # that of the funding is another matter
    assert market.rows("SELECT count(*) FROM incidents WHERE state = 'open'") == [(others[0] - 1,)]


def test_only_what_a_watch_opened_is_over_by_its_word(market, warehouse):
    for kind, rule in (("watch", "somebody else's"), ("failure", "stale")):
        open_(warehouse, Fingerprint(kind, "futures_live", rule), "")
    open_(warehouse, Fingerprint("watch", "futures_live", "stale", "BTC"), "")
    assert keep(market).standing == [Fingerprint("watch", "futures_live", "stale", "BTC")]
    assert market.rows("SELECT rule, state FROM incidents ORDER BY incident_id") == [
        ("somebody else's", "open"), ("stale", "open"), ("stale", "resolved"),
    ]  # fmt: skip


GB = 10**9


def grown(warehouse, days: int, a_day: int) -> None:
    """Measurements of as many days, the last of them today's, between which the database grew."""
    with warehouse.connection.transaction():
        warehouse.connection.execute(
            "INSERT INTO store.storage_day (day, bytes) "
            "SELECT (now() AT TIME ZONE 'UTC')::date - (%(days)s - n), n * %(a_day)s::bigint "
            "FROM generate_series(0, %(days)s) AS n",
            {"days": days, "a_day": a_day},
        )


def disk(
    warehouse, *open_now: Fingerprint, limit=None, free=None, least=3 * GB, days=14.0
) -> dict[str, watched.Finding]:
    with warehouse.connection.transaction():
        found = watched.disk(
            warehouse.connection, open_now, limit_bytes=limit, free_bytes=free, least_bytes=least, least_days=days
        )
    assert {finding.fingerprint[:2] for finding in found} <= {("watch", "the disk")}
    return {finding.fingerprint.rule: finding for finding in found}


def test_a_disk_of_which_nothing_is_known_is_not_full(warehouse):
    grown(warehouse, 20, GB)
    assert disk(warehouse) == {}


@pytest.mark.parametrize(("free", "full"), [(3 * GB, False), (3 * GB - 1, True), (0, True)])
def test_a_disk_of_which_little_is_left_is_nearly_full(warehouse, free, full):
    assert set(disk(warehouse, free=free)) == ({"nearly full"} if full else set())
    assert disk(warehouse, free=free, least=None) == {}


def test_what_is_less_counts_the_limit_or_the_disk(warehouse):
    size = warehouse.value("SELECT pg_database_size(current_database())")
    found = disk(warehouse, limit=size + 2 * GB, free=50 * GB)["nearly full"]
    assert found.level == "error"
    assert found.words.startswith(
        "2.0 GB are left of what it may have (DERIBIT_DISK_LIMIT_GB); the database has 0.0 GB"
    )
    words = disk(warehouse, limit=size + 2 * GB, free=GB)["nearly full"].words
    assert words.startswith("1.0 GB are left on the disk of Postgres; ")
    assert disk(warehouse, limit=1)["nearly full"].words.startswith("0.0 GB are left of what")
    assert disk(warehouse, limit=size + 4 * GB, free=4 * GB) == {}


@pytest.mark.parametrize(
    ("measured", "free", "filling"),
    [(7, 13 * GB, True), (7, 15 * GB, False), (6, 13 * GB, False), (0, 13 * GB, False), (60, 13 * GB, True)],
)
def test_a_disk_that_does_not_last_at_the_growth_of_late_is_filling_up(warehouse, measured, free, filling):
    grown(warehouse, measured, GB)
    found = disk(warehouse, free=free)
    assert set(found) == ({"filling up"} if filling else set())
    assert disk(warehouse, free=free, days=None) == {}
    if filling:
        assert found["filling up"].level == "warning"
        full_on = datetime.now(UTC) + timedelta(days=13)
        assert found["filling up"].words.endswith(f"\nit grew by 1.0 GB a day of late: full on {full_on:%Y-%m-%d}")


def test_a_database_that_shrinks_fills_no_disk(warehouse):
    grown(warehouse, 20, -GB)
    assert disk(warehouse, free=5 * GB) == {}


def test_it_is_over_when_a_quarter_more_than_too_little_is_left(warehouse):
    grown(warehouse, 20, GB)
    opened = [finding.fingerprint for finding in disk(warehouse, free=2 * GB).values()]
    assert len(opened) == 2
    assert set(disk(warehouse, *opened, free=3_700_000_000)) == {"nearly full", "filling up"}
    assert set(disk(warehouse, *opened, free=17 * GB)) == {"filling up"}
    assert disk(warehouse, *opened, free=18 * GB) == {}


def test_the_watch_tells_of_the_disk_and_of_its_end(market, warehouse, tmp_path):
    for least, states in ((10**18, ["open"]), (1, ["resolved"])):
        keep(market, watch.Disk(tmp_path, None, least, None))
        assert [row[0] for row in market.rows("SELECT state FROM incidents WHERE rule = 'nearly full'")] == states


def test_the_service_keeps_it_once_there_was_time_to_catch_up(market, warehouse, perpetuals, monkeypatch):
    class Enough(Exception):
        pass

    opened: list[int] = []

    def sleep(seconds: float) -> None:
        opened.append(market.value("SELECT count(*) FROM incidents WHERE rule = 'stale'"))
        if len(opened) == watch.CATCHING_UP + 1:
            raise Enough

    monkeypatch.setenv("DERIBIT_WATCH_MARKET_URL", market.dsn())
    monkeypatch.setattr(watch.time, "sleep", sleep)
    with pytest.raises(Enough):
        watch.main()
    assert opened[:-1] == [0] * watch.CATCHING_UP and opened[-1] > 5


def test_who_only_reads_keeps_nothing(market, warehouse, perpetuals):
    seen = watch.look(market.dsn("market_reader"))
    with pytest.raises(InsufficientPrivilege):
        watched.keep(market.dsn("market_reader"), seen.found, ())
    with psycopg.connect(market.dsn("market_reader")) as reader:
        assert reader.execute("SELECT count(*) FROM incidents").fetchone() == (0,)
