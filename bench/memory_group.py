"""A group of processes that share one limit of memory, without swap: what a small server would be to them."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

CONTROL = Path("/sys/fs/cgroup")


class MemoryGroup(ABC):
    """A control group of the kernel. What is started by command() is in it, and so is whatever that starts."""

    files: ClassVar[dict[str, str]]
    """The files to set when one is made, and what to: {limit} in bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def make(limit: int) -> MemoryGroup | None:
        """A new one with a limit in bytes; None where this user may not make one, or the kernel counts no memory."""
        found: MemoryGroup
        if (CONTROL / "memory").is_dir():
            found = FirstVersion(CONTROL / "memory" / f"warehouse-bench-{os.getpid()}")
        else:
            found = SecondVersion(CONTROL / f"warehouse-bench-{os.getpid()}")
            with suppress(OSError):  # it may be on already; if it can't be, the next files are missing
                (CONTROL / "cgroup.subtree_control").write_text("+memory")
        try:
            found.folder.mkdir()
        except OSError:
            return None
        try:
            for name, value in found.files.items():
                (found.folder / name).write_text(value.format(limit=limit))
        except OSError:
            found.remove()
            return None
        return found

    def command(self, words: list[str]) -> list[str]:
        """A command that runs another one in the group."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"), *words]

    def remove(self) -> None:
        """Once its processes have ended. Raises OSError before."""
        self.folder.rmdir()

    @property
    @abstractmethod
    def peak(self) -> int:
        """Bytes it held at most, the page cache it could have given up included."""

    @property
    @abstractmethod
    def kills(self) -> int:
        """How many of its processes the kernel killed for want of memory."""

    def _counted(self, name: str) -> int:
        found = re.search(r"^oom_kill (\d+)$", (self.folder / name).read_text(), re.M)
        assert found, f"{name} counts kills since Linux 4.13"
        return int(found[1])


class FirstVersion(MemoryGroup):
    # memory and swap together: so there is none of the latter
    files: ClassVar = {"memory.limit_in_bytes": "{limit}", "memory.memsw.limit_in_bytes": "{limit}"}

    @property
    def peak(self) -> int:
        return int((self.folder / "memory.max_usage_in_bytes").read_text())

    @property
    def kills(self) -> int:
        return self._counted("memory.oom_control")


class SecondVersion(MemoryGroup):
    files: ClassVar = {"memory.max": "{limit}", "memory.swap.max": "0"}

    @property
    def peak(self) -> int:
        return int((self.folder / "memory.peak").read_text())

    @property
    def kills(self) -> int:
        return self._counted("memory.events")
