"""Workers end with the process that started them, also when it is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sieve.workers import end_with_parent

PROGRAM = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from sieve.workers import end_with_parent

def work(_):
    return os.getpid()

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, end_with_parent) as pool:
        print(next(pool.map(work, range(8))), flush=True)
        time.sleep(600)
"""


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet buried does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as killed:
        assert killed.stdout is not None
        worker = int(killed.stdout.readline())
        assert _alive(worker)
        killed.kill()
    end_s = time.monotonic() + 60.0
    while _alive(worker):
        assert time.monotonic() < end_s, "the worker goes on without its parent"
        time.sleep(0.02)


def test_what_is_no_worker_is_refused() -> None:
    with pytest.raises(RuntimeError, match="only a worker process"):
        end_with_parent()
