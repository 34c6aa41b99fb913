"""What a message says, that it is bounded, and that hostile names and errors stay text."""

import json
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deribit_warehouse.alerts.messages import MAX_LINES, FailedTask, QuarantinedKey, RunReport, Wait, render

BASE = "https://airflow.example.com/desk/"
RUN_ID = "scheduled__2024-03-01T00:00:00+00:00"
RUN_URL = "https://airflow.example.com/desk/dags/futures_ohlcv/runs/scheduled__2024-03-01T00%3A00%3A00%2B00%3A00"
MARCH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))


def report(**parts):
    return RunReport("futures_ohlcv", RUN_ID, MARCH, **parts)


def bad_day(instrument, day, rule="bounds_broken", severity="critical", observed=3):
    return QuarantinedKey(instrument, date(2024, 3, day), rule, severity, observed)


def test_a_wait_says_since_when_for_what_and_that_nothing_has_to_be_done():
    at = datetime(2026, 11, 25, 8, tzinfo=UTC)
    message = render(report(waiting=[Wait("the exchange", at, at + timedelta(hours=12), 9, "HTTP 502")]), BASE)
    assert message.subject == "futures_ohlcv from 2024-03-01: waiting for the exchange since 2026-11-25 08:00 UTC"
    assert "9 tasks waiting for the exchange" in message.text and "nothing has to be done" in message.text
    assert "given up from 2026-11-25 20:00 UTC on" in message.text and "HTTP 502" in message.text
    assert message.payload["counts"]["waiting"] == 9


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links.update(value for name, value in attributes if name == "href")

    def handle_data(self, data):
        self.words.append(data)


def detail_lines(text):
    return [line for line in text.splitlines() if line.startswith("- ") and not line.startswith("- and ")]


def test_it_says_what_failed_which_instruments_which_rule_and_where_to_look():
    message = render(
        report(
            failures=[
                FailedTask("load", 3, "BTC-29MAR24 2024-03", "ExchangeError: HTTP 500"),
                FailedTask("publish", -1, "", "OperationalError: disk full"),
            ],
            blocked=["quarantined 12 of 40 rows, tolerated 5 %"],
            quarantined=[bad_day("ETH-29MAR24", 9), bad_day("ETH-29MAR24", 2), bad_day("ETH-29MAR24", 4)],
            warnings=[bad_day("BTC-29MAR24", 5, "move-usual", "warning", 0.2)],
            notes=["The run took longer than its dagrun_timeout."],
        ),
        BASE,
    )
    assert message.subject == (
        "futures_ohlcv from 2024-03-01: blocked by the gate, 2 tasks failed, "
        "3 days of 1 instrument quarantined by 1 rule, 1 rule warned of 1 day of 1 instrument"
    )
    expected = f"""{message.subject}

Run: {RUN_ID}
Interval: 2024-03-01T00:00:00+00:00 to 2024-04-01T00:00:00+00:00
The run took longer than its dagrun_timeout.

Blocked:
- quarantined 12 of 40 rows, tolerated 5 %

Failed:
- load[3] BTC-29MAR24 2024-03: ExchangeError: HTTP 500
  {RUN_URL}/tasks/load/mapped/3
- publish: OperationalError: disk full
  {RUN_URL}/tasks/publish

Quarantined:
- ETH-29MAR24: bounds_broken (critical) on 2024-03-02 and 2 more to 2024-03-09, observed 3

Warnings:
- BTC-29MAR24: move-usual (warning) on 2024-03-05, observed 0.2

Run: {RUN_URL}
Data docs of the dataset: https://airflow.example.com/desk/deribit-data-docs/dataset/futures_ohlcv
Data docs: https://airflow.example.com/desk/deribit-data-docs/"""
    assert message.text == expected


def test_every_form_carries_the_same_details_and_links():
    message = render(report(failures=[FailedTask("load", 0, "BTC-PERPETUAL", "Timeout: 30 s")]), BASE)
    blocks = json.dumps(message.blocks, ensure_ascii=False)
    page = Tags(message.html)
    for detail in ("load[0] BTC-PERPETUAL: Timeout: 30 s", f"Run: {RUN_ID}", message.subject):
        assert detail in message.text
        assert detail in " ".join(page.words)
        assert detail in blocks
    for link in (RUN_URL, f"{RUN_URL}/tasks/load/mapped/0", "https://airflow.example.com/desk/deribit-data-docs/"):
        assert link in message.text
        assert link in page.links
        assert f"<{link}|" in blocks
    assert message.payload["links"]["run"] == RUN_URL
    assert message.payload["details"] == [
        {
            "kind": "failed",
            "more": 0,
            "lines": [{"text": "load[0] BTC-PERPETUAL: Timeout: 30 s", "log": f"{RUN_URL}/tasks/load/mapped/0"}],
        }
    ]


