"""Rendered streams are what the engine would compute from a live one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sieve.audio import StreamingMel
from sieve.train.world.codec import opus_round_trip, vp8_round_trip
from sieve.train.world.render import open_mel, open_pairs, patch_pairs, render_stream, stream_mel
from sieve.vision import patches
from stream.world.plot import FirstWorld
from stream.world.scene import Scene


def test_the_mel_of_a_stream_equals_the_streaming_one() -> None:
    stream = render_stream(3, 5, 0.0)
    mels, loudest = stream_mel(stream.samples)
    streaming, before = StreamingMel(), 0.0
    for window in range(5):
        samples = stream.samples[window * 32_000 :]
        opened = open_mel(stream, window, 0.77, before)
        assert torch.equal(streaming.peek(samples[: int(0.77 * 16_000)], 2.0 * window), opened)
        assert torch.equal(
            streaming.push(samples[:32_000], samples[32_000:32_040], 2.0 * window), mels[window]
        )
        before = loudest[window]


def test_patches_equal_those_of_the_engine() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 84, 84, 3), dtype=np.uint8)
    one_by_one = [patches(frames[i : i + 2], 784, 7056)[0] for i in (0, 2, 4)]
    assert torch.equal(patch_pairs(frames.reshape(3, 2, 84, 84, 3)), torch.cat(one_by_one))


@pytest.mark.parametrize(
    ("elapsed_s", "expected"),
    [
        (0.0, [(0, 0)]),
        (0.4, [(0, 0)]),
        (0.6, [(0, 1)]),
        (1.2, [(0, 1), (2, 2)]),
        (1.9, [(0, 1), (2, 3)]),
    ],
)
def test_an_open_window_repeats_the_frame_it_lacks(
    elapsed_s: float, expected: list[tuple[int, int]]
) -> None:
    frames = np.arange(4, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    pairs = open_pairs(frames, elapsed_s)
    assert [(int(a), int(b)) for a, b in pairs[:, :, 0, 0, 0]] == expected


def test_a_stream_is_the_same_every_time_and_differs_by_seed() -> None:
    first, again, other = (render_stream(seed, 2, 1.0) for seed in (8, 8, 9))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.frames, other.frames)


def test_pictures_survive_vp8() -> None:
    scene = Scene(2)
    frames = np.stack([scene.frame(t / 2, 336) for t in range(6)])
    seen = vp8_round_trip(frames, 2, 200_000)
    assert seen.shape == frames.shape
    assert 0.1 < np.abs(seen.astype(int) - frames).mean() < 10


def test_sound_survives_opus() -> None:
    scene = Scene(2, FirstWorld(sounds=1.0))
    sound = scene.sound(0.0, 64_000)
    heard = opus_round_trip(sound)
    assert heard.shape == sound.shape
    loud = [np.sqrt((x.reshape(-1, 800) ** 2).mean(1)) for x in (sound, heard)]
    assert np.corrcoef(*loud)[0, 1] > 0.8
