"""What may be set from outside, read from the environment when asked for. Everything has a safe default.

A value that makes no sense is a SettingsError, never a guess: it names the variable, what it holds and what is allowed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
"""The package's folder: dags/, plugins/, include/, expectations/ lie in it."""

EXPECTATIONS = ROOT / "expectations"

# Connections, by id, with a prefix because they live in somebody's Airflow. What a mode differs by is these and
# nothing else.
LIVE_HOST = "deribit_live"
HISTORY_HOST = "deribit_history"
MARKET = "deribit_market"

CURRENCIES = ("BTC", "ETH", "SOL", "USDC", "USDT", "EURR")
"""The currencies that the exchange settles or has settled derivatives in, by the lists it was recorded with."""

FIRST_DAY = datetime(2016, 1, 1, tzinfo=UTC)
"""The exchange opened in 2016, and every month of history is a run of several DAGs."""

SLOWEST, FASTEST = 0.01, 1000.0
"""Requests a second that may be set: one in 100 seconds, at which the history would take years; and as many as the
limiter in Postgres is tested with. The exchange takes 20 a second for long, 100 at once: more needs an agreement."""

BEATS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
"""Minutes from one snapshot to the next that may be set: so that the hours begin with one."""

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?", re.ASCII | re.IGNORECASE)


class SettingsError(ValueError):
    """A variable holds what makes no sense. The message names it, what it holds and what is allowed."""


def check() -> list[str]:
    """Every complaint about the variables as they are now, a sentence each; none if all is well."""
    complaints = []
    for read in (
        history_from,
        currencies,
        requests_per_second,
        live_share,
        catalogue_rate,
        longest_wait,
        keep_superseded,
        keep_records,
        keep_runs,
        keep_incidents,
        disk_limit,
        disk_least_bytes,
        disk_least_days,
        summary_seconds,
        snapshot_seconds,
        thin_snapshots_after,
        heartbeat_url,
        calm,
        remind_after,
    ):
        try:
            read()
        except SettingsError as error:
            complaints.append(str(error))
    for name in ("DERIBIT_URL", "DERIBIT_HISTORY_URL"):  # of the start command, which makes connections of them
        try:
            exchange_url(name, os.environ.get(name) or "https://www.deribit.com")
        except SettingsError as error:
            complaints.append(str(error))
    return complaints


def exchange_url(
    what: str, host: str, *, schema: str = "", port: int | None = None, login: bool = False, extras: bool = False
) -> str:
    """The base URL of one of the exchange's hosts, from what was set: a host or a URL, and a connection's other fields.

    Scheme (https, where none is given), host and port are used. Anything else is a SettingsError, which names `what`
    and doesn't show what is there: it may be a secret, and a URL gets into messages and provenance.
    """

    def complaint(why: str) -> SettingsError:
        """The error to raise: what was named, why it can't be used, and what is allowed. It does not show the value."""
        return SettingsError(
            f"{what} {why}; it must be scheme, host and port only, as https://www.deribit.com, without a login "
            "(what it holds is not shown here)"
        )

    try:
        parts = urlsplit(host if "://" in host else f"//{_bracketed(host)}")
        named = parts.port
    except ValueError:
        raise complaint("has a host that can't be read") from None
    held = {
        "a login": login or "@" in host,
        "a path": parts.path not in ("", "/") or schema not in ("", "http", "https"),
        "a query": "?" in host,
        "a fragment": "#" in host,
        "extras": extras,
    }
    if any(held.values()):
        raise complaint(f"holds {' and '.join(kind for kind in held if held[kind])}")
    name = parts.hostname or ""
    if not host.isprintable() or len(name) > 253 or not (_is_ipv6(name) or HOST_NAME.fullmatch(name)):
        raise complaint("has no host, or one that can't be read")
    scheme = parts.scheme or schema or "https"
    if scheme not in ("http", "https") or (schema and schema != scheme):
        raise complaint("has a scheme that is neither http nor https, or two of them")
    if named is not None and port and named != port:
        raise complaint("has two different ports")
    port = port if named is None else named
    if port is not None and not 0 < port < 65536:
        raise complaint("has a port that is none")
    return f"{scheme}://{_bracketed(name)}" + (f":{port}" if port else "")


