"""The whole-clip procedure against a naive second implementation, and against the library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import WhisperFeatureExtractor

from sieve import Model, load_model
from sieve.cs2 import kept_count
from sieve.errors import ClipError
from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text, question_text
from sieve.tokens import WINDOW_SAMPLES
from sieve.train.world.render import Stream, render_stream
from sieve.train.world.truth import TICKS
from sieve.vision import patches
from stream.world.plot import FIRST_WORLD
from stream.world.scene import Scene
from tests import tiny
from tests.sieve.reference import Reference

SHAPES = {
    "16": tiny.TinyShape(sections=(2, 2, 2, 2)),
    "128": tiny.TinyShape(head_dim=128, heads=2, kv_heads=1, sections=(16, 24, 24)),
}
VISION_BEGIN, AUDIO_BEGIN = map(tiny.SPECIAL.index, ("<|vision_bos|>", "<|audio_bos|>"))
SYNC = {"16": (2, 2, 2, 2), "128": (18, 18, 18, 10)}


@pytest.fixture(scope="module", params=["16-4-2", "16-4-4", "16-2-4", "128-4-2", "128-4-4"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Model, Reference]:
    """A model in the authors' layout and its naive twin: head_dim, layers, refiner layers."""
    head_dim, layers, refiners = request.param.split("-")
    shape = replace(SHAPES[head_dim], layers=int(layers), refiner_layers=int(refiners))
    directory = tiny.write_sieve(tmp_path_factory.mktemp("clip"), shape, seed=3)
    stored = load_file(directory / "model.safetensors")
    reference = Reference(
        weights={name.removeprefix("thinker."): value for name, value in stored.items()},
        towers=tiny.thinker(shape, 3),
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        sections=SYNC[head_dim],
        layers=shape.layers,
        refiner_layers=shape.refiner_layers,
    )
    given = SYNC[head_dim] if head_dim == "16" else None  # 128 is the authors' own default
    return load_model(directory, sync_rope_sections=given), reference


