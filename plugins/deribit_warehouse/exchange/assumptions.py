"""What this package takes for granted about the exchange, each with the question that shows whether it is so.

Most of it was found in recordings and in what others measured (see docs/decisions.md), not on the live exchange. A
question costs one request or none (it reads an answer that another one asked for) and sees real rows only, read by
what reads them for the store, so that what holds here is not refused there; nothing is validated by what the store
holds. All times are UTC milliseconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

from . import candles, delivery, funding, index, instruments, settlements, summaries, volatility
from .candles import COLUMNS, MINUTE
from .candles import PAGE as CHART_PAGE
from .delivery import PAGE as DELIVERY_ROWS
from .errors import Malformed, iso
from .funding import HOUR
from .funding import PAGE as FUNDING_PAGE
from .settlements import METHOD as SETTLEMENTS
from .volatility import PAGE as VOLATILITY_PAGE

T = TypeVar("T")
PERPETUAL, LINEAR, INDEX = "BTC-PERPETUAL", "ETH_USDC-PERPETUAL", "btc_usd"
DAY = 24 * HOUR
CHART_ROWS, FUNDING_ROWS, VOLATILITY_ROWS = 5_001, 744, VOLATILITY_PAGE // HOUR
SETTLED = ("position", "mark_price", "index_price", "profit_loss", "session_profit_loss")
IN_PERCENT = (5.0, 1_000.0)
"""Where half of the mark volatilities of a chain lie above and half below: as a fraction it would be less."""
ON_THE_MINUTE = 0.9
"""The fraction of index points that must lie on whole minutes: the newest one does not, and no other one is kept."""
KNOWN_SHARE = 0.9
"""The fraction of options that must have a mark volatility, as in expectations/options_chain.json."""
FIRST_FUNDING = 1_556_618_400_000  # 2019-04-30T10:00Z
OLD_HOUR = 1_535_976_000_000  # 2018-09-03T12:00Z, in the first whole month of BTC-PERPETUAL
OLD_EXPIRY = 1_559_347_200_000  # 2019-06-01: the dated future that expired first after it is asked for
BURST_CALLS = 8
"""Calls of get_instruments without a pause: more than the slower copy of its limit allows at once (5), and fewer than
the faster one does (50)."""
SLOW_BURST = 4
"""How many of them the slower copy of the limit answers: the two readings half a minute before them count, too,
but by then two more are allowed."""
CLOCK_SKEW = 5_000  # ms
COST_ALLOWANCE, COST_SHARE, OLD_COST_SHARE = (1.0, 2e-4), 0.95, 0.5
"""USD and fraction of the cost it may be off by for rounding; and how many of the minutes must be inside, because combo
and block legs are in cost and not in low and high (0.6 % of recorded minutes). Of an old hour few minutes may be
traded, so that only the unit of its cost is asked for: half of them."""

KNOWN = frozenset(
    """base_currency base_currency_uuid block_trade_commission block_trade_min_trade_amount block_trade_tick_size
    contract_size counter_currency creation_timestamp expiration_timestamp future_type index_id instrument_id
    instrument_name instrument_type is_active kind lot_size maker_commission max_leverage max_liquidation_commission
    max_non_default_leverage min_trade_amount option_type price_index product_group quote_currency quote_currency_uuid
    rfq settlement_currency settlement_period state strike taker_commission tick_size tick_size_steps
    underlying_type""".split()
)
"""Every key that a row of get_instruments was seen with between 2016 and 2026."""
NEEDED = ("instrument_name", "instrument_id", "kind", "creation_timestamp", "expiration_timestamp", "base_currency",
          "quote_currency", "settlement_period")  # fmt: skip
OPTIONAL = frozenset(("instrument_type", "is_active", "contract_size", "price_index", "settlement_currency", "state",
                      "tick_size", "underlying_type"))  # fmt: skip
"""What the catalogue reads of a future where it is there."""
STYLE = ("instrument_type", "future_type")  # one of them says whether a contract is reversed or linear


class Unanswered(Exception):
    """The exchange gave no usable answer to a question, so nothing is known. The message says what came instead."""


class Rejected(Exception):
    """The exchange said no to a question it was assumed to answer. The message quotes it."""


class Probe(Protocol):
    """Asks the host "live" or "history" once and returns the `result`; the same question again costs no request.

    Raises Unanswered and Denied; a question raises ValueError for an answer it can't read. error() is the `error` of a
    refusal, burst() asks several times without a pause and says of each answer whether it had a result, and clock() is
    (when the request left, the result, when it came).
    """

    def __call__(self, host: str, method: str, **params: Any) -> Any: ...

    def error(self, host: str, method: str, **params: Any) -> dict[str, Any]: ...

    def burst(self, times: int, host: str, method: str, **params: Any) -> list[bool]: ...

    def clock(self, host: str, method: str) -> tuple[int, Any, int]: ...


@dataclass(frozen=True)
class CheckResult:
    """Whether an assumption holds, what was seen, in words, and the environment variables that it gives a value for.
    means: what follows for the user though it holds, because of several answers that were allowed for it was this."""

    holds: bool
    seen: str
    settings: dict[str, str] = field(default_factory=dict)
    means: str = ""


@dataclass(frozen=True)
class Assumption:
    """One thing that is taken for granted. name: how it is called in a report. assumed: the sentence. relied_on: the
    modules that would be wrong. broken: what it means for the user when it does not hold."""

    name: str
    assumed: str
    relied_on: str
    broken: str
    question: Callable[[Probe], CheckResult]


# -- the questions ----------------------------------------------------------------------------------------------------


def clock(probe: Probe) -> CheckResult:
    left, theirs, back = probe.clock("live", "get_time")
    behind = theirs - (left + back) / 2
    return CheckResult(
        abs(behind) <= CLOCK_SKEW + (back - left) / 2, f"the exchange's clock less ours is {behind:+.0f} ms"
    )


def history_rows(probe: Probe) -> CheckResult:
    return fields(_expired(probe), "history")


def same_contract(probe: Probe) -> CheckResult:
    """Whether a contract that both hosts name is one contract to the catalogue, which knows it by name and id, and by
    its creation where a row has no id: what is not said contradicts nothing."""
    rows = _objects(probe("live", "get_instruments", **_catalogue(expired=True)), least=0)
    history = {row.get("instrument_name"): row for row in _history(probe)}
    both = [(row, history[name]) for row in rows if (name := row.get("instrument_name")) in history]
    apart = [
        f"{key} of {one['instrument_name']} is {one.get(key)!r:.20} and {other.get(key)!r:.20}"
        for one, other in both for key in ("instrument_id", "creation_timestamp")
        if len({one.get(key), other.get(key)} - {None}) > 1
    ]  # fmt: skip
    said = f"{len(both)} of the live host's {len(rows)} expired futures are on the history host"
    return CheckResult(not apart, "; ".join([said, *apart[:2]]))


def history_depth(probe: Probe) -> CheckResult:
    rows = _expired(probe)
    days = (_now(probe) - min(row["expiration_timestamp"] for row in rows)) / DAY
    return CheckResult(days > 60, f"{len(rows)} expired futures of BTC, the oldest {days:.0f} days ago")


def catalogue_limit(probe: Probe) -> CheckResult:
    answered = sum(probe.burst(BURST_CALLS, "live", "get_instruments", **_catalogue(expired=False)))
    fast = answered == BURST_CALLS
    copy = "one a second with a burst of 50" if fast else "one in 10 seconds with a burst of 5"
    said = f"{answered} of {BURST_CALLS} in a row were answered: the limit is {copy}"
    return CheckResult(answered >= SLOW_BURST, said, {"DERIBIT_CATALOGUE_REQUESTS_PER_SECOND": "1" if fast else "0.1"})


def listed_rows(probe: Probe) -> CheckResult:
    return fields(_listed(probe), "live")


def underlying(probe: Probe) -> CheckResult:
    told = [row["underlying_type"] for row in (*_listed(probe), *_history(probe)) if row.get("underlying_type")]
    other = sorted({f"{one!r:.40}" for one in told if one != "crypto"})
    said = f"{len(told)} futures of BTC say what underlies them, "
    return CheckResult(not other, said + (f"and of some it is {', '.join(other[:4])}" if other else "always crypto"))


def chart_page(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    ticks = _candles(probe, PERPETUAL, end - 6_000 * MINUTE - 1, end - 1)["ticks"]
    newest = len(ticks) > 0 and ticks[-1] == end - MINUTE
    said = f"{len(ticks):,} rows of 6,000 minutes, " + ("the newest" if newest else "not the newest")
    return CheckResult(newest and len(ticks) == CHART_ROWS, said)


def chart_window(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    return _ticks(_candles(probe, PERPETUAL, end - 4 * MINUTE - 1, end - 1)["ticks"], end - 4 * MINUTE, end, MINUTE)


def chart_edges(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    ticks = _candles(probe, PERPETUAL, end - 4 * MINUTE, end)["ticks"]
    return _ticks(ticks, end - 4 * MINUTE, end + MINUTE, MINUTE)


def chart_empty(probe: Probe) -> CheckResult:
    start = 1_514_764_800_000  # 2018-01-01, before the first perpetual
    chart = probe("live", "get_tradingview_chart_data", **_chart(PERPETUAL, start, start + HOUR))
    status, ticks = (chart.get("status"), chart.get("ticks")) if isinstance(chart, dict) else (None, None)
    return CheckResult(status == "no_data" and ticks == [], f"status {status!r:.40} with {len(ticks or [])} rows")


def unknown_name(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    error = probe.error("live", "get_tradingview_chart_data", **_chart("BTC-NEVER", end - HOUR, end))
    data = error.get("data")
    reason = data.get("reason") if isinstance(data, dict) else None
    said = f"code {error.get('code')!r:.20}, reason {reason!r:.60}"
    return CheckResult(error.get("code") == -32602 and reason == "instrument not found", said)


def old_minutes(probe: Probe) -> CheckResult:
    return _old_hour(probe, PERPETUAL, OLD_HOUR + HOUR)


def old_expired(probe: Probe) -> CheckResult:
    """The last hour of the first dated future that expired after OLD_EXPIRY."""
    old = [row for row in _expired(probe) if row["expiration_timestamp"] >= OLD_EXPIRY]
    row = min(old or _nothing("expired futures of BTC since 2019-06"), key=lambda row: row["expiration_timestamp"])
    return _old_hour(probe, str(row["instrument_name"]), row["expiration_timestamp"] // MINUTE * MINUTE)


def expired_chart(probe: Probe) -> CheckResult:
    name, expiry, columns = _last_hours(probe)
    expected, before_expiry = (
        np.arange(expiry - 600 * MINUTE, expiry, MINUTE),
        columns["ticks"][columns["ticks"] < expiry],
    )
    said = f"{len(before_expiry)} of the last 600 minutes of {name}"
    return CheckResult(np.array_equal(before_expiry, expected), said)


def fill(probe: Probe) -> CheckResult:
    name, expiry, columns = _last_hours(probe)
    flat = (columns["volume"] == 0) & (columns["ticks"] < expiry)
    flat[:1] = False  # whose close before is not known
    before = np.roll(columns["close"], 1)
    wrong = flat & ~np.logical_and.reduce([columns[key] == before for key in ("open", "high", "low", "close")])
    wrong |= flat & (columns["cost"] != 0)
    return CheckResult(not wrong.any(), f"{wrong.sum()} of {flat.sum()} untraded minutes of {name} differ")


def after_expiry(probe: Probe) -> CheckResult:
    name, expiry, columns = _last_hours(probe)
    after = columns["ticks"] >= expiry
    traded = int((columns["volume"][after] > 0).sum())
    return CheckResult(not traded, f"{after.sum()} rows from the expiry of {name} on, {traded} of them with volume")


def cost(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    return _cost_fits(_candles(probe, PERPETUAL, end - 6_000 * MINUTE - 1, end - 1))


def linear_cost(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    return _cost_fits(_candles(probe, LINEAR, end - 1_000 * MINUTE - 1, end - 1))


def funding_page(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    hours = _month(probe)["timestamp"]
    newest = len(hours) > 0 and hours[-1] == end
    said = f"{len(hours)} rows of 800 hours, " + ("the newest" if newest else "not the newest")
    return CheckResult(newest and len(hours) == FUNDING_ROWS, said)


def funding_window(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    hours = _funding(probe, end - 3 * HOUR, end)["timestamp"]
    return _ticks(hours, end - 2 * HOUR, end + HOUR, HOUR)


def funding_begins(probe: Probe) -> CheckResult:
    rows = _funding(probe, 1_533_081_600_000, FIRST_FUNDING + 2 * HOUR)
    if not len(rows["timestamp"]):
        return CheckResult(False, "no row up to 2019-04-30T12:00Z")
    previous = rows["prev_index_price"][0]
    first = int(rows["timestamp"][0])
    said = f"{iso(first)}, prev_index_price " + ("null" if np.isnan(previous) else f"{previous:g}")
    return CheckResult(first == FIRST_FUNDING, said)


def eight_hours(probe: Probe) -> CheckResult:
    rows = _month(probe)
    paid, previous = rows["interest_1h"] / rows["prev_index_price"], rows["prev_index_price"]
    if len(paid) < 16 or not np.isfinite(paid[1:]).all():
        return CheckResult(False, f"{len(paid)} rows, of which {np.isnan(paid).sum()} lack a number")
    off = np.abs(np.convolve(paid, np.ones(8), "valid") * previous[:-7] - rows["interest_8h"][7:])[1:]
    return CheckResult(bool(off.max() <= 2e-6), f"off by {off.max():.1e} at most, in {len(off)} windows")


def checksum(probe: Probe) -> CheckResult:
    rows = _month(probe)
    if len(rows["timestamp"]) < 16:
        return CheckResult(False, f"only {len(rows['timestamp'])} rows to add up")
    reported = _total(probe, PERPETUAL, rows)
    if type(reported) not in (int, float):
        return CheckResult(False, f"the answer is {reported!r:.60}, not a number")
    hourly, previous = rows["interest_1h"], rows["prev_index_price"]
    tolerance = 1e-6 * float(np.abs(hourly).sum())

    def weighted(which: slice) -> float:
        return float(previous[which][0] * (hourly[which] / previous[which]).sum())

    windows = {
        "(start, end]": weighted(slice(1, None)),
        "[start, end]": weighted(slice(0, None)),
        "[start, end)": weighted(slice(0, -1)),
        "(start, end)": weighted(slice(1, -1)),
        "a plain sum over (start, end]": float(hourly[1:].sum()),
    }
    off = {name: abs(reported - value) for name, value in windows.items()}
    fits = [name for name, distance in off.items() if distance <= tolerance]
    said = (
        f"{reported:.9g} is that of {fits[0]}"
        if fits
        else f"{reported:.9g} is off by {min(off.values()):.1e} from any sum"
    )
    return CheckResult(fits[:1] == ["(start, end]"], said)


def linear_checksum(probe: Probe) -> CheckResult:
    """Which way the index weighs the hours of what pays in its quote currency: either is an answer."""
    rows = _month(probe, LINEAR)
    if len(rows["timestamp"]) < 16:
        return CheckResult(False, f"only {len(rows['timestamp'])} rows to add up")
    reported = _total(probe, LINEAR, rows)
    if type(reported) not in (int, float):
        return CheckResult(False, f"the answer is {reported!r:.60}, not a number")
    hourly, previous = rows["interest_1h"][1:], rows["prev_index_price"][1:]
    inverse, other = (
        "index at the start / index of the hour, as of an inverse one",
        "index of the hour / index at the start",
    )
    sums = {inverse: previous[0] * (hourly / previous).sum(), other: (hourly * previous).sum() / previous[0]}
    off = {how: abs(reported - float(value)) for how, value in sums.items()}
    fits = [how for how, distance in off.items() if distance <= 1e-6 * float(np.abs(hourly).sum())]
    if len(fits) == 2:
        return CheckResult(True, f"{LINEAR}: {reported:.9g} fits both weightings")
    said = f"weighted by {fits[0]}" if fits else f"off by {min(off.values()):.1e} from either weighting"
    means = (
        "Of linear perpetuals funding_weighted is another sum than the exchange's, and the checksum warns of months "
        "that are right."
    )
    return CheckResult(bool(fits), f"{LINEAR}: {reported:.9g} is {said}", means=means if fits == [other] else "")


def index_minutes(probe: Probe) -> CheckResult:
    result = probe("live", "get_funding_chart_data", instrument_name=PERPETUAL, length="8h")
    chart = _read(lambda result: index.read_chart(result, PERPETUAL), result)
    times = chart.timestamp
    minutes = len(times) > 1 and float(np.median(np.diff(times))) == MINUTE
    whole = int((times % MINUTE == 0).sum())
    hours = (times[-1] - times[0]) / HOUR if len(times) else 0
    said = f"{len(times)} points over {hours:.1f} hours, {whole} on a whole minute, {chart.dropped} without a price"
    return CheckResult(minutes and hours > 7.5 and not chart.dropped and whole >= ON_THE_MINUTE * len(times), said)


def volatility_page(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    params = {"currency": "BTC", "start_timestamp": end - 1_500 * HOUR, "end_timestamp": end - 1, "resolution": "3600"}
    result = probe("live", "get_volatility_index_data", **params)
    rows, more = result["data"], result["continuation"]
    if odd := sum(len(row) != 5 or any(math.isnan(_number(value)) for value in row) for row in rows):
        return CheckResult(False, f"{odd} of {len(rows):,} rows are not a time and four numbers")
    _read(volatility.read_page, result)
    hours = _ticks([row[0] for row in rows], end - VOLATILITY_ROWS * HOUR, end, HOUR)
    said = f"{hours.seen}; " + ("no continuation" if more is None else "a continuation")
    return CheckResult(hours.holds and more is not None, said)


def delivery_page(probe: Probe) -> CheckResult:
    params = {"index_name": INDEX, "offset": 0, "count": DELIVERY_ROWS}
    result = probe("live", "get_delivery_prices", **params)
    rows, total = _objects(result["data"]), result["records_total"]
    _read(delivery.read_page, result)
    days = [date.fromisoformat(row["date"]) for row in rows]
    in_order = all(newer > older for newer, older in pairwise(days))
    priced = sum(not _without_number([row], "delivery_price") for row in rows)
    newest = datetime.fromtimestamp((_now(probe) - 8 * HOUR) / 1000, UTC).date()
    said = f"{len(rows):,} of {total:,} days, {days[0]} first and {days[-1]} last, {priced:,} with a price"
    return CheckResult(
        in_order and priced == len(rows) == min(DELIVERY_ROWS, total) and (newest - days[0]).days in (0, 1),
        said + ("" if in_order else ", not newest first or not once each"),
    )


def settlement_rows(probe: Probe) -> CheckResult:
    end = _yesterday(probe)
    params = {"instrument_name": PERPETUAL, "count": 10, "search_start_timestamp": end - 1}
    result = probe("live", SETTLEMENTS, **params)
    rows = _objects(result["settlements"])
    _read(lambda result: settlements.read_page(result, PERPETUAL), result)
    times = [row["timestamp"] for row in rows]
    days = [(end - 1 - at) // DAY for at in times]
    on_time = sum(
        8 * HOUR <= at % DAY < 9 * HOUR and row["type"] == "settlement" for at, row in zip(times, rows, strict=True)
    )
    known = sum(not _without_number([row], *SETTLED) for row in rows)
    said = (
        f"{len(rows)} rows, {iso(times[0])} first, {on_time} of them a settlement within the hour after 08:00, "
        f"{known} with all five numbers, " + ("no continuation" if result["continuation"] is None else "a continuation")
    )
    return CheckResult(
        days == list(range(10)) and on_time == known == 10 and isinstance(result["continuation"], str), said
    )


def future_summaries(probe: Probe) -> CheckResult:
    rows = _summaries(probe, "future")
    perpetuals = [row for row in rows if row["instrument_name"] == PERPETUAL] or _nothing(f"summaries of {PERPETUAL}")
    lacking = _without_number(rows, "creation_timestamp", "mark_price", "open_interest", "estimated_delivery_price")
    lacking += [f"{name} of {PERPETUAL}" for name in _without_number(perpetuals, "current_funding", "funding_8h")]
    said = f"{len(rows)} perpetuals and dated futures of BTC" + (f", without {', '.join(lacking)}" if lacking else "")
    return CheckResult(not lacking, said)


def option_summaries(probe: Probe) -> CheckResult:
    rows = _summaries(probe, "option")
    lacking = _without_number(
        rows, "creation_timestamp", "open_interest", "underlying_price", "estimated_delivery_price"
    )
    volatilities = np.array([_number(row.get("mark_iv")) for row in rows])
    known = volatilities[np.isfinite(volatilities)]
    share, middle = len(known) / len(rows), float(np.median(known)) if len(known) else math.nan
    said = f"{share:.1%} of {len(rows):,} options of BTC have a mark_iv, {middle:g} in the middle"
    if lacking:
        said += f"; without {', '.join(lacking)}"
    return CheckResult(not lacking and share >= KNOWN_SHARE and IN_PERCENT[0] <= middle <= IN_PERCENT[1], said)


def fields(rows: list[dict[str, Any]], host: str) -> CheckResult:
    """Whether rows of get_instruments have what the catalogue is made of, in the form in which it takes them from
    `host`, and which keys are new or gone."""
    try:
        strange = [f"{subject}: {cause}" for subject, cause in instruments.reader(host, "future")(rows).unreadable]
    except Malformed as error:
        strange = [str(error)]
    lacking = [key for key in NEEDED if any(row.get(key) is None for row in rows)]
    if any(all(row.get(key) is None for key in STYLE) for row in rows):
        lacking.append(" and ".join(STYLE))
    seen = set().union(*rows)
    parts = [f"{len(rows)} rows"]
    for what, keys in (("without", set(lacking)), ("new:", seen - KNOWN), ("in no row:", OPTIONAL - seen)):
        if keys:
            parts.append(f"{what} {', '.join(sorted(keys))}")
    if strange:
        parts.append(f"{len(strange)} can't be read, for instance {strange[0]}" if len(strange) > 1 else strange[0])
    return CheckResult(not lacking and not strange, "; ".join(parts))


# -- what they ask for ------------------------------------------------------------------------------------------------


def _now(probe: Probe) -> int:
    return int(probe.clock("live", "get_time")[1])


def _yesterday(probe: Probe) -> int:
    """A whole hour a day ago, by the exchange's clock: everything up to it is settled."""
    return _now(probe) // HOUR * HOUR - DAY


