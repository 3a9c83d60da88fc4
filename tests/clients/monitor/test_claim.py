"""One monitor at a time in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clients.monitor.claim import claimed, locked
from clients.sdk.errors import EchoSieveError

HOLDS = """
import sys, time
from pathlib import Path
from clients.monitor.claim import claimed, locked
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_claimed_once_and_given_back(tmp_path: Path) -> None:
    with claimed(tmp_path):
        with pytest.raises(EchoSieveError, match="another monitor") as told:
            locked(tmp_path)
        assert str(tmp_path) in str(told.value)
    with claimed(tmp_path):
        pass


def test_other_folders_are_free(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with claimed(tmp_path / "a"), claimed(tmp_path / "b"):
        pass


def test_a_monitor_that_is_killed_leaves_its_folder_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(EchoSieveError, match="another monitor"), claimed(tmp_path):
            raise AssertionError
        other.kill()
        other.wait()
        with claimed(tmp_path):
            pass


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(EchoSieveError, match=r"lock\.db: cannot be locked"), claimed(tmp_path):
        raise AssertionError
    with pytest.raises(EchoSieveError, match="cannot be locked"), claimed(tmp_path / "none"):
        raise AssertionError