def clip_of(model: Model, *, audio: bool, windows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    return tiny.clip_inputs(model.backbone.config, windows, rng, audio=audio)


@pytest.mark.parametrize("retention", [0.1, 0.2, 1.0])
@pytest.mark.parametrize("audio", [True, False])
def test_a_clip_is_sieved_as_the_equations_say(
    pair: tuple[Model, Reference], retention: float, audio: bool
) -> None:
    model, reference = replace(pair[0], retention=retention), pair[1]
    windows = 3 if reference.head_dim == 16 else 1
    clip = clip_of(model, audio=audio, windows=windows)
    mine, theirs = model.forward_clip(clip, logits="kept"), reference(clip, retention)
    assert torch.equal(mine.position_ids[:, 0], theirs.positions)
    assert mine.pool.tolist() == theirs.pool
    assert mine.keep.tolist() == theirs.keep
    torch.testing.assert_close(mine.scores, theirs.scores.float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mine.logits, theirs.logits.float(), rtol=1e-4, atol=1e-4)
    said = model.generate_clip(clip, max_new_tokens=5)
    assert said.tolist() == reference.generate(theirs, 5, model.stop_ids)


def test_the_comparison_would_notice_the_stock_rotary(pair: tuple[Model, Reference]) -> None:
    """Sections matter: the reference with another split of the pairs gives other scores."""
    model, reference = pair
    half = reference.head_dim // 2
    other = replace(reference, sections=(half - 3, 1, 1, 1))
    clip = clip_of(model, audio=True)
    mine = model.forward_clip(clip)
    assert float((mine.scores - other(clip, 0.2).scores.float()).abs().max()) > 1e-3


@pytest.mark.parametrize("windows", [1, 3])
def test_counts_and_order_of_what_is_kept(authors_model: Model, windows: int) -> None:
    clip = clip_of(authors_model, audio=True, windows=windows)
    result = authors_model.forward_clip(clip)
    length = clip["input_ids"].shape[1]
    text = set(range(length)) - set(result.pool.tolist())
    kept = result.keep.tolist()
    assert kept == sorted(kept)
    assert text <= set(kept)
    assert len(kept) == len(text) + kept_count(0.2, len(result.pool))
    assert result.logits.shape == (1, authors_model.backbone.text_config.vocab_size)


def test_the_last_of_all_logits_are_the_last(authors_model: Model) -> None:
    clip = clip_of(authors_model, audio=True)
    last = authors_model.forward_clip(clip).logits
    every = authors_model.forward_clip(clip, logits="kept").logits
    torch.testing.assert_close(every[-1:], last)


@pytest.mark.parametrize("audio", [True, False])
@torch.inference_mode()
def test_without_a_sieve_the_stock_models_logits_come_out(stock_model: Model, audio: bool) -> None:
    clip = clip_of(stock_model, audio=audio)
    result = stock_model.forward_clip(clip, logits="kept")
    stock = tiny.thinker(tiny.TinyShape(), 0)
    theirs = stock(**clip, use_audio_in_video=audio).logits[0]
    assert result.keep.tolist() == list(range(clip["input_ids"].shape[1]))
    torch.testing.assert_close(result.logits, theirs, rtol=1e-4, atol=1e-4)


def test_sound_alone_is_a_clip_too(authors_model: Model) -> None:
    clip = clip_of(authors_model, audio=True, windows=2)
    config = authors_model.backbone.config
    ids = clip["input_ids"][0]
    heard = (ids != config.video_token_id) & (ids != config.vision_start_token_id)
    heard &= ids != config.vision_end_token_id
    alone = {
        "input_ids": ids[heard][None],
        "input_features": clip["input_features"],
        "feature_attention_mask": clip["feature_attention_mask"],
    }
    result = authors_model.forward_clip(alone)
    assert len(result.pool) == 100
    assert torch.equal(result.position_ids[:, 0], torch.arange(int(heard.sum())).expand(3, -1))


@torch.inference_mode()
def test_sound_beside_a_video_lies_where_the_library_has_it(stock_model: Model) -> None:
    """After the video instead of interleaved in it: each between markers of its own."""
    clip, config = clip_of(stock_model, audio=True), stock_model.backbone.config
    ids = clip["input_ids"][0]
    seen, heard = (ids[ids == token] for token in (config.video_token_id, config.audio_token_id))
    begin, end = config.vision_start_token_id, config.vision_end_token_id
    hear, heard_out = config.audio_start_token_id, config.audio_end_token_id
    parts = [[20, begin], seen, [end, hear], heard, [heard_out, 21]]
    apart = torch.cat([torch.as_tensor(part) for part in parts])[None]
    clip |= {"input_ids": apart, "attention_mask": torch.ones_like(apart)}
    stock = tiny.thinker(tiny.TinyShape(), 0)
    theirs = stock(**clip, use_audio_in_video=False).logits[0]
    mine = stock_model.forward_clip(clip, logits="kept")
    torch.testing.assert_close(mine.logits, theirs, rtol=1e-4, atol=1e-4)


def test_generation_ends_with_the_stop_token_or_at_the_limit(authors_model: Model) -> None:
    clip = clip_of(authors_model, audio=True)
    said = authors_model.generate_clip(clip, max_new_tokens=6)
    if said[-1] not in authors_model.stop_ids:
        assert len(said) == 6
    shorter = authors_model.generate_clip(clip, max_new_tokens=2)
    assert shorter.tolist() == said[:2].tolist()


def test_generation_stops_at_a_stop_token(
    authors_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_of(authors_model, audio=True)
    said = authors_model.generate_clip(clip, max_new_tokens=6).tolist()
    monkeypatch.setattr(Model, "stop_ids", frozenset([said[2]]))
    stopped = authors_model.generate_clip(clip, max_new_tokens=6).tolist()
    assert stopped == said[: said.index(said[2]) + 1]


def test_a_bfloat16_model_reads_clips(tmp_path: Path) -> None:
    directory = tiny.write_sieve(tmp_path, SHAPES["16"])
    exact, half = (
        load_model(directory, sync_rope_sections=SYNC["16"], dtype=dtype, retention=1.0)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert {p.dtype for p in half.backbone.thinker.parameters()} == {torch.bfloat16}
    assert half.cs2 is not None
    assert {p.dtype for p in half.cs2.parameters()} == {torch.bfloat16}
    clip = clip_of(half, audio=True)
    mine, precise = half.forward_clip(clip), exact.forward_clip(clip)
    assert mine.logits.dtype == mine.scores.dtype == torch.float32
    assert torch.equal(mine.position_ids, precise.position_ids)
    span = float(precise.logits.max() - precise.logits.min())
    assert float((mine.logits - precise.logits).abs().max()) < 0.1 * span
    assert len(half.generate_clip(clip, max_new_tokens=3)) <= 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda clip: clip.pop("input_ids"), r"input_ids of shape \[1, L\]"),
        (lambda clip: clip.update(input_ids=clip["input_ids"][0]), r"input_ids of shape \[1, L\]"),
        (lambda clip: clip.update(input_ids=clip["input_ids"].repeat(2, 1)), "one clip at a time"),
        (lambda clip: clip.update(input_ids=clip["input_ids"][:, :0]), r"shape \[1, L\]"),
        (lambda clip: clip["input_ids"][0, 0].fill_(10**6), "from 0 to"),
        (lambda clip: clip.update(input_ids=clip["input_ids"].float()), "whole numbers"),
        (lambda clip: clip["pixel_values_videos"][3, 7].fill_(torch.nan), "pixel.* no numbers"),
        (lambda clip: clip["input_features"][0, 7].fill_(torch.inf), "input_feat.* no numbers"),
        (lambda clip: clip["video_second_per_grid"].zero_(), "one number above 0"),
        (
            lambda clip: clip.update(video_grid_thw=torch.tensor([[4, 3, 8]])),
            "H and W are multiples of 2",
        ),
        (lambda clip: clip.pop("video_grid_thw"), "needs video_grid_thw"),
        (lambda clip: clip.pop("video_second_per_grid"), "needs video_second_per_grid"),
        (lambda clip: clip.pop("feature_attention_mask"), "needs feature_attention_mask"),
        (lambda clip: clip["attention_mask"].zero_(), "attention_mask must be all ones"),
        (
            lambda clip: clip.update(attention_mask=clip["attention_mask"][:, 1:]),
            "as many as input_ids",
        ),
        (lambda clip: clip["feature_attention_mask"].zero_(), "leave out sound that is not there"),
        (lambda clip: clip["input_ids"][0, -1].fill_(VISION_BEGIN), "markers do not fit its media"),
        (lambda clip: clip["input_ids"][0, -1].fill_(AUDIO_BEGIN), "markers do not fit its media"),
        (lambda clip: clip.pop("pixel_values_videos"), "24 .* absent pixel_values_videos"),
        (lambda clip: clip.pop("input_features"), "100 .* absent input_features"),
        (
            lambda clip: clip.update(pixel_values_videos=clip["pixel_values_videos"][:-24]),
            r"\[72, 1176\] do not fit video_grid_thw \[\[4, 6, 4\]\]",
        ),
        (
            lambda clip: clip.update(video_grid_thw=torch.tensor([[2, 6, 4]])),
            r"\[96, 1176\] do not fit video_grid_thw \[\[2, 6, 4\]\]",
        ),
        (
            lambda clip: clip["feature_attention_mask"][0, 200:].zero_(),
            "100 audio placeholders .* 50 tokens",
        ),
        (
            lambda clip: clip.update(input_features=clip["input_features"][:, :, :100]),
            r"input_features of shape \[1, 128, 100\]",
        ),
        (
            lambda clip: clip.update(input_features=clip["input_features"][:, :80]),
            r"input_features of shape \[1, 80, 400\]",
        ),
    ],
)
def test_clips_whose_tensors_do_not_fit_are_refused_with_the_reason(
    authors_model: Model, change: Any, text: str
) -> None:
    clip = clip_of(authors_model, audio=True)
    change(clip)
    with pytest.raises(ClipError, match=text):
        authors_model.forward_clip(clip)
    with pytest.raises(ClipError):
        authors_model.generate_clip(clip)


