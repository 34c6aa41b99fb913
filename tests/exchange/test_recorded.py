"""What the exchange really sent is read. The data lie beside the project and are never part of it."""

from __future__ import annotations

import csv

import numpy as np
import orjson
import pytest

from deribit_warehouse.exchange import InstrumentNotFound
from deribit_warehouse.exchange.candles import MINUTE, collect, read_page
from deribit_warehouse.exchange.errors import AttemptFailed, Malformed
from deribit_warehouse.exchange.funding import HOUR
from deribit_warehouse.exchange.funding import collect as collect_funding
from deribit_warehouse.exchange.instruments import instrument, reader
from deribit_warehouse.exchange.response import result_of
from tests.exchange.scripted import reply, serving

pytestmark = pytest.mark.recorded

CHART_COLUMNS = ("open", "high", "low", "close", "volume", "cost")


@pytest.fixture
def response(recorded):
    return lambda name: recorded(f"responses/{name}").read_bytes()


def test_futures(response):
    rows = orjson.loads(response("instruments_future.json"))
    read = reader("live", "future")(rows).instruments
    assert len(read) == len(rows)
    perpetual = next(one for one in read if one.instrument_name == "BTC-PERPETUAL")
    assert (perpetual.created, perpetual.expires) == (1_534_242_287_000, None)
    assert (perpetual.exchange_id, perpetual.tick_size, perpetual.contract_size) == (210838, 0.5, 10.0)
    dated = next(one for one in read if one.instrument_name == "BTC-21SEP26")
    assert (dated.expires, dated.settlement_period, dated.state) == (1_789_977_600_000, "day", "open")


def test_an_option(response):
    one = instrument(result_of(200, response("http_get_instrument_option.json")), at=0, host="live")
    assert (one.strike, one.option_type, one.expires, one.state) == (100000.0, "call", 1_735_300_800_000, None)


def test_a_row_described_in_other_words_is_refused_naming_the_key(response):
    """The expired options of www are a client's own words for the rows: `name`, `creation`, `expiration`."""
    rows = orjson.loads(response("eth_options_expired_true_www_2025-09-21.json"))
    with pytest.raises(Malformed, match="none of 48 rows can be read; the first, row 0: it has no creation_timestamp"):
        reader("live", "option")(rows)


def test_a_perpetual_by_itself(response):
    one = instrument(result_of(200, response("http_get_instrument.json")), at=0, host="live")
    assert (one.instrument_name, one.expires, one.instrument_type, one.underlying_type) == (
        *("BTC-PERPETUAL", None, "reversed"),
        None,
    )


def test_listings_of_several_kinds(response):
    rows = result_of(200, response("http_get_instruments.json"))
    assert {one.kind for one in reader("live", "option")(rows).instruments} == {"option"}
    assert {one.instrument_name for one in reader("live", "future")(rows).instruments} == {
        "BTC-PERPETUAL",
        "BTC-27DEC24",
    }
    for kind in ("future_combo", "option_combo"):
        rows = result_of(200, response(f"http_get_instruments_{kind}.json"))
        assert len(reader("live", kind)(rows).instruments) == len(rows) > 0


def test_a_chart(response):
    body = response("http_get_tradingview_chart_data.json")
    ticks, values = read_page(result_of(200, body))
    assert values.shape == (6, len(ticks)) == (6, 5)
    got = collect(
        lambda method, params, read: read(result_of(200, body)),
        *("BTC-PERPETUAL", int(ticks[0]), int(ticks[-1]) + MINUTE),
    )
    assert got.present.all() and got.close[-1] == 87456.0 and got.cost[0] == 257490.0


def test_a_chart_by_the_day_is_read_in_the_exchange_s_own_column_order(response):
    ticks, values = read_page(orjson.loads(response("tradingview_chart.json")))
    assert values[:, 0].tolist() == [77119.5, 77868.5, 76361.0, 77859.0, 2848.58634312, 219856350.0]
    assert len(ticks) == 8


def test_an_empty_chart(response):
    ticks, values = read_page(result_of(200, response("chart_no_data_2026-08-04.json")))
    assert not len(ticks) and values.shape == (6, 0)


def test_gone_instruments(response, exchange_at):
    bodies = [response("chart_instrument_not_found_2026-08-04.json")]
    bodies += [orjson.dumps(one) for one in orjson.loads(response("errors_2024-01_testnet.json"))]
    for body in bodies:
        with pytest.raises(AttemptFailed) as caught:
            result_of(400, body)
        assert (caught.value.exception_class, caught.value.retryable, caught.value.code) == (
            InstrumentNotFound,
            False,
            -32602,
        )
    with (
        serving(reply(400, bodies[0])) as (url, _),
        pytest.raises(InstrumentNotFound, match="BTC-PERPETUAL.*not found"),
    ):
        exchange_at(url).funding("BTC-PERPETUAL", 0, HOUR)


def test_funding(response):
    rows = orjson.loads(response("funding_rate_history.json"))
    start, end = rows[0]["timestamp"] - HOUR, rows[-1]["timestamp"]
    got = collect_funding(lambda method, params, read: read(rows), "BTC-PERPETUAL", start, end)
    assert got.timestamp.tolist() == [row["timestamp"] for row in rows]
    assert not len(got.missing(start, end)) and got.requests == 1
    assert got.prev_index_price[1:].tolist() == got.index_price[:-1].tolist()


def test_half_a_year_of_funding_through_an_exchange_that_sends_744_rows(recorded):
    """The recording has a hole at each page edge of the client that made it; ours must find exactly those, no more."""
    rows = orjson.loads(recorded("funding_btc_perpetual.json").read_bytes())["rows"]
    asked = []

    def ask(method, params, read):
        asked.append(params)
        window = [row for row in rows if params["start_timestamp"] < row["timestamp"] <= params["end_timestamp"]]
        return read(window[-744:])

    start, end = rows[0]["timestamp"] - HOUR, rows[-1]["timestamp"]
    got = collect_funding(ask, "BTC-PERPETUAL", start, end)
    assert len(got.timestamp) == 4_411
    assert got.interest_1h.sum() == pytest.approx(0.03615633060544346, rel=1e-12)
    holes = got.missing(start, end)
    assert len(holes) == 5 and set(np.diff(holes)) == {745 * HOUR}
    assert len(asked) == 6 + 5


def test_recorded_candles_land_on_their_minutes(recorded):
    with recorded("candles_1m.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["instrument_name"] == "BTC-PERPETUAL"]
    held = {int(row["tick_ms"]): [float(row[name]) for name in CHART_COLUMNS] for row in rows}

    def ask(method, params, read):
        ticks = sorted(tick for tick in held if params["start_timestamp"] <= tick <= params["end_timestamp"])[-5_001:]
        columns = {name: [held[tick][at] for tick in ticks] for at, name in enumerate(CHART_COLUMNS)}
        return read({"status": "ok" if ticks else "no_data", "ticks": ticks} | columns)

    start, end = min(held), max(held) + MINUTE
    got = collect(ask, "BTC-PERPETUAL", start, end)
    assert int(got.present.sum()) == len(held) > 0
    assert len(got.missing) == len(got.present) - len(held)
    for tick, values in held.items():
        at = (tick - start) // MINUTE
        assert [getattr(got, name)[at] for name in CHART_COLUMNS] == values
