"""What the process holds, as the system counts it."""

from __future__ import annotations

import asyncio
import gc
import platform
import threading
import weakref
from pathlib import Path

import pytest

from session import footprint as module
from session.footprint import PROC, Footprint, footprint, settle, trim

pytestmark = pytest.mark.skipif(not PROC.exists(), reason="needs /proc")


async def test_a_file_a_thread_and_a_task_are_counted(tmp_path: Path) -> None:
    before = footprint()
    assert before is not None
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    task = asyncio.create_task(asyncio.sleep(60))
    with (tmp_path / "file").open("w"):
        held = footprint()
    release.set()
    thread.join()
    task.cancel()
    assert held is not None
    assert (held.threads, held.fds, held.tasks) == (
        before.threads + 1,
        before.fds + 1,
        before.tasks + 1,
    )
    assert held.anonymous_bytes > 10 * 2**20


async def test_a_system_that_does_not_tell_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROC", tmp_path / "none")
    assert footprint() is None


def resident(held: Footprint | None) -> int:
    assert held is not None
    return held.anonymous_bytes


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's malloc")
async def test_freed_memory_between_what_is_still_used_goes_back_to_the_system() -> None:
    blocks = [bytearray(b"x" * 60_000) for _ in range(1_000)]  # below malloc's own mappings
    kept = blocks[::10]
    del blocks
    before = resident(footprint())
    trim()
    after = resident(footprint())
    assert before - after > 30 * 2**20
    assert all(block[-1] == ord("x") for block in kept)


class Circle:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


def test_what_holds_itself_in_circles_is_freed_once_the_process_has_settled() -> None:
    settle()
    try:
        circle = Circle()
        left = weakref.ref(circle)
        gc.collect(1)  # it is old now: only a full collection looks at it
        del circle
        gc.collect(1)
        assert left() is not None
        trim()
        assert left() is None
    finally:
        gc.unfreeze()
