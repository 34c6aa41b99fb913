"""When closed months of a dataset are loaded.

Airflow has to be told of the class, which `deribit_timetable_plugin` does; every process that reads a DAG imports this,
so it imports nothing of ours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.timezone import coerce_datetime
from airflow.timetables.base import DagRunInfo, DataInterval, Timetable

if TYPE_CHECKING:
    from airflow.timetables.base import TimeRestriction
    from pendulum import DateTime


class YearsThenMonths(Timetable):
    """A run for each calendar year that is over, and one for each month of the year that is not, after it has ended
    (UTC). What is left of a year that ended meanwhile is one run, too; so is a backfill of months of one year."""

    description = "Each calendar year that is over, then each month after it has ended (UTC)"

    @property
    def summary(self) -> str:
        """What the UI shows where other DAGs show a cron expression."""
        return "each year that is over, then each month"

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """The last month that had ended by then."""
        ends = _month(run_after)
        return DataInterval(ends.subtract(months=1), ends)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run after that of an interval; the first where there was none. None: nothing of the restriction is left.
        Without catchup nothing before the last month that has ended."""
        now = coerce_datetime(datetime.now(UTC))
        if last_automated_data_interval:
            begins = _month(last_automated_data_interval.end)
        elif restriction.earliest:
            begins = _month(restriction.earliest)
            if begins < restriction.earliest:
                begins = begins.add(months=1)
        else:
            return None
        if not restriction.catchup:
            begins = max(begins, _month(now).subtract(months=1))
        if restriction.latest and begins > restriction.latest:
            return None
        ends = begins.add(years=1).start_of("year")
        if restriction.latest:
            ends = min(ends, _month(restriction.latest).add(months=1))
        if ends > now:
            ends = begins.add(months=1)
        return DagRunInfo.interval(start=begins, end=ends)


def _month(instant: DateTime) -> DateTime:
    return instant.in_timezone("UTC").start_of("month")
