"""The world as labelled clips is what the trainer for a backbone reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sieve.train.backbone.clips import read_clips
from sieve.train.world import clips
from sieve.train.world.clips import Plan, write

PLAN = Plan(clips=3, seconds=(2.0, 4.0), turns=3, size=84)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write(PLAN, folder)
    return folder


def test_every_line_is_read_by_the_trainer(folder: Path) -> None:
    left_out: list[object] = []
    found = read_clips(folder / "clips.jsonl", left_out.append)
    assert (len(found), left_out) == (3, [])
    for clip in found:
        assert 1 <= len(clip.turns) <= 3
        assert all(turn.answer for turn in clip.turns)


def test_the_same_plan_gives_the_same_lines_and_renders_nothing_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "clips.jsonl").read_text()
    monkeypatch.setattr(clips, "render_file", lambda *_, **__: pytest.fail("rendered again"))
    assert write(PLAN, folder).read_text() == before


def test_another_seed_is_another_world(folder: Path, tmp_path: Path) -> None:
    write(Plan(clips=1, seed=2, seconds=(2.0, 4.0), turns=3, size=84), tmp_path)
    (other,) = (tmp_path / "clips.jsonl").read_text().splitlines()
    assert other not in (folder / "clips.jsonl").read_text()


def test_the_command_says_how_to_train_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clips.main(["--out", str(tmp_path), "--clips", "1", "--size", "84"]) == 0
    assert f"--data {tmp_path / 'clips.jsonl'}" in capsys.readouterr().out
    assert json.loads((tmp_path / "clips.jsonl").read_text())


@pytest.mark.parametrize("wrong", [("--clips", "0"), ("--size", "100"), ("--turns", "0")])
def test_what_cannot_be_is_refused(tmp_path: Path, wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        clips.main(["--out", str(tmp_path), *wrong])


def test_a_folder_that_is_a_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        clips.main(["--out", str(tmp_path / "file")])
    assert "cannot be written to (File exists): name a folder" in capsys.readouterr().err