def test_ids_of_another_size_and_seconds_without_a_shape_are_taken(authors_model: Model) -> None:
    clip = clip_of(authors_model, audio=True)
    usual = authors_model.forward_clip(clip)
    clip["input_ids"] = clip["input_ids"].int()
    clip["video_second_per_grid"] = clip["video_second_per_grid"][0]
    assert torch.equal(authors_model.forward_clip(clip).logits, usual.logits)


def test_what_cannot_be_asked_of_a_clip_is_refused(authors_model: Model) -> None:
    clip = clip_of(authors_model, audio=True)
    with pytest.raises(ClipError, match="not 'all'"):
        authors_model.forward_clip(clip, logits="all")  # type: ignore[arg-type]
    for count in (0, -1):
        with pytest.raises(ClipError, match=f"1 or more, not {count}"):
            authors_model.generate_clip(clip, max_new_tokens=count)


def test_text_enters_the_llm_as_the_checkpoint_was_trained(stream_model: Model) -> None:
    """Refined in the authors' layout, raw in ours; the sieve chooses the same."""
    clip = clip_of(stream_model, audio=True)
    refined = replace(stream_model, layout=replace(stream_model.layout, text_states="refined"))
    mine, theirs = stream_model.forward_clip(clip), refined.forward_clip(clip)
    assert torch.equal(mine.keep, theirs.keep)
    assert float((mine.logits - theirs.logits).abs().max()) > 1e-3