def _catalogue(*, expired: bool) -> dict[str, str]:
    return {"currency": "BTC", "kind": "future", "expired": "true" if expired else "false"}


def _history(probe: Probe) -> list[dict[str, Any]]:
    return _objects(probe("history", "get_instruments", **_catalogue(expired=True)))


def _expired(probe: Probe) -> list[dict[str, Any]]:
    rows = [row for row in _history(probe) if type(row.get("expiration_timestamp")) is int]
    return rows or _nothing("expired futures of BTC")


def _listed(probe: Probe) -> list[dict[str, Any]]:
    return _objects(probe("live", "get_instruments", **_catalogue(expired=False)))


def _read(read: Callable[[Any], T], result: Any) -> T:
    """What the store's own reader makes of a result. Raises ValueError for what it refuses."""
    try:
        return read(result)
    except Malformed as error:
        raise ValueError(str(error)) from error


def _summaries(probe: Probe, kind: str) -> list[dict[str, Any]]:
    result = probe("live", "get_book_summary_by_currency", currency="BTC", kind=kind)
    if unreadable := _read(summaries.reader("BTC", kind), result).unreadable:
        raise ValueError(f"{len(unreadable)} summaries, for instance {unreadable[0][0]}: {unreadable[0][1]}")
    return _objects(result)