def test_five_hundred_failed_tasks_make_one_bounded_message():
    failures = [FailedTask("load", index, f"batch {index}", "x" * 10_000) for index in range(500)]
    message = render(report(failures=failures), BASE)
    assert "500 tasks failed" in message.subject
    assert len(detail_lines(message.text)) == MAX_LINES
    assert "- and 470 more" in message.text
    assert message.payload["counts"]["failed"] == 500
    assert message.payload["details"][0]["more"] == 470
    assert len(message.blocks) <= 50
    assert all(len(form) < 30_000 for form in (message.text, message.html, json.dumps(message.payload)))


def test_a_long_section_starves_no_other():
    message = render(
        report(
            failures=[FailedTask("load", index) for index in range(500)],
            blocked=["too many quarantined"],
            quarantined=[bad_day(f"BTC-{index}", 1) for index in range(200)],
        ),
        BASE,
    )
    lines = detail_lines(message.text)
    assert len(lines) == MAX_LINES
    assert "- too many quarantined" in lines
    assert sum("load[" in line for line in lines) >= 14
    [line] = [line for line in lines if "bounds_broken" in line]
    assert "of BTC: 200 days of 200 instruments, such as BTC-0 on 2024-03-01, observed 3; BTC-1" in line


def test_an_instrument_is_named_once_for_each_rule_it_broke():
    days = [bad_day("BTC-PERPETUAL", day) for day in range(1, 32)]
    message = render(report(quarantined=[*days, bad_day("BTC-PERPETUAL", 7, rule="doubled")]), BASE)
    assert detail_lines(message.text) == [
        "- BTC-PERPETUAL: bounds_broken (critical) on 2024-03-01 and 30 more to 2024-03-31, observed 3",
        "- BTC-PERPETUAL: doubled (critical) on 2024-03-07, observed 3",
    ]
    assert "31 days of 1 instrument quarantined by 2 rules" in message.subject
    assert message.payload["counts"]["quarantined"] == 31


def test_hours_are_counted_as_hours():
    hours = [
        QuarantinedKey("BTC-PERPETUAL", date(2024, 3, 1), rule, "critical", ts=MARCH[0] + timedelta(hours=hour))
        for hour in range(5) for rule in ("hours-complete", "index-known")
    ]  # fmt: skip
    message = render(report(quarantined=hours), BASE)
    assert "5 hours of 1 instrument quarantined by 2 rules" in message.subject
    assert "on 2024-03-01 00:00:00+00:00 and 4 more to 2024-03-01 04:00:00+00:00" in message.text


def test_many_warnings_are_grouped_so_that_no_coin_or_rule_fills_the_message():
    """1,279 lines of the first coin used to leave no room for the others."""
    coins = [f"C{n}" for n in range(60)]
    few = [bad_day(f"{coin}_USDC-PERPETUAL", day, "fill-at-previous-close", "warning", 7)
           for coin in coins[:8] for day in range(1, 32)]  # fmt: skip
    message = render(report(warnings=[*few, bad_day("C1_USDC-29MAR24", 3, "move-usual", "warning")]), BASE)
    lines = detail_lines(message.text)
    assert len(lines) == 9
    said = "fill-at-previous-close (warning) on 2024-03-01 and 30 more to 2024-03-31, observed 7"
    assert f"- C7_USDC-PERPETUAL: {said}" in lines
    rules = ("spike-seen", "move-usual", "traded-at-all")
    many = [bad_day(f"{coin}_USDC-PERPETUAL", day, rule, "warning", 7)
            for coin in coins for day in range(1, 4) for rule in rules]  # fmt: skip
    message = render(report(warnings=many), BASE)
    assert message.subject == "futures_ohlcv from 2024-03-01: 3 rules warned of 180 days of 60 instruments"
    lines = detail_lines(message.text)
    assert [line.split(" (")[0] for line in lines] == ["- move-usual", "- spike-seen", "- traded-at-all"]
    assert all("180 days of 60 instruments, such as C0_USDC-PERPETUAL on 2024-03-01" in line for line in lines)


