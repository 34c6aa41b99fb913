"""Writes the pages that are made of what stands elsewhere: docs/dags.md from the DAGs themselves (what they say of
themselves, their schedules, tasks, pools and assets), docs/data-dictionary.md from the dictionary.md of every dataset's
folder and those of include/sql/dictionary, which are the comments in the database, too.

`sh stack/run dev python docs/generate.py` writes the pages; with `--check` it writes nothing, and exits with how many
are behind what they are made of.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parent.parent
DICTIONARY = ROOT / "include" / "sql"
COMMAND = "sh stack/run dev python docs/generate.py"
HEAD = f"""# The DAGs

Written by `docs/generate.py` from `dags/`; a test fails when it is behind. To write it again: `{COMMAND}`.
How they work together: [architecture.md](architecture.md). What to do when one fails: [operations.md](operations.md).
"""


def data_dictionary() -> str:
    """The page, in Markdown: what holds for everything, the datasets in their order, and the rest."""
    from deribit_warehouse.datasets import DATASETS

    head, *rest = sorted((DICTIONARY / "dictionary").glob("*.md"))
    folders = dict.fromkeys(dataset.sql for dataset in DATASETS)  # two datasets may share one
    of_datasets = [DICTIONARY / "datasets" / folder / "dictionary.md" for folder in folders]
    files = [head, *(file for file in of_datasets if file.exists()), *rest]
    return "\n".join(file.read_text() for file in files)


def dags() -> str:
    """The page, in Markdown. Raises RuntimeError naming the DAG files that can't be imported."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    if bag.import_errors:
        raise RuntimeError("; ".join(f"{file}: {error.strip()}" for file, error in sorted(bag.import_errors.items())))
    dags = [bag.dags[name] for name in sorted(bag.dags)]
    index = table(["DAG", "runs", "what it makes"], [[link(d), schedule(d), summary(d)] for d in dags])
    return "\n".join([HEAD, index, *map(section, dags)])


def section(dag: DAG) -> str:
    paragraphs = [f"## {dag.dag_id}\n", said(dag) + "\n", facts(dag), tasks(dag)]
    if dag.params:
        parameters = [[f"`{name}`", str(dag.params.get_param(name).description)] for name in dag.params]
        paragraphs.append(table(["run parameter", "meaning"], parameters))
    return "\n".join(paragraphs)


def facts(dag: DAG) -> str:
    rows = [
        ["runs", schedule(dag)],
        ["past intervals", "run by themselves (catchup)" if dag.catchup else "not run by themselves (no catchup)"],
        ["runs at a time", str(dag.max_active_runs)],
        ["tags", ", ".join(sorted(dag.tags))],
    ]
    if dag.dagrun_timeout:
        rows.append(["a run is given up after", span(dag.dagrun_timeout)])
    return table(["fact", "value"], rows)


def tasks(dag: DAG) -> str:
    rows = []
    for task in dag.topological_sort():
        rows.append([
            f"`{task.task_id}`",
            "one a batch" if task.is_mapped else "one",
            "" if task.pool == "default_pool" else f"`{task.pool}`",
            str(task.retries),
            span(task.execution_timeout),
            ", ".join(f"`{before}`" for before in sorted(task.upstream_task_ids)),
            ", ".join(f"`{asset.name}`" for asset in task.outlets),
        ])  # fmt: skip
    return table(["task", "instances", "pool", "retries", "timeout", "after", "asset"], rows)


def schedule(dag: DAG) -> str:
    """In words: the calendar, and the assets that trigger it."""
    timetable: Any = dag.timetable
    calendar = getattr(timetable, "timetable", timetable)
    expression = getattr(calendar, "expression", None)
    words = (
        f"cron `{expression}` (UTC)"
        if expression
        else "started by hand"
        if not calendar.can_be_scheduled
        else calendar.summary
    )
    if calendar is not timetable:
        assets = sorted(asset.name for asset in timetable.asset_condition.objects)
        words = f"after {' or '.join(f'`{name}`' for name in assets)}, and {words}"
    return words


def summary(dag: DAG) -> str:
    return " ".join(said(dag).split("\n\n")[0].split())


def said(dag: DAG) -> str:
    """What a DAG says of itself, in Markdown."""
    assert dag.doc_md, f"{dag.dag_id} says nothing of itself"
    return dag.doc_md.strip()


def link(dag: DAG) -> str:
    return f"[{dag.dag_id}](#{dag.dag_id})"


def span(duration: timedelta) -> str:
    minutes = duration.total_seconds() / 60
    if minutes < 1:
        return f"{duration.total_seconds():g} s"
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:g} min"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python docs/generate.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say whether a page is behind")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs")
    asked = parser.parse_args(arguments)
    behind = []
    for name, text in (("dags.md", dags()), ("data-dictionary.md", data_dictionary())):
        page = asked.folder / name
        if not asked.check:
            page.write_text(text)
        elif not page.exists() or page.read_text() != text:
            behind.append(name)
    if behind:
        print(f"{', '.join(behind)}: behind what it is made of; write it again: {COMMAND}", file=sys.stderr)
    return len(behind)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]
    # The page shows what is so without settings, and looking at DAGs must leave no Airflow home behind.
    for name in [name for name in os.environ if name.startswith(("DERIBIT_", "AIRFLOW__"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        os.environ |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
        sys.exit(main(sys.argv[1:]))