def _chart(name: str, start: int, end: int) -> dict[str, Any]:
    return {"instrument_name": name, "start_timestamp": start, "end_timestamp": end, "resolution": "1"}


def _candles(probe: Probe, name: str, start: int, end: int) -> dict[str, np.ndarray]:
    ticks, values = _read(candles.read_page, probe("live", "get_tradingview_chart_data", **_chart(name, start, end)))
    return {"ticks": ticks} | dict(zip(COLUMNS, values, strict=True))


def _old_hour(probe: Probe, name: str, end: int) -> CheckResult:
    """Whether the hour before `end`, ms, of old candles is as those of today: each minute once, every number there,
    and a cost in USD where there was volume, and only there."""
    columns = _candles(probe, name, end - HOUR - 1, end - 1)
    grid = _ticks(columns["ticks"], end - HOUR, end, MINUTE)
    unknown = sorted(key for key in COLUMNS if not np.isfinite(columns[key]).all())
    traded = columns["volume"] > 0
    beside = int((traded != (columns["cost"] > 0)).sum())
    said = f"{name}: {grid.seen}; {traded.sum()} traded"
    said += f"; without some {', '.join(unknown)}" if unknown else f"; {beside} with volume or cost alone"
    fits = _cost_fits(columns, OLD_COST_SHARE) if traded.any() else CheckResult(True, "")
    return CheckResult(
        grid.holds and not unknown and not beside and fits.holds, said + ("" if fits.holds else f"; cost: {fits.seen}")
    )


