"""How the exchange behaves: every trait by itself, what is known of it and what was invented.

`Traits()` is the exchange of the demo and the tests: the real row shapes, windows and limits over an easy market.
`Traits.real()` is shaped like the real exchange in all that was found out about it: what a first contact will meet.
Any one trait can be set alone, so that a rehearsal can say which one it was that an assumption rested on:

    python -m exchange_simulator --real --trait clock_skew_ms=90000
    python -m exchange_simulator --trait funding_rows=500
    python -m exchange_simulator --traits          # the table of all

Each field says in its metadata what is `known`, and by whom: by the exchange's documentation, by somebody who measured
it on the live exchange, or from recorded rows; and what is `invented`, which is a figure or a shape that nobody has
seen. A test must not lean on what is invented.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")


def _trait(usual: T, real: T | None = None, *, known: str = "", invented: str = "") -> T:
    """real: what it is on the real exchange; the usual value where it is left out."""
    real = usual if real is None else real
    return field(default=usual, metadata={"real": real, "known": known, "invented": invented})


def _ms(text: str) -> int:
    instant = datetime.fromisoformat(text)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Traits:
    """Switches are booleans, the others have their unit in their name or are counts; windows are "(]" for a start left
    out and an end taken in, and so on."""

    # -- windows and pages ---------------------------------------------------------------------------------------

    chart_rows: int = _trait(
        5001, known="measured 2026-08: the newest 5,001 candles of a window, the older ones dropped with status ok"
    )
    chart_window: str = _trait(
        "[]", known="recorded: both ends counted, on bucket starts; one client saw a candle at the start left out"
    )
    chart_fill: bool = _trait(
        True, known="recorded: a minute without a trade is a flat candle at the last close, volume and cost 0"
    )
    fill_after_end: bool = _trait(
        True, known="measured: flat candles go on after an expiry",
        invented="that they go on after a delisting for ever, and begin with the first trade",
    )  # fmt: skip
    funding_rows: int = _trait(744, known="measured 2026-08 and 2026-09: the newest 744 hours of a window")
    funding_window: str = _trait("(]", known="recorded: the hours that end after the start, the end's own included")
    funding_begins: int = _trait(
        _ms("2019-04-30T10:00"), known="the first row of BTC-PERPETUAL, as somebody's file has it",
        invented="the same hour for ETH-PERPETUAL; younger perpetuals begin with their first full hour",
    )  # fmt: skip
    first_prev_index_null: bool = _trait(True, known="the same file: the first row's prev_index_price is null")
    prev_index_as_null: bool = _trait(
        True, known="the same file has the key; one client types it as possibly absent, as it is with off"
    )
    value_window: str = _trait(
        "(]", invented="the window of get_funding_rate_value: one month of May 2025 agrees with this reading to 2e-7"
    )
    value_weighted: bool = _trait(
        True, known="recorded, May 2025: get_funding_rate_value is prev_index of the first hour x sum of i / prev_index"
    )

    # -- the catalogue -------------------------------------------------------------------------------------------

    catalogue_seconds: float = _trait(
        1.0, 10.0, known="two copies of the documentation: get_instruments once a second, or once in ten seconds"
    )
    catalogue_burst: int = _trait(50, 5, known="the same two copies: 50 at once, or 5")
    history_fields: bool = _trait(
        True, known="a verbatim row of the history host: no instrument_type, no state, but rfq and future_type"
    )
    history_lists_open: bool = _trait(
        False, True, known="measured 2026-09: the history host answers expired=false, incompletely",
        invented="that it knows two of three",
    )  # fmt: skip
    unknown_fields: bool = _trait(
        False, True, known="rows gained fields over the years", invented="the field's name, listing_stage"
    )
    combos_and_spot: bool = _trait(
        False, True, known="recorded rows of combos; kind spot exists", invented="which ones there are, spot's rows"
    )
    dense_options: bool = _trait(
        False, True, known="114,851 expired BTC options in 2025-05", invented="where their strikes lie"
    )

    linear_options: bool = _trait(
        False, True, known="options of BTC, ETH, SOL and XRP settle in USDC, too: XRP_USDC-21SEP26-1d25-C, recorded",
        invented="their ladders; only with linear_world, whose dated futures they are priced on",
    )  # fmt: skip

    # -- candles -------------------------------------------------------------------------------------------------

    late_first_candles: bool = _trait(
        False, True, known="82 listings waited for their first trade 15 minutes at the median, 132 at p90, 544 at most",
        invented="the distribution between these three",
    )  # fmt: skip
    late_listings: bool = _trait(
        False, True, known="listings happen as late as 15:04 UTC", invented="how often: one in eight"
    )
    quiet_futures: bool = _trait(
        False, True, known="69.9 % of the futures' minutes are fill, up to 96 % of a daily contract",
        invented="the shares by age: 62 % of monthly and quarterly contracts, 80 % of weekly, 93 % of daily ones",
    )  # fmt: skip
    crashes: bool = _trait(
        False, True,
        known="2019-10-31 21:00: BTC-PERPETUAL 9,107, 7,713, 9,119, true trades; days of 2.07 (2020-03-12), 1.43 "
              "(2019-10-25, 2021-05-19) between high and low",
        invented="their minutes, 14 % in one of them, and that all of an exchange's contracts fall together",
    )  # fmt: skip
    legs: bool = _trait(
        False, True,
        known="11 of 1,909 traded minutes have cost / volume outside low and high, by up to 0.57 %: legs of combos and "
              "blocks are in volume and cost and not in the prices",
        invented="that such a minute has no other trade, and that they are 25 times as many in a crash",
    )  # fmt: skip
    tick_changes: bool = _trait(False, True, known="BTC-PERPETUAL had a tick of 0.25 from 2019-01-30 to 2019-06-07")
    linear_cost_unit: float = _trait(
        0.0001, 1.0, known="inverse costs are whole contracts in USD",
        invented="how the exchange rounds the cost of a linear contract",
    )  # fmt: skip

    chart_lag_ms: int = _trait(0, invented="how far the chart is behind the clock and the summaries, if it is")

    # -- funding -------------------------------------------------------------------------------------------------

    eight_hours_weighted: bool = _trait(
        True, known="recorded, exact in 7,858 of 8,449 windows: interest_8h is prev_index of the oldest hour x sum of "
                    "i / prev_index",
    )  # fmt: skip
    funding_hole: bool = _trait(
        False, True, known="there is a true hole within 2020-08-27 00 to 08 UTC",
        invented="that it takes all eight hours, of every perpetual",
    )  # fmt: skip
    funding_at_cap: bool = _trait(
        False, True, known="2020-03-13: eight hours that sum up to -0.00493", invented="which hours: all until noon"
    )

    # -- which contracts there are -------------------------------------------------------------------------------

    linear_world: bool = _trait(
        False, True,
        known="the first funding months of 17 linear perpetuals; NEAR_USDC 2023-04 with a mean of 1.2 % in eight "
              "hours; underlying_type names other things than crypto since 2026-06-30",
        invented="everything else of it: see linear.py",
    )  # fmt: skip
    linear_oddities: int = _trait(
        _ms("2026-09-24"), invented="the day on which most that is odd about linear contracts happens: see linear.py"
    )

    # -- the way to the exchange ---------------------------------------------------------------------------------

    clock_skew_ms: int = _trait(0, 2500, invented="how far the exchange's clock is from ours")
    proxy_pages: float = _trait(
        0.0, 0.002, known="403, 404, 502 and 520 come from what stands before the exchange, in HTML",
        invented="how many: two answers in a thousand",
    )  # fmt: skip
    maintenance_after_s: float = _trait(
        0.0, known="maintenance takes 15 to 30 minutes without an answer, for instance 2026-01-13 09:00 UTC",
        invented="none unless asked for: seconds after the start that 11051 and empty 502 answers begin",
    )  # fmt: skip
    maintenance_s: float = _trait(240.0, invented="how long they last")

    @classmethod
    def real(cls) -> Traits:
        """All of them as on the real exchange, as far as it is known."""
        return cls(**{trait.name: trait.metadata["real"] for trait in fields(cls)})

    def changed(self, wanted: Iterable[str]) -> Traits:
        """With some traits set: `wanted` are texts like `funding_rows=500`. ValueError says what is wrong with one."""
        by_name = {trait.name: trait for trait in fields(self)}
        changes: dict[str, Any] = {}
        for text in wanted:
            name, given, value = text.partition("=")
            if name not in by_name:
                raise ValueError(f"there is no trait {name!r}: choose from {', '.join(by_name)}")
            if not given:
                raise ValueError(f"trait {name} has no value: write {name}={by_name[name].default}")
            changes[name] = _read(by_name[name], value)
        return replace(self, **changes)


def table() -> str:
    """Every trait, its two values, what is known and what is invented, for people."""
    lines = []
    for trait in fields(Traits):
        usual, real = trait.default, trait.metadata["real"]
        lines.append(f"{trait.name} = {usual}" + (f", on the real exchange {real}" if real != usual else ""))
        lines += [f"    {mark}: {trait.metadata[mark]}" for mark in ("known", "invented") if trait.metadata[mark]]
    return "\n".join(lines)


_SWITCH = {"on": True, "true": True, "True": True, "1": True, "off": False, "false": False, "False": False, "0": False}


def _read(trait: Field, text: str) -> bool | int | float | str:
    kind: type[Any] = type(trait.default)
    try:
        if kind is bool:
            return _SWITCH[text]
        if trait.name in ("funding_begins", "linear_oddities") and "-" in text:
            return _ms(text)
        if trait.name.endswith("window") and text not in ("[]", "(]", "[)", "()"):
            raise ValueError
        return kind(text)
    except (ValueError, KeyError):
        raise ValueError(f"trait {trait.name} can't be {text!r}: by default it is {trait.default!r}") from None