def test_what_was_told_before_is_no_news_and_the_level_says_how_much_it_matters():
    known = QuarantinedKey("A", date(2024, 3, 1), "r", "critical", known=True)
    odd = QuarantinedKey("A", date(2024, 3, 1), "s", "warning")
    assert not report(quarantined=[known]).is_new and report(quarantined=[known], warnings=[odd]).is_new
    assert report(failures=[FailedTask("t")], quarantined=[known]).is_new
    levels = [report(warnings=[odd]), report(warnings=[odd], quarantined=[known]), report(blocked=["b"]), report()]
    assert [one.level for one in levels] == ["notice", "warning", "error", "error"]
    assert render(levels[0], BASE).payload["level"] == "notice"


def test_a_key_without_a_day_or_an_observation():
    message = render(report(quarantined=[QuarantinedKey("BTC-29MAR24", None, "expiry", "critical")]), BASE)
    assert detail_lines(message.text) == ["- BTC-29MAR24: expiry (critical)"]


def test_a_run_without_an_interval_or_a_known_reason_still_makes_a_message():
    message = render(RunReport("report", "manual__x"), "http://localhost:8080")
    assert message.subject == "report: run failed"
    assert "http://localhost:8080/dags/report/runs/manual__x" in message.text


@pytest.mark.parametrize("run_id", ["manual__2024-03-01T00:00:00+02:00", "a/b?c#d e", "Zürich", "../../admin"])
def test_a_run_id_is_one_quoted_step_of_its_link(run_id):
    url = render(RunReport("d", run_id, failures=[FailedTask("t")]), BASE).payload["links"]["run"]
    step = url.removeprefix("https://airflow.example.com/desk/dags/d/runs/")
    assert not set(step) & set("/?#: +")
    assert url.isascii()


@pytest.mark.parametrize("wicked", ["x\r\nBcc: all@example.com", "x\nSubject: y", "a\u2028b", "a\x00b", "\ud800"])
def test_a_subject_is_one_line_that_encodes(wicked):
    message = render(RunReport(wicked, wicked, failures=[FailedTask("t", label=wicked)]), BASE)
    assert len(message.subject.splitlines()) == 1
    assert message.subject.encode().decode() == message.subject
    message.text.encode()


def test_html_and_slack_show_markup_as_text():
    wicked = '<script>alert(1)</script><!channel> & "<http://evil.example|log>'
    message = render(
        report(failures=[FailedTask("load", 0, wicked, "e")], quarantined=[bad_day(wicked, 1)], notes=[wicked]), BASE
    )
    page = Tags(message.html)
    assert page.tags <= {"h2", "h3", "p", "ul", "li", "a"}
    assert all(link.startswith("https://airflow.example.com/desk/") for link in page.links)
    assert any("<!channel>" in words for words in page.words)
    for block in message.blocks[1:]:
        assert "<!channel>" not in block["text"]["text"]
        assert "<http://evil" not in block["text"]["text"]
        assert block["text"]["verbatim"] is True
    assert "&lt;!channel&gt; &amp;" in json.dumps(message.blocks)


hostile = st.text(alphabet=st.characters(), max_size=400)
failures = st.builds(FailedTask, hostile, st.integers(-1, 2000), hostile, hostile)
moments = st.datetimes(datetime(2018, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
keys = st.builds(
    QuarantinedKey,
    hostile,
    st.none() | st.dates() | moments,
    hostile,
    st.sampled_from(["critical", "warning"]),
    st.none() | st.floats() | st.integers() | hostile,
    st.none() | moments,
    st.booleans(),
)

waits = st.builds(Wait, hostile, moments, moments, st.integers(1, 10**6), hostile)


@given(
    st.builds(
        RunReport,
        hostile.filter(bool),
        hostile.filter(bool),
        st.none() | moments.map(lambda since: (since, since + timedelta(days=31))),
        st.lists(failures, max_size=60),
        st.lists(hostile, max_size=40),
        st.lists(keys, max_size=60),
        st.lists(keys, max_size=40),
        st.lists(waits, max_size=3),
        st.lists(hostile, max_size=3),
    )
)
def test_whatever_is_reported_every_form_is_valid_and_bounded(report):
    message = render(report, BASE)
    assert len(message.subject.splitlines()) == 1 and len(message.subject) <= 180
    assert len(detail_lines(message.text)) <= MAX_LINES
    assert Tags(message.html).tags <= {"h2", "h3", "p", "ul", "li", "a"}
    assert len(message.blocks) <= 50
    assert all(0 < len(block["text"]["text"]) <= 3000 for block in message.blocks)
    json.dumps(message.payload, allow_nan=False).encode()
    for form in (message.text, message.html):
        form.encode()
