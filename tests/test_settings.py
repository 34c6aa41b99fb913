"""A variable that makes no sense is refused in a sentence: which one, what it holds, what is allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deribit_warehouse import settings

VARIABLES = {
    "DERIBIT_HISTORY_FROM": settings.history_from,
    "DERIBIT_CURRENCIES": settings.currencies,
    "DERIBIT_REQUESTS_PER_SECOND": settings.requests_per_second,
    "DERIBIT_LIVE_SHARE": settings.live_rate,
    "DERIBIT_CATALOGUE_REQUESTS_PER_SECOND": settings.catalogue_rate,
    "DERIBIT_WAIT_HOURS": settings.longest_wait,
    "DERIBIT_KEEP_RECORDS_DAYS": settings.keep_records,
    "DERIBIT_KEEP_RUNS_DAYS": settings.keep_runs,
    "DERIBIT_KEEP_INCIDENTS_DAYS": settings.keep_incidents,
    "DERIBIT_DISK_LIMIT_GB": settings.disk_limit,
    "DERIBIT_DISK_LEAST_GB": settings.disk_least_bytes,
    "DERIBIT_DISK_LEAST_DAYS": settings.disk_least_days,
    "DERIBIT_SUMMARY_MINUTES": settings.summary_seconds,
    "DERIBIT_SNAPSHOT_MINUTES": settings.snapshot_seconds,
    "DERIBIT_THIN_CHAINS_DAYS": settings.thin_snapshots_after,
    "DERIBIT_CALM_MINUTES": settings.calm,
    "DERIBIT_REMIND_HOURS": settings.remind_after,
}
NO_RATE = ["", "0", "-5", "nan", "inf", "-inf", "1e9", "1e-9", "fast", "15,5", "15 a second", "1" * 400]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in (*VARIABLES, "DERIBIT_URL", "DERIBIT_HISTORY_URL", "DERIBIT_HEARTBEAT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("DERIBIT_REQUESTS_PER_SECOND", value) for value in NO_RATE),
        *(("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", value) for value in NO_RATE),
        *(("DERIBIT_LIVE_SHARE", value) for value in ["", "nan", "-0.1", "0.91", "1", "20 %", "inf"]),
        *(
            (name, value)
            for name in ("DERIBIT_SUMMARY_MINUTES", "DERIBIT_SNAPSHOT_MINUTES")
            for value in ["", "0", "-5", "7", "61", "5.0", "five"]
        ),
        *(("DERIBIT_CALM_MINUTES", value) for value in ["", "nan", "-1", "1441", "soon"]),
        *(("DERIBIT_REMIND_HOURS", value) for value in ["", "nan", "-1", "8761", "daily"]),
        *(("DERIBIT_THIN_CHAINS_DAYS", value) for value in ["", "nan", "-1", "36501", "off"]),
        *(("DERIBIT_KEEP_RECORDS_DAYS", value) for value in ["", "0", "nan", "36501", "forever"]),
        *(("DERIBIT_KEEP_RUNS_DAYS", value) for value in ["", "1", "-30", "36501", "30d"]),
        *(("DERIBIT_KEEP_INCIDENTS_DAYS", value) for value in ["", "0", "nan", "36501", "a year"]),
        *(("DERIBIT_DISK_LIMIT_GB", value) for value in ["", "-1", "inf", "100 GB"]),
        *(("DERIBIT_DISK_LEAST_GB", value) for value in ["", "-1", "nan", "3 GB"]),
        *(("DERIBIT_DISK_LEAST_DAYS", value) for value in ["", "-1", "3651", "a week"]),
        *(("DERIBIT_WAIT_HOURS", value) for value in ["", "nan", "-1", "169", "inf", "12h"]),
        *(
            ("DERIBIT_CURRENCIES", value)
            for value in ["", " ", ",", "btc;", "BTC;ETH", "BTC ETH", "any", "BTC,XYZ", "B"]
        ),
        *(
            ("DERIBIT_HISTORY_FROM", value)
            for value in ["", "2018", "2018-13-01", "01.08.2018", "yesterday", "0001-01-01"]
        ),
        *(("DERIBIT_HISTORY_FROM", value) for value in ["2015-12-31", "9999-01-01", "2018-08-01T00:00:00+05:00"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(settings.SettingsError) as caught:
        VARIABLES[name]()
    told = str(caught.value)
    assert told.startswith(f"{name} is {value[:60]!r}; it must be ") and told.isprintable()
    assert settings.check() == [told]


def test_every_complaint_is_made_at_once(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "nonsense\n")
    assert [complaint.partition(" ")[0] for complaint in settings.check()] == list(VARIABLES)
    assert all(complaint.isprintable() for complaint in settings.check())


@pytest.mark.parametrize("name", ["DERIBIT_URL", "DERIBIT_HISTORY_URL"])
def test_a_host_of_another_exchange_is_scheme_host_and_port(monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:8765")
    assert settings.check() == []
    monkeypatch.setenv(name, "https://operator:hunter2@exchange.example/api")
    [told] = settings.check()
    assert told.startswith(f"{name} holds a login and a path; it must be scheme, host and port only")
    assert "hunter2" not in told and "operator" not in told


def test_a_day_that_has_not_come_is_no_beginning(monkeypatch):
    monkeypatch.setenv("DERIBIT_HISTORY_FROM", f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}")
    assert "not in the future" in settings.check()[0]


@pytest.mark.parametrize(
    ("value", "currencies"),
    [
        ("BTC", ["BTC"]),
        ("btc, eth", ["BTC", "ETH"]),
        ("BTC,ETH,", ["BTC", "ETH"]),
        ("ETH,BTC,eth", ["ETH", "BTC"]),
        ("BTC,ETH,USDC,USDT,EURR", ["BTC", "ETH", "USDC", "USDT", "EURR"]),
    ],
)
def test_currencies(monkeypatch, value, currencies):
    monkeypatch.setenv("DERIBIT_CURRENCIES", value)
    assert settings.currencies() == currencies and settings.check() == []


def test_rates_and_shares(monkeypatch):
    assert settings.check() == []
    for rate in ("0.01", "19.5", "900", "1000", " 5 "):
        monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", rate)
        assert settings.requests_per_second() == float(rate)
        assert settings.live_rate() == pytest.approx(float(rate) * settings.live_share())
    for share in ("0", "0.9"):
        monkeypatch.setenv("DERIBIT_LIVE_SHARE", share)
        assert settings.live_share() == float(share)
    monkeypatch.setenv("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "0.1")
    assert settings.catalogue_rate() == 0.1


def test_the_first_day(monkeypatch):
    monkeypatch.setenv("DERIBIT_HISTORY_FROM", "2024-02-29")
    assert settings.history_from() == datetime(2024, 2, 29, tzinfo=UTC)


def test_without_a_limit_the_disk_is_one(monkeypatch):
    assert settings.disk_limit() is None
    monkeypatch.setenv("DERIBIT_DISK_LIMIT_GB", "1.5")
    assert settings.disk_limit() == 1_500_000_000


def test_what_has_to_be_left_of_the_disk(monkeypatch):
    assert (settings.disk_least_bytes(), settings.disk_least_days()) == (3_000_000_000, 14)
    for name in ("DERIBIT_DISK_LEAST_GB", "DERIBIT_DISK_LEAST_DAYS"):
        monkeypatch.setenv(name, "0")
    assert (settings.disk_least_bytes(), settings.disk_least_days()) == (None, None)


def test_where_postgres_lies_may_be_unknown(monkeypatch):
    for folder in ("", None):
        monkeypatch.delenv("DERIBIT_DATABASE_FOLDER", raising=False)
        if folder is not None:
            monkeypatch.setenv("DERIBIT_DATABASE_FOLDER", folder)
        assert settings.database_folder() is None


@pytest.mark.parametrize(
    "url",
    ["https://hc-ping.com/uuid", "https://hc.test:8443/a/b?create=1", "http://127.0.0.1:8000/x", "http://[::1]:80/x",
     "http://localhost/x", "  https://hc-ping.com/uuid "],
)  # fmt: skip
def test_a_dead_mans_switch_is_reached_with_https_or_on_this_machine(monkeypatch, url):
    monkeypatch.setenv("DERIBIT_HEARTBEAT_URL", url)
    assert settings.heartbeat_url() == url.strip()
    assert settings.check() == []


@pytest.mark.parametrize(
    "url",
    ["http://hc-ping.com/secret", "hc-ping.com/secret", "ftp://hc.test/secret", "https:///secret", "https://",
     "https://user:secret@hc.test/", "https://hc.test/secret#x", "https://hc.test/a secret", "https://hc.test:99999/s",
     "https://[secret/", "https://hc.test\\@secret.test/", "http://127.0.0.1.secret.test/", "https://höst/secret",
     "file:///secret"],
)  # fmt: skip
def test_one_that_is_none_is_refused_and_not_shown(monkeypatch, url):
    monkeypatch.setenv("DERIBIT_HEARTBEAT_URL", url)
    with pytest.raises(settings.SettingsError) as caught:
        settings.heartbeat_url()
    assert str(caught.value).startswith("DERIBIT_HEARTBEAT_URL must be a URL") and "secret" not in str(caught.value)
    assert settings.check() == [str(caught.value)]


@pytest.mark.parametrize("url", ["", " "])
def test_there_need_be_no_dead_mans_switch(monkeypatch, url):
    monkeypatch.setenv("DERIBIT_HEARTBEAT_URL", url)
    assert settings.heartbeat_url() is None
