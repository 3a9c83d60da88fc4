"""A rehearsal of training a sieve for a backbone: it ends with weights that load."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clients.cli import main
from sieve import load_model
from sieve.errors import TrainingError
from sieve.folder import held
from sieve.train.backbone.clips import read_clips
from sieve.train.backbone.finetune import Finetuning
from sieve.train.backbone.library import Data
from sieve.train.backbone.tuning import tuning_of
from sieve.train.bulletin import Bulletin
from tests import tiny
from tests.sieve.train.backbone.films import film, line, write_lines

SETTINGS: dict[str, Any] = {
    "data": {"cut_s": [2, 4], "held_out": 0.3},
    "sieve": {"layers": 1, "retentions": [0.3]},
    "teacher": {"questions": 2, "generated": 1, "answer_tokens": 3},
    "cs2": {"steps": 4, "accumulate": 2, "learning_rate": 1e-3, "questions": 2},
    "save_every": 2,
    "examine_every": 4,
}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone without a sieve, its streams laid out as the built-in model's."""
    directory = tmp_path_factory.mktemp("stock")
    tiny.write_stock(directory, tiny.TinyShape(sections=(2, 2, 2, 2)))
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"echosieve": tiny.STREAM}))
    return directory


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    film(folder / "a.webm", seconds=8.0)
    (folder / "broken.mp4").write_bytes(b"\0" * 64)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    film(folder / "a.webm", seconds=3.0)
    lines = [line("a.webm"), line("gone.webm"), line("a.webm", "what was heard?", "buzz")]
    return write_lines(folder / "clips.jsonl", *lines)


def settings_file(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(SETTINGS | changes))
    return path


def arguments(stock: Path, folder: Path, *what: str, **changes: Any) -> list[str]:
    config = settings_file(folder / "settings.json", **changes)
    places = ["--out", str(folder / "out"), "--run", str(folder / "run")]
    threads = ["--threads", str(torch.get_num_threads())]
    return ["train", "--model", str(stock), *what, "--config", str(config), *places, *threads]


def train(stock: Path, folder: Path, *what: str, **changes: Any) -> int:
    with pytest.raises(SystemExit) as exit:
        main(arguments(stock, folder, *what, **changes))
    return int(exit.value.code or 0)


@pytest.fixture(scope="module")
def distilled(stock: Path, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distilled")
    assert train(stock, folder, "--recordings", str(recordings)) == 0
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "out" / "model.safetensors")
    return found


def test_recordings_give_a_sieve_that_loads_beside_its_backbone(
    stock: Path, distilled: Path
) -> None:
    model = load_model(stock, sieve=distilled / "out")
    assert model.cs2 is not None
    assert len(model.cs2.layers) == 1
    assert model.retention == 0.2
    assert model.layout.text_states == "raw"
    assert model.backbone.rotary.sections == (2, 2, 2, 2)
    assert all(name.startswith(("model.bidir", "model.compr")) for name in weights(distilled))


def test_the_settings_lie_beside_the_weights(distilled: Path) -> None:
    written = json.loads((distilled / "out" / "training.json").read_text())
    del written["model"]
    assert tuning_of(written) == tuning_of(SETTINGS)


