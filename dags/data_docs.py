"""The data-quality site: every suite, the newest validations of every dataset, and the completion report.

**Source.** The results the gates stored in the market database; nothing is validated here.

**Grain.** A page a validation, the newest 120 of each dataset. The database keeps all of them (view `validations`). The
completion report is one page, of all that is stored.

**Schedule.** Every five minutes, skipped when the site already shows the newest validation. Only new pages are made;
the others are taken over from the present site. The completion report is computed again when it is an hour old and
something was validated since, or when it is a day old. A run by hand, which every start makes at its end, renews both.
One run at a time: the site is built in a folder of its own, which then replaces the old one.

**Late data.** A run that was cleared and validated again has a page for each validation, newest first.

**When it fails.** The old site stays. The next run builds it again.
"""

from datetime import timedelta

from airflow.sdk import dag

from deribit_warehouse import pipeline


@dag(
    **pipeline.calendar_dag_args("deribit_data_docs", "*/5 * * * *"),
    dagrun_timeout=timedelta(hours=1),
    doc_md=__doc__,
    tags=["deribit", "quality"],
)
def data_docs() -> None:
    pipeline.build_data_docs()


data_docs()
