"""What a monitor makes in its folder is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from clients.monitor.claim import claimed
from clients.monitor.record import Record, Stretch
from clients.monitor.report import write
from clients.monitor.run import make_folder


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    """Of all that is in it while a monitor is at work, by name."""
    make_folder(folder)
    with claimed(folder), closing(Record(folder / "record.db")) as record:
        record.watched(Stretch("door", "ses_1", 0.0, 60.0))
        write(record, folder)
        return {file.name: mode(file) for file in folder.iterdir()}


def test_others_on_the_machine_cannot_read_what_it_makes(tmp_path: Path) -> None:
    folder = tmp_path / "monitor"
    found = modes(folder)
    assert {"record.db", "record.db-wal", "lock.db", "report.md", "timeline.png"} <= set(found)
    assert set(found.values()) == {0o600}
    assert mode(folder) == 0o700


def test_what_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    (tmp_path / "report.md").touch()
    (tmp_path / "report.md").chmod(0o640)
    assert modes(tmp_path)["report.md"] == 0o640
    assert mode(tmp_path) == 0o750
