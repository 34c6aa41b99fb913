"""Runs somebody starts by hand, from the UI's form or the API: without a logical date, with a range or without."""

from .conftest import AFTER


def by_hand(pipeline, dataset: str, **conf) -> str:
    return str(pipeline.bag.dags[f"deribit_{dataset}"].test(logical_date=None, run_conf=conf).state)


def test_a_range_is_loaded_and_published_and_without_one_what_waits_is(pipeline, market):
    assert pipeline.run("instruments", AFTER) == "success"
    assert by_hand(pipeline, "futures_ohlcv", **{"from": "2018-10-05", "to": "2018-10-07"}) == "success"
    assert market.value("SELECT count(*) FROM futures_ohlcv") == 0, "the perpetual was never asked for"
    assert by_hand(pipeline, "futures_ohlcv") == "success"
    assert market.value("SELECT count(*) FROM futures_ohlcv") == 0
    assert set(market.rows("SELECT waits_for FROM pending")) == {("perpetuals_ohlcv of BTC-PERPETUAL",)}
    for dag_id in ("perpetuals_ohlcv", "futures_ohlcv"):
        assert by_hand(pipeline, dag_id, **{"from": "2018-10-05", "to": "2018-10-07"}) == "success"
        published = f"SELECT min(ts)::date::text, max(ts)::date::text FROM {dag_id}"
        assert market.rows(published) == [("2018-10-05", "2018-10-06")]
    assert by_hand(pipeline, "basis_spread", **{"from": "2018-10-06"}) == "success"
    assert market.rows("SELECT min(day)::text, max(day)::text FROM store.basis_day") == [("2018-10-06", "2018-10-06")]

    loads = market.value("SELECT count(*) FROM store.ingestion")
    assert by_hand(pipeline, "perpetuals_ohlcv") == "success"
    assert market.value("SELECT count(*) FROM store.ingestion") == loads
