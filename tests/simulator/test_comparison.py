"""The comparison finds what differs: the market is compared with itself, and with one value changed."""

import math
import re
from datetime import date, datetime, timedelta
from functools import partial

import numpy as np
import pytest

from exchange_simulator import comparison
from exchange_simulator.comparison import instant
from exchange_simulator.listings import DAY, HOUR, MINUTE
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange, Parameters
from exchange_simulator.traits import Traits

MARKET = Market()
FIRST = 1_709_251_200_000  # 2024-03-01
FUTURE, PERPETUAL = "BTC-28JUN24", "BTC-PERPETUAL"


def sent(rows):
    """Rows as the comparison's queries return them: one, of columns as bytes."""
    return [tuple(np.array(column, ">f8").tobytes() for column in zip(*rows, strict=True))]


def rows_of(said, columns):
    return list(zip(*(said[column].tolist() for column in columns), strict=True))


def candle_rows(name=FUTURE, market=MARKET, first=FIRST):
    columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
    rows = rows_of(market.candles(name, first, first + DAY - MINUTE), columns)
    return [(*row, float(row[-2] > 0), float(is_fresh(*row[2:]))) for row in rows]


def is_fresh(high, low, close, volume, cost):
    return volume > 0 and low * volume - max(1, 2e-4 * cost) <= cost <= high * volume + max(1, 2e-4 * cost)


def funding_rows():
    columns = ("timestamp", "interest_1h", "interest_8h", "index_price", "prev_index_price")
    return rows_of(MARKET.funding(PERPETUAL, FIRST, FIRST + DAY), columns)


def basis_rows():
    rows, expires = [], MARKET.listing(FUTURE).expires
    for (tick, *_, future, _, _, traded, fresh), (*_, perpetual, _, _, _, fresh_too) in zip(
        candle_rows(), candle_rows(PERPETUAL), strict=True
    ):
        days, fraction = (expires - tick - MINUTE) / DAY, (future - perpetual) / perpetual
        rows.append((tick, future - perpetual, fraction, days, fraction * 365 / days, traded, fresh * fresh_too))
    return rows


HISTORY, CHART, SUMMARY, PROXY = 1.0, 2.0, 3.0, 4.0
SAMPLED = range(300, 360)
"""Minutes of the day of which a summary was taken."""
LATE = 1_700
"""ms after the end of the minute, at which it was made."""


def index_rows():
    """The perpetual's closes but at the ends of hours, in SAMPLED and in the last hour, which was charted."""
    rows = []
    for place, (tick, *_, close, _, _, _, _) in enumerate(candle_rows(PERPETUAL)):
        funded, ends = place % 60 == 59, tick + MINUTE
        source = HISTORY if funded else CHART if place >= 1380 else SUMMARY if place in SAMPLED else PROXY
        told_at = ends + LATE if source == SUMMARY else ends
        rows.append((tick, close if source == PROXY else float(MARKET.index("BTC", told_at)[0]), source))
    return rows


def samples(late=LATE):
    """(beat, when it was made) of the perpetual's summaries, ms."""
    ends = [FIRST + (place + 1) * MINUTE for place in SAMPLED]
    return [(end, end + late) for end in ends]


def index_reader(kept, taken):
    """A reader of a warehouse that has these rows of the index and these summaries."""
    return lambda query, *_: sent(taken if query == comparison.SAMPLES else kept)


KINDS = {
    "candles": (comparison.candles, FUTURE, candle_rows, 1440, 9),
    "funding": (comparison.funding, PERPETUAL, funding_rows, 24, 5),
    "basis": (comparison.basis, FUTURE, basis_rows, 1440, 7),
    "index": (comparison.index, PERPETUAL, index_rows, 1440, 3),
}
"""How it is compared, what, the rows, how many, and how many of their columns."""


@pytest.fixture(params=KINDS)
def kind(request):
    compare, name, rows, count, _ = KINDS[request.param]
    kept = rows()
    called = "btc_usd" if compare is comparison.index else name
    rows = index_reader(kept, samples())  # only the index is asked for summaries
    return lambda: compare(MARKET, rows, name, FIRST, FIRST + DAY), kept, called, count


def test_what_is_the_same_passes_and_is_counted(kind):
    compare, _, _, count = kind
    assert compare() == count


