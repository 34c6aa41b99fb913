"""The datasets computed from published data: what is pending is asked of the data, not of the event that started the
run."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from deribit_warehouse.datasets import BASIS_SPREAD, VALIDATION_POOL, Dataset

from .connections import market
from .interval import asked_range, midnight
from .publish import finish, key_of, notify_quarantine, partition_rows, record_outcome, validate_profile


@task
def windows(dataset: Dataset) -> list[dict[str, str]]:
    """The windows to compute, a month each at most: [{label, from, to}], ISO dates, [from, to).

    What has no result yet, or one validated on other versions than are published now: in the run's month when the
    calendar started it, anywhere when an asset did. With the run's parameters from or to, or in a backfill of its
    month: everything published in that range, again.
    """
    from deribit_warehouse.warehouse.validations import pending_months

    context = get_current_context()
    begins, ends = asked_range(context)
    again = bool(begins or ends)
    run_type = context["dag_run"].run_type
    if not again and run_type in ("scheduled", "backfill"):
        begins, ends = context["data_interval_start"].date(), context["data_interval_end"].date()
        again = run_type == "backfill"
    with market() as connection:
        months = pending_months(connection, dataset.name, begins, ends, again=again)
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
    """Computes a window of a derived dataset in full, validates it and publishes what passed, in one transaction.

    Returns {validation_id, outcome, rows, quarantined, published}. Fails for good when the suite blocks the window;
    then what was published of it stays, and what was pending stays pending.
    """
    from psycopg import Rollback

    from deribit_warehouse.warehouse import profiles, validations

    context = get_current_context()
    context["label"] = window["label"]
    begins, ends = date.fromisoformat(window["from"]), date.fromisoformat(window["to"])
    compute, expected, missing, mark = (
        (profiles.basis_profile, "future_minutes", "missing_basis_minutes", validations.publish_basis)
        if dataset == BASIS_SPREAD
        else (profiles.index_profile, "expected_minutes", "missing_minutes", validations.publish_index)
    )
    window_of = (context, midnight(begins), midnight(ends))
    with market() as connection, connection.transaction():
        # computing replaces what was computed before, so it is undone where the suite blocks the window: what is
        # published stays as it is, and what was pending is pending again
        with connection.transaction() as computed:
            profile = compute(connection, begins=begins, ends=ends)
            if profile.empty:
                raise AirflowSkipException(f"nothing of {dataset.name} is published from {begins} to {ends}")
            checked = _, decision = validate_profile(dataset, profile, *window_of)
            if decision.blocked_because:
                raise Rollback(computed)
        validation_id = record_outcome(
            connection, dataset, profile, *window_of, checked,
            expected=int(profile[expected].sum()), missing=int(profile[missing].sum()),
        )  # fmt: skip
        published = 0
        if not decision.blocked_because:
            passed = {key_of(row, dataset) for row in partition_rows(profile, dataset, decision)[0]}
            subject = "instrument_id" if dataset == BASIS_SPREAD else "index_name"
            published = mark(connection, validation_id, [
                (getattr(row, subject), row.day, key_of(row, dataset) in passed)
                for row in profile.itertuples(index=False)
            ])  # fmt: skip
    return finish(dataset, validation_id, decision, rows=len(profile), published=published)


# a window that is skipped silences none of the others; where one failed, the run's own message names them all
@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def notify(published) -> None:
    """Tells once of everything the run's windows hold back or warn of."""
    notify_quarantine(get_current_context())
