"""A blocked validation: the run is red and says why, what was published stays, what was pending is pending again."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import psycopg
import pytest

from .conftest import AFTER
from .rehearsal import slow

DERIVED = ("index_prices", "basis_spread", "roll_calendar")


@pytest.fixture
def strict(monkeypatch, tmp_path):
    """A function that adds a rule that no row keeps to the suites of the derived datasets, or takes it away again."""
    from deribit_warehouse import settings

    reviewed, folder = settings.EXPECTATIONS, tmp_path / "expectations"
    shutil.copytree(reviewed, folder)
    for dataset in DERIVED:
        suite = json.loads((reviewed / f"{dataset}.json").read_text())
        suite["expectations"].append({
            "type": "expect_column_values_to_be_between", "severity": "critical", "description": "Nothing is good",
            "kwargs": {"column": "rows_expected", "max_value": -1},
            "meta": {"rule": "nothing-is-good", "why": "A test's."},
        })  # fmt: skip
        (folder / f"{dataset}.json").write_text(json.dumps(suite))
    return lambda on: monkeypatch.setattr(settings, "EXPECTATIONS", folder if on else reviewed)


def shown(market, view: str) -> tuple:
    return market.rows(f"SELECT count(*), sum(hashtext(v::text)::bigint) FROM {view} AS v")[0]


def pending(market) -> dict[str, int]:
    from deribit_warehouse.datasets import DATASETS
    from deribit_warehouse.warehouse.completion import due, pending

    days = Counter(due(market.dsn(), DATASETS))
    for row in pending(market.dsn()):
        days[row["dataset"]] += row["days"] * row["blocked"]
    return dict(+days)


def told(market, dataset: str) -> list[str]:
    """Why the DAG's newest validations say it was blocked, as its one message has it."""
    from deribit_warehouse.warehouse.validations import run_report_rows

    dag_id = f"deribit_{dataset}"
    [[run_id]] = market.rows("SELECT run_id FROM validations WHERE dag_id = %s ORDER BY 1 DESC LIMIT 1", dag_id)
    with psycopg.connect(market.dsn()) as connection:
        return run_report_rows(connection, dag_id, run_id)["blocked"]


@slow
def test_a_blocked_gate_changes_nothing_that_is_published(pipeline, market, young_exchange, strict):
    assert pipeline.run("instruments", AFTER) == "success"
    bad = {"kind": "negative_price", "instrument": "BTC-PERPETUAL", "from": "2018-10-03", "to": "2018-10-08"}

    # blocked the first time: nothing of the month is there
    young_exchange.faults(bad)
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "failed"
    assert shown(market, "perpetuals_ohlcv")[0] == 0
    [why] = told(market, "perpetuals_ohlcv")
    assert "5 of 31 rows" in why and "prices-positive" in why
    assert market.value("SELECT count(DISTINCT day) FROM quarantined") == 5

    # good: all of it is
    young_exchange.faults()
    for dag in ("perpetuals_ohlcv", "futures_ohlcv", "funding_rates"):
        assert pipeline.run(dag, AFTER) == "success"
    good = shown(market, "perpetuals_ohlcv")
    assert good[0] == 31 * 1440 and market.rows("SELECT * FROM quarantined") == []

    # blocked again: what is there stays, value for value
    young_exchange.faults(bad)
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "failed"
    assert shown(market, "perpetuals_ohlcv") == good
    assert told(market, "perpetuals_ohlcv")
    young_exchange.faults()
    assert pipeline.run("perpetuals_ohlcv", AFTER) == "success"
    assert shown(market, "perpetuals_ohlcv")[0] == good[0]

    # the derived: blocked the first time they are pending again, with nothing shown
    before = pending(market)
    assert before.keys() == set(DERIVED)
    strict(True)
    for dag in DERIVED:
        assert pipeline.run(dag, AFTER) == "failed"
        assert shown(market, dag)[0] == 0
        [why] = told(market, dag)
        assert "nothing-is-good" in why
        assert market.value("SELECT outcome FROM validations WHERE dataset = %s", dag) == "blocked"
    assert pending(market) == before

    strict(False)
    for dag in DERIVED:
        assert pipeline.run(dag, AFTER) == "success"
    assert pending(market) == {} and market.rows("SELECT * FROM quarantined") == []
    good = {dag: shown(market, dag) for dag in DERIVED}
    assert all(rows for rows, _ in good.values())

    # computed again by hand and blocked: what is published stays
    strict(True)
    for dag in DERIVED:
        assert pipeline.run(dag, AFTER, **{"from": "2018-10-01", "to": "2018-11-01"}) == "failed"
        assert shown(market, dag) == good[dag]
    assert pending(market) == {}
