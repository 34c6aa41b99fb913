"""The days that a run covers: its data interval, or the range in the parameters of a run by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from deribit_warehouse.dataset import Dataset

from .dag_defaults import EARLY

if TYPE_CHECKING:
    from airflow.sdk import Context

BOUNDS = ("from", "to")

LONGEST = timedelta(days=366)
"""The longest range that one run of a history DAG takes by hand. For more there are backfills."""


def interval_of(dataset: Dataset, context: Context) -> tuple[datetime, datetime] | None:
    """The interval that a run loads and validates of a dataset, [begins, ends), UTC: its interval(). For a snapshot,
    which describes only the present, both ends are the time of the run (of one that began early, the minute it began
    for), and any configuration is refused. Raises AirflowFailException."""
    if not dataset.snapshot:
        return interval(context)
    configuration(context)
    now = context["dag_run"].run_after
    if dataset.begins_early:
        now = newest_minute(now)
    return now, now


def newest_minute(now: datetime) -> datetime:
    """The end of the newest minute that a run which begins at an instant asks for: over, or EARLY away at most."""
    return (now + EARLY).replace(second=0, microsecond=0)


def interval(context: Context) -> tuple[datetime, datetime] | None:
    """What a run of a history DAG loads and validates: [begins, ends), UTC.

    It is given by the run's parameters from and to, or else by its data interval. A run that the calendar started and a
    backfill have one, and so has a run by hand that was given a logical date: the last month that had ended by then.
    None: the run has neither, because an asset or somebody by hand started it. Such a run loads nothing, and validates
    whatever is pending and can be validated. Raises AirflowFailException.
    """
    begins, ends = asked_range(context)
    if begins and ends:
        if ends - begins > LONGEST:
            raise refused(f"{begins} to {ends} is more than {LONGEST.days} days; backfill it instead")
        found = midnight(begins), midnight(ends)
    elif begins or ends:
        raise refused("a run of a history DAG needs both from and to")
    else:
        since, until = context.get("data_interval_start"), context.get("data_interval_end")
        if since is None or until is None:
            return None
        found = since, until
    if found[1] > datetime.now(UTC):
        raise refused(f"{found[1]:%Y-%m-%d %H:%M} UTC, where the run's interval ends, is not over yet")
    return found


def asked_range(context: Context) -> tuple[date | None, date | None]:
    """The run's parameters from and to, days [from, to), each None where it was not given.

    They come from a form or an API call, so anything but two dates in order is refused: raises AirflowFailException,
    which quotes the value and says what is expected.
    """
    conf = configuration(context, BOUNDS)  # where the form's fields arrive, too
    begins, ends = (day(bound, conf.get(bound)) for bound in BOUNDS)
    if begins and ends and begins >= ends:
        raise refused(f"from ({begins}) has to lie before to ({ends}), the first day that is left out")
    return begins, ends


def configuration(context: Context, known: tuple[str, ...] = ()) -> dict[str, Any]:
    """The run's configuration. Raises AirflowFailException for keys that nothing here reads."""
    conf = context["dag_run"].conf or {}
    if not isinstance(conf, dict):
        raise refused(f"the run's configuration is {quoted(conf)}; an object is expected")
    if unknown := sorted((key for key in conf if key not in known), key=str):
        takes = " and ".join(known) if known else "none"
        raise refused(f"the run's configuration has {', '.join(map(quoted, unknown[:5]))}; what is read of it: {takes}")
    return conf


def day(bound: str, value: Any) -> date | None:
    """A parameter as a date; None or nothing is None. Raises AirflowFailException."""
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise refused(f"{bound} is {quoted(value)}; a date such as 2024-06-01 is expected") from None


def instant(ms: int) -> datetime:
    """The instant (UTC) of a number of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def midnight(day: date) -> datetime:
    """The instant, UTC, at which a day begins."""
    return datetime.combine(day, time(), UTC)


def quoted(value: Any) -> str:
    """A value as it was given, shortened to one line of at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def refused(why: str) -> AirflowFailException:
    """The error to raise where a run can't be done as it was asked for; another attempt would change nothing. why: the
    end of a sentence."""
    return AirflowFailException(f"The run was not started as it can run: {why}.")
