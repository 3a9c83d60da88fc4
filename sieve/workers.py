"""Worker processes that do not outlive the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Of a worker, once: it ends when its parent has ended, however that came.

    A killed parent cannot end its workers: they would do what they have been given beside the next
    run, and then wait for ever. Raises RuntimeError in a process that is no worker.
    """
    if multiprocessing.parent_process() is None:
        raise RuntimeError("only a worker process can end with its parent")
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
