"""Joins the exchange, the warehouse and the quality gate into Airflow tasks. DAG files read from here."""

from .acknowledging import ACKNOWLEDGE_PARAMS, acknowledge
from .closing import close_days
from .dag_defaults import (
    HOURLY_PATIENCE,
    HOURLY_TASK,
    LIVE_TASK,
    READY,
    asset,
    by_hand_dag_args,
    calendar_dag_args,
    complete,
    derived_dag_args,
    history_dag_args,
    hourly_dag_args,
    inlets,
    live_dag_args,
    snapshot_dag_args,
    snapshot_task,
)
from .delisting import clip_to_lifetimes, find_delistings
from .docs_site import build_data_docs
from .load import load, plan, plan_open
from .publish import publish, publish_derived, windows
from .read_catalogue import READINGS, check_catalogue, discover_funding_starts, read_catalogue
from .retention import (
    compare_open_days,
    fold_snapshots,
    measure_storage,
    prune_incidents,
    prune_open_days,
    prune_records,
    prune_versions,
    thin_snapshots,
)

__all__ = [
    "ACKNOWLEDGE_PARAMS",
    "HOURLY_PATIENCE",
    "HOURLY_TASK",
    "LIVE_TASK",
    "READINGS",
    "READY",
    "acknowledge",
    "asset",
    "build_data_docs",
    "by_hand_dag_args",
    "calendar_dag_args",
    "check_catalogue",
    "clip_to_lifetimes",
    "close_days",
    "compare_open_days",
    "complete",
    "derived_dag_args",
    "discover_funding_starts",
    "find_delistings",
    "fold_snapshots",
    "history_dag_args",
    "hourly_dag_args",
    "inlets",
    "live_dag_args",
    "load",
    "measure_storage",
    "plan",
    "plan_open",
    "prune_incidents",
    "prune_open_days",
    "prune_records",
    "prune_versions",
    "publish",
    "publish_derived",
    "read_catalogue",
    "snapshot_dag_args",
    "snapshot_task",
    "thin_snapshots",
    "windows",
]