def _last_hours(probe: Probe) -> tuple[str, int, dict[str, np.ndarray]]:
    """The last ten hours of the youngest weekly or monthly BTC future that expired over a day ago, and ten minutes
    more: its name, expiry and candles."""
    past = [
        row for row in _expired(probe)
        if row["expiration_timestamp"] < _yesterday(probe) and row.get("settlement_period") in ("week", "month")
    ]  # fmt: skip
    row = max(past or _nothing("expired weekly or monthly futures of BTC"), key=lambda row: row["expiration_timestamp"])
    name, expiry = str(row["instrument_name"]), row["expiration_timestamp"]
    return name, expiry, _candles(probe, name, expiry - 600 * MINUTE - 1, expiry + 10 * MINUTE - 1)


def _funding(probe: Probe, start: int, end: int, name: str = PERPETUAL) -> dict[str, np.ndarray]:
    params = {"instrument_name": name, "start_timestamp": start, "end_timestamp": end}
    timestamp, values = _read(funding.read_page, probe("live", "get_funding_rate_history", **params))
    return {"timestamp": timestamp} | dict(zip(funding.RATES, values, strict=True))


def _month(probe: Probe, name: str = PERPETUAL) -> dict[str, np.ndarray]:
    end = _yesterday(probe)
    return _funding(probe, end - 800 * HOUR, end, name)


