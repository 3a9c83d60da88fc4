"""Raw windows to pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import WhisperFeatureExtractor

from sieve import Model, RawWindow
from sieve.errors import ClipError, SettingInvalid
from sieve.pool import GridShape, Pool, WindowEncoder, check_window
from sieve.timeline import Timeline
from sieve.tokens import AUDIO, VIDEO, Counts
from tests import tiny

LINE = Timeline(base_id=40, start_s=0.0, anchor_period_ids=50)


def encoder(model: Model) -> WindowEncoder:
    return WindowEncoder(model.backbone, model.layout.pixels)


def a_window(index: int = 0, **more: Any) -> RawWindow:
    return tiny.window(index, np.random.default_rng(index), **more)


@torch.inference_mode()
def closed(model: Model, window: RawWindow) -> Pool:
    return encoder(model).close_window(window, LINE)


def test_a_pool_holds_video_grid_by_grid_then_sound(stream_model: Model) -> None:
    pool = closed(stream_model, a_window(1))
    assert (len(pool), pool.video, pool.audio) == (2 * 9 + 50, 18, 50)
    assert pool.modality.tolist() == [VIDEO] * 18 + [AUDIO] * 50
    assert pool.grids == (GridShape(2.0, 3, 3, 0), GridShape(3.0, 3, 3, 9))
    assert pool.positions[0].tolist() == [90] * 9 + [115] * 9 + list(range(90, 140))
    assert pool.positions[1].tolist() == [90, 90, 90, 91, 91, 91, 92, 92, 92] * 2 + list(
        range(90, 140)
    )


def test_grids_of_one_window_may_have_different_sizes(stream_model: Model) -> None:
    small, large = a_window(size=(28, 56)).grids[0], a_window(size=(84, 56)).grids[1]
    pool = closed(stream_model, replace(a_window(audio=False), grids=(small, large)))
    assert [(grid.rows, grid.cols, grid.offset) for grid in pool.grids] == [(1, 2, 0), (3, 2, 2)]
    assert len(pool) == 8


@pytest.mark.parametrize(("video", "audio"), [(True, False), (False, True), (False, False)])
def test_a_window_without_pictures_or_sound_is_ordinary(
    stream_model: Model, video: bool, audio: bool
) -> None:
    pool = closed(stream_model, a_window(video=video, audio=audio))
    assert (pool.video, pool.audio) == (18 * video, 50 * audio)
    assert pool.positions.shape == (3, len(pool))
    assert pool.embeds.shape == (len(pool), stream_model.backbone.text_config.hidden_size)


@pytest.mark.parametrize("samples", [0, 639, 640, 16_000, 31_999, 32_000])
@torch.inference_mode()
def test_of_an_open_window_only_the_tokens_of_elapsed_time_are_used(
    stream_model: Model, samples: int
) -> None:
    window = a_window(samples=samples)
    pool = encoder(stream_model).open_window(window, LINE)
    assert pool.audio == samples // 640
    filled = np.pad(window.samples, (0, 32_000 - samples))  # type: ignore[arg-type]
    whole = closed(stream_model, replace(window, samples=filled))
    assert torch.equal(pool.embeds, whole.embeds[: len(pool)])
    assert torch.equal(pool.positions, whole.positions[:, : len(pool)])


@torch.inference_mode()
def test_opening_a_window_leaves_no_trace_in_the_next(stream_model: Model) -> None:
    pools = []
    for looks in (0, 3):
        made = encoder(stream_model)
        made.close_window(a_window(0), LINE)
        for _ in range(looks):
            made.open_window(a_window(1, samples=9000), LINE)
        pools.append(made.close_window(a_window(1), LINE))
    assert torch.equal(pools[0].embeds, pools[1].embeds)


@torch.inference_mode()
def test_windows_with_their_lookahead_are_heard_as_the_library_hears_the_whole_clip(
    stream_model: Model,
) -> None:
    """Noise spans less than eight decades, so no maximum is needed to compare."""
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(3 * 32_000 + 200) * 0.1).astype(np.float32)
    made, pieces = encoder(stream_model), []
    for index in range(3):
        cut = samples[index * 32_000 :]
        window = RawWindow(2.0 * index, (), (), 1.0, cut[:32_000], cut[32_000:][:40])
        pieces.append(made.close_window(window, LINE).embeds)
    library = WhisperFeatureExtractor(feature_size=128, hop_length=160, n_fft=400)
    mel = library(samples, sampling_rate=16_000, padding=False, truncation=False)
    whole = stream_model.backbone.hear(torch.tensor(mel["input_features"][0])[:, :600])
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=0, atol=1e-4)


def test_a_pair_of_frames_goes_through_the_tower_once_however_often_its_window_is_looked_at(
    stream_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Tensor] = []
    see = stream_model.backbone.see

    def seeing(pixels: Tensor, grid: Tensor) -> Tensor:
        looked.append(pixels)
        return see(pixels, grid)

    monkeypatch.setattr(stream_model.backbone, "see", seeing)
    made, whole = encoder(stream_model), a_window(0)
    half = replace(whole, grids=whole.grids[:1], grid_times_s=whole.grid_times_s[:1])
    other = replace(half, grids=whole.grids[1:])  # its second frame came, say
    with torch.inference_mode():
        for window in (other, half, half):
            made.open_window(window, LINE)
        assert len(looked) == 2
        pool = made.close_window(whole, LINE)
        assert len(looked) == 3
        assert torch.equal(pool.embeds, encoder(stream_model).close_window(whole, LINE).embeds)
        made.close_window(replace(whole, start_s=2.0, grid_times_s=(2.0, 3.0)), LINE)
    assert len(looked) == 7


@given(keep=st.sets(st.integers(0, 67), min_size=1).map(sorted))
def test_a_kept_map_names_every_kept_token_once(keep: list[int]) -> None:
    grids = (GridShape(2.0, 3, 3, 0), GridShape(3.0, 3, 3, 9))
    pool = Pool(2.0, torch.zeros(68, 4), torch.zeros(3, 68, dtype=torch.long), grids, 50)
    told = pool.map_of(torch.tensor(keep))
    named = [i + 9 * at for at, grid in enumerate(told.grids) for i in grid.kept]
    named += [i + 18 for i in told.audio_kept]
    assert named == keep
    assert told.seen == Counts(18, 50)
    assert told.kept.total == len(keep)
    assert told.kept.audio == len(told.audio_kept)


PAIR = np.zeros((2, 28, 28, 3), np.uint8)
SOUND = np.zeros(32_000, np.float32)
GOOD = RawWindow(4.0, (PAIR,), (4.0,), 1.0, SOUND, SOUND[:40])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"start_s": float("nan")}, "finite second, .* got nan"),
        ({"start_s": -1e10}, "at most 8589934592 from 0, got -10000000000"),
        ({"grid_times_s": ()}, "1 grids with 0 times"),
        ({"grids": (PAIR.astype(np.float32),)}, "float32"),
        ({"grids": (PAIR[:1],)}, r"\[1, 28, 28, 3\]"),
        ({"grids": (PAIR[..., :1],)}, r"\[2, 28, 28, 1\]"),
        ({"grids": (PAIR[0],)}, r"\[28, 28, 3\]"),
        ({"grid_times_s": (6.0,)}, r"outside its window, which covers \[4.0, 6.0\)"),
        ({"grid_times_s": (3.0,)}, "outside its window"),
        ({"grids": (PAIR, PAIR), "grid_times_s": (5.0, 4.0)}, "in order of time"),
        ({"grids": (PAIR, PAIR), "grid_times_s": (5.0, 5.0)}, "in order of time"),
        ({"grid_times_s": (float("nan"),)}, "outside its window"),
        ({"samples": SOUND.astype(np.float64)}, "samples are float32"),
        ({"samples": SOUND.astype(np.int16)}, "int16"),
        ({"samples": SOUND[None]}, r"\[1, 32000\]"),
        ({"samples": np.zeros(32_001, np.float32)}, "at most 32000"),
        ({"samples": np.full(32_000, np.nan, np.float32)}, "samples hold values"),
        ({"lookahead": np.zeros(41, np.float32)}, "lookahead are float32"),
        ({"samples": np.full(32_000, 3e9, np.float32)}, "full scale is 1"),
        ({"lookahead": np.full(4, np.inf, np.float32)}, "lookahead hold values"),
    ],
)
def test_what_is_no_window_is_refused_with_what_would_be_one(
    change: dict[str, Any], text: str
) -> None:
    check_window(GOOD)
    with pytest.raises(SettingInvalid, match=text):
        check_window(replace(GOOD, **change))


def test_pictures_that_cannot_be_seen_are_refused() -> None:
    with pytest.raises(ClipError, match="1x300"):
        check_window(replace(GOOD, grids=(np.zeros((2, 300, 1, 3), np.uint8),)))
    with pytest.raises(ClipError, match="0x28"):
        check_window(replace(GOOD, grids=(np.zeros((2, 28, 0, 3), np.uint8),)))


# -- what methods without training read ------------------------------------------------------------


@torch.inference_mode()
def test_a_window_can_be_compared_with_the_last_grid_before_it(stream_model: Model) -> None:
    stream = encoder(stream_model)
    first = stream.close_window(a_window(0), LINE)
    assert first.prior is None
    opened = stream.open_window(replace(a_window(1), lookahead=None), LINE)
    second = stream.close_window(a_window(1), LINE)
    for pool in (opened, second):
        assert pool.prior is not None
        assert torch.equal(pool.prior, first.embeds[9:18])
    deaf = stream.close_window(a_window(2, video=False), LINE)
    assert deaf.prior is None
    fourth = stream.close_window(a_window(3), LINE)
    assert fourth.prior is not None
    assert torch.equal(fourth.prior, second.embeds[9:18])
    other_size = stream.close_window(a_window(4, size=(28, 56)), LINE)
    assert other_size.prior is None


@torch.inference_mode()
@pytest.mark.parametrize(("video", "audio"), [(True, True), (True, False), (False, True)])
def test_attention_is_told_of_every_token_where_it_is_asked_for(
    stream_model: Model, video: bool, audio: bool
) -> None:
    stream = encoder(stream_model)
    stream.attention = True
    window = a_window(video=video, audio=audio)
    pool = stream.close_window(window, LINE)
    plain = closed(stream_model, window)
    assert plain.received is None
    assert torch.equal(pool.embeds, plain.embeds)
    assert pool.received is not None
    assert pool.received.shape == (len(pool),)
    for part in (pool.received[: pool.video], pool.received[pool.video :]):
        assert not len(part) or float(part.mean()) == pytest.approx(1.0, abs=1e-4)


@torch.inference_mode()
def test_attention_may_be_asked_for_while_a_window_is_open(stream_model: Model) -> None:
    stream = encoder(stream_model)
    half = a_window().samples
    assert half is not None
    opened = replace(a_window(), samples=half[:16_000], lookahead=None)
    assert stream.open_window(opened, LINE).received is None
    stream.attention = True
    pool = stream.open_window(opened, LINE)
    assert pool.received is not None
    assert len(pool.received) == len(pool) == 18 + 25
    stream.attention = False
    assert stream.close_window(a_window(), LINE).received is None