def history_from() -> datetime:
    """The first instant of history, UTC (env DERIBIT_HISTORY_FROM, a date; Deribit's perpetual began 2018-08-14)."""
    allowed = f"a day, as 2018-08-01, not before {FIRST_DAY:%Y-%m-%d} and not in the future"
    day = _read("DERIBIT_HISTORY_FROM", "2018-08-01", date.fromisoformat, allowed)
    first = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if not FIRST_DAY <= first <= datetime.now(UTC):
        raise _complaint("DERIBIT_HISTORY_FROM", str(day), allowed)
    return first


def currencies() -> list[str]:
    """The currencies that are collected (env DERIBIT_CURRENCIES, comma separated; USDC adds the linear instruments)."""
    allowed = f"one or more of {', '.join(CURRENCIES)}, with commas between them"
    text = os.environ.get("DERIBIT_CURRENCIES", "BTC,ETH")
    found = list(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip()))
    if not found or not set(found) <= set(CURRENCIES):
        raise _complaint("DERIBIT_CURRENCIES", text, allowed)
    return found


def requests_per_second() -> float:
    """Requests in any one second, all processes together (env DERIBIT_REQUESTS_PER_SECOND)."""
    return _number("DERIBIT_REQUESTS_PER_SECOND", "15", SLOWEST, FASTEST, "requests a second")


def live_rate() -> float:
    """Requests a second kept back for live collection, all processes together, on the average of a minute."""
    return requests_per_second() * live_share()


def live_share() -> float:
    """The fraction of the allowed rate kept back for live collection (env DERIBIT_LIVE_SHARE, 0 to 0.9)."""
    return _number("DERIBIT_LIVE_SHARE", "0.2", 0, 0.9, "the fraction of all requests that is kept for live collection")