def test_clips_of_which_nothing_is_asked_are_left_out_and_told(
    stock: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = {"teacher": SETTINGS["teacher"] | {"questions": 0, "generated": 0}}
    assert train(stock, tmp_path, "--recordings", str(recordings), **silent) != 0
    told = capsys.readouterr()
    assert "none of the clips can be used" in told.out + told.err
    assert "asked nothing" in (tmp_path / "run" / "journal.jsonl").read_text()


def test_the_journal_tells_of_losses_examinations_and_what_was_left_out(distilled: Path) -> None:
    lines = (distilled / "run" / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    by_kind = {event["event"]: event for event in events}
    assert set(by_kind["step"]["loss"]) == {"answer", "saliency"}
    assert set(by_kind["exam"]["kept"]) == {"100%", "30%"}
    assert "broken.mp4" in by_kind["left out"]["where"]
    assert "1 of " in by_kind["left out in all"]["text"]


def test_a_run_killed_in_the_middle_goes_on_to_the_same_weights(
    stock: Path, recordings: Path, distilled: Path, tmp_path: Path
) -> None:
    again = arguments(stock, tmp_path, "--recordings", str(recordings))
    stopped = subprocess.Popen(
        [sys.executable, "-m", "clients.cli", *again],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    while not checkpoint.exists() and stopped.poll() is None:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGKILL)
    assert stopped.wait() == -signal.SIGKILL
    state = torch.load(checkpoint, weights_only=True)
    assert state["progress"]["step"] == 2
    assert train(stock, tmp_path, "--recordings", str(recordings)) == 0
    assert "going on from step 2 of cs2" in (tmp_path / "run" / "journal.jsonl").read_text()
    wanted, found = weights(distilled), weights(tmp_path)
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        assert torch.equal(value, found[name]), name


def test_a_run_with_other_settings_is_not_mixed_with_it(
    stock: Path, recordings: Path, distilled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(stock, distilled, "--recordings", str(recordings), seed=5) == 1
    assert "holds a run with another seed" in capsys.readouterr().err


def test_labelled_clips_train_all_stages_and_the_whole_model(
    stock: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = {
        "full": {"steps": 1, "accumulate": 1, "backbone": True, "learning_rate": 1e-3},
        "cs2": {"steps": 1, "accumulate": 1, "towers": True, "learning_rate": 1e-3},
        "exchange": {"steps": 1, "accumulate": 1, "learning_rate": 1e-3},
    }
    assert train(stock, tmp_path, "--data", str(clips), **stages) == 0
    said = capsys.readouterr().out
    assert f"{clips}:2: left out" in said
    assert "1 of 3 clips were left out" in said
    before, after = load_model(stock), load_model(tmp_path / "out")
    assert after.cs2 is not None
    for part in ("language_model", "visual", "audio_tower"):
        old, new = (getattr(m.backbone.thinker.model, part).state_dict() for m in (before, after))
        assert any(not torch.equal(old[name], new[name]) for name in old), part


def test_a_loss_that_is_no_number_ends_the_run(stock: Path, clips: Path, tmp_path: Path) -> None:
    model = load_model(stock)
    data = Data(read_clips(clips, lambda _: None), labelled=True)
    run = Finetuning(
        model, tuning_of(SETTINGS), data, tmp_path, Bulletin(tmp_path / "journal.jsonl")
    )
    with torch.no_grad():
        model.backbone.thinker.lm_head.weight[0, 0] = torch.nan
    with pytest.raises(TrainingError, match="loss of step 1 is no number"):
        run.finish()


def test_recordings_cannot_teach_the_backbone(stock: Path, tmp_path: Path) -> None:
    tuning = tuning_of({"full": {"steps": 1, "backbone": True}})
    with pytest.raises(TrainingError, match="stage full"):
        Finetuning(
            load_model(stock), tuning, Data([], False), tmp_path, Bulletin(tmp_path / "j.jsonl")
        )


def test_a_checkpoint_that_is_damaged_is_told_and_a_folder_that_is_held_refused(
    stock: Path,
    recordings: Path,
    distilled: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(distilled / "run", tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert train(stock, tmp_path, "--recordings", str(recordings)) == 1
    assert "checkpoint.pt is damaged" in capsys.readouterr().err
    with held(tmp_path / "run"):
        assert train(stock, tmp_path, "--recordings", str(recordings)) == 1
    assert "another process is at work in" in capsys.readouterr().err
    assert train(stock / "nothing", tmp_path, "--recordings", str(recordings)) == 1
    assert "no directory at" in capsys.readouterr().err
