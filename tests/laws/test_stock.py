"""Law 3: with nothing dropped and no sieve, the engine is transformers' own Qwen2.5-Omni."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor

from sieve import Engine, EngineConfig, Model, RawWindow, RowConfig
from sieve.baselines import KeepAll
from sieve.checkpoint import DEMO, load_model
from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text, question_text
from sieve.vision import patches
from tests import tiny


@pytest.fixture(scope="module", params=["tiny", "demo backbone"])
def pair(
    request: pytest.FixtureRequest, stock_directory: Path
) -> tuple[Model, Qwen2_5OmniThinkerForConditionalGeneration]:
    """Our model without its sieve, and the library's, with the library's own rotary embedding."""
    directory = stock_directory if request.param == "tiny" else DEMO
    ours = load_model(directory, retention=1.0)
    layout = type(ours.layout)(pixels=ours.layout.pixels)
    ours = Model("stock", ours.backbone, KeepAll(), None, layout, 1.0)
    theirs = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(directory).eval()
    return ours, theirs


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**16),
    windows=st.integers(1, 4),
    video=st.booleans(),
    audio=st.booleans(),
)
def test_logits_and_greedy_text_equal_the_librarys(
    pair: tuple[Model, Qwen2_5OmniThinkerForConditionalGeneration],
    seed: int,
    windows: int,
    video: bool,
    audio: bool,
) -> None:
    ours, theirs = pair
    video = video or not audio
    rng = np.random.default_rng(seed)
    stream = [
        tiny.window(i, rng, video=video, audio=audio, size=(112, 168)) for i in range(windows)
    ]
    stream = _with_lookahead(stream)
    inputs = _processed(ours, stream, "what is it?")
    tokens, logits = _streamed(ours, stream, "what is it?")
    with torch.no_grad():
        expected = theirs(**inputs, use_audio_in_video=video and audio).logits[0, -1]
        written = theirs.generate(
            **inputs,
            use_audio_in_video=video and audio,
            max_new_tokens=6,
            do_sample=False,
            eos_token_id=sorted(ours.stop_ids),
            pad_token_id=0,
        )[0, inputs["input_ids"].shape[1] :]
    assert float((logits - expected).abs().max()) <= 1e-4 * max(1.0, float(expected.abs().max()))
    assert tokens == written.tolist()


def _with_lookahead(stream: list[RawWindow]) -> list[RawWindow]:
    """Each window with the first 2.5 ms of the next; the first is the loudest, so that the running
    maximum is the clip's maximum from the start."""
    from dataclasses import replace

    if stream[0].samples is None:
        return stream
    samples = [w.samples * (4.0 if i == 0 else 1.0) for i, w in enumerate(stream)]
    following = [s[:40] for s in samples[1:]] + [None]
    return [
        replace(w, samples=s, lookahead=n)
        for w, s, n in zip(stream, samples, following, strict=True)
    ]


def _streamed(
    model: Model, stream: list[RawWindow], question: str
) -> tuple[list[int], torch.Tensor]:
    engine = Engine(model, EngineConfig(rows=1, slots=1024))
    row = engine.open(RowConfig(retention=1.0))
    for window in stream:
        engine.ingest(row, window)
    seen: list[torch.Tensor] = []
    logits = model.backbone.logits
    model.backbone.logits = lambda h: seen.append(logits(h)) or seen[-1]  # type: ignore
    try:
        branch = engine.ask(row, question, max_tokens=6).branch
        tokens = []
        while True:
            step = engine.step(branch)
            tokens.append(step.token)
            if step.done:
                return tokens, seen[0][-1]
    finally:
        model.backbone.logits = logits  # type: ignore[method-assign]


def _processed(model: Model, stream: list[RawWindow], question: str) -> dict[str, torch.Tensor]:
    """The clip as transformers' processor would lay it out."""
    modalities = Modalities(bool(stream[0].grids), stream[0].samples is not None)
    config, limits = model.backbone.config, model.layout.pixels
    cut = [patches(g, limits.min_pixels, limits.max_pixels) for w in stream for g in w.grids]
    per_window = []
    for window in stream:
        video = [config.video_token_id] * sum(
            gh * gw // 4 for _, gh, gw in cut[: len(window.grids)]
        )
        audio = [config.audio_token_id] * (50 if window.samples is not None else 0)
        per_window += [*video, *audio]
    before = model.backbone.token_ids(prompt_text(DEFAULT_INSTRUCTION, modalities))
    after = model.backbone.token_ids(question_text(question, (), modalities))
    ids = torch.tensor([[*before, *per_window, *after]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if cut:
        _, gh, gw = cut[0]
        inputs["pixel_values_videos"] = torch.cat([pixels for pixels, _, _ in cut])
        inputs["video_grid_thw"] = torch.tensor([[len(cut), gh, gw]])
        inputs["video_second_per_grid"] = torch.tensor([1.0])
    if modalities.audio:
        extractor = WhisperFeatureExtractor(
            feature_size=128, hop_length=160, chunk_length=300, n_fft=400
        )
        wave = np.concatenate([w.samples for w in stream if w.samples is not None])
        found = extractor(
            wave,
            sampling_rate=16_000,
            return_attention_mask=True,
            padding="max_length",
            return_tensors="pt",
        )
        inputs["input_features"] = found["input_features"]
        inputs["feature_attention_mask"] = found["attention_mask"]
    return inputs