@pytest.mark.parametrize(
    ("kind", "column"), [(kind, column) for kind in KINDS for column in range(KINDS[kind][-1])], indirect=["kind"]
)
@pytest.mark.parametrize("changed", [lambda value: value * (1 + 1e-9) + 1e-9, lambda _: None, lambda _: np.inf])
def test_one_value_that_differs_is_named(kind, column, changed):
    compare, kept, name, _ = kind
    row = list(kept[7])
    row[column] = changed(row[column])
    kept[7] = tuple(row)
    with pytest.raises(comparison.Different, match=rf"{name}: 1 values of \w+ differ, the first at 2024-03-01 0"):
        compare()


def test_a_row_too_few_and_one_too_many_are_found(kind):
    compare, kept, name, count = kind
    last = kept.pop()
    with pytest.raises(comparison.Different, match=f"{name}: {count - 1} rows are kept, {count} were said"):
        compare()
    kept += [last, last]
    with pytest.raises(comparison.Different, match=f"{count + 1} rows"):
        compare()


def test_contracts_of_one_name_are_compared_each_in_its_time():
    real = Market(now_ms=1_793_577_600_000, traits=Traits.real())
    lives = real.listings_of("LUNA_USDC-PERPETUAL")
    first, second = lives
    days = [(first, first.ends - DAY), (second, second.first_minute * MINUTE)]
    for life, begins in days:
        ends = begins + DAY
        kept = candle_rows(life, real, begins)
        assert comparison.candles(real, lambda *_, kept=kept: sent(kept), life, begins, ends) == len(kept) == 1440
    between = comparison.listed_between(real, ["USDC"], first.ends, second.listed // MINUTE * MINUTE)
    assert first not in between and second not in between and len(between) > 60


def test_a_future_without_a_perpetual_has_no_basis():
    real = Market(now_ms=1_793_577_600_000, traits=Traits.real())
    window = (1_793_491_200_000, 1_793_577_600_000)
    nothing = [(None,) * 7]
    assert comparison.basis(real, lambda *_: nothing, "POL_USDC-25DEC26", *window) == 0
    with pytest.raises(comparison.Different, match="0 rows are kept, 1440 were said"):
        comparison.basis(real, lambda *_: nothing, "SOL_USDC-25DEC26", *window)


def warehouse(query, *values):
    """A warehouse that holds a quiet day of BTC's perpetual and one future, and counts them."""
    name = values[0]
    if query == comparison.CANDLES:
        return sent(candle_rows(name))
    if query == comparison.FUNDING:
        return sent(funding_rows())
    if query == comparison.INDEX:
        return sent(index_rows())
    if query == comparison.SAMPLES:
        return sent(samples())
    counts = {"candle": 2 * 1440, "funding_rates": 24, "index_prices": 1440}
    return [(counts[view],) for view, count in comparison.PUBLISHED.items() if query == count]


def test_everything_is_compared_by_contract_and_counted(monkeypatch):
    monkeypatch.setattr(comparison, "listed_between", lambda *_: [MARKET.listing(PERPETUAL), MARKET.listing(FUTURE)])
    window = {"first": FIRST, "past": FIRST + DAY}
    everything = window | {"views": ("candle", "funding_rates", "index_prices")}
    said = comparison.everything(MARKET, warehouse, ("BTC",), **everything)
    assert said == {"candle": 2 * 1440, "funding_rates": 24, "index_prices": 1440}

    def one_more(query, *values):
        return [(2 * 1440 + 1,)] if query == comparison.PUBLISHED["candle"] else warehouse(query, *values)

    def one_changed(query, *values):
        if query != comparison.FUNDING:
            return warehouse(query, *values)
        (*others, first), *rest = funding_rows()
        return sent([(*others, first + 1), *rest])

    minutes = comparison.everything(MARKET, one_changed, ("BTC",), **window, views=("candle",))
    assert minutes == {"candle": 2 * 1440}
    with pytest.raises(comparison.Different, match="candle: 2881 rows are published, 2880 were said"):
        comparison.everything(MARKET, one_more, ("BTC",), **everything)
    with pytest.raises(comparison.Different, match="BTC-PERPETUAL: 1 values of prev_index_price differ"):
        comparison.everything(MARKET, one_changed, ("BTC",), **everything)


def test_of_two_perpetuals_on_one_index_the_older_one_stands_in_up_to_the_end_of_its_last_day():
    real = Market(now_ms=1_793_577_600_000, traits=Traits.real())
    proxies = list(comparison._proxies(real, ["USDC"]))
    assert {one.name for one, *_ in proxies if one.index_name == "paxg_usdc"} == {"PAXG_USDC-PERPETUAL"}
    (first, _, ends), (second, begins, _) = [one for one in proxies if one[0].name == "LUNA_USDC-PERPETUAL"]
    assert (ends, begins) == (first.past_minute * MINUTE, second.first_minute * MINUTE)
    assert all(one.name.endswith("PERPETUAL") and one.currency == "USDC" for one, *_ in proxies)


def test_a_minute_known_from_a_summary_is_the_index_of_the_moment_at_which_the_summary_was_made():
    window, place = (PERPETUAL, FIRST, FIRST + DAY), SAMPLED[7]
    kept = index_rows()
    said = len(SAMPLED) - 1  # the end of the hour is known from its funding
    assert comparison.sampled_index(MARKET, index_reader(kept, samples()), *window) == said
    assert comparison.index(MARKET, index_reader(kept, samples()), *window) == 1440

    tick, price, source = kept[place]
    cent_off = [*kept[:place], (tick, price + 0.01, source), *kept[place + 1 :]]
    moment = re.escape(str(instant(tick)))
    for compare in (comparison.index, comparison.sampled_index):
        with pytest.raises(comparison.Different, match=f"btc_usd: 1 values of price differ, the first at {moment}"):
            compare(MARKET, index_reader(cent_off, samples()), *window)
        with pytest.raises(comparison.Different, match=r"btc_usd: \d+ values of price differ"):
            compare(MARKET, index_reader(kept, samples(late=LATE + 10_000)), *window)
    with pytest.raises(comparison.Different, match="1 values of price differ"):
        comparison.sampled_index(MARKET, index_reader(kept, samples()[:7] + samples()[8:]), *window)
    with pytest.raises(comparison.Different, match="1440 rows are kept, 1439 were said"):
        comparison.index(MARKET, index_reader(kept, samples()[:7] + samples()[8:]), *window)

    # what is missing of an open day is not told from the market, so it is counted
    gap = [*kept[:place], *kept[place + 1 :]]
    assert comparison.sampled_index(MARKET, index_reader(gap, samples()), *window) == said - 1
    with pytest.raises(comparison.Different, match="1439 rows are kept, 1440 were said"):
        comparison.index(MARKET, index_reader(gap, samples()), *window)


@pytest.mark.parametrize("source", [HISTORY, SUMMARY, CHART])
def test_a_close_of_the_perpetual_is_not_taken_for_the_index(source):
    kept = index_rows()
    kept[7] = (*kept[7][:2], source)
    with pytest.raises(comparison.Different, match=r"btc_usd: (1 values of|1440 rows)"):
        comparison.index(MARKET, index_reader(kept, samples()), PERPETUAL, FIRST, FIRST + DAY)


BEAT = FIRST + 12 * HOUR
THEN = Market(now_ms=BEAT + 1_500)
EXPIRED = "BTC-23FEB24"


def asked(method, **given):
    """What the exchange answered then."""
    said = {name: str(value) for name, value in given.items()}
    return getattr(Exchange(THEN), method)(Parameters(said), False)


def volatility_rows(first=FIRST):
    hours = asked(
        "get_volatility_index_data", currency="BTC", start_timestamp=first, end_timestamp=BEAT, resolution=3600
    )
    return [(instant(start), *prices) for start, *prices in hours["data"]]


def delivery_price_rows():
    days = asked("get_delivery_prices", index_name="btc_usd", count=31)["data"]
    rows = [(datetime.fromisoformat(f"{row['date']}T08:00:00+00:00"), row["delivery_price"]) for row in reversed(days)]
    return [(at, at.date(), price) for at, price in rows]


def settlement_rows():
    columns = ("type", "position", "mark_price", "index_price", "profit_loss", "session_profit_loss")
    found = asked("get_last_settlements_by_instrument", instrument_name=EXPIRED, count=1000)["settlements"]
    rows = [(instant(row["timestamp"]), *(row[name] for name in columns), None) for row in reversed(found)]
    return [(at, at.date(), *values) for at, *values in rows]


def snapshot_rows(kind, fields):
    found = asked("get_book_summary_by_currency", currency="BTC", kind=kind)
    return sorted(
        (row["instrument_name"], instant(row["creation_timestamp"]), *(row.get(field) for field in fields.values()))
        for row in found
    )


FIELDS = {
    "mark_price": "mark_price", "index_price": "estimated_delivery_price", "bid_price": "bid_price",
    "ask_price": "ask_price", "last_price": "last", "open_interest": "open_interest", "volume": "volume",
}  # fmt: skip
FUTURES = FIELDS | {"current_funding": "current_funding", "funding_8h": "funding_8h"}
OPTIONS = FIELDS | {
    "mark_iv": "mark_iv", "underlying_price": "underlying_price", "underlying": "underlying_index",
    "interest_rate": "interest_rate", "settlement": "quote_currency", "base_currency": "base_currency",
}  # fmt: skip
LATER = FIRST + 2 * DAY  # what is still to come was not said
OF_ROWS = {
    "volatility": (comparison.volatility, ("BTC", FIRST, LATER), volatility_rows, 5),
    "delivery_price": (comparison.delivery_price, ("btc_usd", FIRST - 30 * DAY, LATER), delivery_price_rows, 3),
    "settlement": (comparison.settlement, (EXPIRED, FIRST - 100 * DAY, LATER), settlement_rows, 9),
    "summaries": (comparison.summaries, ("BTC", BEAT), lambda: snapshot_rows("future", FUTURES), 11),
    "chain": (comparison.chain, ("BTC", BEAT), lambda: snapshot_rows("option", OPTIONS), 15),
}
"""How it is compared, what, the rows, and how many columns they have."""


@pytest.fixture(scope="module")
def rows_said():
    """The rows of each of OF_ROWS."""
    return {name: rows() for name, (_, _, rows, _) in OF_ROWS.items()}


@pytest.fixture(params=OF_ROWS)
def of_rows(request, rows_said):
    compare, what, *_ = OF_ROWS[request.param]
    kept = list(rows_said[request.param])
    return lambda: compare(THEN, lambda *_: kept, *what), kept


def test_rows_that_are_the_same_pass_and_are_counted(of_rows):
    compare, kept = of_rows
    assert compare() == len(kept) > 8


def other(value):
    """The next value there is."""
    if isinstance(value, str):
        return f"{value}?"
    if isinstance(value, date):
        return value + timedelta(days=1)
    return 1.0 if value is None else math.nextafter(value, math.inf)


def nothing(value):
    return math.nan if value is None else None


@pytest.mark.parametrize(
    ("of_rows", "column"),
    [(name, column) for name in OF_ROWS for column in range(OF_ROWS[name][-1])],
    indirect=["of_rows"],
)
@pytest.mark.parametrize("changed", [other, nothing])
def test_one_value_of_a_row_that_differs_is_named(of_rows, column, changed):
    compare, kept = of_rows
    said = kept[3]
    kept[3] = (*said[:column], changed(said[column]), *said[column + 1 :])
    with pytest.raises(
        comparison.Different, match=rf": 1 values of \w+ differ, the first at {re.escape(str(said[0]))}:"
    ):
        compare()


def test_a_row_that_lacks_or_is_one_too_many_is_found(of_rows):
    compare, kept = of_rows
    count, first = len(kept), kept.pop(0)
    with pytest.raises(comparison.Different, match=f"{count - 1} rows are kept, {count} were said"):
        compare()
    kept += [first, first]
    with pytest.raises(comparison.Different, match=f"{count + 1} rows are kept, {count} were said"):
        compare()
    kept.pop()
    with pytest.raises(comparison.Different, match=f"{count} values of"):
        compare()


def test_what_has_rows_is_compared_too_and_counted(monkeypatch, rows_said):
    first = FIRST - 30 * DAY
    monkeypatch.setattr(comparison, "listed_between", lambda *_: [THEN.listing(EXPIRED)])
    kept = {
        "settlements": (comparison.SETTLEMENTS, rows_said["settlement"]),
        "delivery_prices": (comparison.DELIVERY_PRICES, rows_said["delivery_price"]),
        "volatility_index": (comparison.VOLATILITY, volatility_rows(first)),
    }

    def warehouse(query, *values, one_more=""):
        for view, (shown, rows) in kept.items():
            if query == shown:
                _, begins, ends = values
                return [row for row in rows if begins <= row[0] < ends]
            if query == comparison.PUBLISHED[view]:
                begins, ends, _ = values
                return [(len([row for row in rows if begins <= row[0] < ends]) + (view == one_more),)]
        assert query == comparison.ROLLS
        return []

    views = (*kept, "roll_calendar")
    said = comparison.everything(THEN, warehouse, ("BTC",), first, LATER, views=views)
    assert said == {"settlements": 24, "delivery_prices": 31, "volatility_index": 733, "roll_calendar": 0}
    for view in kept:
        with pytest.raises(comparison.Different, match=f"{view}: {said[view] + 1} rows are published, {said[view]} "):
            comparison.everything(THEN, partial(warehouse, one_more=view), ("BTC",), first, LATER, views=views)
    with pytest.raises(AssertionError, match="no past"):
        comparison.everything(THEN, warehouse, ("BTC",), first, LATER, views=("options_chain",))


def test_delivery_prices_are_of_the_days_on_which_a_contract_of_the_index_is_listed():
    real = Market(now_ms=1_793_577_600_000, traits=Traits.real())
    days = comparison._index_days(real, ["USDC"])
    [ended] = real.listings_of("ALGO_USDC-PERPETUAL")
    assert days["algo_usdc"] == (ended.listed // DAY * DAY, ended.ends // DAY * DAY + DAY)
    first, second = real.listings_of("LUNA_USDC-PERPETUAL")
    assert days["luna_usdc"] == (first.listed // DAY * DAY, -(-second.past_minute * MINUTE // DAY) * DAY)
    assert "btc_usd" not in days and "btc_usdt" not in days


def test_the_newest_snapshots_are_compared_with_what_the_market_said_at_their_moment(rows_said):
    kept = {comparison.SUMMARIES: rows_said["summaries"], comparison.CHAIN: rows_said["chain"]}
    made_at, later = rows_said["chain"][0][1], Market(now_ms=THEN.now_ms + 7 * MINUTE)

    def warehouse(query, currency, *beat, late=timedelta(0)):
        return [(instant(BEAT), made_at + late)] if query in comparison.NEWEST.values() else kept[query]

    said = comparison.newest_snapshots(later, warehouse, ("BTC",))
    assert said == {"instrument_summaries": len(rows_said["summaries"]), "options_chain": len(rows_said["chain"])}
    with pytest.raises(comparison.Different, match="BTC at 2024-03-01 12:00:00.* values of ts differ"):
        comparison.newest_snapshots(later, partial(warehouse, late=timedelta(seconds=1)), ("BTC",))
    with pytest.raises(comparison.Different, match="BTC at .*: 0 rows are kept"):
        comparison.newest_snapshots(later, lambda *_: [], ("BTC",))
    assert set(comparison.newest_snapshots(later, lambda *_: [], ("EURR",)).values()) == {0}, "it lists nothing"


ROLL = ("expiry", "quarterly", 0, date(2024, 3, 24), "BTC-29MAR24", "BTC-28JUN24")


def rolled():
    """What the roll was priced with, and what both legs turned over."""
    first = FIRST + 22 * DAY
    near, far = ({row[0]: row for row in candle_rows(name, first=first)} for name in ROLL[-2:])
    last = max(tick for tick in near.keys() & far.keys() if near[tick][-1] and far[tick][-1])
    turnovers = (math.fsum(row[6] for row in leg.values()) for leg in (near, far))
    return instant(int(last)), near[last][4], far[last][4], *turnovers


def test_a_roll_is_priced_in_the_last_minute_that_is_fresh_in_both_contracts():
    priced = rolled()
    of_btc = ("BTC", FIRST, FIRST + 31 * DAY)
    assert comparison.rolls(MARKET, lambda *_: [(*ROLL, *priced)], *of_btc) == 1
    assert comparison.rolls(MARKET, lambda *_: [], *of_btc) == 0
    for place, value in enumerate(priced):
        for wrong in (None, value + timedelta(minutes=1) if place == 0 else value * (1 + 1e-9)):
            changed = (*priced[:place], wrong, *priced[place + 1 :])
            with pytest.raises(
                comparison.Different, match="rolls of BTC: 1 values of .* expiry quarterly 0 2024-03-24"
            ):
                comparison.rolls(MARKET, lambda *_, changed=changed: [(*ROLL, *changed)], *of_btc)


def test_a_contract_without_a_candle_on_the_day_before_its_roll_turned_over_nothing_that_is_known():
    roll = ("volume", "all", 0, date(2024, 2, 29), "BTC-29MAR24", "BTC-22MAR24")  # the day it was listed
    turnover = math.fsum(row[6] for row in candle_rows(roll[4], first=FIRST - 2 * DAY))
    of_btc = ("BTC", FIRST - 30 * DAY, FIRST)
    assert comparison.rolls(MARKET, lambda *_: [(*roll, None, None, None, turnover, None)], *of_btc) == 1
    for wrong in ((turnover, 0.0), (None, None)):
        with pytest.raises(comparison.Different, match="1 values of (to|from)_turnover differ"):
            comparison.rolls(MARKET, lambda *_, wrong=wrong: [(*roll, None, None, None, *wrong)], *of_btc)
