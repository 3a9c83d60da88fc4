"""Unlabelled recordings become clips with questions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from sieve.errors import TrainingError
from sieve.train.backbone.clips import LeftOut
from sieve.train.backbone.recordings import GENERIC_QUESTIONS, cut_recordings, read_questions
from sieve.train.backbone.tuning import DataPlan
from tests.sieve.train.backbone.films import film

PLAN = DataPlan(cut_s=(2.0, 5.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("recordings")
    film(made / "b.webm", seconds=15.0)
    (made / "deeper").mkdir()
    film(made / "deeper" / "a.webm", seed=2, seconds=4.0)
    (made / "notes.txt").write_text("no media")
    (made / "broken.mp4").write_bytes(b"\0" * 100)
    film(made / "short.webm", seconds=1.0)
    return made


def test_clips_lie_on_the_window_clock_one_after_the_other(folder: Path) -> None:
    clips = cut_recordings(folder, GENERIC_QUESTIONS, 3, PLAN, 0, lambda _: None)
    spans = [clip.media for clip in clips if clip.media.video == folder / "b.webm"]
    assert len(spans) >= 3
    for media in spans:
        assert media.start_s % 2.0 == 0.0
        assert media.end_s is not None
        assert 0.0 < media.end_s - media.start_s <= 5.0
    for before, after in pairwise(spans):
        assert before.end_s is not None
        assert before.end_s <= after.start_s < before.end_s + 2.0


def test_every_clip_has_questions_without_answers(folder: Path) -> None:
    for clip in cut_recordings(folder, GENERIC_QUESTIONS, 3, PLAN, 0, lambda _: None):
        assert len({turn.question for turn in clip.turns}) == 3
        assert all(turn.answer is None for turn in clip.turns)


def test_what_cannot_be_read_is_told_and_left_out(folder: Path) -> None:
    told: list[LeftOut] = []
    cut_recordings(folder, GENERIC_QUESTIONS, 1, PLAN, 0, told.append)
    assert [item.where for item in told] == [str(folder / n) for n in ("broken.mp4", "short.webm")]
    assert "not a media file" in told[0].why
    assert "1.0 s long; a clip takes 2 s at least" in told[1].why


def test_the_same_seed_cuts_the_same_clips(folder: Path) -> None:
    def cut(seed: int) -> object:
        return cut_recordings(folder, GENERIC_QUESTIONS, 2, PLAN, seed, lambda _: None)

    assert cut(1) == cut(1)
    assert cut(1) != cut(2)


def test_a_folder_without_media_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no media")
    with pytest.raises(TrainingError, match="none of its 0 media files"):
        cut_recordings(tmp_path, GENERIC_QUESTIONS, 1, PLAN, 0, lambda _: None)
    with pytest.raises(TrainingError, match="is no folder"):
        cut_recordings(tmp_path / "gone", GENERIC_QUESTIONS, 1, PLAN, 0, lambda _: None)


def test_questions_are_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.txt"
    path.write_text("what?\n\n  who? \n")
    assert read_questions(path) == ("what?", "who?")
    path.write_text("\n\n")
    with pytest.raises(TrainingError, match="holds no question"):
        read_questions(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_questions(tmp_path / "gone.txt")