def _total(probe: Probe, name: str, rows: dict[str, np.ndarray]) -> Any:
    """What the exchange says of the hours from the end of the first row to that of the last one."""
    start, end = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
    params = {"instrument_name": name, "start_timestamp": start, "end_timestamp": end}
    return probe("live", "get_funding_rate_value", **params)


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else math.nan


def _without_number(rows: list[dict[str, Any]], *names: str) -> list[str]:
    """The names that some row has no number for."""
    return [name for name in names if any(math.isnan(_number(row.get(name))) for row in rows)]


def _objects(result: Any, least: int = 1) -> list[dict[str, Any]]:
    if not isinstance(result, list) or not all(isinstance(row, dict) for row in result) or len(result) < least:
        raise ValueError(f"a list of objects was expected and {str(result)[:60]!r} came")
    return result


def _nothing(what: str) -> Any:
    raise ValueError(f"there are no {what}")


def _ticks(found: Iterable[int], first: int, end: int, step: int) -> CheckResult:
    """Whether the ticks are exactly those of [first, end)."""
    found, wanted = [int(tick) for tick in found], list(range(first, end, step))
    names = [f"{'without' if tick in wanted else 'with'} {iso(tick)}" for tick in sorted(set(found) ^ set(wanted))]
    if found == wanted:
        return CheckResult(True, f"{iso(first)} to {iso(end - step)}, nothing else")
    return CheckResult(False, f"{len(found)} rows, " + (", ".join(names[:4]) or "duplicate or out of order"))


