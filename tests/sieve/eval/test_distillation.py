"""One command makes recordings, teaches a sieve on them and measures it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sieve.checkpoint import load_model
from sieve.errors import SettingInvalid
from sieve.eval import distillation
from sieve.eval.accuracy import WORLDS
from sieve.eval.distillation import Plan, distil, main, questions, record, without_sieve
from sieve.selectors import TRAINING_FREE, method_of
from sieve.train.backbone.tuning import tuning_of

TINY = Plan(world="first", minutes=0.15, steps=2, streams=1, stream_s=8.0, moments=1, threads=1)


def test_a_rehearsal_goes_to_its_end_and_is_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "settings", _short(TINY))
    found = distil(TINY, tmp_path)
    assert list(found["without"]["accuracy"]) == ["100% kept", "20% kept", "10% kept"]
    assert list(found["with"]["accuracy"]) == ["100% kept", "20% kept", "10% kept", "5% kept"]
    assert found["with"]["questions"] == found["without"]["questions"]
    assert json.loads((tmp_path / "distilled.json").read_text()) == found
    assert load_model("demo", sieve=tmp_path / "sieve").cs2 is not None
    with pytest.raises(SettingInvalid, match="another steps"):
        distil(replace(TINY, steps=3), tmp_path)


def _short(plan: Plan) -> dict[str, object]:
    """The same training with few questions a clip."""
    teacher = plan.settings["teacher"] | {"questions": 1}
    return plan.settings | {"teacher": teacher, "data": {"cut_s": [4, 6]}}


def test_its_settings_are_those_of_a_training() -> None:
    tuning = tuning_of(Plan(steps=9).settings)
    assert (tuning.cs2.steps, tuning.sieve.whole) == (9, 0.15)


def test_recordings_are_as_long_together_as_was_asked_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []

    class Source:
        def __init__(self, scene: object, seconds: float, **how: float) -> None:
            made.append(seconds)

        def items(self) -> list[object]:
            return []

    def rendered(items: object, path: Path, fps: float) -> None:
        path.write_bytes(b"film")

    monkeypatch.setattr(distillation, "SceneSource", Source)
    monkeypatch.setattr(distillation, "render_file", rendered)
    folder = tmp_path / "recordings"
    record(replace(TINY, minutes=2.5), folder)
    assert made == [60.0, 60.0, 30.0]
    record(replace(TINY, minutes=2.5), folder)
    assert len(made) == len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("world", ["first", "varied"])
def test_questions_are_of_every_kind_and_none_comes_twice(world: str) -> None:
    plot = WORLDS[world]
    texts = questions(plot)
    assert len(texts) == len(set(texts))
    assert 3 * len(plot.kinds) < len(texts) <= 8 * len(plot.kinds)


def test_without_its_sieve_a_model_keeps_tokens_as_one_that_never_had_any() -> None:
    bare = without_sieve(load_model("demo"))
    assert bare.cs2 is None
    assert type(bare.selector) is type(method_of(bare, TRAINING_FREE).selector)


def test_numbers_out_of_range_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--folder", str(tmp_path), "--steps", "0"])
    assert "1 or more" in capsys.readouterr().err
