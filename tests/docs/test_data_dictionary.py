"""The data dictionary describes the database as it is, and its examples run as the user who reads it."""

import re
from pathlib import Path

import psycopg
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"
SHORT = {"double precision": "float8", "timestamp with time zone": "timestamptz"}

COLUMNS = """
    SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
           array_agg(a.attname::text ORDER BY a.attnum),
           array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = 'public' AND c.relkind IN ('v', 'r', 'm')
      AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1"""
FUNCTIONS = """
    SELECT p.proname, p.proargnames::text[], p.proargmodes::text[], p.pronargs, t.typname,
           (SELECT array_agg(format_type(x.type, NULL) ORDER BY x.n)
            FROM unnest(p.proallargtypes) WITH ORDINALITY AS x(type, n))
    FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype WHERE p.pronamespace = 'public'::regnamespace"""


def sections() -> dict[str, str]:
    """The text under every `### ` heading, by heading."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    texts = (re.split(r"^## ", text, flags=re.MULTILINE)[0] for text in parts[1::2])
    return dict(zip(parts[::2], texts, strict=True))


def described(text: str) -> list[tuple[str, str]]:
    """Columns and types of a section's table."""
    return re.findall(r"^\| `(\w+)` \| ([\w\[\]]+) \|", text, re.MULTILINE)


def examples() -> list[str]:
    return re.findall(r"^```sql\n(.+?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def typed(names, types) -> list[tuple[str, str]]:
    return [(name, SHORT.get(kind, kind)) for name, kind in zip(names, types, strict=True)]


def test_every_view_and_column_is_described_and_no_other(filled_market):
    written = {}
    for heading, text in sections().items():
        for name in re.findall(r"`([\w.]+)`", heading):
            written[name] = described(text)
    there = {name: typed(columns, types) for name, columns, types in filled_market.rows(COLUMNS)}
    assert set(written) == set(there)
    for name, columns in there.items():
        assert written[name] == columns, name


def test_every_function_is_described_with_what_it_returns(filled_market):
    written = {}
    for heading, text in sections().items():
        if found := re.fullmatch(r"`(\w+)\((.+)\)`", heading):
            rows_of = re.search(r"^Rows of `(\w+)`", text, re.MULTILINE)
            written[found[1]] = (found[2].split(", "), rows_of[1] if rows_of else described(text))
    there = {}
    for name, names, modes, number, returned, types in filled_market.rows(FUNCTIONS):
        table = typed(names[number:], types[number:]) if modes and "t" in modes else None
        there[name] = (names[:number], table or returned)
    assert written == there


@pytest.mark.parametrize("example", examples(), ids=lambda example: re.findall(r"FROM ([\w.]+)", example)[0])
def test_an_example_answers_the_reader_with_rows(filled_market, example):
    with psycopg.connect(filled_market.dsn("market_reader"), options="-c timezone=UTC") as connection:
        assert connection.execute(example).fetchall(), "the example found nothing in a market that has it"


@pytest.mark.parametrize("rule", ["prices-positive", "high-low-bound", "cost-with-volume", "minutes-complete"])
def test_what_is_promised_of_a_candle_is_a_critical_rule(rule):
    """The page promises what these rules hold back; without them it would promise too much."""
    import json

    for dataset in ("perpetuals_ohlcv", "futures_ohlcv"):
        suite = json.loads((PAGE.parents[1] / "expectations" / f"{dataset}.json").read_text())
        severities = {e["meta"]["rule"]: e["severity"] for e in suite["expectations"]}
        assert severities[rule] == "critical"
