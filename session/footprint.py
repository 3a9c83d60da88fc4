"""What this process holds of the machine: figures that must not grow with the sessions served."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resident memory in bytes, without the pages of files: the system drops those when they have
    not been used for a while and reads them again, so that they come and go with what it has to do.
    Threads of every library; open file descriptors; asyncio tasks."""

    anonymous_bytes: int
    threads: int
    fds: int
    tasks: int


def settle() -> None:
    """Leaves what is there by now, libraries and the model, out of garbage collection for good:
    what must be looked through shrinks from 420,000 objects to what the sessions hold, and the
    pause for it from 160 ms to a few."""
    gc.collect()
    gc.freeze()


def trim() -> None:
    """Gives memory that is free back to the system, where malloc is glibc's; takes about a
    millisecond. Decoders and encoders come and go in threads of their own, each with an arena: what
    they free stays resident otherwise, in pieces, and more of it with every session.

    In a process that has settled, what holds itself in circles is freed first: of a closed
    connection some two megabytes, which would wait for Python's next full collection.
    """
    if gc.get_freeze_count():
        gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def footprint() -> Footprint | None:
    """Taken on the event loop's thread. None where the system has no /proc."""
    if not PROC.exists():
        return None
    _, resident, of_files, *_ = map(int, (PROC / "statm").read_text().split())
    return Footprint(
        anonymous_bytes=(resident - of_files) * os.sysconf("SC_PAGE_SIZE"),
        threads=sum(1 for _ in (PROC / "task").iterdir()),
        fds=sum(1 for _ in (PROC / "fd").iterdir()) - 1,  # one of them reads this list
        tasks=len(asyncio.all_tasks()),
    )
