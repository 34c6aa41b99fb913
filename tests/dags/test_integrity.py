"""What every DAG and every task has to have, and which DAGs there are."""

import ast
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from inspect import unwrap
from pathlib import Path

import pytest

from stack.catchup import RETENTION, UNUSED_BY_HISTORY

ROOT = Path(__file__).resolve().parents[2]
HISTORY = {
    "deribit_perpetuals_ohlcv": {"deribit_perpetuals_ohlcv_ready", "deribit_instruments"},
    "deribit_futures_ohlcv": {"deribit_futures_ohlcv_ready", "deribit_instruments"},
    "deribit_funding_rates": {"deribit_funding_rates_ready", "deribit_instruments"},
    "deribit_volatility_index": set(),
    "deribit_delivery_prices": set(),
    "deribit_settlements": set(),
}
DERIVED = {
    "deribit_index_prices": {
        "deribit_perpetuals_ohlcv",
        "deribit_funding_rates",
        "deribit_index_minutes",
        "deribit_instruments",
    },
    "deribit_basis_spread": {"deribit_futures_ohlcv", "deribit_perpetuals_ohlcv", "deribit_instruments"},
    "deribit_roll_calendar": {"deribit_instruments"},
}
# 30 s before the beat, or the end of the minute, that they are for
SNAPSHOTS = {"deribit_instrument_summaries": "0-59/1 * * * * 30", "deribit_options_chain": "4-59/5 * * * * 30"}
LIVE = dict.fromkeys(("deribit_perpetuals_live", "deribit_futures_live"), "* * * * * 30")
HOURLY = {"deribit_funding_live": "2 * * * *"}
COLLECTION = {"deribit_instruments": "0 0 * * *", "deribit_index_minutes": "0 */4 * * *"} | SNAPSHOTS | LIVE | HOURLY
WITHOUT_DATASET = {"deribit_data_docs", "deribit_retention", "deribit_acknowledge", "deribit_close_day"}
BY_HAND = {"deribit_acknowledge"}
WITHOUT_ASSET = {
    "what follows closed days would be started every minute and have nothing to do; what is computed of open days is "
    "validated in the transaction that publishes them": {*LIVE, *HOURLY},
}
"""Why a DAG that publishes a dataset emits no asset."""
WITHOUT_FORM = {
    "the exchange answers about the present alone": {*SNAPSHOTS, "deribit_instruments", "deribit_index_minutes"},
    "a run asks for whatever is open, and a range of days that are over is asked of the history's DAG": {
        *LIVE,
        *HOURLY,
    },
    "it makes no dataset, and finds out by itself what there is to do": WITHOUT_DATASET - BY_HAND,
    "its form asks for an incident": BY_HAND,
}
"""Why a DAG has no form for a range of days."""
SECTIONS = ["Source", "Grain", "Schedule", "Late data", "When it fails"]
MONTHLY = "0 0 1 * *"


def names(tasks):
    return [f"{task.dag_id}.{task.task_id}" for task in tasks]


def triggering_assets(dag):
    """The names of the assets that start a DAG."""
    return {asset.name for asset in getattr(getattr(dag.timetable, "asset_condition", None), "objects", ())}


def assets_of(task):
    """What a task emits whenever it succeeds: not the alias for what waited for it."""
    from airflow.sdk import Asset

    return [asset for asset in task.outlets if isinstance(asset, Asset)]


def test_every_dag_file_can_be_imported(bag):
    assert bag.import_errors == {}


def test_there_are_these_dags_and_no_others(bag):
    assert set(bag.dags) == set(HISTORY) | set(DERIVED) | set(COLLECTION) | WITHOUT_DATASET


def test_a_dag_is_in_the_file_of_its_name(every_dag):
    for dag in every_dag:
        assert dag.fileloc.endswith(f"/dags/{dag.dag_id.removeprefix('deribit_')}.py")


def test_the_library_knows_every_dag_that_makes_a_dataset(bag):
    from deribit_warehouse import datasets

    made = {dataset.dag_id for dataset in (*datasets.DATASETS, *datasets.LIVE)}
    assert made == set(bag.dags) - WITHOUT_DATASET


MAY_NAME = {
    "exchange/assumptions.py": "it tells people which dataset lacks what where an assumption does not hold",
    "exchange/settlements.py": "the exchange calls a field of its answer so",
}
"""Files that hold a dataset's name, and why none of them treats that dataset in another way than the others."""

