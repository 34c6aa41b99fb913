"""Tells Airflow of the one timetable that is not its own.

Every component imports its plugins, each task as it starts included, so importing this module loads next to nothing.
"""

from typing import ClassVar

from airflow.plugins_manager import AirflowPlugin

from deribit_warehouse.timetable import YearsThenMonths


class DeribitTimetablePlugin(AirflowPlugin):
    """The timetable of the history."""

    name = "deribit_timetable"
    # what Airflow reads of the class it declares as an instance's
    timetables: ClassVar = [YearsThenMonths]  # type: ignore[misc]
