"""The comparison finds what differs: the market is compared with itself, and with one value changed."""

import numpy as np
import pytest

from exchange_simulator import comparison
from exchange_simulator.listings import DAY, MINUTE
from exchange_simulator.market import Market
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


def index_rows():
    """The perpetual's closes but at the ends of hours and in the last hour, which was charted."""
    rows = []
    for place, (tick, *_, close, _, _, _, _) in enumerate(candle_rows(PERPETUAL)):
        funded, charted = place % 60 == 59, place >= 1380 and place % 60 != 59
        price = float(MARKET.index("BTC", tick + MINUTE)[0]) if funded or charted else close
        rows.append((tick, price, float(not (funded or charted)), float(charted)))
    return rows


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
    return lambda: compare(MARKET, lambda *_: sent(kept), name, FIRST, FIRST + DAY), kept, called, count


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
    counts = {"candle": 2 * 1440, "funding_rates": 24, "index_prices": 1440}
    return [(counts[view],) for view, count in comparison.PUBLISHED.items() if query == count]


def test_everything_is_compared_by_contract_and_counted(monkeypatch):
    monkeypatch.setattr(comparison, "listed_between", lambda *_: [MARKET.listing(PERPETUAL), MARKET.listing(FUTURE)])
    everything = {"first": FIRST, "past": FIRST + DAY, "basis_too": False}
    said = comparison.everything(MARKET, warehouse, ("BTC",), **everything)
    assert said == {"candle": 2 * 1440, "funding_rates": 24, "index_prices": 1440}

    def one_more(query, *values):
        return [(2 * 1440 + 1,)] if query == comparison.PUBLISHED["candle"] else warehouse(query, *values)

    def one_changed(query, *values):
        if query != comparison.FUNDING:
            return warehouse(query, *values)
        (*others, first), *rest = funding_rows()
        return sent([(*others, first + 1), *rest])

    less = {"funding_too": False, "index_too": False}
    minutes = comparison.everything(MARKET, one_changed, ("BTC",), **everything, **less)
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
