"""The DAGs, run through `dag.test()` against a simulator and a market database of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from exchange_simulator.market import Market as Source
from exchange_simulator.process import Running, running

from ..conftest import ROOT, Market, connect, fresh_market
from .rehearsal import ms


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest begins first, so that no worker is left with a whole stack when the others have ended."""

    def seconds(item: pytest.Item) -> int:
        found = item.get_closest_marker("timeout")
        return found.args[0] if found else 0

    longest: dict[Path, int] = {}
    for item in items:
        longest[item.path] = max(longest.get(item.path, 0), seconds(item))
    items.sort(key=lambda item: -longest[item.path])  # a file's tests stay together, and in their order


STACKS = {"test_rehearsal_stack.py", "test_stack.py"}
"""Files that start a whole stack. Two cores have room for one beside the soak's, which waits most of the time."""


class TwoStacks(LoadFileScheduling):
    """A file is what a worker takes, and the files of whole stacks are one. pytest-xdist's groups would say so, but are
    not seen with this pytest."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "stacks" if Path(file).name in STACKS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return TwoStacks(config, log) if config.getvalue("dist") == "loadfile" else None


class Pipeline:
    """Runs DAGs as the scheduler would, in this process."""

    def __init__(self, market: Market, exchange: Running, docs: Path):
        from airflow.dag_processing.dagbag import DagBag

        self.market, self.exchange, self.docs = market, exchange, docs
        self.bag = DagBag(str(ROOT / "dags"))
        assert not self.bag.import_errors

    def run(self, dataset: str, after: str = "2026-09-01", **conf) -> str:
        """Runs a dataset's DAG for the data interval that ended last before ``after`` (a date) and returns the run's
        state; what can be validated then is, as the runs do it that its assets start."""
        instant = datetime.fromisoformat(after).replace(tzinfo=UTC)
        state = self.alone(dataset, instant, **conf)
        self.settle()
        return state

    def alone(self, dataset: str, instant: datetime | None, **conf) -> str:
        """Runs a dataset's DAG and nothing that it would start; returns the run's state."""
        return str(self.bag.dags[f"deribit_{dataset}"].test(logical_date=instant, run_conf=conf or None).state)

    def settle(self) -> None:
        """Runs the DAGs of what waited for another dataset and can be validated now, until there is nothing."""
        from deribit_warehouse.datasets import DATASETS
        from deribit_warehouse.warehouse.completion import due

        waiting = {d.name for d in DATASETS if d.references}
        for _ in range(4):
            if not (ready := sorted(waiting & due(self.market.dsn(), DATASETS).keys())):
                return
            for name in ready:
                self.alone(name, None)
        raise AssertionError(f"what waits is never settled: {due(self.market.dsn(), DATASETS)}")


def rows_as_they_lie(rows: Callable[[str], list]) -> dict[str, list]:
    """Every stored row's place and writer: not the same once a row was written again, even as it was.

    rows: runs a statement and returns its rows. Of what has a past: snapshots come beside.
    """
    from deribit_warehouse.datasets import DATASETS

    tables = dict.fromkeys(dataset.table.name for dataset in DATASETS if dataset.table and not dataset.snapshot)
    fingerprint = "SELECT count(*), sum(hashtext(ctid::text || xmin::text)::bigint) FROM store."
    return {table: rows(fingerprint + table) for table in tables}


@pytest.fixture(scope="session")
def stored_dags(airflow_database):
    """Airflow's database with every DAG of the project in it."""
    from airflow.dag_processing import dagbag
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        parsed = dagbag.BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        dagbag.sync_bag_to_db(parsed, bundle.name, bundle.version)


