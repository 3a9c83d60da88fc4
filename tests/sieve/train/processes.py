"""Processes as /proc knows them, for tests of what is left of one that was killed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc"
)


def started_by(parent: int) -> list[int]:
    """The processes that one has started and that have not ended."""
    every = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in every if _parent(pid) == parent]


def wait_until_ended(processes: Sequence[int], within_s: float = 30.0) -> None:
    end_s = time.monotonic() + within_s
    while any(_parent(pid) is not None for pid in processes):
        assert time.monotonic() < end_s, "a process goes on without the one that started it"
        time.sleep(0.05)


def _parent(pid: int) -> int | None:
    """None where it has ended, buried or not."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(parent)
