"""A list of all options there ever were, through client and store, and what the task needs for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pytest_httpserver import HTTPServer

from ..conftest import ROOT
from .rehearsal import slow

ALL, THEIR_BYTES = 150_000, 90_000_000  # as many as had expired of BTC by 2026, and what the history host sends of them
MOST_MB = 500  # of a task, at its peak
THIRD, MOST_OF_A_THIRD_MB = 50_000, 100  # what they take beyond the process that asks: all of them once took 850

# what read_catalogue does, in a process of its own; says how much memory it had before it asked, and at most
TASK = """
import sys
import psycopg
from deribit_warehouse.exchange import Exchange
from deribit_warehouse.pipeline.read_catalogue import catalogue_row
from deribit_warehouse.warehouse import catalogue

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

url, dsn = sys.argv[1:]
with psycopg.connect(dsn, autocommit=True) as connection, Exchange(url, url, lambda meter: None) as deribit:
    before = peak()
    told = deribit.instruments("BTC", "option", expired=True, host="history")
    for changes in (len(told.instruments), 0):  # the next day's reading tells the same
        with connection.transaction():
            assert catalogue.store_instruments(connection, map(catalogue_row, told.instruments)) == (changes, 0)
print(before, peak())
"""
# a task is forked from the scheduler, which has imported all of this before
OF_A_SCHEDULER = "import deribit_warehouse.preload\n" + TASK


@pytest.fixture
def archive(request):
    """An exchange whose history host lists so many options, each with the fields of today's rows or, where they are
    all, with those of its own: (its URL, how many)."""
    from datetime import date

    from exchange_simulator.listings import dated_future
    from exchange_simulator.options import OptionChain

    rows = request.param
    future = dated_future("BTC", date(2025, 6, 27), "month", 1_719_475_200_000)
    chain, shape = OptionChain("BTC", future, tuple(range(1000, 1000 + rows // 2))), {}
    if rows == ALL:
        shape = {"history": True, "more": {"instrument_type": "reversed", "underlying_type": "crypto"}}
    body = chain.rows_json(future.expires + 1, **shape)
    answer = b'{"jsonrpc":"2.0","result":[' + body + b'],"usIn":1,"usOut":2,"usDiff":1,"testnet":false}'
    assert len(answer) >= THEIR_BYTES * rows / ALL
    server = HTTPServer(host="127.0.0.1", port=0)
    server.expect_request("/api/v2/public/get_instruments").respond_with_data(answer, content_type="application/json")
    server.start()
    yield server.url_for("").rstrip("/"), rows
    server.clear()
    server.stop()


def run(task: str, archive: tuple[str, int], market) -> tuple[float, float]:
    """Runs the task, which stores the whole archive: what its process took before it asked, and at most, in MB."""
    url, rows = archive
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    done = subprocess.run(
        [sys.executable, "-c", task, url, market.dsn()], env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert market.value("SELECT count(*) FROM store.instrument WHERE instrument_type = 'reversed'") == rows
    before, most = map(float, done.stdout.split()[-2:])
    return before, most


@pytest.mark.parametrize("archive", [THIRD], indirect=True)
def test_options_are_read_and_stored_in_little_more_than_they_are_sent_in(archive, market):
    before, most = run(TASK, archive, market)
    assert most - before < MOST_OF_A_THIRD_MB


@slow
@pytest.mark.parametrize("archive", [ALL], indirect=True)
def test_all_options_are_read_and_stored_in_the_memory_of_a_task(archive, market):
    before, most = run(OF_A_SCHEDULER, archive, market)
    assert most < MOST_MB
    assert most - before < ALL / THIRD * MOST_OF_A_THIRD_MB