@pytest.fixture
def open_pipeline(monkeypatch, stored_dags, tmp_path):
    """A function that joins a market and an exchange to a Pipeline."""
    from airflow.models.dagbag import DBDagBag

    # dag.test() would store all DAGs anew before each of hundreds of runs, and read one for each of their tasks
    monkeypatch.setattr("airflow.dag_processing.dagbag.BundleDagBag", lambda **_: None)
    monkeypatch.setattr("airflow.dag_processing.dagbag.sync_bag_to_db", lambda *_: None)
    stored = DBDagBag()
    monkeypatch.setattr("airflow.models.dagbag.DBDagBag", lambda **how: DBDagBag(**how) if how else stored)

    def join(market: Market, exchange: Running) -> Pipeline:
        connect(monkeypatch, exchange, market)
        monkeypatch.setenv("DERIBIT_REQUESTS_PER_SECOND", "900")
        monkeypatch.setenv("DERIBIT_LIVE_SHARE", "0")
        monkeypatch.setenv("DERIBIT_CATALOGUE_REQUESTS_PER_SECOND", "20")
        monkeypatch.setenv("DERIBIT_DATA_DOCS_DIR", str(tmp_path / "data_docs"))
        monkeypatch.setenv("DERIBIT_WAIT_HOURS", "0")
        # a test never waits for a retry, nor for the end of the minute that it happens to run in
        from deribit_warehouse.pipeline import dag_defaults

        monkeypatch.setitem(dag_defaults.DEFAULT_ARGS, "retries", 0)
        # nor does it run on with less of the processor: a test's tasks have its own process
        monkeypatch.setitem(dag_defaults.DEFAULT_ARGS, "on_execute_callback", None)
        monkeypatch.setattr("deribit_warehouse.pipeline.interval.EARLY", timedelta(0))
        return Pipeline(market, exchange, tmp_path / "data_docs")

    return join


UNHURRIED = ("--requests-per-second", "1000", "--burst", "1000")
"""Arguments of a simulator without its limit: waiting for it would take half of a test."""

AFTER = "2018-11-01"
"""A run after this is October 2018's: BTC alone, its perpetual and a handful of futures."""


@pytest.fixture
def pipeline(open_pipeline, market, young_exchange, monkeypatch):
    """BTC alone in a market database of the test's own, from an exchange in its first year, without faults after."""
    monkeypatch.setenv("DERIBIT_CURRENCIES", "BTC")
    pipeline = open_pipeline(market, young_exchange)
    yield pipeline
    young_exchange.faults()


@pytest.fixture(scope="session")
def replayed_exchange(recorded):
    """The simulator replaying the recorded data, at the end of the last recorded month."""
    with running("--replay", str(recorded), "--now", "2026-03-01T00:00:00", *UNHURRIED) as exchange:
        yield exchange


SIMULATED_NOW, YOUNG_NOW = "2026-11-22T12:00:00", "2019-07-02T00:00:00"


@pytest.fixture(scope="session")
def simulated_exchange():
    """The simulator of the whole market."""
    with running("--now", SIMULATED_NOW, *UNHURRIED) as exchange:
        yield exchange


@pytest.fixture(scope="session")
def young_exchange():
    """The simulator in its first year: the same prices, and a catalogue that is read at once."""
    with running("--now", YOUNG_NOW, *UNHURRIED) as exchange:
        yield exchange


@pytest.fixture(scope="session")
def simulated_source() -> Source:
    """The market of `simulated_exchange` in this process: what it says."""
    return Source(now_ms=ms(SIMULATED_NOW))


@pytest.fixture(scope="session")
def young_source() -> Source:
    """The market of `young_exchange` in this process: what it says."""
    return Source(now_ms=ms(YOUNG_NOW))


LINEAR_NOW, LINEAR_SINCE, LINEAR_WORLD = "2026-10-05T12:00:00", "2026-09-21T00:00:00", "linear_world=true"


@pytest.fixture(scope="session")
def linear_exchange():
    """The simulator with USDC-settled contracts of sixty coins, every oddity among them."""
    with running("--now", LINEAR_NOW, "--from", LINEAR_SINCE, "--trait", LINEAR_WORLD, *UNHURRIED) as exchange:
        yield exchange


__all__ = ["fresh_market", "json"]