def catalogue_rate() -> float:
    """Calls of get_instruments a second, counted apart by the exchange (env DERIBIT_CATALOGUE_REQUESTS_PER_SECOND).

    The exchange describes the limit twice: once in 10 seconds and 5 at once, or once a second and 50 at once. The
    slower one is the default, until `make check` has seen that the faster one holds.
    """
    what = "calls of get_instruments a second"
    return _number("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "0.1", SLOWEST, FASTEST, what)


def longest_wait() -> timedelta:
    """How long a task waits for something that will come, from its first asking on (env DERIBIT_WAIT_HOURS, 0 to 168;
    0: not at all)."""
    return timedelta(hours=_number("DERIBIT_WAIT_HOURS", "12", 0, 168, "hours"))


def keep_superseded() -> timedelta:
    """How long versions that were replaced are kept, so that what was published at a moment can be asked (env
    DERIBIT_KEEP_SUPERSEDED_DAYS, 1 to 36500)."""
    return timedelta(days=_number("DERIBIT_KEEP_SUPERSEDED_DAYS", "400", 1, 36_500, "days"))


def keep_records() -> timedelta:
    """How long load records and validations are kept that nothing names any more (env DERIBIT_KEEP_RECORDS_DAYS, 1 to
    36500)."""
    return timedelta(days=_number("DERIBIT_KEEP_RECORDS_DAYS", "90", 1, 36_500, "days"))


def keep_runs() -> timedelta:
    """How long Airflow keeps runs that nothing goes on from, and the logs of tasks (env DERIBIT_KEEP_RUNS_DAYS, 2 to
    36500)."""
    return timedelta(days=_number("DERIBIT_KEEP_RUNS_DAYS", "30", 2, 36_500, "days"))


def keep_incidents() -> timedelta:
    """How long incidents are kept that are over (env DERIBIT_KEEP_INCIDENTS_DAYS, 1 to 36500)."""
    return timedelta(days=_number("DERIBIT_KEEP_INCIDENTS_DAYS", "400", 1, 36_500, "days"))


def disk_limit() -> int | None:
    """What the market database may grow to, in bytes (env DERIBIT_DISK_LIMIT_GB, of 10^9 bytes); None: as far as the
    disk goes (0, the default)."""
    limit = _number("DERIBIT_DISK_LIMIT_GB", "0", 0, 1e9, "GB; 0: as far as the disk goes")
    return round(limit * 1e9) or None


def disk_least_bytes() -> int | None:
    """What has to be left for the market database, in bytes, or it is told (env DERIBIT_DISK_LEAST_GB, of 10^9 bytes);
    None: it is not (0)."""
    least = _number("DERIBIT_DISK_LEAST_GB", "3", 0, 1e9, "GB that have to be left; 0: never told")
    return round(least * 1e9) or None


def disk_least_days() -> float | None:
    """How many days what is left has to last at the growth of late, or it is told (env DERIBIT_DISK_LEAST_DAYS); None:
    it is not (0)."""
    return _number("DERIBIT_DISK_LEAST_DAYS", "14", 0, 3650, "days it has to last; 0: never told") or None


def database_folder() -> Path | None:
    """Where Postgres keeps its files, if that is on this machine (env DERIBIT_DATABASE_FOLDER, which the start command
    sets)."""
    folder = os.environ.get("DERIBIT_DATABASE_FOLDER")
    return Path(folder) if folder else None


def summary_seconds() -> int:
    """Seconds from one snapshot of the perpetuals and dated futures to the next (env DERIBIT_SUMMARY_MINUTES, whole
    minutes that divide an hour)."""
    return _beat("DERIBIT_SUMMARY_MINUTES", "1")


def snapshot_seconds() -> int:
    """Seconds from one snapshot of the options to the next (env DERIBIT_SNAPSHOT_MINUTES, whole minutes that divide an
    hour)."""
    return _beat("DERIBIT_SNAPSHOT_MINUTES", "5")


def thin_snapshots_after() -> timedelta | None:
    """The age from which of option chains one snapshot an hour is kept (env DERIBIT_THIN_CHAINS_DAYS, up to 36500);
    None: all are (0, the default)."""
    days = _number("DERIBIT_THIN_CHAINS_DAYS", "0", 0, 36_500, "days; 0 keeps all")
    return timedelta(days=days) if days else None


def heartbeat_url() -> str | None:
    """The dead man's switch that is told every minute whether all is well (env DERIBIT_HEARTBEAT_URL): https, or http
    on this machine; None: there is none. Whoever has it can say that all is well, so no complaint shows it."""
    text = os.environ.get("DERIBIT_HEARTBEAT_URL", "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, name = urlsplit(""), ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and name in ("127.0.0.1", "::1", "localhost"))
    named = _is_ipv6(name) or HOST_NAME.fullmatch(name)
    if not (secure and named and text.isascii() and text.isprintable()) or set("@# \\") & set(text):
        raise SettingsError(
            "DERIBIT_HEARTBEAT_URL must be a URL with https, as https://hc-ping.com/your-uuid (http on this machine "
            "only), without a login or a fragment (what it holds is not shown here)"
        )
    return text


def calm() -> timedelta:
    """How long something has to be well again before that is told (env DERIBIT_CALM_MINUTES, 0 to 1440)."""
    return timedelta(minutes=_number("DERIBIT_CALM_MINUTES", "10", 0, 1440, "minutes"))


def remind_after() -> timedelta | None:
    """How often is told of what goes on and nobody has acknowledged (env DERIBIT_REMIND_HOURS, up to 8760); None: not
    again (0)."""
    hours = _number("DERIBIT_REMIND_HOURS", "24", 0, 8760, "hours; 0: not again")
    return timedelta(hours=hours) if hours else None


def _bracketed(host: str) -> str:
    """A host as it stands in a URL: an address of IPv6 in brackets."""
    return f"[{host}]" if _is_ipv6(host) else host


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(IPv6Address(text))
    except ValueError:
        return False


def _beat(name: str, default: str) -> int:
    """Seconds from one beat to the next."""
    allowed = f"one of {', '.join(map(str, BEATS))} (minutes from one snapshot to the next)"
    minutes = _read(name, default, int, allowed)
    if minutes not in BEATS:
        raise _complaint(name, str(minutes), allowed)
    return 60 * minutes


def _number(name: str, default: str, least: float, most: float, what: str) -> float:
    allowed = f"a number from {least:g} to {most:g} ({what})"
    value = _read(name, default, float, allowed)
    if not math.isfinite(value) or not least <= value <= most:
        raise _complaint(name, os.environ[name], allowed)
    return value


def _read(name: str, default: str, read: Callable[[str], Any], allowed: str) -> Any:
    text = os.environ.get(name, default)
    try:
        return read(text.strip())
    except ValueError:
        raise _complaint(name, text, allowed) from None


def _complaint(name: str, text: str, allowed: str) -> SettingsError:
    return SettingsError(f"{name} is {text[:60]!r}; it must be {allowed}")
