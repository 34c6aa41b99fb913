"""What the metrics were measured on: a number without its machine says nothing."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil


def description(postgres_version: str) -> list[str]:
    """Lines for the table's header."""
    memory = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = ("apache-airflow", "great-expectations", "numpy", "psycopg")
    packages = ", ".join(f"{name} {version(name)}" for name in named)
    load = os.getloadavg()[0]
    busy = f"; load {load:.1f} before it began, so something else was running" if load > 0.5 * cores else ""
    return [
        f"{cores} cores of {processor()}, {memory:.0f} GiB of memory, {platform.system()}{busy}",
        f"Python {platform.python_version()}, Postgres {postgres_version} (fsync on), {packages}",
    ]


def processor() -> str:
    try:
        [model, *_] = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except (OSError, ValueError):
        return platform.processor() or platform.machine()
    return model
