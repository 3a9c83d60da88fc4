"""Files of labelled clips: bad lines are told by file and line, and left out."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from sieve.errors import TrainingError
from sieve.train.backbone.clips import LeftOut, read_clips
from tests.sieve.train.backbone.films import film, line, write_lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clips")
    film(made / "a.webm")
    (made / "text.mp4").write_text("this is no film")
    return made


def test_good_lines_become_clips_and_bad_ones_are_told(folder: Path) -> None:
    path = write_lines(
        folder / "clips.jsonl",
        line("a.webm"),
        "{oops",
        "",
        line("nowhere.mp4"),
        line("text.mp4"),
        {"messages": [{"role": "bot", "content": "hello"}]},
        line("~nobody-of-this-name/a.mp4"),
        line("a\0b.mp4"),
        line("x" * 5_000),
        line("a.webm", "Which?\nA. red\nB. blue", "C"),
        line("a.webm", "what was the last sound?", "buzz"),
    )
    told: list[LeftOut] = []
    clips = read_clips(path, told.append)
    assert [clip.where for clip in clips] == [f"{path}:1", f"{path}:11"]
    assert [clip.media.video for clip in clips] == [folder / "a.webm"] * 2
    assert [item.where for item in told] == [f"{path}:{n}" for n in range(2, 11) if n != 3]
    reasons = (
        *("not JSON", "no such file", "not a media file", "role"),
        *("home directory", "no such file", "too long", "not among"),
    )
    for item, why in zip(told, reasons, strict=True):
        assert why in item.why


def test_a_report_is_one_line_with_file_and_line_number(folder: Path) -> None:
    path = write_lines(folder / "one.jsonl", line("a.webm"), line("gone.mp4"))
    told: list[LeftOut] = []
    read_clips(path, told.append)
    assert str(told[0]) == (f"{path}:2: left out: {folder / 'gone.mp4'}: there is no such file")


def test_a_file_without_a_usable_line_is_an_error(folder: Path) -> None:
    path = write_lines(folder / "bad.jsonl", "{", "[]")
    with pytest.raises(TrainingError, match="none of its 2 lines can be used"):
        read_clips(path, lambda _: None)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        read_clips(tmp_path / "nowhere.jsonl", lambda _: None)


def test_a_file_named_for_a_track_it_lacks_is_left_out(folder: Path) -> None:
    with wave.open(str(folder / "sound.wav"), "wb") as sounds:
        sounds.setparams((1, 2, 16_000, 0, "NONE", ""))
        sounds.writeframes(np.zeros(16_000, np.int16).tobytes())
    path = write_lines(folder / "sound.jsonl", line("sound.wav"), line("a.webm"))
    told: list[LeftOut] = []
    read_clips(path, told.append)
    assert "has no pictures" in told[0].why
