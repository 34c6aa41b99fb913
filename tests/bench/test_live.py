"""How late a minute was: what nobody was shown counts as infinite."""

from __future__ import annotations

from bench.live import seconds_late, summed_up

MINUTE = 60_000


def test_a_minute_nobody_was_shown_is_infinitely_late():
    shown = {("A", 0): 61_500.0, ("A", MINUTE): 130_000.0}
    late = [seconds_late(shown, ("A", start)) for start in (0, MINUTE, 2 * MINUTE)]
    assert late == [1.5, 10.0, float("inf")]
    by_name = {metric.name: metric for metric in summed_up("live: A", late, has_targets=True)}
    assert [by_name[f"live: A, {word}"].value for word in ("p50", "p90", "p99", "worst")] == [10, *3 * [float("inf")]]
    assert by_name["live: A, p50"].met and not by_name["live: A, p99"].met
    assert by_name["live: A, missed"].value == 1 and not by_name["live: A, missed"].met
    assert seconds_late({("BTC", 0): 2_000.0}, ("BTC", 0), 0) == 2.0
