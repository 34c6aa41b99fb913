"""The tasks that publish: loaded data, and data that is computed from published data. A run finds out from the database
what is pending, not from the event that started it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from deribit_warehouse import settings
from deribit_warehouse.dataset import VALIDATION_POOL, Dataset, Window, calendar_months
from deribit_warehouse.datasets import DATASETS

from .batches import batches, label
from .connections import market
from .dag_defaults import READY, ready, set_label
from .interval import asked_range, interval_of, midnight
from .validate_and_publish import validate_and_publish, validate_computed

if TYPE_CHECKING:
    from airflow.sdk import Context

    from deribit_warehouse.warehouse.ingestion import Provenance

log = logging.getLogger(__name__)

BATCH_DAYS = 5_000
"""Days (of all instruments) a mapped task of what is computed should be worth: a few months of the basis of all
futures, or all rolls. A thousand take a second or so, as long as a task takes by itself; and of a dataset one publishes
at a time, however many there are."""

APART = timedelta(days=27)
"""Less than a month: so one that a validation has blocked as a whole is not validated with those beside it."""

CATCHUP_MONTHS = 6
"""During a catchup, only the runs of every sixth month start the datasets that wait for their data."""

PUBLISHING = timedelta(seconds=20)
"""How long a live run may go on to take up further stretches of time: its task is ended after 50, and with it whatever
it has not committed."""


# in the pool of its dataset (datasets.POOLS says why)
@task(pool=VALIDATION_POOL, trigger_rule=TriggerRule.ALL_DONE, retries=1, multiple_outputs=False)
def publish(dataset: Dataset, loaded: Any) -> list[dict[str, Any]]:
    """Validates what is stored of the run's interval and publishes what passed, one calendar month after the other (or
    a year, see stretches(); for live minutes: one planned stretch of time), each in a transaction of its own, and with
    it what is computed from that when it is read.

    Runs when every load is done, failed ones included: what they did not bring is missing, is named, and does not
    hold back the rest. A run without an interval takes the months with days that wait and can be validated. Returns
    {validation_id, outcome, rows, waiting, quarantined, published} of each month. Fails for good when the suite blocks
    one; then nothing of that is published. Skipped when there is nothing to validate and, in a run without an interval,
    when no version changed, so that its asset triggers no empty run. Of a live dataset no further stretch is begun
    after PUBLISHING: its minutes wait, and the next runs validate what waits, a part at a time.
    """
    context = get_current_context()
    interval = None if dataset.live else interval_of(dataset, context)
    if interval or dataset.live:
        require_all_loads(context)
    if dataset.live:
        # the newest minutes don't wait for what is made up for, and that does not wait for what waits already
        intervals = [(*planned, False) for planned in planned_intervals(context)[::-1]]
        if dataset.backlog and intervals:
            intervals.append((settings.history_from(), intervals[0][1], True))
    else:
        months = calendar_months(*interval) if interval else pending_months(dataset, context)
        intervals = [(*stretch, False) for stretch in stretches(dataset, months)]
    outcomes, blocked, changes, has_findings = [], [], 0, False
    until = time.monotonic() + (PUBLISHING.total_seconds() if dataset.live else math.inf)
    for number, (begins, ends, only_waiting) in enumerate(intervals):
        if number and time.monotonic() > until:
            log.info("%d of %d stretches of time are left to the next runs", len(intervals) - number, len(intervals))
            break
        with market() as connection, connection.transaction():
            validated = validate_and_publish(
                connection, dataset, context, begins, ends, only_fetched=interval is None, only_waiting=only_waiting
            )
            if validated is None:
                continue
            computed = validate_computed(connection, dataset, context, validated)
        for each in (validated, *computed):
            changes += each.changes
            has_findings = has_findings or each.has_findings
            outcomes.append(each.summary())
            blocked += [
                f"{each.begins:%Y-%m-%d} to {each.ends:%Y-%m-%d}: {why}" for why in each.decision.blocked_because
            ]
    if blocked:
        raise blocked_error(dataset, blocked)
    if has_findings:
        notify_quarantine(context)
    if changes:
        notify_waiting_datasets(dataset, context, interval)
    if not outcomes or not (interval or changes):
        raise AirflowSkipException(
            f"nothing of {dataset.name} was decided: there is nothing, or it waits (view pending), or all is as it was"
        )
    return outcomes


def require_all_loads(context: Context) -> None:
    """Raises AirflowFailException when Airflow's database has lost a load of the run. Airflow would go on as if the
    remaining loads were all of them, and the gate would pass an interval that was never loaded."""
    ti = context["ti"]
    planned = max(1, len(ti.xcom_pull(task_ids="plan") or ()))  # without a batch Airflow keeps one row, skipped
    there = ti.get_ti_count(dag_id=ti.dag_id, task_ids=["load"], run_ids=[ti.run_id])
    if there < planned:
        raise AirflowFailException(
            f"Airflow's database has lost {planned - there} of the run's {planned} loads; clear the run, all its tasks"
        )


def planned_intervals(context: Context) -> list[tuple[datetime, datetime]]:
    """The stretches of time, [begins, ends), that the windows of the run's plan cover together, oldest first."""
    planned = context["ti"].xcom_pull(task_ids="plan") or ()
    windows = [Window.unpacked(fields) for batch in planned for fields in batch["windows"]]
    return together((window.begins, window.ends) for window in windows)


