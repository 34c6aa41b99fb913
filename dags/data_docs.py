"""The data-quality site: every suite, and the newest validations of every dataset, rendered by Great Expectations.

**Source.** The results the gates stored in the market database; nothing is validated here.

**Grain.** A page a validation, the newest 120 of each dataset. The database keeps all of them (view `validations`).

**Schedule.** Rung by every dataset's asset, and every ten minutes for the gates that blocked, which ring nothing. One
run at a time: the site is built aside and swapped in whole.

**Late data.** A run that was cleared and judged again has a page for each judgement, newest first.

**When it fails.** The old site stays. The next run builds everything again.
"""

from datetime import timedelta

from airflow.sdk import AssetAny, AssetOrTimeSchedule, CronDataIntervalTimetable, dag

from deribit import pipeline, settings
from deribit.datasets import JUDGED


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("*/10 * * * *", timezone="UTC"),
        assets=AssetAny(*(pipeline.asset(dataset) for dataset in JUDGED)),
    ),
    start_date=settings.history_from(),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=pipeline.DEFAULTS,
    on_failure_callback=pipeline.tell_failure,
    doc_md=__doc__,
    tags=["deribit", "quality"],
)
def data_docs():
    pipeline.build_data_docs()


data_docs()
