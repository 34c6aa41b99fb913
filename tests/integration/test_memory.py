"""A list of all options there ever were, through client and store, and what the task needs for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pytest_httpserver import HTTPServer

from ..conftest import ROOT

ROWS = 50_000  # a third of what had expired of BTC by 2026, and a third of the 90 MB it takes
MOST_MB = 100  # a third of what a task of 500 MB has left once Airflow is loaded; 150,000 rows were 210 MB, once 850

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
    print(peak())
    told = deribit.instruments("BTC", "option", expired=True, host="history")
    for changes in (len(told.instruments), 0):  # the next day's reading tells the same
        with connection.transaction():
            assert catalogue.store_instruments(connection, map(catalogue_row, told.instruments)) == (changes, 0)
print(peak())
"""


@pytest.fixture
def archive():
    """An exchange whose history host lists ROWS options, each with the fields of today's rows."""
    from datetime import date

    from exchange_simulator.listings import dated_future
    from exchange_simulator.options import OptionChain

    future = dated_future("BTC", date(2025, 6, 27), "month", 1_719_475_200_000)
    body = OptionChain("BTC", future, tuple(range(1000, 1000 + ROWS // 2))).rows_json(future.expires + 1)
    answer = b'{"jsonrpc":"2.0","result":[' + body + b'],"usIn":1,"usOut":2,"usDiff":1,"testnet":false}'
    assert len(answer) > ROWS * 600
    server = HTTPServer(host="127.0.0.1", port=0)
    server.expect_request("/api/v2/public/get_instruments").respond_with_data(answer, content_type="application/json")
    server.start()
    yield server.url_for("").rstrip("/")
    server.clear()
    server.stop()


def test_all_options_are_read_and_stored_in_the_memory_of_a_task(archive, market):
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    done = subprocess.run(
        [sys.executable, "-c", TASK, archive, market.dsn()],
        env=environ, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert market.value("SELECT count(*) FROM store.instrument WHERE instrument_type = 'reversed'") == ROWS
    before, most = map(float, done.stdout.split()[-2:])
    assert most - before < MOST_MB
