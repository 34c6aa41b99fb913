"""Joins the exchange, the warehouse and the quality gate into Airflow tasks. DAG files read from here."""

from .catalogue import READINGS, check_catalogue, discover_funding_starts, read_catalogue
from .derived import due, judge, tell
from .documentation import build_data_docs
from .ends import clip_to_lives, find_ends
from .gate import gate
from .history import load, plan
from .index_chart import collect_index_minutes
from .schedule import DEFAULTS, MONTHLY, asset, complete, derived_dag_args, history_dag_args, tell_failure

__all__ = [
    "DEFAULTS",
    "MONTHLY",
    "READINGS",
    "asset",
    "build_data_docs",
    "check_catalogue",
    "clip_to_lives",
    "collect_index_minutes",
    "complete",
    "derived_dag_args",
    "discover_funding_starts",
    "due",
    "find_ends",
    "gate",
    "history_dag_args",
    "judge",
    "load",
    "plan",
    "read_catalogue",
    "tell",
    "tell_failure",
]
