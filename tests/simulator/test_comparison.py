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


def candle_rows(name=FUTURE):
    columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
    return rows_of(MARKET.candles(name, FIRST, FIRST + DAY - MINUTE), columns)


def funding_rows():
    columns = ("timestamp", "interest_1h", "interest_8h", "index_price", "prev_index_price")
    return rows_of(MARKET.funding(PERPETUAL, FIRST, FIRST + DAY), columns)


def basis_rows():
    rows, expires = [], MARKET.listing(FUTURE).expires
    for (tick, *_, future, _, _), (*_, perpetual, _, _) in zip(candle_rows(), candle_rows(PERPETUAL), strict=True):
        days, fraction = (expires - tick - MINUTE) / DAY, (future - perpetual) / perpetual
        rows.append((tick, future - perpetual, fraction, days, fraction * 365 / days))
    return rows


KINDS = {
    "candles": (comparison.candles, FUTURE, candle_rows, 1440),
    "funding": (comparison.funding, PERPETUAL, funding_rows, 24),
    "basis": (comparison.basis, FUTURE, basis_rows, 1440),
}


@pytest.fixture(params=KINDS)
def kind(request):
    compare, name, rows, count = KINDS[request.param]
    kept = rows()
    return lambda: compare(MARKET, lambda *_: sent(kept), name, FIRST, FIRST + DAY), kept, name, count


def test_what_is_the_same_passes_and_is_counted(kind):
    compare, _, _, count = kind
    assert compare() == count


@pytest.mark.parametrize("column", range(5))
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
        columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
        kept = rows_of(real.candles(life, begins, ends - MINUTE), columns)
        assert comparison.candles(real, lambda *_, kept=kept: sent(kept), life, begins, ends) == len(kept) == 1440
    between = comparison.listed_between(real, ["USDC"], first.ends, second.listed // MINUTE * MINUTE)
    assert first not in between and second not in between and len(between) > 60


def test_a_future_without_a_perpetual_has_no_basis():
    real = Market(now_ms=1_793_577_600_000, traits=Traits.real())
    window = (1_793_491_200_000, 1_793_577_600_000)
    nothing = [(None,) * 5]
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
    return [(2 * 1440 if query == comparison.PUBLISHED["candle"] else 24,)]


def test_everything_is_compared_by_contract_and_counted(monkeypatch):
    monkeypatch.setattr(comparison, "listed_between", lambda *_: [MARKET.listing(PERPETUAL), MARKET.listing(FUTURE)])
    everything = {"first": FIRST, "past": FIRST + DAY, "basis_too": False}
    said = comparison.everything(MARKET, warehouse, ("BTC",), **everything)
    assert said == {"candle": 2 * 1440, "funding_rates": 24}

    def one_more(query, *values):
        return [(2 * 1440 + 1,)] if query == comparison.PUBLISHED["candle"] else warehouse(query, *values)

    def one_changed(query, *values):
        if query != comparison.FUNDING:
            return warehouse(query, *values)
        (*others, first), *rest = funding_rows()
        return sent([(*others, first + 1), *rest])

    minutes = comparison.everything(MARKET, one_changed, ("BTC",), **everything, funding_too=False)
    assert minutes == {"candle": 2 * 1440}
    with pytest.raises(comparison.Different, match="candle: 2881 rows are published, 2880 were said"):
        comparison.everything(MARKET, one_more, ("BTC",), **everything)
    with pytest.raises(comparison.Different, match="BTC-PERPETUAL: 1 values of prev_index_price differ"):
        comparison.everything(MARKET, one_changed, ("BTC",), **everything)
