"""What processes of this machine have used: CPU seconds and the most memory, from Linux's /proc."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass
class Used:
    """By one process or by several of one name: CPU seconds together, megabytes of the largest one."""

    processes: int = 0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass
class Watch:
    """Looks at this process and all that it started, time and again, within its `with` block."""

    every_s: float = 1.0
    _seen: dict[int, tuple[str, float, float]] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Note what each process has used by now."""
        for pid in _family(os.getpid()):
            try:
                self._seen[pid] = (name_of(pid), cpu_s(pid), peak_mb(pid))
            except OSError:  # it has ended meanwhile; what was seen last stays
                continue

    def by_name(self) -> dict[str, Used]:
        """What was used, by name; the names that used most first."""
        found: dict[str, Used] = {}
        for name, seconds, megabytes in self._seen.values():
            used = found.setdefault(name, Used())
            used.processes += 1
            used.cpu_s += seconds
            used.peak_mb = max(used.peak_mb, megabytes)
        return dict(sorted(found.items(), key=lambda item: -item[1].cpu_s))

    def _run(self) -> None:
        while not self._stopped.wait(self.every_s):
            self.look()


def cpu_s(pid: int) -> float:
    """User and system."""
    fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def peak_mb(pid: int) -> float:
    """The highest resident size so far."""
    for line in (PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def name_of(pid: int) -> str:
    """The function that it is, or else its command."""
    variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    for variable in variables:
        if variable.startswith(b"AWS_LAMBDA_FUNCTION_NAME="):
            return variable.partition(b"=")[2].decode()
    words = (PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    return b" ".join(words[1:3]).decode() or "python"


def _family(root: int) -> set[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8")
        except OSError:
            continue
        children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, waiting = {root}, [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found
