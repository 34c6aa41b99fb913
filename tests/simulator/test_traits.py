"""The exchange as it really is, trait by trait; and each trait by itself."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
import pytest

from exchange_simulator import __main__ as command
from exchange_simulator import linear as linear_world
from exchange_simulator.app import Simulator
from exchange_simulator.limits import Limits
from exchange_simulator.listings import DAY, HOUR, MINUTE
from exchange_simulator.market import Market
from exchange_simulator.protocol import Exchange
from exchange_simulator.traits import Traits, table

NOW = 1_793_577_600_000  # 2026-11-02
REAL = Market(now_ms=NOW, traits=Traits.real())
ODDITIES = REAL.traits.linear_oddities
DELISTED, DIED = ODDITIES + linear_world.DELISTED, ODDITIES + linear_world.DIED
FIRST_LIFE_ENDED = ODDITIES + linear_world.FIRST_LIFE_ENDED
SECOND_LIFE_BEGAN = ODDITIES + linear_world.SECOND_LIFE_BEGAN


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def served(host_of):
    """The live and the history host of an exchange that has some traits."""

    def serve(*wanted: str, real: bool = False, source: Market | None = None):
        traits = (Traits.real() if real else Traits()).changed(wanted)
        simulator = Simulator(Exchange(source or Market(("BTC",), NOW, traits=traits)), Limits(1e6, 1e6, 1e-6, 1e6))
        return host_of(simulator.app()), host_of(simulator.app(history=True))

    return serve


# -- the table of traits ---------------------------------------------------------------------------------------------


def test_every_trait_says_what_is_known_or_invented_of_it():
    for trait in fields(Traits):
        assert trait.metadata["known"] or trait.metadata["invented"], trait.name
        assert trait.name in table()
        assert type(trait.metadata["real"]) is type(trait.default), trait.name


def test_one_trait_can_be_set_and_a_wrong_one_is_a_sentence(capsys):
    assert Traits().changed(["funding_rows=500", "crashes=on"]) == Traits(funding_rows=500, crashes=True)
    assert Traits().changed(["funding_begins=2019-05-01"]).funding_begins == ms("2019-05-01")
    for wrong in ("funding_row=1", "funding_rows", "funding_rows=many", "crashes=perhaps", "chart_window=half"):
        with pytest.raises(ValueError, match="trait"):
            Traits().changed([wrong])
    assert command.main(["--port", "0", "--history-port", "0", "--trait", "crashes=perhaps"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# -- the market ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "ratio"), [("2019-10-25", 1.43), ("2019-10-31", 1.18), ("2020-03-12", 2.07), ("2021-05-19", 1.43)]
)
def test_the_wild_days_are_as_wide_as_they_were(day, ratio):
    candles = REAL.candles("BTC-PERPETUAL", ms(f"{day}T08:00"), ms(f"{day}T08:00") + DAY - MINUTE)
    assert candles["ticks"].size == 1440
    assert candles["high"].max() / candles["low"].min() == pytest.approx(ratio, rel=0.04)
    if day != "2019-10-25":
        assert 0.135 < np.abs(candles["close"] / candles["open"] - 1).max() < 0.17


def test_the_wide_market_is_the_easy_one_outside_of_its_episodes():
    easy, names = Market(now_ms=NOW), ("BTC-PERPETUAL", "ETH-PERPETUAL")
    for name in names:
        here, there = (one.candles(name, ms("2023-03-01"), ms("2023-03-02")) for one in (easy, REAL))
        for column in here:
            np.testing.assert_array_equal(here[column], there[column])


def futures(month: str, days: int = 30):
    begins = ms(month)
    for listing in REAL.listings():
        dated = not listing.perpetual and not listing.linear
        if dated and listing.listed < begins + days * DAY < NOW + DAY and listing.expires > begins:
            yield REAL.candles(listing, begins, begins + days * DAY - MINUTE)


def outside(candles: dict) -> np.ndarray:
    """How far cost / volume is outside [low, high], of the traded minutes."""
    traded = candles["volume"] > 0
    average = candles["cost"][traded] / candles["volume"][traded]
    return np.maximum(np.maximum(candles["low"][traded] / average - 1, average / candles["high"][traded] - 1), 0)


def test_legs_are_in_volume_and_cost_and_not_in_the_prices():
    easy = np.concatenate([outside(candles) for candles in futures("2026-09-01")])
    assert 0.003 < (easy > 2e-4).mean() < 0.015 and 0.002 < easy.max() < 0.01
    wild = np.concatenate([outside(candles) for candles in futures("2020-03-01")])
    assert 0.1 < wild.max() < 0.2


def test_futures_are_mostly_fill():
    untraded = np.concatenate([candles["volume"] == 0 for candles in futures("2026-09-01")])
    assert 0.66 < untraded.mean() < 0.76


def test_the_first_candle_comes_with_the_first_trade():
    dated = [one for one in REAL.listings() if not one.perpetual and not one.linear and one.listed > ms("2019-04-01")]
    waits = np.array([one.waits for one in dated])
    assert 10 < np.median(waits) < 22 and 90 < np.quantile(waits, 0.9) < 200 and waits.max() == 544
    assert {datetime.fromtimestamp(one.listed / 1000, UTC).hour for one in dated} >= {8, 12, 15}
    assert any(one.first_minute // 1440 > one.listed // DAY for one in dated), "one of them after midnight"
    for one in dated[::50]:
        assert REAL.candles(one, one.listed - HOUR, one.listed + DAY)["ticks"][0] == one.first_minute * MINUTE


def test_the_perpetual_has_no_hole_in_any_outage_but_funding_has_one():
    for day in ("2019-05-12", "2019-10-31", "2020-08-27", "2020-11-26"):
        assert REAL.candles("BTC-PERPETUAL", ms(day), ms(day) + DAY - MINUTE)["ticks"].size == 1440
    hours = REAL.funding("BTC-PERPETUAL", ms("2020-08-26"), ms("2020-08-28"))["timestamp"]
    assert sorted(set(range(ms("2020-08-26T01:00"), ms("2020-08-28") + 1, HOUR)) - set(hours.tolist())) == list(
        range(ms("2020-08-27T01:00"), ms("2020-08-27T08:00") + 1, HOUR)
    )


def test_eight_hours_at_the_cap_may_be_more_than_half_a_per_cent():
    rows = REAL.funding("BTC-PERPETUAL", ms("2020-03-13"), ms("2020-03-13T12:00"))
    assert rows["interest_1h"][:8].sum() == pytest.approx(-0.00493)
    assert -0.01 < rows["interest_8h"].min() < -0.005


def test_the_tick_was_another_one():
    then = REAL.candles("BTC-PERPETUAL", ms("2019-04-01"), ms("2019-04-02"))["close"]
    today = REAL.candles("BTC-PERPETUAL", ms("2019-07-01"), ms("2019-07-02"))["close"]
    assert (then * 4 % 1 == 0).all() and (then * 2 % 1 != 0).any() and (today * 2 % 1 == 0).all()


# -- the linear world ------------------------------------------------------------------------------------------------


def test_the_linear_world_has_sixty_perpetuals_and_thirty_dated_futures_at_all_prices():
    linear = [one for one in REAL.listings() if one.linear]
    perpetuals = {one.name for one in linear if one.perpetual}
    assert 60 <= len(perpetuals) <= 65 and 30 <= len(linear) - len(perpetuals) <= 40
    assert len({one.number for one in REAL.listings()}) == len(REAL.listings())
    alive = [one for one in linear if one.ends > NOW and not one.opening]
    last = {one: float(REAL.candles(one, NOW - DAY, NOW)["close"][-1]) for one in alive}
    assert min(last.values()) < 2e-5 and max(last.values()) > 4000
    for listing, price in last.items():
        assert abs(price / listing.tick - round(price / listing.tick)) < 1e-6
        assert float(REAL.index(listing.priced_as, NOW)[0]) == pytest.approx(price, rel=0.06)


def test_what_ends_ends_in_candles_and_funding_and_the_chart_goes_on_flat(served):
    live, _ = served(source=REAL)
    for name, end in (("ALGO_USDC-PERPETUAL", DELISTED), ("ICP_USDC-PERPETUAL", DIED)):
        assert REAL.candles(name, end - HOUR, NOW)["ticks"][-1] == end - MINUTE
        assert REAL.funding(name, end - DAY, NOW)["timestamp"][-1] == end // HOUR * HOUR
        chart = live.chart(name, end - MINUTE, end + DAY)
        assert len(chart["ticks"]) == 1442 and set(chart["volume"][1:]) == {0.0} and len(set(chart["close"])) == 1
        assert live.funding(name, end, NOW) == []
    listed = {row["instrument_name"]: row for row in live.get("get_instruments", currency="USDC", kind="future")}
    assert "ALGO_USDC-PERPETUAL" not in listed and listed["ICP_USDC-PERPETUAL"]["state"] == "open"


def test_a_name_listed_again_is_another_instrument_and_each_has_its_own_time(served):
    live, history = served(source=REAL)
    name = "LUNA_USDC-PERPETUAL"
    first, second = REAL.listings_of(name)
    assert first.expires == FIRST_LIFE_ENDED < SECOND_LIFE_BEGAN == second.listed
    [gone] = [row for row in history.get("get_instruments", currency="USDC", expired="true")
              if row["instrument_name"] == name]  # fmt: skip
    [here] = [row for row in live.get("get_instruments", currency="USDC") if row["instrument_name"] == name]
    assert gone["instrument_id"] == first.number != here["instrument_id"] == second.number
    chart = live.chart(name, FIRST_LIFE_ENDED - 2 * MINUTE, FIRST_LIFE_ENDED + MINUTE)
    assert chart["ticks"] == [FIRST_LIFE_ENDED + MINUTE * step for step in (-2, -1, 0, 1)]
    across = live.chart(name, SECOND_LIFE_BEGAN - 2 * MINUTE, SECOND_LIFE_BEGAN + 2 * MINUTE)
    assert np.diff(across["ticks"]).tolist() == [MINUTE] * (len(across["ticks"]) - 1)
    hours = [row["timestamp"] for row in live.funding(name, FIRST_LIFE_ENDED - DAY, SECOND_LIFE_BEGAN + DAY)]
    assert max(np.diff(hours)) > 12 * HOUR


def test_the_other_oddities(served):
    assert REAL.listing("XAUT_USDC-PERPETUAL").index_name == REAL.listing("PAXG_USDC-PERPETUAL").index_name
    assert REAL.candles("SOL_USDC-25SEP26", 0, NOW)["ticks"][-1] % DAY == 8 * HOUR - MINUTE
    assert REAL.listing("SOL_USDC-25SEP26").expires % MINUTE == 30_000
    assert REAL.listing("POL_USDC-25DEC26") and not REAL.listing("POL_USDC-PERPETUAL")
    week = REAL.candles("TSLAX_USDC-PERPETUAL", NOW - 7 * DAY, NOW - MINUTE)["ticks"]
    assert week.size == 5 * 390 and set(week // MINUTE % 1440) == set(range(810, 1200))
    live, history = served(source=REAL)
    assert live.get("get_instruments", currency="USDT", kind="future") == []
    assert len(history.get("get_instruments", currency="USDT", kind="future", expired="true")) == 2
    assert {row["kind"] for row in live.get("get_instruments", currency="EURR")} == {"spot"}
    assert live.get("get_index_price", index_name="pepe_usdc")["index_price"] < 2e-5
    extreme = REAL.funding("TRUMP_USDC-PERPETUAL", ms("2026-09-02"), ms("2026-10-01"))
    assert 0.011 < extreme["interest_8h"].mean() < 0.013


def test_the_day_of_the_oddities_may_be_another():
    """So that a rehearsal of the months that are the newest when it runs meets them."""
    later = Market(now_ms=ms("2027-08-01"), traits=Traits.real().changed(["linear_oddities=2027-05-24"]))
    ended = {one.name: one.ends for one in later.listings() if one.linear and one.perpetual and one.ends < later.now_ms}
    assert ended == {
        "ALGO_USDC-PERPETUAL": ms("2027-05-24T16:00"),
        "ICP_USDC-PERPETUAL": ms("2027-05-25T13:00"),
        "LUNA_USDC-PERPETUAL": ms("2027-05-24T20:00"),
        "BTC_USDT-PERPETUAL": ms("2027-04-19T08:00"),
        "ETH_USDT-PERPETUAL": ms("2027-04-19T08:00"),
    }
    odd = [one.name for one in later.listings() if not one.perpetual and one.expires % HOUR]
    assert odd == ["SOL_USDC-28MAY27"]
    assert [one.listed for one in later.listings() if one.coin == "POL"] == [ms("2027-05-27T08:00")]
    rates = later.funding("TRUMP_USDC-PERPETUAL", ms("2027-05-02"), ms("2027-06-01"))["interest_8h"]
    assert 0.011 < rates.mean() < 0.013


# -- one trait at a time, as an assumption may turn out ----------------------------------------------------------------


def test_pages_and_windows(served):
    live, _ = served("chart_rows=100", "funding_rows=50", "chart_window=(]", "funding_window=[]")
    end = NOW // HOUR * HOUR - HOUR
    assert len(live.chart("BTC-PERPETUAL", 0, end)["ticks"]) == 100
    assert live.chart("BTC-PERPETUAL", end - 2 * MINUTE, end)["ticks"] == [end - MINUTE, end]
    assert len(live.funding("BTC-PERPETUAL", 0, end)) == 50
    assert [row["timestamp"] for row in live.funding("BTC-PERPETUAL", end - HOUR, end)] == [end - HOUR, end]


def test_fill_and_ends(served):
    live, _ = served("chart_fill=off")
    assert 0 not in live.chart("BTC-25DEC26", NOW - DAY, NOW)["volume"]
    live, _ = served("fill_after_end=off")
    expires = REAL.listing("BTC-30OCT26").expires
    assert live.chart("BTC-30OCT26", expires, NOW)["status"] == "no_data"


def test_funding_traits(served):
    month = {"instrument_name": "BTC-PERPETUAL", "start_timestamp": NOW - 30 * DAY, "end_timestamp": NOW}
    usual = served()[0].get("get_funding_rate_value", **month)
    weighted = served("value_weighted=off")[0].get("get_funding_rate_value", **month)
    other = served("eight_hours_weighted=off", "funding_begins=2026-10-20T05:00", "first_prev_index_null=off")[0]
    rows = other.funding("BTC-PERPETUAL", NOW - 30 * DAY, NOW)
    assert usual != weighted and weighted == pytest.approx(
        sum(row["interest_1h"] for row in served()[0].funding("BTC-PERPETUAL", NOW - 30 * DAY, NOW)), rel=1e-12
    )
    assert rows[0]["timestamp"] == ms("2026-10-20T05:00") and rows[0]["prev_index_price"] is not None
    first = served("prev_index_as_null=off")[0].funding("BTC-PERPETUAL", ms("2019-04-30T09:00"), ms("2019-04-30T11:00"))
    assert ["prev_index_price" in row for row in first] == [False, True]
    assert rows[20]["interest_8h"] == pytest.approx(sum(row["interest_1h"] for row in rows[13:21]), rel=1e-12)
    assert served("value_window=[)")[0].get("get_funding_rate_value", **month) != usual


def test_rows_of_the_catalogue(served):
    live, history = served("history_lists_open=on", "unknown_fields=on", "combos_and_spot=on", "history_fields=off")
    rows = live.get("get_instruments", currency="BTC")
    assert {row["kind"] for row in rows} == {"future", "option", "spot", "future_combo", "option_combo"}
    assert all(row["listing_stage"] == "regular" for row in rows)
    known = history.get("get_instruments", currency="BTC", kind="option")
    assert 0 < len(known) < len(live.get("get_instruments", currency="BTC", kind="option"))
    assert all("state" in row for row in known)


def test_the_clock_may_be_off(host_of):
    traits = Traits(clock_skew_ms=90_000)
    live = host_of(Simulator(Exchange(Market(("BTC",), traits=traits))).app())
    ours = datetime.now(UTC).timestamp()
    body = live.ask("get_time").json()
    assert 85 < body["result"] / 1000 - ours < 120 and 85 < body["usOut"] / 1e6 - ours < 120


def test_a_proxy_answers_now_and_then_and_maintenance_takes_its_time(served):
    live, _ = served("proxy_pages=0.5")
    answers = [live.ask("get_time") for _ in range(60)]
    pages = [answer for answer in answers if answer.status_code != 200]
    assert {page.status_code for page in pages} == {403, 404, 502, 520} and len(pages) < 60
    assert all("html" in page.headers["content-type"] for page in pages)
    live, _ = served("maintenance_after_s=0.001", "maintenance_s=3600")
    answers = [live.ask("get_time") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [502, 400, 502, 400]
    assert answers[1].json()["error"]["code"] == 11051 and answers[0].content == b""


def test_the_catalogue_may_be_asked_only_so_often(host_of, market):
    limits = Limits(1e6, 1e6, Traits.real().catalogue_seconds, Traits.real().catalogue_burst)
    live = host_of(Simulator(Exchange(market), limits).app())
    statuses = [live.ask("get_instruments", currency="EURR").status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
