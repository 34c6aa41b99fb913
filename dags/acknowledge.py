"""Somebody has seen an incident: nobody is reminded of it any more, until it is over or more of it stands.

**Source.** The form of this DAG (Trigger): the incident's number, which its message and the view `incidents` say, and a
note. The same as `make acknowledge ARGS=NUMBER`.

**Grain.** An incident. Who acknowledged it is the user who started the run.

**Schedule.** None: it is started by hand.

**Late data.** Does not concern it.

**When it fails.** The number is none, or its incident is not open; the task says which. Nothing was changed.
"""

from airflow.sdk import dag

from deribit_warehouse import pipeline


@dag(
    **pipeline.by_hand_dag_args("deribit_acknowledge"),
    params=pipeline.ACKNOWLEDGE_PARAMS,
    doc_md=__doc__,
    tags=["deribit", "incidents"],
)
def acknowledge() -> None:
    pipeline.acknowledge()


acknowledge()
