"""Somebody has seen an incident, and says so from Airflow's own page."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from .connections import market
from .interval import configuration, quoted

log = logging.getLogger(__name__)

ACKNOWLEDGE_PARAMS = {
    "incident": Param(
        type="integer", minimum=1, title="Incident", description="Its number, from the message or the view incidents"
    ),
    "note": Param("", type=["null", "string"], maxLength=500, title="Note", description="What is known of it"),
    "over": Param(
        False, type="boolean", title="It is over", description="For what nothing that runs can show to be over"
    ),
}
"""The form of the DAG."""


@task(multiple_outputs=False)
def acknowledge() -> dict[str, Any]:
    """Says of an incident that the user who started the run has seen it: {incident, by, over}.

    What the form says comes from outside, by an API call past its checks, too: raises AirflowFailException for a number
    that is none or not open, and for a note that is no line of text.
    """
    from deribit_warehouse.warehouse import incidents

    context = get_current_context()
    configuration(context, tuple(ACKNOWLEDGE_PARAMS))
    given = context["params"]
    number, note, over = given.get("incident"), given.get("note") or "", given.get("over") or False
    if type(number) is not int or not isinstance(note, str) or not isinstance(over, bool):
        raise AirflowFailException(
            f"an incident's number, a note and whether it is over are expected, not {quoted(number)}, {quoted(note)} "
            f"and {quoted(over)}"
        )
    by = context["dag_run"].triggering_user_name or "unknown"
    try:
        with market() as connection, connection.transaction():
            row = incidents.acknowledge(connection, number, by, note, resolve=over)
    except ValueError as error:
        raise AirflowFailException(str(error)) from error
    log.info("incident %d (%s, %s) was acknowledged by %s", number, row["dataset"], row["rule"], by)
    return {"incident": number, "by": by, "over": row["resolved_at"] is not None}
