"""The datasets computed from published data: what is pending is asked of the data, not of the event that started the
run."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from deribit_warehouse.dataset import VALIDATION_POOL, Dataset

from .connections import market
from .dag_defaults import set_label
from .interval import asked_range, midnight
from .publish import blocked_error, notify_quarantine, validate_and_publish

if TYPE_CHECKING:
    from airflow.sdk import Context

    from deribit_warehouse.warehouse.ingestion import Provenance


@task
def windows(dataset: Dataset) -> list[dict[str, str]]:
    """The windows to validate, a month each at most: [{label, from, to}], ISO dates, [from, to).

    First a version is added for every day whose published inputs are not those it was computed from: in the run's month
    when the calendar started it, anywhere when an asset did. The windows are what then waits; what a validation blocked
    waits for a run by hand. With the run's parameters from or to, or in a backfill of its month: everything in that
    range, again.
    """
    from deribit_warehouse.warehouse import publication

    context = get_current_context()
    begins, ends = asked_range(context)
    again = bool(begins or ends)
    run_type = context["dag_run"].run_type
    if not again and run_type in ("scheduled", "backfill"):
        since, until = context["data_interval_start"], context["data_interval_end"]
        assert since and until, "a run of the calendar or a backfill has an interval"
        begins, ends = since.date(), until.date()
        again = run_type == "backfill"
    with market() as connection, connection.transaction():
        publication.compute(connection, dataset, begins, ends, computed_by(dataset, context))
        # what was blocked would be blocked again at every ring
        if again:
            months = publication.months(connection, dataset.versions, begins, ends)
        else:
            months = publication.pending(connection, dataset, begins, ends, by_hand=run_type == "manual")
    return [
        {
            "label": f"{m['month']:%Y-%m} ({m['days']} days)",
            "from": str(m["first_day"]),
            "to": str(m["last_day"] + timedelta(days=1)),
        }
        for m in months
    ]


@task(task_id="publish", pool=VALIDATION_POOL, map_index_template="{{ label }}", retries=1, multiple_outputs=False)
def publish_derived(dataset: Dataset, window: dict[str, str]) -> dict[str, Any]:
    """Validates a window of a derived dataset, computed in full, and publishes what passed, in one transaction.

    Returns {validation_id, outcome, rows, waiting, quarantined, published}. Fails for good when the suite blocks the
    window; then what was published of it stays, and what was pending is pending until it changes or somebody asks for
    it. Skipped when there is nothing to validate.
    """
    from deribit_warehouse.warehouse import publication

    context = get_current_context()
    set_label(context, window["label"])
    begins, ends = date.fromisoformat(window["from"]), date.fromisoformat(window["to"])
    with market() as connection, connection.transaction():
        # what changed since the windows were planned is computed first, and nothing is taken back until the end
        publication.compute(connection, dataset, begins, ends, computed_by(dataset, context))
        validated = validate_and_publish(connection, dataset, context, midnight(begins), midnight(ends))
        if validated is None:
            raise AirflowSkipException(f"nothing of {dataset.name} is there to validate from {begins} to {ends}")
    if because := validated.decision.blocked_because:
        raise blocked_error(dataset, because)
    return validated.summary()


def computed_by(dataset: Dataset, context: Context) -> Provenance:
    """Where a computed version came from: an ingestion.Provenance."""
    from deribit_warehouse.warehouse.ingestion import Provenance

    return Provenance(dataset.name, "all", "this warehouse", context["dag_run"].run_id)


# a window that is skipped silences none of the others; where one failed, the run's own message names them all
@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def notify(published: Any) -> None:
    """Tells once of everything the run's windows hold back or warn of."""
    notify_quarantine(get_current_context())
