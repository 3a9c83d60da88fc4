"""Pictures of events on disk."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from session.errors import NotFound
from session.watch.snapshots import Snapshots, jpeg

GREEN = np.full((56, 84, 3), (0, 200, 0), np.uint8)


def test_a_picture_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path / "pictures")
    assert kept.save("ses_a", "wat_b.1", GREEN) == "/v1/sessions/ses_a/snapshots/wat_b.1.jpg"
    picture = Image.open(io.BytesIO(kept.load("ses_a", "wat_b.1")))
    assert picture.size == (84, 56)
    assert abs(np.asarray(picture).astype(int) - GREEN).max() < 10


def test_others_on_the_machine_do_not_see_them(tmp_path: Path) -> None:
    Snapshots(tmp_path / "pictures").save("ses_a", "wat_b.1", GREEN)
    assert (tmp_path / "pictures").stat().st_mode & 0o077 == 0


def test_the_oldest_leave_when_the_budget_is_spent(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path, budget_bytes=3 * len(jpeg(GREEN)))
    for number in range(5):
        kept.save("ses_a", f"wat_b.{number}", GREEN)
        os.utime(tmp_path / "ses_a" / f"wat_b.{number}.jpg", (number, number))
    for number in (0, 1):
        with pytest.raises(NotFound):
            kept.load("ses_a", f"wat_b.{number}")
    assert kept.load("ses_a", "wat_b.4")


def test_the_pictures_are_looked_through_only_when_the_budget_may_be_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    glob = Path.glob
    monkeypatch.setattr(
        Path, "glob", lambda path, pattern: looks.append(pattern) or glob(path, pattern)
    )
    kept = Snapshots(tmp_path, budget_bytes=40 * len(jpeg(GREEN)))
    for number in range(100):
        kept.save("ses_a", f"wat_b.{number}", GREEN)
        assert len(list(tmp_path.rglob("*.jpg"))) <= 40
    assert len(looks) < 20


def test_those_of_a_session_are_removed_together(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path)
    kept.save("ses_a", "wat_b.1", GREEN)
    kept.save("ses_b", "wat_b.1", GREEN)
    kept.remove("ses_a")
    kept.remove("ses_a")
    with pytest.raises(NotFound):
        kept.load("ses_a", "wat_b.1")
    assert kept.load("ses_b", "wat_b.1")


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "a.b", "x" * 65, "a\0", "ä"])
def test_a_name_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Snapshots(tmp_path).load("ses_a", name)
    with pytest.raises(NotFound):
        Snapshots(tmp_path).load(name, "wat_b.1")