def together(
    intervals: Iterable[tuple[datetime, datetime]], apart: timedelta = timedelta(0)
) -> list[tuple[datetime, datetime]]:
    """Intervals, [begins, ends), as few that cover them, oldest first: those that meet or overlap, or lie no further
    than so much apart, are one."""
    found: list[tuple[datetime, datetime]] = []
    for begins, ends in sorted(intervals):
        if found and begins <= found[-1][1] + apart:
            found[-1] = found[-1][0], max(ends, found[-1][1])
        else:
            found.append((begins, ends))
    return found


def stretches(dataset: Dataset, months: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """What is validated as one of months, [begins, ends), that come in any order and may overlap.

    Of a dataset that is compared with others each month is: it may have to wait for them, and the exchange's sums are
    of months. Of the others it is the months of a year, where no more than APART lies between: a validation costs as
    much, and has a page, however few its rows are.
    """
    if dataset.references:
        return list(months)
    years = groupby(sorted(months), key=lambda month: month[0].year)
    return [stretch for _, of_year in years for stretch in together(of_year, APART)]


def pending_months(dataset: Dataset, context: Context) -> list[tuple[datetime, datetime]]:
    """The months, [begins, ends), that a run without an interval validates: those it has validated before, if it is
    tried again or was cleared, and those with days that wait and can be validated; started by hand, also those with
    what a validation has blocked, and with what was only loaded."""
    from deribit_warehouse.warehouse import publication, validations

    dag_run = context["dag_run"]
    with market() as connection:
        before = validations.run_intervals(connection, dag_run.dag_id, dag_run.run_id).get(dataset.name, [])
        months = publication.pending(connection, dataset, by_hand=dag_run.run_type == "manual")
    if dataset.references:  # its profile says what the exchange was asked for: the month is validated as a whole
        whole = [(m["month"], (m["month"] + timedelta(days=31)).replace(day=1)) for m in months]
    else:
        whole = [(m["first_day"], m["last_day"] + timedelta(days=1)) for m in months]
    return list(dict.fromkeys([*before, *((midnight(first), midnight(past)) for first, past in whole)]))


def notify_waiting_datasets(dataset: Dataset, context: Context, interval: tuple[datetime, datetime] | None) -> None:
    """Emits an event for every dataset that was waiting for this one and has something to validate now.

    Of a catchup's months only each sixth and the newest do that: the run it starts validates all that waits, and one
    for each month of years would take their slots and cost more than the months themselves.
    """
    from deribit_warehouse.warehouse import publication

    if interval and context["dag_run"].run_type == "scheduled":
        begins, ended = interval
        past = datetime.now(UTC) - ended > timedelta(days=31)
        if past and ended - begins <= timedelta(days=31) and ended.month % CATCHUP_MONTHS:
            return
    waiting = [other for other in DATASETS if dataset.name in other.references]
    with market() as connection:
        due = [other for other in waiting if publication.pending(connection, other)]
    for other in due:
        log.info("something of %s can be validated now", other.name)
        context["outlet_events"][READY].add(ready(other))


@task
def windows(dataset: Dataset) -> list[dict[str, Any]]:
    """The months to validate, in batches of about BATCH_DAYS days: [{label, months: [[from, to], ...]}], ISO dates,
    [from, to).

    First a version is added for every day whose published inputs are not those it was computed from. The months are
    those with what then waits; what a validation blocked waits for a run by hand. With the run's parameters from or to,
    or in a backfill of its month: everything in that range, again.
    """
    from deribit_warehouse.warehouse import publication

    context = get_current_context()
    begins, ends = asked_range(context)
    again = bool(begins or ends)
    run_type = context["dag_run"].run_type
    if not again and run_type == "backfill":
        since, until = context["data_interval_start"], context["data_interval_end"]
        assert since and until, "a backfill has an interval"
        begins, ends, again = since.date(), until.date(), True
    with market() as connection, connection.transaction():
        publication.compute(connection, dataset, begins, ends, computed_by(dataset, context))
        # what was blocked would be blocked again at every event
        if again:
            months = publication.months(connection, dataset.versions, begins, ends)
        else:
            months = publication.pending(connection, dataset, begins, ends, by_hand=run_type == "manual")
    return [
        {
            "label": label([f"{m['month']:%Y-%m}" for m in batch]),
            "months": [[str(m["first_day"]), str(m["last_day"] + timedelta(days=1))] for m in batch],
        }
        for batch in batches(months, lambda month: month["days"], BATCH_DAYS)
    ]


@task(task_id="publish", pool=VALIDATION_POOL, map_index_template="{{ label }}", retries=1, multiple_outputs=False)
def publish_derived(dataset: Dataset, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Validates a batch of months of a derived dataset, a year at a time, computed in full, and publishes what passed,
    in one transaction: some datasets are computed as a whole, whatever month of them is asked for.

    Returns {validation_id, outcome, rows, waiting, quarantined, published} of each. Fails for good when the suite
    blocks one; then what was published of that stays, and what was pending is pending until it changes or somebody asks
    for it. Skipped when there is nothing to validate.
    """
    from deribit_warehouse.warehouse import publication

    context = get_current_context()
    set_label(context, batch["label"])
    outcomes, blocked, has_findings = [], [], False
    months = [(date.fromisoformat(first), date.fromisoformat(past)) for first, past in batch["months"]]
    with market() as connection, connection.transaction():
        # what changed since they were planned is computed first, and nothing is taken back until the end
        publication.compute(connection, dataset, months[0][0], months[-1][1], computed_by(dataset, context))
        for begins, ends in stretches(dataset, [(midnight(first), midnight(past)) for first, past in months]):
            validated = validate_and_publish(connection, dataset, context, begins, ends)
            if validated is None:
                continue
            has_findings = has_findings or validated.has_findings
            outcomes.append(validated.summary())
            blocked += [f"{begins:%Y-%m-%d} to {ends:%Y-%m-%d}: {why}" for why in validated.decision.blocked_because]
    if blocked:
        raise blocked_error(dataset, blocked)
    if has_findings:
        notify_quarantine(context)
    if not outcomes:
        raise AirflowSkipException(f"nothing of {dataset.name} is there to validate of {batch['label']}")
    return outcomes


def computed_by(dataset: Dataset, context: Context) -> Provenance:
    """Where a computed version came from: an ingestion.Provenance."""
    from deribit_warehouse.warehouse.ingestion import Provenance

    return Provenance(dataset.name, "all", "this warehouse", context["dag_run"].run_id)


def blocked_error(dataset: Dataset, because: list[str]) -> AirflowFailException:
    """What a publishing task fails with, for good, when the suite has blocked an interval."""
    return AirflowFailException(f"{dataset.name} was blocked, nothing of it was published: " + "; ".join(because))


def notify_quarantine(context: Context) -> None:
    """Opens the incidents of a run that goes on with quarantined keys or new warnings, or adds to those that are open.
    A run in which a task has failed will fail, and the DAG's on_failure_callback does it then."""
    from deribit_warehouse import alerts

    report = alerts.collect(context)
    if not report.failures:
        alerts.notify_quarantine(report)
