"""Where the exchange is asked: scheme, host and port of a connection. Anything else is refused and never shown."""

from __future__ import annotations

import json

import pytest

from deribit_warehouse.pipeline.connections import base_url
from deribit_warehouse.settings import SettingsError

SECRET = "hunter2secret"


@pytest.fixture
def url_of(monkeypatch):
    """The base URL of a connection, given as fields or as Airflow's URI."""

    def make(uri: str | None = None, **fields) -> str:
        text = uri or json.dumps({"conn_type": "http"} | fields)
        monkeypatch.setenv("AIRFLOW_CONN_DERIBIT_LIVE", text)
        return base_url("deribit_live")

    return make


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "https://www.deribit.com"}, "https://www.deribit.com"),
        ({"host": "https://www.deribit.com/"}, "https://www.deribit.com"),
        ({"host": "www.deribit.com"}, "https://www.deribit.com"),
        ({"host": "WWW.Deribit.COM", "extra": {}}, "https://www.deribit.com"),
        ({"host": "www.deribit.com", "schema": "https", "port": 443}, "https://www.deribit.com:443"),
        ({"host": "https://www.deribit.com:8443"}, "https://www.deribit.com:8443"),
        ({"host": "https://www.deribit.com:8443", "port": 8443}, "https://www.deribit.com:8443"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8765}, "http://127.0.0.1:8765"),
        ({"host": "http://simulator:8765"}, "http://simulator:8765"),
        ({"host": "my_simulator", "schema": "HTTP"}, "http://my_simulator"),
        ({"host": "::1", "schema": "http", "port": 8765}, "http://[::1]:8765"),
        ({"host": "[::1]", "schema": "http", "port": 8765}, "http://[::1]:8765"),
        ({"host": "http://[2001:db8::1]:8765"}, "http://[2001:db8::1]:8765"),
        ({"uri": "https://www.deribit.com"}, "https://www.deribit.com"),
        ({"uri": "https://[::1]:8765"}, "https://[::1]:8765"),
    ],
)
def test_scheme_host_and_port_make_the_url(url_of, fields, url):
    assert url_of(**fields) == url


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"host": f"https://operator:{SECRET}@www.deribit.com"}, "holds a login"),
        ({"host": f"https://{SECRET}@www.deribit.com"}, "holds a login"),
        ({"host": f"operator:{SECRET}@www.deribit.com"}, "holds a login"),
        ({"host": "www.deribit.com", "login": SECRET}, "holds a login"),
        ({"host": "www.deribit.com", "password": SECRET}, "holds a login"),
        ({"uri": f"https://operator:{SECRET}@www.deribit.com"}, "holds a login"),
        ({"host": f"https://www.deribit.com/{SECRET}"}, "holds a path"),
        ({"host": f"www.deribit.com/{SECRET}"}, "holds a path"),
        ({"host": "www.deribit.com", "schema": SECRET}, "holds a path"),
        ({"host": f"https://www.deribit.com?key={SECRET}"}, "holds a query"),
        ({"host": f"https://www.deribit.com#{SECRET}"}, "holds a fragment"),
        ({"host": "https://www.deribit.com#"}, "holds a fragment"),
        ({"host": "www.deribit.com", "extra": {"Authorization": SECRET}}, "holds extras"),
        ({"host": "www.deribit.com", "extra": SECRET}, "holds extras"),
        (
            {"host": f"https://a:{SECRET}@www.deribit.com/x?y#z", "extra": {"a": 1}},
            "a login and a path and a query and",
        ),
        ({"host": f"https://www.deribit.com:{SECRET}"}, "can't be read"),
        ({"host": "https://www.deribit.com:99999"}, "can't be read"),
        ({"host": f"https://[::1{SECRET}"}, "can't be read"),
        ({"host": "https://[fe80::1%25eth0]"}, "can't be read"),
        ({"host": f"www.deribit.com\\{SECRET}"}, "can't be read"),
        ({"host": f"www.deri\nbit.com{SECRET}"}, "can't be read"),
        ({"host": "www.deribit.com evil"}, "can't be read"),
        ({"host": ".deribit.com"}, "can't be read"),
        ({"host": "https://"}, "no host"),
        ({"host": ""}, "no host"),
        ({}, "no host"),
        ({"host": "ftp://www.deribit.com"}, "neither http nor https"),
        ({"host": "http://www.deribit.com", "schema": "https"}, "or two of them"),
        ({"host": "https://www.deribit.com:443", "port": 8443}, "two different ports"),
        ({"host": "www.deribit.com", "port": 99999}, "a port that is none"),
        ({"host": "https://www.deribit.com:0"}, "a port that is none"),
    ],
)
def test_anything_else_is_refused_and_not_shown(url_of, fields, why):
    with pytest.raises(SettingsError, match=why) as caught:
        url_of(**fields)
    told = str(caught.value)
    assert told.startswith("the connection deribit_live ") and "scheme, host and port only" in told
    failure: BaseException | None = caught.value
    while failure:  # a task's log shows what led to an error, too
        assert SECRET not in str(failure)
        failure = failure.__cause__