@pytest.mark.parametrize("retention", [1.0, 0.2])
def test_the_built_in_model_answers_about_whole_clips(demo_model: Model, retention: float) -> None:
    """Three of five at least: it was trained on windows. Blind, a quarter would be right."""
    model, right = replace(demo_model, retention=retention), []
    for seed in (100, 101, 102):
        stream, rng = render_stream(seed, 5, 0.0, FIRST_WORLD), np.random.default_rng(seed)
        media, begin_s = media_of(model, stream), stream.offset_s
        for question in Scene(seed, FIRST_WORLD).questions(begin_s + 10.0, begin_s, rng):
            said = model.generate_clip(asking(model, media, question.text), max_new_tokens=6)
            text = model.backbone.tokenizer.decode(said, skip_special_tokens=True)
            right.append(text.strip() == question.answer)
    assert len(right) > 35
    assert sum(right) > 0.6 * len(right)


def media_of(model: Model, stream: Stream) -> dict[str, Tensor]:
    """Ten seconds as transformers' processor gives them."""
    limits = model.layout.pixels
    frames = stream.frames[: 5 * TICKS]
    cut = [
        patches(frames[i : i + 2], limits.min_pixels, limits.max_pixels)
        for i in range(0, len(frames), 2)
    ]
    sound = WhisperFeatureExtractor(feature_size=128, n_fft=400, hop_length=160, chunk_length=300)(
        stream.samples[: 5 * WINDOW_SAMPLES],
        sampling_rate=16_000,
        padding="do_not_pad",
        return_attention_mask=True,
        return_tensors="pt",
    )
    return {
        "pixel_values_videos": torch.cat([pixels for pixels, _, _ in cut]),
        "video_grid_thw": torch.tensor([[len(cut), *cut[0][1:]]]),
        "video_second_per_grid": torch.tensor([1.0]),
        "input_features": sound["input_features"],
        "feature_attention_mask": sound["attention_mask"],
    }


def asking(model: Model, media: dict[str, Tensor], question: str) -> dict[str, Tensor]:
    config, both = model.backbone.config, Modalities()
    grids, tokens = media["video_grid_thw"][0], []
    for _ in range(int(grids[0]) // 2):
        tokens += [config.video_token_id] * int(2 * grids[1] * grids[2] // 4)
        tokens += [config.audio_token_id] * 50
    before = model.backbone.token_ids(prompt_text(DEFAULT_INSTRUCTION, both))
    after = model.backbone.token_ids(question_text(question, (), both))
    return media | {"input_ids": torch.tensor([[*before, *tokens, *after]])}
