"""The prefill benchmark measures what it says, and refuses what it cannot measure."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch

from sieve import Model
from sieve.errors import SettingInvalid
from sieve.eval import prefill
from sieve.eval.machine import PeakMemory, describe_machine


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    prefill.add_arguments(parser)
    return parser.parse_args(list(given))


def test_every_arm_reads_the_text_and_its_share_of_the_pool(stream_model: Model) -> None:
    clip = prefill.make_clip(stream_model, seconds=4)
    arms = {arm.name: arm for arm in prefill.measure(stream_model, clip, runs=1, device="cpu")}
    assert list(arms) == ["full", "20%", "10%", "5%"]
    length = clip["input_ids"].shape[1]
    pool = length - 8 - 2 - 2 - 16
    assert arms["full"].tokens == length
    assert arms["20%"].tokens == length - pool + -(-pool // 5)
    assert arms["full"].speedup == 1.0
    assert all(arm.total_ms >= arm.sieve_and_llm_ms > 0 for arm in arms.values())


def test_the_sieved_arm_computes_what_forward_clip_computes(stream_model: Model) -> None:
    clip = prefill.make_clip(stream_model, seconds=2)
    with torch.inference_mode():
        encode, read = prefill._sieved(stream_model, clip, stream_model.retention)
        timed = read(encode())
    assert torch.allclose(timed, stream_model.forward_clip(clip).logits, atol=1e-5)


def test_figures_are_written_with_the_machine(
    stream_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefill, "load_model", lambda *_, **__: stream_model)
    out = tmp_path / "figures" / "prefill.json"
    assert prefill.run(arguments("--seconds", "2", "--runs", "1", "--out", str(out))) == 0
    report = json.loads(out.read_text())
    assert report["machine"]["versions"]["torch"] == describe_machine()["versions"]["torch"]  # type: ignore[index]
    assert len(report["arms"]) == 4


@pytest.mark.parametrize("runs", ["0", "1000000"])
def test_runs_are_bounded(runs: str) -> None:
    with pytest.raises(SettingInvalid, match="--runs is a number from 1"):
        prefill.run(arguments("--runs", runs))


@pytest.mark.parametrize("seconds", ["0", "3", "-2", "100000"])
def test_a_clip_is_whole_windows_long(seconds: str) -> None:
    with pytest.raises(SettingInvalid, match="even number"):
        prefill.run(arguments("--seconds", seconds))


def test_true_sizes_ask_for_a_gpu() -> None:
    with pytest.raises(SettingInvalid, match="needs a GPU"):
        prefill.run(arguments("--config", "3b", "--device", "cpu"))


def test_peak_memory_sees_what_was_held_and_given_back() -> None:
    memory = PeakMemory("cpu")
    memory.reset()
    before = memory.read()
    if before is None:
        pytest.skip("this system does not tell peak memory")
    held = torch.ones(64 * 2**20 // 4)  # 64 MiB, touched
    del held
    after = memory.read()
    assert after is not None
    assert after - before > 48 * 2**20