MAY_NAME_THE_CATALOGUE = {
    "pipeline/read_catalogue.py": "it reads it",
    "pipeline/delisting.py": "the ends of lifetimes are a part of it",
    "pipeline/dag_defaults.py": "each new one starts what waits",
    "pipeline/load.py": "it says which DAG a plan waits for",
    "alerts/messages.py": "it says which DAG to start when the catalogue is behind",
}
"""The catalogue of instruments is a dataset only to be validated and shown: plans are made from it."""


def named_in(file: Path) -> set[str]:
    """The words of a module's strings, its docstrings left out, and the constants that it names."""
    tree = ast.parse(file.read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            found |= set(re.findall(r"\w+", node.value))
        elif isinstance(node, (ast.Name, ast.Attribute, ast.alias)):
            name = next(getattr(node, each) for each in ("id", "attr", "name") if hasattr(node, each))
            found |= {name} if name.isupper() else set()
    return found


def names_of(*datasets) -> set[str]:
    return {name for d in datasets for name in (d.name, d.dag_id, d.name.upper())}


def test_the_library_and_the_stack_name_no_dataset():
    """What they have to know of one the dataset says, so none is treated in another way by its name."""
    from deribit_warehouse.datasets import DATASETS, INSTRUMENTS, LIVE

    library = ROOT / "plugins/deribit_warehouse"
    files = [file for file in library.rglob("*.py") if file.parent != library / "datasets"]
    files += (ROOT / "stack").rglob("*.py")
    names = names_of(*(each for each in (*DATASETS, *LIVE) if each is not INSTRUMENTS))
    catalogue = names_of(INSTRUMENTS) - {INSTRUMENTS.name}  # which many a table calls a column
    naming = {file.relative_to(library.parents[1]).as_posix(): named_in(file) for file in files}
    prefix = "plugins/deribit_warehouse/"
    assert {file for file, found in naming.items() if found & names} == {prefix + file for file in MAY_NAME}
    assert {file for file, found in naming.items() if found & catalogue} == {
        prefix + file for file in MAY_NAME_THE_CATALOGUE
    }
    comparisons = [
        f"{file}: {line.strip()}"
        for file in naming for line in (ROOT / file).read_text().splitlines()
        if re.search(r"dataset(\.name)? (==|!=|in|not in) ([\"']|[(\[{][\"'])", line)
    ]  # fmt: skip
    assert comparisons == [], "a branch on a dataset's name"


MAY_NAME_IN_SQL = {
    "it is the dataset's own view": {"views/16_options_chain"},
    "the index is computed from these, and shown where they have been validated": {
        "views/05_index",
        "views/27_live_index",
    },
    "the level of a coin is compared with candles and funding, and it says which of them are awaited": {
        "views/07_levels",
    },
    "rolls are made of candles": {"views/14_roll_calendar"},
    "an acceptance criterion is about a dataset": {
        "views/26_acceptance",
        "report/acceptance/ac_008",
        "report/acceptance/ac_010",
        "report/acceptance/ac_011",
    },
    "a day is closed by its candles, and what live brought of it are candles": {"open_days/first_unclosed"},
    "the constraint has the questions whose answers are recorded": {"tables/0002_candle", "tables/0017_open_candle"},
}
"""Statements that hold a dataset's name outside of its folder, and why none of them forgets another dataset."""


def test_the_sql_of_all_datasets_names_none():
    """What is put together from the parts of every dataset has what it needs of one from there."""
    from deribit_warehouse.datasets import DATASETS, INSTRUMENTS, LIVE

    # the kinds of rows in coverage have the names of the folders
    names = {name for d in (*DATASETS, *LIVE) if d is not INSTRUMENTS for name in (d.name, d.dag_id, d.sql)}
    naming = set()
    for file in (ROOT / "include/sql").rglob("*.sql"):
        # a part of a text is a name only where it can't be a word, as "candles" is
        quoted = re.findall(r"'((?:[^']|'')*)'", re.sub(r"--.*", "", file.read_text()))
        named = {word for text in quoted for word in re.findall(r"\w+", text) if "_" in word or word == text} & names
        path = file.relative_to(ROOT / "include/sql").with_suffix("").as_posix()
        if named and not path.startswith("datasets/"):
            naming.add(path)
    assert naming == {path for paths in MAY_NAME_IN_SQL.values() for path in paths}


OTHERS_IN_DAGS = {
    "close_day": {"funding_rates", "perpetuals_ohlcv", "futures_ohlcv"},  # it starts these three
    "instruments": {"perpetuals_ohlcv"},  # in whose pool it is validated: it has no versions, so none of its own
}


def test_a_dag_file_names_its_own_dataset_its_inputs_and_the_catalogue():
    from deribit_warehouse.datasets import DATASETS, LIVE, by_name

    every = {each.name for each in (*DATASETS, *LIVE)}
    for file in sorted((ROOT / "dags").glob("*.py")):
        own = {file.stem} & every
        allowed = own | {name for each in own for name in by_name(each).inputs} | {"instruments"}
        found = {name for name in every if names_of(by_name(name)) & named_in(file)}
        assert found - allowed == OTHERS_IN_DAGS.get(file.stem, set()), file.name


def test_what_a_dataset_is_computed_from_comes_before_it():
    """So no input is computed from what it is an input of, and what is taken back is followed through all of them."""
    from deribit_warehouse.datasets import DATASETS

    names = [dataset.name for dataset in DATASETS]
    for place, dataset in enumerate(DATASETS):
        assert set(dataset.inputs) <= set(names[:place]), dataset.name
        assert set(dataset.references) <= set(names), dataset.name


def test_two_parses_serialise_alike(airflow_database):
    """Airflow makes a new version of a DAG whenever what it has serialised differs: an address in the repr of a task's
    argument would make one at every parse."""
    serialise = (
        "import json; from airflow.dag_processing.dagbag import DagBag; "
        "from airflow.serialization.serialized_objects import DagSerialization; "
        f"bag = DagBag({str(ROOT / 'dags')!r}); assert not bag.import_errors; "
        "print(json.dumps({name: DagSerialization.to_dict(dag) for name, dag in bag.dags.items()}, sort_keys=True))"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", serialise], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        for _ in range(2)
    )
    assert first[-1] == second[-1] and '"deribit_basis_spread"' in first[-1]


def test_every_dag_says_whose_and_what_it_is(every_dag):
    for dag in every_dag:
        assert dag.owner == "market-data", dag.dag_id
        assert "deribit" in dag.tags and len(dag.tags) > 1, dag.dag_id


def test_a_start_finds_what_it_leaves_for_later_by_its_tag(every_dag):
    assert [dag.dag_id for dag in every_dag if RETENTION in dag.tags] == ["deribit_retention"]


def test_every_dag_documents_itself_in_the_same_sections(every_dag):
    for dag in every_dag:
        first, *rest = dag.doc_md.strip().split("\n\n")
        assert first.endswith("."), f"{dag.dag_id}: the first paragraph says what it makes, in a sentence"
        sections = re.findall(r"^\*\*(.+?)\.\*\* \S", "\n\n".join(rest), re.MULTILINE)
        # what levels are checked against is said where there is something
        assert [section for section in sections if section != "Level"] == SECTIONS, dag.dag_id


def test_every_dag_tells_of_a_failed_run_but_one_that_somebody_has_just_started(every_dag):
    from deribit_warehouse.alerts import notify_failure

    for dag in every_dag:
        told = dag.on_failure_callback is notify_failure
        assert told is (dag.dag_id not in BY_HAND), dag.dag_id


def test_what_only_people_start_has_no_schedule(bag):
    for name in BY_HAND:
        assert bag.dags[name].schedule is None, name


def test_every_task_may_show_that_something_is_over_and_the_end_of_a_run_is_never_executed(every_task):
    from deribit_warehouse.alerts.callbacks import LAST
    from deribit_warehouse.pipeline.dag_defaults import task_went_well

    assert LAST in {task.task_id for task in every_task}
    for task in every_task:
        # an EmptyOperator with a callback is executed
        expected = [] if task.task_id == LAST else [task_went_well]
        for callbacks in (task.on_success_callback, task.on_skipped_callback):
            found = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
            assert list(found) == expected, names([task])


OPEN_RUNS = {
    "deribit_futures_ohlcv": 3, "deribit_perpetuals_ohlcv": 3, "deribit_funding_rates": 2,
    **dict.fromkeys((*SNAPSHOTS, *LIVE), 2),
}  # fmt: skip
"""How many runs of a DAG are open at once, as measured; one of every other. Airflow would open 16."""


def test_no_dag_opens_more_runs_than_were_measured(every_dag):
    for dag in every_dag:
        assert dag.max_active_runs == OPEN_RUNS.get(dag.dag_id, 1), dag.dag_id


def test_whoever_may_be_waited_for_says_what_can_be_validated_now(bag):
    """What waits is validated when that comes; the catalogue comes every day and starts what is left."""
    from airflow.sdk import AssetAlias

    from deribit_warehouse.datasets import DATASETS, by_name

    awaited = {name for dataset in DATASETS for name in dataset.references}
    assert awaited == {"perpetuals_ohlcv", "funding_rates", "futures_ohlcv", "delivery_prices"}
    for name in awaited:
        outlets = bag.dags[by_name(name).dag_id].task_dict["publish"].outlets
        assert [each.name for each in outlets if isinstance(each, AssetAlias)] == ["deribit_ready"]


@pytest.mark.parametrize("name", sorted(HISTORY))
def test_history_is_a_run_a_year_then_a_run_a_month_with_catchup(bag, name):
    from deribit_warehouse import settings
    from deribit_warehouse.datasets import by_name
    from deribit_warehouse.timetable import YearsThenMonths

    dag = bag.dags[name]
    assert triggering_assets(dag) == HISTORY[name]
    timetable = dag.timetable.timetable if HISTORY[name] else dag.timetable
    assert isinstance(timetable, YearsThenMonths)
    assert dag.catchup is True
    since = by_name(name.removeprefix("deribit_")).since  # what began later has no months before it
    assert dag.start_date == (settings.history_from() if since is None else since.replace(day=1))
    assert set(dag.params) == {"from", "to"}
    assert "history" in dag.tags  # by this the start command finds what it has to wait for


@pytest.mark.parametrize("name", sorted(DERIVED))
def test_what_is_derived_is_started_by_its_inputs_and_can_be_backfilled_by_month(bag, name):
    from airflow.sdk import AssetOrTimeSchedule

    from deribit_warehouse import settings

    dag = bag.dags[name]
    assert isinstance(dag.timetable, AssetOrTimeSchedule)
    assert triggering_assets(dag) == DERIVED[name]
    assert dag.timetable.timetable.expression == MONTHLY
    assert dag.catchup is False, "one run computes whatever is pending"
    assert dag.start_date == settings.history_from()
    assert set(dag.params) == {"from", "to"}
    assert "derived" in dag.tags


@pytest.mark.parametrize("name", sorted(COLLECTION))
def test_collection_follows_the_calendar_and_never_the_past(bag, name):
    dag = bag.dags[name]
    assert dag.timetable.expression == COLLECTION[name]
    assert dag.catchup is False and dag.max_active_runs == OPEN_RUNS.get(name, 1)
    assert not dag.params, "no past range can be asked for, so what a gate blocks is over with the next run"


def test_the_days_that_are_over_are_closed_ten_minutes_into_the_next(bag):
    dag = bag.dags["deribit_close_day"]
    assert dag.timetable.expression == "10 0 * * *"
    assert dag.catchup is False and dag.max_active_runs == 1, "one night takes up whatever an earlier one left"
    assert dag.dagrun_timeout == timedelta(hours=1) and not dag.params


@pytest.mark.parametrize(
    ("minutes", "cron", "ended_after", "task_ended_after", "weight"),
    # minutes, minutes, seconds
    [
        ("1", "0-59/1 * * * * 30", 3, 50, 100),
        ("15", "14-59/15 * * * * 30", 30, 240, None),
        ("60", "59 * * * * 30", 120, 240, None),
    ],
)
@pytest.mark.parametrize(
    ("name", "variable"),
    [("instrument_summaries", "DERIBIT_SUMMARY_MINUTES"), ("options_chain", "DERIBIT_SNAPSHOT_MINUTES")],
)
def test_the_beat_of_snapshots_is_a_setting_of_each(
    monkeypatch, name, variable, minutes, cron, ended_after, task_ended_after, weight
):
    from deribit_warehouse import pipeline
    from deribit_warehouse.datasets import by_name

    monkeypatch.setenv(variable, minutes)
    arguments = pipeline.snapshot_dag_args(by_name(name))
    assert arguments["schedule"].expression == cron and arguments["catchup"] is False
    assert arguments["dagrun_timeout"] == timedelta(minutes=ended_after)
    task = pipeline.snapshot_task(by_name(name))
    assert task["execution_timeout"] == timedelta(seconds=task_ended_after)
    assert task.get("priority_weight") == weight


@pytest.mark.parametrize("name", sorted(SNAPSHOTS))
def test_a_snapshot_has_its_own_share_and_gives_up_for_the_next_beat(bag, name):
    from deribit_warehouse.datasets import by_name

    dataset = by_name(name.removeprefix("deribit_"))
    beat = timedelta(seconds=dataset.beat())
    assert dataset.bucket == "live" and dataset.longest_wait < beat
    assert bag.dags[name].dagrun_timeout <= 3 * beat
    for task in bag.dags[name].task_dict.values():
        if task.task_id != "complete":
            assert task.execution_timeout < beat and task.retries == 1, names([task])


@pytest.mark.parametrize(("minutes", "waits"), [(1, 0), (2, 0), (3, 1), (5, 2), (60, 2)])
@pytest.mark.parametrize("name", ["instrument_summaries", "options_chain"])
def test_a_snapshot_waits_for_an_exchange_that_is_away_while_it_is_of_its_beat(monkeypatch, name, minutes, waits):
    from deribit_warehouse.datasets import by_name

    monkeypatch.setenv("DERIBIT_SUMMARY_MINUTES", str(minutes))
    monkeypatch.setenv("DERIBIT_SNAPSHOT_MINUTES", str(minutes))
    assert by_name(name).longest_wait == timedelta(minutes=waits)


@pytest.mark.parametrize("name", sorted(LIVE))
def test_of_live_the_next_minute_is_the_retry(bag, name):
    from deribit_warehouse.datasets import by_name

    dag, dataset = bag.dags[name], by_name(name.removeprefix("deribit_"))
    assert dataset.bucket == "live" and dataset.patience == timedelta(0)
    assert dag.dagrun_timeout == timedelta(minutes=3) and dag.tags >= {"live"}
    for task in dag.task_dict.values():
        if task.task_id != "complete":
            assert task.execution_timeout < timedelta(minutes=1) and task.retries == 0, names([task])
    assert dag.task_dict["publish"].trigger_rule == "all_done"
    assert dag.task_dict["complete"].upstream_task_ids == {"load", "publish"}


@pytest.mark.parametrize("name", sorted(HOURLY))
def test_an_hour_is_collected_soon_and_its_run_is_over_before_the_next(bag, name):
    from deribit_warehouse import pipeline
    from deribit_warehouse.datasets import by_name

    dag, dataset = bag.dags[name], by_name(name.removeprefix("deribit_"))
    assert dataset.live and dataset.bucket == "live" and dag.tags >= {"live"}
    assert pipeline.HOURLY_PATIENCE + dataset.asking < dag.dagrun_timeout < timedelta(hours=1)
    for task in dag.task_dict.values():
        if task.task_id != "complete":
            assert dataset.asking < task.execution_timeout < timedelta(minutes=20), names([task])
    assert dag.task_dict["publish"].trigger_rule == "all_done"
    assert dag.task_dict["complete"].upstream_task_ids == {"load", "publish"}


def test_the_data_docs_are_built_one_at_a_time_and_not_for_every_gate(bag):
    dag = bag.dags["deribit_data_docs"]
    assert triggering_assets(dag) == set()
    assert dag.timetable.expression == "*/5 * * * *"
    assert dag.catchup is False and dag.max_active_runs == 1


def test_every_asset_that_rings_a_dag_is_emitted_by_one_task_of_its_own_dag(every_dag, every_task):
    emitted = {asset.name: task.dag_id for task in every_task for asset in assets_of(task)}
    assert sum(len(assets_of(task)) for task in every_task) == len(emitted), "an asset with two producers"
    for dag in every_dag:
        # what waits for another dataset is told of by that one
        assert triggering_assets(dag) - {f"{dag.dag_id}_ready"} <= set(emitted), dag.dag_id
    assert all(name == dag_id for name, dag_id in emitted.items())


def test_every_dataset_emits_its_asset_from_its_own_dag(bag):
    """So that its lineage is shown, and a DAG of one's own can follow it."""
    from deribit_warehouse import pipeline
    from deribit_warehouse.datasets import DATASETS, LIVE

    expected = {dataset.dag_id: [pipeline.asset(dataset)] for dataset in DATASETS}
    assert {dataset.dag_id for dataset in DATASETS if dataset.table} < set(expected)
    expected |= {dataset.dag_id: [] for dataset in LIVE}
    found = {name: [asset for task in bag.dags[name].tasks for asset in assets_of(task)] for name in expected}
    assert found == expected
    assert {name for name, assets in found.items() if not assets} == set().union(*WITHOUT_ASSET.values())


def test_what_a_dataset_is_computed_from_or_compared_with_are_its_inlets(every_task):
    """That starts nothing: of the rolls and of summaries in the index it says more than the schedules do. What is of
    open days has no assets."""
    from deribit_warehouse import pipeline
    from deribit_warehouse.datasets import DATASETS, by_name

    expected = {
        (dataset.dag_id, "publish"): [pipeline.asset(by_name(name)) for name in (*dataset.inputs, *dataset.references)]
        for dataset in DATASETS if dataset.inputs or dataset.references
    }  # fmt: skip
    assert {(task.dag_id, task.task_id): task.inlets for task in every_task if task.inlets} == expected


def test_a_range_can_be_asked_of_every_dag_but_those_that_say_why_not(every_dag):
    without = {dag.dag_id for dag in every_dag if set(dag.params) != {"from", "to"}}
    assert without == set().union(*WITHOUT_FORM.values())


def test_an_asset_that_rings_several_dags_is_emitted_by_one_task_at_a_time(every_dag, every_task):
    """Airflow 3.3.2 queues the DAGs an asset rings in the order of a Python set, inside the transaction that ends the
    task. Two tasks that end together with two DAGs to ring deadlock, and the API server fails one of them for good."""
    from deribit_warehouse.datasets import POOLS

    triggered = Counter(name for dag in every_dag for name in triggering_assets(dag))
    several = [task for task in every_task if any(triggered[asset.name] > 1 for asset in assets_of(task))]
    # whatever task tells of them: each starts one DAG
    assert {number for name, number in triggered.items() if name.endswith("_ready")} == {1}
    assert several, "no asset rings several DAGs any more: this rule can go"
    assert {POOLS[task.pool] for task in several} == {1}
    # a DAG of one's own may listen to any of these
    gates = [task for task in every_task if task.task_id == "publish" and not task.is_mapped]
    assert {POOLS[task.pool] for task in gates} == {1} and len(gates) == len([*HISTORY, *SNAPSHOTS, *LIVE, *HOURLY])
    # two that publish the same versions do it one after the other
    shared = [name for name, number in Counter(task.pool for task in gates).items() if number > 1]
    assert shared == ["deribit_validation_funding_rates"] and len({task.pool for task in gates}) == len(gates) - 1


def test_a_run_that_cannot_go_on_is_seen_by_airflow(every_dag, every_task):
    """Airflow fails a run none of whose tasks can be scheduled any more (one lost its row), unless a task that waits is
    limited by these: then the run would stay open for ever, hold its slot, and nobody would be told."""
    for task in every_task:
        assert task.max_active_tis_per_dag is None and task.max_active_tis_per_dagrun is None, names([task])
        assert not task.depends_on_past, names([task])


def test_only_a_task_that_publishes_rings(every_task):
    publishing = {"publish", "check_catalogue", "load"}
    assert {task.task_id for task in every_task if task.outlets} == publishing


def test_all_but_what_something_waits_for_by_the_minute_gives_way_on_a_busy_machine(every_task):
    from deribit_warehouse.pipeline.dag_defaults import give_way

    for task in every_task:
        found = task.on_execute_callback
        found = found if isinstance(found, (list, tuple)) else [found] if found else []
        # an EmptyOperator with a callback is executed
        now = task.dag_id in SNAPSHOTS | LIVE or task.task_type == "EmptyOperator"
        assert found == ([] if now else [give_way]), names([task])


def test_every_task_is_tried_again_a_bounded_number_of_times(every_task):
    assert names(t for t in every_task if not 1 <= t.retries <= 5 and t.dag_id not in LIVE) == []


def test_every_task_ends_some_time(every_task):
    late = (t for t in every_task if not t.execution_timeout or t.execution_timeout > timedelta(hours=1))
    assert names(late) == []


def test_every_task_keeps_why_it_failed(every_task):
    from deribit_warehouse.pipeline.dag_defaults import record_task_failure

    for task in every_task:
        callbacks = task.on_failure_callback
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        assert callbacks == [record_task_failure], names([task])


def test_every_mapped_task_has_readable_instances(every_task):
    mapped = [task for task in every_task if task.is_mapped]
    assert {task.task_id for task in mapped} == {"load", "read_futures", "read_options", "publish"}
    for task in mapped:
        assert task.partial_kwargs["map_index_template"] == "{{ label }}", names([task])
        assert "set_label(context, " in source_of(task), f"{names([task])} never says its label"


def test_who_asks_the_exchange_or_judges_is_in_that_pool(every_task):
    from deribit_warehouse.dataset import EXCHANGE_POOL, LIVE_POOL, VALIDATION_POOL
    from deribit_warehouse.datasets import POOLS

    expected = {}
    for task in every_task:
        calls = set(unwrap(function_of(task)).__code__.co_names) if hasattr(task, "python_callable") else set()
        pools = {"exchange": EXCHANGE_POOL} | dict.fromkeys(
            ("record_validation", "validate_and_publish"), VALIDATION_POOL
        )
        expected[task.dag_id, task.task_id] = next((pools[n] for n in pools if n in calls), "default_pool")
    # a beat waits for nothing that is loaded of the past
    expected |= {(name, "load"): LIVE_POOL for name in (*SNAPSHOTS, *LIVE, *HOURLY)}
    expected |= {(name, "plan"): LIVE_POOL for name in (*LIVE, *HOURLY)}
    for name in (*HISTORY, *DERIVED, *SNAPSHOTS, *LIVE):
        expected[name, "publish"] = f"{VALIDATION_POOL}_{name.removeprefix('deribit_')}"
    expected["deribit_funding_live", "publish"] = f"{VALIDATION_POOL}_funding_rates"
    expected["deribit_instruments", "check_catalogue"] = f"{VALIDATION_POOL}_perpetuals_ohlcv"
    assert {(t.dag_id, t.task_id): t.pool for t in every_task} == expected
    assert set(expected.values()) == {*POOLS, "default_pool"}


def test_the_gate_judges_whatever_became_of_the_loads_and_the_run_still_turns_red(bag):
    for name in HISTORY:
        tasks = bag.dags[name].task_dict
        assert tasks["publish"].trigger_rule == "all_done"
        assert tasks["complete"].trigger_rule == "all_success"
        assert tasks["complete"].upstream_task_ids == {"load", "publish"}, "a failed load would leave the run green"


def test_live_minutes_are_deleted_whatever_became_of_comparing_them_and_the_run_still_turns_red(bag):
    tasks = bag.dags["deribit_retention"].task_dict
    assert tasks["prune_open_days"].upstream_task_ids == {"compare_open_days"}
    assert tasks["prune_open_days"].trigger_rule == "all_done"
    assert tasks["complete"].trigger_rule == "all_success"
    assert "compare_open_days" in tasks["complete"].upstream_task_ids, "a failed comparison would leave the run green"


def test_a_list_of_options_that_fails_keeps_nothing_waiting_but_the_end_of_its_run(bag):
    tasks = bag.dags["deribit_instruments"].task_dict
    assert tasks["discover_funding_starts"].upstream_task_ids == {"read_futures"}
    for name in ("discover_funding_starts", "check_catalogue"):
        assert tasks[name].trigger_rule == "all_done_min_one_success"
    assert tasks["complete"].trigger_rule == "all_success"
    assert tasks["complete"].upstream_task_ids == set(tasks) - {"complete"}, "a failed list would leave the run green"
    for name in UNUSED_BY_HISTORY:
        assert tasks[name].downstream_task_ids == {"check_catalogue", "complete"}, "a start goes on without it"


def function_of(task):
    return task.python_callable


def source_of(task):
    import inspect

    return inspect.getsource(function_of(task))


def test_a_result_is_one_xcom(every_task):
    """Airflow takes a dictionary for several outputs unless told, and stores each of its values once more."""
    for task in every_task:
        assert getattr(task, "multiple_outputs", False) is False, names([task])