def _cost_fits(columns: dict[str, np.ndarray], least: float = COST_SHARE) -> CheckResult:
    """least: the fraction of the traded minutes that must fit."""
    traded = columns["volume"] > 0
    volume, low, high, spent = (columns[key][traded] for key in ("volume", "low", "high", "cost"))
    if not len(volume):
        return CheckResult(False, "no minute was traded")
    dollars, fraction = COST_ALLOWANCE
    allowance = np.maximum(dollars, fraction * spent)
    share = float(((volume * low - allowance <= spent) & (spent <= volume * high + allowance)).mean())
    whole = int((spent == np.rint(spent)).sum())
    said = f"{share:.2%} of {len(volume):,} traded minutes; {whole:,} costs are whole dollars"
    return CheckResult(share >= least, said)


ASSUMPTIONS = (
    Assumption(
        "clock",
        f"The exchange's clock and ours differ by less than {CLOCK_SKEW / 1000:.0f} seconds.",
        "what counts as a closed month",
        "Set this machine's clock (NTP): a month would be asked for before it is over.",
        clock,
    ),
    Assumption(
        "history-rows",
        f"Rows of expired futures on the history host have {', '.join(NEEDED)}, and one of {' and '.join(STYLE)}.",
        "exchange/instruments.py",
        "Expired contracts may be left out of the catalogue and so of futures_ohlcv; the catalogue's run names them.",
        history_rows,
    ),
    Assumption(
        "history-depth",
        "The history host lists what expired long ago, not only yesterday.",
        "exchange/client.py",
        "Contracts that expired before are unknown: futures_ohlcv and basis_spread will lack them, and no coverage "
        "will say so.",
        history_depth,
    ),
    Assumption(
        "same-contract",
        "A contract that both hosts name has one instrument_id and one creation_timestamp.",
        "warehouse/catalogue.py",
        "It will be in the catalogue twice: ask for it as name#id, and add up what is told of both.",
        same_contract,
    ),
    Assumption(
        "chart-page",
        f"A chart answers with its newest {CHART_ROWS:,} minutes.",
        "exchange/candles.py",
        f"Windows of {CHART_PAGE // MINUTE:,} minutes come in several pages: nothing is lost while the newest rows "
        "come first, but a history takes more requests; if older ones come first, minutes will be missing, and named.",
        chart_page,
    ),
    Assumption(
        "chart-window",
        "Asked from a millisecond before a minute to one before a later one, a chart holds exactly what lies between.",
        "exchange/candles.py",
        "Minutes at the edges of a window will be missing, and named, or come twice and be left out.",
        chart_window,
    ),
    Assumption(
        "chart-edges",
        "A chart's window includes both of its ends.",
        "nothing: windows are asked for a millisecond apart",
        "Nothing is lost by it; please send the answers in, so that the description can be put right.",
        chart_edges,
    ),
    Assumption(
        "chart-empty",
        "A window without candles is answered with status no_data and no rows.",
        "exchange/candles.py",
        "Where it is ok and without rows, nothing is lost by it. Any other answer can't be told from a broken one: the "
        "first month of a perpetual will fail, which has time before its first candle.",
        chart_empty,
    ),
    Assumption(
        "old-minutes",
        f"An hour of {PERPETUAL} of 2018-09 has every minute, every number, and a cost in USD where there was volume.",
        "exchange/candles.py, and the rules in expectations/",
        "The first months of perpetuals_ohlcv, funding_rates and basis_spread may be held back, or lack minutes.",
        old_minutes,
    ),
    Assumption(
        "old-expired",
        "The live host answers for the last hour of a future that expired in 2019 in the same way.",
        "exchange/candles.py, and the rules in expectations/",
        "The first months of futures_ohlcv and basis_spread may be held back, or lack minutes, which are named.",
        old_expired,
    ),
    Assumption(
        "unknown-name",
        "A name the exchange does not know is refused with -32602 and 'instrument not found'.",
        "exchange/response.py",
        "A contract that is gone will be asked for again and again instead of being named at once.",
        unknown_name,
    ),
    Assumption(
        "expired-chart",
        "The live host answers for an expired future, without a hole up to its expiry.",
        "exchange/candles.py",
        "futures_ohlcv will lack minutes of expired contracts; they are named as missing.",
        expired_chart,
    ),
    Assumption(
        "fill",
        "A minute without a trade is flat at the close before, with volume and cost 0.",
        "expectations/futures_ohlcv.json",
        "The rule about untraded minutes will warn of days that are as the exchange says them.",
        fill,
    ),
    Assumption(
        "after-expiry",
        "What comes after an expiry has no volume.",
        "datasets/candles/plan.sql, which asks up to the expiry",
        "Trades after an expiry are not loaded: say so to whoever needs them.",
        after_expiry,
    ),
    Assumption(
        "cost",
        f"Cost is in USD and lies between volume times low and times high, in {COST_SHARE:.0%} of traded minutes.",
        "the cost rules in expectations/, and `fresh`",
        "The cost rules will hold true days back, or `fresh` will say no where the price is fresh.",
        cost,
    ),
    Assumption(
        "linear-cost",
        f"The same of a linear perpetual, whose cost may be rounded by {COST_ALLOWANCE[0]:.0f} USD.",
        "the cost rules in expectations/",
        "With USDC among DERIBIT_CURRENCIES the cost rules will hold true days of linear contracts back.",
        linear_cost,
    ),
    Assumption(
        "funding-page",
        f"Funding answers with its newest {FUNDING_ROWS} hours, whatever start is asked.",
        "exchange/funding.py",
        f"Windows of {FUNDING_PAGE // HOUR} hours come in several pages: slower, and hours may be missing, and named.",
        funding_page,
    ),
    Assumption(
        "funding-window",
        "A window of funding holds the hours that end after its start and up to its end.",
        "exchange/funding.py",
        "The hour at a page's edge will be missing, and named, or come twice.",
        funding_window,
    ),
    Assumption(
        "funding-begins",
        "The funding of BTC-PERPETUAL begins at 2019-04-30T10:00Z.",
        "nothing: the first hour is looked for",
        "Nothing is lost by it: the first hour is found anyway, and earlier months have funding or have none.",
        funding_begins,
    ),
    Assumption(
        "eight-hours",
        "interest_8h is the sum of the eight interest_1h, weighted by the index.",
        "expectations/funding_rates.json",
        "Its rule will warn of true hours, or hold a true month back.",
        eight_hours,
    ),
    Assumption(
        "checksum",
        "get_funding_rate_value is that of the hours that end in (start, end], weighted by the index.",
        "the checksum of a month's funding",
        "The checksum will warn of months that are right; look at the rows before you doubt them.",
        checksum,
    ),
    Assumption(
        "linear-checksum",
        "The same of a linear perpetual, weighted by the index in one of two ways: as of an inverse one, or the other "
        "way round, as of what pays in its quote currency.",
        "the checksum of a month's funding and funding_weighted, which take the first for granted",
        "With USDC among DERIBIT_CURRENCIES the checksum will warn of months that are right, and funding_weighted of "
        "linear perpetuals is not what the exchange says.",
        linear_checksum,
    ),
    Assumption(
        "index-minutes",
        "get_funding_chart_data holds the index of the last eight hours, a point on each whole minute.",
        "exchange/index.py, warehouse/index.py",
        "index_prices will have fewer true minutes and more proxies.",
        index_minutes,
    ),
    Assumption(
        "volatility-page",
        f"get_volatility_index_data answers with the newest {VOLATILITY_ROWS:,} hours that begin in its window, each "
        "with the time of its start, and with a continuation where there are more.",
        "exchange/volatility.py",
        "Hours of volatility_index will be missing, and named, or stand an hour beside their own.",
        volatility_page,
    ),
    Assumption(
        "delivery-page",
        f"get_delivery_prices answers with up to {DELIVERY_ROWS:,} days, the newest first, each once and with a price.",
        "exchange/delivery.py",
        "The run of delivery_prices will fail, or take more requests; futures and settlements are not touched.",
        delivery_page,
    ),
    Assumption(
        "settlement-rows",
        f"{SETTLEMENTS} answers with what was settled up to search_start_timestamp, the newest first, once a day "
        f"within an hour after 08:00 UTC, with {', '.join(SETTLED)}, and with a continuation where there is more.",
        "exchange/settlements.py",
        "The run of settlements will fail, or hold back rows that are as the exchange says them.",
        settlement_rows,
    ),
    Assumption(
        "future-summaries",
        "Book summaries of futures have a mark price, an open interest and the index (estimated_delivery_price), and "
        "those of perpetuals two rates of funding (current_funding, funding_8h).",
        "datasets/instrument_summaries.py",
        "Snapshots of instrument_summaries will be held back, and what was held back can't be asked for again.",
        future_summaries,
    ),
    Assumption(
        "option-summaries",
        f"Book summaries of options have an underlying price and the index, and {KNOWN_SHARE:.0%} of them a mark_iv, "
        "in percent a year.",
        "datasets/options_chain.py",
        "Snapshots of options_chain will be held back, or their volatilities are of another unit.",
        option_summaries,
    ),
    Assumption(
        "catalogue-limit",
        f"get_instruments can be asked {SLOW_BURST} times in a row.",
        "the limiter (DERIBIT_CATALOGUE_REQUESTS_PER_SECOND)",
        "Unless the catalogue was read within this minute, it will be refused and wait: lower "
        "DERIBIT_CATALOGUE_REQUESTS_PER_SECOND.",
        catalogue_limit,
    ),
    Assumption(
        "listed-rows",
        f"Rows of listed futures have {', '.join(NEEDED)}, and one of {' and '.join(STYLE)}.",
        "exchange/instruments.py",
        "Listed contracts may be left out of the catalogue and so of everything; the catalogue's run names them.",
        listed_rows,
    ),
    Assumption(
        "underlying",
        "Where a future of BTC says its underlying_type, it is crypto.",
        "the rule market-known",
        "What says anything else is held back by name: all of BTC, if that is another word for the same.",
        underlying,
    ),
)
"""In the order they are asked: the readings of get_instruments are far apart, for its limit's sake."""
